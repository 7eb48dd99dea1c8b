import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkPicture } from "../../scripts/runner/picture-case.ts";
import { isOpwiseError } from "../tensor/error.ts";
import { decodeImage, formatOf } from "./decode.ts";

type Entry = Readonly<Record<string, string>> & { readonly file: string; readonly data: string };
const { files } = JSON.parse(readFileSync(join(import.meta.dirname, "../../test/golden/pictures.json"), "utf8")) as { readonly files: readonly Entry[] };
const bytesOf = (entry: Entry): Uint8Array => new Uint8Array(Buffer.from(entry.data, "base64"));

test.each(files.map((entry) => [entry.file, entry] as const))("%s decodes to Pillow's pixels", async (_, entry) => {
  expect(await checkPicture(entry, bytesOf(entry))).toBeUndefined();
});

describe("a damaged file", () => {
  const outcome = (bytes: Uint8Array): string => {
    try {
      decodeImage(bytes, { maxPixels: 1 << 20 });
      return "decoded";
    } catch (error) {
      if (!isOpwiseError(error)) throw error;
      return error.code;
    }
  };

  test("gives pixels or a typed error, wherever a byte changes or the file ends", () => {
    fc.assert(
      fc.property(fc.constantFrom(...files), fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean(), (entry, at, change, cut) => {
        const bytes = bytesOf(entry);
        const place = at % bytes.length;
        bytes[place] = (bytes[place] ?? 0) ^ change;
        expect(outcome(cut ? bytes.subarray(0, place) : bytes)).not.toBe("internal");
      }),
      { numRuns: 400 },
    );
  });

  test("of a huge declared size is refused before memory is taken", () => {
    const gif = bytesOf(files.find((e) => e.file === "P.gif") ?? { file: "", data: "" }).slice();
    gif.fill(0xff, 6, 10);
    expect(outcome(gif)).toBe("limit-exceeded");
  });

  test("of more scans than an encoder makes is refused", () => {
    const jpeg = bytesOf(files.find((e) => e.file.endsWith("progressive.jpg")) ?? { file: "", data: "" });
    const at = jpeg.findIndex((byte, i) => byte === 0xff && jpeg[i + 1] === 0xda);
    // The first scan again and again, without data: each is well-formed.
    const scan = jpeg.subarray(at, at + 2 + (jpeg[at + 2] ?? 0) * 256 + (jpeg[at + 3] ?? 0));
    const many = (count: number): Uint8Array =>
      Uint8Array.from([...jpeg.subarray(0, at), ...Array.from({ length: count }, () => [...scan]).flat(), 0xff, 0xd9]);
    expect(outcome(many(900))).toBe("decoded");
    expect(outcome(many(1100))).toBe("limit-exceeded");
  });

  test("that is none of the kinds is named so", () => {
    expect(formatOf(new TextEncoder().encode("<html>"))).toBeUndefined();
    expect(outcome(new TextEncoder().encode("<html>"))).toBe("unsupported-format");
    expect(outcome(new Uint8Array(0))).toBe("unsupported-format");
  });
});
