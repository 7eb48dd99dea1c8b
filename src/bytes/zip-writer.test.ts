import * as fc from "fast-check";
import { unzipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { bytesSource } from "./source.ts";
import { openZip } from "./zip.ts";
import { MemoryBytes, recoverRecords, ZipWriter } from "./zip-writer.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function archive(files: readonly (readonly [string, Uint8Array])[], how: { deflate?: boolean; align?: number } = {}): Uint8Array {
  const sink = new MemoryBytes();
  const writer = new ZipWriter(sink);
  for (const [name, content] of files) writer.add(name, content, how);
  writer.finish();
  return sink.bytes();
}

describe("an archive written piece by piece", () => {
  it("reads back, here and with fflate, whatever its records hold", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(fc.string({ minLength: 1, unit: "grapheme" }), fc.uint8Array({ maxLength: 300 })), {
          selector: ([name]) => name,
          maxLength: 5,
        }),
        fc.boolean(),
        async (files, deflate) => {
          const bytes = archive(files, deflate ? { deflate } : { align: 64 });
          const zip = await openZip(bytesSource(bytes));
          expect([...zip.names].toSorted()).toEqual(files.map(([name]) => name).toSorted());
          const other = unzipSync(bytes);
          for (const [name, content] of files) {
            expect(await zip.read(name)).toEqual(content);
            expect(other[name]).toEqual(content);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it("puts stored contents on the bytes asked for", async () => {
    const bytes = archive(
      [
        ["a", text("x")],
        ["bcd", text("yy")],
        ["e".repeat(61), text("z")],
      ],
      { align: 64 },
    );
    const zip = await openZip(bytesSource(bytes));
    for (const name of zip.names) expect(((await zip.range(name))?.offset ?? 1) % 64).toBe(0);
  });

  it("lets a stored record be replaced by one of its length", async () => {
    const sink = new MemoryBytes();
    const writer = new ZipWriter(sink);
    const range = writer.add("head", text("one "));
    writer.add("rest", text("rest"));
    writer.replace("head", range, text("two "));
    expect(() => writer.replace("head", range, text("longer"))).toThrow("same length");
    writer.finish();
    const zip = await openZip(bytesSource(sink.bytes()));
    expect(new TextDecoder().decode(await zip.read("head"))).toBe("two ");
    expect(new TextDecoder().decode(await zip.read("rest"))).toBe("rest");
  });

  it("gives its whole records from the front where the rest is cut off", async () => {
    const files = [
      ["a", text("alpha".repeat(40))],
      ["b", text("beta")],
      ["c", text("gamma")],
    ] as const;
    const bytes = archive(files, { deflate: true });
    const whole = await openZip(bytesSource(bytes));
    for (let cut = 0; cut <= bytes.length; cut++) {
      const { records, end } = await recoverRecords(bytesSource(bytes.subarray(0, cut)));
      expect(end).toBeLessThanOrEqual(cut);
      for (const record of records) expect(whole.entry(record.name)?.crc32).toBe(record.crc32);
      const sink = new MemoryBytes();
      sink.write(bytes.subarray(0, end));
      new ZipWriter(sink, { records, offset: end }).finish();
      if (records.length === 0) continue;
      const zip = await openZip(bytesSource(sink.bytes()));
      for (const record of records) expect(await zip.read(record.name)).toEqual(files.find(([name]) => name === record.name)?.[1]);
    }
  });
});
