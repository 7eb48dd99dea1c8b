/** JPEG 2000: the size is read here, the pixels by OpenJPEG in a package of its own (see peers.ts). */

import { badImage, checkSize, truncated, unsupported } from "./failure.ts";
import type { Image, Mode } from "./image.ts";

/** Gives the samples of a file, components interleaved; those above 8 bits as two bytes, the lower first. */
export type Jpeg2000Samples = (file: Uint8Array) => {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly components: number;
  readonly bits: number;
  readonly isSigned: boolean;
};

const MODES: Readonly<Record<number, Mode>> = { 1: "L", 3: "RGB" };

/** Where the codestream's SIZ marker has its sizes: behind SOC, in a file of boxes or bare. */
function sizesAt(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(0x4f); at >= 0; at = bytes.indexOf(0x4f, at + 1)) {
    if (bytes[at - 1] === 0xff && bytes[at + 1] === 0xff && bytes[at + 2] === 0x51) return at + 7;
  }
  throw badImage("the JPEG 2000 file has no codestream");
}

/** The picture as Pillow opens it: 16 bits stay for grey alone, others keep their high byte. @throws bad-image, truncated, unsupported-format, limit-exceeded */
export function openJpeg2000(bytes: Uint8Array, maxPixels: number, samples: Jpeg2000Samples): Image {
  const at = sizesAt(bytes);
  if (at + 16 > bytes.length) throw truncated("the JPEG 2000 header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  checkSize(view.getUint32(at) - view.getUint32(at + 8), view.getUint32(at + 4) - view.getUint32(at + 12), maxPixels);
  const declared = at + 34 <= bytes.length ? view.getUint16(at + 32) : 0;
  if (declared !== 1 && declared !== 3) throw unsupported("JPEG 2000 is read with 1 or 3 components", { got: `${declared}` });
  const { data, width, height, components, bits, isSigned } = samples(bytes);
  const mode = MODES[components];
  if (mode === undefined || isSigned || bits > 16) throw unsupported("this kind of JPEG 2000 is not read", { got: `${components} components of ${bits} bits` });
  const facts = { width, height, source: "jpeg2000 openjpeg" };
  const count = width * height * components;
  if (data.length < count * (bits > 8 ? 2 : 1)) throw truncated("the JPEG 2000 data");
  if (bits <= 8) return { ...facts, mode, data: Uint8Array.from(data.subarray(0, count), (v) => v << (8 - bits)) };
  const wide = Uint16Array.from({ length: count }, (_, i) => (data[2 * i] ?? 0) | ((data[2 * i + 1] ?? 0) << 8));
  return mode === "L" ? { ...facts, mode: "I;16", data: wide } : { ...facts, mode, data: Uint8Array.from(wide, (v) => v >> (bits - 8)) };
}
