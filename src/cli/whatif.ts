/** `opwise whatif`: a run with a value, a precision, a backend or an argument changed. */

import { OpwiseError } from "../index.ts";
import { type Change, errorJson, EXIT, exitOf, longDtype, resultJson, sweep, sweepText, whatIf, whatIfText } from "../debug/index.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { makeBackend } from "./backend.ts";
import { openTarget } from "./target.ts";

/** The words on both sides of the last `=`. */
function split(option: string, word: string): readonly [string, string] {
  const at = word.lastIndexOf("=");
  if (at <= 0 || at === word.length - 1) throw new UsageError(`\`--${option}\` wants SELECTOR=VALUE, got \`${word}\``);
  return [word.slice(0, at).trim(), word.slice(at + 1).trim()];
}

function dtypeOf(word: string): NonNullable<ReturnType<typeof longDtype>> {
  const dtype = longDtype(word);
  if (dtype === undefined) throw new UsageError(`there is no dtype \`${word}\`; precisions are f64, f32, f16, bf16, int8`);
  return dtype;
}

/** A value of an op's argument: `true`, `2`, `0.5`, `"reflect"`, `None`. */
function valueOf(word: string): number | boolean | string | null {
  if (word === "None") return null;
  if (/^true$/i.test(word)) return true;
  if (/^false$/i.test(word)) return false;
  const number = Number(word);
  return Number.isNaN(number) ? word.replace(/^["']|["']$/g, "") : number;
}

async function changesOf(args: Arguments): Promise<Change[]> {
  const words = (name: string): readonly string[] => args.repeated.get(name) ?? [];
  const out: Change[] = [];
  for (const word of words("set")) {
    const [target, value] = split("set", word);
    const number = Number(value);
    if (Number.isNaN(number) && value !== "nan") throw new UsageError(`\`--set\` wants a number behind the =, got \`${value}\``);
    out.push({ kind: "set", target, value: number });
  }
  for (const word of words("backend")) {
    const [select, name] = split("backend", word);
    out.push({ kind: "backend", select, backend: await makeBackend(name) });
  }
  for (const word of words("dtype")) {
    const [select, name] = split("dtype", word);
    out.push({ kind: "dtype", select, dtype: dtypeOf(name) });
  }
  for (const word of words("attr")) {
    const [path, value] = split("attr", word);
    const match = /^(.+)\.([A-Za-z_]\w*)$/.exec(path);
    if (match === null) throw new UsageError(`\`--attr\` wants SELECTOR.NAME=VALUE, got \`${word}\``);
    out.push({ kind: "attr", select: match[1] ?? "", name: match[2] ?? "", value: valueOf(value) });
  }
  for (const select of words("skip")) out.push({ kind: "skip", select });
  return out;
}

export async function whatif(args: Arguments): Promise<number> {
  const asJson = args.flags.has("json");
  const swept = args.options.get("sweep");
  const changes = await changesOf(args);
  if (swept === undefined && changes.length === 0) throw new UsageError("`whatif` wants a change: --set, --dtype, --backend, --attr, --skip, or --sweep");
  const target = await openTarget(args);
  using session = target.session;
  if (swept !== undefined) {
    const match = /^dtype=(.+)$/.exec(swept);
    if (match === null) throw new UsageError(`\`--sweep\` wants dtype=f16,bf16,int8, got \`${swept}\``);
    const rows = await sweep(session, target.inputs, (match[1] ?? "").split(",").map(dtypeOf), args.options.get("over") ?? "kind:contract | kind:convolve", {
      method: target.method,
    });
    console.log(asJson ? resultJson({ rows, exit: EXIT.held }) : sweepText(rows).join("\n"));
    return EXIT.held;
  }
  const report = await whatIf(session, target.inputs, changes, { method: target.method });
  const code = report.error === undefined ? EXIT.held : report.error instanceof OpwiseError ? exitOf(report.error) : EXIT.found;
  if (asJson) console.log(resultJson({ ...report, error: report.error === undefined ? null : errorJson(report.error), exit: code }));
  else console.log(whatIfText(report).join("\n"));
  return code;
}
