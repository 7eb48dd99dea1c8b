/** Where NaN and infinities are born, why, and what becomes of them. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { scriptArchive } from "../support/archive.ts";
import { readNpy } from "../../src/arrays.ts";
import { load } from "../../src/model.ts";
import type { DType } from "../../src/tensor/dtype.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { findNonFinite, type NonFiniteOptions, type NonFiniteReport } from "../../src/debug/non-finite.ts";
import { isHarmful, nonFiniteText } from "../../src/debug/non-finite-text.ts";

const tensor = (values: readonly number[], shape: readonly number[] = [values.length], dtype: DType = "float32"): Tensor => Tensor.from(values, shape, dtype);

/** The report of a function `x0, x1, … -> Tensor` of these lines. */
async function reportOf(lines: readonly string[], args: readonly Tensor[], options: NonFiniteOptions = {}): Promise<NonFiniteReport> {
  const params = args.map((_, i) => `x${i}: Tensor`).join(", ");
  const code = `class Net(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.Net, ${params}) -> Tensor:
${lines.map((line) => `    ${line}\n`).join("")}`;
  const session = await (await load(scriptArchive(code, { training: false }))).session();
  return findNonFinite(session, { args }, options);
}

/** The births as short texts. */
const births = (report: NonFiniteReport): string[] =>
  report.births.map(
    (b) =>
      `${b.kind} ${b.at.op} %${b.value ?? ""}[${b.first.join()}] ${b.count}: ${b.cause.kind}${b.reaches.length > 0 ? " out" : ""}${b.intended ? " intended" : ""}`,
  );

describe("findNonFinite", () => {
  it("names op, value, place and cause of a birth, and says that a mask keeps it out", async () => {
    const report = await reportOf(
      ["n = torch.log(torch.sub(x0, 1.))", "ok = torch.isfinite(n)", "return torch.where(ok, n, torch.zeros_like(n))"],
      [tensor([3, 0, 2])],
    );
    expect(births(report)).toEqual(["nan aten::log %n[1] 1: domain"]);
    const [birth] = report.births;
    expect(birth?.cause.text).toBe("log of -1");
    expect(birth?.dropped.map((d) => d.op)).toEqual(["aten::isfinite", "aten::where.self"]);
    expect(isHarmful(report)).toBe(false);
    expect(nonFiniteText(report).join("\n")).toMatchInlineSnapshot(`
      "born NaN  #3 aten::log %n   code/__torch__.py:6
            1 of 3 elements, [1]: log of -1
        ⊣ #4 aten::isfinite (only tested)   dies here
        ⊣ #6 aten::where.self (mask keeps it out)   dies here
        NOT in any output: harmless
      5 ops, 1 birth: 0 reach an output, 0 intended by the model, 1 in no output"
    `);
  });

  it("knows a mask's infinity from a fault, and a row that is masked from end to end", async () => {
    const report = await reportOf(
      ["s = torch.masked_fill(torch.matmul(x0, x0), torch.eq(x1, 0.), -inf)", "a = torch.softmax(s, -1)", "return torch.matmul(a, x0)"],
      [tensor([1, 2, 3, 4], [2, 2]), tensor([1, 0, 0, 0], [2, 2])],
    );
    expect(births(report)).toEqual(["inf aten::masked_fill.Scalar %s[0,1] 3: constant intended", "nan aten::softmax.int %a[1,0] 2: masked row out"]);
    expect(report.births[1]?.cause.text).toBe("all 2 scores of row [1,:] are -inf (fully masked)");
    expect(report.births[1]?.from).toEqual([1]);
    expect(report.births[1]?.spread.map((e) => e.op)).toEqual(["aten::matmul"]);
    expect(isHarmful(report)).toBe(true);
  });

  it("finds nothing in a mask that leaves something to attend to", async () => {
    const report = await reportOf(
      ["return torch.softmax(torch.masked_fill(x0, torch.eq(x1, 0.), -inf), -1)"],
      [tensor([1, 2, 3, 4], [2, 2]), tensor([1, 0, 0, 1], [2, 2])],
    );
    expect(births(report)).toEqual(["inf aten::masked_fill.Scalar %6[0,1] 2: constant intended"]);
    expect(isHarmful(report)).toBe(false);
  });

  it.each<readonly [string, readonly string[], readonly Tensor[], readonly string[]]>([
    [
      "0/0 and x/0",
      ["return torch.div(x0, x1)"],
      [tensor([0, 1, 2]), tensor([0, 0, 2])],
      ["nan aten::div.Tensor %6[0] 1: 0/0 out", "inf aten::div.Tensor %6[1] 1: pole out"],
    ],
    [
      "an overflow, and inf - inf after it",
      ["y = torch.mul(x0, 3.)", "return torch.sub(y, y)"],
      [tensor([1, 3e38])],
      ["inf aten::mul.Scalar %y[1] 1: overflow", "nan aten::sub.Tensor %5[1] 1: inf-inf out"],
    ],
    [
      "0 * inf",
      ["return torch.mul(torch.div(x0, x1), x1)"],
      [tensor([1, 4]), tensor([0, 2])],
      ["inf aten::div.Tensor %3[0] 1: pole", "nan aten::mul.Tensor %4[0] 1: 0*inf out"],
    ],
    ["float16's range", ["h = torch.to(x0, 5)", "return torch.mul(h, h)"], [tensor([200, 300])], ["inf aten::mul.Tensor %7[1] 1: overflow out"]],
    ["a sum that overflows", ["return torch.sum(x0)"], [tensor([3e38, 3e38])], ["inf aten::sum %2[] 1: overflow out"]],
    [
      "a product with an infinity and a zero",
      ["return torch.matmul(torch.div(x0, x1), x1)"],
      [tensor([1, 1], [1, 2]), tensor([0, 0, 0, 0], [2, 2])],
      ["inf aten::div.Tensor %3[0,0] 4: pole", "nan aten::matmul %4[0,0] 4: 0*inf out"],
    ],
    ["what was in the inputs already", ["return torch.sqrt(x0)"], [tensor([NaN, 4])], ["nan aten::sqrt %2[0] 1: unknown out"]],
    ["the mean of nothing", ["return torch.mean(x0)"], [tensor([], [0])], ["nan aten::mean %3[] 1: 0/0 out"]],
    [
      "a division in place",
      ["y = torch.clone(x0)", "_0 = torch.div_(y, torch.sub(x0, x0))", "return torch.add(y, 1.)"],
      [tensor([2, 3])],
      ["inf aten::div_.Tensor %17[0] 2: pole out"],
    ],
    [
      "a buffer's part, through a view",
      ["y = torch.zeros_like(x0)", "_0 = torch.copy_(torch.select(y, 0, 1), torch.log(torch.select(x0, 0, 0)))", "return torch.sum(y)"],
      [tensor([0, 1])],
      ["inf aten::log %12[] 1: pole out"],
    ],
  ])("tells causes apart: %s", async (_name, lines, args, expected) => {
    const report = await reportOf(lines, args);
    expect(births(report).map((b) => b.replace(/%\d+\[/, "%["))).toEqual(expected.map((b) => b.replace(/%\d+\[/, "%[")));
  });

  it("keeps two births apart, element by element", async () => {
    const report = await reportOf(
      ["a = torch.log(x0)", "b = torch.sqrt(x1)", "c = torch.add(a, b)", "return torch.select(c, 0, 1)"],
      [tensor([-1, 2, 2]), tensor([1, -4, 4])],
    );
    expect(births(report)).toEqual(["nan aten::log %a[0] 1: domain", "nan aten::sqrt %b[1] 1: domain out"]);
  });

  it("warns of numbers close to the end of a half's range, of memory that nothing wrote, and of what a smaller dtype would not hold", async () => {
    const near = await reportOf(["h = torch.to(x0, 5)", "return torch.mul(h, h)"], [tensor([250, 3])]);
    expect(near.warnings.map((w) => `${w.kind} ${w.at.op}: ${w.text}`)).toEqual(["near overflow aten::mul.Tensor: absmax 62496 of 65504 (float16)"]);
    const blank = await reportOf(["e = torch.empty([2])", "return torch.add(e, x0)"], [tensor([1, 1])]);
    expect(blank.warnings.map((w) => `${w.kind} ${w.at.op}`)).toEqual(["uninitialised aten::add.Tensor"]);
    const wide = await reportOf(["return torch.mul(x0, 1000.)"], [tensor([70])], { overflow: "float16" });
    expect(wide.warnings.map((w) => `${w.kind} ${w.at.op}`)).toEqual(["overflow aten::mul.Scalar"]);
  });

  it("leaves nothing behind: the session runs as before", async () => {
    const session = await (
      await load(
        scriptArchive(
          `class Net(Module):
  __parameters__ = []
  training : bool
  def forward(self: __torch__.Net, x: Tensor) -> Tensor:
    return torch.log(x)
`,
          { training: false },
        ),
      )
    ).session();
    await findNonFinite(session, { args: [tensor([-1])] });
    expect(session.executor.inspector).toBeUndefined();
    expect(await session.forward(tensor([1]))).toMatchObject({ shape: [1] });
  });
});

describe("a scripted model", () => {
  const golden = (name: string): string => join(import.meta.dirname, "../golden/debug", name);
  const input = (name: string): Tensor => readNpy(new Uint8Array(readFileSync(golden(name))));

  it("has its NaN traced to the author's line, and its fate told", async () => {
    const session = await (await load(golden("attend.pt"))).session();
    const { births: found } = await findNonFinite(session, { args: [input("x.npy"), input("masked.npy")] });
    const told = found.map(
      (b) =>
        `${b.kind} ${b.at.place.author?.file}:${b.at.place.author?.line} [${b.first.join()}] ${b.cause.text}${b.reaches.length > 0 ? " reaches an output" : ""}`,
    );
    expect(told.filter((line) => line.startsWith("nan"))).toEqual([
      "nan debug_cases.py:43 [0,2] log of -0.5",
      "nan debug_cases.py:32 [1,0] all 3 scores of row [1,:] are -inf (fully masked) reaches an output",
      "nan debug_cases.py:32 [1,0] all 3 scores of row [1,:] are -inf (fully masked) reaches an output",
    ]);
    const kept = await findNonFinite(session, { args: [input("x.npy"), input("mask.npy")] });
    expect(isHarmful(kept)).toBe(false);
  });
});
