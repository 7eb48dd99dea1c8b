/** Matrix products, linear layers and attention. */

import type { DType } from "../../tensor/dtype.ts";
import { isComplex } from "../../tensor/dtype.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { broadcastDims, type Handler, type OpCall } from "../meaning.ts";
import { whereValue } from "../expressions.ts";
import type { OnnxValue } from "../graph.ts";
import { reduceValue } from "../nodes.ts";
import { type DimSize, isSym, NO_ROOTS, SymStorage, SymTensor, metaTensor } from "../values.ts";
import { boolArg, metaOf, optionalTensor, tensorArg, wideFloat } from "./tools.ts";

const transposes = new WeakMap<Tensor, Tensor>();
/** A matrix's transpose; a known one is transposed now. */
export function transposed(call: OpCall, t: SymTensor, dtype: DType): OnnxValue {
  const { x } = call;
  const known = x.knownOf(t);
  if (known !== undefined && known.quantizer === undefined) {
    let flipped = transposes.get(known);
    if (flipped === undefined) {
      const axes = [...known.shape.keys()];
      axes.reverse();
      const view = new Tensor(
        known.storage,
        known.dtype,
        axes.map((a) => known.shape[a] ?? 1),
        axes.map((a) => known.strides[a] ?? 1),
        known.offset,
      );
      flipped = Tensor.from(view.data, view.shape, known.dtype);
      transposes.set(known, flipped);
    }
    return x.g.cast(x.constantOf(flipped, t.storage.label), dtype);
  }
  return x.op("Transpose", [x.g.cast(x.valueOf(t), dtype)], { perm: [...t.dims.keys()].reverse() });
}

/** Small integers are multiplied in int32 or int64, halves in float32. */
function productType(dtype: DType): DType {
  if (dtype === "int64" || dtype === "uint64" || dtype === "uint32") return "int64";
  if (dtype === "bool" || dtype.startsWith("int") || dtype.startsWith("uint")) return "int32";
  return wideFloat(dtype);
}
export function matmulDims(a: SymTensor, b: SymTensor): DimSize[] {
  if (a.rank === 1 && b.rank === 1) return [];
  const lead = (t: SymTensor): DimSize[] => t.dims.slice(0, Math.max(0, t.rank - 2));
  const [la, lb] = [lead(a), lead(b)];
  const rank = Math.max(la.length, lb.length);
  const at = (l: readonly DimSize[], i: number): DimSize => (i - (rank - l.length) < 0 ? 1 : l[i - (rank - l.length)]);
  const batch = Array.from({ length: rank }, (_, i): DimSize => {
    const [p, q] = [at(la, i), at(lb, i)];
    return p === undefined || q === undefined ? (p !== undefined && p !== 1 ? p : q !== undefined && q !== 1 ? q : undefined) : p === 1 ? q : p;
  });
  return [...batch, ...(a.rank >= 2 ? [a.dims[a.rank - 2]] : []), ...(b.rank >= 2 ? [b.dims[b.rank - 1]] : [])];
}
const matmul: Handler = (call) => {
  const [a, b] = [tensorArg(call, 0), tensorArg(call, 1)];
  const { x } = call;
  const meta = metaOf(call);
  if (isComplex(meta.dtype) || a.rank === 0 || b.rank === 0) return undefined;
  const type = productType(meta.dtype);
  return x.result(x.op("MatMul", [x.g.cast(x.valueOf(a), type), x.g.cast(x.valueOf(b), type)]), meta, [a, b], matmulDims(a, b));
};
const scaled = (call: OpCall, v: OnnxValue, factor: unknown): OnnxValue => {
  const { x } = call;
  const f = factor as Parameters<typeof x.scalarValue>[0];
  if (!isSym(f) && Number(typeof f === "object" && f !== null && "value" in f ? f.value : f) === 1) return v;
  return x.op("Mul", [v, x.scalarValue(f, v.dtype)]);
};
/** `beta * self + alpha * (a @ b)` */
const addProduct: Handler = (call) => {
  const [self, a, b] = [tensorArg(call, 0), tensorArg(call, 1), tensorArg(call, 2)];
  const { x } = call;
  const meta = metaOf(call);
  if (isComplex(meta.dtype)) return undefined;
  const type = productType(meta.dtype);
  const product = scaled(call, x.op("MatMul", [x.g.cast(x.valueOf(a), type), x.g.cast(x.valueOf(b), type)]), call.args[4]);
  const zero = call.args[3];
  if (!isSym(zero) && Number(typeof zero === "object" && zero !== null && "value" in zero ? zero.value : zero) === 0)
    return x.result(product, meta, call.args, matmulDims(a, b));
  return x.result(x.op("Add", [scaled(call, x.g.cast(x.valueOf(self), type), call.args[3]), product]), meta, call.args, matmulDims(a, b));
};
const linear: Handler = (call) => {
  const [input, weight] = [tensorArg(call, 0), tensorArg(call, 1)];
  const bias = optionalTensor(call, 2);
  const { x } = call;
  const meta = metaOf(call);
  if (isComplex(meta.dtype)) return undefined;
  const type = productType(meta.dtype);
  const dims = weight.rank === 1 ? input.dims.slice(0, -1) : [...input.dims.slice(0, -1), weight.dims[0]];
  const value = x.g.cast(x.valueOf(input), type);
  if (input.rank === 2 && weight.rank === 2 && (type === "float32" || type === "float64")) {
    return x.result(
      x.op("Gemm", [value, x.g.cast(x.valueOf(weight), type), bias === undefined ? undefined : x.g.cast(x.valueOf(bias), type)], { transB: 1 }),
      meta,
      call.args,
      dims,
    );
  }
  const w = weight.rank === 1 ? x.g.cast(x.valueOf(weight), type) : transposed(call, weight, type);
  const product = x.op("MatMul", [value, w]);
  return x.result(bias === undefined ? product : x.op("Add", [product, x.g.cast(x.valueOf(bias), type)]), meta, call.args, dims);
};

/** `softmax(q k^T * scale + mask) v`; a row that sees nothing gives zeros. */
const attention: Handler = (call) => {
  const { x } = call;
  const [q, k, v] = [tensorArg(call, 0), tensorArg(call, 1), tensorArg(call, 2)];
  const mask = optionalTensor(call, 3);
  const dropout = call.args[4];
  if ((isSym(dropout) ? 1 : Number(dropout)) !== 0) return undefined;
  const open = call.args[5] ?? null;
  const told = isSym(open) && !x.isFixed(open.roots) && x.assumed(open) === undefined ? open.onnx : undefined;
  const causal = told !== undefined || boolArg(call, 5);
  const scale = call.args[6] ?? null;
  if (boolArg(call, 7)) return undefined;
  const meta = metaOf(call);
  const type = wideFloat(meta.dtype);
  const f = (t: SymTensor): OnnxValue => x.g.cast(x.valueOf(t), type);
  const e = q.dims[q.rank - 1];
  const factor =
    scale !== null
      ? x.scalarValue(scale, type)
      : e !== undefined
        ? x.g.scalar(1 / Math.sqrt(e), type)
        : x.op("Reciprocal", [x.op("Sqrt", [x.scalarValue(x.size(q, q.rank - 1), type)])]);
  const perm = [...Array.from({ length: k.rank - 2 }, (_, i) => i), k.rank - 1, k.rank - 2];
  let scores = x.op("MatMul", [x.op("Mul", [f(q), factor]), x.op("Transpose", [f(k)], { perm })]);
  let blocked: OnnxValue | undefined;
  if (causal) {
    const sizes = x.op(
      "Concat",
      [
        x.op("Reshape", [x.scalarValue(x.size(q, q.rank - 2), "int64"), x.g.ints([1])]),
        x.op("Reshape", [x.scalarValue(x.size(k, k.rank - 2), "int64"), x.g.ints([1])]),
      ],
      { axis: 0 },
    );
    const ones = x.op("Expand", [x.g.scalar(1, "float32"), sizes]);
    blocked = x.op("Not", [x.g.cast(x.op("Trilu", [ones], { upper: 0 }), "bool")]);
    if (told !== undefined) blocked = x.op("And", [blocked, told]);
  }
  if (mask?.dtype === "bool") {
    const hidden = x.op("Not", [x.valueOf(mask)]);
    blocked = blocked === undefined ? hidden : x.op("Or", [blocked, hidden]);
  } else if (mask !== undefined) scores = x.op("Add", [scores, x.g.cast(x.valueOf(mask), type)]);
  if (blocked !== undefined) scores = whereValue(x.g, blocked, x.g.scalar(-Infinity, type), scores);
  let weights = x.op("Softmax", [scores], { axis: -1 });
  if (mask !== undefined) {
    const none = x.op("Equal", [reduceValue(x.g, "ReduceMax", scores, [scoresRank(q, k) - 1], true), x.g.scalar(-Infinity, type)], {}, "bool");
    weights = whereValue(x.g, none, x.g.scalar(0, type), weights);
  }
  const batch = broadcastDims([leading(q), leading(k)]);
  return x.result(x.op("MatMul", [weights, f(v)]), meta, call.args, [...batch, q.dims[q.rank - 2], v.dims[v.rank - 1]]);
};
const scoresRank = (q: SymTensor, k: SymTensor): number => Math.max(q.rank, k.rank);
function leading(t: SymTensor): SymTensor {
  const dims = t.dims.slice(0, -2);
  return new SymTensor(metaTensor(t.meta.shape.slice(0, -2), t.dtype), dims, NO_ROOTS, new SymStorage("sizes"));
}

const outer: Handler = (call) => {
  const [a, b] = [tensorArg(call, 0), tensorArg(call, 1)];
  const { x } = call;
  const meta = metaOf(call);
  if (isComplex(meta.dtype)) return undefined;
  const col = x.op("Unsqueeze", [x.g.cast(x.valueOf(a), meta.dtype), x.g.ints([1])]);
  const row = x.op("Unsqueeze", [x.g.cast(x.valueOf(b), meta.dtype), x.g.ints([0])]);
  return x.result(x.op("Mul", [col, row]), meta, [a, b], [a.dims[0], b.dims[0]]);
};

const ALPHA = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const einsum: Handler = (call) => {
  const { x } = call;
  const [equation, list] = call.args;
  if (typeof equation !== "string" || typeof list !== "object" || list === null || !("kind" in list) || list.kind !== "list") return undefined;
  const tensors = list.items.filter((t): t is SymTensor => t instanceof SymTensor);
  const clean = equation.replace(/\s/g, "");
  const [left = "", right] = clean.split("->");
  // Only products without diagonals and ellipses: kernels agree on those.
  const terms = left.split(",");
  if (clean.includes(".") || terms.some((t) => new Set(t).size !== t.length) || [...clean.replace(/[,>-]/g, "")].some((c) => !ALPHA.includes(c)))
    return undefined;
  const meta = metaOf(call);
  if (isComplex(meta.dtype) || tensors.length > 2) return undefined;
  const counts = new Map<string, number>();
  for (const c of left.replace(/,/g, "")) counts.set(c, (counts.get(c) ?? 0) + 1);
  const out =
    right ??
    [...counts]
      .filter(([, n]) => n === 1)
      .map(([c]) => c)
      .sort()
      .join("");
  const type = productType(meta.dtype);
  const sizeOf = (c: string): DimSize => {
    for (const [i, term] of terms.entries()) if (term.includes(c)) return tensors[i]?.dims[term.indexOf(c)];
    return undefined;
  };
  const value = x.op(
    "Einsum",
    tensors.map((t) => x.g.cast(x.valueOf(t), type)),
    { equation: `${left}->${out}` },
  );
  return x.result(value, meta, tensors, [...out].map(sizeOf));
};

export const products: Readonly<Record<string, Handler>> = {
  "aten::matmul": matmul,
  "aten::mm": matmul,
  "aten::bmm": matmul,
  "aten::mv": matmul,
  "aten::dot": matmul,
  "aten::linalg_matmul": matmul,
  "aten::addmm": addProduct,
  "aten::baddbmm": addProduct,
  "aten::addmv": addProduct,
  "aten::linear": linear,
  "aten::scaled_dot_product_attention": attention,
  "aten::outer": outer,
  "aten::ger": outer,
  "aten::einsum": einsum,
};
