/** The arithmetic of sizes, once for pictures and tensors. */

import { OpwiseError } from "../tensor/error.ts";
import type { Padding, Size } from "./step.ts";

/** Python's rounding: halves go to the even side. */
export function roundHalfEven(v: number): number {
  const low = Math.floor(v);
  const rest = v - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 !== 0) ? low + 1 : low;
}

export function heightAndWidth(size: Size): readonly [height: number, width: number] {
  return typeof size === "number" ? [size, size] : size;
}

/** What `Resize` makes of a height and width. @throws bad-argument */
export function resizedTo(size: Size, maxSize: number | undefined, height: number, width: number): readonly [height: number, width: number] {
  if (typeof size !== "number") return size;
  const [short, long] = [Math.min(height, width), Math.max(height, width)];
  let newShort = size;
  let newLong = Math.trunc((size * long) / short);
  if (maxSize !== undefined) {
    if (maxSize <= size) throw new OpwiseError("bad-argument", "`max_size` is more than `size`", { wanted: `above ${size}`, got: `${maxSize}` });
    if (newLong > maxSize) [newShort, newLong] = [Math.trunc((maxSize * newShort) / newLong), maxSize];
  }
  return width <= height ? [newLong, newShort] : [newShort, newLong];
}

export interface Margins {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export function marginsOf(padding: Padding): Margins {
  if (typeof padding === "number") return { left: padding, top: padding, right: padding, bottom: padding };
  const [left, top = left, right = left, bottom = top] = padding;
  return { left, top, right, bottom };
}

export interface Region {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** The middle of a picture; it may reach outside, which is padded. */
export function centreRegion(size: Size, height: number, width: number, middle: "even" | "floor"): Region {
  const [cropHeight, cropWidth] = heightAndWidth(size);
  const start = (samples: number, crop: number): number => {
    if (middle === "floor") return crop > samples ? -Math.ceil((crop - samples) / 2) : Math.floor((samples - crop) / 2);
    if (crop > samples) return -((crop - samples) >> 1);
    return roundHalfEven((samples - crop) / 2);
  };
  return { top: start(height, cropHeight), left: start(width, cropWidth), height: cropHeight, width: cropWidth };
}

/** The corners and the middle. @throws bad-argument where the picture is smaller */
export function fiveRegions(size: Size, height: number, width: number): readonly Region[] {
  const [h, w] = heightAndWidth(size);
  if (h > height || w > width)
    throw new OpwiseError("bad-argument", "the crop is larger than the picture", { wanted: `at most ${height} x ${width}`, got: `${h} x ${w}` });
  const region = (top: number, left: number): Region => ({ top, left, height: h, width: w });
  return [region(0, 0), region(0, width - w), region(height - h, 0), region(height - h, width - w), centreRegion(size, height, width, "even")];
}
