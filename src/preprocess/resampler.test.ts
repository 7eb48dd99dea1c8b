import fc from "fast-check";
import { expect, test } from "vitest";
import { type Filter, FILTERS, PILLOW_BITS, pillowTaps, toFixed } from "./filters.ts";
import { resizeKernels } from "./kernels.ts";
import { resampleColumns, rowResampler } from "./resampler.ts";

test("kernels compile here, so that the next test compares two things", () => {
  const kernels = resizeKernels.instance(new WebAssembly.Memory({ initial: 1 }));
  expect([typeof kernels?.["rows"], typeof kernels?.["columns"]]).toEqual(["function", "function"]);
});

test("rows come out of the kernel as out of JavaScript, for any filter, size and number of rows", () => {
  const cases = fc.record({
    filter: fc.constantFrom(...(Object.keys(FILTERS) as Filter[])),
    width: fc.integer({ min: 1, max: 300 }),
    length: fc.integer({ min: 1, max: 70 }),
    rows: fc.integer({ min: 1, max: 70 }),
    seed: fc.nat(),
  });
  fc.assert(
    fc.property(cases, ({ filter, width, length, rows, seed }) => {
      const data = new Uint8Array(3 * width * rows);
      let state = seed;
      for (let i = 0; i < data.length; i++) data[i] = (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24;
      const taps = toFixed(pillowTaps(filter, width, 0, width, length), PILLOW_BITS);
      const [plain, kernel] = [false, true].map((wasm) => {
        const out = new Uint8Array(3 * length * rows);
        rowResampler(width, taps, wasm)(data, rows, out);
        return [...out];
      });
      expect(kernel).toEqual(plain);
    }),
    { numRuns: 150 },
  );
});

test("columns come out of the kernel as out of JavaScript, for any filter and size", () => {
  const cases = fc.record({
    filter: fc.constantFrom(...(Object.keys(FILTERS) as Filter[])),
    stride: fc.integer({ min: 1, max: 50 }),
    height: fc.integer({ min: 1, max: 200 }),
    length: fc.integer({ min: 1, max: 60 }),
    seed: fc.nat(),
  });
  fc.assert(
    fc.property(cases, ({ filter, stride, height, length, seed }) => {
      const data = new Uint8Array(stride * height);
      let state = seed;
      for (let i = 0; i < data.length; i++) data[i] = (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24;
      const taps = toFixed(pillowTaps(filter, height, 0, height, length), PILLOW_BITS);
      expect([...resampleColumns(data, stride, taps, true)]).toEqual([...resampleColumns(data, stride, taps, false)]);
    }),
    { numRuns: 150 },
  );
});
