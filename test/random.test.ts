import { expect, it } from "vitest";
import { call } from "./support/eager.ts";
import { cpu } from "../src/backends/cpu/cpu.ts";
import type { Datum } from "../src/ir/datum.ts";
import { makeList } from "../src/ir/datum.ts";
import { T } from "../src/ir/type.ts";
import { seedTwister } from "../src/numeric/mt19937.ts";
import { transposed } from "../src/prims/views.ts";
import { Executor } from "../src/run/executor.ts";
import { Tensor } from "../src/tensor/tensor.ts";

/** A context as after `torch.manual_seed(7)`. */
function seeded(): Executor {
  const backend = cpu();
  return new Executor({ backend, cpu: backend, generator: seedTwister(7) });
}
/** Elements of the op's result after `torch.manual_seed(7)`, to six places. */
function drawn(name: string, args: readonly Datum[]): number[] {
  const [result] = call(name, args, seeded());
  if (!(result instanceof Tensor)) throw new Error(`${name} gave no tensor`);
  return [...result.data].map((x) => Number(Number(x).toFixed(6)));
}
const size = (...sizes: readonly number[]): Datum => makeList(T.int, [...sizes]);
const filled = (n: number, value = 0): Tensor => Tensor.from(new Float32Array(n).fill(value));

// Recorded with PyTorch 2.13.
it("a seed gives PyTorch's uniform and normal numbers", () => {
  expect(drawn("aten::rand", [size(5)])).toEqual([0.534923, 0.198803, 0.659212, 0.65689, 0.232762]);
  expect(drawn("aten::uniform_", [filled(4), -1, 3])).toEqual([1.13969, -0.204787, 1.636847, 1.627561]);
  expect(drawn("aten::randn", [size(5)])).toEqual([-0.146795, 0.786141, 0.946822, -1.114344, 1.69079]);
});
it("sixteen normal numbers and more are drawn in blocks", () => {
  expect(drawn("aten::randn", [size(20)]).slice(0, 4)).toEqual([-0.820135, 0.395631, 0.898908, -1.388404]);
  expect(drawn("aten::randn", [size(20), 7]).slice(0, 4)).toEqual([0.066268, 0.046992, 1.836539, 1.36769]);
});
it("a seed gives PyTorch's integers, permutations and categories", () => {
  expect(drawn("aten::randint.low", [3, 17, size(6)])).toEqual([8, 9, 16, 11, 4, 14]);
  expect(drawn("aten::randperm", [6])).toEqual([3, 0, 1, 5, 2, 4]);
  const weights = Tensor.from(new Float32Array([0.1, 0.2, 0.3, 0.4]));
  expect(drawn("aten::multinomial", [weights, 6, true])).toEqual([1, 1, 3, 3, 3, 3]);
  expect(drawn("aten::multinomial", [weights, 3])).toEqual([1, 3, 0]);
});
it("probabilities of a tensor and of a number take different draws", () => {
  expect(drawn("aten::bernoulli", [filled(6, 0.4)])).toEqual([0, 1, 0, 0, 1, 0]);
  expect(drawn("aten::bernoulli_.float", [filled(6), 0.4])).toEqual([1, 1, 0, 0, 0, 0]);
});
it("dropout scales what it keeps in training and is the identity else", () => {
  expect(drawn("aten::dropout", [filled(6, 1), 0.5, true])).toEqual([2, 2, 0, 0, 0, 0]);
  const x = filled(6, 1);
  expect(call("aten::dropout", [x, 0.5, false])[0]).toBe(x);
});

it("a permuted tensor is drawn in the order of its memory; sixteen normal numbers come in blocks only where it is row-major", () => {
  const turned = (rows: number, columns: number): Tensor => transposed(Tensor.from(new Float32Array(rows * columns), [rows, columns]), 0, 1);
  expect(drawn("aten::uniform_", [turned(3, 2)])).toEqual([0.534923, 0.659212, 0.232762, 0.198803, 0.65689, 0.425061]);
  expect(drawn("aten::normal_", [turned(4, 4)]).slice(0, 4)).toEqual([-0.146795, 1.69079, 0.138173, 0.137324]);
});
it("bounds of integers in floats move to where the dtype has numbers", () => {
  expect(drawn("aten::random_.from", [filled(2), 0, 2 ** 30])).toEqual([52668292, 980093632]);
  expect(drawn("aten::random_.from", [Tensor.from(new Int16Array(3)), 3, null])).toEqual([26088, 16895, 28714]);
});
it("a narrow dtype that rounds up to the open end gives the start", () => {
  const many = Tensor.from(new Float32Array(1000).fill(0), [1000], "bfloat16");
  const [result] = call("aten::max", [call("aten::to.dtype", [call("aten::uniform_", [many], seeded())[0] ?? null, 6])[0] ?? null]);
  expect(result instanceof Tensor && result.data[0]).toBe(0.99609375);
});
it("rrelu draws for what is not positive alone, gamma numbers are double", () => {
  expect(drawn("aten::rrelu", [Tensor.from(new Float32Array([-1, 2, -1, -1])), 0.1, 0.3, true])).toEqual([-0.155876, 2, -0.154739, -0.272419]);
  expect(drawn("aten::_standard_gamma", [Tensor.from(new Float64Array([4.5, 4.5]))])).toEqual([3.874148, 5.986192]);
});
