/** Printed kernels and composed closures mean the same. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { arg, binary, type BinaryOp, cast, constant, type Expr, type ExprType, fold, index, load, scalar, select, unary, type UnaryOp } from "../../expr/expr.ts";
import { sumOf, argmaxOf } from "../../prims/combiner.ts";
import { computeType, type Program } from "../../prims/program.ts";
import type { DType } from "../../tensor/dtype.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { cpu } from "./cpu.ts";

const printed = cpu({ print: true });
const composed = cpu({ print: false });

const UNARY: readonly UnaryOp[] = ["neg", "abs", "floor", "sqrt", "exp", "tanh", "isnan", "sign", "erf"];
const BINARY: readonly BinaryOp[] = ["add", "sub", "mul", "max", "min", "lt", "eq", "remainder", "floordiv", "pow"];
const INTS: readonly BinaryOp[] = ["add", "sub", "mul", "max", "min", "lt", "eq", "remainder", "floordiv", "quot", "rem", "bitand", "bitor", "bitxor", "shl", "shr"];

function toType(e: Expr, type: ExprType): Expr {
  return cast(e, type);
}

/** Random expressions of one type over two operands. */
function expression(type: ExprType): fc.Arbitrary<Expr> {
  const isFloat = type === "f32" || type === "f64";
  const leaf = fc.oneof(
    fc.constant(arg(0, type)), fc.constant(arg(1, type)), fc.constant(scalar(0, type)),
    fc.integer({ min: -3, max: 7 }).map((v) => constant(type === "i64" ? BigInt(v) : type === "u8" ? Math.abs(v) : v, type)),
  );
  return fc.letrec<{ e: Expr }>((tie) => ({
    e: fc.oneof(
      { maxDepth: 5 },
      leaf,
      fc.tuple(fc.constantFrom(...(isFloat ? UNARY : (["neg", "abs", "sign", "bitnot"] as const))), tie("e")).map(([fn, a]) => toType(unary(fn, a), type)),
      fc.tuple(fc.constantFrom(...(isFloat ? BINARY : INTS)), tie("e"), tie("e")).map(([fn, a, b]) => toType(binary(fn, a, b), type)),
      fc.tuple(tie("e"), tie("e"), tie("e")).map(([c, a, b]) => select(binary("gt", c, a), a, b)),
    ),
  })).e;
}

const SCALARS: Partial<Record<ExprType, number | bigint>> = { f32: 0.5, f64: -1.25, i32: 3, i64: -5n, u8: 2, i8: -1 };

function run(program: Program, dtype: DType, values: readonly number[], out: DType, backend: typeof printed): readonly (number | bigint)[] {
  const data = dtype === "int64" ? values.map((v) => BigInt(Math.trunc(v))) : values;
  const x = Tensor.from(data, [values.length], dtype);
  const y = Tensor.from([...data].reverse() as number[] | bigint[], [values.length], dtype);
  const z = Tensor.zeros([values.length], out);
  backend.run({ kind: "map", program, operands: [x, y], results: [z], scalars: [SCALARS[computeType(dtype)] ?? 0] }, backend);
  return Array.from(z.data as Iterable<number | bigint>);
}

describe("a program", () => {
  for (const dtype of ["float32", "float64", "int32", "int64", "uint8", "int8"] as const) {
    it(`gives the same bits printed and composed (${dtype})`, () => {
      const type = computeType(dtype);
      const numbers = dtype.startsWith("float") ? fc.oneof(fc.double({ min: -20, max: 20 }), fc.constantFrom(NaN, Infinity, -Infinity, 0, -0)) : fc.integer({ min: dtype === "uint8" ? 0 : -100, max: 100 });
      fc.assert(
        fc.property(expression(type), fc.array(numbers, { minLength: 1, maxLength: 7 }), (e, values) => {
          const program: Program = { name: "p", operands: [dtype, dtype], scalars: [type], outputs: [{ dtype, parts: [e] }], messages: [] };
          expect(run(program, dtype, values, dtype, printed)).toEqual(run(program, dtype, values, dtype, composed));
        }),
        { numRuns: 60 },
      );
    });
  }

  it("keeps loops apart and hoists nothing that could fail", () => {
    const n = cast(load(0, "i64", [index(0)]), "index");
    const [sum = n] = fold(0, n, [constant(0, "f64")], ([s = n], i) => [binary("add", s, cast(load(1, "f32", [i]), "f64"))]);
    const program: Program = { name: "rows", operands: ["int64", "float32"], scalars: [], outputs: [{ dtype: "float64", parts: [sum] }], messages: [] };
    const lengths = Tensor.from([0n, 2n, 3n], [3], "int64");
    const values = Tensor.from([1, 10, 100], [3], "float32");
    const results = [printed, composed].map((backend) => {
      const out = Tensor.zeros([3], "float64");
      backend.run({ kind: "compute", program, operands: [lengths, values], results: [out], scalars: [] }, backend);
      return Array.from(out.data as Float64Array);
    });
    expect(results).toEqual([[0, 11, 111], [0, 11, 111]]);
  });

  it("reduces along any axes alike", () => {
    const x = Tensor.from(Float32Array.from({ length: 24 }, (_, i) => (i * 7) % 11), [2, 3, 4]);
    const element: Program = { name: "x", operands: ["float32"], scalars: [], outputs: [{ dtype: "float64", parts: [cast(arg(0, "f32"), "f64")] }], messages: [] };
    for (const axes of [[0], [1], [2], [0, 2], [0, 1, 2]]) {
      const shape = [2, 3, 4].map((s, i) => (axes.includes(i) ? 1 : s));
      const [a, b] = [printed, composed].map((backend) => {
        const out = Tensor.zeros(shape, "float32");
        backend.run({ kind: "reduce", program: element, combiner: sumOf("f64"), shape: [2, 3, 4], axes, operands: [x], results: [out], scalars: [] }, backend);
        return Array.from(out.data as Float32Array);
      });
      expect(a).toEqual(b);
    }
  });

  it("finds the first of equal maxima and lets NaN win", () => {
    const at: Program = { name: "at", operands: ["float32"], scalars: [], outputs: [{ dtype: "float32", parts: [arg(0, "f32")] }, { dtype: "int64", parts: [index(0)] }], messages: [] };
    for (const backend of [printed, composed]) {
      const find = (values: readonly number[]): number[] => {
        const x = Tensor.from(values, [values.length], "float32");
        const [value, position] = [Tensor.zeros([1], "float32"), Tensor.zeros([1], "int64")];
        backend.run({ kind: "reduce", program: at, combiner: argmaxOf("f32"), shape: [values.length], axes: [0], operands: [x], results: [value, position], scalars: [] }, backend);
        return [Number(value.data[0]), Number(position.data[0])];
      };
      expect(find([1, 3, 3, 2])).toEqual([3, 1]);
      expect(find([1, NaN, 3, NaN])).toEqual([NaN, 1]);
    }
  });
});
