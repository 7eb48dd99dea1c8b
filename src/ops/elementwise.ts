/** Elementwise meanings: an expression of the operands, compiled once per dtypes into a program for a `map` call. */

import { arg, constant, type Expr, type ExprType, isBigType, scalar } from "../expr/expr.ts";
import { Num } from "../expr/num.ts";
import type { Scalar } from "../ir/datum.ts";
import { bitFormat } from "../numeric/codec.ts";
import { map } from "../prims/calls.ts";
import type { Context } from "../prims/context.ts";
import { computeType, type Program } from "../prims/program.ts";
import { canCast, type DType, dtypeInfo, isComplex, isFloat, opmathOf, realOf, scalarName } from "../tensor/dtype.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import { checkFits, wrapped } from "./element-range.ts";
import { floatPromoted, resultType } from "./promotion.ts";

/**
 * How operands promote and what the result's dtype is.
 * `default`: the common dtype, which is the result's. `float`: as default, integers and bools first become the default float.
 * `compare`: computed in the common dtype, the result is bool. `real`: as default, complex gives its component dtype (abs).
 * `floatReal`: both (angle). `own`: every operand in its own dtype, the result is bool (logical ops, isnan).
 * `masked`: the first operand is a condition in its own dtype that promotes nothing; the others as default (where).
 */
export type Promotion = "default" | "float" | "compare" | "real" | "floatReal" | "own" | "masked";

type Build = (...operands: Num[]) => Num;
/** Rounds to the common dtype: float16 and bfloat16 are computed in single precision, and most kernels round once, at the end. */
export type Rounding = (x: Num) => Num;

export interface Elementwise {
  readonly name: string;
  readonly promotion: Promotion;
  /** Scalars come as `Num`s of the compute type, in the order of the arguments among the operands. */
  readonly build: (round: Rounding) => Build;
  /** Result dtype where the promotion's is not it. */
  readonly result: ((common: DType) => DType) | undefined;
  /** How many leading operands promote; the rest (`alpha`) only scale. */
  readonly promotes: number;
  /** Numbers among the operands must fit the common dtype; otherwise they wrap to it. */
  readonly fits: boolean;
  /** The kernel's name, where it takes floating point tensors alone. */
  readonly floats: string | undefined;
  /** Throws for operands that the op refuses before they promote. */
  readonly check: ((operands: readonly (Tensor | Scalar)[]) => void) | undefined;
  /** Texts of the meaning's checks, by code. */
  readonly messages: readonly string[];
  readonly programs: Map<string, Program>;
}

export interface ElementwiseOptions {
  readonly promotion?: Promotion;
  readonly result?: (common: DType) => DType;
  readonly promotes?: number;
  readonly fits?: boolean;
  readonly floats?: string;
  readonly check?: (operands: readonly (Tensor | Scalar)[]) => void;
  readonly messages?: readonly string[];
}

/**
 * Names an elementwise meaning. Make it once, at module level: its programs are cached in it. A `stepwise` one says where PyTorch's
 * kernel rounds between steps.
 */
export function elementwise(name: string, build: Build | { readonly stepwise: (round: Rounding) => Build }, options: ElementwiseOptions = {}): Elementwise {
  return { name, build: typeof build === "function" ? () => build : build.stepwise, promotion: options.promotion ?? "default", result: options.result, promotes: options.promotes ?? Infinity, fits: options.fits ?? false, floats: options.floats, check: options.check, messages: options.messages ?? [], programs: new Map() };
}

/** An operand of `dtype` read in `type`'s arithmetic. */
export function operandNum(slot: number, dtype: DType, compute: DType): Num {
  const own = computeType(dtype);
  const type = computeType(compute);
  const re = new Num(arg(slot, own)).to(type).re;
  if (!isComplex(compute)) return new Num(re);
  return isComplex(dtype) ? new Num(re, new Num(arg(slot, own, 1)).to(type).re) : new Num(re, new Num(re).lit(0).re);
}

/** `value` as the parts that an output of `dtype` stores. */
export function outputParts(value: Num, dtype: DType): Expr[] {
  const type = computeType(dtype);
  if (dtype === "bool") return [value.toBool().re];
  const re = value.to(type).re;
  if (!isComplex(dtype)) return [re];
  return [re, value.im === undefined ? value.to(type).lit(0).re : new Num(value.im).to(type).re];
}

function commonOf(e: Elementwise, operands: readonly (Tensor | Scalar)[], ctx: Context): DType {
  e.check?.(operands);
  const first = operands[0];
  if (e.floats !== undefined && first instanceof Tensor && !isFloat(first.dtype)) {
    throw new OpwiseError("unsupported-dtype", `"${e.floats}" not implemented for '${scalarName(first.dtype)}'`, { wanted: "a floating point tensor", got: first.dtype });
  }
  const promoting = e.promotion === "masked" ? operands.slice(1) : operands.length > e.promotes ? operands.slice(0, e.promotes) : operands;
  const common = resultType(promoting, ctx.defaultDtype);
  for (let i = e.promotes; i < operands.length; i++) checkScale(operands[i], common);
  return e.promotion === "float" || e.promotion === "floatReal" ? floatPromoted(common, ctx.defaultDtype) : common;
}

/** A factor that promotes nothing must be representable: no float for integers, no bool for numbers (at::alpha_check). */
function checkScale(scale: Tensor | Scalar | undefined, common: DType): void {
  if (scale === undefined || scale instanceof Tensor) return;
  const kind = dtypeInfo(common).class;
  if (scale.kind === "bool" && kind !== "bool") throw new OpwiseError("dtype-mismatch", "Boolean alpha only supported for Boolean results.");
  if ((scale.kind === "float" || scale.kind === "complex") && (kind === "int" || kind === "bool")) {
    throw new OpwiseError("dtype-mismatch", "For integral input tensors, argument alpha must not be a floating point number.");
  }
  checkFits(scale, common);
}

function resultOf(e: Elementwise, common: DType): DType {
  if (e.result !== undefined) return e.result(common);
  if (e.promotion === "compare" || e.promotion === "own") return "bool";
  return e.promotion === "real" || e.promotion === "floatReal" ? realOf(common) : common;
}

function programOf(e: Elementwise, operands: readonly (Tensor | Scalar)[], common: DType, result: DType): Program {
  let key = `${common}>${result}`;
  for (const o of operands) key += o instanceof Tensor ? `,${o.dtype}` : o.kind === "complex" ? ",z" : isOne(o) ? ",1" : ",s";
  const known = e.programs.get(key);
  if (known !== undefined) return known;
  const compute = opmathOf(common);
  const dtypes: DType[] = [];
  const scalars: ExprType[] = [];
  const nums = operands.map((o, at) => {
    if (o instanceof Tensor) {
      dtypes.push(o.dtype);
      const own = e.promotion === "own" || (e.promotion === "masked" && at === 0);
      return operandNum(dtypes.length - 1, o.dtype, own ? opmathOf(o.dtype) : compute);
    }
    const type = computeType(compute);
    if (isOne(o)) return new Num(constant(isBigType(type) ? 1n : type === "bool" ? true : 1, type));
    scalars.push(type);
    const re = scalar(scalars.length - 1, type);
    if (o.kind !== "complex") return new Num(re);
    scalars.push(type);
    return new Num(re, scalar(scalars.length - 1, type));
  });
  const format = bitFormat(common);
  const rounding: Rounding = format === undefined ? (x) => x : (x) => x.round(format);
  const program: Program = { name: e.name, operands: dtypes, scalars, outputs: [{ dtype: result, parts: outputParts(e.build(rounding)(...nums), result) }], messages: e.messages };
  e.programs.set(key, program);
  return program;
}

/** The integer 1 (`alpha=1`) is part of the program, so that multiplying by it costs nothing. */
function isOne(s: Scalar): boolean {
  return s.kind === "int" && s.value === 1;
}

/** A scalar's value in a compute type; a fraction is cut off where the type has integers. */
export function scalarValue(value: number | bigint | boolean, type: ExprType): number | bigint | boolean {
  if (type === "i64" || type === "u64") return typeof value === "bigint" ? value : BigInt(Math.trunc(Number(value)));
  if (type === "bool") return Boolean(value);
  if (type === "f32") return Math.fround(Number(value));
  return type === "f64" ? Number(value) : Math.trunc(Number(value));
}

/** @throws dtype-mismatch where a result may not be written to a tensor of the dtype: floats to integers, complex numbers to reals */
export function checkCast(result: DType, out: DType): void {
  if (!canCast(result, out)) throw new OpwiseError("dtype-mismatch", `result type ${scalarName(result)} can't be cast to the desired output type ${scalarName(out)}`);
}

/**
 * Applies an elementwise meaning. With `out` the result is written there (in place, or `out=`), converted.
 * @throws dtype-mismatch where `out` cannot hold the result's class of dtype
 */
export function apply(ctx: Context, e: Elementwise, operands: readonly (Tensor | Scalar)[], out?: Tensor): Tensor {
  const common = commonOf(e, operands, ctx);
  const natural = resultOf(e, common);
  if (out !== undefined) checkCast(natural, out.dtype);
  const program = programOf(e, operands, common, out?.dtype ?? natural);
  const tensors: Tensor[] = [];
  const values: (number | bigint | boolean)[] = [];
  for (const o of operands) {
    if (o instanceof Tensor) tensors.push(o);
    else if (o.kind === "complex") values.push(scalarValue(o.re, program.scalars[values.length] ?? "f64"), scalarValue(o.im, program.scalars[values.length + 1] ?? "f64"));
    else if (!isOne(o)) {
      if (e.fits) checkFits(o, common);
      values.push(scalarValue(typeof o.value === "boolean" ? o.value : wrapped(o.value, common), program.scalars[values.length] ?? "f64"));
    }
  }
  const [result] = map(ctx, program, tensors, values, out === undefined ? undefined : [out]);
  return result ?? tensorExpected();
}

function tensorExpected(): never {
  throw new OpwiseError("internal", "an elementwise call has one result");
}
