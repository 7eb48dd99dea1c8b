/** From the components of a JPEG to the colours of a picture. */

import type { Frame, Marks } from "./frame.ts";

/** What the components are. */
export type ColourSpace = "grey" | "rgb" | "ycc" | "cmyk" | "ycck";

/** libjpeg's guess, by markers first and by the components' names else. */
export function colourSpaceOf(frame: Frame, marks: Marks): ColourSpace {
  if (frame.components.length === 1) return "grey";
  if (frame.components.length === 4) return marks.adobe === undefined || marks.adobe === 0 ? "cmyk" : "ycck";
  if (marks.jfif) return "ycc";
  if (marks.adobe !== undefined) return marks.adobe === 0 ? "rgb" : "ycc";
  return String.fromCharCode(...frame.components.map((c) => c.id)) === "RGB" ? "rgb" : "ycc";
}

function clamp(v: number): number {
  return v < 0 ? 0 : v > 255 ? 255 : v;
}

/** YCbCr to RGB with 16-bit fractions; `step` values a pixel from `to` on. */
function fromYcc(y: Uint8Array, cb: Uint8Array, cr: Uint8Array, width: number, out: Uint8Array, to: number, step: number): void {
  for (let x = 0, at = to; x < width; x++, at += step) {
    const luma = y[x] ?? 0;
    const u = (cb[x] ?? 0) - 128;
    const v = (cr[x] ?? 0) - 128;
    out[at] = clamp(luma + ((91881 * v + 32768) >> 16));
    out[at + 1] = clamp(luma + ((-22554 * u - 46802 * v + 32768) >> 16));
    out[at + 2] = clamp(luma + ((116130 * u + 32768) >> 16));
  }
}

/** One row of pixels. CMYK comes out as Pillow has it: 255 less what the file says. */
export function colourRow(space: ColourSpace, rows: readonly Uint8Array[], width: number, out: Uint8Array, to: number): void {
  const [a, b, c, d] = rows;
  if (a === undefined) return;
  if (b === undefined || c === undefined) out.set(a.subarray(0, width), to);
  else if (space === "ycc") fromYcc(a, b, c, width, out, to, 3);
  else if (space === "ycck" && d !== undefined) {
    // The file's C, M, Y are 255 - RGB, and Pillow inverts them again.
    fromYcc(a, b, c, width, out, to, 4);
    for (let x = 0; x < width; x++) out[to + 4 * x + 3] = 255 - (d[x] ?? 0);
  } else {
    const flip = space === "cmyk" ? 255 : 0;
    for (let x = 0; x < width; x++) for (const [k, row] of rows.entries()) out[to + rows.length * x + k] = (row[x] ?? 0) ^ flip;
  }
}
