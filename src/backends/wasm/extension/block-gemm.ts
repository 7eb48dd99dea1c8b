/**
 * Products with weights of 2, 4 or 8 bits in blocks that share a scale. A word of 32 bits holds codes of one column that follow each other along the depth; words
 * lie in panels of 16 columns `[word][16]`, scales and zero points `[block][16]`.
 */

import type { Callable, Value, ValuesOf } from "../../../wasm/code.ts";
import type { ModuleBuilder } from "../../../wasm/module.ts";
import type { I32, V128 } from "../emit.ts";
import { kit } from "./shared.ts";

type I32s<N extends readonly unknown[]> = { readonly [K in keyof N]: "i32" };

/** Bits of a code that there are kernels for. */
export const BITS = [2, 4, 8] as const;
export type Bits = (typeof BITS)[number];
/** Columns of a panel. */
export const WIDE = 16;

const ROW = ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"] as const;

/** (x as `spreadRow` leaves it, sums of its blocks, codes, scales, zero points or 0, out, columns, blocks, words of a block, start or 0): out = start + x w. */
type RowByBlocks = Callable<typeof ROW, undefined>;
/** (to, codes, scales, zero points or 0, blocks, words of a block): numbers of eight columns of a panel, as a panel of floats. */
type UnpackBlocks = Callable<I32s<[0, 1, 2, 3, 4, 5]>, undefined>;
/** (to, sums, x, blocks, words of a block): x times the powers of two by which codes are read too large, and sums of its blocks, behind which a word says whether all are finite. */
type SpreadRow = Callable<I32s<[0, 1, 2, 3, 4]>, undefined>;
/** (to, from, rows, numbers of a row, bytes of a row): codes as floats. */
type UnpackCodes = Callable<I32s<[0, 1, 2, 3, 4]>, undefined>;

export type BlockFunctions = { readonly [B in Bits as `rowByBlocks${B}`]: RowByBlocks } & { readonly [B in Bits as `unpackBlocks${B}`]: UnpackBlocks } & {
  readonly [B in Bits as `spreadRow${B}`]: SpreadRow;
} & { readonly [B in Bits as `unpackCodes${B}`]: UnpackCodes } & { readonly packWords: Callable<I32s<[0, 1, 2, 3, 4, 5]>, undefined> };

/** Codes that are read in place, at powers of two: so many before the word is shifted. They stay clear of the sign. */
const inPlace = (bits: Bits): number => Math.min(4, 16 / bits);

/**
 * All panels. `finite`: sums of products with codes, less the zero point times the block's sum; else each code less the zero point is multiplied, for
 * infinities to give what they do.
 */
function emitPanels(m: ModuleBuilder, bits: Bits, fused: boolean, finite: boolean): RowByBlocks {
  return m.func(undefined, ROW, undefined, (c, x, blockSums, codes, scales, zeros, out, columns, blocks, words, start) => {
    const [j, at, block, word, sum, left] = [0, 1, 2, 3, 4, 5].map(() => c.local("i32")) as [I32, I32, I32, I32, I32, I32]; // six
    const vectors = (): V128[] => Array.from({ length: WIDE / 4 }, () => c.local("v128"));
    const [read, totals, zero, sums, others] = [vectors(), vectors(), vectors(), vectors(), vectors()] as [V128[], V128[], V128[], V128[], V128[]]; // five
    const [factor, code] = [c.local("v128"), c.local("v128")];
    const masks = Array.from({ length: inPlace(bits) }, (_, i) => c.hold(c.i32x4((2 ** bits - 1) << (bits * i))));
    const of = (list: readonly V128[], i: number): V128 => list[i] ?? code;
    const accumulate = (into: V128, a: () => Value<"v128">, b: () => Value<"v128">): void =>
      c.set(
        into,
        kit.multiplyAdd(c, fused, a, b, () => c.get(into)),
      );
    for (const z of zero) c.set(z, c.f32x4(2 ** (bits - 1)));
    c.for(j, 0, columns, WIDE, () => {
      c.if(
        c.get(start),
        () => {
          totals.forEach((total, i) => c.set(total, c.load("v128.load", c.get(start), 16 * i)));
          kit.advance(c, start, c.i32(WIDE * kit.FLOAT));
        },
        () => totals.forEach((total) => c.set(total, c.f32x4(0))),
      );
      c.set(at, c.get(x));
      c.set(sum, c.get(blockSums));
      c.for(block, 0, blocks, 1, () => {
        c.if(c.get(zeros), () => {
          zero.forEach((z, i) => c.set(z, c.load("v128.load", c.get(zeros), 16 * i)));
          kit.advance(c, zeros, c.i32(WIDE * kit.FLOAT));
        });
        for (const s of [...sums, ...others]) c.set(s, c.f32x4(0));
        c.block((never) =>
          c.for(word, 0, words, 1, () => {
            read.forEach((r, i) => c.set(r, c.load("v128.load", c.get(codes), 16 * i)));
            kit.advance(c, codes, c.i32(WIDE * kit.FLOAT));
            for (let k = 0; k < 32 / bits; k++) {
              const place = k % masks.length;
              // Branches that are never taken keep V8 from loading all factors first; were their conditions alike, it would keep one.
              if (k > 0) c.brIf(never, c.op("i32.lt_u", c.get(at), c.i32(k)));
              if (place === 0 && k > 0) for (const r of read) c.set(r, c.op("i32x4.shr_s", c.get(r), c.i32(bits * masks.length)));
              c.set(factor, c.load("v128.load32_splat", c.get(at), kit.FLOAT * k));
              // Two sums for each column: one would wait for itself.
              read.forEach((r, i) => {
                c.set(code, c.op("f32x4.convert_i32x4_s", c.op("v128.and", c.get(r), c.get(of(masks, place)))));
                if (!finite) c.set(code, c.op("f32x4.sub", c.get(code), c.op("f32x4.mul", c.get(of(zero, i)), c.f32x4(2 ** (bits * place)))));
                accumulate(
                  of(k % 2 === 0 ? sums : others, i),
                  () => c.get(code),
                  () => c.get(factor),
                );
              });
            }
            kit.advance(c, at, c.i32((32 / bits) * kit.FLOAT));
          }),
        );
        sums.forEach((s, i) => c.set(s, c.op("f32x4.add", c.get(s), c.get(of(others, i)))));
        if (finite) {
          c.set(factor, c.op("f32x4.neg", c.load("v128.load32_splat", c.get(sum))));
          kit.advance(c, sum, c.i32(kit.FLOAT));
          sums.forEach((s, i) =>
            accumulate(
              s,
              () => c.get(of(zero, i)),
              () => c.get(factor),
            ),
          );
        }
        totals.forEach((total, i) =>
          accumulate(
            total,
            () => c.get(of(sums, i)),
            () => c.load("v128.load", c.get(scales), 16 * i),
          ),
        );
        kit.advance(c, scales, c.i32(WIDE * kit.FLOAT));
      });
      c.set(left, c.op("i32.sub", c.get(columns), c.get(j)));
      for (const total of totals) {
        c.if(c.op("i32.gt_s", c.get(left), c.i32(0)), () => kit.storeLanes(c, out, total, left));
        kit.advance(c, out, c.i32(16));
        c.set(left, c.op("i32.sub", c.get(left), c.i32(4)));
      }
    });
  });
}

function emitRow(m: ModuleBuilder, bits: Bits, fused: boolean): RowByBlocks {
  const [plain, careful] = [emitPanels(m, bits, fused, true), emitPanels(m, bits, fused, false)];
  return m.func(`rowByBlocks${bits}`, ROW, undefined, (c, ...args) => {
    const [, blockSums, , , , , , blocks] = args;
    const pass = (callee: RowByBlocks): void => c.run(callee, ...(args.map((arg) => c.get(arg)) as unknown as ValuesOf<typeof ROW>)); // one for each
    c.if(
      c.load("i32.load", c.op("i32.add", c.get(blockSums), c.op("i32.shl", c.get(blocks), c.i32(2)))),
      () => pass(plain),
      () => pass(careful),
    );
  });
}

function emitUnpack(m: ModuleBuilder, bits: Bits): UnpackBlocks {
  return m.func(`unpackBlocks${bits}`, ["i32", "i32", "i32", "i32", "i32", "i32"], undefined, (c, to, codes, scales, zeros, blocks, words) => {
    const [block, word] = [c.local("i32"), c.local("i32")];
    const sides = [0, 1].map(() => ({ read: c.local("v128"), zero: c.local("v128"), scale: c.local("v128") }));
    const mask = c.hold(c.i32x4(2 ** bits - 1));
    c.for(block, 0, blocks, 1, () => {
      sides.forEach(({ zero, scale }, i) => {
        c.set(scale, c.load("v128.load", c.get(scales), 16 * i));
        c.if(
          c.get(zeros),
          () => c.set(zero, c.load("v128.load", c.get(zeros), 16 * i)),
          () => c.set(zero, c.f32x4(2 ** (bits - 1))),
        );
      });
      kit.advance(c, scales, c.i32(WIDE * kit.FLOAT));
      c.if(c.get(zeros), () => kit.advance(c, zeros, c.i32(WIDE * kit.FLOAT)));
      c.for(word, 0, words, 1, () => {
        sides.forEach(({ read }, i) => c.set(read, c.load("v128.load", c.get(codes), 16 * i)));
        kit.advance(c, codes, c.i32(WIDE * kit.FLOAT));
        for (let k = 0; k < 32 / bits; k++) {
          sides.forEach(({ read, zero, scale }, i) => {
            const there = c.get(to);
            const code = c.op("f32x4.convert_i32x4_s", c.op("v128.and", c.get(read), c.get(mask)));
            c.store("v128.store", there, c.op("f32x4.mul", c.op("f32x4.sub", code, c.get(zero)), c.get(scale)), (kit.COLUMNS * k + 4 * i) * kit.FLOAT);
            c.set(read, c.op("i32x4.shr_s", c.get(read), c.i32(bits)));
          });
        }
        kit.advance(c, to, c.i32((32 / bits) * kit.COLUMNS * kit.FLOAT));
      });
    });
  });
}

function emitSpread(m: ModuleBuilder, bits: Bits): SpreadRow {
  return m.func(`spreadRow${bits}`, ["i32", "i32", "i32", "i32", "i32"], undefined, (c, to, sums, x, blocks, words) => {
    const [block, at] = [c.local("i32"), c.local("i32")];
    const [value, sum, odd] = [c.local("v128"), c.local("v128"), c.local("v128")];
    const powers = c.hold(c.v128(new Uint8Array(Float32Array.from({ length: 4 }, (_, i) => 2 ** (-bits * (i % inPlace(bits)))).buffer)));
    const vectors = c.hold(c.op("i32.mul", c.get(words), c.i32(8 / bits)));
    c.for(block, 0, blocks, 1, () => {
      c.set(sum, c.f32x4(0));
      c.for(at, 0, vectors, 1, () => {
        c.set(value, c.load("v128.load", c.get(x)));
        const there = c.get(to);
        c.store("v128.store", there, c.op("f32x4.mul", c.get(value), c.get(powers)));
        c.set(sum, c.op("f32x4.add", c.get(sum), c.get(value)));
        for (const local of [x, to]) kit.advance(c, local, c.i32(16));
      });
      // What is not finite leaves no zero.
      c.set(odd, c.op("f32x4.add", c.get(odd), c.op("f32x4.mul", c.get(sum), c.f32x4(0))));
      c.set(sum, c.op("f32x4.add", c.get(sum), c.shuffle32(c.get(sum), c.get(sum), [2, 3, 0, 1])));
      c.set(sum, c.op("f32x4.add", c.get(sum), c.shuffle32(c.get(sum), c.get(sum), [1, 0, 3, 2])));
      const there = c.get(sums);
      c.store("f32.store", there, c.extract("f32x4.extract_lane", c.get(sum), 0));
      kit.advance(c, sums, c.i32(kit.FLOAT));
    });
    const there = c.get(sums);
    c.store("i32.store", there, c.op("i32.eqz", c.op("v128.any_true", c.op("f32x4.ne", c.get(odd), c.get(odd)))));
  });
}

function emitCodes(m: ModuleBuilder, bits: Bits): UnpackCodes {
  return m.func(`unpackCodes${bits}`, ["i32", "i32", "i32", "i32", "i32"], undefined, (c, to, from, rows, count, bytes) => {
    const [row, i, bit] = [c.local("i32"), c.local("i32"), c.local("i32")];
    c.for(row, 0, rows, 1, () => {
      c.for(i, 0, count, 1, () => {
        c.set(bit, c.op("i32.mul", c.get(i), c.i32(bits)));
        const there = c.get(to);
        const byte = c.load("i32.load8_u", c.op("i32.add", c.get(from), c.op("i32.shr_u", c.get(bit), c.i32(3))));
        const code = c.op("i32.and", c.op("i32.shr_u", byte, c.op("i32.and", c.get(bit), c.i32(7))), c.i32(2 ** bits - 1));
        c.store("f32.store", there, c.op("f32.convert_i32_s", code));
        kit.advance(c, to, c.i32(kit.FLOAT));
      });
      kit.advance(c, from, c.get(bytes));
    });
  });
}

export function emitBlocks(m: ModuleBuilder, fused: boolean): void {
  kit.emitPack(m, "packWords", WIDE);
  for (const bits of BITS) {
    emitRow(m, bits, fused);
    emitUnpack(m, bits);
    emitSpread(m, bits);
    emitCodes(m, bits);
  }
}
