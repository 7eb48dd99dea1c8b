/** Two convolutions that run as one on wasm: the bits of one after the other, whatever the geometry, on any number of threads. */

import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { THREAD_WORKER } from "../../scripts/runner/backend.ts";
import { wasm, type WasmBackend } from "../../src/backends/wasm/wasm.ts";
import { arg, binary, scalar } from "../../src/expr/expr.ts";
import type { ConvolveCall } from "../../src/prims/call.ts";
import type { Program } from "../../src/prims/program.ts";
import type { Segment } from "../../src/prims/segment.ts";
import { contiguousStrides, numelOf } from "../../src/tensor/shape.ts";
import { Storage } from "../../src/tensor/storage.ts";
import type { View } from "../../src/tensor/tensor.ts";

async function started(threads: number): Promise<WasmBackend> {
  const backend = wasm({ threads, workerUrl: THREAD_WORKER });
  for (let wait = 0; backend.threads.running < threads && wait < 500; wait++) await new Promise((resume) => setTimeout(resume, 10));
  expect(backend.threads.running).toBe(threads);
  return backend;
}
const backends = await Promise.all([1, 2].map(started));

const viewOf = (storage: Storage, shape: readonly number[]): View => ({ storage, dtype: "float32", shape, strides: contiguousStrides(shape), offset: 0 });
const blank = (shape: readonly number[]): View => viewOf(Storage.allocate(numelOf(shape) * 4), shape);
/** Numbers that are never alike. */
function noise(shape: readonly number[], seed: number): View {
  const numbers = Float32Array.from({ length: numelOf(shape) }, (_, i) => Math.sin((i + seed) * 1.7) * 3);
  return viewOf(Storage.wrap(new Uint8Array(numbers.buffer), false), shape);
}

const x = arg(0, "f32");
/** `min(max(x * a + b, lo), hi)`, as a norm and a clamp behind it. */
const clamped: Program = {
  name: "",
  operands: ["float32", "float32", "float32"],
  scalars: ["f32", "f32"],
  outputs: [
    {
      dtype: "float32",
      parts: [binary("min", binary("max", binary("add", binary("mul", x, arg(1, "f32")), arg(2, "f32")), scalar(0, "f32")), scalar(1, "f32"))],
    },
  ],
  messages: [],
};
/** `x + y` */
const added: Program = {
  name: "",
  operands: ["float32", "float32"],
  scalars: [],
  outputs: [{ dtype: "float32", parts: [binary("add", x, arg(1, "f32"))] }],
  messages: [],
};

type Kind = "none" | "clamped" | "added";
/** The epilogue of a kind for a result of a shape. */
function epilogueOf(kind: Kind, shape: readonly number[], seed: number): Pick<ConvolveCall, "epilogue" | "scalars"> & { readonly extra: readonly View[] } {
  const channels = shape[1] ?? 1;
  const ofChannels = (at: number): View => ({ ...noise([channels], at), shape, strides: [0, 1, 0, 0] });
  if (kind === "clamped") return { epilogue: clamped, scalars: [0, 6], extra: [ofChannels(seed), ofChannels(seed + 5)] };
  if (kind === "added") return { epilogue: added, scalars: [], extra: [noise(shape, seed)] };
  return { epilogue: undefined, scalars: [], extra: [] };
}

interface Case {
  readonly batch: number;
  readonly inputs: number;
  readonly channels: number;
  readonly rows: number;
  readonly columns: number;
  readonly stride: number;
  readonly pad: readonly [number, number, number, number];
  readonly biased: readonly [boolean, boolean];
  readonly kinds: readonly [Kind, Kind];
}

/** A pair, and the view that enters; undefined where it has no result. */
function pairOf({
  batch,
  inputs,
  channels,
  rows,
  columns,
  stride,
  pad,
  biased,
  kinds,
}: Case): { readonly calls: readonly [ConvolveCall, ConvolveCall]; readonly input: View } | undefined {
  const [top, left, bottom, right] = pad;
  const sizes = [Math.floor((rows + top + bottom - 3) / stride) + 1, Math.floor((columns + left + right - 3) / stride) + 1];
  if (sizes.some((size) => size < 1)) return undefined;
  const input = blank([batch, inputs, rows, columns]);
  const between = blank([batch, channels, rows, columns]);
  const result = blank([batch, channels, ...sizes]);
  const call = (from: View, w: View, to: View, k: 0 | 1, how: Pick<ConvolveCall, "stride" | "padBegin" | "padEnd" | "groups">): ConvolveCall => {
    const { extra, ...epilogue } = epilogueOf(kinds[k], to.shape, 3 + k);
    const bias = biased[k] ? [noise([channels], 11 + k)] : [];
    return {
      kind: "convolve",
      operands: [from, w, ...bias, ...extra],
      results: [to],
      dilation: [1, 1],
      transposed: false,
      accumulate: "f32",
      ...epilogue,
      ...how,
    };
  };
  const first = call(input, noise([channels, inputs, 1, 1], 1), between, 0, { stride: [1, 1], padBegin: [0, 0], padEnd: [0, 0], groups: 1 });
  const second = call(between, noise([channels, 1, 3, 3], 2), result, 1, {
    stride: [stride, stride],
    padBegin: [top, left],
    padEnd: [bottom, right],
    groups: channels,
  });
  return { calls: [first, second], input };
}

/** What bytes are told apart by. */
const digest = (bytes: Uint8Array): string => createHash("sha1").update(bytes).digest("hex");

/** What the steps leave, planned; `apart` has the result between leave as well, so that both run by themselves. */
function planned(
  backend: WasmBackend,
  calls: readonly [ConvolveCall, ConvolveCall],
  input: View,
  apart: boolean,
): { readonly result: string; readonly bytes: number } {
  const [between, result] = calls.map((call) => call.results[0]?.storage);
  if (between === undefined || result === undefined) throw new Error("a call without a result");
  const segment: Segment = { steps: calls, inputs: [input.storage], outputs: apart ? [result, between] : [result] };
  const executable = backend.compile?.(segment);
  if (executable === undefined || typeof executable === "string") throw new Error(`not compiled: ${String(executable)}`);
  try {
    const [out] = executable.run([input.dtype === "float32" ? noise(input.shape, 7).storage : input.storage]);
    return { result: digest(out?.bytes() ?? new Uint8Array()), bytes: executable.bytes };
  } finally {
    executable.dispose();
  }
}

const kind = fc.constantFrom<Kind>("none", "clamped", "added");
const pad = fc.nat(2);
const cases = fc.record({
  batch: fc.integer({ min: 1, max: 2 }),
  inputs: fc.integer({ min: 1, max: 40 }),
  channels: fc.integer({ min: 1, max: 75 }),
  rows: fc.integer({ min: 1, max: 40 }),
  columns: fc.integer({ min: 1, max: 40 }),
  stride: fc.integer({ min: 1, max: 2 }),
  pad: fc.tuple(pad, pad, pad, pad),
  biased: fc.tuple(fc.boolean(), fc.boolean()),
  kinds: fc.tuple(kind, kind),
});

/** Twelve channels of 9 x 9, without bias or epilogue. */
function plainPair(): NonNullable<ReturnType<typeof pairOf>> {
  const pair = pairOf({
    batch: 1,
    inputs: 5,
    channels: 12,
    rows: 9,
    columns: 9,
    stride: 1,
    pad: [1, 1, 1, 1],
    biased: [false, false],
    kinds: ["none", "none"],
  });
  if (pair === undefined) throw new Error("no result");
  return pair;
}

describe("filters of one tap and a filter of 3 x 3 for each channel that they make", () => {
  it("have the bits of one after the other, on any number of threads", () => {
    fc.assert(
      fc.property(cases, (one) => {
        const pair = pairOf(one);
        if (pair === undefined) return;
        const results = backends.flatMap((backend) => [false, true].map((apart) => planned(backend, pair.calls, pair.input, apart).result));
        expect([...new Set(results)]).toEqual(results.slice(0, 1));
      }),
      { numRuns: 120 },
    );
  });

  it.each([
    { name: "planes of 28 by 28", inputs: 32, channels: 600, rows: 28, columns: 28, stride: 1 },
    { name: "planes whose lines share few sets of a cache", inputs: 24, channels: 200, rows: 64, columns: 64, stride: 2 },
    { name: "planes of which a panel fills a cache, in ranges of rows", inputs: 3, channels: 25, rows: 301, columns: 203, stride: 1 },
    { name: "the same at a stride of two", inputs: 3, channels: 25, rows: 302, columns: 201, stride: 2 },
  ])("keep less in memory than what lies between: $name", ({ inputs, channels, rows, columns, stride }) => {
    const pair = pairOf({ batch: 1, inputs, channels, rows, columns, stride, pad: [1, 1, 1, 1], biased: [true, true], kinds: ["clamped", "clamped"] });
    if (pair === undefined) throw new Error("no result");
    const [apart, joined, shared] = [
      planned(backends[0] ?? wasm(), pair.calls, pair.input, true),
      ...backends.map((backend) => planned(backend, pair.calls, pair.input, false)),
    ];
    expect(joined?.result).toEqual(apart.result);
    expect(shared?.result).toEqual(apart.result);
    expect(joined?.bytes).toBeLessThan(apart.bytes);
  });

  it("have the bits of one after the other where positions are the rows of a product", () => {
    for (const biased of [true, false]) {
      const pair = pairOf({
        batch: 2,
        inputs: 160,
        channels: 203,
        rows: 7,
        columns: 7,
        stride: 1,
        pad: [1, 1, 1, 1],
        biased: [biased, biased],
        kinds: ["clamped", "added"],
      });
      if (pair === undefined) throw new Error("no result");
      const results = backends.flatMap((backend) => [false, true].map((apart) => planned(backend, pair.calls, pair.input, apart).result));
      expect([...new Set(results)]).toEqual(results.slice(0, 1));
    }
  });

  it("run by themselves where they are of halves", () => {
    const pair = plainPair();
    const halves = new Map<Storage, Storage>();
    /** Numbers from 1 to 1.25. */
    const half = (view: View): View => {
      const codes = Uint16Array.from({ length: numelOf(view.shape) }, (_, i) => 0x3c00 + ((i * 37) & 0xff));
      const storage = halves.get(view.storage) ?? Storage.wrap(new Uint8Array(codes.buffer), false);
      halves.set(view.storage, storage);
      return { ...view, storage, dtype: "float16" };
    };
    const [first, second] = pair.calls.map((call): ConvolveCall => ({ ...call, operands: call.operands.map(half), results: call.results.map(half) }));
    if (first === undefined || second === undefined) throw new Error("no calls");
    const input = half(pair.input);
    const results = backends.flatMap((backend) => [false, true].map((apart) => planned(backend, [first, second], input, apart).result));
    expect([...new Set(results)]).toEqual(results.slice(0, 1));
  });

  it("run by themselves where another step reads what lies between, or the second sees some channels of it", () => {
    const pair = plainPair();
    const [first, second] = pair.calls;
    const [between] = first.results;
    if (between === undefined) throw new Error("no result");
    const some = { ...between, shape: [1, 6, 9, 9], offset: 6 * 81 };
    const [w] = second.operands.slice(1);
    if (w === undefined) throw new Error("no filters");
    const half: ConvolveCall = { ...second, operands: [some, { ...w, shape: [6, 1, 3, 3] }], results: [blank([1, 6, 9, 9])], groups: 6 };
    const copy: ConvolveCall = { ...second, results: [blank([1, 12, 9, 9])] };
    for (const backend of backends) {
      const run = (steps: Segment["steps"], outputs: readonly (Storage | undefined)[]): readonly Uint8Array[] => {
        const executable = backend.compile?.({ steps, inputs: [pair.input.storage], outputs: outputs.filter((s) => s !== undefined) });
        if (executable === undefined || typeof executable === "string") throw new Error("not compiled");
        const out = executable.run([noise(pair.input.shape, 7).storage]).map((storage) => Uint8Array.from(storage.bytes()));
        executable.dispose();
        return out;
      };
      const [want, same] = run([first, second, copy], [second.results[0]?.storage, copy.results[0]?.storage]);
      expect(same).toEqual(want);
      expect(digest(want ?? new Uint8Array())).toBe(planned(backend, pair.calls, pair.input, false).result);
      const [part] = run([first, { ...half, operands: [some, noise([6, 1, 3, 3], 2 + 54)] }], [half.results[0]?.storage]);
      expect(part).toEqual(want?.subarray(6 * 81 * 4));
    }
  });
});
