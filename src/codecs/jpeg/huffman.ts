/** Huffman-coded scans (ITU-T T.81, Annexes F.2 and G.2). What a damaged stream gives is libjpeg's: bad codes are zeros, a scan that runs dry leaves its blocks. */

import { badImage, truncated } from "../failure.ts";
import { type EntropyDecoder, RestartCounter, type ScanShape, Segments } from "./entropy.ts";
import type { HeaderReader, Scan } from "./frame.ts";
import { type HuffmanSpec, NATURAL } from "./tables.ts";

/** Bits that one look-up decides. */
const LOOK = 10;

/** A code's table: `look` by the next bits gives `symbol << 8 | length` (0: the code is longer), and beside it AC coefficients that fit whole. */
interface HuffmanTable {
  /** By the next LOOK bits: symbol << 8 | code length, 0 where the code is longer. */
  readonly look: Uint16Array;
  /** By the next LOOK bits: value << 16 | run << 8 | length of code and value together, 0 where they do not fit. */
  readonly whole: Int32Array;
  /** By length: the largest code, -1 where there is none; the 17th stops the search. */
  readonly maxCode: Int32Array;
  /** By length: what to add to a code to get its symbol's place. */
  readonly offset: Int32Array;
  readonly symbols: Uint8Array;
}

function makeTable(spec: HuffmanSpec | undefined, isDc: boolean): HuffmanTable {
  if (spec === undefined) throw badImage("a scan uses a Huffman table that was not sent");
  const look = new Uint16Array(1 << LOOK);
  const whole = new Int32Array(1 << LOOK);
  const maxCode = new Int32Array(18).fill(-1);
  const offset = new Int32Array(18);
  maxCode[17] = 0xfffff;
  let code = 0;
  let place = 0;
  for (let length = 1; length <= 16; length++) {
    const count = spec.counts[length - 1] ?? 0;
    if (code + count > 1 << length) throw badImage("a Huffman table has more codes than fit", { got: `${count} of ${length} bits` });
    offset[length] = place - code;
    for (let i = 0; i < count; i++, code++, place++) {
      const symbol = spec.symbols[place] ?? 0;
      if (isDc && symbol > 15) throw badImage("a DC table has an impossible symbol", { got: `${symbol}` });
      if (length <= LOOK) fillLookups(look, whole, code, length, symbol);
    }
    if (count > 0) maxCode[length] = code - 1;
    code <<= 1;
  }
  return { look, whole, maxCode, offset, symbols: spec.symbols };
}

function fillLookups(look: Uint16Array, whole: Int32Array, code: number, length: number, symbol: number): void {
  const size = symbol & 15;
  for (let rest = 0; rest < 1 << (LOOK - length); rest++) {
    const at = (code << (LOOK - length)) | rest;
    look[at] = (symbol << 8) | length;
    if (size === 0 || length + size > LOOK) continue;
    const bits = rest >> (LOOK - length - size);
    const value = bits < 1 << (size - 1) ? bits - (1 << size) + 1 : bits;
    whole[at] = (value << 16) | ((symbol >> 4) << 8) | (length + size);
  }
}

/** The bits of a segment, zeros behind its end. */
class Bits {
  readonly segments: Segments;
  data: Uint8Array;
  end: number;
  at = 0;
  /** No marker follows but the file's end. */
  isLast: boolean;
  /** The `count` low bits are the next ones. */
  word = 0;
  count = 0;

  constructor(reader: HeaderReader) {
    this.segments = new Segments(reader);
    this.data = this.segments.data;
    this.end = this.segments.end;
    this.isLast = this.segments.isLast;
  }

  /** Whether only bits that the file has were used. */
  get sound(): boolean {
    return this.at * 8 - this.count <= this.end * 8;
  }

  restart(): boolean {
    const fresh = this.segments.restart();
    this.data = this.segments.data;
    this.end = this.segments.end;
    this.isLast = this.segments.isLast;
    this.at = this.word = this.count = 0;
    return fresh;
  }

  /** Makes 25 bits or more ready. */
  fill(): void {
    const { data, end } = this;
    while (this.count <= 24) {
      this.word = (this.word << 8) | (this.at < end ? (data[this.at] ?? 0) : 0);
      this.at++;
      this.count += 8;
    }
  }

  /** libjpeg reads ahead: a file that ends within `n` bits of a value, or 8 of a code, has been cut off. */
  private need(n: number): void {
    if (this.end * 8 - (this.at * 8 - this.count) < n) throw truncated("the JPEG data");
  }

  /** The next `n` bits, at most 16. */
  take(n: number): number {
    if (this.isLast) this.need(n);
    if (this.count < n) this.fill();
    this.count -= n;
    return (this.word >>> this.count) & ((1 << n) - 1);
  }

  /** The next bit. */
  bit(): number {
    if (this.isLast) this.need(1);
    if (this.count === 0) this.fill();
    this.count--;
    return (this.word >>> this.count) & 1;
  }

  symbol(table: HuffmanTable): number {
    if (this.isLast) this.need(8);
    if (this.count < 17) this.fill();
    const entry = table.look[(this.word >>> (this.count - LOOK)) & ((1 << LOOK) - 1)] ?? 0;
    if (entry !== 0) {
      this.count -= entry & 255;
      return entry >> 8;
    }
    return this.longSymbol(table);
  }

  /** A code of more than LOOK bits; one that the table does not have counts as symbol 0. */
  longSymbol(table: HuffmanTable): number {
    let length = LOOK + 1;
    let code = this.take(length);
    while (code > (table.maxCode[length] ?? 0)) {
      code = (code << 1) | this.take(1);
      length++;
    }
    return length > 16 ? 0 : (table.symbols[(code + (table.offset[length] ?? 0)) & 255] ?? 0);
  }

  /** A coefficient of `size` bits. */
  value(size: number): number {
    const bits = this.take(size);
    return bits < 1 << (size - 1) ? bits - (1 << size) + 1 : bits;
  }
}

/** An entropy decoder for one scan of a Huffman-coded file. @throws bad-image for impossible tables */
export function huffmanDecoder(reader: HeaderReader, scan: Scan, shape: ScanShape, progressive: boolean): EntropyDecoder {
  if (!progressive) reader.assumeTypicalTables();
  const { tables } = reader;
  const needsDc = !progressive || (scan.from === 0 && scan.high === 0);
  const needsAc = !progressive || scan.from > 0;
  const dc = scan.parts.map((part) => (needsDc ? makeTable(tables.dc[part.dc], true) : undefined));
  const ac = scan.parts.map((part) => (needsAc ? makeTable(tables.ac[part.ac], false) : undefined));
  const bits = new Bits(reader);
  const restarts = new RestartCounter(tables.restartInterval);
  const state: State = { bits, scan, predictions: new Int32Array(scan.parts.length), endOfBand: 0 };
  const decodeBlock = blockDecoder(state, dc, ac, progressive);
  let sound = true;
  return {
    get sound() {
      return sound;
    },
    decodeRow(blockRow) {
      if (!sound && tables.restartInterval === 0) return;
      for (let column = 0; column < shape.mcusWide; column++) {
        if (restarts.due()) {
          state.predictions.fill(0);
          state.endOfBand = 0;
          if (bits.restart()) sound = true;
        }
        if (!sound) continue;
        for (const [part, grid] of shape.grids.entries()) {
          for (let y = 0; y < grid.high; y++) {
            const base = ((blockRow * grid.high + y) * grid.stride + column * grid.wide) * 64;
            for (let x = 0; x < grid.wide; x++) decodeBlock(grid.coefficients, base + 64 * x, part);
          }
        }
        sound = bits.sound;
      }
    },
  };
}

interface State {
  readonly bits: Bits;
  readonly scan: Scan;
  readonly predictions: Int32Array;
  endOfBand: number;
}

type DecodeBlock = (block: Int16Array, base: number, part: number) => void;

function blockDecoder(state: State, dc: readonly (HuffmanTable | undefined)[], ac: readonly (HuffmanTable | undefined)[], progressive: boolean): DecodeBlock {
  const { scan } = state;
  const tableAt = (tables: readonly (HuffmanTable | undefined)[], part: number): HuffmanTable => {
    const table = tables[part];
    if (table === undefined) throw badImage("a scan uses a Huffman table that was not sent");
    return table;
  };
  if (!progressive) return (block, base, part) => sequentialBlock(state, tableAt(dc, part), tableAt(ac, part), block, base, part);
  if (scan.from === 0) {
    if (scan.high === 0) return (block, base, part) => void (block[base] = nextDc(state, tableAt(dc, part), part) << scan.low);
    return (block, base) => {
      if (state.bits.take(1) === 1) block[base] = (block[base] ?? 0) | (1 << scan.low);
    };
  }
  if (scan.high === 0) return (block, base, part) => firstBand(state, tableAt(ac, part), block, base);
  return (block, base, part) => refineBand(state, tableAt(ac, part), block, base);
}

function nextDc(state: State, table: HuffmanTable, part: number): number {
  const { bits, predictions } = state;
  const size = bits.symbol(table);
  const value = (predictions[part] ?? 0) + (size === 0 ? 0 : bits.value(size));
  predictions[part] = value;
  return value;
}

function sequentialBlock(state: State, dc: HuffmanTable, ac: HuffmanTable, block: Int16Array, base: number, part: number): void {
  const { bits } = state;
  block[base] = nextDc(state, dc, part);
  if (bits.isLast) {
    lastBlock(state, ac, block, base);
    return;
  }
  const { data, end } = bits;
  const { look, whole } = ac;
  let { at, word, count } = bits;
  for (let k = 1; k < 64; k++) {
    if (count < 17) {
      do {
        word = (word << 8) | (at < end ? (data[at] ?? 0) : 0);
        at++;
        count += 8;
      } while (count <= 24);
    }
    const index = (word >>> (count - LOOK)) & ((1 << LOOK) - 1);
    const entry = whole[index] ?? 0;
    if (entry !== 0) {
      count -= entry & 255;
      k += (entry >> 8) & 255;
      block[base + (NATURAL[k] ?? 0)] = entry >> 16;
      continue;
    }
    const short = look[index] ?? 0;
    let symbol = short >> 8;
    bits.at = at;
    bits.word = word;
    bits.count = count - (short & 255);
    if (short === 0) symbol = bits.longSymbol(ac);
    const size = symbol & 15;
    if (size !== 0) {
      k += symbol >> 4;
      block[base + (NATURAL[k] ?? 0)] = bits.value(size);
    } else if (symbol === 0xf0) k += 15;
    else return;
    ({ at, word, count } = bits);
  }
  bits.at = at;
  bits.word = word;
  bits.count = count;
}

/** The AC coefficients of a block behind which no marker follows, checked symbol by symbol. */
function lastBlock(state: State, ac: HuffmanTable, block: Int16Array, base: number): void {
  for (let k = 1; k < 64; k++) {
    const symbol = state.bits.symbol(ac);
    const size = symbol & 15;
    if (size !== 0) {
      k += symbol >> 4;
      block[base + (NATURAL[k] ?? 0)] = state.bits.value(size);
    } else if (symbol === 0xf0) k += 15;
    else return;
  }
}

/** First pass over a band: runs of zeros, values, and runs of blocks without any. */
function firstBand(state: State, table: HuffmanTable, block: Int16Array, base: number): void {
  const { bits, scan } = state;
  if (state.endOfBand > 0) {
    state.endOfBand--;
    return;
  }
  for (let k = scan.from; k <= scan.to; k++) {
    const symbol = bits.symbol(table);
    const [run, size] = [symbol >> 4, symbol & 15];
    if (size !== 0) {
      k += run;
      block[base + (NATURAL[k] ?? 0)] = bits.value(size) << scan.low;
    } else if (run === 15) k += 15;
    else {
      state.endOfBand = (1 << run) - 1 + (run === 0 ? 0 : bits.take(run));
      return;
    }
  }
}

/** A later pass: one more bit for the coefficients that are not zero, and new ones between them. */
function refineBand(state: State, table: HuffmanTable, block: Int16Array, base: number): void {
  const { bits, scan } = state;
  const plus = 1 << scan.low;
  let k = scan.from;
  if (state.endOfBand === 0) {
    for (; k <= scan.to; k++) {
      const symbol = bits.symbol(table);
      const run = symbol >> 4;
      let value = 0;
      if ((symbol & 15) !== 0) value = bits.bit() === 1 ? plus : -plus;
      else if (run !== 15) {
        state.endOfBand = (1 << run) + (run === 0 ? 0 : bits.take(run));
        break;
      }
      k = refineRun(bits, block, base, k, scan.to, run, plus);
      if (value !== 0) block[base + (NATURAL[k] ?? 0)] = value;
    }
  }
  if (state.endOfBand === 0) return;
  refineRun(bits, block, base, k, scan.to, 64, plus);
  state.endOfBand--;
}

/** Refines what is not zero from `k` on, over `zeros` zeros; gives the place of the next one, or the one behind `to`. */
function refineRun(bits: Bits, block: Int16Array, base: number, k: number, to: number, zeros: number, plus: number): number {
  let left = zeros;
  for (let at = k; at <= to; at++) {
    const place = base + (NATURAL[at] ?? 0);
    const old = block[place] ?? 0;
    if (old === 0) {
      if (--left < 0) return at;
    } else if (bits.bit() === 1 && (old & plus) === 0) block[place] = old >= 0 ? old + plus : old - plus;
  }
  return to + 1;
}
