/** Pillow's conversions between modes: alpha is dropped and never laid over a background, profiles are ignored, 16 bits are clipped. */

import { OpwiseError } from "../tensor/error.ts";
import { CHANNELS, type Image, type Mode, type Samples, samplesFor } from "./image.ts";

/** `a * b / 255`, rounded. */
export function mulDiv255(a: number, b: number): number {
  const t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

function lumaOf(r: number, g: number, b: number): number {
  return (19_595 * r + 38_470 * g + 7471 * b + 32_768) >> 16;
}

function clip(v: number): number {
  return v <= 0 ? 0 : v >= 255 ? 255 : Math.trunc(v);
}

/** The picture in another mode. @throws bad-argument for pairs that need a palette or dithering */
export function convert(image: Image, mode: Mode): Image {
  if (image.mode === mode) return image;
  const made = (data: Samples): Image => ({ mode, width: image.width, height: image.height, data, orientation: image.orientation, source: image.source });
  switch (mode) {
    case "RGB":
      return made(toRgb(image));
    case "L":
      return { ...made(toGrey(image)), transparent: image.mode === "1" ? image.transparent : undefined };
    case "RGBA":
      return made(withAlpha(toRgb(image), 3, alphaOf(image, true)));
    case "LA":
      return made(withAlpha(toGrey(image), 1, alphaOf(image, false)));
    case "RGBa":
    case "La":
      return made(premultiplied(convert(image, mode === "La" ? "LA" : "RGBA")));
    case "CMYK":
      return made(toCmyk(toRgb(image)));
    case "I":
    case "F":
      return made(toWide(image, mode));
    case "1":
    case "P":
    case "I;16":
      break;
    default:
      mode satisfies never;
  }
  throw new OpwiseError("bad-argument", `a picture of mode \`${image.mode}\` cannot be converted to \`${mode}\``, {
    hint: "L, LA, RGB, RGBA, CMYK, I and F can be made",
  });
}

/** Interleaved RGB, without alpha. */
function toRgb(image: Image): Uint8Array {
  const { mode, data, width, height } = image;
  const count = width * height;
  const out = new Uint8Array(3 * count);
  if (mode === "RGB") out.set(data);
  else if (mode === "P") {
    const palette = image.palette ?? new Uint8Array(768);
    for (let i = 0; i < count; i++) for (let c = 0; c < 3; c++) out[3 * i + c] = palette[3 * (data[i] ?? 0) + c] ?? 0;
  } else if (mode === "CMYK") {
    for (let i = 0; i < count; i++) {
      const white = 255 - (data[4 * i + 3] ?? 0);
      for (let c = 0; c < 3; c++) out[3 * i + c] = clip(white - mulDiv255(data[4 * i + c] ?? 0, white));
    }
  } else if (mode === "RGBA" || mode === "RGBa") {
    const straight = mode === "RGBa" ? unmultiplied(image) : data;
    for (let i = 0; i < count; i++) for (let c = 0; c < 3; c++) out[3 * i + c] = straight[4 * i + c] ?? 0;
  } else {
    const grey = toGrey(image);
    for (let i = 0; i < count; i++) out.fill(grey[i] ?? 0, 3 * i, 3 * i + 3);
  }
  return out;
}

function toGrey(image: Image): Uint8Array {
  const { mode, data, width, height } = image;
  const count = width * height;
  const out = new Uint8Array(count);
  if (mode === "RGB" || mode === "RGBA" || mode === "P" || mode === "CMYK" || mode === "RGBa") {
    const rgb = mode === "RGB" ? data : toRgb(image);
    for (let i = 0; i < count; i++) out[i] = lumaOf(rgb[3 * i] ?? 0, rgb[3 * i + 1] ?? 0, rgb[3 * i + 2] ?? 0);
  } else {
    const source = mode === "La" ? unmultiplied(image) : data;
    const step = CHANNELS[mode];
    for (let i = 0; i < count; i++) out[i] = clip(source[step * i] ?? 0);
  }
  return out;
}

/** A pixel's alpha. The transparent level or colour counts where the target has colours. */
function alphaOf(image: Image, colours: boolean): (i: number) => number {
  const { mode, data, transparent, paletteAlpha } = image;
  if (mode === "LA" || mode === "La") return (i) => data[2 * i + 1] ?? 0;
  if (mode === "RGBA" || mode === "RGBa") return (i) => data[4 * i + 3] ?? 0;
  if (mode === "P" && paletteAlpha !== undefined) return (i) => paletteAlpha[data[i] ?? 0] ?? 255;
  if (transparent !== undefined && (colours || mode !== "RGB")) {
    const step = CHANNELS[mode];
    return (i) => (transparent.every((key, c) => (key & 255) === data[step * i + c]) ? 0 : 255);
  }
  return () => 255;
}

function withAlpha(colours: Uint8Array, channels: number, alpha: (i: number) => number): Uint8Array {
  const count = colours.length / channels;
  const out = new Uint8Array(count * (channels + 1));
  for (let i = 0, to = 0; i < count; i++) {
    for (let c = 0; c < channels; c++) out[to++] = colours[channels * i + c] ?? 0;
    out[to++] = alpha(i);
  }
  return out;
}

function premultiplied({ mode, data }: Image): Uint8Array {
  const channels = CHANNELS[mode];
  const out = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i += channels) {
    const alpha = data[i + channels - 1] ?? 0;
    for (let c = 0; c < channels - 1; c++) out[i + c] = mulDiv255(data[i + c] ?? 0, alpha);
    out[i + channels - 1] = alpha;
  }
  return out;
}

/** Colours divided by alpha; those without alpha stay. */
function unmultiplied({ mode, data }: Image): Uint8Array {
  const channels = CHANNELS[mode];
  const out = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i += channels) {
    const alpha = data[i + channels - 1] ?? 0;
    for (let c = 0; c < channels - 1; c++) {
      const value = data[i + c] ?? 0;
      out[i + c] = alpha === 0 || alpha === 255 ? value : clip((255 * value) / alpha);
    }
    out[i + channels - 1] = alpha;
  }
  return out;
}

/** The premultiplied modes back to straight alpha. */
export function unmultiply(image: Image): Image {
  return { ...image, mode: image.mode === "La" ? "LA" : "RGBA", data: unmultiplied(image) };
}

/** Whether any pixel may be transparent. */
function hasAlpha({ mode, transparent, paletteAlpha }: Image): boolean {
  return ["LA", "La", "RGBA", "RGBa"].includes(mode) || transparent !== undefined || (mode === "P" && paletteAlpha !== undefined);
}

/** RGB as it looks on white: Pillow's `alpha_composite` over a white picture. One without alpha is converted alone. */
export function onWhite(image: Image): Image {
  if (!hasAlpha(image)) return convert(image, "RGB");
  const { data } = convert(image, "RGBA");
  const { width, height } = image;
  const out = new Uint8Array(3 * width * height);
  for (let i = 0; i < width * height; i++) {
    const alpha = data[4 * i + 3] ?? 0;
    for (let c = 0; c < 3; c++) {
      // Seven bits more than a byte, then a rounded division by 255.
      const sum = 128 * ((data[4 * i + c] ?? 0) * alpha + 255 * (255 - alpha)) + 0x4000;
      out[3 * i + c] = ((sum >> 8) + sum) >> 15;
    }
  }
  return { mode: "RGB", width, height, data: out, orientation: image.orientation, source: image.source };
}

/** No ink is black alone: C, M, Y are what RGB lacks, K is none. */
function toCmyk(rgb: Uint8Array): Uint8Array {
  const count = rgb.length / 3;
  const out = new Uint8Array(4 * count);
  for (let i = 0; i < count; i++) for (let c = 0; c < 3; c++) out[4 * i + c] = 255 - (rgb[3 * i + c] ?? 0);
  return out;
}

function toWide(image: Image, mode: "I" | "F"): Samples {
  const out = samplesFor(mode, image.width, image.height);
  const { data } = image;
  if (image.mode === "I;16" || image.mode === "I" || image.mode === "F" || image.mode === "L" || image.mode === "1") {
    for (let i = 0; i < out.length; i++) out[i] = mode === "I" ? Math.trunc(data[i] ?? 0) : (data[i] ?? 0);
    return out;
  }
  if (mode === "I") {
    out.set(toGrey(image));
    return out;
  }
  const rgb = toRgb(image);
  for (let i = 0; i < out.length; i++) out[i] = Math.fround(299 * (rgb[3 * i] ?? 0) + 587 * (rgb[3 * i + 1] ?? 0) + 114 * (rgb[3 * i + 2] ?? 0)) / 1000;
  return out;
}
