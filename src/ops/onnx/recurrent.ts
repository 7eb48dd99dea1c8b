/** RNN, GRU and LSTM: one product for the inputs of all steps, then a product and a map per step. */

import { arg, binary, cast, constant, type ExprType, index, load, scalar } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { copyInto, empty, map } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { narrowed, permuted, reshaped, selected, transposed } from "../../prims/views.ts";
import { opmathOf } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { filled } from "../aten/filling.ts";
import { cat } from "../aten/joins.ts";
import { memo } from "../aten/memo.ts";
import { mm } from "../aten/products.ts";
import { plainSide, uniformLayer } from "../aten/recurrent.ts";
import { apply, elementwise, operandNum, outputParts } from "../elementwise.ts";
import { softplus } from "./activations.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { int, maybeTensor, tensorAt } from "./inputs.ts";
import { computeOf, mapOf } from "./programs.ts";

const programs = memo<Program>();
const ONE = int(1);

/** An activation and the text that tells it from others. */
interface Activation {
  readonly name: string;
  readonly key: string;
  readonly of: (x: Num) => Num;
}

type Shaped = (x: Num, alpha: number, beta: number) => Num;
/** Functions by lower-case name with their default alpha and beta; undefined where they take none. */
const ACTIVATIONS: Readonly<Record<string, { readonly of: Shaped; readonly alpha?: number; readonly beta?: number }>> = {
  relu: { of: (x) => x.max(0) },
  tanh: { of: (x) => x.apply("tanh") },
  sigmoid: { of: (x) => x.sigmoid() },
  affine: { of: (x, a, b) => x.mul(a).add(b), alpha: 1, beta: 0 },
  leakyrelu: { of: (x, a) => x.lt(0).where(x.mul(a), x), alpha: 0.01 },
  thresholdedrelu: { of: (x, a) => x.ge(a).where(x, x.lit(0)), alpha: 1 },
  scaledtanh: { of: (x, a, b) => x.mul(b).apply("tanh").mul(a), alpha: 1, beta: 1 },
  hardsigmoid: { of: (x, a, b) => x.mul(a).add(b).max(0).min(1), alpha: 0.2, beta: 0.5 },
  elu: { of: (x, a) => x.ge(0).where(x, x.expm1().mul(a)), alpha: 1 },
  softsign: { of: (x) => x.div(x.abs().add(1)) },
  softplus: { of: softplus },
};

/** The activations of all directions in order; alphas and betas go to those that take them. */
function activationsOf(call: OnnxCall, defaults: readonly string[], directions: number): Activation[] {
  const { attributes } = call;
  const names = attributes.strings("activations") ?? Array.from({ length: directions }, () => defaults).flat();
  if (names.length !== directions * defaults.length)
    throw new OpwiseError("bad-onnx", "`activations` does not fit the directions", { wanted: `${directions * defaults.length} names`, got: names.join(", ") });
  const [alphas, betas] = [[...(attributes.floats("activation_alpha") ?? [])], [...(attributes.floats("activation_beta") ?? [])]];
  return names.map((name) => {
    const known = ACTIVATIONS[name.toLowerCase()];
    if (known === undefined) throw new OpwiseError("bad-onnx", `the activation \`${name}\` is unknown`, { wanted: Object.keys(ACTIVATIONS).join(", ") });
    const alpha = known.alpha === undefined ? 0 : (alphas.shift() ?? known.alpha);
    const beta = known.beta === undefined ? 0 : (betas.shift() ?? known.beta);
    return { name: name.toLowerCase(), key: `${name.toLowerCase()}:${alpha}:${beta}`, of: (x) => known.of(x, alpha, beta) };
  });
}

/** What one direction of a layer works on. */
interface Direction {
  /** `x W' + b` of every step, `[T, B, gates * H]`. */
  readonly inputs: Tensor;
  /** `R'`, `[H, gates * H]`. */
  readonly recurrence: Tensor;
  /** Recurrence bias `[gates * H]`, where it is not in `inputs` already. */
  readonly bias: Tensor;
  readonly peepholes: Tensor | undefined;
  readonly hidden: number;
  readonly activations: readonly Activation[];
  readonly clip: number | undefined;
}

/** A new state from this step's operands; `lengths` (a column) and the step's number freeze what has ended. */
interface Step {
  readonly ctx: Context;
  readonly lengths: Tensor | undefined;
  readonly number: number;
}

/**
 * Runs an elementwise step: `build` gives the new states from the operands; where a sequence has ended, state k keeps `operands[keep[k]]`, and
 * the last output, what is written to Y, is 0.
 */
function stepped(
  step: Step,
  name: string,
  key: string,
  operands: readonly Tensor[],
  keep: readonly number[],
  out: Tensor,
  build: (...all: Num[]) => readonly Num[],
): Tensor[] {
  const dtype = out.dtype;
  const { ctx, lengths } = step;
  const all = lengths === undefined ? operands : [...operands, lengths];
  const program = programs(`${name} ${key},${all.map((t) => t.dtype).join(",")},${lengths !== undefined}`, () => {
    const nums = operands.map((t, i) => operandNum(i, t.dtype, opmathOf(t.dtype)));
    const states = build(...nums);
    const ended =
      lengths === undefined ? undefined : new Num(binary("ge", scalar(0, "index"), cast(arg(operands.length, computeType(lengths.dtype)), "index")));
    const kept = states.map((s, k) => (ended === undefined ? s : ended.where(nums[keep[k] ?? 0] ?? s, s)));
    const shown = states[0] ?? nums[0];
    if (shown === undefined) throw new OpwiseError("internal", "a step without a state");
    const written = ended === undefined ? shown : ended.where(shown.lit(0), shown);
    const scalars: ExprType[] = lengths === undefined ? [] : ["index"];
    return {
      name,
      operands: all.map((t) => t.dtype),
      scalars,
      outputs: [...kept, written].map((s) => ({ dtype, parts: outputParts(s, dtype) })),
      messages: [],
    };
  });
  const states = keep.map(() => empty(ctx, out.shape, dtype));
  map(ctx, program, all, lengths === undefined ? [] : [step.number], [...states, out]);
  return states;
}

const clipped = (x: Num, clip: number | undefined): Num => (clip === undefined ? x : x.max(-clip).min(clip));

type Cell = (step: Step, d: Direction, x: Tensor, states: readonly Tensor[], out: Tensor) => Tensor[];

/** `x + h R'` for gates `from .. from + count`. */
function product(ctx: Context, d: Direction, h: Tensor, x: Tensor, from: number, count: number): Tensor {
  const cut = (t: Tensor): Tensor => narrowed(t, 1, from * d.hidden, count * d.hidden);
  return mm(ctx, h, cut(d.recurrence), { tensor: cut(x), alpha: ONE, beta: ONE });
}
const gate = (t: Tensor, at: number, hidden: number): Tensor => narrowed(t, 1, at * hidden, hidden);

const rnnCell: Cell = (step, d, x, [h], out) => {
  if (h === undefined) return [];
  const [f] = d.activations;
  return stepped(step, "rnn_cell", `${f?.key},${d.clip}`, [product(step.ctx, d, h, x, 0, 1), h], [1], out, (z) => [f?.of(clipped(z, d.clip)) ?? z]);
};

/** Gates z, r, h. Without `linearBeforeReset` the hidden state is reset before its product. */
const gruCell =
  (linearBeforeReset: boolean): Cell =>
  (step, d, x, [h], out) => {
    if (h === undefined) return [];
    const { ctx } = step;
    const [f, g] = d.activations;
    if (f === undefined || g === undefined) return [];
    const key = `${f.key},${g.key},${d.clip}`;
    const gates = product(ctx, d, h, x, 0, 2);
    const [z, r] = [gate(gates, 0, d.hidden), gate(gates, 1, d.hidden)];
    const last = gate(x, 2, d.hidden);
    if (linearBeforeReset) {
      const bias = narrowed(d.bias, 0, 2 * d.hidden, d.hidden);
      const inner = mm(ctx, h, gate(d.recurrence, 2, d.hidden), { tensor: bias, alpha: ONE, beta: ONE });
      return stepped(step, "gru_cell_linear", key, [z, r, last, inner, h], [4], out, (a, b, c, e, old) => {
        const update = f.of(clipped(a, d.clip));
        const fresh = g.of(clipped(c.add(f.of(clipped(b, d.clip)).mul(e)), d.clip));
        return [update.lit(1).sub(update).mul(fresh).add(update.mul(old))];
      });
    }
    const reset = mapOf(ctx, `gru_reset ${f.key},${d.clip}`, [r, h], h.dtype, (b, old) => f.of(clipped(b, d.clip)).mul(old));
    const inner = mm(ctx, reset, gate(d.recurrence, 2, d.hidden), { tensor: last, alpha: ONE, beta: ONE });
    return stepped(step, "gru_cell", key, [z, inner, h], [2], out, (a, c, old) => {
      const update = f.of(clipped(a, d.clip));
      return [
        update
          .lit(1)
          .sub(update)
          .mul(g.of(clipped(c, d.clip)))
          .add(update.mul(old)),
      ];
    });
  };

/** Gates i, o, f, c; peepholes see the cell state, the output gate's the new one. */
const lstmCell =
  (inputForget: boolean): Cell =>
  (step, d, x, [h, c], out) => {
    if (h === undefined || c === undefined) return [];
    const [f, g, k] = d.activations;
    if (f === undefined || g === undefined || k === undefined) return [];
    const gates = product(step.ctx, d, h, x, 0, 4);
    const peeps = d.peepholes;
    const looks = peeps === undefined ? [] : [0, 1, 2].map((i) => narrowed(peeps, 0, i * d.hidden, d.hidden));
    const operands = [...[0, 1, 2, 3].map((i) => gate(gates, i, d.hidden)), h, c, ...looks];
    return stepped(
      step,
      "lstm_cell",
      `${f.key},${g.key},${k.key},${d.clip},${inputForget},${looks.length}`,
      operands,
      [4, 5],
      out,
      (i, o, fg, cg, _h, old, pi?: Num, po?: Num, pf?: Num) => {
        const peep = (z: Num, p: Num | undefined, cell: Num): Num => (p === undefined ? z : z.add(p.mul(cell)));
        const enter = f.of(clipped(peep(i, pi, old), d.clip));
        const forget = inputForget ? enter.lit(1).sub(enter) : f.of(clipped(peep(fg, pf, old), d.clip));
        const cell = forget.mul(old).add(enter.mul(g.of(clipped(cg, d.clip))));
        return [f.of(clipped(peep(o, po, cell), d.clip)).mul(k.of(cell)), cell];
      },
    );
  };

interface Layer {
  readonly gates: number;
  readonly states: 1 | 2;
  readonly defaults: readonly string[];
  readonly cell: (call: OnnxCall) => Cell;
  /** The cell of PyTorch's that it is with these functions, if any. */
  readonly plain: (call: OnnxCall, activations: string) => Plain | undefined;
  /** Whether the recurrence bias of the last gate stands apart (GRU with linear_before_reset). */
  readonly apart: (call: OnnxCall) => boolean;
}

/** The cell of PyTorch's that a direction is, and where ONNX's weights have the blocks of its gates. */
interface Plain {
  readonly cell: "lstm" | "gru" | "rnn_tanh" | "rnn_relu";
  readonly order: readonly number[];
}
/** Without clip, lengths, peepholes and functions of its own a layer is one of PyTorch's. */
function plainOf(layer: Layer, call: OnnxCall, activations: readonly Activation[]): Plain | undefined {
  if (call.attributes.has("clip") || maybeTensor(call, 4) !== undefined || maybeTensor(call, 7) !== undefined) return undefined;
  return layer.plain(call, activations.map((a) => a.name).join(","));
}

function recurrentLayer(layer: Layer) {
  return (ctx: Context, call: OnnxCall): Tensor[] => {
    const { attributes } = call;
    const batchFirst = attributes.int("layout", 0) !== 0;
    const swap = (t: Tensor): Tensor => (batchFirst ? transposed(t, 0, 1) : t);
    const x = swap(tensorAt(call, 0));
    const [w, r] = [tensorAt(call, 1), tensorAt(call, 2)];
    const [b, lengths] = [maybeTensor(call, 3), maybeTensor(call, 4)];
    const peepholes = layer.states === 2 ? maybeTensor(call, 7) : undefined;
    const [time = 0, batch = 0] = x.shape;
    const directions = w.shape[0] ?? 1;
    const hidden = r.shape[2] ?? 0;
    const name = attributes.string("direction", "forward");
    if (!["forward", "reverse", "bidirectional"].includes(name) || (name === "bidirectional") !== (directions === 2))
      throw new OpwiseError("bad-onnx", `direction \`${name}\` with weights of ${directions} directions`);
    const activations = activationsOf(call, layer.defaults, directions);
    const initial = [5, 6].slice(0, layer.states).map((at) => {
      const given = maybeTensor(call, at);
      return given === undefined ? undefined : swap(given);
    });
    const initialOf = (i: number, direction: number): Tensor => {
      const given = initial[i];
      return given === undefined ? filled(ctx, [batch, hidden], x.dtype, int(0)) : selected(given, 0, direction);
    };
    const all = empty(ctx, [time, directions, batch, hidden], x.dtype);
    const finals = initial.map(() => empty(ctx, [directions, batch, hidden], x.dtype));
    const column = lengths === undefined ? undefined : viewOf(lengths, [batch, 1], [lengths.strides[0] ?? 1, 1], lengths.offset);
    const cell = layer.cell(call);
    for (let k = 0; k < directions; k++) {
      const backward = name === "reverse" || k === 1;
      const size = layer.gates * hidden;
      const own = activations.slice(k * layer.defaults.length, (k + 1) * layer.defaults.length);
      const plain = plainOf(layer, call, own);
      if (plain !== undefined) {
        const half = (at: number): Tensor | null => (b === undefined ? null : narrowed(selected(b, 0, k), 0, at * size, size));
        const side = plainSide(selected(w, 0, k), selected(r, 0, k), half(0), half(1), null, plain.order);
        const state = (i: number): { readonly from: Tensor; readonly to: Tensor } => ({ from: initialOf(i, k), to: selected(finals[i] ?? all, 0, k) });
        const [h, c] = [state(0), layer.states === 2 ? state(1) : undefined];
        // Rows of a step are apart from those of the next by all directions: one row a step, or one direction, is still a matrix.
        const rows = viewOf(all, [time * batch, hidden], [directions * hidden, 1], all.offset + k * batch * hidden);
        const out = directions === 1 || batch === 1 ? rows : empty(ctx, rows.shape, x.dtype);
        const states = { h0: h.from, c0: c?.from, hn: h.to, cn: c?.to };
        uniformLayer(ctx, plain.cell, reshaped(ctx, x, [time * batch, x.shape[2] ?? 0]), time, side, states, backward, out);
        if (out !== rows) copyInto(ctx, selected(all, 1, k), reshaped(ctx, out, [time, batch, hidden]));
        continue;
      }
      const zeros = (): Tensor => filled(ctx, [size], x.dtype, int(0));
      const biases = b === undefined ? undefined : selected(b, 0, k);
      const [wb, rb] = biases === undefined ? [zeros(), zeros()] : [narrowed(biases, 0, 0, size), narrowed(biases, 0, size, size)];
      const bias = joinedBias(ctx, wb, rb, layer.apart(call) ? size - hidden : size);
      const source = backward && lengths !== undefined ? turned(ctx, x, lengths) : x;
      const rows = mm(ctx, reshaped(ctx, source, [time * batch, x.shape[2] ?? 0]), transposed(selected(w, 0, k), 0, 1), {
        tensor: bias,
        alpha: ONE,
        beta: ONE,
      });
      const d: Direction = {
        inputs: reshaped(ctx, rows, [time, batch, size]),
        recurrence: transposed(selected(r, 0, k), 0, 1),
        bias: rb,
        hidden,
        peepholes: peepholes === undefined ? undefined : selected(peepholes, 0, k),
        activations: own,
        clip: attributes.has("clip") ? attributes.float("clip") : undefined,
      };
      let states = initial.map((_, i) => initialOf(i, k));
      // Sequences of their own lengths are turned as a whole and back; others are walked from the end.
      const target = backward && lengths !== undefined ? empty(ctx, [time, batch, hidden], x.dtype) : selected(all, 1, k);
      for (let n = 0; n < time; n++) {
        const at = backward && lengths === undefined ? time - 1 - n : n;
        states = cell({ ctx, lengths: column, number: n }, d, selected(d.inputs, 0, at), states, selected(target, 0, at));
      }
      if (backward && lengths !== undefined) copyInto(ctx, selected(all, 1, k), turned(ctx, target, lengths));
      states.forEach((s, i) => {
        const final = finals[i];
        if (final !== undefined) copyInto(ctx, selected(final, 0, k), s);
      });
    }
    const y = batchFirst ? permuted(all, [2, 0, 1, 3]) : all;
    return [y, ...finals.map(swap)];
  };
}

const added = elementwise("add", (x, y) => x.add(y));

/** The biases of inputs and recurrence added up, up to `until`; behind it the input's alone. */
function joinedBias(ctx: Context, wb: Tensor, rb: Tensor, until: number): Tensor {
  const size = wb.shape[0] ?? 0;
  const sum = apply(ctx, added, [narrowed(wb, 0, 0, until), narrowed(rb, 0, 0, until)]);
  return until === size ? sum : cat(ctx, [sum, narrowed(wb, 0, until, size - until)], 0);
}

/** The first `lengths[b]` rows of `[T, B, ...]` in reverse order, the rest as it is. */
function turned(ctx: Context, x: Tensor, lengths: Tensor): Tensor {
  return computeOf(ctx, "turn_sequences", "", x.shape, [x, lengths], x.dtype, [], [], () => {
    const length = cast(load(1, computeType(lengths.dtype), [index(1)]), "index");
    const at = new Num(binary("lt", index(0), length)).where(
      new Num(binary("sub", binary("sub", length, index(0)), constant(1, "index"))),
      new Num(index(0)),
    ).re;
    return { parts: [load(0, computeType(x.dtype), [at, index(1), index(2)])] };
  });
}

const never = (): boolean => false;
const layers: Readonly<Record<string, Layer>> = {
  RNN: {
    gates: 1,
    states: 1,
    defaults: ["Tanh"],
    cell: () => rnnCell,
    apart: never,
    plain: (_call, f) => (f === "tanh" ? { cell: "rnn_tanh", order: [0] } : f === "relu" ? { cell: "rnn_relu", order: [0] } : undefined),
  },
  GRU: {
    gates: 3,
    states: 1,
    defaults: ["Sigmoid", "Tanh"],
    cell: (call) => gruCell(call.attributes.int("linear_before_reset", 0) !== 0),
    apart: (call) => call.attributes.int("linear_before_reset", 0) !== 0,
    plain: (call, f) => (f === "sigmoid,tanh" && call.attributes.int("linear_before_reset", 0) !== 0 ? { cell: "gru", order: [1, 0, 2] } : undefined),
  },
  LSTM: {
    gates: 4,
    states: 2,
    defaults: ["Sigmoid", "Tanh", "Tanh"],
    cell: (call) => lstmCell(call.attributes.int("input_forget", 0) !== 0),
    apart: never,
    plain: (call, f) => (f === "sigmoid,tanh,tanh" && call.attributes.int("input_forget", 0) === 0 ? { cell: "lstm", order: [0, 2, 3, 1] } : undefined),
  },
};

export const recurrentOps: readonly OnnxOp[] = Object.entries(layers).map(([name, layer]) => onnxOp(name, { 1: { run: recurrentLayer(layer) } }));
