/**
 * Lanes: the drawing of an execution list like a commit graph. Each value that lives across rows has a lane from the row that
 * made it to the row of its last use; the width at a row is the number of values alive there. Deterministic, one pass.
 */

/** One value's stay: made at row `from`, last used at row `to` (`to > from`). Sorted by `from`. */
export interface Stays {
  readonly from: Int32Array;
  readonly to: Int32Array;
}

export interface Lanes {
  /** Lane by stay. */
  readonly lane: Int32Array;
  readonly width: number;
}

/** Smallest free lane first: a binary heap of numbers. */
class FreeLanes {
  readonly #heap: number[] = [];
  push(lane: number): void {
    const heap = this.#heap;
    let at = heap.push(lane) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if ((heap[above] ?? 0) <= lane) break;
      heap[at] = heap[above] ?? 0;
      at = above;
    }
    heap[at] = lane;
  }
  pop(): number | undefined {
    const heap = this.#heap;
    const least = heap[0];
    const last = heap.pop();
    if (least === undefined || last === undefined || heap.length === 0) return least;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && (heap[below + 1] ?? 0) < (heap[below] ?? 0)) below++;
      if ((heap[below] ?? 0) >= last) break;
      heap[at] = heap[below] ?? 0;
      at = below;
    }
    heap[at] = last;
    return least;
  }
}

/** A lane for each stay. A lane that ends at a row is free for what that row makes, so chains of ops stay in one lane. */
export function layLanes(stays: Stays, rows: number): Lanes {
  const { from, to } = stays;
  const count = from.length;
  // Stays by their last row, as a bucket list.
  const first = new Int32Array(rows + 1).fill(-1);
  const next = new Int32Array(count).fill(-1);
  for (let i = count - 1; i >= 0; i--) {
    const row = Math.min(to[i] ?? 0, rows);
    next[i] = first[row] ?? -1;
    first[row] = i;
  }
  const lane = new Int32Array(count);
  const free = new FreeLanes();
  let width = 0;
  let at = 0;
  for (let row = 0; row < rows && at < count; row++) {
    for (let i = first[row] ?? -1; i >= 0; i = next[i] ?? -1) free.push(lane[i] ?? 0);
    for (; at < count && (from[at] ?? 0) === row; at++) lane[at] = free.pop() ?? width++;
  }
  return { lane, width };
}

/** The stays that a window of rows shows, found without looking at all: by blocks of rows. */
export class LaneIndex {
  readonly #blocks: number[][] = [];
  readonly stays: Stays;
  readonly lanes: Lanes;
  /** Lane of the mark of each row: where what it makes begins, else where what it ends with came. */
  readonly mark: Int32Array;
  static readonly BLOCK = 64;

  constructor(stays: Stays, lanes: Lanes, rows: number) {
    this.stays = stays;
    this.lanes = lanes;
    this.mark = new Int32Array(rows).fill(-1);
    for (const ends of [stays.from, stays.to]) {
      ends.forEach((row, i) => {
        if ((this.mark[row] ?? 0) < 0) this.mark[row] = lanes.lane[i] ?? 0;
      });
    }
    for (let i = 0; i < stays.from.length; i++) {
      // Long stays stand in every block they cross; a value that lives across the whole run is rare.
      for (let b = Math.floor((stays.from[i] ?? 0) / LaneIndex.BLOCK); b <= Math.floor((stays.to[i] ?? 0) / LaneIndex.BLOCK); b++) {
        (this.#blocks[b] ??= []).push(i);
      }
    }
  }

  /** Stays that touch rows `low` to `high`, each once. */
  *within(low: number, high: number): Generator<number> {
    const lowBlock = Math.floor(low / LaneIndex.BLOCK);
    for (let b = lowBlock; b <= Math.floor(high / LaneIndex.BLOCK); b++) {
      for (const i of this.#blocks[b] ?? []) {
        const start = this.stays.from[i] ?? 0;
        const isFirst = b === lowBlock || Math.floor(start / LaneIndex.BLOCK) === b;
        if (isFirst && start <= high && (this.stays.to[i] ?? 0) >= low) yield i;
      }
    }
  }
}
