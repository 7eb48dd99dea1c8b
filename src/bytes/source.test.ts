import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import type { Source } from "../tensor/source.ts";
import { bytesSource, checkSiblingPath, openSource, readAll, readInto, streamFrom, subSource } from "./source.ts";

const folder = mkdtempSync(join(tmpdir(), "opwise-source-"));
afterAll(() => rmSync(folder, { recursive: true }));
const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
const part = { offset: 10, length: 5 };

describe("bytes and parts of them", () => {
  it("hands out views of bytes in memory", async () => {
    const source = await openSource(bytes);
    const view = await source.read(part);
    expect([...view]).toEqual([10, 11, 12, 13, 14]);
    expect(view.buffer).toBe(bytes.buffer);
    expect(Object.getPrototypeOf(await bytesSource(Buffer.from([1, 2])).read({ offset: 0, length: 1 }))).toBe(Uint8Array.prototype);
  });
  it("refuses ranges outside, also of a part", () => {
    const inner = subSource(bytesSource(bytes), part, "part");
    expect(inner.size).toBe(5);
    expect([...(inner.readSync?.({ offset: 4, length: 1 }) ?? [])]).toEqual([14]);
    for (const range of [{ offset: 4, length: 2 }, { offset: -1, length: 1 }, { offset: 0.5, length: 1 }, { offset: 0, length: Number.NaN }]) {
      expect(() => inner.read(range)).toThrow(expect.objectContaining({ code: "truncated" }));
    }
    expect(() => subSource(inner, { offset: 3, length: 3 })).toThrow(expect.objectContaining({ code: "truncated" }));
  });
  it("reads a Blob by slices", async () => {
    const source = await openSource(new Blob([bytes]));
    expect([...(await source.read(part))]).toEqual([10, 11, 12, 13, 14]);
    expect(source.readSync).toBeUndefined();
  });
  it("copies into memory that is there, also of a part", () => {
    const target = new Uint8Array(6);
    readInto(subSource(bytesSource(bytes), part), { offset: 1, length: 3 }, target.subarray(2, 5));
    expect([...target]).toEqual([0, 0, 11, 12, 13, 0]);
    const plain: Source = { name: "plain", size: 100, read: () => bytes, readSync: ({ offset, length }) => bytes.subarray(offset, offset + length) };
    readInto(plain, { offset: 90, length: 6 }, target);
    expect([...target]).toEqual([90, 91, 92, 93, 94, 95]);
    const slow: Source = { name: "slow", size: 100, read: async () => bytes };
    expect(() => readInto(slow, part, target)).toThrow(expect.objectContaining({ code: "would-block" }));
  });
  it("streams a Blob, and a part of it, in order", async () => {
    const large = Uint8Array.from({ length: 2_500_000 }, (_, i) => i % 253);
    const pieces: Uint8Array[] = [];
    const inner = subSource(await openSource(new Blob([large])), { offset: 5, length: 2_400_000 });
    await streamFrom(inner, { offset: 7, length: 2_300_000 }, (piece) => pieces.push(piece.slice()));
    expect(pieces.length).toBeGreaterThan(1);
    expect(Buffer.compare(Buffer.concat(pieces), large.subarray(12, 2_300_012))).toBe(0);
  });
  it("refuses to read whole what is larger than the limit", () => {
    expect(() => readAll(bytesSource(bytes), 99)).toThrow(expect.objectContaining({ code: "limit-exceeded" }));
  });
});

describe("files", () => {
  it("are open for a turn of the event loop, however many parts are read in it", async () => {
    const path = join(folder, "parts.bin");
    writeFileSync(path, new Uint8Array(400_000).fill(7));
    const source = await openSource(path);
    const fs = process.getBuiltinModule("node:fs");
    const [opens, closes] = [vi.spyOn(fs, "openSync"), vi.spyOn(fs, "closeSync")];
    const read = (offset: number): Uint8Array | undefined => source.readSync?.({ offset, length: 9 });
    try {
      for (const offset of [0, 100_000, 200_000, 300_000]) expect(read(offset)).toEqual(new Uint8Array(9).fill(7));
      expect([opens.mock.calls.length, closes.mock.calls.length]).toEqual([1, 0]);
      await Promise.resolve();
      expect(closes.mock.calls.length).toBe(1);
      read(0);
      await Promise.resolve();
      expect([opens.mock.calls.length, closes.mock.calls.length]).toEqual([2, 2]);
    } finally {
      vi.restoreAllMocks();
    }
  });

  const file = join(folder, "model.onnx");
  writeFileSync(file, bytes);
  it("reads exactly the range asked for", async () => {
    const view = (await openSource(file)).readSync?.(part);
    expect([...(view ?? [])]).toEqual([10, 11, 12, 13, 14]);
    expect(view?.buffer.byteLength).toBe(5);
    expect((await openSource(new URL(`file://${file}`))).size).toBe(100);
  });
  it("reads straight into memory that is there", async () => {
    const source = await openSource(file);
    const memory = new WebAssembly.Memory({ initial: 1 });
    source.readIntoSync?.(part, new Uint8Array(memory.buffer, 3, 5));
    expect([...new Uint8Array(memory.buffer, 2, 7)]).toEqual([0, 10, 11, 12, 13, 14, 0]);
    expect(() => source.readIntoSync?.({ offset: 99, length: 2 }, new Uint8Array(2))).toThrow(expect.objectContaining({ code: "truncated" }));
  });
  it("reads ranges on another thread, together, while the caller goes on", async () => {
    const large = join(folder, "large");
    const content = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7) % 251);
    writeFileSync(large, content);
    const source = await openSource(large);
    const memory = new WebAssembly.Memory({ initial: 4, maximum: 8, shared: true });
    const ranges = [{ offset: 250_000, length: 50_000 }, { offset: 3, length: 70_000 }, { offset: 90_000, length: 0 }, { offset: 100, length: 9 }];
    const targets = [new Uint8Array(50_000), new Uint8Array(memory.buffer, 5, 70_000), new Uint8Array(0), new Uint8Array(9)];
    const { readLater } = subSource(source, { offset: 0, length: 300_000 });
    if (readLater === undefined) throw new Error("a file can be read later");
    await Promise.all(ranges.map((range, i) => readLater(range, targets[i] ?? new Uint8Array(0))));
    ranges.forEach(({ offset, length }, i) => expect(Buffer.compare(Buffer.from(targets[i] ?? []), content.subarray(offset, offset + length))).toBe(0));
    await expect(readLater({ offset: 299_999, length: 2 }, new Uint8Array(2))).rejects.toMatchObject({ code: "truncated" });
    writeFileSync(large, content.subarray(1));
    const late = ranges.map((range) => readLater(range, new Uint8Array(range.length)));
    for (const one of await Promise.allSettled(late)) expect(one).toMatchObject({ status: "rejected", reason: { code: "io-error" } });
  });
  it("says what is missing or no file", async () => {
    await expect(openSource(join(folder, "nothing"))).rejects.toMatchObject({ code: "missing-file" });
    await expect(openSource(folder)).rejects.toMatchObject({ code: "io-error" });
  });
  it("notices that a file changed", async () => {
    const changing = join(folder, "changing");
    writeFileSync(changing, bytes);
    const source = await openSource(changing);
    writeFileSync(changing, bytes.subarray(1));
    expect(() => source.read(part)).toThrow(expect.objectContaining({ code: "io-error" }));
  });
  it("opens siblings below the folder, and nothing else", async () => {
    mkdirSync(join(folder, "sub"));
    mkdirSync(join(folder, "outer/inner"), { recursive: true });
    writeFileSync(join(folder, "sub/data.bin"), bytes.subarray(0, 3));
    writeFileSync(join(folder, "outer/inner/model"), bytes);
    symlinkSync(file, join(folder, "outer/inner/link"));
    const source = await openSource(file);
    expect((await source.sibling?.("sub/./data.bin"))?.size).toBe(3);
    expect(() => source.sibling?.("sub/none.bin")).toThrow(expect.objectContaining({ code: "missing-file" }));
    const inner = await openSource(join(folder, "outer/inner/model"));
    expect(() => inner.sibling?.("link")).toThrow(expect.objectContaining({ code: "unsafe-path" }));
  });
  it.each(["", "../x", "a/../x", "/x", "C:x", "C:\\x", "a\\b", "a\0b", "a//b", "http://x/y", "."])("refuses the sibling path %j", (path) => {
    expect(() => checkSiblingPath(path, "m")).toThrow(expect.objectContaining({ code: "unsafe-path" }));
  });
  it("takes siblings of bytes from the caller", async () => {
    const source = await openSource(bytes, { siblings: { "w.bin": bytes.subarray(0, 7) } });
    expect((await source.sibling?.("w.bin"))?.size).toBe(7);
    expect(() => source.sibling?.("toString")).toThrow(expect.objectContaining({ code: "missing-file" }));
  });
});

describe("URLs", () => {
  const big = Uint8Array.from({ length: 600_000 }, (_, i) => i % 251);
  const ranged = (log: string[]) => async (_: string, init?: RequestInit): Promise<Response> => {
    const range = new Headers(init?.headers).get("range") ?? "";
    log.push(range);
    const [, from = "0", to = "0"] = /bytes=(\d+)-(\d+)/.exec(range) ?? [];
    const end = Math.min(Number(to) + 1, big.length);
    return new Response(big.slice(Number(from), end), { status: 206, headers: { "content-range": `bytes ${from}-${end - 1}/${big.length}`, etag: "a" } });
  };
  it("fetches ranges where the server answers them, and small ones only once", async () => {
    const log: string[] = [];
    const source = await openSource("https://example.org/m.pt", { fetch: ranged(log) });
    expect(source.size).toBe(big.length);
    expect(await source.read({ offset: 262_140, length: 8 })).toEqual(big.slice(262_140, 262_148));
    expect(await source.read({ offset: 262_150, length: 8 })).toEqual(big.slice(262_150, 262_158));
    expect(Buffer.compare(await source.read({ offset: 5, length: 590_000 }), big.slice(5, 590_005))).toBe(0);
    expect(log).toEqual(["bytes=0-262143", "bytes=262144-524287", "bytes=5-590004"]);
  });
  it("streams a range as it arrives, in one request", async () => {
    const log: string[] = [];
    const source = await openSource("https://example.org/m.pt", { fetch: ranged(log) });
    const pieces: Uint8Array[] = [];
    await source.stream?.({ offset: 5, length: 590_000 }, (piece) => pieces.push(piece.slice()));
    expect(Buffer.compare(Buffer.concat(pieces), big.slice(5, 590_005))).toBe(0);
    await source.stream?.({ offset: 9, length: 4 }, (piece) => pieces.push(piece.slice()));
    expect([...(pieces.at(-1) ?? [])]).toEqual([...big.slice(9, 13)]);
    expect(log).toEqual(["bytes=0-262143", "bytes=5-590004"]);
    await expect(source.stream?.({ offset: 1, length: big.length }, () => undefined)).rejects.toMatchObject({ code: "truncated" });
  });
  it("downloads whole with progress where it does not", async () => {
    const seen: number[] = [];
    const source = await openSource("https://example.org/m.pt", { fetch: async () => new Response(big), onProgress: ({ loaded }) => seen.push(loaded) });
    expect(source.readSync?.({ offset: 599_999, length: 1 })).toEqual(big.slice(599_999));
    expect(seen.at(-1)).toBe(big.length);
  });
  it("bounds a download", async () => {
    const options = { fetch: async () => new Response(big), maxFileBytes: 1000 };
    await expect(openSource("https://example.org/m.pt", options)).rejects.toMatchObject({ code: "limit-exceeded" });
  });
  it("notices that the file changed on the server", async () => {
    let tag = 0;
    const answer = ranged([]);
    const source = await openSource("https://example.org/m.pt", {
      fetch: async (url, init) => {
        const response = await answer(url, init);
        response.headers.set("etag", String(tag++));
        return response;
      },
    });
    await expect(source.read({ offset: 300_000, length: 8 })).rejects.toMatchObject({ code: "io-error" });
  });
  it("turns answers and failures into errors with a code", async () => {
    const status = (code: number): Promise<Source> => openSource("https://example.org/m.pt", { fetch: async () => new Response("", { status: code }) });
    await expect(status(404)).rejects.toMatchObject({ code: "missing-file" });
    await expect(status(500)).rejects.toMatchObject({ code: "io-error" });
    const signal = AbortSignal.abort();
    await expect(openSource("https://example.org/m.pt", { signal })).rejects.toMatchObject({ code: "aborted" });
  });
  it("finds siblings next to the URL", async () => {
    const urls: string[] = [];
    const fetch = async (url: string): Promise<Response> => {
      urls.push(url);
      return new Response("abc");
    };
    const source = await openSource("https://example.org/a/m.onnx?x=1", { fetch });
    await source.sibling?.("w #1.bin");
    expect(urls[1]).toBe("https://example.org/a/w%20%231.bin");
    expect((await openSource("data:,abc")).size).toBe(3);
  });
});
