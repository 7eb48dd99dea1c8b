/** Arithmetic-coded scans (ITU-T T.81, Annexes D, F.2.4 and G). */

import { truncated } from "../failure.ts";
import { type EntropyDecoder, RestartCounter, type ScanShape, Segments } from "./entropy.ts";
import type { HeaderReader, Scan } from "./frame.ts";
import { NATURAL, STATES } from "./tables.ts";

const DC_BINS = 64;
const AC_BINS = 256;
/** Bins of the magnitude categories: of the DC, and of low and high AC coefficients. */
const DC_X1 = 20;
const AC_LOW_X2 = 189;
const AC_HIGH_X2 = 217;
/** Behind the bin that decided a category, by so many, lie the bins of its lower bits. */
const TO_BITS = 14;

/** The decoder of binary decisions. A bin is a state's number, with the more probable symbol in bit 7. */
class Decisions {
  readonly segments: Segments;
  private at = 0;
  private low = 0;
  private range = 0;
  /** Bits of `low` below the interval; negative until the first two bytes are in. */
  private shift = -16;
  /** A code that cannot be: nothing more is decoded before a restart. */
  broken = false;
  /** The bin of a fixed probability of one half. */
  private readonly half: Uint8Array = Uint8Array.of(113);

  constructor(reader: HeaderReader) {
    this.segments = new Segments(reader);
  }

  restart(): void {
    this.segments.restart();
    this.at = this.low = this.range = 0;
    this.shift = -16;
    this.broken = false;
  }

  next(bins: Uint8Array, bin: number): number {
    const { segments } = this;
    while (this.range < 0x8000) {
      if (--this.shift < 0) {
        if (segments.isLast && this.at >= segments.end) throw truncated("the JPEG data");
        const byte = this.at < segments.end ? (segments.data[this.at++] ?? 0) : 0;
        this.low = (this.low << 8) | byte;
        this.shift += 8;
        if (this.shift < 0 && ++this.shift === 0) this.range = 0x8000;
      }
      this.range <<= 1;
    }
    const state = bins[bin] ?? 0;
    const sense = state & 0x80;
    const row = 4 * (state & 0x7f);
    const size = STATES[row] ?? 0;
    const afterLess = (STATES[row + 1] ?? 0) | ((STATES[row + 3] ?? 0) << 7);
    const afterMore = STATES[row + 2] ?? 0;
    this.range -= size;
    const cut = this.range << this.shift;
    if (this.low >= cut) {
      this.low -= cut;
      const more = this.range < size;
      this.range = size;
      bins[bin] = sense ^ (more ? afterMore : afterLess);
      return (more ? sense : sense ^ 0x80) >> 7;
    }
    if (this.range < 0x8000) {
      const less = this.range < size;
      bins[bin] = sense ^ (less ? afterLess : afterMore);
      return (less ? sense ^ 0x80 : sense) >> 7;
    }
    return sense >> 7;
  }

  /** A decision of fixed probability. */
  coin(): number {
    return this.next(this.half, 0);
  }

  /** From category `m`, whose last bin is `bin`, the magnitude less one; undefined for a code that cannot be. */
  magnitude(bins: Uint8Array, bin: number, category: number, open: boolean): { readonly category: number; readonly value: number } | undefined {
    let m = category;
    let at = bin;
    if (open) {
      while (this.next(bins, at) === 1) {
        m <<= 1;
        if (m === 0x8000) {
          this.broken = true;
          return undefined;
        }
        at++;
      }
    }
    let value = m;
    for (let bit = m >> 1; bit > 0; bit >>= 1) if (this.next(bins, at + TO_BITS) === 1) value |= bit;
    return { category: m, value };
  }
}

/** An entropy decoder for one scan of an arithmetic-coded file. */
export function arithmeticDecoder(reader: HeaderReader, scan: Scan, shape: ScanShape, progressive: boolean): EntropyDecoder {
  const { conditioning, restartInterval } = reader.tables;
  const decisions = new Decisions(reader);
  const restarts = new RestartCounter(restartInterval);
  const bins = new Map<number, { readonly dc: Uint8Array; readonly ac: Uint8Array }>();
  const binsOf = (slot: number): { readonly dc: Uint8Array; readonly ac: Uint8Array } => {
    let known = bins.get(slot);
    if (known === undefined) {
      known = { dc: new Uint8Array(DC_BINS), ac: new Uint8Array(AC_BINS) };
      bins.set(slot, known);
    }
    return known;
  };
  const parts = scan.parts.map((part) => ({ dcSlot: part.dc, acSlot: part.ac, dc: binsOf(part.dc).dc, ac: binsOf(part.ac).ac, prediction: 0, context: 0 }));
  type Part = (typeof parts)[number];

  function dc(part: Part): number | undefined {
    if (decisions.next(part.dc, part.context) === 0) {
      part.context = 0;
      return part.prediction;
    }
    const sign = decisions.next(part.dc, part.context + 1);
    const bin = part.context + 2 + sign;
    const first = decisions.next(part.dc, bin);
    const found = decisions.magnitude(part.dc, first === 1 ? DC_X1 : bin, first, first === 1);
    if (found === undefined) return undefined;
    const [low, high] = [conditioning.dcLow[part.dcSlot] ?? 0, conditioning.dcHigh[part.dcSlot] ?? 1];
    part.context = found.category < (2 ** low) >> 1 ? 0 : found.category > (2 ** high) >> 1 ? 12 + 4 * sign : 4 + 4 * sign;
    part.prediction += sign === 1 ? -found.value - 1 : found.value + 1;
    return part.prediction;
  }

  function band(part: Part, block: Int16Array, base: number, from: number, to: number, low: number): void {
    const low5 = conditioning.acLow[part.acSlot] ?? 5;
    for (let k = from; k <= to; k++) {
      if (decisions.next(part.ac, 3 * (k - 1)) === 1) return;
      while (decisions.next(part.ac, 3 * (k - 1) + 1) === 0) {
        if (++k > to) {
          decisions.broken = true;
          return;
        }
      }
      const sign = decisions.coin();
      const bin = 3 * (k - 1) + 2;
      const first = decisions.next(part.ac, bin);
      const second = first === 1 && decisions.next(part.ac, bin) === 1;
      const found = decisions.magnitude(part.ac, second ? (k <= low5 ? AC_LOW_X2 : AC_HIGH_X2) : bin, second ? 2 : first, second);
      if (found === undefined) return;
      block[base + (NATURAL[k] ?? 0)] = (sign === 1 ? -found.value - 1 : found.value + 1) << low;
    }
  }

  function refine(part: Part, block: Int16Array, base: number): void {
    const [plus, minus] = [1 << scan.low, -1 << scan.low];
    let known = scan.to;
    while (known > 0 && block[base + (NATURAL[known] ?? 0)] === 0) known--;
    for (let k = scan.from; k <= scan.to; k++) {
      if (k > known && decisions.next(part.ac, 3 * (k - 1)) === 1) return;
      for (;;) {
        const at = base + (NATURAL[k] ?? 0);
        const old = block[at] ?? 0;
        if (old !== 0) {
          if (decisions.next(part.ac, 3 * (k - 1) + 2) === 1) block[at] = old + (old < 0 ? minus : plus);
          break;
        }
        if (decisions.next(part.ac, 3 * (k - 1) + 1) === 1) {
          block[at] = decisions.coin() === 1 ? minus : plus;
          break;
        }
        if (++k > scan.to) {
          decisions.broken = true;
          return;
        }
      }
    }
  }

  function decodeBlock(part: Part, block: Int16Array, base: number): void {
    if (progressive && scan.from === 0 && scan.high > 0) {
      if (decisions.coin() === 1) block[base] = (block[base] ?? 0) | (1 << scan.low);
      return;
    }
    if (decisions.broken) return;
    if (!progressive || scan.from === 0) {
      const value = dc(part);
      if (value === undefined) return;
      block[base] = progressive ? value << scan.low : value;
    }
    if (!progressive) band(part, block, base, 1, 63, 0);
    else if (scan.from > 0 && scan.high === 0) band(part, block, base, scan.from, scan.to, scan.low);
    else if (scan.from > 0) refine(part, block, base);
  }

  return {
    sound: true,
    decodeRow(blockRow) {
      for (let column = 0; column < shape.mcusWide; column++) {
        if (restarts.due()) {
          decisions.restart();
          for (const part of parts) {
            part.prediction = part.context = 0;
            if (!progressive || scan.from === 0) part.dc.fill(0);
            if (!progressive || scan.from > 0) part.ac.fill(0);
          }
        }
        for (const [i, grid] of shape.grids.entries()) {
          const part = parts[i];
          if (part === undefined) continue;
          for (let y = 0; y < grid.high; y++) {
            const base = ((blockRow * grid.high + y) * grid.stride + column * grid.wide) * 64;
            for (let x = 0; x < grid.wide; x++) decodeBlock(part, grid.coefficients, base + 64 * x);
          }
        }
      }
    },
  };
}
