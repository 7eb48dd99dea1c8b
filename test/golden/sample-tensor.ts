/**
 * Samples: one call of one op, as data. Ops list theirs in `*.samples.ts`; `generate.py` runs them through PyTorch (or
 * onnxruntime) and records the results; conformance tests build the same arguments and compare. Both sides make tensors by
 * the rule of `sampleValues`, so a golden holds no inputs.
 */

import { codec } from "../../src/numeric/codec.ts";
import { type DType, dtypeInfo, type TypedArray } from "../../src/tensor/dtype.ts";
import { contiguousStrides, numelOf } from "../../src/tensor/shape.ts";
import { Tensor, viewOf } from "../../src/tensor/tensor.ts";

/** How a tensor argument is made. */
export interface TensorSpec {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly seed: number;
  /** Values are in [low, high). */
  readonly low: number;
  readonly high: number;
  /** No two values are equal: the `n` steps of [low, high) in shuffled order. */
  readonly distinct?: boolean;
  /** The values themselves, row-major, in place of drawn ones; complex numbers are pairs. */
  readonly values?: readonly SampleNumber[];
  /** The last two axes lie swapped in memory. */
  readonly transpose?: boolean;
  /** For quantised dtypes: the values are codes. */
  readonly scale?: number;
  readonly zeroPoint?: number;
}

/** A number that JSON can carry: what it cannot is text ("nan", "-inf", "9007199254740993"). */
export type SampleNumber = number | boolean | string;

/** One argument. Ints are decimal text where they leave the safe range; floats are text where JSON has no number for them. */
export type Arg =
  | { readonly tensor: TensorSpec }
  | { readonly int: number | string }
  | { readonly float: number | string }
  | { readonly bool: boolean }
  | { readonly str: string }
  | { readonly none: true }
  | { readonly list: readonly Arg[] }
  | { readonly dtype: DType }
  | { readonly complex: readonly [number, number] }
  | { readonly device: string }
  | { readonly memoryFormat: MemoryFormat }
  | { readonly dict: readonly (readonly [Arg, Arg])[] }
  /** What another op makes: packed parameters, tensors quantised per channel. */
  | { readonly made: { readonly op: string; readonly args: readonly Arg[] } };

export type MemoryFormat = "contiguous_format" | "preserve_format" | "channels_last" | "channels_last_3d";

/** One call of an op (`aten::add.Tensor`, `onnx::Resize@13`); keyword arguments of an ONNX op are its attributes. */
export interface Sample {
  readonly op: string;
  readonly args: readonly Arg[];
  readonly kwargs?: Readonly<Record<string, Arg>>;
  /** Only shapes and dtypes are to agree: random or uninitialised results. */
  readonly check?: "shape_dtype";
  /** Results of an ONNX op, where it has more than one. */
  readonly outputs?: number;
  /** In place of the dtype's tolerance; say why in `note`. */
  readonly atol?: number;
  readonly rtol?: number;
  readonly note?: string;
}

/** What a tensor argument may say; the rest has defaults, the seed its place among the sample's tensors. */
export type TensorOptions = Partial<Omit<TensorSpec, "shape">>;

/** A tensor argument: float32 in [-2, 2) unless said otherwise; integers in [-10, 10), unsigned ones in [0, 10). */
export function t(shape: readonly number[], options: TensorOptions = {}): Arg {
  const dtype = options.dtype ?? "float32";
  const { class: kind, signed } = dtypeInfo(dtype);
  const low = kind === "int" ? (signed ? -10 : 0) : -2;
  return { tensor: { shape, low, high: kind === "int" ? 10 : 2, seed: 0, ...options, dtype } };
}
/** A tensor argument of given values. */
export function tv(shape: readonly number[], values: readonly SampleNumber[], options: TensorOptions = {}): Arg {
  return t(shape, { ...options, values });
}
export function int(value: number | string): Arg {
  return { int: value };
}
export function float(value: number): Arg {
  return { float: Number.isFinite(value) && !Object.is(value, -0) ? value : Object.is(value, -0) ? "-0.0" : text(value) };
}
export function bool(value: boolean): Arg {
  return { bool: value };
}
export function str(value: string): Arg {
  return { str: value };
}
export function ints(...values: readonly number[]): Arg {
  return { list: values.map(int) };
}
export function floats(...values: readonly number[]): Arg {
  return { list: values.map(float) };
}
export function list(...items: readonly Arg[]): Arg {
  return { list: items };
}
export function complex(re: number, im: number): Arg {
  return { complex: [re, im] };
}
export function dtype(name: DType): Arg {
  return { dtype: name };
}
export function device(name: string): Arg {
  return { device: name };
}
export function memoryFormat(name: MemoryFormat): Arg {
  return { memoryFormat: name };
}
export function dict(...entries: readonly (readonly [Arg, Arg])[]): Arg {
  return { dict: entries };
}
export function strs(...values: readonly string[]): Arg {
  return { list: values.map(str) };
}
export function bools(...values: readonly boolean[]): Arg {
  return { list: values.map(bool) };
}
export function made(op: string, ...args: readonly Arg[]): Arg {
  return { made: { op, args } };
}
export const none: Arg = { none: true };

/** A sample; the form that `*.samples.ts` files use. */
export function sample(
  op: string,
  args: readonly Arg[],
  kwargs: Readonly<Record<string, Arg>> = {},
  rest: Omit<Sample, "op" | "args" | "kwargs"> = {},
): Sample {
  return { op, args, kwargs, ...rest };
}

/** `sample` for the ops of one namespace: `aten("add.Tensor", [t([2, 3]), t([3])])`. */
type NamedSample = (op: string, args: readonly Arg[], kwargs?: Readonly<Record<string, Arg>>, rest?: Omit<Sample, "op" | "args" | "kwargs">) => Sample;
export const aten: NamedSample = (op, ...rest) => sample(`aten::${op}`, ...rest);
export const prim: NamedSample = (op, ...rest) => sample(`prim::${op}`, ...rest);
export const quantized: NamedSample = (op, ...rest) => sample(`quantized::${op}`, ...rest);
export const onnx: NamedSample = (op, ...rest) => sample(`onnx::${op}`, ...rest);

/** The sample with a seed for each tensor that has none: 1, 2, … in the order of the arguments. */
export function withSeeds(one: Sample): Sample {
  let count = 0;
  const fill = (arg: Arg): Arg => {
    if ("list" in arg) return { list: arg.list.map(fill) };
    if ("dict" in arg) return { dict: arg.dict.map(([key, value]) => [fill(key), fill(value)]) };
    if ("made" in arg) return { made: { op: arg.made.op, args: arg.made.args.map(fill) } };
    if (!("tensor" in arg)) return arg;
    count++;
    return { tensor: { ...arg.tensor, seed: arg.tensor.seed === 0 ? count : arg.tensor.seed } };
  };
  const args = one.args.map(fill);
  return { ...one, args, kwargs: Object.fromEntries(Object.entries(one.kwargs ?? {}).map(([key, arg]) => [key, fill(arg)])) };
}

/**
 * Numbers in [0, 1) that any language makes alike: 32-bit state `seed * 2654435761`, then per number
 * `state = state * 1664525 + 1013904223 (mod 2^32)` and its upper 24 bits over 2^24.
 */
export function unitSequence(seed: number): () => number {
  let state = Math.imul(seed, 2654435761) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) / 16777216;
  };
}

/**
 * The values of a tensor in row-major order of its memory, as doubles (two per complex number), from unit numbers `u`:
 * - drawn: `low + (high - low) * u`; `distinct`: `low + (high - low) * (rank + 0.5) / n` where ranks are 0…n-1 shuffled from the
 *   last place down, each with place `floor(u * (i + 1))`;
 * - integers take the floor; bool is `u < 0.5`; float64 keeps the double and float32 rounds it; floats of 16 bits and less are
 *   rounded to the nearest multiple of 1/16 as `floor(v * 16 + 0.5) / 16`, which they hold exactly between -8 and 8.
 */
export function sampleValues(spec: TensorSpec): SampleNumber[] {
  const { class: kind, bits, lanes } = dtypeInfo(spec.dtype);
  const n = numelOf(spec.shape) * lanes;
  if (spec.values !== undefined) return [...spec.values];
  const unit = unitSequence(spec.seed);
  const span = spec.high - spec.low;
  const ranks = Array.from({ length: n }, (_, i) => i);
  if (spec.distinct === true) {
    for (let i = n - 1; i > 0; i--) {
      const j = Math.floor(unit() * (i + 1));
      [ranks[i], ranks[j]] = [ranks[j] ?? 0, ranks[i] ?? 0];
    }
  }
  return ranks.map((rank) => {
    if (kind === "bool") return unit() < 0.5;
    const value = spec.low + span * (spec.distinct === true ? (rank + 0.5) / n : unit());
    if (kind === "int") return Math.floor(value);
    return bits < 24 ? Math.floor(value * 16 + 0.5) / 16 : value;
  });
}

/** The tensor that a spec describes. */
export function sampleTensor(spec: TensorSpec): Tensor {
  const info = dtypeInfo(spec.dtype);
  const rank = spec.shape.length;
  const memory = [...spec.shape];
  if (spec.transpose === true) [memory[rank - 2], memory[rank - 1]] = [spec.shape[rank - 1] ?? 1, spec.shape[rank - 2] ?? 1];
  const values = sampleValues(spec);
  const out = Tensor.zeros(memory, spec.dtype);
  const array: TypedArray = out.storage.array(info.carrier);
  const encode = codec(spec.dtype)?.encode;
  values.forEach((value, i) => {
    if (array instanceof BigInt64Array || array instanceof BigUint64Array) array[i] = BigInt(value);
    else array[i] = encode === undefined ? numberOf(value) : encode(numberOf(value));
  });
  if (spec.scale !== undefined) out.quantizer = { scheme: "per_tensor_affine", scale: spec.scale, zeroPoint: spec.zeroPoint ?? 0 };
  if (spec.transpose !== true) return out;
  const strides = contiguousStrides(memory);
  [strides[rank - 2], strides[rank - 1]] = [strides[rank - 1] ?? 1, strides[rank - 2] ?? 1];
  return viewOf(out, [...spec.shape], strides, 0);
}

/** The number that a sample's text or boolean stands for. */
export function numberOf(value: SampleNumber): number {
  if (value === "inf") return Infinity;
  if (value === "-inf") return -Infinity;
  return Number(value);
}

function text(value: number): string {
  return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
}
