import { describe, expect, it } from "vitest";
import { printDim } from "../../ir/dim.ts";
import { evaluateGuard } from "../../ir/guard.ts";
import { parseGuard } from "./guards.ts";
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
  it("reads the rounding of quotients, remainders and powers", () => {
    const s = "Symbol('s', positive=True, integer=True)";
    expect(printDim(parseSize(`CeilToInt(IntTrueDiv(${s}, Integer(2)))`))).toBe("((s + 2 + -1) // 2)");
    expect(printDim(parseSize(`TruncToInt(IntTrueDiv(${s}, Integer(3)))`))).toBe("(s // 3)");
    expect(printDim(parseSize(`PowByNatural(${s}, Integer(2))`))).toBe("(s * s)");
    expect(printDim(parseSize(`Max(Integer(1), CleanDiv(${s}, Integer(2)), PythonMod(${s}, Integer(5)))`))).toBe("max(1, (s // 2), (s % 5))");
    expect(printDim(parseSize(`IntTrueDiv(${s}, Integer(3))`))).toMatch(/^<IntTrueDiv/);
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
  it("names the fields of registered classes as far as their context says them", () => {
    const read = (context: string, count: number): unknown => {
      const leaf = { type: null, context: null, children_spec: [] };
      const spec = [1, { type: "my.Batch", context, children_spec: Array.from({ length: count }, () => leaf) }];
      return leafPaths(parseTree(JSON.stringify(spec), new JsonView("r"), {}));
    };
    expect(read('[["ids", "mask"], ["note"]]', 2)).toEqual([["ids"], ["mask"]]);
    expect(read('["logits", "loss"]', 2)).toEqual([["logits"], ["loss"]]);
    expect(read("null", 2)).toEqual([["0"], ["1"]]);
    expect(read("no JSON", 1)).toEqual([["0"]]);
  });
});

describe("guards", () => {
  const inputs = [{ path: ["x"] }, { path: ["cache", "0", "k"] }, { path: ["rest_1"] }];
  const shapes = [[4, 6], [4], [3]];
  const holds = (text: string): boolean | undefined => {
    const guard = parseGuard(text, inputs);
    if (guard === undefined) return undefined;
    return evaluateGuard(guard.condition, ({ input, axis }) => shapes[input]?.[axis]) !== 0;
  };
  it("are read as Python reads them", () => {
    expect(holds("L['x'].size()[0] == L['cache'][0]['k'].size()[0]")).toBe(true);
    expect(holds("2*(L['x'].size()[1] // 4) < 1 + L['x'].size()[1] and not L['rest'][1].size()[0] >= 4")).toBe(true);
    expect(holds("(-7) // 2 == -4 and -7 % 4 == 1 and 2**3**2 == 512 and -2**2 == -4")).toBe(true);
    expect(holds("2 <= L['x'].size()[0] < 4")).toBe(false);
    expect(holds("max(1, L['x'].size()[0] // 8) != 1")).toBe(false);
    expect(holds("math.ceil(L['x'].size()[0] / 3) == 2 and math.trunc(2.7) == 2 and round(2.5) == 2")).toBe(true);
    expect(holds("(3 if L['x'].size()[0] > 5 else 7) == 7 or False")).toBe(true);
    expect(holds("L['flat_args'][2].size()[0] == 3")).toBe(true);
  });
  it("that speak of more than sizes are left out", () => {
    for (const text of ["L['y'].size()[0] == 1", "L['x'].device == 'cpu'", "open('f')", "L['x'].size()[0] ==", "__import__('os')", "constructor(1)", ""])
      expect(parseGuard(text, inputs)).toBeUndefined();
  });
  it("nest no deeper than can be read", () => {
    expect(parseGuard(`${"(".repeat(10_000)}1${")".repeat(10_000)}`, inputs)).toBeUndefined();
    expect(parseGuard(`${"-".repeat(10_000)}1`, inputs)).toBeUndefined();
    expect(parseGuard(`${"not ".repeat(10_000)}1`, inputs)).toBeUndefined();
  });
});
