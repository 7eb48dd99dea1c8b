/** What convolutions need besides the product: padded planes, packed patches, depthwise filters, and the sums of a transposed one. */

import type { Callable } from "../../wasm/code.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { advance, copyRow, FLOAT } from "./emit.ts";
import { COLUMNS, foursOf, ROWS, TALL } from "./gemm.ts";

type I32s<N extends readonly unknown[]> = { readonly [K in keyof N]: "i32" };

export interface PatchFunctions {
  /** (to, from, planes, rows, columns, byte strides of planes, rows, columns in `from`; bytes of a padded row, of a padded plane; offset of the first element): to is zero already. */
  readonly copyPlanes: Callable<I32s<[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]>, undefined>;
  /** (to, base, byte offsets of `count` columns, count, byte offsets of depth, depth): panels of 8, zeros where the last sticks out. */
  readonly packPatches: Callable<I32s<[0, 1, 2, 3, 4, 5]>, undefined>;
  /** As `packPatches`, in panels of 4. */
  readonly packPatchRows: Callable<I32s<[0, 1, 2, 3, 4, 5]>, undefined>;
  /** As `packPatches`, in panels of 6. */
  readonly packPatchTall: Callable<I32s<[0, 1, 2, 3, 4, 5]>, undefined>;
  /** (to, bytes): zeros. */
  readonly clear: Callable<I32s<[0, 1]>, undefined>;
  /** (to, values of `rows` rows or 0, rows, columns): every row filled with its value. */
  readonly fillRows: Callable<I32s<[0, 1, 2, 3]>, undefined>;
  /** (to, from, rows, columns, first row in `to`, step of rows, first column, step of columns, where two words say rows and columns of `to`): adds a plane; what falls outside is lost. */
  readonly addPlane: Callable<I32s<[0, 1, 2, 3, 4, 5, 6, 7, 8]>, undefined>;
}

export function emitPatches(m: ModuleBuilder): PatchFunctions {
  const copyPlanes = m.func(
    "copyPlanes",
    ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"],
    undefined,
    (c, to, from, planes, rows, columns, planeStride, rowStride, columnStride, paddedRow, paddedPlane, first) => {
      const [p, y] = [c.local("i32"), c.local("i32")];
      advance(c, to, c.get(first));
      c.for(p, 0, planes, 1, () => {
        const source = c.hold(c.get(from));
        const target = c.hold(c.get(to));
        c.for(y, 0, rows, 1, () => {
          copyRow(c, target, source, columns, columnStride);
          advance(c, source, c.get(rowStride));
          advance(c, target, c.get(paddedRow));
        });
        advance(c, from, c.get(planeStride));
        advance(c, to, c.get(paddedPlane));
      });
    },
  );

  const emitPatchPanels = (name: string, width: 4 | 6 | 8): PatchFunctions["packPatches"] =>
    m.func(name, ["i32", "i32", "i32", "i32", "i32", "i32"], undefined, (c, to, base, columns, count, depths, depth) => {
      const left = c.hold(c.get(count));
      const at = Array.from({ length: width }, () => c.local("i32"));
      const [k, table, here] = [c.local("i32"), c.local("i32"), c.local("i32")];
      const span = c.local("i32");
      const [even, odd] = [c.local("v128"), c.local("v128")];
      const first = at[0] ?? k;
      /** Runs `body` for each step of depth, with the address of the first column in `here`. */
      const overDepth = (body: () => void): void => {
        c.set(table, c.get(depths));
        c.for(k, 0, depth, 1, () => {
          c.set(here, c.load("i32.load", c.get(table)));
          body();
          advance(c, table, c.i32(FLOAT));
          advance(c, to, c.i32(width * FLOAT));
        });
      };
      c.block((done) => {
        c.loop((again) => {
          c.brIf(done, c.op("i32.le_s", c.get(left), c.i32(0)));
          at.forEach((local, i) => {
            // Columns past the last one read what the first one reads; the product of their sums is thrown away.
            c.set(
              local,
              c.op(
                "i32.add",
                c.get(base),
                c.load("i32.load", c.op("i32.add", c.get(columns), c.select(c.i32(i * FLOAT), c.i32(0), c.op("i32.gt_s", c.get(left), c.i32(i))))),
              ),
            );
          });
          c.set(span, c.op("i32.sub", c.get(at[width - 1] ?? k), c.get(first)));
          const steps = at
            .slice(1)
            .reduce(
              (all, local, i) =>
                c.op(
                  "i32.and",
                  all,
                  c.op("i32.eq", c.op("i32.mul", c.op("i32.sub", c.get(local), c.get(first)), c.i32(width - 1)), c.op("i32.mul", c.get(span), c.i32(i + 1))),
                ),
              c.i32(1),
            );
          const regular = c.hold(steps);
          c.if(
            c.op("i32.and", c.get(regular), c.op("i32.eq", c.get(span), c.i32((width - 1) * FLOAT))),
            () =>
              overDepth(() => {
                advance(c, here, c.get(first));
                for (const i of foursOf(width)) {
                  const target = c.get(to);
                  c.store("v128.store", target, c.load("v128.load", c.get(here), i * FLOAT), i * FLOAT);
                }
              }),
            () =>
              c.if(
                c.op("i32.and", c.get(regular), c.op("i32.eq", c.get(span), c.i32(2 * (width - 1) * FLOAT))),
                () =>
                  overDepth(() => {
                    advance(c, here, c.get(first));
                    for (const i of foursOf(width)) {
                      c.set(even, c.load("v128.load", c.get(here), 2 * i * FLOAT));
                      c.set(odd, c.load("v128.load", c.get(here), 2 * i * FLOAT + 16));
                      const target = c.get(to);
                      c.store("v128.store", target, c.shuffle32(c.get(even), c.get(odd), [0, 2, 4, 6]), i * FLOAT);
                    }
                  }),
                () =>
                  overDepth(() => {
                    at.forEach((local, i) => {
                      const target = c.get(to);
                      c.store("f32.store", target, c.load("f32.load", c.op("i32.add", c.get(here), c.get(local))), i * FLOAT);
                    });
                  }),
              ),
          );
          advance(c, columns, c.i32(width * FLOAT));
          c.set(left, c.op("i32.sub", c.get(left), c.i32(width)));
          c.br(again);
        });
      });
    });

  const packPatches = emitPatchPanels("packPatches", COLUMNS);
  const packPatchRows = emitPatchPanels("packPatchRows", ROWS);
  const packPatchTall = emitPatchPanels("packPatchTall", TALL);

  const clear = m.func("clear", ["i32", "i32"], undefined, (c, to, bytes) => c.memoryFill(c.get(to), c.i32(0), c.get(bytes)));

  const fillRows = m.func("fillRows", ["i32", "i32", "i32", "i32"], undefined, (c, to, values, rows, columns) => {
    const [y, left, value] = [c.local("i32"), c.local("i32"), c.local("v128")];
    c.for(y, 0, rows, 1, () => {
      c.if(c.get(values), () => {
        c.set(value, c.load("v128.load32_splat", c.get(values)));
        advance(c, values, c.i32(FLOAT));
      });
      c.set(left, c.get(columns));
      c.block((done) => {
        c.loop((again) => {
          c.brIf(done, c.op("i32.lt_s", c.get(left), c.i32(4)));
          const at = c.get(to);
          c.store("v128.store", at, c.get(value));
          advance(c, to, c.i32(16));
          c.set(left, c.op("i32.sub", c.get(left), c.i32(4)));
          c.br(again);
        });
      });
      c.block((done) => {
        c.loop((again) => {
          c.brIf(done, c.op("i32.eqz", c.get(left)));
          const at = c.get(to);
          c.store("f32.store", at, c.extract("f32x4.extract_lane", c.get(value), 0));
          advance(c, to, c.i32(FLOAT));
          c.set(left, c.op("i32.sub", c.get(left), c.i32(1)));
          c.br(again);
        });
      });
    });
  });

  const addPlane = m.func(
    "addPlane",
    ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"],
    undefined,
    (c, to, from, rows, columns, firstRow, rowStep, firstColumn, columnStep, size) => {
      // `size` points to two words: rows and columns of `to`.
      const [y, x, row, column] = [c.local("i32"), c.local("i32"), c.hold(c.get(firstRow)), c.local("i32")];
      const height = c.hold(c.load("i32.load", c.get(size)));
      const width = c.hold(c.load("i32.load", c.get(size), 4));
      const cell = c.local("i32");
      c.for(y, 0, rows, 1, () => {
        c.if(
          c.op("i32.lt_u", c.get(row), c.get(height)),
          () => {
            c.set(column, c.get(firstColumn));
            c.for(x, 0, columns, 1, () => {
              c.if(c.op("i32.lt_u", c.get(column), c.get(width)), () => {
                c.set(cell, c.op("i32.add", c.get(to), c.op("i32.shl", c.op("i32.add", c.op("i32.mul", c.get(row), c.get(width)), c.get(column)), c.i32(2))));
                const at = c.get(cell);
                c.store("f32.store", at, c.op("f32.add", c.load("f32.load", c.get(cell)), c.load("f32.load", c.get(from))));
              });
              advance(c, from, c.i32(FLOAT));
              advance(c, column, c.get(columnStep));
            });
          },
          () => advance(c, from, c.op("i32.shl", c.get(columns), c.i32(2))),
        );
        advance(c, row, c.get(rowStep));
      });
    },
  );
  return { copyPlanes, packPatches, packPatchRows, packPatchTall, clear, fillRows, addPlane };
}
