/** Tensors as PyTorch prints them (torch._tensor_str: 4 digits, 80 columns, summary beyond 1,000 elements). */

import { OpwiseError } from "./error.ts";
import { type DType, dtypeInfo } from "./dtype.ts";
import { stringOf } from "./strings.ts";
import type { Tensor } from "./tensor.ts";

const PRECISION = 4;
const THRESHOLD = 1000;
const EDGE = 3;
const WIDTH = 80;
const PREFIX = "tensor(";

/** Layout of the small float formats: exponent bits, mantissa bits, bias, and which have infinities. */
const SMALL_FLOATS: Partial<Record<DType, readonly [number, number, number, "ieee" | "fn" | "fnuz" | "finite" | "e8m0"]>> = {
  float16: [5, 10, 15, "ieee"],
  complex32: [5, 10, 15, "ieee"],
  bfloat16: [8, 7, 127, "ieee"],
  float8_e5m2: [5, 2, 15, "ieee"],
  float8_e4m3fn: [4, 3, 7, "fn"],
  float8_e4m3fnuz: [4, 3, 8, "fnuz"],
  float8_e5m2fnuz: [5, 2, 16, "fnuz"],
  float8_e8m0fnu: [8, 0, 127, "e8m0"],
  float4_e2m1: [2, 1, 1, "finite"],
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

/** JavaScript values of one tensor; an expanded one has any number of elements in no memory. */
const MAX_ELEMENTS = 2 ** 26;

/** The tensor's elements in row-major order as JavaScript values; complex ones as pairs, small floats as the numbers that their bits stand for. */
export function elementsOf(tensor: Tensor): Element[] {
  if (tensor.numel > MAX_ELEMENTS) throw new OpwiseError("out-of-memory", `${tensor.numel} elements as JavaScript values`, { wanted: `at most ${MAX_ELEMENTS}` });
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

/** The numbers that a quantised tensor's codes stand for, row-major, in single precision. */
export function quantisedNumbers(tensor: Tensor): number[] {
  const q = tensor.quantizer;
  const codes = Array.from(tensor.data as Iterable<number | bigint>, Number);
  if (q === undefined) return codes;
  if (q.scheme === "per_tensor_affine") return codes.map((code) => Math.fround((code - q.zeroPoint) * Math.fround(q.scale)));
  const [scales, zeros] = [Array.from(q.scales.data, Number), Array.from(q.zeroPoints.data, Number)];
  const inner = tensor.shape.slice(q.axis + 1).reduce((a, b) => a * b, 1);
  return codes.map((code, i) => {
    const channel = Math.floor(i / inner) % (tensor.shape[q.axis] ?? 1);
    return Math.fround(Math.fround(code - (zeros[channel] ?? 0)) * Math.fround(scales[channel] ?? 1));
  });
}

/** How the elements of a tensor are written, so that columns line up: PyTorch takes the width from what is finite and not zero. */
interface Formatter {
  readonly width: number;
  /** An element as a cell of a row; complex ones have only their real part padded. */
  readonly text: (element: Element) => string;
}

/** `digits` with the last one made even where a tie was rounded up: JavaScript rounds ties up, PyTorch to even. */
function evenTie(isTie: boolean, roundedUp: string, roundedDown: () => string): string {
  const last = /(\d)(?:e.*)?$/.exec(roundedUp)?.[1];
  return isTie && Number(last) % 2 === 1 ? roundedDown() : roundedUp;
}

/** `x.toFixed(PRECISION)` of a number that is not negative. */
function fixed(x: number): string {
  const scaled = x * 10 ** PRECISION;
  const isTie = Math.abs((x * 2 ** (PRECISION + 1)) % 2) === 1; // only odd multiples of 2^-(p+1) lie between two p-digit decimals
  return evenTie(isTie, x.toFixed(PRECISION), () => (Math.floor(scaled) / 10 ** PRECISION).toFixed(PRECISION));
}

/** `1.0000e+05` of a number that is not negative. */
function exponential(x: number): string {
  const long = x.toExponential(10 * PRECISION);
  const cut = PRECISION + 2;
  const isTie = /^50*e/.test(long.slice(cut));
  const text = evenTie(isTie, x.toExponential(PRECISION), () => long.slice(0, cut) + long.slice(long.indexOf("e")));
  return text.replace(/e([+-])(\d)$/, "e$10$2");
}

function floatFormatter(values: readonly number[]): Formatter {
  const sized = values.filter((v) => Number.isFinite(v) && v !== 0).map(Math.abs);
  const max = sized.reduce((a, b) => Math.max(a, b), 0);
  const min = sized.reduce((a, b) => Math.min(a, b), Infinity);
  const whole = sized.every((v) => Number.isInteger(v));
  const isScientific = sized.length > 0 && (max / min > 1000 || max > 1e8 || (!whole && min < 1e-4));
  const text = (element: Element): string => {
    const x = Number(element);
    const sign = x < 0 || Object.is(x, -0) ? "-" : "";
    const size = Math.abs(x);
    if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : `${sign}inf`;
    return sign + (isScientific ? exponential(size) : whole ? `${size.toFixed(0)}.` : fixed(size));
  };
  return padded(
    values.filter((v) => Number.isFinite(v) && v !== 0),
    text,
  );
}

function padded(measured: readonly Element[], text: (element: Element) => string): Formatter {
  const width = measured.reduce<number>((w, v) => Math.max(w, text(v).length), 1);
  return { width, text: (v) => text(v).padStart(width) };
}

/** Formatters for all printed elements. */
function formatterOf(dtype: DType, values: readonly Element[]): Formatter {
  const kind = dtypeInfo(dtype).class;
  if (kind === "float") return floatFormatter(values.map(Number));
  if (kind === "complex") {
    const pairs = values.filter((v) => typeof v === "object");
    const [re, im] = [floatFormatter(pairs.map((p) => p[0])), floatFormatter(pairs.map((p) => p[1]))];
    const text = (v: Element): string => {
      const [a, b] = typeof v === "object" ? v : [Number(v), 0];
      const imaginary = im.text(b).trimStart();
      return `${re.text(a)}${imaginary.startsWith("-") ? "" : "+"}${imaginary}j`;
    };
    return { width: re.width + im.width + 1, text };
  }
  const text = (v: Element): string => (typeof v === "boolean" ? (v ? "True" : "False") : typeof v === "string" ? `'${v}'` : String(v));
  return padded(values, text);
}

/** Suffixes follow on the same line where they fit. */
function withSuffixes(body: string, suffixes: readonly string[]): string {
  let text = PREFIX + body;
  let column = text.length - text.lastIndexOf("\n") + 1;
  for (const suffix of suffixes) {
    const fits = column + suffix.length + 2 <= WIDTH;
    text += fits ? `, ${suffix}` : `,\n${" ".repeat(PREFIX.length)}${suffix}`;
    column = fits ? column + suffix.length + 2 : PREFIX.length + suffix.length;
  }
  return `${text})`;
}

/** `tensor([[1., 2.]], dtype=torch.float64)`. `threshold`: elements beyond which the middle is left out. */
export function formatTensor(tensor: Tensor, threshold: number = THRESHOLD): string {
  const { shape, dtype } = tensor;
  const q = tensor.quantizer;
  if (q !== undefined) {
    const suffix =
      q.scheme === "per_tensor_affine"
        ? [`scale=${numberText(q.scale)}`, `zero_point=${q.zeroPoint}`]
        : [`scale=${formatTensor(q.scales)}`, `zero_point=${formatTensor(q.zeroPoints)}`, `axis=${q.axis}`];
    return format(tensor.shape, "float32", quantisedNumbers(tensor), threshold, [`size=(${tensor.shape.length === 1 ? `${tensor.shape[0]},` : tensor.shape.join(", ")})`, `dtype=torch.${dtype}`, `quantization_scheme=torch.${q.scheme}`, ...suffix]);
  }
  return format(shape, dtype, elementsOf(tensor), threshold);
}

/** A double as Python prints it. */
function numberText(x: number): string {
  return Number.isInteger(x) && Math.abs(x) < 1e16 ? `${x}.0` : String(x).replace(/e([+-])(\d)$/, "e$10$2");
}

function format(shape: readonly number[], dtype: DType, elements: readonly Element[], threshold: number, given?: readonly string[]): string {
  // Without elements nothing shows what dtype it is.
  const isShown = dtype !== "float32" && (elements.length === 0 || (dtype !== "int64" && dtype !== "bool" && dtype !== "complex64"));
  const suffixes = given ?? (isShown ? [`dtype=torch.${dtype}`] : []);
  if (elements.length === 0) return withSuffixes("[]", [...(shape.length === 1 ? [] : [`size=(${shape.join(", ")})`]), ...suffixes]);
  const isSummary = elements.length > threshold;
  const isLeftOut = (i: number, size: number): boolean => isSummary && size > 2 * EDGE && i >= EDGE && i < size - EDGE;
  const shown: Element[] = [];
  const pick = (axis: number, base: number): void => {
    const size = shape[axis];
    if (size === undefined) shown.push(elements[base] ?? 0);
    else for (let i = 0; i < size; i++) if (!isLeftOut(i, size)) pick(axis + 1, base * size + i);
  };
  pick(0, 0);
  const formatter = formatterOf(dtype, shown);
  if (shape.length === 0) return withSuffixes(formatter.text(shown[0] ?? 0).trimStart(), suffixes);
  const perLine = (indent: number): number => Math.max(1, Math.floor((WIDTH - indent) / (formatter.width + 2)));
  const render = (axis: number, base: number, indent: number): string => {
    const size = shape[axis] ?? 1;
    const isRow = axis === shape.length - 1;
    const parts: string[] = [];
    for (let i = 0; i < size; i++) {
      if (!isLeftOut(i, size)) {
        const at = base * size + i;
        parts.push(isRow ? formatter.text(elements[at] ?? 0) : render(axis + 1, at, indent + 1));
      } else if (i === EDGE) parts.push(isRow ? " ..." : "...");
    }
    const margin = " ".repeat(indent + 1);
    if (!isRow) return `[${parts.join(`,${"\n".repeat(shape.length - 1 - axis)}${margin}`)}]`;
    const lines: string[] = [];
    for (let i = 0; i < parts.length; i += perLine(indent)) lines.push(parts.slice(i, i + perLine(indent)).join(", "));
    return `[${lines.join(`,\n${margin}`)}]`;
  };
  return withSuffixes(render(0, 0, PREFIX.length), suffixes);
}
