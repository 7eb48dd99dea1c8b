/** Copies between planes one after another, `[batch, channels, positions]`, and views that lie otherwise: channels last, say. */

import { unreachable } from "../../tensor/error.ts";
import type { View } from "../../tensor/tensor.ts";
import type { DenseKernels } from "./dense.ts";
import { FLOAT } from "./emit.ts";
import { flattened, type Part } from "./epilogue.ts";

/** Byte strides of positions and channels on one side of a copy. */
interface Steps {
  readonly channel: number;
  readonly position: number;
}

/** Copies channels by positions; at best along an axis that is dense in the target. */
function copyPart(dense: DenseKernels, to: number, target: Steps, from: number, source: Steps, channels: number, positions: number): void {
  const { copyPlanes } = dense.patches;
  if (target.position === FLOAT || positions === 1) copyPlanes(to, from, 1, channels, positions, 0, source.channel, source.position, target.channel, 0, 0);
  else if (target.channel === FLOAT || channels === 1) copyPlanes(to, from, 1, positions, channels, 0, source.position, source.channel, target.position, 0, 0);
  else
    for (let i = 0; i < channels; i++)
      copyPlanes(to + i * target.channel, from + i * source.channel, positions, 1, 1, source.position, 0, 0, 0, target.position, 0);
}

/** The view's strides in bytes, as `[batch, channels, positions]`. */
function stepsOf(view: View): { readonly batch: number; readonly steps: Steps; readonly channels: number; readonly positions: number } {
  const flat = flattened(view) ?? unreachable("positions that do not lie one after another");
  const [batch = 0, channel = 0, position = 0] = flat.strides.map((s) => s * FLOAT);
  const [, channels = 0, positions = 0] = flat.shape;
  return { batch, steps: { channel, position }, channels, positions };
}

/** Copies a part of planes at `from` to its place in a view of float32 whose first element is at `to`. `flattened` takes the view. */
export function toView(dense: DenseKernels, view: View, to: number, from: number, { batch, row, rows, column, columns }: Part): void {
  const { batch: batchStride, steps, channels, positions } = stepsOf(view);
  const source = from + ((batch * channels + row) * positions + column) * FLOAT;
  const target = to + batch * batchStride + row * steps.channel + column * steps.position;
  copyPart(dense, target, steps, source, { channel: positions * FLOAT, position: FLOAT }, rows, columns);
}

/** Copies channels of one batch of a view of float32, whose first element is at `from`, to planes at `to`. `flattened` takes the view. */
export function fromView(dense: DenseKernels, view: View, from: number, to: number, batch: number, channel: number, count: number): void {
  const { batch: batchStride, steps, channels, positions } = stepsOf(view);
  const target = to + (batch * channels + channel) * positions * FLOAT;
  copyPart(dense, target, { channel: positions * FLOAT, position: FLOAT }, from + batch * batchStride + channel * steps.channel, steps, count, positions);
}
