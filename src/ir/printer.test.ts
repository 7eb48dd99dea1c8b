import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "./builder.ts";
import type { Block, Value } from "./graph.ts";
import { printBlock, printFunction } from "./printer.ts";
import { fetchSchemas, schemaOf } from "./schema-table.ts";
import type { Template } from "./template.ts";
import { parseBlock, parseFunction } from "./text-parser.ts";
import { dictOf, listOf, optionalOf, T, tupleOf, type Type, unionOf } from "./type.ts";

const types = fc.letrec<{ type: Type }>((tie) => ({
  type: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom<Type>(T.int, T.float, T.str, T.None, T.Any, T.Tensor, T.Device, T.number, T.AnyClass),
    fc.constant<Type>({
      kind: "Tensor",
      dtype: "float32",
      shape: [2, { op: "symbol", name: "N", args: [] }, { op: "+", args: [{ op: "max", args: [3, { op: "symbol", name: "s0", args: [] }] }, 1] }],
    }),
    tie("type").map(listOf),
    tie("type").map(optionalOf),
    fc.array(tie("type"), { maxLength: 3 }).map(tupleOf),
    fc.array(tie("type"), { minLength: 1, maxLength: 3 }).map(unionOf),
    fc.tuple(tie("type"), tie("type")).map(([key, value]) => dictOf(key, value)),
    tie("type").map((elem): Type => ({ kind: "Future", elem })),
  ),
})).type;

const templates = fc.letrec<{ template: Template }>((tie) => ({
  template: fc.oneof(
    { depthSize: "small" },
    fc.constant<Template>({ kind: "none" }),
    fc.boolean().map((value): Template => ({ kind: "bool", value })),
    fc.maxSafeInteger().map((value): Template => ({ kind: "int", value })),
    fc.constant<Template>({ kind: "int", value: -(2n ** 63n) }),
    fc.double().map((value): Template => ({ kind: "float", value })),
    fc.tuple(fc.double(), fc.double()).map(([re, im]): Template => ({ kind: "complex", re, im })),
    fc.string({ unit: "binary" }).map((value): Template => ({ kind: "str", value })),
    fc.constant<Template>({ kind: "device", value: "cuda:0" }),
    types.map((type): Template => ({ kind: "type", type })),
    fc.tuple(types, fc.array(tie("template"), { maxLength: 3 })).map(([elem, items]): Template => ({ kind: "list", elem, items })),
    fc.array(tie("template"), { maxLength: 3 }).map((items): Template => ({ kind: "tuple", items })),
    fc
      .tuple(types, types, fc.array(fc.tuple(tie("template"), tie("template")), { maxLength: 2 }))
      .map(([key, value, entries]): Template => ({ kind: "dict", key, value, entries })),
  ),
})).template;

/** A block with constants, an op, nested blocks and names of any characters. */
const blocks = fc
  .tuple(fc.array(fc.tuple(templates, types, fc.option(fc.string(), { nil: undefined })), { minLength: 1, maxLength: 6 }), fc.boolean())
  .map(([constants, nest]): Block => {
    const builder = new GraphBuilder();
    const inputs = builder.open([{ type: T.Tensor, name: "x" }, { type: T.bool }]);
    const values: Value[] = [...inputs];
    for (const [value, type, name] of constants) {
      const [result] = builder.node("prim::Constant", [], [{ type, ...(name === undefined ? {} : { name }) }], {
        attributes: { value },
        name,
        location: { record: "code/__torch__.py", line: 7, python: () => "net.py:3" },
      });
      values.push(result as Value);
    }
    if (nest) {
      builder.open();
      const a = builder.close([values.at(-1) as Value]);
      builder.open();
      const b = builder.close([values.at(-1) as Value]);
      values.push(...builder.node("prim::If", [inputs[1]], [{ type: T.Any }], { blocks: [a, b] }));
    }
    builder.node("aten::add.Tensor", [inputs[0], inputs[0], undefined], [{ type: T.Tensor }], { schema: schemaOf("aten::add.Tensor") });
    return builder.close([values.at(-1) as Value]);
  });

await fetchSchemas();

describe("printed graphs", () => {
  it.each([-Infinity, Infinity, NaN, -0, 1e-300])("keep a complex constant with the part %s", (im) => {
    const builder = new GraphBuilder();
    builder.open();
    const [value] = builder.node("prim::Constant", [], [{ type: T.complex }], { attributes: { value: { kind: "complex", re: 1, im } } });
    const block = builder.close([value as Value]);
    expect(parseBlock(printBlock(block), { schemaOf }).nodes[0]?.attributes["value"]).toEqual({ kind: "complex", re: 1, im });
  });

  it("read back as they were", () => {
    fc.assert(
      fc.property(blocks, (block) => {
        const opaque: Template[] = [];
        const text = printBlock(block, { opaque });
        expect(printBlock(parseBlock(text, { opaque, schemaOf }), { opaque })).toBe(text);
      }),
      { numRuns: 200 },
    );
  });

  it("keep the structure of a block", () => {
    fc.assert(
      fc.property(blocks, (block) => {
        const back = parseBlock(printBlock(block), { schemaOf });
        const plain = (b: Block): unknown => ({
          inputs: b.inputs.map((v) => [v.id, v.type]),
          outputs: b.outputs.map((v) => v.id),
          nodes: b.nodes.map((n) => [
            n.op,
            n.operands.map((o) => o?.id),
            n.results.map((r) => [r.id, r.type]),
            n.attributes,
            n.schema?.text,
            n.location?.line,
            n.location?.python?.(),
            n.blocks.map(plain),
          ]),
        });
        expect(plain(back)).toEqual(plain(block));
      }),
      { numRuns: 100 },
    );
  });

  it("number the constants that have no text", () => {
    const builder = new GraphBuilder();
    builder.open();
    const tensor: Template = {
      kind: "tensor",
      tensor: {
        storage: { source: { name: "s", size: 4, read: () => new Uint8Array(4) }, nbytes: 4, device: "cpu" },
        dtype: "float32",
        shape: [1],
        strides: [1],
        offset: 0,
        requiresGrad: false,
      },
    };
    const block = builder.close([builder.constant(tensor, T.Tensor)]);
    const opaque: Template[] = [];
    expect(printBlock(block, { opaque })).toContain("prim::Constant[value=$0<tensor float32 [1]>]()");
    expect(parseBlock(printBlock(block, { opaque }), { opaque }).nodes[0]?.attributes["value"]).toBe(tensor);
  });

  it("hold a function's parameters and defaults", () => {
    const text = 'function "__torch__.f"(%0.x: Tensor, %1.k: int = 3, %2.s: Optional[str] = None) -> Tensor {\n  return %0.x\n}';
    expect(printFunction(parseFunction(text))).toBe(text);
  });

  it.each(["block() {", "block() {\n  yield %1\n}", "block() {\n  %0: Foo = prim::x()\n  yield\n}", "function f() -> int {\n  return\n} x"])(
    "refuse %j",
    (text) => {
      expect(() => (text.startsWith("block") ? parseBlock(text) : parseFunction(text))).toThrow(expect.objectContaining({ code: "bad-code" }) as Error);
    },
  );
});
