/** Samples of what a tensor says about itself. */

import { aten, bool, dtype, float, int, ints, memoryFormat, prim, type Sample, t } from "../../../test/golden/sample-tensor.ts";

const x = t([2, 3]);
const turned = t([2, 3], { dtype: "int16", transpose: true });
const facts = ["size", "sym_size", "dim", "numel", "sym_numel", "stride", "sym_stride", "storage_offset", "sym_storage_offset", "element_size", "get_device", "is_floating_point", "is_complex",
  "is_signed", "is_conj", "is_neg", "is_leaf", "is_inference", "is_distributed", "is_pinned", "output_nr", "is_contiguous", "sym_is_contiguous", "is_non_overlapping_and_dense"];
const properties = ["itemsize", "nbytes", "dtype", "device", "layout", "grad", "requires_grad", "data", "is_cuda", "is_meta", "is_maia", "is_nested", "is_mtia", "is_ipu", "is_vulkan", "is_mps",
  "is_mkldnn", "is_sparse", "is_sparse_csr", "is_xpu", "is_xla", "is_cpu", "is_quantized"];

export const samples: readonly Sample[] = [
  ...facts.flatMap((name) => [aten(name, [x]), aten(name, [turned])]),
  ...properties.map((name) => prim(name, [turned])),
  aten("is_complex", [t([], { dtype: "complex64" })]),
  aten("numel", [t([2, 0])]),
  ...["size.int", "sym_size.int", "stride.int", "sym_stride.int"].flatMap((name) => [aten(name, [turned, int(-1)]), aten(name, [x, int(2)])]),
  aten("len.Tensor", [x]),
  aten("len.Tensor", [t([])]),
  aten("data", [x]),
  aten("is_contiguous.memory_format", [t([1, 2, 2, 2])], { memory_format: memoryFormat("channels_last") }),
  aten("is_strides_like_format", [t([1, 2, 2, 2])], { memory_format: memoryFormat("channels_last") }),
  aten("is_same_size", [x, turned]),
  aten("is_set_to", [x, t([2, 3])]),
  aten("_has_compatible_shallow_copy_type", [x, turned]),
  aten("_has_same_storage_numel", [x, t([6])]),
  aten("result_type.Tensor", [turned, t([])]),
  aten("result_type.Scalar", [turned, float(0.5)]),
  aten("result_type.Scalar_Tensor", [int(2), turned]),
  aten("result_type.Scalar_Scalar", [int(2), bool(true)]),
  aten("promote_types", [dtype("uint8"), dtype("int8")]),
  aten("can_cast", [dtype("float32"), dtype("int64")]),
  ...["_infer_size", "broadcast_shapes"].flatMap((name) => [aten(name, [ints(2, 1), ints(3)]), aten(name, [ints(2), ints(3)])]),
  aten("_size_if_not_equal", [ints(2), ints(2)]),
  aten("_size_if_not_equal", [ints(2), ints(3)]),
  prim("ReductionSizes", [ints(2, 3, 4), ints(1, 2), bool(true)]),
];
