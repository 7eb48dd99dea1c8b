/** Pure arithmetic on shapes and strides. Sizes and strides are plain numbers, in elements. */

import { OpwiseError } from "./error.ts";

export type Shape = readonly number[];
export type Strides = readonly number[];

/** Elements of a shape: the product of its sizes, 1 for rank 0. */
export function numelOf(shape: Shape): number {
  let n = 1;
  for (let i = 0; i < shape.length; i++) n *= shape[i] as number;
  return n;
}

/** Row-major strides; a size of 0 counts as 1, as PyTorch does. */
export function contiguousStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= Math.max(shape[i] as number, 1);
  }
  return strides;
}

/** Whether elements lie row-major without gaps; sizes of 1 do not matter; an empty tensor is contiguous. */
export function isContiguous(shape: Shape, strides: Strides): boolean {
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i] as number;
    if (size === 0) return true;
    if (size !== 1) {
      if (strides[i] !== step) return numelOf(shape) === 0;
      step *= size;
    }
  }
  return true;
}

/** Strides of `channels_last` (rank 4) or `channels_last_3d` (rank 5) for a shape `[N, C, ...]`. */
export function channelsLastStrides(shape: Shape): number[] {
  const rank = shape.length;
  const strides = new Array<number>(rank).fill(0);
  let step = 1;
  const order = [1, ...Array.from({ length: rank - 2 }, (_, i) => rank - 1 - i), 0];
  for (const axis of order) {
    strides[axis] = step;
    step *= Math.max(shape[axis] as number, 1);
  }
  return strides;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Numpy-style broadcast of two shapes. @throws shape-mismatch with PyTorch's wording */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  if (sameShape(a, b)) return a;
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 0; i < rank; i++) {
    const axis = rank - 1 - i;
    const x = a.length > i ? (a[a.length - 1 - i] as number) : 1;
    const y = b.length > i ? (b[b.length - 1 - i] as number) : 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new OpwiseError("shape-mismatch", `The size of tensor a (${x}) must match the size of tensor b (${y}) at non-singleton dimension ${axis}`, {
        wanted: "shapes that broadcast",
        got: `[${a.join(", ")}] and [${b.join(", ")}]`,
      });
    }
    out[axis] = x === 1 ? y : x;
  }
  return out;
}

/** Strides that read a tensor of `shape` as if it had the broadcast shape `to`: 0 on broadcast axes. */
export function broadcastStrides(shape: Shape, strides: Strides, to: Shape): number[] {
  const lead = to.length - shape.length;
  const out = new Array<number>(to.length);
  for (let i = 0; i < to.length; i++) {
    out[i] = i < lead || (shape[i - lead] === 1 && to[i] !== 1) ? 0 : (strides[i - lead] as number);
  }
  return out;
}

/** `dim` made non-negative. @throws index-out-of-range with PyTorch's wording */
export function wrapDim(dim: number, rank: number): number {
  const limit = Math.max(rank, 1);
  if (dim < -limit || dim >= limit) {
    throw new OpwiseError("index-out-of-range", `Dimension out of range (expected to be in range of [${-limit}, ${limit - 1}], but got ${dim})`);
  }
  return dim < 0 ? dim + limit : dim;
}

/** Axes of `dims` made non-negative, in the order given. @throws bad-argument on a repeated one */
export function wrapDims(dims: readonly number[], rank: number): number[] {
  const out = dims.map((d) => wrapDim(d, rank));
  for (let i = 0; i < out.length; i++) {
    if (out.indexOf(out[i] as number) !== i) throw new OpwiseError("bad-argument", `dim ${out[i]} appears multiple times in the list of dims`);
  }
  return out;
}

/** Lowest and highest element offset (relative to the view's own offset) that a view touches; undefined when empty. */
export function extentOf(shape: Shape, strides: Strides): { readonly low: number; readonly high: number } | undefined {
  let low = 0;
  let high = 0;
  for (let i = 0; i < shape.length; i++) {
    const size = shape[i] as number;
    if (size === 0) return undefined;
    const reach = (size - 1) * (strides[i] as number);
    if (reach < 0) low += reach;
    else high += reach;
  }
  return { low, high };
}

/**
 * Strides that show the elements of a view in another shape without copying, or undefined where that needs a copy
 * (at::detail::computeStride).
 */
export function viewStrides(shape: Shape, strides: Strides, to: Shape): number[] | undefined {
  const n = numelOf(shape);
  if (n === 0) return sameShape(shape, to) ? [...strides] : contiguousStrides(to);
  if (shape.length === 0) return to.map(() => 1);
  const out = new Array<number>(to.length);
  let viewAxis = to.length - 1;
  let chunkBase = strides[shape.length - 1] as number;
  let tensorNumel = 1;
  let viewNumel = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    tensorNumel *= shape[axis] as number;
    const atChunkEnd = axis === 0 || ((shape[axis - 1] as number) !== 1 && strides[axis - 1] !== tensorNumel * chunkBase);
    if (!atChunkEnd) continue;
    while (viewAxis >= 0 && (viewNumel < tensorNumel || to[viewAxis] === 1)) {
      out[viewAxis] = viewNumel * chunkBase;
      viewNumel *= to[viewAxis] as number;
      viewAxis--;
    }
    if (viewNumel !== tensorNumel) return undefined;
    if (axis > 0) {
      chunkBase = strides[axis - 1] as number;
      tensorNumel = 1;
      viewNumel = 1;
    }
  }
  return viewAxis === -1 ? out : undefined;
}

/** A shape with at most one -1 made whole. @throws shape-mismatch with PyTorch's wording */
export function inferSize(shape: Shape, numel: number): number[] {
  let known = 1;
  let free = -1;
  for (let i = 0; i < shape.length; i++) {
    const size = shape[i] as number;
    if (size === -1) {
      if (free >= 0) throw new OpwiseError("shape-mismatch", "only one dimension can be inferred");
      free = i;
    } else if (size < 0) throw new OpwiseError("shape-mismatch", `invalid shape dimension ${size} at index ${i} of shape [${shape.join(", ")}]`);
    else known *= size;
  }
  const out = [...shape];
  const bad = (): never => {
    throw new OpwiseError("shape-mismatch", `shape '[${shape.join(", ")}]' is invalid for input of size ${numel}`);
  };
  if (free >= 0) {
    if (known === 0) {
      throw new OpwiseError("shape-mismatch", `cannot reshape tensor of 0 elements into shape [${shape.join(", ")}] because the unspecified dimension size -1 can be any value and is ambiguous`);
    }
    if (numel % known !== 0) bad();
    out[free] = numel / known;
  } else if (known !== numel) bad();
  return out;
}

/** Axes from the fastest in memory to the slowest, by the operands' strides in turn (TensorIterator's `reorder_dimensions`). */
export function memoryOrder(shape: Shape, strides: readonly Strides[]): number[] {
  // Insertion sort; ambiguous comparisons keep the order.
  const rank = shape.length;
  const perm = Array.from({ length: rank }, (_, i) => rank - 1 - i);
  const swapWanted = (d0: number, d1: number): number => {
    for (const s of strides) {
      const a = s[d0] as number;
      const b = s[d1] as number;
      if (a === 0 || b === 0) continue;
      if (a < b) return -1;
      if (a > b) return 1;
      if ((shape[d0] as number) > (shape[d1] as number)) return 1;
    }
    return 0;
  };
  for (let i = 1; i < rank; i++) {
    let at = i;
    for (let j = i - 1; j >= 0; j--) {
      const order = swapWanted(perm[j] as number, perm[at] as number);
      if (order > 0) {
        [perm[j], perm[at]] = [perm[at] as number, perm[j] as number];
        at = j;
      } else if (order < 0) break;
    }
  }
  return perm;
}
