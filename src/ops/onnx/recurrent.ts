/**
 * LSTM, GRU, RNN. The input's product is one contract for the whole sequence; each step is one contract with the hidden state (GRU may need
 * two) and one program over the gates. Samples past their length keep their state and give zeros.
 */

import { arg, binary, cast, scalar } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { copyInto, empty, map } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { narrowed, permuted, reshaped, selected, unsqueezed } from "../../prims/views.ts";
import { type DType, opmathOf } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { outputParts } from "../elementwise.ts";
import { filled } from "../aten/filling.ts";
import { memo } from "../aten/memo.ts";
import { linear } from "../aten/products.ts";
import { softplus } from "./activations.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { int, maybeTensor, tensorAt } from "./inputs.ts";
import { mapOf } from "./programs.ts";

const programs = memo<Program>();

/** One activation with its parameters filled in; `key` tells two apart. */
interface Activation {
  readonly key: string;
  readonly apply: (x: Num) => Num;
}
interface ActivationKind {
  /** Defaults of alpha and beta, as many as the function takes. */
  readonly defaults: readonly number[];
  readonly build: (x: Num, alpha: number, beta: number) => Num;
}
const ACTIVATIONS: Readonly<Record<string, ActivationKind>> = {
  relu: { defaults: [], build: (x) => x.max(0) },
  tanh: { defaults: [], build: (x) => x.apply("tanh") },
  sigmoid: { defaults: [], build: (x) => x.sigmoid() },
  softsign: { defaults: [], build: (x) => x.div(x.abs().add(1)) },
  softplus: { defaults: [], build: softplus },
  leakyrelu: { defaults: [0.01], build: (x, a) => x.lt(0).where(x.mul(a), x) },
  thresholdedrelu: { defaults: [1], build: (x, a) => x.ge(a).where(x, x.lit(0)) },
  elu: { defaults: [1], build: (x, a) => x.lt(0).where(x.expm1().mul(a), x) },
  affine: { defaults: [1, 0], build: (x, a, b) => x.mul(a).add(b) },
  scaledtanh: { defaults: [1, 1], build: (x, a, b) => x.mul(b).apply("tanh").mul(a) },
  hardsigmoid: { defaults: [0.2, 0.5], build: (x, a, b) => x.mul(a).add(b).max(0).min(1) },
};

/** The activations of every direction, in order; each takes the next alpha and beta that it needs. */
function activationsOf(call: OnnxCall, defaults: readonly string[], directions: number): Activation[] {
  const names = call.attributes.strings("activations") ?? Array.from({ length: directions }, () => defaults).flat();
  const [alphas, betas] = [[...(call.attributes.floats("activation_alpha") ?? [])], [...(call.attributes.floats("activation_beta") ?? [])]];
  if (names.length !== defaults.length * directions) throw new OpwiseError("bad-onnx", "`activations` does not fit the directions", { wanted: `${defaults.length * directions} names`, got: names.join(", ") });
  return names.map((name) => {
    const kind = ACTIVATIONS[name.toLowerCase()];
    if (kind === undefined) throw new OpwiseError("bad-onnx", `the activation \`${name}\` is unknown`, { wanted: Object.keys(ACTIVATIONS).join(", ") });
    const alpha = kind.defaults[0] === undefined ? 0 : (alphas.shift() ?? kind.defaults[0]);
    const beta = kind.defaults[1] === undefined ? 0 : (betas.shift() ?? kind.defaults[1]);
    return { key: `${name.toLowerCase()}:${alpha}:${beta}`, apply: (x) => kind.build(x, alpha, beta) };
  });
}

/** What the gates of one step see. */
interface Gates {
  /** Input and hidden parts, per gate. */
  readonly x: readonly Num[];
  readonly h: readonly Num[];
  readonly state: Num;
  readonly cell: Num;
  /** Peephole weights of the gates i, o, f. */
  readonly peephole: readonly Num[] | undefined;
  /** Bounds what goes into an activation. */
  readonly clip: (x: Num) => Num;
  readonly f: readonly Activation[];
}
const gateAt = <V>(list: readonly V[], k: number): V => list[k] ?? missing(k);
function missing(k: number): never {
  throw new TypeError(`gate ${k}`);
}
const act = (g: Gates, k: number, x: Num): Num => gateAt(g.f, k).apply(g.clip(x));
const sum = (g: Gates, k: number): Num => gateAt(g.x, k).add(gateAt(g.h, k));

interface Cell {
  readonly name: string;
  readonly gates: number;
  readonly activations: readonly string[];
  /** The new hidden state, and the new cell state of an LSTM. */
  readonly step: (g: Gates) => readonly Num[];
}

const lstm = (coupled: boolean): Cell => ({
  name: coupled ? "lstm_coupled" : "lstm", gates: 4, activations: ["Sigmoid", "Tanh", "Tanh"],
  step: (g) => {
    const { peephole: p, cell } = g;
    const seen = (x: Num, k: number, c: Num): Num => (p === undefined ? x : x.add(gateAt(p, k).mul(c)));
    const i = act(g, 0, seen(sum(g, 0), 0, cell));
    const f = coupled ? i.lit(1).sub(i) : act(g, 0, seen(sum(g, 2), 2, cell));
    const next = f.mul(cell).add(i.mul(act(g, 1, sum(g, 3))));
    const o = act(g, 0, seen(sum(g, 1), 1, next));
    return [o.mul(gateAt(g.f, 2).apply(next)), next];
  },
});
/** With `linear_before_reset` the third gate's hidden part is reset after its product; else the product is of the reset state (see `resetState`). */
const gru = (linearBefore: boolean): Cell => ({
  name: linearBefore ? "gru_linear" : "gru", gates: 3, activations: ["Sigmoid", "Tanh"],
  step: (g) => {
    const z = act(g, 0, sum(g, 0));
    const hidden = linearBefore ? act(g, 0, sum(g, 1)).mul(gateAt(g.h, 2)) : gateAt(g.h, 2);
    const n = act(g, 1, gateAt(g.x, 2).add(hidden));
    return [z.lit(1).sub(z).mul(n).add(z.mul(g.state))];
  },
});
const RNN: Cell = { name: "rnn", gates: 1, activations: ["Tanh"], step: (g) => [act(g, 0, sum(g, 0))] };

interface Direction {
  readonly cell: Cell;
  readonly f: readonly Activation[];
  readonly clip: number | undefined;
  readonly w: Tensor;
  readonly r: Tensor;
  readonly wBias: Tensor | null;
  readonly rBias: Tensor | null;
  /** `[3, H]`: i, o, f. */
  readonly peephole: Tensor | undefined;
  readonly lengths: Tensor | undefined;
}

/** Operands: input parts, hidden parts, state, [cell], [peepholes], [lengths]; results: output, state, [cell]. */
function stepProgram(d: Direction, dtype: DType): Program {
  const { cell, clip, lengths } = d;
  const isLstm = cell.gates === 4;
  return programs(`${cell.name} ${dtype} ${d.f.map((f) => f.key).join()} ${clip} ${d.peephole !== undefined} ${lengths?.dtype}`, () => {
    const [type, own] = [computeType(opmathOf(dtype)), computeType(dtype)];
    let slot = 0;
    const next = (): Num => new Num(arg(slot++, own)).to(type);
    const many = (n: number): Num[] => Array.from({ length: n }, next);
    const [x, h, state] = [many(cell.gates), many(cell.gates), next()];
    const c = isLstm ? next() : state;
    const peephole = d.peephole === undefined ? undefined : many(3);
    const results = cell.step({ x, h, state, cell: c, peephole, f: d.f, clip: (v) => (clip === undefined ? v : v.max(-clip).min(clip)) });
    const operands = Array.from({ length: slot }, () => dtype);
    let kept = results;
    let shown = gateAt(results, 0);
    if (lengths !== undefined) {
      const going = new Num(binary("lt", scalar(0, "index"), cast(arg(slot, computeType(lengths.dtype)), "index")));
      operands.push(lengths.dtype);
      kept = results.map((v, k) => going.where(v, k === 0 ? state : c));
      shown = going.where(shown, shown.lit(0));
    }
    return { name: `${cell.name}_cell`, operands, scalars: lengths === undefined ? [] : ["index"], outputs: [shown, ...kept].map((v) => ({ dtype, parts: outputParts(v, dtype) })), messages: [] };
  });
}

const columns = (t: Tensor, count: number): Tensor[] => {
  const width = (t.shape[1] ?? 0) / count;
  return Array.from({ length: count }, (_, k) => narrowed(t, 1, k * width, width));
};

/** GRU's hidden parts where the third is the product of the reset state. */
function resetParts(ctx: Context, d: Direction, x: readonly Tensor[], h: Tensor): Tensor[] {
  const size = h.shape[1] ?? 0;
  const rows = (t: Tensor, from: number, count: number): Tensor => narrowed(t, 0, from * size, count * size);
  const [z, r] = columns(linear(ctx, h, rows(d.r, 0, 2), d.rBias === null ? null : rows(d.rBias, 0, 2)), 2);
  const gate = gateAt(d.f, 0);
  const key = `reset ${gate.key} ${d.clip}`;
  const { clip } = d;
  const reset = mapOf(ctx, key, [gateAt(x, 1), gateAt([z, r], 1) ?? h, h], h.dtype, (a, b, old) => {
    const v = a.add(b);
    return gate.apply(clip === undefined ? v : v.max(-clip).min(clip)).mul(old);
  });
  const n = linear(ctx, reset, rows(d.r, 2, 1), d.rBias === null ? null : rows(d.rBias, 2, 1));
  return [z ?? h, r ?? h, n];
}

/** One direction over `x [T, B, I]`: fills `y [T, B, H]` and the states `h`, `c` `[B, H]`. */
function runDirection(ctx: Context, d: Direction, x: Tensor, backwards: boolean, y: Tensor, h: Tensor, c: Tensor | undefined): void {
  const [time = 0, batch = 0, features = 0] = x.shape;
  const input = linear(ctx, reshaped(ctx, x, [time * batch, features]), d.w, d.wBias);
  const program = stepProgram(d, x.dtype);
  const peepholes = d.peephole === undefined ? [] : [0, 1, 2].map((k) => selected(d.peephole ?? h, 0, k));
  const lengths = d.lengths === undefined ? [] : [unsqueezed(d.lengths, 1)];
  for (let k = 0; k < time; k++) {
    const t = backwards ? time - 1 - k : k;
    const gates = columns(narrowed(input, 0, t * batch, batch), d.cell.gates);
    const hidden = d.cell.name === "gru" ? resetParts(ctx, d, gates, h) : columns(linear(ctx, h, d.r, d.rBias), d.cell.gates);
    const cells = c === undefined ? [] : [c];
    map(ctx, program, [...gates, ...hidden, h, ...cells, ...peepholes, ...lengths], d.lengths === undefined ? [] : [t], [selected(y, 0, t), h, ...cells]);
  }
}

function recurrent(ctx: Context, call: OnnxCall, cell: Cell): Tensor[] {
  const { attributes } = call;
  const direction = attributes.string("direction", "forward");
  if (!["forward", "reverse", "bidirectional"].includes(direction)) throw new OpwiseError("bad-onnx", "`direction` is unknown", { wanted: "forward, reverse or bidirectional", got: direction });
  const directions = direction === "bidirectional" ? 2 : 1;
  const batchFirst = attributes.int("layout", 0) !== 0;
  const [given, w, r] = [tensorAt(call, 0), tensorAt(call, 1), tensorAt(call, 2)];
  const x = batchFirst ? permuted(given, [1, 0, 2]) : given;
  const [bias, lengths] = [maybeTensor(call, 3), maybeTensor(call, 4)];
  const [time = 0, batch = 0] = x.shape;
  const size = r.shape[2] ?? 0;
  if (x.rank !== 3 || w.shape[0] !== directions || w.shape[1] !== cell.gates * size) {
    throw new OpwiseError("shape-mismatch", `weights of shape [${w.shape.join(", ")}] and [${r.shape.join(", ")}] do not fit`, { wanted: `[${directions}, ${cell.gates * size}, ${x.shape[2]}] and [${directions}, ${cell.gates * size}, ${size}]` });
  }
  const isLstm = cell.gates === 4;
  const f = activationsOf(call, cell.activations, directions);
  const y = empty(ctx, batchFirst ? [batch, time, directions, size] : [time, directions, batch, size], x.dtype);
  const steps = permuted(y, batchFirst ? [2, 1, 0, 3] : [1, 0, 2, 3]);
  const state = (at: number): Tensor => {
    const out = empty(ctx, batchFirst ? [batch, directions, size] : [directions, batch, size], x.dtype);
    copyInto(ctx, out, maybeTensor(call, at) ?? filled(ctx, [], x.dtype, int(0)));
    return out;
  };
  const h = state(5);
  const c = isLstm ? state(6) : undefined;
  const peepholes = isLstm ? maybeTensor(call, 7) : undefined;
  const axis = batchFirst ? 1 : 0;
  for (let k = 0; k < directions; k++) {
    const biases = bias === undefined ? undefined : selected(bias, 0, k);
    const rows = cell.gates * size;
    const own: Direction = {
      cell, f: f.slice(k * cell.activations.length, (k + 1) * cell.activations.length), clip: attributes.has("clip") ? attributes.float("clip") : undefined, lengths,
      w: selected(w, 0, k), r: selected(r, 0, k), wBias: biases === undefined ? null : narrowed(biases, 0, 0, rows), rBias: biases === undefined ? null : narrowed(biases, 0, rows, rows),
      peephole: peepholes === undefined ? undefined : reshaped(ctx, selected(peepholes, 0, k), [3, size]),
    };
    runDirection(ctx, own, x, direction === "reverse" || k === 1, selected(steps, 0, k), selected(h, axis, k), c === undefined ? undefined : selected(c, axis, k));
  }
  return c === undefined ? [y, h] : [y, h, c];
}

/** Cells are made once each: programs are found by their names. */
const LSTM = [lstm(false), lstm(true)] as const;
const GRU = [gru(false), gru(true)] as const;

/** An LSTM of tensors that another op prepared (dequantised weights). */
export function lstmOf(ctx: Context, call: OnnxCall): Tensor[] {
  return recurrent(ctx, call, LSTM[call.attributes.int("input_forget", 0) !== 0 ? 1 : 0]);
}

export const recurrentOps: readonly OnnxOp[] = [
  onnxOp("LSTM", { 1: { run: lstmOf } }),
  onnxOp("GRU", { 1: { run: (ctx, call) => recurrent(ctx, call, GRU[call.attributes.int("linear_before_reset", 0) !== 0 ? 1 : 0]) } }),
  onnxOp("RNN", { 1: { run: (ctx, call) => recurrent(ctx, call, RNN) } }),
];
