/** Tensors as PyTorch prints them (torch._tensor_str: 4 digits, 80 columns, summary beyond 1,000 elements). */

import { type DType, dtypeInfo } from "./dtype.ts";
import { stringOf } from "./strings.ts";
import type { Tensor } from "./tensor.ts";

const PRECISION = 4;
const THRESHOLD = 1000;
const EDGE = 3;
const WIDTH = 80;

/** Layout of the small float formats: exponent bits, mantissa bits, bias, and which have infinities. */
const SMALL_FLOATS: Partial<Record<DType, readonly [number, number, number, "ieee" | "fn" | "fnuz" | "finite" | "e8m0"]>> = {
  float16: [5, 10, 15, "ieee"], complex32: [5, 10, 15, "ieee"], bfloat16: [8, 7, 127, "ieee"], float8_e5m2: [5, 2, 15, "ieee"],
  float8_e4m3fn: [4, 3, 7, "fn"], float8_e4m3fnuz: [4, 3, 8, "fnuz"], float8_e5m2fnuz: [5, 2, 16, "fnuz"],
  float8_e8m0fnu: [8, 0, 127, "e8m0"], float4_e2m1: [2, 1, 1, "finite"],
};

/** The number that the bits of a small float stand for. */
export function decodeSmallFloat(dtype: DType, bits: number): number {
  const layout = SMALL_FLOATS[dtype];
  if (layout === undefined) return bits;
  const [e, m, bias, kind] = layout;
  if (kind === "e8m0") return bits === 255 ? NaN : 2 ** (bits - 127);
  const sign = (bits >> (e + m)) & 1 ? -1 : 1;
  const exponent = (bits >> m) & ((1 << e) - 1);
  const mantissa = bits & ((1 << m) - 1);
  if (kind === "ieee" && exponent === (1 << e) - 1) return mantissa === 0 ? sign * Infinity : NaN;
  if (kind === "fn" && exponent === (1 << e) - 1 && mantissa === (1 << m) - 1) return NaN;
  if (kind === "fnuz" && sign < 0 && exponent === 0 && mantissa === 0) return NaN;
  if (exponent === 0) return sign * mantissa * 2 ** (1 - bias - m);
  return sign * (1 + mantissa / 2 ** m) * 2 ** (exponent - bias);
}

/** An element as a JavaScript value: exact integers, complex numbers as pairs. */
export type Element = number | bigint | boolean | string | readonly [number, number];

/** The tensor's elements in row-major order as JavaScript values; complex ones as pairs, small floats as the numbers that their bits stand for. */
export function elementsOf(tensor: Tensor): Element[] {
  const info = dtypeInfo(tensor.dtype);
  const small = SMALL_FLOATS[tensor.dtype] !== undefined;
  const raw = Array.from(tensor.data as Iterable<number | bigint>, (v) => (small ? decodeSmallFloat(tensor.dtype, Number(v)) : v));
  if (info.class === "bool") return raw.map((v) => v !== 0);
  if (info.class === "string") return raw.map((v) => stringOf(Number(v)));
  if (info.lanes === 1) return raw;
  const pairs: Element[] = [];
  for (let i = 0; i < raw.length; i += 2) pairs.push([Number(raw[i]), Number(raw[i + 1])]);
  return pairs;
}

const special = (x: number): string => (Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf");

/** One formatter for all printed elements of a float tensor, so that columns line up. */
function floatFormatter(values: readonly number[]): (x: number) => string {
  const finite = values.filter((v) => Number.isFinite(v) && v !== 0).map(Math.abs);
  if (finite.every((v) => Number.isInteger(v))) {
    const scientific = finite.length > 0 && Math.max(...finite) >= 10 ** 8;
    return (x) => (!Number.isFinite(x) ? special(x) : scientific ? exponential(x) : `${Object.is(x, -0) ? "-0" : x.toFixed(0)}.`);
  }
  const max = Math.max(...finite);
  const min = Math.min(...finite);
  const scientific = max / min > 1000 || max > 10 ** 8 || min < 1e-4;
  return (x) => (!Number.isFinite(x) ? special(x) : scientific ? exponential(x) : `${Object.is(x, -0) || (x < 0 && Number(x.toFixed(PRECISION)) === 0) ? "-" : ""}${x.toFixed(PRECISION).replace("-", x < 0 && Number(x.toFixed(PRECISION)) === 0 ? "" : "-")}`);
}

function exponential(x: number): string {
  return x.toExponential(PRECISION).replace(/e([+-])(\d)$/, "e$10$2");
}

function elementTexts(values: readonly Element[]): string[] {
  const reals = values.filter((v) => typeof v === "number");
  if (reals.length === values.length && values.length > 0) {
    const format = floatFormatter(reals);
    return reals.map(format);
  }
  if (Array.isArray(values[0])) {
    const pairs = values.filter((v): v is readonly [number, number] => Array.isArray(v));
    const re = floatFormatter(pairs.map((p) => p[0]));
    const im = floatFormatter(pairs.map((p) => p[1]));
    return pairs.map(([a, b]) => `${re(a)}${b < 0 || Object.is(b, -0) ? "-" : "+"}${im(Math.abs(b))}j`);
  }
  return values.map((v) => (typeof v === "boolean" ? (v ? "True" : "False") : typeof v === "string" ? `'${v}'` : String(v)));
}

/** `tensor([[1., 2.]], dtype=torch.float64)`. */
export function formatTensor(tensor: Tensor): string {
  const info = dtypeInfo(tensor.dtype);
  const isDefault = tensor.dtype === "float32" || tensor.dtype === "int64" || tensor.dtype === "bool" || tensor.dtype === "complex64";
  const suffix = isDefault ? "" : `, dtype=torch.${tensor.dtype}`;
  const elements = elementsOf(tensor).map((v) => (info.class === "int" && typeof v === "number" ? BigInt(v) : v));
  if (elements.length === 0) {
    const shape = tensor.shape.length === 1 ? "" : `, size=(${tensor.shape.join(", ")})`;
    return `tensor([]${shape}${suffix})`;
  }
  const summarize = elements.length > THRESHOLD;
  const shown: number[] = [];
  const pick = (axis: number, base: number): void => {
    if (axis === tensor.shape.length) {
      shown.push(base);
      return;
    }
    const size = tensor.shape[axis] as number;
    for (let i = 0; i < size; i++) {
      if (summarize && size > 2 * EDGE && i >= EDGE && i < size - EDGE) continue;
      pick(axis + 1, base * size + i);
    }
  };
  pick(0, 0);
  const picked = elementTexts(shown.map((i) => elements[i] as Element));
  const width = Math.max(...picked.map((t) => t.length));
  const texts = new Map(shown.map((at, i) => [at, (picked[i] as string).padStart(tensor.shape.length === 0 ? 0 : width)]));
  const render = (axis: number, base: number, indent: number): string => {
    if (axis === tensor.shape.length) return texts.get(base) ?? "";
    const size = tensor.shape[axis] as number;
    const cut = summarize && size > 2 * EDGE;
    const parts: string[] = [];
    for (let i = 0; i < size; i++) {
      if (cut && i === EDGE) parts.push(" ...".trimStart());
      if (cut && i >= EDGE && i < size - EDGE) continue;
      parts.push(render(axis + 1, base * size + i, indent + 1));
    }
    if (axis < tensor.shape.length - 1) {
      return `[${parts.join(`,${"\n".repeat(tensor.shape.length - 1 - axis)}${" ".repeat(indent + 1)}`)}]`;
    }
    const perLine = Math.max(1, Math.floor((WIDTH - indent) / (width + 2)));
    const lines: string[] = [];
    for (let i = 0; i < parts.length; i += perLine) lines.push(parts.slice(i, i + perLine).join(", "));
    return `[${lines.join(`,\n${" ".repeat(indent + 1)}`)}]`;
  };
  return `tensor(${render(0, 0, "tensor(".length)}${suffix})`;
}
