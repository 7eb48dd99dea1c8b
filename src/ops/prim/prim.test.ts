import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Datum, makeList, makeTuple } from "../../ir/datum.ts";
import { builtinLines, fetchSchemas } from "../../ir/schema-table.ts";
import { T, tupleOf } from "../../ir/type.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { fromBytes, toBytes } from "./byte-text.ts";
import { primFamilies } from "./index.ts";
import { floatText, readableText, tensorText } from "./text.ts";

const ops = new Map(Object.values(primFamilies).flat().map((op) => [op.name, op]));

const charged = { bytes: 0 };
const context = { charge: (nbytes: number): void => void (charged.bytes += nbytes) };

/** Runs a data op that needs no context but to count its memory. */
function run(name: string, ...args: Datum[]): Datum {
  const body = ops.get(name)?.body;
  if (body?.kind !== "raw") throw new Error(`no data op ${name}`);
  return body.run(args, context as never); // none of the ops here prints or draws
}
const ints = (...items: (number | bigint)[]): Datum => makeList(T.int, items);

describe("data ops", () => {
  it("carry the schemas that PyTorch prints", async () => {
    await fetchSchemas();
    const known = new Set(builtinLines());
    expect([...ops.values()].map((op) => op.schema).filter((schema) => !known.has(schema))).toEqual([]);
  });

  it("wrap ints at 64 bits and keep small ones numbers", () => {
    expect(run("aten::add.int", 9223372036854775807n, 1)).toBe(-9223372036854775808n);
    expect(run("aten::mul.int", 4611686018427387904n, 3)).toBe(-4611686018427387904n);
    expect(run("aten::sub.int", 9007199254740993n, 2)).toBe(9007199254740991);
    expect(Object.is(run("aten::mul.int", 0, -5), 0)).toBe(true);
    expect(run("aten::pow.int_to_int", 3, 40)).toBe(12157665459056928801n - 2n ** 64n);
  });

  it("divide ints as Python does", () => {
    fc.assert(fc.property(fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }), fc.integer({ min: -1000, max: 1000 }).filter((b) => b !== 0), (a, b) => {
      const n = a >= -9007199254740991n && a <= 9007199254740991n ? Number(a) : a;
      const q = BigInt(run("aten::floordiv.int", n, b) as number | bigint);
      const r = BigInt(run("aten::remainder.int", n, b) as number | bigint);
      expect(q * BigInt(b) + r).toBe(a);
      expect(r === 0n || r < 0n === b < 0).toBe(true);
    }));
    expect(() => run("aten::floordiv.int", 1, 0)).toThrow("division by 0");
  });

  it("compare, floor and round as LibTorch does", () => {
    expect(run("prim::max.float", NaN, 1)).toBe(1);
    expect(run("prim::max.float", 1, NaN)).toBeNaN();
    expect(run("aten::round.float", 2.5)).toBe(2);
    expect(() => run("aten::floor.float", NaN)).toThrow("Cannot convert float nan to integer");
    expect(run("aten::lt.str", "\u{1f600}", "\uffff")).toBe(false);
  });

  it("change lists in place and slice with negative steps", () => {
    const list = makeList(T.int, [1, 2, 3]);
    run("aten::extend.t", list, list);
    expect(list.items).toEqual([1, 2, 3, 1, 2, 3]);
    expect(run("aten::pop.t", list, 0)).toBe(1);
    expect(() => run("aten::__getitem__.t", list, 9)).toThrow("list index out of range");
    expect(run("aten::slice.t", ints(1, 2, 3, 4), 3, 0, -1)).toEqual(ints(4, 3, 2));
    expect(run("prim::max.int_list", ints(3, 1), ints(3, 1, 0))).toEqual(ints(3, 1, 0));
  });

  it("count what they make and what they add to a list, and nothing twice", () => {
    const cost = (name: string, ...args: Datum[]): number => {
      charged.bytes = 0;
      run(name, ...args);
      return charged.bytes;
    };
    const list = makeList(T.int, [1, 2, 3]);
    expect(cost("aten::append.t", list, 4)).toBe(8);
    expect(cost("aten::extend.t", list, list)).toBe(32);
    expect(cost("aten::add.t", list, list)).toBe(128);
    expect(cost("aten::pop.t", list, 0)).toBe(0);
    expect(cost("aten::add.str", "ab", "cd")).toBe(8);
  });

  it("sort tuples item by item", () => {
    const list = makeList(tupleOf([T.int, T.str]), [makeTuple([2, "a"]), makeTuple([1, "b"]), makeTuple([1, "a"])]);
    run("aten::sort.any", list, false);
    expect(readableText(list)).toBe("[(1, a), (1, b), (2, a)]");
  });

  it("count bytes in strings", () => {
    expect(run("aten::len.str", "λx")).toBe(3);
    expect(run("aten::slice.str", "aλb", 1, 3, 1)).toBe("λ");
    fc.assert(fc.property(fc.string({ unit: "grapheme" }), (s) => {
      expect(fromBytes(toBytes(s))).toBe(s);
    }));
    expect(run("aten::add.str", run("aten::__getitem__.str", "λ", 0), run("aten::__getitem__.str", "λ", 1))).toBe("λ");
  });

  it("split, strip and pad strings as LibTorch does", () => {
    expect(readableText(run("aten::rsplit", "a,b,,c", ",", 1))).toBe("[a,b,, c]");
    expect(readableText(run("aten::splitlines", "a\nb\r\nc\n", false))).toBe("[a, b, , c]");
    expect(run("aten::center", "abc", 6, "*")).toBe("*abc**");
    expect(run("aten::zfill", "-5", 5)).toBe("000-5");
    expect(run("aten::title", "hello wORLD it's")).toBe("Hello World It'S");
  });
});

describe("texts of values", () => {
  it("are those of LibTorch", () => {
    expect([1, 0.1, -0, 1e300, 1e16, Infinity].map(floatText)).toEqual(["1.", "0.10000000000000001", "0.", "1.0000000000000001e+300", "10000000000000000.", "inf"]);
    expect(readableText(makeTuple([{ kind: "float", value: 1 }]))).toBe("(1.,)");
    expect(readableText({ kind: "complex", re: 1, im: 2 })).toBe("1.+2.j");
  });

  it("lay out tensors in columns", () => {
    expect(tensorText(Tensor.from([1, 2, 3, 4.5], [2, 2]))).toBe(" 1.0000  2.0000\n 3.0000  4.5000\n[ CPUFloatType{2,2} ]");
    expect(tensorText(Tensor.from([1n, -20n], [2]))).toBe("  1\n-20\n[ CPULongType{2} ]");
    expect(tensorText(Tensor.zeros([2, 2, 2]))).toBe("(1,.,.) = \n 0  0\n  0  0\n\n(2,.,.) = \n 0  0\n  0  0\n[ CPUFloatType{2,2,2} ]");
  });
});
