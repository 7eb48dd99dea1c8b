/** The parts of `npm run opinfo` that need no Python: comparison, sums, attribution; and the list of operators. */

import { describe, expect, it } from "vitest";
import { compareTensors, sameStrides, similarity } from "../scripts/opinfo/compare.ts";
import { familyOf } from "../scripts/opinfo/families.ts";
import { checked, classOf, Tally, text } from "../scripts/opinfo/report.ts";
import { overloadOf, runSample } from "../scripts/opinfo/run-sample.ts";
import type { Frame, Sample } from "../scripts/opinfo/reference.ts";
import { load, operators, Tensor } from "../src/index.ts";
import { scriptArchive } from "./support/archive.ts";

const whole = { shapeOnly: false, noise: 0 };

describe("two tensors", () => {
  it("agree within the dtype's default tolerance", () => {
    expect(compareTensors(Tensor.from([1.00001, NaN], [2], "float32"), Tensor.from([1, NaN], [2], "float32"), whole)).toBeUndefined();
    expect(compareTensors(Tensor.from([1.00001], [1], "float64"), Tensor.from([1], [1], "float64"), whole)?.reason).toBe("wrong values");
    expect(compareTensors(Tensor.from([2], [1], "int64"), Tensor.from([3], [1], "int64"), whole)).toMatchObject({ reason: "wrong values", distance: 1 });
  });
  it("differ in dtype before shape before values", () => {
    expect(compareTensors(Tensor.from([1, 2], [2], "int32"), Tensor.from([1], [1], "int64"), whole)?.reason).toBe("wrong dtype");
    expect(compareTensors(Tensor.from([1, 2], [2], "int32"), Tensor.from([1], [1], "int32"), whole)?.reason).toBe("wrong shape");
  });
  it("hold infinities and NaN in the same places", () => {
    const want = Tensor.from([Infinity, 1], [2], "float32");
    expect(compareTensors(Tensor.from([Infinity, 1], [2], "float32"), want, whole)).toBeUndefined();
    expect(compareTensors(Tensor.from([3e38, 1], [2], "float32"), want, whole)?.text).toContain("1 of 2");
    expect(compareTensors(Tensor.from([NaN, 1], [2], "float32"), want, whole)?.distance).toBe(Infinity);
  });
  it("of complex numbers are compared by modulus", () => {
    const number = (re: number, im: number): Tensor => Tensor.from(new Float32Array([re, im]), [1], "complex64");
    expect(compareTensors(number(1000, 1e-4), number(1000, 0), whole)).toBeUndefined();
    expect(compareTensors(number(1, NaN), number(NaN, 1), whole)).toBeUndefined();
    expect(compareTensors(number(1, 1), number(1, -1), whole)?.distance).toBe(2);
  });
  it("differ by rounding where PyTorch's own result is as far from the exact one", () => {
    const [got, want] = [Tensor.from([1.01], [1], "float32"), Tensor.from([1], [1], "float32")];
    expect(compareTensors(got, want, { shapeOnly: false, noise: 0.01 })?.reason).toBe("rounding");
    expect(compareTensors(got, want, { shapeOnly: false, noise: 0.001 })?.reason).toBe("wrong values");
  });
  it("may differ in strides of axes of length 1", () => {
    const { storage } = Tensor.zeros([2, 3], "float32");
    const make = (shape: number[], strides: number[]): Tensor => new Tensor(storage, "float32", shape, strides);
    expect(sameStrides(make([1, 3], [9, 1]), make([1, 3], [3, 1]))).toBe(true);
    expect(sameStrides(make([2, 3], [1, 2]), make([2, 3], [3, 1]))).toBe(false);
  });
});

it("messages are compared by their words", () => {
  expect(similarity("expected 2D tensor", "expected 2D tensor")).toBe(1);
  expect(similarity("a b", "c d")).toBe(0);
});

it("an overload is attributed to the file that declares it or its plain form", () => {
  expect(familyOf("aten::max_pool2d")).toBe("aten/pooling.ts");
  expect(familyOf("aten::hardswish_")).toBe("aten/activation.ts");
  expect(familyOf("aten::eq.Scalar")).toBe("aten/comparison.ts");
  expect(familyOf("aten::mul.Tensor + aten::sum")).toBe("several");
  expect(familyOf("aten::no_such_operator")).toBe("none");
});

describe("a sample", () => {
  const archive = scriptArchive(`class Net(Module):
  def s0(self: __torch__.Net,
    x: Tensor) -> Tensor:
    return torch.add_(x, 1)
  def s1(self: __torch__.Net,
    x: Tensor) -> Tensor:
    return torch.mm(x, x)
`);
  const storage = (...values: number[]): Uint8Array => new Uint8Array(new Float32Array(values).buffer);
  const tensor = (at: number): { tensor: number; dtype: "float32"; shape: number[]; strides: number[]; offset: number } => ({
    tensor: at,
    dtype: "float32",
    shape: [2],
    strides: [1],
    offset: 0,
  });
  const frame: Frame = { samples: [], archives: [], storages: [storage(1, 2), storage(2, 3), storage(2, 4)], last: true, broken: undefined };
  const sample: Sample = { at: 0, variant: "plain", note: "", method: "s0", archive: 0, args: [tensor(0)] };

  it("agrees in its result and in what it leaves in its arguments", async () => {
    const session = await (await load(archive)).session();
    expect((await runSample(session, frame, { ...sample, returns: tensor(1), after: { 0: tensor(1) } }, undefined)).reason).toBeUndefined();
    expect((await runSample(session, frame, { ...sample, returns: tensor(2) }, undefined)).reason).toBe("wrong values");
    expect((await runSample(session, frame, { ...sample, returns: tensor(1), after: { 0: tensor(2) } }, undefined)).reason).toBe("wrong argument after");
  });
  it("is about the overload that its entry is named after, or those that it is composed of", async () => {
    const model = await load(archive);
    expect([overloadOf(model, "s0", "add"), overloadOf(model, "s1", "special.something")]).toEqual(["aten::add_.Scalar", "aten::mm"]);
  });
  it("agrees where both raise", async () => {
    const session = await (await load(archive)).session();
    const raises = { type: "RuntimeError", message: "self must be a matrix" };
    expect(await runSample(session, frame, { ...sample, method: "s1", raises }, undefined)).toMatchObject({ likeness: 1 });
    expect((await runSample(session, frame, { ...sample, method: "s1", returns: tensor(1) }, undefined)).reason).toBe("error unexpected");
    expect((await runSample(session, frame, { ...sample, raises }, undefined)).reason).toBe("error expected");
  });
});

describe("the sums", () => {
  const tally = new Tally(false);
  tally.add("pool", "float32", { at: 0, variant: "plain", op: "aten::max_pool2d", strides: "strides [1], wanted [2]" });
  tally.add("pool", "float32", { at: 1, variant: "plain", op: "aten::max_pool2d", reason: "wrong values", text: "far", distance: 2 });
  tally.add("pool", "float32", { at: 2, variant: "plain", op: "aten::max_pool2d", reason: "wrong values", text: "farther", distance: 3 });
  tally.add("pool", "errors", { at: 0, variant: "errors", reason: "no archive", text: "raised before any operator was called" });
  const report = tally.report("2.13.0", "cpu", 1);

  it("count what agrees, and put alike failures together", () => {
    expect(report.rows.map((r) => [r.dtype, r.agree, r.strides])).toEqual([
      ["errors", 0, 0],
      ["float32", 1, 1],
    ]);
    expect(report.failures[0]).toMatchObject({ reason: "wrong values", count: 2, distance: 3, family: "aten/pooling.ts", text: "far" });
  });
  it("leave errors without a call out of the denominator", () => {
    const printed = text(report, { show: 1, table: true });
    expect(printed).toMatch(/^all +3 +1 +33\.33 % +0 +1 +1$/m);
    expect(printed).toContain("aten/pooling.ts: 2 samples (2 wrong values)");
  });
  it("give the documentation a line for each overload", () => {
    expect(checked(report).overloads).toEqual({ "aten::max_pool2d": "float32:1/3" });
  });
  it("count strides as disagreement where they are asked for", () => {
    const strict = new Tally(true);
    strict.add("pool", "float32", { at: 0, variant: "plain", strides: "strides [1], wanted [2]" });
    expect(strict.report("2.13.0", "cpu", 1).rows[0]?.fails).toEqual({ "wrong strides": 1 });
  });
  it("sort dtypes into classes", () => {
    expect(["bfloat16", "uint8", "bool", "complex64", "errors"].map(classOf)).toEqual(["float", "int", "bool", "complex", "errors"]);
  });
});

describe("the list of operators", () => {
  const byName = new Map(operators().map((op) => [op.name, op]));
  it("says where a meaning comes from", () => {
    expect(byName.get("aten::max_pool2d")).toMatchObject({ state: "declared", family: "aten/pooling" });
    expect(byName.get("aten::hardswish_")).toMatchObject({ state: "in-place", of: "aten::hardswish" });
    expect(byName.get("aten::addmm.out")).toMatchObject({ state: "out", of: "aten::addmm" });
    expect(byName.get("prim::tolist")?.state).toBe("machine");
    expect(byName.get("prim::BailOut")?.state).toBe("missing");
  });
  it("has every overload once", () => {
    expect(byName.size).toBe(operators().length);
  });
});
