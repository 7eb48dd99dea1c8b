/**
 * opwise: runs saved PyTorch (TorchScript, torch.export) and ONNX models in JavaScript.
 *
 *     const model = await load("model.pt");
 *     using session = await model.session();
 *     const y = await session.forward(Tensor.from(new Float32Array(150528), [1, 3, 224, 224]));
 */

export { formatOf, load, Model, modelOf, type LoadOptions, type SampleArguments, type SessionChoice, type ModelSummary, type ToOnnxOptions } from "./model.ts";
export { readCheckpoint, readStateDict, type Checkpoint, type CheckpointChoice, type CheckpointTensor, type CheckpointValue } from "./checkpoint.ts";
export { operators, type Operator } from "./operators.ts";
export type { CustomOp } from "./registered-ops.ts";
export { registerOp, customOp, type CustomFunction, type TorchFunction, type OnnxFunction, type AttributeValue } from "./custom-op.ts";
export { Session, type RunOptions, type Returned } from "./run/session.ts";
export type { Preparation } from "./run/sizes-only.ts";
export type { NamedTensor } from "./run/named-tensors.ts";
export type { Exported, GraphInput, Leaves } from "./export/export.ts";
export type { Input, Output } from "./run/convert.ts";
export { benchmark, type BenchmarkInputs, type BenchmarkOptions, type BenchmarkResult, type Latency } from "./run/benchmark.ts";
export { exampleInputs, type ExampleInputs, type GivenShapes } from "./run/example-inputs.ts";
export type { Placement } from "./run/placements.ts";
export type { MachineEvent, Listener } from "./run/event.ts";
export { Machine, type Status } from "./run/machine.ts";
export { takeSnapshot, type Snapshot } from "./run/snapshot.ts";
export { Tensor, type TensorData, type Quantizer } from "./tensor/tensor.ts";
export { DTYPES, type DType } from "./tensor/dtype.ts";
export { OpwiseError, isOpwiseError, type ErrorCode, type Where } from "./tensor/error.ts";
export type { Excerpt, TraceFrame } from "./tensor/traceback.ts";
export type { Program } from "./ir/graph.ts";
export type { Datum } from "./ir/datum.ts";
export { readNpy, readNpz, writeNpy, writeNpz } from "./arrays.ts";
export { printProgram, type PrintOptions } from "./ir/printer.ts";
export { elementsOf, type Element } from "./tensor/text.ts";
export type { Progress, SourceLike } from "./bytes/source.ts";
export type { Limits } from "./bytes/limits.ts";
export { decodePng, type Picture, type PngOptions } from "./codecs/png.ts";
export { convert } from "./codecs/convert.ts";
export { decodeImage, type DecodeOptions, type ImageFormat } from "./codecs/decode.ts";
export type { Image, Mode } from "./codecs/image.ts";
export { loadDecoder, type PeerFormat, type ModuleFactory } from "./codecs/peers.ts";
export { readWav, type Sound } from "./codecs/wav.ts";
export { resample } from "./preprocess/audio.ts";
export { stepsOfConfig } from "./preprocess/hugging-face.ts";
export type { Item } from "./preprocess/item.ts";
export { parseSteps } from "./preprocess/parse.ts";
export { Compose, imageFrom, type StepEvent } from "./preprocess/pipeline.ts";
export { loadImage, preprocess, type PictureSource, type PreprocessOptions, type Processed } from "./preprocess/preprocess.ts";
export { isPreset, PRESETS, type PresetName } from "./preprocess/presets.ts";
export type { Step } from "./preprocess/step.ts";
export { cpu, type CpuOptions } from "./backends/cpu/cpu.ts";
export { wasm, type WasmOptions } from "./backends/wasm/wasm.ts";
export { tfjs, type TfjsOptions } from "./backends/tfjs/tfjs.ts";
export type { TensorFlow, TfTensor } from "./backends/tfjs/tensorflow.ts";
export type { Backend } from "./prims/backend.ts";
