import { describe, expect, it } from "vitest";
import { MessageWriter } from "../../bytes/protobuf-writer.ts";
import { bytesSource } from "../../bytes/source.ts";
import { type Block, type Program, walkNodes } from "../../ir/graph.ts";
import { loadOnnx } from "./loader.ts";

type Fields = (w: MessageWriter) => void;

const FLOAT = 1;
const INT64 = 7;
const BOOL = 9;

const value =
  (name: string, type: number, dims?: readonly (number | string)[]): Fields =>
  (w) => {
    w.string(1, name).message(2, (t) =>
      t.message(1, (tensor) => {
        tensor.int(1, type);
        if (dims !== undefined)
          tensor.message(2, (shape) => dims.forEach((dim) => shape.message(1, (d) => (typeof dim === "number" ? d.int(1, dim) : d.string(2, dim)))));
      }),
    );
  };
const node =
  (opType: string, inputs: readonly string[], outputs: readonly string[], attributes: readonly Fields[] = [], domain = ""): Fields =>
  (w) => {
    for (const name of inputs) w.string(1, name);
    for (const name of outputs) w.string(2, name);
    w.string(4, opType);
    for (const attribute of attributes) w.message(5, attribute);
    w.string(7, domain);
  };
const int =
  (name: string, i: number): Fields =>
  (w) =>
    w.string(1, name).int(3, i).int(20, 2);
const body =
  (name: string, graph: Fields): Fields =>
  (w) =>
    w.string(1, name).message(6, graph).int(20, 5);
const refer =
  (name: string, to: string, type: number): Fields =>
  (w) =>
    w.string(1, name).string(21, to).int(20, type);
const floats =
  (name: string, dims: readonly number[], data: readonly number[]): Fields =>
  (w) =>
    w.packedInts(1, dims).int(2, FLOAT).packedFloats(4, data).string(8, name);
const graph =
  (parts: { nodes: readonly Fields[]; inputs?: readonly Fields[]; outputs: readonly Fields[]; initializers?: readonly Fields[] }): Fields =>
  (w) => {
    for (const n of parts.nodes) w.message(1, n);
    w.string(2, "g");
    for (const t of parts.initializers ?? []) w.message(5, t);
    for (const i of parts.inputs ?? []) w.message(11, i);
    for (const o of parts.outputs) w.message(12, o);
  };

async function load(main: Fields, more: { ir?: number; opset?: number; functions?: readonly Fields[] } = {}): Promise<Program> {
  const w = new MessageWriter()
    .int(1, more.ir ?? 8)
    .message(7, main)
    .message(8, (o) => o.string(1, "").int(2, more.opset ?? 17));
  if (more.functions !== undefined) w.message(8, (o) => o.string(1, "local").int(2, 1));
  for (const fn of more.functions ?? []) w.message(25, fn);
  return loadOnnx(bytesSource(w.finish(), "test.onnx"));
}
const ops = (program: Program): string[] => {
  const out: string[] = [];
  walkNodes(program.main?.graph() as Block, (n) => out.push(n.op)); // an ONNX program has a main
  return out;
};

describe("loadOnnx", () => {
  it("names ops by the version that the opset means and types values", async () => {
    const program = await load(
      graph({
        inputs: [value("x", FLOAT, ["N", 3])],
        outputs: [value("y", FLOAT)],
        initializers: [floats("w", [3], [1, 2, 3])],
        nodes: [node("Add", ["x", "w"], ["s"]), node("Relu", ["s"], ["y"])],
      }),
    );
    expect(ops(program)).toEqual(["prim::Constant", "onnx::Add@14", "onnx::Relu@14"]);
    expect(program.main?.graph().outputs[0]?.type).toMatchObject({ kind: "Tensor", dtype: "float32" });
    expect(program.inputs).toHaveLength(1);
    expect(program.state?.map((s) => s.name)).toEqual(["w"]);
  });

  it("takes an initialiser of an input's name as its default, and before IR 4 as a constant", async () => {
    const parts = {
      inputs: [value("x", FLOAT, [3]), value("w", FLOAT, [3])],
      outputs: [value("y", FLOAT)],
      initializers: [floats("w", [3], [1, 2, 3])],
      nodes: [node("Add", ["x", "w"], ["y"])],
    };
    expect((await load(graph(parts))).inputs).toMatchObject([{ name: "x" }, { name: "w", optional: true }]);
    expect((await load(graph(parts), { ir: 3 })).inputs).toMatchObject([{ name: "x" }]);
  });

  it("sorts nodes that stand in the wrong order", async () => {
    const program = await load(
      graph({ inputs: [value("x", FLOAT)], outputs: [value("y", FLOAT)], nodes: [node("Abs", ["a"], ["y"]), node("Neg", ["x"], ["a"])] }),
    );
    expect(ops(program)).toEqual(["onnx::Neg@13", "onnx::Abs@13"]);
  });

  it("inlines functions, with attributes by reference", async () => {
    const fn: Fields = (w) => {
      w.string(1, "Pick").string(4, "a").string(5, "b").string(6, "axis");
      w.message(7, node("Concat", ["a", "a"], ["b"], [refer("axis", "axis", 2)]))
        .string(10, "local")
        .message(9, (o) => o.string(1, "").int(2, 17));
    };
    const program = await load(
      graph({ inputs: [value("x", FLOAT)], outputs: [value("y", FLOAT)], nodes: [node("Pick", ["x"], ["y"], [int("axis", 1)], "local")] }),
      { functions: [fn] },
    );
    const [concat] = program.main?.graph().nodes ?? [];
    expect(concat).toMatchObject({ op: "onnx::Concat@13", attributes: { axis: { kind: "int", value: 1 } } });
  });

  it("refuses a function that calls itself", async () => {
    const fn: Fields = (w) =>
      w
        .string(1, "F")
        .string(4, "a")
        .string(5, "b")
        .string(10, "local")
        .message(7, node("F", ["a"], ["b"], [], "local"));
    await expect(
      load(graph({ inputs: [value("x", FLOAT)], outputs: [value("y", FLOAT)], nodes: [node("F", ["x"], ["y"], [], "local")] }), { functions: [fn] }),
    ).rejects.toThrow(/calls itself/);
  });

  it("lowers a Loop to prim::Loop whose body sees outer values, and stacks what it yields", async () => {
    const loopBody = graph({
      inputs: [value("i", INT64, []), value("go", BOOL, []), value("acc", FLOAT)],
      outputs: [value("go_out", BOOL), value("acc_out", FLOAT), value("yielded", FLOAT, [2])],
      nodes: [node("Identity", ["go"], ["go_out"]), node("Add", ["acc", "x"], ["acc_out"]), node("Mul", ["acc_out", "x"], ["yielded"])],
    });
    const program = await load(
      graph({
        inputs: [value("n", INT64, []), value("x", FLOAT, [2])],
        outputs: [value("last", FLOAT), value("all", FLOAT)],
        nodes: [node("Loop", ["n", "", "x"], ["last", "all"], [body("body", loopBody)])],
      }),
    );
    const nodes = program.main?.graph().nodes ?? [];
    const loop = nodes.find((n) => n.op === "prim::Loop");
    expect(loop?.operands).toHaveLength(3);
    expect(loop?.blocks[0]?.inputs).toHaveLength(2);
    expect(loop?.blocks[0]?.outputs).toHaveLength(2);
    expect(nodes.at(-1)?.op).toBe("opwise::stack_scan");
    const add = loop?.blocks[0]?.nodes.find((n) => n.op === "onnx::Add@14");
    expect(add?.operands[1]).toBe(program.main?.graph().inputs[1]);
  });

  it.each([
    ["an unknown op", [node("Frobnicate", ["x"], ["y"])], "unsupported-op", /Frobnicate/],
    ["an op that the opset lacks", [node("Gelu", ["x"], ["y"])], "unsupported-op", /does not exist at opset 17/],
    ["too many inputs", [node("Relu", ["x", "x"], ["y"])], "bad-onnx", /2 inputs/],
    ["a name that nothing defines", [node("Relu", ["z"], ["y"])], "bad-onnx", /`z`/],
    ["two nodes that define one name", [node("Relu", ["x"], ["y"]), node("Neg", ["x"], ["y"])], "bad-onnx", /defined twice/],
    ["a cycle", [node("Add", ["x", "b"], ["y"]), node("Neg", ["y"], ["b"])], "bad-onnx", /cycle/],
    ["operands of two types", [node("Shape", ["x"], ["s"]), node("Add", ["x", "s"], ["y"])], "type-mismatch", /`B` of `Add-14`/],
    ["an attribute of another op", [node("Relu", ["x"], ["y"], [int("axis", 1)])], "bad-onnx", /no attribute `axis`/],
  ])("refuses %s", async (_what, nodes, code, message) => {
    const loading = load(graph({ inputs: [value("x", FLOAT, [2])], outputs: [value("y", FLOAT)], nodes }));
    await expect(loading).rejects.toMatchObject({ code, message: expect.stringMatching(message) as unknown });
  });
});
