import { expect, it } from "vitest";
import { arg, index, load, cast } from "../expr/expr.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { ComputeCall } from "./call.ts";
import type { Program } from "./program.ts";
import { checkRanks } from "./ranks.ts";

const program = (parts: Program["outputs"][0]["parts"]): Program => ({
  name: "p",
  operands: ["float32"],
  scalars: [],
  outputs: [{ dtype: "float32", parts }],
  messages: [],
});
const call = (p: Program, operand: number, result: number): ComputeCall => ({
  kind: "compute",
  program: p,
  operands: [Tensor.zeros(new Array<number>(operand).fill(1))],
  results: [Tensor.zeros(new Array<number>(result).fill(1))],
  scalars: [],
});
const transposed = program([load(0, "f32", [index(1), index(0)])]);

it("takes calls of the ranks that their program was made for", () => {
  expect(() => checkRanks(call(transposed, 2, 2))).not.toThrow();
  expect(() => checkRanks(call(program([arg(0, "f32")]), 5, 5))).not.toThrow();
});

it("refuses an operand of another rank than its loads, and a result without an axis that is asked for", () => {
  expect(() => checkRanks(call(transposed, 1, 2))).toThrow(expect.objectContaining({ code: "shape-mismatch", wanted: "rank 2", got: "rank 1" }) as Error);
  expect(() => checkRanks(call(program([cast(index(2), "f32")]), 1, 2))).toThrow(
    expect.objectContaining({ code: "shape-mismatch", wanted: "rank 3" }) as Error,
  );
});

it("refuses more axes than PyTorch's operators take", () => {
  expect(() => checkRanks(call(program([arg(0, "f32")]), 65, 65))).toThrow(expect.objectContaining({ code: "limit-exceeded" }) as Error);
});
