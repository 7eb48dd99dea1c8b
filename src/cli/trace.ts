/** `opwise trace`: records a run into a file, and repairs one that was cut off. */

import { createReadStream, rmSync, statSync } from "node:fs";
import { createHash } from "node:crypto";
import {
  EXIT,
  exitOf,
  fileBytes,
  graphOf,
  parseSelector,
  recordTo,
  repairTrace,
  resultJson,
  selectNodes,
  selectValues,
  type Selector,
  summaryText,
} from "../debug/index.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { openTarget } from "./target.ts";
import { noMatch } from "./select.ts";

const VALUES = ["none", "hash", "stats", "full"] as const;

/** `2G`, `500M`, `65536`. @throws UsageError */
export function bytesOption(args: Arguments, option: string): number | undefined {
  const word = args.options.get(option);
  if (word === undefined) return undefined;
  const found = /^(\d+(?:\.\d+)?)([kKMG])?B?$/.exec(word);
  if (found === null) throw new UsageError(`\`--${option}\` wants bytes, as 2G, got \`${word}\``);
  return Math.round(Number(found[1]) * ({ k: 1e3, K: 1e3, M: 1e6, G: 1e9 }[found[2] ?? ""] ?? 1));
}

/** Several `--select` are joined by `|`. */
export function selectOption(args: Arguments): Selector | undefined {
  const texts = args.repeated.get("select") ?? [];
  return texts.length === 0 ? undefined : parseSelector(texts.map((text) => `(${text})`).join(" | "));
}

async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Uint8Array); // a stream of bytes
  return hash.digest("hex");
}

export async function trace(args: Arguments): Promise<number> {
  if (args.model === "repair") return repair(args);
  if (args.words.length > 0) throw new UsageError(`one model is wanted; \`${args.words[0] ?? ""}\` is another word`);
  const values = VALUES.find((one) => one === (args.options.get("values") ?? "stats"));
  if (values === undefined) throw new UsageError(`\`--values\` is one of ${VALUES.join(", ")}`);
  const maxBytes = bytesOption(args, "max-bytes");
  const select = selectOption(args);
  const target = await openTarget(args);
  const graph = graphOf(target.model.program);
  if (select !== undefined && selectNodes(graph, select).length + selectValues(graph, select).length === 0)
    throw noMatch(graph, select, (args.repeated.get("select") ?? []).join(" | "));
  const file = args.options.get("output") ?? "run.opwtrace";
  const begin = recordTo(fileBytes(file), target.session, target.inputs, {
    values,
    select,
    maxBytes,
    method: target.method,
    timing: !args.flags.has("no-timing"),
    prims: args.flags.has("prims"),
    hashes: args.flags.has("hashes"),
    sha256: await sha256(target.spec.file),
  });
  const written = await begin.catch((error: unknown) => {
    rmSync(file, { force: true }); // nothing has run
    throw error;
  });
  const { size } = statSync(file);
  const { error } = written;
  const code = error === undefined ? EXIT.held : exitOf(error);
  if (args.flags.has("json"))
    console.log(
      resultJson({ file, bytes: size, ...written.manifest, error: error === undefined ? null : { code: error.code, message: error.message }, exit: code }),
    );
  else {
    console.log(`${file}: ${summaryText(written.manifest, size)}`);
    if (error !== undefined) console.error(error.toString());
  }
  return code;
}

async function repair(args: Arguments): Promise<number> {
  const [file] = args.words;
  if (file === undefined) throw new UsageError("which trace shall be repaired? `opwise trace repair FILE -o OUT`");
  const to = args.options.get("output") ?? file.replace(/(\.opwtrace)?$/, ".repaired.opwtrace");
  if (to === file) throw new UsageError("the repaired trace goes to another file: -o OUT");
  const repaired = await repairTrace(file, fileBytes(to));
  if (args.flags.has("json")) console.log(resultJson({ file: to, ...repaired, exit: EXIT.held }));
  else console.log(`${to}: ${repaired.records} records and ${repaired.events} events are whole, ${repaired.lost} bytes behind them are lost`);
  return EXIT.held;
}
