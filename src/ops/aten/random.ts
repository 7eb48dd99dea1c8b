/** Random tensors: rand, randint, normal, bernoulli and their kin, drawn in PyTorch's order from the generator given or the session's. */

import type { Scalar } from "../../ir/datum.ts";
import { copyOf, empty, random } from "../../prims/calls.ts";
import type { RandomCall } from "../../prims/call.ts";
import type { Context } from "../../prims/context.ts";
import { asReal, reshaped, unsqueezed } from "../../prims/views.ts";
import { type DType, dtypeInfo, isComplex, isFloat, scalarName, typeName } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { GeneratorState } from "../../tensor/generator.ts";
import { broadcastShapes, type Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise } from "../elementwise.ts";
import { floatOf, scalarOf } from "./element.ts";
import { stridesLike } from "./filling.ts";
import { extremeAt, sum } from "./reduction.ts";
import { topk } from "./sorting.ts";
import { dtypeArgument } from "./reduction-axes.ts";

type Generator = GeneratorState | null;

const plus = elementwise("add", (x, y) => x.add(y));
const timesPlus = elementwise("normal", (z, std, mean) => z.mul(std).add(mean));
const ratio = elementwise("div", (x, y) => x.div(y));
const WEIGHTS = ["probability tensor contains either `inf`, `nan` or element < 0", "invalid multinomial distribution (sum of probabilities <= 0)"];
const checkedWeights = elementwise("multinomial_weights", (x, total) => {
  const valid = x.checked(x.ge(0).and(x.lt(Infinity)), 0);
  return valid.checked(total.ne(0), 1);
}, { messages: WEIGHTS });

function uniform(ctx: Context, out: Tensor, generator: Generator, from = 0, to = 1): Tensor {
  if (to < from) throw new OpwiseError("bad-argument", `uniform_ expects to return a [from, to) range, but found from=${from} > to=${to}`);
  random(ctx, "uniform", generator, isComplex(out.dtype) ? asReal(out) : out, [from, to]);
  return out;
}
function normal(ctx: Context, out: Tensor, generator: Generator, mean = 0, std = 1): Tensor {
  if (!(std >= 0)) throw new OpwiseError("bad-argument", `normal expects std >= 0.0, but found std ${std}`);
  if (!isComplex(out.dtype)) return random(ctx, "normal", generator, out, [mean, std]);
  random(ctx, "normal", generator, asReal(out), [mean, std * Math.SQRT1_2]);
  return out;
}
function integers(ctx: Context, out: Tensor, generator: Generator, low: number | bigint, high: number | bigint): Tensor {
  if (low >= high) throw new OpwiseError("bad-argument", `random_ expects 'from' to be less than 'to', but got from=${low} >= to=${high}`);
  const { class: kind, bits, signed } = dtypeInfo(out.dtype);
  if (kind === "int") {
    const [least, most] = signed ? [-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n] : [0n, 2n ** BigInt(bits) - 1n];
    if (BigInt(low) < least || BigInt(low) > most) throw new OpwiseError("bad-argument", `from is out of bounds for ${typeName(out.dtype)}`);
    if (BigInt(high) - 1n < least || BigInt(high) - 1n > most) throw new OpwiseError("bad-argument", `to - 1 is out of bounds for ${typeName(out.dtype)}`);
  }
  return random(ctx, "integers", generator, out, [BigInt(low), BigInt(high)]);
}
function simple(ctx: Context, transform: RandomCall["transform"], out: Tensor, generator: Generator, scalars: readonly number[]): Tensor {
  return random(ctx, transform, generator, out, scalars);
}

/** 1 with probability p, else 0, in `out`. */
export function bernoulli(ctx: Context, out: Tensor, p: number, generator: Generator): Tensor {
  if (!(p >= 0 && p <= 1)) throw new OpwiseError("bad-argument", `bernoulli_ expects p to be in [0, 1], but got p=${p}`);
  return random(ctx, "bernoulli", generator, out, [p]);
}
const bernoulliOf = (ctx: Context, out: Tensor, p: Tensor, generator: Generator): Tensor => random(ctx, "bernoulli", generator, out, [], [p]);

const fresh = (ctx: Context, size: Shape, code: number | null, otherwise: DType = ctx.defaultDtype): Tensor => empty(ctx, size, dtypeArgument(code, otherwise));
const freshLike = (ctx: Context, self: Tensor, code: number | null, format: number | null = null): Tensor => empty(ctx, self.shape, dtypeArgument(code, self.dtype), stridesLike(self, format));

function permutation(ctx: Context, n: number, code: number | null, generator: Generator): Tensor {
  if (n < 0) throw new OpwiseError("bad-argument", `Trying to create tensor with negative dimension ${n}: [${n}]`);
  return random(ctx, "permutation", generator, fresh(ctx, [n], code, "int64"));
}

/** Categories by weight; without replacement by the exponential race that PyTorch runs. */
function multinomial(ctx: Context, self: Tensor, samples: number, replacement: boolean, generator: Generator): Tensor {
  if (self.rank < 1 || self.rank > 2) throw new OpwiseError("shape-mismatch", "prob_dist must be 1 or 2 dim");
  if (!isFloat(self.dtype)) throw new OpwiseError("dtype-mismatch", `multinomial only supports floating-point dtypes for input, got: ${scalarName(self.dtype)}`);
  if (samples <= 0) throw new OpwiseError("bad-argument", "cannot sample n_sample <= 0 samples");
  const kinds = self.shape[self.rank - 1] ?? 0;
  if (!replacement && samples > kinds) throw new OpwiseError("bad-argument", "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
  if (!replacement || samples === 1) {
    const weights = apply(ctx, checkedWeights, [self, sum(ctx, self, -1, true)]);
    const race = apply(ctx, ratio, [weights, simple(ctx, "exponential", freshLike(ctx, self, null), generator, [1])]);
    if (samples === 1) return extremeAt(ctx, race, -1, true, true, "argmax")[1];
    return topk(ctx, race, samples, -1, true)[1];
  }
  const rows = self.rank === 1 ? unsqueezed(self, 0) : self;
  const out = empty(ctx, [rows.shape[0] ?? 0, samples], "int64");
  random(ctx, "multinomial", generator, out, [], [rows]);
  return self.rank === 1 ? reshaped(ctx, out, [samples]) : out;
}

function normalOf(ctx: Context, mean: Tensor | number, std: Tensor | number, generator: Generator): Tensor {
  const shapes = [mean, std].map((t) => (typeof t === "number" ? [] : t.shape));
  const like = typeof mean !== "number" ? mean : typeof std !== "number" ? std : undefined;
  const out = empty(ctx, broadcastShapes(shapes[0] ?? [], shapes[1] ?? []), like?.dtype ?? ctx.defaultDtype);
  if (typeof std === "number") {
    normal(ctx, out, generator, 0, std);
    return apply(ctx, plus, [out, typeof mean === "number" ? { kind: "float", value: mean } : mean]);
  }
  normal(ctx, out, generator);
  return apply(ctx, timesPlus, [out, std, typeof mean === "number" ? { kind: "float", value: mean } : mean]);
}

const intOf = (s: Scalar): number => Math.trunc(floatOf(s));

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
  op("aten::randperm(SymInt n, *, ScalarType? dtype=4, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, n, dtype) => permutation(ctx, n, dtype, null) }),
  op("aten::randperm.generator(SymInt n, *, Generator? generator, ScalarType? dtype=4, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, n, generator, dtype) => permutation(ctx, n, dtype, generator) }),
  op("aten::normal.Tensor_float(Tensor mean, float std=1., *, Generator? generator=None) -> Tensor", { run: normalOf }),
  op("aten::normal.float_Tensor(float mean, Tensor std, *, Generator? generator=None) -> Tensor", { run: normalOf }),
  op("aten::normal.Tensor_Tensor(Tensor mean, Tensor std, *, Generator? generator=None) -> Tensor", { run: normalOf }),
  op("aten::normal.float_float(float mean, float std, SymInt[] size, *, Generator? generator=None, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, mean, std, size, generator, dtype) => normal(ctx, fresh(ctx, size, dtype), generator, mean, std) }),
  op("aten::bernoulli(Tensor self, *, Generator? generator=None) -> Tensor", { run: (ctx, self, generator) => bernoulliOf(ctx, freshLike(ctx, self, null), self, generator) }),
  op("aten::bernoulli.p(Tensor self, float p, *, Generator? generator=None) -> Tensor", { run: (ctx, self, p, generator) => bernoulli(ctx, freshLike(ctx, self, null), p, generator) }),
  op("aten::bernoulli.Tensor(Tensor self, Tensor p, *, Generator? generator=None) -> Tensor", { run: (ctx, self, p, generator) => bernoulliOf(ctx, freshLike(ctx, self, null), p, generator) }),
  op("aten::bernoulli_.Tensor(Tensor(a!) self, Tensor p, *, Generator? generator=None) -> Tensor(a!)", { run: bernoulliOf }),
  op("aten::bernoulli_.float(Tensor(a!) self, float p=0.5, *, Generator? generator=None) -> Tensor(a!)", { run: bernoulli }),
  op("aten::uniform_(Tensor(a!) self, float from=0., float to=1., *, Generator? generator=None) -> Tensor(a!)", { run: (ctx, self, from, to, generator) => uniform(ctx, self, generator, from, to) }),
  op("aten::normal_(Tensor(a!) self, float mean=0., float std=1., *, Generator? generator=None) -> Tensor(a!)", { run: (ctx, self, mean, std, generator) => normal(ctx, self, generator, mean, std) }),
  op("aten::exponential_(Tensor(a!) self, float lambd=1., *, Generator? generator=None) -> Tensor(a!)", { run: (ctx, self, lambda, generator) => simple(ctx, "exponential", self, generator, [lambda]) }),
  op("aten::geometric_(Tensor(a!) self, float p, *, Generator? generator=None) -> Tensor(a!)", { run: (ctx, self, p, generator) => simple(ctx, "geometric", self, generator, [p]) }),
  op("aten::cauchy_(Tensor(a!) self, float median=0., float sigma=1., *, Generator? generator=None) -> Tensor(a!)", { run: (ctx, self, median, sigma, generator) => simple(ctx, "cauchy", self, generator, [median, sigma]) }),
  op("aten::log_normal_(Tensor(a!) self, float mean=1., float std=2., *, Generator? generator=None) -> Tensor(a!)", { run: (ctx, self, mean, std, generator) => simple(ctx, "logNormal", self, generator, [mean, std]) }),
  op("aten::random_(Tensor(a!) self, *, Generator? generator=None) -> Tensor(a!)", { run: (ctx, self, generator) => simple(ctx, "integers", self, generator, []), wideInts: true }),
  op("aten::random_.to(Tensor(a!) self, int to, *, Generator? generator=None) -> Tensor(a!)", { run: (ctx, self, to, generator) => integers(ctx, self, generator, 0, to), wideInts: true }),
  op("aten::random_.from(Tensor(a!) self, int from, int? to, *, Generator? generator=None) -> Tensor(a!)", { run: (ctx, self, from, to, generator) => integers(ctx, self, generator, from, to ?? 2 ** 53), wideInts: true }),
  op("aten::uniform(Tensor self, float from=0., float to=1., *, Generator? generator=None) -> Tensor", { run: (ctx, self, from, to, generator) => simple(ctx, "uniform", freshLike(ctx, self, null), generator, [from, to]) }),
  op("aten::exponential(Tensor self, float lambd=1., *, Generator? generator=None) -> Tensor", { run: (ctx, self, lambda, generator) => simple(ctx, "exponential", freshLike(ctx, self, null), generator, [lambda]) }),
  op("aten::geometric(Tensor self, float p, *, Generator? generator=None) -> Tensor", { run: (ctx, self, p, generator) => simple(ctx, "geometric", freshLike(ctx, self, null), generator, [p]) }),
  op("aten::cauchy(Tensor self, float median=0., float sigma=1., *, Generator? generator=None) -> Tensor", { run: (ctx, self, median, sigma, generator) => simple(ctx, "cauchy", freshLike(ctx, self, null), generator, [median, sigma]) }),
  op("aten::log_normal(Tensor self, float mean=1., float std=2., *, Generator? generator=None) -> Tensor", { run: (ctx, self, mean, std, generator) => simple(ctx, "logNormal", freshLike(ctx, self, null), generator, [mean, std]) }),
  op("aten::random(Tensor self, *, Generator? generator=None) -> Tensor", { run: (ctx, self, generator) => simple(ctx, "integers", freshLike(ctx, self, null), generator, []) }),
  op("aten::random.to(Tensor self, int to, *, Generator? generator=None) -> Tensor", { run: (ctx, self, to, generator) => integers(ctx, freshLike(ctx, self, null), generator, 0, to) }),
  op("aten::random.from(Tensor self, int from, int? to, *, Generator? generator=None) -> Tensor", { run: (ctx, self, from, to, generator) => integers(ctx, freshLike(ctx, self, null), generator, from, to ?? 2 ** 53) }),
  op("aten::normal_functional(Tensor self, float mean=0., float std=1., *, Generator? generator=None) -> Tensor", { run: (ctx, self, mean, std, generator) => normal(ctx, freshLike(ctx, self, null), generator, mean, std) }),
  op("aten::multinomial(Tensor self, SymInt num_samples, bool replacement=False, *, Generator? generator=None) -> Tensor", { run: multinomial }),
  op("aten::poisson(Tensor self, Generator? generator=None) -> Tensor", { run: (ctx, self, generator) => random(ctx, "poisson", generator, freshLike(ctx, self, null), [], [self]) }),
  op("aten::binomial(Tensor count, Tensor prob, Generator? generator=None) -> Tensor", { run: (ctx, count, p, generator) => random(ctx, "binomial", generator, empty(ctx, broadcastShapes(count.shape, p.shape), count.dtype), [], [count, p]) }),
  op("aten::_standard_gamma(Tensor self, Generator? generator=None) -> Tensor", { run: (ctx, self, generator) => random(ctx, "gamma", generator, freshLike(ctx, self, null), [], [self]) }),
  op("aten::_sample_dirichlet(Tensor self, Generator? generator=None) -> Tensor", {
    run: (ctx, self, generator) => {
      const gammas = random(ctx, "gamma", generator, empty(ctx, self.shape, "float64"), [], [self]);
      return copyOf(ctx, apply(ctx, ratio, [gammas, sum(ctx, gammas, -1, true)]), self.dtype);
    },
  }),
];
