import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { transform, transformReal, transformToReal } from "./fft.ts";

/** By the definition, with the phase reduced exactly. */
function definition(data: Float64Array, inverse: boolean): Float64Array {
  const n = data.length / 2;
  const out = new Float64Array(2 * n);
  for (let k = 0; k < n; k++) {
    for (let j = 0; j < n; j++) {
      const angle = ((inverse ? 2 : -2) * Math.PI * ((j * k) % n)) / n;
      const [re, im] = [data[2 * j] ?? 0, data[2 * j + 1] ?? 0];
      out[2 * k] = (out[2 * k] ?? 0) + re * Math.cos(angle) - im * Math.sin(angle);
      out[2 * k + 1] = (out[2 * k + 1] ?? 0) + re * Math.sin(angle) + im * Math.cos(angle);
    }
  }
  return out;
}

function noise(n: number, seed: number): Float64Array {
  let state = seed;
  return Float64Array.from({ length: n }, () => ((state = (state * 16807 + 11) % 2147483647) / 2147483647) * 2 - 1);
}

function distance(a: Float64Array, b: Float64Array): number {
  return Math.sqrt(a.reduce((sum, x, i) => sum + (x - (b[i] ?? NaN)) ** 2, 0) / a.length);
}

describe("transform", () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 20, 25, 30, 37, 49, 60, 62, 64, 74, 97, 100, 101, 127, 128, 202, 240, 257])(
    "of length %d agrees with the definition",
    (n) => {
      const data = noise(2 * n, n + 1);
      for (const inverse of [false, true]) expect(distance(transform(data, inverse), definition(data, inverse))).toBeLessThan(1e-13 * Math.sqrt(n));
    },
  );

  it("forward and inverse undo each other", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), (n) => {
        const data = noise(2 * n, n);
        const back = transform(transform(data, false), true).map((x) => x / n);
        expect(distance(back, data)).toBeLessThan(2e-15);
      }),
      { numRuns: 40 },
    );
  });

  it.each([1, 2, 5, 8, 9, 37])("of %d real numbers keeps half of the bins and comes back", (n) => {
    const data = noise(n, 5);
    const half = transformReal(data);
    expect(half.length).toBe(2 * (Math.floor(n / 2) + 1));
    expect(
      distance(
        transformToReal(half, n).map((x) => x / n),
        data,
      ),
    ).toBeLessThan(2e-15);
  });

  // torch.fft.irfft(torch.tensor([1+2j, 3-1j, 0.5+4j]), n=4, norm="forward")
  it("ignores imaginary parts that a real signal cannot have", () => {
    expect([...transformToReal(Float64Array.of(1, 2, 3, -1, 0.5, 4), 4)]).toEqual([7.5, 2.5, -4.5, -1.5]);
  });
});
