/** The steps of a pipeline: plain objects, as JSON has them, under torchvision's names. */

import type { Mode } from "../codecs/image.ts";
import type { Transposition } from "../codecs/transpose.ts";
import type { Resample } from "./pil-resize.ts";

/** One number, or height and width. */
export type Size = number | readonly [height: number, width: number];
export type Interpolation = Resample | "nearest-exact";
export type PaddingMode = "constant" | "edge" | "reflect" | "symmetric";
/** All sides; left-right and top-bottom; or left, top, right, bottom. */
export type Padding =
  | number
  | readonly [n: number]
  | readonly [leftRight: number, topBottom: number]
  | readonly [left: number, top: number, right: number, bottom: number];
export type NumberType = "uint8" | "int16" | "int32" | "float32" | "float16" | "bfloat16";

export interface Resize {
  readonly op: "Resize";
  /** A number is the shorter edge's new length; the longer one's is cut off to a whole number. */
  readonly size: Size;
  /** Default bilinear. */
  readonly interpolation?: Interpolation;
  /** Most that the longer edge may become; for a `size` of one number. */
  readonly max_size?: number;
  /** `pil` for pictures, `tensor` for tensors; default what comes in. */
  readonly path?: "pil" | "tensor";
  /** For tensors; default true. Pictures are always filtered. */
  readonly antialias?: boolean;
  /** For tensors: torchvision.transforms (v1) or transforms.v2, the default. */
  readonly api?: "v1" | "v2";
}
export interface CenterCrop {
  readonly op: "CenterCrop";
  readonly size: Size;
  /** Which pixel where the middle lies between two: torchvision rounds to even, Hugging Face down. Default torchvision. */
  readonly middle?: "even" | "floor";
}
export interface Crop {
  readonly op: "Crop";
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}
export interface FiveCrop {
  readonly op: "FiveCrop";
  readonly size: Size;
}
export interface TenCrop {
  readonly op: "TenCrop";
  readonly size: Size;
  readonly vertical_flip?: boolean;
}
export interface Pad {
  readonly op: "Pad";
  readonly padding: Padding;
  /** A level, or one for each channel; default 0. */
  readonly fill?: number | readonly number[];
  readonly padding_mode?: PaddingMode;
}
export interface HorizontalFlip {
  readonly op: "HorizontalFlip";
}
export interface VerticalFlip {
  readonly op: "VerticalFlip";
}
export interface Rotate90 {
  readonly op: "Rotate90";
  /** Quarter turns, counter-clockwise. */
  readonly k: number;
}
export interface Grayscale {
  readonly op: "Grayscale";
  readonly num_output_channels?: 1 | 3;
  readonly api?: "v1" | "v2";
}
export interface PILToTensor {
  readonly op: "PILToTensor";
}
export interface ToTensor {
  readonly op: "ToTensor";
}
export interface ConvertImageDtype {
  readonly op: "ConvertImageDtype";
  readonly dtype: "uint8" | "int16" | "int32" | "float32";
}
export interface Normalize {
  readonly op: "Normalize";
  readonly mean: readonly number[];
  readonly std: readonly number[];
}
export interface Cast {
  readonly op: "Cast";
  readonly dtype: NumberType;
}
export interface ChannelsLast {
  readonly op: "ChannelsLast";
}
export interface Unsqueeze {
  readonly op: "Unsqueeze";
}
/** All items of the list to one tensor with a new first axis. */
export interface Stack {
  readonly op: "Stack";
}
export interface ExifTranspose {
  readonly op: "ExifTranspose";
}
export interface Convert {
  readonly op: "Convert";
  readonly mode: Mode;
}
export interface Transpose {
  readonly op: "Transpose";
  readonly method: Transposition;
}
/** `Image.resize`: size is width, height. */
export interface PilResize {
  readonly op: "PilResize";
  readonly size: readonly [width: number, height: number];
  /** Default bicubic. */
  readonly resample?: Resample;
  readonly box?: readonly [x0: number, y0: number, x1: number, y1: number];
  readonly reducing_gap?: number;
}
export interface Thumbnail {
  readonly op: "Thumbnail";
  readonly size: readonly [width: number, height: number];
}
export interface Reduce {
  readonly op: "Reduce";
  readonly factor: number | readonly [x: number, y: number];
}
/** Cuts off what is dark: content has a channel above the threshold. */
export interface CropBorders {
  readonly op: "CropBorders";
  readonly threshold: number;
}
/** YOLO's: scaled to fit, the rest padded. */
export interface Letterbox {
  readonly op: "Letterbox";
  readonly size: Size;
  /** Level of the padding; default 114. */
  readonly pad?: number;
  /** With `auto`, only padded to a multiple of this; default 32. */
  readonly stride?: number;
  readonly auto?: boolean;
  /** May small pictures grow? Default yes. */
  readonly scaleup?: boolean;
  /** Default yes. */
  readonly center?: boolean;
  readonly resample?: "cv2-linear" | "pil-bilinear";
}
/** Each number times a factor, in double precision, stored as float32: Hugging Face's `rescale`. */
export interface Rescale {
  readonly op: "Rescale";
  readonly factor: number;
}
/** RGB as it looks on white, where the picture has alpha: Hugging Face's `convert_to_rgb`. */
export interface OnWhite {
  readonly op: "OnWhite";
}
/** The fields of a preprocessor_config.json. */
export interface HFProcessor {
  readonly op: "HFProcessor";
  readonly config: Readonly<Record<string, unknown>>;
}

export type Step =
  | Resize
  | CenterCrop
  | Crop
  | FiveCrop
  | TenCrop
  | Pad
  | HorizontalFlip
  | VerticalFlip
  | Rotate90
  | Grayscale
  | PILToTensor
  | ToTensor
  | ConvertImageDtype
  | Normalize
  | Cast
  | ChannelsLast
  | Unsqueeze
  | Stack
  | ExifTranspose
  | Convert
  | Transpose
  | PilResize
  | Thumbnail
  | Reduce
  | CropBorders
  | Letterbox
  | Rescale
  | OnWhite
  | HFProcessor;
