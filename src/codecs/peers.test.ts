import { describe, expect, test } from "vitest";
import { isOpwiseError } from "../tensor/error.ts";
import { openJpeg2000 } from "./jpeg2000.ts";
import { loadDecoder, peerDecoder } from "./peers.ts";
import { openWebp } from "./webp.ts";

const text = (s: string): number[] => [...new TextEncoder().encode(s)];
const u32 = (v: number): number[] => [v & 255, (v >> 8) & 255, (v >> 16) & 255, v >>> 24];
const u24 = (v: number): number[] => u32(v).slice(0, 3);
const chunk = (kind: string, body: readonly number[]): number[] => [...text(kind), ...u32(body.length), ...body, ...(body.length % 2 === 1 ? [0] : [])];
const riff = (...chunks: readonly number[][]): Uint8Array =>
  Uint8Array.from([...text("RIFF"), ...u32(4 + chunks.flat().length), ...text("WEBP"), ...chunks.flat()]);
/** The head of a lossless bitstream of that size. */
const lossless = (width: number, height: number, alpha: boolean): number[] => [
  0x2f,
  ...u32((width - 1) | ((height - 1) << 14) | (alpha ? 1 << 28 : 0)),
  0,
  0,
  0,
  0,
  0,
];
const codeOf = (run: () => unknown): string => {
  try {
    run();
    return "read";
  } catch (error) {
    if (!isOpwiseError(error)) throw error;
    return error.code;
  }
};

describe("a WebP file", () => {
  test("has its first frame placed on its canvas, with alpha only where the file says so", () => {
    const frame = [...u24(1), ...u24(0), ...u24(0), ...u24(0), ...u24(40), 0, ...chunk("VP8L", lossless(1, 1, true))];
    for (const [flags, mode, channels] of [
      [0x12, "RGBA", 4],
      [0x02, "RGB", 3],
    ] as const) {
      const file = riff(chunk("VP8X", [flags, 0, 0, 0, ...u24(3), ...u24(1)]), chunk("ANIM", [0, 0, 0, 0, 0, 0]), chunk("ANMF", frame));
      const image = openWebp(file, 100, (still) => {
        expect(String.fromCharCode(...still.subarray(8, 16))).toBe("WEBPVP8L");
        return { data: Uint8Array.of(9, 8, 7, 6), width: 1, height: 1 };
      });
      expect([image.mode, image.width, image.height]).toEqual([mode, 4, 2]);
      expect([...image.data]).toEqual([
        ...new Array<number>(2 * channels).fill(0),
        ...[9, 8, 7, 6].slice(0, channels),
        ...new Array<number>(5 * channels).fill(0),
      ]);
    }
  });

  test("is refused by its header, before its decoder runs", () => {
    const never = (): never => {
      throw new Error("the decoder ran");
    };
    expect(codeOf(() => openWebp(riff(chunk("VP8L", lossless(100, 100, false))), 9999, never))).toBe("limit-exceeded");
    expect(codeOf(() => openWebp(riff(chunk("VP8L", lossless(2, 2, false))).subarray(0, -1), 100, never))).toBe("truncated");
    expect(codeOf(() => openWebp(riff(chunk("EXIF", [1, 2])), 100, never))).toBe("bad-image");
    expect(codeOf(() => openWebp(riff(chunk("VP8 ", new Array<number>(10).fill(0))), 100, never))).toBe("bad-image");
  });
});

describe("a JPEG 2000 file", () => {
  const be32 = (v: number): number[] => u32(v).reverse();
  const head = (width: number, height: number, components: number): Uint8Array =>
    Uint8Array.from([0xff, 0x4f, 0xff, 0x51, 0, 41, 0, 0, ...[width, height, 0, 0, width, height, 0, 0].flatMap(be32), 0, components]);

  test("keeps 16 bits for grey alone", () => {
    const decoded = (components: number): ReturnType<typeof openJpeg2000> =>
      openJpeg2000(head(1, 1, components), 100, () => ({ data: Uint8Array.of(1, 2, 3, 4, 5, 6), width: 1, height: 1, components, bits: 16, isSigned: false }));
    expect(decoded(1)).toMatchObject({ mode: "I;16", data: Uint16Array.of(0x0201) });
    expect(decoded(3)).toMatchObject({ mode: "RGB", data: Uint8Array.of(2, 4, 6) });
  });

  test("is refused by its header, before its decoder runs", () => {
    const never = (): never => {
      throw new Error("the decoder ran");
    };
    expect(codeOf(() => openJpeg2000(head(100, 100, 3), 9999, never))).toBe("limit-exceeded");
    expect(codeOf(() => openJpeg2000(head(1, 1, 4), 100, never))).toBe("unsupported-format");
    expect(codeOf(() => openJpeg2000(Uint8Array.of(0xff, 0x4f, 0xff, 0x51, 0), 100, never))).toBe("truncated");
  });
});

test("a decoder that threw is made anew for the next file", async () => {
  let made = 0;
  const broken = async (): Promise<unknown> => {
    made++;
    return {
      decode: (): never => {
        throw new Error("out of bounds");
      },
    };
  };
  await loadDecoder("webp", broken);
  const file = riff(chunk("VP8L", lossless(1, 1, false)));
  expect(codeOf(() => peerDecoder("webp")?.(file, 100))).toBe("bad-image");
  expect(peerDecoder("webp")).toBeUndefined();
  await loadDecoder("webp");
  expect(made).toBe(2);
});

test("a package that cannot be loaded is an error with a hint", async () => {
  const missing = async (): Promise<never> => {
    throw new Error("no such module");
  };
  await expect(loadDecoder("jpeg2000", missing)).rejects.toMatchObject({
    code: "unsupported-format",
    hint: expect.stringContaining("codec-openjpeg") as string,
  });
});
