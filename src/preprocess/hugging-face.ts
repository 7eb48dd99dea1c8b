/** A Hugging Face `preprocessor_config.json` as steps: what transformers' PIL processors do. */

import { OpwiseError } from "../tensor/error.ts";
import type { Resample } from "./pil-resize.ts";
import type { Size, Step } from "./step.ts";

type Config = Readonly<Record<string, unknown>>;

const RESAMPLES: readonly Resample[] = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"];
const HALVES = [0.5, 0.5, 0.5];
const IMAGENET = { image_mean: [0.485, 0.456, 0.406], image_std: [0.229, 0.224, 0.225] };
const OPENAI = { image_mean: [0.48145466, 0.4578275, 0.40821073], image_std: [0.26862954, 0.26130258, 0.27577711] };
const [BILINEAR, BICUBIC] = [2, 3];

/** What every processor has unless it says otherwise. */
const COMMON: Config = {
  do_resize: true,
  do_center_crop: false,
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  do_convert_rgb: false,
  image_mean: HALVES,
  image_std: HALVES,
  resample: BICUBIC,
  square: true,
  crops: true,
};

/** Fields that a config may leave out, by processor. `square`: a size of one number means both edges; `crops`: `do_center_crop` counts. */
const DEFAULTS: Readonly<Record<string, Config>> = {
  ViT: { resample: BILINEAR, size: 224 },
  DeiT: { size: 256, crop_size: 224, do_center_crop: true },
  CLIP: { size: { shortest_edge: 224 }, square: false, crop_size: 224, do_center_crop: true, do_convert_rgb: true, ...OPENAI },
  ChineseCLIP: { size: { shortest_edge: 224 }, square: false, crop_size: 224, do_center_crop: true, do_convert_rgb: true, ...OPENAI },
  Bit: { size: { shortest_edge: 224 }, square: false, crop_size: 224, do_center_crop: true, do_convert_rgb: true, ...OPENAI },
  Blip: { size: 384, do_convert_rgb: true, ...OPENAI },
  Siglip: { size: 224, do_convert_rgb: true },
  Beit: { size: 224, crop_size: 224 },
  ConvNext: { size: { shortest_edge: 384 }, square: false, crop_pct: 0.875 },
  MobileNetV1: { size: { shortest_edge: 256 }, square: false, crop_size: 224, do_center_crop: true, resample: BILINEAR },
  MobileNetV2: { size: { shortest_edge: 256 }, square: false, crop_size: 224, do_center_crop: true, resample: BILINEAR },
  Pvt: { size: 224, ...IMAGENET },
  Segformer: { crops: false, size: 512, resample: BILINEAR, ...IMAGENET },
  OwlViT: { size: 768, crop_size: 768, do_convert_rgb: true, ...OPENAI },
};

function bad(field: string, value: unknown, wanted: string): OpwiseError {
  return new OpwiseError("bad-argument", `\`${field}\` of the preprocessor config is not read`, { wanted, got: JSON.stringify(value) ?? "nothing" });
}

/** The steps; the result is `pixel_values`, [1, C, H, W]. @throws bad-argument for a processor or field that is not known */
export function stepsOfConfig(config: Config): readonly Step[] {
  const kind = config["image_processor_type"] ?? config["feature_extractor_type"];
  const name = (typeof kind === "string" ? kind : "").replace(/(?:ImageProcessor(?:Fast|Pil)?|FeatureExtractor)$/, "");
  const defaults = DEFAULTS[name];
  if (defaults === undefined) throw bad("image_processor_type", kind, Object.keys(DEFAULTS).join(", "));
  const given = Object.fromEntries(Object.entries(config).filter(([, value]) => value !== null && value !== undefined));
  const fields: Config = { ...COMMON, ...defaults, ...given };
  const on = (field: string): boolean => fields[field] === true;
  return [
    ...(on("do_convert_rgb") ? [{ op: "OnWhite" } as const] : []),
    ...(on("do_resize") ? resizing(name, fields) : []),
    ...(on("do_center_crop") && on("crops") ? [{ op: "CenterCrop", size: squareOf("crop_size", fields["crop_size"]), middle: "floor" } as const] : []),
    { op: "PILToTensor" },
    ...(on("do_rescale") ? [{ op: "Rescale", factor: numberOf("rescale_factor", fields["rescale_factor"]) } as const] : []),
    ...(on("do_normalize") ? normalizing(fields, on("do_rescale")) : []),
    { op: "Unsqueeze" },
  ];
}

function resizing(name: string, fields: Config): readonly Step[] {
  const resample = RESAMPLES[numberOf("resample", fields["resample"])];
  if (resample === undefined) throw bad("resample", fields["resample"], "0 to 5");
  const size = sizeOf(fields["size"], fields["square"] === true);
  const to = (target: Size): Step => ({ op: "Resize", size: target, interpolation: resample, path: "pil" });
  if (name !== "ConvNext") return [to(size)];
  // Up to 384 a margin is cut off; from there on the picture is squashed.
  if (typeof size !== "number") throw bad("size", fields["size"], "shortest_edge");
  if (size >= 384) return [to([size, size])];
  return [to(Math.trunc(size / numberOf("crop_pct", fields["crop_pct"]))), { op: "CenterCrop", size, middle: "floor" }];
}

function normalizing(fields: Config, isFloat: boolean): readonly Step[] {
  const list = (field: string): readonly number[] => {
    const value = fields[field];
    if (typeof value === "number") return [value];
    if (Array.isArray(value) && value.every((v) => typeof v === "number")) return value;
    throw bad(field, value, "numbers");
  };
  return [...(isFloat ? [] : [{ op: "Cast", dtype: "float32" } as const]), { op: "Normalize", mean: list("image_mean"), std: list("image_std") }];
}

function numberOf(field: string, value: unknown): number {
  if (typeof value !== "number" || !Number.isFinite(value)) throw bad(field, value, "a number");
  return value;
}

/** One number is the shorter edge, a pair the height and width. */
function sizeOf(value: unknown, square: boolean): Size {
  if (typeof value === "number") return square ? [value, value] : value;
  if (typeof value === "object" && value !== null) {
    const { height, width, shortest_edge: short, ...others } = value as Config;
    if (typeof height === "number" && typeof width === "number") return [height, width];
    if (typeof short === "number" && Object.keys(others).length === 0) return short;
  }
  throw bad("size", value, "a number, {height, width} or {shortest_edge}");
}

function squareOf(field: string, value: unknown): readonly [height: number, width: number] {
  const size = sizeOf(value, true);
  if (typeof size === "number") throw bad(field, value, "a number or {height, width}");
  return size;
}
