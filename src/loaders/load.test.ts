import { describe, expect, it } from "vitest";
import { MessageWriter } from "../bytes/protobuf-writer.ts";
import { bytesSource } from "../bytes/source.ts";
import { detectFormat, loadProgram } from "./load.ts";

describe("detectFormat", () => {
  it("knows ONNX by its first fields", async () => {
    const bytes = new MessageWriter().int(1, 8).string(2, "x").finish();
    expect(await detectFormat(bytesSource(bytes))).toBe("onnx");
  });
  it.each([
    ["an empty file", new Uint8Array(0), /an empty file/],
    ["a picture", Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), /PNG/],
    ["a web page", new TextEncoder().encode("<!doctype html><title>Sign in</title>"), /HTML/],
  ])("says what %s is", async (_what, bytes, got) => {
    await expect(detectFormat(bytesSource(bytes))).rejects.toMatchObject({ code: "unsupported-format", got: expect.stringMatching(got) as unknown });
  });
  it("refuses an empty archive", async () => {
    const bytes = new Uint8Array(22);
    bytes.set([0x50, 0x4b, 5, 6]);
    await expect(loadProgram(bytesSource(bytes))).rejects.toMatchObject({ code: "unsupported-format" });
  });
});
