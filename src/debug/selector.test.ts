import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isOpwiseError } from "../tensor/error.ts";
import { parseSelector, printSelector, type Literal, type Predicate, type Selector } from "./selector.ts";

const name = fc.stringMatching(/^[A-Za-z_][\w.]{0,6}$/);
const literal = (fact: string): fc.Arbitrary<Literal> =>
  fact === "shape"
    ? fc.record({ kind: fc.constant("shape" as const), dims: fc.array(fc.option(fc.nat(9), { nil: undefined }), { maxLength: 4 }), open: fc.boolean() })
    : fact === "dtype"
      ? fc.constantFrom("float16", "int64").map((value) => ({ kind: "text" as const, value }))
      : fact === "backend" || fact === "op" || fact === "module"
        ? name.map((value) => ({ kind: "text" as const, value }))
        : fc.oneof(
            fc.double({ noNaN: true, min: -1e9, max: 1e9 }).map((value) => ({ kind: "number" as const, value: value + 0 })),
            fc.constantFrom(Infinity, -Infinity, NaN).map((value) => ({ kind: "number" as const, value })),
          );
const compare: fc.Arbitrary<Predicate> = fc.constantFrom("nan", "absmax", "dtype", "shape", "ms", "module").chain((fact) => {
  const isNumber = fact === "nan" || fact === "absmax" || fact === "ms";
  return fc.record({
    kind: fc.constant("compare" as const),
    fact: fc.constant(fact),
    op: isNumber ? fc.constantFrom("=" as const, "!=" as const, "<=" as const, ">" as const) : fc.constantFrom("=" as const, "!=" as const),
    value: literal(fact),
  });
});
const atom: fc.Arbitrary<Selector> = fc.oneof(
  fc.record({ kind: fc.constant("node" as const), id: fc.integer({ min: 1, max: 999 }), nth: fc.option(fc.nat(9), { nil: undefined }) }),
  fc.record({
    kind: fc.constant("value" as const),
    name: fc.oneof(name, fc.string({ minLength: 1, maxLength: 8 })),
    version: fc.option(fc.oneof(fc.nat(9), fc.constant("any" as const)), { nil: undefined }),
  }),
  fc.record({ kind: fc.constant("time" as const), t: fc.nat(9999) }),
  fc.record({ kind: fc.constant("module" as const), pattern: fc.constantFrom("encoder.*.attn.**", "layer1.0", "", "**.conv?") }),
  fc.record({ kind: fc.constant("op" as const), pattern: fc.constantFrom("aten::softmax", "onnx::Conv@11", "aten::*") }),
  fc.nat(90).chain((from) =>
    fc.record({
      kind: fc.constant("source" as const),
      file: fc.constantFrom("model.py", "code/__torch__.py"),
      from: fc.constant(from),
      to: fc.nat(9).map((n) => from + n),
    }),
  ),
  fc.record({ kind: fc.constant("prim" as const), pattern: fc.constantFrom("contract", "map*") }),
  fc.record({
    kind: fc.constant("predicate" as const),
    test: fc.oneof(
      compare,
      fc.record({ kind: fc.constantFrom("and" as const, "or" as const), parts: fc.array(compare, { minLength: 2, maxLength: 3 }) }),
      compare.map((part) => ({ kind: "not" as const, part })),
    ),
  }),
);
const selector: fc.Arbitrary<Selector> = fc.oneof(
  atom,
  atom.map((part) => ({ kind: "not" as const, part })),
  fc.record({
    kind: fc.constantFrom("and" as const, "or" as const),
    parts: fc.array(
      fc.oneof(atom, fc.record({ kind: fc.constantFrom("and" as const, "or" as const), parts: fc.array(atom, { minLength: 2, maxLength: 3 }) })),
      { minLength: 2, maxLength: 3 },
    ),
  }),
);

describe("a selector", () => {
  it("reads back as what it was printed from", () => {
    fc.assert(
      fc.property(selector, (one) => {
        expect(parseSelector(printSelector(one))).toEqual(one);
      }),
      { numRuns: 400 },
    );
  });

  it("binds & tighter than |, and ! tightest", () => {
    expect(printSelector(parseSelector("!#1&aten::add|%x"))).toBe("(!#1 & aten::add) | %x");
    expect(parseSelector(" ( #1 ) ")).toEqual(parseSelector("#1"));
    expect(parseSelector("{absmax>6e4 & dtype=f16}")).toEqual(parseSelector("{ absmax > 60000&dtype = float16 }"));
    expect(parseSelector("{zero>50%}")).toMatchObject({ test: { value: { kind: "share", value: 0.5 } } });
    expect(parseSelector("{copied>10M}")).toMatchObject({ test: { value: { value: 10 * 2 ** 20 } } });
    expect(parseSelector("{shape!=[1,*,768]}")).toMatchObject({ test: { value: { dims: [1, undefined, 768], open: false } } });
  });

  it.each([
    ["", "there is nothing in it", 0],
    ["#", "a node's number", 1],
    ["#x", "a node's number", 1],
    ["%", "a value's name", 1],
    ["@x", "a step's number", 1],
    ["aten::add &", "it ends where something", 11],
    ["aten::add & & x", "something is wanted before `&`", 12],
    ["(#1", "not closed", 0],
    ["#1)", "no parenthesis", 2],
    ["#1 #2", "`&` or `|`", 3],
    ["{nans>0}", "there is no fact `nans`", 1],
    ["{nan}", "a comparison", 4],
    ["{nan>x}", "no number", 5],
    ["{nan>0", "not closed", 0],
    ["{}", "a condition", 1],
    ["{dtype>f32}", "wants a number", 7],
    ["{dtype=f31}", "no dtype", 7],
    ["{shape=3}", "a shape is wanted", 7],
    ["{shape=[1,x]}", "is no size", 7],
    ["model.py:9-3", "last line stands before", 9],
    ["kind:", "kind of a primitive", 5],
    ["{max=[1]}", "only `shape`", 5],
    ['%"x', "quote is not closed", 1],
  ])("says what is wrong with %j, and where", (text, message, at) => {
    let error: unknown;
    try {
      parseSelector(text);
    } catch (thrown) {
      error = thrown;
    }
    expect(isOpwiseError(error) && error.code).toBe("bad-argument");
    expect(isOpwiseError(error) && error.message).toContain(message);
    expect(isOpwiseError(error) && error.got?.split("\n")[1]).toBe(`${" ".repeat(10 + at)}^`);
  });

  it("bears any text: a selector or a typed error", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc
            .array(fc.constantFrom("#1", "(", ")", "&", "|", "!", "{", "}", "nan", ">", "0", "%y", "~", "[", "]", ",", "*", "::", '"', " "), { maxLength: 12 })
            .map((parts) => parts.join("")),
        ),
        (text) => {
          try {
            parseSelector(text);
          } catch (error) {
            expect(isOpwiseError(error)).toBe(true);
          }
        },
      ),
      { numRuns: 500 },
    );
    expect(() => parseSelector("(".repeat(5000))).toThrow("nests too deep");
  });
});
