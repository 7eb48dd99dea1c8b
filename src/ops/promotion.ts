/** PyTorch's type promotion of operands (at::native::result_type): tensors with dims, 0-dim tensors and numbers weigh differently. */

import type { Scalar } from "../ir/datum.ts";
import { complexOf, type DType, dtypeInfo, isComplex, isFloat, promoteTypes } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";

/** The dtype that a number is promoted as. */
export function scalarDtype(scalar: Scalar, defaultDtype: DType = "float32"): DType {
  switch (scalar.kind) {
    case "int": return "int64";
    case "float": return defaultDtype;
    case "bool": return "bool";
    case "complex": return complexOf(defaultDtype);
    default: return scalar satisfies never;
  }
}

/** The dtype that a number of `dtype`'s kind is promoted as. */
function numberDtype(dtype: DType, defaultDtype: DType): DType {
  const kind = dtypeInfo(dtype).class;
  return kind === "int" ? "int64" : kind === "float" ? defaultDtype : kind === "complex" ? complexOf(defaultDtype) : dtype;
}

function join(a: DType | undefined, b: DType | undefined): DType | undefined {
  return a === undefined ? b : b === undefined ? a : promoteTypes(a, b);
}

/** The dominant dtype wins unless the other is of a higher category. */
function dominate(higher: DType | undefined, lower: DType | undefined): DType | undefined {
  if (higher === undefined) return lower;
  if (lower === undefined || isComplex(higher)) return higher;
  if (isFloat(higher)) return isComplex(lower) ? complexOf(higher === "bfloat16" ? "float32" : higher) : higher;
  if (higher === "bool" || isFloat(lower) || isComplex(lower)) return promoteTypes(higher, lower);
  return higher;
}

/** The common dtype of tensors and scalars (torch.result_type). */
export function resultType(operands: readonly (Tensor | Scalar)[], defaultDtype: DType = "float32"): DType {
  let dims: DType | undefined;
  let zero: DType | undefined;
  let wrapped: DType | undefined;
  for (const operand of operands) {
    if (operand instanceof Tensor) {
      if (operand.wrappedNumber) wrapped = join(wrapped, numberDtype(operand.dtype, defaultDtype));
      else if (operand.shape.length > 0) dims = join(dims, operand.dtype);
      else zero = join(zero, operand.dtype);
    } else wrapped = join(wrapped, scalarDtype(operand, defaultDtype));
  }
  return dominate(dims, dominate(zero, wrapped)) ?? defaultDtype;
}

/** Integers and bools become the default float dtype (PyTorch's int-to-float promotion). */
export function floatPromoted(dtype: DType, defaultDtype: DType = "float32"): DType {
  const kind = dtypeInfo(dtype).class;
  return kind === "int" || kind === "bool" ? defaultDtype : dtype;
}
