import { expect, test } from "vitest";
import { MessageWriter } from "../src/bytes/protobuf-writer.ts";
import { load, Tensor } from "../src/index.ts";

type Node = readonly [op: string, inputs: readonly string[], output: string];

/** `y` of the nodes over `a [2, 3]` and `b [3]`, and its gradients at `p` and `q`, which are inputs too. */
async function gradients(nodes: readonly Node[], a: readonly number[], b: readonly number[], at: readonly [string, string]): Promise<number[][]> {
  const value =
    (name: string, shape: readonly number[]) =>
    (v: MessageWriter): void =>
      void v.string(1, name).message(2, (t) => t.message(1, (e) => e.int(1, 11).message(2, (s) => shape.forEach((n) => s.message(1, (d) => d.int(1, n))))));
  const text = (s: string): Uint8Array => new TextEncoder().encode(s);
  const bytes = new MessageWriter()
    .int(1, 9)
    .message(8, (o) => o.int(2, 17))
    .message(8, (o) => o.string(1, "ai.onnx.preview.training").int(2, 1))
    .message(7, (g) => {
      for (const [op, inputs, output] of nodes) g.message(1, (n) => (inputs.forEach((i) => n.string(1, i)), n.string(2, output).string(4, op)));
      g.message(1, (n) => {
        n.string(1, at[0]).string(1, at[1]).string(2, "da").string(2, "db").string(4, "Gradient").string(7, "ai.onnx.preview.training");
        n.message(5, (w) => w.string(1, "xs").int(20, 8).bytes(9, text("a")).bytes(9, text("b"))).message(5, (w) =>
          w.string(1, "y").int(20, 3).bytes(4, text("y")),
        );
      });
      for (const name of ["a", "p"]) g.message(11, value(name, [2, 3]));
      for (const name of ["b", "q"]) g.message(11, value(name, [3]));
      for (const name of ["y", "da", "db"]) g.message(12, (v) => v.string(1, name));
    })
    .finish();
  using session = await (await load(bytes)).session();
  const [p, q] = [a.map((v) => v / 2), b.map((v) => v + 1)];
  const tensor = (values: readonly number[], shape: readonly number[]): Tensor => Tensor.from(Float64Array.from(values), shape);
  const out = await session.run({ a: tensor(a, [2, 3]), b: tensor(b, [3]), p: tensor(p, [2, 3]), q: tensor(q, [3]) });
  return ["y", "da", "db"].map((name) => (out[name] instanceof Tensor ? Array.from(out[name].data, Number) : []));
}

const A = [0.5, -1, 2, 0.25, 1.5, -0.75];
const B = [1.25, 0.5, 2];
const NODES: readonly Node[] = [
  ["Mul", ["a", "b"], "m"],
  ["Sigmoid", ["m"], "s"],
  ["Div", ["a", "b"], "d"],
  ["Tanh", ["d"], "t"],
  ["Add", ["s", "t"], "u"],
  ["Sub", ["u", "a"], "y"],
];
const sum = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((total, x, i) => total + 1 / (1 + Math.exp(-x * (b[i % 3] ?? 0))) + Math.tanh(x / (b[i % 3] ?? 1)) - x, 0);

test.each([
  ["at the graph's own inputs", ["a", "b"] as const, A, B],
  ["at other values, on which the graph is made again", ["p", "q"] as const, A.map((v) => v / 2), B.map((v) => v + 1)],
])("Gradient differentiates %s", async (_title, at, a, b) => {
  const [, da = [], db = []] = await gradients(NODES, A, B, [at[0], at[1]]);
  const step = 1e-5;
  const moved = (list: readonly number[], i: number, by: number): number[] => list.map((v, k) => (k === i ? v + by : v));
  a.forEach((_, i) => expect(da[i]).toBeCloseTo((sum(moved(a, i, step), b) - sum(moved(a, i, -step), b)) / (2 * step), 6));
  b.forEach((_, i) => expect(db[i]).toBeCloseTo((sum(a, moved(b, i, step)) - sum(a, moved(b, i, -step))) / (2 * step), 6));
});

test("Gradient through an op without a derivative names it", async () => {
  await expect(
    gradients(
      [
        ["Floor", ["a"], "f"],
        ["Mul", ["f", "b"], "y"],
      ],
      A,
      B,
      ["a", "b"],
    ),
  ).rejects.toMatchObject({ code: "unsupported-op", message: expect.stringContaining("Floor") });
});
