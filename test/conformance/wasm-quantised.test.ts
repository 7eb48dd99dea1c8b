/** Quantised models on the wasm backend: weights in blocks of few bits against the cpu's definition, and whole models with and without plans and threads. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { textOf } from "../../scripts/runner/plan-case.ts";
import { makeBackend } from "../../scripts/runner/backend.ts";
import { cpu } from "../../src/backends/cpu/cpu.ts";
import { isCodeMap } from "../../src/backends/wasm/extension/code-maps.ts";
import { arg, binary, cast, constant, type Expr, scalar, unary } from "../../src/expr/expr.ts";
import type { Datum } from "../../src/ir/datum.ts";
import type { Node } from "../../src/ir/graph.ts";
import { load, Tensor } from "../../src/index.ts";
import { seedTwister } from "../../src/numeric/mt19937.ts";
import { bindOnnx, onnxTableOf } from "../../src/ops/onnx/define.ts";
import { blockQuantizedOps } from "../../src/ops/onnx/microsoft/block-quantized.ts";
import { copyOf } from "../../src/prims/calls.ts";
import type { Program } from "../../src/prims/program.ts";
import { Executor } from "../../src/run/executor.ts";
import { Storage } from "../../src/tensor/storage.ts";
import { onnxModel, type OnnxParts } from "../support/archive.ts";
import { call } from "../support/eager.ts";

const host = cpu();
const device = await makeBackend("wasm");
const table = onnxTableOf([blockQuantizedOps]);

function noise(length: number, seed: number): Float32Array<ArrayBuffer> {
  let state = (seed * 2654435761) >>> 0 || 1;
  return Float32Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 31 - 1;
  });
}
const codes = (length: number, seed: number): Uint8Array<ArrayBuffer> => Uint8Array.from(noise(length, seed), (x) => (x + 1) * 128);
const bytesOf = (numbers: Float32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => new Uint8Array(numbers.buffer);
/** A tensor of a weight, whose packed form is kept, or of any other. */
const tensorOf = (bytes: Uint8Array<ArrayBuffer>, shape: readonly number[], dtype: "uint8" | "float32", kept: boolean): Tensor =>
  new Tensor(kept ? Storage.lazy(bytes.length, () => bytes) : Storage.wrap(bytes, false), dtype, shape);

interface Product {
  readonly rows: number;
  readonly n: number;
  readonly k: number;
  readonly block: number;
  readonly bits: number;
}

/** `MatMulNBits` on both backends: the cpu's result, the wasm backend's, and where the region ran there. */
function onBoth(
  { n, k, block, bits }: Product,
  inputs: () => readonly (Tensor | null)[],
): { readonly want: Float32Array; readonly got: Float32Array; readonly claimed: boolean } {
  const attributes = Object.fromEntries(Object.entries({ N: n, K: k, block_size: block, bits }).map(([name, value]) => [name, { kind: "int", value }]));
  const node = { op: "com.microsoft::MatMulNBits@1", operands: [], blocks: [], attributes, results: [{ id: 0 }] } as unknown as Node; // as far as binding looks at it
  const [want, got] = [host, device].map((backend) => {
    const context = new Executor({ backend, cpu: host, generator: seedTwister(0) });
    const bound = bindOnnx(table, node, () => null);
    if (bound === undefined || bound.reads) throw new Error("MatMulNBits runs at once");
    const [out] = bound.run(context, inputs());
    if (!(out instanceof Tensor)) throw new Error("a tensor");
    return { numbers: copyOf(context, out, "float32").data as Float32Array, claimed: context.placements.lines().some(({ what }) => what === "matmul_nbits") };
  });
  if (want === undefined || got === undefined) throw new Error("two backends");
  return { want: want.numbers, got: got.numbers, claimed: got.claimed };
}

describe("products with weights of few bits", () => {
  const shapes = fc.record({
    rows: fc.constantFrom(1, 2, 4, 5, 7, 130),
    n: fc.constantFrom(1, 3, 8, 16, 31, 129, 260),
    k: fc.constantFrom(1, 16, 33, 96, 130, 600),
    block: fc.constantFrom(16, 32, 128, 256),
    bits: fc.constantFrom(2, 4, 8),
    zeros: fc.constantFrom("none", "packed", "floats"),
    bias: fc.boolean(),
    kept: fc.boolean(),
    seed: fc.integer({ min: 1, max: 1000 }),
  });
  const inputsOf = (
    {
      rows,
      n,
      k,
      block,
      bits,
      zeros,
      bias,
      kept,
      seed,
    }: Product & { readonly zeros: string; readonly bias: boolean; readonly kept: boolean; readonly seed: number },
    x: Float32Array<ArrayBuffer>,
  ) => {
    const blocks = Math.ceil(k / block);
    const packed = Math.ceil((blocks * bits) / 8);
    return (): (Tensor | null)[] => [
      Tensor.from(x.slice(), [rows, k]),
      tensorOf(codes(n * blocks * block * (bits / 8), seed), [n, blocks, block * (bits / 8)], "uint8", kept),
      tensorOf(bytesOf(noise(n * blocks, seed + 1)), [n, blocks], "float32", kept),
      zeros === "none"
        ? null
        : zeros === "packed"
          ? tensorOf(codes(n * packed, seed + 2), [n, packed], "uint8", kept)
          : tensorOf(bytesOf(noise(n * blocks, seed + 3).map((z) => z * 8)), [n, blocks], "float32", kept),
      null,
      bias ? tensorOf(bytesOf(noise(n, seed + 4)), [n], "float32", kept) : null,
    ];
  };

  it("are what the cpu says, within the rounding of their terms", () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const x = noise(shape.rows * shape.k, shape.seed + 5);
        const { want, got, claimed } = onBoth(shape, inputsOf(shape, x));
        expect(claimed).toBe(true);
        expect(got.length).toBe(want.length);
        // A term is at most 2^bits + 8 (a zero point's); errors are a few units in the last place of the sum of terms.
        const size = (2 ** shape.bits + 8) * shape.k;
        want.forEach((y, i) => expect(Math.abs((got[i] ?? NaN) - y)).toBeLessThan(1e-6 * size));
      }),
      { numRuns: 80 },
    );
  }, 30_000);

  it("are infinite and not numbers where the cpu's are", () => {
    fc.assert(
      fc.property(shapes, fc.constantFrom(Infinity, -Infinity, NaN), fc.nat(), (shape, odd, at) => {
        const x = noise(shape.rows * shape.k, shape.seed);
        x[at % x.length] = odd;
        const { want, got } = onBoth(shape, inputsOf(shape, x));
        const kinds = (numbers: Float32Array): (number | string)[] => Array.from(numbers, (y) => (Number.isFinite(y) ? "finite" : y));
        expect(kinds(got)).toEqual(kinds(want));
      }),
      { numRuns: 60 },
    );
  }, 30_000);

  it("keep no copy of the weight as numbers, for one row or for many", async () => {
    const size = 1024;
    const model = await load(
      onnxModel({
        inputs: { x: "float32" },
        weights: {
          codes: { dtype: "uint8", shape: [size, size / 32, 16], bytes: codes((size * size) / 2, 1) },
          scales: { dtype: "float32", shape: [size, size / 32], bytes: bytesOf(noise((size * size) / 32, 2)) },
        },
        nodes: [
          {
            op: "MatMulNBits",
            domain: "com.microsoft",
            inputs: ["x", "codes", "scales"],
            output: "y",
            attributes: { N: size, K: size, bits: 4, block_size: 32 },
          },
        ],
        outputs: { y: "float32" },
      }),
    );
    const backend = await makeBackend("wasm");
    const session = await model.session({ backend });
    for (const rows of [1, 8, 1, 8, 1, 8]) await session.forward(Tensor.from(noise(rows * size, rows), [rows, size]));
    expect(session.planCounts()?.launched).toBeGreaterThan(1);
    expect(backend.live().bytes).toBeLessThan(2 * size * size); // as float32 it has four bytes a number
  });

  it("are rounded once where their inputs are halves: weights stay in single precision", () => {
    const shape = { rows: 4, n: 16, k: 96, block: 32, bits: 4 };
    const on = new Executor({ backend: host, cpu: host, generator: seedTwister(0) });
    const half = (t: Tensor): Tensor => copyOf(on, t, "float16");
    const x = half(Tensor.from(noise(shape.rows * shape.k, 7), [shape.rows, shape.k]));
    const scales = half(Tensor.from(noise(shape.n * 3, 8), [shape.n, 3]));
    const bytes = codes(shape.n * 48, 9);
    const { want, got, claimed } = onBoth(shape, () => [x, tensorOf(bytes, [shape.n, 3, 16], "uint8", true), scales, null, null, null]);
    expect(claimed).toBe(true);
    const [xs, s] = [x, scales].map((t) => copyOf(on, t, "float32").data as Float32Array); // float32
    for (let row = 0; row < shape.rows; row++)
      for (let column = 0; column < shape.n; column++) {
        let exact = 0;
        for (let k = 0; k < shape.k; k++) {
          const code = ((bytes[column * 48 + (k >> 1)] ?? 0) >> (4 * (k & 1))) & 15;
          exact += (xs?.[row * shape.k + k] ?? NaN) * (code - 8) * (s?.[column * 3 + Math.floor(k / 32)] ?? NaN);
        }
        for (const y of [want, got]) expect(Math.abs((y[row * shape.n + column] ?? NaN) - exact)).toBeLessThanOrEqual(2 ** -11 * Math.abs(exact) + 2e-6);
      }
  });

  it("run as their definition says where a table tells blocks", () => {
    const shape = { rows: 2, n: 5, k: 64, block: 32, bits: 4, zeros: "none", bias: false, kept: true, seed: 3 };
    const groups = Tensor.from(
      Int32Array.from({ length: 64 }, (_, i) => i & 1),
      [64],
      "int32",
    );
    const { want, got, claimed } = onBoth(shape, () => inputsOf(shape, noise(128, 1))().map((t, i) => (i === 4 ? groups : t)));
    expect(claimed).toBe(false);
    want.forEach((y, i) => expect(got[i]).toBeCloseTo(y, 3));
  });
});

describe("maps of codes", () => {
  const wild = fc.oneof(
    fc.float({ noDefaultInfinity: false }),
    fc.integer({ min: -600, max: 600 }).map((x) => x / 4),
    fc.constantFrom(NaN, Infinity, -Infinity, -0, 3e9, -3e9, 1e30),
  );
  const cases = fc.record({
    rows: fc.integer({ min: 1, max: 3 }),
    columns: fc.integer({ min: 1, max: 13 }),
    values: fc.array(wild, { minLength: 39, maxLength: 39 }),
    dtype: fc.constantFrom(12, 13),
    scale: fc.constantFrom(0.5, 0.013, 7),
    zero: fc.integer({ min: 0, max: 127 }),
    turned: fc.boolean(),
    perChannel: fc.boolean(),
    relu: fc.boolean(),
  });

  it("have the cpu's bits, as vectors and one by one", () => {
    fc.assert(
      fc.property(cases, ({ rows, columns, values, dtype, scale, zero, turned, perChannel, relu }) => {
        const [want, got] = [host, device].map((backend) => {
          const context = new Executor({ backend, cpu: host, generator: seedTwister(0) });
          const run = (op: string, ...args: Datum[]): Tensor => {
            const [out] = call(op, args, context);
            if (!(out instanceof Tensor)) throw new Error(op);
            return out;
          };
          const flat = Tensor.from(Float32Array.from(values.slice(0, rows * columns)), [rows, columns]);
          const x = turned ? run("aten::t", flat) : flat;
          const channels = x.shape[1] ?? 1;
          const q = perChannel
            ? run(
                "aten::quantize_per_channel",
                x,
                Tensor.from(
                  Float64Array.from({ length: channels }, (_, i) => scale + i / 8),
                  [channels],
                  "float64",
                ),
                Tensor.from(
                  BigInt64Array.from({ length: channels }, () => BigInt(zero)),
                  [channels],
                ),
                1,
                dtype,
              )
            : run("aten::quantize_per_tensor", x, scale, zero, dtype);
          const results = [run("aten::int_repr", q), run("aten::dequantize.self", q)];
          if (!perChannel) {
            results.push(run("aten::int_repr", run(relu ? "quantized::add_relu" : "quantized::add", q, q, scale * 1.5, 3)));
            results.push(run("aten::int_repr", run("quantized::mul", q, q, scale * 2, 5)));
          }
          if (!perChannel && dtype === 13) {
            const reals = Tensor.from(
              Float32Array.from({ length: 7 * channels }, (_, i) => Math.sin(i)),
              [7, channels],
            );
            const scales = Tensor.from(
              Float64Array.from({ length: 7 }, (_, i) => 0.01 + i / 500),
              [7],
              "float64",
            );
            const zeros = Tensor.from(new BigInt64Array(7), [7]);
            // Scales of channels are doubles, which the program reads beside single ones.
            const w = relu ? run("aten::quantize_per_channel", reals, scales, zeros, 0, 12) : run("aten::quantize_per_tensor", reals, 0.01, 0, 12);
            results.push(run("aten::int_repr", run("aten::relu", q)));
            const [packed = null] = call(
              "quantized::linear_prepack",
              [
                w,
                Tensor.from(
                  Float32Array.from({ length: 7 }, (_, i) => i - 3),
                  [7],
                ),
              ],
              context,
            );
            results.push(run("aten::int_repr", run(relu ? "quantized::linear_relu" : "quantized::linear", q, packed, scale, 9)));
          }
          return results.map((t) => [t.dtype, t.shape, Array.from(t.data, Number).map((v) => (Object.is(v, -0) ? "-0" : String(v)))]);
        });
        expect(got).toEqual(want);
      }),
      { numRuns: 150 },
    );
  });

  it("go by vectors where the programs of quantising and requantising do", () => {
    const x = arg(0, "f32");
    const scaled = binary("mul", x, scalar(0, "f32"));
    const whole = cast(unary("rint", scaled), "f64");
    const program = (value: Expr): Program => ({
      name: "x",
      operands: ["float32"],
      scalars: ["f32"],
      outputs: [{ dtype: "uint8", parts: [cast(value, "u8")] }],
      messages: [],
    });
    const clamped = binary("min", binary("max", whole, constant(0, "f64")), constant(255, "f64"));
    expect(isCodeMap(program(clamped))).toBe(true);
    // What may be out of range truncates otherwise as a vector.
    expect(isCodeMap(program(whole))).toBe(false);
  });
});

/** Codes, convolved (plain and a filter for each channel), multiplied, requantised; then rows by a weight of 4 bits. */
const MODEL = ((): Uint8Array => {
  type Weight = OnnxParts["weights"][string];
  const float = (...numbers: number[]): Weight => ({
    dtype: "float32",
    shape: numbers.length === 1 ? [] : [numbers.length],
    bytes: bytesOf(Float32Array.from(numbers)),
  });
  const zero = (value: number): Weight => ({ dtype: "uint8" as const, shape: [], bytes: Uint8Array.of(value) });
  const int8 = (seed: number, ...shape: number[]): Weight => ({
    dtype: "int8" as const,
    shape,
    bytes: codes(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
  });
  const weights = {
    scale: float(0.05),
    fine: float(0.002),
    out: float(0.4),
    zero: zero(121),
    none: { dtype: "int8" as const, shape: [], bytes: Uint8Array.of(0) },
    filters: int8(1, 32, 5, 3, 3),
    bias: { dtype: "int32" as const, shape: [32], bytes: new Uint8Array(Int32Array.from({ length: 32 }, (_, i) => 91 * i - 900).buffer) },
    deep: int8(2, 32, 1, 3, 3),
    matrix: int8(3, 30 * 30, 64),
    codes: { dtype: "uint8" as const, shape: [256, 2, 16], bytes: codes(256 * 2 * 16, 4) },
    scales: { dtype: "float32" as const, shape: [256, 2], bytes: bytesOf(noise(512, 5)) },
    flat: { dtype: "int64" as const, shape: [2], bytes: new Uint8Array(BigInt64Array.of(32n, 900n).buffer) },
  };
  const conv = (input: string, w: string, output: string, group: number, bias: readonly string[]): OnnxParts["nodes"][number] => ({
    op: "QLinearConv",
    inputs: [input, "scale", "zero", w, "fine", "none", "out", "zero", ...bias],
    output,
    attributes: { group, pads: [1, 1, 1, 1], strides: [1, 1] },
  });
  return onnxModel({
    inputs: { x: "float32" },
    weights,
    nodes: [
      { op: "QuantizeLinear", inputs: ["x", "scale", "zero"], output: "q" },
      conv("q", "filters", "first", 1, ["bias"]),
      conv("first", "deep", "second", 32, []),
      { op: "Reshape", inputs: ["second", "flat"], output: "rows" },
      { op: "MatMulInteger", inputs: ["rows", "matrix", "zero"], output: "sums" },
      { op: "Cast", inputs: ["sums"], output: "floats", attributes: { to: 1 } },
      { op: "Mul", inputs: ["floats", "fine"], output: "small" },
      { op: "MatMulNBits", domain: "com.microsoft", inputs: ["small", "codes", "scales"], output: "y", attributes: { N: 256, K: 64, bits: 4, block_size: 32 } },
    ],
    outputs: { y: "float32" },
  });
})();

it("a quantised model runs on wasm whole, and gives the same bits with a plan, without, and on threads", async () => {
  const model = await load(MODEL);
  const x = (): Tensor =>
    Tensor.from(
      noise(5 * 30 * 30, 9).map((v) => v * 6),
      [1, 5, 30, 30],
    );
  const plain = await model.session({ backend: device, plan: false });
  const wanted = await plain.forward(x());
  expect(plain.placement().filter(({ backend }) => backend !== "wasm")).toEqual([]);
  const numbersOf = (result: unknown): number[] => {
    const [y] = Array.isArray(result) ? (result as unknown[]) : [result];
    if (!(y instanceof Tensor)) throw new Error("the model's one output");
    return Array.from(y.data as Float32Array); // float32
  };
  const reference = numbersOf(await (await model.session()).forward(x()));
  expect(reference.length).toBe(32 * 256);
  const top = Math.max(...reference.map(Math.abs));
  numbersOf(wanted).forEach((v, i) => expect(Math.abs(v - (reference[i] ?? NaN))).toBeLessThan(1e-5 * top));
  for (const name of ["wasm", "wasm2"]) {
    const backend = await makeBackend(name);
    const session = await model.session({ backend });
    for (let run = 0; run < 3; run++) expect(textOf(await session.forward(x()))).toBe(textOf(wanted));
    expect(session.planCounts()?.launched).toBeGreaterThan(1);
    backend.dispose();
  }
}, 30_000);
