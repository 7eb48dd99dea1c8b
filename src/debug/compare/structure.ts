/** What differs between two programs as they are written: nodes added and missing, attributes, weights by content. Nothing is run. */

import type { Node, Program } from "../../ir/graph.ts";
import { walkNodes } from "../../ir/graph.ts";
import type { Template, TensorTemplate } from "../../ir/template.ts";
import { hashBytes } from "../hash.ts";
import { type GraphNode, graphOf, numberingOf } from "../graph.ts";
import { textTable } from "../results.ts";

export interface NodeDiff {
  readonly kind: "added" | "missing" | "changed";
  readonly op: string;
  readonly module: string;
  readonly a: number | undefined;
  readonly b: number | undefined;
  /** Attributes that differ: on A, on B. */
  readonly attributes: Readonly<Record<string, readonly [string, string]>>;
}
export interface WeightDiff {
  readonly name: string;
  readonly kind: "added" | "missing" | "shape" | "dtype" | "content";
  readonly a: string | undefined;
  readonly b: string | undefined;
}
export interface GraphDiff {
  readonly nodes: readonly NodeDiff[];
  readonly weights: readonly WeightDiff[];
  readonly same: { readonly nodes: number; readonly weights: number };
}

/** Nodes say what they are by op, module and operands' makers: an edit in one place does not move what follows. */
function keyOf(node: GraphNode): string {
  return `${node.op} ${node.module ?? ""}`;
}

/** The longest common subsequence of two lists of keys, as pairs of positions. */
function common(a: readonly string[], b: readonly string[]): (readonly [number, number])[] {
  const [n, m] = [a.length, b.length];
  const head: (readonly [number, number])[] = [];
  let from = 0;
  while (from < n && from < m && a[from] === b[from]) head.push([from, from++]);
  let [endA, endB] = [n, m];
  const tail: (readonly [number, number])[] = [];
  while (endA > from && endB > from && a[endA - 1] === b[endB - 1]) tail.unshift([--endA, --endB]);
  const [rows, columns] = [endA - from, endB - from];
  // What is left is small but for wholly different graphs: those are compared by their ends alone.
  if (rows * columns > 25e6) return [...head, ...tail];
  const lengths = new Uint32Array((rows + 1) * (columns + 1));
  const at = (i: number, j: number): number => lengths[i * (columns + 1) + j] ?? 0;
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--)
      lengths[i * (columns + 1) + j] = a[from + i] === b[from + j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  }
  const middle: (readonly [number, number])[] = [];
  for (let i = 0, j = 0; i < rows && j < columns;) {
    if (a[from + i] === b[from + j]) middle.push([from + i++, from + j++]);
    else if (at(i + 1, j) >= at(i, j + 1)) i++;
    else j++;
  }
  return [...head, ...middle, ...tail];
}

function nodesOf(program: Program): readonly GraphNode[] {
  return graphOf(program).nodes.filter((node) => node.op !== "prim::GetAttr");
}

function differing(a: GraphNode, b: GraphNode): Record<string, readonly [string, string]> {
  const out: Record<string, readonly [string, string]> = {};
  for (const name of new Set([...Object.keys(a.attributes), ...Object.keys(b.attributes)])) {
    const [x, y] = [a.attributes[name] ?? "not given", b.attributes[name] ?? "not given"];
    if (x !== y && !/^\$\d+</.test(x)) out[name] = [x, y];
  }
  return out;
}

/** Tensors that a program holds, by name; those of constants by their node's first result. */
function tensorsOf(program: Program): Map<string, TensorTemplate> {
  const out = new Map<string, TensorTemplate>();
  const seen = new Set<Template>();
  const visit = (template: Template, path: string): void => {
    if (template.kind === "tensor") out.set(path, template.tensor);
    if (template.kind !== "object" || seen.has(template)) return;
    seen.add(template);
    template.class.attributes.forEach((a, i) => {
      const field = template.fields[i];
      if (field !== undefined) visit(field, path === "" ? a.name : `${path}.${a.name}`);
    });
  };
  if (program.root !== undefined) visit(program.root, "");
  for (const entry of program.state ?? []) visit(entry.value, entry.name);
  const numbering = numberingOf(program);
  const constant = (node: Node): void => {
    const value = node.attributes["value"];
    const name = node.results[0]?.name;
    if (node.op === "prim::Constant" && value?.kind === "tensor" && name !== undefined && numbering.nodeId(node) > 0) out.set(name, value.tensor);
  };
  if (program.main !== undefined) walkNodes(program.main.graph(), constant);
  return out;
}

function contentOf(t: TensorTemplate): string | undefined {
  const bytes = t.storage.source.readSync?.({ offset: 0, length: t.storage.nbytes });
  return bytes === undefined ? undefined : `${hashBytes(bytes)} ${t.offset} ${t.strides.join()}`;
}

/** Compares two programs. Weights are compared by the hash of their bytes, where these can be read at once. */
export function diffGraphs(a: Program, b: Program): GraphDiff {
  const [left, right] = [nodesOf(a), nodesOf(b)];
  const pairs = common(left.map(keyOf), right.map(keyOf));
  const nodes: NodeDiff[] = [];
  const [pairedA, pairedB] = [new Set(pairs.map(([i]) => i)), new Set(pairs.map(([, j]) => j))];
  let same = 0;
  for (const [i, j] of pairs) {
    const [x, y] = [left[i], right[j]];
    if (x === undefined || y === undefined) continue;
    const attributes = differing(x, y);
    if (Object.keys(attributes).length === 0) same++;
    else nodes.push({ kind: "changed", op: x.op, module: x.module ?? "", a: x.id, b: y.id, attributes });
  }
  left.forEach(
    (node, i) => void (pairedA.has(i) || nodes.push({ kind: "missing", op: node.op, module: node.module ?? "", a: node.id, b: undefined, attributes: {} })),
  );
  right.forEach(
    (node, j) => void (pairedB.has(j) || nodes.push({ kind: "added", op: node.op, module: node.module ?? "", a: undefined, b: node.id, attributes: {} })),
  );
  const [weightsA, weightsB] = [tensorsOf(a), tensorsOf(b)];
  const weights: WeightDiff[] = [];
  let equal = 0;
  const text = (t: TensorTemplate): string => `${t.dtype}[${t.shape.join(",")}]`;
  for (const [name, x] of weightsA) {
    const y = weightsB.get(name);
    if (y === undefined) weights.push({ name, kind: "missing", a: text(x), b: undefined });
    else if (x.dtype !== y.dtype) weights.push({ name, kind: "dtype", a: text(x), b: text(y) });
    else if (x.shape.join() !== y.shape.join()) weights.push({ name, kind: "shape", a: text(x), b: text(y) });
    else if (contentOf(x) !== contentOf(y)) weights.push({ name, kind: "content", a: text(x), b: text(y) });
    else equal++;
  }
  for (const [name, y] of weightsB) if (!weightsA.has(name)) weights.push({ name, kind: "added", a: undefined, b: text(y) });
  return { nodes: nodes.toSorted((x, y) => (x.a ?? x.b ?? 0) - (y.a ?? y.b ?? 0)), weights, same: { nodes: same, weights: equal } };
}

const SHOWN = 60;

/** The difference as text. */
export function diffText(d: GraphDiff): string {
  const lines = [`${d.same.nodes} nodes and ${d.same.weights} weights are the same; ${d.nodes.length} nodes and ${d.weights.length} weights differ`];
  const rows = d.nodes.slice(0, SHOWN).map((n) => [
    n.kind === "added" ? "+" : n.kind === "missing" ? "−" : "~",
    n.a === undefined ? "" : `#${n.a}`,
    n.b === undefined ? "" : `#${n.b}`,
    n.op,
    n.module,
    Object.entries(n.attributes)
      .map(([name, [x, y]]) => `${name}: ${x} → ${y}`)
      .join(", "),
  ]);
  if (rows.length > 0) lines.push(textTable([["", "A", "B", "op", "module", "attributes"], ...rows]));
  if (d.nodes.length > SHOWN) lines.push(`… ${d.nodes.length - SHOWN} more`);
  for (const w of d.weights.slice(0, SHOWN))
    lines.push(
      `${w.kind === "added" ? "+" : w.kind === "missing" ? "−" : "~"} weight ${w.name}: ${w.kind === "content" ? `other content (${w.a ?? ""})` : `${w.a ?? "none"} → ${w.b ?? "none"}`}`,
    );
  if (d.weights.length > SHOWN) lines.push(`… ${d.weights.length - SHOWN} more weights`);
  return lines.join("\n");
}
