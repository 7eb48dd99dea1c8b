/** `opwise/preprocess` as a user meets it, and pictures on the command line. */

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { afterAll, describe, expect, test } from "vitest";
import {
  Compose,
  decodeImage,
  imageFrom,
  type Interpolation,
  isOpwiseError,
  isTensor,
  loadImage,
  parseSteps,
  preprocess,
  PRESETS,
  readWav,
  resample,
  type Step,
  stepsOfConfig,
  transpose,
} from "../src/preprocess/index.ts";

const ROOT = join(import.meta.dirname, "..");
const { files } = JSON.parse(readFileSync(join(ROOT, "test/golden/pictures.json"), "utf8")) as {
  readonly files: readonly { readonly file: string; readonly data: string }[];
};
const fileNamed = (pattern: RegExp): Uint8Array => {
  const found = files.find((one) => pattern.test(one.file));
  if (found === undefined) throw new Error(`no picture ${String(pattern)}`);
  return new Uint8Array(Buffer.from(found.data, "base64"));
};
const jpegs = files.filter((one) => /^RGB.*\.jpg$/.test(one.file)).map((one) => new Uint8Array(Buffer.from(one.data, "base64")));
const [photo = new Uint8Array(0)] = jpegs;
const facts = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    if (!isOpwiseError(error)) throw error;
    return { code: error.code, message: error.message };
  }
};

describe("preprocess", () => {
  test("gives a batch of one, and says how its pixels were made", async () => {
    const { tensor, provenance } = await preprocess(photo, "imagenet");
    expect([tensor.dtype, ...tensor.shape]).toEqual(["float32", 1, 3, 224, 224]);
    expect(provenance).toBe("jpeg islow, pil-bilinear 256, exact");
    expect((await preprocess(photo, "vit", { pillow: 12 })).provenance).toBe("jpeg islow, pil12-bilinear 224x224, exact");
    expect((await preprocess(fileNamed(/^L\.png$/), "yolo")).provenance).toBe("png, letterbox cv2-linear 640, exact");
  });

  test("gives the same bytes in one pass as step by step, by any filter and size, with kernels or without", async () => {
    const sizes = [[9, 7], [40, 3], [3, 40], [64, 80], 12] as const;
    const filters: readonly Interpolation[] = ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"];
    for (const [i, bytes] of jpegs.entries()) {
      for (const interpolation of filters) {
        const steps: readonly Step[] = [{ op: "Resize", size: sizes[i % sizes.length] ?? 12, interpolation }, { op: "ToTensor" }];
        const stepwise = await preprocess(bytes, steps, { onStep: () => undefined });
        for (const wasm of [true, false]) expect((await preprocess(bytes, steps, { wasm })).tensor.data).toEqual(stepwise.tensor.data);
      }
    }
  });

  test("stacks several pictures, each as it would be alone", async () => {
    const sources = [photo, fileNamed(/^RGB\.png$/), decodeImage(fileNamed(/^L\.bmp$/))];
    const { tensor } = await preprocess(sources, "vit");
    expect(tensor.shape).toEqual([3, 3, 224, 224]);
    for (const [i, source] of sources.entries()) {
      const alone = (await preprocess(source, "vit")).tensor;
      expect(tensor.data.slice(i * alone.numel, (i + 1) * alone.numel)).toEqual(alone.data);
    }
  });

  test("changes order in memory and precision, not numbers", async () => {
    const plain = (await preprocess(photo, "clip")).tensor;
    const last = (await preprocess(photo, "clip", { layout: "channels_last" })).tensor;
    expect(last.strides).toEqual([224 * 224 * 3, 1, 224 * 3, 3]);
    expect(last.data).toEqual(plain.data);
    const half = (await preprocess(photo, "clip", { dtype: "float16" })).tensor;
    const cast = new Compose([{ op: "Cast", dtype: "float16" }]).apply([plain])[0];
    expect(half.dtype).toBe("float16");
    expect(cast !== undefined && isTensor(cast) ? cast.data : undefined).toEqual(half.data);
  });

  test("shows each step to a listener", async () => {
    const seen: string[] = [];
    await preprocess(photo, [...PRESETS.imagenet.slice(0, 1), { op: "TenCrop", size: 24 }, { op: "ToTensor" }, { op: "Stack" }], {
      onStep: ({ index, step, items }) => seen.push(`${index} ${step.op} ${items.length} ${items.every(isTensor) ? "tensors" : "pictures"}`),
    });
    expect(seen).toEqual(["0 Resize 1 pictures", "1 TenCrop 10 pictures", "2 ToTensor 10 tensors", "3 Stack 1 tensors"]);
  });

  test("turns pictures upright only where asked to", async () => {
    const pixels = Uint8Array.from({ length: 24 }, (_, i) => i);
    const image = { ...imageFrom(pixels, 4, 2), orientation: 6 };
    expect(await loadImage(image)).toBe(image);
    expect(await loadImage(image, { upright: true })).toEqual({ ...transpose(image, "ROTATE_270"), orientation: 1 });
  });

  test("refuses a pipeline that ends in a picture, and files that are none", async () => {
    await expect(preprocess(photo, [{ op: "Resize", size: 8 }])).rejects.toMatchObject({ code: "bad-argument" });
    await expect(preprocess(new Uint8Array(9), "imagenet", { name: "cat.jpg" })).rejects.toMatchObject({
      code: "unsupported-format",
      where: { file: "cat.jpg" },
    });
    await expect(preprocess(photo.subarray(0, 300), "imagenet", { name: "cat.jpg" })).rejects.toMatchObject({ code: "truncated", where: { file: "cat.jpg" } });
    await expect(preprocess(photo, "imagenet", { maxPixels: 10 })).rejects.toMatchObject({ code: "limit-exceeded" });
  });
});

describe("steps", () => {
  test("survive JSON", () => {
    for (const steps of Object.values(PRESETS)) expect(parseSteps(JSON.parse(JSON.stringify(new Compose(steps))))).toEqual(steps);
  });

  test("that are wrong are named with the field at fault", () => {
    expect(facts(() => parseSteps([{ op: "ToTensor" }, { op: "Blur" }]))).toMatchObject({ code: "bad-argument", message: "step 2 is no step" });
    expect(facts(() => parseSteps([{ op: "Resize", size: [1, 2, 3] }]))).toMatchObject({ message: "`size` of step 1, `Resize`" });
    expect(facts(() => parseSteps([{ op: "Resize", size: 0 }]))).toMatchObject({ message: "`size` of step 1, `Resize`" });
    expect(facts(() => parseSteps([{ op: "Normalize", mean: [0] }]))).toMatchObject({ message: "`std` of step 1, `Normalize`" });
    expect(facts(() => parseSteps([{ op: "ToTensor", scale: 2 }]))).toMatchObject({ message: "step 1, `ToTensor`, has no field `scale`" });
    expect(facts(() => parseSteps("imagenet"))).toMatchObject({ code: "bad-argument" });
  });

  test("out of order say what they take", () => {
    const run = (steps: readonly Step[]): unknown => facts(() => new Compose(steps).apply([decodeImage(photo)]));
    expect(run([{ op: "Normalize", mean: [0.5], std: [0.5] }])).toMatchObject({ message: "`Normalize` takes a tensor, and a picture came" });
    expect(run([{ op: "ToTensor" }, { op: "PilResize", size: [3, 3] }])).toMatchObject({ message: "`PilResize` takes a picture, and a tensor came" });
    expect(run([{ op: "ToTensor" }, { op: "Normalize", mean: [0.5], std: [0] }])).toMatchObject({
      message: "`std` is 0 in float32, leading to division by zero",
    });
  });

  test("come from a Hugging Face config, with its processor's defaults", () => {
    const config = { image_processor_type: "CLIPImageProcessor", size: { shortest_edge: 30 }, crop_size: 20, resample: 2, do_normalize: false };
    expect(stepsOfConfig(config)).toEqual([
      { op: "OnWhite" },
      { op: "Resize", size: 30, interpolation: "bilinear", path: "pil" },
      { op: "CenterCrop", size: [20, 20], middle: "floor" },
      { op: "PILToTensor" },
      { op: "Rescale", factor: 1 / 255 },
      { op: "Unsqueeze" },
    ]);
    expect(facts(() => stepsOfConfig({ image_processor_type: "NoSuchImageProcessor" }))).toMatchObject({ code: "bad-argument" });
    expect(facts(() => stepsOfConfig({ image_processor_type: "ViTImageProcessor", size: { longest_edge: 9 } }))).toMatchObject({ code: "bad-argument" });
  });
});

describe("sound", () => {
  /** A WAV file of one format. */
  function wav(format: number, bits: number, channels: number, rate: number, body: Uint8Array): Uint8Array {
    const out = new Uint8Array(44 + body.length);
    const view = new DataView(out.buffer);
    for (const [at, text] of [
      [0, "RIFF"],
      [8, "WAVE"],
      [12, "fmt "],
      [36, "data"],
    ] as const)
      out.set(new TextEncoder().encode(text), at);
    for (const [at, value] of [
      [4, 36 + body.length],
      [16, 16],
      [24, rate],
      [28, (rate * channels * bits) / 8],
      [40, body.length],
    ] as const)
      view.setUint32(at, value, true);
    for (const [at, value] of [
      [20, format],
      [22, channels],
      [32, (channels * bits) / 8],
      [34, bits],
    ] as const)
      view.setUint16(at, value, true);
    out.set(body, 44);
    return out;
  }
  const bytes = (array: ArrayBufferView): Uint8Array => new Uint8Array(array.buffer);

  test("of every sample format is read over -1 to 1", () => {
    expect(readWav(wav(1, 16, 2, 8000, bytes(Int16Array.of(-32768, 16384, 0, 32767)))).channels.map((c) => [...c])).toEqual([
      [-1, 0],
      [0.5, Math.fround(32767 / 32768)],
    ]);
    expect([...(readWav(wav(1, 8, 1, 8000, Uint8Array.of(0, 128, 192))).channels[0] ?? [])]).toEqual([-1, 0, 0.5]);
    expect([...(readWav(wav(1, 24, 1, 8000, Uint8Array.of(0, 0, 0x80, 0, 0, 0x40))).channels[0] ?? [])]).toEqual([-1, 0.5]);
    expect([...(readWav(wav(1, 32, 1, 8000, bytes(Int32Array.of(-(2 ** 31), 2 ** 30)))).channels[0] ?? [])]).toEqual([-1, 0.5]);
    expect([...(readWav(wav(3, 32, 1, 8000, bytes(Float32Array.of(0.25, -2)))).channels[0] ?? [])]).toEqual([0.25, -2]);
    expect(facts(() => readWav(wav(2, 4, 1, 8000, new Uint8Array(4))))).toMatchObject({ code: "unsupported-format" });
    expect(facts(() => readWav(new Uint8Array(20)))).toMatchObject({ code: "bad-image" });
    expect(facts(() => readWav(wav(1, 16, 1, 8000, new Uint8Array(0)).subarray(0, 30)))).toMatchObject({ code: "truncated" });
  });

  test("keeps a tone's shape at another rate", () => {
    const tone = (rate: number, length: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin((2 * Math.PI * 440 * i) / rate));
    for (const [from, to] of [
      [8000, 16_000],
      [44_100, 16_000],
      [48_000, 16_000],
      [16_000, 11_025],
    ] as const) {
      const got = resample(tone(from, from / 10), from, to);
      const want = tone(to, Math.ceil(to / 10));
      expect(got.length).toBe(want.length);
      const middle = want.subarray(200, -200).map((v, i) => Math.abs(v - (got[200 + i] ?? NaN)));
      expect(Math.max(...middle)).toBeLessThan(2e-3);
    }
    expect(facts(() => resample(new Float32Array(4), 0, 8000))).toMatchObject({ code: "bad-argument" });
  });
});

describe("opwise/preprocess for a page", () => {
  test("holds nothing of the runtime, and is small", async () => {
    const { outputFiles, metafile } = await build({
      entryPoints: [join(ROOT, "src/preprocess/index.ts")],
      bundle: true,
      minify: true,
      format: "esm",
      platform: "browser",
      write: false,
      metafile: true,
    });
    const runtime = Object.keys(metafile.inputs).filter((path) =>
      /^src\/(?:ops|run|ir|prims|expr|backends|loaders)\//.test(relative(ROOT, join(process.cwd(), path))),
    );
    expect(runtime).toEqual([]);
    expect(gzipSync(outputFiles[0]?.contents ?? new Uint8Array(0)).length).toBeLessThan(60_000);
  });
});

describe("opwise run --image", () => {
  const folder = mkdtempSync(join(tmpdir(), "opwise-pictures-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("prints the best classes of a picture by their labels", { timeout: 60_000 }, async () => {
    const expected = JSON.parse(readFileSync(join(ROOT, "examples/shapes/expected.json"), "utf8")) as {
      readonly labels: readonly string[];
      readonly cases: readonly { readonly file: string; readonly predicted: string }[];
    };
    const [one] = expected.cases;
    writeFileSync(join(folder, "labels.txt"), `${expected.labels.join("\n")}\n`);
    writeFileSync(join(folder, "steps.json"), JSON.stringify([{ op: "Convert", mode: "L" }, { op: "ToTensor" }]));
    const words = ["run", "examples/shapes/model.pt", "--image", join("examples/shapes", one?.file ?? ""), "--preset", join(folder, "steps.json")];
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--import", import.meta.resolve("tsx"), "src/cli/main.ts", ...words, "--top", "2", "--labels", join(folder, "labels.txt")],
      { cwd: ROOT },
    );
    const lines = stdout
      .trim()
      .split("\n")
      .filter((line) => line.includes(" %  "));
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(new RegExp(`^ +[\\d.]+ %  ${one?.predicted ?? "?"}$`));
    expect(stdout).toContain("pixels: png, exact");
  });
});
