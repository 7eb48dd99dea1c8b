/** What a page fetches: bundled, minified and gzipped as `scripts/page-size.ts` does it, and which ops wait until a model needs them. */

import { expect, test } from "vitest";
import { pageSize } from "../scripts/page-size.ts";
import { load } from "../src/index.ts";
import { tablesFor } from "../src/op-tables.ts";
import { commonFamilies } from "../src/ops/common-families.ts";
import { coreFamilies } from "../src/ops/core-families.ts";
import type { Op } from "../src/ops/define.ts";
import { namedFamilies } from "../src/ops/families.ts";
import { derive, tableOf } from "../src/ops/registry.ts";
import { allSchemas, fetchSchemas } from "../src/ir/schema-table.ts";
import { scriptArchive } from "./support/archive.ts";

const LOADER = "src/loaders/torchscript/loader.ts";

/**
 * Gzipped bytes of `opwise/core` with the TorchScript loader, the IR with the schemas of common operators, the executor, the cpu and the wasm backend. It may be raised,
 * up to 250 KB, with a line here that says what for:
 * - 249,500: it began at 236,000, with plans and threads; attention, pooling by vectors, products of integers and recurrent layers of the wasm backend took the rest.
 * - 249,900: scratch of plans where no value is alive (0.3 KB, for 20 to 40 MB less on two threads), and what the pass that folds batch norms needs (0.2 KB; the pass
 *   itself comes where it is asked for).
 * - 217,000: schemas of operators that are not common come when a model has one (29 KB), Fourier transforms and draws by rejection with the ops that use them (4 KB).
 * - 219,500: convolutions of three axes, pooling of volumes and results of any layout on wasm, as planes inside of plans.
 * - 220,100: products, convolutions and pooling of halves on wasm.
 * - 222,500: pairs of convolutions on wasm, whose result between is never in memory as a whole, and tiles of six rows for small planes.
 * - 224,800: maps and reductions of halves by vectors, of operands that lie any bytes apart and down columns (2.3 KB); plans for sizes that come again, in shared memory.
 * - 227,000: kernels that a build prints ahead, where there is one; copies of a file of code are parsed once, schemas and definitions in the language when they are used
 *   (0.3 KB, for a fifth of the time until a `.pt` is loaded).
 * - 227,700: attributes that are looked at only where they may have changed (0.6 KB), and former results that are collected sooner.
 * - 229,000: graphs of copied methods are made once (0.3 KB, for a twentieth of the time until a `.pt` is loaded); computes in another order of loops, what kernels are printed
 *   from as a text, products over all of the depth.
 * - 229,900: parts of what is concatenated are computed where they go (0.7 KB, for a tenth of a decoder's step), and columns of one product packed a group at a time.
 */
const LIMIT = 229_900;

test("a page that loads TorchScript models and runs them on wasm fetches less than the limit before the ops", async () => {
  const { bytes, files } = await pageSize();
  const largest = files.slice(0, 12).map((file) => `${file.path}: ${file.bytes}`);
  expect(bytes, `gzipped bytes; the largest files, minified:\n${largest.join("\n")}`).toBeLessThan(LIMIT);
  expect(LIMIT).toBeLessThanOrEqual(250_000);
  expect(files.some((file) => file.path === "src/run/machine.ts")).toBe(true);
  expect(files.some((file) => file.path === LOADER)).toBe(true);
});

test("nothing that other models need is fetched with it", async () => {
  const { files } = await pageSize();
  const odd =
    /^src\/(?:codecs|preprocess|debug|cli)\/|(?:onnx|other)-schemas|loaders\/(?:onnx|pt2|mobile|state-dict)\/|backends\/tfjs\/|numeric\/(?:svd|eigen|lu)|ops\/(?:aten|onnx\/(?!define)|torchvision)\//;
  expect(files.filter((file) => odd.test(file.path)).map((file) => file.path)).toEqual([]);
});

test("the ops of common networks come in one further step, without those of others", async () => {
  const { bytes, files } = await pageSize(undefined, [LOADER, "src/ops/common-families.ts"]);
  expect(files.some((file) => file.path === "src/ops/aten/convolution.ts")).toBe(true);
  // 370,000 at first; sessions made ready for sizes, plans between growing sizes and finer shares for threads made it 375,000, without schemas that are not common.
  expect(bytes).toBeLessThan(356_300);
});

/** `aten::add` of `aten::add_.Tensor`: overloads and forms are looked up by it. */
function baseOf({ name }: Op): string {
  const base = name.split(".")[0] ?? name;
  return base.endsWith("_") && !base.endsWith("__") ? base.slice(0, -1) : base;
}

test("the first table of ops is a good part smaller than the common one, and brings no formulas of special functions or Fourier transforms", async () => {
  const { bytes, files } = await pageSize(undefined, [LOADER, "src/ops/core-families.ts"]);
  expect(files.some((file) => file.path === "src/ops/aten/convolution.ts")).toBe(true);
  expect(
    files.filter((file) => /bessel|temme|incomplete|orthogonal|numeric\/(?:svd|eigen|lu|gamma|fft|rejection)/.test(file.path)).map((file) => file.path),
  ).toEqual([]);
  expect(bytes).toBeLessThan(299_600);
});

test("all overloads of a name are among the common families, or none", () => {
  const common = new Set(commonFamilies.flatMap((family) => family.map(baseOf)));
  const whole = new Set(commonFamilies);
  const split = Object.entries(namedFamilies).flatMap(([name, family]) =>
    whole.has(family) ? [] : family.filter((op) => common.has(baseOf(op))).map((op) => `${op.name} in ${name}`),
  );
  expect(split).toEqual([]);
});

test.each([
  ["the first", coreFamilies],
  ["the common", commonFamilies],
])("an op has the same meaning by %s table as by the whole one", async (_, families) => {
  await fetchSchemas();
  const [part, whole] = [tableOf(families), tableOf(Object.values(namedFamilies))];
  const differing = allSchemas().filter((schema) => {
    const mine = derive(schema, part);
    const theirs = derive(schema, whole);
    return mine !== undefined && (mine.op !== theirs?.op || mine.form !== theirs.form);
  });
  expect(differing.map((schema) => schema.text)).toEqual([]);
});

const program = async (expression: string): Promise<Awaited<ReturnType<typeof load>>["program"]> =>
  (
    await load(
      scriptArchive(`class Net(Module):
  __parameters__ = []
  def forward(self: __torch__.Net,
    x: Tensor) -> Tensor:
    return ${expression}
`),
    )
  ).program;

test("a model gets the first table that has its ops", async () => {
  const first = await tablesFor(await program("torch.relu(torch.add_(x, 1))"));
  expect(first.torch.has("aten::relu")).toBe(true);
  expect(first.torch.has("aten::cumsum")).toBe(false);
  expect(first.onnx.size).toBe(0);
  expect(first.common).toBe(true);
  const common = await tablesFor(await program("torch.cumsum(x, 0)"));
  expect(common.torch.has("aten::cumsum")).toBe(true);
  expect(common.torch.has("aten::linalg_inv")).toBe(false);
  expect(common.common).toBe(true);
  const whole = await tablesFor(await program("torch.relu(torch.linalg_inv(x))"));
  expect(whole.torch.has("aten::linalg_inv")).toBe(true);
  expect(whole.common).toBe(false);
  expect((await tablesFor(await program("torch.relu(x)"))).torch).toBe(first.torch);
});
