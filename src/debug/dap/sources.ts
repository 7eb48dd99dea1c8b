/** Texts that an editor may show for a model, and the nodes on their lines: the author's files, the archive's code, the graph as it prints. */

import { ownPlace } from "../../ir/author.ts";
import type { GraphNode, TraceGraph } from "../graph.ts";
import { nodeText } from "../trace-text.ts";

/** Where a node is shown. */
export interface Shown {
  readonly name: string;
  /** A file of this machine. */
  readonly path: string | undefined;
  /** A text from inside the model, where there is no such file. */
  readonly reference: number | undefined;
  readonly line: number;
}

/** What a client calls a source. */
export interface Asked {
  readonly path?: string | undefined;
  readonly name?: string | undefined;
  readonly sourceReference?: number | undefined;
}

/** A place to stop at for a line. */
export interface LinePlace {
  readonly line: number;
  readonly moved: boolean;
  /** Ids of nodes. */
  readonly nodes: ReadonlySet<number>;
}

const GRAPH = "graph";
/** Ops that only arrange data: a line is stopped at where it computes, if it does. */
const PLAIN: ReadonlySet<string> = new Set([
  "prim::Constant",
  "prim::GetAttr",
  "prim::ListConstruct",
  "prim::TupleConstruct",
  "prim::unchecked_cast",
  "prim::box",
]);

export class Sources {
  readonly #graph: TraceGraph;
  readonly #texts: (record: string) => string | undefined;
  readonly #exists: (path: string) => boolean;
  /** Prefixes of the author's paths and what they are here. */
  readonly #map: readonly (readonly [string, string])[];
  /** By file or record, then by line: the nodes that a line begins with. */
  readonly #author = new Map<string, Map<number, Set<number>>>();
  readonly #archive = new Map<string, Map<number, Set<number>>>();
  readonly #records: string[] = [GRAPH];
  readonly #graphLines = new Map<number, number>();
  #graphText = "";

  /** `texts`: the archive's code by record. */
  constructor(
    graph: TraceGraph,
    texts: (record: string) => string | undefined,
    exists: (path: string) => boolean,
    sourceMap: Readonly<Record<string, string>> = {},
  ) {
    this.#graph = graph;
    this.#texts = texts;
    this.#exists = exists;
    this.#map = Object.entries(sourceMap).toSorted((a, b) => b[0].length - a[0].length);
    for (const block of graph.blocks) {
      const nodes = block.nodes.flatMap((id) => graph.nodes[id - 1] ?? []);
      this.#starts(nodes, authorOf, this.#author);
      this.#starts(nodes, archiveOf, this.#archive);
    }
    this.#records.push(...this.#archive.keys());
  }

  /** For each run of neighbours on one line, the first that computes. */
  #starts(nodes: readonly GraphNode[], place: (node: GraphNode) => LineOfFile | undefined, into: Map<string, Map<number, Set<number>>>): void {
    for (let i = 0; i < nodes.length;) {
      const first = nodes[i];
      const at = first === undefined ? undefined : place(first);
      if (first === undefined || at === undefined) {
        i++;
        continue;
      }
      let [end, chosen] = [i, first];
      for (; end < nodes.length; end++) {
        const node = nodes[end];
        const other = node === undefined ? undefined : place(node);
        if (node === undefined || other === undefined || other.file !== at.file || other.line !== at.line) break;
        if (PLAIN.has(chosen.op) && !PLAIN.has(node.op)) chosen = node;
      }
      let lines = into.get(at.file);
      if (lines === undefined) into.set(at.file, (lines = new Map<number, Set<number>>()));
      let starts = lines.get(at.line);
      if (starts === undefined) lines.set(at.line, (starts = new Set<number>()));
      starts.add(chosen.id);
      i = Math.max(end, i + 1);
    }
  }

  /** The author's path as it is on this machine. */
  #mapped(file: string): string {
    for (const [from, to] of this.#map) if (file.startsWith(from)) return to + file.slice(from.length);
    return file;
  }

  /** Where a node is shown: the author's file where it lies here, else the archive's text, else the graph. */
  of(id: number): Shown {
    const node = this.#graph.nodes[id - 1];
    const author = node === undefined ? undefined : authorOf(node);
    if (author !== undefined) {
      const path = this.#mapped(author.file);
      if (this.#exists(path)) return { name: basename(path), path, reference: undefined, line: author.line };
    }
    const archive = node === undefined ? undefined : archiveOf(node);
    if (archive !== undefined && this.#texts(archive.file) !== undefined) {
      return { name: archive.file, path: undefined, reference: this.#records.indexOf(archive.file) + 1, line: archive.line };
    }
    this.#printed();
    return { name: `${this.#graph.model.name} (graph)`, path: undefined, reference: 1, line: this.#graphLines.get(id) ?? 1 };
  }

  /** The text behind a reference. */
  text(reference: number): string | undefined {
    const record = this.#records[reference - 1];
    if (record === undefined) return undefined;
    return reference === 1 ? this.#printed() : this.#texts(record);
  }

  /** Texts from inside the model. */
  references(): readonly { readonly name: string; readonly reference: number }[] {
    return this.#records.map((record, i) => ({ name: i === 0 ? `${this.#graph.model.name} (graph)` : record, reference: i + 1 }));
  }

  /** The graph, a node a line. */
  #printed(): string {
    if (this.#graphText !== "") return this.#graphText;
    const lines: string[] = [];
    const { functions, blocks, nodes } = this.#graph;
    for (const fn of functions) {
      if (fn.block === null) continue;
      lines.push(`${fn.class === null ? "" : `${fn.class}.`}${fn.name}:`);
      const visit = (block: number, indent: string): void => {
        for (const id of blocks[block]?.nodes ?? []) {
          const node = nodes[id - 1];
          if (node === undefined) continue;
          lines.push(`${indent}#${id}  ${nodeText(this.#graph, node)}`);
          this.#graphLines.set(id, lines.length);
          for (const inner of node.blocks) visit(inner, `${indent}    `);
        }
      };
      visit(fn.block, "  ");
      lines.push("");
    }
    return (this.#graphText = lines.join("\n"));
  }

  /** The lines of a source that have ops, in order. */
  linesOf(asked: Asked): ReadonlyMap<number, ReadonlySet<number>> | undefined {
    const { sourceReference } = asked;
    if (sourceReference !== undefined && sourceReference > 0) {
      const record = this.#records[sourceReference - 1];
      if (sourceReference === 1) {
        this.#printed();
        return new Map([...this.#graphLines].map(([node, line]) => [line, new Set([node])] as const));
      }
      return record === undefined ? undefined : this.#archive.get(record);
    }
    const path = asked.path ?? asked.name;
    if (path === undefined) return undefined;
    const record = [...this.#archive.keys()].find((name) => path === name || path.endsWith(`/${name}`));
    if (record !== undefined) return this.#archive.get(record);
    // The author's file may have lain elsewhere: the one whose path has most parts in common, from its end.
    const files = [...this.#author.keys()].map((file) => ({ file, common: commonTail(this.#mapped(file), path) })).filter((f) => f.common > 0);
    files.sort((a, b) => b.common - a.common);
    return files[0] === undefined ? undefined : this.#author.get(files[0].file);
  }

  /** Where a breakpoint on a line stops: there, or on the next line that has an op. */
  place(asked: Asked, line: number): LinePlace | undefined {
    const lines = this.linesOf(asked);
    if (lines === undefined) return undefined;
    const exact = lines.get(line);
    if (exact !== undefined) return { line, moved: false, nodes: exact };
    const next = [...lines.keys()].filter((l) => l > line).toSorted((a, b) => a - b)[0];
    const nodes = next === undefined ? undefined : lines.get(next);
    return next === undefined || nodes === undefined ? undefined : { line: next, moved: true, nodes };
  }
}

interface LineOfFile {
  readonly file: string;
  readonly line: number;
}
function authorOf(node: GraphNode): LineOfFile | undefined {
  return ownPlace(node.source.author ?? []);
}
function archiveOf(node: GraphNode): LineOfFile | undefined {
  const { archive } = node.source;
  return archive === undefined || archive.line === 0 ? undefined : archive;
}

function parts(path: string): string[] {
  return path.split(/[/\\]/).filter((part) => part !== "");
}
function basename(path: string): string {
  return parts(path).at(-1) ?? path;
}
/** Parts that two paths have in common from their ends. */
function commonTail(a: string, b: string): number {
  const [x, y] = [parts(a), parts(b)];
  let n = 0;
  while (n < x.length && n < y.length && x[x.length - 1 - n] === y[y.length - 1 - n]) n++;
  return n;
}
