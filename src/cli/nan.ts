/** `opwise nan`: where numbers stop being finite. */

import { errorJson, EXIT, exitOf, findNonFinite, isHarmful, longDtype, type NonFiniteOptions, nonFiniteText, resultJson } from "../debug/index.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { openTarget } from "./target.ts";

const KINDS = "nan, inf, overflow:f16, overflow:bf16, subnormal";

interface Kinds extends Pick<NonFiniteOptions, "overflow" | "subnormal"> {
  /** Births that are told. */
  readonly births: ReadonlySet<string>;
}

function kindsOf(args: Arguments): Kinds {
  const births = new Set<string>();
  let overflow: NonFiniteOptions["overflow"];
  let subnormal = false;
  for (const word of (args.options.get("kind") ?? "nan,inf").split(",")) {
    const dtype = word.startsWith("overflow:") ? longDtype(word.slice("overflow:".length)) : undefined;
    if (word === "nan" || word === "inf") births.add(word);
    else if (word === "subnormal") subnormal = true;
    else if (dtype === "float16" || dtype === "bfloat16") overflow = dtype;
    else throw new UsageError(`\`--kind\` wants some of ${KINDS}, got \`${word}\``);
  }
  return { births, overflow, subnormal };
}

export async function nan(args: Arguments): Promise<number> {
  const kinds = kindsOf(args);
  const target = await openTarget(args);
  using session = target.session;
  const found = await findNonFinite(session, target.inputs, { method: target.method, overflow: kinds.overflow, subnormal: kinds.subnormal });
  const report = { ...found, births: found.births.filter((b) => kinds.births.has(b.kind)) };
  const code = report.error === undefined ? (isHarmful(report) ? EXIT.found : EXIT.held) : exitOf(report.error);
  if (args.flags.has("json")) {
    console.log(resultJson({ ...report, error: report.error === undefined ? null : errorJson(report.error), exit: code }));
    return code;
  }
  console.log(nonFiniteText(report, { all: args.flags.has("all") }).join("\n"));
  if (report.error !== undefined) console.error(report.error instanceof Error ? report.error.toString() : report.error);
  return code;
}
