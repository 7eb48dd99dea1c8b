/** `opwise report`: traces and the page as one file to attach, to keep, to open without a network. */

import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { openTrace, reportHtml, rewriteTrace, type StripOptions } from "../debug/index.ts";
import { OpwiseError } from "../index.ts";
import { type FileArguments, UsageError } from "./arguments.ts";
import { pageText } from "./page-files.ts";

function read(file: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(file));
  } catch (cause) {
    throw new OpwiseError("missing-file", `\`${file}\` cannot be read`, { where: { file }, cause });
  }
}

export async function report(args: FileArguments): Promise<number> {
  const { files } = args;
  const output = args.options.get("output");
  if (files.length === 0 || files.length > 2) throw new UsageError(`one or two traces are wanted, got ${files.length}`);
  if (output === undefined) throw new UsageError("`-o FILE.html` says where the report goes");
  const options: StripOptions = { values: args.flags.has("no-values"), weights: args.flags.has("no-weights"), paths: args.flags.has("no-paths") };
  const traces = [];
  for (const file of files) {
    // Opened even when nothing is left out: what is no trace makes no report.
    const trace = await openTrace(file);
    const isWhole = options.values !== true && options.weights !== true && options.paths !== true;
    traces.push({ name: basename(file), bytes: isWhole ? read(file) : await rewriteTrace(trace, options) });
  }
  const compare = args.options.get("compare");
  const html = await reportHtml(pageText(), traces, compare === undefined ? undefined : new TextDecoder().decode(read(compare)));
  writeFileSync(output, html);
  const size = Buffer.byteLength(html);
  if (args.flags.has("json")) console.log(JSON.stringify({ schema: "opwise.report/1", file: output, bytes: size, traces: files, leftOut: options }));
  else console.log(`${output}: ${(size / 1e6).toFixed(2)} MB, ${traces.length} ${traces.length === 1 ? "trace" : "traces"}`);
  return 0;
}
