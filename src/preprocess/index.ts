/**
 * Pictures to tensors with the pixels of Pillow and torchvision, byte for byte; usable without the runtime, in Node and in a browser.
 *
 *     import { preprocess } from "opwise/preprocess";
 *     const { tensor, provenance } = await preprocess(bytes, "imagenet");
 */

export { preprocess, loadImage, type PreprocessOptions, type Processed, type PictureSource } from "./preprocess.ts";
export { Compose, imageFrom, type StepEvent, type RunSteps } from "./pipeline.ts";
export { parseSteps } from "./parse.ts";
export { stepsOfConfig } from "./hugging-face.ts";
export { isPreset, PRESETS, type PresetName } from "./presets.ts";
export type * from "./step.ts";
export { isTensor, type Item } from "./item.ts";
export { resample } from "./audio.ts";
export { decodeImage, formatOf, type DecodeOptions, type ImageFormat } from "../codecs/decode.ts";
export { loadDecoder, type PeerFormat, type ModuleFactory } from "../codecs/peers.ts";
export { convert } from "../codecs/convert.ts";
export { transpose, transposeFor, type Transposition } from "../codecs/transpose.ts";
export type { Image, Mode, Samples } from "../codecs/image.ts";
export { readWav, type Sound } from "../codecs/wav.ts";
export { Tensor } from "../tensor/tensor.ts";
export { OpwiseError, isOpwiseError } from "../tensor/error.ts";
