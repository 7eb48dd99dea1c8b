import { describe, expect, test } from "vitest";
import { addDims, divDims, mulDims, printDim, symbol } from "../src/ir/dim.ts";
import { walkNodes } from "../src/ir/graph.ts";
import { printType } from "../src/ir/type.ts";
import { MessageWriter } from "../src/bytes/protobuf-writer.ts";
import { load } from "../src/index.ts";

interface Made {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly ints?: Readonly<Record<string, readonly number[] | number>>;
}

/** The inferred type of every named result of a graph on `x [N, 3, 8]` (float32) and integer constants. */
async function typesOf(nodes: readonly Made[], constants: Readonly<Record<string, readonly number[]>> = {}): Promise<Record<string, string>> {
  const bytes = new MessageWriter()
    .int(1, 9)
    .message(8, (o) => o.int(2, 17))
    .message(7, (g) => {
      for (const node of nodes) {
        g.message(1, (n) => {
          for (const name of node.inputs) n.string(1, name);
          n.string(2, node.output).string(4, node.op);
          for (const [name, value] of Object.entries(node.ints ?? {})) {
            n.message(5, (a) => (typeof value === "number" ? a.string(1, name).int(20, 2).int(3, value) : a.string(1, name).int(20, 7).packedInts(8, value)));
          }
        });
      }
      for (const [name, values] of Object.entries(constants))
        g.message(5, (t) => t.packedInts(1, [values.length]).int(2, 7).string(8, name).packedInts(7, values));
      g.message(11, (v) =>
        v.string(1, "x").message(2, (t) =>
          t.message(1, (e) =>
            e.int(1, 1).message(2, (s) =>
              s
                .message(1, (d) => d.string(2, "N"))
                .message(1, (d) => d.int(1, 3))
                .message(1, (d) => d.int(1, 8)),
            ),
          ),
        ),
      );
      g.message(12, (v) => v.string(1, nodes.at(-1)?.output ?? ""));
    })
    .finish();
  const model = await load(bytes);
  const out: Record<string, string> = {};
  walkNodes(model.program.main?.graph() ?? { inputs: [], nodes: [], outputs: [] }, (node) => {
    for (const value of node.results) if (value.name !== undefined) out[value.name] = printType(value.type);
  });
  return out;
}

describe("inferred shapes", () => {
  test("follow a shape through the integers that are made of it", async () => {
    const types = await typesOf(
      [
        { op: "Shape", inputs: ["x"], output: "s" },
        { op: "Gather", inputs: ["s", "zero"], output: "n" },
        { op: "Concat", inputs: ["n", "rest"], output: "to", ints: { axis: 0 } },
        { op: "Reshape", inputs: ["x", "to"], output: "y" },
      ],
      { zero: [0], rest: [4, -1] },
    );
    expect(types["y"]).toBe("Tensor(float32, [N, 4, 6])");
  });
  test("take the size that is left out from the others", async () => {
    const types = await typesOf([{ op: "Reshape", inputs: ["x", "to"], output: "y" }], { to: [-1, 6] });
    expect(types["y"]).toBe("Tensor(float32, [(4 * N), 6])");
  });
  test("are expressions where sizes are joined and cut", async () => {
    const types = await typesOf([
      { op: "Concat", inputs: ["x", "x"], output: "twice", ints: { axis: 0 } },
      { op: "Flatten", inputs: ["twice"], output: "flat", ints: { axis: 2 } },
      { op: "ReduceMean", inputs: ["flat"], output: "y", ints: { axes: [1] } },
    ]);
    expect(types).toMatchObject({
      twice: "Tensor(float32, [(N + N), 3, 8])",
      flat: "Tensor(float32, [(3 * (N + N)), 8])",
      y: "Tensor(float32, [(3 * (N + N)), 1])",
    });
  });
  test("give sizes that depend on data a symbol of their own", async () => {
    const types = await typesOf([{ op: "NonZero", inputs: ["x"], output: "y" }]);
    expect(types["y"]).toMatch(/^Tensor\(int64, \[3, \?\d+\]\)$/);
  });
});

test("dims are simplified as they are combined", () => {
  const n = symbol("N");
  expect(printDim(addDims(addDims(n, 2), 3))).toBe("(N + 5)");
  expect(addDims(n, 0)).toBe(n);
  expect(printDim(mulDims(2, n, 3))).toBe("(6 * N)");
  expect(mulDims(n, 0)).toBe(0);
  expect(printDim(divDims(mulDims(6, n), 3))).toBe("(2 * N)");
  expect(divDims(mulDims(6, n), n)).toBe(6);
  expect(printDim(divDims(n, 2))).toBe("(N // 2)");
});
