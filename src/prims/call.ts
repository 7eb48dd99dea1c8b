/**
 * THE WAIST: a call is plain data. A backend answers these kinds and knows nothing else. A call lists what it reads
 * (`operands`) and what it writes (`results`); a result that is also an operand's storage has passed the overlap check.
 * All shapes are known before a call runs. Views are no calls: they are arithmetic on strides.
 */

import type { Factorisation } from "./factorisation.ts";
import type { GeneratorState } from "../tensor/generator.ts";
import type { View } from "../tensor/tensor.ts";
import type { Combiner } from "./combiner.ts";
import type { Program } from "./program.ts";

interface CallBase {
  readonly operands: readonly View[];
  readonly results: readonly View[];
  /** Values of the program's run-time scalars: sizes, ints, floats. Bigint for i64. */
  readonly scalars: readonly (number | bigint | boolean)[];
}

/** Expressions over operands that all have the results' shape (broadcast axes have stride 0). */
export interface MapCall extends CallBase {
  readonly kind: "map";
  readonly program: Program;
}

/** Expressions over the results' positions that load operands at computed coordinates. */
export interface ComputeCall extends CallBase {
  readonly kind: "compute";
  readonly program: Program;
}

/**
 * `results[i] = finish(fold(combine, element...))` over the axes in `axes` of `shape`. Operands have the full shape;
 * results have it with size 1 on the reduced axes. The program's outputs are the element tuple, in the combiner's state types;
 * `index` in it is a position on an axis of the full shape. Order is row-major, whatever the threads.
 */
export interface ReduceCall extends CallBase {
  readonly kind: "reduce";
  readonly program: Program;
  readonly combiner: Combiner;
  readonly shape: readonly number[];
  readonly axes: readonly number[];
}

/** The running fold along one axis; results have the operands' shape. */
export interface ScanCall extends CallBase {
  readonly kind: "scan";
  readonly program: Program;
  readonly combiner: Combiner;
  readonly axis: number;
  readonly exclusive: boolean;
  readonly reverse: boolean;
}

/**
 * Batched product: `a [B, M, K]` by `b [B, K, N]` into `[B, M, N]`, summed in `accumulate`. Broadcast batches have stride 0.
 * `epilogue`, where given, maps (product, further operands broadcast to `[B, M, N]`) to the result; its first operand's dtype is the one that
 * the product is rounded to before (float32 for half results, which so round once).
 */
export interface ContractCall extends CallBase {
  readonly kind: "contract";
  readonly accumulate: "f32" | "f64" | "i32" | "i64";
  readonly epilogue: Program | undefined;
}

/**
 * n-d convolution (cross-correlation): `x [N, C, ...]`, `w [O, C/groups, ...]`, optional third operand `bias [O]`, into `[N, O, ...]`.
 * Transposed: `w [C, O/groups, ...]`, and the gradient of the plain one with respect to its input.
 * `epilogue`, where given, maps (convolution with its bias, further operands broadcast to the result) to the result, as a contraction's does; its
 * operands come last, and none of them shares the result's memory. `convolveOperands` tells them apart.
 */
export interface ConvolveCall extends CallBase {
  readonly kind: "convolve";
  readonly stride: readonly number[];
  /** Zeros before and after each spatial axis; may be negative (cropping) in transposed form. */
  readonly padBegin: readonly number[];
  readonly padEnd: readonly number[];
  readonly dilation: readonly number[];
  readonly groups: number;
  readonly transposed: boolean;
  readonly accumulate: "f32" | "f64" | "i32" | "i64";
  readonly epilogue: Program | undefined;
}

/** A convolution's operands by their parts; `extra` are those of its epilogue. */
export function convolveOperands(call: ConvolveCall): { readonly x: View; readonly w: View; readonly bias: View | undefined; readonly extra: readonly View[] } {
  const [x, w] = call.operands;
  if (x === undefined || w === undefined) throw new TypeError("a convolution takes two operands or more");
  const own = call.operands.length - Math.max(0, (call.epilogue?.operands.length ?? 1) - 1);
  return { x, w, bias: own > 2 ? call.operands[2] : undefined, extra: call.operands.slice(own) };
}

/**
 * Reduction over regular windows of the trailing axes. `max`: result 0 the maxima (NaN wins), result 1 (optional) the flat index
 * within the spatial axes as int64, the first on ties. `sum`: sums divided by the divisor: a fixed number, or the window's elements with or without padding.
 */
export interface WindowCall extends CallBase {
  readonly kind: "window";
  readonly reduction: "max" | "sum";
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly padBegin: readonly number[];
  readonly padEnd: readonly number[];
  readonly dilation: readonly number[];
  /** For `sum`: a number, or what to count. */
  readonly divisor: number | "window" | "inside";
}

/**
 * For each position of `shape` in row-major order: `result[at] = combine(result[at], value)`. The program's first outputs
 * (one per result axis, int64) are `at`, the last is the value. What no position hits keeps what it held.
 */
export interface ScatterCall extends CallBase {
  readonly kind: "scatter";
  readonly program: Program;
  readonly shape: readonly number[];
  readonly combine: "set" | "add" | "mul" | "min" | "max";
}

/**
 * How the elements of a line are put in order, which shows in the positions of equal ones.
 * - `stable`: equals keep their order.
 * - `intro`: as C++'s `std::sort` leaves them.
 * - `first`: only the first `length` of the line are wanted, in any order unless `sorted` (PyTorch's `topk`).
 * - `kth`: only the one that sorting puts at `place` is wanted (PyTorch's `kthvalue`).
 */
export type SortMethod =
  | { readonly kind: "stable" | "intro" }
  | { readonly kind: "first"; readonly length: number; readonly sorted: boolean }
  | { readonly kind: "kth"; readonly place: number };

/**
 * Sort along `axis`; NaN counts as largest. Results: values, int64 positions; as long along `axis` as `method` has elements wanted.
 * `rows`: whole slices along `axis` are compared lexicographically, stable, one int64 result.
 */
export interface SortCall extends CallBase {
  readonly kind: "sort";
  readonly axis: number;
  readonly descending: boolean;
  readonly rows: boolean;
  readonly method: SortMethod;
}

/** One number, from the generator's words and one or two parameters. */
export type Draw = (state: GeneratorState, a: number, b: number) => number;

/**
 * Random numbers in program order, drawn in the order of the result's memory; never folded or moved. Parameters are scalars, or operands of the result's shape:
 * uniform (from, to) · normal (mean, std) · bernoulli (p, or operand) · exponential (rate) · geometric (p) · cauchy (median, sigma) ·
 * logNormal (mean, std) · integers (from, to: bigints, or none: the dtype's whole non-negative range) · permutation () ·
 * multinomial (operand: rows of weights `[M, K]`; drawn with replacement into `[M, N]`) · poisson (operand: rates) ·
 * binomial (operands: counts, p) · gamma (operand: shapes).
 */
export interface RandomCall extends CallBase {
  readonly kind: "random";
  readonly transform: "uniform" | "normal" | "bernoulli" | "exponential" | "geometric" | "cauchy" | "logNormal" | "integers" | "permutation" | "multinomial" | "poisson" | "binomial" | "gamma";
  /** Generator state, advanced in place. */
  readonly generator: GeneratorState;
  /** What draws a number for its operands' elements, where that takes formulas of its own: poisson, binomial and gamma. A build without their ops has none of them. */
  readonly draw?: Draw | undefined;
}

/** Dense factorisations on the last two axes; leading axes are alike in all operands and results. The ops' `factorisations.ts` lists operands, results and flags by name. */
export interface LinalgCall extends CallBase {
  readonly kind: "linalg";
  readonly name: "lu" | "luSolve" | "cholesky" | "qr" | "ormqr" | "householder" | "solve" | "triangular" | "eigh" | "eig" | "svd" | "ldl" | "ldlSolve" | "lstsq" | "geqrf" | "inverse";
  readonly flags: Readonly<Record<string, boolean | number | string>>;
  /** What it does to each matrix. */
  readonly factorisation: Factorisation;
}

/** Fourier transform along `axis`, complex in and out, in double precision inside; scaled by `scale`. */
export interface FftCall extends CallBase {
  readonly kind: "fft";
  readonly axis: number;
  readonly inverse: boolean;
  readonly scale: number;
  /** What transforms a line of (re, im) pairs, unscaled. A build without such ops has none. */
  readonly transform: (line: Float64Array, inverse: boolean) => Float64Array;
}

/** What only the host can do; `run` gets views whose storages are on the host. `cpu` only. */
export interface HostCall extends CallBase {
  readonly kind: "host";
  readonly name: string;
  readonly run: (operands: readonly View[], results: readonly View[]) => void;
}

export type Call =
  | MapCall | ComputeCall | ReduceCall | ScanCall | ContractCall | ConvolveCall | WindowCall | ScatterCall
  | SortCall | RandomCall | LinalgCall | FftCall | HostCall;

export type CallKind = Call["kind"];

/**
 * A named composite. Its body is calls; a backend may claim it whole by name. Parameters are numbers, strings or lists of numbers.
 * Known names and their operands are documented in `prims/regions.ts`.
 */
export interface Region {
  readonly kind: "region";
  readonly name: string;
  readonly operands: readonly View[];
  readonly results: readonly View[];
  readonly params: Readonly<Record<string, number | boolean | string | readonly number[] | undefined>>;
}
