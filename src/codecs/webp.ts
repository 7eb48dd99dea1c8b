/** WebP: the container is read here, the pixels by libwebp in a package of its own (see peers.ts). */

import { badImage, checkSize, truncated } from "./failure.ts";
import type { Image } from "./image.ts";
import { orientationOf } from "./orientation.ts";

/** Gives the RGBA pixels of a still WebP file. */
export type WebpPixels = (file: Uint8Array) => { readonly data: Uint8Array | Uint8ClampedArray; readonly width: number; readonly height: number };

interface Chunk {
  readonly kind: string;
  readonly body: Uint8Array;
}

const HEADER = 12;
const ALPHA = 0x10;

function chunksOf(bytes: Uint8Array): Chunk[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: Chunk[] = [];
  for (let at = 0; at + 8 <= bytes.length;) {
    const size = view.getUint32(at + 4, true);
    if (at + 8 + size > bytes.length) throw truncated("a WebP chunk");
    chunks.push({ kind: String.fromCharCode(...bytes.subarray(at, at + 4)), body: bytes.subarray(at + 8, at + 8 + size) });
    at += 8 + size + (size & 1);
  }
  return chunks;
}

/** A number of three bytes, the lowest first. */
function uint24(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
}

interface Bitstream {
  readonly width: number;
  readonly height: number;
  readonly hasAlpha: boolean;
}

/** What the header of a VP8 or VP8L bitstream says. */
function bitstreamOf({ kind, body }: Chunk): Bitstream {
  if (body.length < 10) throw truncated("a WebP bitstream");
  if (kind === "VP8 ") {
    if (uint24(body, 3) !== 0x2a019d) throw badImage("the WebP's VP8 frame has no start code");
    return { width: uint24(body, 6) & 0x3fff, height: uint24(body, 8) & 0x3fff, hasAlpha: false };
  }
  if (body[0] !== 0x2f) throw badImage("the WebP's VP8L frame has no signature");
  const low = uint24(body, 1) | ((body[4] ?? 0) << 24);
  return { width: (low & 0x3fff) + 1, height: ((low >>> 14) & 0x3fff) + 1, hasAlpha: (low & (1 << 28)) !== 0 };
}

const isBitstream = ({ kind }: Chunk): boolean => kind === "VP8 " || kind === "VP8L";

/** A still file of a frame's chunks. */
function stillFile(chunks: readonly Chunk[], { width, height }: Bitstream): Uint8Array {
  const extended = new Uint8Array(10);
  extended[0] = ALPHA;
  for (let i = 0; i < 3; i++) {
    extended[4 + i] = ((width - 1) >> (8 * i)) & 255;
    extended[7 + i] = ((height - 1) >> (8 * i)) & 255;
  }
  const all = chunks.some((c) => c.kind === "ALPH") ? [{ kind: "VP8X", body: extended }, ...chunks] : chunks;
  const size = all.reduce((sum, { body }) => sum + 8 + body.length + (body.length & 1), 4);
  const out = new Uint8Array(8 + size);
  const view = new DataView(out.buffer);
  const put = (kind: string, at: number): void => out.set(new TextEncoder().encode(kind), at);
  put("RIFF", 0);
  view.setUint32(4, size, true);
  put("WEBP", 8);
  let at = HEADER;
  for (const { kind, body } of all) {
    put(kind, at);
    view.setUint32(at + 4, body.length, true);
    out.set(body, at + 8);
    at += 8 + body.length + (body.length & 1);
  }
  return out;
}

/** The picture, or an animation's first frame on its canvas, as Pillow opens it. @throws bad-image, truncated, limit-exceeded */
export function openWebp(bytes: Uint8Array, maxPixels: number, pixels: WebpPixels): Image {
  if (bytes.length < HEADER) throw truncated("the WebP header");
  const declared = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(4, true) + 8;
  if (declared > bytes.length) throw truncated("the WebP file");
  const chunks = chunksOf(bytes.subarray(HEADER, declared));
  const extended = chunks.find((c) => c.kind === "VP8X")?.body;
  const animated = chunks.find((c) => c.kind === "ANMF")?.body;
  const frame =
    animated === undefined
      ? chunks.filter((c) => c.kind === "ALPH" || isBitstream(c))
      : chunksOf(animated.subarray(16)).filter((c) => c.kind === "ALPH" || isBitstream(c));
  const main = frame.find(isBitstream);
  if (main === undefined) throw badImage("the WebP has no picture");
  const stream = bitstreamOf(main);
  const [width, height] = extended === undefined ? [stream.width, stream.height] : [uint24(extended, 4) + 1, uint24(extended, 7) + 1];
  checkSize(width, height, maxPixels);
  checkSize(stream.width, stream.height, maxPixels);
  const hasAlpha = extended === undefined ? stream.hasAlpha : ((extended[0] ?? 0) & ALPHA) !== 0;
  const [x, y] = animated === undefined ? [0, 0] : [2 * uint24(animated, 0), 2 * uint24(animated, 3)];
  if (x + stream.width > width || y + stream.height > height) throw badImage("the WebP's frame does not lie on its canvas");
  const decoded = pixels(animated === undefined ? bytes.subarray(0, declared) : stillFile(frame, stream));
  if (decoded.width !== stream.width || decoded.height !== stream.height) throw badImage("the WebP's frame has another size than it says");
  const channels = hasAlpha ? 4 : 3;
  const data = new Uint8Array(width * height * channels);
  for (let row = 0; row < decoded.height; row++) {
    let to = ((y + row) * width + x) * channels;
    for (let column = 0; column < decoded.width; column++) {
      const from = 4 * (row * decoded.width + column);
      for (let c = 0; c < channels; c++) data[to++] = decoded.data[from + c] ?? 0;
    }
  }
  const block = (kind: string): Uint8Array | undefined => chunks.find((c) => c.kind === kind)?.body;
  const exif = block("EXIF");
  const hasPrefix = exif !== undefined && String.fromCharCode(...exif.subarray(0, 4)) === "Exif";
  return {
    mode: hasAlpha ? "RGBA" : "RGB",
    width,
    height,
    data,
    orientation: orientationOf(hasPrefix ? exif.subarray(6) : exif, block("XMP ")),
    source: "webp libwebp",
  };
}
