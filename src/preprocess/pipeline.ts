/** Runs steps over pictures and tensors. */

import { convert, onWhite } from "../codecs/convert.ts";
import { CHANNELS, type Image } from "../codecs/image.ts";
import { transpose, transposeFor } from "../codecs/transpose.ts";
import { OpwiseError } from "../tensor/error.ts";
import { centerCrop, crop, cropBorders, fiveCrop, flipHorizontally, flipVertically, pad, rotate90, tenCrop } from "./geometry.ts";
import { stepsOfConfig } from "./hugging-face.ts";
import { asImage, asTensor, heightOf, isTensor, type Item, widthOf } from "./item.ts";
import { letterbox } from "./letterbox.ts";
import { cast, channelsLast, convertImageDtype, grayscale, normalize, pilToTensor, rescale, stack, toTensor, unsqueeze } from "./numbers.ts";
import { parseSteps } from "./parse.ts";
import { reduce, resize, thumbnail } from "./pil-resize.ts";
import { resizedTo } from "./sizes.ts";
import type { Resize, Step } from "./step.ts";
import { resizeTensor } from "./tensor-resize.ts";

/** What a step gave; the debugger shows `items` as pictures. */
export interface StepEvent {
  /** From 0. */
  readonly index: number;
  readonly step: Step;
  /** What came out: one item, or several after `FiveCrop` and before `Stack`. */
  readonly items: readonly Item[];
}

export interface RunSteps {
  /** Whose Pillow: 13, the default, or 12, which orders the passes of a resize otherwise. */
  readonly pillow?: 12 | 13 | undefined;
  /** Whether WebAssembly may be used for the hot loops; default yes. */
  readonly wasm?: boolean | undefined;
  /** Called after each step. */
  readonly onStep?: ((event: StepEvent) => void) | undefined;
}

type OneStep = Exclude<Step, { readonly op: "FiveCrop" | "TenCrop" | "Stack" | "HFProcessor" }>;

function resized(item: Item, step: Resize, { pillow, wasm }: RunSteps): Item {
  const [height, width] = resizedTo(step.size, step.max_size, heightOf(item), widthOf(item));
  const interpolation = step.interpolation ?? "bilinear";
  if (height === heightOf(item) && width === widthOf(item)) return item;
  if ((step.path ?? (isTensor(item) ? "tensor" : "pil")) === "pil") {
    return resize(asImage(item, "Resize"), width, height, interpolation === "nearest-exact" ? "nearest" : interpolation, { pillow, wasm });
  }
  if (interpolation === "box" || interpolation === "hamming") throw new OpwiseError("bad-argument", `tensors are not resized by \`${interpolation}\``);
  const antialias = step.antialias ?? true;
  return resizeTensor(asTensor(item, "Resize"), height, width, { interpolation, antialias, api: step.api ?? "v2" });
}

function applyOne(item: Item, step: OneStep, options: RunSteps): Item {
  const { pillow, wasm } = options;
  switch (step.op) {
    case "Resize":
      return resized(item, step, options);
    case "CenterCrop":
      return centerCrop(item, step.size, step.middle ?? "even");
    case "Crop":
      return crop(item, step);
    case "Pad":
      return pad(item, step);
    case "HorizontalFlip":
      return flipHorizontally(item);
    case "VerticalFlip":
      return flipVertically(item);
    case "Rotate90":
      return rotate90(item, step.k);
    case "Grayscale":
      return grayscale(item, step);
    case "PILToTensor":
      return pilToTensor(asImage(item, step.op));
    case "ToTensor":
      return toTensor(asImage(item, step.op));
    case "ConvertImageDtype":
      return convertImageDtype(asTensor(item, step.op), step);
    case "Normalize":
      return normalize(asTensor(item, step.op), step.mean, step.std);
    case "Cast":
      return cast(asTensor(item, step.op), step.dtype);
    case "ChannelsLast":
      return channelsLast(asTensor(item, step.op));
    case "Unsqueeze":
      return unsqueeze(asTensor(item, step.op));
    case "ExifTranspose": {
      const image = asImage(item, step.op);
      return transposeFor(image, image.orientation ?? 1);
    }
    case "Convert":
      return convert(asImage(item, step.op), step.mode);
    case "Transpose":
      return transpose(asImage(item, step.op), step.method);
    case "PilResize":
      return resize(asImage(item, step.op), step.size[0], step.size[1], step.resample ?? "bicubic", {
        box: step.box,
        reducingGap: step.reducing_gap,
        pillow,
        wasm,
      });
    case "Thumbnail":
      return thumbnail(asImage(item, step.op), step.size[0], step.size[1], pillow);
    case "Reduce": {
      const [x, y] = typeof step.factor === "number" ? [step.factor, step.factor] : step.factor;
      return reduce(asImage(item, step.op), x, y);
    }
    case "CropBorders":
      return cropBorders(asImage(item, step.op), step);
    case "Letterbox":
      return letterbox(asImage(item, step.op), step, pillow);
    case "Rescale":
      return rescale(asTensor(item, step.op), step.factor);
    case "OnWhite":
      return onWhite(asImage(item, step.op));
    default:
      return step satisfies never;
  }
}

function applyStep(items: readonly Item[], step: Step, options: RunSteps): readonly Item[] {
  switch (step.op) {
    case "FiveCrop":
      return items.flatMap((item) => fiveCrop(item, step));
    case "TenCrop":
      return items.flatMap((item) => tenCrop(item, step));
    case "Stack":
      return [stack(items.map((item) => asTensor(item, step.op)))];
    case "HFProcessor":
      return stepsOfConfig(step.config).reduce<readonly Item[]>((now, inner) => applyStep(now, inner, options), items);
    default:
      return items.map((item) => applyOne(item, step, options));
  }
}

/** A checked list of steps; its JSON form is the list itself. */
export class Compose {
  readonly steps: readonly Step[];

  /** @throws bad-argument naming the step and field at fault */
  constructor(steps: readonly Step[]) {
    this.steps = parseSteps(steps);
  }

  /** The items after all steps: as many as came in, unless a step makes more or one of them. */
  apply(items: readonly Item[], options: RunSteps = {}): readonly Item[] {
    let now = items;
    for (const [index, step] of this.steps.entries()) {
      now = applyStep(now, step, options);
      options.onStep?.({ index, step, items: now });
    }
    return now;
  }

  toJSON(): readonly Step[] {
    return this.steps;
  }
}

/** What changed the pixels, for the record: "pil-bilinear 224". Steps that only move or name them have none. */
function noteOf(step: Step, pil: string): readonly string[] {
  switch (step.op) {
    case "Resize": {
      const size = typeof step.size === "number" ? `${step.size}` : `${step.size[0]}x${step.size[1]}`;
      const way = step.path === "tensor" ? `tensor-${step.api ?? "v2"}${step.antialias === false ? "-plain" : ""}` : pil;
      return [`${way}-${step.interpolation ?? "bilinear"} ${size}`];
    }
    case "PilResize":
      return [`${pil}-${step.resample ?? "bicubic"} ${step.size[1]}x${step.size[0]}`];
    case "Thumbnail":
      return [`thumbnail ${step.size[1]}x${step.size[0]}`];
    case "Reduce":
      return [`reduce ${step.factor.toString()}`];
    case "Letterbox":
      return [`letterbox ${step.resample ?? "cv2-linear"} ${step.size.toString()}`];
    case "Grayscale":
      return ["grayscale"];
    case "HFProcessor":
      return stepsOfConfig(step.config).flatMap((inner) => noteOf(inner, pil));
    default:
      return [];
  }
}

/** How far the result may be from torchvision's: floats resized as tensors depend on torch's own CPU variants. */
function exactnessOf(steps: readonly Step[]): string {
  let isFloat = false;
  let within = 0;
  for (const step of steps) {
    if (step.op === "ToTensor" || step.op === "Rescale" || (step.op === "ConvertImageDtype" && step.dtype === "float32")) isFloat = true;
    if (step.op !== "Resize" || step.path !== "tensor" || step.interpolation?.startsWith("nearest") === true) continue;
    if (isFloat) within = Math.max(within, step.antialias === false ? 3e-5 : 2e-6);
    else if (step.api === "v1") within = Math.max(within, 1);
  }
  return within === 0 ? "exact" : `within ${within}`;
}

/** "jpeg islow, pil-bilinear 224, exact"; "pil12" where the passes go in Pillow 12's order. */
export function provenanceOf(source: string, steps: readonly Step[], pillow: 12 | 13 = 13): string {
  return [source, ...steps.flatMap((step) => noteOf(step, pillow === 12 ? "pil12" : "pil")), exactnessOf(steps)].join(", ");
}

/** A picture of pixels that something else decoded, rows from the top, values of a pixel together: 1, 3 or 4 channels of bytes. @throws bad-argument */
export function imageFrom(data: Uint8Array | Uint8ClampedArray, width: number, height: number): Image {
  const channels = data.length / (width * height);
  const mode = channels === 1 ? "L" : channels === 3 ? "RGB" : channels === 4 ? "RGBA" : undefined;
  if (mode === undefined || CHANNELS[mode] !== channels)
    throw new OpwiseError("bad-argument", "the pixels do not fill the picture", {
      wanted: `${width * height} pixels of 1, 3 or 4 bytes`,
      got: `${data.length} bytes`,
    });
  return { mode, width, height, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}
