/** What a tensor's record says of it without reading its elements: sizes, strides, dtype, flags. */

import { type Datum, makeList } from "../../ir/datum.ts";
import { T } from "../../ir/type.ts";
import { canCast, dtypeInfo, dtypeOfTorch, isComplex, isFloat, isQuantized, itemsize, promoteTypes, torchOfDtype } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { broadcastShapes, channelsLastStrides, sameShape, wrapDim } from "../../tensor/shape.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { dataOp, type Op } from "../define.ts";
import { resultType } from "../promotion.ts";
import { listOf, scalarOf, smallOf, tensorOf } from "./data.ts";

const ints = (values: readonly number[]): Datum => makeList(T.int, [...values]);

/** An axis by its number. @throws index-out-of-range */
function axisOf(t: Tensor, dim: Datum | undefined): number {
  if (t.rank === 0) throw new OpwiseError("index-out-of-range", `Dimension specified as ${smallOf(dim)} but tensor has no dimensions`);
  return wrapDim(smallOf(dim), t.rank);
}
const sizeAt = (t: Tensor, dim: Datum | undefined): number => t.shape[axisOf(t, dim)] ?? 0;

const MEMORY_FORMATS = ["contiguous", "preserve", "channels_last", "channels_last_3d"] as const;
const FORMAT_RANK: Readonly<Record<string, number>> = { channels_last: 4, channels_last_3d: 5 };

/** Whether elements lie in a memory format's order, sizes of 1 apart. */
function follows(t: Tensor, format: Datum | undefined): boolean {
  const name = MEMORY_FORMATS[smallOf(format)];
  if (name === undefined || name === "preserve") throw new OpwiseError("bad-argument", "preserve memory format is unsupported by the contiguous operator");
  if (name === "contiguous") return t.isContiguous;
  if (t.rank !== FORMAT_RANK[name]) return false;
  const wanted = channelsLastStrides(t.shape);
  return t.numel === 0 || t.shape.every((size, i) => size === 1 || t.strides[i] === wanted[i]);
}

/** Whether elements are distinct and leave no gaps. */
function isDense(t: Tensor): boolean {
  const axes = t.shape.map((_, i) => i).filter((i) => t.shape[i] !== 1).sort((a, b) => (t.strides[a] ?? 0) - (t.strides[b] ?? 0));
  let step = 1;
  for (const axis of axes) {
    if (t.strides[axis] !== step) return false;
    step *= t.shape[axis] ?? 1;
  }
  return true;
}

const fact = (schema: string, read: (t: Tensor, rest: readonly Datum[]) => Datum): Op => dataOp(schema, ([t, ...rest]) => read(tensorOf(t), rest));

/** Facts that are one value for every dense tensor of ours. */
const NEVER = ["is_cuda", "is_meta", "is_maia", "is_mtia", "is_ipu", "is_vulkan", "is_mps", "is_mkldnn", "is_sparse", "is_sparse_csr", "is_xpu", "is_xla"] as const;

const dtypeAt = (code: Datum | undefined): ReturnType<typeof dtypeOfTorch> => dtypeOfTorch(smallOf(code));

/** All of them. */
export const tensorFacts: readonly Op[] = [
  fact("aten::size(Tensor self) -> int[]", (t) => ints(t.shape)),
  fact("aten::size.int(Tensor self, int dim) -> int", (t, [dim]) => sizeAt(t, dim)),
  fact("aten::sym_size(Tensor self) -> SymInt[]", (t) => ints(t.shape)),
  fact("aten::sym_size.int(Tensor self, int dim) -> SymInt", (t, [dim]) => sizeAt(t, dim)),
  fact("aten::dim(Tensor self) -> int", (t) => t.rank),
  fact("aten::numel(Tensor self) -> int", (t) => t.numel),
  fact("aten::sym_numel(Tensor self) -> SymInt", (t) => t.numel),
  fact("aten::len.Tensor(Tensor t) -> int", (t) => {
    if (t.rank === 0) throw new OpwiseError("type-mismatch", "len() of a 0-d tensor");
    return t.shape[0] ?? 0;
  }),
  fact("aten::stride(Tensor self) -> int[]", (t) => ints(t.strides)),
  fact("aten::sym_stride(Tensor self) -> SymInt[]", (t) => ints(t.strides)),
  fact("aten::stride.int(Tensor self, int dim) -> int", (t, [dim]) => t.strides[axisOf(t, dim)] ?? 1),
  fact("aten::sym_stride.int(Tensor self, int dim) -> SymInt", (t, [dim]) => t.strides[axisOf(t, dim)] ?? 1),
  fact("aten::storage_offset(Tensor self) -> int", (t) => t.offset),
  fact("aten::sym_storage_offset(Tensor self) -> SymInt", (t) => t.offset),
  fact("aten::element_size(Tensor self) -> int", (t) => itemsize(t.dtype)),
  fact("prim::itemsize(Tensor a) -> int", (t) => itemsize(t.dtype)),
  fact("prim::nbytes(Tensor a) -> int", (t) => t.nbytes),
  fact("prim::dtype(Tensor a) -> int", (t) => torchOfDtype(t.dtype)),
  fact("prim::device(Tensor a) -> Device", () => ({ kind: "device", name: "cpu" })),
  fact("prim::layout(Tensor a) -> Layout", () => 0),
  fact("aten::get_device(Tensor self) -> int", () => -1),
  fact("prim::name(Tensor a) -> str?", () => null),
  fact("prim::grad(Tensor a) -> Tensor(*)", () => null),
  fact("prim::requires_grad(Tensor a) -> bool", (t) => t.requiresGrad),
  fact("prim::data(Tensor(a) a) -> Tensor(a)", (t) => viewOf(t, t.shape, t.strides, t.offset)),
  fact("aten::data(Tensor self) -> Tensor", (t) => viewOf(t, t.shape, t.strides, t.offset)),
  ...NEVER.map((name) => fact(`prim::${name}(Tensor a) -> bool`, () => false)),
  fact("prim::is_cpu(Tensor a) -> bool", () => true),
  fact("prim::is_nested(Tensor a) -> bool", (t) => t.lengths !== undefined),
  fact("prim::is_quantized(Tensor a) -> bool", (t) => isQuantized(t.dtype)),
  fact("aten::is_floating_point(Tensor self) -> bool", (t) => isFloat(t.dtype)),
  fact("aten::is_complex(Tensor self) -> bool", (t) => isComplex(t.dtype)),
  fact("aten::is_signed(Tensor self) -> bool", (t) => (t.dtype === "bool" ? false : dtypeInfo(t.dtype).signed)),
  fact("aten::is_conj(Tensor self) -> bool", (t) => t.conj),
  fact("aten::is_neg(Tensor self) -> bool", (t) => t.neg),
  fact("aten::is_leaf(Tensor self) -> bool", () => true),
  fact("aten::is_inference(Tensor self) -> bool", () => false),
  fact("aten::is_distributed(Tensor self) -> bool", () => false),
  fact("aten::is_pinned(Tensor self, Device? device=None) -> bool", () => false),
  fact("aten::_version(Tensor self) -> int", (t) => t.storage.version),
  fact("aten::output_nr(Tensor self) -> int", () => 0),
  fact("aten::is_contiguous(Tensor self) -> bool", (t) => t.isContiguous),
  fact("aten::is_contiguous.memory_format(Tensor self, MemoryFormat memory_format) -> bool", (t, [format]) => follows(t, format)),
  fact("aten::sym_is_contiguous(Tensor self, MemoryFormat memory_format=0) -> SymBool", (t, [format]) => follows(t, format ?? 0)),
  fact("aten::is_strides_like_format(Tensor self, MemoryFormat memory_format) -> bool", (t, [format]) => smallOf(format) !== 0 && follows(t, format)),
  fact("aten::is_non_overlapping_and_dense(Tensor self) -> bool", isDense),
  fact("aten::is_set_to(Tensor self, Tensor tensor) -> bool", (t, [other]) => {
    const u = tensorOf(other);
    return t.storage === u.storage && t.offset === u.offset && sameShape(t.shape, u.shape) && sameShape(t.strides, u.strides);
  }),
  fact("aten::_has_compatible_shallow_copy_type(Tensor self, Tensor from) -> bool", () => true),
  fact("aten::_has_same_storage_numel(Tensor self, Tensor other) -> bool", (t, [other]) => t.storage.nbytes / itemsize(t.dtype) === tensorOf(other).storage.nbytes / itemsize(tensorOf(other).dtype)),
  fact("aten::result_type.Tensor(Tensor tensor, Tensor other) -> ScalarType", (t, [other]) => torchOfDtype(resultType([t, tensorOf(other)]))),
  fact("aten::result_type.Scalar(Tensor tensor, Scalar other) -> ScalarType", (t, [other]) => torchOfDtype(resultType([t, scalarOf(other)]))),
  dataOp("aten::result_type.Scalar_Tensor(Scalar scalar, Tensor tensor) -> ScalarType", ([s, t]) => torchOfDtype(resultType([scalarOf(s), tensorOf(t)]))),
  dataOp("aten::result_type.Scalar_Scalar(Scalar scalar1, Scalar scalar2) -> ScalarType", ([a, b]) => torchOfDtype(resultType([scalarOf(a), scalarOf(b)]))),
  dataOp("aten::promote_types(ScalarType type1, ScalarType type2) -> ScalarType", ([a, b]) => torchOfDtype(promoteTypes(dtypeAt(a), dtypeAt(b)))),
  dataOp("aten::can_cast(ScalarType from_, ScalarType to) -> bool", ([a, b]) => canCast(dtypeAt(a), dtypeAt(b))),
  ...["_infer_size", "broadcast_shapes"].map((name) =>
    dataOp(`aten::${name}(int[] a, int[] b) -> int[]`, ([a, b]) => ints(broadcastShapes(listOf(a).items.map(smallOf), listOf(b).items.map(smallOf))))),
  dataOp("aten::_size_if_not_equal(int[] self_size, int[] other_size) -> int[]?", ([a, b]) => (sameShape(listOf(a).items.map(smallOf), listOf(b).items.map(smallOf)) ? null : (a ?? null))),
  dataOp("prim::ReductionSizes(int[] size, int[] red_axes, bool keepdim=False) -> int[]", ([size, axes, keepdim]) => {
    const sizes = listOf(size).items.map(smallOf);
    const reduced = new Set(listOf(axes).items.map((a) => wrapDim(smallOf(a), sizes.length)));
    return ints(keepdim === true ? sizes.map((s, i) => (reduced.has(i) ? 1 : s)) : sizes.filter((_, i) => !reduced.has(i)));
  }),
];
