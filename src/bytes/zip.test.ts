import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { isOpwiseError } from "../tensor/error.ts";
import type { Source } from "../tensor/source.ts";
import { DEFAULT_LIMITS, limitsWith } from "./limits.ts";
import { bytesSource, openSource } from "./source.ts";
import { openZip, type Zip } from "./zip.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const plain = { mtime: new Date(1980, 0, 1, 12) };
const stored = (files: Record<string, Uint8Array>): Uint8Array => zipSync(files, { ...plain, level: 0 });
const deflated = (files: Record<string, Uint8Array>): Uint8Array => zipSync(files, { ...plain, level: 9 });
const open = (bytes: Uint8Array): Promise<Zip> => openZip(bytesSource(bytes, "a.zip"));
/** As a URL or a Blob: nothing at once. */
const slow = (bytes: Uint8Array): Source => ({ name: "slow", size: bytes.length, read: async (range) => bytes.slice(range.offset, range.offset + range.length) });

/** The bytes with the little-endian number at the first `needle` plus `skip` replaced. */
function patch(bytes: Uint8Array, needle: string, skip: number, ...values: number[]): Uint8Array {
  const at = Buffer.from(bytes).indexOf(needle, 0, "latin1");
  const out = bytes.slice();
  out.set(values, at + skip);
  return out;
}

/** The archive with zip64 end records, and an ordinary one that says nothing. */
function withZip64(bytes: Uint8Array): Uint8Array {
  const end = bytes.length - 22;
  const old = new DataView(bytes.buffer, bytes.byteOffset + end, 22);
  const tail = new DataView(new ArrayBuffer(56 + 20 + 22));
  tail.setUint32(0, 0x06064b50, true);
  tail.setBigUint64(4, 44n, true);
  tail.setBigUint64(24, BigInt(old.getUint16(10, true)), true);
  tail.setBigUint64(32, BigInt(old.getUint16(10, true)), true);
  tail.setBigUint64(40, BigInt(old.getUint32(12, true)), true);
  tail.setBigUint64(48, BigInt(old.getUint32(16, true)), true);
  tail.setUint32(56, 0x07064b50, true);
  tail.setBigUint64(64, BigInt(end), true);
  tail.setUint32(72, 1, true);
  tail.setUint32(76, 0x06054b50, true);
  for (let i = 84; i < 96; i++) tail.setUint8(i, 0xff);
  return Uint8Array.from([...bytes.subarray(0, end), ...new Uint8Array(tail.buffer)]);
}

const files = { "m/data.pkl": text("hello"), "m/data/0": Uint8Array.from({ length: 300 }, (_, i) => i) };

describe("sound archives", () => {
  it.each([["stored", stored(files)], ["deflated", deflated(files)], ["zip64", withZip64(stored(files))]])("reads %s records", async (_, bytes) => {
    for (const source of [bytesSource(bytes), slow(bytes)]) {
      const zip = await openZip(source);
      expect(zip.names).toEqual(["m/data.pkl", "m/data/0"]);
      for (const [name, content] of Object.entries(files)) {
        expect(await zip.read(name)).toEqual(content);
        const record = await zip.record(name);
        expect(record.size).toBe(content.length);
        expect(await record.read({ offset: 1, length: 3 })).toEqual(content.slice(1, 4));
        await record.verify();
      }
      expect(zip.entry("m/none")).toBeUndefined();
    }
  });
  it("gives stored records as views, and says where they lie", async () => {
    const bytes = stored(files);
    const zip = await open(bytes);
    const range = await zip.range("m/data/0");
    expect(bytes.subarray(range?.offset, (range?.offset ?? 0) + 300)).toEqual(files["m/data/0"]);
    expect((await zip.read("m/data/0")).buffer).toBe(bytes.buffer);
    expect(await (await open(deflated(files))).range("m/data/0")).toBeUndefined();
  });
  it("skips a comment, and bytes after the end record", async () => {
    const bytes = stored(files);
    const commented = Uint8Array.from([...bytes.subarray(0, -2), 5, 0, ...text("PK\x05\x06!")]);
    expect((await open(commented)).names.length).toBe(2);
    expect((await open(Uint8Array.from([...bytes, 0, 0, 0]))).names.length).toBe(2);
  });
  it("uses the first of two entries with one name", async () => {
    const both = patch(patch(stored({ aa: text("first"), ab: text("other") }), "ab", 0, 0x61, 0x61), "\x00ab", 1, 0x61, 0x61);
    expect(await (await open(both)).read("aa")).toEqual(text("first"));
  });
});

describe("damaged archives", () => {
  /** The code of the error, with the record it names; from a source in memory and from a slow one alike. */
  const failure = async (bytes: Uint8Array): Promise<string> => {
    const said = new Set<string>();
    for (const source of [bytesSource(bytes), slow(bytes)]) {
      const attempt = openZip(source).then((zip) => Promise.all(zip.names.map((name) => zip.read(name))));
      said.add(await attempt.then(() => "read", (error: unknown) => (isOpwiseError(error) ? `${error.code} ${error.where.record ?? ""}`.trimEnd() : String(error))));
    }
    return [...said].join(" or ");
  };
  it("names the format of a file that is no archive", async () => {
    await expect(open(text("\x89PNG\r\n"))).rejects.toMatchObject({ code: "bad-zip" });
    await expect(open(new Uint8Array(0))).rejects.toMatchObject({ code: "bad-zip", got: "an empty file" });
    await expect(open(text("<!DOCTYPE html><html>"))).rejects.toMatchObject({ code: "bad-zip", got: "an HTML page" });
  });
  it("calls every beginning of an archive cut short", async () => {
    const bytes = stored(files);
    for (const length of [4, 30, 200, bytes.length - 30, bytes.length - 1]) expect(await failure(bytes.subarray(0, length))).toBe("truncated");
  });
  it("finds a flipped bit by the CRC, also when only a part is read", async () => {
    const bytes = patch(stored(files), "hello", 0, 0x48);
    expect(await failure(bytes)).toBe("crc-mismatch m/data.pkl");
    for (const source of [bytesSource(bytes), slow(bytes)]) {
      const record = await (await openZip(source)).record("m/data.pkl");
      await expect((async () => record.read({ offset: 4, length: 1 }))()).rejects.toMatchObject({ code: "crc-mismatch" });
      await expect((async () => record.verify())()).rejects.toMatchObject({ code: "crc-mismatch" });
    }
  });
  it("refuses entries that lie, overlap, are encrypted or use other methods", async () => {
    const bytes = stored(files);
    expect(await failure(patch(bytes, "PK\x03\x04", 0, 0))).toBe("bad-zip m/data.pkl");
    expect(await failure(patch(bytes, "m/data.pkl", 0, 0x6e))).toBe("bad-zip m/data.pkl");
    expect(await failure(patch(bytes, "PK\x01\x02", 0, 0))).toBe("bad-zip");
    expect(await failure(patch(bytes, "PK\x01\x02", 8, 1))).toBe("bad-zip m/data.pkl");
    expect(await failure(patch(patch(bytes, "PK\x01\x02", 10, 99), "PK\x03\x04", 8, 99))).toBe("bad-zip m/data.pkl");
    expect(await failure(patch(bytes, "PK\x01\x02", 20, 0xfe, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff))).toBe("bad-zip m/data.pkl");
    expect(await failure(patch(bytes, "PK\x01\x02", 20, 60, 0, 0, 0, 60, 0, 0, 0))).toBe("bad-zip m/data/0");
    expect(await failure(patch(bytes, "PK\x05\x06", 10, 200, 0))).toBe("bad-zip");
  });
  it("stops inflating at the declared size, and refuses bombs before inflating", async () => {
    const zeros = deflated({ z: new Uint8Array(1 << 20) });
    expect(await failure(patch(zeros, "PK\x01\x02", 24, 100, 0, 0, 0))).toBe("bad-zip z");
    expect(await failure(patch(zeros, "PK\x01\x02", 24, 1, 0, 0x11, 0))).toBe("bad-zip z");
    const bomb = deflated({ z: new Uint8Array(17 << 20) });
    expect(await failure(bomb)).toBe("limit-exceeded z");
    const raised = await openZip(bytesSource(bomb), limitsWith({ maxInflateRatio: 2000 }));
    expect((await raised.read("z")).length).toBe(17 << 20);
    const few = { ...DEFAULT_LIMITS, maxRecords: 1 };
    await expect(openZip(bytesSource(stored(files)), few)).rejects.toMatchObject({ code: "limit-exceeded" });
  });
  it("says which record is missing", async () => {
    await expect((await open(stored(files))).read("m/code")).rejects.toMatchObject({ code: "missing-record", where: { record: "m/code" } });
  });
  it("answers every single changed byte with content or an error of its own", async () => {
    const bytes = deflated(files);
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at] = 255 - (changed[at] ?? 0);
      try {
        const zip = await open(changed);
        for (const name of zip.names) await zip.read(name);
      } catch (error) {
        expect(error).toMatchObject({ name: "OpwiseError" });
      }
    }
  });
});

describe("records taken in pieces", () => {
  const big = Uint8Array.from({ length: 2_300_000 }, (_, i) => (i * 7) % 251);
  /** The archive with one byte of its last record's content changed. */
  const damaged = (): Uint8Array => {
    const bytes = stored({ big });
    const at = 30 + "big".length + 2_000_000;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return bytes;
  };
  it.each([["stored", stored({ big })], ["deflated", deflated({ big })]])("copies and streams %s ones", async (_, bytes) => {
    const target = new Uint8Array(big.length);
    const now = await (await openZip(bytesSource(bytes))).record("big");
    now.readIntoSync?.({ offset: 0, length: big.length }, target);
    expect(Buffer.compare(target, big)).toBe(0);
    now.readIntoSync?.({ offset: 100, length: 50 }, target.subarray(0, 50));
    expect(target.slice(0, 50)).toEqual(big.slice(100, 150));
    const pieces: Uint8Array[] = [];
    const later = await (await openZip(slow(bytes))).record("big");
    await later.stream?.({ offset: 0, length: big.length }, (piece) => pieces.push(piece.slice()));
    expect(Buffer.compare(Buffer.concat(pieces), big)).toBe(0);
    await later.stream?.({ offset: 100, length: 50 }, (piece) => pieces.push(piece.slice()));
    expect(pieces.at(-1)).toEqual(big.slice(100, 150));
  });
  it("notices damage of the whole and of a part, either way", async () => {
    const target = new Uint8Array(big.length);
    for (const range of [{ offset: 0, length: big.length }, { offset: 5, length: 10 }]) {
      const now = await (await openZip(bytesSource(damaged()))).record("big");
      expect(() => now.readIntoSync?.(range, target.subarray(0, range.length))).toThrow(expect.objectContaining({ code: "crc-mismatch" }));
      const later = await (await openZip(slow(damaged()))).record("big");
      await expect(later.stream?.(range, () => undefined)).rejects.toMatchObject({ code: "crc-mismatch" });
    }
  });
  it.each([["stored", stored({ big })], ["deflated", deflated({ big })]])("reads %s ones while the caller goes on, and notices damage", async (kind, bytes) => {
    const folder = mkdtempSync(join(tmpdir(), "opwise-zip-"));
    const opened = async (content: Uint8Array): Promise<Zip> => {
      writeFileSync(join(folder, "a.zip"), content);
      return openZip(await openSource(join(folder, "a.zip")));
    };
    const target = new Uint8Array(big.length);
    const record = await (await opened(bytes)).record("big");
    for (const range of [{ offset: 7, length: 20 }, { offset: 0, length: big.length }, { offset: 100, length: 50 }]) {
      await record.readLater?.(range, target.subarray(0, range.length));
      expect(Buffer.compare(target.subarray(0, range.length), big.subarray(range.offset, range.offset + range.length))).toBe(0);
    }
    if (kind === "stored") {
      const bad = await (await opened(damaged())).record("big");
      await expect(bad.readLater?.({ offset: 0, length: big.length }, target)).rejects.toMatchObject({ code: "crc-mismatch" });
      await expect(bad.readLater?.({ offset: 0, length: 5 }, target.subarray(0, 5))).rejects.toMatchObject({ code: "crc-mismatch" });
    }
    rmSync(folder, { recursive: true });
  });
  it("checks a record once", async () => {
    let read = 0;
    const bytes = stored({ big });
    const counted: Source = {
      name: "counted",
      size: bytes.length,
      read: () => bytes,
      readSync: ({ offset, length }) => {
        read += length;
        return bytes.subarray(offset, offset + length);
      },
    };
    const record = await (await openZip({ ...counted, read: counted.readSync ?? counted.read })).record("big");
    read = 0;
    const target = new Uint8Array(big.length);
    record.readIntoSync?.({ offset: 0, length: big.length }, target);
    record.readIntoSync?.({ offset: 3, length: 10 }, target.subarray(0, 10));
    expect(read).toBeLessThan(big.length + 200);
  });
});
