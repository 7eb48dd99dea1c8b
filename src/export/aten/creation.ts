/** Tensors made of numbers and sizes. */

import type { Datum } from "../../ir/datum.ts";
import { type DType, dtypeInfo, dtypeOfTorch } from "../../tensor/dtype.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { Handler, OpCall } from "../meaning.ts";
import { type Exporter, leavesOf, plainNumber } from "../exporter.ts";
import type { OnnxValue } from "../graph.ts";
import { type DimSize, isSym, joinRoots, metaTensor, type SymTensor } from "../values.ts";
import { isSymTensor, itemsOf, metaOf, tensorArg } from "./tools.ts";

/** `value` in a shape of ints, some of the graph. */
function filled(call: OpCall, sizes: readonly Datum[], value: Datum, dtype: DType): SymTensor {
  const { x } = call;
  const fill = x.scalarValue(value, dtype);
  const dims = sizes.map((d): DimSize => (isSym(d) ? undefined : Number(d)));
  const meta = metaTensor(
    sizes.map((d) => Number(isSym(d) ? d.hint : d)),
    dtype,
  );
  const roots = joinRoots(leavesOf(sizes).map((l) => l.roots));
  return x.tensor(x.op("Expand", [fill, x.intsValue(sizes)]), meta, dims, roots);
}
function filledLike(call: OpCall, t: SymTensor, value: Datum, dtype: DType): SymTensor {
  const { x } = call;
  if (t.isStatic && !isSym(value)) {
    const known = runHostFill(
      x,
      t.dims.map((d) => d ?? 0),
      value,
      dtype,
    );
    if (known !== undefined) return x.knownTensor(known);
  }
  return x.tensor(
    x.op("Expand", [x.scalarValue(value, dtype), x.shapeValue(t)]),
    metaTensor(t.meta.shape, dtype, t.meta.strides.some((s, i) => s === 0 && (t.meta.shape[i] ?? 1) > 1) ? undefined : t.meta.strides),
    t.dims,
    t.roots,
  );
}
function runHostFill(x: Exporter, shape: readonly number[], value: Datum, dtype: DType): Tensor | undefined {
  const info = dtypeInfo(dtype);
  if (info.class === "complex" || (info.itemsize < 4 && info.class === "float")) return undefined;
  const plain = plainNumber(value);
  if (plain === undefined) return undefined;
  void x;
  const out = Tensor.zeros(shape, dtype);
  if (Number(plain) !== 0) {
    const array = out.storage.array(info.carrier);
    if (array instanceof BigInt64Array || array instanceof BigUint64Array) array.fill(BigInt(typeof plain === "number" ? Math.trunc(plain) : plain));
    else array.fill(info.class === "bool" ? 1 : Number(plain));
  }
  return out;
}
const dtypeOr = (d: Datum | undefined, other: DType): DType => (d === null || d === undefined ? other : dtypeOfTorch(Number(d)));
function kindOf(x: Exporter, d: Datum): DType {
  if (isSym(d)) return d.type === "int" ? "int64" : d.type === "bool" ? "bool" : x.context.defaultDtype;
  if (typeof d === "object" && d !== null && "kind" in d) return d.kind === "int" ? "int64" : d.kind === "bool" ? "bool" : x.context.defaultDtype;
  return typeof d === "boolean" ? "bool" : typeof d === "number" && Number.isInteger(d) ? "int64" : x.context.defaultDtype;
}

/** `args`: sizes, [value], dtype. */
const full =
  (value: number | undefined): Handler =>
  (call) => {
    const sizes = itemsOf(call.args[0] ?? null) ?? [];
    if (value !== undefined) return filled(call, sizes, value, dtypeOr(call.args[1], call.x.context.defaultDtype));
    const fill = call.args[1] ?? 0;
    return filled(call, sizes, fill, dtypeOr(call.args[2], kindOf(call.x, fill)));
  };
const newFull =
  (value: number | undefined): Handler =>
  (call) => {
    const t = tensorArg(call, 0);
    const sizes = itemsOf(call.args[1] ?? null) ?? [];
    if (value !== undefined) return filled(call, sizes, value, dtypeOr(call.args[2], t.dtype));
    return filled(call, sizes, call.args[2] ?? 0, dtypeOr(call.args[3], t.dtype));
  };
const like =
  (value: number | undefined): Handler =>
  (call) => {
    const t = tensorArg(call, 0);
    if (dtypeInfo(t.dtype).class === "complex") return undefined;
    if (value !== undefined) return filledLike(call, t, value, dtypeOr(call.args[1], t.dtype));
    return filledLike(call, t, call.args[1] ?? 0, dtypeOr(call.args[2], t.dtype));
  };

/** `args`: [start], end, [step], dtype. */
function arange(form: "end" | "start" | "step"): Handler {
  return (call) => {
    const { x } = call;
    const [a = 0, b = 0, c = 1] = call.args;
    const start = form === "end" ? 0 : a;
    const end = form === "end" ? a : b;
    const step = form === "step" ? c : 1;
    const given = call.args[form === "end" ? 1 : form === "start" ? 2 : 3];
    const numbers = [start, end, step];
    const isWhole = numbers.every((d) => kindOf(x, d) === "int64" || (typeof d === "number" && Number.isInteger(d)));
    const dtype = dtypeOr(given, isWhole ? "int64" : x.context.defaultDtype);
    const type: DType = isWhole ? "int64" : "float64";
    const [lo, hi, by] = numbers.map((d) => x.scalarValue(d, type));
    if (lo === undefined || hi === undefined || by === undefined) return undefined;
    const known = numbers.map((d) => Number(isSym(d) ? d.hint : plainNumber(d)));
    const n = Math.max(0, Math.ceil(((known[1] ?? 0) - (known[0] ?? 0)) / (known[2] ?? 1)));
    return x.tensor(x.g.cast(x.op("Range", [lo, hi, by]), dtype), metaTensor([n], dtype), [undefined], joinRoots(leavesOf(numbers).map((l) => l.roots)));
  };
}
/** A tensor of nested lists of numbers. */
const tensorOf: Handler = (call) => {
  const { x } = call;
  const data = call.args[0] ?? null;
  const leaves: Datum[] = [];
  const shape: number[] = [];
  const walk = (d: Datum, depth: number): void => {
    const items = isSymTensor(d) ? undefined : itemsOf(d);
    if (items === undefined) {
      leaves.push(d);
      return;
    }
    shape[depth] = items.length;
    for (const i of items) walk(i, depth + 1);
  };
  walk(data, 0);
  if (leaves.some((l) => isSymTensor(l) && l.rank !== 0)) return undefined;
  const kinds = leaves.map((l) => (isSymTensor(l) ? l.dtype : kindOf(x, l)));
  const natural: DType = kinds.includes("float64") || kinds.includes("float32") ? x.context.defaultDtype : kinds.every((k) => k === "bool") ? "bool" : "int64";
  const float = call.name === "aten::tensor.float";
  const dtype = dtypeOr(call.args[1], float ? x.context.defaultDtype : natural);
  const one = (l: Datum): OnnxValue => x.op("Reshape", [isSymTensor(l) ? x.g.cast(x.valueOf(l), dtype) : x.scalarValue(l, dtype), x.g.ints([1])]);
  const [first] = leaves;
  if (first === undefined) return undefined;
  const flat = leaves.length === 1 ? one(first) : x.op("Concat", leaves.map(one), { axis: 0 });
  return x.tensor(x.op("Reshape", [flat, x.g.ints(shape)]), metaTensor(shape, dtype), shape, new Set());
};
const numberTensor: Handler = (call) => {
  const { x } = call;
  const d = call.args[0] ?? 0;
  if (!isSym(d)) return undefined;
  const dtype = call.name === "aten::scalar_tensor" ? dtypeOr(call.args[1], x.context.defaultDtype) : d.onnx.dtype;
  const meta = metaTensor([], dtype);
  if (call.name === "prim::NumToTensor.Scalar") meta.wrappedNumber = false;
  return x.tensor(x.g.cast(d.onnx, dtype), meta, [], new Set());
};
const meshgrid: Handler = (call) => {
  const { x } = call;
  const tensors = (itemsOf(call.args[0] ?? null) ?? []).filter((t): t is SymTensor => isSymTensor(t));
  if ((call.args[1] ?? "ij") !== "ij" || tensors.every((t) => t.isStatic)) return undefined;
  const metas = call.meta();
  const n = tensors.length;
  const shape = x.intsValue(tensors.map((t) => (t.rank === 0 ? 1 : x.size(t, 0))));
  const dims = tensors.map((t): DimSize => (t.rank === 0 ? 1 : t.dims[0]));
  const items = tensors.map((t, i) => {
    const at = x.op("Reshape", [x.valueOf(t), x.g.ints(Array.from({ length: n }, (_, k) => (k === i ? -1 : 1)))]);
    const meta = metas[i] ?? metaOf(call);
    return x.result(x.op("Expand", [at, shape]), metaTensor(meta.shape, meta.dtype), call.args, dims);
  });
  return { kind: "list", elem: { kind: "Tensor" }, items };
};
/** What is random: sizes of the graph are kept. */
const random =
  (kind: "uniform" | "normal", from: "sizes" | "like"): Handler =>
  (call) => {
    const { x } = call;
    const t = from === "like" ? tensorArg(call, 0) : undefined;
    const sizes = t === undefined ? (itemsOf(call.args[0] ?? null) ?? []) : [];
    const dtype = dtypeOr(call.args[1], t?.dtype ?? x.context.defaultDtype);
    const type: DType = dtype === "float64" ? "float64" : "float32";
    const shape = t === undefined ? x.intsValue(sizes) : x.shapeValue(t);
    const base = x.op("Expand", [x.g.scalar(0, type), shape]);
    const [v] = x.g.node(kind === "uniform" ? "RandomUniformLike" : "RandomNormalLike", [base], {
      dtypes: [type],
      unique: true,
      attributes: { dtype: type === "float64" ? 11 : 1 },
    });
    if (v === undefined) return undefined;
    const dims = t?.dims ?? sizes.map((d): DimSize => (isSym(d) ? undefined : Number(d)));
    return x.tensor(
      x.g.cast(v, dtype),
      metaTensor(t?.meta.shape ?? sizes.map((d) => Number(isSym(d) ? d.hint : d)), dtype),
      dims,
      t?.roots ?? joinRoots(leavesOf(sizes).map((l) => l.roots)),
    );
  };

export const creation: Readonly<Record<string, Handler>> = {
  "aten::zeros": full(0),
  "aten::ones": full(1),
  "aten::full": full(undefined),
  "aten::empty.memory_format": full(0),
  "aten::new_zeros": newFull(0),
  "aten::new_ones": newFull(1),
  "aten::new_full": newFull(undefined),
  "aten::new_empty": newFull(0),
  "aten::zeros_like": like(0),
  "aten::ones_like": like(1),
  "aten::full_like": like(undefined),
  "aten::empty_like": like(0),
  "aten::arange": arange("end"),
  "aten::arange.start": arange("start"),
  "aten::arange.start_step": arange("step"),
  "aten::tensor": tensorOf,
  "aten::tensor.int": tensorOf,
  "aten::tensor.float": tensorOf,
  "aten::tensor.bool": tensorOf,
  "aten::as_tensor.list": tensorOf,
  "prim::NumToTensor.Scalar": numberTensor,
  "prim::NumToTensor.bool": numberTensor,
  "aten::scalar_tensor": numberTensor,
  "aten::meshgrid": meshgrid,
  "aten::meshgrid.indexing": meshgrid,
  "aten::rand": random("uniform", "sizes"),
  "aten::randn": random("normal", "sizes"),
  "aten::rand_like": random("uniform", "like"),
  "aten::randn_like": random("normal", "like"),
};
