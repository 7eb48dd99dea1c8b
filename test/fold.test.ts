/** Affine maps behind convolutions, folded into filters and bias: where, how exactly, and that no filters are kept twice. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { THREAD_WORKER } from "../scripts/runner/backend.ts";
import { apart, resultOf } from "../scripts/runner/plan-case.ts";
import { wasm } from "../src/backends/wasm/wasm.ts";
import { load, type Session, Tensor } from "../src/index.ts";
import { ROUNDING } from "../src/run/plan/passes.ts";
import type { PlanOptions } from "../src/run/plan/planner.ts";
import { onnxModel, type OnnxParts } from "./support/archive.ts";

type Node = OnnxParts["nodes"][number];

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
/** Numbers that are never alike, around 0. */
const wave = (shape: readonly number[], phase = 0): Tensor =>
  Tensor.from(
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i * 1.7 + phase)),
    [...shape],
  );
/** The same around 1, all above 0. */
const positive = (count: number, phase: number): Float32Array => Float32Array.from({ length: count }, (_, i) => 1 + 0.7 * Math.sin(i * 2.3 + phase));

const bytes = (values: Float32Array): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
const vector = (values: Float32Array, shape: readonly number[] = [values.length]): OnnxParts["weights"][string] => ({
  dtype: "float32",
  shape,
  bytes: bytes(values),
});
const filters = (shape: readonly number[]): OnnxParts["weights"][string] => vector(Float32Array.from(wave(shape, 1).data as Float32Array), shape);

const norm = (channels: number): OnnxParts["weights"] => ({
  scale: vector(positive(channels, 0)),
  shift: vector(positive(channels, 1)),
  mean: vector(positive(channels, 2)),
  variance: vector(positive(channels, 3)),
});
const NORM: Node = { op: "BatchNormalization", inputs: ["c", "scale", "shift", "mean", "variance"], output: "n" };
const RELU: Node = { op: "Relu", inputs: ["n"], output: "y" };

const modelOf = (nodes: readonly Node[], weights: OnnxParts["weights"], outputs: readonly string[] = ["y"]): Uint8Array =>
  onnxModel({ inputs: { x: "float32" }, weights, nodes, outputs: Object.fromEntries(outputs.map((name) => [name, "float32"])) });

const FOLD = { with: ROUNDING };

const sessionOf = async (file: Uint8Array, plan: boolean | PlanOptions = FOLD, threads = 1): Promise<Session> =>
  (await load(file)).session({ backend: wasm({ threads, workerUrl: THREAD_WORKER }), plan });

const shared = wasm();

interface Compared {
  readonly folded: unknown;
  readonly exact: unknown;
  readonly plain: unknown;
  /** Kinds of the steps of the plan with all passes; of a convolution with what runs behind it. */
  readonly kinds: readonly string[];
}

/** Runs with all passes, without those that round (as by default), without a plan. */
async function compared(file: Uint8Array, x: Tensor): Promise<Compared> {
  const run = async (plan: boolean | PlanOptions): Promise<readonly [unknown, readonly string[]]> => {
    const session = await (await load(file)).session({ backend: shared, plan });
    const out = Object.values(await session.run({ x }));
    const kinds = session
      .plans()
      .flatMap(({ steps }) => steps.map(({ what }) => (what.kind === "convolve" ? `convolve ${what.epilogue?.name ?? ""}` : what.kind).trim()));
    session.dispose();
    return [out, kinds];
  };
  const [[folded, kinds], [exact], [plain]] = [await run(FOLD), await run(true), await run(false)];
  return { folded, exact, plain, kinds };
}

const GEOMETRIES: readonly (readonly [name: string, x: readonly number[], w: readonly number[], channels: number, conv: Omit<Node, "inputs" | "output">])[] = [
  ["3 x 3, in tiles", [1, 16, 20, 20], [24, 16, 3, 3], 24, { op: "Conv", attributes: { pads: [1, 1, 1, 1] } }],
  ["3 x 3, strided", [2, 5, 11, 9], [7, 5, 3, 3], 7, { op: "Conv", attributes: { strides: [2, 2] } }],
  ["1 x 1", [1, 12, 9, 9], [20, 12, 1, 1], 20, { op: "Conv" }],
  ["over one axis", [2, 6, 40], [9, 6, 5], 9, { op: "Conv", attributes: { dilations: [2] } }],
  ["a filter a channel", [1, 10, 13, 13], [10, 1, 3, 3], 10, { op: "Conv", attributes: { group: 10, pads: [1, 1, 1, 1] } }],
  ["in groups", [1, 8, 9, 9], [12, 4, 5, 5], 12, { op: "Conv", attributes: { group: 2 } }],
  ["transposed", [1, 6, 7, 7], [6, 5, 2, 2], 5, { op: "ConvTranspose", attributes: { strides: [2, 2] } }],
  ["of one channel", [1, 3, 6, 6], [1, 3, 3, 3], 1, { op: "Conv" }],
];

describe("a batch norm behind a convolution", () => {
  for (const [name, x, w, channels, conv] of GEOMETRIES) {
    it(`goes into its filters and bias: ${name}`, async () => {
      const weights = { ...norm(channels), w: filters(w), b: vector(positive(channels, 4)) };
      for (const inputs of [
        ["x", "w"],
        ["x", "w", "b"],
      ]) {
        const { folded, exact, plain, kinds } = await compared(modelOf([{ ...conv, inputs, output: "c" }, NORM, RELU], weights), wave(x));
        expect(kinds).toEqual([expect.stringMatching(/^convolve \+?Relu$/)]);
        expect(resultOf(exact).exact).toBe(resultOf(plain).exact);
        expect(apart(resultOf(folded), resultOf(plain))).toBeUndefined();
      }
    });
  }

  it("leaves a transposed convolution in groups as it is", async () => {
    const conv: Node = { op: "ConvTranspose", inputs: ["x", "w"], output: "c", attributes: { group: 2 } };
    const { folded, plain, kinds } = await compared(modelOf([conv, NORM, RELU], { ...norm(6), w: filters([4, 3, 2, 2]) }), wave([1, 4, 5, 5]));
    expect(kinds).toEqual([expect.stringMatching(/normalise/)]);
    expect(resultOf(folded).exact).toBe(resultOf(plain).exact);
  });

  it("gives on threads the bits of one thread", async () => {
    const file = modelOf([{ op: "Conv", inputs: ["x", "w"], output: "c", attributes: { pads: [1, 1, 1, 1] } }, NORM, RELU], {
      ...norm(32),
      w: filters([32, 16, 3, 3]),
    });
    const [one, two] = [await sessionOf(file), await sessionOf(file, FOLD, 2)];
    const x = wave([2, 16, 32, 32]);
    expect(resultOf(Object.values(await two.run({ x }))).exact).toBe(resultOf(Object.values(await one.run({ x }))).exact);
    two.executor.backend.dispose?.();
  });
});

describe("what is affine in each channel", () => {
  const channels = 6;
  const weights = {
    w: filters([channels, 3, 3, 3]),
    a: vector(positive(channels, 1), [channels, 1, 1]),
    b: vector(positive(channels, 2), [1, channels, 1, 1]),
    two: vector(Float32Array.of(2), []),
  };
  const conv: Node = { op: "Conv", inputs: ["x", "w"], output: "c" };
  const x = wave([2, 3, 9, 9]);
  const steps = async (nodes: readonly Node[]): Promise<readonly string[]> => {
    const { folded, exact, plain, kinds } = await compared(modelOf([conv, ...nodes], weights), x);
    expect(resultOf(exact).exact).toBe(resultOf(plain).exact);
    expect(apart(resultOf(folded), resultOf(plain))).toBeUndefined();
    return kinds;
  };

  it("folds, one after another", async () => {
    expect(
      await steps([
        { op: "Mul", inputs: ["a", "c"], output: "d" },
        { op: "Sub", inputs: ["b", "d"], output: "e" },
        { op: "Div", inputs: ["e", "a"], output: "f" },
        { op: "Add", inputs: ["f", "two"], output: "g" },
        { op: "Mul", inputs: ["g", "two"], output: "h" },
        { op: "Neg", inputs: ["h"], output: "y" },
      ]),
    ).toEqual([expect.stringMatching(/^convolve \+?Neg$/)]);
  });

  it("is not what differs within a channel, divides by the result, squares it or reads it twice", async () => {
    const more = { ...weights, plane: filters([7, 7]) };
    const plane = await compared(modelOf([conv, { op: "Mul", inputs: ["c", "plane"], output: "y" }], more), x);
    expect(plane.kinds).toEqual([expect.stringMatching(/Mul/)]);
    expect(await steps([{ op: "Div", inputs: ["a", "c"], output: "y" }])).toEqual([expect.stringMatching(/Div/)]);
    expect(await steps([{ op: "Mul", inputs: ["c", "c"], output: "y" }])).toEqual([expect.stringMatching(/Mul/)]);
    expect(
      await steps([
        { op: "Mul", inputs: ["c", "a"], output: "d" },
        { op: "Add", inputs: ["d", "c"], output: "y" },
      ]),
    ).toEqual([expect.stringMatching(/Mul/)]);
  });

  it("is not folded where the convolution's own result leaves, or its filters come from outside", async () => {
    const twice = await compared(modelOf([conv, { op: "Mul", inputs: ["c", "a"], output: "y" }], weights, ["y", "c"]), x);
    expect(resultOf(twice.folded).exact).toBe(resultOf(twice.plain).exact);
    const { w, ...rest } = weights;
    const file = onnxModel({
      inputs: { x: "float32", w: "float32" },
      weights: rest,
      nodes: [conv, { op: "Mul", inputs: ["c", "a"], output: "y" }],
      outputs: { y: "float32" },
    });
    const given = { x, w: Tensor.from(new Float32Array(w.bytes.buffer), w.shape) };
    const [s, plain] = [await sessionOf(file), await sessionOf(file, false)];
    expect(resultOf(Object.values(await s.run(given))).exact).toBe(resultOf(Object.values(await plain.run(given))).exact);
  });

  it("has factors that keep filters in range, or is left alone", async () => {
    const run = async (factor: number): Promise<readonly [string, unknown, unknown]> => {
      const a = Float32Array.from({ length: channels }, (_, i) => (i === 2 ? factor : 1.5));
      const { folded, plain, kinds } = await compared(
        modelOf([conv, { op: "Mul", inputs: ["c", "a"], output: "y" }], { ...weights, a: vector(a, [channels, 1, 1]) }),
        x,
      );
      return [kinds.join(), folded, plain];
    };
    for (const factor of [0, -3, 2 ** 20]) {
      const [steps, folded, plain] = await run(factor);
      expect(steps, String(factor)).toBe("convolve");
      expect(apart(resultOf(folded), resultOf(plain))).toBeUndefined();
    }
    for (const factor of [1e-20, 1e30, Infinity, NaN]) {
      const [steps, folded, plain] = await run(factor);
      expect(steps, String(factor)).toMatch(/convolve .*Mul/);
      expect(resultOf(folded).exact).toBe(resultOf(plain).exact);
    }
  });
});

describe("folded filters", () => {
  const file = modelOf([{ op: "Conv", inputs: ["x", "w"], output: "c", attributes: { pads: [1, 1, 1, 1] } }, NORM, RELU], {
    ...norm(64),
    w: filters([64, 64, 3, 3]),
  });
  const FILTERS = 64 * 64 * 9 * 4;

  it("take the place of the file's, made ready before the first call or by it, and are shared by the plans for two sizes", async () => {
    const used = async (plan: PlanOptions, prepare: Tensor | false): Promise<readonly number[]> => {
      const s = await (await load(file)).session({ backend: wasm(), plan, prepare: prepare === false ? false : { x: prepare } });
      const out: number[] = [];
      for (const size of [12, 16, 12, 16]) {
        // Other sizes are recorded call by call first.
        if (size === 16 && out.length === 1) await s.run({ x: wave([1, 64, size, size]) });
        await s.run({ x: wave([1, 64, size, size]) });
        out.push(s.memory().bytes);
      }
      s.dispose();
      expect(s.memory().buffers).toBe(0);
      return out;
    };
    for (const prepare of [wave([1, 64, 12, 12]), false] as const) {
      const [folded, exact] = [await used(FOLD, prepare), await used({}, prepare)];
      folded.forEach((now, i) => expect(now - (exact[i] ?? NaN), `call ${i}`).toBeLessThan(FILTERS / 8));
    }
  });

  it("are made of a file's with the bits of those in memory, and no others are kept", async () => {
    const folder = mkdtempSync(join(tmpdir(), "opwise-fold-"));
    try {
      const path = join(folder, "model.onnx");
      writeFileSync(path, file);
      const x = wave([1, 64, 12, 12]);
      const made = async (from: string | Uint8Array, plan: PlanOptions): Promise<readonly [string, number]> => {
        const s = await (await load(from)).session({ backend: wasm(), plan, prepare: { x } });
        return [resultOf(Object.values(await s.run({ x }))).exact, s.memory().bytes];
      };
      const [[read], [arrived, bytes], [, exact]] = [await made(file, FOLD), await made(path, FOLD), await made(path, {})];
      expect(arrived).toBe(read);
      expect(bytes - exact).toBeLessThan(FILTERS / 8);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("are made anew of weights that have been written, and are constants no more", async () => {
    const [s, plain] = [await sessionOf(file), await sessionOf(file, false)];
    const x = wave([1, 64, 8, 8]);
    const both = async (): Promise<void> =>
      expect(apart(resultOf(Object.values(await s.run({ x }))), resultOf(Object.values(await plain.run({ x }))))).toBeUndefined();
    await both();
    for (const [name, shape] of [
      ["w", [64, 64, 3, 3]],
      ["variance", [64]],
    ] as const) {
      const now = Tensor.from(positive(sizeOf(shape), 5), [...shape]);
      for (const one of [s, plain]) one.loadStateDict({ [name]: now }, { strict: false });
      for (let run = 0; run < 3; run++) await both();
    }
  });
});
