/** New tensors: constants, ranges, unit matrices, one-hot rows, windows and random numbers. */

import { binary, cast, constant, index, load, scalar, select } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import type { Context } from "../../prims/context.ts";
import { computeType } from "../../prims/program.ts";
import { expanded } from "../../prims/views.ts";
import type { DType } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { Tensor, viewOf } from "../../tensor/tensor.ts";
import { axes, loadParts, zeroOf } from "../aten/memo.ts";
import { filled } from "../aten/filling.ts";
import { outputParts } from "../elementwise.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { axisOf, dtypeOfCode, floatAt, integerAt, integersAt, int, type Reading, tensorAt } from "./inputs.ts";
import { computeOf } from "./programs.ts";

/** Only sparse constants get here: dense ones are constants of the IR. */
function constantOf(call: OnnxCall): Tensor {
  const value = call.attributes.tensor("sparse_value") ?? call.attributes.tensor("value");
  if (value === undefined) throw new OpwiseError("bad-onnx", "Constant holds no tensor");
  return value;
}

function* constantOfShape(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const shape = (yield* integersAt(call, 0)) ?? [];
  for (const s of shape) if (s < 0) throw new OpwiseError("shape-mismatch", `ConstantOfShape with a negative size`, { got: `[${shape.join(", ")}]` });
  const value = call.attributes.tensor("value");
  if (value === undefined) return filled(ctx, shape, "float32", int(0));
  if (value.numel !== 1) throw new OpwiseError("bad-onnx", "`value` of ConstantOfShape must be one number", { got: `shape [${value.shape.join(", ")}]` });
  // One element seen everywhere: a weight of zeros takes no memory until something writes.
  return expanded(viewOf(value, [], [], value.offset), shape);
}

function* range(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const [start, limit, delta] = [tensorAt(call, 0), tensorAt(call, 1), tensorAt(call, 2)];
  yield start;
  yield limit;
  yield delta;
  const dtype = start.dtype;
  const type = computeType(dtype);
  const exact = type === "i64" || type === "u64";
  let count: number;
  if (exact) {
    const [from, to, by] = [BigInt(start.item()), BigInt(limit.item()), BigInt(delta.item())];
    if (by === 0n) throw new OpwiseError("bad-argument", "Range with a delta of 0");
    const span = to - from;
    const whole = span / by;
    count = Math.max(Number(span % by === 0n ? whole : span < 0n === by < 0n ? whole + 1n : whole), 0);
    return computeOf(ctx, "range", "", [count], [start, delta].map(scalarView), dtype, [], [], () => ({
      parts: [binary("add", load(0, type, []), binary("mul", cast(index(0), type), load(1, type, [])))],
    }));
  }
  const from = (yield* floatAt(call, 0)) ?? 0;
  const to = (yield* floatAt(call, 1)) ?? 0;
  const by = (yield* floatAt(call, 2)) ?? 1;
  if (by === 0) throw new OpwiseError("bad-argument", "Range with a delta of 0");
  count = Math.max(Math.ceil((to - from) / by), 0);
  if (!Number.isFinite(count)) throw new OpwiseError("bad-argument", "Range has no end", { got: `${from} to ${to} by ${by}` });
  return computeOf(ctx, "range", "", [count], [], dtype, ["f64", "f64"], [from, by], () => ({
    parts: outputParts(new Num(scalar(0, "f64")).add(new Num(cast(index(0), "f64")).mul(new Num(scalar(1, "f64")))), dtype),
  }));
}

const scalarView = (t: Tensor): Tensor => viewOf(t, [], [], t.offset);

function eyeLike(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  if (x.rank !== 2) throw new OpwiseError("shape-mismatch", "EyeLike wants a matrix", { got: `[${x.shape.join(", ")}]` });
  const dtype = call.attributes.has("dtype") ? dtypeOfCode(call.attributes.int("dtype")) : x.dtype;
  return computeOf(ctx, "eye", "", x.shape, [], dtype, ["index"], [call.attributes.int("k", 0)], () => {
    const type = computeType(dtype);
    return { parts: [select(binary("eq", binary("sub", index(1), index(0)), scalar(0, "index")), zeroOf(type, 1), zeroOf(type))] };
  });
}

/** Rows of `off` with `on` at each index; negative indices count from the end, those out of range leave a row of `off`. */
function* oneHot(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const [indices, depthInput, values] = [tensorAt(call, 0), tensorAt(call, 1), tensorAt(call, 2)];
  yield depthInput;
  const depth = Math.trunc((yield* floatAt(call, 1)) ?? 0);
  const axis = axisOf(call.attributes.int("axis", -1), indices.rank + 1);
  const shape = [...indices.shape.slice(0, axis), depth, ...indices.shape.slice(axis)];
  return computeOf(ctx, "one_hot", String(axis), shape, [indices, values], values.dtype, ["index"], [depth], () => {
    const at = axes(shape.length).filter((_, i) => i !== axis);
    const given = cast(load(0, computeType(indices.dtype), at), "index");
    const wrapped = select(binary("lt", given, constant(0, "index")), binary("add", given, scalar(0, "index")), given);
    const [on, off] = [loadParts(1, values.dtype, [constant(1, "index")]), loadParts(1, values.dtype, [constant(0, "index")])];
    const hit = binary("eq", wrapped, index(axis));
    return { parts: on.map((e, i) => select(hit, e, off[i] ?? e)) };
  });
}

/** The triangle above (or below) diagonal `k`; zeros elsewhere. */
function* trilu(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const x = tensorAt(call, 0);
  const k = (yield* integerAt(call, 1)) ?? 0;
  const upper = call.attributes.int("upper", 1) !== 0;
  if (x.rank < 2) throw new OpwiseError("shape-mismatch", "Trilu wants a matrix or a batch of them", { got: `[${x.shape.join(", ")}]` });
  return computeOf(ctx, "trilu", String(upper), x.shape, [x], x.dtype, ["index"], [k], () => {
    const [row, column] = [index(x.rank - 2), index(x.rank - 1)];
    const gap = binary("sub", column, row);
    const inside = binary(upper ? "ge" : "le", gap, scalar(0, "index"));
    return { parts: loadParts(0, x.dtype, axes(x.rank), inside) };
  });
}

/** Windows of `size` samples; periodic ones leave out the repeated end. */
function window(name: string, terms: readonly number[]): OnnxOp {
  return onnxOp(name, {
    17: {
      reads: function* (ctx, call) {
        const size = (yield* integerAt(call, 0)) ?? 0;
        const dtype = dtypeOfCode(call.attributes.int("output_datatype", 1));
        const periodic = call.attributes.int("periodic", 1) !== 0;
        return computeOf(ctx, name, "", [size], [], dtype, ["f64"], [(2 * Math.PI) / Math.max(periodic ? size : size - 1, 1)], () => {
          const angle = new Num(cast(index(0), "f64")).mul(new Num(scalar(0, "f64")));
          const sum = terms.map((c, k) => (k === 0 ? angle.lit(c) : angle.mul(k).apply("cos").mul(c))).reduce((a, b) => a.add(b));
          return { parts: outputParts(sum, dtype) };
        });
      },
    },
  });
}

/** The dtype that a random tensor has: asked for, or of the input. */
export function dtypeAsked(call: OnnxCall, otherwise: DType): DType {
  return call.attributes.has("dtype") ? dtypeOfCode(call.attributes.int("dtype")) : otherwise;
}

/** Triangular mel filters as columns of a matrix `[bins, mels]`. */
function* melWeightMatrix(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const mels = (yield* integerAt(call, 0)) ?? 0;
  const dftLength = (yield* integerAt(call, 1)) ?? 0;
  const rate = (yield* integerAt(call, 2)) ?? 0;
  const lower = (yield* floatAt(call, 3)) ?? 0;
  const upper = (yield* floatAt(call, 4)) ?? 0;
  const dtype = dtypeOfCode(call.attributes.int("output_datatype", 1));
  const bins = Math.floor(dftLength / 2) + 1;
  const melOf = (hz: number): number => 2595 * Math.log10(1 + hz / 700);
  const [low, high] = [melOf(lower), melOf(upper)];
  const step = (high - low) / (mels + 2);
  const edges = Array.from({ length: mels + 2 }, (_, i) => Math.floor(((dftLength + 1) * (700 * (10 ** ((low + i * step) / 2595) - 1))) / rate));
  const points = Tensor.from(Float64Array.from(edges), [mels + 2]);
  return computeOf(ctx, "mel_weights", "", [bins, mels], [points], dtype, [], [], () => {
    const bin = new Num(cast(index(0), "f64"));
    const edge = (shift: number): Num => new Num(load(0, "f64", [binary("add", index(1), constant(shift, "index"))]));
    const [a, b, c] = [edge(0), edge(1), edge(2)];
    const falling = bin.ge(b).and(bin.lt(c));
    const rise = b.eq(a).where(bin.lit(1), bin.sub(a).div(b.sub(a)));
    const value = falling.where(c.sub(bin).div(c.sub(b)), bin.ge(a).and(bin.le(b)).where(rise, bin.lit(0)));
    return { parts: outputParts(value, dtype) };
  });
}

export const creationOps: readonly OnnxOp[] = [
  onnxOp("Constant", { 1: { run: (_ctx, call) => constantOf(call) } }),
  onnxOp("ConstantOfShape", { 9: { reads: constantOfShape } }),
  onnxOp("Range", { 11: { reads: range } }),
  onnxOp("EyeLike", { 9: { run: eyeLike } }),
  onnxOp("OneHot", { 9: { reads: oneHot } }),
  onnxOp("Trilu", { 14: { reads: trilu } }),
  window("HannWindow", [0.5, -0.5]),
  window("HammingWindow", [25 / 46, -21 / 46]),
  window("BlackmanWindow", [0.42, -0.5, 0.08]),
  onnxOp("MelWeightMatrix", { 17: { reads: melWeightMatrix } }),
];
