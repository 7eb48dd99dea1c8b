/**
 * Recurrent layers and cells (PyTorch: lstm, gru, rnn_tanh, rnn_relu). The input's product is one contract for the whole sequence; each
 * step is one contract with the hidden state and one program over the gates. Sequences are padded or packed (a batch size per step).
 */

import { arg } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { copyInto, empty, map } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { narrowed, permuted, reshaped, selected } from "../../prims/views.ts";
import { type DType, opmathOf } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise, outputParts } from "../elementwise.ts";
import { dropout } from "./dropout.ts";
import { memo } from "./memo.ts";
import { linear } from "./products.ts";

const programs = memo<Program>();

interface Cell {
  readonly name: "lstm" | "gru" | "rnn_tanh" | "rnn_relu";
  /** Blocks of hidden size in the weights' rows. */
  readonly gates: number;
  /** The new hidden (and cell) state of the gates' input parts, their hidden parts, the old hidden state and the old cell state. */
  readonly step: (input: readonly Num[], hidden: readonly Num[], h: Num, c: Num) => readonly Num[];
}

const at = (gates: readonly Num[], k: number): Num => {
  const gate = gates[k];
  if (gate === undefined) throw new TypeError(`gate ${k}`);
  return gate;
};
const sum = (input: readonly Num[], hidden: readonly Num[], k: number): Num => at(input, k).add(at(hidden, k));

const LSTM: Cell = {
  name: "lstm", gates: 4,
  step: (x, h, _h, c) => {
    const [i, f, g, o] = [sum(x, h, 0).sigmoid(), sum(x, h, 1).sigmoid(), sum(x, h, 2).apply("tanh"), sum(x, h, 3).sigmoid()];
    const cell = f.mul(c).add(i.mul(g));
    return [o.mul(cell.apply("tanh")), cell];
  },
};
const GRU: Cell = {
  name: "gru", gates: 3,
  step: (x, h, old) => {
    const [r, z] = [sum(x, h, 0).sigmoid(), sum(x, h, 1).sigmoid()];
    const n = at(x, 2).add(r.mul(at(h, 2))).apply("tanh");
    return [old.sub(n).mul(z).add(n)];
  },
};
const TANH: Cell = { name: "rnn_tanh", gates: 1, step: (x, h) => [sum(x, h, 0).apply("tanh")] };
const RELU: Cell = { name: "rnn_relu", gates: 1, step: (x, h) => [sum(x, h, 0).max(0)] };

/** Operands: the gates' input parts, their hidden parts, the old hidden state (gru) or cell state (lstm). */
function stepProgram(cell: Cell, dtype: DType): Program {
  return programs(`${cell.name},${dtype}`, () => {
    const [type, own] = [computeType(opmathOf(dtype)), computeType(dtype)];
    const operand = (slot: number): Num => new Num(arg(slot, own)).to(type);
    const input = Array.from({ length: cell.gates }, (_, k) => operand(k));
    const hidden = Array.from({ length: cell.gates }, (_, k) => operand(cell.gates + k));
    const state = operand(2 * cell.gates);
    const results = cell.step(input, hidden, state, state);
    const count = 2 * cell.gates + (cell.name === "lstm" || cell.name === "gru" ? 1 : 0);
    return { name: `${cell.name}_cell`, operands: Array.from({ length: count }, () => dtype), scalars: [], outputs: results.map((r) => ({ dtype, parts: outputParts(r, dtype) })), messages: [] };
  });
}

/** The gates' blocks of columns in the order of the cell; block `order[k]` is gate k's. */
const chunks = (t: Tensor, count: number, order?: readonly number[]): Tensor[] => {
  const size = (t.shape[1] ?? 0) / count;
  return Array.from({ length: count }, (_, k) => narrowed(t, 1, (order?.[k] ?? k) * size, size));
};

/** One step: writes the new hidden state (and cell state) of `rows` samples. */
function step(ctx: Context, cell: Cell, input: Tensor, hidden: Tensor, h: Tensor, c: Tensor | undefined, out: readonly Tensor[], order?: readonly number[]): void {
  const state = cell.name === "lstm" ? c : cell.name === "gru" ? h : undefined;
  const gates = [input, hidden].flatMap((t) => chunks(t, cell.gates, order));
  map(ctx, stepProgram(cell, input.dtype), [...gates, ...(state === undefined ? [] : [state])], [], out);
}

/** What one direction of one layer multiplies with. */
export interface Side {
  /** The gates' input parts `[rows, gates * H]` of `x [rows, I]`, and their hidden parts of the hidden state. */
  readonly input: (ctx: Context, x: Tensor) => Tensor;
  readonly hidden: (ctx: Context, h: Tensor) => Tensor;
  /** LSTM with projections: `[P, H]`. */
  readonly projection: Tensor | null;
  /** The tensors of a side that is plain products, for backends that have a kernel for the layer. */
  readonly tensors: { readonly all: readonly Tensor[]; readonly biased: boolean } | undefined;
  /** Where in the weights' rows each gate's block lies, where that is not the cell's own order. */
  readonly order?: readonly number[];
}

export function plainSide(input: Tensor, hidden: Tensor, inputBias: Tensor | null, hiddenBias: Tensor | null, projection: Tensor | null, order?: readonly number[]): Side {
  return {
    input: (ctx, x) => linear(ctx, x, input, inputBias),
    hidden: (ctx, h) => linear(ctx, h, hidden, hiddenBias),
    projection,
    tensors: { all: [input, hidden, inputBias, hiddenBias, projection].filter((t) => t !== null), biased: inputBias !== null },
    ...(order === undefined ? {} : { order }),
  };
}

/** Rows of each step: `starts[t]` the first of `sizes[t]`. */
interface Steps {
  readonly sizes: readonly number[];
  readonly starts: readonly number[];
  readonly uniform: boolean;
}
function stepsOf(sizes: readonly number[]): Steps {
  let total = 0;
  const starts = sizes.map((n) => (total += n) - n);
  return { sizes, starts, uniform: sizes.every((n) => n === sizes[0]) };
}

/** One direction of one layer over `x [rows, I]`: fills `out [rows, P]`, the last states `hn [B, P]` and `cn [B, H]`. */
function layer(ctx: Context, cell: Cell, x: Tensor, steps: Steps, w: Side, h0: Tensor, c0: Tensor | undefined, reverse: boolean, out: Tensor, hn: Tensor, cn: Tensor | undefined): void {
  const results = cn === undefined ? [out, hn] : [out, hn, cn];
  const run = (): void => {
    const input = w.input(ctx, x);
    copyInto(ctx, hn, h0);
    if (cn !== undefined && c0 !== undefined) copyInto(ctx, cn, c0);
    let last = h0;
    const count = steps.sizes.length;
    for (let k = 0; k < count; k++) {
      const t = reverse ? count - 1 - k : k;
      const [start, size] = [steps.starts[t] ?? 0, steps.sizes[t] ?? 0];
      // Packed sequences of different lengths keep running states apart: rows beyond `size` have ended, or not begun.
      const h = steps.uniform ? last : narrowed(hn, 0, 0, size);
      const c = cn === undefined ? undefined : narrowed(cn, 0, 0, size);
      const hidden = w.hidden(ctx, h);
      const target = narrowed(out, 0, start, size);
      const gates = narrowed(input, 0, start, size);
      const cells = c === undefined ? [] : [c];
      if (w.projection === null) step(ctx, cell, gates, hidden, h, c, [target, ...cells], w.order);
      else {
        const wide = empty(ctx, [size, w.projection.shape[1] ?? 0], x.dtype);
        step(ctx, cell, gates, hidden, h, c, [wide, ...cells], w.order);
        copyInto(ctx, target, linear(ctx, wide, w.projection, null));
      }
      if (steps.uniform) last = target;
      else copyInto(ctx, h, target);
    }
    if (steps.uniform && count > 0) copyInto(ctx, hn, last);
  };
  if (!steps.uniform || w.tensors === undefined) return run();
  const operands = [x, h0, ...(c0 === undefined ? [] : [c0]), ...w.tensors.all];
  ctx.region({ kind: "region", name: cell.name, operands, results, params: { steps: steps.sizes.length, reverse, bias: w.tensors.biased, projection: w.projection !== null, order: w.order } }, run);
}

/** States that a direction starts from and ends with; a cell state for LSTM alone. */
export interface LayerStates {
  readonly h0: Tensor;
  readonly c0: Tensor | undefined;
  readonly hn: Tensor;
  readonly cn: Tensor | undefined;
}
/** One direction of one layer over `x [T * B, I]`, all steps of size B: fills `out [T * B, P]` and the last states. */
export function uniformLayer(ctx: Context, name: OuterCell, x: Tensor, time: number, w: Side, s: LayerStates, reverse: boolean, out: Tensor): void {
  const batch = s.h0.shape[0] ?? 0;
  layer(ctx, CELLS[name], x, stepsOf(Array.from({ length: time }, () => batch)), w, s.h0, s.c0, reverse, out, s.hn, s.cn);
}

interface LayerForm {
  readonly numLayers: number;
  readonly dropout: number;
  readonly train: boolean;
  readonly bidirectional: boolean;
}
interface Layers extends LayerForm {
  readonly params: readonly Tensor[];
  readonly hasBiases: boolean;
}

/** The weights of each layer and direction, in the order of the flat list. */
function sidesOf(layers: Layers, projected: boolean): Side[] {
  const each = 2 + (layers.hasBiases ? 2 : 0) + (projected ? 1 : 0);
  const count = layers.numLayers * (layers.bidirectional ? 2 : 1);
  if (layers.params.length !== count * each) throw new OpwiseError("bad-argument", `got an incorrect number of RNN parameters`, { wanted: `${count * each} tensors`, got: String(layers.params.length) });
  return Array.from({ length: count }, (_, k) => {
    const own = layers.params.slice(k * each, (k + 1) * each);
    const [input, hidden, inputBias, hiddenBias] = own;
    if (input === undefined || hidden === undefined) throw new OpwiseError("internal", "parameters were counted");
    const biased = layers.hasBiases;
    return plainSide(input, hidden, biased ? (inputBias ?? null) : null, biased ? (hiddenBias ?? null) : null, projected ? (own[each - 1] ?? null) : null);
  });
}

/** All layers over `x [rows, I]`: the output `[rows, D * P]` and the last states `[L * D, B, *]`. */
function layered(ctx: Context, cell: Cell, x: Tensor, steps: Steps, h0: Tensor, c0: Tensor | undefined, layers: LayerForm, sides: readonly Side[]): [Tensor, Tensor, Tensor | undefined] {
  const directions = layers.bidirectional ? 2 : 1;
  const hidden = h0.shape[2] ?? 0;
  const expected = [layers.numLayers * directions, steps.sizes.length === 0 ? (h0.shape[1] ?? 0) : Math.max(...steps.sizes), hidden];
  if (h0.rank !== 3 || h0.shape.some((s, i) => s !== expected[i])) throw new OpwiseError("shape-mismatch", `Expected hidden size (${expected.join(", ")}), got [${h0.shape.join(", ")}]`);
  const hn = empty(ctx, h0.shape, h0.dtype);
  const cn = c0 === undefined ? undefined : empty(ctx, c0.shape, c0.dtype);
  let input = x;
  for (let l = 0; l < layers.numLayers; l++) {
    const out = empty(ctx, [x.shape[0] ?? 0, directions * hidden], x.dtype);
    for (let d = 0; d < directions; d++) {
      const k = l * directions + d;
      const w = sides[k];
      if (w === undefined) throw new OpwiseError("internal", "parameters were counted");
      layer(ctx, cell, input, steps, w, selected(h0, 0, k), c0 === undefined ? undefined : selected(c0, 0, k), d === 1, narrowed(out, 1, d * hidden, hidden), selected(hn, 0, k), cn === undefined ? undefined : selected(cn, 0, k));
    }
    input = l < layers.numLayers - 1 ? dropout(ctx, out, layers.dropout, layers.train, false, false) : out;
  }
  return [input, hn, cn];
}

/** Padded input `[T, B, I]`, or `[B, T, I]` where `batchFirst`. */
function padded(ctx: Context, cell: Cell, x: Tensor, h0: Tensor, c0: Tensor | undefined, layers: LayerForm, sides: readonly Side[], batchFirst: boolean): [Tensor, Tensor, Tensor | undefined] {
  if (x.rank !== 3) throw new OpwiseError("shape-mismatch", `${cell.name}: expected a 3-D input`, { got: `[${x.shape.join(", ")}]` });
  const sequence = batchFirst ? permuted(x, [1, 0, 2]) : x;
  const [time = 0, batch = 0, features = 0] = sequence.shape;
  if (time === 0) throw new OpwiseError("shape-mismatch", "Expected sequence length to be larger than 0 in RNN");
  const rows = reshaped(ctx, sequence, [time * batch, features]);
  const [out, hn, cn] = layered(ctx, cell, rows, stepsOf(Array.from({ length: time }, () => batch)), h0, c0, layers, sides);
  const width = out.shape[1] ?? 0;
  const whole = viewOf(out, [time, batch, width], [batch * width, width, 1], out.offset);
  return [batchFirst ? permuted(whole, [1, 0, 2]) : whole, hn, cn];
}

const sizesOf = (batchSizes: Tensor): number[] => Array.from(batchSizes.data, Number);

function pairOf(hx: readonly Tensor[]): [Tensor, Tensor] {
  const [h, c] = hx;
  if (h === undefined || c === undefined || hx.length !== 2) throw new OpwiseError("bad-argument", "lstm expects two hidden states");
  return [h, c];
}

/** A hidden state narrower than the cell state has been projected. */
const isProjected = (h: Tensor, c: Tensor): boolean => c.shape[2] !== h.shape[2];

/** Layers whose products are the caller's (quantised weights): padded input, or a packed one with a batch size per step. */
export interface OuterLayers extends LayerForm {
  readonly sides: readonly Side[];
}
type OuterCell = "lstm" | "gru" | "rnn_tanh" | "rnn_relu";
const CELLS: Readonly<Record<OuterCell, Cell>> = { lstm: LSTM, gru: GRU, rnn_tanh: TANH, rnn_relu: RELU };
export function paddedLayers(ctx: Context, cell: OuterCell, x: Tensor, hx: readonly Tensor[], layers: OuterLayers, batchFirst: boolean): Tensor[] {
  const [h, c] = statesOf(cell, hx);
  return padded(ctx, CELLS[cell], x, h, c, layers, layers.sides, batchFirst).filter((t) => t !== undefined);
}
export function* packedLayers(ctx: Context, cell: OuterCell, data: Tensor, batchSizes: Tensor, hx: readonly Tensor[], layers: OuterLayers): Generator<Tensor, Tensor[], void> {
  yield batchSizes;
  const [h, c] = statesOf(cell, hx);
  return layered(ctx, CELLS[cell], data, stepsOf(sizesOf(batchSizes)), h, c, layers, layers.sides).filter((t) => t !== undefined);
}
function statesOf(cell: OuterCell, hx: readonly Tensor[]): [Tensor, Tensor | undefined] {
  const [h] = hx;
  if (cell === "lstm") return pairOf(hx);
  if (h === undefined) throw new OpwiseError("bad-argument", `${cell} expects a hidden state`);
  return [h, undefined];
}
/** One step of a cell from its gates' parts: the new hidden state (and cell state). */
export function steppedCell(ctx: Context, name: OuterCell, input: Tensor, hidden: Tensor, h: Tensor, c: Tensor | undefined): Tensor[] {
  const results = [empty(ctx, h.shape, input.dtype), ...(c === undefined ? [] : [empty(ctx, c.shape, input.dtype)])];
  step(ctx, CELLS[name], input, hidden, h, c, results);
  return results;
}

const simple = (cell: Cell) => (ctx: Context, x: Tensor, hx: Tensor, params: readonly Tensor[], hasBiases: boolean, numLayers: number, dropoutP: number, train: boolean, bidirectional: boolean, batchFirst: boolean): [Tensor, Tensor] => {
  const layers = { params, hasBiases, numLayers, dropout: dropoutP, train, bidirectional };
  const [out, hn] = padded(ctx, cell, x, hx, undefined, layers, sidesOf(layers, false), batchFirst);
  return [out, hn];
};
const packed = (cell: Cell) =>
  function* run(ctx: Context, data: Tensor, batchSizes: Tensor, hx: Tensor, params: readonly Tensor[], hasBiases: boolean, numLayers: number, dropoutP: number, train: boolean, bidirectional: boolean): Generator<Tensor, Tensor[], void> {
    yield batchSizes;
    const layers = { params, hasBiases, numLayers, dropout: dropoutP, train, bidirectional };
    const [out, hn] = layered(ctx, cell, data, stepsOf(sizesOf(batchSizes)), hx, undefined, layers, sidesOf(layers, false));
    return [out, hn];
  };
/** One step of a cell outside any layer. */
function single(ctx: Context, cell: Cell, x: Tensor, h: Tensor, c: Tensor | undefined, wx: Tensor, wh: Tensor, bx: Tensor | null, bh: Tensor | null): Tensor[] {
  for (const [what, t] of [["input", x], ["hidden", h]] as const) {
    if (t.rank !== 2) throw new OpwiseError("shape-mismatch", `${cell.name}_cell: ${what} must be 2-D`, { got: `[${t.shape.join(", ")}]` });
  }
  if (x.shape[1] !== wx.shape[1]) throw new OpwiseError("shape-mismatch", `input has inconsistent input_size: got ${x.shape[1]} expected ${wx.shape[1]}`);
  if (h.shape[1] !== wh.shape[1]) throw new OpwiseError("shape-mismatch", `hidden has inconsistent hidden_size: got ${h.shape[1]} expected ${wh.shape[1]}`);
  const results = [empty(ctx, h.shape, x.dtype), ...(c === undefined ? [] : [empty(ctx, c.shape, x.dtype)])];
  step(ctx, cell, linear(ctx, x, wx, bx), linear(ctx, h, wh, bh), h, c, results);
  return results;
}
const cellOf = (cell: Cell) => (ctx: Context, x: Tensor, h: Tensor, wx: Tensor, wh: Tensor, bx: Tensor | null, bh: Tensor | null): Tensor | undefined => single(ctx, cell, x, h, undefined, wx, wh, bx, bh)[0];

const plus = elementwise("add", (x, y) => x.add(y));
const biased = (ctx: Context, gates: Tensor, bias: Tensor | null): Tensor => (bias === null ? gates : apply(ctx, plus, [gates, bias]));

export const recurrent: readonly Op[] = [
  op("aten::lstm.input(Tensor input, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor, Tensor)", {
    run: (ctx, x, hx, params, hasBiases, numLayers, p, train, bidirectional, batchFirst) => {
      const [h, c] = pairOf(hx);
      const layers = { params, hasBiases, numLayers, dropout: p, train, bidirectional };
      return padded(ctx, LSTM, x, h, c, layers, sidesOf(layers, isProjected(h, c)), batchFirst);
    },
  }),
  op("aten::lstm.data(Tensor data, Tensor batch_sizes, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor, Tensor)", {
    reads: function* (ctx, data, batchSizes, hx, params, hasBiases, numLayers, p, train, bidirectional) {
      yield batchSizes;
      const [h, c] = pairOf(hx);
      const layers = { params, hasBiases, numLayers, dropout: p, train, bidirectional };
      return layered(ctx, LSTM, data, stepsOf(sizesOf(batchSizes)), h, c, layers, sidesOf(layers, isProjected(h, c)));
    },
  }),
  op("aten::gru.input(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)", { run: simple(GRU) }),
  op("aten::gru.data(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)", { reads: packed(GRU) }),
  op("aten::rnn_tanh.input(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)", { run: simple(TANH) }),
  op("aten::rnn_tanh.data(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)", { reads: packed(TANH) }),
  op("aten::rnn_relu.input(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)", { run: simple(RELU) }),
  op("aten::rnn_relu.data(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)", { reads: packed(RELU) }),
  op("aten::lstm_cell(Tensor input, Tensor[] hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> (Tensor, Tensor)", {
    run: (ctx, x, hx, wx, wh, bx, bh) => {
      const [h, c] = pairOf(hx);
      return single(ctx, LSTM, x, h, c, wx, wh, bx, bh);
    },
  }),
  op("aten::gru_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor", { run: cellOf(GRU) }),
  op("aten::rnn_tanh_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor", { run: cellOf(TANH) }),
  op("aten::rnn_relu_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor", { run: cellOf(RELU) }),
  op("aten::_thnn_fused_lstm_cell(Tensor input_gates, Tensor hidden_gates, Tensor cx, Tensor? input_bias=None, Tensor? hidden_bias=None) -> (Tensor, Tensor, Tensor)", {
    run: (ctx, input, hidden, c, inputBias, hiddenBias) => {
      const [h, cell] = [empty(ctx, c.shape, c.dtype), empty(ctx, c.shape, c.dtype)];
      step(ctx, LSTM, biased(ctx, input, inputBias), biased(ctx, hidden, hiddenBias), c, c, [h, cell]);
      return [h, cell, empty(ctx, [0], c.dtype)]; // the workspace serves training
    },
  }),
  op("aten::_thnn_fused_gru_cell(Tensor input_gates, Tensor hidden_gates, Tensor hx, Tensor? input_bias=None, Tensor? hidden_bias=None) -> (Tensor, Tensor)", {
    run: (ctx, input, hidden, h, inputBias, hiddenBias) => {
      const out = empty(ctx, h.shape, h.dtype);
      step(ctx, GRU, biased(ctx, input, inputBias), biased(ctx, hidden, hiddenBias), h, undefined, [out]);
      return [out, empty(ctx, [0], h.dtype)];
    },
  }),
];
