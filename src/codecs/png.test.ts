import { readFileSync } from "node:fs";
import { join } from "node:path";
import { zlibSync } from "fflate";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crc32 } from "../bytes/crc32.ts";
import { isOpwiseError } from "../tensor/error.ts";
import { decodePng, type Picture } from "./png.ts";

function chunk(type: string, body: Uint8Array): Uint8Array {
  const out = new Uint8Array(body.length + 12);
  const view = new DataView(out.buffer);
  view.setUint32(0, body.length);
  out.set(new TextEncoder().encode(type), 4);
  out.set(body, 8);
  view.setUint32(8 + body.length, crc32(out.subarray(4, 8 + body.length)));
  return out;
}
function join8(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
function headerOf(width: number, height: number, depth: number, colour: number, interlace = 0): Uint8Array {
  const body = new Uint8Array(13);
  const view = new DataView(body.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  body.set([depth, colour, 0, 0, interlace], 8);
  return body;
}
function png(...chunks: readonly (readonly [string, Uint8Array])[]): Uint8Array {
  return join8([Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10), ...chunks.map(([type, body]) => chunk(type, body)), chunk("IEND", new Uint8Array(0))]);
}

/** Encodes samples with the given filter for each row, whole or in the seven passes. */
function encode(
  width: number,
  height: number,
  depth: number,
  colour: number,
  perPixel: number,
  samples: readonly number[],
  filters: readonly number[],
  interlaced: boolean,
): Uint8Array {
  const passes = interlaced
    ? [
        [0, 0, 8, 8],
        [4, 0, 8, 8],
        [0, 4, 4, 8],
        [2, 0, 4, 4],
        [0, 2, 2, 4],
        [1, 0, 2, 2],
        [0, 1, 1, 2],
      ]
    : [[0, 0, 1, 1]];
  const out: number[] = [];
  const back = Math.max(1, (depth * perPixel) >> 3);
  for (const [x0 = 0, y0 = 0, dx = 1, dy = 1] of passes) {
    let above: number[] = [];
    if (x0 >= width) continue;
    for (let y = y0, r = 0; y < height; y += dy, r++) {
      const bits: number[] = [];
      for (let x = x0; x < width; x += dx) {
        for (let s = 0; s < perPixel; s++) for (let b = depth - 1; b >= 0; b--) bits.push(((samples[(y * width + x) * perPixel + s] ?? 0) >> b) & 1);
      }
      const row = Array.from({ length: Math.ceil(bits.length / 8) }, (_, i) => bits.slice(8 * i, 8 * i + 8).reduce((v, b, k) => v | (b << (7 - k)), 0));
      const kind = filters[r % filters.length] ?? 0;
      out.push(kind);
      row.forEach((value, i) => {
        const [a, b, c] = [row[i - back] ?? 0, above[i] ?? 0, i < back ? 0 : (above[i - back] ?? 0)];
        const near = [a, b, c].map((v) => Math.abs(v - (a + b - c)));
        const least = [a, b, c][near.indexOf(Math.min(...near))] ?? 0;
        out.push((value - ([0, a, b, (a + b) >> 1, least][kind] ?? 0)) & 255);
      });
      above = row;
    }
  }
  const stream = zlibSync(Uint8Array.from(out));
  const cut = stream.length >> 1;
  return png(
    ["IHDR", headerOf(width, height, depth, colour, interlaced ? 1 : 0)],
    ["IDAT", stream.subarray(0, cut)],
    ["tEXt", Uint8Array.of(65, 0, 66)],
    ["IDAT", stream.subarray(cut)],
  );
}

const base64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"));
function codeOf(bytes: Uint8Array, options = {}): unknown {
  try {
    return decodePng(bytes, options);
  } catch (error) {
    return isOpwiseError(error) ? error.code : error;
  }
}

describe("a PNG", () => {
  it("of every colour type, depth, filter and interlacing gives its samples", () => {
    const kinds = [
      [0, 1, 1],
      [0, 2, 1],
      [0, 4, 1],
      [0, 8, 1],
      [0, 16, 1],
      [2, 8, 3],
      [2, 16, 3],
      [4, 8, 2],
      [4, 16, 2],
      [6, 8, 4],
      [6, 16, 4],
    ] as const;
    const pictures = fc.record({
      kind: fc.constantFrom(...kinds),
      width: fc.integer({ min: 1, max: 11 }),
      height: fc.integer({ min: 1, max: 11 }),
      filters: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 5 }),
      interlaced: fc.boolean(),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(pictures, ({ kind: [colour, depth, perPixel], width, height, filters, interlaced, seed }) => {
        let state = seed;
        const samples = Array.from({ length: width * height * perPixel }, () => ((state = (state * 1664525 + 1013904223) >>> 0) >>> 8) % 2 ** depth);
        const picture = decodePng(encode(width, height, depth, colour, perPixel, samples, filters, interlaced));
        const scale = depth < 8 ? 255 / (2 ** depth - 1) : 1;
        expect([picture.width, picture.height, picture.channels]).toEqual([width, height, perPixel]);
        expect([...picture.data]).toEqual(samples.map((v) => v * scale));
      }),
    );
  });

  it("written by another program is read as that program reads it", () => {
    const files: readonly [string, Partial<Picture>, readonly number[]][] = [
      [
        "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACAgMAAADgGo6JAAAACVBMVEX/AAAA/wAAAP8tSs2KAAAAA3RSTlP/gAB/bWh4AAAADElEQVR4nGOQYJgAAADcAKls58AjAAAAAElFTkSuQmCC",
        { channels: 4 },
        [255, 0, 0, 255, 0, 255, 0, 128, 0, 0, 255, 0, 0, 0, 255, 0, 0, 255, 0, 128, 255, 0, 0, 255],
      ],
      [
        "iVBORw0KGgoAAAANSUhEUgAAAAUAAAACAQAAAAC4ESvwAAAADElEQVR4nGOYwOABAAH8ANm5XZjnAAAAAElFTkSuQmCC",
        { width: 5, channels: 1 },
        [255, 0, 0, 255, 0, 0, 255, 0, 0, 255],
      ],
      [
        "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACEAAAAADoj+WFAAAAFklEQVR4nGNgYGBk+P+fhYGRkWGuIwASqALksEWzqgAAAABJRU5ErkJggg==",
        { channels: 1 },
        [0, 256, 65535, 1, 513, 40000],
      ],
      [
        "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAYAAACddGYaAAAAFklEQVR4nGNk4BSSVoEClpycnBwYBwAvqAQsWkj7/gAAAABJRU5ErkJggg==",
        { width: 3, height: 2, channels: 4 },
        Array.from({ length: 24 }, (_, i) => 9 * i),
      ],
    ];
    for (const [text, facts, data] of files) {
      const picture = decodePng(base64(text));
      expect(picture).toMatchObject(facts);
      expect([...picture.data]).toEqual(data);
    }
  });

  it("names a transparent colour with tRNS, which becomes alpha", () => {
    const rows = zlibSync(Uint8Array.of(0, 0b00011011));
    expect(decodePng(png(["IHDR", headerOf(4, 1, 2, 0)], ["tRNS", Uint8Array.of(0, 2)], ["IDAT", rows]))).toEqual({
      width: 4,
      height: 1,
      channels: 2,
      data: Uint8Array.of(0, 255, 85, 255, 170, 0, 255, 255),
    });
  });

  it("that is damaged gives an error with a code", () => {
    const file = new Uint8Array(readFileSync(join(import.meta.dirname, "../../examples/shapes/ring.png")));
    expect(decodePng(file)).toMatchObject({ width: 32, height: 32, channels: 1 });
    for (const length of [0, 7, 8, 20, 33, 60, file.length - 1]) expect(codeOf(file.subarray(0, length))).toBe("bad-image");
    const flipped = file.slice();
    flipped[60] = (flipped[60] ?? 0) ^ 4;
    expect(codeOf(flipped)).toBe("crc-mismatch");
    expect(codeOf(file, { maxPixels: 1000 })).toBe("limit-exceeded");
    const grey = (width: number, height: number, data: Uint8Array, depth = 8, colour = 0): Uint8Array =>
      png(["IHDR", headerOf(width, height, depth, colour)], ["IDAT", data]);
    const rows = zlibSync(Uint8Array.of(0, 1, 2));
    expect(codeOf(grey(2, 1, rows))).toMatchObject({ data: Uint8Array.of(1, 2) });
    expect(codeOf(grey(3, 1, rows))).toBe("bad-image");
    expect(codeOf(grey(1, 1, rows))).toBe("bad-image");
    expect(codeOf(grey(0, 1, rows))).toBe("bad-image");
    expect(codeOf(grey(2, 1, rows, 7))).toBe("bad-image");
    expect(codeOf(grey(2, 1, rows, 8, 3))).toBe("bad-image");
    expect(codeOf(grey(2, 1, zlibSync(Uint8Array.of(5, 1, 2))))).toBe("bad-image");
    expect(codeOf(grey(2 ** 20, 2 ** 20, rows))).toBe("limit-exceeded");
    expect(codeOf(png(["IHDR", headerOf(2, 1, 8, 0)], ["ABCD", rows]))).toBe("bad-image");
    expect(codeOf(new TextEncoder().encode("<html>an error page</html>"))).toBe("bad-image");
  });

  it("with a byte changed at random never does worse than a typed error", () => {
    const file = encode(
      9,
      7,
      8,
      2,
      3,
      Array.from({ length: 189 }, (_, i) => i),
      [0, 1, 2, 3, 4],
      true,
    );
    fc.assert(
      fc.property(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = file.slice();
        damaged[at] = (damaged[at] ?? 0) ^ change;
        expect(codeOf(damaged)).toBeTypeOf("string");
      }),
    );
  });
});
