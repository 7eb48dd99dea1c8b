/** Planned steps that threads share out: any number of them gives the bits of one. */

import { describe, expect, it } from "vitest";
import { THREAD_WORKER } from "../scripts/runner/backend.ts";
import { textOf } from "../scripts/runner/plan-case.ts";
import { wasm, type WasmBackend } from "../src/backends/wasm/wasm.ts";
import { load, Tensor } from "../src/index.ts";
import { onnxGraph, scriptArchive } from "./support/archive.ts";

/** Numbers that are never alike. */
function wave(...shape: number[]): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  return Tensor.from(
    Float32Array.from({ length: n }, (_, i) => Math.sin(i * 1.7) * 3),
    shape,
  );
}
const indices = (n: number, below: number): Tensor =>
  Tensor.from(
    Int32Array.from({ length: n }, (_, i) => (i * 7) % below),
    [n],
  );

/** Backends whose threads have all started. */
async function started(threads: number): Promise<WasmBackend> {
  const backend = wasm({ threads, workerUrl: THREAD_WORKER });
  for (let wait = 0; backend.threads.running < threads && wait < 500; wait++) await new Promise((resume) => setTimeout(resume, 10));
  expect(backend.threads).toEqual({ count: threads, running: threads, refused: undefined });
  return backend;
}
const backends = await Promise.all([1, 2, 3].map(started));

/** The different answers of all runs on all numbers of threads. */
async function answersOf(bytes: Uint8Array, inputs: () => readonly Tensor[], names?: readonly string[]): Promise<ReadonlySet<string>> {
  const model = await load(bytes);
  const texts: string[] = [];
  for (const backend of backends) {
    const session = await model.session({ backend });
    for (let run = 0; run < 3; run++) {
      const given = inputs();
      const result =
        names === undefined ? await session.forward(...given) : await session.run(Object.fromEntries(names.map((name, i) => [name, given[i] ?? wave(1)])));
      texts.push(textOf(result));
    }
    expect(session.planCounts()?.launched).toBeGreaterThan(0);
    session.dispose();
  }
  return new Set(texts);
}

const TORCH: readonly (readonly [name: string, parameters: string, body: string, inputs: () => readonly Tensor[]])[] = [
  ["a row by a matrix whose columns are contiguous", "x: Tensor, w: Tensor", "torch.relu(torch.matmul(x, w))", () => [wave(1, 300), wave(300, 700)]],
  ["a row by a matrix whose depth is contiguous", "x: Tensor, w: Tensor", "torch.matmul(x, torch.t(w))", () => [wave(1, 300), wave(701, 300)]],
  ["few rows by many columns, in blocks of depth", "x: Tensor, w: Tensor", "torch.tanh(torch.matmul(x, w))", () => [wave(47, 700), wave(700, 390)]],
  ["rows by few columns", "x: Tensor, w: Tensor", "torch.matmul(x, w)", () => [wave(200, 64), wave(64, 50)]],
  ["a map over short outer axes", "x: Tensor, y: Tensor", "torch.exp(torch.mul(x, y))", () => [wave(3, 5, 70, 70), wave(3, 1, 70, 1)]],
  ["a map of one axis", "x: Tensor", "torch.sigmoid(x)", () => [wave(9001)]],
  ["pieces of a concatenation along an inner axis", "x: Tensor, y: Tensor", "torch.cat([torch.exp(x), y], 2)", () => [wave(4, 8, 127, 32), wave(4, 8, 1, 32)]],
  ["a gather of rows", "x: Tensor, i: Tensor", "torch.mul(torch.index_select(x, 0, i), 2)", () => [wave(60, 384), indices(128, 60)]],
  ["a resize", "x: Tensor", "torch.upsample_bilinear2d(x, [50, 61], False)", () => [wave(1, 9, 20, 30)]],
  ["a padding by reflection", "x: Tensor", "torch.reflection_pad2d(x, [3, 2, 1, 4])", () => [wave(1, 9, 40, 50)]],
  ["means of planes", "x: Tensor", "torch.mean(x, [2, 3])", () => [wave(1, 37, 40, 50)]],
  ["positions of maxima", "x: Tensor", "torch.argmax(x, 1)", () => [wave(90, 500)]],
  ["sums down columns", "x: Tensor", "torch.sum(x, [0])", () => [wave(128, 384)]],
  ["norms of groups", "x: Tensor", "torch.group_norm(x, 4, None, None, 1.0e-05, False)", () => [wave(2, 16, 30, 30)]],
  ["norms of layers", "x: Tensor", "torch.layer_norm(x, [384], None, None, 1.0e-05, False)", () => [wave(128, 384)]],
  ["attention", "q: Tensor, k: Tensor", "torch.scaled_dot_product_attention(q, k, k, None, 0., False)", () => [wave(1, 5, 70, 32), wave(1, 5, 90, 32)]],
  [
    "attention of one query",
    "q: Tensor, k: Tensor",
    "torch.scaled_dot_product_attention(q, k, k, None, 0., False)",
    () => [wave(1, 8, 1, 32), wave(1, 8, 190, 32)],
  ],
  ["filters of one tap, in small planes", "x: Tensor, w: Tensor", "torch.relu(torch.conv2d(x, w))", () => [wave(1, 64, 14, 14), wave(96, 64, 1, 1)]],
  ["filters that leave panels of four", "x: Tensor, w: Tensor", "torch.conv2d(x, w, None, [2, 2], [1, 1])", () => [wave(1, 16, 41, 41), wave(50, 16, 3, 3)]],
  ["few planes with a border", "x: Tensor, w: Tensor", "torch.conv2d(x, w, None, [2, 2], [3, 2])", () => [wave(2, 3, 90, 80), wave(16, 3, 7, 5)]],
  [
    "filters over seven by seven positions",
    "x: Tensor, w: Tensor",
    "torch.conv2d(x, w, None, [2, 2], [1, 1])",
    () => [wave(1, 64, 14, 14), wave(75, 64, 3, 3)],
  ],
  [
    "Winograd's transforms in one block",
    "x: Tensor, w: Tensor",
    "torch.relu(torch.conv2d(x, w, None, [1, 1], [1, 1]))",
    () => [wave(1, 40, 12, 12), wave(44, 40, 3, 3)],
  ],
  [
    "Winograd's transforms in blocks that do not come out even",
    "x: Tensor, w: Tensor",
    "torch.relu(torch.conv2d(x, w, None, [1, 1], [1, 1]))",
    () => [wave(1, 24, 90, 90), wave(20, 24, 3, 3)],
  ],
  [
    "a filter for each channel",
    "x: Tensor, w: Tensor",
    "torch.relu(torch.conv2d(x, w, None, [1, 1], [1, 1], [1, 1], 37))",
    () => [wave(1, 37, 28, 28), wave(37, 1, 3, 3)],
  ],
  [
    "a filter for each channel of large planes",
    "x: Tensor, w: Tensor",
    "torch.relu(torch.conv2d(x, w, None, [1, 1], [2, 1], [1, 1], 21))",
    () => [wave(1, 21, 61, 50), wave(21, 1, 3, 3)],
  ],
  [
    "a filter for each channel of large planes at a stride of two",
    "x: Tensor, w: Tensor",
    "torch.relu(torch.conv2d(x, w, None, [2, 2], [1, 1], [1, 1], 21))",
    () => [wave(1, 21, 121, 50), wave(21, 1, 3, 3)],
  ],
  [
    "a transposed convolution",
    "x: Tensor, w: Tensor",
    "torch.relu(torch.conv_transpose2d(x, w, None, [2, 2]))",
    () => [wave(1, 32, 16, 16), wave(32, 30, 2, 2)],
  ],
  ["pooling", "x: Tensor", "torch.max_pool2d(x, [3, 3], [2, 2], [1, 1])", () => [wave(1, 19, 50, 50)]],
];

describe("on one, two and three threads", () => {
  it.each(TORCH)("%s", async (_, parameters, body, inputs) => {
    const answers = await answersOf(
      scriptArchive(
        `class Net(Module):\n  __parameters__ = []\n  __buffers__ = []\n  def forward(self: __torch__.Net, ${parameters}) -> Tensor:\n    return ${body}\n`,
      ),
      inputs,
    );
    expect(answers.size).toBe(1);
  });

  it("a row by weights, step after step", async () => {
    const weights = new Map([
      ["a", wave(256, 600)],
      ["b", wave(600, 200)],
    ]);
    const nodes = [
      { op: "MatMul", inputs: ["x", "a"], outputs: ["h"] },
      { op: "Tanh", inputs: ["h"], outputs: ["g"] },
      { op: "MatMul", inputs: ["g", "b"], outputs: ["y"] },
    ];
    const answers = await answersOf(onnxGraph(nodes, ["x"], ["y"], weights), () => [wave(1, 256)], ["x"]);
    expect(answers.size).toBe(1);
  });

  it.each([
    ["lstm", 4, "[h, h]"],
    ["gru", 3, "h"],
    ["rnn_tanh", 1, "h"],
  ])("the steps of a layer in both directions: %s", async (name, gates, state) => {
    const wide = 192 * gates;
    const code = `class Net(Module):\n  __parameters__ = []\n  __buffers__ = []
  def forward(self: __torch__.Net, x: Tensor, h: Tensor, i: Tensor, w: Tensor, b: Tensor) -> Tensor:
    r = torch.${name}(x, ${state}, [i, w, b, b, i, w, b, b], True, 1, 0., False, True, False)
    return torch.add(r[0], torch.sum(r[1]))\n`;
    const small = (...shape: number[]): Tensor =>
      Tensor.from(
        Float32Array.from({ length: shape.reduce((a, n) => a * n, 1) }, (_, k) => Math.sin(k * 1.7) / 8),
        shape,
      );
    const answers = await answersOf(scriptArchive(code), () => [wave(5, 1, 24), small(2, 1, 192), small(wide, 24), small(wide, 192), small(wide)]);
    expect(answers.size).toBe(1);
  });

  it("what a check between the steps refuses is refused", async () => {
    const code = `class Net(Module):\n  __parameters__ = []\n  __buffers__ = []\n  def forward(self: __torch__.Net, x: Tensor, i: Tensor) -> Tensor:
    y = torch.exp(torch.mul(x, 2))
    z = torch.index_select(y, 0, i)
    return torch.tanh(torch.add(z, 1))\n`;
    const model = await load(scriptArchive(code));
    for (const backend of backends) {
      const session = await model.session({ backend });
      for (let run = 0; run < 3; run++) await session.forward(wave(60, 384), indices(128, 60));
      await expect(session.forward(wave(60, 384), indices(128, 70))).rejects.toThrow(/out of range/);
      session.dispose();
    }
  });
});
