/**
 * The dtypes that onnxruntime's CPU kernels take, by op (opset 17 and later; all letters of `CODES` where an op is not listed).
 * An op in another dtype is computed in the nearest wider one, so that the model runs there too.
 */

import { type DType, dtypeInfo } from "../tensor/dtype.ts";

const CODES: Readonly<Record<string, DType>> = {
  f: "float32", d: "float64", h: "float16", g: "bfloat16", b: "bool", B: "uint8", c: "int8", H: "uint16", s: "int16", I: "uint32", i: "int32", Q: "uint64", l: "int64",
};

const TAKES: Readonly<Record<string, string>> = {
  Abs: "BHIQcdfils", Acos: "f", Acosh: "f", Add: "BHIQcdfils", And: "b", ArgMax: "Bcdfil", ArgMin: "Bcdfil", Asin: "f", Asinh: "f", Atan: "f", Atanh: "f",
  AveragePool: "f", BatchNormalization: "df", BitShift: "BIQ", BitwiseAnd: "BHIQcils", BitwiseNot: "BHIQcils", BitwiseOr: "BHIQcils", BitwiseXor: "BHIQcils",
  Ceil: "df", Celu: "f", Clip: "BIQcdfil", Col2Im: "f", Conv: "f", ConvTranspose: "f", Cos: "df", Cosh: "f", CumSum: "dfil", DFT: "df", DepthToSpace: "Bdf",
  Det: "f", Div: "BHIQcdfils", Einsum: "dfil", Elu: "f", Equal: "BHIQbcdfils", Erf: "f", Exp: "df", EyeLike: "Qdfil", Floor: "df", GRU: "df",
  Gelu: "f", Gemm: "df", GlobalAveragePool: "f", GlobalMaxPool: "f", Greater: "BHIQcdfils", GreaterOrEqual: "BHIQcdfils", GridSample: "f", HardSigmoid: "f",
  InstanceNormalization: "f", IsInf: "df", IsNaN: "df", LRN: "f", LSTM: "df", LayerNormalization: "df", LeakyRelu: "f", Less: "BHIQcdfils", LessOrEqual: "BHIQcdfils",
  Log: "df", LogSoftmax: "df", LpNormalization: "df", LpPool: "f", MatMul: "IQdfil", Max: "BIQcdfil", MaxPool: "Bcdf", Min: "BIQcdfil", Mod: "BHIQcdfils",
  Mul: "BHIQcdfils", Neg: "cdfils", NonZero: "Bbfil", Not: "b", OneHot: "fil", Or: "b", PRelu: "f", Pad: "BIQbcdfil", Pow: "dfil", RNN: "f", Range: "dfils",
  Reciprocal: "df", ReduceL1: "dfil", ReduceL2: "dfil", ReduceLogSum: "dfil", ReduceLogSumExp: "dfil", ReduceMax: "Bcdfil", ReduceMean: "dfil", ReduceMin: "Bcdfil",
  ReduceProd: "dfil", ReduceSum: "dfil", ReduceSumSquare: "dfil", Relu: "cdfi", Resize: "Bcfi", RoiAlign: "df", Round: "df", Selu: "f", Sigmoid: "df",
  Sign: "BHIQcdfils", Sin: "df", Sinh: "f", Softmax: "df", Softplus: "f", Softsign: "f", Sqrt: "df", Sub: "BHIQcdfils", Sum: "df", Tan: "f", Tanh: "df",
  ThresholdedRelu: "f", Tile: "BHIQbcdfils", TopK: "Bcdfils", Trilu: "bdfil", Unique: "cdfl", Where: "BIcdfil", Xor: "b", Expand: "BHIQbcdfils",
};

const taken = new Map<string, ReadonlySet<DType>>();

/** Wider dtypes, nearest first. */
const WIDER: Partial<Record<DType, readonly DType[]>> = {
  float16: ["float32"], bfloat16: ["float32"], bool: ["uint8", "int32", "int64", "float32"], uint8: ["int32", "int64", "float32"], int8: ["int32", "int64", "float32"], uint16: ["int32", "int64"],
  int16: ["int32", "int64"], uint32: ["int64"], int32: ["int64", "float64"], uint64: ["int64"], int64: ["float64"],
};

/** The dtype to compute in: `dtype` itself where kernels have it or nothing wider would do. */
export function kernelDtype(op: string, dtype: DType): DType {
  const letters = TAKES[op];
  if (letters === undefined) return dtype;
  let set = taken.get(op);
  if (set === undefined) taken.set(op, (set = new Set([...letters].map((c) => CODES[c] ?? "float32"))));
  if (set.has(dtype)) return dtype;
  for (const wider of WIDER[dtype] ?? []) if (set.has(wider) && dtypeInfo(wider).bits >= Math.min(dtypeInfo(dtype).bits, 31)) return wider;
  return dtype;
}
