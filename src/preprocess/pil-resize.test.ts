import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { CHANNELS, type Image, type Mode, samplesFor } from "../codecs/image.ts";
import { type Box, type Resample, resize } from "./pil-resize.ts";

type Row = readonly [mode: Mode, w: number, h: number, width: number, height: number, filter: Resample, box: Box | null, gap: number | null, sha256: string];
const { resizes } = JSON.parse(readFileSync(join(import.meta.dirname, "../../test/golden/pictures.json"), "utf8")) as { readonly resizes: readonly Row[] };

/** The picture that test/golden/pictures.py generates. */
function generated(mode: Mode, width: number, height: number): Image {
  const data = samplesFor(mode, width, height);
  const bytes = new Uint8Array(data.buffer);
  let state = width * 1000 + height;
  for (let i = 0; i < bytes.length; i++) bytes[i] = (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24;
  return { mode, width, height, data };
}

describe("resize gives Pillow's bytes", () => {
  test.each(resizes)("%s %i x %i to %i x %i, %s, box %s, gap %s", (mode, w, h, width, height, filter, box, gap, sha256) => {
    const image = generated(mode, w, h);
    const { data } = resize(image, width, height, filter, { box: box ?? undefined, reducingGap: gap ?? undefined });
    expect(data.length).toBe(width * height * CHANNELS[mode]);
    expect(
      createHash("sha256")
        .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
        .digest("hex"),
    ).toBe(sha256);
  });
});
