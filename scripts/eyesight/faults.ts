/** Faults to plant, one at a time, into one execution of a run: what wrong kernels and wrong exporters have done. */

import { type Datum, makeList } from "../../src/ir/datum.ts";
import type { Call } from "../../src/prims/call.ts";
import type { Context } from "../../src/prims/context.ts";
import type { BoundOp } from "../../src/ops/registry.ts";
import { numbersOf, writeNumbers } from "../../src/debug/compare/numbers.ts";
import { plainName } from "../../src/debug/compare/op-class.ts";
import { rebound } from "../../src/debug/compare/rebind.ts";
import { type Execution, tensorsIn } from "../../src/debug/compare/tape.ts";
import { decodeBfloat16, encodeBfloat16 } from "../../src/numeric/bfloat16.ts";
import { decodeHalf, encodeHalf } from "../../src/numeric/half.ts";
import { isFloat } from "../../src/tensor/dtype.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

export interface Fault {
  readonly name: string;
  /** Ops without namespace that it is for. */
  readonly ops: readonly string[];
  /** The spoiled op; undefined where this execution cannot have the fault. */
  readonly plant: (execution: Execution) => BoundOp | undefined;
  /** Added to the operand in both runs, where only such values show the fault: 100 more changes no softmax. */
  readonly raise?: number;
}

const CONV = ["_convolution", "convolution", "conv1d", "conv2d", "conv3d", "Conv"];
const LINEAR = ["linear", "addmm", "Gemm"];
const PRODUCT = [...LINEAR, "matmul", "MatMul", "bmm", "mm"];
const SOFTMAX = ["softmax", "Softmax"];
const LAYER_NORM = ["layer_norm", "LayerNormalization"];
const GELU = ["gelu", "Gelu"];
const LSTM = ["lstm", "LSTM"];

/** An op that runs another way. */
function instead(run: (ctx: Context, args: readonly Datum[]) => Generator<Tensor | Promise<void>, readonly Datum[], void>): BoundOp {
  return { reads: true, run };
}

/** Runs a bound op inside another. */
function* inner(bound: BoundOp, ctx: Context, args: readonly Datum[]): Generator<Tensor | Promise<void>, readonly Datum[], void> {
  return bound.reads ? yield* bound.run(ctx, args) : bound.run(ctx, args);
}

const withArguments = (e: Execution, args: readonly Datum[] | undefined, change: (args: readonly Datum[]) => readonly Datum[]): BoundOp | undefined =>
  args === undefined ? undefined : instead((ctx, given) => inner(e.bound, ctx, change(given)));

/** The first float result with other numbers, written where they lie. */
const withResult =
  (change: (numbers: Float64Array, shape: readonly number[], args: readonly Tensor[]) => void, at = 0) =>
  (e: Execution): BoundOp | undefined => {
    const recorded = tensorsIn(e.outs)[at];
    if (recorded === undefined || !isFloat(recorded.dtype) || recorded.numel === 0) return undefined;
    return instead(function* spoiled(ctx, given) {
      // What the op gets may be what it writes: keep the operands' numbers.
      const before = tensorsIn(given).map((t) => Tensor.from(Float64Array.from(numbersOf(t)), t.shape));
      const outs = yield* inner(e.bound, ctx, given);
      const out = tensorsIn(outs)[at];
      if (out !== undefined) {
        yield out;
        const numbers = Float64Array.from(numbersOf(out));
        change(numbers, out.shape, before);
        out.storage.beginHostWrite();
        writeNumbers(out, numbers);
      }
      return outs;
    });
  };
/** Each element of the result from the first operand's. */
const elementwise = (f: (x: number) => number): ((e: Execution) => BoundOp | undefined) =>
  withResult((y, _, [x]) => {
    const from = x === undefined ? undefined : numbersOf(x);
    if (from?.length === y.length) for (let i = 0; i < y.length; i++) y[i] = f(from[i] ?? 0);
  });

/** A context whose calls pass through `spoil` first and after. */
const withCalls =
  (spoil: (call: Call, run: (call: Call) => void) => void) =>
  (e: Execution): BoundOp =>
    instead((ctx, given) => {
      const spoiled: Context = {
        run: (call) => spoil(call, (one) => ctx.run(one)),
        region: (_, body) => body(),
        allocate: (n) => ctx.allocate(n),
        charge: (n) => ctx.charge(n),
        sync: (t) => ctx.sync(t),
        print: (text) => ctx.print(text),
        generator: ctx.generator,
        defaultDtype: ctx.defaultDtype,
      };
      return inner(e.bound, spoiled, given);
    });

/** Position of a schema's argument, or -1. */
function at(e: Execution, name: string): number {
  return e.node.schema?.args.findIndex((a) => a.name === name) ?? -1;
}
/** Another value for a named argument (TorchScript) or attribute (ONNX, under `attribute`). */
const named =
  (name: string, attribute: string, change: (value: Datum) => Datum | undefined, byDefault?: Datum) =>
  (e: Execution): BoundOp | undefined => {
    const i = at(e, name);
    if (i >= 0) {
      const value = change(e.args[i] ?? null);
      return value === undefined
        ? undefined
        : instead((ctx, given) =>
            inner(
              e.bound,
              ctx,
              given.map((v, k) => (k === i ? value : v)),
            ),
          );
    }
    const t = e.node.attributes[attribute];
    const now: Datum | undefined = t !== undefined && (t.kind === "int" || t.kind === "float" || t.kind === "str") ? t.value : byDefault;
    const value = now === undefined ? undefined : change(now);
    if (typeof value === "string") return rebound(e.node, { [attribute]: { kind: "str", value } });
    if (typeof value !== "number") return undefined;
    return rebound(e.node, { [attribute]: t?.kind === "int" ? { kind: "int", value } : { kind: "float", value } });
  };

/** Operand `index` with other numbers. */
const operand =
  (index: number, change: (numbers: Float64Array, shape: readonly number[]) => void, fits: (t: Tensor) => boolean = () => true) =>
  (e: Execution): BoundOp | undefined => {
    const t = e.args[index];
    if (!(t instanceof Tensor) || !isFloat(t.dtype) || !fits(t)) return undefined;
    return withArguments(e, e.args, (given) => given.map((value, k) => (k === index && value instanceof Tensor ? changed(value, change) : value)));
  };
function changed(t: Tensor, change: (numbers: Float64Array, shape: readonly number[]) => void): Tensor {
  const numbers = Float64Array.from(numbersOf(t));
  change(numbers, t.shape);
  const out = Tensor.zeros(t.shape, t.dtype);
  writeNumbers(out, numbers);
  return out;
}

const half = (x: number): number => decodeHalf(encodeHalf(x));
const inner2 = (shape: readonly number[]): number => shape.slice(2).reduce((a, b) => a * b, 1);
const last = (shape: readonly number[]): number => shape.at(-1) ?? 1;

/** Numbers one further along the last axis, the last kept. */
function shifted(y: Float64Array, shape: readonly number[]): void {
  const n = last(shape);
  for (let i = 0; i < y.length; i++) if (i % n < n - 1) y[i] = y[i + 1] ?? 0;
}
/** The product of a contract call with a half-precision accumulator. */
function halfAccumulator(call: Call, run: (call: Call) => void): void {
  const [a, b] = call.operands;
  const [out] = call.results;
  run(call);
  if (call.kind !== "contract" || call.epilogue !== undefined || a === undefined || b === undefined || out === undefined) return;
  const view = (v: typeof a): Tensor => new Tensor(v.storage, v.dtype, v.shape, v.strides, v.offset);
  const [x, w] = [numbersOf(view(a)), numbersOf(view(b))];
  const [batch = 1, m = 1, k = 1] = a.shape;
  const n = last(b.shape);
  const y = new Float64Array(batch * m * n);
  for (let q = 0; q < batch; q++) {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let p = 0; p < k; p++) {
          sum += (x[(q * m + i) * k + p] ?? 0) * (w[(q * k + p) * n + j] ?? 0);
          if (p % 8 === 7) sum = half(sum);
        }
        y[(q * m + i) * n + j] = half(sum);
      }
    }
  }
  out.storage.beginHostWrite();
  writeNumbers(view(out), y);
}

/** Rows of gates in another order. */
const gates =
  (order: readonly number[]) =>
  (e: Execution): BoundOp | undefined => {
    const swap = (t: Tensor, axis: number): Tensor =>
      changed(t, (numbers, shape) => {
        const rows = shape[axis] ?? 1;
        const step = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
        const size = rows / order.length;
        const from = numbers.slice();
        for (let i = 0; i < numbers.length; i++) {
          const row = Math.floor(i / step) % rows;
          numbers[i] = from[i + ((order[Math.floor(row / size)] ?? 0) - Math.floor(row / size)) * size * step] ?? 0;
        }
      });
    const i = at(e, "params");
    if (i >= 0) {
      return instead((ctx, given) =>
        inner(
          e.bound,
          ctx,
          given.map((v, k) =>
            k === i && typeof v === "object" && v !== null && "kind" in v && v.kind === "list"
              ? makeList(
                  v.elem,
                  v.items.map((item) => (item instanceof Tensor ? swap(item, 0) : item)),
                )
              : v,
          ),
        ),
      );
    }
    return e.node.op.startsWith("onnx::LSTM")
      ? instead((ctx, given) =>
          inner(
            e.bound,
            ctx,
            given.map((v, k) => (k >= 1 && k <= 2 && v instanceof Tensor ? swap(v, 1) : v)),
          ),
        )
      : undefined;
  };

const biasOf = (e: Execution): number => (e.node.schema === undefined ? 2 : at(e, "bias"));
const dropBias = (e: Execution): BoundOp | undefined => operand(biasOf(e), (b) => void b.fill(0))(e);

/** Faults by what they are called in the report. */
export const FAULTS: readonly Fault[] = [
  {
    name: "softmax without the maximum taken off",
    ops: SOFTMAX,
    raise: 100,
    plant: withCalls((call, run) => {
      run(call);
      if (call.kind !== "reduce" || call.combiner.name !== "max") return;
      const [out] = call.results;
      if (out === undefined) return;
      out.storage.beginHostWrite();
      writeNumbers(new Tensor(out.storage, out.dtype, out.shape, out.strides, out.offset), new Float64Array(out.shape.reduce((a, b) => a * b, 1)));
    }),
  },
  {
    name: "softmax along the wrong axis",
    ops: SOFTMAX,
    plant: named("dim", "axis", (dim) => (typeof dim === "number" ? (dim < 0 ? dim - 1 : dim - 1 < 0 ? undefined : dim - 1) : undefined), -1),
  },
  {
    name: "softmax with an exponential good to 10 bits",
    ops: SOFTMAX,
    plant: withResult((y) => y.forEach((v, i) => void (y[i] = v * (1 + (i % 2 === 0 ? 1 : -1) * 2 ** -11)))),
  },
  { name: "attention without its scale", ops: ["scaled_dot_product_attention"], plant: named("scale", "scale", () => ({ kind: "float", value: 1 })) },
  {
    name: "attention that sees the future",
    ops: ["scaled_dot_product_attention"],
    plant: (e) => (tensorsIn(e.args)[0]?.shape.at(-2) === 1 ? undefined : named("is_causal", "is_causal", (causal) => causal !== true)(e)),
  },
  {
    name: "one wrong channel in a convolution",
    ops: CONV,
    plant: withResult((y, shape) => {
      const [n, c] = [inner2(shape), Math.min(1, (shape[1] ?? 1) - 1)];
      for (let i = 0; i < y.length; i++) if (Math.floor(i / n) % (shape[1] ?? 1) === c) y[i] = (y[i] ?? 0) * 1.01;
    }),
  },
  { name: "convolution without its bias", ops: CONV, plant: dropBias },
  { name: "convolution padded on the wrong side", ops: CONV, plant: (e) => (last(tensorsIn(e.outs)[0]?.shape ?? []) > 2 ? withResult(shifted)(e) : undefined) },
  {
    name: "convolution with a transposed kernel",
    ops: CONV,
    plant: operand(
      1,
      (w, shape) => {
        const n = last(shape);
        const from = w.slice();
        for (let i = 0; i < w.length; i++) w[i] = from[Math.floor(i / (n * n)) * n * n + (i % n) * n + (Math.floor(i / n) % n)] ?? 0;
      },
      (w) => w.rank === 4 && w.shape[2] === w.shape[3] && (w.shape[3] ?? 1) > 1,
    ),
  },
  {
    name: "convolution that drops a tap",
    ops: CONV,
    plant: operand(1, (w, shape) => {
      const taps = shape.slice(1).reduce((a, b) => a * b, 1);
      for (let i = 0; i < w.length; i += taps) w[i] = 0;
    }),
  },
  { name: "convolution with weights in bfloat16", ops: CONV, plant: operand(1, (w) => w.forEach((v, i) => void (w[i] = decodeBfloat16(encodeBfloat16(v))))) },
  { name: "convolution with results in float16", ops: CONV, plant: withResult((y) => y.forEach((v, i) => void (y[i] = half(v)))) },
  { name: "linear without its bias", ops: LINEAR, plant: dropBias },
  {
    name: "linear with a transposed weight",
    ops: ["linear", "matmul", "MatMul", "Gemm"],
    plant: operand(
      1,
      (w, shape) => {
        const n = last(shape);
        const from = w.slice();
        for (let i = 0; i < w.length; i++) w[i] = from[(i % n) * n + Math.floor(i / n)] ?? 0;
      },
      (w) => w.rank === 2 && w.shape[0] === w.shape[1] && (w.shape[0] ?? 1) > 1,
    ),
  },
  {
    name: "product with a half-precision accumulator",
    ops: PRODUCT,
    plant: (e) => ((tensorsIn(e.args)[0]?.shape.at(-1) ?? 1) >= 8 ? withCalls(halfAccumulator)(e) : undefined),
  },
  {
    name: "product that drops its last term",
    ops: PRODUCT,
    plant: operand(0, (x, shape) => {
      for (let i = last(shape) - 1; i < x.length; i += last(shape)) x[i] = 0;
    }),
  },
  {
    name: "product with operands in tf32",
    ops: PRODUCT,
    plant: operand(0, (x) =>
      x.forEach((v, i) => void (x[i] = Math.fround(v) === 0 ? v : Number((v - (v % 2 ** (Math.floor(Math.log2(Math.abs(v) || 1)) - 10))).toPrecision(17)))),
    ),
  },
  {
    name: "product with one wrong row",
    ops: PRODUCT,
    plant: withResult((y, shape) => {
      for (let i = 0; i < last(shape); i++) y[i] = (y[i] ?? 0) + 0.001 * Math.abs(y[(i * 7) % y.length] ?? 1);
    }),
  },
  { name: "layer norm with another epsilon", ops: LAYER_NORM, plant: named("eps", "epsilon", (eps) => Number(eps) * 1000, 1e-5) },
  {
    name: "layer norm with the unbiased variance",
    ops: LAYER_NORM,
    plant: (e) => {
      const [x, , bias] = [e.args[0], e.args[1], tensorsIn(e.args)[2]];
      const n = last(x instanceof Tensor ? x.shape : []);
      const b = bias === undefined ? undefined : numbersOf(bias);
      return withResult((y) => y.forEach((v, i) => void (y[i] = (v - (b?.[i % n] ?? 0)) * Math.sqrt((n - 1) / n) + (b?.[i % n] ?? 0))))(e);
    },
  },
  {
    name: "layer norm without its weight",
    ops: LAYER_NORM,
    plant: (e) => operand(e.node.schema === undefined ? 1 : at(e, "weight"), (w) => void w.fill(1))(e),
  },
  { name: "layer norm without its bias", ops: LAYER_NORM, plant: dropBias },
  { name: "batch norm with another epsilon", ops: ["batch_norm", "BatchNormalization"], plant: named("eps", "epsilon", (eps) => Number(eps) * 300, 1e-5) },
  {
    name: "batch norm that divides by the variance",
    ops: ["batch_norm", "BatchNormalization"],
    plant: operand(4, (v) => v.forEach((x, i) => void (v[i] = x * x))),
  },
  { name: "batch norm without the mean", ops: ["batch_norm", "BatchNormalization"], plant: operand(3, (v) => void v.fill(0)) },
  { name: "group norm with one group", ops: ["group_norm"], plant: named("num_groups", "num_groups", () => 1) },
  { name: "tanh for erf in gelu", ops: GELU, plant: named("approximate", "approximate", (text) => (text === "tanh" ? "none" : "tanh"), "none") },
  { name: "erf good to four digits", ops: ["erf", "Erf"], plant: withResult((y) => y.forEach((v, i) => void (y[i] = Math.round(v * 1e4) / 1e4))) },
  { name: "silu with a hard sigmoid", ops: ["silu", "silu_"], plant: elementwise((x) => (x * Math.min(6, Math.max(0, x + 3))) / 6) },
  { name: "sigmoid as a rational function", ops: ["sigmoid", "Sigmoid"], plant: elementwise((x) => 0.5 + (0.5 * x) / (1 + Math.abs(x))) },
  { name: "tanh good to 10 bits", ops: ["tanh", "Tanh"], plant: withResult((y) => y.forEach((v, i) => void (y[i] = v * (1 + 2 ** -10)))) },
  { name: "relu that leaks", ops: ["relu", "Relu"], plant: elementwise((x) => (x < 0 ? 0.01 * x : x)) },
  {
    name: "relu that drops NaN and large values",
    ops: ["relu", "Relu"],
    plant: (e) => (numbersOf(tensorsIn(e.outs)[0] ?? Tensor.zeros([0])).some((v) => v > 1) ? elementwise((x) => Math.min(1, Math.max(0, x)))(e) : undefined),
  },
  {
    name: "relu6 that ends at 5",
    ops: ["hardtanh", "relu6", "Clip", "clamp"],
    plant: withResult((y) => {
      const top = y.reduce((a, b) => Math.max(a, b), 0);
      y.forEach((v, i) => void (y[i] = Math.min(v, top * 0.9)));
    }),
  },
  { name: "leaky relu with another slope", ops: ["leaky_relu", "LeakyRelu"], plant: elementwise((x) => (x < 0 ? 0.3 * x : x)) },
  { name: "max pool with its windows moved", ops: ["max_pool2d", "max_pool1d", "MaxPool"], plant: withResult(shifted) },
  { name: "max pool that averages", ops: ["max_pool2d", "MaxPool"], plant: withResult((y) => y.forEach((v, i) => void (y[i] = v * 0.75))) },
  {
    name: "average pool that counts what is outside",
    ops: ["avg_pool2d", "avg_pool1d", "adaptive_avg_pool2d", "AveragePool", "GlobalAveragePool"],
    plant: withResult((y) => y.forEach((v, i) => void (y[i] = v * (i % 3 === 0 ? 0.9 : 1)))),
  },
  {
    name: "bilinear resize with aligned corners",
    ops: ["upsample_bilinear2d", "upsample_bicubic2d"],
    plant: named("align_corners", "align_corners", (on) => on !== true),
  },
  { name: "nearest resize that rounds the other way", ops: ["upsample_nearest2d", "upsample_nearest1d", "Resize", "Upsample"], plant: withResult(shifted) },
  {
    name: "a slice off by one",
    ops: ["slice", "narrow"],
    plant: (e) => {
      const [x, i, j] = [e.args[0], at(e, "start"), at(e, "end")];
      const [start, end] = [Number(e.args[i] ?? 0), e.args[j]];
      const dim = Number(e.args[at(e, "dim")] ?? 0);
      if (!(x instanceof Tensor)) return undefined;
      const size = x.shape[dim < 0 ? dim + x.rank : dim] ?? 0;
      const stop = typeof end === "number" ? Math.min(end, size) : size;
      const by = stop < size ? 1 : start > 0 ? -1 : 0;
      if (by === 0 || !isFloat(x.dtype)) return undefined;
      return instead((ctx, given) =>
        inner(
          e.bound,
          ctx,
          given.map((v, k) => (k === i ? start + by : k === j ? stop + by : v)),
        ),
      );
    },
  },
  {
    name: "a select off by one",
    ops: ["select"],
    plant: (e) => {
      const [x, i] = [e.args[0], at(e, "index")];
      const [index, dim] = [Number(e.args[i]), Number(e.args[at(e, "dim")])];
      if (!(x instanceof Tensor) || !isFloat(x.dtype)) return undefined;
      const size = x.shape[dim] ?? 1;
      return size < 2
        ? undefined
        : instead((ctx, given) =>
            inner(
              e.bound,
              ctx,
              given.map((v, k) => (k === i ? (index + 1) % size : v)),
            ),
          );
    },
  },
  {
    name: "a concatenation in the wrong order",
    ops: ["cat", "Concat"],
    plant: (e) => {
      const shapes = tensorsIn(e.args).map((t) => t.shape.join());
      if (shapes.length < 2 || new Set(shapes).size > 1) return undefined;
      return instead((ctx, given) =>
        inner(
          e.bound,
          ctx,
          e.node.schema === undefined
            ? given.toReversed()
            : given.map((v) => (typeof v === "object" && v !== null && "kind" in v && v.kind === "list" ? makeList(v.elem, v.items.toReversed()) : v)),
        ),
      );
    },
  },
  {
    name: "chunks in the wrong order",
    ops: ["chunk", "split", "Split"],
    plant: (e) => {
      const outs = tensorsIn(e.outs);
      if (outs.length < 2 || new Set(outs.map((t) => t.shape.join())).size > 1) return undefined;
      return instead(function* reversed(ctx, given) {
        const made = yield* inner(e.bound, ctx, given);
        return made.length > 1
          ? made.toReversed()
          : made.map((v) => (typeof v === "object" && v !== null && "kind" in v && v.kind === "list" ? makeList(v.elem, v.items.toReversed()) : v));
      });
    },
  },
  {
    name: "an embedding off by one row",
    ops: ["embedding"],
    plant: withResult((y, shape) => {
      const n = last(shape);
      const from = y.slice();
      for (let i = 0; i < y.length; i++) y[i] = from[(i + n) % y.length] ?? 0;
    }),
  },
  {
    name: "a gather with one stale row",
    ops: ["embedding", "index_select", "Gather", "gather"],
    plant: withResult((y, shape) => {
      for (let i = 0; i < last(shape); i++) y[i] = (y[i] ?? 0) + 0.125;
    }),
  },
  {
    name: "an addition that loses the residual",
    ops: ["add", "add_", "Add"],
    plant: withResult((y, _, [x]) => {
      const from = x === undefined ? undefined : numbersOf(x);
      if (from?.length === y.length) y.set(from);
    }),
  },
  { name: "an addition that subtracts", ops: ["add", "Add"], plant: (e) => operand(1, (x) => x.forEach((v, i) => void (x[i] = -v)))(e) },
  {
    name: "a multiplication off by one part in a million",
    ops: ["mul", "mul_", "Mul", "div", "Div"],
    plant: withResult((y) => y.forEach((v, i) => void (y[i] = v * (1 + 1e-6)))),
  },
  {
    name: "a mean over one element too many",
    ops: ["mean", "ReduceMean"],
    plant: (e) => {
      const n = Math.max(2, (tensorsIn(e.args)[0]?.numel ?? 2) / Math.max(1, tensorsIn(e.outs)[0]?.numel ?? 1));
      return withResult((y) => y.forEach((v, i) => void (y[i] = (v * n) / (n + 1))))(e);
    },
  },
  { name: "a sum that forgets its last element", ops: ["sum", "ReduceSum", "cumsum", "CumSum"], plant: operand(0, (x) => void (x[x.length - 1] = 0)) },
  {
    name: "a power that loses the sign",
    ops: ["pow", "Pow", "sqrt", "Sqrt", "exp", "Exp"],
    plant: withResult((y) => y.forEach((v, i) => void (y[i] = v * (1 + 2 ** -12)))),
  },
  { name: "gates of an LSTM in the wrong order", ops: LSTM, plant: gates([1, 0, 2, 3]) },
  {
    name: "an LSTM that ends a step early",
    ops: LSTM,
    plant: withResult((y, _, [x]) => {
      const n = y.length / Math.max(1, x?.shape[1] ?? 1);
      for (let i = 0; i < n; i++) y[i] = (y[i] ?? 0) * 0.999;
    }),
  },
  { name: "an LSTM with its states in float16", ops: LSTM, plant: withResult((y) => y.forEach((v, i) => void (y[i] = half(v)))) },
  { name: "a NaN in one place", ops: [...PRODUCT, ...CONV, "add", "Add", "mul"], plant: withResult((y) => void (y[Math.floor(y.length / 2)] = NaN)) },
  {
    name: "a transposition that copies the wrong block",
    ops: ["reshape", "contiguous", "flatten", "clone"],
    plant: withResult((y) => {
      const n = Math.min(8, y.length >> 1);
      for (let i = 0; i < n; i++) y[i] = y[i + n] ?? 0;
    }),
  },
  {
    name: "a mask that is inverted",
    ops: ["where", "Where", "masked_fill"],
    plant: withResult((y) => y.forEach((v, i) => void (y[i] = v === 0 ? -10 : v === -Infinity ? 0 : v + 1e-3))),
  },
  {
    name: "norm that squares too late",
    ops: ["linalg_vector_norm", "norm", "ReduceL2"],
    plant: withResult((y) => y.forEach((v, i) => void (y[i] = v * 1.0005))),
  },
];

/** Faults that the execution's op can have. */
export function faultsOf(execution: Execution): Fault[] {
  const name = plainName(execution.node.op);
  return FAULTS.filter((fault) => fault.ops.includes(name));
}
