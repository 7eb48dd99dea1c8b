/** Short-time Fourier transforms (PyTorch: stft, istft): frames are a strided view; the inverse adds them up again. */

import { binary, constant, type Expr, index, scalar, select } from "../../expr/expr.ts";
import { cast_, compute } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import type { Program } from "../../prims/program.ts";
import { asComplex, asReal, expanded, reshaped, selected, sliced, transposed, unfolded, unsqueezed } from "../../prims/views.ts";
import { complexOf, type DType, isComplex, realOf } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise } from "../elementwise.ts";
import { extremum } from "./reduction.ts";
import { filled } from "./filling.ts";
import { complexToReal, realToComplex, type Scaling, transformed } from "./fourier.ts";
import { scatterInto } from "./indexing.ts";
import { addOf, loadParts, memo, mulOf, subOf } from "./memo.ts";

const programs = memo<Program>();
const times = elementwise("mul", (x, y) => x.mul(y));
const quotient = elementwise("div", (x, y) => x.div(y));
const magnitude = elementwise("abs", (x) => x.abs(), { promotion: "real" });

/** A signal `[B, L]` with `before` and `after` more samples: zeros, or its own samples by the mode. */
function padded(ctx: Context, t: Tensor, before: number, after: number, mode: string): Tensor {
  if (before === 0 && after === 0) return t;
  const n = t.shape[1] ?? 0;
  if (mode === "reflect" && (before >= n || after >= n)) {
    throw new OpwiseError("bad-argument", `Argument #4: Padding size should be less than the corresponding input dimension, but got: padding (${before}, ${after}) at dimension 2 of input [1, ${t.shape.join(", ")}]`);
  }
  const program = programs(`pad ${t.dtype},${mode}`, () => {
    const length = scalar(1, "index");
    const zero = constant(0, "index");
    const last = subOf(length, constant(1, "index"));
    const at = subOf(index(1), scalar(0, "index"));
    const inside = binary("and", binary("ge", at, zero), binary("lt", at, length));
    const folded: Record<string, Expr> = {
      reflect: select(binary("lt", at, zero), subOf(zero, at), select(binary("gt", at, last), subOf(addOf(last, last), at), at)),
      replicate: binary("min", binary("max", at, zero), last),
      circular: binary("remainder", at, length),
    };
    const place = folded[mode];
    const parts = place === undefined ? loadParts(0, t.dtype, [index(0), at], inside) : loadParts(0, t.dtype, [index(0), place]);
    return { name: "pad", operands: [t.dtype], scalars: ["index", "index"], outputs: [{ dtype: t.dtype, parts }], messages: [] };
  });
  return compute(ctx, program, [t.shape[0] ?? 1, n + before + after], [t], [before, n])[0] ?? unreachable("pad");
}

/** The window as long as a frame: ones where none is given, zeros around a shorter one. */
function frameWindow(ctx: Context, window: Tensor | null, length: number, nFft: number, dtype: DType): Tensor {
  const own = window ?? filled(ctx, [length], dtype, { kind: "int", value: 1 });
  const left = Math.floor((nFft - length) / 2);
  const shown = reshaped(ctx, own, [1, length]);
  return reshaped(ctx, padded(ctx, cast_(ctx, shown, own.dtype), left, nFft - length - left, "constant"), [nFft]);
}

interface StftOptions {
  readonly nFft: number;
  readonly hop: number | null;
  readonly winLength: number | null;
  readonly window: Tensor | null;
  readonly center: boolean;
  readonly padMode: string;
  readonly normalized: boolean;
  readonly onesided: boolean | null;
  readonly returnComplex: boolean | null;
  readonly alignToWindow: boolean;
}

function stft(ctx: Context, self: Tensor, options: StftOptions): Tensor {
  const { nFft, window, center } = options;
  const hop = options.hop ?? Math.floor(nFft / 4);
  const winLength = options.winLength ?? nFft;
  const real = !isComplex(self.dtype) && (window === null || !isComplex(window.dtype));
  if (self.rank > 2 || self.rank < 1) throw new OpwiseError("bad-argument", `stft: expected a 1D or 2D tensor`, { got: `[${self.shape.join(", ")}]` });
  let x = self.rank === 1 ? unsqueezed(self, 0) : self;
  if (center) x = padded(ctx, x, Math.floor(nFft / 2), Math.floor(nFft / 2), options.padMode);
  else if (options.alignToWindow) {
    const extra = nFft - winLength;
    x = padded(ctx, x, Math.floor(extra / 2), extra - Math.floor(extra / 2), "constant");
  }
  const length = x.shape[1] ?? 0;
  if (nFft <= 0 || nFft > length) throw new OpwiseError("bad-argument", `stft: expected 0 < n_fft <= ${length}, but got n_fft=${nFft}`);
  if (hop <= 0) throw new OpwiseError("bad-argument", `stft: expected hop_length > 0, but got hop_length=${hop}`);
  if (winLength <= 0 || winLength > nFft) throw new OpwiseError("bad-argument", `stft: expected 0 < win_length <= n_fft, but got win_length=${winLength}`);
  if (window !== null && (window.rank !== 1 || window.shape[0] !== winLength)) {
    throw new OpwiseError("bad-argument", `stft: expected a 1D window tensor of size equal to win_length=${winLength}, but got window with size [${window.shape.join(", ")}]`);
  }
  let frames = unfolded(x, 1, nFft, hop);
  if (window !== null || winLength < nFft) frames = apply(ctx, times, [frames, frameWindow(ctx, window, winLength, nFft, realOf(self.dtype))]);
  const scaling: Scaling = options.normalized ? 1 : 0;
  const onesided = options.onesided ?? real;
  if (onesided && !real) throw new OpwiseError("bad-argument", "Cannot have onesided output if window or input is complex");
  const spectrum = real ? realToComplex(ctx, frames, [2], scaling, onesided) : transformed(ctx, cast_(ctx, frames, complexOf(frames.dtype)), [2], scaling, true);
  const turned = transposed(spectrum, 1, 2);
  const out = self.rank === 1 ? selected(turned, 0, 0) : turned;
  return options.returnComplex ?? !real ? out : asReal(out);
}

/** Frames `[B, T, N]` added where they came from, `hop` apart. */
function overlapAdd(ctx: Context, frames: Tensor, hop: number, length: number): Tensor {
  const [b = 1] = frames.shape;
  const out = filled(ctx, [b, length], frames.dtype, { kind: "int", value: 0 });
  const program = programs(`fold ${frames.dtype}`, () => ({
    name: "overlap_add", operands: [frames.dtype], scalars: ["index"],
    outputs: [{ dtype: "int64", parts: [index(0)] }, { dtype: "int64", parts: [addOf(mulOf(index(1), scalar(0, "index")), index(2))] }, { dtype: frames.dtype, parts: loadParts(0, frames.dtype, [index(0), index(1), index(2)]) }],
    messages: [],
  }));
  return scatterInto(ctx, out, program, frames.shape, [frames], [hop], "add");
}

function* istft(ctx: Context, self: Tensor, options: Omit<StftOptions, "padMode" | "alignToWindow"> & { readonly length: number | null }): Generator<Tensor, Tensor, void> {
  const { nFft, window, center, length } = options;
  const hop = options.hop ?? Math.floor(nFft / 4);
  const winLength = options.winLength ?? nFft;
  const input = isComplex(self.dtype) ? self : asComplex(self);
  if (input.rank > 3 || input.rank < 2) throw new OpwiseError("bad-argument", `istft: expected a tensor with 2 or 3 dimensions, but got ${input.rank}`);
  const x = input.rank === 2 ? unsqueezed(input, 0) : input;
  const [, bins = 0, count = 0] = x.shape;
  const returnComplex = options.returnComplex ?? false;
  const onesided = options.onesided ?? bins !== nFft;
  if (onesided && bins !== Math.floor(nFft / 2) + 1) throw new OpwiseError("bad-argument", `istft: expected the frequency dimension (3rd to the last) of the input tensor to match n_fft / 2 + 1 when onesided=True, but got ${bins}`);
  if (!onesided && bins !== nFft) throw new OpwiseError("bad-argument", `istft: expected the frequency dimension (3rd to the last) of the input tensor to match n_fft when onesided=False, but got ${bins}`);
  if (!(hop > 0 && hop <= winLength)) throw new OpwiseError("bad-argument", "istft: expected 0 < hop_length <= win_length");
  if (!(winLength > 0 && winLength <= nFft)) throw new OpwiseError("bad-argument", "istft: expected 0 < win_length <= n_fft");
  const scaling: Scaling = options.normalized ? 1 : 2;
  const spectrum = transposed(x, 1, 2);
  let frames: Tensor;
  if (returnComplex) {
    if (onesided) throw new OpwiseError("bad-argument", "istft: Cannot have onesided output if window or input is complex");
    frames = transformed(ctx, spectrum, [2], scaling, false);
  } else {
    // Of a whole spectrum the first half is taken for that of real numbers.
    frames = complexToReal(ctx, onesided ? spectrum : sliced(spectrum, 2, 0, Math.floor(nFft / 2) + 1, 1), [2], scaling, nFft);
  }
  const shape = frameWindow(ctx, window, winLength, nFft, realOf(x.dtype));
  const full = nFft + hop * (count - 1);
  const signal = overlapAdd(ctx, apply(ctx, times, [frames, shape]), hop, full);
  const squares = expanded(reshaped(ctx, apply(ctx, times, [shape, shape]), [1, 1, nFft]), [1, count, nFft]);
  const envelope = overlapAdd(ctx, squares, hop, full);
  const start = center ? Math.floor(nFft / 2) : 0;
  const end = length !== null ? start + length : center ? full - Math.floor(nFft / 2) : full;
  const [y, weight] = [sliced(signal, 1, start, end, 1), sliced(envelope, 1, start, end, 1)];
  const lowest = extremum(ctx, apply(ctx, magnitude, [weight]), null, false, false);
  yield lowest;
  if (Number(lowest.item()) <= 1e-11) throw new OpwiseError("runtime-error", `istft(...) window overlap add min: 1`);
  let out = apply(ctx, quotient, [y, weight]);
  if (length !== null && end > full) out = padded(ctx, out, 0, end - full, "constant");
  return input.rank === 2 ? selected(out, 0, 0) : out;
}

export const shortTime: readonly Op[] = [
  op("aten::stft(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool normalized=False, bool? onesided=None, bool? return_complex=None, bool? align_to_window=None) -> Tensor", {
    run: (ctx, self, nFft, hop, winLength, window, normalized, onesided, returnComplex, align) =>
      stft(ctx, self, { nFft, hop, winLength, window, center: false, padMode: "constant", normalized, onesided, returnComplex, alignToWindow: align ?? false }),
  }),
  op("aten::stft.center(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool center=True, str pad_mode=\"reflect\", bool normalized=False, bool? onesided=None, bool? return_complex=None, bool? align_to_window=None) -> Tensor", {
    run: (ctx, self, nFft, hop, winLength, window, center, padMode, normalized, onesided, returnComplex, align) =>
      stft(ctx, self, { nFft, hop, winLength, window, center, padMode, normalized, onesided, returnComplex, alignToWindow: align ?? false }),
  }),
  op("aten::istft(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool center=True, bool normalized=False, bool? onesided=None, int? length=None, bool return_complex=False) -> Tensor", {
    reads: (ctx, self, nFft, hop, winLength, window, center, normalized, onesided, length, returnComplex) =>
      istft(ctx, self, { nFft, hop, winLength, window, center, normalized, onesided, length, returnComplex }),
  }),
];
