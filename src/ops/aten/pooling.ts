/** Pooling over regular windows: max (with positions) and average, over one to three trailing axes. Each is one `window` call. */

import { binary, cast, check, constant, index, load, scalar } from "../../expr/expr.ts";
import { contiguous, copyOf, empty, resolved } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { suggestsChannelsLast } from "../../prims/convolve.ts";
import type { WindowCall } from "../../prims/call.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { isComplex, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { channelsLastStrides, contiguousStrides, numelOf } from "../../tensor/shape.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { onCentred } from "../quantized/codes.ts";

type Numbers = readonly number[];

/** One value per axis; a single one is for all, none means `otherwise`. @throws bad-argument */
function axisValues(values: Numbers, axes: number, name: string, what: string, otherwise?: Numbers): Numbers {
  if (values.length === 0 && otherwise !== undefined) return otherwise;
  if (values.length === axes) return values;
  const [only] = values;
  if (values.length === 1 && only !== undefined) return Array.from({ length: axes }, () => only);
  throw new OpwiseError("bad-argument", `${name}: ${what} must either be a single int, or a tuple of ${axes} ints`, { got: `[${values.join(", ")}]` });
}

/** Windows along an axis; with `ceil` the last may reach beyond, but must start inside. */
function windowsAlong(size: number, kernel: number, pad: number, stride: number, dilation: number, ceil: boolean): number {
  const span = size + 2 * pad - dilation * (kernel - 1) - 1 + (ceil ? stride - 1 : 0);
  const count = Math.floor(span / stride) + 1;
  return ceil && (count - 1) * stride >= size + pad ? count - 1 : count;
}

interface Windows {
  readonly kernel: Numbers;
  readonly stride: Numbers;
  readonly padding: Numbers;
  readonly dilation: Numbers;
  readonly out: number[];
}

function windowsOf(name: string, x: Tensor, axes: number, kernelSize: Numbers, strides: Numbers, paddings: Numbers, dilations: Numbers, ceil: boolean): Windows {
  const kernel = axisValues(kernelSize, axes, name, "kernel_size");
  const stride = axisValues(strides, axes, name, "stride", kernel);
  const padding = axisValues(paddings, axes, name, "padding");
  const dilation = axisValues(dilations, axes, name, "dilation");
  if (kernel.some((k) => k <= 0)) throw new OpwiseError("bad-argument", `kernel size should be greater than zero, but got ${kernel.join(", ")}`);
  if (stride.some((s) => s <= 0)) throw new OpwiseError("bad-argument", `stride should be greater than zero, but got ${stride.join(", ")}`);
  if (dilation.some((d) => d <= 0)) throw new OpwiseError("bad-argument", `dilation should be greater than zero, but got ${dilation.join(", ")}`);
  if (x.rank !== axes + 1 && x.rank !== axes + 2) {
    throw new OpwiseError("shape-mismatch", `${name}: Expected ${axes + 1}D or ${axes + 2}D input tensor, but got: [${x.shape.join(", ")}]`);
  }
  kernel.forEach((k, i) => {
    const pad = padding[i] ?? 0;
    if (pad < 0) throw new OpwiseError("bad-argument", `pad must be non-negative, but got pad: ${pad}`);
    const effective = (k - 1) * (dilation[i] ?? 1) + 1;
    if (pad > Math.floor(effective / 2)) {
      throw new OpwiseError("bad-argument", `pad should be at most half of effective kernel size, but got pad=${pad}, kernel_size=${k} and dilation=${dilation[i]}`);
    }
  });
  const spatial = x.shape.slice(-axes);
  const out = spatial.map((size, i) => windowsAlong(size, kernel[i] ?? 1, padding[i] ?? 0, stride[i] ?? 1, dilation[i] ?? 1, ceil));
  if (x.shape.slice(x.rank - axes - 1).some((size) => size === 0)) {
    throw new OpwiseError("shape-mismatch", `${name}: Expected ${axes + 1}D or ${axes + 2}D (batch mode) tensor with optional 0 dim batch size for input, but got: [${x.shape.join(", ")}]`);
  }
  if (out.some((size) => size < 1)) {
    const sizes = (values: Numbers): string => `(${[x.shape[x.rank - axes - 1], ...values].join("x")})`;
    throw new OpwiseError("shape-mismatch", `Given input size: ${sizes(spatial)}. Calculated output size: ${sizes(out)}. Output size is too small`);
  }
  return { kernel, stride, padding, dilation, out };
}

/** A result in the input's memory format, which averages of volumes and adaptive pools of them do not keep. */
function resultOf(ctx: Context, x: Tensor, spatial: Numbers, keepsVolumes: boolean, dtype = x.dtype): Tensor {
  const shape = [...x.shape.slice(0, x.rank - spatial.length), ...spatial];
  const isLast = x.rank === spatial.length + 2 && (x.rank < 5 || keepsVolumes) && suggestsChannelsLast(x);
  return empty(ctx, shape, dtype, isLast ? channelsLastStrides(shape) : contiguousStrides(shape));
}

/** Runs one window call over the trailing axes. */
export function pooled(ctx: Context, x: Tensor, w: Windows, how: Pick<WindowCall, "reduction" | "divisor">, indices: boolean, keepsVolumes: boolean = how.reduction === "max"): Tensor[] {
  if (isComplex(x.dtype) || x.dtype === "bool") throw new OpwiseError("unsupported-dtype", `"pool" not implemented for '${scalarName(x.dtype)}'`);
  const results = [resultOf(ctx, x, w.out, keepsVolumes)];
  if (indices) results.push(resultOf(ctx, x, w.out, keepsVolumes, "int64"));
  if (results[0]?.numel === 0) return results;
  ctx.run({ kind: "window", ...how, operands: [resolved(ctx, x)], results, scalars: [], kernel: w.kernel, stride: w.stride, padBegin: w.padding, padEnd: w.padding, dilation: w.dilation });
  return results;
}

const max = (name: string, axes: number, indices: boolean) => (ctx: Context, x: Tensor, kernel: Numbers, stride: Numbers, padding: Numbers, dilation: Numbers, ceil: boolean): Tensor[] =>
  pooled(ctx, x, windowsOf(name, x, axes, kernel, stride, padding, dilation, ceil), { reduction: "max", divisor: "inside" }, indices);

function average(name: string, axes: number, ctx: Context, x: Tensor, kernel: Numbers, stride: Numbers, padding: Numbers, ceil: boolean, countPadding: boolean, divisor: number | null, keepsVolumes = false): Tensor {
  if (divisor === 0) throw new OpwiseError("bad-argument", "divisor must be not zero");
  const windows = windowsOf(name, x, axes, kernel, stride, padding, [1], ceil);
  const [out] = pooled(ctx, x, windows, { reduction: "sum", divisor: divisor ?? (countPadding ? "window" : "inside") }, false, keepsVolumes);
  return out ?? x;
}

const first = (run: ReturnType<typeof max>) => (...args: Parameters<typeof run>): Tensor | undefined => run(...args)[0];

const placements = new Map<string, Program>();
/** Values put at flat positions within the last `axes` axes of zeros of `shape`. */
function placed(ctx: Context, values: Tensor, indices: Tensor, shape: readonly number[], axes: number, combine: "set" | "add"): Tensor {
  const out = empty(ctx, shape, values.dtype);
  const flat = numelOf(shape.slice(-axes));
  const lead = numelOf(shape.slice(0, -axes));
  const per = numelOf(values.shape.slice(-axes));
  const key = `${values.dtype},${indices.dtype}`;
  let program = placements.get(key);
  if (program === undefined) {
    const at = cast(load(1, computeType(indices.dtype), [index(0), index(1)]), "index");
    const inside = binary("and", binary("ge", at, constant(0, "index")), binary("lt", at, scalar(0, "index")));
    program = {
      name: "place", operands: [values.dtype, indices.dtype], scalars: ["index"], messages: ["Found an invalid max index"],
      outputs: [{ dtype: "int64", parts: [index(0)] }, { dtype: "int64", parts: [check(inside, at, 0)] }, { dtype: values.dtype, parts: [load(0, computeType(values.dtype), [index(0), index(1)])] }],
    };
    placements.set(key, program);
  }
  if (values.numel > 0) {
    const rows = (t: Tensor, n: number): Tensor => viewOf(t, [lead, n], [n, 1], t.offset);
    const operands = [rows(contiguous(ctx, values), per), rows(contiguous(ctx, indices), per)];
    ctx.run({ kind: "scatter", program, shape: [lead, per], combine, operands, results: [rows(out, flat)], scalars: [flat] });
  }
  return out;
}

export const pooling: readonly Op[] = [
  op("aten::max_pool1d(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=[0], int[1] dilation=[1], bool ceil_mode=False) -> Tensor", { run: first(max("max_pool1d()", 1, false)), quantised: "codes" }),
  op("aten::max_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1, bool ceil_mode=False) -> Tensor", { run: first(max("max_pool2d()", 2, false)), quantised: "codes" }),
  op("aten::max_pool3d(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, int[3] dilation=1, bool ceil_mode=False) -> Tensor", { run: first(max("max_pool3d()", 3, false)), quantised: "codes" }),
  ...([["1", "int[1] stride=[], int[1] padding=[0], int[1] dilation=[1]"], ["2", "int[2] stride=[], int[2] padding=0, int[2] dilation=1"], ["3", "int[3] stride=[], int[3] padding=0, int[3] dilation=1"]] as const).map(([n, rest]) =>
    op(`aten::quantized_max_pool${n}d(Tensor self, int[${n}] kernel_size, ${rest}, bool ceil_mode=False) -> Tensor` as "aten::quantized_max_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1, bool ceil_mode=False) -> Tensor", {
      run: first(max(`max_pool${n}d()`, Number(n), false)), quantised: "codes",
    })),
  ...(["1", "2"] as const).map((n) =>
    op(`quantized::max_pool${n}d(Tensor qx, int[] kernel_size, int[] stride, int[] padding, int[] dilation, bool ceil_mode) -> Tensor` as "quantized::max_pool2d(Tensor qx, int[] kernel_size, int[] stride, int[] padding, int[] dilation, bool ceil_mode) -> Tensor", {
      run: first(max(`max_pool${n}d()`, Number(n), false)), quantised: "codes",
    })),
  op("aten::max_pool1d_with_indices(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=[0], int[1] dilation=[1], bool ceil_mode=False) -> (Tensor, Tensor)", { run: max("max_pool1d()", 1, true) }),
  op("aten::max_pool2d_with_indices(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)", { run: max("max_pool2d()", 2, true) }),
  op("aten::max_pool3d_with_indices(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, int[3] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)", { run: max("max_pool3d()", 3, true) }),
  op("aten::avg_pool1d(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=[0], bool ceil_mode=False, bool count_include_pad=True) -> Tensor", {
    run: (ctx, x, kernel, stride, padding, ceil, count) => average("avg_pool1d()", 1, ctx, x, kernel, stride, padding, ceil, count, null),
    quantised: "centred",
  }),
  op("aten::avg_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, bool ceil_mode=False, bool count_include_pad=True, int? divisor_override=None) -> Tensor", {
    run: (ctx, x, kernel, stride, padding, ceil, count, divisor) => average("avg_pool2d()", 2, ctx, x, kernel, stride, padding, ceil, count, divisor),
    quantised: "centred",
  }),
  op("aten::avg_pool3d(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, bool ceil_mode=False, bool count_include_pad=True, int? divisor_override=None) -> Tensor", {
    run: (ctx, x, kernel, stride, padding, ceil, count, divisor) => average("avg_pool3d()", 3, ctx, x, kernel, stride, padding, ceil, count, divisor),
    // Codes are averaged channels last, and stay so.
    quantised: (ctx, x, kernel, stride, padding, ceil, count, divisor) =>
      onCentred(ctx, x, (v) => average("avg_pool3d()", 3, ctx, x.rank === 5 ? copyOf(ctx, v, v.dtype, channelsLastStrides(v.shape)) : v, kernel, stride, padding, ceil, count, divisor, true)),
  }),
  op("aten::max_unpool2d(Tensor self, Tensor indices, SymInt[2] output_size) -> Tensor", {
    run: (ctx, self, indices, size) => placed(ctx, self, indices, [...self.shape.slice(0, -2), ...size], 2, "set"),
  }),
  op("aten::max_unpool3d(Tensor self, Tensor indices, SymInt[3] output_size, int[3] stride, int[3] padding) -> Tensor", {
    run: (ctx, self, indices, size) => placed(ctx, self, indices, [...self.shape.slice(0, -3), ...size], 3, "set"),
  }),
  op("aten::max_pool2d_with_indices_backward(Tensor grad_output, Tensor self, int[2] kernel_size, int[2] stride, int[2] padding, int[2] dilation, bool ceil_mode, Tensor indices) -> Tensor", {
    run: (ctx, grad, self, _kernel, _stride, _padding, _dilation, _ceil, indices) => placed(ctx, grad, indices, self.shape, 2, "add"),
  }),
];
