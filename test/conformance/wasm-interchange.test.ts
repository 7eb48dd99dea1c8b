/** Computes whose loops run in another order than their axes: the same elements. */

import { expect, it } from "vitest";
import { interchanged } from "../../src/backends/wasm/interchange.ts";
import { cpu } from "../../src/backends/cpu/cpu.ts";
import { wasm } from "../../src/backends/wasm/wasm.ts";
import type { ComputeCall } from "../../src/prims/call.ts";
import { Executor } from "../../src/run/executor.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { call, eagerContext } from "../support/eager.ts";

const noise = (shape: readonly number[], reach: number): Tensor =>
  Tensor.from(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 1.37) * reach),
    shape,
  );

/** What `name` gives on wasm and on cpu, and the computes that wasm was asked for. */
function both(name: string, args: Parameters<typeof call>[1]): { readonly got: Tensor; readonly want: Tensor; readonly computes: readonly ComputeCall[] } {
  const backend = wasm();
  const computes: ComputeCall[] = [];
  const { run } = backend;
  backend.run = (what, given) => {
    if (what.kind === "compute") computes.push(what);
    run(what, given);
  };
  const [got] = call(name, args, new Executor({ backend, cpu: cpu(), generator: eagerContext().generator }));
  const [want] = call(name, args);
  if (!(got instanceof Tensor) || !(want instanceof Tensor)) throw new TypeError("a tensor was expected");
  void got.storage.sync();
  return { got, want, computes };
}

const bits = (t: Tensor): readonly number[] => [...new Uint32Array(Float32Array.from(t.data, Number).buffer)];

it.each([1, 3, 4, 5, 17])("samples %i channels at the places of a grid as the cpu does, in all modes", (channels) => {
  for (const [mode, padding, align] of [
    [0, 0, false],
    [0, 2, true],
    [1, 1, false],
    [2, 0, true],
    [2, 1, false],
  ] as const) {
    const args = [noise([2, channels, 7, 6], 3), noise([2, 5, 9, 2], 1.3), mode, padding, align] as const;
    const { got, want, computes } = both("aten::grid_sampler_2d", args);
    expect(bits(got)).toEqual(bits(want));
    expect(computes.map((one) => interchanged(one) !== undefined)).toEqual([channels > 3]);
  }
  const { got, want } = both("aten::grid_sampler_3d", [noise([2, channels, 3, 4, 5], 3), noise([2, 2, 3, 4, 3], 1.3), 0, 0, false]);
  expect(bits(got)).toEqual(bits(want));
});

it("keeps the order where the innermost axis takes no more steps than the others", () => {
  const { got, want, computes } = both("aten::upsample_bilinear2d", [
    noise([1, 8, 5, 5], 3),
    { kind: "list", elem: { kind: "int" }, items: [9, 11] },
    false,
    null,
    null,
  ]);
  expect(bits(got)).toEqual(bits(want));
  expect(computes.length).toBeGreaterThan(0);
  expect(computes.every((one) => interchanged(one) === undefined)).toBe(true);
});
