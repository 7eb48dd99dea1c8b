/**
 * Checkpoints of a machine, within a budget of bytes. A checkpoint holds storages by reference; what is written in place
 * is saved first, so functional code costs no copies. What goes first is what is cheapest to run again for the bytes it frees.
 */

import type { Datum } from "../ir/datum.ts";
import type { Machine } from "../run/machine.ts";
import { type Snapshot, takeSnapshot } from "../run/snapshot.ts";
import type { Storage } from "../tensor/storage.ts";

/** What a record of a snapshot weighs, with the closures that put it back. */
const RECORD_BYTES = 200;
/** Steps between checkpoints while a run is short. */
const SHORTEST = 16;
/** Milliseconds of running after which a checkpoint is worth its price, and how many times that price. */
const DUE_MS = 40;
const PRICE_TIMES = 10;

export interface Checkpoint {
  readonly time: number;
  /** Milliseconds of running from the start to here. */
  readonly ms: number;
  readonly snapshot: Snapshot;
}

/** What a history holds, for `info history`. */
export interface HistoryFacts {
  readonly checkpoints: readonly number[];
  readonly bytes: number;
  readonly budget: number;
  /** Steps between the two neighbours that lie furthest apart. */
  readonly widest: number;
}

export class History {
  readonly budget: number;
  readonly #machine: Machine;
  readonly #roots: readonly Datum[];
  readonly #own: ReadonlySet<Storage>;
  /** By time, the start always among them. */
  readonly #points: Checkpoint[] = [];
  /** How many checkpoints hold each storage, and what those and the records weigh. */
  readonly #holders = new Map<Storage, number>();
  #held = 0;
  /** Milliseconds that taking a snapshot takes here. */
  #price = 0;

  /** `own`: storages that live as long as the session (weights) and so cost nothing. */
  constructor(machine: Machine, roots: readonly Datum[], own: ReadonlySet<Storage>, budget: number) {
    this.#machine = machine;
    this.#roots = roots;
    this.#own = own;
    this.budget = budget;
  }

  /** The latest checkpoint at or before `time`. */
  before(time: number): Checkpoint | undefined {
    let [low, high] = [0, this.#points.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#points[middle]?.time ?? 0) <= time) low = middle + 1;
      else high = middle;
    }
    return this.#points[low - 1];
  }

  /** Takes a checkpoint here where one is due: ⌈√n⌉ steps, or a good while of running, after the one before. */
  consider(ms: number): void {
    const { time } = this.#machine;
    if (this.#machine.inRead) return;
    const last = this.before(time);
    if (last !== undefined) {
      if (last.time === time) return;
      const steps = time - last.time;
      const waited = ms - last.ms;
      const isDue = steps >= Math.max(SHORTEST, Math.ceil(Math.sqrt(time))) || (waited >= DUE_MS && waited >= PRICE_TIMES * this.#price);
      if (!isDue) return;
    }
    this.#take(ms);
  }

  #take(ms: number): void {
    const started = performance.now();
    const snapshot = takeSnapshot(this.#machine, this.#roots);
    const cost = performance.now() - started;
    this.#price = this.#price === 0 ? cost : 0.7 * this.#price + 0.3 * cost;
    const at = this.#points.findIndex((p) => p.time > snapshot.time);
    this.#points.splice(at < 0 ? this.#points.length : at, 0, { time: snapshot.time, ms, snapshot });
    this.#hold(snapshot, 1);
    this.#fit();
  }

  /** Drops the checkpoints after `time`: another future begins there. */
  forgetAfter(time: number): void {
    for (let i = this.#points.length - 1; (this.#points[i]?.time ?? time) > time; i--) this.#drop(i);
  }

  /** Storages that checkpoints hold. */
  *storages(): Generator<Storage> {
    for (const { snapshot } of this.#points) yield* snapshot.storages;
  }

  dispose(): void {
    while (this.#points.length > 0) this.#drop(this.#points.length - 1);
  }

  facts(): HistoryFacts {
    const times = this.#points.map((p) => p.time);
    const gaps = [...times.slice(1), this.#machine.time].map((t, i) => t - (times[i] ?? 0));
    return { checkpoints: times, bytes: this.#weigh(), budget: this.budget, widest: gaps.reduce((a, b) => Math.max(a, b), 0) };
  }

  /** Bytes of all checkpoints, each storage and each saved copy counted once. */
  #weigh(): number {
    const copies = new Set<Uint8Array>();
    for (const { snapshot } of this.#points) for (const copy of snapshot.saved) copies.add(copy);
    return [...copies].reduce((n, copy) => n + copy.byteLength, this.#held);
  }

  #hold(snapshot: Snapshot, step: 1 | -1): void {
    this.#held += step * snapshot.records * RECORD_BYTES;
    for (const storage of snapshot.storages) {
      if (this.#own.has(storage)) continue;
      const holders = (this.#holders.get(storage) ?? 0) + step;
      if (holders === 0) this.#holders.delete(storage);
      else this.#holders.set(storage, holders);
      if (holders === (step === 1 ? 1 : 0)) this.#held += step * storage.nbytes;
    }
  }

  #drop(at: number): void {
    const [point] = this.#points.splice(at, 1);
    if (point === undefined) return;
    this.#hold(point.snapshot, -1);
    point.snapshot.dispose();
  }

  /**
   * Evicts until the budget holds: first those without which neighbours are still at most ⌈√n⌉ steps apart, then any but the start.
   * Of these, the one that is cheapest to run to again for the bytes that it alone keeps.
   */
  #fit(): void {
    while (this.#weigh() > this.budget) {
      const spacing = Math.ceil(Math.sqrt(this.#points.at(-1)?.time ?? 0));
      let best: { readonly at: number; readonly worth: number; readonly wide: boolean } | undefined;
      for (let i = 1; i < this.#points.length - 1; i++) {
        const [a, p, b] = [this.#points[i - 1], this.#points[i], this.#points[i + 1]];
        if (a === undefined || p === undefined || b === undefined) continue;
        let freed = p.snapshot.records * RECORD_BYTES;
        for (const s of p.snapshot.storages) if (this.#holders.get(s) === 1) freed += s.nbytes;
        for (const copy of p.snapshot.saved) freed += copy.byteLength;
        const wide = b.time - a.time > spacing;
        const worth = Math.max(p.ms - a.ms, 0.001) / Math.max(freed, 1);
        if (best === undefined || (best.wide && !wide) || (best.wide === wide && worth < best.worth)) best = { at: i, worth, wide };
      }
      if (best === undefined) return; // only the start and the newest are left
      this.#drop(best.at);
    }
  }
}
