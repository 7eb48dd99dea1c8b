/** Random tensors: rand, randint, normal, bernoulli and their kin, drawn in PyTorch's order from the generator given or the session's. */

import type { Scalar } from "../../ir/datum.ts";
import { binomial, poisson, standardGamma } from "../../numeric/rejection.ts";
import { copyOf, empty, random } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { asReal, reshaped, unsqueezed } from "../../prims/views.ts";
import { type DType, dtypeInfo, isComplex, isFloat, largestOf, scalarName, typeName } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { broadcastShapes, sameShape, type Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise } from "../elementwise.ts";
import { resize, writeOut } from "../registry.ts";
import { bernoulli, check, type Generator, unimplemented } from "./bernoulli.ts";
import { boolOf, floatOf, scalarOf } from "./element.ts";
import { stridesLike } from "./filling.ts";
import { extremeAt, extremum, sum } from "./reduction.ts";
import { topk } from "./sorting.ts";
import { dtypeArgument } from "./reduction-axes.ts";

const plus = elementwise("add", (x, y) => x.add(y));
const times = elementwise("mul", (x, y) => x.mul(y));
const ratio = elementwise("div", (x, y) => x.div(y));
const notNegative = elementwise("ge", (x) => x.ge(0), { promotion: "own" });
const positive = elementwise("gt", (x) => x.gt(0), { promotion: "own" });
const probable = elementwise("multinomial", (low, high) => low.ge(0).and(high.lt(Infinity)), { promotion: "own" });

/** Bits of the significands of the dtypes that continuous distributions are drawn in. */
const DIGITS: Readonly<Partial<Record<DType, number>>> = { float64: 53, float32: 24, float16: 11, bfloat16: 8 };
/** @throws unsupported-dtype for what is not one of the four float dtypes, in the kernel's name */
function continuous(out: Tensor, kernel: string): void {
  if (DIGITS[out.dtype] === undefined) throw unimplemented(kernel, out.dtype);
}

function uniform(ctx: Context, out: Tensor, generator: Generator, from = 0, to = 1): Tensor {
  const target = isComplex(out.dtype) ? asReal(out) : out;
  const most = largestOf(target.dtype);
  if (most === undefined) throw unimplemented("check_uniform_bounds", out.dtype);
  for (const [name, value] of [["from", from], ["to", to]] as const) check(Math.abs(value) <= most, `${name} is out of bounds for ${typeName(target.dtype)}`);
  check(from <= to, `uniform_ expects to return a [from, to) range, but found from=${from} > to=${to}`);
  check(to - from <= most, `uniform_ expects to-from <= std::numeric_limits<${scalarName(target.dtype)}>::max(), but found to=${to} and from=${from} which result in to-from to exceed the limit`);
  random(ctx, "uniform", generator, target, [from, to]);
  return out;
}
function normal(ctx: Context, out: Tensor, generator: Generator, mean = 0, std = 1): Tensor {
  check(std >= 0, `normal expects std >= 0.0, but found std ${std}`);
  if (out.numel === 0) return out;
  const target = isComplex(out.dtype) ? asReal(out) : out;
  continuous(target, "normal_kernel_cpu");
  random(ctx, "normal", generator, target, [mean, isComplex(out.dtype) ? std * Math.SQRT1_2 : std]);
  return out;
}

/** `x` as a number of `digits` significant bits, ties to even. */
function roundedTo(digits: number, x: bigint): bigint {
  const size = x < 0n ? -x : x;
  const drop = BigInt(Math.max(size.toString(2).length - digits, 0));
  if (drop === 0n) return x;
  const [kept, rest, half] = [size >> drop, size & ((1n << drop) - 1n), 1n << (drop - 1n)];
  const rounded = (rest > half || (rest === half && (kept & 1n) === 1n) ? kept + 1n : kept) << drop;
  return x < 0n ? -rounded : rounded;
}
/** The bounds of `random_(from, to)` moved to where a float dtype has numbers (PyTorch's update_from and update_to). */
function floatBounds(digits: number, from: bigint, to: bigint): [bigint, bigint] {
  const gap = (x: bigint): bigint => 1n << BigInt((x < 0n ? -x : x).toString(2).length - digits);
  const [low, high] = [roundedTo(digits, from + 1n), roundedTo(digits, to - 1n)];
  return [low < from ? low + gap(from + 1n) : from, high >= to ? high - gap(to - 1n) : to];
}
/** Integers of [from, to), or from `from` on. */
function integers(ctx: Context, out: Tensor, generator: Generator, low: number | bigint, high: number | bigint | null): Tensor {
  let [from, to] = [BigInt(low), BigInt(high ?? 0)];
  if (high !== null) check(from < to, `random_ expects 'from' to be less than 'to', but got from=${from} >= to=${to}`);
  const info = dtypeInfo(out.dtype);
  const digits = DIGITS[out.dtype];
  if (digits !== undefined) {
    if (high === null) to = (1n << BigInt(digits)) + 1n;
    const [start, end] = floatBounds(digits, from, to);
    [from, to] = [start, high === null ? to : end];
    check(from < to, `random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got from=${from} >= to=${to}`);
    for (const [name, value] of [["from", from], ["to - 1", to - 1n]] as const) check(Math.abs(Number(value)) <= (largestOf(out.dtype) ?? 0), `${name} is out of bounds for ${typeName(out.dtype)}`);
  } else if (info.class === "int" || info.class === "bool") {
    const bits = info.class === "bool" ? 1 : Math.min(info.bits - (info.signed ? 1 : 0), 63);
    const most = (1n << BigInt(bits)) - 1n;
    if (high === null) to = most + 1n;
    for (const [name, value] of [["from", from], ["to - 1", to - 1n]] as const) check(value <= most && value >= (info.signed ? -most - 1n : 0n), `${name} is out of bounds for ${typeName(out.dtype)}`);
  } else check(false, "check_random_bounds handles only integral, floating-point and boolean types");
  return random(ctx, "integers", generator, out, [from, to]);
}
function anyInteger(ctx: Context, out: Tensor, generator: Generator): Tensor {
  if (isComplex(out.dtype) || (isFloat(out.dtype) && DIGITS[out.dtype] === undefined)) throw unimplemented("random_kernel_cpu", out.dtype);
  return random(ctx, "integers", generator, out);
}
function exponential(ctx: Context, out: Tensor, generator: Generator, rate: number): Tensor {
  check(rate > 0, `exponential_ expects lambda > 0.0, but found lambda=${rate}`);
  check(isFloat(out.dtype), `Exponential distribution is a continuous probability distribution. dtype must be a floating point but you specified ${scalarName(out.dtype)}`);
  return random(ctx, "exponential", generator, out, [rate]);
}
function geometric(ctx: Context, out: Tensor, generator: Generator, p: number): Tensor {
  check(0 < p && p < 1, `geometric_ expects p to be in (0, 1), but got p=${p}`);
  if (isComplex(out.dtype) || out.dtype === "bool") throw unimplemented("geometric_cpu", out.dtype);
  return random(ctx, "geometric", generator, out, [p]);
}
function cauchy(ctx: Context, out: Tensor, generator: Generator, median: number, sigma: number): Tensor {
  check(sigma > 0, `cauchy_ expects sigma > 0.0, but found sigma=${sigma}`);
  check(isFloat(out.dtype), `Cauchy distribution is a continuous probability distribution. dtype must be a floating point but you specified ${typeName(out.dtype)}`);
  return random(ctx, "cauchy", generator, out, [median, sigma]);
}
function logNormal(ctx: Context, out: Tensor, generator: Generator, mean: number, std: number): Tensor {
  check(std > 0, `log_normal_ expects std > 0.0, but found std=${std}`);
  continuous(out, "log_normal_cpu");
  return random(ctx, "logNormal", generator, out, [mean, std]);
}

function bernoulliOf(ctx: Context, out: Tensor, p: Tensor, generator: Generator): Tensor {
  if (out.numel === 0) return out;
  if (isComplex(out.dtype)) throw unimplemented("bernoulli_tensor_cpu_self_", out.dtype);
  continuous(p, "bernoulli_tensor_cpu_p_");
  return random(ctx, "bernoulli", generator, out, [], [p]);
}

const fresh = (ctx: Context, size: Shape, code: number | null, otherwise: DType = ctx.defaultDtype): Tensor => empty(ctx, size, dtypeArgument(code, otherwise));
const freshLike = (ctx: Context, self: Tensor, code: number | null, format: number | null = null): Tensor => empty(ctx, self.shape, dtypeArgument(code, self.dtype), stridesLike(self, format));
/** Row-major, whatever `self` is. */
const freshRows = (ctx: Context, self: Tensor): Tensor => empty(ctx, self.shape, self.dtype);
/** `out` with the wanted shape: draws go into it directly, in the order of its memory. */
function shaped(ctx: Context, out: Tensor, size: Shape): Tensor {
  if (!sameShape(out.shape, size)) resize(ctx, out, size);
  return out;
}

function permutation(ctx: Context, n: number, out: Tensor, generator: Generator): Tensor {
  const { class: kind } = dtypeInfo(out.dtype);
  if (kind !== "int" && DIGITS[out.dtype] === undefined) throw unimplemented("randperm", out.dtype);
  const digits = out.dtype === "float64" ? undefined : DIGITS[out.dtype];
  if (digits !== undefined) check(n <= 2 ** digits + 1, `n cannot be greater than ${2 ** digits + 1} for ${scalarName(out.dtype)} type.`);
  return random(ctx, "permutation", generator, out);
}

/** Categories by weight; without replacement by the exponential race that PyTorch runs. */
function* multinomial(ctx: Context, self: Tensor, samples: number, replacement: boolean, generator: Generator): globalThis.Generator<Tensor, Tensor, void> {
  if (self.rank < 1 || self.rank > 2) throw new OpwiseError("shape-mismatch", "prob_dist must be 1 or 2 dim");
  if (!isFloat(self.dtype)) throw new OpwiseError("dtype-mismatch", `multinomial only supports floating-point dtypes for input, got: ${scalarName(self.dtype)}`);
  check(samples > 0, "cannot sample n_sample <= 0 samples");
  const kinds = self.shape[self.rank - 1] ?? 0;
  check(replacement || samples <= kinds, "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
  if (self.numel === 0) return empty(ctx, [...self.shape.slice(0, -1), samples], "int64");
  if (!replacement || samples === 1) {
    const valid = apply(ctx, probable, [extremum(ctx, self, null, false, false), extremum(ctx, self, null, false, true)]);
    yield valid;
    check(boolOf(scalarOf(valid)), "probability tensor contains either `inf`, `nan` or element < 0");
    const full = extremum(ctx, apply(ctx, positive, [sum(ctx, self, -1)]), null, false, false);
    yield full;
    check(boolOf(scalarOf(full)), "invalid multinomial distribution (sum of probabilities <= 0)");
    const race = apply(ctx, ratio, [self, exponential(ctx, freshLike(ctx, self, null), generator, 1)]);
    if (samples === 1) return extremeAt(ctx, race, -1, true, true, "argmax")[1];
    return topk(ctx, race, samples, -1, true)[1];
  }
  const rows = self.rank === 1 ? unsqueezed(self, 0) : self;
  const out = empty(ctx, [rows.shape[0] ?? 0, samples], "int64");
  random(ctx, "multinomial", generator, out, [], [rows]);
  return self.rank === 1 ? reshaped(ctx, out, [samples]) : out;
}

/** Normal numbers of means and deviations that are tensors: standard ones, scaled and moved in the result's dtype. */
function* normalOf(ctx: Context, mean: Tensor | number, std: Tensor | number, generator: Generator, given?: Tensor): globalThis.Generator<Tensor, Tensor, void> {
  const shape = broadcastShapes(typeof mean === "number" ? [] : mean.shape, typeof std === "number" ? [] : std.shape);
  const like = typeof mean !== "number" ? mean : typeof std !== "number" ? std : undefined;
  const target = (): Tensor => (given === undefined ? empty(ctx, shape, like?.dtype ?? ctx.defaultDtype) : shaped(ctx, given, shape));
  const shift: Tensor | Scalar = typeof mean === "number" ? { kind: "float", value: mean } : mean;
  if (typeof std === "number") {
    const out = normal(ctx, target(), generator, 0, std);
    return apply(ctx, plus, [out, shift], out);
  }
  check(!isComplex(std.dtype), "normal expects standard deviation to be non-complex");
  if (std.numel > 0) {
    const least = apply(ctx, notNegative, [extremum(ctx, std, null, false, false)]);
    yield least;
    check(boolOf(scalarOf(least)), "normal expects all elements of std >= 0.0");
  }
  const out = normal(ctx, target(), generator);
  return apply(ctx, plus, [apply(ctx, times, [out, std], out), shift], out);
}

const intOf = (s: Scalar): number => Math.trunc(floatOf(s));

/** Numbers with a parameter for each element of `self`. */
function rates(ctx: Context, transform: "poisson" | "gamma", kernel: string, self: Tensor, generator: Generator): Tensor {
  continuous(self, kernel);
  return random(ctx, transform, generator, freshRows(ctx, self), [], [self], transform === "poisson" ? poisson : standardGamma);
}

function binomials(ctx: Context, count: Tensor, prob: Tensor, generator: Generator): Tensor {
  for (const [name, t] of [["count", count], ["prob", prob]] as const) check(isFloat(t.dtype), `binomial only supports floating-point dtypes for ${name}, got: ${scalarName(t.dtype)}`);
  if (prob.dtype !== count.dtype) throw new OpwiseError("dtype-mismatch", `Found dtype ${scalarName(prob.dtype)} but expected ${scalarName(count.dtype)}`);
  return random(ctx, "binomial", generator, empty(ctx, broadcastShapes(count.shape, prob.shape), count.dtype), [], [count, prob], binomial);
}

export const randoms: readonly Op[] = [
  op("aten::rand(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, size, dtype) => uniform(ctx, fresh(ctx, size, dtype), null) }),
  op("aten::rand.generator(SymInt[] size, *, Generator? generator, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, size, generator, dtype) => uniform(ctx, fresh(ctx, size, dtype), generator) }),
  op("aten::randn(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, size, dtype) => normal(ctx, fresh(ctx, size, dtype), null) }),
  op("aten::randn.generator(SymInt[] size, *, Generator? generator, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, size, generator, dtype) => normal(ctx, fresh(ctx, size, dtype), generator) }),
  op("aten::rand_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor", { run: (ctx, self, dtype, _layout, _device, _pin, format) => uniform(ctx, freshLike(ctx, self, dtype, format), null) }),
  op("aten::rand_like.generator(Tensor self, *, Generator? generator, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor", { run: (ctx, self, generator, dtype, _layout, _device, _pin, format) => uniform(ctx, freshLike(ctx, self, dtype, format), generator) }),
  op("aten::randn_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor", { run: (ctx, self, dtype, _layout, _device, _pin, format) => normal(ctx, freshLike(ctx, self, dtype, format), null) }),
  op("aten::randn_like.generator(Tensor self, *, Generator? generator, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor", { run: (ctx, self, generator, dtype, _layout, _device, _pin, format) => normal(ctx, freshLike(ctx, self, dtype, format), generator) }),
  op("aten::randint(SymInt high, SymInt[] size, *, ScalarType? dtype=4, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, high, size, dtype) => integers(ctx, fresh(ctx, size, dtype, "int64"), null, 0, high), wideInts: true }),
  op("aten::randint.generator(SymInt high, SymInt[] size, *, Generator? generator, ScalarType? dtype=4, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, high, size, generator, dtype) => integers(ctx, fresh(ctx, size, dtype, "int64"), generator, 0, high), wideInts: true }),
  op("aten::randint.low(SymInt low, SymInt high, SymInt[] size, *, ScalarType? dtype=4, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, low, high, size, dtype) => integers(ctx, fresh(ctx, size, dtype, "int64"), null, low, high), wideInts: true }),
  op("aten::randint.low_generator(SymInt low, SymInt high, SymInt[] size, *, Generator? generator, ScalarType? dtype=4, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, low, high, size, generator, dtype) => integers(ctx, fresh(ctx, size, dtype, "int64"), generator, low, high), wideInts: true }),
  op("aten::randint_like(Tensor self, SymInt high, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor", { run: (ctx, self, high, dtype, _layout, _device, _pin, format) => integers(ctx, freshLike(ctx, self, dtype, format), null, 0, high), wideInts: true }),
  op("aten::randint_like.generator(Tensor self, SymInt high, *, Generator? generator, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor", { run: (ctx, self, high, generator, dtype, _layout, _device, _pin, format) => integers(ctx, freshLike(ctx, self, dtype, format), generator, 0, high), wideInts: true }),
  op("aten::randint_like.Tensor(Tensor self, Tensor high, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor", {
    reads: function* (ctx, self, high, dtype, _layout, _device, _pin, format) {
      yield high;
      return integers(ctx, freshLike(ctx, self, dtype, format), null, 0, intOf(scalarOf(high)));
    },
  }),
  op("aten::randint_like.Tensor_generator(Tensor self, Tensor high, *, Generator? generator, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor", {
    reads: function* (ctx, self, high, generator, dtype, _layout, _device, _pin, format) {
      yield high;
      return integers(ctx, freshLike(ctx, self, dtype, format), generator, 0, intOf(scalarOf(high)));
    },
  }),
  op("aten::randint_like.low_dtype(Tensor self, SymInt low, SymInt high, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor", { run: (ctx, self, low, high, dtype, _layout, _device, _pin, format) => integers(ctx, freshLike(ctx, self, dtype, format), null, low, high), wideInts: true }),
  op("aten::randint_like.low_generator_dtype(Tensor self, SymInt low, SymInt high, *, Generator? generator, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor", { run: (ctx, self, low, high, generator, dtype, _layout, _device, _pin, format) => integers(ctx, freshLike(ctx, self, dtype, format), generator, low, high), wideInts: true }),
  op("aten::randperm(SymInt n, *, ScalarType? dtype=4, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, n, dtype) => permutation(ctx, n, fresh(ctx, [n], dtype, "int64"), null) }),
  op("aten::randperm.generator(SymInt n, *, Generator? generator, ScalarType? dtype=4, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, n, generator, dtype) => permutation(ctx, n, fresh(ctx, [n], dtype, "int64"), generator) }),
  op("aten::normal.Tensor_float(Tensor mean, float std=1., *, Generator? generator=None) -> Tensor", { reads: normalOf }),
  op("aten::normal.Tensor_float_out(Tensor mean, float std=1., *, Generator? generator=None, Tensor(a!) out) -> Tensor(a!)", { reads: normalOf }),
  op("aten::normal.float_Tensor(float mean, Tensor std, *, Generator? generator=None) -> Tensor", { reads: normalOf }),
  op("aten::normal.float_Tensor_out(float mean, Tensor std, *, Generator? generator=None, Tensor(a!) out) -> Tensor(a!)", { reads: normalOf }),
  op("aten::normal.Tensor_Tensor(Tensor mean, Tensor std, *, Generator? generator=None) -> Tensor", { reads: normalOf }),
  op("aten::normal.Tensor_Tensor_out(Tensor mean, Tensor std, *, Generator? generator=None, Tensor(a!) out) -> Tensor(a!)", { reads: normalOf }),
  op("aten::normal.float_float(float mean, float std, SymInt[] size, *, Generator? generator=None, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, mean, std, size, generator, dtype) => normal(ctx, fresh(ctx, size, dtype), generator, mean, std) }),
  op("aten::normal.float_float_out(float mean, float std, SymInt[] size, *, Generator? generator=None, Tensor(a!) out) -> Tensor(a!)", { run: (ctx, mean, std, size, generator, out) => normal(ctx, shaped(ctx, out, size), generator, mean, std) }),
  op("aten::rand.out(SymInt[] size, *, Tensor(a!) out) -> Tensor(a!)", { run: (ctx, size, out) => uniform(ctx, shaped(ctx, out, size), null) }),
  op("aten::rand.generator_out(SymInt[] size, *, Generator? generator, Tensor(a!) out) -> Tensor(a!)", { run: (ctx, size, generator, out) => uniform(ctx, shaped(ctx, out, size), generator) }),
  op("aten::randn.out(SymInt[] size, *, Tensor(a!) out) -> Tensor(a!)", { run: (ctx, size, out) => normal(ctx, shaped(ctx, out, size), null) }),
  op("aten::randn.generator_out(SymInt[] size, *, Generator? generator, Tensor(a!) out) -> Tensor(a!)", { run: (ctx, size, generator, out) => normal(ctx, shaped(ctx, out, size), generator) }),
  op("aten::randint.out(SymInt high, SymInt[] size, *, Tensor(a!) out) -> Tensor(a!)", { run: (ctx, high, size, out) => integers(ctx, shaped(ctx, out, size), null, 0, high), wideInts: true }),
  op("aten::randint.generator_out(SymInt high, SymInt[] size, *, Generator? generator, Tensor(a!) out) -> Tensor(a!)", { run: (ctx, high, size, generator, out) => integers(ctx, shaped(ctx, out, size), generator, 0, high), wideInts: true }),
  op("aten::randint.low_out(SymInt low, SymInt high, SymInt[] size, *, Tensor(a!) out) -> Tensor(a!)", { run: (ctx, low, high, size, out) => integers(ctx, shaped(ctx, out, size), null, low, high), wideInts: true }),
  op("aten::randint.low_generator_out(SymInt low, SymInt high, SymInt[] size, *, Generator? generator, Tensor(a!) out) -> Tensor(a!)", { run: (ctx, low, high, size, generator, out) => integers(ctx, shaped(ctx, out, size), generator, low, high), wideInts: true }),
  op("aten::bernoulli(Tensor self, *, Generator? generator=None) -> Tensor", { run: (ctx, self, generator) => bernoulliOf(ctx, freshRows(ctx, self), self, generator) }),
  op("aten::bernoulli.out(Tensor self, *, Generator? generator=None, Tensor(a!) out) -> Tensor(a!)", { run: (ctx, self, generator, out) => bernoulliOf(ctx, shaped(ctx, out, self.shape), self, generator) }),
  op("aten::bernoulli.p(Tensor self, float p, *, Generator? generator=None) -> Tensor", { run: (ctx, self, p, generator) => bernoulli(ctx, freshRows(ctx, self), p, generator) }),
  op("aten::bernoulli.Tensor(Tensor self, Tensor p, *, Generator? generator=None) -> Tensor", { run: (ctx, self, p, generator) => bernoulliOf(ctx, freshRows(ctx, self), p, generator) }),
  op("aten::bernoulli_.Tensor(Tensor(a!) self, Tensor p, *, Generator? generator=None) -> Tensor(a!)", { run: bernoulliOf }),
  op("aten::bernoulli_.float(Tensor(a!) self, float p=0.5, *, Generator? generator=None) -> Tensor(a!)", { run: bernoulli }),
  op("aten::uniform_(Tensor(a!) self, float from=0., float to=1., *, Generator? generator=None) -> Tensor(a!)", { run: (ctx, self, from, to, generator) => uniform(ctx, self, generator, from, to) }),
  op("aten::normal_(Tensor(a!) self, float mean=0., float std=1., *, Generator? generator=None) -> Tensor(a!)", { run: (ctx, self, mean, std, generator) => normal(ctx, self, generator, mean, std) }),
  op("aten::exponential_(Tensor(a!) self, float lambd=1., *, Generator? generator=None) -> Tensor(a!)", { run: (ctx, self, lambda, generator) => exponential(ctx, self, generator, lambda) }),
  op("aten::geometric_(Tensor(a!) self, float p, *, Generator? generator=None) -> Tensor(a!)", { run: (ctx, self, p, generator) => geometric(ctx, self, generator, p) }),
  op("aten::cauchy_(Tensor(a!) self, float median=0., float sigma=1., *, Generator? generator=None) -> Tensor(a!)", { run: (ctx, self, median, sigma, generator) => cauchy(ctx, self, generator, median, sigma) }),
  op("aten::log_normal_(Tensor(a!) self, float mean=1., float std=2., *, Generator? generator=None) -> Tensor(a!)", { run: (ctx, self, mean, std, generator) => logNormal(ctx, self, generator, mean, std) }),
  op("aten::random_(Tensor(a!) self, *, Generator? generator=None) -> Tensor(a!)", { run: (ctx, self, generator) => anyInteger(ctx, self, generator) }),
  op("aten::random_.to(Tensor(a!) self, int to, *, Generator? generator=None) -> Tensor(a!)", { run: (ctx, self, to, generator) => integers(ctx, self, generator, 0, to), wideInts: true }),
  op("aten::random_.from(Tensor(a!) self, int from, int? to, *, Generator? generator=None) -> Tensor(a!)", { run: (ctx, self, from, to, generator) => integers(ctx, self, generator, from, to), wideInts: true }),
  op("aten::uniform(Tensor self, float from=0., float to=1., *, Generator? generator=None) -> Tensor", { run: (ctx, self, from, to, generator) => uniform(ctx, freshLike(ctx, self, null), generator, from, to) }),
  op("aten::exponential(Tensor self, float lambd=1., *, Generator? generator=None) -> Tensor", { run: (ctx, self, lambda, generator) => exponential(ctx, freshLike(ctx, self, null), generator, lambda) }),
  op("aten::geometric(Tensor self, float p, *, Generator? generator=None) -> Tensor", { run: (ctx, self, p, generator) => geometric(ctx, freshLike(ctx, self, null), generator, p) }),
  op("aten::cauchy(Tensor self, float median=0., float sigma=1., *, Generator? generator=None) -> Tensor", { run: (ctx, self, median, sigma, generator) => cauchy(ctx, freshLike(ctx, self, null), generator, median, sigma) }),
  op("aten::log_normal(Tensor self, float mean=1., float std=2., *, Generator? generator=None) -> Tensor", { run: (ctx, self, mean, std, generator) => logNormal(ctx, freshLike(ctx, self, null), generator, mean, std) }),
  op("aten::random(Tensor self, *, Generator? generator=None) -> Tensor", { run: (ctx, self, generator) => anyInteger(ctx, freshLike(ctx, self, null), generator) }),
  op("aten::random.to(Tensor self, int to, *, Generator? generator=None) -> Tensor", { run: (ctx, self, to, generator) => integers(ctx, freshLike(ctx, self, null), generator, 0, to), wideInts: true }),
  op("aten::random.from(Tensor self, int from, int? to, *, Generator? generator=None) -> Tensor", { run: (ctx, self, from, to, generator) => integers(ctx, freshLike(ctx, self, null), generator, from, to), wideInts: true }),
  op("aten::normal_functional(Tensor self, float mean=0., float std=1., *, Generator? generator=None) -> Tensor", { run: (ctx, self, mean, std, generator) => normal(ctx, freshLike(ctx, self, null), generator, mean, std) }),
  op("aten::multinomial(Tensor self, SymInt num_samples, bool replacement=False, *, Generator? generator=None) -> Tensor", { reads: multinomial }),
  op("aten::multinomial.out(Tensor self, SymInt num_samples, bool replacement=False, *, Generator? generator=None, Tensor(a!) out) -> Tensor(a!)", {
    reads: function* (ctx, self, samples, replacement, generator, out) {
      if (out.dtype !== "int64") throw new OpwiseError("dtype-mismatch", `multinomial expects Long tensor out, got: ${scalarName(out.dtype)}`);
      writeOut(ctx, out, yield* multinomial(ctx, self, samples, replacement, generator));
      return out;
    },
  }),
  op("aten::poisson(Tensor self, Generator? generator=None) -> Tensor", { run: (ctx, self, generator) => rates(ctx, "poisson", "poisson_cpu", self, generator) }),
  op("aten::binomial(Tensor count, Tensor prob, Generator? generator=None) -> Tensor", { run: binomials }),
  op("aten::_standard_gamma(Tensor self, Generator? generator=None) -> Tensor", { run: (ctx, self, generator) => rates(ctx, "gamma", "gamma_cpu", self, generator) }),
  op("aten::_sample_dirichlet(Tensor self, Generator? generator=None) -> Tensor", {
    run: (ctx, self, generator) => {
      continuous(self, "dirichlet");
      const gammas = random(ctx, "gamma", generator, empty(ctx, self.shape, "float64"), [], [self], standardGamma);
      return copyOf(ctx, apply(ctx, ratio, [gammas, sum(ctx, gammas, -1, true)]), self.dtype);
    },
  }),
];
