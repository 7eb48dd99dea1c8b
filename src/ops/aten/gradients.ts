/** Gradients of layers as single ops, as graphs of core ATen hold them (PyTorch: native_layer_norm_backward, convolution_backward, ...). */

import { binary, cast, constant, type Expr, fold, index, load, scalar } from "../../expr/expr.ts";
import { cast_, compute, copyInto, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { convolve } from "../../prims/convolve.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { narrowed, reshaped, transposed } from "../../prims/views.ts";
import { type DType, opmathOf } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { perAxis } from "./convolution.ts";
import { cat } from "./joins.ts";
import { addOf, memo, mulOf, quotOf, subOf } from "./memo.ts";
import { mean as meanOver, sum } from "./reduction.ts";
import { minus, times } from "./steps.ts";

type Numbers = readonly number[];
type Mask = readonly boolean[];
const programs = memo<Program>();

/**
 * Of `(x - mean) * rstd * weight + bias` normalised over `axes`, in the dtype that it is computed in: with respect to x, and what the
 * weight's and the bias's gradients are sums of.
 */
function normalised(ctx: Context, grad: Tensor, x: Tensor, mean: Tensor, rstd: Tensor, weight: Tensor | null, axes: Numbers): [Tensor, Tensor, Tensor] {
  const wide = opmathOf(x.dtype);
  const [g, v, m, r] = [grad, x, mean, rstd].map((t) => cast_(ctx, t, wide)) as [Tensor, Tensor, Tensor, Tensor]; // four in, four out
  const unit = times(ctx, minus(ctx, v, m), r);
  const own = weight === null ? g : times(ctx, g, cast_(ctx, weight, wide));
  const average = (t: Tensor): Tensor => meanOver(ctx, t, axes, true);
  const input = times(ctx, r, minus(ctx, minus(ctx, own, average(own)), times(ctx, unit, average(times(ctx, own, unit)))));
  return [input, times(ctx, g, unit), g];
}

const summed = (ctx: Context, t: Tensor, axes: Numbers, dtype: DType): Tensor => cast_(ctx, axes.length === 0 ? t : sum(ctx, t, axes, false, t.dtype), dtype);
const rangeOf = (n: number, from = 0): number[] => Array.from({ length: n }, (_, i) => from + i);

function layerNorm(
  ctx: Context,
  grad: Tensor,
  x: Tensor,
  shape: Numbers,
  mean: Tensor,
  rstd: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  mask: Mask,
): (Tensor | null)[] {
  const lead = x.rank - shape.length;
  const [input, ofWeight, ofBias] = normalised(ctx, grad, x, mean, rstd, weight, rangeOf(shape.length, lead));
  return [
    mask[0] === true ? cast_(ctx, input, x.dtype) : null,
    mask[1] === true && weight !== null ? summed(ctx, ofWeight, rangeOf(lead), weight.dtype) : null,
    mask[2] === true && bias !== null ? summed(ctx, ofBias, rangeOf(lead), bias.dtype) : null,
  ];
}

function groupNorm(
  ctx: Context,
  grad: Tensor,
  x: Tensor,
  mean: Tensor,
  rstd: Tensor,
  weight: Tensor | null,
  n: number,
  channels: number,
  positions: number,
  groups: number,
  mask: Mask,
): (Tensor | null)[] {
  const own = [n, groups, channels / groups, positions];
  const perGroup = (t: Tensor): Tensor => reshaped(ctx, t, [n, groups, 1, 1]);
  const w = weight === null ? null : reshaped(ctx, weight, [1, groups, channels / groups, 1]);
  const [input, ofWeight, ofBias] = normalised(ctx, reshaped(ctx, grad, own), reshaped(ctx, x, own), perGroup(mean), perGroup(rstd), w, [2, 3]);
  const perChannel = (t: Tensor): Tensor => reshaped(ctx, summed(ctx, t, [0, 3], weight?.dtype ?? x.dtype), [channels]);
  return [
    mask[0] === true ? reshaped(ctx, cast_(ctx, input, x.dtype), x.shape) : null,
    mask[1] === true ? perChannel(ofWeight) : null,
    mask[2] === true ? perChannel(ofBias) : null,
  ];
}

/** The windows that hold a position of one axis: the first, how many, and how long each is. */
interface Windows {
  readonly first: Expr;
  readonly count: Expr;
  readonly lengthOf: (window: Expr) => Expr;
}
const [zero, one] = [constant(0, "index"), constant(1, "index")];
const least = (a: Expr, b: Expr): Expr => binary("min", a, b);
const most = (a: Expr, b: Expr): Expr => binary("max", a, b);
/** `ceil(a / b)` of whole numbers from 0 on. */
const ceilOf = (a: Expr, b: Expr): Expr => quotOf(addOf(a, subOf(b, one)), b);

/** Each position's sum over its windows of their gradient over their size. Operand 0: the gradient `[N, C, OH, OW]`. */
function averageProgram(key: string, dtype: DType, scalars: number, windows: readonly Windows[], divisor: (lengths: readonly Expr[]) => Expr): Program {
  return programs(`${key},${dtype}`, () => {
    const [own, type] = [computeType(dtype), computeType(opmathOf(dtype))];
    const nest = (level: number, state: readonly Expr[], at: readonly Expr[], lengths: readonly Expr[]): readonly Expr[] => {
      const w = windows[level];
      if (w !== undefined)
        return fold(level, w.count, state, (inner, trip) =>
          nest(level + 1, inner, [...at, addOf(w.first, trip)], [...lengths, w.lengthOf(addOf(w.first, trip))]),
        );
      const [total = constant(0, type)] = state;
      return [binary("add", total, binary("div", cast(load(0, own, [index(0), index(1), ...at]), type), cast(divisor(lengths), type)))];
    };
    const [total = constant(0, type)] = nest(0, [constant(0, type)], [], []);
    return {
      name: key,
      operands: [dtype],
      scalars: Array.from({ length: scalars }, () => "index" as const),
      outputs: [{ dtype, parts: [cast(total, own)] }],
      messages: [],
    };
  });
}

const batchOf = (ctx: Context, t: Tensor): Tensor => (t.rank === 3 ? reshaped(ctx, t, [1, ...t.shape]) : t);

/** The gradient of the average over windows of fixed size. Scalars per axis: input, output, window, step and padding; then the given divisor. */
function averagePool(
  ctx: Context,
  grad: Tensor,
  x: Tensor,
  kernel: Numbers,
  stride: Numbers,
  padding: Numbers,
  includesPadding: boolean,
  divisor: number | null,
): Tensor {
  if (divisor === 0) throw new OpwiseError("bad-argument", "divisor must be not zero");
  const [k, p] = [perAxis(kernel, 2, "kernel_size"), perAxis(padding, 2, "padding")];
  const s = stride.length === 0 ? k : perAxis(stride, 2, "stride");
  const windows = [0, 1].map((axis): Windows => {
    const [size, outputs, window, step, pad] = [0, 1, 2, 3, 4].map((i) => scalar(5 * axis + i, "index")) as [Expr, Expr, Expr, Expr, Expr]; // five in, five out
    const place = addOf(index(2 + axis), pad);
    const first = ceilOf(most(subOf(place, subOf(window, one)), zero), step);
    const last = least(quotOf(place, step), subOf(outputs, one));
    const lengthOf = (w: Expr): Expr => {
      const start = subOf(mulOf(w, step), pad);
      const end = least(addOf(start, window), addOf(size, pad));
      return includesPadding ? subOf(end, start) : subOf(least(end, size), most(start, zero));
    };
    return { first, count: most(addOf(subOf(last, first), one), zero), lengthOf };
  });
  const how = divisor === null ? String(includesPadding) : "given";
  const program = averageProgram(`avg_pool2d_backward ${how}`, grad.dtype, 11, windows, ([a = one, b = one]) =>
    divisor === null ? mulOf(a, b) : scalar(10, "index"),
  );
  const [input, output] = [x.shape.slice(-2), grad.shape.slice(-2)];
  const scalars = [0, 1].flatMap((i) => [input[i] ?? 0, output[i] ?? 0, k[i] ?? 1, s[i] ?? 1, p[i] ?? 0]);
  const source = batchOf(ctx, x);
  return reshaped(ctx, compute(ctx, program, source.shape, [batchOf(ctx, grad)], [...scalars, divisor ?? 1])[0] ?? unreachable("gradient"), x.shape);
}

/** The gradient of the average over windows `[floor(i n / m), ceil((i + 1) n / m))`. Scalars per axis: n, m. */
function adaptivePool(ctx: Context, grad: Tensor, x: Tensor): Tensor {
  const windows = [0, 1].map((axis): Windows => {
    const [size, outputs] = [scalar(2 * axis, "index"), scalar(2 * axis + 1, "index")];
    const place = index(2 + axis);
    const startOf = (w: Expr): Expr => quotOf(mulOf(w, size), outputs);
    const endOf = (w: Expr): Expr => ceilOf(mulOf(addOf(w, one), size), outputs);
    // The first window that ends after the place, to the last one that starts at or before it.
    const first = quotOf(mulOf(place, outputs), size);
    const last = quotOf(subOf(mulOf(addOf(place, one), outputs), one), size);
    return { first, count: addOf(subOf(last, first), one), lengthOf: (w) => subOf(endOf(w), startOf(w)) };
  });
  const program = averageProgram("adaptive_avg_pool2d_backward", grad.dtype, 4, windows, ([a = one, b = one]) => mulOf(a, b));
  const [input, output] = [x.shape.slice(-2), grad.shape.slice(-2)];
  const source = batchOf(ctx, x);
  return reshaped(
    ctx,
    compute(
      ctx,
      program,
      source.shape,
      [batchOf(ctx, grad)],
      [0, 1].flatMap((i) => [input[i] ?? 0, output[i] ?? 0]),
    )[0] ?? unreachable("gradient"),
    x.shape,
  );
}

interface Geometry {
  readonly stride: Numbers;
  readonly padding: Numbers;
  readonly dilation: Numbers;
  readonly groups: number;
}

/** Gradient with respect to the weights `[rows, columns / groups, ...]`: `rows` moves over `columns` with stride and dilation exchanged. */
function weightGradient(ctx: Context, rows: Tensor, columns: Tensor, kernel: Numbers, g: Geometry): Tensor {
  const part = (t: Tensor, group: number): Tensor => transposed(narrowed(t, 1, (group * (t.shape[1] ?? 0)) / g.groups, (t.shape[1] ?? 0) / g.groups), 0, 1);
  const pieces = rangeOf(g.groups).map((group) => {
    const wide = convolve(ctx, part(columns, group), part(rows, group), null, {
      stride: g.dilation,
      padBegin: g.padding,
      padEnd: g.padding,
      dilation: g.stride,
      groups: 1,
      transposed: false,
    });
    // What a stride leaves over at the end gives more places than the kernel has.
    return transposed(
      kernel.reduce((t, size, axis) => narrowed(t, 2 + axis, 0, size), wide),
      0,
      1,
    );
  });
  return cat(ctx, pieces, 0);
}

function convolution(
  ctx: Context,
  grad: Tensor,
  x: Tensor,
  w: Tensor,
  stride: Numbers,
  padding: Numbers,
  dilation: Numbers,
  isTransposed: boolean,
  groups: number,
  mask: Mask,
): (Tensor | null)[] {
  const axes = w.rank - 2;
  const g: Geometry = {
    stride: perAxis(stride, axes, "stride"),
    padding: perAxis(padding, axes, "padding"),
    dilation: perAxis(dilation, axes, "dilation"),
    groups,
  };
  const kernel = w.shape.slice(2);
  const inputGradient = (): Tensor => {
    const base = { stride: g.stride, padBegin: g.padding, padEnd: g.padding, dilation: g.dilation, groups };
    if (isTransposed) return convolve(ctx, grad, w, null, { ...base, transposed: false });
    const outputPadding = kernel.map((k, i) => {
      const [s = 1, p = 0, d = 1] = [g.stride[i], g.padding[i], g.dilation[i]];
      return (x.shape[2 + i] ?? 0) - (((grad.shape[2 + i] ?? 0) - 1) * s - 2 * p + d * (k - 1) + 1);
    });
    return convolve(ctx, grad, w, null, { ...base, transposed: true, outputPadding });
  };
  const ofWeight = (): Tensor => {
    const out = empty(ctx, w.shape, w.dtype);
    copyInto(ctx, out, isTransposed ? weightGradient(ctx, x, grad, kernel, g) : weightGradient(ctx, grad, x, kernel, g));
    return out;
  };
  return [
    mask[0] === true ? inputGradient() : null,
    mask[1] === true ? ofWeight() : null,
    mask[2] === true ? summed(ctx, grad, [0, ...rangeOf(axes, 2)], grad.dtype) : null,
  ];
}

export const gradients: readonly Op[] = [
  op(
    "aten::native_layer_norm_backward(Tensor grad_out, Tensor input, SymInt[] normalized_shape, Tensor mean, Tensor rstd, Tensor? weight, Tensor? bias, bool[3] output_mask) -> (Tensor, Tensor, Tensor)",
    { run: layerNorm },
  ),
  op(
    "aten::native_group_norm_backward(Tensor grad_out, Tensor input, Tensor mean, Tensor rstd, Tensor? weight, SymInt N, SymInt C, SymInt HxW, int group, bool[3] output_mask) -> (Tensor, Tensor, Tensor)",
    { run: groupNorm },
  ),
  op(
    "aten::avg_pool2d_backward(Tensor grad_output, Tensor self, int[2] kernel_size, int[2] stride, int[2] padding, bool ceil_mode, bool count_include_pad, int? divisor_override) -> Tensor",
    {
      run: (ctx, grad, x, kernel, stride, padding, _ceil, includesPadding, divisor) =>
        averagePool(ctx, grad, x, kernel, stride, padding, includesPadding, divisor),
    },
  ),
  op("aten::_adaptive_avg_pool2d_backward(Tensor grad_output, Tensor self) -> Tensor", { run: adaptivePool }),
  op(
    "aten::convolution_backward(Tensor grad_output, Tensor input, Tensor weight, SymInt[]? bias_sizes, SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups, bool[3] output_mask) -> (Tensor, Tensor, Tensor)",
    {
      run: (ctx, grad, x, w, _bias, stride, padding, dilation, isTransposed, _outputPadding, groups, mask) =>
        convolution(ctx, grad, x, w, stride, padding, dilation, isTransposed, groups, mask),
    },
  ),
];
