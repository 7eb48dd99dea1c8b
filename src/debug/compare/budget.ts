/**
 * How far a result may be from the reference: budgets that know the op, the dtype and, where sums cancel, how large the terms were.
 * `times` = the largest error as a multiple of what is allowed there: at most 1 is right.
 */

import type { Backend } from "../../prims/backend.ts";
import { type DType, dtypeInfo } from "../../tensor/dtype.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { type Facts, factsOf, magnitudesOf, type SeenRegion } from "./facts.ts";
import { numbersOf, sameBits } from "./numbers.ts";
import { CANCELS, classOf, DIVIDES, LOG1P, LOGARITHMS, type OpClass, plainName, POSITIVE_SUMS, SIGMOIDS, SOFT } from "./op-class.ts";
import { residualOf } from "./residual.ts";
import { type Execution, type Tape, tensorsIn } from "./tape.ts";

/** `strict`: cpu and wasm. `portable`: GPU engines in float32, which have their own exp and divide. */
export type Profile = "strict" | "portable";

/** In place of a class's budget where the selector matches: `allowed = a ulp + b u max|ref|`, or this many times what the class allows. */
export interface Override {
  readonly selector: string;
  readonly matches: (execution: Execution) => boolean;
  readonly a?: number;
  readonly b?: number;
  readonly times?: number;
}

export interface Judgement {
  readonly times: number;
  readonly class: OpClass;
  /** What is wrong besides numbers. */
  readonly problem: "shape" | "dtype" | "non-finite" | "missing" | undefined;
  /** Row-major positions over budget, the first many of them, and how many there are. */
  readonly over: readonly number[];
  readonly count: number;
  /** Choices differ, but between values that the budget cannot tell apart. */
  readonly tie: boolean;
  /** ‖allowed‖ / ‖reference‖: what of a relative error in L2 is the op's own. */
  readonly share: number;
  readonly override: string | undefined;
}

/** A factor that stands for "no number says how wrong": other shapes, NaN where there is none. JSON has no infinity. */
export const HOPELESS = 1e9;
const KEPT_POSITIONS = 100_000;
const LEAST = 2 ** -126;

/** The distance to the next float of `bits` significant ones. */
export function ulp(x: number, bits: number, least: number): number {
  const size = Math.abs(x);
  if (size < least) return least * 2 ** (1 - bits);
  return 2 ** (Math.floor(Math.log2(size)) + 1 - bits);
}

interface Format {
  /** Significant bits of what is stored, and of what is summed in. */
  readonly bits: number;
  readonly least: number;
  readonly u: number;
}

function formatOf(dtype: DType): Format {
  const base = dtype === "complex64" ? "float32" : dtype === "complex128" ? "float64" : dtype === "complex32" ? "float16" : dtype;
  const { bits } = dtypeInfo(base);
  const least = base === "float64" ? 2 ** -1022 : base === "float16" ? 2 ** -14 : LEAST;
  return { bits, least, u: base === "float64" ? 2 ** -53 : 2 ** -24 };
}

const cleared = (name: OpClass): Judgement => ({ times: 0, class: name, problem: undefined, over: [], count: 0, tie: false, share: 0, override: undefined });
const hopeless = (name: OpClass, problem: NonNullable<Judgement["problem"]>, over: readonly number[] = [], count = 0): Judgement => ({
  ...cleared(name),
  times: HOPELESS,
  problem,
  over,
  count,
  share: 0,
});

export interface JudgeOptions {
  readonly tape: Tape;
  readonly execution: Execution;
  readonly cpu: Backend;
  readonly profile: Profile;
  /** A backend under judgement may work convolutions by 3 x 3 filters out in tiles; the cpu does not. */
  readonly tiles?: boolean | undefined;
  readonly overrides?: readonly Override[] | undefined;
}

/** Judges results of one execution, several of them with one look at what the op does. */
export class Judge {
  readonly #options: JudgeOptions;
  #facts: Promise<Facts | undefined> | undefined;
  #magnitudes: Promise<readonly ArrayLike<number>[] | undefined> | undefined;

  constructor(options: JudgeOptions) {
    this.#options = options;
  }

  /** An op whose second run fails (it waits for what is gone) has no facts; its class's own numbers have to do. */
  #factsOf(): Promise<Facts | undefined> {
    this.#facts ??= factsOf(this.#options.tape, this.#options.execution, this.#options.cpu).catch(() => undefined);
    return this.#facts;
  }
  #magnitudesOf(): Promise<readonly ArrayLike<number>[] | undefined> {
    this.#magnitudes ??= magnitudesOf(this.#options.execution, this.#options.cpu).catch(() => undefined);
    return this.#magnitudes;
  }

  /** Judges `values[at]` as the execution's output number `at` (among its tensors), against `reference`. `slack`: allowed besides, times the largest reference value. */
  async output(reference: Tensor, values: readonly (Tensor | undefined)[], at: number, slack = 0): Promise<Judgement> {
    const value = values[at];
    const { execution } = this.#options;
    const name = classOf(execution.node.op);
    if (value === undefined) return hopeless(name, "missing");
    if (!sameShapes(reference, value)) return hopeless(name, "shape");
    if (sameBits(reference, value)) return cleared(name);
    const [a, b] = [dtypeInfo(reference.dtype), dtypeInfo(value.dtype)];
    if (a.class !== b.class) return hopeless(name, "dtype");
    if (reference.dtype === "string") return hopeless(name, "dtype");
    const [ref, got] = [numbersOf(reference), numbersOf(value)];
    const differ = nonFinite(ref, got);
    if (differ.count > 0) return hopeless(name, "non-finite", differ.over, differ.count);
    if (a.class === "int" || a.class === "bool") return this.#whole(reference, ref, got, name);
    // Between formats (float16 against float32) the coarser one's rounding counts.
    const coarse = formatOf(reference.dtype).bits <= formatOf(value.dtype).bits ? reference.dtype : value.dtype;
    if (name === "factorisations") {
      const residual = residualOf(
        execution,
        values.filter((v) => v !== undefined),
      );
      if (residual !== undefined) return { ...cleared(name), times: residual };
    }
    const given = this.#options.overrides?.find((o) => o.matches(execution));
    const allow = await this.#allowance(name, coarse, ref, got, at, given);
    const flat = slack === 0 ? 0 : slack * largest(ref);
    const judged = judgeBy(ref, got, flat === 0 ? allow.at : (i) => allow.at(i) + flat);
    return { ...cleared(name), ...judged, times: judged.times / (given?.times ?? 1), override: given?.selector };
  }

  /** Whole numbers are equal, but for a step of a quantiser and the positions of equal values. */
  #whole(reference: Tensor, ref: ArrayLike<number>, got: ArrayLike<number>, name: OpClass): Judgement {
    const over: number[] = [];
    let [count, most] = [0, 0];
    for (let i = 0; i < ref.length; i++) {
      const e = Math.abs((ref[i] ?? 0) - (got[i] ?? 0));
      if (e === 0) continue;
      count++;
      most = Math.max(most, e);
      if (over.length < KEPT_POSITIONS) over.push(i);
    }
    if (count === 0) return cleared(name);
    if ((name === "quantised" || reference.quantizer !== undefined) && most <= 1) {
      // Halves between two steps may go either way; a small tensor has few elements to take a share of.
      const may = this.#options.profile === "strict" ? Math.max(1, 0.001 * ref.length) : Math.max(Math.sqrt(ref.length), 0.01 * ref.length);
      return { ...cleared(name), times: count / may, over, count };
    }
    if (name === "choices" && reference.dtype === "int64" && this.#isTie(reference, ref, got)) return { ...cleared(name), tie: true, over, count };
    return { ...cleared(name), times: Math.min(HOPELESS, 10 * most), over, count };
  }

  /** Whether two choices of positions choose equal values: along the axis whose size the op shrank or kept. */
  #isTie(reference: Tensor, ref: ArrayLike<number>, got: ArrayLike<number>): boolean {
    const source = tensorsIn(this.#options.execution.args)[0];
    if (source === undefined) return false;
    const numbers = numbersOf(source);
    const { shape } = source;
    for (let axis = 0; axis < Math.max(1, shape.length); axis++) {
      const kept = shape.filter((_, i) => i !== axis);
      const rest = reference.shape.filter((_, i) => i !== axis || reference.shape.length < shape.length);
      const sameRest = reference.shape.length === shape.length ? reference.shape.every((n, i) => i === axis || n === shape[i]) : kept.join() === rest.join();
      if (!sameRest) continue;
      const inner = shape.slice(axis + 1).reduce((x, y) => x * y, 1);
      const size = shape[axis] ?? 1;
      const own = reference.shape.length === shape.length ? (reference.shape[axis] ?? 1) : 1;
      const at = (i: number, index: number): number => {
        const outer = Math.floor(i / (inner * own));
        return numbers[(outer * size + index) * inner + (i % inner)] ?? NaN;
      };
      let equal = true;
      for (let i = 0; i < ref.length && equal; i++) {
        if (ref[i] === got[i]) continue;
        const [x, y] = [at(i, ref[i] ?? 0), at(i, got[i] ?? 0)];
        equal = x === y || Math.abs(x - y) <= 4 * ulp(Math.max(Math.abs(x), Math.abs(y)), 24, LEAST);
      }
      if (equal) return true;
    }
    return false;
  }

  /** What each element may be off by. */
  async #allowance(name: OpClass, dtype: DType, ref: ArrayLike<number>, got: ArrayLike<number>, at: number, given: Override | undefined): Promise<Allowance> {
    const format = formatOf(dtype);
    const { bits, least } = format;
    const step = (i: number): number => ulp(ref[i] ?? 0, bits, least);
    const top = largest(ref);
    if (given !== undefined && (given.a !== undefined || given.b !== undefined)) {
      const flat = (given.b ?? 0) * format.u * top;
      return { at: (i) => (given.a ?? 0) * step(i) + flat };
    }
    // Stored in half precision, computed in single: one rounding more, two where terms cancel.
    const rounding = bits < 24 ? (CANCELS.has(name) ? 2 : 1) : 0;
    const own = await this.#classAllowance(name, format, ref, got, at, top);
    const floor = name === "exact" ? 0 : least;
    return { at: (i) => Math.max(own.at(i) + rounding * step(i), floor) };
  }

  async #classAllowance(name: OpClass, format: Format, ref: ArrayLike<number>, got: ArrayLike<number>, at: number, top: number): Promise<Allowance> {
    const { execution, profile } = this.#options;
    const op = plainName(execution.node.op);
    const strict = profile === "strict";
    const { u } = format;
    // Budgets in units of the last place count those of single precision where the result is stored in half.
    const bits = Math.max(24, format.bits);
    const step = (i: number): number => ulp(ref[i] ?? 0, bits, format.least);
    const ulps = (n: number): Allowance => ({ at: (i) => n * step(i) });
    switch (name) {
      case "exact":
      case "random":
      case "choices":
        // Half a unit: the smallest error there is counts as twice what is allowed.
        return name === "random" ? ulps(4) : { at: (i) => 0.5 * ulp(ref[i] ?? 0, format.bits, format.least) };
      case "rounded": {
        const scaled = execution.args.some((a, i) => execution.node.schema?.args[i]?.name === "alpha" && !isOne(a));
        if (scaled) return this.#sums(format, ref, got, at, top, "products");
        return ulps(DIVIDES.has(op) ? (strict ? 1 : 3) : strict ? 0.5 : 1);
      }
      case "elementary":
        if (strict) return ulps(SIGMOIDS.has(op) ? 4 : 2);
        if (LOGARITHMS.has(op)) return { at: () => 2 ** -10 };
        // Engines without log1p round 1 + exp(x): measured on TensorFlow.js.
        if (LOG1P.has(op)) return { at: (i) => Math.max(18 * step(i), 2 ** -22) };
        return ulps(SIGMOIDS.has(op) ? 34 : SOFT.has(op) ? 18 : 32);
      case "bounded":
        return strict ? ulps(2) : { at: () => 2 ** -10 };
      case "gated": {
        const x = this.#sameSized(ref.length);
        return { at: (i) => (strict ? 8 * u : 2 ** -10) * Math.abs(x?.[i] ?? top) + step(i) };
      }
      case "sums":
      case "products":
        return this.#sums(format, ref, got, at, top, name);
      case "softmax": {
        const n = await this.#lineLength();
        const [a, floor] = strict ? [16 + Math.sqrt(n), u] : [3 * n + 3, 2 ** -20];
        return { at: (i) => Math.max(a * step(i), floor) };
      }
      case "log-softmax": {
        const most = largest(numbersOf(this.#operand() ?? Tensor.zeros([1])));
        return { at: () => (strict ? 4 : 16) * u * (1 + most) };
      }
      case "norm":
        return this.#norm(format, top, at, strict ? 8 : 32);
      case "attention":
        return this.#attention(u, top, strict ? 1 : 8);
      case "resample": {
        const x = this.#operand();
        const factor = (strict ? 4 : 32) * u * (16 + (x?.shape.at(-1) ?? 1));
        const most = x === undefined ? top : largest(numbersOf(x));
        return { at: () => factor * most };
      }
      case "recurrent": {
        const facts = await this.#factsOf();
        const steps = Math.max(1, ...(facts?.regions ?? []).map((r) => (typeof r.params["steps"] === "number" ? r.params["steps"] : 1)));
        const factor = (strict ? 32 : 128) * u * Math.sqrt(steps);
        return { at: (i) => factor * Math.max(1, Math.abs(ref[i] ?? 0)) };
      }
      case "transforms": {
        const facts = await this.#factsOf();
        const n = Math.max(2, facts?.terms ?? 2);
        const x = this.#operand();
        const size = x === undefined ? top : lineNorm(numbersOf(x), n);
        return { at: () => (strict ? 4 : 32) * u * Math.log2(n) * size };
      }
      case "quantised": {
        // Without a quantiser on the result (dynamic and half-precision kernels) it is a product like others.
        const scale = quantiserStep(this.#options.execution);
        return scale === undefined ? this.#sums(format, ref, got, at, top, "products") : { at: () => scale };
      }
      case "factorisations":
        return { at: (i) => 64 * u * Math.max(top, Math.abs(ref[i] ?? 0)) * Math.max(1, this.#operand()?.shape.at(-1) ?? 1) };
      case "general":
        return this.#general(format, top, ref, got, at);
      default:
        return name satisfies never;
    }
  }

  /** `(4 + √N) u Σ|terms|`; the sum of the terms' sizes only where the reference's own size does not do. */
  async #sums(format: Format, ref: ArrayLike<number>, got: ArrayLike<number>, at: number, top: number, name: "sums" | "products"): Promise<Allowance> {
    const { u } = format;
    const step = (i: number): number => ulp(ref[i] ?? 0, Math.max(24, format.bits), format.least);
    const quick: Allowance = { at: (i) => 5 * u * top + step(i) };
    if (judgeBy(ref, got, quick.at).times <= 1) return quick;
    const facts = await this.#factsOf();
    const terms = facts?.terms ?? 1;
    const op = plainName(this.#options.execution.node.op);
    if (op === "prod" || op === "cumprod" || op === "ReduceProd") return { at: (i) => terms * u * Math.abs(ref[i] ?? 0) + step(i) };
    const b = 4 + Math.sqrt(terms);
    if (name === "sums" && POSITIVE_SUMS.has(op)) return { at: (i) => b * u * Math.abs(ref[i] ?? 0) + step(i) };
    const own = (await this.#magnitudesOf())?.[at];
    const inTiles = this.#options.tiles === true && facts?.tiled === true;
    const sizes = own !== undefined && inTiles ? nearbyMaxima(own, tensorsIn(this.#options.execution.outs)[at]?.shape ?? []) : own;
    if (sizes === undefined || sizes.length !== ref.length) return { at: (i) => b * u * top + step(i) };
    const factor = (inTiles ? TRANSFORMED : 1) * b * u;
    return { at: (i) => factor * Math.abs(sizes[i] ?? 0) + step(i) };
  }

  async #norm(format: Format, top: number, at: number, factor: number): Promise<Allowance> {
    const { u } = format;
    const facts = await this.#factsOf();
    const region = facts?.regions.find((r) => r.name in NORMS);
    const sizes = at > 0 || region === undefined ? undefined : NORMS[region.name]?.(region);
    if (sizes === undefined) return { at: () => 4 * factor * u * top };
    return { at: (i) => factor * u * (sizes[i] ?? top) };
  }

  async #attention(u: number, top: number, factor: number): Promise<Allowance> {
    const facts = await this.#factsOf();
    const region = facts?.regions.find((r) => r.name === "attention");
    const [q, k, v] = region?.operands ?? [];
    if (region === undefined || q === undefined || k === undefined || v === undefined) return { at: () => factor * 64 * u * top };
    const d = q.shape.at(-1) ?? 1;
    const scale = typeof region.params["scale"] === "number" ? Math.abs(region.params["scale"]) : 1 / Math.sqrt(d);
    // Cauchy and Schwarz bound the sum of products of a row's absolute values.
    const most = scale * lineNorm(q.numbers, d) * lineNorm(k.numbers, d);
    const value = largest(v.numbers);
    const allowed = factor * u * value * (16 + 2 * (4 + Math.sqrt(d)) * most);
    return { at: () => allowed };
  }

  /** Ops without a row: by what they do. */
  async #general(format: Format, top: number, ref: ArrayLike<number>, got: ArrayLike<number>, at: number): Promise<Allowance> {
    const facts = await this.#factsOf();
    const has = (...kinds: Parameters<ReadonlySet<string>["has"]>[0][]): boolean => kinds.some((kind) => facts?.kinds.has(kind as never) === true);
    if (facts?.regions.some((r) => r.name in NORMS) === true) return this.#norm(format, top, at, 16);
    if (has("contract", "convolve")) return this.#sums(format, ref, got, at, top, "products");
    const b = 16 + Math.sqrt(facts?.terms ?? 1);
    return { at: (i) => b * format.u * top + 4 * ulp(ref[i] ?? 0, Math.max(24, format.bits), format.least) };
  }

  async #lineLength(): Promise<number> {
    const region = (await this.#factsOf())?.regions.find((r) => r.name === "softmax" || r.name === "log_softmax");
    const axis = region?.params["axis"];
    const shape = region?.operands[0]?.shape;
    return typeof axis === "number" ? (shape?.[axis] ?? 1) : ((await this.#factsOf())?.terms ?? 1);
  }

  #operand(): Tensor | undefined {
    return tensorsIn(this.#options.execution.args)[0];
  }
  #sameSized(length: number): ArrayLike<number> | undefined {
    const x = this.#operand();
    return x?.numel === length ? numbersOf(x) : undefined;
  }
}

interface Allowance {
  readonly at: (i: number) => number;
}

/** Norms' `|γ| (|x| + μ) / σ + |β|`, row-major like x; μ is the mean of |x|, which is what its error comes from. */
const NORMS: Readonly<Record<string, (region: SeenRegion) => Float64Array>> = {
  layer_norm: (r) => rowNorm(r, innerSize(r), (i, n) => i % n, false),
  rms_norm: (r) => rowNorm(r, innerSize(r), (i, n) => i % n, true),
  group_norm: (r) => {
    const { shape } = r.operands[0] ?? { shape: [] };
    const [batch = 1, channels = 1] = shape;
    const groups = typeof r.params["groups"] === "number" ? r.params["groups"] : 1;
    const total = shape.reduce((a, b) => a * b, 1);
    const inner = total / Math.max(1, batch * channels);
    return rowNorm(r, total / Math.max(1, batch * groups), (i) => Math.floor(i / inner) % channels, false);
  },
  batch_norm: (r) => {
    const [x, mean, variance, ...affine] = r.operands;
    const { weight, bias, eps } = affineOf(r, affine);
    const shape = x?.shape ?? [];
    const [batch = 1, channels = 1] = shape;
    const inner = shape.reduce((a, b) => a * b, 1) / Math.max(1, batch * channels);
    return Float64Array.from(x?.numbers ?? [], (value, i) => {
      const c = Math.floor(i / inner) % channels;
      const mu = mean?.numbers[c] ?? 0;
      return (Math.abs(weight?.[c] ?? 1) * (Math.abs(value) + Math.abs(mu))) / Math.sqrt((variance?.numbers[c] ?? 1) + eps) + Math.abs(bias?.[c] ?? 0);
    });
  },
};

function innerSize(r: SeenRegion): number {
  const { shape } = r.operands[0] ?? { shape: [] };
  const axes = typeof r.params["axes"] === "number" ? r.params["axes"] : 1;
  return shape.slice(shape.length - axes).reduce((a, b) => a * b, 1);
}

function affineOf(
  r: SeenRegion,
  operands: SeenRegion["operands"],
): { readonly weight: ArrayLike<number> | undefined; readonly bias: ArrayLike<number> | undefined; readonly eps: number } {
  const weight = r.params["weight"] === true ? operands[0]?.numbers : undefined;
  const bias = r.params["bias"] === true ? operands[r.params["weight"] === true ? 1 : 0]?.numbers : undefined;
  return { weight, bias, eps: typeof r.params["eps"] === "number" ? r.params["eps"] : 0 };
}

function rowNorm(r: SeenRegion, n: number, channelOf: (i: number, n: number) => number, centred: boolean): Float64Array {
  const [x, ...affine] = r.operands;
  const { weight, bias, eps } = affineOf(r, affine);
  const numbers = x?.numbers ?? [];
  const out = new Float64Array(numbers.length);
  for (let row = 0; row < numbers.length; row += n) {
    let [sum, sizes, squares] = [0, 0, 0];
    for (let i = row; i < row + n; i++) {
      sum += numbers[i] ?? 0;
      sizes += Math.abs(numbers[i] ?? 0);
    }
    const mean = centred ? 0 : sum / n;
    // The mean is off by what its terms are worth, however much they cancel.
    const offset = centred ? 0 : sizes / n;
    for (let i = row; i < row + n; i++) squares += ((numbers[i] ?? 0) - mean) ** 2;
    const deviation = Math.sqrt(squares / n + eps);
    for (let i = row; i < row + n; i++) {
      const c = channelOf(i, n);
      out[i] = (Math.abs(weight?.[c] ?? 1) * (Math.abs(numbers[i] ?? 0) + offset)) / deviation + Math.abs(bias?.[c] ?? 0);
    }
  }
  return out;
}

function largest(numbers: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < numbers.length; i++) {
    const size = Math.abs(numbers[i] ?? 0);
    if (size > most && size < Infinity) most = size;
  }
  return most;
}

/** The largest L2 norm of a run of `n` numbers. */
function lineNorm(numbers: ArrayLike<number>, n: number): number {
  let most = 0;
  for (let row = 0; row < numbers.length; row += n) {
    let squares = 0;
    for (let i = row; i < Math.min(row + n, numbers.length); i++) squares += (numbers[i] ?? 0) ** 2;
    if (Number.isFinite(squares)) most = Math.max(most, squares);
  }
  return Math.sqrt(most);
}

function isOne(value: unknown): boolean {
  return value === 1 || (typeof value === "object" && value !== null && "value" in value && value.value === 1);
}

/** The step of the quantiser that the op's result or operand has. */
function quantiserStep(execution: Execution): number | undefined {
  const q = tensorsIn([...execution.outs, ...execution.args]).find((t) => t.quantizer !== undefined)?.quantizer;
  return q?.scheme === "per_tensor_affine" ? q.scale : undefined;
}

function sameShapes(a: Tensor, b: Tensor): boolean {
  return a.shape.length === b.shape.length && a.shape.every((n, i) => n === b.shape[i]);
}

/** Positions where only one side is NaN or infinite, or with another sign. */
function nonFinite(ref: ArrayLike<number>, got: ArrayLike<number>): { readonly over: number[]; readonly count: number } {
  const over: number[] = [];
  let count = 0;
  for (let i = 0; i < ref.length; i++) {
    const [r, g] = [ref[i] ?? 0, got[i] ?? 0];
    if (Number.isFinite(r) && Number.isFinite(g)) continue;
    if (r === g || (Number.isNaN(r) && Number.isNaN(g))) continue;
    count++;
    if (over.length < KEPT_POSITIONS) over.push(i);
  }
  return { over, count };
}

function judgeBy(
  ref: ArrayLike<number>,
  got: ArrayLike<number>,
  allowed: (i: number) => number,
): { readonly times: number; readonly over: readonly number[]; readonly count: number; readonly share: number } {
  const over: number[] = [];
  let [times, count, budget, size] = [0, 0, 0, 0];
  for (let i = 0; i < ref.length; i++) {
    const r = ref[i] ?? 0;
    if (!Number.isFinite(r)) continue;
    const may = allowed(i);
    budget += may * may;
    size += r * r;
    const e = Math.abs(r - (got[i] ?? 0));
    if (e === 0) continue;
    const ratio = may > 0 ? e / may : HOPELESS;
    if (ratio > times) times = ratio;
    if (ratio > 1) {
      count++;
      if (over.length < KEPT_POSITIONS) over.push(i);
    }
  }
  return { times: Math.min(times, HOPELESS), over, count, share: size > 0 ? Math.sqrt(budget / size) : 0 };
}

/** What Winograd's transforms of 6 x 6 tiles add to a product's rounding: 4.1 measured on wasm, twice that allowed. */
const TRANSFORMED = 8;
/** Elements that share a tile with one lie at most this far from it. */
const TILE = 3;

/** The largest number within a tile's reach of each element, on the last two axes. */
function nearbyMaxima(numbers: ArrayLike<number>, shape: readonly number[]): ArrayLike<number> {
  const [height, width] = [shape.at(-2) ?? 1, shape.at(-1) ?? 1];
  if (numbers.length % (height * width) !== 0) return numbers;
  const along = (from: ArrayLike<number>, size: number, step: number): Float64Array => {
    const out = new Float64Array(from.length);
    for (let i = 0; i < from.length; i++) {
      const at = Math.floor(i / step) % size;
      let most = 0;
      for (let k = Math.max(-TILE, -at); k <= Math.min(TILE, size - 1 - at); k++) most = Math.max(most, from[i + k * step] ?? 0);
      out[i] = most;
    }
    return out;
  };
  return along(along(numbers, width, 1), height, width);
}
