/** The numbers of a recorded value, row-major, read from the trace when they are looked at. */

import { writeNpy } from "../bytes/npy.ts";
import { type DType, dtypeInfo } from "../tensor/dtype.ts";
import { contiguousStrides } from "../tensor/shape.ts";
import { decodeSmallFloat } from "../tensor/text.ts";
import { numelOf } from "./format.ts";
import type { Run, ValueFact } from "./run.ts";

export interface Numbers {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Row-major; complex numbers as their real parts. */
  readonly data: Float32Array | Float64Array;
  /** The elements' own bytes, row-major. */
  readonly raw: Uint8Array;
}

const MAX_ELEMENTS = 2 ** 26;
const kept = new Map<ValueFact, Promise<Numbers>>();
const KEEP = 8;

/** The value's numbers. @throws where the trace does not hold them all */
export function numbersOf(run: Run, value: ValueFact): Promise<Numbers> {
  const known = kept.get(value);
  if (known !== undefined) return known;
  const made = read(run, value);
  kept.set(value, made);
  for (const old of kept.keys()) {
    if (kept.size <= KEEP) break;
    kept.delete(old);
  }
  made.catch(() => kept.delete(value));
  return made;
}

async function read(run: Run, value: ValueFact): Promise<Numbers> {
  const { dtype, shape } = value;
  if (dtype === undefined || shape === undefined) throw new Error(`${value.name} is no tensor`);
  if (numelOf(shape) > MAX_ELEMENTS) throw new Error(`${value.name} has too many elements to show`);
  const storage = await run.bytes(value);
  const raw = gather(storage, value, dtypeInfo(dtype).itemsize);
  return { dtype, shape, raw, data: decode(raw, dtype) };
}

/** The elements that the value's strides reach, row-major. */
function gather(storage: Uint8Array, value: ValueFact, size: number): Uint8Array {
  const shape = value.shape ?? [];
  const strides = value.strides ?? contiguousStrides(shape);
  const offset = value.offset ?? 0;
  const numel = numelOf(shape);
  if (strides.every((stride, axis) => (shape[axis] ?? 1) === 1 || stride === contiguousStrides(shape)[axis])) {
    if ((offset + numel) * size <= storage.length) return storage.slice(offset * size, (offset + numel) * size);
  }
  const out = new Uint8Array(numel * size);
  const index = shape.map(() => 0);
  let from = offset;
  for (let to = 0; to < numel; to++) {
    for (let k = 0; k < size; k++) out[to * size + k] = storage[from * size + k] ?? 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1;
      from += strides[axis] ?? 0;
      if (next < (shape[axis] ?? 0)) {
        index[axis] = next;
        break;
      }
      index[axis] = 0;
      from -= next * (strides[axis] ?? 0);
    }
  }
  return out;
}

function decode(raw: Uint8Array, dtype: DType): Float32Array | Float64Array {
  const info = dtypeInfo(dtype);
  const { buffer } = raw.byteOffset === 0 && raw.byteLength === raw.buffer.byteLength ? raw : raw.slice();
  const count = raw.length / info.itemsize;
  const lane = info.lanes;
  switch (info.carrier) {
    case "f32":
      return lane === 1 ? new Float32Array(buffer) : Float32Array.from({ length: count }, (_, i) => new Float32Array(buffer)[i * lane] ?? 0);
    case "f64":
      return lane === 1 ? new Float64Array(buffer) : Float64Array.from({ length: count }, (_, i) => new Float64Array(buffer)[i * lane] ?? 0);
    case "i64":
      return Float64Array.from(new BigInt64Array(buffer), Number);
    case "u64":
      return Float64Array.from(new BigUint64Array(buffer), Number);
    case "i32":
      return Float64Array.from(new Int32Array(buffer));
    case "u32":
      return Float64Array.from(new Uint32Array(buffer));
    case "i16":
      return Float32Array.from(new Int16Array(buffer));
    case "i8":
      return Float32Array.from(new Int8Array(buffer));
    case "u16":
      return info.class === "int" ? Float32Array.from(new Uint16Array(buffer)) : small(new Uint16Array(buffer), dtype, lane);
    case "u8":
      return info.class === "float" ? small(new Uint8Array(buffer), dtype, 1) : Float32Array.from(new Uint8Array(buffer));
    default:
      return info.carrier satisfies never;
  }
}

function small(bits: Uint16Array | Uint8Array, dtype: DType, lane: number): Float32Array {
  return Float32Array.from({ length: bits.length / lane }, (_, i) => decodeSmallFloat(dtype === "complex32" ? "float16" : dtype, bits[i * lane] ?? 0));
}

/** A .npy file of the value. */
export function npyOf(numbers: Numbers): Uint8Array {
  return writeNpy({ dtype: numbers.dtype, shape: numbers.shape, data: numbers.raw });
}

/** Elements that a copy as text takes. */
export const COPY_LIMIT = 20_000;

/** The value as a line of Python. */
export function numpyText(numbers: Numbers): string {
  const { shape, data, dtype } = numbers;
  const one = (x: number): string =>
    Number.isNaN(x) ? "np.nan" : Number.isFinite(x) ? (dtype === "bool" ? (x !== 0 ? "True" : "False") : shortest(x, data)) : x > 0 ? "np.inf" : "-np.inf";
  const nest = (axis: number, base: number): string => {
    if (axis === shape.length) return one(data[base] ?? 0);
    const size = shape[axis] ?? 0;
    return `[${Array.from({ length: size }, (_, i) => nest(axis + 1, base * size + i)).join(", ")}]`;
  };
  const name = dtype === "bfloat16" ? "np.float32" : dtype === "bool" ? "np.bool_" : `np.${dtype}`;
  return `np.array(${nest(0, 0)}, dtype=${name})${numelOf(shape) === 0 ? `.reshape(${shape.join(", ")})` : ""}`;
}

/** The fewest digits that give the same float32 back; float64 as JavaScript prints it. */
function shortest(x: number, data: Float32Array | Float64Array): string {
  if (data instanceof Float64Array || Number.isInteger(x)) return String(x);
  for (let digits = 6; digits < 9; digits++) {
    const text = x.toPrecision(digits);
    if (Math.fround(Number(text)) === x) return String(Number(text));
  }
  return String(x);
}
