/** From levels to numbers: torchvision's conversions, in its order of rounding. */

import { convert } from "../codecs/convert.ts";
import { CHANNELS, type Image } from "../codecs/image.ts";
import { codec } from "../numeric/codec.ts";
import type { DType } from "../tensor/dtype.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import { isTensor, type Item, numbersOf } from "./item.ts";
import type { ConvertImageDtype, Grayscale, NumberType } from "./step.ts";

/** Interleaved samples to planes. */
function planesOf(image: Image, dtype: DType, map: (v: number) => number): Tensor {
  const { width, height, data, mode } = image;
  const channels = CHANNELS[mode];
  const result = Tensor.zeros([channels, height, width], dtype);
  const out = numbersOf(result);
  const count = width * height;
  // Bytes have 256 answers.
  const answers = data instanceof Uint8Array ? Float64Array.from({ length: 256 }, (_, v) => map(v)) : undefined;
  for (let c = 0; c < channels; c++) {
    if (answers !== undefined) for (let i = 0, from = c; i < count; i++, from += channels) out[c * count + i] = answers[data[from] ?? 0] ?? 0;
    else for (let i = 0, from = c; i < count; i++, from += channels) out[c * count + i] = map(data[from] ?? 0);
  }
  return result;
}

/** float32 [C, H, W] of bytes divided by 255. Wider modes keep their numbers: I;16 as int16 bits, I as int32, F as float32. */
export function toTensor(image: Image): Tensor {
  if (image.mode === "I;16") return planesOf(image, "int16", (v) => v);
  if (image.mode === "I") return planesOf(image, "int32", (v) => v);
  if (image.mode === "F") return planesOf(image, "float32", (v) => v);
  return planesOf(image, "float32", (v) => v / 255);
}

/** The samples as they are, [C, H, W]; mode 1 as bool. */
export function pilToTensor(image: Image): Tensor {
  if (image.mode === "1") return planesOf(image, "bool", (v) => (v === 0 ? 0 : 1));
  return planesOf(image, image.mode === "I;16" ? "uint16" : image.mode === "I" ? "int32" : image.mode === "F" ? "float32" : "uint8", (v) => v);
}

const MOST: Readonly<Partial<Record<DType, number>>> = { bool: 1, uint8: 255, int8: 127, int16: 32_767, int32: 2_147_483_647 };
const FLOATS: readonly DType[] = ["float32", "float16", "bfloat16", "float64"];

/** A dtype's rounding of a number, and its reading of what is stored. */
function arithmeticOf(dtype: DType): { readonly load: (raw: number) => number; readonly round: (v: number) => number; readonly store: (v: number) => number } {
  const bits = codec(dtype);
  if (bits !== undefined) return { load: bits.decode, store: bits.encode, round: (v) => bits.decode(bits.encode(v)) };
  const same = (v: number): number => v;
  return dtype === "float32" ? { load: same, store: same, round: Math.fround } : { load: same, store: same, round: same };
}

function mapped(tensor: Tensor, dtype: DType, map: (v: number, i: number) => number): Tensor {
  const result = Tensor.zeros(tensor.shape, dtype);
  const [source, out] = [numbersOf(tensor), numbersOf(result)];
  const { load } = arithmeticOf(tensor.dtype);
  const { store } = arithmeticOf(dtype);
  for (let i = 0; i < source.length; i++) out[i] = store(map(load(source[i] ?? 0), i));
  return result;
}

/** Another dtype with the whole range of one spread over that of the other. @throws bad-argument for float32 to int32, as torchvision */
export function convertImageDtype(tensor: Tensor, { dtype }: Pick<ConvertImageDtype, "dtype">): Tensor {
  if (tensor.dtype === dtype) return tensor;
  const [isFloat, toFloat] = [FLOATS.includes(tensor.dtype), FLOATS.includes(dtype)];
  const { round } = arithmeticOf(tensor.dtype);
  if (isFloat && toFloat) return cast(tensor, dtype);
  if (isFloat) {
    if (dtype === "int32") throw new OpwiseError("bad-argument", `the cast from ${tensor.dtype} to ${dtype} cannot be performed safely`);
    const scale = round((MOST[dtype] ?? 1) + 1 - 1e-3);
    return mapped(tensor, dtype, (v) => Math.trunc(round(v * scale)));
  }
  const most = MOST[tensor.dtype];
  if (most === undefined) throw new OpwiseError("unsupported-dtype", `a ${tensor.dtype} tensor is no picture`);
  if (toFloat) return mapped(tensor, dtype, (v) => Math.fround(v) / most);
  const wanted = MOST[dtype] ?? 1;
  if (most > wanted) {
    const factor = (most + 1) / (wanted + 1);
    return mapped(tensor, dtype, (v) => Math.floor(v / factor));
  }
  const factor = (wanted + 1) / (most + 1);
  return mapped(tensor, dtype, (v) => v * factor);
}

/** Another dtype, numbers as they are. */
export function cast(tensor: Tensor, dtype: NumberType): Tensor {
  if (tensor.dtype === dtype) return tensor;
  return mapped(tensor, dtype, FLOATS.includes(dtype) ? (v) => v : (v) => Math.trunc(v));
}

/** Each channel less its mean, divided by its deviation: two roundings, never folded into one. */
export function normalize(tensor: Tensor, mean: readonly number[], std: readonly number[]): Tensor {
  const { dtype, shape } = tensor;
  if (!FLOATS.includes(dtype)) throw new OpwiseError("bad-argument", "`Normalize` takes a float tensor", { got: dtype, hint: "put `ToTensor` before it" });
  const channels = shape.at(-3) ?? 1;
  for (const [name, list] of Object.entries({ mean, std })) {
    if (list.length !== 1 && list.length !== channels)
      throw new OpwiseError("bad-argument", `\`${name}\` has not one number for each channel`, { wanted: `${channels}`, got: `${list.length}` });
  }
  const { round } = arithmeticOf(dtype);
  const deviations = std.map(round);
  if (deviations.includes(0)) throw new OpwiseError("bad-argument", `\`std\` is 0 in ${dtype}, leading to division by zero`);
  const means = mean.map(round);
  const plane = (shape.at(-1) ?? 1) * (shape.at(-2) ?? 1);
  if (tensor.data instanceof Float32Array && dtype === "float32") return normalizeFloats(tensor.data, shape, plane, means, deviations);
  return mapped(tensor, dtype, (v, i) => {
    const channel = Math.floor(i / plane) % channels;
    return round(round(v - (means[channel] ?? means[0] ?? 0)) / (deviations[channel] ?? deviations[0] ?? 1));
  });
}

/** As above for float32, whose stores round by themselves. */
function normalizeFloats(source: Float32Array, shape: readonly number[], plane: number, means: readonly number[], deviations: readonly number[]): Tensor {
  const out = new Float32Array(source.length);
  for (let p = 0, at = 0; at < source.length; p++) {
    const channel = p % (shape.at(-3) ?? 1);
    const [mean = 0, deviation = 1] = [means[channel] ?? means[0], deviations[channel] ?? deviations[0]];
    for (const end = at + plane; at < end; at++) out[at] = Math.fround((source[at] ?? 0) - mean) / deviation;
  }
  return Tensor.from(out, shape, "float32");
}

/** Hugging Face's `rescale`: a product in double precision, kept as float32. */
export function rescale(tensor: Tensor, factor: number): Tensor {
  return mapped(tensor, "float32", (v) => v * factor);
}

/** The same numbers with channels last in memory. @throws bad-argument unless [N, C, H, W] */
export function channelsLast(tensor: Tensor): Tensor {
  const [n = 0, c = 0, h = 0, w = 0] = tensor.shape;
  if (tensor.rank !== 4)
    throw new OpwiseError("bad-argument", "`ChannelsLast` takes [N, C, H, W]", {
      got: `shape [${tensor.shape.join(", ")}]`,
      hint: "put `Unsqueeze` before it",
    });
  const result = Tensor.zeros([n, h, w, c], tensor.dtype);
  const [source, out] = [numbersOf(tensor), numbersOf(result)];
  let to = 0;
  for (let b = 0; b < n; b++) for (let i = 0; i < h * w; i++) for (let k = 0; k < c; k++) out[to++] = source[(b * c + k) * h * w + i] ?? 0;
  return new Tensor(result.storage, tensor.dtype, [n, c, h, w], [h * w * c, 1, w * c, c]);
}

export function unsqueeze(tensor: Tensor): Tensor {
  return new Tensor(tensor.storage, tensor.dtype, [1, ...tensor.shape], [tensor.numel, ...tensor.strides], tensor.offset);
}

/** Tensors of one shape and dtype along a new first axis. */
export function stack(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors;
  if (first === undefined) throw new OpwiseError("bad-argument", "there is nothing to stack");
  const result = Tensor.zeros([tensors.length, ...first.shape], first.dtype);
  const out = numbersOf(result);
  for (const [i, tensor] of tensors.entries()) {
    if (tensor.shape.join() !== first.shape.join() || tensor.dtype !== first.dtype) {
      throw new OpwiseError("shape-mismatch", "only equal tensors can be stacked", {
        wanted: `${first.dtype}[${first.shape.join(", ")}]`,
        got: `${tensor.dtype}[${tensor.shape.join(", ")}]`,
      });
    }
    out.set(numbersOf(tensor), i * first.numel);
  }
  return result;
}

const [RED, GREEN, BLUE] = [0.2989, 0.587, 0.114].map(Math.fround) as [number, number, number]; // three in, three out

/** Pictures by Pillow's luma; tensors by torchvision's, whose v2 fuses products with sums. */
export function grayscale(item: Item, step: Pick<Grayscale, "num_output_channels" | "api">): Item {
  const wanted = step.num_output_channels ?? 1;
  if (!isTensor(item)) return wanted === 1 ? convert(item, "L") : convert(convert(item, "L"), "RGB");
  const channels = item.shape.at(-3);
  if (channels !== 3 && channels !== 1) throw new OpwiseError("bad-argument", "`Grayscale` takes 1 or 3 channels", { got: `shape [${item.shape.join(", ")}]` });
  const lead = item.shape.slice(0, -3);
  const plane = (item.shape.at(-1) ?? 1) * (item.shape.at(-2) ?? 1);
  const result = Tensor.zeros([...lead, wanted, ...item.shape.slice(-2)], item.dtype);
  const [source, out] = [numbersOf(item), numbersOf(result)];
  const { load, store } = arithmeticOf(item.dtype);
  const f = Math.fround;
  const fused = step.api !== "v1";
  const luma = (r: number, g: number, b: number): number => (fused ? f(BLUE * b + f(GREEN * g + f(RED * r))) : f(f(f(RED * r) + f(GREEN * g)) + f(BLUE * b)));
  const count = item.numel / (channels * plane || 1);
  for (let n = 0; n < count; n++) {
    for (let i = 0; i < plane; i++) {
      const at = n * channels * plane + i;
      const one = load(source[at] ?? 0);
      const grey = channels === 1 ? one : luma(one, load(source[at + plane] ?? 0), load(source[at + 2 * plane] ?? 0));
      const stored = store(FLOATS.includes(item.dtype) ? grey : Math.trunc(grey));
      for (let c = 0; c < wanted; c++) out[(n * wanted + c) * plane + i] = stored;
    }
  }
  return result;
}
