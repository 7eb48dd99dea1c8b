import { describe, expect, it } from "vitest";
import { printDim } from "../../ir/dim.ts";
import { parseJson, JsonView } from "./json.ts";
import { parseSize } from "./size-expression.ts";
import { leafPaths, parseTree } from "./tree.ts";

describe("pt2 JSON", () => {
  it("keeps integers beyond 2^53 exact and leaves texts alone", () => {
    expect(parseJson('{"a": 9223372036854775807, "b": "9223372036854775807", "c": 1.5e300, "d": -12}', "r")).toEqual({
      a: 9223372036854775807n,
      b: "9223372036854775807",
      c: 1.5e300,
      d: -12,
    });
  });
  it("reads texts of millions of characters, and refuses deep nests before they are parsed", () => {
    expect(parseJson(`["${"\\u0041".repeat(2_000_000)}", 12345678901234567890]`, "r")).toMatchObject({ 1: 12345678901234567890n });
    expect(() => parseJson(`${"[".repeat(50_000)}1${"]".repeat(50_000)}`, "r")).toThrow(expect.objectContaining({ code: "limit-exceeded" }) as Error);
    expect(parseJson('["[[[{{{\\"[", {"a\\\\": 1}]', "r")).toEqual(['[[[{{{"[', { "a\\": 1 }]);
  });
  it("says which record is no JSON", () => {
    let caught: unknown;
    try {
      parseJson("{", "models/model.json");
    } catch (error) {
      caught = error;
    }
    expect(caught).toMatchObject({ code: "bad-model", where: { record: "models/model.json" } });
  });
});

describe("sizes", () => {
  it("reads sympy's srepr", () => {
    expect(printDim(parseSize("Mul(Integer(2), Symbol('s17', positive=True, integer=True))"))).toBe("(2 * s17)");
    expect(printDim(parseSize("Add(FloorDiv(Symbol('s0', integer=True), Integer(3)), Integer(-1))"))).toBe("((s0 // 3) + -1)");
  });
  it("takes powers of powers, which share their parts, for opaque", () => {
    expect(printDim(parseSize(`${"Pow(".repeat(30)}Symbol('s')${", Integer(8))".repeat(30)}`))).toMatch(/^<Pow/);
    expect(() => parseSize("Add(".repeat(100_000))).toThrow(expect.objectContaining({ code: "limit-exceeded" }) as Error);
  });
  it("keeps what a dim cannot say as an opaque symbol", () => {
    expect(printDim(parseSize("Where(x, y)"))).toBe("<Where(x, y)>");
  });
});

describe("trees", () => {
  it("names leaves by path", () => {
    const leaf = { type: null, context: null, children_spec: [] };
    const spec = [
      1,
      { type: "builtins.dict", context: '["a", "b"]', children_spec: [leaf, { type: "builtins.tuple", context: "null", children_spec: [leaf, leaf] }] },
    ];
    expect(leafPaths(parseTree(JSON.stringify(spec), new JsonView("r"), {}))).toEqual([["a"], ["b", "0"], ["b", "1"]]);
  });
  it("refuses classes of the model's own", () => {
    const spec = [1, { type: "my.Batch", context: "null", children_spec: [] }];
    expect(() => parseTree(JSON.stringify(spec), new JsonView("r"), {})).toThrowError(/my\.Batch/);
  });
});
