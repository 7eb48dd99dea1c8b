/** Pooling to a given output size: window `i` of an axis is `[floor(i n / m), ceil((i + 1) n / m))`. Equal windows become one `window` call. */

import { binary, cast, constant, type Expr, fold, index, load, round, scalar, select, unary } from "../../expr/expr.ts";
import { compute, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { suggestsChannelsLast } from "../../prims/convolve.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { type DType, isFloat } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { channelsLastStrides, contiguousStrides, numelOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { onCentred } from "../quantized/codes.ts";
import { op, type Op } from "../define.ts";
import { addOf, memo, mulOf, quotOf, subOf, zeroOf } from "./memo.ts";
import { pooled } from "./pooling.ts";

type Numbers = readonly number[];
const one = constant(1, "index");

/** Start and length of a spatial axis's window; scalars 2k and 2k + 1 are its input and output sizes. */
function windowOf(axis: number, spatial: number): { readonly start: Expr; readonly length: Expr; readonly size: Expr } {
  const [size, count] = [scalar(2 * spatial, "index"), scalar(2 * spatial + 1, "index")];
  const i = index(axis);
  const start = quotOf(mulOf(i, size), count);
  const end = quotOf(addOf(mulOf(addOf(i, one), size), subOf(count, one)), count);
  return { start, length: subOf(end, start), size };
}

/** Nested folds over the windows of all spatial axes: `visit` gets the element's coordinates on them. */
function folded(lead: number, axes: number, init: readonly Expr[], visit: (state: readonly Expr[], at: readonly Expr[]) => readonly Expr[]): readonly Expr[] {
  const nest = (level: number, state: readonly Expr[], at: readonly Expr[]): readonly Expr[] => {
    if (level === axes) return visit(state, at);
    const { start, length } = windowOf(lead + level, level);
    return fold(level, length, state, (inner, trip) => nest(level + 1, inner, [...at, addOf(start, trip)]));
  };
  return nest(0, init, []);
}

const programs = memo<Program>();
const sizeScalars = (axes: number): "index"[] => Array.from({ length: 2 * axes }, () => "index" as const);
const leadAxes = (lead: number): Expr[] => Array.from({ length: lead }, (_, i) => index(i));

/** Sums go in double precision, each divided by its own window's number of elements. */
function averageProgram(dtype: DType, rank: number, axes: number): Program {
  return programs(`avg,${dtype},${rank},${axes}`, () => {
    const lead = rank - axes;
    const [sum] = folded(lead, axes, [constant(0, "f64")], ([s = constant(0, "f64")], at) => [binary("add", s, cast(load(0, computeType(dtype), [...leadAxes(lead), ...at]), "f64"))]);
    let count: Expr = one;
    for (let k = 0; k < axes; k++) count = mulOf(count, windowOf(lead + k, k).length);
    const mean = binary("div", sum ?? constant(0, "f64"), cast(count, "f64"));
    return { name: "adaptive_avg_pool", operands: [dtype], scalars: sizeScalars(axes), outputs: [{ dtype, parts: [cast(mean, computeType(dtype))] }], messages: [] };
  });
}

/** As `averageProgram` in a half type: PyTorch's kernel of three axes adds and divides in it, axis by axis. */
function stepwiseAverageProgram(dtype: "float16" | "bfloat16", rank: number, axes: number): Program {
  return programs(`avg3,${dtype},${rank},${axes}`, () => {
    const lead = rank - axes;
    const type = computeType(dtype);
    const [sum = zeroOf(type)] = folded(lead, axes, [zeroOf(type)], ([s = zeroOf(type)], at) => [round(binary("add", s, load(0, type, [...leadAxes(lead), ...at])), dtype)]);
    let mean = sum;
    for (let k = 0; k < axes; k++) mean = round(binary("div", mean, cast(windowOf(lead + k, k).length, type)), dtype);
    return { name: "adaptive_avg_pool", operands: [dtype], scalars: sizeScalars(axes), outputs: [{ dtype, parts: [mean] }], messages: [] };
  });
}

/** The greatest element and its flat position on the spatial axes; the first of equals, and the last NaN, wins. */
function maximumProgram(dtype: DType, rank: number, axes: number): Program {
  return programs(`max,${dtype},${rank},${axes}`, () => {
    const lead = rank - axes;
    const type = computeType(dtype);
    const none = constant(-1, "index");
    const state = folded(lead, axes, [zeroOf(type), none], ([best, where], at) => {
      if (best === undefined || where === undefined) throw new TypeError("state");
      const v = load(0, type, [...leadAxes(lead), ...at]);
      let flat: Expr = constant(0, "index");
      at.forEach((position, k) => (flat = addOf(mulOf(flat, scalar(2 * k, "index")), position)));
      const better = binary("or", binary("eq", where, none), isFloat(dtype) ? binary("or", binary("gt", v, best), unary("isnan", v)) : binary("gt", v, best));
      return [select(better, v, best), select(better, flat, where)];
    });
    const [value, at] = state;
    if (value === undefined || at === undefined) throw new TypeError("state");
    return { name: "adaptive_max_pool", operands: [dtype], scalars: sizeScalars(axes), outputs: [{ dtype, parts: [value] }, { dtype: "int64", parts: [cast(at, "i64")] }], messages: [] };
  });
}

/** Output sizes with one value repeated. @throws bad-argument, shape-mismatch */
function sizesOf(name: string, x: Tensor, outputSize: Numbers, axes: number): Numbers {
  const [only] = outputSize;
  const sizes = outputSize.length === 1 && only !== undefined ? Array.from({ length: axes }, () => only) : outputSize;
  if (sizes.length !== axes) throw new OpwiseError("bad-argument", `${name}: internal error: output_size.size() must be ${axes}`);
  if (x.rank !== axes + 1 && x.rank !== axes + 2) throw new OpwiseError("shape-mismatch", `${name}: Expected ${axes + 1}D or ${axes + 2}D tensor, but got [${x.shape.join(", ")}]`);
  if (sizes.some((s) => s < 0)) throw new OpwiseError("bad-argument", `${name}: elements of output_size must be greater than or equal to 0 but received {${sizes.join(", ")}}`);
  x.shape.forEach((size, axis) => {
    if (axis >= x.rank - axes && size === 0) {
      throw new OpwiseError("shape-mismatch", `${name}: Expected input to have non-zero size for non-batch dimensions, but input has sizes [${x.shape.join(", ")}] with dimension ${axis} being empty`);
    }
  });
  return sizes;
}

/** @param keepsVolumes whether results over three axes keep channels last, as those of codes do */
export function adaptive(ctx: Context, x: Tensor, outputSize: Numbers, axes: number, kind: "max" | "avg", keepsVolumes = false): Tensor[] {
  const name = `adaptive_${kind}_pool${axes}d()`;
  const out = [...sizesOf(name, x, outputSize, axes)];
  const spatial = x.shape.slice(-axes);
  const half = kind === "avg" && axes === 3 && (x.dtype === "float16" || x.dtype === "bfloat16") && out.some((m) => m !== 1) ? x.dtype : undefined;
  if (half === undefined && out.every((m, i) => m > 0 && (spatial[i] ?? 0) % m === 0)) {
    const kernel = out.map((m, i) => (spatial[i] ?? 0) / m);
    const none = out.map(() => 0);
    return pooled(ctx, x, { kernel, stride: kernel, padding: none, dilation: out.map(() => 1), out }, { reduction: kind === "max" ? "max" : "sum", divisor: "inside" }, kind === "max", keepsVolumes);
  }
  const program = kind === "max" ? maximumProgram(x.dtype, x.rank, axes) : half === undefined ? averageProgram(x.dtype, x.rank, axes) : stepwiseAverageProgram(half, x.rank, axes);
  const shape = [...x.shape.slice(0, x.rank - axes), ...out];
  const layout = x.rank === axes + 2 && (x.rank < 5 || keepsVolumes) && suggestsChannelsLast(x) ? channelsLastStrides(shape) : contiguousStrides(shape);
  const results = program.outputs.map((o) => empty(ctx, shape, o.dtype, layout));
  if (numelOf(shape) > 0) compute(ctx, program, shape, [x], spatial.flatMap((size, i) => [size, out[i] ?? 0]), results);
  return results;
}

const average = (axes: number) => (ctx: Context, x: Tensor, size: Numbers): Tensor | undefined => adaptive(ctx, x, size, axes, "avg")[0];
const centredVolumes = (ctx: Context, x: Tensor, size: Numbers): Tensor | undefined => onCentred(ctx, x, (v) => adaptive(ctx, v, size, 3, "avg", true)[0] ?? v);
const maximum = (axes: number) => (ctx: Context, x: Tensor, size: Numbers): Tensor[] => adaptive(ctx, x, size, axes, "max");

export const adaptivePooling: readonly Op[] = [
  op("aten::adaptive_avg_pool1d(Tensor self, int[1] output_size) -> Tensor", { run: average(1), quantised: "centred" }),
  op("aten::adaptive_avg_pool2d(Tensor self, SymInt[2] output_size) -> Tensor", { run: average(2), quantised: "centred" }),
  op("aten::_adaptive_avg_pool2d(Tensor self, SymInt[2] output_size) -> Tensor", { run: average(2), quantised: "centred" }),
  op("aten::adaptive_avg_pool3d(Tensor self, SymInt[3] output_size) -> Tensor", { run: average(3), quantised: centredVolumes }),
  op("aten::_adaptive_avg_pool3d(Tensor self, SymInt[3] output_size) -> Tensor", { run: average(3), quantised: centredVolumes }),
  op("aten::adaptive_max_pool1d(Tensor self, int[1] output_size) -> (Tensor, Tensor)", { run: maximum(1) }),
  op("aten::adaptive_max_pool2d(Tensor self, int[2] output_size) -> (Tensor, Tensor)", { run: maximum(2) }),
  op("aten::adaptive_max_pool3d(Tensor self, int[3] output_size) -> (Tensor, Tensor)", { run: maximum(3) }),
];
