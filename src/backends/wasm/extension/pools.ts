/** Pooling of what the planes' kernels do not take: codes of 8 bits, and floats whose channels lie innermost, as they do between quantised layers. */

import type { WindowCall } from "../../../prims/call.ts";
import type { View } from "../../../tensor/tensor.ts";
import type { Callable, Code, Value } from "../../../wasm/code.ts";
import type { ModuleBuilder } from "../../../wasm/module.ts";
import type { I32 } from "../emit.ts";
import type { KernelRuntime } from "../runtime.ts";
import type { ExtendedKernels } from "./extension.ts";
import { kit } from "./shared.ts";

/** (to, from, first row of the result, rows, words): see `WORDS`. Channels lie side by side; more than one plane at a time has one each. */
type Pool = Callable<readonly ["i32", "i32", "i32", "i32", "i32"], undefined>;
const NAMES = ["maxFloats", "sumFloats", "maxInt8", "maxUint8"] as const;
export type PoolFunctions = { readonly [K in (typeof NAMES)[number]]: Pool };

/** Words of the geometry, in their order; strides in bytes. */
const WORDS = [
  "rows",
  "columns",
  "outColumns",
  "high",
  "wide",
  "down",
  "across",
  "top",
  "left",
  "rowDilation",
  "columnDilation",
  "bottom",
  "right",
  "mode",
  "divisor",
  "channels",
  "fromRow",
  "fromColumn",
  "toRow",
  "toColumn",
] as const;
type Geometry = Readonly<Record<(typeof WORDS)[number], number>>;

/** How elements of a kind are joined, as vectors and one by one. */
interface Kind<T extends "i32" | "f32"> {
  readonly bytes: number;
  readonly type: T;
  readonly zero: number;
  readonly load: (c: Code, at: I32) => Value<T>;
  readonly join: (c: Code, a: () => Value<T>, b: () => Value<T>) => Value<T>;
  readonly joinVectors: (c: Code, a: () => Value<"v128">, b: () => Value<"v128">) => Value<"v128">;
  readonly store: (c: Code, at: I32, value: () => Value<T>) => void;
}

const maxByte = (signed: boolean): Kind<"i32"> => ({
  bytes: 1,
  type: "i32",
  zero: signed ? -128 : 0,
  load: (c, at) => (signed ? c.load("i32.load8_s", c.get(at)) : c.load("i32.load8_u", c.get(at))),
  join: (c, a, b) => c.select(a(), b(), c.op("i32.gt_s", a(), b())),
  joinVectors: (c, a, b) => c.op(signed ? "i8x16.max_s" : "i8x16.max_u", a(), b()),
  store: (c, at, value) => {
    const there = c.get(at);
    c.store("i32.store8", there, value());
  },
});
const floats = (max: boolean): Kind<"f32"> => ({
  bytes: 4,
  type: "f32",
  zero: max ? -Infinity : 0,
  load: (c, at) => c.load("f32.load", c.get(at)),
  join: (c, a, b) => c.op(max ? "f32.max" : "f32.add", a(), b()),
  joinVectors: (c, a, b) => c.op(max ? "f32x4.max" : "f32x4.add", a(), b()),
  store: (c, at, value) => {
    const there = c.get(at);
    c.store("f32.store", there, value());
  },
});

function emitPool<T extends "i32" | "f32">(m: ModuleBuilder, name: string, kind: Kind<T>, divides: boolean): Pool {
  const { DIVIDE, advance } = kit;
  return m.func(name, ["i32", "i32", "i32", "i32", "i32"], undefined, (c, to, from, first, rows, block) => {
    const word = Object.fromEntries(WORDS.map((key, i) => [key, c.hold(c.load("i32.load", c.get(block), 4 * i))])) as Record<keyof Geometry, I32>; // one for each
    const [i, j, a, b, channel, y, x, top, left, inside, at, target, start, row] = c.locals("i32", 14);
    const [sum, line, all, joined] = [c.local("v128"), c.local("v128"), c.local(kind.type), c.local(kind.type)];
    const count = c.local("f32");
    const product = (p: I32, q: I32): Value<"i32"> => c.op("i32.mul", c.get(p), c.get(q));
    /** `each` for the places of a window that are inside, with `start` at the element; `between` after each row of them. */
    const window = (each: () => void, begin: () => void, between: () => void): void => {
      c.set(inside, c.i32(0));
      c.for(a, 0, word.high, 1, () => {
        c.set(y, c.op("i32.add", c.get(top), product(a, word.rowDilation)));
        c.if(c.op("i32.lt_u", c.get(y), c.get(word.rows)), () => {
          begin();
          c.set(row, c.op("i32.add", c.get(at), product(y, word.fromRow)));
          c.for(b, 0, word.wide, 1, () => {
            c.set(x, c.op("i32.add", c.get(left), product(b, word.columnDilation)));
            c.if(c.op("i32.lt_u", c.get(x), c.get(word.columns)), () => {
              c.set(start, c.op("i32.add", c.get(row), product(x, word.fromColumn)));
              each();
              advance(c, inside, c.i32(1));
            });
          });
          between();
        });
      });
    };
    const clipped = (begin: I32, length: I32, size: I32, after: I32): Value<"i32"> => {
      const end = c.hold(c.op("i32.add", c.get(begin), c.get(length)));
      const most = c.hold(c.op("i32.add", c.get(size), c.get(after)));
      return c.op("i32.sub", c.select(c.get(end), c.get(most), c.op("i32.lt_s", c.get(end), c.get(most))), c.get(begin));
    };
    /** What sums are divided by. */
    const divide = (): void => {
      if (!divides) return;
      c.set(count, c.op("f32.convert_i32_s", c.get(inside)));
      c.if(c.op("i32.eq", c.get(word.mode), c.i32(DIVIDE.window)), () => {
        const high = c.hold(clipped(top, word.high, word.rows, word.bottom));
        const wide = c.hold(clipped(left, word.wide, word.columns, word.right));
        c.set(count, c.op("f32.convert_i32_s", product(high, wide)));
      });
      c.if(c.op("i32.eq", c.get(word.mode), c.i32(DIVIDE.fixed)), () => c.set(count, c.op("f32.reinterpret_i32", c.get(word.divisor))));
    };
    const lanes = 16 / kind.bytes;
    const empty = (): Value<"v128"> => (kind.type === "f32" ? c.f32x4(kind.zero) : c.i32x4((kind.zero & 255) * 0x1010101));
    const none = (): Value<T> => (kind.type === "f32" ? c.f32(kind.zero) : c.i32(kind.zero)) as Value<T>; // by its type
    c.for(i, 0, rows, 1, () => {
      c.set(top, c.op("i32.sub", c.op("i32.mul", c.op("i32.add", c.get(first), c.get(i)), c.get(word.down)), c.get(word.top)));
      c.set(target, c.get(to));
      c.for(j, 0, word.outColumns, 1, () => {
        c.set(left, c.op("i32.sub", product(j, word.across), c.get(word.left)));
        c.set(at, c.get(from));
        const out = c.hold(c.get(target));
        c.set(channel, c.get(word.channels));
        const step = (width: number, body: () => void): void =>
          c.block((done) =>
            c.loop((again) => {
              c.brIf(done, c.op("i32.lt_s", c.get(channel), c.i32(width)));
              body();
              advance(c, at, c.i32(width * kind.bytes));
              advance(c, out, c.i32(width * kind.bytes));
              advance(c, channel, c.i32(-width));
              c.br(again);
            }),
          );
        step(lanes, () => {
          c.set(sum, empty());
          window(
            () =>
              c.set(
                line,
                kind.joinVectors(
                  c,
                  () => c.get(line),
                  () => c.load("v128.load", c.get(start)),
                ),
              ),
            () => c.set(line, empty()),
            () =>
              c.set(
                sum,
                kind.joinVectors(
                  c,
                  () => c.get(sum),
                  () => c.get(line),
                ),
              ),
          );
          divide();
          const there = c.get(out);
          c.store("v128.store", there, divides ? c.op("f32x4.div", c.get(sum), c.op("f32x4.splat", c.get(count))) : c.get(sum));
        });
        step(1, () => {
          c.set(all, none());
          window(
            () => {
              const value = c.hold(kind.load(c, start));
              c.set(
                joined,
                kind.join(
                  c,
                  () => c.get(joined),
                  () => c.get(value),
                ),
              );
            },
            () => c.set(joined, none()),
            () =>
              c.set(
                all,
                kind.join(
                  c,
                  () => c.get(all),
                  () => c.get(joined),
                ),
              ),
          );
          divide();
          kind.store(c, out, () => (divides ? (c.op("f32.div", c.get(all) as Value<"f32">, c.get(count)) as Value<T>) : c.get(all))); // sums are floats
        });
        advance(c, target, c.get(word.toColumn));
      });
      advance(c, to, c.get(word.toRow));
    });
  });
}

export function emitPools(m: ModuleBuilder): void {
  emitPool(m, "maxFloats", floats(true), false);
  emitPool(m, "sumFloats", floats(false), true);
  emitPool(m, "maxInt8", maxByte(true), false);
  emitPool(m, "maxUint8", maxByte(false), false);
}

function kernelOf({ operands: [x], results: [out, index], kernel, reduction }: WindowCall): (typeof NAMES)[number] | undefined {
  if (x === undefined || out === undefined || index !== undefined || x.dtype !== out.dtype || kernel.length > 2 || x.shape.length > kernel.length + 2)
    return undefined;
  if (x.dtype === "float32") {
    const plain = [x, out].every((v) => kit.isContiguous(v.shape, v.strides));
    return plain ? undefined : reduction === "max" ? "maxFloats" : "sumFloats";
  }
  const { carrier, class: kind } = kit.dtypeInfo(x.dtype);
  if (reduction !== "max" || kind === "float" || x.dtype === "bool") return undefined;
  return carrier === "i8" ? "maxInt8" : carrier === "u8" ? "maxUint8" : undefined;
}

export const isOddWindow = (call: WindowCall): boolean => kernelOf(call) !== undefined;

export function runOddWindow(call: WindowCall, runtime: KernelRuntime, dense: ExtendedKernels, addressOf: (view: View) => number): void {
  const { pair, unreachable, DIVIDE } = kit;
  const [x = unreachable("operand")] = call.operands;
  const [out = unreachable("result")] = call.results;
  const axes = call.kernel.length;
  const bytes = kit.dtypeInfo(x.dtype).itemsize;
  const run = dense[kernelOf(call) ?? unreachable("a kernel")];
  const lead = x.shape.length - axes;
  const at = (v: View): number => addressOf(v) + v.offset * bytes;
  /** Sizes and byte strides of batches and channels, which may not be there. */
  const outer = (v: View): readonly (readonly [number, number])[] => {
    const all = v.shape.slice(0, lead).map((size, i) => [size, (v.strides[i] ?? 0) * bytes] as const);
    return [...Array.from({ length: 2 - lead }, () => [1, 0] as const), ...all];
  };
  const [[batches, fromBatch] = [1, 0], [channels, fromChannel] = [1, 0]] = outer(x);
  const [[, toBatch] = [1, 0], [, toChannel] = [1, 0]] = outer(out);
  const last = channels > 1 && fromChannel === bytes && toChannel === bytes;
  const [rows, columns] = pair(x.shape.slice(lead), 1);
  const [outRows, outColumns] = pair(out.shape.slice(lead), 1);
  const [fromRow, fromColumn] = pair(x.strides.slice(lead), 0);
  const [toRow, toColumn] = pair(out.strides.slice(lead), 0);
  const [high, wide] = pair(call.kernel, 1);
  const [down, across] = pair(call.stride, 1);
  const [top, left] = pair(call.padBegin, 0);
  const [bottom, right] = pair(call.padEnd, 0);
  const [rowDilation, columnDilation] = pair(call.dilation, 1);
  const fixed = typeof call.divisor === "number" ? call.divisor : 1;
  const geometry: Geometry = {
    rows,
    columns,
    outColumns,
    high,
    wide,
    down,
    across,
    top,
    left,
    rowDilation,
    columnDilation,
    bottom,
    right,
    mode: typeof call.divisor === "number" ? DIVIDE.fixed : DIVIDE[call.divisor],
    divisor: new Int32Array(Float32Array.of(fixed).buffer)[0] ?? 0,
    channels: last ? channels : 1,
    fromRow: fromRow * bytes,
    fromColumn: fromColumn * bytes,
    toRow: toRow * bytes,
    toColumn: toColumn * bytes,
  };
  const block = kit.writeWords(
    runtime,
    WORDS.map((key) => geometry[key]),
  );
  for (let n = 0; n < batches; n++) {
    const [from, to] = [at(x) + n * fromBatch, at(out) + n * toBatch];
    const work = outColumns * high * wide * channels;
    if (last) kit.inRanges(runtime, outRows, work, (row, count) => run(to + row * toRow * bytes, from, row, count, block));
    else
      kit.inRanges(runtime, channels, (work * outRows) / channels, (channel, count) => {
        for (let c = channel; c < channel + count; c++) run(to + c * toChannel, from + c * fromChannel, 0, outRows, block);
      });
  }
}
