/** Numbers of torch.export's schema, which are not TorchScript's. */

import { type DType, torchOfDtype } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";

const DTYPES: Readonly<Record<number, DType>> = {
  1: "uint8",
  2: "int8",
  3: "int16",
  4: "int32",
  5: "int64",
  6: "float16",
  7: "float32",
  8: "float64",
  9: "complex32",
  10: "complex64",
  11: "complex128",
  12: "bool",
  13: "bfloat16",
  28: "uint16",
  29: "float8_e4m3fn",
  30: "float8_e5m2",
  31: "float8_e4m3fnuz",
  32: "float8_e5m2fnuz",
  33: "float8_e8m0fnu",
  34: "uint32",
  35: "uint64",
};

/** The dtype of an export `ScalarType` number. @throws unsupported-dtype */
export function dtypeOfExport(code: number): DType {
  const dtype = DTYPES[code];
  if (dtype === undefined) throw new OpwiseError("unsupported-dtype", `no dtype has the export number ${code}`);
  return dtype;
}

/** TorchScript's number of an export `ScalarType`. */
export function scalarTypeOfExport(code: number): number {
  return torchOfDtype(dtypeOfExport(code));
}

/** c10's numbers: strided 0, sparse_coo 1, sparse_csr 2, mkldnn 3, sparse_csc 4, sparse_bsr 5, sparse_bsc 6. */
const LAYOUTS: Readonly<Record<number, number>> = { 1: 1, 2: 2, 3: 4, 4: 5, 5: 6, 6: 3, 7: 0 };

export function layoutOfExport(code: number): number {
  const layout = LAYOUTS[code];
  if (layout === undefined) throw new OpwiseError("bad-model", `no layout has the export number ${code}`);
  return layout;
}

/** c10's numbers: contiguous 0, preserve 1, channels_last 2, channels_last_3d 3. */
const MEMORY_FORMATS: Readonly<Record<number, number>> = { 1: 0, 2: 2, 3: 3, 4: 1 };

export function memoryFormatOfExport(code: number): number {
  const format = MEMORY_FORMATS[code];
  if (format === undefined) throw new OpwiseError("bad-model", `no memory format has the export number ${code}`);
  return format;
}
