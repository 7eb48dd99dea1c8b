/** The errors that all decoders throw. */

import { OpwiseError } from "../tensor/error.ts";

interface Facts {
  readonly wanted?: string;
  readonly got?: string;
  readonly hint?: string;
  readonly cause?: unknown;
}

/** The file breaks its format. */
export function badImage(message: string, facts: Facts = {}): OpwiseError {
  return new OpwiseError("bad-image", message, facts);
}

/** The file ends before its picture does. */
export function truncated(what: string): OpwiseError {
  return new OpwiseError("truncated", `the file ends inside ${what}`);
}

/** A well-formed file of a kind that is not read. */
export function unsupported(message: string, facts: Facts = {}): OpwiseError {
  return new OpwiseError("unsupported-format", message, facts);
}

/** Pillow's own bound: above it a file is taken for an attack. */
export const DEFAULT_MAX_PIXELS = 178_956_970;

/** Checks a declared size before anything is allocated for it. @throws bad-image, limit-exceeded */
export function checkSize(width: number, height: number, maxPixels: number): void {
  if (width <= 0 || height <= 0) throw badImage("the picture has no pixels", { got: `${width} x ${height}` });
  if (width * height > maxPixels) {
    throw new OpwiseError("limit-exceeded", "the picture has too many pixels", {
      wanted: `at most ${maxPixels}`,
      got: `${width} x ${height}`,
      hint: "raise `maxPixels`",
    });
  }
}
