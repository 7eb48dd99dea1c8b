/** The hot loops of JPEG decoding as WebAssembly with vectors. Each gives the bytes of its namesake in idct.ts, upsample.ts and colour.ts. */

import type { Code, Local, Value } from "../../wasm/code.ts";
import { ModuleBuilder } from "../../wasm/module.ts";
import { Kernels } from "../workspace.ts";

type Vector = Local<"v128">;
type Vectors = readonly Vector[];

/** Bytes that interleave the 16-bit lanes of two vectors, the lower or the higher four of each. */
const LOW16 = [0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23];
const HIGH16 = [8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31];

function shorts(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Int16Array.from({ length: 8 }, (_, i) => values[i % values.length] ?? 0).buffer);
}

const at = (vectors: Vectors, i: number): Vector => {
  const vector = vectors[i];
  if (vector === undefined) throw new RangeError(`there is no vector ${i}`);
  return vector;
};

/** `x * a + y * b` of interleaved 16-bit pairs, as four 32-bit lanes. */
function dot(c: Code, pairs: Vector, a: number, b: number): Value<"v128"> {
  return c.op("i32x4.dot_i16x8_s", c.get(pairs), c.v128(shorts(a, b)));
}

/** One pass over eight vectors, lane by lane; constants and order as in idct.ts. */
function transform(c: Code, x: Vectors, shift: number): Vector[] {
  const sum04 = c.hold(c.op("i16x8.add", c.get(at(x, 0)), c.get(at(x, 4))));
  const difference04 = c.hold(c.op("i16x8.sub", c.get(at(x, 0)), c.get(at(x, 4))));
  const z3 = c.hold(c.op("i16x8.add", c.get(at(x, 7)), c.get(at(x, 3))));
  const z4 = c.hold(c.op("i16x8.add", c.get(at(x, 5)), c.get(at(x, 1))));
  const halves = ([LOW16, HIGH16] as const).map((lanes) => {
    const pair = (a: Vector, b: Vector): Vector => c.hold(c.shuffle(c.get(a), c.get(b), lanes));
    const extend = lanes === LOW16 ? ("i32x4.extend_low_i16x8_s" as const) : ("i32x4.extend_high_i16x8_s" as const);
    const scaled = (v: Vector): Vector => {
      const shifted = c.op("i32x4.shl", c.op(extend, c.get(v)), c.i32(13));
      return c.hold(c.op("i32x4.add", shifted, c.i32x4(1 << (shift - 1))));
    };
    const add = (a: Vector, b: Vector): Vector => c.hold(c.op("i32x4.add", c.get(a), c.get(b)));
    const sub = (a: Vector, b: Vector): Vector => c.hold(c.op("i32x4.sub", c.get(a), c.get(b)));
    const [x26, x71, x53, z34] = [pair(at(x, 2), at(x, 6)), pair(at(x, 7), at(x, 1)), pair(at(x, 5), at(x, 3)), pair(z3, z4)];
    const [t0, t1] = [scaled(sum04), scaled(difference04)];
    const t3 = c.hold(dot(c, x26, 10_703, 4433));
    const t2 = c.hold(dot(c, x26, 4433, -10_704));
    const even = [add(t0, t3), add(t1, t2), sub(t1, t2), sub(t0, t3)];
    const p = c.hold(dot(c, z34, -6436, 9633));
    const q = c.hold(dot(c, z34, 9633, 6437));
    const odd = [
      c.hold(c.op("i32x4.add", dot(c, x71, -7373, 4926), c.get(q))),
      c.hold(c.op("i32x4.add", dot(c, x53, -20_995, 4177), c.get(p))),
      c.hold(c.op("i32x4.add", dot(c, x53, -4176, -20_995), c.get(q))),
      c.hold(c.op("i32x4.add", dot(c, x71, -4927, -7373), c.get(p))),
    ];
    const descaled = (v: Vector): Vector => c.hold(c.op("i32x4.shr_s", c.get(v), c.i32(shift)));
    const upper = even.map((e, i) => descaled(add(e, at(odd, i))));
    const lower = even.map((e, i) => descaled(sub(e, at(odd, i)))).reverse();
    return [...upper, ...lower];
  });
  return Array.from({ length: 8 }, (_, i) => c.hold(c.op("i16x8.narrow_i32x4_s", c.get(at(halves[0] ?? [], i)), c.get(at(halves[1] ?? [], i)))));
}

/** Eight vectors of eight 16-bit lanes, mirrored along the diagonal: three rounds of interleaving vectors four apart. */
function transposed(c: Code, rows: Vectors): Vector[] {
  let now = rows;
  for (let round = 0; round < 3; round++) {
    const before = now;
    now = Array.from({ length: 8 }, (_, i) => c.hold(c.shuffle(c.get(at(before, i >> 1)), c.get(at(before, (i >> 1) + 4)), i % 2 === 0 ? LOW16 : HIGH16)));
  }
  return [...now];
}

/** Blocks side by side: coefficients, quantisation table, samples, their stride, and how many. */
function addInverseDct(m: ModuleBuilder): void {
  m.func("inverseDct", ["i32", "i32", "i32", "i32", "i32"], undefined, (c, coefficients, quant, out, stride, count) => {
    const [block, row] = [c.local("i32"), c.local("i32")];
    const input = Array.from({ length: 8 }, () => c.local("v128"));
    const middle = Array.from({ length: 8 }, () => c.local("v128"));
    const isFlat = c.local("i32");
    c.for(block, 0, count, 1, () => {
      for (let y = 0; y < 8; y++) c.set(at(input, y), c.load("v128.load", c.get(coefficients), 16 * y));
      const below = c.hold(c.get(at(input, 1)));
      for (let y = 2; y < 8; y++) c.set(below, c.op("v128.or", c.get(below), c.get(at(input, y))));
      // The rows below the first are zero: the column pass is a shift, and each column is of one value.
      c.set(isFlat, c.op("i32.eqz", c.op("v128.any_true", c.get(below))));
      c.if(
        c.get(isFlat),
        () => {
          const first = c.hold(c.op("i16x8.shl", c.op("i16x8.mul", c.get(at(input, 0)), c.load("v128.load", c.get(quant))), c.i32(2)));
          for (let x = 0; x < 8; x++) {
            const lane = c.get(first);
            c.set(at(middle, x), c.op("i16x8.splat", c.extract("i16x8.extract_lane_s", lane, x)));
          }
        },
        () => {
          for (let y = 0; y < 8; y++) c.set(at(input, y), c.op("i16x8.mul", c.get(at(input, y)), c.load("v128.load", c.get(quant), 16 * y)));
          const columns = transposed(c, transform(c, input, 11));
          for (let x = 0; x < 8; x++) c.set(at(middle, x), c.get(at(columns, x)));
        },
      );
      const rows = transposed(c, transform(c, middle, 18));
      c.set(row, c.get(out));
      for (let y = 0; y < 8; y += 2) {
        const narrow = c.op("i8x16.narrow_i16x8_s", c.get(at(rows, y)), c.get(at(rows, y + 1)));
        const two = c.hold(c.op("i8x16.add", narrow, c.v128(new Uint8Array(16).fill(128))));
        for (const half of [0, 1]) {
          const address = c.get(row);
          c.store("i64.store", address, c.extract("i64x2.extract_lane", c.get(two), half));
          c.set(row, c.op("i32.add", c.get(row), c.get(stride)));
        }
      }
      c.set(coefficients, c.op("i32.add", c.get(coefficients), c.i32(128)));
      c.set(out, c.op("i32.add", c.get(out), c.i32(8)));
    });
  });
}

/** `3 * near + far`, eight at an address `offset` further. */
function columnSums(c: Code, near: Local<"i32">, far: Local<"i32">, offset: number): Value<"v128"> {
  // Loads take offsets from 0 on: addresses point one sample to the left.
  const three = c.op("i16x8.mul", c.load("v128.load8x8_u", c.get(near), offset + 1), c.v128(shorts(3)));
  return c.op("i16x8.add", three, c.load("v128.load8x8_u", c.get(far), offset + 1));
}

const INTERLEAVED = [0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30];

/** Eight samples to sixteen: a quarter of the left neighbour in the even ones, of the right in the odd; then the ends, which have one neighbour. */
function addDoubling(
  m: ModuleBuilder,
  name: string,
  sample: (c: Code, near: Local<"i32">, far: Local<"i32">, offset: number) => Value<"v128">,
  shift: number,
  bias: readonly [even: number, odd: number],
  scalar: (c: Code, address: (of: "near" | "far") => Value<"i32">) => Value<"i32">,
  ends: readonly [first: number, last: number],
): void {
  m.func(name, ["i32", "i32", "i32", "i32"], undefined, (c, near, far, width, out) => {
    const x = c.local("i32");
    const [n, f, to] = [c.local("i32"), c.local("i32"), c.local("i32")];
    const blended = (middle: Vector, other: Vector, rounding: number): Value<"v128"> => {
      const three = c.op("i16x8.mul", c.get(middle), c.v128(shorts(3)));
      const sum = c.op("i16x8.add", c.op("i16x8.add", three, c.get(other)), c.v128(shorts(rounding)));
      return c.op("i16x8.shr_u", sum, c.i32(shift));
    };
    c.set(to, c.get(out));
    c.for(x, 0, width, 8, () => {
      c.set(n, c.op("i32.sub", c.op("i32.add", c.get(near), c.get(x)), c.i32(1)));
      c.set(f, c.op("i32.sub", c.op("i32.add", c.get(far), c.get(x)), c.i32(1)));
      const [left, middle, right] = [c.hold(sample(c, n, f, -1)), c.hold(sample(c, n, f, 0)), c.hold(sample(c, n, f, 1))];
      const even = c.hold(blended(middle, left, bias[0]));
      const odd = c.hold(blended(middle, right, bias[1]));
      const address = c.get(to);
      c.store("v128.store", address, c.shuffle(c.get(even), c.get(odd), INTERLEAVED));
      c.set(to, c.op("i32.add", c.get(to), c.i32(16)));
    });
    // Both ends: the weight of the missing neighbour goes to the sample itself.
    for (const [i, rounding] of ends.entries()) {
      const place = (base: Local<"i32">): Value<"i32"> => (i === 0 ? c.get(base) : c.op("i32.sub", c.op("i32.add", c.get(base), c.get(width)), c.i32(1)));
      const address = i === 0 ? c.get(out) : c.op("i32.sub", c.op("i32.add", c.get(out), c.op("i32.shl", c.get(width), c.i32(1))), c.i32(1));
      const value = c.op(
        "i32.shl",
        scalar(c, (of) => place(of === "near" ? near : far)),
        c.i32(2),
      );
      c.store("i32.store8", address, c.op("i32.shr_u", c.op("i32.add", value, c.i32(rounding)), c.i32(shift)));
    }
  });
}

function addUpsampling(m: ModuleBuilder): void {
  addDoubling(
    m,
    "blendBoth",
    columnSums,
    4,
    [8, 7],
    (c, address) => c.op("i32.add", c.op("i32.mul", c.load("i32.load8_u", address("near")), c.i32(3)), c.load("i32.load8_u", address("far"))),
    [8, 7],
  );
  addDoubling(
    m,
    "blendColumns",
    (c, near, _far, offset) => c.load("v128.load8x8_u", c.get(near), offset + 1),
    2,
    [1, 2],
    (c, address) => c.load("i32.load8_u", address("near")),
    [0, 0],
  );
  m.func("blendRows", ["i32", "i32", "i32", "i32", "i32"], undefined, (c, near, far, width, bias, out) => {
    const x = c.local("i32");
    const rounding = c.hold(c.op("i16x8.splat", c.get(bias)));
    c.for(x, 0, width, 8, () => {
      const at = (base: Local<"i32">): Value<"i32"> => c.op("i32.add", c.get(base), c.get(x));
      const three = c.op("i16x8.mul", c.load("v128.load8x8_u", at(near)), c.v128(shorts(3)));
      const sum = c.op("i16x8.add", c.op("i16x8.add", three, c.load("v128.load8x8_u", at(far))), c.get(rounding));
      const wide = c.hold(c.op("i16x8.shr_u", sum, c.i32(2)));
      const address = at(out);
      c.store("i64.store", address, c.extract("i64x2.extract_lane", c.op("i8x16.narrow_i16x8_u", c.get(wide), c.get(wide)), 0));
    });
  });
}

/** Bytes of three vectors, one after the other: which of the first two, then which of that and the third. */
const WOVEN = Array.from({ length: 3 }, (_, part) => {
  const first = new Uint8Array(16);
  const second = new Uint8Array(16);
  for (let i = 0; i < 16; i++) {
    const [pixel, channel] = [Math.floor((16 * part + i) / 3), (16 * part + i) % 3];
    first[i] = channel === 1 ? 16 + pixel : pixel;
    second[i] = channel === 2 ? 16 + pixel : i;
  }
  return { first, second };
});

/** Rows of Y, Cb, Cr to interleaved RGB; constants as in colour.ts, less what whole multiples of the sample carry. */
function addColour(m: ModuleBuilder): void {
  m.func("fromYcc", ["i32", "i32", "i32", "i32", "i32"], undefined, (c, y, cb, cr, width, out) => {
    const x = c.local("i32");
    const half = (load: 0 | 8): Vector[] => {
      const centred = (base: Local<"i32">): Vector =>
        c.hold(c.op("i16x8.sub", c.load("v128.load8x8_u", c.op("i32.add", c.get(base), c.get(x)), load), c.v128(shorts(128))));
      const luma = c.hold(c.load("v128.load8x8_u", c.op("i32.add", c.get(y), c.get(x)), load));
      const [u, v] = [centred(cb), centred(cr)];
      const pairs = [LOW16, HIGH16].map((lanes) => c.hold(c.shuffle(c.get(u), c.get(v), lanes)));
      const fraction = (a: number, b: number): Value<"v128"> => {
        const rounded = (i: number): Value<"v128"> => c.op("i32x4.shr_s", c.op("i32x4.add", dot(c, at(pairs, i), a, b), c.i32x4(32_768)), c.i32(16));
        return c.op("i16x8.narrow_i32x4_s", rounded(0), rounded(1));
      };
      const plus = (a: Value<"v128">, b: Vector): Value<"v128"> => c.op("i16x8.add", a, c.get(b));
      const red = c.hold(plus(plus(fraction(0, 91_881 - 65_536), v), luma));
      const green = c.hold(c.op("i16x8.sub", plus(fraction(-22_554, 65_536 - 46_802), luma), c.get(v)));
      const blue = c.hold(plus(plus(plus(fraction(116_130 - 131_072, 0), u), u), luma));
      return [red, green, blue];
    };
    c.for(x, 0, width, 16, () => {
      const [left, right] = [half(0), half(8)];
      const colours = [0, 1, 2].map((i) => c.hold(c.op("i8x16.narrow_i16x8_u", c.get(at(left, i)), c.get(at(right, i)))));
      for (const [part, { first, second }] of WOVEN.entries()) {
        const address = c.get(out);
        c.store("v128.store", address, c.shuffle(c.shuffle(c.get(at(colours, 0)), c.get(at(colours, 1)), first), c.get(at(colours, 2)), second), 16 * part);
      }
      c.set(out, c.op("i32.add", c.get(out), c.i32(48)));
    });
  });
}

export const jpegKernels: Kernels = new Kernels(() => {
  const m = new ModuleBuilder();
  m.importMemory("env", "memory", { initial: 0 });
  addInverseDct(m);
  addUpsampling(m);
  addColour(m);
  return m;
});
