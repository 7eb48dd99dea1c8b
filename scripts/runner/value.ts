/** The VALUE forms of recorded cases: to inputs, and compared with what a session returned. */

import type { NpyArray } from "../../src/bytes/npy.ts";
import type { Datum } from "../../src/ir/datum.ts";
import { printType, T, type Type } from "../../src/ir/type.ts";
import { typeOf } from "../../src/run/instance-of.ts";
import type { Input } from "../../src/run/convert.ts";
import { type DType, DTYPES, dtypeInfo } from "../../src/tensor/dtype.ts";
import { Storage } from "../../src/tensor/storage.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { decodeSmallFloat } from "../../src/tensor/text.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };
export type Arrays = ReadonlyMap<string, NpyArray>;

export function object(json: Json | undefined): JsonObject {
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as JsonObject;
  throw new Error(`an object was expected, got ${JSON.stringify(json)?.slice(0, 80)}`);
}
export function array(json: Json | undefined): readonly Json[] {
  if (Array.isArray(json)) return json;
  throw new Error("an array was expected");
}

function dtypeNamed(name: Json | undefined): DType {
  const dtype = DTYPES.find((d) => d === name);
  if (dtype === undefined) throw new Error(`no dtype ${String(name)}`);
  return dtype;
}

/** A tensor of an npz entry, its bytes copied: calls may write into their arguments. */
export function tensorOf(entry: NpyArray, dtype: DType, shape: readonly number[]): Tensor {
  return new Tensor(Storage.wrap(new Uint8Array(entry.data), false), dtype, [...shape]);
}
function storedTensor(v: JsonObject, arrays: Arrays): Tensor {
  const key = String(v["tensor"]);
  const entry = arrays.get(key);
  if (entry === undefined) throw new Error(`no array ${key}`);
  return tensorOf(entry, dtypeNamed(v["dtype"]), array(v["shape"]).map(Number));
}

function number(text: Json | undefined): number {
  const t = String(text);
  return t === "inf" ? Infinity : t === "-inf" ? -Infinity : t === "nan" ? NaN : Number(t);
}

/** An argument. Scalars carry their kinds. */
export function inputOf(json: Json, arrays: Arrays): Input {
  const v = object(json);
  if ("tensor" in v) return storedTensor(v, arrays);
  if ("qtensor" in v) return quantisedTensor(object(v["qtensor"]), arrays);
  if ("int" in v) {
    const big = BigInt(String(v["int"]));
    const value = Number.isSafeInteger(Number(big)) ? Number(big) : big;
    return { kind: "int", value };
  }
  if ("float" in v) return { kind: "float", value: number(v["float"]) };
  if ("bool" in v) return { kind: "bool", value: v["bool"] === true };
  if ("str" in v) return String(v["str"]);
  if ("none" in v) return null;
  if ("complex" in v) return { kind: "complex", re: number(array(v["complex"])[0]), im: number(array(v["complex"])[1]) };
  if ("list" in v) return array(v["list"]).map((x) => inputOf(x, arrays));
  if ("tuple" in v) return array(v["tuple"]).map((x) => inputOf(x, arrays));
  if ("namedtuple" in v) return array(v["fields"]).map((f) => inputOf(array(f)[1] ?? null, arrays));
  if ("dict" in v) return new Map(array(v["dict"]).map((e) => [plain(inputOf(array(e)[0] ?? null, arrays)), inputOf(array(e)[1] ?? null, arrays)]));
  if ("dtype" in v) return String(v["dtype"]);
  if ("device" in v) return String(v["device"]);
  throw new Error(`unknown VALUE ${JSON.stringify(v).slice(0, 80)}`);
}
function plain(key: Input): Input {
  return typeof key === "object" && key !== null && "value" in key && !Array.isArray(key) ? (key.value as Input) : key;
}

function quantisedTensor(q: JsonObject, arrays: Arrays): Tensor {
  const codes = arrays.get(String(q["int_repr"]));
  if (codes === undefined) throw new Error("no codes");
  const t = tensorOf(codes, dtypeNamed(q["dtype"]), array(q["shape"]).map(Number));
  if (q["qscheme"] === "per_tensor_affine") t.quantizer = { scheme: "per_tensor_affine", scale: number(q["scale"]), zeroPoint: Number(q["zero_point"]) };
  else {
    const part = (key: string): Tensor => {
      const entry = arrays.get(String(q[key]));
      if (entry === undefined) throw new Error(`no ${key}`);
      return tensorOf(entry, entry.dtype, entry.shape);
    };
    t.quantizer = { scheme: q["qscheme"] === "per_channel_affine" ? "per_channel_affine" : "per_channel_affine_float_qparams", scales: part("scales"), zeroPoints: part("zero_points"), axis: Number(q["axis"]) };
  }
  return t;
}

/** Tolerances of a comparison. */
export interface Tolerance {
  readonly atol: number;
  readonly rtol: number;
  /** Only structure, shapes and dtypes count. */
  readonly shapesOnly?: boolean;
  /** The results were recorded from eager calls, where an op gives a tuple and its scripted form a list. */
  readonly sequencesAlike?: boolean;
}

/** What differs first, or undefined. */
export type Difference = string | undefined;

/** Elements in row-major order as numbers or bigints; complex ones as pairs. */
export function elements(t: Tensor): ArrayLike<number | bigint> {
  const { data } = t;
  const info = dtypeInfo(t.dtype);
  if (info.class !== "float" && info.class !== "complex") return data;
  if (info.carrier === "f32" || info.carrier === "f64") return data;
  const out: number[] = [];
  for (const bits of data) out.push(decodeSmallFloat(t.dtype === "complex32" ? "float16" : t.dtype, Number(bits)));
  return out;
}

export function close(got: number, want: number, tol: Tolerance): boolean {
  if (Number.isNaN(want)) return Number.isNaN(got);
  if (!Number.isFinite(want)) return got === want;
  return Math.abs(got - want) <= tol.atol + tol.rtol * Math.abs(want);
}

/** Compares two tensors. */
export function compareTensors(got: Tensor, want: Tensor, tol: Tolerance): Difference {
  if (got.dtype !== want.dtype) return `dtype ${got.dtype}, wanted ${want.dtype}`;
  if (got.shape.length !== want.shape.length || got.shape.some((s, i) => s !== want.shape[i])) return `shape [${got.shape.join(", ")}], wanted [${want.shape.join(", ")}]`;
  if (tol.shapesOnly === true) return undefined;
  const [a, b] = [elements(got), elements(want)];
  const kind = dtypeInfo(want.dtype).class;
  let worst = 0;
  let bad = 0;
  let at = -1;
  for (let i = 0; i < b.length; i++) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0];
    // Integers are equal, but for codes whose tolerance is stated in whole steps.
    const steps = kind === "int" && tol.atol >= 1;
    const ok = kind === "float" || kind === "complex" ? close(Number(x), Number(y), tol) : x === y || (steps && Math.abs(Number(x) - Number(y)) <= tol.atol);
    if (ok) continue;
    bad++;
    const error = Math.abs(Number(x) - Number(y));
    if (at < 0 || error > worst || Number.isNaN(error)) [worst, at] = [error, i];
  }
  return bad === 0 ? undefined : `${bad} of ${b.length} elements differ, most at ${at}: ${String(a[at])}, wanted ${String(b[at])}`;
}

const asList = (d: Datum, kind: "list" | "tuple"): readonly Datum[] | undefined => (typeof d === "object" && d !== null && "kind" in d && d.kind === kind ? d.items : undefined);

/** Compares a datum of a static type with a VALUE; undefined where they agree. */
export function compare(got: Datum, type: Type, json: Json, arrays: Arrays, tol: Tolerance): Difference {
  const v = object(json);
  const dynamic = typeOf(got, type);
  const kindIs = (kind: Type["kind"]): Difference => (dynamic.kind === kind ? undefined : `${printType(dynamic)}, wanted ${kind}`);
  const bare = typeof got === "object" && got !== null && "value" in got && "kind" in got && (got.kind === "int" || got.kind === "float" || got.kind === "bool") ? got.value : got;
  if ("check" in v) return checkProperty(got, v, arrays, tol);
  if ("tensor" in v) {
    if (!(got instanceof Tensor)) return `${printType(dynamic)}, wanted a Tensor`;
    const own = typeof v["atol"] === "number" ? { ...tol, atol: v["atol"] } : tol;
    return compareTensors(got, storedTensor(v, arrays), own);
  }
  if ("qtensor" in v) {
    if (!(got instanceof Tensor)) return "wanted a quantised tensor";
    const want = quantisedTensor(object(v["qtensor"]), arrays);
    if (got.quantizer?.scheme !== want.quantizer?.scheme) return `quantiser ${got.quantizer?.scheme ?? "none"}, wanted ${want.quantizer?.scheme ?? "none"}`;
    if (got.quantizer?.scheme === "per_tensor_affine" && want.quantizer?.scheme === "per_tensor_affine") {
      if (got.quantizer.zeroPoint !== want.quantizer.zeroPoint || Math.abs(got.quantizer.scale - want.quantizer.scale) > 1e-7 * want.quantizer.scale) return "other scale or zero point";
    }
    if (got.quantizer !== undefined && got.quantizer.scheme !== "per_tensor_affine" && want.quantizer !== undefined && want.quantizer.scheme !== "per_tensor_affine") {
      if (got.quantizer.axis !== want.quantizer.axis) return `quantised along axis ${got.quantizer.axis}, wanted ${want.quantizer.axis}`;
      const other = compareTensors(got.quantizer.scales, want.quantizer.scales, { atol: 0, rtol: 1e-7 }) ?? compareTensors(got.quantizer.zeroPoints, want.quantizer.zeroPoints, { atol: 0, rtol: 1e-7 });
      if (other !== undefined) return `other scales or zero points: ${other}`;
    }
    return compareTensors(got, want, tol);
  }
  if ("int" in v) return kindIs("int") ?? (BigInt(bare as number | bigint) === BigInt(String(v["int"])) ? undefined : `${String(bare)}, wanted ${String(v["int"])}`);
  if ("float" in v) return kindIs("float") ?? (close(Number(bare), number(v["float"]), tol) ? undefined : `${String(bare)}, wanted ${String(v["float"])}`);
  if ("bool" in v) return kindIs("bool") ?? (bare === v["bool"] ? undefined : `${String(bare)}, wanted ${String(v["bool"])}`);
  if ("str" in v) return kindIs("str") ?? (bare === v["str"] ? undefined : `${JSON.stringify(bare)}, wanted ${JSON.stringify(v["str"])}`);
  if ("none" in v) return got === null ? undefined : `${printType(dynamic)}, wanted None`;
  if ("complex" in v) {
    if (typeof got !== "object" || got === null || !("kind" in got) || got.kind !== "complex") return `${printType(dynamic)}, wanted complex`;
    const [re, im] = array(v["complex"]).map(number);
    return close(got.re, re ?? 0, tol) && close(got.im, im ?? 0, tol) ? undefined : `${got.re}+${got.im}j, wanted ${String(re)}+${String(im)}j`;
  }
  const declared = type.kind === "Optional" ? type.elem : type;
  if ("list" in v) {
    const items = asList(got, "list");
    if (items === undefined) return `${printType(dynamic)}, wanted a list`;
    const elem = typeof got === "object" && got !== null && "kind" in got && got.kind === "list" ? got.elem : T.Any;
    return compareItems(items, array(v["list"]), () => elem, arrays, tol);
  }
  if ("tuple" in v || "namedtuple" in v) {
    const items = asList(got, "tuple") ?? (tol.sequencesAlike === true ? asList(got, "list") : undefined);
    if (items === undefined) return `${printType(dynamic)}, wanted a tuple`;
    const want = "tuple" in v ? array(v["tuple"]) : array(v["fields"]).map((f) => array(f)[1] ?? null);
    const elems = declared.kind === "Tuple" || declared.kind === "NamedTuple" ? declared.elems : declared.kind === "List" ? want.map(() => declared.elem) : [];
    return compareItems(items, want, (i) => elems[i] ?? T.Any, arrays, tol);
  }
  if ("dict" in v) {
    if (typeof got !== "object" || got === null || !("kind" in got) || got.kind !== "dict") return `${printType(dynamic)}, wanted a dict`;
    const want = array(v["dict"]);
    const have = [...got.entries.values()];
    if (have.length !== want.length) return `${have.length} entries, wanted ${want.length}`;
    for (let i = 0; i < want.length; i++) {
      const [k, x] = have[i] ?? [null, null];
      const pair = array(want[i]);
      const difference = compare(k, got.key, pair[0] ?? null, arrays, tol) ?? compare(x, got.value, pair[1] ?? null, arrays, tol);
      if (difference !== undefined) return `entry ${i}: ${difference}`;
    }
    return undefined;
  }
  if ("device" in v) return typeof got === "object" && got !== null && "kind" in got && got.kind === "device" && got.name === v["device"] ? undefined : `wanted device ${String(v["device"])}`;
  return `unknown VALUE ${JSON.stringify(v).slice(0, 60)}`;
}

function compareItems(got: readonly Datum[], want: readonly Json[], typeAt: (i: number) => Type, arrays: Arrays, tol: Tolerance): Difference {
  if (got.length !== want.length) return `${got.length} items, wanted ${want.length}`;
  for (let i = 0; i < want.length; i++) {
    const difference = compare(got[i] ?? null, typeAt(i), want[i] ?? null, arrays, tol);
    if (difference !== undefined) return `[${i}]: ${difference}`;
  }
  return undefined;
}

/** Properties of results that are random by nature. */
function checkProperty(got: Datum, v: JsonObject, arrays: Arrays, tol: Tolerance): Difference {
  if (v["check"] === "list") {
    const items = asList(got, "list") ?? asList(got, "tuple");
    const want = array(v["items"]);
    if (items === undefined || items.length !== want.length) return `wanted ${want.length} items`;
    for (let i = 0; i < want.length; i++) {
      const difference = compare(items[i] ?? null, T.Any, want[i] ?? null, arrays, tol);
      if (difference !== undefined) return `[${i}]: ${difference}`;
    }
    return undefined;
  }
  if (!(got instanceof Tensor)) return "wanted a Tensor";
  if (v["dtype"] !== undefined && got.dtype !== v["dtype"]) return `dtype ${got.dtype}, wanted ${String(v["dtype"])}`;
  const shape = array(v["shape"]);
  if (shape.length !== got.shape.length || shape.some((s, i) => s !== got.shape[i])) return `shape [${got.shape.join(", ")}]`;
  const values = Array.from(elements(got), Number);
  const inside = (x: number, key: string): boolean => {
    const range = v[key];
    return range === undefined || (x >= Number(array(range)[0]) && x <= Number(array(range)[1]));
  };
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const std = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / Math.max(values.length - 1, 1));
  if (typeof v["min"] === "number" && values.some((x) => x < Number(v["min"]))) return "a value below the minimum";
  if (typeof v["max"] === "number" && values.some((x) => x > Number(v["max"]))) return "a value above the maximum";
  if (!inside(mean, "mean")) return `mean ${mean}`;
  if (!inside(std, "std")) return `std ${std}`;
  if (!inside(values.filter((x) => x === 0).length / values.length, "zero_fraction")) return "another share of zeros";
  if (v["values"] !== undefined && values.some((x) => !array(v["values"]).some((w) => Math.abs(Number(w) - x) <= 1e-5))) return "a value that is not allowed";
  if (v["permutation"] === true && [...values].sort((a, b) => a - b).some((x, i) => x !== i)) return "no permutation";
  return undefined;
}
