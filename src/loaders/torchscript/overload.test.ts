import { describe, expect, it } from "vitest";
import { walkNodes } from "../../ir/graph.ts";
import { fetchSchemas, SchemaTable } from "../../ir/schema-table.ts";
import { dictOf, listOf, optionalOf, T, tupleOf, unionOf } from "../../ir/type.ts";
import { CodeUnit } from "./code-unit.ts";
import { OVERLOAD_CASES, PARAMS } from "./overload-cases.generated.ts";
import { type Choice, chooseOverload, type Given } from "./overload.ts";
import { SourceText } from "./source-text.ts";
import { parseSchema } from "../../ir/schema.ts";
import { isOpwiseError } from "../../tensor/error.ts";

const IGNORED = new Set(["prim::Print", "prim::unchecked_cast", "prim::TupleUnpack", "prim::TupleIndex", "prim::Uninitialized"]);
await fetchSchemas();
const schemas = new SchemaTable();

/** The overloads that a call becomes, or undefined where it is refused. */
function choiceOf(expression: string): readonly string[] | undefined {
  const text = `def f(${PARAMS}) -> Tensor:\n  print(${expression})\n  return x\n`;
  const unit = new CodeUnit(schemas, 10, (record) => (record === "code/__torch__.py" ? new SourceText(record, text) : undefined));
  const ops: string[] = [];
  try {
    const graph = unit.functionNamed("__torch__.f")?.graph();
    if (graph !== undefined) walkNodes(graph, (node) => node.schema !== undefined && !IGNORED.has(node.op) && ops.push(node.op));
  } catch (error) {
    if (isOpwiseError(error)) return undefined;
    throw error;
  }
  return ops.sort();
}

describe("overload choice", () => {
  it("agrees with PyTorch's loader on every recorded call", () => {
    const wrong = OVERLOAD_CASES.filter(([expression, wanted]) => JSON.stringify(choiceOf(expression)) !== JSON.stringify(wanted));
    expect(wrong.map(([expression, wanted]) => ({ expression, wanted, got: choiceOf(expression) }))).toEqual([]);
  });

  const given = (type: Given<string>["type"], value = "v"): Given<string> => ({ type, value });
  const choose = (texts: readonly string[], ...args: Given<string>[]): Choice<string> | undefined => {
    const choice = chooseOverload(texts.map(parseSchema), { args, kwargs: [] });
    return "match" in choice ? choice : undefined;
  };

  it("takes the first schema that fits, not the best", () => {
    expect(choose(["a::f.any(Any x) -> int", "a::f.int(int x) -> int"], given(T.int))?.index).toBe(0);
  });

  it("prefers a later schema without conversions to an earlier one with them", () => {
    expect(choose(["a::f.float(float x) -> int", "a::f.Tensor(Tensor x) -> int"], given(T.Tensor))?.index).toBe(1);
    expect(choose(["a::f.float(float x) -> int", "a::f.str(str x) -> int"], given(T.Tensor))?.match.operands[0]).toMatchObject({
      kind: "convert",
      op: "aten::FloatImplicit",
    });
  });

  it("never makes a float of an int", () => {
    expect(choose(["a::f(float x) -> int"], given(T.int))).toBeUndefined();
  });

  it("repeats a scalar for a list of fixed length", () => {
    expect(choose(["a::f(int[2] x) -> int"], given(T.int))?.match.operands[0]).toMatchObject({ kind: "list", items: [{ value: "v" }, { value: "v" }] });
  });

  it("gathers trailing arguments into a list in the second round only", () => {
    const texts = ["a::f.list(int[] x) -> int", "a::f.two(Any x, Any y) -> int"];
    expect(choose(texts, given(T.int), given(T.int))?.index).toBe(1);
    expect(choose(texts, given(T.int), given(T.int), given(T.int))?.index).toBe(0);
  });

  it("turns a tuple of ints into a list, and takes an untyped [] for any list", () => {
    expect(choose(["a::f(int[] x) -> int"], given(tupleOf([T.int, T.int])))?.match.operands[0]).toMatchObject({ kind: "unpacked" });
    expect(choose(["a::f(str[] x) -> int"], { ...given(listOf(T.Tensor)), emptyList: true })?.match.operands[0]).toMatchObject({ kind: "list", items: [] });
  });

  it("binds type variables through containers and puts them into the returns", () => {
    const choice = choose(["a::f(Dict(str, t) d, t? x) -> (t[], t)"], given(dictOf(T.str, T.float)), given(T.None));
    expect(choice?.match.returns).toEqual([listOf(T.float), T.float]);
    expect(choose(["a::f(t[] l, t x) -> t"], given(listOf(T.int)), given(T.str))).toBeUndefined();
  });

  it("takes members of unions and optionals where a wider type is wanted, not the other way", () => {
    expect(choose(["a::f(Scalar x) -> int"], given(unionOf([T.int, T.float])))).toBeDefined();
    expect(choose(["a::f(Tensor x) -> int"], given(optionalOf(T.Tensor)))).toBeUndefined();
  });
});
