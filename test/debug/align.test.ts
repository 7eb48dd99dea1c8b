/** Two graphs of one model: values find their partners, and what is wrong between them is named. */

import { describe, expect, it } from "vitest";
import { FAULTS } from "../../scripts/eyesight/faults.ts";
import { plantingOf } from "../../scripts/eyesight/plant.ts";
import { bytesSource } from "../../src/bytes/source.ts";
import { cpu } from "../../src/backends/cpu/cpu.ts";
import { align } from "../../src/debug/compare/align.ts";
import { layoutBetween, toA, toB } from "../../src/debug/compare/layout.ts";
import { numbersOf } from "../../src/debug/compare/numbers.ts";
import { record, type Tape } from "../../src/debug/compare/tape.ts";
import { compareTapes, diffGraphs, numberingOf, tapeOfGoldens } from "../../src/debug/index.ts";
import type { Block, Node, Program, Value } from "../../src/ir/graph.ts";
import { fetchSchemas, schemaOf } from "../../src/ir/schema-table.ts";
import type { Template } from "../../src/ir/template.ts";
import { T } from "../../src/ir/type.ts";
import { modelOf } from "../../src/model.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

const host = cpu();
const numbers = (n: number, seed: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(seed * 12.9898 + i * 78.233) * 1.5);

/** A program of one function: `ops` as [op, operands by name, result, attributes]. */
function programOf(
  format: "torchscript" | "onnx",
  inputs: readonly string[],
  ops: readonly (readonly [string, readonly (string | null)[], string, Readonly<Record<string, Template>>?])[],
  weights: Readonly<Record<string, Tensor>>,
  output: string,
): Program {
  let id = 0;
  const values = new Map<string, Value>();
  const value = (name: string): Value => {
    const made: Value = { id: id++, type: T.Tensor, name: /^\w+$/.test(name) ? undefined : name };
    values.set(name, made);
    return made;
  };
  const params = inputs.map((name) => ({ name, value: value(name) }));
  const nodes: Node[] = [];
  for (const [name, t] of Object.entries(weights)) {
    const bytes = t.storage.bytes();
    const source = bytesSource(bytes);
    const template: Template = {
      kind: "tensor",
      tensor: { storage: { source, nbytes: bytes.length, device: "cpu" }, dtype: t.dtype, shape: t.shape, strides: t.strides, offset: 0, requiresGrad: false },
    };
    nodes.push({ op: "prim::Constant", operands: [], attributes: { value: template }, results: [value(name)], blocks: [] });
  }
  const constant = (template: Template, type: Value["type"]): Value => {
    const made: Value = { id: id++, type };
    nodes.push({ op: "prim::Constant", operands: [], attributes: { value: template }, results: [made], blocks: [] });
    return made;
  };
  for (const [op, operands, result, attributes = {}] of ops) {
    const given = operands.map((name) =>
      name === null
        ? constant({ kind: "none" }, T.None)
        : (values.get(name) ??
          constant(
            name.includes(".")
              ? { kind: "float", value: Number(name) }
              : /^-?\d+$/.test(name)
                ? { kind: "int", value: Number(name) }
                : { kind: "str", value: name },
            name.includes(".") ? T.float : /^-?\d+$/.test(name) ? T.int : T.str,
          )),
    );
    nodes.push({ op, operands: given, attributes, results: [value(result)], blocks: [], schema: schemaOf(op) });
  }
  const body: Block = { inputs: params.map((p) => p.value), nodes, outputs: [values.get(output) as Value] }; // named by the caller
  return {
    format,
    version: "test",
    name: format,
    classes: new Map(),
    functions: new Map(),
    extra: new Map(),
    main: { name: "forward", params: params.map((p) => ({ name: p.name, type: T.Tensor })), returns: T.Tensor, graph: () => body },
    inputs: params.map((p) => ({ name: p.name, type: T.Tensor })),
    outputs: [{ name: output, type: T.Tensor }],
  };
}

await fetchSchemas();

const W1 = Tensor.from(numbers(8 * 6, 1), [6, 8]);
const W1T = Tensor.from(
  Float32Array.from({ length: 48 }, (_, i) => numbersOf(W1)[(i % 6) * 8 + Math.floor(i / 6)] ?? 0),
  [8, 6],
);
const B1 = Tensor.from(numbers(6, 2), [6]);
const W2 = Tensor.from(numbers(6 * 6, 3), [6, 6]);
const W2T = Tensor.from(
  Float32Array.from({ length: 36 }, (_, i) => numbersOf(W2)[(i % 6) * 6 + Math.floor(i / 6)] ?? 0),
  [6, 6],
);
const scalar = (x: number): Tensor => Tensor.from(Float32Array.of(x), []);
const axis = (value: number): Readonly<Record<string, Template>> => ({ axis: { kind: "int", value } });

/** The model as PyTorch has it, and as an exporter spells it out: products and biases apart, gelu by erf. */
async function both(): Promise<{ readonly a: Tape; readonly b: Tape }> {
  const pt = programOf(
    "torchscript",
    ["x"],
    [
      ["aten::linear", ["x", "w1", "b1"], "h"],
      ["aten::gelu", ["h", "none"], "g"],
      ["aten::linear", ["g", "w2", null], "s"],
      ["aten::softmax.int", ["s", "-1", null], "p"],
      ["aten::tanh", ["p"], "y"],
    ],
    { w1: W1, b1: B1, w2: W2 },
    "y",
  );
  const onnx = programOf(
    "onnx",
    ["x"],
    [
      ["onnx::MatMul@13", ["x", "w1"], "m"],
      ["onnx::Add@14", ["m", "b1"], "h"],
      ["onnx::Div@14", ["h", "root2"], "d"],
      ["onnx::Erf@13", ["d"], "e"],
      ["onnx::Add@14", ["e", "one"], "f"],
      ["onnx::Mul@14", ["h", "f"], "k"],
      ["onnx::Mul@14", ["k", "half"], "g"],
      ["onnx::MatMul@13", ["g", "w2"], "s"],
      ["onnx::Softmax@13", ["s"], "p", axis(-1)],
      ["onnx::Tanh@13", ["p"], "y"],
    ],
    { w1: W1T, b1: B1, w2: W2T, root2: scalar(Math.SQRT2), one: scalar(1), half: scalar(0.5) },
    "y",
  );
  const x = (): Tensor => Tensor.from(numbers(5 * 8, 9), [5, 8]);
  return {
    a: await record(await (await modelOf(pt)).session({ backend: host }), [x()]),
    b: await record(await (await modelOf(onnx)).session({ backend: host }), [], { named: { x: x() } }),
  };
}

describe("alignment", () => {
  it("finds the partner of every value, or the region it lies in", async () => {
    const { a, b } = await both();
    const { matches, valuesB } = await align(a, b, { cpu: host });
    expect(matches.map((m) => [m.a.execution.node.op, m.b.execution.node.op])).toEqual([
      ["aten::linear", "onnx::Add@14"],
      ["aten::gelu", "onnx::Mul@14"],
      ["aten::linear", "onnx::MatMul@13"],
      ["aten::softmax.int", "onnx::Softmax@13"],
      ["aten::tanh", "onnx::Tanh@13"],
    ]);
    const c = await compareTapes(a, b, { backendA: host, backendB: host, cpu: host });
    expect([c.aligned, c.of, c.by["region"], c.sources]).toEqual([valuesB.length, 10, 5, []]);
  });

  it.each([
    "product that drops its last term",
    "erf good to four digits",
    "softmax along the wrong axis",
    "an addition that loses the residual",
    "a NaN in one place",
    "tanh good to 10 bits",
  ])("sees past %s", async (name) => {
    const { a, b } = await both();
    const fault = FAULTS.find((f) => f.name === name);
    const planting = fault === undefined ? undefined : await plantingOf(b, fault, host);
    if (planting === undefined) throw new Error("the fault does not show");
    const c = await compareTapes(a, planting.spoiled, { backendA: host, backendB: host, cpu: host, hypotheses: false });
    expect(c.sources).toHaveLength(1);
    const row = c.rows[c.sources[0] ?? -1];
    // The row ends the region that holds the planted step.
    expect((row?.b?.t ?? -1) >= planting.execution.index && (row?.b?.t ?? 99) - planting.execution.index <= 4).toBe(true);
    expect(c.cause?.left).toBe(0);
  });

  it("takes pairs by hand", async () => {
    const { a, b } = await both();
    // By execution order: the first linear's node, and the exporter's first product.
    const [x, y] = [a.executions[0]?.node, b.executions[0]?.node];
    const number = (tape: Tape, node: typeof x): string => `#${node === undefined ? 0 : numberingOf(tape.program).nodeId(node)}`;
    const { matches } = await align(a, b, { cpu: host, map: new Map([[number(a, x), number(b, y)]]) });
    expect(matches.filter((m) => m.by === "map").map((m) => m.b.execution.node.op)).toEqual(["onnx::MatMul@13"]);
  });
});

it("layouts go both ways", () => {
  const b = Tensor.from(numbers(24, 4), [2, 3, 4]);
  const turned = new Tensor(b.storage, "float32", [4, 2, 3], [1, 12, 4]);
  const layout = layoutBetween(turned, b);
  expect(layout?.axes).toEqual([2, 0, 1]);
  if (layout === undefined) return;
  expect([...numbersOf(toB(turned, b, layout))]).toEqual([...numbersOf(b)]);
  const back = toA(b, turned, layout);
  expect(back === undefined ? [] : [...numbersOf(back)]).toEqual([...numbersOf(turned)]);
});

it("values recorded elsewhere are a reference, by name", async () => {
  const { a, b } = await both();
  const arrays = new Map<string, Tensor>();
  for (const { index, outs } of a.executions) if (outs[0] instanceof Tensor) arrays.set(`value${index}`, outs[0]);
  const golden = tapeOfGoldens(arrays, "golden.npz");
  const c = await compareTapes(golden, b, { backendA: host, backendB: host, cpu: host });
  expect([c.rows.length, c.sources]).toEqual([5, []]);
});

it("structure: a changed weight and a changed attribute are told apart from what is the same", async () => {
  const { b } = await both();
  const changed = programOf("onnx", ["x"], [["onnx::Softmax@13", ["x"], "y", axis(0)]], { w: W1 }, "y");
  const again = programOf("onnx", ["x"], [["onnx::Softmax@13", ["x"], "y", axis(1)]], { w: Tensor.from(numbers(48, 7), [6, 8]) }, "y");
  expect(diffGraphs(b.program, b.program)).toMatchObject({ nodes: [], weights: [] });
  expect(diffGraphs(changed, again).nodes).toMatchObject([{ kind: "changed", op: "onnx::Softmax@13", attributes: { axis: ["0", "1"] } }]);
});
