/** Elements in another order (PyTorch: flip, roll, rot90, pixel_shuffle ...). */

import { binary, constant, type Expr, index } from "../../expr/expr.ts";
import { compute, contiguous, copyInto, copyOf, empty, resultStrides } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import type { Program } from "../../prims/program.ts";
import { permuted, reshaped, shapeView, transposed } from "../../prims/views.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { channelsLastStrides, contiguousStrides, wrapDim, wrapDims } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { isChannelsLast } from "./joins.ts";
import { addOf, axes, loadParts, memo, mulOf, quotOf, remOf, size, subOf } from "./memo.ts";

const programs = memo<Program>();

/** Axes reversed. */
export function flip(ctx: Context, t: Tensor, dims: readonly number[]): Tensor {
  const turned = wrapDims(dims, t.rank).filter((d) => d < t.rank);
  const program = programs(`flip ${t.dtype},${t.rank},${turned.join(".")}`, () => {
    const at = axes(t.rank).map((e, i): Expr => {
      const slot = turned.indexOf(i);
      return slot < 0 ? e : subOf(subOf(size(slot), constant(1, "index")), e);
    });
    return { name: "flip", operands: [t.dtype], scalars: turned.map(() => "index" as const), outputs: [{ dtype: t.dtype, parts: loadParts(0, t.dtype, at) }], messages: [] };
  });
  const out = empty(ctx, t.shape, t.dtype, resultStrides(t.shape, [t]));
  out.quantizer = t.quantizer;
  compute(ctx, program, t.shape, [t], turned.map((d) => t.shape[d] ?? 1), [out]);
  return out;
}

/** Elements moved `shifts` places along `dims`, round the end. */
export function roll(ctx: Context, t: Tensor, shifts: readonly number[], dims: readonly number[]): Tensor {
  if (dims.length === 0 && shifts.length === 1) {
    return reshaped(ctx, roll(ctx, reshaped(ctx, contiguous(ctx, t), [t.numel]), shifts, [0]), t.shape);
  }
  if (shifts.length === 0) throw new OpwiseError("bad-argument", "`shifts` required");
  if (shifts.length !== dims.length) throw new OpwiseError("bad-argument", `shifts and dimensions must align. shifts: ${shifts.length}, dims:${dims.length}`);
  if (t.numel === 0) return copyOf(ctx, t);
  if (t.rank === 0) throw new OpwiseError("index-out-of-range", `Dimension specified as ${dims[0] ?? 0} but tensor has no dimensions`);
  const moves = new Map<number, number>();
  dims.forEach((dim, i) => {
    const axis = wrapDim(dim, t.rank);
    moves.set(axis, (moves.get(axis) ?? 0) + (shifts[i] ?? 0));
  });
  const moved = [...moves.keys()].filter((axis) => axis < t.rank);
  const program = programs(`roll ${t.dtype},${t.rank},${moved.join(".")}`, () => {
    const at = axes(t.rank).map((e, i): Expr => {
      const slot = moved.indexOf(i);
      return slot < 0 ? e : remOf(addOf(e, size(2 * slot)), size(2 * slot + 1));
    });
    return { name: "roll", operands: [t.dtype], scalars: moved.flatMap(() => ["index", "index"] as const), outputs: [{ dtype: t.dtype, parts: loadParts(0, t.dtype, at) }], messages: [] };
  });
  const scalars = moved.flatMap((axis) => {
    const length = t.shape[axis] ?? 1;
    const by = (((moves.get(axis) ?? 0) % length) + length) % length;
    return [(length - by) % length, length];
  });
  const [out] = compute(ctx, program, t.shape, [t], scalars);
  const result = out ?? t;
  result.quantizer = t.quantizer;
  return result;
}

function rot90(ctx: Context, t: Tensor, k: number, dims: readonly number[]): Tensor {
  if (dims.length !== 2) throw new OpwiseError("bad-argument", `expected total rotation dims == 2, but got dims = ${dims.length}`);
  if (t.rank < 2) throw new OpwiseError("bad-argument", `expected total dims >= 2, but got total dims = ${t.rank}`);
  const [a = 0, b = 1] = dims.map((d) => wrapDim(d, t.rank));
  if (a === b) throw new OpwiseError("bad-argument", `expected rotation dims to be different, but got dim0 = ${dims[0]} and dim1 = ${dims[1]}`);
  switch (((k % 4) + 4) % 4) {
    case 1: return transposed(flip(ctx, t, [b]), a, b);
    case 2: return flip(ctx, t, [a, b]);
    case 3: return transposed(flip(ctx, t, [a]), a, b);
    default: return copyOf(ctx, t);
  }
}

/** `t` seen as `inner`, its axes permuted, copied and seen as `outer`; a channels_last picture gives one. */
function shuffled(ctx: Context, t: Tensor, inner: readonly number[], order: readonly number[], outer: readonly number[]): Tensor {
  const from = permuted(reshaped(ctx, t, inner), order);
  const out = empty(ctx, outer, t.dtype, isChannelsLast(t) && outer.length === 4 ? channelsLastStrides(outer) : contiguousStrides(outer));
  out.quantizer = t.quantizer;
  copyInto(ctx, shapeView(out, from.shape) ?? unreachable("axes that split"), from);
  return out;
}

function pixelShuffle(ctx: Context, t: Tensor, r: number): Tensor {
  if (t.rank < 3) throw new OpwiseError("bad-argument", `pixel_shuffle expects input to have at least 3 dimensions, but got input with ${t.rank} dimension(s)`);
  if (!(r > 0)) throw new OpwiseError("bad-argument", `pixel_shuffle expects a positive upscale_factor, but got ${r}`);
  const lead = t.shape.slice(0, -3);
  const [c = 0, h = 0, w = 0] = t.shape.slice(-3);
  if (c % (r * r) !== 0) throw new OpwiseError("bad-argument", `pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but input.size(-3)=${c} is not divisible by ${r * r}`);
  const n = lead.length;
  const order = [...lead.map((_, i) => i), n, n + 3, n + 1, n + 4, n + 2];
  return shuffled(ctx, t, [...lead, c / (r * r), r, r, h, w], order, [...lead, c / (r * r), h * r, w * r]);
}

function pixelUnshuffle(ctx: Context, t: Tensor, r: number): Tensor {
  if (t.rank < 3) throw new OpwiseError("bad-argument", `pixel_unshuffle expects input to have at least 3 dimensions, but got input with ${t.rank} dimension(s)`);
  if (!(r > 0)) throw new OpwiseError("bad-argument", `pixel_unshuffle expects a positive downscale_factor, but got ${r}`);
  const lead = t.shape.slice(0, -3);
  const [c = 0, h = 0, w = 0] = t.shape.slice(-3);
  if (h % r !== 0) throw new OpwiseError("bad-argument", `pixel_unshuffle expects height to be divisible by downscale_factor, but input.size(-2)=${h} is not divisible by ${r}`);
  if (w % r !== 0) throw new OpwiseError("bad-argument", `pixel_unshuffle expects width to be divisible by downscale_factor, but input.size(-1)=${w} is not divisible by ${r}`);
  const n = lead.length;
  const order = [...lead.map((_, i) => i), n, n + 2, n + 4, n + 1, n + 3];
  return shuffled(ctx, t, [...lead, c, h / r, r, w / r, r], order, [...lead, c * r * r, h / r, w / r]);
}

function channelShuffle(ctx: Context, t: Tensor, groups: number): Tensor {
  if (t.rank < 3) throw new OpwiseError("bad-argument", `channel_shuffle expects input with > 2 dims, but got input with sizes [${t.shape.join(", ")}]`);
  if (!(groups > 0)) throw new OpwiseError("bad-argument", `Number of groups to divide channels in must be positive. Value of groups:${groups}`);
  const [n = 0, c = 0, ...rest] = t.shape;
  if (c % groups !== 0) throw new OpwiseError("bad-argument", `Number of channels must be divisible by groups. Got ${c} channels and ${groups} groups.`);
  const pixels = rest.reduce((a, b) => a * b, 1);
  return shuffled(ctx, t, [n, groups, c / groups, pixels], [0, 2, 1, 3], t.shape);
}

function needs(t: Tensor, rank: number): Tensor {
  if (t.rank < rank) throw new OpwiseError("bad-argument", `Input must be >= ${rank}-d.`);
  return t;
}

/** Sliding blocks of `[N, C, H, W]` as columns `[N, C * kh * kw, blocks]` (torch.nn.functional.unfold). */
function im2col(ctx: Context, self: Tensor, kernel: readonly number[], dilation: readonly number[], padding: readonly number[], stride: readonly number[]): Tensor {
  if (self.rank === 3) {
    const one = im2col(ctx, reshaped(ctx, self, [1, ...self.shape]), kernel, dilation, padding, stride);
    return reshaped(ctx, one, one.shape.slice(1));
  }
  if (self.rank !== 4) throw new OpwiseError("shape-mismatch", `im2col(): Expected 3D or 4D (batch mode) tensor for input, got ${self.rank}D`);
  const pair = (values: readonly number[], by: number): readonly [number, number] => [values[0] ?? by, values[1] ?? values[0] ?? by];
  const [[kh, kw], [dh, dw], [ph, pw], [sh, sw]] = [pair(kernel, 1), pair(dilation, 1), pair(padding, 0), pair(stride, 1)];
  const [n = 0, c = 0, h = 0, w = 0] = self.shape;
  const [oh, ow] = [Math.floor((h + 2 * ph - dh * (kh - 1) - 1) / sh) + 1, Math.floor((w + 2 * pw - dw * (kw - 1) - 1) / sw) + 1];
  if (oh < 1 || ow < 1) throw new OpwiseError("shape-mismatch", `im2col(): input of spatial size (${h}, ${w}) has no whole sliding block`, { wanted: "at least one block", got: `(${oh}, ${ow})` });
  const program = programs(`im2col ${self.dtype}`, () => {
    const [, row = index(1), column = index(2)] = axes(3);
    const [kernelH, kernelW, blocksW, height, width] = [size(0), size(1), size(2), size(3), size(4)];
    const along = (block: Expr, step: number, tap: Expr, gap: number, pad: number): Expr => subOf(addOf(mulOf(block, size(step)), mulOf(tap, size(gap))), size(pad));
    const y = along(quotOf(column, blocksW), 5, remOf(quotOf(row, kernelW), kernelH), 7, 9);
    const x = along(remOf(column, blocksW), 6, remOf(row, kernelW), 8, 10);
    const zero = constant(0, "index");
    const within = (at: Expr, end: Expr): Expr => binary("and", binary("ge", at, zero), binary("lt", at, end));
    const inside = binary("and", within(y, height), within(x, width));
    const channel = quotOf(row, mulOf(kernelH, kernelW));
    return { name: "im2col", operands: [self.dtype], scalars: Array.from({ length: 11 }, () => "index" as const), outputs: [{ dtype: self.dtype, parts: loadParts(0, self.dtype, [index(0), channel, y, x], inside) }], messages: [] };
  });
  const [out] = compute(ctx, program, [n, c * kh * kw, oh * ow], [self], [kh, kw, ow, h, w, sh, sw, dh, dw, ph, pw]);
  return out ?? self;
}

function shuffledCodes(ctx: Context, self: Tensor, groups: number): Tensor {
  if (self.dtype !== "quint8") throw new OpwiseError("dtype-mismatch", "Quantized channel shuffle works only on QUInt8", { got: self.dtype });
  const out = channelShuffle(ctx, self, groups);
  out.quantizer ??= self.quantizer;
  return out;
}

export const rearrange: readonly Op[] = [
  op("aten::flip(Tensor self, int[] dims) -> Tensor", { run: flip, quantised: "codes" }),
  op("aten::fliplr(Tensor self) -> Tensor", { run: (ctx, self) => flip(ctx, needs(self, 2), [1]), quantised: "codes" }),
  op("aten::flipud(Tensor self) -> Tensor", { run: (ctx, self) => flip(ctx, needs(self, 1), [0]), quantised: "codes" }),
  op("aten::roll(Tensor self, SymInt[1] shifts, int[1] dims=[]) -> Tensor", { run: roll }),
  op("aten::rot90(Tensor self, int k=1, int[] dims=[0, 1]) -> Tensor", { run: rot90, quantised: "codes" }),
  op("aten::pixel_shuffle(Tensor self, int upscale_factor) -> Tensor", { run: pixelShuffle, quantised: "codes" }),
  op("aten::pixel_unshuffle(Tensor self, int downscale_factor) -> Tensor", { run: pixelUnshuffle, quantised: "codes" }),
  op("aten::channel_shuffle(Tensor self, SymInt groups) -> Tensor", { run: channelShuffle, quantised: shuffledCodes }),
  op("aten::native_channel_shuffle(Tensor self, SymInt groups) -> Tensor", { run: channelShuffle, quantised: "codes" }),
  op("aten::im2col(Tensor self, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> Tensor", { run: im2col }),
];
