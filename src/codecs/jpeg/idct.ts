/**
 * The accurate integer inverse DCT ("islow" of libjpeg: Loeffler, Ligtenberg, Moschytz 1989; 13-bit constants, two bits kept between the
 * passes). Where damaged files leave 16 bits, sums wrap and results saturate as in libjpeg-turbo's SIMD code.
 */

const WORK = new Int32Array(64);

function clamp(v: number): number {
  return v < 0 ? 0 : v > 255 ? 255 : v;
}
function wrap16(v: number): number {
  return (v << 16) >> 16;
}
function saturate16(v: number): number {
  return v < -32768 ? -32768 : v > 32767 ? 32767 : v;
}

/** Whether coefficients from `from` to the block's end are all zero. */
function isZero(coefficients: Int16Array, from: number, end: number): boolean {
  for (let i = from; i < end; i++) if (coefficients[i] !== 0) return false;
  return true;
}

/** One line of eight, `step` apart, at `at` of WORK; `shift` ends the pass and rounds. */
function line(at: number, step: number, shift: number): void {
  const w = WORK;
  const x0 = w[at] ?? 0;
  const x1 = w[at + step] ?? 0;
  const x2 = w[at + 2 * step] ?? 0;
  const x3 = w[at + 3 * step] ?? 0;
  const x4 = w[at + 4 * step] ?? 0;
  const x5 = w[at + 5 * step] ?? 0;
  const x6 = w[at + 6 * step] ?? 0;
  const x7 = w[at + 7 * step] ?? 0;
  const round = 1 << (shift - 1);
  const t3 = Math.imul(x2, 10703) + Math.imul(x6, 4433);
  const t2 = Math.imul(x2, 4433) - Math.imul(x6, 10704);
  const t0 = (wrap16(x0 + x4) << 13) + round;
  const t1 = (wrap16(x0 - x4) << 13) + round;
  const e0 = t0 + t3;
  const e3 = t0 - t3;
  const e1 = t1 + t2;
  const e2 = t1 - t2;
  const z3 = wrap16(x7 + x3);
  const z4 = wrap16(x5 + x1);
  const p = Math.imul(z3, -6436) + Math.imul(z4, 9633);
  const q = Math.imul(z3, 9633) + Math.imul(z4, 6437);
  const a = Math.imul(x7, -4927) - Math.imul(x1, 7373) + p;
  const b = Math.imul(x5, -4176) - Math.imul(x3, 20995) + q;
  const c = Math.imul(x3, 4177) - Math.imul(x5, 20995) + p;
  const d = Math.imul(x1, 4926) - Math.imul(x7, 7373) + q;
  w[at] = (e0 + d) >> shift;
  w[at + 7 * step] = (e0 - d) >> shift;
  w[at + step] = (e1 + c) >> shift;
  w[at + 6 * step] = (e1 - c) >> shift;
  w[at + 2 * step] = (e2 + b) >> shift;
  w[at + 5 * step] = (e2 - b) >> shift;
  w[at + 3 * step] = (e3 + a) >> shift;
  w[at + 4 * step] = (e3 - a) >> shift;
}

/**
 * Samples of `count` blocks that lie side by side: coefficients from `block * 64` on, times the quantisation table (both in natural order),
 * to rows of `plane` from `at` on.
 */
export function inverseDct(coefficients: Int16Array, block: number, count: number, quant: Uint16Array, plane: Uint8Array, at: number, stride: number): void {
  const w = WORK;
  for (let i = 0; i < count; i++) {
    const base = 64 * (block + i);
    const to = at + 8 * i;
    const oneRow = isZero(coefficients, base + 8, base + 64);
    if (oneRow && isZero(coefficients, base + 1, base + 8)) {
      const dc = wrap16(Math.imul(coefficients[base] ?? 0, quant[0] ?? 0) << 2);
      const level = clamp(((dc + 16) >> 5) + 128);
      for (let y = 0; y < 8; y++) plane.fill(level, to + y * stride, to + y * stride + 8);
      continue;
    }
    if (oneRow) {
      for (let x = 0; x < 8; x++) {
        const v = wrap16(Math.imul(coefficients[base + x] ?? 0, quant[x] ?? 0) << 2);
        for (let y = 0; y < 8; y++) w[8 * y + x] = v;
      }
    } else {
      for (let k = 0; k < 64; k++) w[k] = wrap16(Math.imul(coefficients[base + k] ?? 0, quant[k] ?? 0));
      for (let x = 0; x < 8; x++) line(x, 8, 11);
      for (let k = 0; k < 64; k++) w[k] = saturate16(w[k] ?? 0);
    }
    for (let y = 0; y < 8; y++) line(8 * y, 1, 18);
    for (let y = 0; y < 8; y++) for (let x = 0; x < 8; x++) plane[to + y * stride + x] = clamp((w[8 * y + x] ?? 0) + 128);
  }
}
