/** What becomes of the outputs where something in the middle is changed. */

import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { sweep, sweepText, whatIf, whatIfText, type Change, type WhatIfReport } from "../../src/debug/index.ts";
import { cpu, load, type Session, Tensor } from "../../src/index.ts";
import { scriptArchive } from "../support/archive.ts";

const CODE = `class Net(Module):
  __parameters__ = []
  training : bool
  def forward(self: __torch__.Net, x: Tensor, w: Tensor) -> Tensor:
    h = torch.matmul(x, w)
    a = torch.relu(h)
    b = torch.leaky_relu(a, 0.5)
    return torch.softmax(torch.matmul(b, w), -1)
`;
const open = async (): Promise<Session> => (await load(scriptArchive(CODE, { training: false }))).session();
const inputs = { args: [Tensor.from([1, -2, 3, 4], [2, 2], "float32"), Tensor.from([0.3, -0.7, 1.1, 0.9], [2, 2], "float32")] };
const report = async (...changes: Change[]): Promise<WhatIfReport> => whatIf(await open(), inputs, changes);

describe("whatIf", () => {
  it("sets a part of a value where it is made, and tells what the outputs are then", async () => {
    const found = await report({ kind: "set", target: "%h[:,1]", value: 5 });
    expect(found.changes).toEqual([{ text: "set %h[:,1] = 5", applied: 1 }]);
    expect(found.outputs[0]?.difference?.count).toBeGreaterThan(0);
    expect(found.outputs[0]?.rows).toBe(2);
    expect(whatIfText(found)[0]).toBe("set %h[:,1] = 5   applied 1 time");
  });

  it("sets an input", async () => {
    const zero = await report({ kind: "set", target: "%x", value: 0 });
    expect(zero.outputs[0]?.difference?.max).toBeGreaterThan(0.01);
  });

  it("says that nothing changes where nothing does", async () => {
    expect((await report({ kind: "skip", select: "aten::leaky_relu" })).outputs).toMatchObject([{ name: "output", same: true, topChanged: 0 }]);
    expect((await report({ kind: "backend", select: "aten::matmul", backend: cpu() })).outputs[0]?.same).toBe(true);
  });

  it("computes in another precision, with another argument, without an op", async () => {
    const half = await report({ kind: "dtype", select: "aten::matmul", dtype: "bfloat16" });
    expect(half.changes[0]?.applied).toBe(2);
    expect(half.outputs[0]?.difference?.relL2).toBeGreaterThan(1e-5);
    expect(half.outputs[0]?.difference?.relL2).toBeLessThan(0.05);
    const slope = await report({ kind: "skip", select: "aten::relu" }, { kind: "attr", select: "aten::leaky_relu", name: "negative_slope", value: 0 });
    expect(slope.outputs[0]?.same).toBe(true);
  });

  it("shares the run up to the first change, and leaves the session as it was", async () => {
    const session = await open();
    const before = [...((await session.forward(...inputs.args)) as Tensor).data];
    const late = await whatIf(session, inputs, [{ kind: "skip", select: "aten::leaky_relu" }]);
    expect(late.shared).toBeGreaterThan(1);
    expect([...((await session.forward(...inputs.args)) as Tensor).data]).toEqual(before);
  });

  it("is an error where a change applies to nothing", async () => {
    await expect(report({ kind: "set", target: "%nothing", value: 0 })).rejects.toMatchObject({ code: "no-match" });
    await expect(report({ kind: "skip", select: "aten::conv2d" })).rejects.toMatchObject({ code: "no-match" });
    await expect(report({ kind: "attr", select: "aten::relu", name: "slope", value: 1 })).rejects.toMatchObject({ code: "no-match" });
    const steps = await (await load(join(import.meta.dirname, "../golden/models/steps/model.pt"))).session();
    const small = { args: [Tensor.from([0.5, -1, 2, 0.25], [4], "float32"), 1] };
    await expect(whatIf(steps, small, [{ kind: "skip", select: "aten::mean" }])).rejects.toMatchObject({
      code: "no-match",
      message: "`skip aten::mean` was never reached",
    });
  });

  it("tells of each node and precision by itself, the most damage first", async () => {
    const rows = await sweep(await open(), inputs, ["float16", "bfloat16", "int8"], "kind:contract");
    expect(rows).toHaveLength(6);
    expect(rows.map((r) => r.relL2)).toEqual(rows.map((r) => r.relL2).toSorted((a, b) => b - a));
    expect(rows.find((r) => r.dtype === "float16")?.savedBytes).toBe(16);
    expect(sweepText(rows)[0]).toMatch(/^node {2}op +dtype/);
    await expect(sweep(await open(), inputs, ["float16"], "kind:convolve")).rejects.toMatchObject({ code: "no-match" });
  });
});
