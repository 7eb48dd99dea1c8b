/** Values as LibTorch's C++ prints them: what `str(x)`, `format` and `print` give in TorchScript. It differs from Python's and from PyTorch's own tensor text. */

import type { Datum } from "../../ir/datum.ts";
import type { Type } from "../../ir/type.ts";
import { type DType, realOf } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { elementsOf, quantisedNumbers } from "../../tensor/text.ts";

/** Values that one text may show, shared ones each time. */
const MAX_TEXT_PARTS = 2 ** 22;

/** C's `%.{digits}e`. */
export function scientific(x: number, digits: number): string {
  if (!Number.isFinite(x)) return special(x);
  const [mantissa = "", exponent = ""] = x.toExponential(digits).split("e");
  const magnitude = exponent.replace(/^[+-]/, "").padStart(2, "0");
  return `${Object.is(x, -0) ? "-" : ""}${mantissa}e${exponent.startsWith("-") ? "-" : "+"}${magnitude}`;
}

/** C's `%.{precision}g`. */
export function general(x: number, precision: number): string {
  if (!Number.isFinite(x)) return special(x);
  if (x === 0) return Object.is(x, -0) ? "-0" : "0";
  const exponent = Number(x.toExponential(precision - 1).split("e")[1]);
  const trim = (text: string): string => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (exponent < -4 || exponent >= precision) {
    const [mantissa = "", tail = ""] = scientific(x, precision - 1).split("e");
    return `${trim(mantissa)}e${tail}`;
  }
  return trim(x.toFixed(Math.max(precision - 1 - exponent, 0)));
}

function special(x: number): string {
  return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
}

/** A float: integral values inside int64 as the integer and a dot, others with 17 digits. */
export function floatText(x: number): string {
  if (Number.isInteger(x) && Math.abs(x) < 9223372036854775808) return `${BigInt(x)}.`;
  return general(x, 17);
}
function complexText(re: number, im: number): string {
  return `${floatText(re)}${im < 0 || Object.is(im, -0) ? "-" : "+"}${floatText(Math.abs(im))}j`;
}

/** A number of static type `type`; unboxed ints and floats look alike without it. */
function numberText(value: number | bigint, type: Type | undefined): string {
  const kind = type?.kind === "Optional" ? type.elem.kind : type?.kind;
  return typeof value === "number" && (kind === "float" || !Number.isInteger(value)) ? floatText(value) : String(value);
}

/** The text of a value. `type` is its static type where the value does not carry its kind. Tensors must be readable. */
export function readableText(value: Datum, type?: Type, budget: { parts: number } = { parts: MAX_TEXT_PARTS }): string {
  if (--budget.parts < 0) throw new OpwiseError("limit-exceeded", "a value is too large to be shown", { wanted: `at most ${MAX_TEXT_PARTS} parts` });
  if (value === null) return "None";
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number" || typeof value === "bigint") return numberText(value, type);
  if (value instanceof Tensor) return tensorText(value);
  switch (value.kind) {
    case "int": return String(value.value);
    case "float": return floatText(value.value);
    case "bool": return value.value ? "True" : "False";
    case "complex": return complexText(value.re, value.im);
    case "list": return `[${value.items.map((item) => readableText(item, value.elem, budget)).join(", ")}]`;
    case "tuple": {
      const own = value.type ?? type;
      const elems = own?.kind === "Tuple" || own?.kind === "NamedTuple" ? own.elems : [];
      const items = value.items.map((item, i) => readableText(item, elems[i], budget));
      return items.length === 1 ? `(${items[0]},)` : `(${items.join(", ")})`;
    }
    case "dict": return `{${Array.from(value.entries.values(), ([k, v]) => `${readableText(k, value.key, budget)}: ${readableText(v, value.value, budget)}`).join(", ")}}`;
    case "enum": return `Enum<${value.type.name.slice(value.type.name.lastIndexOf(".") + 1)}.${value.name}>`;
    case "device": return value.name;
    case "instance": return `<${value.class.name} object>`;
    case "future": return "Future";
    case "generator": return "Generator";
    case "host": return value.name;
    default: return value satisfies never;
  }
}

/** The tensors inside a value, which have to be readable before its text is made. */
export function* tensorsIn(value: Datum, seen: Set<Datum> = new Set()): Generator<Tensor, void, void> {
  if (value instanceof Tensor) {
    yield value;
    if (value.quantizer !== undefined && value.quantizer.scheme !== "per_tensor_affine") {
      yield value.quantizer.scales;
      yield value.quantizer.zeroPoints;
    }
  } else if (typeof value === "object" && value !== null && !seen.has(value)) {
    seen.add(value);
    if (value.kind === "list" || value.kind === "tuple") for (const item of value.items) yield* tensorsIn(item, seen);
    else if (value.kind === "dict") for (const [k, v] of value.entries.values()) {
      yield* tensorsIn(k, seen);
      yield* tensorsIn(v, seen);
    }
  }
}

const TYPE_NAMES: Partial<Record<DType, string>> = {
  bool: "Bool", uint8: "Byte", int8: "Char", int16: "Short", int32: "Int", int64: "Long", float16: "Half", bfloat16: "BFloat16", float32: "Float", float64: "Double",
  complex32: "ComplexHalf", complex64: "ComplexFloat", complex128: "ComplexDouble", uint16: "UInt16", uint32: "UInt32", uint64: "UInt64", qint8: "QInt8", quint8: "QUInt8", qint32: "QInt32",
  float8_e5m2: "Float8_e5m2", float8_e4m3fn: "Float8_e4m3fn", float8_e5m2fnuz: "Float8_e5m2fnuz", float8_e4m3fnuz: "Float8_e4m3fnuz", float8_e8m0fnu: "Float8_e8m0fnu",
};

interface Layout {
  readonly width: number;
  readonly scale: number;
  readonly format: (x: number) => string;
}

/** Width, common scale and number format of all elements of a tensor (at's `__printFormat`). */
function layoutOf(values: readonly number[]): Layout {
  const finite = values.filter(Number.isFinite).map(Math.abs);
  const digits = (x: number): number => (x === 0 ? 1 : Math.floor(Math.log10(x)) + 1);
  const low = finite.length === 0 ? 1 : digits(finite.reduce((a, b) => Math.min(a, b), Infinity));
  const high = finite.length === 0 ? 1 : digits(finite.reduce((a, b) => Math.max(a, b), 0));
  if (finite.every((x) => x === Math.ceil(x))) {
    return high > 9 ? { width: 11, scale: 1, format: (x) => scientific(x, 4) } : { width: high + 1, scale: 1, format: (x) => general(x, 6) };
  }
  if (high - low > 4) return { width: Math.abs(high) > 99 || Math.abs(low) > 99 ? 12 : 11, scale: 1, format: (x) => scientific(x, 4) };
  const fixed = (x: number): string => (Number.isFinite(x) ? `${Object.is(x, -0) ? "-" : ""}${x.toFixed(4)}` : special(x));
  if (high > 5 || high < 0) return { width: 7, scale: 10 ** (high - 1), format: fixed };
  return { width: high === 0 ? 7 : high + 6, scale: 1, format: fixed };
}

const LINE = 80;

function matrixText(rows: readonly (readonly number[])[], indent: number): string {
  const { width, scale, format } = layoutOf(rows.flat());
  const columns = rows[0]?.length ?? 0;
  const perLine = Math.floor((LINE - indent) / (width + 1));
  const gap = " ".repeat(indent);
  let out = "";
  for (let first = 0; first < columns; first += perLine) {
    const last = Math.min(first + perLine, columns) - 1;
    if (perLine < columns) out += `${first === 0 ? "" : "\n"}Columns ${first + 1} to ${last + 1}${gap}`;
    if (scale !== 1) out += `${general(scale, 6)} *\n${gap}`;
    rows.forEach((row, l) => {
      out += `${row.slice(first, last + 1).map((x) => format(x / scale).padStart(width)).join(" ")}\n`;
      if (l !== rows.length - 1) out += scale === 1 ? gap : `${gap} `;
    });
  }
  return out;
}

/** The fewest digits that give the double back; with an exponent below 1e-4 and from 1e16 on. */
function shortest(x: number): string {
  if (!Number.isFinite(x)) return special(x);
  const [digits = "0", power = "0"] = x.toExponential().split("e");
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 16) return Object.is(x, -0) ? "-0" : String(x);
  return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** What follows the sizes of a quantised tensor. */
function quantizerText(t: Tensor): string {
  const q = t.quantizer;
  if (q === undefined) return "";
  if (q.scheme === "per_tensor_affine") return `, qscheme: ${q.scheme}, scale: ${shortest(q.scale)}, zero_point: ${q.zeroPoint}`;
  return `, qscheme: ${q.scheme}, scales: ${tensorText(q.scales)}, zero_points: ${tensorText(q.zeroPoints)}, axis: ${q.axis}`;
}

/** A tensor as `std::ostream` prints it. Complex ones show their real parts, as LibTorch does. */
export function tensorText(t: Tensor): string {
  if (t.numel > MAX_TEXT_PARTS) throw new OpwiseError("limit-exceeded", "a tensor is too large to be shown", { wanted: `at most ${MAX_TEXT_PARTS} elements`, got: `${t.numel}` });
  const values = t.quantizer === undefined ? elementsOf(t).map((e) => (typeof e === "object" ? e[0] : Number(e))) : quantisedNumbers(t);
  let body = "";
  const { shape } = t;
  if (shape.length === 0) body = `${shortest(values[0] ?? 0)}\n`;
  else if (values.length > 0 && shape.length === 1) {
    const { width, scale, format } = layoutOf(values);
    body = `${scale === 1 ? "" : `${general(scale, 6)} *\n`}${values.map((x) => `${format(x / scale).padStart(width)}\n`).join("")}`;
  } else if (values.length > 0) {
    const [height, breadth] = [shape[shape.length - 2] ?? 1, shape[shape.length - 1] ?? 1];
    const matrix = (from: number): number[][] => Array.from({ length: height }, (_, i) => values.slice(from + i * breadth, from + (i + 1) * breadth));
    if (shape.length === 2) body = matrixText(matrix(0), 0);
    else {
      const lead = shape.slice(0, -2);
      const counter = lead.map(() => 0);
      const count = lead.reduce((a, b) => a * b, 1);
      const pages: string[] = [];
      for (let n = 0; n < count; n++) {
        let page = 0;
        lead.forEach((size, i) => (page = page * size + (counter[i] ?? 0)));
        pages.push(`(${counter.map((c) => `${c + 1},`).join("")}.,.) = \n${matrixText(matrix(page * height * breadth), 1)}`);
        // The first axis runs fastest.
        for (let i = 0; i < lead.length; i++) {
          counter[i] = (counter[i] ?? 0) + 1;
          if ((counter[i] ?? 0) < (lead[i] ?? 1)) break;
          counter[i] = 0;
        }
      }
      body = pages.join("\n");
    }
  }
  const type = `${t.quantizer === undefined ? "" : "Quantized"}CPU${TYPE_NAMES[t.dtype] ?? TYPE_NAMES[realOf(t.dtype)] ?? t.dtype}Type`;
  return `${body}[ ${type}{${shape.join(",")}}${quantizerText(t)} ]`;
}
