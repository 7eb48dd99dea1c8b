/**
 * Reads zip archives by their central directory, ordinary and zip64. Records are named bytes, never paths. Stored records stay
 * ranges of the source; deflated ones are inflated into a buffer of their declared size and no further.
 */

import { OpwiseError, isOpwiseError, unreachable } from "../tensor/error.ts";
import type { Range, Source } from "../tensor/source.ts";
import { crc32 } from "./crc32.ts";
import { describeFormat, formatHint, SNIFF_BYTES, sniffFormat } from "./format.ts";
import { inflateRaw, inflateRawAsync } from "./inflate.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import { checkRange, chunksOf, readInto, streamFrom } from "./source.ts";

/** One record as the central directory describes it. */
export interface ZipEntry {
  readonly name: string;
  /** 0 stored, 8 deflated; others are listed but cannot be read. */
  readonly method: number;
  readonly encrypted: boolean;
  /** Bytes of the content. */
  readonly size: number;
  /** Bytes in the archive. */
  readonly compressedSize: number;
  readonly crc32: number;
  /** Where the local header begins. */
  readonly headerOffset: number;
}

/** A record as a source: its first read checks the CRC-32 of the whole record. */
export interface StoredRecord extends Source {
  /** Checks the CRC-32 now, once. @throws crc-mismatch, bad-zip, truncated, limit-exceeded */
  verify(): void | Promise<void>;
}

export interface Zip {
  readonly source: Source;
  /** Names in the directory's order; of two entries with one name the first counts. */
  readonly names: readonly string[];
  entry(name: string): ZipEntry | undefined;
  /** The content, CRC-32 checked: a view where it is stored and the source is in memory. @throws missing-record, bad-zip, crc-mismatch, truncated, limit-exceeded */
  read(name: string): Promise<Uint8Array>;
  /** Where a stored record's content lies in the source; undefined for a deflated one. @throws missing-record, bad-zip */
  range(name: string): Promise<Range | undefined>;
  /** The record as a source of its own; the same object for the same name. @throws missing-record, bad-zip */
  record(name: string): Promise<StoredRecord>;
}

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const END64_BYTES = 56;
const CENTRAL_BYTES = 46;
const LOCAL_BYTES = 30;
const MAX_COMMENT = 0xffff;

interface RawEntry extends ZipEntry {
  /** Where the name's bytes lie in `directory`. */
  readonly nameAt: number;
  readonly nameBytes: number;
  /** The archive's directory, one for all entries. */
  readonly directory: Uint8Array;
}

interface Directory extends Range {
  readonly count: number;
}

function dataView(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function bad(source: Source, message: string, facts: { record?: string; wanted?: string; got?: string; hint?: string | undefined } = {}): OpwiseError {
  const { record, ...rest } = facts;
  return new OpwiseError("bad-zip", message, { where: { file: source.name, record }, ...rest });
}

/**
 * Opens an archive: reads its directory and checks that the entries lie in the file, side by side.
 * @throws bad-zip, truncated, limit-exceeded
 */
export async function openZip(source: Source, limits: Limits = DEFAULT_LIMITS): Promise<Zip> {
  const directory = await findDirectory(source);
  if (directory.count > limits.maxRecords || directory.length > limits.maxDirectoryBytes) {
    throw new OpwiseError("limit-exceeded", "the archive has too many records", {
      where: { file: source.name },
      wanted: `at most ${limits.maxRecords} records and ${limits.maxDirectoryBytes} bytes of directory`,
      got: `${directory.count} records, ${directory.length} bytes`,
      hint: "raise `maxRecords` and `maxDirectoryBytes`",
    });
  }
  const entries = parseDirectory(source, directory, await source.read(directory));
  checkLayout(source, entries, directory.offset);
  const byName = new Map<string, RawEntry>();
  for (const entry of entries) if (!byName.has(entry.name)) byName.set(entry.name, entry);
  return zipOf(source, byName, limits);
}

function zipOf(source: Source, entries: ReadonlyMap<string, RawEntry>, limits: Limits): Zip {
  const records = new Map<string, StoredRecord>();
  const need = (name: string): RawEntry => {
    const entry = entries.get(name);
    if (entry === undefined) {
      throw new OpwiseError("missing-record", `the archive has no record \`${name}\``, { where: { file: source.name, record: name } });
    }
    return entry;
  };
  const recordOf = (name: string): StoredRecord => {
    let record = records.get(name);
    if (record === undefined) {
      record = makeRecord(source, need(name), limits);
      records.set(name, record);
    }
    return record;
  };
  return {
    source,
    names: [...entries.keys()],
    entry: (name) => entries.get(name),
    async read(name) {
      const entry = need(name);
      // A deflated record is not kept when it is read this way; a stored one remembers that its CRC was right.
      if (entry.method !== 0) return inflateEntryAsync(source, entry, await source.read(await dataRange(source, entry, limits)));
      return recordOf(name).read({ offset: 0, length: entry.size });
    },
    async range(name) {
      const entry = need(name);
      const range = await dataRange(source, entry, limits);
      return entry.method === 0 ? range : undefined;
    },
    async record(name) {
      return recordOf(name);
    },
  };
}

// ---- the directory

/** Finds the end record, and through it the directory; a zip64 record wins over the ordinary one. */
async function findDirectory(source: Source): Promise<Directory> {
  const { size } = source;
  const tailBytes = Math.min(size, END_BYTES + MAX_COMMENT + LOCATOR_BYTES);
  const tailAt = size - tailBytes;
  const tail = await source.read({ offset: tailAt, length: tailBytes });
  const view = dataView(tail);
  const at = findEnd(view);
  if (at === undefined) throw await notAZip(source);

  const disk = view.getUint16(at + 4, true);
  let directory: Directory = { count: view.getUint16(at + 10, true), length: view.getUint32(at + 12, true), offset: view.getUint32(at + 16, true) };
  let directoryEnd = tailAt + at;
  const hasLocator = at >= LOCATOR_BYTES && view.getUint32(at - LOCATOR_BYTES, true) === LOCATOR64;
  if (hasLocator) {
    const end64 = uint64(view, at - LOCATOR_BYTES + 8);
    if (end64 + END64_BYTES > directoryEnd - LOCATOR_BYTES) throw bad(source, "the zip64 end record lies outside the archive");
    const record = dataView(await source.read({ offset: end64, length: END64_BYTES }));
    if (record.getUint32(0, true) !== END64) throw bad(source, "the zip64 end record has no signature");
    directory = { count: uint64(record, 32), length: uint64(record, 40), offset: uint64(record, 48) };
    directoryEnd = end64;
  } else if (disk !== 0) {
    throw bad(source, "the archive is one part of several", { got: `part ${disk + 1}` });
  }
  if (directory.offset + directory.length !== directoryEnd) {
    const beyond = directory.offset + directory.length > directoryEnd;
    throw bad(source, beyond ? "the archive's directory does not end where the end record begins" : "the archive's offsets do not fit the file", {
      wanted: `a directory that ends at byte ${directoryEnd}`,
      got: `bytes ${directory.offset} to ${directory.offset + directory.length}`,
      hint: beyond ? undefined : "bytes may have been put before or into the archive",
    });
  }
  return directory;
}

/** The last end record whose comment ends with the file, else the last one whose comment fits. */
function findEnd(view: DataView): number | undefined {
  let loose: number | undefined;
  for (let at = view.byteLength - END_BYTES; at >= 0; at--) {
    if (view.getUint32(at, true) !== END) continue;
    const end = at + END_BYTES + view.getUint16(at + 20, true);
    if (end === view.byteLength) return at;
    if (end < view.byteLength) loose ??= at;
  }
  return loose;
}

/** The error for a file in which no end record was found: what is it then. */
async function notAZip(source: Source): Promise<OpwiseError> {
  const head = await source.read({ offset: 0, length: Math.min(source.size, SNIFF_BYTES) });
  const format = sniffFormat(head, source.size);
  if (format === "zip") {
    return new OpwiseError("truncated", "the archive is cut short: its end record is missing", {
      where: { file: source.name },
      got: `${source.size} bytes`,
      hint: "the download or the copy did not finish: fetch the file again",
    });
  }
  return new OpwiseError("bad-zip", "the file is not a zip archive", {
    where: { file: source.name },
    wanted: "a zip archive, as `torch.jit.save` writes it",
    got: describeFormat(format),
    hint: formatHint(format),
  });
}

/** An unsigned 64-bit number; beyond 2^53 it is rounded, which no check below mistakes for a place inside a file. */
function uint64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

function parseDirectory(source: Source, directory: Directory, bytes: Uint8Array): RawEntry[] {
  const view = dataView(bytes);
  const text = new TextDecoder();
  const entries: RawEntry[] = [];
  let at = 0;
  for (let i = 0; i < directory.count; i++) {
    if (at + CENTRAL_BYTES > bytes.length) {
      throw bad(source, "the archive claims more records than its directory holds", { wanted: `${directory.count} records`, got: `${i}` });
    }
    if (view.getUint32(at, true) !== CENTRAL) throw bad(source, `entry ${i} of the archive's directory has no signature`);
    const nameBytes = view.getUint16(at + 28, true);
    const extraBytes = view.getUint16(at + 30, true);
    const end = at + CENTRAL_BYTES + nameBytes + extraBytes + view.getUint16(at + 32, true);
    if (end > bytes.length) throw bad(source, `entry ${i} of the archive's directory runs past its end`);
    const nameAt = at + CENTRAL_BYTES;
    const name = text.decode(bytes.subarray(nameAt, nameAt + nameBytes));
    const { size, compressedSize, headerOffset } = sizesOf(view, at, { offset: nameAt + nameBytes, length: extraBytes }, source, name);
    entries.push({
      name,
      method: view.getUint16(at + 10, true),
      // Bit 0: encrypted; bit 13: masked headers of strong encryption.
      encrypted: (view.getUint16(at + 8, true) & 0x2001) !== 0,
      size,
      compressedSize,
      crc32: view.getUint32(at + 16, true),
      headerOffset,
      nameAt,
      nameBytes,
      directory: bytes,
    });
    at = end;
  }
  return entries;
}

/** Sizes and offset of a central entry; fields of 0xFFFFFFFF are in the zip64 extra field, in this order. */
function sizesOf(view: DataView, at: number, extra: Range, source: Source, record: string): Pick<ZipEntry, "size" | "compressedSize" | "headerOffset"> {
  let compressedSize = view.getUint32(at + 20, true);
  let size = view.getUint32(at + 24, true);
  let headerOffset = view.getUint32(at + 42, true);
  if (compressedSize !== 0xffffffff && size !== 0xffffffff && headerOffset !== 0xffffffff) return { size, compressedSize, headerOffset };
  let field = extra.offset;
  const end = extra.offset + extra.length;
  while (field + 4 <= end) {
    const id = view.getUint16(field, true);
    const next = field + 4 + view.getUint16(field + 2, true);
    if (next > end) break;
    if (id === 1) {
      let value = field + 4;
      const take = (): number => {
        if (value + 8 > next) throw bad(source, "a record's zip64 field is too short", { record });
        value += 8;
        return uint64(view, value - 8);
      };
      if (size === 0xffffffff) size = take();
      if (compressedSize === 0xffffffff) compressedSize = take();
      if (headerOffset === 0xffffffff) headerOffset = take();
      break;
    }
    field = next;
  }
  return { size, compressedSize, headerOffset };
}

/** Every entry must lie before the directory, and no two may share bytes: a few bytes could stand for terabytes otherwise. */
function checkLayout(source: Source, entries: readonly RawEntry[], directoryOffset: number): void {
  const byOffset = [...entries].sort((a, b) => a.headerOffset - b.headerOffset);
  byOffset.forEach((entry, i) => {
    const end = entry.headerOffset + LOCAL_BYTES + entry.nameBytes + entry.compressedSize;
    if (end > directoryOffset) {
      throw bad(source, "a record runs past the end of the archive", {
        record: entry.name,
        wanted: `an end at byte ${directoryOffset} or before`,
        got: `byte ${end}`,
      });
    }
    const next = byOffset[i + 1];
    if (next !== undefined && end > next.headerOffset) {
      throw bad(source, `two records share bytes: \`${entry.name}\` and \`${next.name}\``, { record: next.name });
    }
  });
}

// ---- records

/** Checks the local header's first bytes and gives the bytes up to the data. */
function localHeaderBytes(source: Source, entry: RawEntry, header: Uint8Array): number {
  const view = dataView(header);
  const record = entry.name;
  if (view.getUint32(0, true) !== LOCAL) throw bad(source, "a record's local header has no signature", { record });
  const nameBytes = view.getUint16(26, true);
  if (!hasName(header, nameBytes, entry)) throw bad(source, "a record's local header has another name than the directory", { record });
  if (view.getUint16(8, true) !== entry.method) throw bad(source, "a record's local header has another method than the directory", { record });
  return LOCAL_BYTES + nameBytes + view.getUint16(28, true);
}

function hasName(header: Uint8Array, nameBytes: number, entry: RawEntry): boolean {
  if (nameBytes !== entry.nameBytes) return false;
  for (let i = 0; i < nameBytes; i++) if (header[LOCAL_BYTES + i] !== entry.directory[entry.nameAt + i]) return false;
  return true;
}

function headerRange(entry: RawEntry): Range {
  return { offset: entry.headerOffset, length: LOCAL_BYTES + entry.nameBytes };
}

/** The place of an entry's bytes, given its local header. */
function placeData(source: Source, entry: RawEntry, header: Uint8Array): Range {
  const range = { offset: entry.headerOffset + localHeaderBytes(source, entry, header), length: entry.compressedSize };
  checkRange(range, source.size, source.name);
  return range;
}

/** Refuses what cannot be read at all, before any byte of it is read. */
function checkReadable(source: Source, entry: RawEntry, limits: Limits): void {
  const record = entry.name;
  if (entry.encrypted) throw bad(source, "the record is encrypted", { record });
  if (entry.method !== 0 && entry.method !== 8) {
    throw bad(source, "the record is compressed by a method that archives of models do not use", { record, wanted: "0 (stored) or 8 (deflated)", got: `${entry.method}` });
  }
  if (entry.method === 0) {
    if (entry.size !== entry.compressedSize) throw bad(source, "a stored record has two different sizes", { record });
    return;
  }
  const bound = Math.max(16 * 1024 * 1024, entry.compressedSize * limits.maxInflateRatio);
  if (entry.size > limits.maxRecordBytes || entry.size > bound) {
    const size = entry.size > limits.maxRecordBytes;
    throw new OpwiseError("limit-exceeded", size ? "the record is too large" : "the record inflates out of proportion", {
      where: { file: source.name, record },
      wanted: `at most ${Math.min(limits.maxRecordBytes, bound)} bytes`,
      got: `${entry.size} bytes out of ${entry.compressedSize}`,
      hint: size ? "raise `maxRecordBytes`" : "raise `maxInflateRatio` if the file is yours",
    });
  }
}

async function dataRange(source: Source, entry: RawEntry, limits: Limits): Promise<Range> {
  checkReadable(source, entry, limits);
  return placeData(source, entry, await source.read(headerRange(entry)));
}

function checkCrc(source: Source, entry: ZipEntry, got: number): void {
  if (got === entry.crc32) return;
  const hex = (value: number): string => value.toString(16).padStart(8, "0");
  throw new OpwiseError("crc-mismatch", "the record is damaged: its CRC-32 is wrong", {
    where: { file: source.name, record: entry.name },
    wanted: hex(entry.crc32),
    got: hex(got),
    hint: "fetch the file again",
  });
}

/** As `inflateEntry`, where one may wait. */
async function inflateEntryAsync(source: Source, entry: ZipEntry, compressed: Uint8Array): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await inflateRawAsync(compressed, entry.size);
  } catch (error) {
    throw isOpwiseError(error) ? error.at({ file: source.name, record: entry.name }) : error;
  }
  checkCrc(source, entry, crc32(bytes));
  return bytes;
}

function inflateEntry(source: Source, entry: ZipEntry, compressed: Uint8Array): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = inflateRaw(compressed, entry.size);
  } catch (error) {
    throw isOpwiseError(error) ? error.at({ file: source.name, record: entry.name }) : error;
  }
  checkCrc(source, entry, crc32(bytes));
  return bytes;
}

function inside(range: Range, data: Range): Range {
  return { offset: data.offset + range.offset, length: range.length };
}
function cut(range: Range, bytes: Uint8Array): Uint8Array {
  return bytes.subarray(range.offset, range.offset + range.length);
}

/** What is known of a record: where its bytes are, whether they have been checked, and what they inflate to. */
class FoundRecord {
  readonly name: string;
  readonly size: number;
  protected readonly source: Source;
  protected readonly entry: RawEntry;
  protected place: Range | undefined;
  protected verified = false;
  protected inflated: Uint8Array | undefined;

  constructor(source: Source, entry: RawEntry) {
    this.name = entry.name;
    this.size = entry.size;
    this.source = source;
    this.entry = entry;
  }

  protected accept(crc: number): void {
    checkCrc(this.source, this.entry, crc);
    this.verified = true;
  }

  /** Whether bytes can go from the source to where they are wanted: they are checked, or are all that is to be checked. */
  protected isPassed(range: Range): boolean {
    return this.entry.method === 0 && (this.verified || range.length === this.size);
  }
}

/** A record of a source that has to be waited for. */
class AsyncRecord extends FoundRecord implements StoredRecord {
  #pending: Promise<void> | undefined;

  async #find(): Promise<Range> {
    return (this.place ??= placeData(this.source, this.entry, await this.source.read(headerRange(this.entry))));
  }

  async #check(): Promise<void> {
    const place = await this.#find();
    if (this.entry.method === 8) {
      this.inflated ??= inflateEntry(this.source, this.entry, await this.source.read(place));
      this.verified = true;
    } else {
      let crc = 0;
      for (const chunk of chunksOf(place)) crc = crc32(await this.source.read(chunk), crc);
      this.accept(crc);
    }
  }

  async verify(): Promise<void> {
    if (!this.verified) await this.read({ offset: 0, length: 0 });
  }

  async read(range: Range): Promise<Uint8Array> {
    checkRange(range, this.size, this.name);
    if (!this.verified && this.entry.method === 0 && range.length === this.size) {
      const bytes = await this.source.read(await this.#find());
      this.accept(crc32(bytes));
      return bytes;
    }
    if (!this.verified) await (this.#pending ??= this.#check().finally(() => (this.#pending = undefined)));
    if (this.inflated !== undefined) return cut(range, this.inflated);
    return this.source.read(inside(range, await this.#find()));
  }

  /** A whole stored record is checked while it goes by: whoever takes it hears of damage at its end. */
  async stream(range: Range, take: (piece: Uint8Array) => void): Promise<void> {
    checkRange(range, this.size, this.name);
    const place = await this.#find();
    if (!this.isPassed(range)) return take(await this.read(range));
    let crc = 0;
    await streamFrom(this.source, inside(range, place), (piece) => {
      if (!this.verified) crc = crc32(piece, crc);
      take(piece);
    });
    if (!this.verified) this.accept(crc);
  }
}

/** A record of a source that can be read at once. */
class SyncRecord extends FoundRecord implements StoredRecord {
  #fetch(range: Range): Uint8Array {
    return this.source.readSync?.(range) ?? unreachable("a source that can be read at once");
  }

  #find(): Range {
    return (this.place ??= placeData(this.source, this.entry, this.#fetch(headerRange(this.entry))));
  }

  verify(): void {
    if (!this.verified) this.readSync({ offset: 0, length: 0 });
  }

  read(range: Range): Uint8Array {
    return this.readSync(range);
  }

  readSync(range: Range): Uint8Array {
    checkRange(range, this.size, this.name);
    const place = this.#find();
    if (!this.verified) {
      if (this.entry.method === 8) {
        this.inflated = inflateEntry(this.source, this.entry, this.#fetch(place));
        this.verified = true;
      } else if (range.length === this.size) {
        const bytes = this.#fetch(place);
        this.accept(crc32(bytes));
        return bytes;
      } else {
        let crc = 0;
        for (const chunk of chunksOf(place)) crc = crc32(this.#fetch(chunk), crc);
        this.accept(crc);
      }
    }
    return this.inflated === undefined ? this.#fetch(inside(range, place)) : cut(range, this.inflated);
  }

  /** As `readSync`; a whole stored record goes piece by piece, so that each is checked while a cache holds it. */
  readIntoSync(range: Range, target: Uint8Array): void {
    checkRange(range, this.size, this.name);
    if (!this.isPassed(range)) return target.set(this.readSync(range));
    const place = this.#find();
    if (this.verified) return readInto(this.source, inside(range, place), target);
    let crc = 0;
    for (const chunk of chunksOf({ offset: 0, length: this.size })) {
      const part = cut(chunk, target);
      readInto(this.source, inside(chunk, place), part);
      crc = crc32(part, crc);
    }
    this.accept(crc);
  }

  get readLater(): Source["readLater"] {
    const later = this.source.readLater;
    return (
      later &&
      (async (range, target) => {
        checkRange(range, this.size, this.name);
        if (!this.isPassed(range)) return target.set(this.readSync(range));
        await later(inside(range, this.#find()), target);
        if (!this.verified) this.accept(crc32(target));
      })
    );
  }
}

function makeRecord(source: Source, entry: RawEntry, limits: Limits): StoredRecord {
  checkReadable(source, entry, limits);
  return source.readSync === undefined ? new AsyncRecord(source, entry) : new SyncRecord(source, entry);
}
