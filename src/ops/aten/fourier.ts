/** Discrete Fourier transforms (PyTorch: torch.fft): fft calls axis by axis, real ones by the symmetry of their spectra. */

import { binary, cast, constant, type Expr, index, load, scalar, select, unary } from "../../expr/expr.ts";
import { transform } from "../../numeric/fft.ts";
import { cast_, compute, copyOf, empty, resolved } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { conjugated, partOf, sliced } from "../../prims/views.ts";
import { complexOf, type DType, dtypeInfo, dtypeOfTorch, isComplex, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { type Shape, wrapDim, wrapDims } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { writeOut } from "../registry.ts";
import { axes, loadParts, memo, subOf, zeroOf } from "./memo.ts";
import { roll } from "./rearrange.ts";

const programs = memo<Program>();

/** How a transform is scaled: not, by the root of its length, or by its length. */
export type Scaling = 0 | 1 | 2;

export function scalingOf(norm: string | null, forward: boolean): Scaling {
  if (norm === null || norm === "backward") return forward ? 0 : 2;
  if (norm === "forward") return forward ? 2 : 0;
  if (norm === "ortho") return 1;
  throw new OpwiseError("bad-argument", `Invalid normalization mode: "${norm}"`);
}

function factor(scaling: Scaling, n: number): number {
  return scaling === 0 ? 1 : scaling === 1 ? 1 / Math.sqrt(n) : 1 / n;
}

/** Integers become the default float; half floats are refused as PyTorch's CPU does; `complex` asks for the complex twin. */
function promoted(ctx: Context, t: Tensor, complex: boolean): Tensor {
  const kind = dtypeInfo(t.dtype).class;
  let dtype: DType = kind === "int" || kind === "bool" ? ctx.defaultDtype : t.dtype;
  if (dtype === "float16" || dtype === "bfloat16" || dtype === "complex32") throw new OpwiseError("unsupported-dtype", `Unsupported dtype ${scalarName(dtype)}`);
  if (complex) dtype = complexOf(dtype);
  return cast_(ctx, t, dtype);
}

/**
 * Strides of a transform's result, as PyTorch's MKL path lays it out: the transformed axes are innermost, in the order of their strides in
 * the input (`lastFixed` keeps the halved one last), the others outside in the order of theirs.
 */
function spectrumStrides(input: Tensor, shape: Shape, dims: readonly number[], lastFixed: boolean): number[] {
  const descending = (list: readonly number[]): number[] => [...list].sort((x, y) => (input.strides[y] ?? 0) - (input.strides[x] ?? 0) || list.indexOf(x) - list.indexOf(y));
  const inner = lastFixed ? [...descending(dims.slice(0, -1)), ...dims.slice(-1)] : descending(dims);
  const outer = descending(shape.map((_, i) => i).filter((i) => !dims.includes(i)));
  const strides = new Array<number>(shape.length).fill(1);
  let step = 1;
  for (const axis of [...outer, ...inner].reverse()) {
    strides[axis] = step;
    step *= Math.max(shape[axis] ?? 1, 1);
  }
  return strides;
}

/** Complex transform along axes; each is one fft call, the last of them into `strides`. */
export function transformed(ctx: Context, t: Tensor, dims: readonly number[], scaling: Scaling, forward: boolean, strides?: readonly number[]): Tensor {
  let x = resolved(ctx, t);
  const layout = strides ?? spectrumStrides(t, t.shape, dims, false);
  dims.forEach((axis, i) => {
    const out = i === dims.length - 1 ? empty(ctx, x.shape, x.dtype, layout) : empty(ctx, x.shape, x.dtype);
    const n = x.shape[axis] ?? 1;
    if (out.numel > 0) ctx.run({ kind: "fft", axis, inverse: !forward, scale: factor(scaling, n), transform, operands: [x], results: [out], scalars: [] });
    x = out;
  });
  return x;
}

/** Zeros added or the tail dropped along axes, so that they have the given sizes; -1 keeps a size. */
function resized(ctx: Context, t: Tensor, dims: readonly number[], sizes: readonly number[]): Tensor {
  let x = t;
  dims.forEach((axis, i) => {
    const [now, want] = [x.shape[axis] ?? 0, sizes[i] ?? -1];
    if (want !== -1 && want < now) x = sliced(x, axis, 0, want, 1);
  });
  const shape = [...x.shape];
  dims.forEach((axis, i) => {
    if ((sizes[i] ?? -1) !== -1) shape[axis] = sizes[i] ?? 0;
  });
  if (shape.every((s, i) => s === x.shape[i])) return x;
  const program = programs(`pad ${x.dtype},${x.rank}`, () => {
    const here = axes(x.rank);
    const inside = here.map((e, i) => binary("lt", e, scalar(i, "index"))).reduce((a, b) => binary("and", a, b));
    return { name: "zero_pad", operands: [x.dtype], scalars: here.map(() => "index" as const), outputs: [{ dtype: x.dtype, parts: loadParts(0, x.dtype, here, inside) }], messages: [] };
  });
  return compute(ctx, program, shape, [x], x.shape)[0] ?? unreachable("pad");
}

/** The whole spectrum of a real signal of length n from its first half along an axis. */
function mirrored(ctx: Context, t: Tensor, axis: number, n: number): Tensor {
  const program = programs(`mirror ${t.dtype},${t.rank},${axis}`, () => {
    const here = axes(t.rank);
    const length = scalar(0, "index");
    const upper = binary("gt", here[axis] ?? index(0), binary("quot", length, constant(2, "index")));
    const at = here.map((e, i): Expr => (i === axis ? select(upper, subOf(length, e), e) : e));
    const type = computeType(t.dtype);
    const im = load(0, type, at, 1);
    return { name: "mirror", operands: [t.dtype], scalars: ["index"], outputs: [{ dtype: t.dtype, parts: [load(0, type, at), select(upper, unary("neg", im), im)] }], messages: [] };
  });
  const shape = t.shape.map((s, i) => (i === axis ? n : s));
  return compute(ctx, program, shape, [t], [n])[0] ?? unreachable("mirror");
}

/** Half spectrum (or whole) of real numbers: the last of `dims` is halved. */
export function realToComplex(ctx: Context, t: Tensor, dims: readonly number[], scaling: Scaling, onesided: boolean): Tensor {
  const last = dims[dims.length - 1] ?? 0;
  const n = t.shape[last] ?? 1;
  const shape = t.shape.map((s, i) => (i === last && onesided ? Math.floor(n / 2) + 1 : s));
  const strides = spectrumStrides(t, shape, dims, true);
  const whole = transformed(ctx, cast_(ctx, t, complexOf(t.dtype)), [last], scaling, true, onesided || dims.length > 1 ? undefined : strides);
  const half = onesided ? sliced(whole, last, 0, shape[last] ?? 0, 1) : whole;
  if (dims.length > 1) return transformed(ctx, half, dims.slice(0, -1), scaling, true, strides);
  return onesided ? copyOf(ctx, half, half.dtype, strides) : half;
}

/** Real numbers of length `n` along the last of `dims` from their half spectrum. */
export function complexToReal(ctx: Context, t: Tensor, dims: readonly number[], scaling: Scaling, n: number): Tensor {
  const last = dims[dims.length - 1] ?? 0;
  const x = dims.length > 1 ? transformed(ctx, t, dims.slice(0, -1), scaling, false) : t;
  const whole = transformed(ctx, mirrored(ctx, resolved(ctx, x), last, n), [last], scaling, false);
  return copyOf(ctx, partOf(whole, 0), undefined, spectrumStrides(x, whole.shape, [last], true));
}

function lengthOf(n: number | null, own: number): number {
  const length = n ?? own;
  if (length < 1) throw new OpwiseError("bad-argument", `Invalid number of data points (${length}) specified`);
  return length;
}

/** An axis of a tensor that has axes. */
function axisOf(t: Tensor, dim: number): number {
  if (t.rank === 0) throw new OpwiseError("index-out-of-range", `Dimension specified as ${dim} but tensor has no dimensions`);
  return wrapDim(dim, t.rank);
}

interface Axes {
  readonly dims: number[];
  readonly sizes: number[];
}

/** Sizes and axes as the n-d functions take them. */
function axesArgument(t: Tensor, s: readonly number[] | null, dim: readonly number[] | null): Axes {
  if (s !== null && dim === null && s.length > t.rank) throw new OpwiseError("bad-argument", `Got shape with ${s.length} values but input tensor only has ${t.rank} dimensions.`);
  if (s !== null && dim !== null && dim.length !== s.length) throw new OpwiseError("bad-argument", "When given, dim and shape arguments must have the same length");
  const dims = dim !== null ? dim.map((d) => axisOf(t, d)) : s !== null ? s.map((_, i) => t.rank - s.length + i) : t.shape.map((_, i) => i);
  if (new Set(dims).size !== dims.length) throw new OpwiseError("bad-argument", "FFT dims must be unique");
  const sizes = dims.map((d, i) => (s === null || s[i] === -1 ? (t.shape[d] ?? 1) : (s[i] ?? 1)));
  for (const n of sizes) if (n < 1) throw new OpwiseError("bad-argument", `Invalid number of data points (${n}) specified`);
  return { dims, sizes };
}

function complexForm(ctx: Context, self: Tensor, n: number | null, dim: number, norm: string | null, forward: boolean): Tensor {
  const axis = axisOf(self, dim);
  const x = promoted(ctx, self, true);
  return transformed(ctx, resized(ctx, x, [axis], [lengthOf(n, x.shape[axis] ?? 1)]), [axis], scalingOf(norm, forward), forward);
}
function complexFormN(ctx: Context, self: Tensor, s: readonly number[] | null, dim: readonly number[] | null, norm: string | null, forward: boolean): Tensor {
  const { dims, sizes } = axesArgument(self, s, dim);
  const x = promoted(ctx, self, true);
  return dims.length === 0 ? x : transformed(ctx, resized(ctx, x, dims, sizes), dims, scalingOf(norm, forward), forward);
}
function realForm(ctx: Context, self: Tensor, n: number | null, dim: number, norm: string | null, forward: boolean): Tensor {
  if (isComplex(self.dtype)) throw new OpwiseError("dtype-mismatch", `${forward ? "rfft" : "ihfft"} expects a real input tensor, but got ${scalarName(self.dtype)}`);
  const axis = axisOf(self, dim);
  const x = promoted(ctx, self, false);
  const half = realToComplex(ctx, resized(ctx, x, [axis], [lengthOf(n, x.shape[axis] ?? 1)]), [axis], scalingOf(norm, forward), true);
  return forward ? half : resolved(ctx, conjugated(half));
}
function realFormN(ctx: Context, self: Tensor, s: readonly number[] | null, dim: readonly number[] | null, norm: string | null, forward: boolean): Tensor {
  if (isComplex(self.dtype)) throw new OpwiseError("dtype-mismatch", `${forward ? "rfftn" : "ihfftn"} expects a real-valued input tensor, but got ${scalarName(self.dtype)}`);
  const { dims, sizes } = axesArgument(self, s, dim);
  if (dims.length === 0) throw new OpwiseError("bad-argument", `${forward ? "rfftn" : "ihfftn"} must transform at least one axis`);
  const x = resized(ctx, promoted(ctx, self, false), dims, sizes);
  const scaling = scalingOf(norm, forward);
  if (forward) return realToComplex(ctx, x, dims, scaling, true);
  const half = resolved(ctx, conjugated(realToComplex(ctx, x, dims.slice(-1), scaling, true)));
  return transformed(ctx, half, dims.slice(0, -1), scaling, false);
}
function backForm(ctx: Context, self: Tensor, n: number | null, dim: number, norm: string | null, forward: boolean): Tensor {
  const axis = axisOf(self, dim);
  const x = promoted(ctx, self, true);
  const length = n ?? 2 * ((x.shape[axis] ?? 1) - 1);
  if (length < 1) throw new OpwiseError("bad-argument", `Invalid number of data points (${length}) specified`);
  const half = resized(ctx, x, [axis], [Math.floor(length / 2) + 1]);
  return complexToReal(ctx, forward ? conjugated(half) : half, [axis], scalingOf(norm, forward), length);
}
function backFormN(ctx: Context, self: Tensor, s: readonly number[] | null, dim: readonly number[] | null, norm: string | null, forward: boolean): Tensor {
  const { dims, sizes } = axesArgument(self, s, dim);
  const last = dims[dims.length - 1];
  if (last === undefined) throw new OpwiseError("bad-argument", `${forward ? "hfftn" : "irfftn"} must transform at least one axis`);
  const given = s === null ? -1 : (s[s.length - 1] ?? -1);
  const length = given === -1 ? 2 * ((self.shape[last] ?? 1) - 1) : given;
  if (length < 1) throw new OpwiseError("bad-argument", `Invalid number of data points (${length}) specified`);
  const x = resized(ctx, promoted(ctx, self, true), dims, [...sizes.slice(0, -1), Math.floor(length / 2) + 1]);
  const scaling = scalingOf(norm, forward);
  if (!forward) return complexToReal(ctx, x, dims, scaling, length);
  const first = transformed(ctx, x, dims.slice(0, -1), scaling, true);
  return complexToReal(ctx, conjugated(first), [last], scaling, length);
}

/** Bin frequencies `k / (n d)`: of a whole spectrum those past the middle are negative. */
function frequencies(ctx: Context, n: number, d: number, code: number | null, half: boolean): Tensor {
  const dtype = code === null ? ctx.defaultDtype : dtypeOfTorch(code);
  const program = programs(`freq ${dtype},${half}`, () => {
    const length = scalar(0, "index");
    const wraps = binary("ge", index(0), binary("quot", binary("add", length, constant(1, "index")), constant(2, "index")));
    const k = half ? index(0) : select(wraps, subOf(index(0), length), index(0));
    const value = cast(binary("mul", cast(k, "f64"), scalar(1, "f64")), computeType(dtype));
    return { name: "fftfreq", operands: [], scalars: ["index", "f64"], outputs: [{ dtype, parts: isComplex(dtype) ? [value, zeroOf(computeType(dtype))] : [value] }], messages: [] };
  });
  return compute(ctx, program, [half ? Math.floor(n / 2) + 1 : n], [], [n, 1 / (n * d)])[0] ?? unreachable("frequencies");
}

function shifted(ctx: Context, self: Tensor, dim: readonly number[] | null, inverse: boolean): Tensor {
  const dims = dim === null ? self.shape.map((_, i) => i) : dim.map((d) => axisOf(self, d));
  if (dims.length === 0) return copyOf(ctx, self);
  return roll(ctx, self, dims.map((d) => Math.floor(((self.shape[d] ?? 1) + (inverse ? 1 : 0)) / 2)), dims);
}

/** PyTorch 2.13's `out=` of `ihfftn` writes only where there are axes besides the halved one; else `out` keeps what it holds. */
function ihfftnInto(ctx: Context, self: Tensor, s: readonly number[] | null, dim: readonly number[] | null, norm: string | null, out: Tensor): Tensor {
  const value = realFormN(ctx, self, s, dim, norm, false);
  if (axesArgument(self, s, dim).dims.length > 1) writeOut(ctx, out, value);
  return out;
}

function scalingCode(code: number): Scaling {
  return code === 1 ? 1 : code === 2 ? 2 : 0;
}

export const fourier: readonly Op[] = [
  op("aten::fft_fft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor", { run: (ctx, self, n, dim, norm) => complexForm(ctx, self, n, dim, norm, true) }),
  op("aten::fft_ifft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor", { run: (ctx, self, n, dim, norm) => complexForm(ctx, self, n, dim, norm, false) }),
  op("aten::fft_rfft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor", { run: (ctx, self, n, dim, norm) => realForm(ctx, self, n, dim, norm, true) }),
  op("aten::fft_ihfft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor", { run: (ctx, self, n, dim, norm) => realForm(ctx, self, n, dim, norm, false) }),
  op("aten::fft_irfft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor", { run: (ctx, self, n, dim, norm) => backForm(ctx, self, n, dim, norm, false) }),
  op("aten::fft_hfft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor", { run: (ctx, self, n, dim, norm) => backForm(ctx, self, n, dim, norm, true) }),
  op("aten::fft_fft2(Tensor self, SymInt[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor", { run: (ctx, self, s, dim, norm) => complexFormN(ctx, self, s, dim, norm, true) }),
  op("aten::fft_ifft2(Tensor self, SymInt[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor", { run: (ctx, self, s, dim, norm) => complexFormN(ctx, self, s, dim, norm, false) }),
  op("aten::fft_fftn(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor", { run: (ctx, self, s, dim, norm) => complexFormN(ctx, self, s, dim, norm, true) }),
  op("aten::fft_ifftn(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor", { run: (ctx, self, s, dim, norm) => complexFormN(ctx, self, s, dim, norm, false) }),
  op("aten::fft_rfft2(Tensor self, SymInt[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor", { run: (ctx, self, s, dim, norm) => realFormN(ctx, self, s, dim, norm, true) }),
  op("aten::fft_ihfft2(Tensor self, SymInt[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor", { run: (ctx, self, s, dim, norm) => realFormN(ctx, self, s, dim, norm, false) }),
  op("aten::fft_ihfft2.out(Tensor self, SymInt[1]? s=None, int[1] dim=[-2, -1], str? norm=None, *, Tensor(a!) out) -> Tensor(a!)", { run: ihfftnInto }),
  op("aten::fft_rfftn(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor", { run: (ctx, self, s, dim, norm) => realFormN(ctx, self, s, dim, norm, true) }),
  op("aten::fft_ihfftn(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor", { run: (ctx, self, s, dim, norm) => realFormN(ctx, self, s, dim, norm, false) }),
  op("aten::fft_ihfftn.out(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None, *, Tensor(a!) out) -> Tensor(a!)", { run: ihfftnInto }),
  op("aten::fft_irfft2(Tensor self, SymInt[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor", { run: (ctx, self, s, dim, norm) => backFormN(ctx, self, s, dim, norm, false) }),
  op("aten::fft_hfft2(Tensor self, SymInt[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor", { run: (ctx, self, s, dim, norm) => backFormN(ctx, self, s, dim, norm, true) }),
  op("aten::fft_irfftn(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor", { run: (ctx, self, s, dim, norm) => backFormN(ctx, self, s, dim, norm, false) }),
  op("aten::fft_hfftn(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor", { run: (ctx, self, s, dim, norm) => backFormN(ctx, self, s, dim, norm, true) }),
  op("aten::_fft_c2c(Tensor self, SymInt[] dim, int normalization, bool forward) -> Tensor", { run: (ctx, self, dim, scaling, forward) => transformed(ctx, self, wrapDims(dim, self.rank), scalingCode(scaling), forward) }),
  op("aten::_fft_r2c(Tensor self, int[] dim, int normalization, bool onesided) -> Tensor", { run: (ctx, self, dim, scaling, onesided) => realToComplex(ctx, self, wrapDims(dim, self.rank), scalingCode(scaling), onesided) }),
  op("aten::_fft_c2r(Tensor self, int[] dim, int normalization, SymInt last_dim_size) -> Tensor", { run: (ctx, self, dim, scaling, n) => complexToReal(ctx, self, wrapDims(dim, self.rank), scalingCode(scaling), n) }),
  op("aten::fft_fftfreq(int n, float d=1., *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, n, d, dtype) => frequencies(ctx, n, d, dtype, false) }),
  op("aten::fft_rfftfreq(int n, float d=1., *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", { run: (ctx, n, d, dtype) => frequencies(ctx, n, d, dtype, true) }),
  op("aten::fft_fftshift(Tensor self, int[1]? dim=None) -> Tensor", { run: (ctx, self, dim) => shifted(ctx, self, dim, false) }),
  op("aten::fft_ifftshift(Tensor self, int[1]? dim=None) -> Tensor", { run: (ctx, self, dim) => shifted(ctx, self, dim, true) }),
];
