/** The part of TensorFlow.js that this adapter uses, structurally: any copy of `@tensorflow/tfjs-core` fits; none is imported. */

export interface TfTensor {
  readonly shape: number[];
  readonly dtype: string;
  dispose(): void;
  dataSync(): ArrayLike<number> & ArrayBufferView;
  data(): Promise<ArrayLike<number> & ArrayBufferView>;
}

type TfDType = "float32" | "int32" | "bool";

/** Methods are written in method form, so that the real, generic signatures are assignable. */
export interface TensorFlow {
  getBackend(): string;
  getKernel(kernelName: string, backendName: string): unknown;
  tidy<T>(fn: () => T): T;
  keep<T extends TfTensor>(tensor: T): T;
  memory(): { numTensors: number; numBytes: number };
  tensor(values: Float32Array | Int32Array | Uint8Array | number[], shape: number[], dtype: TfDType): TfTensor;
  scalar(value: number | boolean, dtype: TfDType): TfTensor;
  cast(x: TfTensor, dtype: TfDType): TfTensor;
  reshape(x: TfTensor, shape: number[]): TfTensor;
  slice(x: TfTensor, begin: number[], size: number[]): TfTensor;
  transpose(x: TfTensor, perm: number[]): TfTensor;
  reverse(x: TfTensor, axis: number[]): TfTensor;
  tile(x: TfTensor, reps: number[]): TfTensor;
  concat(tensors: TfTensor[], axis: number): TfTensor;
  gather(x: TfTensor, indices: TfTensor, axis: number): TfTensor;
  pad(x: TfTensor, paddings: [number, number][], value: number): TfTensor;
  tensorScatterUpdate(x: TfTensor, indices: TfTensor, updates: TfTensor): TfTensor;
  where(cond: TfTensor, a: TfTensor, b: TfTensor): TfTensor;
  matMul(a: TfTensor, b: TfTensor, transposeA: boolean, transposeB: boolean): TfTensor;
  conv2d(x: TfTensor, filter: TfTensor, strides: [number, number], pad: "valid", dataFormat: "NHWC", dilations: [number, number]): TfTensor;
  depthwiseConv2d(x: TfTensor, filter: TfTensor, strides: [number, number], pad: "valid", dataFormat: "NHWC", dilations: [number, number]): TfTensor;
  conv2dTranspose(x: TfTensor, filter: TfTensor, outputShape: [number, number, number, number], strides: [number, number], pad: "valid"): TfTensor;
  maxPool(x: TfTensor, filterSize: [number, number], strides: [number, number], pad: "valid"): TfTensor;
  avgPool(x: TfTensor, filterSize: [number, number], strides: [number, number], pad: "valid"): TfTensor;
  softmax(x: TfTensor, dim: number): TfTensor;
  sum(x: TfTensor, axis: number[]): TfTensor;
  prod(x: TfTensor, axis: number[]): TfTensor;
  max(x: TfTensor, axis: number[]): TfTensor;
  min(x: TfTensor, axis: number[]): TfTensor;
  any(x: TfTensor, axis: number[]): TfTensor;
  all(x: TfTensor, axis: number[]): TfTensor;
  cumsum(x: TfTensor, axis: number, exclusive: boolean, reverse: boolean): TfTensor;
  add(a: TfTensor, b: TfTensor): TfTensor;
  sub(a: TfTensor, b: TfTensor): TfTensor;
  mul(a: TfTensor, b: TfTensor): TfTensor;
  div(a: TfTensor, b: TfTensor): TfTensor;
  floorDiv(a: TfTensor, b: TfTensor): TfTensor;
  mod(a: TfTensor, b: TfTensor): TfTensor;
  maximum(a: TfTensor, b: TfTensor): TfTensor;
  minimum(a: TfTensor, b: TfTensor): TfTensor;
  pow(a: TfTensor, b: TfTensor): TfTensor;
  atan2(a: TfTensor, b: TfTensor): TfTensor;
  equal(a: TfTensor, b: TfTensor): TfTensor;
  notEqual(a: TfTensor, b: TfTensor): TfTensor;
  less(a: TfTensor, b: TfTensor): TfTensor;
  lessEqual(a: TfTensor, b: TfTensor): TfTensor;
  greater(a: TfTensor, b: TfTensor): TfTensor;
  greaterEqual(a: TfTensor, b: TfTensor): TfTensor;
  logicalAnd(a: TfTensor, b: TfTensor): TfTensor;
  logicalOr(a: TfTensor, b: TfTensor): TfTensor;
  logicalXor(a: TfTensor, b: TfTensor): TfTensor;
  logicalNot(x: TfTensor): TfTensor;
  neg(x: TfTensor): TfTensor;
  abs(x: TfTensor): TfTensor;
  sign(x: TfTensor): TfTensor;
  floor(x: TfTensor): TfTensor;
  ceil(x: TfTensor): TfTensor;
  round(x: TfTensor): TfTensor;
  sqrt(x: TfTensor): TfTensor;
  exp(x: TfTensor): TfTensor;
  expm1(x: TfTensor): TfTensor;
  log(x: TfTensor): TfTensor;
  log1p(x: TfTensor): TfTensor;
  sin(x: TfTensor): TfTensor;
  cos(x: TfTensor): TfTensor;
  tan(x: TfTensor): TfTensor;
  asin(x: TfTensor): TfTensor;
  acos(x: TfTensor): TfTensor;
  atan(x: TfTensor): TfTensor;
  sinh(x: TfTensor): TfTensor;
  cosh(x: TfTensor): TfTensor;
  tanh(x: TfTensor): TfTensor;
  asinh(x: TfTensor): TfTensor;
  acosh(x: TfTensor): TfTensor;
  atanh(x: TfTensor): TfTensor;
  erf(x: TfTensor): TfTensor;
  sigmoid(x: TfTensor): TfTensor;
  isNaN(x: TfTensor): TfTensor;
  isInf(x: TfTensor): TfTensor;
  isFinite(x: TfTensor): TfTensor;
}
