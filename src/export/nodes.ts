/** Nodes that several parts of the exporter make: reductions, scatters, sorting, random numbers, constants in attributes. */

import type { TensorField, TensorProto } from "../bytes/onnx-proto.ts";
import type { BinaryOp } from "../expr/expr.ts";
import type { FftCall, RandomCall, ScatterCall } from "../prims/call.ts";
import type { Combiner } from "../prims/combiner.ts";
import { type DType, onnxOfDtype } from "../tensor/dtype.ts";
import type { Range } from "../tensor/source.ts";
import { numelOf } from "../tensor/shape.ts";
import { Tensor, type View } from "../tensor/tensor.ts";
import { whereValue } from "./expressions.ts";
import { floatAttribute, type GraphBuilder, type OnnxValue } from "./graph.ts";
import { reshapeTo } from "./strided.ts";
import { needsOpset, refuse } from "./values.ts";

/** For each part of a fold's state the one function that joins it with its element alone; undefined where it is more. */
export function plainFolds(combiner: Combiner): BinaryOp[] | undefined {
  const out: BinaryOp[] = [];
  for (const [i, e] of combiner.combine.entries()) {
    if (e.op !== "binary" || e.a.op !== "acc" || e.a.part !== i || e.b.op !== "val" || e.b.part !== i) return undefined;
    if (!["add", "mul", "min", "max", "or", "and"].includes(e.fn)) return undefined;
    const init = combiner.init[i];
    if (
      init?.op !== "const" ||
      ((e.fn === "add" || e.fn === "or") && Number(init.value) !== 0) ||
      ((e.fn === "mul" || e.fn === "and") && Number(init.value) !== 1)
    )
      return undefined;
    out.push(e.fn);
  }
  return out;
}
export function foldValue(g: GraphBuilder, fn: BinaryOp, v: OnnxValue, axes: readonly number[]): OnnxValue {
  if (axes.length === 0) return v;
  if (v.dtype === "bool")
    return g.cast(reduceValue(g, fn === "or" || fn === "max" || fn === "add" ? "ReduceMax" : "ReduceMin", g.cast(v, "int32"), axes, true), "bool");
  const name = { add: "ReduceSum", mul: "ReduceProd", min: "ReduceMin", max: "ReduceMax" }[fn as "add"];
  const reduced = reduceValue(g, name, v, axes, true);
  if ((fn !== "min" && fn !== "max") || !v.dtype.startsWith("float")) return reduced;
  // NaN wins, which kernels disagree on.
  const nan = g.op("Greater", [reduceValue(g, "ReduceMax", g.cast(g.op("IsNaN", [v], {}, "bool"), "int32"), axes, true), g.scalar(0, "int32")], {}, "bool");
  return whereValue(g, nan, g.scalar(NaN, v.dtype), reduced);
}

/** A reduction with the axes where the opset wants them. */
export function reduceValue(g: GraphBuilder, name: string, x: OnnxValue, axes: readonly number[] | undefined, keepdims: boolean, dtype?: DType): OnnxValue {
  const keep = keepdims ? 1 : 0;
  if (axes?.length === 0)
    return name === "ReduceSum" || name === "ReduceMax" || name === "ReduceMin" || name === "ReduceProd" || name === "ReduceMean"
      ? x
      : g.op(name, [x, g.ints([])], { keepdims: keep, noop_with_empty_axes: 1 }, dtype);
  if (name === "ReduceSum" || g.opset >= 18) return g.op(name, [x, axes === undefined ? undefined : g.ints(axes)], { keepdims: keep }, dtype);
  return g.op(name, [x], { keepdims: keep, axes }, dtype);
}

/** ScatterElements with its reduction, which has minima and maxima from opset 18 on. */
export function scatterElements(g: GraphBuilder, base: OnnxValue, at: OnnxValue, update: OnnxValue, axis: number, combine: ScatterCall["combine"]): OnnxValue {
  if (combine === "set") return g.op("ScatterElements", [base, at, update], { axis });
  if ((combine === "min" || combine === "max") && g.opset < 18) return needsOpset(18, `scattering by ${combine}imum`);
  const wide: DType = base.dtype === "bool" ? "int32" : base.dtype === "float16" || base.dtype === "bfloat16" ? "float32" : base.dtype;
  const reduction = combine === "add" || combine === "mul" ? combine : combine;
  return g.cast(g.op("ScatterElements", [g.cast(base, wide), at, g.cast(update, wide)], { axis, reduction }), base.dtype);
}

/** The first `k` of each line in order, and where they were; equal ones keep their order, NaN counts as largest. */
export function sortValue(g: GraphBuilder, x: OnnxValue, axis: number, descending: boolean, k: OnnxValue): [OnnxValue, OnnxValue] {
  const wide: DType = x.dtype === "bool" || x.dtype === "uint16" ? "int32" : x.dtype === "float16" || x.dtype === "bfloat16" ? "float32" : x.dtype;
  const value = g.cast(x, wide);
  const isFloat = wide === "float32" || wide === "float64";
  const keys = isFloat ? whereValue(g, g.op("IsNaN", [value], {}, "bool"), g.scalar(Infinity, wide), value) : value;
  const [sorted, places] = g.node("TopK", [keys, k], { dtypes: [wide, "int64"], attributes: { axis, largest: descending ? 1 : 0, sorted: 1 } });
  if (sorted === undefined || places === undefined) return refuse("TopK has two results");
  return [g.cast(isFloat ? g.op("GatherElements", [value, places], { axis }) : sorted, x.dtype), places];
}

/** Random numbers of a shape. */
export function randomValue(
  g: GraphBuilder,
  call: Pick<RandomCall, "transform" | "scalars" | "results" | "operands">,
  shape: OnnxValue,
  read: (v: View) => OnnxValue,
): OnnxValue {
  const dtype = call.results[0]?.dtype ?? "float32";
  const type: DType = dtype === "float64" ? "float64" : "float32";
  const [a = 0, b = 1] = call.scalars.map(Number);
  const like = g.op("ConstantOfShape", [shape], { value: oneZero(type) }, type);
  const draw = (op: string, attributes: Record<string, number>): OnnxValue => {
    const floats = Object.fromEntries(Object.entries(attributes).map(([k, x]) => [k, floatAttribute(x)] as const));
    const [v] = g.node(op, [like], { dtypes: [type], unique: true, attributes: { ...floats, dtype: onnxOfDtype(type) ?? 1 } });
    return v ?? refuse("a random node has one result");
  };
  switch (call.transform) {
    case "uniform":
      return g.cast(draw("RandomUniformLike", { low: a, high: b }), dtype);
    case "normal":
      return g.cast(draw("RandomNormalLike", { mean: a, scale: b }), dtype);
    case "bernoulli": {
      const [p] = call.operands;
      const limit = p === undefined ? g.scalar(a, type) : g.cast(read(p), type);
      return g.cast(g.op("Less", [draw("RandomUniformLike", { low: 0, high: 1 }), limit], {}, "bool"), dtype);
    }
    case "exponential":
      return g.cast(g.op("Div", [g.op("Neg", [g.op("Log", [draw("RandomUniformLike", { low: 1e-7, high: 1 })])]), g.scalar(a, type)]), dtype);
    case "integers": {
      if (call.scalars.length < 2) return refuse("random integers of a dtype's whole range");
      const u = draw("RandomUniformLike", { low: 0, high: 1 });
      const span = g.op("Floor", [g.op("Mul", [u, g.scalar(b - a, type)])]);
      const whole = g.cast(g.op("Min", [span, g.scalar(b - a - 1, type)]), "int64");
      return g.cast(g.op("Add", [whole, g.scalar(a, "int64")]), dtype);
    }
    case "permutation": {
      const u = draw("RandomUniformLike", { low: 0, high: 1 });
      return g.cast(sortValue(g, u, 0, false, shape)[1], dtype);
    }
    default:
      return refuse(`random numbers of the kind \`${call.transform}\` have no counterpart in ONNX`);
  }
}

/** The value attribute of ConstantOfShape: one zero. */
export function oneZero(dtype: DType): { readonly kind: "tensor"; readonly value: TensorProto } {
  return constantAttribute(Tensor.zeros([1], dtype));
}
export function constantAttribute(tensor: Tensor): { readonly kind: "tensor"; readonly value: TensorProto } {
  const { data } = tensor;
  const text = [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)].map((b) => b.toString(16)).join("");
  const proto = {
    name: `value_${tensor.dtype}_${text}`,
    dims: [...tensor.shape],
    dataType: onnxOfDtype(tensor.dtype) ?? 0,
    data: new Map<TensorField, readonly Range[]>(),
    external: undefined,
    segmented: false,
    docString: "",
    metadata: new Map<string, string>(),
  };
  ATTRIBUTE_TENSORS.set(proto, tensor);
  return { kind: "tensor", value: proto };
}
/** Elements of tensors in attributes, for the writer. */
export const ATTRIBUTE_TENSORS: WeakMap<object, Tensor> = new WeakMap();

/** The Fourier transform along an axis of pairs `[…, 2]`, in double precision. */
export function fourierValue(g: GraphBuilder, x: OnnxValue, shape: readonly number[], call: Pick<FftCall, "axis" | "inverse" | "scale">): OnnxValue {
  const lead = shape.slice(0, call.axis);
  const rest = shape.slice(call.axis + 1);
  const n = shape[call.axis] ?? 1;
  // The transformed axis first of two: kernels take one batch axis, the signal, and the pair.
  const moved =
    rest.length === 0 ? x : g.op("Transpose", [x], { perm: [...lead.map((_, i) => i), ...rest.map((_, i) => call.axis + 1 + i), call.axis, shape.length] });
  const batch = g.cast(reshapeTo(g, moved, [numelOf(lead) * numelOf(rest), n, 2]), "float64");
  const transformed =
    g.opset >= 20
      ? g.op("DFT", [batch, undefined, g.scalar(1, "int64")], { inverse: call.inverse ? 1 : 0 })
      : g.op("DFT", [batch], { axis: 1, inverse: call.inverse ? 1 : 0 });
  const scale = call.inverse ? n * call.scale : call.scale;
  const scaled = scale === 1 ? transformed : g.op("Mul", [transformed, g.scalar(scale, transformed.dtype)]);
  const back = reshapeTo(g, scaled, [...lead, ...rest, n, 2]);
  const perm = [...lead.map((_, i) => i), lead.length + rest.length, ...rest.map((_, i) => lead.length + i), shape.length];
  return rest.length === 0 ? back : g.op("Transpose", [back], { perm });
}
