/** How a convolution's product is divided into parts: ranges of positions, and of channels where positions are few. */

import { COLUMNS, ROWS } from "./gemm.ts";
import { panelRanges } from "./panels.ts";
import { padded } from "./products.ts";
import { evenly } from "./ranges.ts";

/** Positions of a part, at most: their patches stay in the second cache. */
const BLOCK_POSITIONS = 256;
/** Cycles, measured on Zen 4: of a multiply-add, of packing an element of a patch, of reading a byte of filters that a second cache holds, or not; of a part. */
const CYCLES = { product: 0.14, pack: 1, near: 0.01, far: 0.1, part: 1000 } as const;
/** A second cache. */
const CACHE_BYTES = 512 * 1024;
/** Parts for each thread, most first: the more there are, the less it matters when one takes longer. */
const EACH = [4, 2, 1];
/** How much longer parts may take for there to be twice as many. */
const FINER = 1.03;

export interface ProductShape {
  /** Products of this shape there are. */
  readonly images: number;
  readonly positions: number;
  readonly channels: number;
  readonly depth: number;
  /** Whether patches are packed, once for each range of channels. */
  readonly packs: boolean;
  /** Whether positions are the product's rows. */
  readonly turned: boolean;
}

type Ranges = readonly (readonly [first: number, count: number])[];

export interface Division {
  readonly positions: Ranges;
  readonly channels: Ranges;
}

function divisionOf({ positions, channels, turned }: ProductShape, across: number, shares: number): Division {
  const blocks = Math.ceil(positions / BLOCK_POSITIONS);
  return {
    positions: evenly(positions, blocks < across ? across : padded(blocks, across), turned ? ROWS : COLUMNS),
    channels: turned ? evenly(channels, shares, COLUMNS) : panelRanges(channels, shares),
  };
}

/** Cycles that the thread with the most to do takes, of `threads` that each have a range of the parts in order. */
function cyclesOf({ images, depth, packs, channels: filters }: ProductShape, { positions, channels }: Division, threads: number): number {
  const filterBytes = filters * depth * 4;
  const read = filterBytes > CACHE_BYTES ? CYCLES.far : CYCLES.near;
  const costs = positions.flatMap(([, count]) =>
    channels.map(([, rows]) => count * depth * (rows * CYCLES.product + (packs ? CYCLES.pack : 0)) + (rows / filters) * filterBytes * read + CYCLES.part),
  );
  const loads = new Array<number>(threads).fill(0);
  const all = images * costs.length;
  for (let i = 0; i < all; i++) {
    const owner = Math.floor((i * threads) / all);
    loads[owner] = (loads[owner] ?? 0) + (costs[i % costs.length] ?? 0);
  }
  return Math.max(...loads);
}

/**
 * The division with the least estimated time. @param most parts that the work is enough for; 1 where one thread does all
 */
export function divide(shape: ProductShape, threads: number, most: number): Division {
  let best = divisionOf(shape, 1, 1);
  let least = Infinity;
  for (const each of most === 1 ? [] : EACH) {
    const parts = Math.ceil((each * threads) / shape.images);
    if (each * threads > most) continue;
    for (let shares = 1; shares <= parts; shares++) {
      if (parts % shares !== 0) continue;
      const division = divisionOf(shape, parts / shares, shares);
      const cycles = cyclesOf(shape, division, threads) * FINER ** -Math.log2(each);
      if (cycles < least) [best, least] = [division, cycles];
    }
  }
  return best;
}
