/**
 * Storages by number, the same on every replay: a storage is numbered when a step first shows it, and a replay of that step shows it again.
 * Who wrote which storage when is kept from the first time on, so that a watch needs no replay.
 */

import type { Datum } from "../ir/datum.ts";
import { walkData } from "../run/reach.ts";
import type { Storage } from "../tensor/storage.ts";
import { Tensor } from "../tensor/tensor.ts";

/** A step changed a storage. */
export interface Write {
  /** Time after the step: `@time` wrote. */
  readonly time: number;
  readonly storage: number;
  readonly from: number;
  readonly to: number;
}

/** Tensors that a step shows: its operands and results, and what containers among them hold. */
export function tensorsOf(values: readonly Datum[]): Tensor[] {
  const out: Tensor[] = [];
  let hasContainers = false;
  for (const value of values) {
    if (value instanceof Tensor) out.push(value);
    else if (typeof value === "object" && value !== null && (value.kind === "list" || value.kind === "tuple" || value.kind === "dict")) hasContainers = true;
  }
  if (!hasContainers) return out;
  const found = new Set<Tensor>();
  // Modules hold all weights: they are no operands of a step.
  walkData(
    values.filter((v) => !(typeof v === "object" && v !== null && "kind" in v && v.kind === "instance")),
    (value) => {
      if (value instanceof Tensor) found.add(value);
    },
  );
  return [...found];
}

export class WriteLog {
  readonly #ids = new WeakMap<Storage, number>();
  /** By time of a step that showed new ones: the numbers of all storages that it shows, in order. */
  readonly #shown = new Map<number, number[]>();
  /** `@time` of the step that first showed a storage, by number; none for what was there before the run. */
  readonly #first = new Map<number, number>();
  #writes: Write[] = [];
  #next = 1;
  #before: (readonly [Storage, number])[] = [];

  /** Before a step: versions of what it may write. */
  begin(inputs: readonly Datum[]): void {
    this.#before = tensorsOf(inputs).map((tensor) => [tensor.storage, tensor.storage.version] as const);
  }

  /** After the step that ends at `time`. `first`: it has not run before. */
  end(time: number, inputs: readonly Datum[], outputs: readonly Datum[], first: boolean): void {
    const known = this.#shown.get(time);
    let isNew = false;
    const ids = tensorsOf([...inputs, ...outputs]).map(({ storage }, i) => {
      let id = this.#ids.get(storage);
      if (id === undefined) {
        isNew = true;
        this.#ids.set(storage, (id = known?.[i] ?? this.#next++));
        if (first) this.#first.set(id, time);
      }
      return id;
    });
    if (isNew && first) this.#shown.set(time, ids);
    if (!first) return;
    const seen = new Set<Storage>();
    for (const [storage, version] of this.#before) {
      if (storage.version === version || seen.has(storage)) continue;
      seen.add(storage);
      this.#writes.push({ time, storage: this.#ids.get(storage) ?? 0, from: version, to: storage.version });
    }
  }

  /** Forgets what later times showed. */
  forget(time: number): void {
    this.#writes = this.#writes.filter((w) => w.time <= time);
    for (const at of this.#shown.keys()) if (at > time) this.#shown.delete(at);
  }

  /** The storage's number; one that no step has shown gets the next. */
  idOf(storage: Storage): number {
    let id = this.#ids.get(storage);
    if (id === undefined) this.#ids.set(storage, (id = this.#next++));
    return id;
  }

  /** `@time` of the step up to `time` that last wrote a storage, or first showed it; undefined for what was there before the run. */
  lastTouch(storage: number, time: number): number | undefined {
    let latest: number | undefined;
    for (const w of this.#writes) if (w.storage === storage && w.time <= time) latest = w.time;
    return latest ?? this.#first.get(storage);
  }

  /** The storage of a number among what the step that ends at `time` showed, when that step has just been repeated. */
  resolve(time: number, inputs: readonly Datum[], outputs: readonly Datum[], storage: number): Storage | undefined {
    const ids = this.#shown.get(time);
    const tensors = tensorsOf([...inputs, ...outputs]);
    return tensors.find((tensor, i) => (this.#ids.get(tensor.storage) ?? ids?.[i]) === storage)?.storage;
  }

  /** Writes of a storage, oldest first. */
  writesOf(storage: number): readonly Write[] {
    return this.#writes.filter((w) => w.storage === storage);
  }
  /** Writes that the step ending at `time` made. */
  writesAt(time: number): readonly Write[] {
    // The last writes are asked for most.
    const out: Write[] = [];
    for (let i = this.#writes.length - 1; i >= 0 && (this.#writes[i]?.time ?? 0) >= time; i--)
      if (this.#writes[i]?.time === time) out.push(this.#writes[i] as Write); // in bounds
    return out;
  }
}
