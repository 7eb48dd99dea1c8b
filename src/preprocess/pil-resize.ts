/** `Image.resize`, `Image.reduce` and `Image.thumbnail` of Pillow. */

import { convert, unmultiply } from "../codecs/convert.ts";
import { CHANNELS, type Image, type Samples, samplesFor } from "../codecs/image.ts";
import { OpwiseError } from "../tensor/error.ts";
import { type Filter, FILTERS, PILLOW_BITS, pillowTaps, toFixed } from "./filters.ts";
import { resampleColumns, rowResampler } from "./resampler.ts";
import { alongColumns, alongRows, type Rounding } from "./resample.ts";

export type Resample = "nearest" | Filter;

/** Left, top, right, bottom, in pixels. */
export type Box = readonly [x0: number, y0: number, x1: number, y1: number];

export interface ResizeOptions {
  /** What to resize; default the whole picture. */
  readonly box?: Box | undefined;
  /** First shrink by whole factors, down to this many times the wanted size. */
  readonly reducingGap?: number | undefined;
  /** Whether WebAssembly may be used; default yes. */
  readonly wasm?: boolean | undefined;
  /** Whose order of the passes; 12 differs from 13 on a few shapes. */
  readonly pillow?: 12 | 13 | undefined;
}

/** Whether the vertical pass goes first. */
export function verticalFirst(width: number, height: number, toWidth: number, toHeight: number, pillow: 12 | 13): boolean {
  const shrink = height - toHeight;
  return pillow === 13 ? shrink > 0 && shrink > 2 * (width - toWidth) : height > 100 * width && shrink > 0;
}

/** The picture at another size. @throws bad-argument for a size below 1 or a box outside */
export function resize(image: Image, width: number, height: number, resample: Resample, options: ResizeOptions = {}): Image {
  const pillow = options.pillow ?? 13;
  const box = options.box ?? [0, 0, image.width, image.height];
  checkBox(image, width, height, box);
  if (width === image.width && height === image.height && isWhole(image, box)) return image;
  if (resample === "nearest" || image.mode === "1" || image.mode === "P") return resizeNearest(image, width, height, box);
  if (image.mode === "LA" || image.mode === "RGBA") {
    const gap = pillow === 13 ? options.reducingGap : undefined;
    return {
      ...unmultiply(
        resize(convert(image, image.mode === "LA" ? "La" : "RGBa"), width, height, resample, { box, pillow, reducingGap: gap, wasm: options.wasm }),
      ),
      ...keptOf(image),
    };
  }
  if (options.reducingGap !== undefined) {
    const [x0, y0, x1, y1] = box;
    const fx = Math.trunc((x1 - x0) / width / options.reducingGap) || 1;
    const fy = Math.trunc((y1 - y0) / height / options.reducingGap) || 1;
    if (fx > 1 || fy > 1) {
      const safe = safeBox(image, width, height, resample, box);
      const reduced = reduce(image, fx, fy, safe);
      const moved: Box = [(x0 - safe[0]) / fx, (y0 - safe[1]) / fy, (x1 - safe[0]) / fx, (y1 - safe[1]) / fy];
      return resize(reduced, width, height, resample, { box: moved, pillow, wasm: options.wasm });
    }
  }
  return resizeFiltered(image, width, height, resample, box, pillow, options.wasm ?? true);
}

function keptOf(image: Image): Pick<Image, "mode" | "orientation" | "source"> {
  return { mode: image.mode, orientation: image.orientation, source: image.source };
}

function isWhole(image: Image, [x0, y0, x1, y1]: Box): boolean {
  return x0 === 0 && y0 === 0 && x1 === image.width && y1 === image.height;
}

function checkBox(image: Image, width: number, height: number, box: Box): void {
  if (!(width >= 1 && height >= 1 && Number.isInteger(width) && Number.isInteger(height))) {
    throw new OpwiseError("bad-argument", "a picture has at least one pixel each way", { got: `${width} x ${height}` });
  }
  const [x0, y0, x1, y1] = box;
  if (x0 < 0 || y0 < 0 || x1 > image.width || y1 > image.height || x1 <= x0 || y1 <= y0) {
    throw new OpwiseError("bad-argument", "the box does not lie in the picture", { wanted: `inside ${image.width} x ${image.height}`, got: box.join(", ") });
  }
}

/** Positions are accumulated, as Pillow does: at exact halves a product would pick other pixels. */
function nearestIndices(samples: number, from: number, to: number, length: number): Int32Array {
  const step = (Math.fround(to) - Math.fround(from)) / length;
  const out = new Int32Array(length);
  let at = Math.fround(from) + 0.5 * step;
  for (let i = 0; i < length; i++) {
    out[i] = Math.min(Math.max(Math.trunc(at), 0), samples - 1);
    at += step;
  }
  return out;
}

function resizeNearest(image: Image, width: number, height: number, box: Box): Image {
  const columns = nearestIndices(image.width, box[0], box[2], width);
  const rows = nearestIndices(image.height, box[1], box[3], height);
  return { ...image, width, height, data: pick(image.data, image.width, CHANNELS[image.mode], columns, rows, samplesFor(image.mode, width, height)) };
}

/** The samples at chosen columns of chosen rows. */
export function pick<S extends Samples>(source: Samples, width: number, channels: number, columns: Int32Array, rows: Int32Array, out: S): S {
  let to = 0;
  for (const row of rows) {
    for (const column of columns) {
      const from = (row * width + column) * channels;
      for (let c = 0; c < channels; c++) out[to++] = source[from + c] ?? 0;
    }
  }
  return out;
}

function roundingOf(image: Image): Rounding {
  const { mode } = image;
  if (mode === "F") return { kind: "float", store: (sum) => sum };
  const [low, high] = mode === "I;16" ? [0, 65_535] : [-(2 ** 31), 2 ** 31 - 1];
  if (mode === "I;16" || mode === "I") return { kind: "float", store: (sum) => Math.min(Math.max(Math.trunc(sum < 0 ? sum - 0.5 : sum + 0.5), low), high) };
  return { kind: "fixed", bits: PILLOW_BITS };
}

/** Pictures with fewer samples than this are done before a kernel is set up. */
const WORTH_KERNELS = 100_000;

/** The vertical pass of a picture of bytes alone, over the whole height. */
export function resizeColumns(image: Image, height: number, filter: Filter, wasm: boolean): Image {
  if (height === image.height || !(image.data instanceof Uint8Array)) return image;
  const taps = toFixed(pillowTaps(filter, image.height, 0, image.height, height), PILLOW_BITS);
  return { ...image, height, data: resampleColumns(image.data, image.width * CHANNELS[image.mode], taps, wasm) };
}

function resizeFiltered(image: Image, width: number, height: number, filter: Filter, box: Box, pillow: 12 | 13, wasm: boolean): Image {
  const channels = CHANNELS[image.mode];
  const rounding = roundingOf(image);
  const { width: w, height: h } = image;
  const taps = (samples: number, from: number, to: number, length: number): ReturnType<typeof pillowTaps> | ReturnType<typeof toFixed> => {
    const exact = pillowTaps(filter, samples, from, to, length);
    return rounding.kind === "fixed" ? toFixed(exact, rounding.bits) : exact;
  };
  const horizontal = width !== w || box[0] !== 0 || box[2] !== width;
  const vertical = height !== h || box[1] !== 0 || box[3] !== height;
  let { data } = image;
  let current = { w, h };
  const passes = [
    () => {
      if (!horizontal) return;
      const out = samplesFor(image.mode, width, current.h);
      const weights = taps(w, box[0], box[2], width);
      if (
        image.mode === "RGB" &&
        wasm &&
        data.length >= WORTH_KERNELS &&
        data instanceof Uint8Array &&
        out instanceof Uint8Array &&
        weights.weights instanceof Int32Array
      ) {
        rowResampler(w, { ...weights, weights: weights.weights }, wasm)(data, current.h, out);
      } else alongRows(data, current.h, w, channels, weights, out, rounding);
      [data, current] = [out, { w: width, h: current.h }];
    },
    () => {
      if (!vertical) return;
      const weights = taps(h, box[1], box[3], height);
      const stride = current.w * channels;
      let out = data;
      if (rounding.kind === "fixed" && data instanceof Uint8Array && weights.weights instanceof Int32Array) {
        out = resampleColumns(data, stride, { ...weights, weights: weights.weights }, wasm && data.length >= WORTH_KERNELS);
      } else {
        out = samplesFor(image.mode, current.w, height);
        alongColumns(data, stride, weights, out, rounding);
      }
      [data, current] = [out, { w: current.w, h: height }];
    },
  ];
  if (verticalFirst(w, h, width, height, pillow)) passes.reverse();
  for (const pass of passes) pass();
  return { ...image, width, height, data };
}

/** The box widened to whole pixels that the filter may look at. */
function safeBox(image: Image, width: number, height: number, filter: Filter, [x0, y0, x1, y1]: Box): Box {
  const support = FILTERS[filter].support - 0.5;
  const [sx, sy] = [(support * (x1 - x0)) / width, (support * (y1 - y0)) / height];
  return [
    Math.max(0, Math.trunc(x0 - sx)),
    Math.max(0, Math.trunc(y0 - sy)),
    Math.min(image.width, Math.ceil(x1 + sx)),
    Math.min(image.height, Math.ceil(y1 + sy)),
  ];
}

/** Means over blocks of `fx` by `fy` pixels, smaller ones at the edges. */
export function reduce(image: Image, fx: number, fy: number, box?: Box): Image {
  if (fx === 1 && fy === 1 && box === undefined) return image;
  if (image.mode === "LA" || image.mode === "RGBA") {
    return { ...unmultiply(reduce(convert(image, image.mode === "LA" ? "La" : "RGBa"), fx, fy, box)), ...keptOf(image) };
  }
  if (image.mode === "P" || image.mode === "1") throw new OpwiseError("bad-argument", `a picture of mode \`${image.mode}\` cannot be reduced`);
  const [x0, y0, x1, y1] = box ?? [0, 0, image.width, image.height];
  const channels = CHANNELS[image.mode];
  const [width, height] = [Math.ceil((x1 - x0) / fx), Math.ceil((y1 - y0) / fy)];
  const out = samplesFor(image.mode, width, height);
  const isByte = out instanceof Uint8Array;
  const sums = new Float64Array(channels);
  for (let y = 0; y < height; y++) {
    const rows = Math.min(fy, y1 - y0 - y * fy);
    for (let x = 0; x < width; x++) {
      const columns = Math.min(fx, x1 - x0 - x * fx);
      const n = rows * columns;
      sums.fill(0);
      for (let dy = 0; dy < rows; dy++) {
        const from = ((y0 + y * fy + dy) * image.width + x0 + x * fx) * channels;
        for (let i = 0; i < columns * channels; i++) sums[i % channels] = (sums[i % channels] ?? 0) + (image.data[from + i] ?? 0);
      }
      const at = (y * width + x) * channels;
      for (let c = 0; c < channels; c++) {
        const sum = sums[c] ?? 0;
        out[at + c] = isByte ? Math.floor(((sum + Math.trunc(n / 2)) * Math.trunc(2 ** 24 / n)) / 2 ** 24) : sum / n;
      }
    }
  }
  return { ...image, width, height, data: out };
}

/** The picture made to fit, never enlarged, its aspect kept: bicubic with a reducing gap of 2. */
export function thumbnail(image: Image, maxWidth: number, maxHeight: number, pillow?: 12 | 13): Image {
  let [x, y] = [Math.floor(maxWidth), Math.floor(maxHeight)];
  const { width, height } = image;
  if (x >= width && y >= height) return image;
  const aspect = width / height;
  const nearer = (n: number, error: (k: number) => number): number => {
    const [low, high] = [Math.floor(n), Math.ceil(n)];
    return Math.max(error(low) <= error(high) ? low : high, 1);
  };
  if (x / y >= aspect) x = nearer(y * aspect, (n) => Math.abs(aspect - n / y));
  else y = nearer(x / aspect, (n) => (n === 0 ? 0 : Math.abs(aspect - x / n)));
  return resize(image, x, y, "bicubic", { reducingGap: 2, pillow });
}
