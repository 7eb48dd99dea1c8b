/**
 * Which values of two different graphs are one. In this order, each match says by what: the name of the value; the module's path, the kind of op
 * and which of them it is; the line of the author's source; what the value holds. Steps of one side that lie inside an op of the other belong to
 * its region.
 */

import type { Backend } from "../../prims/backend.ts";
import { isFloat } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { numberingOf, placeOf, sourceOf } from "../graph.ts";
import { type Layout, layoutBetween, SAME, toB } from "./layout.ts";
import { relativeError } from "./metrics.ts";
import { classOf, plainName } from "./op-class.ts";
import { writersOf } from "./pairs.ts";
import { Replay } from "./replay.ts";
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
  /** `flow`: comes from the same values, and what follows agrees with it in its place. */
  readonly by: "name" | "path" | "line" | "content" | "map" | "flow";
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
  // Named values without a history may all be of interest.
  if (tape.recorded === true && tape.inputs.length === 0)
    return tape.executions.flatMap((execution) =>
      tensorsIn(execution.outs)
        .map((tensor, output) => ({ execution, output, tensor }))
        .filter((spot) => isFloat(spot.tensor.dtype) && spot.tensor.numel > 0),
    );
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

/** Relative difference of a value a few steps behind one that both sides share. */
const AGREES = 2e-6;
/** Steps of likeness. */
const NEAR = [1e-6, 1e-5, 1e-4] as const;
/** A value of B is forced to A's only where it differs by more than rounding through a model. */
const NOTABLE = 1e-4;

/** Ops of both worlds by one name. */
const KINDS: Readonly<Record<string, string>> = {
  _convolution: "conv",
  convolution: "conv",
  conv1d: "conv",
  conv2d: "conv",
  conv3d: "conv",
  Conv: "conv",
  ConvTranspose: "conv",
  conv_transpose2d: "conv",
  conv_transpose1d: "conv",
  linear: "linear",
  addmm: "linear",
  Gemm: "linear",
  matmul: "matmul",
  mm: "matmul",
  bmm: "matmul",
  MatMul: "matmul",
  softmax: "softmax",
  Softmax: "softmax",
  layer_norm: "layernorm",
  LayerNormalization: "layernorm",
  batch_norm: "batchnorm",
  BatchNormalization: "batchnorm",
  relu: "relu",
  Relu: "relu",
  sigmoid: "sigmoid",
  Sigmoid: "sigmoid",
  tanh: "tanh",
  Tanh: "tanh",
  add: "add",
  Add: "add",
  mul: "mul",
  Mul: "mul",
  div: "div",
  Div: "div",
  sub: "sub",
  Sub: "sub",
  cat: "concat",
  Concat: "concat",
  gelu: "gelu",
  Gelu: "gelu",
  lstm: "lstm",
  LSTM: "lstm",
  gru: "gru",
  GRU: "gru",
  embedding: "gather",
  Gather: "gather",
  max_pool2d: "maxpool",
  MaxPool: "maxpool",
  avg_pool2d: "avgpool",
  AveragePool: "avgpool",
  leaky_relu: "leakyrelu",
  LeakyRelu: "leakyrelu",
  adaptive_avg_pool2d: "avgpool",
  GlobalAveragePool: "avgpool",
  upsample_nearest2d: "resize",
  upsample_bilinear2d: "resize",
  Resize: "resize",
  hardtanh: "clip",
  Clip: "clip",
  clamp: "clip",
  mean: "mean",
  ReduceMean: "mean",
  sum: "sum",
  ReduceSum: "sum",
  pow: "pow",
  Pow: "pow",
  sqrt: "sqrt",
  Sqrt: "sqrt",
  exp: "exp",
  Exp: "exp",
};

function kindOf(op: string): string {
  const name = plainName(op);
  return KINDS[name] ?? name.toLowerCase();
}

type Keys = ReadonlyMap<Spot, { readonly name: string | undefined; readonly path: string | undefined; readonly line: string | undefined }>;

/** The keys that a value may be known by, best first. */
function keysOf(tape: Tape, spots: readonly Spot[]): Keys {
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
    const line =
      place?.text === undefined && (node.location?.author?.() ?? []).length === 0
        ? undefined
        : ordinal(`${place?.file.replace(/^.*[\\/]/, "") ?? ""}:${place?.line ?? 0} ${kind}`);
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

export interface AlignOptions {
  /** Runs steps of B again where a value before them is another than recorded. */
  readonly cpu: Backend;
  /** Pairs by hand, `A=B` by value name or `#node`. */
  readonly map?: ReadonlyMap<string, string> | undefined;
}

/**
 * Matches of B's values in A. B's values are looked at as they are with A's values in the place of those matched before: what is wrong on one side
 * does not hide what comes after it.
 */
export async function align(a: Tape, b: Tape, options: AlignOptions): Promise<Alignment> {
  return new Aligner(a, b, options).run();
}

/** Steps of B that are looked at to see whether a match that nothing in the value tells is right. */
const LOOK_AHEAD = 48;
/** Values that are tried as the end of what went wrong. */
const CANDIDATES = 24;

class Aligner {
  readonly #a: Tape;
  readonly #b: Tape;
  readonly #options: AlignOptions;
  readonly #valuesA: readonly Spot[];
  readonly #valuesB: readonly Spot[];
  readonly #keysA: Keys;
  readonly #keysB: Keys;
  readonly #contents: Contents;
  readonly #found = new Map<Spot, Match>();
  readonly #taken = new Map<Spot, Match>();
  readonly #doubtful = new Set<Match>();
  readonly #spotA = new Map<Tensor, Spot>();
  readonly #spotB = new Map<Tensor, Spot>();
  /** B's tensors as they are with A's values before them, where that makes a difference. */
  readonly #forced = new Map<Tensor, Tensor>();
  readonly #writersA: (e: Execution | undefined) => number[];
  readonly #writersB: (e: Execution | undefined) => number[];

  constructor(a: Tape, b: Tape, options: AlignOptions) {
    [this.#a, this.#b, this.#options] = [a, b, options];
    [this.#valuesA, this.#valuesB] = [dependentValues(a), dependentValues(b)];
    [this.#keysA, this.#keysB] = [keysOf(a, this.#valuesA), keysOf(b, this.#valuesB)];
    this.#contents = new Contents(this.#valuesA);
    for (const spot of this.#valuesA) this.#spotA.set(spot.tensor, spot);
    for (const spot of this.#valuesB) this.#spotB.set(spot.tensor, spot);
    [this.#writersA, this.#writersB] = [writersOf(a), writersOf(b)];
  }

  async run(): Promise<Alignment> {
    for (const match of byHand(this.#a, this.#b, this.#options.map ?? new Map(), this.#valuesA, this.#valuesB)) this.#take(match);
    for (let from = 0; ;) {
      await this.#pass(from);
      const entered = await this.#enterAgain();
      if (entered === undefined) break;
      this.#take(entered);
      from = entered.b.execution.index + 1;
    }
    this.#byKeys();
    return { matches: this.#valuesB.map((spot) => this.#found.get(spot)).filter((m) => m !== undefined), valuesA: this.#valuesA, valuesB: this.#valuesB };
  }

  /** `value`: B's, where it is what told. A match whose value is not quite A's does not vouch for what lies before it. */
  #take(match: Match, value?: Tensor): void {
    this.#found.set(match.b, match);
    if (!this.#taken.has(match.a)) this.#taken.set(match.a, match);
    if (value !== undefined && relativeError(toB(match.a.tensor, value, match.layout), value) > NOTABLE) this.#doubtful.add(match);
    const wanted = toB(match.a.tensor, match.b.tensor, match.layout);
    if (relativeError(match.b.tensor, wanted) > NOTABLE) this.#forced.set(match.b.tensor, wanted);
    else this.#forced.delete(match.b.tensor);
  }

  /** The execution's results with the values that go in now; undefined where they are as recorded. */
  async #outputs(e: Execution, valueOf: (t: Tensor) => Tensor | undefined): Promise<readonly Tensor[] | undefined> {
    const args = tensorsIn(e.args);
    if (!args.some((t) => valueOf(t) !== undefined)) return undefined;
    const replay = new Replay(this.#b, { backend: this.#options.cpu, cpu: this.#options.cpu });
    for (const t of args) {
      const value = valueOf(t);
      if (value !== undefined) replay.substitute(t, value);
    }
    try {
      return tensorsIn((await replay.run(e)).outs);
    } catch {
      return undefined; // the wrong sizes or numbers of one side fit the other's values badly: as recorded
    }
  }

  /** Looks for every value of B by what it holds, from an execution on. */
  async #pass(from: number): Promise<void> {
    for (const e of this.#b.executions) {
      if (e.index < from) continue;
      const outs = await this.#outputs(e, (t) => this.#forced.get(t));
      tensorsIn(e.outs).forEach((recorded, i) => {
        const spot = this.#spotB.get(recorded);
        const value = outs?.[i] ?? recorded;
        if (value !== recorded) this.#forced.set(recorded, value);
        else this.#forced.delete(recorded);
        if (spot === undefined || this.#found.get(spot)?.by === "map") return;
        const held = heldBy(value, this.#contents, this.#taken, classOf(e.node.op) === "exact");
        if (held !== undefined) this.#take(labelled({ a: held.a, b: spot, by: "content", layout: held.layout }, this.#keysA, this.#keysB), value);
      });
    }
  }

  /** Values that a value comes from, as far back as matched ones: on either side by the same names. */
  #sourcesOf(tape: Tape, spot: Spot, matched: (t: Tensor) => Match | undefined, writers: (e: Execution | undefined) => number[]): string {
    const keys = new Set<string>();
    const seen = new Set<number>([spot.execution.index]);
    const queue = [spot.execution];
    for (let e = queue.pop(); e !== undefined; e = queue.pop()) {
      const inner: Tensor[] = [];
      for (const t of tensorsIn(e.args)) {
        const match = matched(t);
        // Views of one value are one source, whichever of them is taken.
        if (match !== undefined) keys.add(String(this.#rootOf(match)));
        else if (tape.inputs.includes(t)) keys.add(`input ${tape.inputs.indexOf(t)}`);
        else inner.push(t);
      }
      for (const index of writers({ ...e, args: inner })) {
        const step = tape.executions[index];
        if (step === undefined || seen.has(index)) continue;
        seen.add(index);
        queue.push(step);
      }
    }
    return [...keys].sort().join();
  }

  /** A number for what a match's value is an arrangement of. */
  #rootOf(match: Match): number {
    let spot = match.a;
    for (let steps = 0; steps < 64; steps++) {
      if (classOf(spot.execution.node.op) !== "exact") break;
      const inputs = tensorsIn(spot.execution.args)
        .map((t) => this.#spotA.get(t))
        .filter((s) => s !== undefined);
      const [only] = inputs;
      if (only === undefined || inputs.length > 1 || only.tensor.numel !== spot.tensor.numel) break;
      spot = only;
    }
    return spot.execution.index;
  }

  /** Values that lie in no region of a match: nothing behind them is matched. */
  #open(tape: Tape, values: readonly Spot[], matched: (t: Tensor) => Match | undefined, writers: (e: Execution | undefined) => number[]): Spot[] {
    const reaching = new Set<number>();
    const consumed = [...tape.executions].reverse();
    const vouches = (match: Match | undefined): boolean => match !== undefined && !this.#doubtful.has(match);
    const ends = new Set(values.filter((spot) => vouches(matched(spot.tensor))).map((spot) => spot.execution.index));
    for (const e of consumed) {
      if (!ends.has(e.index) && !reaching.has(e.index)) continue;
      for (const index of writers({ ...e, args: tensorsIn(e.args).filter((t) => matched(t) === undefined) })) reaching.add(index);
    }
    return values.filter((spot) => matched(spot.tensor) === undefined && !reaching.has(spot.execution.index));
  }

  /** The first value of B behind which everything is lost, with the value of A that, in its place, brings back what follows. */
  async #enterAgain(): Promise<Match | undefined> {
    const through =
      (spots: ReadonlyMap<Tensor, Spot>, matches: ReadonlyMap<Spot, Match>) =>
      (t: Tensor): Match | undefined => {
        const spot = spots.get(t);
        return spot === undefined ? undefined : matches.get(spot);
      };
    const [matchedA, matchedB] = [through(this.#spotA, this.#taken), through(this.#spotB, this.#found)];
    const [openA, openB] = [this.#open(this.#a, this.#valuesA, matchedA, this.#writersA), this.#open(this.#b, this.#valuesB, matchedB, this.#writersB)];
    if (openA.length === 0 || openB.length === 0) return undefined;
    const bySource = new Map<string, Spot[]>();
    for (const spot of openA.slice(0, 8 * CANDIDATES)) {
      const key = `${this.#sourcesOf(this.#a, spot, matchedA, this.#writersA)} ${spot.tensor.numel}`;
      const known = bySource.get(key);
      if (known === undefined) bySource.set(key, [spot]);
      else known.push(spot);
    }
    for (const spot of openB.slice(0, CANDIDATES)) {
      const key = `${this.#sourcesOf(this.#b, spot, matchedB, this.#writersB)} ${spot.tensor.numel}`;
      const path = this.#keysB.get(spot)?.path;
      const candidates = (bySource.get(key) ?? []).toSorted((x, y) => Number(this.#keysA.get(y)?.path === path) - Number(this.#keysA.get(x)?.path === path));
      for (const other of candidates.slice(0, 6)) {
        const match = labelled({ a: other, b: spot, by: "flow", layout: guessed(other.tensor, spot.tensor) }, this.#keysA, this.#keysB);
        if (await this.#bringsBack(match, openA)) return match;
      }
    }
    return undefined;
  }

  /** Whether, with the match's value in B's place, a value behind it is one of A's that nothing had matched. */
  async #bringsBack(match: Match, openA: readonly Spot[]): Promise<boolean> {
    const values = new Map<Tensor, Tensor>([[match.b.tensor, toB(match.a.tensor, match.b.tensor, match.layout)]]);
    const wanted = new Contents(openA.filter((spot) => spot.execution.index > match.a.execution.index));
    const none = new Map<Spot, Match>();
    let looked = 0;
    let used = false;
    for (const e of this.#b.executions) {
      if (e.index <= match.b.execution.index || !tensorsIn(e.args).some((t) => values.has(t))) continue;
      used = true;
      const outs = await this.#outputs(e, (t) => values.get(t) ?? this.#forced.get(t));
      if (outs === undefined) continue;
      for (const [i, recorded] of tensorsIn(e.outs).entries()) {
        const value = outs[i];
        if (value === undefined) continue;
        values.set(recorded, value);
        // The value itself under another shape says nothing.
        if (!isFloat(value.dtype) || classOf(e.node.op) === "exact") continue;
        const held = heldBy(value, wanted, none, false);
        // With A's own value before it, it is A's to the last few bits.
        if (held !== undefined && relativeError(toB(held.a.tensor, value, held.layout), value) <= AGREES) return true;
      }
      if (++looked >= LOOK_AHEAD) break;
    }
    // What only leaves the model has nothing behind it to tell.
    return !used && tensorsIn(this.#b.outputs).some((t) => t === match.b.tensor) && tensorsIn(this.#a.outputs).some((t) => t === match.a.tensor);
  }

  /** What is still without a partner, by name, path and line, where that is in order. */
  #byKeys(): void {
    for (const by of ["name", "path", "line"] as const) {
      const index = unique(
        this.#valuesA.filter((spot) => !this.#taken.has(spot)),
        (spot) => this.#keysA.get(spot)?.[by],
      );
      const own = unique(
        this.#valuesB.filter((spot) => !this.#found.has(spot)),
        (spot) => this.#keysB.get(spot)?.[by],
      );
      for (const [text, spot] of own) {
        const other = index.get(text);
        if (other === undefined || !sameShape(other.tensor, spot.tensor) || this.#taken.has(other)) continue;
        if (kindOf(other.execution.node.op) === kindOf(spot.execution.node.op) && inOrder(this.#found, other, spot))
          this.#take({ a: other, b: spot, by, layout: SAME });
      }
    }
  }
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

/** The value of A that holds the same elements, the nearest in shape first, then the first not taken yet. `again`: those taken too, for ops that only move what they get. */
function heldBy(value: Tensor, contents: Contents, taken: ReadonlyMap<Spot, Match>, again: boolean): { readonly a: Spot; readonly layout: Layout } | undefined {
  const sketch = sketchOf(value);
  if (!isTelling(sketch)) return undefined;
  let best: { readonly a: Spot; readonly layout: Layout; readonly rank: number } | undefined;
  for (const other of contents.of(value.numel)) {
    if ((!again && taken.has(other)) || !alike(sketchOf(other.tensor), sketch)) continue;
    const same = sameShape(other.tensor, value);
    const layout = layoutBetween(other.tensor, value);
    if (layout === undefined) continue;
    // A normalisation that does next to nothing is told from what it normalises by what is left of the difference.
    const left = relativeError(toB(other.tensor, value, layout), value);
    const rank = 8 * NEAR.filter((limit) => left > limit).length + (taken.has(other) ? 4 : 0) + (same ? 0 : 2) + (layout.axes === undefined ? 0 : 1);
    if (best === undefined || rank < best.rank) best = { a: other, layout, rank };
    if (rank === 0) break;
  }
  return best;
}

/** A match by content is called by what tells it besides. */
function labelled(match: Match, keysA: Keys, keysB: Keys): Match {
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
    return x === undefined || y === undefined || x.tensor.numel !== y.tensor.numel
      ? []
      : [{ a: x, b: y, by: "map" as const, layout: guessed(x.tensor, y.tensor) }];
  });
}
