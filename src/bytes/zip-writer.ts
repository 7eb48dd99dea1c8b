/**
 * Writes zip archives piece by piece: each record goes out whole behind its local header, which has its sizes, so that a file that was cut off can be
 * read from the front; the directory comes last. The same records give the same bytes.
 */

import { deflateSync } from "fflate/browser";
import { OpwiseError } from "../tensor/error.ts";
import type { Range } from "../tensor/source.ts";
import { crc32 } from "./crc32.ts";

/** Where bytes go, in order. */
export interface ByteSink {
  write(bytes: Uint8Array): void;
  /** Replaces bytes that have been written. */
  patch(at: number, bytes: Uint8Array): void;
  close(): void;
}

/** Collects bytes in memory. */
export class MemoryBytes implements ByteSink {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  write(bytes: Uint8Array): void {
    this.#parts.push(bytes.slice());
    this.#length += bytes.length;
  }
  patch(at: number, bytes: Uint8Array): void {
    let from = 0;
    for (const part of this.#parts) {
      const [first, last] = [Math.max(at, from), Math.min(at + bytes.length, from + part.length)];
      if (first < last) part.set(bytes.subarray(first - at, last - at), first - from);
      from += part.length;
    }
  }
  close(): void {
    return undefined;
  }
  /** All that was written. */
  bytes(): Uint8Array {
    const out = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }
}

/** What the directory says of a record. */
export interface WrittenRecord {
  readonly name: string;
  readonly method: 0 | 8;
  readonly crc32: number;
  readonly size: number;
  readonly compressedSize: number;
  readonly headerOffset: number;
}

const LOCAL_BYTES = 30;
/** Id of an extra field that only fills space, as Android's zipalign has it. */
const PADDING = 0xd935;
const VERSION = 45;
/** 1980-01-01: the first day that zip can write, and no time. */
const DATE = 0x21;
const UTF8 = 0x800;
const MAX32 = 0xffffffff;

class Fields {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.#view = new DataView(this.bytes.buffer);
  }
  u16(...values: readonly number[]): this {
    for (const value of values) {
      this.#view.setUint16(this.#at, value, true);
      this.#at += 2;
    }
    return this;
  }
  u32(...values: readonly number[]): this {
    for (const value of values) {
      this.#view.setUint32(this.#at, value, true);
      this.#at += 4;
    }
    return this;
  }
  u64(...values: readonly number[]): this {
    for (const value of values) {
      this.#view.setBigUint64(this.#at, BigInt(value), true);
      this.#at += 8;
    }
    return this;
  }
  raw(bytes: Uint8Array): this {
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }
}

/** The extra field that makes a local header of `at` end on a multiple of `align`. */
function padding(at: number, align: number): Uint8Array {
  let length = (align - (at % align)) % align;
  if (length === 0) return new Uint8Array(0);
  while (length < 4) length += align;
  return new Fields(length).u16(PADDING, length - 4).bytes;
}

export class ZipWriter {
  readonly #sink: ByteSink;
  readonly #records: WrittenRecord[];
  #offset: number;
  #closed = false;

  /** `before`: an archive's records that `sink` holds already, `offset` bytes of them. */
  constructor(sink: ByteSink, before: { readonly records: readonly WrittenRecord[]; readonly offset: number } = { records: [], offset: 0 }) {
    this.#sink = sink;
    this.#records = [...before.records];
    this.#offset = before.offset;
  }

  /** Bytes written so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Adds a record, and says where its content lies. `align`: of a stored content's first byte. @throws limit-exceeded for 4 GiB and more */
  add(name: string, content: Uint8Array, how: { readonly deflate?: boolean; readonly align?: number } = {}): Range {
    if (content.length >= MAX32)
      throw new OpwiseError("limit-exceeded", "a record of an archive is too large", {
        where: { record: name },
        wanted: "less than 4 GiB",
        got: `${content.length} bytes`,
      });
    const packed = how.deflate === true ? deflateSync(content, { level: 6 }) : content;
    const method = packed.length < content.length ? 8 : 0;
    const bytes = method === 8 ? packed : content;
    const nameBytes = new TextEncoder().encode(name);
    const extra = how.align === undefined ? new Uint8Array(0) : padding(this.#offset + LOCAL_BYTES + nameBytes.length, how.align);
    const record: WrittenRecord = { name, method, crc32: crc32(content), size: content.length, compressedSize: bytes.length, headerOffset: this.#offset };
    const header = new Fields(LOCAL_BYTES + nameBytes.length + extra.length)
      .u32(0x04034b50)
      .u16(VERSION, UTF8, method, 0, DATE)
      .u32(record.crc32 >>> 0, record.compressedSize, record.size)
      .u16(nameBytes.length, extra.length)
      .raw(nameBytes)
      .raw(extra).bytes;
    this.#sink.write(header);
    this.#sink.write(bytes);
    const range = { offset: this.#offset + header.length, length: bytes.length };
    this.#offset += header.length + bytes.length;
    this.#records.push(record);
    return range;
  }

  /** Replaces the content of a stored record by another of the same length. */
  replace(name: string, range: Range, content: Uint8Array): void {
    const at = this.#records.findIndex((record) => record.name === name);
    const old = this.#records[at];
    if (old?.method !== 0 || content.length !== old.size)
      throw new OpwiseError("bad-argument", "a record is replaced by one of the same length alone", { where: { record: name } });
    const crc = crc32(content);
    this.#records[at] = { ...old, crc32: crc };
    this.#sink.patch(old.headerOffset + 14, new Fields(4).u32(crc >>> 0).bytes);
    this.#sink.patch(range.offset, content);
  }

  /** Writes the directory. Nothing can be added afterwards. */
  finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    const start = this.#offset;
    for (const record of this.#records) this.#write(central(record));
    const length = this.#offset - start;
    const count = this.#records.length;
    if (count >= 0xffff || start >= MAX32 || length >= MAX32) {
      const end64 = this.#offset;
      this.#write(new Fields(56).u32(0x06064b50).u64(44).u16(VERSION, VERSION).u32(0, 0).u64(count, count, length, start).bytes);
      this.#write(new Fields(20).u32(0x07064b50, 0).u64(end64).u32(1).bytes);
    }
    const short = Math.min(count, 0xffff);
    this.#write(new Fields(22).u32(0x06054b50).u16(0, 0, short, short).u32(Math.min(length, MAX32), Math.min(start, MAX32)).u16(0).bytes);
    this.#sink.close();
  }

  #write(bytes: Uint8Array): void {
    this.#sink.write(bytes);
    this.#offset += bytes.length;
  }
}

function central(record: WrittenRecord): Uint8Array {
  const name = new TextEncoder().encode(record.name);
  const far = record.headerOffset >= MAX32;
  const extra = far ? new Fields(12).u16(1, 8).u64(record.headerOffset).bytes : new Uint8Array(0);
  return new Fields(46 + name.length + extra.length)
    .u32(0x02014b50)
    .u16(VERSION, VERSION, UTF8, record.method, 0, DATE)
    .u32(record.crc32 >>> 0, record.compressedSize, record.size)
    .u16(name.length, extra.length, 0, 0, 0)
    .u32(0, Math.min(record.headerOffset, MAX32))
    .raw(name)
    .raw(extra).bytes;
}

/**
 * Records from the front of an archive whose directory is missing: those that are whole. `end`: where the first one that is not begins.
 * Only archives whose local headers have sizes can be read so.
 */
export async function recoverRecords(source: {
  readonly size: number;
  read(range: Range): Uint8Array | Promise<Uint8Array>;
}): Promise<{ readonly records: readonly WrittenRecord[]; readonly end: number }> {
  const records: WrittenRecord[] = [];
  let at = 0;
  while (at + LOCAL_BYTES <= source.size) {
    const header = await source.read({ offset: at, length: LOCAL_BYTES });
    const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
    const method = view.getUint16(8, true);
    if (view.getUint32(0, true) !== 0x04034b50 || (method !== 0 && method !== 8) || (view.getUint16(6, true) & 8) !== 0) break;
    const nameBytes = view.getUint16(26, true);
    const dataAt = at + LOCAL_BYTES + nameBytes + view.getUint16(28, true);
    const compressedSize = view.getUint32(18, true);
    if (dataAt + compressedSize > source.size) break;
    const name = new TextDecoder().decode(await source.read({ offset: at + LOCAL_BYTES, length: nameBytes }));
    records.push({ name, method, crc32: view.getUint32(14, true), size: view.getUint32(22, true), compressedSize, headerOffset: at });
    at = dataAt + compressedSize;
  }
  return { records, end: at };
}
