/** Batched matrix product on the CPU: 4x4 register tiles over packed double panels; exact integers. */

import type { ContractCall } from "../../prims/call.ts";
import { dtypeInfo } from "../../tensor/dtype.ts";
import { unreachable } from "../../tensor/error.ts";
import type { View } from "../../tensor/tensor.ts";
import { bigsOf, doublesOf, writeBigs, writeDoubles } from "./dense.ts";

const TILE = 4;

/** One `[rows, cols]` matrix of a batch as a view. */
function matrix(view: View, batch: number): View {
  return {
    storage: view.storage, dtype: view.dtype, shape: view.shape.slice(1), strides: view.strides.slice(1),
    offset: view.offset + batch * (view.strides[0] ?? 0),
  };
}

/**
 * Packs rows of `a` (element (r, k) at `r*rowStride + k*kStride`) into panels of four interleaved rows, zero-padded:
 * panel p holds `[k][4]`.
 */
export function packPanels(a: ArrayLike<number>, offset: number, rows: number, depth: number, rowStride: number, kStride: number): Float64Array {
  const panels = Math.ceil(rows / TILE);
  const out = new Float64Array(panels * depth * TILE);
  for (let r = 0; r < rows; r++) {
    let to = Math.floor(r / TILE) * depth * TILE + (r % TILE);
    let from = offset + r * rowStride;
    for (let k = 0; k < depth; k++, to += TILE, from += kStride) out[to] = a[from] ?? 0;
  }
  return out;
}

/** `c[4 x 4] = sum_k a[k][4] * b[k][4]`, sums in double precision, in order of k; written row-major into `c`. */
export function tile(a: Float64Array, aAt: number, b: Float64Array, bAt: number, depth: number, c: Float64Array): void {
  let c00 = 0, c01 = 0, c02 = 0, c03 = 0, c10 = 0, c11 = 0, c12 = 0, c13 = 0;
  let c20 = 0, c21 = 0, c22 = 0, c23 = 0, c30 = 0, c31 = 0, c32 = 0, c33 = 0;
  const end = aAt + depth * TILE;
  for (let i = aAt, j = bAt; i < end; i += TILE, j += TILE) {
    const a0 = a[i] as number, a1 = a[i + 1] as number, a2 = a[i + 2] as number, a3 = a[i + 3] as number; // inside the panels
    const b0 = b[j] as number, b1 = b[j + 1] as number, b2 = b[j + 2] as number, b3 = b[j + 3] as number;
    c00 += a0 * b0; c01 += a0 * b1; c02 += a0 * b2; c03 += a0 * b3;
    c10 += a1 * b0; c11 += a1 * b1; c12 += a1 * b2; c13 += a1 * b3;
    c20 += a2 * b0; c21 += a2 * b1; c22 += a2 * b2; c23 += a2 * b3;
    c30 += a3 * b0; c31 += a3 * b1; c32 += a3 * b2; c33 += a3 * b3;
  }
  c[0] = c00; c[1] = c01; c[2] = c02; c[3] = c03; c[4] = c10; c[5] = c11; c[6] = c12; c[7] = c13;
  c[8] = c20; c[9] = c21; c[10] = c22; c[11] = c23; c[12] = c30; c[13] = c31; c[14] = c32; c[15] = c33;
}

/** One or two rows by a matrix: no packing, which would cost as much as the product. */
function fewRows(a: View, b: View, out: View, m: number, k: number, n: number): void {
  const x = doublesOf(a);
  const [bk = 0, bn = 0] = b.strides;
  const carrier = dtypeInfo(b.dtype).carrier;
  const direct = carrier === "f32" || carrier === "f64";
  const array = direct ? b.storage.array(carrier) : undefined;
  const w = array instanceof Float32Array || array instanceof Float64Array ? array : doublesOf(b);
  const [ks, ns, base] = direct ? [bk, bn, b.offset] : [n, 1, 0];
  const result = new Float64Array(m * n);
  for (let r = 0; r < m; r++) {
    const row = r * k;
    if (ks === 1 || Math.abs(ks) <= Math.abs(ns)) {
      for (let j = 0; j < n; j++) {
        let at = base + j * ns;
        let sum = 0;
        for (let i = 0; i < k; i++, at += ks) sum += (x[row + i] as number) * (w[at] as number);
        result[r * n + j] = sum;
      }
    } else {
      const to = r * n;
      for (let i = 0; i < k; i++) {
        const xi = x[row + i] as number;
        let at = base + i * ks;
        for (let j = 0; j < n; j++, at += ns) result[to + j] = (result[to + j] as number) + xi * (w[at] as number);
      }
    }
  }
  writeDoubles(out, result);
}

function tiled(a: View, b: View, out: View, m: number, k: number, n: number): void {
  const x = doublesOf(a);
  const y = doublesOf(b);
  const pa = packPanels(x, 0, m, k, k, 1);
  const pb = packPanels(y, 0, n, k, 1, n);
  const result = new Float64Array(m * n);
  const c = new Float64Array(TILE * TILE);
  for (let j = 0; j < n; j += TILE) {
    for (let i = 0; i < m; i += TILE) {
      tile(pa, i * k, pb, j * k, k, c);
      const rows = Math.min(TILE, m - i);
      const cols = Math.min(TILE, n - j);
      for (let r = 0; r < rows; r++) for (let s = 0; s < cols; s++) result[(i + r) * n + j + s] = c[r * TILE + s] as number;
    }
  }
  writeDoubles(out, result);
}

/** Integers, exact modulo the accumulator's width. */
function integers(a: View, b: View, out: View, m: number, k: number, n: number): void {
  const [x, y] = [bigsOf(a), bigsOf(b)];
  const result = new BigInt64Array(m * n);
  for (let r = 0; r < m; r++) {
    for (let i = 0; i < k; i++) {
      const xi = x[r * k + i] ?? 0n;
      if (xi === 0n) continue;
      for (let j = 0; j < n; j++) result[r * n + j] = BigInt.asIntN(64, (result[r * n + j] ?? 0n) + xi * (y[i * n + j] ?? 0n));
    }
  }
  writeBigs(out, result);
}

/** Runs a contract call without its epilogue. */
export function contract(call: ContractCall): void {
  const [a = unreachable("operand a"), b = unreachable("operand b")] = call.operands;
  const out = call.results[0] ?? unreachable("result");
  const [batch = 0, m = 0, n = 0] = out.shape;
  const k = a.shape[2] ?? 0;
  // Products of integers of up to 16 bits sum exactly in doubles: they stay below 2^53.
  const small = dtypeInfo(a.dtype).itemsize <= 2 && dtypeInfo(b.dtype).itemsize <= 2;
  const isInt = call.accumulate === "i32" || call.accumulate === "i64";
  for (let i = 0; i < batch; i++) {
    const [x, y, z] = [matrix(a, i), matrix(b, i), matrix(out, i)];
    if (isInt && !small) integers(x, y, z, m, k, n);
    else if (m <= 2) fewRows(x, y, z, m, k, n);
    else tiled(x, y, z, m, k, n);
  }
}
