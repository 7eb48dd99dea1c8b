/** `opwise profile` and `opwise mem`: where time and memory go. */

import { writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import {
  chromeTrace,
  EXIT,
  foldedStacks,
  memoryOf,
  memoryText,
  openTrace,
  parseRunSpec,
  planText,
  profile as profiled,
  profileMarkdown,
  profileText,
  readRun,
  record,
  resultJson,
  textTable,
  timesByNode,
  graphOf,
  nodeName,
  placeText,
  type ProfileBy,
  type TraceRun,
} from "../debug/index.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { openTarget } from "./target.ts";

const BY = ["op", "module", "line", "node"] as const;

function countOption(args: Arguments, option: string, otherwise: number): number {
  const word = args.options.get(option);
  if (word === undefined) return otherwise;
  const n = Number(word);
  if (!Number.isInteger(n) || n < 1) throw new UsageError(`\`--${option}\` wants a whole number above 0, got \`${word}\``);
  return n;
}

/** Writes the run for other tools, where they are asked for. */
function exported(args: Arguments, run: TraceRun): void {
  const chrome = args.options.get("chrome-trace");
  if (chrome !== undefined) {
    const text = resultJson(chromeTrace(run));
    writeFileSync(chrome, chrome.endsWith(".gz") ? gzipSync(text) : text);
  }
  const folded = args.options.get("folded");
  if (folded !== undefined) writeFileSync(folded, `${foldedStacks(run)}\n`);
}

export async function profile(args: Arguments): Promise<number> {
  const by: ProfileBy | undefined = BY.find((one) => one === (args.options.get("by") ?? "op"));
  if (by === undefined) throw new UsageError(`\`--by\` is one of ${BY.join(", ")}`);
  const runs = countOption(args, "runs", 5);
  const top = countOption(args, "top", 25);
  const { session, inputs, method, model } = await openTarget(args);
  if (args.flags.has("timing-only")) {
    const graph = graphOf(model.program);
    const times = await timesByNode(session, inputs, { method });
    const rows = [...times].toSorted((a, b) => b[1] - a[1]);
    if (args.flags.has("json")) console.log(resultJson({ nodes: rows.map(([node, ms]) => ({ node, op: graph.nodes[node - 1]?.op, ms })) }));
    else
      console.log(
        textTable(
          rows.slice(0, top).flatMap(([id, ms]) => {
            const node = graph.nodes[id - 1];
            return node === undefined ? [] : [[ms.toFixed(4), nodeName(node), node.module ?? "", placeText(node)]];
          }),
          [0],
        ),
      );
    return EXIT.held;
  }
  const found = await profiled(session, inputs, { by, runs, method });
  exported(args, found.run);
  if (args.flags.has("json")) {
    const { run, ...rest } = found;
    console.log(resultJson({ model: run.run?.model ?? "", ...rest }));
  } else if (args.flags.has("md")) console.log(profileMarkdown(found, top));
  else {
    console.log(profileText(found, top));
    if (args.flags.has("plan")) console.log(planText(found));
  }
  return EXIT.held;
}

export async function mem(args: Arguments): Promise<number> {
  const top = countOption(args, "top", 15);
  const spec = parseRunSpec(args.model);
  let run: TraceRun;
  if (spec.kind === "trace") run = await readRun(await openTrace(spec.file));
  else {
    const { session, inputs, method } = await openTarget(args);
    const recorded = await record(session, inputs, { values: "none", method });
    if (recorded.error !== undefined) throw recorded.error;
    run = recorded.run;
  }
  exported(args, run);
  const use = memoryOf(run);
  console.log(args.flags.has("json") ? resultJson(use) : memoryText(use, top));
  return EXIT.held;
}
