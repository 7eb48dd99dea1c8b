/** float16 and bfloat16 on the wasm backend: every bit pattern, every exponent, and mixed programs against the cpu backend. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cpu } from "../../src/backends/cpu/cpu.ts";
import { roundTo } from "../../src/backends/cpu/element.ts";
import { mapKernel } from "../../src/backends/wasm/loops.ts";
import { LinearMemory } from "../../src/backends/wasm/memory.ts";
import { KernelRuntime } from "../../src/backends/wasm/runtime.ts";
import { wasm } from "../../src/backends/wasm/wasm.ts";
import { arg, binary, type BinaryOp, cast, constant, type Expr, index, load, reachable, round, scalar, select, unary } from "../../src/expr/expr.ts";
import { codec } from "../../src/numeric/codec.ts";
import { seedTwister } from "../../src/numeric/mt19937.ts";
import { compute, map, reduce } from "../../src/prims/calls.ts";
import { maxOf, sumOf } from "../../src/prims/combiner.ts";
import { join } from "../../src/prims/join.ts";
import type { Context } from "../../src/prims/context.ts";
import { computeType, type Program } from "../../src/prims/program.ts";
import { Executor } from "../../src/run/executor.ts";
import type { DType } from "../../src/tensor/dtype.ts";
import { Tensor, viewOf } from "../../src/tensor/tensor.ts";

const host = cpu();
const device = wasm();
const on = (backend: typeof host): Executor => new Executor({ backend, cpu: host, generator: seedTwister(0) });
type Half = "float16" | "bfloat16";
const HALVES: readonly Half[] = ["float16", "bfloat16"];
const NAN: Readonly<Record<Half, number>> = { float16: 0x7e00, bfloat16: 0x7fc0 };

const of = (name: string, from: DType, to: DType, build: (x: Expr) => Expr): Program => ({
  name,
  operands: [from],
  scalars: [],
  outputs: [{ dtype: to, parts: [build(arg(0, computeType(from)))] }],
  messages: [],
});

/** What the wasm backend makes of each element: four at a time where the result is contiguous, else one by one. */
function applied(program: Program, x: Tensor, lying: "contiguous" | "apart"): number[] {
  const context = on(device);
  const n = x.numel;
  const size = program.outputs[0]?.dtype === "float64" ? 8 : program.outputs[0]?.dtype === "float32" ? 4 : 2;
  const dtype = program.outputs[0]?.dtype ?? "float32";
  const apart = lying === "contiguous" ? undefined : viewOf(new Tensor(context.allocate(2 * n * size), dtype, [2 * n]), [n], [2], 0);
  const [result] = map(context, program, [x], [], apart === undefined ? undefined : [apart]);
  void result?.storage.sync();
  return Array.from(result?.data ?? [], Number);
}

const allBits = (dtype: Half): Tensor =>
  Tensor.from(
    Uint16Array.from({ length: 65536 }, (_, i) => i),
    [65536],
    dtype,
  );

/** float32 of both signs and all exponents: ends, ties of both formats and what is beside them, and others. */
const SINGLES: Float32Array = (() => {
  const fractions = [
    0, 1, 0x7fffff, 0x0fff, 0x1000, 0x1001, 0x1fff, 0x2000, 0x3000, 0x2fff, 0x7fff, 0x8000, 0x8001, 0x18000, 0x17fff, 0x7fe000, 0x7ff000, 0x7f8000,
  ];
  const words: number[] = [];
  let state = 12345;
  for (let exponent = 0; exponent < 256; exponent++) {
    for (let i = 0; i < 60; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      // Ties of what float16 keeps of its subnormal numbers lie at other places.
      const odd = [state >>> 9, ((state >>> 9) & ~((1 << (i % 23)) - 1)) | (1 << (i % 23))][i & 1] ?? 0;
      const fraction = fractions[i] ?? odd;
      for (const sign of [0, 0x80000000]) words.push((sign | (exponent << 23) | (fraction & 0x7fffff)) >>> 0);
    }
  }
  return new Float32Array(Uint32Array.from(words).buffer);
})();

/** Indices where two lists differ; a NaN is as good as another. */
function differing(got: readonly number[], want: readonly number[]): string[] {
  if (got.length !== want.length) return [`${got.length} elements for ${want.length}`];
  return got.flatMap((x, i) => (Object.is(x, want[i]) ? [] : [`${i}: ${x} for ${want[i]}`])).slice(0, 5);
}

describe.each(HALVES)("%s", (half) => {
  const { table, encode } = codec(half) ?? { table: new Float32Array(), encode: () => 0 };
  const bitsOf = (x: number, signed: number): number => (Number.isNaN(x) ? NAN[half] | (half === "float16" ? signed : 0) : encode(x));

  describe.each(["contiguous", "apart"] as const)("with results %s", (lying) => {
    it("decodes every bit pattern", () => {
      const got = applied(
        of("cast", half, "float32", (x) => x),
        allBits(half),
        lying,
      );
      expect(differing(got, Array.from(table))).toEqual([]);
    });

    it("keeps the bits of what is only moved", () => {
      const got = applied(
        of("same", half, half, (x) => x),
        allBits(half),
        lying,
      );
      expect(
        differing(
          got,
          Array.from({ length: 65536 }, (_, bits) => bits),
        ),
      ).toEqual([]);
    });

    it("gives every number its bits back, and every NaN one pattern", () => {
      const got = applied(
        of("rounded", half, half, (x) => round(x, half)),
        allBits(half),
        lying,
      );
      expect(
        differing(
          got,
          Array.from(table, (x, bits) => (Number.isNaN(x) ? bitsOf(x, bits & 0x8000) : bits)),
        ),
      ).toEqual([]);
    });

    it("negates every number", () => {
      const got = applied(
        of("neg", half, half, (x) => unary("neg", x)),
        allBits(half),
        lying,
      );
      expect(
        differing(
          got,
          Array.from(table, (x, bits) => (Number.isNaN(x) ? bitsOf(x, (bits & 0x8000) ^ 0x8000) : bits ^ 0x8000)),
        ),
      ).toEqual([]);
    });

    it("encodes floats of all exponents as the definition does", () => {
      const words = new Uint32Array(SINGLES.buffer);
      const got = applied(
        of("cast", "float32", half, (x) => x),
        Tensor.from(SINGLES),
        lying,
      );
      expect(
        differing(
          got,
          Array.from(SINGLES, (x, i) => bitsOf(x, ((words[i] ?? 0) >>> 16) & 0x8000)),
        ),
      ).toEqual([]);
    });

    it("rounds floats of all exponents as the definition does", () => {
      const got = applied(
        of("round", "float32", "float32", (x) => round(x, half)),
        Tensor.from(SINGLES),
        lying,
      );
      expect(
        differing(
          got,
          Array.from(SINGLES, (x) => roundTo(half, false, x)),
        ),
      ).toEqual([]);
    });
  });

  it("rounds doubles once", () => {
    // Beside ties of the format by less than a float32 shows.
    const near = Array.from(table).flatMap((x, bits) => {
      const next = table[bits + 1] ?? 0;
      const tie = (x + next) / 2;
      return Number.isFinite(tie) && bits % 7 === 0 ? [tie, tie * (1 + 2 ** -50), tie * (1 - 2 ** -50)] : [];
    });
    const values = Float64Array.from([
      ...near,
      65519.99999999,
      65520,
      3.3895313892515355e38,
      3.4e38,
      1e300,
      -1e300,
      1e-320,
      -1e-60,
      0,
      -0,
      NaN,
      Infinity,
      -Infinity,
    ]);
    const got = applied(
      of("round", "float64", "float64", (x) => round(x, half)),
      Tensor.from(values),
      "contiguous",
    );
    expect(
      differing(
        got,
        Array.from(values, (x) => roundTo(half, false, x)),
      ),
    ).toEqual([]);
  });
});

/** A program of random steps over operands of the dtypes, rounded here and there. */
function programOf(operands: readonly DType[], steps: readonly number[], outputs: readonly DType[]): Program {
  const numbers: Expr[] = [scalar(0, "f32"), constant(0, "f32"), constant(-2.5, "f32")];
  const bools: Expr[] = [constant(true, "bool")];
  operands.forEach((dtype, k) => {
    const value = arg(k, computeType(dtype));
    (dtype === "bool" ? bools : numbers).push(dtype === "float64" ? cast(value, "f32") : value);
  });
  const pick = (from: readonly Expr[], n: number): Expr => from[n % from.length] ?? constant(0, "f32");
  const two: readonly BinaryOp[] = ["add", "sub", "mul", "div", "min", "max"];
  for (const n of steps) {
    const [a, b] = [pick(numbers, n >> 4), pick(numbers, n >> 9)];
    const kind = n % 10;
    if (kind < 4) numbers.push(binary(two[(n >> 14) % two.length] ?? "add", a, b));
    else if (kind === 4) numbers.push(round(a, HALVES[(n >> 14) & 1] ?? "float16"));
    else if (kind === 5) numbers.push(unary((["neg", "abs", "sqrt", "floor", "rint"] as const)[(n >> 14) % 5] ?? "neg", a));
    else if (kind === 6) bools.push(binary((["lt", "eq", "ge"] as const)[(n >> 14) % 3] ?? "lt", a, b));
    else if (kind === 7) numbers.push(select(pick(bools, n >> 14), a, b));
    else if (kind === 8) numbers.push(cast(pick(bools, n >> 4), "f32"));
    else numbers.push(cast(binary("sub", binary("mul", cast(a, "f64"), cast(b, "f64")), cast(pick(numbers, n >> 14), "f64")), "f32"));
  }
  const last = (dtype: DType, j: number): Expr => {
    const from = dtype === "bool" ? bools : numbers;
    return from[from.length - 1 - (j % from.length)] ?? constant(0, "f32");
  };
  return {
    name: "mixed",
    operands,
    scalars: ["f32"],
    outputs: outputs.map((dtype, j) => ({ dtype, parts: [last(dtype, j)] })),
    messages: [],
  };
}

const MIXED: readonly DType[] = ["float16", "bfloat16", "float32", "bool"];
/** Doubles besides: vectors take one for all elements. */
const READ: readonly DType[] = [...MIXED, "float64"];

/** Elements of a dtype by a seed, small and large ones, NaN and infinities among them, as a view with an order of axes and axes of size 1. */
function laid(dtype: DType, shape: readonly number[], lying: number, seed: number): Tensor {
  const own = shape.map((n, axis) => (((lying >> axis) & 1) !== 0 ? 1 : n));
  const order = (lying & 8) !== 0 ? own.map((_, axis) => axis) : own.map((_, axis) => own.length - 1 - axis);
  const step = (lying & 16) !== 0 ? 2 : 1;
  const strides = new Array<number>(own.length).fill(0);
  let reach = step;
  for (const axis of order) {
    strides[axis] = reach;
    reach *= own[axis] ?? 1;
  }
  let state = (seed * 2654435761) >>> 0 || 1;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  const n = reach;
  const number = (): number => {
    const r = next();
    if (r % 41 === 0) return [NaN, Infinity, -Infinity, 0, -0, 65504, 6e-8][r % 7] ?? 0;
    return (r / 2 ** 31 - 1) * 2 ** ((r % 9) - 4);
  };
  const encode = codec(dtype)?.encode;
  const data =
    dtype === "bool"
      ? Uint8Array.from({ length: n }, () => next() & 1)
      : encode === undefined
        ? dtype === "float64"
          ? Float64Array.from({ length: n }, number)
          : Float32Array.from({ length: n }, number)
        : Uint16Array.from({ length: n }, () => encode(number()));
  return viewOf(Tensor.from(data, [n], dtype), own, strides, 0);
}

/** What both backends make, as numbers. */
function both(make: (ctx: Context) => readonly Tensor[]): { readonly wanted: readonly number[][]; readonly got: readonly number[][] } {
  const numbers = (t: Tensor): number[] => {
    void t.storage.sync();
    const decode = codec(t.dtype)?.decode;
    const data = Array.from(t.data, Number);
    return decode === undefined ? data : data.map(decode);
  };
  return { wanted: make(on(host)).map(numbers), got: make(on(device)).map(numbers) };
}

const shapes = fc.array(fc.constantFrom(1, 2, 3, 4, 5, 7, 9, 18), { minLength: 1, maxLength: 3 });

describe("programs of mixed dtypes", () => {
  it("have the bits that the cpu backend gives, whatever the shapes, strides and roundings", () => {
    fc.assert(
      fc.property(
        fc.record({
          operands: fc.array(fc.tuple(fc.constantFrom(...READ), fc.nat(31)), { minLength: 1, maxLength: 4 }),
          steps: fc.array(fc.nat(2 ** 20), { minLength: 1, maxLength: 8 }),
          outputs: fc.array(fc.constantFrom(...MIXED), { minLength: 1, maxLength: 2 }),
          shape: shapes,
          seed: fc.nat(1000),
        }),
        ({ operands, steps, outputs, shape, seed }) => {
          const program = programOf(
            operands.map(([dtype]) => dtype),
            steps,
            outputs,
          );
          const { wanted, got } = both((ctx) =>
            map(
              ctx,
              program,
              operands.map(([dtype, lying], k) => laid(dtype, shape, k === 0 ? lying & 24 : lying, seed + k)),
              [1.25],
            ),
          );
          expect(got).toEqual(wanted);
        },
      ),
      { numRuns: 400 },
    );
  });

  it("reduce to the bits of one order, whatever the strides", () => {
    fc.assert(
      fc.property(
        fc.record({
          dtype: fc.constantFrom<DType>(...HALVES, "float32"),
          other: fc.tuple(fc.constantFrom(...READ), fc.nat(31)),
          lying: fc.constantFrom(0, 8, 16, 24),
          steps: fc.array(fc.nat(2 ** 20), { minLength: 1, maxLength: 5 }),
          shape: shapes,
          axes: fc.integer({ min: 1, max: 7 }),
          top: fc.boolean(),
          seed: fc.nat(1000),
        }),
        ({ dtype, other, lying, steps, shape, axes, top, seed }) => {
          const made = programOf([dtype, other[0]], steps, ["float32"]);
          const [value = constant(0, "f32")] = made.outputs[0]?.parts ?? [];
          // Of integers, any order of a sum is exact.
          const whole = unary("rint", binary("min", binary("max", value, constant(-1000, "f32")), constant(1000, "f32")));
          const program: Program = { ...made, name: "folded", outputs: [{ dtype: top ? "float32" : "float64", parts: [top ? value : cast(whole, "f64")] }] };
          const over = shape.map((_, axis) => axis).filter((axis) => ((axes >> axis) & 1) !== 0);
          const { wanted, got } = both((ctx) =>
            reduce(
              ctx,
              program,
              top ? maxOf("f32") : sumOf("f64"),
              [laid(dtype, shape, lying, seed), laid(other[0], shape, other[1], seed + 1)],
              over,
              true,
              ["float32"],
              [1.25],
            ),
          );
          expect(got).toEqual(wanted);
        },
      ),
      { numRuns: 400 },
    );
  });

  it("sums to the same bits, whichever axis lies innermost", () => {
    const flat = Uint16Array.from({ length: 23 * 37 }, (_, i) => codec("float16")?.encode(Math.sin(i * i)) ?? 0);
    const turned = Uint16Array.from({ length: 23 * 37 }, (_, i) => flat[(i % 23) * 37 + Math.floor(i / 23)] ?? 0);
    const [a, b] = [Tensor.from(flat, [23, 37], "float16"), viewOf(Tensor.from(turned, [23 * 37], "float16"), [23, 37], [1, 23], 0)];
    for (const part of [arg(0, "f32"), unary("exp", arg(0, "f32"))]) {
      const program: Program = { name: "total", operands: ["float16"], scalars: [], outputs: [{ dtype: "float64", parts: [cast(part, "f64")] }], messages: [] };
      for (const axis of [0, 1]) {
        const [one, two] = [a, b].map((x) => {
          const [total] = reduce(on(device), program, sumOf("f64"), [x], [axis], true, ["float64"]);
          void total?.storage.sync();
          return Array.from(total?.data ?? [], Number);
        });
        expect(two).toEqual(one);
      }
    }
  });

  it("computes each function alike at every place", () => {
    const x = laid("float16", [7, 13], 8, 5);
    const same = laid("float16", [7, 1], 8, 6);
    const program: Program = {
      name: "weights",
      operands: ["float16", "float16"],
      scalars: [],
      outputs: [{ dtype: "float16", parts: [unary("exp", binary("sub", arg(0, "f32"), arg(1, "f32")))] }],
      messages: [],
    };
    const [all] = map(on(device), program, [x, same], []);
    void all?.storage.sync();
    for (let column = 0; column < 13; column++) {
      const [one] = map(on(device), program, [viewOf(x, [7, 1], [x.strides[0] ?? 0, 0], column * (x.strides[1] ?? 0)), same], []);
      void one?.storage.sync();
      expect(Array.from(one?.data ?? [], Number)).toEqual(Array.from({ length: 7 }, (_, row) => Number(all?.data[row * 13 + column])));
    }
  });
});

describe("what is only moved", () => {
  it("keeps its bits through a gather, and gets the format's bits of what is outside", () => {
    const at = binary("sub", index(0), constant(2, "index"));
    const inside = binary("and", binary("ge", at, constant(0, "index")), binary("lt", at, constant(65536, "index")));
    for (const half of HALVES) {
      const program: Program = {
        name: "pad",
        operands: [half],
        scalars: [],
        outputs: [{ dtype: half, parts: [load(0, "f32", [at], 0, inside, constant(1.5, "f32"))] }],
        messages: [],
      };
      const [result] = compute(on(device), program, [65540], [allBits(half)]);
      void result?.storage.sync();
      const rim = codec(half)?.encode(1.5);
      expect(differing(Array.from(result?.data ?? [], Number), [rim, rim, ...Array.from({ length: 65536 }, (_, bits) => bits), rim, rim].map(Number))).toEqual(
        [],
      );
    }
  });

  it("has no bits where something is computed with it, too", () => {
    for (const part of [
      select(binary("lt", arg(0, "f32"), constant(0, "f32")), constant(2, "f32"), arg(0, "f32")),
      select(unary("isnan", arg(0, "f32")), constant(0, "f32"), arg(0, "f32")),
    ]) {
      const program: Program = { name: "clipped", operands: ["float16"], scalars: [], outputs: [{ dtype: "float16", parts: [part] }], messages: [] };
      const { wanted, got } = both((ctx) => map(ctx, program, [laid("float16", [23], 8, 3)], []));
      expect(got).toEqual(wanted);
    }
  });
});

describe("joined maps", () => {
  const program = (name: string, operands: readonly DType[], part: Expr): Program => ({
    name,
    operands,
    scalars: [],
    outputs: [{ dtype: "float16", parts: [part] }],
    messages: [],
  });
  const [x, y] = [arg(0, "f32"), arg(1, "f32")];

  it("round where a store did, and not what needs none", () => {
    const [a, b] = [laid("float16", [5, 7], 8, 1), laid("float16", [5, 7], 8, 2)];
    const product = program("mul", ["float16", "float16"], binary("mul", x, y));
    const relu = program("relu", ["float16"], binary("max", x, constant(0, "f32")));
    const sum = program("add", ["float16", "float16"], binary("add", x, y));
    const first = { program: product, operands: [a, b], scalars: [] };
    const second = join(first, { program: relu, operands: [a], scalars: [] }, [0], false);
    const third = second === undefined ? undefined : join(second, { program: sum, operands: [a, b], scalars: [] }, [0], false);
    const joined = third ?? first;
    expect([...reachable(joined.program.outputs.flatMap((o) => o.parts))].filter((e) => e.op === "round")).toHaveLength(1);
    const { wanted, got } = both((ctx) => map(ctx, joined.program, [a, b], []));
    const step = both((ctx) => {
      const [p] = map(ctx, product, [a, b], []);
      const [r] = map(ctx, relu, p === undefined ? [] : [p], []);
      return map(ctx, sum, r === undefined ? [] : [r, b], []);
    });
    expect(got).toEqual(wanted);
    expect(got).toEqual(step.wanted);
    expect(step.got).toEqual(step.wanted);
  });
});

it("no kernel of halves calls the host, one by one or by fours", () => {
  const runtime = new KernelRuntime(new LinearMemory());
  for (const half of HALVES) {
    const value = round(binary("add", arg(0, "f32"), cast(round(cast(arg(1, "f32"), "f64"), half), "f32")), half);
    const program: Program = { name: "mixed", operands: [half, "float32"], scalars: [], outputs: [{ dtype: half, parts: [value] }], messages: [] };
    expect(runtime.callsHost(runtime.kernel(() => mapKernel(program, 1, runtime)))).toBe(false);
    const other: Program = { ...program, outputs: [{ dtype: half, parts: [unary("sin", value)] }] };
    expect(runtime.callsHost(runtime.kernel(() => mapKernel(other, 1, runtime)))).toBe(true);
  }
});
