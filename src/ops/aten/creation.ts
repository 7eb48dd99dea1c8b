/** New tensors: constant, counted, spaced, unit and triangular matrices, signal windows. */

import { binary, cast, constant, type Expr, fold, index, load, round, scalar, select, unary } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import type { Datum, Scalar } from "../../ir/datum.ts";
import { printType, type Type } from "../../ir/type.ts";
import { bitFormat, codec } from "../../numeric/codec.ts";
import { compute, copyOf, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { complexOf, type DType, dtypeInfo, dtypeOfTorch, isComplex, largestOf, realOf, scalarName, typeName } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { sameShape } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { dataOp, op, type Op } from "../define.ts";
import { checkFits, wrapped } from "../element-range.ts";
import { asScalar, resize } from "../registry.ts";
import { convert } from "./conversion.ts";
import { dtypeOfScalar, floatOf, intOf, scalarOf } from "./element.ts";
import { fill, filled, formatStrides, stridesLike } from "./filling.ts";
import { special1 } from "../special-functions.ts";

const ZERO: Scalar = { kind: "int", value: 0 };
const ONE: Scalar = { kind: "int", value: 1 };

const programs = new Map<string, Program>();
function program(key: string, make: () => Program): Program {
  let known = programs.get(key);
  if (known === undefined) programs.set(key, (known = make()));
  return known;
}
const one = (results: readonly Tensor[]): Tensor => results[0] ?? unreachable("a result");
const dtypeOr = (code: number | null, otherwise: DType): DType => (code === null ? otherwise : dtypeOfTorch(code));
const f64 = (value: number): Expr => constant(value, "f64");

/** A value as the parts of an output of `dtype`. */
function real(value: Expr, dtype: DType): Expr[] {
  const type = computeType(dtype);
  return isComplex(dtype) ? [cast(value, type), constant(0, type)] : [cast(value, type)];
}

/** `full`'s dtype follows its value. */
function fullDtype(ctx: Context, code: number | null, value: Scalar): DType {
  return dtypeOr(code, dtypeOfScalar(value, ctx.defaultDtype));
}

/** How many steps of 64-bit integers stay below the end. */
function exactSteps(start: Scalar, end: Scalar, step: Scalar): number {
  const [from, to, by] = [start, end, step].map((s) => BigInt(intOf(s)));
  if (from === undefined || to === undefined || by === undefined) return 0;
  return Number((to - from + by - (by > 0n ? 1n : -1n)) / by);
}

/** `start + i * step` below (or, for `range`, up to) the end. */
export function arange(ctx: Context, start: Scalar, end: Scalar, step: Scalar, code: number | null, closed = false): Tensor {
  const ints = [start, end, step].every((s) => s.kind === "int" || s.kind === "bool");
  const dtype = dtypeOr(code, ints && !closed ? "int64" : ctx.defaultDtype);
  const [from, to, by] = [floatOf(start), floatOf(end), floatOf(step)];
  const cut = dtypeInfo(dtype).class === "int";
  if (dtype === "bool" || isComplex(dtype)) throw unimplemented("arange_cpu", dtype);
  // int64 counts in integers; all others in double precision, integers then step by the cut numbers.
  const whole = dtype === "int64" && !closed;
  const stride = whole ? Math.trunc(by) : by;
  if (stride === 0 || Number.isNaN(stride)) throw new OpwiseError("bad-argument", "step must be nonzero");
  if (!Number.isFinite(from) || !Number.isFinite(to)) throw new OpwiseError("bad-argument", `unsupported range: ${from} -> ${to}`);
  if ((by > 0 && to < from) || (by < 0 && to > from)) throw new OpwiseError("bad-argument", "upper bound and lower bound inconsistent with step sign");
  const exact = whole && ints && [start, end, step].some((s) => s.kind === "int" && typeof s.value === "bigint");
  const steps = whole ? (Math.trunc(to) - Math.trunc(from)) / stride : (to - from) / by;
  const size = exact ? exactSteps(start, end, step) : closed ? Math.floor(steps) + 1 : Math.ceil(steps);
  if (exact) {
    const big = program(`arange64/${dtype}`, () => ({ name: "arange", operands: [], scalars: ["i64", "i64"], messages: [], outputs: [{ dtype, parts: real(binary("add", scalar(0, "i64"), binary("mul", cast(index(0), "i64"), scalar(1, "i64"))), dtype) }] }));
    return one(compute(ctx, big, [size], [], [BigInt(intOf(start)), BigInt(intOf(step))]));
  }
  const plain = program(`arange/${dtype}`, () => ({ name: "arange", operands: [], scalars: ["f64", "f64"], messages: [], outputs: [{ dtype, parts: real(binary("add", scalar(0, "f64"), binary("mul", cast(index(0), "f64"), scalar(1, "f64"))), dtype) }] }));
  return one(compute(ctx, plain, [size], [], cut ? [Math.trunc(from), Math.trunc(by)] : [from, by]));
}

function unimplemented(kernel: string, dtype: DType): OpwiseError {
  return new OpwiseError("unsupported-dtype", `"${kernel}" not implemented for '${scalarName(dtype)}'`, { got: dtype });
}

/** Real and imaginary part. */
const partsOf = (s: Scalar): readonly [number, number] => (s.kind === "complex" ? [s.re, s.im] : [Number(s.value), 0]);

/** How numbers are rounded in `dtype`, as values and as expressions. */
function roundings(dtype: DType): { readonly value: (x: number) => number; readonly expr: (e: Expr) => Expr; readonly type: "f32" | "f64" } {
  const format = bitFormat(dtype);
  if (format !== undefined) {
    const encode = codec(dtype);
    return { value: (x) => encode?.table[encode.encode(x)] ?? x, expr: (e) => round(e, format), type: "f32" };
  }
  return computeType(dtype) === "f32" ? { value: Math.fround, expr: (e) => e, type: "f32" } : { value: (x) => x, expr: (e) => e, type: "f64" };
}

/** `steps` values from start to end, both included; the second half is counted back from the end, each step rounded to the dtype. */
function spaced(ctx: Context, start: Scalar, end: Scalar, steps: number, code: number | null, base?: number): Tensor {
  const name = base === undefined ? "linspace" : "logspace";
  const complex = start.kind === "complex" || end.kind === "complex";
  const natural = complex ? complexOf(ctx.defaultDtype) : ctx.defaultDtype;
  const dtype = dtypeOr(code, natural);
  if (complex && !isComplex(dtype)) throw new OpwiseError("dtype-mismatch", `torch.${name}(): inferred dtype ${typeName(natural)} can't be safely cast to passed dtype ${scalarName(dtype)}`);
  if (steps < 0) throw new OpwiseError("bad-argument", "number of steps must be non-negative");
  if (steps === 0) return empty(ctx, [0], dtype);
  if (steps === 1) return base === undefined ? filled(ctx, [1], dtype, start) : filled(ctx, [1], dtype, powerOf(base, start));
  const { class: kind } = dtypeInfo(dtype);
  if (kind === "bool" || (kind === "float" && largestOf(dtype) === undefined) || dtype === "complex32") throw unimplemented(`${name}_cpu`, dtype);
  const { value, expr, type } = kind === "int" ? { value: (x: number) => x, expr: (e: Expr) => e, type: "f64" as const } : roundings(isComplex(dtype) ? realOf(dtype) : dtype);
  /** The bounds as elements of the dtype. */
  const bound = (s: Scalar): readonly [number, number] => {
    const [re, im] = partsOf(s);
    return isComplex(dtype) ? [value(re), value(im)] : [value(Number(fitting(s, re, dtype))), 0];
  };
  const [[fromRe, fromIm], [toRe, toIm]] = [bound(start), bound(end)];
  // Real powers take their exponents in double precision; single-precision steps are fused, so round once, at the end.
  const wide = base !== undefined && !isComplex(dtype);
  const fused = type === "f32" && bitFormat(dtype) === undefined;
  const at = wide || fused ? "f64" : type;
  const rounded = wide ? (e: Expr): Expr => e : expr;
  const stepOf = (from: number, to: number): number => (wide ? value(to - from) / (steps - 1) : value(value(to - from) / value(steps - 1)));
  const p = program(`${name}/${dtype}`, () => {
    const last = scalar(0, at);
    const i = cast(index(0), at);
    const along = (slot: number): Expr => {
      const [from, to, step] = [scalar(slot, at), scalar(slot + 1, at), scalar(slot + 2, at)];
      const ahead = rounded(binary("add", from, rounded(binary("mul", step, rounded(i)))));
      const back = rounded(binary("sub", to, rounded(binary("mul", step, rounded(binary("sub", last, i))))));
      return select(binary("lt", i, scalar(1, at)), ahead, back);
    };
    const target = computeType(dtype);
    const parts = (z: Num): Expr[] => [cast(z.re, target), ...(z.im === undefined ? [] : [cast(z.im, target)])];
    const exponent = isComplex(dtype) ? new Num(along(3), along(6)) : new Num(along(3));
    const result = base === undefined ? exponent : (isComplex(dtype) ? new Num(scalar(2, at), scalar(9, at)) : new Num(scalar(2, at))).pow(exponent);
    return { name, operands: [], scalars: new Array<"f32" | "f64">(isComplex(dtype) ? 10 : 6).fill(at), messages: [], outputs: [{ dtype, parts: parts(result) }] };
  });
  const scalars = [steps - 1, Math.floor(steps / 2), base ?? 0, fromRe, toRe, stepOf(fromRe, toRe)];
  if (isComplex(dtype)) scalars.push(fromIm, toIm, stepOf(fromIm, toIm), 0);
  return one(compute(ctx, p, [steps], [], scalars));
}

/** `base ** exponent` in double precision. */
function powerOf(base: number, exponent: Scalar): Scalar {
  const [re, im] = partsOf(exponent);
  if (exponent.kind !== "complex") return { kind: "float", value: base ** re };
  const turn = im * Math.log(base);
  return { kind: "complex", re: base ** re * Math.cos(turn), im: base ** re * Math.sin(turn) };
}

/** A number as an element of `dtype`. @throws runtime-error where it does not fit */
function fitting(s: Scalar, value: number, dtype: DType): number | bigint {
  checkFits(s, dtype);
  return wrapped(value, dtype);
}

/** The bound of a range given as a tensor. @throws shape-mismatch */
function* boundOf(name: string, start: Tensor | Scalar, end: Tensor | Scalar): Generator<Tensor, readonly [Scalar, Scalar], void> {
  const ranks = [start, end].map((s) => (s instanceof Tensor ? s.rank : undefined));
  if (ranks.some((rank) => rank !== undefined && rank > 0)) {
    const got = [["start", ranks[0]] as const, ["end", ranks[1]] as const].filter(([, rank]) => rank !== undefined).map(([which, rank]) => `${which} with ${rank} dimension(s)`).join(" and ");
    throw new OpwiseError("shape-mismatch", `${name} only supports 0-dimensional start and end tensors, but got ${got}.`);
  }
  const read = function* (s: Tensor | Scalar): Generator<Tensor, Scalar, void> {
    if (!(s instanceof Tensor)) return s;
    yield s;
    return scalarOf(s);
  };
  return [yield* read(start), yield* read(end)];
}

function eye(ctx: Context, n: number, m: number, code: number | null): Tensor {
  if (n < 0 || m < 0) throw new OpwiseError("bad-argument", `${n < 0 ? "n" : "m"} must be greater or equal to 0, got ${n < 0 ? n : m}`);
  const dtype = dtypeOr(code, ctx.defaultDtype);
  const p = program(`eye/${dtype}`, () => ({ name: "eye", operands: [], scalars: [], messages: [], outputs: [{ dtype, parts: real(cast(binary("eq", index(0), index(1)), "f64"), dtype) }] }));
  return one(compute(ctx, p, [n, m], []));
}

/** Keeps what lies on and below (`lower`) or above the k-th diagonal of the last two axes. */
export function triangle(ctx: Context, self: Tensor, diagonal: number, lower: boolean): Tensor {
  if (self.rank < 2) throw new OpwiseError("shape-mismatch", `${lower ? "tril" : "triu"}: input tensor must have at least 2 dimensions`);
  const { dtype, rank } = self;
  const p = program(`triangle/${dtype}/${rank}/${lower}`, () => {
    const type = computeType(dtype);
    const axes = self.shape.map((_, i) => index(i));
    const distance = binary("sub", cast(index(rank - 1), "f64"), cast(index(rank - 2), "f64"));
    const keep = binary(lower ? "le" : "ge", distance, scalar(0, "f64"));
    const zero = constant(type === "i64" || type === "u64" ? 0n : type === "bool" ? false : 0, type);
    const parts = (isComplex(dtype) ? ([0, 1] as const) : ([0] as const)).map((part) => load(0, type, axes, part, keep, zero));
    return { name: lower ? "tril" : "triu", operands: [dtype], scalars: ["f64"], messages: [], outputs: [{ dtype, parts }] };
  });
  return one(compute(ctx, p, self.shape, [self], [diagonal]));
}

/** Elements of a triangle: rows grow one by one between two flat stretches. */
function triangleSize(rows: number, columns: number, offset: number, lower: boolean): number {
  const shift = offset + (lower ? 1 : 0);
  const clampTo = (x: number): number => Math.min(Math.max(x, 0), rows);
  const [start, full] = [clampTo(-shift), clampTo(columns - shift)];
  const rising = (top: number): number => (top * (top - 1)) / 2;
  const below = rising(full + shift) - rising(start + shift) + columns * (rows - full);
  return lower ? below : rows * columns - below;
}

/** Rows and columns of a triangle's elements, row by row: `[2, n]`. */
export function triangleIndices(ctx: Context, rows: number, columns: number, offset: number, code: number | null, lower: boolean): Tensor {
  if (rows < 0 || columns < 0) throw new OpwiseError("bad-argument", `${rows < 0 ? "row" : "col"} must be non-negative, got${rows < 0 ? rows : columns}`);
  const dtype = dtypeOr(code, "int64");
  const count = triangleSize(rows, columns, offset, lower);
  // The row of element i is found by bisection over the rows' running sum.
  const p = program(`triangle_indices/${dtype}/${lower}`, () => {
    const [height, width, shift] = [scalar(0, "f64"), scalar(1, "f64"), scalar(2, "f64")];
    const clampTo = (e: Expr, high: Expr): Expr => binary("min", binary("max", e, f64(0)), high);
    const rising = (top: Expr): Expr => binary("div", binary("mul", top, binary("sub", top, f64(1))), f64(2));
    /** Sum of clamp(q + shift, 0, width) over the rows q before r: a ramp from `start` to `full`, flat on both sides. */
    const ramp = (r: Expr): Expr => {
      const start = clampTo(binary("sub", f64(0), shift), r);
      const full = clampTo(binary("sub", width, shift), r);
      const slope = binary("sub", rising(binary("add", full, shift)), rising(binary("add", start, shift)));
      return binary("add", slope, binary("mul", width, binary("sub", r, full)));
    };
    const before = (r: Expr): Expr => (lower ? ramp(r) : binary("sub", binary("mul", width, r), ramp(r)));
    const i = cast(index(1), "f64");
    const [row = f64(0)] = fold(
      0, constant(64, "index"), [f64(0), height],
      ([low = f64(0), high = f64(0)]) => {
        const middle = unary("floor", binary("div", binary("add", low, high), f64(2)));
        const fits = binary("le", before(middle), i);
        return [select(fits, middle, low), select(fits, high, middle)];
      },
      ([low = f64(0), high = f64(0)]) => binary("le", binary("sub", high, low), f64(1)),
    );
    const skipped = clampTo(binary("add", row, shift), width);
    const column = binary("add", binary("sub", i, before(row)), lower ? f64(0) : skipped);
    return { name: "triangle_indices", operands: [], scalars: ["f64", "f64", "f64"], messages: [], outputs: [{ dtype, parts: [cast(select(binary("eq", index(0), constant(0, "index")), row, column), computeType(dtype))] }] };
  });
  return one(compute(ctx, p, [2, count], [], [rows, columns, offset + (lower ? 1 : 0)]));
}

function like(ctx: Context, self: Tensor, code: number | null, format: number | null, value: Scalar): Tensor {
  return filled(ctx, self.shape, dtypeOr(code, self.dtype), value, stridesLike(self, format));
}

/** Room for codes of the same meaning. @throws dtype-mismatch */
function emptyCodesLike(ctx: Context, self: Tensor, code: number | null, format: number | null): Tensor {
  if (dtypeOr(code, self.dtype) !== self.dtype) {
    throw new OpwiseError("dtype-mismatch", "It is currently not supported to specify a dtype that doesn't match the input tensor's dtype via empty_like.", { wanted: self.dtype, got: dtypeOr(code, self.dtype) });
  }
  const out = empty(ctx, self.shape, self.dtype, stridesLike(self, format));
  out.quantizer = self.quantizer;
  return out;
}

/** A window of `length` points: `build` of the angle fraction i / (length - 1), in double. A periodic one drops its last point. */
function windowed(ctx: Context, name: string, length: number, periodic: boolean, code: number | null, build: (at: Expr, last: Expr) => Expr, scalars: readonly number[] = []): Tensor {
  const dtype = dtypeOr(code, ctx.defaultDtype);
  if (length < 0) throw new OpwiseError("bad-argument", `${name} requires non-negative window_length, got window_length=${length}`);
  if (dtypeInfo(dtype).class !== "float") throw new OpwiseError("dtype-mismatch", `${name} expects floating point dtypes, got: ${scalarName(dtype)}`);
  if (length === 1) return filled(ctx, [1], dtype, ONE);
  const p = program(`${name}/${dtype}`, () => ({
    name, operands: [], scalars: ["f64", "f64", "f64"], messages: [],
    outputs: [{ dtype, parts: real(build(cast(index(0), "f64"), scalar(0, "f64")), dtype) }],
  }));
  return one(compute(ctx, p, [length], [], [periodic ? length : length - 1, scalars[0] ?? 0, scalars[1] ?? 0]));
}
const turn = (at: Expr, last: Expr, times: number): Expr => unary("cos", binary("div", binary("mul", at, f64(2 * Math.PI * times)), last));
const hamming = (at: Expr, last: Expr): Expr => binary("sub", scalar(1, "f64"), binary("mul", scalar(2, "f64"), turn(at, last, 1)));
const hann = (ctx: Context, n: number, periodic: boolean, code: number | null): Tensor => windowed(ctx, "hamming_window", n, periodic, code, hamming, [0.5, 0.5]);
const bartlett = (ctx: Context, n: number, periodic: boolean, code: number | null): Tensor =>
  windowed(ctx, "bartlett_window", n, periodic, code, (at, last) => {
    const up = binary("div", binary("mul", at, f64(2)), last);
    return select(binary("le", binary("mul", at, f64(2)), last), up, binary("sub", f64(2), up));
  });
const blackman = (ctx: Context, n: number, periodic: boolean, code: number | null): Tensor =>
  windowed(ctx, "blackman_window", n, periodic, code, (at, last) => binary("add", binary("sub", f64(0.42), binary("mul", f64(0.5), turn(at, last, 1))), binary("mul", f64(0.08), turn(at, last, 2))));
const KAISER_BETA = 12;
const kaiser = (ctx: Context, n: number, periodic: boolean, beta: number, code: number | null): Tensor =>
  windowed(ctx, "kaiser_window", n, periodic, code, (at, last) => {
    const y = binary("sub", binary("div", binary("mul", at, f64(2)), last), f64(1));
    const under = unary("sqrt", binary("max", binary("sub", f64(1), binary("mul", y, y)), f64(0)));
    return binary("div", unary(special1("i0"), binary("mul", scalar(1, "f64"), under)), unary(special1("i0"), scalar(1, "f64")));
  }, [beta]);

/** A bool tensor or numbers of nested lists: shape and flat values. @throws shape-mismatch where lists are ragged */
function nested(data: Datum): { readonly shape: readonly number[]; readonly flat: readonly Datum[] } {
  if (typeof data === "object" && data !== null && "kind" in data && data.kind === "list") {
    const parts = data.items.map(nested);
    const shape = parts[0]?.shape ?? [];
    for (const part of parts) {
      if (part.shape.join() !== shape.join()) throw new OpwiseError("shape-mismatch", `Expected sequence of length ${shape[0] ?? 0} at dim 1 (got ${part.shape[0] ?? 0})`);
    }
    return { shape: [data.items.length, ...shape], flat: parts.flatMap((part) => part.flat) };
  }
  return { shape: [], flat: [data] };
}

const FACTORY = "*, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor";

export const creation: readonly Op[] = [
  op("aten::zeros(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, size, dtype) => filled(ctx, size, dtypeOr(dtype, ctx.defaultDtype), ZERO) }),
  op("aten::ones(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, size, dtype) => filled(ctx, size, dtypeOr(dtype, ctx.defaultDtype), ONE) }),
  op("aten::full(SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, size, value, dtype) => filled(ctx, size, fullDtype(ctx, dtype, value), value) }),
  op("aten::empty.memory_format(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor", { run: (ctx, size, dtype, _layout, _device, _pin, format) => empty(ctx, size, dtypeOr(dtype, ctx.defaultDtype), formatStrides(size, format)) }),
  op("aten::empty_strided(SymInt[] size, SymInt[] stride, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, size, stride, dtype) => empty(ctx, size, dtypeOr(dtype, ctx.defaultDtype), stride) }),
  op("aten::empty.out(SymInt[] size, *, MemoryFormat? memory_format=None, Tensor(a!) out) -> Tensor(a!)", {
    run: (ctx, size, format, out) => {
      if (!sameShape(out.shape, size)) resize(ctx, out, size);
      if (format !== null) out.strides = formatStrides(size, format);
      return out;
    },
  }),
  op("aten::empty_permuted(SymInt[] size, int[] physical_layout, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, size, layout, dtype) => empty(ctx, size, dtypeOr(dtype, ctx.defaultDtype), permutedStrides(size, layout)) }),
  op("aten::empty_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor", { run: (ctx, self, dtype, _layout, _device, _pin, format) => empty(ctx, self.shape, dtypeOr(dtype, self.dtype), stridesLike(self, format)), quantised: (ctx, self, dtype, _layout, _device, _pin, format) => emptyCodesLike(ctx, self, dtype, format) }),
  op("aten::zeros_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor", { run: (ctx, self, dtype, _layout, _device, _pin, format) => like(ctx, self, dtype, format, ZERO) }),
  op("aten::ones_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor", { run: (ctx, self, dtype, _layout, _device, _pin, format) => like(ctx, self, dtype, format, ONE), quantised: (ctx, self, dtype, _layout, _device, _pin, format) => fill(ctx, emptyCodesLike(ctx, self, dtype, format), ONE) }),
  op("aten::full_like(Tensor self, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor", { run: (ctx, self, value, dtype, _layout, _device, _pin, format) => like(ctx, self, dtype, format, value), quantised: (ctx, self, value, dtype, _layout, _device, _pin, format) => fill(ctx, emptyCodesLike(ctx, self, dtype, format), value) }),
  op("aten::new_zeros(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, self, size, dtype) => filled(ctx, size, dtypeOr(dtype, self.dtype), ZERO) }),
  op("aten::new_ones(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, self, size, dtype) => filled(ctx, size, dtypeOr(dtype, self.dtype), ONE) }),
  op("aten::new_full(Tensor self, SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, self, size, value, dtype) => filled(ctx, size, dtypeOr(dtype, self.dtype), value) }),
  op("aten::new_empty(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, self, size, dtype) => empty(ctx, size, dtypeOr(dtype, self.dtype)) }),
  op("aten::new_empty_strided(Tensor self, SymInt[] size, SymInt[] stride, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, self, size, stride, dtype) => empty(ctx, size, dtypeOr(dtype, self.dtype), stride) }),
  op("aten::arange(Scalar end, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, end, dtype) => arange(ctx, ZERO, end, ONE, dtype) }),
  op("aten::arange.start(Scalar start, Scalar end, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, start, end, dtype) => arange(ctx, start, end, ONE, dtype) }),
  op("aten::arange.start_step(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, start, end, step, dtype) => arange(ctx, start, end, step, dtype) }),
  op("aten::range(Scalar start, Scalar end, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, start, end, dtype) => arange(ctx, start, end, ONE, dtype, true) }),
  op("aten::range.step(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, start, end, step, dtype) => arange(ctx, start, end, step, dtype, true) }),
  op("aten::linspace(Scalar start, Scalar end, int steps, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, start, end, steps, dtype) => spaced(ctx, start, end, steps, dtype) }),
  op("aten::logspace(Scalar start, Scalar end, int steps, float base=10., *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, start, end, steps, base, dtype) => spaced(ctx, start, end, steps, dtype, base) }),
  ...(["Tensor_Tensor", "Tensor_Scalar", "Scalar_Tensor"] as const).flatMap((kinds) => {
    const [a = "", b = ""] = kinds.split("_");
    return [
      op(`aten::linspace.${kinds}(${a} start, ${b} end, int steps, ${FACTORY}` as `aten::linspace.Tensor_Tensor(Tensor start, Tensor end, int steps, ${typeof FACTORY}`, {
        reads: function* (ctx, start, end, steps, dtype) {
          return spaced(ctx, ...(yield* boundOf("linspace", start, end)), steps, dtype);
        },
      }),
      op(`aten::logspace.${kinds}(${a} start, ${b} end, int steps, float base=10., ${FACTORY}` as `aten::logspace.Tensor_Tensor(Tensor start, Tensor end, int steps, float base=10., ${typeof FACTORY}`, {
        reads: function* (ctx, start, end, steps, base, dtype) {
          return spaced(ctx, ...(yield* boundOf("logspace", start, end)), steps, dtype, base);
        },
      }),
    ];
  }),
  op("aten::eye(SymInt n, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, n, dtype) => eye(ctx, n, n, dtype) }),
  op("aten::eye.m(SymInt n, SymInt m, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, n, m, dtype) => eye(ctx, n, m, dtype) }),
  op("aten::tril(Tensor self, SymInt diagonal=0) -> Tensor", { run: (ctx, self, diagonal) => triangle(ctx, self, diagonal, true) }),
  op("aten::triu(Tensor self, SymInt diagonal=0) -> Tensor", { run: (ctx, self, diagonal) => triangle(ctx, self, diagonal, false) }),
  op("aten::tril_indices(int row, int col, int offset=0, *, ScalarType? dtype=4, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, rows, columns, offset, dtype) => triangleIndices(ctx, rows, columns, offset, dtype, true) }),
  op("aten::triu_indices(int row, int col, int offset=0, *, ScalarType? dtype=4, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, rows, columns, offset, dtype) => triangleIndices(ctx, rows, columns, offset, dtype, false) }),
  op("aten::scalar_tensor(Scalar s, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, value, dtype) => filled(ctx, [], dtypeOr(dtype, ctx.defaultDtype), value) }),
  op("aten::hann_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, n, dtype) => hann(ctx, n, true, dtype) }),
  op("aten::hann_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, n, periodic, dtype) => hann(ctx, n, periodic, dtype) }),
  op("aten::hamming_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, n, dtype) => windowed(ctx, "hamming_window", n, true, dtype, hamming, [0.54, 0.46]) }),
  op("aten::hamming_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, n, periodic, dtype) => windowed(ctx, "hamming_window", n, periodic, dtype, hamming, [0.54, 0.46]) }),
  op("aten::hamming_window.periodic_alpha(int window_length, bool periodic, float alpha, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, n, periodic, alpha, dtype) => windowed(ctx, "hamming_window", n, periodic, dtype, hamming, [alpha, 0.46]) }),
  op("aten::hamming_window.periodic_alpha_beta(int window_length, bool periodic, float alpha, float beta, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, n, periodic, alpha, beta, dtype) => windowed(ctx, "hamming_window", n, periodic, dtype, hamming, [alpha, beta]) }),
  op("aten::bartlett_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, n, dtype) => bartlett(ctx, n, true, dtype) }),
  op("aten::bartlett_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, n, periodic, dtype) => bartlett(ctx, n, periodic, dtype) }),
  op("aten::blackman_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, n, dtype) => blackman(ctx, n, true, dtype) }),
  op("aten::blackman_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, n, periodic, dtype) => blackman(ctx, n, periodic, dtype) }),
  op("aten::kaiser_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, n, dtype) => kaiser(ctx, n, true, KAISER_BETA, dtype) }),
  op("aten::kaiser_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, n, periodic, dtype) => kaiser(ctx, n, periodic, KAISER_BETA, dtype) }),
  op("aten::kaiser_window.beta(int window_length, bool periodic, float beta, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, n, periodic, beta, dtype) => kaiser(ctx, n, periodic, beta, dtype) }),
  ...(["tensor", "as_tensor"] as const).flatMap((name) => [
    ...(["bool", "float", "int", "complex"] as const).map((kind) =>
      dataOp(schemaOf(name, kind), ([value = null, dtype = null], ctx) => tensorOf(ctx, value, dtype, kind === "float")),
    ),
    dataOp(schemaOf(name, name === "tensor" ? "" : "list"), ([data = null, dtype = null], ctx) => tensorOf(ctx, data, dtype, isFloatList(data))),
  ]),
  op("aten::as_tensor(Tensor(a) data, *, ScalarType? dtype=None, Device? device=None) -> Tensor(b|a)", { run: (ctx, data, dtype) => convert(ctx, data, dtypeOr(dtype, data.dtype)), quantised: "codes" }),
];

function schemaOf(name: "tensor" | "as_tensor", kind: string): string {
  const rest = `ScalarType? dtype=None, Device? device=None${name === "tensor" ? ", bool requires_grad=False" : ""}) -> Tensor`;
  return kind === "" || kind === "list" ? `aten::${name}${kind === "" ? "" : ".list"}(t[] data, *, ${rest}` : `aten::${name}.${kind}(${kind} t, *, ${rest}`;
}

/** Strides whose axes lie in memory in the order `layout`, slowest first. @throws bad-argument unless it is a permutation */
function permutedStrides(size: readonly number[], layout: readonly number[]): number[] {
  const rank = size.length;
  if (layout.length !== rank) throw new OpwiseError("bad-argument", `Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = ${rank} is not equal to len(physical_layout) = ${layout.length}`);
  layout.forEach((axis, i) => {
    if (axis < 0 || axis >= rank) throw new OpwiseError("bad-argument", `Dimension out of range (expected to be between 0 and ${rank - 1}, but got ${axis} at index ${i}).  NB: negative dims not currently supported; file an issue if you want it.`);
    if (layout.indexOf(axis) !== i) throw new OpwiseError("bad-argument", "Duplicate dim not allowed");
  });
  const out = size.map(() => 1);
  let step = 1;
  for (const axis of [...layout].reverse()) {
    out[axis] = step;
    step *= Math.max(size[axis] ?? 1, 1);
  }
  return out;
}

/**
 * A tensor of a Python number or of nested lists of them. As in PyTorch, floats pass through the default dtype, whatever dtype is asked for.
 * @throws dtype-mismatch for elements that are no numbers of one kind
 */
function tensorOf(ctx: Context, data: Datum, dtype: Datum, floats: boolean): Tensor {
  const { shape, flat } = nested(data);
  const elem = elementType(data);
  if (elem !== undefined && elem.kind !== "int" && elem.kind !== "float" && elem.kind !== "bool" && elem.kind !== "complex" && elem.kind !== "number" && elem.kind !== "Union") {
    const empty = elem.kind === "Tensor" ? EMPTY_LISTS : "";
    throw new OpwiseError("dtype-mismatch", `Input must be of ints, floats, or bools, got ${printType(elem)}${empty}`);
  }
  const scalars = flat.map((value) => (typeof value === "number" && floats ? ({ kind: "float", value } as const) : asScalar(value)));
  const [first] = scalars;
  if (scalars.some((s) => s.kind !== first?.kind)) {
    const kinds = [...new Set(scalars.map((s) => s.kind))].sort().join(", ");
    throw new OpwiseError("runtime-error", `Add new condition, expected Float, Complex, Int, or Bool but gotUnion(${kinds})`);
  }
  const natural = elem?.kind === "int" ? "int64" : elem?.kind === "bool" ? "bool" : first === undefined ? ctx.defaultDtype : dtypeOfScalar(first, ctx.defaultDtype);
  const wanted = typeof dtype === "number" ? dtypeOfTorch(dtype) : natural;
  if (first !== undefined && typeof data !== "object") return convert(ctx, filled(ctx, shape, natural, first), wanted);
  const complex = dtypeInfo(natural).class === "complex";
  const values = scalars.flatMap((s) => (s.kind === "complex" ? [s.re, s.im] : [s.value]));
  const source = complex
    ? Tensor.from(values.map(Number), shape, "complex128")
    : natural === "int64"
      ? Tensor.from(values.map((v) => BigInt(v)), shape, "int64")
      : Tensor.from(values.map(Number), shape, natural === "bool" ? "bool" : "float64");
  const stored = source.dtype === natural ? source : copyOf(ctx, source, natural);
  return stored.dtype === wanted ? stored : copyOf(ctx, stored, wanted);
}

const EMPTY_LISTS =
  "\nEmpty lists default to List[Tensor]. Add a variable annotation to the assignment to create an empty list of another type (torch.jit.annotate(List[T, []]) where T is the type of elements in the list for Python 2)";

/** The static type of the innermost lists' items; undefined for a number alone. */
function elementType(data: Datum): Type | undefined {
  if (typeof data !== "object" || data === null || !("kind" in data) || data.kind !== "list") return undefined;
  let type: Type = data.elem;
  while (type.kind === "List") type = type.elem;
  return type;
}

/** Whether the innermost list's items are floats by type: a bare number alone does not say. */
function isFloatList(data: Datum): boolean {
  if (typeof data === "object" && data !== null && "kind" in data && data.kind === "list") {
    return data.elem.kind === "float" || (data.items[0] !== undefined && isFloatList(data.items[0]));
  }
  return false;
}
