/** "Looks like": variants of an op that a wrong value may be, each tried by running it; reported only where it agrees within budget. */

import type { Datum } from "../../ir/datum.ts";
import type { Template } from "../../ir/template.ts";
import type { BoundOp } from "../../ops/registry.ts";
import type { Backend } from "../../prims/backend.ts";
import { encodeBfloat16, decodeBfloat16 } from "../../numeric/bfloat16.ts";
import { decodeHalf, encodeHalf } from "../../numeric/half.ts";
import { dtypeInfo } from "../../tensor/dtype.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { Judge, type Profile } from "./budget.ts";
import { numbersOf } from "./numbers.ts";
import { rebound } from "./rebind.ts";
import { Replay } from "./replay.ts";
import { type Execution, mapTensors, type Tape, tensorsIn } from "./tape.ts";

export interface Hypothesis {
  readonly what: string;
  readonly times: number;
}

/** A variant of an execution: other arguments, or another binding. */
interface Variant {
  readonly what: string;
  readonly args?: readonly Datum[];
  readonly bound?: BoundOp;
}

const MOST = 32;
const SHOWN = 3;
const EPSILONS = [0, 1e-12, 1e-6, 1e-5, 1e-3] as const;

/** Text arguments and attributes, and what else they may say. */
const TEXTS: Readonly<Record<string, readonly string[]>> = {
  approximate: ["none", "tanh"],
  rounding_mode: ["floor", "trunc"],
  mode: ["nearest", "linear", "cubic", "bilinear", "bicubic", "constant", "reflect", "edge", "replicate", "wrap"],
  padding_mode: ["zeros", "border", "reflection"],
  coordinate_transformation_mode: ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"],
  nearest_mode: ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"],
  direction: ["forward", "reverse"],
};
/** Numbers that implementations differ in. */
const NUMBERS: Readonly<Record<string, readonly number[]>> = {
  eps: EPSILONS,
  epsilon: EPSILONS,
  momentum: [],
  negative_slope: [0.01, 0.1, 0.2, 0],
  cubic_coeff_a: [-0.75, -0.5],
  correction: [0, 1],
};
const FLAGS: Readonly<Record<string, readonly number[]>> = {
  align_corners: [0, 1],
  count_include_pad: [0, 1],
  ceil_mode: [0, 1],
  transA: [0, 1],
  transB: [0, 1],
  exclusive: [0, 1],
  reverse: [0, 1],
  linear_before_reset: [0, 1],
  exclude_outside: [0, 1],
};
const ALIAS: Readonly<Record<string, string>> = { unbiased: "unbiased variance" };

/** Variants by other arguments of a TorchScript op. */
function* ofArguments(execution: Execution): Generator<Variant> {
  const { schema } = execution.node;
  if (schema === undefined) return;
  for (const [i, formal] of schema.args.entries()) {
    const value = execution.args[i];
    if (value === undefined) continue;
    const other = (datum: Datum, what: string): Variant => ({ what, args: execution.args.map((a, k) => (k === i ? datum : a)) });
    const named = ALIAS[formal.name] ?? formal.name;
    if (typeof value === "boolean" && !["training", "cudnn_enabled", "inplace", "non_blocking", "copy"].includes(formal.name))
      yield other(!value, `${named}=${value ? "False" : "True"}`);
    else if (typeof value === "string") for (const text of TEXTS[formal.name] ?? []) if (text !== value) yield other(text, `${named}="${text}"`);
    if (typeof value === "number") for (const x of NUMBERS[formal.name] ?? []) if (x !== value) yield other(x, `${named}=${x}`);
    if (typeof value === "object" && value !== null && "kind" in value && (value.kind === "float" || value.kind === "int")) {
      for (const x of NUMBERS[formal.name] ?? []) if (x !== value.value) yield other({ ...value, value: x }, `${named}=${x}`);
    }
    if (formal.name === "bias" && value instanceof Tensor) yield other(null, "no bias");
    if (formal.name === "dim" && typeof value === "number") yield other(value - 1, `dim=${value - 1}`);
  }
}

/** Variants by other attributes of an ONNX op. */
function* ofAttributes(execution: Execution): Generator<Variant> {
  const { node } = execution;
  if (!node.op.includes("@")) return;
  const given = node.attributes;
  const variant = (name: string, template: Template, what: string): Variant => {
    const bound = rebound(node, { [name]: template });
    return bound === undefined ? { what } : { what, bound };
  };
  for (const [name, template] of Object.entries(given)) {
    if (template.kind === "str")
      for (const value of TEXTS[name] ?? []) if (value !== template.value) yield variant(name, { kind: "str", value }, `${name}="${value}"`);
    if (template.kind === "float")
      for (const value of NUMBERS[name] ?? []) if (value !== template.value) yield variant(name, { kind: "float", value }, `${name}=${value}`);
    if (template.kind === "int")
      for (const value of FLAGS[name] ?? []) if (value !== template.value) yield variant(name, { kind: "int", value }, `${name}=${value}`);
    if (template.kind === "int" && name === "axis")
      yield variant(name, { kind: "int", value: Number(template.value) - 1 }, `axis=${Number(template.value) - 1}`);
  }
  const op = node.op.replace(/@.*/, "");
  if (op === "onnx::Gelu" && given["approximate"] === undefined) yield variant("approximate", { kind: "str", value: "tanh" }, 'approximate="tanh"');
  if (op.endsWith("Normalization") && given["epsilon"] === undefined)
    for (const value of EPSILONS) yield variant("epsilon", { kind: "float", value }, `epsilon=${value}`);
}

/** Variants by other operands: none, one by one; rounded to half precision. */
function* ofOperands(execution: Execution): Generator<Variant> {
  const last = execution.args.findLastIndex((a) => a instanceof Tensor && dtypeInfo(a.dtype).class === "float");
  const isProduct = /linear|conv|Conv|Gemm|addmm|norm|Norm/.test(execution.node.op);
  if (isProduct && execution.args.filter((a) => a instanceof Tensor).length > 2 && last >= 2) {
    yield { what: "a dropped bias", args: execution.args.map((a, i) => (i === last && a instanceof Tensor ? Tensor.zeros(a.shape, a.dtype) : a)) };
  }
  const rounded = (what: string, round: (x: number) => number): Variant => ({
    what,
    args: execution.args.map((a) => mapTensors(a, (t) => (t.dtype === "float32" ? Tensor.from(Float32Array.from(numbersOf(t), round), t.shape) : t))),
  });
  yield rounded("operands in float16", (x) => decodeHalf(encodeHalf(x)));
  yield rounded("operands in bfloat16", (x) => decodeBfloat16(encodeBfloat16(x)));
  yield rounded("operands in tf32", (x) => roundBits(x, 11));
  const weight = execution.args[1];
  if (weight instanceof Tensor && weight.rank === 2 && weight.shape[0] === weight.shape[1]) {
    const { numel, shape } = weight;
    const [n = 0] = shape;
    const numbers = numbersOf(weight);
    if (weight.dtype === "float32")
      yield {
        what: "a transposed weight",
        args: execution.args.map((a, i) =>
          i === 1
            ? Tensor.from(
                Float32Array.from({ length: numel }, (_, k) => numbers[(k % n) * n + Math.floor(k / n)] ?? 0),
                shape,
              )
            : a,
        ),
      };
  }
}

function roundBits(x: number, bits: number): number {
  if (x === 0 || !Number.isFinite(x)) return x;
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(x))) + 1 - bits);
  return Math.round(x / unit) * unit;
}

/** Variants of the reference itself: what became of a right result on its way. */
function* ofResult(execution: Execution, reference: Tensor, wrong: Tensor): Generator<{ readonly what: string; readonly value: Tensor }> {
  const ref = numbersOf(reference);
  const got = numbersOf(wrong);
  if (reference.dtype !== "float32" || ref.length !== got.length || ref.length === 0) return;
  const made = (change: (i: number) => number): Tensor =>
    Tensor.from(
      Float32Array.from({ length: ref.length }, (_, i) => change(i)),
      reference.shape,
    );
  const at = (i: number): number => ref[i] ?? 0;
  yield { what: "results in float16", value: made((i) => decodeHalf(encodeHalf(at(i)))) };
  yield { what: "results in bfloat16", value: made((i) => decodeBfloat16(encodeBfloat16(at(i)))) };
  const input = tensorsIn(execution.args)[0];
  if (input !== undefined && input.numel === ref.length && input.dtype === "float32")
    yield { what: "a missing activation: the operand itself", value: Tensor.from(Float32Array.from(numbersOf(input)), reference.shape) };
  yield { what: "a ReLU behind it", value: made((i) => Math.max(0, at(i))) };
  yield { what: "the negative", value: made((i) => -at(i)) };
  const { shape } = reference;
  if (shape.length >= 2 && shape.at(-1) === shape.at(-2)) {
    const n = shape.at(-1) ?? 1;
    yield { what: "its transpose", value: made((i) => at(Math.floor(i / (n * n)) * n * n + (i % n) * n + (Math.floor(i / n) % n))) };
  }
  let inner = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] ?? 1;
    const step = inner;
    if (size > 1 && axis >= shape.length - 3) {
      for (const by of [1, -1]) {
        yield {
          what: `a shift by ${by} along axis ${axis}`,
          value: made((i) => (Math.floor(i / step) % size === (by > 0 ? size - 1 : 0) ? (got[i] ?? 0) : at(i + by * step))),
        };
      }
      yield { what: `axis ${axis} reversed`, value: made((i) => at(i + (size - 1 - 2 * (Math.floor(i / step) % size)) * step)) };
    }
    inner *= size;
  }
  yield* fitted(ref, got, reference.shape, made);
}

/** A constant factor or offset, of the whole or of each channel, found by least squares. */
function* fitted(
  ref: ArrayLike<number>,
  got: ArrayLike<number>,
  shape: readonly number[],
  made: (change: (i: number) => number) => Tensor,
): Generator<{ readonly what: string; readonly value: Tensor }> {
  const fit = (positions: (i: number) => boolean): { readonly factor: number; readonly offset: number } => {
    let [rr, rg, e, n] = [0, 0, 0, 0];
    for (let i = 0; i < ref.length; i++) {
      if (!positions(i)) continue;
      const [r, g] = [ref[i] ?? 0, got[i] ?? 0];
      rr += r * r;
      rg += r * g;
      e += g - r;
      n++;
    }
    return { factor: rr === 0 ? 1 : rg / rr, offset: n === 0 ? 0 : e / n };
  };
  const all = fit(() => true);
  yield { what: `a constant factor of ${Number(all.factor.toPrecision(4))}`, value: made((i) => (ref[i] ?? 0) * all.factor) };
  yield { what: `a constant offset of ${Number(all.offset.toPrecision(4))}`, value: made((i) => (ref[i] ?? 0) + all.offset) };
  const axis = shape.length >= 3 ? 1 : shape.length - 1;
  const channels = shape[axis] ?? 1;
  if (axis < 0 || channels < 2 || channels > 4096 || channels * 8 > ref.length) return;
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const [rr, rg, e, n] = [new Float64Array(channels), new Float64Array(channels), new Float64Array(channels), new Float64Array(channels)];
  const channelOf = (i: number): number => Math.floor(i / inner) % channels;
  for (let i = 0; i < ref.length; i++) {
    const c = channelOf(i);
    const [r, g] = [ref[i] ?? 0, got[i] ?? 0];
    rr[c] = (rr[c] ?? 0) + r * r;
    rg[c] = (rg[c] ?? 0) + r * g;
    e[c] = (e[c] ?? 0) + g - r;
    n[c] = (n[c] ?? 0) + 1;
  }
  yield {
    what: "a constant factor per channel",
    value: made((i) => ((ref[i] ?? 0) * (rg[channelOf(i)] ?? 0)) / Math.max(rr[channelOf(i)] ?? 1, Number.MIN_VALUE)),
  };
  yield { what: "a constant offset per channel", value: made((i) => (ref[i] ?? 0) + (e[channelOf(i)] ?? 0) / Math.max(n[channelOf(i)] ?? 1, 1)) };
}

/** The variants of an execution that agree with a wrong value of its output `at`, the nearest first. */
export async function lookAlikes(
  tape: Tape,
  execution: Execution,
  at: number,
  wrong: Tensor,
  options: { readonly cpu: Backend; readonly profile?: Profile | undefined },
): Promise<Hypothesis[]> {
  const { cpu } = options;
  const judge = new Judge({ tape, execution, cpu, profile: options.profile ?? "strict" });
  const found: Hypothesis[] = [];
  const tryValue = async (what: string, value: Tensor | undefined): Promise<void> => {
    if (value === undefined) return;
    const { times } = await judge.output(value, [...Array.from({ length: at }, () => undefined), wrong], at);
    if (times <= 1) found.push({ what, times });
  };
  const reference = tensorsIn(execution.outs)[at];
  let tried = 0;
  for (const variant of [...ofArguments(execution), ...ofAttributes(execution), ...ofOperands(execution)]) {
    if (++tried > MOST) break;
    try {
      await tryValue(variant.what, await variantValue(tape, execution, variant, at, cpu));
    } catch {
      // a variant that the op refuses is none
    }
  }
  if (reference !== undefined) for (const { what, value } of ofResult(execution, reference, wrong)) await tryValue(what, value);
  return found.toSorted((x, y) => x.times - y.times).slice(0, SHOWN);
}

async function variantValue(tape: Tape, execution: Execution, variant: Variant, at: number, cpu: Backend): Promise<Tensor | undefined> {
  const replay = new Replay(tape, { backend: cpu, cpu });
  const changed: Execution = { ...execution, args: variant.args ?? execution.args, bound: variant.bound ?? execution.bound };
  return tensorsIn((await replay.run(changed)).outs)[at];
}
