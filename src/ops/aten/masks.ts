/** Masked writes (PyTorch: masked_fill, masked_scatter). */

import { arg, binary, cast, check, constant, type Expr, load, scalar, select } from "../../expr/expr.ts";
import { sumOf } from "../../prims/combiner.ts";
import { copyInto, empty, map, scan } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { expanded, reshaped } from "../../prims/views.ts";
import type { Scalar } from "../../ir/datum.ts";
import { canCast, type DType, isComplex, scalarName, typeName } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { broadcastShapes, numelOf, sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { checkFits, wrapped } from "../element-range.ts";
import { scalarValue } from "../elementwise.ts";
import { axes, memo, zeroOf } from "./memo.ts";
import { affineOf, codeOfNumber, quantised } from "../quantized/codes.ts";

const programs = memo<Program>();

/** `mask ? fill : x`, the fill a run-time number. */
function fillProgram(dtype: DType, mask: DType): Program {
  return programs(`fill ${dtype},${mask}`, () => {
    const type = computeType(dtype);
    const holds = cast(arg(1, computeType(mask)), "bool");
    const parts = [select(holds, scalar(0, type), arg(0, type))];
    if (isComplex(dtype)) parts.push(select(holds, scalar(1, type), arg(0, type, 1)));
    return { name: "masked_fill", operands: [dtype, mask], scalars: parts.map(() => type), outputs: [{ dtype, parts }], messages: [] };
  });
}
function keepProgram(dtype: DType, mask: DType): Program {
  return programs(`keep ${dtype},${mask}`, () => {
    const type = computeType(dtype);
    const holds = cast(arg(1, computeType(mask)), "bool");
    const parts = [select(holds, arg(0, type), scalar(0, type))];
    if (isComplex(dtype)) parts.push(select(holds, arg(0, type, 1), scalar(1, type)));
    return { name: "masked_keep", operands: [dtype, mask], scalars: parts.map(() => type), outputs: [{ dtype, parts }], messages: [] };
  });
}

/** The values that a scalar has as an element of `dtype`: one, or real and imaginary part; integers wrap. */
export function scalarParts(value: Scalar, dtype: DType): (number | bigint | boolean)[] {
  const type = computeType(dtype);
  if (value.kind === "complex") {
    if (dtype === "bool") return [value.re !== 0 || value.im !== 0];
    if (!isComplex(dtype)) return [scalarValue(value.re, type)];
    return [scalarValue(value.re, type), scalarValue(value.im, type)];
  }
  const re = scalarValue(typeof value.value === "boolean" ? value.value : wrapped(value.value, dtype), type);
  return isComplex(dtype) ? [re, scalarValue(0, type)] : [re];
}

/** Elements where the mask is `where` become `fill`, in the tensor's own dtype. */
export function maskFilled(ctx: Context, t: Tensor, mask: Tensor, fill: Scalar, where: boolean, out?: Tensor): Tensor {
  const program = where ? fillProgram(t.dtype, mask.dtype) : keepProgram(t.dtype, mask.dtype);
  const value: Scalar = t.quantizer === undefined || fill.kind === "complex" ? fill : { kind: "int", value: codeOfNumber(Number(fill.value), affineOf(t, "masked_fill"), t.dtype) };
  const [result] = map(ctx, program, [t, mask], scalarParts(value, t.dtype), out === undefined ? undefined : [out]);
  return result ?? t;
}

function checkMask(mask: Tensor): void {
  if (mask.dtype !== "bool") throw new OpwiseError("dtype-mismatch", `masked_fill_ only supports boolean masks, but got mask with dtype ${typeName(mask.dtype)}`);
}

function fillInPlace(ctx: Context, self: Tensor, mask: Tensor, value: Scalar): Tensor {
  checkMask(mask);
  checkFits(value, self.dtype);
  if (!sameShape(broadcastShapes(self.shape, mask.shape), self.shape)) {
    throw new OpwiseError("shape-mismatch", `output with shape [${self.shape.join(", ")}] doesn't match the broadcast shape [${broadcastShapes(self.shape, mask.shape).join(", ")}]`);
  }
  if (!self.conj && !self.neg) return maskFilled(ctx, self, mask, value, true, self);
  copyInto(ctx, self, maskFilled(ctx, self, mask, value, true));
  return self;
}

function fillProgramTensor(dtype: DType, mask: DType, value: DType): Program {
  return programs(`tensor ${dtype},${mask},${value}`, () => {
    const type = computeType(dtype);
    const own = computeType(value);
    const holds = cast(arg(1, computeType(mask)), "bool");
    const parts = [select(holds, cast(arg(2, own), type), arg(0, type))];
    if (isComplex(dtype)) parts.push(select(holds, isComplex(value) ? cast(arg(2, own, 1), type) : zeroOf(type), arg(0, type, 1)));
    return { name: "masked_fill", operands: [dtype, mask, value], scalars: [], outputs: [{ dtype, parts }], messages: [] };
  });
}

function fillFromTensor(ctx: Context, self: Tensor, mask: Tensor, value: Tensor, out?: Tensor): Tensor {
  if (self.quantizer !== undefined && value.quantizer === undefined) return fillFromTensor(ctx, self, mask, quantised(ctx, value, self.dtype, self.quantizer), out);
  if (value.rank !== 0) throw new OpwiseError("bad-argument", `masked_fill_ only supports a 0-dimensional value tensor, but got tensor with ${value.rank} dimension(s).`);
  checkMask(mask);
  if (!canCast(value.dtype, self.dtype)) throw new OpwiseError("dtype-mismatch", `value cannot be converted to type ${scalarName(self.dtype)} without overflow`);
  const [result] = map(ctx, fillProgramTensor(self.dtype, mask.dtype, value.dtype), [self, mask, value], [], out === undefined ? undefined : [out]);
  return result ?? self;
}

const EXHAUSTED = ["Number of elements of source < number of ones in mask"];

/** The n-th holding position gets the source's n-th element. */
function masksProgram(dtype: DType, rank: number): Program {
  return programs(`scatter ${dtype},${rank}`, () => {
    const type = computeType(dtype);
    const at = axes(rank);
    const holds = load(1, "bool", at);
    const number = cast(load(2, "i32", at), "index");
    const zero = constant(0, "index");
    const valid = binary("or", select(holds, constant(false, "bool"), constant(true, "bool")), binary("lt", number, scalar(0, "index")));
    const place = check(valid, select(holds, number, zero), 0);
    const part = (p: 0 | 1): Expr => load(3, type, [place], p, holds, load(0, type, at, p));
    return { name: "masked_scatter", operands: [dtype, "bool", "int32", dtype], scalars: ["index"], outputs: [{ dtype, parts: isComplex(dtype) ? [part(0), part(1)] : [part(0)] }], messages: EXHAUSTED };
  });
}
function countProgram(): Program {
  return programs("count", () => ({ name: "masked_scatter", operands: ["bool"], scalars: [], outputs: [{ dtype: "int32", parts: [cast(arg(0, "bool"), "i32")] }], messages: [] }));
}

export function maskedScatter(ctx: Context, self: Tensor, mask: Tensor, source: Tensor): Tensor {
  if (self.dtype !== source.dtype) throw new OpwiseError("dtype-mismatch", `masked_scatter: expected self and source to have same dtypes but got${scalarName(self.dtype)} and ${scalarName(source.dtype)}`);
  if (mask.dtype !== "bool") throw new OpwiseError("dtype-mismatch", `masked_scatter_ only supports boolean masks, but got mask with dtype ${scalarName(mask.dtype)}`);
  const shape = broadcastShapes(self.shape, mask.shape);
  const flags = reshaped(ctx, expanded(mask, shape), [numelOf(shape)]);
  const [ranks] = scan(ctx, countProgram(), sumOf("i32"), [flags], 0, ["int32"], { exclusive: true });
  const x = reshaped(ctx, expanded(self, shape), [flags.numel]);
  const out = empty(ctx, [flags.numel], self.dtype);
  if (out.numel > 0) {
    const values = source.numel === 0 ? empty(ctx, [1], source.dtype) : reshaped(ctx, source, [source.numel]);
    const operands = [x, flags, ranks ?? flags, values];
    ctx.run({ kind: "compute", program: masksProgram(self.dtype, 1), operands, results: [out], scalars: [source.numel] });
  }
  return reshaped(ctx, out, shape);
}

export const masks: readonly Op[] = [
  op("aten::masked_fill_.Scalar(Tensor(a!) self, Tensor mask, Scalar value) -> Tensor(a!)", { run: fillInPlace, quantised: "codes" }),
  op("aten::masked_fill_.Tensor(Tensor(a!) self, Tensor mask, Tensor value) -> Tensor(a!)", { run: (ctx, self, mask, value) => fillFromTensor(ctx, self, mask, value, self), quantised: "codes" }),
  op("aten::masked_fill.Scalar(Tensor self, Tensor mask, Scalar value) -> Tensor", {
    run: (ctx, self, mask, value) => {
      checkMask(mask);
  checkFits(value, self.dtype);
      return maskFilled(ctx, self, mask, value, true, empty(ctx, broadcastShapes(self.shape, mask.shape), self.dtype));
    },
    quantised: "codes",
  }),
  op("aten::masked_fill.Tensor(Tensor self, Tensor mask, Tensor value) -> Tensor", { run: (ctx, self, mask, value) => fillFromTensor(ctx, self, mask, value, empty(ctx, broadcastShapes(self.shape, mask.shape), self.dtype)), quantised: "codes" }),
  op("aten::masked_scatter(Tensor self, Tensor mask, Tensor source) -> Tensor", { run: maskedScatter }),
];
