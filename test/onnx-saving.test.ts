import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { MessageWriter } from "../src/bytes/protobuf-writer.ts";
import { load, printProgram, Tensor } from "../src/index.ts";

const golden = (name: string): string => new URL(`./golden/onnx/${name}/model.onnx`, import.meta.url).pathname;

/** `y = x + w` with 600 weights, a function, metadata, a typed value and training information. */
function adder(): Uint8Array {
  const named =
    (name: string) =>
    (v: MessageWriter): void =>
      void v
        .string(1, name)
        .message(2, (t) => t.message(1, (e) => e.int(1, 1).message(2, (s) => s.message(1, (d) => d.string(2, "N")).message(1, (d) => d.int(1, 600)))));
  const weights = new Float32Array(600).map((_, i) => i);
  return new MessageWriter()
    .int(1, 9)
    .string(2, "maker")
    .message(7, (g) => {
      g.message(1, (n) => n.string(1, "x").string(1, "w").string(2, "t").string(4, "Add"));
      g.message(1, (n) => n.string(1, "t").string(2, "y").string(4, "Twice").string(7, "own"));
      g.string(2, "g").message(5, (t) => t.packedInts(1, [600]).int(2, 1).string(8, "w").bytes(9, new Uint8Array(weights.buffer)));
      g.message(11, named("x")).message(12, named("y")).message(13, named("t"));
    })
    .message(8, (o) => o.int(2, 17))
    .message(8, (o) => o.string(1, "own").int(2, 1))
    .message(14, (e) => e.string(1, "key").string(2, "value"))
    .message(20, (t) => t.int(1, 5))
    .message(25, (f) =>
      f
        .string(1, "Twice")
        .string(10, "own")
        .string(4, "a")
        .string(5, "b")
        .message(7, (n) => n.string(1, "a").string(1, "a").string(2, "b").string(4, "Add"))
        .message(9, (o) => o.int(2, 17)),
    )
    .finish();
}

async function answer(model: Awaited<ReturnType<typeof load>>): Promise<number[]> {
  using session = await model.session();
  const y = await session.forward(Tensor.from(new Float32Array(600).fill(1), [1, 600]));
  return y instanceof Tensor ? Array.from(y.data, Number) : [];
}

describe("a saved ONNX model", () => {
  test.each(["test_branches", "test_smoother"])("%s is the same graph when it is loaded again", async (name) => {
    const model = await load(golden(name), { name: "model.onnx" });
    for (const externalData of [false, true]) {
      const files = await model.toFiles("copy.onnx", { externalData });
      const siblings = Object.fromEntries([...files].filter(([file]) => file !== "copy.onnx"));
      const again = await load(files.get("copy.onnx") ?? new Uint8Array(0), { name: "model.onnx", siblings });
      expect(printProgram(again.program)).toBe(printProgram(model.program));
      expect(again.extra).toEqual(model.extra);
    }
  });

  test("keeps functions, metadata and training information, and puts large data aside where asked", async () => {
    const model = await load(adder(), { name: "adder.onnx" });
    const files = await model.toFiles("a.onnx", { externalData: true });
    expect([...files.keys()]).toEqual(["a.onnx", "a.onnx.data"]);
    expect(files.get("a.onnx.data")?.length).toBe(2400);
    const again = await load(files.get("a.onnx") ?? new Uint8Array(0), { siblings: { "a.onnx.data": files.get("a.onnx.data") ?? new Uint8Array(0) } });
    expect(await answer(again)).toEqual(await answer(model));
    expect(again.extra.get("key")).toBe("value");
    // Inlined again, it is what it was: training information too.
    const whole = (await again.toFiles("b.onnx", { externalData: false })).get("b.onnx");
    expect(Buffer.from(whole ?? []).includes(Buffer.from([0xa2, 0x01, 0x02, 0x08, 0x05]))).toBe(true);
    expect(whole).toEqual((await model.toFiles("b.onnx")).get("b.onnx"));
  });

  test("may replace the file that it came from", async () => {
    const folder = mkdtempSync(join(tmpdir(), "opwise-save-"));
    try {
      const path = join(folder, "m.onnx");
      await (await load(adder())).save(path, { externalData: true });
      const before = await answer(await load(path));
      await (await load(path)).save(path, { externalData: true });
      expect(await answer(await load(path))).toEqual(before);
      await (await load(path)).save(path);
      expect(readdirSync(folder).sort()).toEqual(["m.onnx", "m.onnx.data"]);
      rmSync(join(folder, "m.onnx.data"));
      expect(await answer(await load(path))).toEqual(before);
      expect(readFileSync(path).includes("maker")).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("is refused where the format is not written, and where it cannot be put", async () => {
    const torch = await load(new URL("./golden/models/vision_heads/model.pt", import.meta.url));
    await expect(torch.save("x.pt")).rejects.toMatchObject({ code: "unsupported-format" });
    await expect((await load(adder())).save("/nowhere/at/all/x.onnx")).rejects.toMatchObject({ code: "io-error" });
  });
});
