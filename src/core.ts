/**
 * `opwise/core`: running models, and nothing else. What a page needs that has its inputs as numbers: no pictures, no sound, no TensorFlow.js, no tools.
 * Loaders and families of ops come when a model needs them. Everything here is in `opwise` too.
 */

export { load, Model, type LoadOptions, type SampleArguments, type SessionChoice, type ModelSummary } from "./model.ts";
export { Session, type RunOptions, type Returned } from "./run/session.ts";
export type { Preparation } from "./run/sizes-only.ts";
export type { NamedTensor } from "./run/named-tensors.ts";
export type { Input, Output } from "./run/convert.ts";
export type { Placement } from "./run/placements.ts";
export { Tensor, type TensorData, type Quantizer } from "./tensor/tensor.ts";
export { DTYPES, type DType } from "./tensor/dtype.ts";
export { OpwiseError, isOpwiseError, type ErrorCode, type Where } from "./tensor/error.ts";
export type { Progress, SourceLike } from "./bytes/source.ts";
export type { Limits } from "./bytes/limits.ts";
export { cpu, type CpuOptions } from "./backends/cpu/cpu.ts";
export { wasm, type WasmOptions } from "./backends/wasm/wasm.ts";
export type { Backend } from "./prims/backend.ts";
