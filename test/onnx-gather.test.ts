/** Gather at an index that the file has, and at one that comes in. */

import { describe, expect, it } from "vitest";
import { wasm } from "../src/backends/wasm/wasm.ts";
import { load, type Output, type Session, Tensor } from "../src/index.ts";
import { onnxModel } from "./support/archive.ts";

const X = Tensor.from(
  Float32Array.from({ length: 24 }, (_, i) => i * i),
  [2, 3, 4],
);

const tensor = (outputs: Readonly<Record<string, Output>>): Tensor => {
  if (outputs["y"] instanceof Tensor) return outputs["y"];
  throw new TypeError("a tensor was expected");
};
const scalar = (index: number): Tensor => Tensor.from(BigInt64Array.of(BigInt(index)), []);

/** `Relu(Gather(x, index))` along `axis`, of an index of the file where it is given. */
async function sessionOf(axis: number, index?: number): Promise<Session> {
  const file = onnxModel({
    inputs: index === undefined ? { x: "float32", index: "int64" } : { x: "float32" },
    weights: index === undefined ? {} : { index: { dtype: "int64", shape: [], bytes: new Uint8Array(BigInt64Array.of(BigInt(index)).buffer) } },
    nodes: [
      { op: "Gather", inputs: ["x", "index"], output: "g", attributes: { axis } },
      { op: "Relu", inputs: ["g"], output: "y" },
    ],
    outputs: { y: "float32" },
  });
  return (await load(file)).session({ backend: wasm() });
}

describe("Gather of one index", () => {
  it("that the file has is a view, which whoever reads it reads where it lies", async () => {
    for (const [axis, index] of [
      [0, 1],
      [1, -1],
      [2, 2],
      [-1, -4],
    ] as const) {
      const fixed = await sessionOf(axis, index);
      const given = await sessionOf(axis);
      const [a, b] = [tensor(await fixed.run({ x: X })), tensor(await given.run({ x: X, index: scalar(index) }))];
      expect(a.shape).toEqual(b.shape);
      expect(a.data).toEqual(b.data);
      expect(fixed.plans()[0]?.steps.map(({ what }) => what.kind)).toEqual(["map"]);
      expect(given.plans()[0]?.steps.map(({ what }) => what.kind)).toEqual(["compute", "map"]);
    }
  });

  it("that comes in may be another one the next time, without another plan", async () => {
    const session = await sessionOf(1);
    for (const index of [0, 2, -2]) {
      const y = tensor(await session.run({ x: X, index: scalar(index) }));
      const at = 4 * ((index + 3) % 3);
      expect(Array.from(y.data, Number).slice(0, 4)).toEqual(Array.from(X.data, Number).slice(at, at + 4));
    }
    expect(session.planCounts()?.compiled).toBe(1);
  });

  it("that is out of bounds is an error either way", async () => {
    for (const index of [3, -4]) {
      const message = `index ${index} is out of bounds for dimension 1 with size 3`;
      await expect((await sessionOf(1, index)).run({ x: X })).rejects.toThrow(message);
      await expect((await sessionOf(1)).run({ x: X, index: scalar(index) })).rejects.toThrow(message);
    }
  });
});
