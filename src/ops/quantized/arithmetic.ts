/** Sums, products and joins of codes (PyTorch: quantized::add, mul, cat and their relu and scalar forms; aten::cat of codes). */

import { arg, scalar } from "../../expr/expr.ts";
import type { Num } from "../../expr/num.ts";
import { copyInto } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { clone } from "../aten/conversion.ts";
import { floatOf, scalarOf } from "../aten/element.ts";
import { cat } from "../aten/joins.ts";
import { op, type Op } from "../define.ts";
import {
  affineOf,
  alignedCodes,
  coded,
  codeNum,
  codeRange,
  f32,
  mapCodes,
  mapOne,
  numOf,
  once,
  perTensor,
  quantizerOf,
  roundHalfEven,
  saturated,
  valueNum,
} from "./codes.ts";

function sameDtype(a: Tensor, b: Tensor, what: string): void {
  if (a.dtype !== b.dtype) throw new OpwiseError("dtype-mismatch", `${what} operands should have same data type.`, { got: `${a.dtype} and ${b.dtype}` });
}

/** `a + b` as codes of a scale and zero point. */
export function addedCodes(ctx: Context, a: Tensor, b: Tensor, scale: number, zeroPoint: number, relu: boolean): Tensor {
  sameDtype(a, b, "Add");
  const [p, q] = [affineOf(a, "quantized::add"), affineOf(b, "quantized::add")];
  const program = (vector: boolean): Program =>
    once(`quantized_add,${a.dtype},${relu},${vector}`, () => {
      const number = (slot: number): Num => valueNum(slot, a.dtype, numOf(scalar(2 * slot, "f32")), numOf(scalar(2 * slot + 1, "i32")), vector);
      const sum = number(0).add(number(1));
      const code = codeNum(relu ? sum.max(0) : sum, numOf(scalar(4, "f32")), numOf(scalar(5, "i32")), a.dtype, vector ? "late" : "early");
      return {
        name: "quantized_add",
        operands: [a.dtype, a.dtype],
        scalars: ["f32", "i32", "f32", "i32", "f32", "i32"],
        outputs: [{ dtype: a.dtype, parts: [code.re] }],
      };
    });
  const out = mapCodes(ctx, program, [a, b], [f32(p.scale), p.zeroPoint, f32(q.scale), q.zeroPoint, f32(1 / f32(scale)), zeroPoint]);
  out.quantizer = perTensor(scale, zeroPoint);
  return out;
}

/** `a * b` as codes: the product of centred codes times one factor. */
function multiplied(ctx: Context, a: Tensor, b: Tensor, scale: number, zeroPoint: number, relu: boolean): Tensor {
  sameDtype(a, b, "Mul");
  const [p, q] = [affineOf(a, "quantized::mul"), affineOf(b, "quantized::mul")];
  const program = once(`quantized_mul,${a.dtype},${relu}`, () => {
    const code = (slot: number): Num =>
      numOf(arg(slot, computeType(a.dtype)))
        .to("i32")
        .sub(numOf(scalar(slot, "i32")));
    const zero = numOf(scalar(3, "i32")).to("f64");
    const whole = code(0)
      .mul(code(1))
      .to("f32")
      .mul(numOf(scalar(2, "f32")))
      .rint()
      .to("f64")
      .add(zero);
    return {
      name: "quantized_mul",
      operands: [a.dtype, a.dtype],
      scalars: ["i32", "i32", "f32", "i32"],
      outputs: [{ dtype: a.dtype, parts: [saturated(relu ? whole.max(zero) : whole, a.dtype).re] }],
    };
  });
  const factor = f32(f32(f32(p.scale) * f32(q.scale)) * f32(1 / f32(scale)));
  const out = mapOne(ctx, program, [a, b], [p.zeroPoint, q.zeroPoint, factor, zeroPoint]);
  out.quantizer = perTensor(scale, zeroPoint);
  return out;
}

/** Codes no lower than the zero point: relu. */
export function rectified(ctx: Context, t: Tensor): Tensor {
  const { zeroPoint } = affineOf(t, "relu");
  const program = once(`quantized_relu,${t.dtype}`, () => {
    const type = computeType(t.dtype);
    return {
      name: "quantized_relu",
      operands: [t.dtype],
      scalars: ["i32"],
      outputs: [
        {
          dtype: t.dtype,
          parts: [
            numOf(arg(0, type))
              .to("i32")
              .max(numOf(scalar(0, "i32")))
              .to(type).re,
          ],
        },
      ],
    };
  });
  const out = mapOne(ctx, program, [t], [zeroPoint]);
  out.quantizer = quantizerOf(t);
  return out;
}

/** `t + c`: the zero point moves; where it would leave the codes' range the scale grows instead. */
function addScalar(ctx: Context, t: Tensor, c: number, relu: boolean): Tensor {
  const { scale, zeroPoint } = affineOf(t, "Add");
  const [low, high] = codeRange(t.dtype);
  const steps = roundHalfEven(c / scale);
  const moved = zeroPoint - steps;
  if (moved >= low && moved <= high) {
    const out = clone(ctx, t);
    out.quantizer = perTensor(scale, moved);
    return relu ? rectified(ctx, out) : out;
  }
  const wide = moved < low ? ((high - moved) / (high - low)) * scale : ((moved - low) / (high - low)) * scale;
  const zero = moved < low ? low : high;
  const program = once(`quantized_add_scalar,${t.dtype},${relu}`, () => {
    const shifted = numOf(arg(0, computeType(t.dtype)))
      .to("f64")
      .add(numOf(scalar(0, "f64")));
    const bottom = numOf(scalar(2, "i32")).to("f64");
    const whole = shifted
      .to("f32")
      .mul(numOf(scalar(1, "f32")))
      .rint()
      .to("f64")
      .add(bottom);
    return {
      name: "quantized_add",
      operands: [t.dtype],
      scalars: ["f64", "f32", "i32"],
      outputs: [{ dtype: t.dtype, parts: [saturated(relu ? whole.max(bottom) : whole, t.dtype).re] }],
    };
  });
  const out = mapOne(ctx, program, [t], [steps - zeroPoint, f32(f32(scale) * f32(1 / f32(wide))), zero]);
  out.quantizer = perTensor(wide, zero);
  return out;
}

/** `t * c`: the scale takes the factor; a negative one mirrors the codes, 0 clears them. */
function mulScalar(ctx: Context, t: Tensor, c: number, relu: boolean): Tensor {
  const { scale, zeroPoint } = affineOf(t, "Mul");
  const [low, high] = codeRange(t.dtype);
  const finish = (out: Tensor, s: number, zero: number): Tensor => {
    out.quantizer = perTensor(s, zero);
    return relu ? rectified(ctx, out) : out;
  };
  if (c > 0) return finish(clone(ctx, t), c * scale, zeroPoint);
  const program = once(`quantized_mirror,${t.dtype}`, () => ({
    name: "quantized_mul",
    operands: [t.dtype],
    scalars: ["f64", "f64"],
    outputs: [
      {
        dtype: t.dtype,
        parts: [
          numOf(scalar(0, "f64"))
            .add(
              numOf(arg(0, computeType(t.dtype)))
                .to("f64")
                .mul(numOf(scalar(1, "f64"))),
            )
            .to(computeType(t.dtype)).re,
        ],
      },
    ],
  }));
  if (c === 0) return finish(mapOne(ctx, program, [t], [0, 0]), 1, 0);
  return finish(mapOne(ctx, program, [t], [high + low, -1]), Math.abs(c) * scale, high - (zeroPoint - low));
}

/** Tensors joined as codes of one scale and zero point. */
function joinedCodes(ctx: Context, tensors: readonly Tensor[], dim: number, scale: number | null, zeroPoint: number | null, relu: boolean): Tensor {
  const { codes, dtype, quantizer } = alignedCodes(ctx, tensors, scale, zeroPoint);
  const joined = coded(cat(ctx, codes, dim), dtype, quantizer);
  return relu ? rectified(ctx, joined) : joined;
}

/** Writes a result into `out`, which keeps its own quantiser. */
function into(ctx: Context, out: Tensor, make: (scale: number, zeroPoint: number) => Tensor): Tensor {
  const { scale, zeroPoint } = affineOf(out, "out");
  copyInto(ctx, out, make(scale, zeroPoint));
  return out;
}

type Binary = (ctx: Context, a: Tensor, b: Tensor, scale: number, zeroPoint: number, relu: boolean) => Tensor;
type WithScalar = (ctx: Context, t: Tensor, c: number, relu: boolean) => Tensor;

/** Replaces an out tensor's codes and quantiser. */
function replace(ctx: Context, out: Tensor, made: Tensor): Tensor {
  copyInto(ctx, out, made);
  out.quantizer = made.quantizer;
  return out;
}

function family(name: string, relu: boolean, binary: Binary, withScalar: WithScalar): Op[] {
  const own = `quantized::${name}${relu ? "_relu" : ""}`;
  const scalarName = `quantized::${name}_scalar${relu ? "_relu" : ""}`;
  // As PyTorch has them: the sum with a 0-dim tensor is never rectified, and a rectified product is returned beside `out`.
  const rectifies = relu && name === "mul";
  const written = (ctx: Context, out: Tensor, result: Tensor): Tensor => (rectifies ? result : replace(ctx, out, result));
  const tensorOut = (schema: string): Op =>
    op(schema as "quantized::o(Tensor qa, Tensor qb, Tensor(a!) out) -> Tensor(a!) out", {
      run: (ctx, a, b, out) => into(ctx, out, (s, z) => binary(ctx, a, b, s, z, relu)),
      quantised: "own",
    });
  const plain = (schema: string): Op =>
    op(schema as "quantized::s(Tensor qa, Scalar b) -> Tensor qc", { run: (ctx, a, b) => withScalar(ctx, a, floatOf(b), relu), quantised: "own" });
  const scalarOut = (schema: string): Op =>
    op(schema as "quantized::so(Tensor qa, Scalar b, Tensor(a!) out) -> Tensor(a!) out", {
      run: (ctx, a, b, out) => written(ctx, out, withScalar(ctx, a, floatOf(b), relu)),
      quantised: "own",
    });
  return [
    op(
      `${own}(Tensor qa, Tensor qb, float scale, int zero_point) -> Tensor qc` as "quantized::a(Tensor qa, Tensor qb, float scale, int zero_point) -> Tensor qc",
      { run: (ctx, a, b, s, z) => binary(ctx, a, b, s, z, relu), quantised: "own" },
    ),
    tensorOut(`${own}.out(Tensor qa, Tensor qb, Tensor(a!) out) -> Tensor(a!) out`),
    tensorOut(`${own}_out(Tensor qa, Tensor qb, Tensor(a!) out) -> Tensor(a!) out`),
    plain(`${own}.Scalar(Tensor qa, Scalar b) -> Tensor qc`),
    op(`${own}.Scalar2(Scalar b, Tensor qa) -> Tensor qc` as "quantized::s2(Scalar b, Tensor qa) -> Tensor qc", {
      run: (ctx, b, a) => withScalar(ctx, a, floatOf(b), relu),
      quantised: "own",
    }),
    scalarOut(`${own}.Scalar_out(Tensor qa, Scalar b, Tensor(a!) out) -> Tensor(a!) out`),
    plain(`${scalarName}(Tensor qa, Scalar b) -> Tensor qc`),
    op(`${scalarName}.Tensor(Tensor qa, Tensor b) -> Tensor qc` as "quantized::st(Tensor qa, Tensor b) -> Tensor qc", {
      reads: function* (ctx, a, b) {
        yield b;
        return withScalar(ctx, a, floatOf(scalarOf(b)), rectifies);
      },
      quantised: "own",
    }),
    scalarOut(`quantized::${name}_scalar${relu ? "_relu" : ""}_out(Tensor qa, Scalar b, Tensor(a!) out) -> Tensor(a!) out`),
    op(
      `quantized::${name}_scalar${relu ? "_relu" : ""}_out.Tensor(Tensor qa, Tensor b, Tensor(a!) out) -> Tensor(a!) out` as "quantized::sto(Tensor qa, Tensor b, Tensor(a!) out) -> Tensor(a!) out",
      {
        reads: function* (ctx, a, b, out) {
          yield b;
          return written(ctx, out, withScalar(ctx, a, floatOf(scalarOf(b)), rectifies));
        },
        quantised: "own",
      },
    ),
  ];
}

export const quantizedArithmetic: readonly Op[] = [
  ...[false, true].flatMap((relu) => [...family("add", relu, addedCodes, addScalar), ...family("mul", relu, multiplied, mulScalar)]),
  op("_quantized::add(Tensor qa, Tensor qb, float scale, int zero_point) -> Tensor qc", {
    run: (ctx, a, b, s, z) => addedCodes(ctx, a, b, s, z, false),
    quantised: "own",
  }),
  ...[false, true].flatMap((relu) => [
    op(
      `quantized::cat${relu ? "_relu" : ""}(Tensor[] qx, int dim, float? scale, int? zero_point) -> Tensor` as "quantized::cat(Tensor[] qx, int dim, float? scale, int? zero_point) -> Tensor",
      {
        run: (ctx, tensors, dim, s, z) => joinedCodes(ctx, tensors, dim, s, z, relu),
        quantised: "own",
      },
    ),
    op(
      `quantized::cat${relu ? "_relu" : ""}_out(Tensor[] qx, int dim, Tensor(a!) out) -> Tensor(a!)` as "quantized::cat_out(Tensor[] qx, int dim, Tensor(a!) out) -> Tensor(a!)",
      {
        run: (ctx, tensors, dim, out) => into(ctx, out, (s, z) => joinedCodes(ctx, tensors, dim, s, z, relu)),
        quantised: "own",
      },
    ),
  ]),
];
