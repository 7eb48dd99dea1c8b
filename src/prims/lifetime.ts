/** Memory by lifetime: where the values of a segment lie in one arena. */

import type { Storage } from "../tensor/storage.ts";
import type { Segment } from "./segment.ts";

/** When a storage is in use: steps `first` to `last`, both included. */
export interface Lifetime {
  readonly storage: Storage;
  readonly first: number;
  last: number;
}

/** Lifetimes of all storages that steps write; outputs live to the end. */
export function lifetimesOf(segment: Segment): Map<Storage, Lifetime> {
  const out = new Map<Storage, Lifetime>();
  segment.steps.forEach((step, i) => {
    for (const { storage } of step.results) if (!out.has(storage)) out.set(storage, { storage, first: i, last: i });
    for (const { storage } of [...step.operands, ...step.results]) {
      const life = out.get(storage);
      if (life !== undefined) life.last = i;
    }
  });
  // Read before anything writes it: its zeros are there from the step that reads them on.
  segment.steps.forEach((step, i) => {
    for (const { storage } of step.operands) {
      const life = out.get(storage);
      if (life !== undefined && i < life.first) out.set(storage, { ...life, first: i });
    }
  });
  for (const storage of segment.outputs) {
    const life = out.get(storage);
    if (life !== undefined) life.last = segment.steps.length;
  }
  return out;
}

export interface Placed {
  readonly offsets: ReadonlyMap<Storage, number>;
  /** Bytes of the arena. */
  readonly bytes: number;
}

/**
 * Offsets in an arena such that no two storages alive at once overlap: largest first, each at the lowest place that is free for its
 * lifetime (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020: greedy by size).
 * @param alignment of every offset, in bytes
 */
export function placeByLifetime(lifetimes: readonly Lifetime[], alignment: number): Placed {
  const round = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;
  const offsets = new Map<Storage, number>();
  const placed: { readonly life: Lifetime; readonly from: number; readonly to: number }[] = [];
  let bytes = 0;
  for (const life of [...lifetimes].sort((a, b) => b.storage.nbytes - a.storage.nbytes || a.first - b.first)) {
    const size = round(Math.max(1, life.storage.nbytes));
    let at = 0;
    // `placed` is kept in order of place, so the first gap that is wide enough is the lowest.
    for (const other of placed) {
      if (other.life.first > life.last || other.life.last < life.first) continue;
      if (other.from - at >= size) break;
      at = Math.max(at, other.to);
    }
    offsets.set(life.storage, at);
    const index = placed.findIndex((p) => p.from > at);
    placed.splice(index < 0 ? placed.length : index, 0, { life, from: at, to: at + size });
    bytes = Math.max(bytes, at + size);
  }
  return { offsets, bytes };
}
