/** Schemas of PyTorch's operators come in two parts, as its ops do: what is in which, and that a model which is read with one of them is read as with both. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { splitSchemas } from "../scripts/split-schemas.ts";
import { fetchSchemas, schemasOf } from "../src/ir/schema-table.ts";
import { builtinFunctionsOf } from "../src/loaders/torchscript/builtin-functions.ts";
import { scriptArchive } from "./support/archive.ts";

const SRC = join(import.meta.dirname, "../src");

await fetchSchemas();

/** The library as it is before a model has asked for anything. */
async function fresh(): Promise<{
  readonly index: typeof import("../src/index.ts");
  readonly schemas: typeof import("../src/ir/schema-table.ts");
}> {
  vi.resetModules();
  return { index: await import("../src/index.ts"), schemas: await import("../src/ir/schema-table.ts") };
}

test("`npm run schemas` has been run: the first part has the operators of the common families, and what loaders ask for", async () => {
  const stale = Object.entries(await splitSchemas()).filter(([file, text]) => readFileSync(join(SRC, "ir", file), "utf8") !== text);
  expect(stale.map(([file]) => file)).toEqual([]);
});

test("what loaders name in their own code needs the first part alone", async () => {
  const folder = join(SRC, "loaders");
  const code = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => /(?<!\.test|\.generated)\.ts$/.test(file));
  const named = code.flatMap((file) => [...readFileSync(join(folder, file), "utf8").matchAll(/["'`]([a-z_]+::\w+)["'`.]/g)].map((match) => match[1] ?? ""));
  const { schemas } = await fresh();
  expect(named.length).toBeGreaterThan(200);
  for (const name of named) expect(schemas.schemasOf(name).length, name).toBe(schemasOf(name).length);
});

test("what is defined in the language and has no schema needs the first part alone", async () => {
  const text = readFileSync(join(SRC, "loaders/torchscript/builtin-functions.ts"), "utf8");
  const defined = [...text.matchAll(/^def (\w+?)__\w*\(/gm)].flatMap((match) => [`aten::${match[1]}`, `prim::${match[1]}`]);
  const named = defined.filter((name) => builtinFunctionsOf(name).length > 0);
  const { schemas } = await fresh();
  expect(named.length).toBeGreaterThan(10);
  for (const name of named) expect(schemas.schemasOf(name).length, name).toBe(schemasOf(name).length);
});

const COMMON = `class Net(Module):
  __parameters__ = []
  def forward(self: __torch__.Net,
    x: Tensor) -> Tensor:
    y = torch.softmax(torch.relu(x), ops.prim.shape(x)[0])
    return torch.cumsum(torch.swapaxes(y, 0, 1), 0)
`;

/** The op that is not common comes after others, in a method that another one calls, beside a sort by a method. */
const UNCOMMON = `class Item(Module):
  size : int
  def __lt__(self: __torch__.Item,
    other: __torch__.Item) -> bool:
    return torch.lt(self.size, other.size)
class Net(Module):
  __parameters__ = []
  def forward(self: __torch__.Net,
    x: Tensor) -> Tensor:
    y = torch.relu(x)
    z = (self).inner(torch.add(y, 1), )
    return torch.matmul(z, (self).inner(y, ))
  def inner(self: __torch__.Net,
    x: Tensor) -> Tensor:
    y = torch.neg(x)
    if bool(torch.gt(torch.sum(y), 0)):
      z = torch.det(torch.linalg_inv(y))
    else:
      z = torch.bincount(torch.flatten(y))
    return z
`;

test("a model of common ops is read without the second part", async () => {
  const { index, schemas } = await fresh();
  await index.load(scriptArchive(COMMON));
  expect(() => schemas.schemaOf("aten::linalg_inv")).toThrow("have not been imported");
});

test("a model is read in the same way whether the second part was there or is imported on the way", async () => {
  const { index, schemas } = await fresh();
  const imported = index.printProgram((await index.load(scriptArchive(UNCOMMON))).program);
  expect(schemas.schemaOf("aten::linalg_inv")).toBeDefined();
  expect(imported).toContain("aten::linalg_det");
  expect(index.printProgram((await index.load(scriptArchive(UNCOMMON))).program)).toBe(imported);
});

test("an unknown op is refused in the same words whether the second part was there or is imported on the way", async () => {
  const { index } = await fresh();
  const refusal = async (): Promise<unknown> => {
    const error: unknown = await index.load(scriptArchive(UNCOMMON.replace("linalg_inv", "linalg_invx"))).catch((caught: unknown) => caught);
    return index.isOpwiseError(error) ? [error.message, error.hint, error.where] : error;
  };
  const first = await refusal();
  expect(first).toMatchObject([expect.stringContaining("aten::linalg_invx"), expect.stringContaining("`aten::linalg_inv`"), expect.anything()]);
  expect(await refusal()).toEqual(first);
});

test("the list of operators needs no model and no import", async () => {
  const { index } = await fresh();
  expect(index.operators().length).toBeGreaterThan(4200);
  expect(index.operators().find(({ name }) => name === "torchvision::nms")?.family).toBe("torchvision/boxes");
});
