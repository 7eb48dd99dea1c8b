/** Chooses the decoder by a file's first bytes, never by its name. */

import { isOpwiseError, OpwiseError } from "../tensor/error.ts";
import { openBmp } from "./bmp.ts";
import { openGif } from "./gif.ts";
import { DEFAULT_MAX_PIXELS } from "./failure.ts";
import type { Image } from "./image.ts";
import { openJpeg } from "./jpeg/decode.ts";
import { loadDecoder, missingPeer, peerDecoder } from "./peers.ts";
import { openPng } from "./png.ts";
import { openPnm } from "./pnm.ts";
import { openTiff } from "./tiff.ts";

export type ImageFormat = "jpeg" | "png" | "gif" | "bmp" | "pnm" | "tiff" | "webp" | "jpeg2000";

export interface DecodeOptions {
  /** Most pixels that a picture may have; default 178 956 970, above which Pillow refuses a file too. */
  readonly maxPixels?: number;
  /** What to call the file in messages. */
  readonly name?: string | undefined;
  /** Whether WebAssembly may be used for the hot loops; default yes. A page whose policy forbids it works without, and says no to be spared the report. */
  readonly wasm?: boolean | undefined;
}

const text = (bytes: Uint8Array, from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to));

/** The format that the first bytes name. */
export function formatOf(bytes: Uint8Array): ImageFormat | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return "jpeg";
  if (bytes[0] === 0x89 && text(bytes, 1, 4) === "PNG") return "png";
  if (text(bytes, 0, 3) === "GIF") return "gif";
  if (text(bytes, 0, 2) === "BM") return "bmp";
  if (/^P[1-6f]\s/.test(text(bytes, 0, 3))) return "pnm";
  if (/^(?:II[*+]\0|MM\0[*+])/.test(text(bytes, 0, 4))) return "tiff";
  if (text(bytes, 0, 4) === "RIFF" && text(bytes, 8, 12) === "WEBP") return "webp";
  if (text(bytes, 0, 4) === "\xff\x4f\xff\x51" || text(bytes, 4, 12) === "jP  \r\n\x87\n") return "jpeg2000";
  return undefined;
}

/** Makes ready what `decodeImage` needs for this file: for WebP and JPEG 2000 a decoder of another package. @throws unsupported-format */
export function prepareFor(bytes: Uint8Array): Promise<void> | undefined {
  const format = formatOf(bytes);
  if (format !== "webp" && format !== "jpeg2000") return undefined;
  return peerDecoder(format) === undefined ? loadDecoder(format) : undefined;
}

/**
 * The picture in a file, as Pillow opens it: its own mode, orientation not applied. WebP and JPEG 2000 need their decoder loaded.
 * @throws bad-image, truncated, crc-mismatch, unsupported-format, limit-exceeded
 */
export function decodeImage(bytes: Uint8Array, options: DecodeOptions = {}): Image {
  try {
    return open(bytes, options.maxPixels ?? DEFAULT_MAX_PIXELS, options.wasm ?? true);
  } catch (error) {
    throw isOpwiseError(error) ? error.at({ file: options.name }) : error;
  }
}

function open(bytes: Uint8Array, maxPixels: number, wasm: boolean): Image {
  const format = formatOf(bytes);
  switch (format) {
    case "jpeg":
      return decodeJpeg(bytes, maxPixels, wasm);
    case "png":
      return openPng(bytes, maxPixels);
    case "gif":
      return openGif(bytes, maxPixels);
    case "bmp":
      return openBmp(bytes, maxPixels);
    case "pnm":
      return openPnm(bytes, maxPixels);
    case "tiff":
      return openTiff(bytes, maxPixels);
    case "webp":
    case "jpeg2000": {
      const decoder = peerDecoder(format);
      if (decoder === undefined) throw missingPeer(format);
      return decoder(bytes, maxPixels);
    }
    case undefined:
      throw new OpwiseError("unsupported-format", "the file is no picture of a kind that is read", {
        wanted: "JPEG, PNG, GIF, BMP, PNM, TIFF, WebP or JPEG 2000",
        got: bytes.length === 0 ? "an empty file" : `bytes ${Array.from(bytes.subarray(0, 4), (b) => b.toString(16).padStart(2, "0")).join(" ")}`,
      });
    default:
      return format satisfies never;
  }
}

function decodeJpeg(bytes: Uint8Array, maxPixels: number, wasm: boolean): Image {
  const file = openJpeg(bytes, maxPixels);
  const { mode, width, height, channels, orientation } = file;
  const data = new Uint8Array(width * height * channels);
  const rowBytes = width * channels;
  file.decode((rows, y, count) => data.set(rows.subarray(0, count * rowBytes), y * rowBytes), wasm);
  return { mode, width, height, data, orientation, source: "jpeg islow" };
}
