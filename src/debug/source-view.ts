/** Source view (F15): the module tree, the archive's text, the author's text, and the nodes of each line. */

import type { NodeId } from "./events.ts";
import { type GraphNode, placeOf, type TraceGraph } from "./graph.ts";
import { nodeText } from "./trace-text.ts";

export interface SourceLine {
  /** 1-based. */
  readonly line: number;
  readonly text: string;
  readonly nodes: readonly NodeId[];
  /** The author's own lines of these nodes, each once. */
  readonly author: readonly { readonly file: string; readonly line: number; readonly text?: string | undefined }[];
}
export interface SourceFile {
  /** `code/__torch__/net.py`; for formats without text the graph's name, whose lines are its nodes. */
  readonly file: string;
  readonly printed: boolean;
  readonly lines: readonly SourceLine[];
}

/** Texts with their nodes. `source`: the archive's text of a record; without it the printed graph stands for it. */
export function sourceFiles(graph: TraceGraph, source: (record: string) => string | undefined): readonly SourceFile[] {
  const byFile = new Map<string, GraphNode[]>();
  for (const node of graph.nodes) {
    const file = node.source.archive?.file ?? graph.model.name;
    const own = byFile.get(file);
    if (own === undefined) byFile.set(file, [node]);
    else own.push(node);
  }
  return [...byFile].map(([file, nodes]): SourceFile => {
    const text = source(file);
    if (text === undefined)
      return { file, printed: true, lines: nodes.map((node) => ({ line: node.id, text: nodeText(graph, node), nodes: [node.id], author: authorsOf([node]) })) };
    const byLine = new Map<number, GraphNode[]>();
    for (const node of nodes) {
      const line = node.source.archive?.line ?? 0;
      byLine.set(line, [...(byLine.get(line) ?? []), node]);
    }
    const lines = text
      .split("\n")
      .map((text, i) => ({ line: i + 1, text, nodes: (byLine.get(i + 1) ?? []).map((node) => node.id), author: authorsOf(byLine.get(i + 1) ?? []) }));
    return { file, printed: false, lines };
  });
}

function authorsOf(nodes: readonly GraphNode[]): SourceLine["author"] {
  const out = new Map<string, { file: string; line: number; text?: string | undefined }>();
  for (const node of nodes) {
    if (node.source.author === undefined) continue;
    const place = placeOf(node.source);
    if (place !== undefined)
      out.set(`${place.file}:${place.line}`, { file: place.file, line: place.line, ...(place.text === undefined ? {} : { text: place.text }) });
  }
  return [...out.values()];
}

/** A module with those inside it. */
export interface ModuleTree {
  readonly path: string;
  readonly name: string;
  readonly class: string;
  /** Nodes of its own methods, constants and attribute reads apart; for formats that tell each node's module, those of the module. */
  readonly nodes: number;
  readonly place: { readonly file: string; readonly line: number } | undefined;
  readonly children: readonly ModuleTree[];
}

type Growing = { -readonly [K in keyof ModuleTree]: ModuleTree[K] } & { children: Growing[] };

/** The tree of modules: of the archive's objects, else of the paths that nodes say they belong to. */
export function moduleTree(graph: TraceGraph): ModuleTree {
  const count = new Map<string, number>();
  const places = new Map<string, ModuleTree["place"]>();
  const quiet = (node: GraphNode): boolean => node.op === "prim::Constant" || node.op === "prim::GetAttr";
  const hasObjects = graph.modules.length > 0;
  for (const node of graph.nodes) {
    const cls = graph.functions[graph.blocks[node.block]?.function ?? -1]?.class ?? "";
    const key = hasObjects ? cls : (node.module ?? "");
    if (!quiet(node)) count.set(key, (count.get(key) ?? 0) + 1);
  }
  for (const fn of graph.functions) if (fn.class !== null && (fn.name === "forward" || !places.has(fn.class))) places.set(fn.class, placeOf(fn.source));
  const root: Growing = { path: "", name: graph.model.name, class: "", nodes: 0, place: undefined, children: [] };
  const known = new Map<string, Growing>([["", root]]);
  const at = (path: string): Growing => {
    const found = known.get(path);
    if (found !== undefined) return found;
    const cut = path.lastIndexOf(".");
    const made: Growing = { path, name: path.slice(cut + 1), class: "", nodes: 0, place: undefined, children: [] };
    at(cut < 0 ? "" : path.slice(0, cut)).children.push(made);
    known.set(path, made);
    return made;
  };
  if (hasObjects) {
    for (const { path, class: name } of graph.modules) Object.assign(at(path), { class: name, nodes: count.get(name) ?? 0, place: places.get(name) });
  } else for (const [path, n] of count) at(path).nodes = n;
  return root;
}

/** The tree as text, one module a line. */
export function moduleTreeText(tree: ModuleTree, depth: number = 0): string {
  const cls = tree.class.replace(/^__torch__\./, "").replace(/___torch_mangle_\d+\./, "");
  const place = tree.place === undefined ? "" : `  ${tree.place.file.split(/[/\\]/).slice(-2).join("/")}:${tree.place.line}`;
  const line = `${"  ".repeat(depth)}${tree.name}${cls === "" ? "" : `: ${cls}`}${tree.nodes === 0 ? "" : `  ${tree.nodes} nodes`}${place}`;
  return [line, ...tree.children.map((child) => moduleTreeText(child, depth + 1))].join("\n");
}

/** Lines of the files that have one of the nodes, with some around them; the author's line stands behind each. */
export function sourceText(graph: TraceGraph, files: readonly SourceFile[], nodes: ReadonlySet<NodeId>, around: number = 2): string {
  const out: string[] = [];
  const quiet = (id: NodeId): boolean => graph.nodes[id - 1]?.op === "prim::Constant";
  for (const file of files) {
    const marked = file.lines.flatMap((line, i) => (line.nodes.some((id) => nodes.has(id)) ? [i] : []));
    if (marked.length === 0) continue;
    out.push(file.printed ? `${file.file} (its nodes)` : file.file);
    const shown = new Set(marked.flatMap((i) => Array.from({ length: 2 * around + 1 }, (_, k) => i - around + k)));
    let last = -1;
    for (const [i, line] of file.lines.entries()) {
      if (!shown.has(i)) continue;
      if (last >= 0 && i > last + 1) out.push("   …");
      last = i;
      const own = line.nodes.filter((id) => nodes.has(id) && !quiet(id));
      const [first] = line.author;
      const author =
        first === undefined
          ? ""
          : `   ← ${first.file.split(/[/\\]/).slice(-2).join("/")}:${first.line}${first.text === undefined ? "" : `  ${first.text.trim()}`}`;
      const ids = file.printed || own.length === 0 ? "" : `   ${own.map((id) => `#${id}`).join(" ")}`;
      out.push(`${marked.includes(i) ? "→" : " "}${String(line.line).padStart(5)}  ${line.text}${ids}${marked.includes(i) ? author : ""}`);
    }
  }
  return out.join("\n");
}

/** A node with both of its places and the calls that led to it. */
export function nodeSourceText(graph: TraceGraph, node: GraphNode): string {
  const lines = [`#${node.id} ${nodeText(graph, node)}`];
  if (node.source.archive !== undefined)
    lines.push(`  archive  ${node.source.archive.file}${node.source.archive.line === 0 ? "" : `:${node.source.archive.line}`}`);
  for (const place of node.source.author ?? [])
    lines.push(
      `  author   ${place.file}:${place.line}${place.function === undefined ? "" : `, in ${place.function}`}${place.text === undefined ? "" : `   ${place.text.trim()}`}`,
    );
  return lines.join("\n");
}
