/** Views: arithmetic on a tensor's strides. No call runs and nothing is copied, but for `reshaped` where strides cannot show the shape. */

import { complexOf, isComplex, itemsize, realOf, type DType, scalarName } from "../tensor/dtype.ts";
import { OpwiseError } from "../tensor/error.ts";
import { contiguousStrides, inferSize, numelOf, type Shape, type Strides, viewStrides, wrapDim, wrapDims } from "../tensor/shape.ts";
import { reachOf, Tensor, viewOf } from "../tensor/tensor.ts";
import { copyOf } from "./calls.ts";
import type { Context } from "./context.ts";

/** A list without the entries at `drop`. */
export function without<T>(list: readonly T[], drop: number | readonly number[]): T[] {
  const out = typeof drop === "number" ? [drop] : drop;
  return list.filter((_, i) => !out.includes(i));
}

/** A per-channel quantiser holds on to one axis: `axisOf` says where it went; undefined refuses. */
function moved(base: Tensor, out: Tensor, axisOf: (axis: number) => number | undefined): Tensor {
  const q = base.quantizer;
  if (q === undefined || q.scheme === "per_tensor_affine") return out;
  const axis = axisOf(q.axis);
  if (axis === undefined) {
    throw new OpwiseError("bad-argument", "Setting strides is possible only on uniformly quantized tensor", { got: q.scheme });
  }
  out.quantizer = { ...q, axis };
  return out;
}

/** The same elements under another record. */
export function aliasOf(t: Tensor): Tensor {
  return viewOf(t, t.shape, t.strides, t.offset);
}

/** Axes in the order given (non-negative, a permutation). */
export function permuted(t: Tensor, axes: readonly number[]): Tensor {
  const out = viewOf(t, axes.map((a) => t.shape[a] ?? 1), axes.map((a) => t.strides[a] ?? 1), t.offset);
  return moved(t, out, () => undefined);
}

/** Two axes exchanged; negative ones count from the end. @throws index-out-of-range */
export function transposed(t: Tensor, dim0: number, dim1: number): Tensor {
  const [a, b] = [wrapDim(dim0, t.rank), wrapDim(dim1, t.rank)];
  if (a === b) return aliasOf(t);
  const axes = t.shape.map((_, i) => (i === a ? b : i === b ? a : i));
  return permuted(t, axes);
}

/** Axis `from` moved to position `to` (both non-negative). */
export function axisMoved(t: Tensor, from: number, to: number): Tensor {
  const axes = without(t.shape.map((_, i) => i), from);
  axes.splice(to, 0, from);
  return permuted(t, axes);
}

/** Position `index` of axis `dim`; the axis is gone. @throws index-out-of-range */
export function selected(t: Tensor, dim: number, index: number): Tensor {
  if (t.rank === 0) throw new OpwiseError("index-out-of-range", "select() cannot be applied to a 0-dim tensor.");
  const axis = wrapDim(dim, t.rank);
  const size = t.shape[axis] ?? 0;
  if (index < -size || index >= size) {
    throw new OpwiseError("index-out-of-range", `select(): index ${index} out of range for tensor of size [${t.shape.join(", ")}] at dimension ${axis}`);
  }
  const at = index < 0 ? index + size : index;
  const out = viewOf(t, without(t.shape, axis), without(t.strides, axis), t.offset + at * (t.strides[axis] ?? 0));
  const q = t.quantizer;
  if (q !== undefined && q.scheme !== "per_tensor_affine" && q.axis === axis) {
    const pick = (list: Tensor): number => Number(selected(list, 0, at).item());
    out.quantizer = { scheme: "per_tensor_affine", scale: pick(q.scales), zeroPoint: Math.round(pick(q.zeroPoints)) };
    return out;
  }
  return moved(t, out, (a) => (a > axis ? a - 1 : a));
}

/** `t[..., start:end:step, ...]` with Python's clamping; `step` is positive. @throws bad-argument */
export function sliced(t: Tensor, dim: number, start: number | null, end: number | null, step: number): Tensor {
  if (t.rank === 0) throw new OpwiseError("bad-argument", "slice() cannot be applied to a 0-dim tensor.");
  const axis = wrapDim(dim, t.rank);
  if (!(step > 0)) throw new OpwiseError("bad-argument", "slice step must be positive");
  const size = t.shape[axis] ?? 0;
  const clamp = (value: number): number => Math.min(Math.max(value < 0 ? value + size : value, 0), size);
  const from = clamp(start ?? 0);
  const to = Math.max(clamp(end ?? size), from);
  const shape = [...t.shape];
  const strides = [...t.strides];
  shape[axis] = Math.ceil((to - from) / step);
  const stride = strides[axis] ?? 1;
  strides[axis] = stride * step;
  const out = viewOf(t, shape, strides, t.offset + from * stride);
  const q = t.quantizer;
  if (q !== undefined && q.scheme !== "per_tensor_affine" && q.axis === axis) {
    out.quantizer = { ...q, scales: sliced(q.scales, 0, start, end, step), zeroPoints: sliced(q.zeroPoints, 0, start, end, step) };
  }
  return out;
}

/** `length` positions of axis `dim` from `start`. @throws index-out-of-range, bad-argument */
export function narrowed(t: Tensor, dim: number, start: number, length: number): Tensor {
  if (t.rank === 0) throw new OpwiseError("bad-argument", "narrow() cannot be applied to a 0-dim tensor.");
  if (length < 0) throw new OpwiseError("bad-argument", "narrow(): length must be non-negative.");
  const axis = wrapDim(dim, t.rank);
  const size = t.shape[axis] ?? 0;
  if (start < -size || start > size) {
    throw new OpwiseError("index-out-of-range", `start out of range (expected to be in range of [${-size}, ${size}], but got ${start})`);
  }
  const from = start < 0 ? start + size : start;
  if (from + length > size) throw new OpwiseError("bad-argument", `start (${from}) + length (${length}) exceeds dimension size (${size}).`);
  return sliced(t, axis, from, from + length, 1);
}

/** A new axis of size 1 at `dim`, in `[-rank-1, rank]`. @throws index-out-of-range */
export function unsqueezed(t: Tensor, dim: number): Tensor {
  const axis = wrapDim(dim, t.rank + 1);
  const shape = [...t.shape];
  const strides = [...t.strides];
  shape.splice(axis, 0, 1);
  strides.splice(axis, 0, axis < t.rank ? (t.shape[axis] ?? 1) * (t.strides[axis] ?? 1) : 1);
  return moved(t, viewOf(t, shape, strides, t.offset), (a) => (a >= axis ? a + 1 : a));
}

/** Without its axes of size 1: all of them, or those among `dims`. @throws index-out-of-range */
export function squeezed(t: Tensor, dims?: readonly number[]): Tensor {
  const among = dims === undefined ? undefined : wrapDims(dims, t.rank);
  const drop = t.shape.map((_, i) => i).filter((i) => t.shape[i] === 1 && (among === undefined || among.includes(i)));
  const out = viewOf(t, without(t.shape, drop), without(t.strides, drop), t.offset);
  return moved(t, out, (a) => (drop.includes(a) ? undefined : a - drop.filter((d) => d < a).length));
}

/** Sizes of 1 repeated without copying (`expand`); -1 keeps a size. @throws shape-mismatch */
export function expanded(t: Tensor, size: Shape): Tensor {
  const lead = size.length - t.rank;
  if (lead < 0) {
    throw new OpwiseError("shape-mismatch", `expand(torch.${scalarName(t.dtype)}Tensor{[${t.shape.join(", ")}]}, size=[${size.join(", ")}]): the number of sizes provided (${size.length}) must be greater or equal to the number of dimensions in the tensor (${t.rank})`);
  }
  const shape = new Array<number>(size.length);
  const strides = new Array<number>(size.length);
  for (let i = size.length - 1; i >= 0; i--) {
    const own = i >= lead ? (t.shape[i - lead] ?? 1) : 1;
    let stride = i >= lead ? (t.strides[i - lead] ?? 1) : (shape[i + 1] ?? 1) * (strides[i + 1] ?? 1);
    let to = size[i] ?? 1;
    if (to === -1) {
      if (i < lead) throw new OpwiseError("shape-mismatch", `The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension ${i}`);
      to = own;
    }
    if (own !== to) {
      if (own !== 1) {
        throw new OpwiseError("shape-mismatch", `The expanded size of the tensor (${to}) must match the existing size (${own}) at non-singleton dimension ${i}.  Target sizes: [${size.join(", ")}].  Tensor sizes: [${t.shape.join(", ")}]`);
      }
      stride = 0;
    }
    shape[i] = to;
    strides[i] = stride;
  }
  return viewOf(t, shape, strides, t.offset);
}

/** Another shape (one size may be -1) over the same elements, or undefined where that needs a copy. @throws shape-mismatch */
export function shapeView(t: Tensor, size: Shape): Tensor | undefined {
  const shape = inferSize(size, t.numel);
  const strides = viewStrides(t.shape, t.strides, shape);
  return strides === undefined ? undefined : viewOf(t, shape, strides, t.offset);
}

/** Another shape: a view where strides allow it, else a copy (`reshape`). @throws shape-mismatch */
export function reshaped(ctx: Context, t: Tensor, size: Shape): Tensor {
  const view = shapeView(t, size);
  if (view !== undefined) return view;
  const copy = copyOf(ctx, t);
  copy.quantizer = t.quantizer;
  const shape = inferSize(size, t.numel);
  return viewOf(copy, shape, contiguousStrides(shape), copy.offset);
}


/** Axes `start..end` (inclusive) joined to one. @throws bad-argument */
export function flattened(ctx: Context, t: Tensor, startDim = 0, endDim = -1): Tensor {
  const [start, end] = [wrapDim(startDim, t.rank), wrapDim(endDim, t.rank)];
  if (start > end) throw new OpwiseError("bad-argument", "flatten() has invalid args: start_dim cannot come after end_dim");
  if (t.rank === 0) return reshaped(ctx, t, [1]);
  if (start === end) return t;
  return reshaped(ctx, t, [...t.shape.slice(0, start), numelOf(t.shape.slice(start, end + 1)), ...t.shape.slice(end + 1)]);
}

/** The diagonal of two axes, put last. @throws bad-argument, index-out-of-range */
export function diagonalOf(t: Tensor, offset: number, dim1: number, dim2: number): Tensor {
  const [a, b] = [wrapDim(dim1, t.rank), wrapDim(dim2, t.rank)];
  if (a === b) throw new OpwiseError("bad-argument", `diagonal dimensions cannot be identical ${dim1}, ${dim2}`);
  const [rows, cols] = [t.shape[a] ?? 0, t.shape[b] ?? 0];
  const [sa, sb] = [t.strides[a] ?? 0, t.strides[b] ?? 0];
  const length = offset >= 0 ? Math.max(Math.min(rows, cols - offset), 0) : Math.max(Math.min(rows + offset, cols), 0);
  const start = length === 0 ? 0 : offset >= 0 ? offset * sb : -offset * sa;
  return viewOf(t, [...without(t.shape, [a, b]), length], [...without(t.strides, [a, b]), sa + sb], t.offset + start);
}

/** Windows of `size` along `dim`, `step` apart, as a new last axis. @throws bad-argument */
export function unfolded(t: Tensor, dim: number, size: number, step: number): Tensor {
  const axis = wrapDim(dim, t.rank);
  const max = t.rank === 0 ? 1 : (t.shape[axis] ?? 1);
  if (size < 0) throw new OpwiseError("bad-argument", `size is ${size} but must be >= 0`);
  if (size > max) throw new OpwiseError("bad-argument", `maximum size for tensor at dimension ${axis} is ${max} but size is ${size}`);
  if (!(step > 0)) throw new OpwiseError("bad-argument", `step is ${step} but must be > 0`);
  const stride = t.rank === 0 ? 1 : (t.strides[axis] ?? 1);
  const shape = [...t.shape, size];
  const strides = [...t.strides, stride];
  if (axis < t.rank) {
    shape[axis] = Math.floor((max - size) / step) + 1;
    strides[axis] = step * stride;
  }
  return viewOf(t, shape, strides, t.offset);
}

/** Free strides over a tensor's storage. @throws bad-argument where they leave it */
export function restrided(t: Tensor, shape: Shape, strides: Strides, offset: number | null): Tensor {
  if (shape.length !== strides.length) throw new OpwiseError("bad-argument", "mismatch in length of strides and shape");
  for (const s of strides) {
    if (s < 0) throw new OpwiseError("bad-argument", `as_strided: Negative strides are not supported at the moment, got strides: [${strides.join(", ")}]`);
  }
  const start = offset ?? t.offset;
  const needed = reachOf(shape, strides, start, t.dtype);
  if (start < 0 || needed > t.storage.nbytes) {
    throw new OpwiseError("bad-argument", `setStorage: sizes [${shape.join(", ")}], strides [${strides.join(", ")}], storage offset ${start}, and itemsize ${itemsize(t.dtype)} requiring a storage size of ${needed} are out of bounds for storage of size ${t.storage.nbytes}`);
  }
  return viewOf(t, [...shape], [...strides], start);
}

/** Real (0) or imaginary (1) parts of a complex tensor as a real view; the imaginary part of a conjugate has its neg bit set. */
export function partOf(t: Tensor, part: 0 | 1): Tensor {
  const out = new Tensor(t.storage, realOf(t.dtype), t.shape, t.strides.map((s) => s * 2), t.offset * 2 + part);
  out.neg = part === 1 ? t.neg !== t.conj : t.neg;
  return out;
}

/** A complex tensor without lazy bits as reals with a last axis of 2. */
export function asReal(t: Tensor): Tensor {
  return new Tensor(t.storage, realOf(t.dtype), [...t.shape, 2], [...t.strides.map((s) => s * 2), 1], t.offset * 2);
}

/** Reals with a last axis of 2 as complex numbers. @throws bad-argument */
export function asComplex(t: Tensor): Tensor {
  if (t.dtype !== "float32" && t.dtype !== "float64" && t.dtype !== "float16") throw new OpwiseError("dtype-mismatch", `view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: ${scalarName(t.dtype)}`);
  const last = t.rank - 1;
  if (t.rank === 0) throw new OpwiseError("bad-argument", "Input tensor must have one or more dimensions");
  if (t.shape[last] !== 2) throw new OpwiseError("bad-argument", "Tensor must have a last dimension of size 2");
  if (t.strides[last] !== 1) throw new OpwiseError("bad-argument", "Tensor must have a last dimension with stride 1");
  for (let i = 0; i < last; i++) {
    if ((t.strides[i] ?? 0) % 2 !== 0) throw new OpwiseError("bad-argument", `Tensor must have a stride divisible by 2 for all but last dimension`);
  }
  if (t.offset % 2 !== 0) throw new OpwiseError("bad-argument", "Tensor must have a storage_offset divisible by 2");
  return new Tensor(t.storage, complexOf(t.dtype), t.shape.slice(0, -1), t.strides.slice(0, -1).map((s) => s / 2), t.offset / 2);
}

/** The same bytes as elements of another dtype; sizes of the last axis follow. @throws bad-argument */
export function reinterpreted(t: Tensor, dtype: DType): Tensor {
  const [from, to] = [itemsize(t.dtype), itemsize(dtype)];
  if (t.conj) throw new OpwiseError("bad-argument", "torch.Tensor.view is not supported for conjugate view tensors when converting to a different dtype.");
  if (t.neg) throw new OpwiseError("bad-argument", "torch.Tensor.view is not supported for tensors with negative bit set when converting to a different dtype.");
  if (from === to) return new Tensor(t.storage, dtype, t.shape, t.strides, t.offset);
  if (t.rank === 0) throw new OpwiseError("bad-argument", `self.dim() cannot be 0 to view ${scalarName(t.dtype)} as ${scalarName(dtype)} (different element sizes)`);
  const last = t.rank - 1;
  if (t.strides[last] !== 1) throw new OpwiseError("bad-argument", `self.stride(-1) must be 1 to view ${scalarName(t.dtype)} as ${scalarName(dtype)} (different element sizes), but got ${t.strides[last]}`);
  const shape = [...t.shape];
  const size = shape[last] ?? 0;
  if (from > to) {
    const ratio = from / to;
    shape[last] = size * ratio;
    return new Tensor(t.storage, dtype, shape, t.strides.map((s, i) => (i === last ? 1 : s * ratio)), t.offset * ratio);
  }
  const ratio = to / from;
  if (size % ratio !== 0) throw new OpwiseError("bad-argument", `self.size(-1) must be divisible by ${ratio} to view ${scalarName(t.dtype)} as ${scalarName(dtype)} (different element sizes), but got ${size}`);
  if (t.offset % ratio !== 0) throw new OpwiseError("bad-argument", `self.storage_offset() must be divisible by ${ratio} to view ${scalarName(t.dtype)} as ${scalarName(dtype)} (different element sizes), but got ${t.offset}`);
  t.strides.forEach((s, i) => {
    if (i !== last && s % ratio !== 0) throw new OpwiseError("bad-argument", `self.stride(${i}) must be divisible by ${ratio} to view ${scalarName(t.dtype)} as ${scalarName(dtype)} (different element sizes), but got ${s}`);
  });
  shape[last] = size / ratio;
  return new Tensor(t.storage, dtype, shape, t.strides.map((s, i) => (i === last ? 1 : s / ratio)), t.offset / ratio);
}

/** The conjugate as a view: a flag, not a copy. */
export function conjugated(t: Tensor): Tensor {
  const out = aliasOf(t);
  if (isComplex(t.dtype)) out.conj = !t.conj;
  return out;
}
