/** What flows through a pipeline: a picture or a tensor [..., H, W]; and moving their pixels about. */

import { CHANNELS, type Image, samplesFor } from "../codecs/image.ts";
import { codec } from "../numeric/codec.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";

export type Item = Image | Tensor;

export function isTensor(item: Item): item is Tensor {
  return item instanceof Tensor;
}

export function heightOf(item: Item): number {
  return isTensor(item) ? (item.shape.at(-2) ?? 1) : item.height;
}
export function widthOf(item: Item): number {
  return isTensor(item) ? (item.shape.at(-1) ?? 1) : item.width;
}

/** The picture among items. @throws bad-argument */
export function asImage(item: Item, op: string): Image {
  if (!isTensor(item)) return item;
  throw new OpwiseError("bad-argument", `\`${op}\` takes a picture, and a tensor came`, { hint: "put it before `ToTensor`" });
}

/** The tensor among items. @throws bad-argument */
export function asTensor(item: Item, op: string): Tensor {
  if (isTensor(item)) return item;
  throw new OpwiseError("bad-argument", `\`${op}\` takes a tensor, and a picture came`, { hint: "put `ToTensor` or `PILToTensor` before it" });
}

type Numbers = Exclude<Tensor["data"], BigInt64Array | BigUint64Array>;

/** A tensor's elements as a typed array of numbers. @throws unsupported-dtype for 64-bit integers */
export function numbersOf(tensor: Tensor): Numbers {
  const { data } = tensor;
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) throw new OpwiseError("unsupported-dtype", `a ${tensor.dtype} tensor is no picture`);
  return data;
}

/** The bits or number that a level is in a tensor. */
function encoded(tensor: Tensor, level: number): number {
  return codec(tensor.dtype)?.encode(level) ?? level;
}

/** Rows and columns of the source for each row and column of the result; -1 is the fill. */
export interface Places {
  readonly rows: Int32Array;
  readonly columns: Int32Array;
}

/** The item with rows and columns chosen; `fill` is a level, or one for each channel. */
export function gather(item: Item, { rows, columns }: Places, fill: number | readonly number[] = 0): Item {
  const [height, width] = [rows.length, columns.length];
  const level = (channel: number): number => (typeof fill === "number" ? fill : (fill[channel] ?? fill[0] ?? 0));
  if (!isTensor(item)) {
    const channels = CHANNELS[item.mode];
    const out = samplesFor(item.mode, width, height);
    let to = 0;
    const begin = columns[0] ?? 0;
    const inOrder = begin >= 0 && columns.every((column, i) => column === begin + i);
    for (const row of rows) {
      if (inOrder && row >= 0) {
        out.set(item.data.subarray((row * item.width + begin) * channels, (row * item.width + begin + width) * channels), to);
        to += width * channels;
        continue;
      }
      for (const column of columns) {
        const from = row < 0 || column < 0 ? -1 : (row * item.width + column) * channels;
        for (let c = 0; c < channels; c++) out[to++] = from < 0 ? level(c) : (item.data[from + c] ?? 0);
      }
    }
    return { ...item, width, height, data: out };
  }
  const [h, w] = [heightOf(item), widthOf(item)];
  const lead = item.shape.slice(0, -2);
  const channels = lead.at(-1) ?? 1;
  const result = Tensor.zeros([...lead, height, width], item.dtype);
  const [source, out] = [numbersOf(item), numbersOf(result)];
  const planes = lead.reduce((a, b) => a * b, 1);
  let to = 0;
  for (let p = 0; p < planes; p++) {
    const filler = encoded(item, level(p % channels));
    for (const row of rows) for (const column of columns) out[to++] = row < 0 || column < 0 ? filler : (source[(p * h + row) * w + column] ?? 0);
  }
  return result;
}

/** `length` indices from `from` on; outside of `samples` -1. */
export function span(from: number, length: number, samples: number): Int32Array {
  return Int32Array.from({ length }, (_, i) => (from + i >= 0 && from + i < samples ? from + i : -1));
}

/** All indices backwards. */
export function backwards(samples: number): Int32Array {
  return Int32Array.from({ length: samples }, (_, i) => samples - 1 - i);
}

/** A tensor with its last two axes swapped. */
export function swapAxes(tensor: Tensor): Tensor {
  const [h, w] = [heightOf(tensor), widthOf(tensor)];
  const result = Tensor.zeros([...tensor.shape.slice(0, -2), w, h], tensor.dtype);
  const [source, out] = [numbersOf(tensor), numbersOf(result)];
  const planes = tensor.numel / (h * w || 1);
  let to = 0;
  for (let p = 0; p < planes; p++) for (let x = 0; x < w; x++) for (let y = 0; y < h; y++) out[to++] = source[(p * h + y) * w + x] ?? 0;
  return result;
}
