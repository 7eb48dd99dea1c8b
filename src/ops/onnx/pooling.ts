/** Pools: over windows (MaxPool, AveragePool, LpPool), over all positions (Global*), and MaxUnpool. */

import { cast, constant, type Expr, index, load } from "../../expr/expr.ts";
import { empty, reduce, resolved } from "../../prims/calls.ts";
import type { WindowCall } from "../../prims/call.ts";
import type { Context } from "../../prims/context.ts";
import type { Program } from "../../prims/program.ts";
import { type DType, opmathOf } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { numelOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { sumOf } from "../../prims/combiner.ts";
import { filled } from "../aten/filling.ts";
import { scatterInto } from "../aten/indexing.ts";
import { addOf, axes, loadParts, memo, mulOf, quotOf, remOf, size } from "../aten/memo.ts";
import { statesProgram } from "../aten/reduction-axes.ts";
import { extremum, mean } from "../aten/reduction.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { int, integersAt, only, type Reading, tensorAt } from "./inputs.ts";
import { computeOf, mapOf } from "./programs.ts";
import { padded } from "./padding.ts";
import { padsOf, perAxis, type Windows, windowsOf } from "./windows.ts";

const programs = memo<Program>();

/** Runs one window call; results of the given dtypes. */
function pooled(ctx: Context, x: Tensor, w: Windows, how: Pick<WindowCall, "reduction" | "divisor">, dtypes: readonly DType[]): Tensor[] {
  const shape = [...x.shape.slice(0, 2), ...w.out];
  const results = dtypes.map((dtype) => empty(ctx, shape, dtype));
  if (numelOf(shape) === 0) return results;
  ctx.run({
    kind: "window",
    ...how,
    operands: [resolved(ctx, x)],
    results,
    scalars: [],
    kernel: w.kernel,
    stride: w.stride,
    padBegin: w.padBegin,
    padEnd: w.padEnd,
    dilation: w.dilation,
  });
  return results;
}

function spatialOf(x: Tensor): readonly number[] {
  if (x.rank < 3) throw new OpwiseError("shape-mismatch", "a pool wants spatial axes", { wanted: "[N, C, ...]", got: `[${x.shape.join(", ")}]` });
  return x.shape.slice(2);
}

const kernelOf = (call: OnnxCall): readonly number[] => call.attributes.ints("kernel_shape") ?? [];

/** Positions are counted over the whole tensor, row-major or, within the spatial axes, column-major. */
function maxPool(ctx: Context, call: OnnxCall): Tensor[] {
  const x = tensorAt(call, 0);
  const spatial = spatialOf(x);
  const w = windowsOf(call, spatial, kernelOf(call));
  const [values, places] = pooled(ctx, x, w, { reduction: "max", divisor: "inside" }, call.outputs > 1 ? [x.dtype, "int64"] : [x.dtype]);
  const value = only(values === undefined ? [] : [values]);
  if (places === undefined) return [value];
  const columns = call.attributes.int("storage_order", 0) !== 0;
  const at = computeOf(
    ctx,
    "max_pool_positions",
    String(columns),
    places.shape,
    [places],
    "int64",
    ["index", ...spatial.map(() => "index" as const)],
    [x.shape[1] ?? 1, ...spatial],
    () => {
      const sizes = spatial.map((_, i) => size(i + 1));
      const plane = mulOf(
        addOf(mulOf(index(0), size(0)), index(1)),
        sizes.reduce((a, b) => mulOf(a, b)),
      );
      const flat = cast(load(0, "i64", axes(places.rank)), "index");
      return { parts: [cast(addOf(plane, columns ? columnMajor(flat, sizes) : flat), "i64")] };
    },
  );
  return [value, at];
}

/** A row-major position as the column-major one of the same place. */
function columnMajor(flat: Expr, sizes: readonly Expr[]): Expr {
  const coordinates: Expr[] = [];
  let rest = flat;
  for (let i = sizes.length - 1; i >= 0; i--) {
    const n = sizes[i] ?? constant(1, "index");
    coordinates.unshift(remOf(rest, n));
    rest = quotOf(rest, n);
  }
  let out: Expr = constant(0, "index");
  for (let i = sizes.length - 1; i >= 0; i--) out = addOf(mulOf(out, sizes[i] ?? out), coordinates[i] ?? out);
  return out;
}

/** Padding that counts is made real, so that the windows see it. */
function averagePool(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const w = windowsOf(call, spatialOf(x), kernelOf(call));
  const counts = call.attributes.int("count_include_pad", 0) !== 0;
  if (!counts || w.padBegin.every((p, i) => p === 0 && w.padEnd[i] === 0)) return only(pooled(ctx, x, w, { reduction: "sum", divisor: "inside" }, [x.dtype]));
  const none = [0, 0];
  const wide = padded(ctx, x, [...none, ...w.padBegin], [...none, ...w.padEnd], "constant", filled(ctx, [], x.dtype, int(0)));
  const zeros = w.padBegin.map(() => 0);
  return only(pooled(ctx, wide, { ...w, padBegin: zeros, padEnd: zeros }, { reduction: "sum", divisor: "inside" }, [x.dtype]));
}

/** Root of the sum of powers; half types are summed in float32. */
function lpPool(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const w = windowsOf(call, spatialOf(x), kernelOf(call));
  const p = call.version === 1 ? call.attributes.float("p", 2) : call.attributes.int("p", 2);
  const powers = mapOf(ctx, "abs_pow", [x], opmathOf(x.dtype), (v, e) => v.to("f64").abs().pow(e), [p]);
  const [sums] = pooled(ctx, powers, w, { reduction: "sum", divisor: 1 }, [powers.dtype]);
  return mapOf(ctx, "root", [sums ?? powers], x.dtype, (v, e) => v.to("f64").pow(e), [1 / p]);
}

const spatialAxes = (x: Tensor): number[] => spatialOf(x).map((_, i) => i + 2);

function globalLp(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const p = call.version === 1 ? call.attributes.float("p", 2) : call.attributes.int("p", 2);
  const powers = mapOf(ctx, "abs_pow", [x], "float64", (v, e) => v.to("f64").abs().pow(e), [p]);
  const sums = only(
    reduce(
      ctx,
      statesProgram("element:f64", ["float64"], "float64", (v) => [v]),
      sumOf("f64"),
      [powers],
      spatialAxes(x),
      true,
      ["float64"],
    ),
  );
  return mapOf(ctx, "root", [sums], x.dtype, (v, e) => v.to("f64").pow(e), [1 / p]);
}

/** Values put back where a MaxPool took them from. */
function* maxUnpool(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const [x, places] = [tensorAt(call, 0), tensorAt(call, 1)];
  const spatial = spatialOf(x);
  const n = spatial.length;
  const kernel = kernelOf(call);
  const stride = perAxis(call, "strides", n, 1);
  const [begin, end] = padsOf(call, n);
  const natural = spatial.map((s, i) => (s - 1) * (stride[i] ?? 1) - (begin[i] ?? 0) - (end[i] ?? 0) + (kernel[i] ?? 1));
  const given = yield* integersAt(call, 2);
  const sizes = given === undefined ? natural : given.slice(-n);
  const lead = x.shape.slice(0, 2);
  // The positions count over a tensor of the natural size: in a larger one they name other places of the same coordinates.
  const target = filled(ctx, [...lead, ...sizes], x.dtype, int(0));
  const from = [...lead, ...natural];
  const program = programs(`unpool ${x.dtype},${x.rank}`, () => {
    const flat = cast(load(1, "i64", axes(x.rank)), "index");
    const lengths = from.map((_, i) => size(i));
    const at: Expr[] = [];
    let rest = flat;
    for (let i = from.length - 1; i > 0; i--) {
      at.unshift(remOf(rest, lengths[i] ?? rest));
      rest = quotOf(rest, lengths[i] ?? rest);
    }
    return {
      name: "max_unpool",
      operands: [x.dtype, "int64"],
      scalars: from.map(() => "index" as const),
      messages: [],
      outputs: [...[rest, ...at].map((e) => ({ dtype: "int64" as const, parts: [e] })), { dtype: x.dtype, parts: loadParts(0, x.dtype, axes(x.rank)) }],
    };
  });
  return scatterInto(ctx, target, program, x.shape, [x, places], from, "set");
}

export const poolingOps: readonly OnnxOp[] = [
  onnxOp("MaxPool", { 1: { run: maxPool } }),
  onnxOp("AveragePool", { 1: { run: averagePool } }),
  onnxOp("LpPool", { 1: { run: lpPool } }),
  onnxOp("GlobalMaxPool", { 1: { run: (ctx, call) => extremum(ctx, tensorAt(call, 0), spatialAxes(tensorAt(call, 0)), true, true) } }),
  onnxOp("GlobalAveragePool", { 1: { run: (ctx, call) => mean(ctx, tensorAt(call, 0), spatialAxes(tensorAt(call, 0)), true) } }),
  onnxOp("GlobalLpPool", { 1: { run: globalLp } }),
  onnxOp("MaxUnpool", { 9: { reads: maxUnpool } }),
];
