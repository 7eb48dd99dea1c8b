/** `opwise source`: the module tree, or the lines of the selected nodes in the archive's text and the author's. */

import { load } from "../index.ts";
import {
  EXIT,
  graphOf,
  moduleTree,
  moduleTreeText,
  nodeSourceText,
  openTrace,
  parseRunSpec,
  parseSelector,
  resultJson,
  selectNodes,
  sourceFiles,
  sourceText,
  type TraceGraph,
} from "../debug/index.ts";
import { type Arguments, programOption, UsageError } from "./arguments.ts";
import { progressLine } from "./progress.ts";
import { noMatch } from "./select.ts";

async function graphAndTexts(args: Arguments): Promise<{ readonly graph: TraceGraph; readonly text: (record: string) => string | undefined }> {
  const spec = parseRunSpec(args.model);
  if (spec.kind === "trace") {
    const trace = await openTrace(spec.file);
    const records = new Set(trace.graph.nodes.map((node) => node.source.archive?.file ?? ""));
    const texts = new Map<string, string | undefined>();
    for (const record of records) texts.set(record, await trace.source(record));
    return { graph: trace.graph, text: (record) => texts.get(record) };
  }
  if (spec.kind !== "model") throw new UsageError("a model or a trace is wanted");
  const { program } = await load(spec.file, { onProgress: progressLine(spec.file), ...programOption(args) });
  return { graph: graphOf(program), text: (record) => program.sourceText?.(record) };
}

export async function source(args: Arguments): Promise<number> {
  const { graph, text } = await graphAndTexts(args);
  const [words] = args.words;
  const json = args.flags.has("json");
  if (words === undefined) {
    const tree = moduleTree(graph);
    console.log(json ? resultJson({ tree, files: sourceFiles(graph, text) }) : moduleTreeText(tree));
    return EXIT.held;
  }
  const selector = parseSelector(words);
  const found = selectNodes(graph, selector).map((match) => match.node);
  if (found.length === 0) throw noMatch(graph, selector, words);
  const ids = new Set(found.map((node) => node.id));
  const files = sourceFiles(graph, text);
  if (json) console.log(resultJson({ nodes: found, files: files.filter((file) => file.lines.some((line) => line.nodes.some((id) => ids.has(id)))) }));
  else {
    console.log(sourceText(graph, files, ids));
    if (found.length <= 3) for (const node of found) console.log(nodeSourceText(graph, node));
  }
  return EXIT.held;
}
