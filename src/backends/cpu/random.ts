/** random calls on the CPU: PyTorch's streams, so that a seed gives PyTorch's numbers. */

import {
  bernoulliDouble, bernoulliSingle, category, cauchy, exponential, fillNormal, geometric, logNormal, normalDouble, permutation, randomInteger, randomModulo, stretch,
  uniformDouble, uniformSingle,
} from "../../numeric/distributions.ts";
import { random64, type TwisterState } from "../../numeric/mt19937.ts";
import type { RandomCall } from "../../prims/call.ts";
import { dtypeInfo } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { isContiguous, memoryOrder, numelOf } from "../../tensor/shape.ts";
import type { View } from "../../tensor/tensor.ts";
import { doublesOf, writeBigs, writeDoubles } from "./dense.ts";
import { codingOf, roundTo } from "./element.ts";

/** Integers up to the end of a float's exact range, as `random_()` draws them for float dtypes. */
const FLOAT_RANGE: Readonly<Record<string, number>> = { float32: 2 ** 24 + 1, float16: 2 ** 11 + 1, bfloat16: 2 ** 8 + 1 };

function integers(call: RandomCall, out: View, n: number): void {
  const state: TwisterState = call.generator;
  const info = dtypeInfo(out.dtype);
  const [from, to] = call.scalars;
  const draw = (): bigint => {
    if (from !== undefined && to !== undefined) return randomInteger(state, BigInt(from), BigInt(to));
    if (out.dtype === "int64") return random64(state) & (2n ** 63n - 1n);
    if (out.dtype === "uint64") return random64(state);
    if (out.dtype === "float64") return random64(state) % (2n ** 53n + 1n);
    if (info.class === "bool") return BigInt(randomModulo(state, 2));
    if (info.class === "int") return BigInt(randomModulo(state, 2 ** (info.signed ? info.bits - 1 : info.bits)));
    return BigInt(randomModulo(state, FLOAT_RANGE[out.dtype] ?? 2));
  };
  const values = BigInt64Array.from({ length: n }, draw);
  if (info.class === "int") writeBigs(out, values);
  else writeDoubles(out, Float64Array.from(values, Number));
}

function multinomial(call: RandomCall, out: View): void {
  const weights = call.operands[0] ?? unreachable("weights");
  const values = doublesOf(weights);
  const [rows = 0, kinds = 0] = weights.shape;
  const draws = out.shape[1] ?? 0;
  const result = new Float64Array(rows * draws);
  // Sums are kept in the weights' own precision, of narrow dtypes in single.
  const round = weights.dtype === "float64" ? (x: number): number => x : Math.fround;
  for (let row = 0; row < rows; row++) {
    const cumulative = new Float64Array(kinds);
    let total = 0;
    for (let k = 0; k < kinds; k++) {
      const weight = values[row * kinds + k] ?? 0;
      if (!(weight >= 0) || weight === Infinity) throw new OpwiseError("bad-argument", `invalid multinomial distribution (encountering probability entry ${weight < 0 ? "< 0" : "= infinity or NaN"})`);
      cumulative[k] = total = round(total + weight);
    }
    if (!(total > 0)) throw new OpwiseError("bad-argument", "invalid multinomial distribution (sum of probabilities <= 0)");
    for (let k = 0; k < kinds; k++) cumulative[k] = round((cumulative[k] ?? 0) / total);
    cumulative[kinds - 1] = 1;
    for (let i = 0; i < draws; i++) result[row * draws + i] = category(call.generator, cumulative);
  }
  writeDoubles(out, result);
}

/** The call with its views' axes in the order of the result's memory: the order in which PyTorch's kernels draw. */
function inMemoryOrder(call: RandomCall): RandomCall {
  const [out] = call.results;
  if (out === undefined || call.transform === "multinomial" || call.transform === "permutation" || isContiguous(out.shape, out.strides)) return call;
  const axes = memoryOrder(out.shape, [out.strides, ...call.operands.map((v) => v.strides)]).reverse();
  const turned = (v: View): View => ({ storage: v.storage, dtype: v.dtype, shape: axes.map((axis) => v.shape[axis] ?? 1), strides: axes.map((axis) => v.strides[axis] ?? 0), offset: v.offset });
  return { ...call, operands: call.operands.map(turned), results: [turned(out)] };
}

/** Runs a random call. */
export function random(given: RandomCall): void {
  // Only what is row-major to begin with is filled in blocks.
  const whole = given.results.every((v) => isContiguous(v.shape, v.strides));
  const call = inMemoryOrder(given);
  const out = call.results[0] ?? unreachable("a random call without a result");
  const state: TwisterState = call.generator;
  const n = numelOf(out.shape);
  const isDouble = out.dtype === "float64";
  const [a = 0, b = 1] = call.scalars.map(Number);
  const each = (draw: (i: number) => number): void => writeDoubles(out, Float64Array.from({ length: n }, (_, i) => draw(i)));
  switch (call.transform) {
    case "uniform": {
      const round = isDouble ? (x: number): number => x : Math.fround;
      const coding = codingOf(out.dtype);
      if (coding === undefined) return each(() => stretch(isDouble ? uniformDouble(state) : uniformSingle(state), round(a), round(b), round));
      // What the narrow dtype rounds up to the end of the half-open range becomes its start.
      const narrow = (x: number): number => roundTo(coding, false, x);
      const [from, to] = [narrow(a), narrow(b)];
      return each(() => {
        const value = narrow(stretch(uniformSingle(state), round(a), round(b), round));
        return value === to ? from : value;
      });
    }
    case "normal": {
      if (!whole) return each(() => normalDouble(state) * b + a);
      const data = isDouble ? new Float64Array(n) : new Float32Array(n);
      fillNormal(state, data, a, b, dtypeInfo(out.dtype).itemsize < 4);
      return writeDoubles(out, Float64Array.from(data));
    }
    case "bernoulli": {
      const given = call.operands[0];
      if (given === undefined) return each(() => bernoulliDouble(state, a));
      const p = doublesOf(given);
      for (const value of p) if (!(value >= 0 && value <= 1)) throw new OpwiseError("bad-argument", "Expected p_in >= 0 && p_in <= 1 to be true, but got false.");
      return each((i) => (given.dtype === "float64" ? bernoulliDouble(state, p[i] ?? 0) : bernoulliSingle(state, p[i] ?? 0)));
    }
    case "exponential": return each(() => exponential(state, a));
    case "geometric": return each(() => geometric(state, a));
    case "cauchy": return each(() => cauchy(state, a, b));
    case "logNormal": return each(() => logNormal(state, a, b));
    case "integers": return integers(call, out, n);
    case "permutation": return writeDoubles(out, permutation(state, n));
    case "multinomial": return multinomial(call, out);
    case "poisson":
    case "binomial":
    case "gamma": {
      const draw = call.draw ?? unreachable(`a ${call.transform} call without what draws`);
      const [first, second] = call.operands.map(doublesOf);
      if (call.transform === "poisson" && first?.some((rate) => rate < 0)) throw new OpwiseError("bad-argument", "invalid Poisson rate, expected rate to be non-negative");
      return each((i) => draw(state, first?.[i] ?? 0, second?.[i] ?? 0));
    }
    default: return call.transform satisfies never;
  }
}
