/** Ops that no output needs. */

import { join } from "node:path";
import { expect, test } from "vitest";
import { deadNodes } from "../../src/debug/index.ts";
import { load } from "../../src/index.ts";
import { scriptArchive } from "../support/archive.ts";

async function dead(lines: readonly string[]): Promise<readonly string[]> {
  const code = `class Net(Module):
  __parameters__ = []
  training : bool
  def forward(self: __torch__.Net, x: Tensor, n: int) -> Tensor:
${lines.map((line) => `    ${line}\n`).join("")}`;
  return deadNodes((await load(scriptArchive(code, { training: false }))).program).map((d) => d.op);
}

test("ops whose results reach nothing are dead, with what only they need", async () => {
  expect(await dead(["a = torch.mul(x, 2.)", "b = torch.relu(a)", "c = torch.add(x, x)", "return c"])).toEqual(["aten::mul.Scalar", "aten::relu"]);
});

test("what an in-place write, a branch or a loop needs is not", async () => {
  expect(await dead(["y = torch.clone(x)", "_0 = torch.add_(torch.select(y, 0, 0), 1.)", "return y"])).toEqual([]);
  expect(await dead(["y = x", "for i in range(n):", "  z = torch.mul(y, 2.)", "  y = torch.add(z, 1.)", "return y"])).toEqual([]);
  expect(await dead(["y = torch.mul(x, 3.)", "if torch.gt(n, 1):", "  z = torch.neg(y)", "else:", "  z = y", "return z"])).toEqual([]);
  expect(await dead(["y = x", "w = x", "for i in range(n):", "  w = torch.mul(w, 2.)", "  y = torch.add(y, 1.)", "return y"])).toContain("aten::mul.Scalar");
});

test("a model that PyTorch has saved has none", async () => {
  expect(deadNodes((await load(join(import.meta.dirname, "../golden/debug/attend.pt"))).program)).toEqual([]);
});
