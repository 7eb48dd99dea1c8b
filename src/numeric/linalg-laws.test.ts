/** Laws that every factorisation keeps. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as la from "./linalg.ts";
import type { Matrix } from "./linalg.ts";

function distance(a: Matrix, b: Matrix): number {
  expect([a.rows, a.cols]).toEqual([b.rows, b.cols]);
  let largest = 0;
  for (let i = 0; i < a.re.length; i++) {
    const gap = Math.max(Math.abs((a.re[i] ?? NaN) - (b.re[i] ?? NaN)), Math.abs((a.im?.[i] ?? 0) - (b.im?.[i] ?? 0)));
    if (!(gap <= largest)) largest = gap;
  }
  return largest;
}

function diagonal(values: ArrayLike<number>, rows: number, cols: number): Matrix {
  const out = la.zeros(rows, cols, false);
  for (let i = 0; i < values.length; i++) out.re[i * cols + i] = values[i] ?? 0;
  return out;
}

describe("laws", () => {
  const matrix = (rows: number, cols: number, complex: boolean, seed: number): Matrix => {
    const out = la.zeros(rows, cols, complex);
    let state = seed + 1;
    const next = (): number => ((state = (state * 48271) % 2147483647) / 2147483647) * 2 - 1;
    for (let i = 0; i < rows * cols; i++) {
      out.re[i] = next();
      if (out.im !== undefined) out.im[i] = next();
    }
    return out;
  };
  const size = fc.integer({ min: 1, max: 9 });
  const any = fc.tuple(size, size, fc.boolean(), fc.integer({ min: 0, max: 1e6 }));
  const forAll = (check: (m: number, n: number, complex: boolean, seed: number) => void): void =>
    fc.assert(
      fc.property(any, ([m, n, complex, seed]) => check(m, n, complex, seed)),
      { numRuns: 60 },
    );

  it("Q R is the matrix and Q is unitary", () => {
    forAll((m, n, complex, seed) => {
      const a = matrix(m, n, complex, seed);
      const { q, r } = la.qr(a, "complete");
      if (q === undefined) throw new Error("no q");
      expect(distance(la.multiply(q, r), a)).toBeLessThan(1e-13);
      expect(distance(la.multiply(la.transposed(q, true), q), la.identity(m, complex))).toBeLessThan(1e-13);
    });
  });
  it("U S V^H is the matrix, with square unitary U and V", () => {
    forAll((m, n, complex, seed) => {
      const a = matrix(m, n, complex, seed);
      // Make it singular now and then.
      if (seed % 3 === 0) a.re.copyWithin(n, 0, n);
      if (seed % 3 === 0) a.im?.copyWithin(n, 0, n);
      const { u, values, vh } = la.svd(a, true);
      expect(distance(la.multiply(la.multiply(u, diagonal(values, m, n)), vh), a)).toBeLessThan(1e-12);
      expect(distance(la.multiply(u, la.transposed(u, true)), la.identity(m, complex))).toBeLessThan(1e-11);
      expect(distance(la.multiply(vh, la.transposed(vh, true)), la.identity(n, complex))).toBeLessThan(1e-11);
      for (let i = 1; i < values.length; i++) expect(values[i - 1]).toBeGreaterThanOrEqual(values[i] ?? NaN);
    });
  });
  it("A V is V Lambda", () => {
    forAll((_, n, complex, seed) => {
      const a = matrix(n, n, complex, seed);
      const { values, vectors } = la.eigenGeneral(a, true);
      const lambda = la.complexified(diagonal(values.re, n, n));
      for (let i = 0; i < n; i++) if (lambda.im !== undefined) lambda.im[i * n + i] = values.im[i] ?? 0;
      if (vectors === undefined) throw new Error("no vectors");
      expect(distance(la.multiply(la.complexified(a), vectors), la.multiply(vectors, lambda))).toBeLessThan(1e-11);
    });
  });
  it("the pseudo-inverse undoes the matrix on its range", () => {
    forAll((m, n, complex, seed) => {
      const a = matrix(m, n, complex, seed);
      const back = la.multiply(la.multiply(a, la.pseudoInverse(a, 0, 1e-13)), a);
      expect(distance(back, a)).toBeLessThan(1e-10);
    });
  });
  it("triangular solves from both sides", () => {
    forAll((m, n, complex, seed) => {
      const a = matrix(n, n, complex, seed);
      for (let i = 0; i < n; i++) a.re[i * n + i] = 3;
      const triangle = la.copyOf(a);
      for (let i = 0; i < n; i++) triangle.re.fill(0, i * n, i * n + i);
      for (let i = 0; i < n; i++) triangle.im?.fill(0, i * n, i * n + i);
      const b = matrix(n, m, complex, seed + 7);
      for (const transpose of ["none", "transpose", "adjoint"] as const) {
        const op = transpose === "none" ? triangle : la.transposed(triangle, transpose === "adjoint");
        expect(distance(la.multiply(op, la.solveTriangular(a, b, { upper: true, transpose })), b)).toBeLessThan(1e-11);
        const c = la.transposed(b, false);
        expect(distance(la.multiply(la.solveTriangularRight(a, c, { upper: true, transpose }), op), c)).toBeLessThan(1e-11);
      }
    });
  });
  it("symmetric and Hermitian indefinite systems", () => {
    forAll((_, n, complex, seed) => {
      const a = matrix(n, n, complex, seed);
      const b = matrix(n, 2, complex, seed + 3);
      for (const hermitian of [false, true]) {
        const s = la.copyOf(a);
        const t = la.transposed(a, hermitian);
        for (let i = 0; i < n * n; i++) {
          s.re[i] = (s.re[i] ?? 0) + (t.re[i] ?? 0);
          if (s.im !== undefined) s.im[i] = (s.im[i] ?? 0) + (t.im?.[i] ?? 0);
        }
        const x = la.ldlSolve(la.ldlFactor(s, hermitian), b, hermitian);
        const scale = Math.max(1, ...x.re.map(Math.abs));
        expect(distance(la.multiply(s, x), b) / scale).toBeLessThan(1e-12);
      }
    });
  });

  it("say where a factorisation failed", () => {
    expect(la.luFactor(la.zeros(3, 3, false)).info).toBe(1);
    expect(la.cholesky({ rows: 2, cols: 2, re: Float64Array.of(1, 0, 0, -1), im: undefined }).info).toBe(2);
    expect(la.ldlFactor(la.zeros(2, 2, false), false).info).toBe(1);
    expect(la.rank({ rows: 2, cols: 2, re: Float64Array.of(1, 2, 2, 4), im: undefined }, 0, 1e-12)).toBe(1);
  });
  it("take empty matrices", () => {
    const empty = la.zeros(0, 0, false);
    expect(la.svd(la.zeros(3, 0, false), true).u.cols).toBe(3);
    expect(la.eigenSymmetric(empty, true).values.length).toBe(0);
    expect(la.eigenGeneral(empty, true).info).toBe(0);
    expect(la.determinant(la.luFactor(empty))).toEqual([1, 0]);
    expect(la.qr(la.zeros(0, 2, false), "complete").r.rows).toBe(0);
  });
});
