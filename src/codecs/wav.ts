/** Reads WAV files: PCM of 8, 16, 24 and 32 bits, and floats. */

import { badImage as bad, truncated, unsupported } from "./failure.ts";

export interface Sound {
  /** Samples a second. */
  readonly sampleRate: number;
  /** One array for each channel, -1 to 1. */
  readonly channels: readonly Float32Array[];
}

const [PCM, FLOAT, EXTENSIBLE] = [1, 3, 0xfffe];

/** How one sample is read: integers are divided by their largest magnitude, as torchaudio does. */
function readerOf(format: number, bits: number): ((view: DataView, at: number) => number) | undefined {
  if (format === FLOAT) return bits === 32 ? (view, at) => view.getFloat32(at, true) : bits === 64 ? (view, at) => view.getFloat64(at, true) : undefined;
  if (format !== PCM) return undefined;
  switch (bits) {
    case 8:
      return (view, at) => (view.getUint8(at) - 128) / 128;
    case 16:
      return (view, at) => view.getInt16(at, true) / 32_768;
    case 24:
      return (view, at) => (view.getUint16(at, true) + 65_536 * view.getInt8(at + 2)) / 8_388_608;
    case 32:
      return (view, at) => view.getInt32(at, true) / 2_147_483_648;
    default:
      return undefined;
  }
}

/** The sound in a WAV file. A last chunk that is shorter than it says is read as far as it goes. @throws bad-image, truncated, unsupported-format */
export function readWav(bytes: Uint8Array): Sound {
  const text = (at: number): string => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (text(0) !== "RIFF" || text(8) !== "WAVE") throw bad("the file is no WAV", { wanted: "the signatures RIFF and WAVE" });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let format: { readonly kind: number; readonly count: number; readonly rate: number; readonly bits: number } | undefined;
  for (let at = 12; at + 8 <= bytes.length;) {
    const size = view.getUint32(at + 4, true);
    const body = at + 8;
    if (text(at) === "fmt ") {
      if (size < 16 || body + size > bytes.length) throw truncated("the WAV header");
      const kind = view.getUint16(body, true);
      format = {
        kind: kind === EXTENSIBLE && size >= 26 ? view.getUint16(body + 24, true) : kind,
        count: view.getUint16(body + 2, true),
        rate: view.getUint32(body + 4, true),
        bits: view.getUint16(body + 14, true),
      };
    } else if (text(at) === "data") {
      if (format === undefined) throw bad("the WAV's samples come before their format");
      const { kind, count, rate, bits } = format;
      const read = readerOf(kind, bits);
      if (read === undefined || count === 0) throw unsupported("this kind of WAV is not read", { got: `format ${kind}, ${bits} bits, ${count} channels` });
      const step = bits / 8;
      const frames = Math.floor(Math.min(size, bytes.length - body) / (step * count));
      const channels = Array.from({ length: count }, (_, c) => Float32Array.from({ length: frames }, (_, i) => read(view, body + (i * count + c) * step)));
      return { sampleRate: rate, channels };
    }
    at = body + size + (size & 1);
  }
  throw truncated("the WAV file");
}
