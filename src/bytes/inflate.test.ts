import { deflateSync } from "fflate";
import { describe, expect, test } from "vitest";
import { inflateRaw, inflateRawAsync } from "./inflate.ts";

/** Bytes that deflate to about half: large enough for the platform's inflater. */
let state = 1;
const content = Uint8Array.from({ length: 300_000 }, () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 28);
const packed = deflateSync(content);

describe("inflating a large record", () => {
  test("by the platform gives the same bytes as by ourselves", async () => {
    expect(packed.length).toBeGreaterThan(64 * 1024);
    expect(Buffer.compare(await inflateRawAsync(packed, content.length), content)).toBe(0);
    expect(Buffer.compare(inflateRaw(packed, content.length), content)).toBe(0);
  });

  test.each([
    ["more bytes than it declares", content.length - 1],
    ["fewer bytes than it declares", content.length + 1],
  ])("is refused where it holds %s", async (_, size) => {
    await expect(inflateRawAsync(packed, size)).rejects.toMatchObject({ code: "bad-zip" });
  });

  test("is refused where it is damaged or cut off", async () => {
    const damaged = packed.slice();
    damaged.fill(0xff, 1000, 1100);
    await expect(inflateRawAsync(damaged, content.length)).rejects.toMatchObject({ code: "bad-zip" });
    await expect(inflateRawAsync(packed.subarray(0, packed.length - 500), content.length)).rejects.toMatchObject({ code: "bad-zip" });
  });

  test("does not mind bytes behind the stream", async () => {
    const more = new Uint8Array(packed.length + 16);
    more.set(packed);
    expect(Buffer.compare(await inflateRawAsync(more, content.length), content)).toBe(0);
  });
});
