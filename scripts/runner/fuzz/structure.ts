/** Chooses damage by what a file is; archives are taken apart, damaged inside, and put together with right checksums. */

import { crc32 } from "node:zlib";
import { unzipSync, zipSync } from "fflate";
import { sniffFormat } from "../../../src/bytes/format.ts";
import { blind, BOUNDARIES, concat, type Damage, spliced } from "./bytes.ts";
import { damagePickle } from "./pickle.ts";
import { damageProtobuf } from "./protobuf.ts";
import type { Random } from "./random.ts";
import { damageJson, damageText } from "./text.ts";

/** Records larger than this are left out of an archive that is taken apart. */
const MAX_RECORD = 4 << 20;

function forRecord(name: string, bytes: Uint8Array): Damage {
  if (/\.(?:py|txt)$/.test(name)) return damageText;
  if (/\.pkl$|debug_pkl$/.test(name)) return damagePickle;
  if (name.endsWith(".json")) return damageJson;
  if (name.endsWith(".npy")) return damageNpy;
  if (name.endsWith(".onnx")) return damageProtobuf;
  if (/(?:version|byteorder|archive_format|archive_version)$/.test(name)) return damageText;
  if (bytes[0] === 0x80 && bytes.at(-1) === 0x2e) return damagePickle;
  return blind;
}

const damageZip: Damage = (bytes, random) => {
  let records: Record<string, Uint8Array>;
  try {
    records = unzipSync(bytes, { filter: (file) => file.originalSize < MAX_RECORD });
  } catch {
    return blind(bytes, random);
  }
  const names = Object.keys(records);
  if (names.length === 0) return blind(bytes, random);
  // Text and pickles are what loaders understand; data is bytes.
  const telling = names.filter((n) => /\.(?:py|pkl|json|debug_pkl|npy|onnx)$/.test(n));
  const name = telling.length > 0 && !random.oneIn(8) ? random.of(telling) : random.of(names);
  const record = records[name] ?? new Uint8Array();
  const other = random.of(names);
  switch (random.below(16)) {
    case 0: {
      const swapped = records[other] ?? record;
      records[other] = record;
      records[name] = swapped;
      break;
    }
    case 1:
      delete records[name];
      break;
    case 2:
      records[
        `${name.slice(0, name.lastIndexOf("/") + 1)}${random.of(["0", "data.pkl", "constants.pkl", "../x", "version", "code/__torch__.py", "extra/a", "", "bytecode.pkl"])}`
      ] = record;
      break;
    default:
      records[name] = record.length === 0 ? Uint8Array.of(random.below(256)) : forRecord(name, record)(record, random);
  }
  return zipSync(records, { level: random.oneIn(6) ? 6 : 0 });
};

/** The header line of a .npy file changes; its length is put right. */
const damageNpy: Damage = (bytes, random) => {
  const length = (bytes[8] ?? 0) + 256 * (bytes[9] ?? 0);
  if (bytes[0] !== 0x93 || bytes.length < 10 + length) return blind(bytes, random);
  const header = damageText(bytes.slice(10, 10 + length), random).slice(0, 65_000);
  return concat(bytes.subarray(0, 8), Uint8Array.of(header.length & 255, header.length >> 8), header, bytes.subarray(10 + length));
};

/** A chunk of a PNG changes, with its CRC. */
const damagePng: Damage = (bytes, random) => {
  const chunks: { readonly from: number; readonly to: number }[] = [];
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);
    if (at + 12 + length > bytes.length) break;
    chunks.push({ from: at, to: at + 12 + length });
    at += 12 + length;
  }
  if (chunks.length === 0) return blind(bytes, random);
  const chunk = random.of(chunks);
  if (random.oneIn(5))
    return spliced(bytes, chunk.from, random.oneIn(2) ? chunk.to : chunk.from, random.oneIn(2) ? new Uint8Array() : bytes.slice(chunk.from, chunk.to));
  const type = bytes.slice(chunk.from + 4, chunk.from + 8);
  const body = blind(bytes.slice(chunk.from + 8, chunk.to - 4), random);
  const made = concat(new Uint8Array(4), type, body, new Uint8Array(4));
  const view = new DataView(made.buffer);
  view.setUint32(0, body.length);
  view.setUint32(made.length - 4, crc32(made.subarray(4, made.length - 4)));
  return spliced(bytes, chunk.from, chunk.to, made);
};

/** Offsets and counts of a flatbuffer are aligned 32-bit numbers. */
const damageFlatbuffer: Damage = (bytes, random) => {
  if (bytes.length < 8 || random.oneIn(3)) return blind(bytes, random);
  const out = bytes.slice();
  const view = new DataView(out.buffer);
  const at = 4 * random.below(Math.floor(out.length / 4));
  const old = view.getUint32(at, true);
  const value = random.oneIn(2) ? Number(BigInt.asUintN(32, random.of(BOUNDARIES))) : (old + random.of([-8, -4, -1, 1, 4, 8, 64, 1024])) >>> 0;
  view.setUint32(at, value, true);
  return out;
};

/** The JSON header of a safetensors file changes; its length is put right. */
const damageSafetensors: Damage = (bytes, random) => {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (bytes.length < 8 + length) return blind(bytes, random);
  const header = damageJson(bytes.slice(8, 8 + length), random);
  const size = new Uint8Array(8);
  new DataView(size.buffer).setUint32(0, header.length, true);
  return concat(size, header, bytes.subarray(8 + length));
};

/** Damage that keeps a file's outer form, where it has a known one. */
function structural(bytes: Uint8Array, name: string): Damage | undefined {
  switch (sniffFormat(bytes.subarray(0, 512), bytes.length)) {
    case "zip":
      return damageZip;
    case "onnx":
      return damageProtobuf;
    case "torch-legacy":
    case "pickle":
      return damagePickle;
    case "torch-mobile":
      return damageFlatbuffer;
    case "npy":
      return damageNpy;
    case "png":
      return damagePng;
    case "safetensors":
      return damageSafetensors;
    default:
      return name.endsWith(".onnx") ? damageProtobuf : undefined;
  }
}

/** One piece of damage: mostly one that keeps the form, so that inner layers are reached. */
export function damage(bytes: Uint8Array, name: string, random: Random): Uint8Array {
  const own = bytes.length === 0 || random.oneIn(6) ? undefined : structural(bytes, name);
  return (own ?? blind)(bytes, random);
}
