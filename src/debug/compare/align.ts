/**
 * Which values of two different graphs are one. In this order, each match says by what: the name of the value; the module's path, the kind of op
 * and which of them it is; the line of the author's source; what the value holds. Steps of one side that lie inside an op of the other belong to
 * its region.
 */

import { isFloat } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { numberingOf, placeOf, sourceOf } from "../graph.ts";
import { type Layout, layoutBetween, SAME } from "./layout.ts";
import { plainName } from "./op-class.ts";
import { alike, isTelling, sketchOf } from "./sketch.ts";
import { type Execution, type Tape, tensorsIn } from "./tape.ts";

/** A tensor that an execution gave. */
export interface Spot {
  readonly execution: Execution;
  readonly output: number;
  readonly tensor: Tensor;
}

export interface Match {
  readonly a: Spot;
  readonly b: Spot;
  readonly by: "name" | "path" | "line" | "content" | "map" | "order";
  readonly layout: Layout;
}

export interface Alignment {
  /** In the order of B's tape. */
  readonly matches: readonly Match[];
  /** Floating-point values that depend on the inputs, of both sides. */
  readonly valuesA: readonly Spot[];
  readonly valuesB: readonly Spot[];
}

/** Values whose numbers depend on the run's inputs; what is worked out from weights alone is a constant. */
export function dependentValues(tape: Tape): Spot[] {
  const tainted = new Set<number>();
  const id = (t: Tensor): number => tape.origin(t)?.storage ?? -1;
  for (const t of tape.inputs) tainted.add(id(t));
  const out: Spot[] = [];
  for (const execution of tape.executions) {
    if (!tensorsIn(execution.args).some((t) => tainted.has(id(t))) && execution.generator === undefined) continue;
    tensorsIn(execution.outs).forEach((tensor, output) => {
      tainted.add(id(tensor));
      if (isFloat(tensor.dtype) && tensor.numel > 0) out.push({ execution, output, tensor });
    });
  }
  return out;
}

/** Ops of both worlds by one name. */
const KINDS: Readonly<Record<string, string>> = {
  _convolution: "conv", convolution: "conv", conv1d: "conv", conv2d: "conv", conv3d: "conv", Conv: "conv", ConvTranspose: "conv", conv_transpose2d: "conv", conv_transpose1d: "conv",
  linear: "linear", addmm: "linear", Gemm: "linear", matmul: "matmul", mm: "matmul", bmm: "matmul", MatMul: "matmul", softmax: "softmax", Softmax: "softmax", layer_norm: "layernorm",
  LayerNormalization: "layernorm", batch_norm: "batchnorm", BatchNormalization: "batchnorm", relu: "relu", Relu: "relu", sigmoid: "sigmoid", Sigmoid: "sigmoid", tanh: "tanh", Tanh: "tanh", add: "add", Add: "add",
  mul: "mul", Mul: "mul", div: "div", Div: "div", sub: "sub", Sub: "sub", cat: "concat", Concat: "concat", gelu: "gelu", Gelu: "gelu", lstm: "lstm", LSTM: "lstm", gru: "gru", GRU: "gru",
  embedding: "gather", Gather: "gather", max_pool2d: "maxpool", MaxPool: "maxpool", avg_pool2d: "avgpool", AveragePool: "avgpool", leaky_relu: "leakyrelu", LeakyRelu: "leakyrelu",
  adaptive_avg_pool2d: "avgpool", GlobalAveragePool: "avgpool", upsample_nearest2d: "resize", upsample_bilinear2d: "resize", Resize: "resize", hardtanh: "clip", Clip: "clip", clamp: "clip", mean: "mean",
  ReduceMean: "mean", sum: "sum", ReduceSum: "sum", pow: "pow", Pow: "pow", sqrt: "sqrt", Sqrt: "sqrt", exp: "exp", Exp: "exp",
};

function kindOf(op: string): string {
  const name = plainName(op);
  return KINDS[name] ?? name.toLowerCase();
}

/** The keys that a value may be known by, best first; `last` says that it ends its module's call. */
function keysOf(tape: Tape, spots: readonly Spot[]): Map<Spot, { readonly name: string | undefined; readonly path: string | undefined; readonly line: string | undefined }> {
  const numbering = numberingOf(tape.program);
  const counts = new Map<string, number>();
  const ordinal = (key: string): string => {
    const n = counts.get(key) ?? 0;
    counts.set(key, n + 1);
    return `${key} ${n}`;
  };
  const names = new Map<string, number>();
  const out = new Map<Spot, { name: string | undefined; path: string | undefined; line: string | undefined }>();
  for (const spot of spots) {
    const { execution, output } = spot;
    const { node } = execution;
    const value = numbering.graph.values[numbering.graph.nodes[numbering.nodeId(node) - 1]?.results[output] ?? -1];
    const name = value === undefined || /^\d+$/.test(value.name) || execution.nth > 0 ? undefined : value.name;
    if (name !== undefined) names.set(name, (names.get(name) ?? 0) + 1);
    const kind = kindOf(node.op);
    const place = placeOf(sourceOf(node.location));
    const line = place?.text === undefined && (node.location?.author?.() ?? []).length === 0 ? undefined : ordinal(`${place?.file.replace(/^.*[\\/]/, "") ?? ""}:${place?.line ?? 0} ${kind}`);
    out.set(spot, { name, path: ordinal(`${execution.module} ${kind} ${output}`), line });
  }
  return out;
}

/** Values with what they hold, by the number of elements. */
class Contents {
  readonly #byCount = new Map<number, Spot[]>();
  constructor(spots: readonly Spot[]) {
    for (const spot of spots) {
      const known = this.#byCount.get(spot.tensor.numel);
      if (known === undefined) this.#byCount.set(spot.tensor.numel, [spot]);
      else known.push(spot);
    }
  }
  of(count: number): readonly Spot[] {
    return this.#byCount.get(count) ?? [];
  }
}

function sameShape(a: Tensor, b: Tensor): boolean {
  return a.rank === b.rank && a.shape.every((n, i) => n === b.shape[i]);
}

/** Matches of B's values in A. `map`: pairs by hand, `A=B` by value name or `#node`. */
export function align(a: Tape, b: Tape, map: ReadonlyMap<string, string> = new Map()): Alignment {
  const [valuesA, valuesB] = [dependentValues(a), dependentValues(b)];
  const [keysA, keysB] = [keysOf(a, valuesA), keysOf(b, valuesB)];
  const contents = new Contents(valuesA);
  const found = new Map<Spot, Match>();
  const taken = new Set<Spot>();
  const take = (match: Match): void => {
    found.set(match.b, match);
    taken.add(match.a);
  };
  byHand(a, b, map, valuesA, valuesB).forEach(take);
  // What a value holds decides among candidates; names, paths and lines bring those forward whose content no longer tells.
  for (const spot of valuesB) {
    if (found.has(spot)) continue;
    const held = heldBy(spot, contents, taken);
    if (held !== undefined) take(labelled(held, keysA, keysB));
  }
  for (const [key, by] of [["name", "name"], ["path", "path"], ["line", "line"]] as const) {
    const index = unique(valuesA.filter((spot) => !taken.has(spot)), (spot) => keysA.get(spot)?.[key]);
    const own = unique(valuesB.filter((spot) => !found.has(spot)), (spot) => keysB.get(spot)?.[key]);
    for (const [text, spot] of own) {
      const other = index.get(text);
      if (other === undefined || other.tensor.numel !== spot.tensor.numel || taken.has(other)) continue;
      if (inOrder(found, other, spot)) take({ a: other, b: spot, by, layout: guessed(other.tensor, spot.tensor) });
    }
  }
  return { matches: valuesB.map((spot) => found.get(spot)).filter((m) => m !== undefined), valuesA, valuesB };
}

/** A layout for values whose contents do not tell one. */
function guessed(a: Tensor, b: Tensor): Layout {
  return sameShape(a, b) ? SAME : (layoutBetween(a, b) ?? SAME);
}

function unique(spots: readonly Spot[], key: (spot: Spot) => string | undefined): Map<string, Spot> {
  const out = new Map<string, Spot>();
  const twice = new Set<string>();
  for (const spot of spots) {
    const text = key(spot);
    if (text === undefined) continue;
    if (out.has(text)) twice.add(text);
    out.set(text, spot);
  }
  for (const text of twice) out.delete(text);
  return out;
}

/** Whether a match would stand between its neighbours: an order that slips by one blames the wrong op. */
function inOrder(found: ReadonlyMap<Spot, Match>, a: Spot, b: Spot): boolean {
  let [below, above] = [-1, Infinity];
  for (const match of found.values()) {
    const [x, y] = [match.a.execution.index, match.b.execution.index];
    if (y < b.execution.index) below = Math.max(below, x);
    else if (y > b.execution.index) above = Math.min(above, x);
  }
  // Branches may be run in another order: only what is far off is refused.
  const slack = 8;
  return a.execution.index >= below - slack && a.execution.index <= above + slack;
}

/** The value of A that holds the same elements, the nearest in shape first, then the first not taken yet. */
function heldBy(spot: Spot, contents: Contents, taken: ReadonlySet<Spot>): Match | undefined {
  const sketch = sketchOf(spot.tensor);
  if (!isTelling(sketch)) return undefined;
  let best: { readonly match: Match; readonly rank: number } | undefined;
  for (const other of contents.of(spot.tensor.numel)) {
    if (!alike(sketchOf(other.tensor), sketch)) continue;
    const same = sameShape(other.tensor, spot.tensor);
    const layout = layoutBetween(other.tensor, spot.tensor);
    if (layout === undefined) continue;
    const rank = (taken.has(other) ? 4 : 0) + (same ? 0 : 2) + (layout.axes === undefined ? 0 : 1);
    if (best === undefined || rank < best.rank) best = { match: { a: other, b: spot, by: "content", layout }, rank };
    if (rank === 0) break;
  }
  return best?.match;
}

/** A match by content is called by what tells it besides. */
function labelled(match: Match, keysA: ReturnType<typeof keysOf>, keysB: ReturnType<typeof keysOf>): Match {
  const [x, y] = [keysA.get(match.a), keysB.get(match.b)];
  if (x?.name !== undefined && x.name === y?.name) return { ...match, by: "name" };
  if (x?.path !== undefined && x.path === y?.path) return { ...match, by: "path" };
  if (x?.line !== undefined && x.line === y?.line) return { ...match, by: "line" };
  return match;
}

function byHand(a: Tape, b: Tape, map: ReadonlyMap<string, string>, valuesA: readonly Spot[], valuesB: readonly Spot[]): Match[] {
  const find = (tape: Tape, spots: readonly Spot[], text: string): Spot | undefined => {
    const numbering = numberingOf(tape.program);
    return spots.find((spot) => {
      const id = numbering.nodeId(spot.execution.node);
      const value = numbering.graph.values[numbering.graph.nodes[id - 1]?.results[spot.output] ?? -1];
      return text === `#${id}` || text === `#${id}[${spot.execution.nth}]` || text.replace(/^%/, "") === value?.name || text === spot.execution.node.name;
    });
  };
  return [...map].flatMap(([left, right]) => {
    const [x, y] = [find(a, valuesA, left), find(b, valuesB, right)];
    return x === undefined || y === undefined || x.tensor.numel !== y.tensor.numel ? [] : [{ a: x, b: y, by: "map" as const, layout: guessed(x.tensor, y.tensor) }];
  });
}
