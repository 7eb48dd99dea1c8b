/** The hot loops, in JavaScript or as kernels in the workspace's memory: same arguments, same bytes. */

import { SLACK, type Workspace } from "../workspace.ts";
import { colourRow, type ColourSpace } from "./colour.ts";
import { inverseDct } from "./idct.ts";
import { jpegKernels } from "./kernels.ts";
import { type Plane, upsampleRow } from "./upsample.ts";

export interface Loops {
  /** See `inverseDct` of idct.ts; the table is one of `Workspace.shorts`. */
  inverseDct(coefficients: Int16Array, block: number, count: number, quant: Int16Array, plane: Uint8Array, at: number, stride: number): void;
  /** A row of the picture's height and width: made in `out`, or a part of the plane where nothing has to be done. */
  upsampled(plane: Plane, y: number, out: Uint8Array): Uint8Array;
  /** See `colourRow` of colour.ts. */
  colourRow(space: ColourSpace, rows: readonly Uint8Array[], width: number, out: Uint8Array, to: number): void;
}

/** Bytes behind a row that kernels may overrun. */
export const ROW_SLACK: number = SLACK;

/** The row itself, where a component is not subsampled. */
function ownRow({ samples, stride, width, across, down }: Plane, y: number): Uint8Array | undefined {
  return across === 1 && down === 1 ? samples.subarray(y * stride, y * stride + width) : undefined;
}

const javascript: Loops = {
  inverseDct: (coefficients, block, count, quant, plane, at, stride) =>
    inverseDct(coefficients, block, count, new Uint16Array(quant.buffer, quant.byteOffset, quant.length), plane, at, stride),
  upsampled: (plane, y, out) => {
    const own = ownRow(plane, y);
    if (own === undefined) upsampleRow(plane, y, out, 0);
    return own ?? out;
  },
  colourRow,
};

/** The loops for arrays of this workspace. */
export function loopsFor(workspace: Workspace): Loops {
  const kernels = workspace.memory === undefined ? undefined : jpegKernels.instance(workspace.memory);
  const { inverseDct: dct, blendBoth, blendColumns, blendRows, fromYcc } = kernels ?? {};
  if (dct === undefined || blendBoth === undefined || blendColumns === undefined || blendRows === undefined || fromYcc === undefined) return javascript;
  return {
    inverseDct: (coefficients, block, count, quant, plane, at, stride) =>
      dct(coefficients.byteOffset + 128 * block, quant.byteOffset, plane.byteOffset + at, stride, count),
    upsampled(plane, y, out) {
      const own = ownRow(plane, y);
      if (own !== undefined) return own;
      const { samples, stride, width, height, across, down } = plane;
      const row = Math.floor(y / down);
      const isUpper = (y & 1) === 0;
      const near = samples.byteOffset + row * stride;
      const far = samples.byteOffset + Math.min(Math.max(isUpper ? row - 1 : row + 1, 0), height - 1) * stride;
      if (down === 2 && across === 2 && width > 2) blendBoth(near, far, width, out.byteOffset);
      else if (down === 1 && across === 2 && width > 2) blendColumns(near, near, width, out.byteOffset);
      else if (down === 2 && across === 1) blendRows(near, far, width, isUpper ? 1 : 2, out.byteOffset);
      else upsampleRow(plane, y, out, 0);
      return out;
    },
    colourRow(space, rows, width, out, to) {
      const [y, cb, cr] = rows;
      if (space === "ycc" && y !== undefined && cb !== undefined && cr !== undefined)
        fromYcc(y.byteOffset, cb.byteOffset, cr.byteOffset, width, out.byteOffset + to);
      else colourRow(space, rows, width, out, to);
    },
  };
}
