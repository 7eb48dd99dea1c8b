/** `opwise select`: what a selector matches in a model or in a trace. */

import { load, OpwiseError } from "../index.ts";
import {
  EXIT,
  graphOf,
  needsRun,
  nodeName,
  nodeText,
  openTrace,
  parseRunSpec,
  parseSelector,
  placeText,
  readRun,
  resultJson,
  selectExecutions,
  selectNodes,
  selectValues,
  suggestions,
  textTable,
  type Selector,
  type TraceGraph,
} from "../debug/index.ts";
import { type Arguments, programOption, UsageError } from "./arguments.ts";
import { progressLine } from "./progress.ts";

/** The error for a selector that matches nothing, with what is near. */
export function noMatch(graph: TraceGraph, selector: Selector, text: string): OpwiseError {
  const near = suggestions(graph, selector);
  return new OpwiseError("no-match", `nothing matches \`${text}\``, near.length === 0 ? {} : { hint: `is it ${near.join(", or ")}?` });
}

export async function select(args: Arguments): Promise<number> {
  const [text] = args.words;
  if (text === undefined) throw new UsageError("a selector is wanted behind the model");
  const selector = parseSelector(text);
  const spec = parseRunSpec(args.model);
  if (spec.kind === "trace") return selectRun(args, selector, text);
  if (spec.kind !== "model") throw new UsageError("a model or a trace is wanted");
  const graph = graphOf((await load(spec.file, { onProgress: progressLine(spec.file), ...programOption(args) })).program);
  const found = selectNodes(graph, selector);
  const loose = selectValues(graph, selector).filter((id) => graph.values[id]?.node === null);
  if (found.length + loose.length === 0) throw noMatch(graph, selector, text);
  if (args.flags.has("json")) {
    const nodes = found.map(({ node, sure }) => ({ id: node.id, op: node.op, module: node.module, place: placeText(node), sure, text: nodeText(graph, node) }));
    console.log(resultJson({ selector: text, nodes, values: loose.map((id) => graph.values[id]) }));
    return EXIT.held;
  }
  if (found.length > 0)
    console.log(textTable(found.map(({ node, sure }) => [nodeName(node), node.module ?? "", placeText(node), sure ? "" : "?", nodeText(graph, node)])));
  for (const id of loose)
    console.log(
      `%${graph.values[id]?.name ?? ""}: ${graph.values[id]?.type ?? ""}  input of ${graph.functions[graph.blocks[graph.values[id]?.block ?? -1]?.function ?? -1]?.name ?? ""}`,
    );
  if (needsRun(selector) && found.some((match) => !match.sure)) console.log("? a run decides");
  return EXIT.held;
}

async function selectRun(args: Arguments, selector: Selector, text: string): Promise<number> {
  const run = await readRun(await openTrace(args.model));
  const found = selectExecutions(run, selector);
  if (found.length === 0) throw noMatch(run.graph, selector, text);
  if (args.flags.has("json")) {
    console.log(
      resultJson({
        selector: text,
        executions: found.map((e) => ({
          node: e.node,
          nth: e.nth,
          t: e.t,
          op: run.node(e.node).op,
          module: e.module,
          ms: e.ms,
          place: placeText(run.node(e.node)),
        })),
      }),
    );
    return EXIT.held;
  }
  console.log(
    textTable(
      found.map((e) => [`@${e.t}`, nodeName(run.node(e.node), e.nth), e.module, placeText(run.node(e.node)), e.ms === undefined ? "" : `${e.ms} ms`]),
      [0],
    ),
  );
  return EXIT.held;
}
