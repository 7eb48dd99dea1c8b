/** A decoded picture as Pillow holds it: a mode, and the samples of that mode. */

/**
 * Pillow's modes: 1 black or white, L grey, P palette, LA and RGBA with alpha, I;16 and I grey of 16 and 32 bits, F float. La and RGBa
 * have their colours multiplied by alpha.
 */
export type Mode = "1" | "L" | "LA" | "La" | "P" | "RGB" | "RGBA" | "RGBa" | "CMYK" | "I;16" | "I" | "F";

/** Values of a pixel. */
export const CHANNELS: Readonly<Record<Mode, 1 | 2 | 3 | 4>> = {
  "1": 1,
  L: 1,
  LA: 2,
  La: 2,
  P: 1,
  RGB: 3,
  RGBA: 4,
  RGBa: 4,
  CMYK: 4,
  "I;16": 1,
  I: 1,
  F: 1,
};

export type Samples = Uint8Array | Uint16Array | Int32Array | Float32Array;

/** A picture. Rows go from top to bottom, the values of a pixel lie together. */
export interface Image {
  readonly mode: Mode;
  readonly width: number;
  readonly height: number;
  /** `height * width * CHANNELS[mode]` samples. Mode 1 has 0 and 255; I;16 is a Uint16Array, I an Int32Array, F a Float32Array, all others bytes. */
  readonly data: Samples;
  /** Mode P: 256 colours of 3 bytes. */
  readonly palette?: Uint8Array | undefined;
  /** Mode P: 256 alphas, where the file has any. */
  readonly paletteAlpha?: Uint8Array | undefined;
  /** Modes 1, L and RGB: the one transparent level or colour. */
  readonly transparent?: readonly number[] | undefined;
  /** EXIF orientation, 1 to 8; not applied. */
  readonly orientation?: number | undefined;
  /** What decoded it, for the record: "jpeg islow", "png". */
  readonly source?: string | undefined;
}

/** Samples for a picture of that mode, zeroed. */
export function samplesFor(mode: Mode, width: number, height: number): Samples {
  const count = width * height * CHANNELS[mode];
  if (mode === "I;16") return new Uint16Array(count);
  if (mode === "I") return new Int32Array(count);
  return mode === "F" ? new Float32Array(count) : new Uint8Array(count);
}

/** A palette of 256 colours from as many as there are; the others are black. */
export function paletteOf(colours: Uint8Array): Uint8Array {
  const palette = new Uint8Array(768);
  palette.set(colours.subarray(0, 768));
  return palette;
}
