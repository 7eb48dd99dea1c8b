/** Mirroring and quarter turns of a picture. */

import { CHANNELS, type Image, samplesFor } from "./image.ts";

/** Pillow's names; turns go counter-clockwise. TRANSPOSE swaps x and y, TRANSVERSE does so along the other diagonal. */
export type Transposition = "FLIP_LEFT_RIGHT" | "FLIP_TOP_BOTTOM" | "ROTATE_90" | "ROTATE_180" | "ROTATE_270" | "TRANSPOSE" | "TRANSVERSE";

/** Each as: swap x and y of the source?, then mirror its x, its y. */
const MOVES: Readonly<Record<Transposition, readonly [swap: boolean, mirrorX: boolean, mirrorY: boolean]>> = {
  FLIP_LEFT_RIGHT: [false, true, false],
  FLIP_TOP_BOTTOM: [false, false, true],
  ROTATE_180: [false, true, true],
  TRANSPOSE: [true, false, false],
  ROTATE_90: [true, true, false],
  ROTATE_270: [true, false, true],
  TRANSVERSE: [true, true, true],
};

export const TRANSPOSITIONS: readonly string[] = Object.keys(MOVES);

/** What makes each EXIF orientation upright. */
const UPRIGHT: Readonly<Record<number, Transposition>> = {
  2: "FLIP_LEFT_RIGHT",
  3: "ROTATE_180",
  4: "FLIP_TOP_BOTTOM",
  5: "TRANSPOSE",
  6: "ROTATE_270",
  7: "TRANSVERSE",
  8: "ROTATE_90",
};

/** The picture mirrored or turned. */
export function transpose(image: Image, how: Transposition): Image {
  const [swap, mirrorX, mirrorY] = MOVES[how];
  const { width: w, height: h, data } = image;
  const channels = CHANNELS[image.mode];
  const [width, height] = swap ? [h, w] : [w, h];
  const out = samplesFor(image.mode, width, height);
  // Source x and y of an output pixel: y and x if swapped, then mirrored.
  const stepX = (swap ? w : 1) * channels * ((swap ? mirrorY : mirrorX) ? -1 : 1);
  const stepY = (swap ? 1 : w) * channels * ((swap ? mirrorX : mirrorY) ? -1 : 1);
  const start = ((mirrorX ? w - 1 : 0) + (mirrorY ? h - 1 : 0) * w) * channels;
  let to = 0;
  for (let y = 0; y < height; y++) {
    let from = start + y * stepY;
    for (let x = 0; x < width; x++, from += stepX) for (let c = 0; c < channels; c++) out[to++] = data[from + c] ?? 0;
  }
  return { ...image, width, height, data: out };
}

/** The picture as its EXIF orientation wants it seen; the result has none. */
export function transposeFor(image: Image, orientation: number): Image {
  const how = UPRIGHT[orientation];
  return how === undefined ? { ...image, orientation: 1 } : { ...transpose(image, how), orientation: 1 };
}
