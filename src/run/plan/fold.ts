/**
 * Maps behind a convolution that are affine in each channel (a batch norm of given statistics), multiplied into its filters and added to its bias. Imports nothing
 * that runs: bundlers would split the first download for it.
 */

import type { Expr } from "../../expr/expr.ts";
import type { Backend } from "../../prims/backend.ts";
import type { ConvolveCall } from "../../prims/call.ts";
import type { Storage } from "../../tensor/storage.ts";
import type { View } from "../../tensor/tensor.ts";
import type { mergeBehind } from "./fuse.ts";
import type { StraightLine } from "./region.ts";

/** What it needs of the modules around it. */
export interface FoldTools {
  readonly mergeBehind: typeof mergeBehind;
  readonly convolveOperands: (call: ConvolveCall) => { readonly x: View; readonly w: View; readonly bias: View | undefined };
  readonly isDense: (view: View) => boolean;
  readonly Storage: typeof Storage;
}

/** One number for each channel, or the same for all. */
type Numbers = number | Float32Array | Float64Array;

/** `factor * x + shift` by channel; what does not depend on `x` has the factor 0. */
type Affine = readonly [factor: Numbers, shift: Numbers];

/** Factors are 0 or between this and its inverse: filters of any usual size stay in range when they are multiplied. */
const LEAST_FACTOR = 2 ** -32;

const OPERATIONS: Readonly<Partial<Record<string, (a: number, b: number) => number>>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
};

const at = (of: Numbers, i: number): number => (typeof of === "number" ? of : (of[i] ?? NaN));

function combined(fn: string, a: Numbers, b: Numbers): Numbers {
  // Most steps leave one side as it is: nothing is computed for those.
  if (fn === "mul" ? a === 1 || b === 0 : fn === "add" && a === 0) return b;
  if (fn === "mul" ? b === 1 || a === 0 : fn !== "div" && b === 0) return a;
  const run = OPERATIONS[fn] ?? ((): number => NaN);
  const length = typeof a === "number" ? (typeof b === "number" ? 0 : b.length) : a.length;
  if (length === 0) return run(at(a, 0), at(b, 0));
  const out = new Float64Array(length);
  for (let i = 0; i < length; i++) out[i] = run(at(a, i), at(b, i));
  return out;
}

/** The expression as an affine function; undefined where it is none. `leaf` says what operands and plain numbers are. */
function affineOf(e: Expr, leaf: (e: Expr) => Affine | undefined): Affine | undefined {
  if (e.type !== "f32" && e.type !== "f64") return undefined;
  if (e.op === "cast") return affineOf(e.a, leaf);
  if (e.op !== "binary") return leaf(e);
  const { fn } = e;
  let [a, b] = [affineOf(e.a, leaf), affineOf(e.b, leaf)];
  if (OPERATIONS[fn] === undefined || a === undefined || b === undefined) return undefined;
  const shift = combined(fn, a[1], b[1]);
  if (fn === "add" || fn === "sub") return [combined(fn, a[0], b[0]), shift];
  if (fn === "mul" && a[0] === 0) [a, b] = [b, a];
  return b[0] === 0 ? [a[0] === 0 ? 0 : combined(fn, a[0], b[1]), shift] : undefined;
}

/** Whether the bytes are there, or can be read at once. */
function isAtHand({ unread }: Storage): boolean {
  return unread === undefined || unread.fill !== undefined;
}

/** Values of a constant along the one axis on which they differ; undefined where it is none, or does not lie so. */
function along(view: View, axis: number, length: number): Float32Array | undefined {
  if (view.dtype !== "float32" || !isAtHand(view.storage) || view.strides.some((s, k) => k !== axis && s !== 0 && view.shape[k] !== 1)) return undefined;
  const bytes = view.storage.peek();
  if (bytes instanceof Promise) return undefined;
  const values = new Float32Array(bytes.slice().buffer).subarray(view.offset);
  const stride = view.strides[axis] ?? 0;
  return stride === 1 ? values.subarray(0, length) : Float32Array.from({ length }, (_, i) => values[i * stride] ?? NaN);
}

/** Whether all are 0, or as large as this and no larger than that. */
function isWithin(values: Float32Array | Float64Array, least: number, most: number): boolean {
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i] ?? NaN);
    if (!(size === 0 || (size >= least && size <= most))) return false;
  }
  return true;
}

/** Multiplies each run of so many values by the next of the factors, over and over. */
function multiply(values: Float32Array, run: number, factors: Float64Array): void {
  for (let from = 0, i = 0; from < values.length; from += run, i++) {
    const factor = factors[i % factors.length] ?? 1;
    const end = Math.min(values.length, from + run);
    for (let k = from; k < end; k++) values[k] = (values[k] ?? 0) * factor;
  }
}

/** Filters that have been made of others: plans for several sizes share them. */
interface Scaled {
  readonly version: number;
  readonly stride: number;
  readonly factors: Float64Array;
  readonly storage: Storage;
}
const known = new WeakMap<Storage, readonly Scaled[]>();

/** Filters times a factor for each channel of an axis: a storage without bytes of its own, which are read and multiplied for whoever asks for them. */
function scaled({ storage: of, strides }: View, axis: number, factors: Float64Array, { Storage }: FoldTools): Storage {
  const { nbytes, version } = of;
  const stride = factors.length === 1 ? nbytes : (strides[axis] ?? 0);
  const current = (known.get(of) ?? []).filter((s) => s.version === version);
  const same = current.find((s) => s.stride === stride && String(s.factors) === String(factors));
  if (same !== undefined) return same.storage;
  const fill = (target: Uint8Array): void => {
    // From its file where there is one: other copies would be copied once more on the way.
    if (of.source?.fill !== undefined) of.source.fill(target);
    else target.set(of.peek() as Uint8Array); // at hand
    multiply(new Float32Array(target.buffer, target.byteOffset, nbytes / Float32Array.BYTES_PER_ELEMENT), stride, factors);
  };
  const load = (): Uint8Array => {
    const bytes = new Uint8Array(nbytes);
    fill(bytes);
    return bytes;
  };
  const storage = Storage.lazy(nbytes, { load, fill });
  known.set(of, [...current, { version, stride, factors, storage }]);
  return storage;
}

export function foldAffine(line: StraightLine, backend: Backend, tools: FoldTools): StraightLine {
  const { mergeBehind, convolveOperands, isDense, Storage } = tools;
  const constants = new Map(line.constants.map(({ storage, version }) => [storage, version]));
  const out = mergeBehind(line, backend, (conv, result, { map, at: read, operands, to }) => {
    if (conv.kind !== "convolve" || conv.epilogue !== undefined || result.dtype !== "float32" || (conv.transposed && conv.groups > 1)) return undefined;
    const { x, w, bias } = convolveOperands(conv);
    if (w.dtype !== "float32" || !isDense(w) || !constants.has(w.storage) || !isAtHand(w.storage)) return undefined;
    const channels = result.shape[1] ?? 0;
    const valuesOf = (view: View, axis: number): Float32Array | undefined => (constants.has(view.storage) ? along(view, axis, channels) : undefined);
    const [value] = map.program.outputs[0]?.parts ?? [];
    const affine =
      value &&
      affineOf(value, (e) => {
        if (e.op === "const" || e.op === "scalar") return [0, Number(e.op === "const" ? e.value : map.scalars[e.slot])];
        if (e.op !== "arg") return undefined;
        if (read.includes(e.operand)) return [1, 0];
        const view = operands[e.operand];
        const values = view && valuesOf(view, 1);
        return values && [0, values];
      });
    const start = bias === undefined ? 0 : valuesOf(bias, 0);
    if (affine === undefined || start === undefined) return undefined;
    const all = (of: Numbers): Float64Array => (typeof of === "number" ? new Float64Array(channels).fill(of) : new Float64Array(of));
    const factors = all(affine[0]);
    const sums = new Float32Array(all(combined("add", combined("mul", start, affine[0]), affine[1])));
    if (!isWithin(factors, LEAST_FACTOR, 1 / LEAST_FACTOR) || !isWithin(sums, 0, Number.MAX_VALUE)) return undefined;
    const filters = factors.every((f) => f === 1) ? w.storage : scaled(w, conv.transposed ? 1 : 0, factors, tools);
    const shift = Storage.wrap(new Uint8Array(sums.buffer), false);
    for (const storage of [filters, shift]) constants.set(storage, storage.version);
    return {
      ...conv,
      operands: [x, { ...w, storage: filters }, { storage: shift, dtype: "float32", shape: [channels], strides: [1], offset: 0 }],
      results: [to],
    };
  });
  if (out.steps.length === line.steps.length) return line;
  // What only went into others is needed no more.
  const before = new Set(line.steps.flatMap(({ what }) => what.operands.map((view) => view.storage)));
  const now = new Set(out.steps.flatMap(({ what }) => what.operands.map((view) => view.storage)));
  return { ...out, constants: [...constants].flatMap(([storage, version]) => (before.has(storage) && !now.has(storage) ? [] : [{ storage, version }])) };
}
