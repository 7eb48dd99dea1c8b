/** From files to a batch: decode, run a pipeline, stack, and say how it was done. */

import { convert } from "../codecs/convert.ts";
import { decodeImage, type DecodeOptions, prepareFor } from "../codecs/decode.ts";
import type { Image, Mode } from "../codecs/image.ts";
import { transposeFor } from "../codecs/transpose.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import { decodeResized } from "./fused.ts";
import { isTensor, type Item } from "./item.ts";
import { cast, channelsLast, stack } from "./numbers.ts";
import { Compose, provenanceOf, type RunSteps } from "./pipeline.ts";
import { PRESETS, type PresetName } from "./presets.ts";
import type { Step } from "./step.ts";

export interface PreprocessOptions extends DecodeOptions, RunSteps {
  /** What a picture becomes after decoding; default RGB. */
  readonly mode?: Mode | "as-is";
  /** Turn pictures upright by their EXIF orientation first; default no, as Pillow and torchvision. */
  readonly upright?: boolean;
  /** Of the result; default what the pipeline gives. */
  readonly dtype?: "float32" | "float16" | "bfloat16";
  /** Order in memory; the shape is [N, C, H, W] in both. */
  readonly layout?: "contiguous" | "channels_last";
}

export interface Processed {
  /** [N, C, H, W]. */
  readonly tensor: Tensor;
  /** How the pixels were made: "jpeg islow, pil-bilinear 256, exact". */
  readonly provenance: string;
}

/** A file's bytes, or a decoded picture. */
export type PictureSource = Uint8Array | Image;

function composeOf(pipeline: PresetName | readonly Step[] | Compose): Compose {
  if (pipeline instanceof Compose) return pipeline;
  return new Compose(typeof pipeline === "string" ? PRESETS[pipeline] : pipeline);
}

/** A picture in the mode that is asked for. @throws bad-image and the other errors of `decodeImage` */
export async function loadImage(source: PictureSource, options: PreprocessOptions = {}): Promise<Image> {
  if (source instanceof Uint8Array) await prepareFor(source);
  const image = source instanceof Uint8Array ? decodeImage(source, options) : source;
  const upright = options.upright === true ? transposeFor(image, image.orientation ?? 1) : image;
  const mode = options.mode ?? "RGB";
  return mode === "as-is" ? upright : convert(upright, mode);
}

/**
 * One tensor [N, C, H, W] of one picture or several. Each goes through the pipeline alone; the results are stacked unless a step did so.
 * @throws bad-image and the other errors of `decodeImage`, bad-argument, shape-mismatch
 */
export async function preprocess(
  pictures: PictureSource | readonly PictureSource[],
  pipeline: PresetName | readonly Step[] | Compose,
  options: PreprocessOptions = {},
): Promise<Processed> {
  const compose = composeOf(pipeline);
  const sources: readonly PictureSource[] = Array.isArray(pictures) ? pictures : [pictures as PictureSource]; // an array is a list of pictures
  const [first, ...others] = compose.steps;
  const images: Image[] = [];
  const items: Item[] = [];
  for (const source of sources) {
    const resized = source instanceof Uint8Array ? decodeResized(source, first, options) : undefined;
    const image = resized ?? (await loadImage(source, options));
    images.push(image);
    if (options.onStep === undefined) items.push(...(resized === undefined ? new Compose(compose.steps.slice(0, 1)).apply([image], options) : [resized]));
  }
  // With a listener every step is run over all pictures; else the first was run on each alone, in one pass with decoding where that can be.
  const whole = batchOf(options.onStep === undefined ? new Compose(others).apply(items, options) : compose.apply(images, options));
  const decoders = new Set(images.map((image) => image.source ?? "pixels"));
  const typed = options.dtype === undefined ? whole : cast(whole, options.dtype);
  return {
    tensor: options.layout === "channels_last" ? channelsLast(typed) : typed,
    provenance: provenanceOf([...decoders].join(" and "), compose.steps, options.pillow),
  };
}

/** [C, H, W] each, or batches, to one batch. */
function batchOf(items: readonly Item[]): Tensor {
  const tensors = items.map((item) => {
    if (!isTensor(item)) throw new OpwiseError("bad-argument", "the pipeline ends in a picture", { hint: "end it with `ToTensor` or `PILToTensor`" });
    return item;
  });
  const [first] = tensors;
  if (first !== undefined && tensors.length === 1 && first.rank === 4) return first;
  if (tensors.every((tensor) => tensor.rank === 4)) {
    const stacked = stack(tensors);
    const [count = 0, each = 0, ...rest] = stacked.shape;
    return new Tensor(stacked.storage, stacked.dtype, [count * each, ...rest]);
  }
  return stack(tensors);
}
