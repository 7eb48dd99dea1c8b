/** Walks data: which tensors and storages a datum reaches, and what a sweep may free. */

import type { Datum } from "../ir/datum.ts";
import type { Storage } from "../tensor/storage.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Executor } from "./executor.ts";
import type { Machine } from "./machine.ts";

/** Calls `visit` once for every container, object and tensor that `roots` reach. Cycles are fine. */
export function walkData(roots: Iterable<Datum | undefined>, visit: (value: Exclude<Datum, number | bigint | boolean | string | null>) => void): void {
  const seen = new Set<object>();
  const stack: (Datum | undefined)[] = [...roots];
  while (stack.length > 0) {
    const value = stack.pop();
    if (value === undefined || value === null || typeof value !== "object" || seen.has(value)) continue;
    seen.add(value);
    visit(value);
    if (value instanceof Tensor) {
      if (value.lengths !== undefined) stack.push(value.lengths);
      if (value.quantizer !== undefined && "scales" in value.quantizer) stack.push(value.quantizer.scales, value.quantizer.zeroPoints);
      continue;
    }
    switch (value.kind) {
      case "list":
      case "tuple":
        for (const item of value.items) if (typeof item === "object") stack.push(item);
        break;
      case "dict":
        for (const [k, v] of value.entries.values()) stack.push(k, v);
        break;
      case "instance":
        for (const slot of value.slots) if (typeof slot === "object") stack.push(slot);
        break;
      case "future":
        if (value.state.done && "value" in value.state) stack.push(value.state.value);
        break;
      case "host": {
        // Packed parameters hold their state as data.
        const held = value.value;
        if (typeof held === "object" && held !== null && "kind" in held && (held.kind === "tuple" || held.kind === "list")) stack.push(held as Datum);
        break;
      }
      default:
    }
  }
}

/** Storages of all tensors that `roots` reach. */
export function reachableStorages(roots: Iterable<Datum | undefined>): Set<Storage> {
  const out = new Set<Storage>();
  walkData(roots, (value) => {
    if (value instanceof Tensor) out.add(value.storage);
  });
  return out;
}

/** Everything a running machine holds. */
export function* machineRoots(machine: Machine): Generator<Datum | undefined> {
  for (const task of machine.tasks) {
    if (task.future !== undefined) yield task.future;
    for (const { object } of task.entered) yield object;
    for (const frame of task.frames) yield* frame.registers;
  }
  if (machine.result !== undefined) yield* machine.result;
}

/** Frees the device memory of storages made since the last sweep that nothing in `live` is. */
export function sweep(executor: Executor, live: ReadonlySet<Storage>): void {
  const kept: Storage[] = [];
  let bytes = 0;
  for (const storage of executor.fresh) {
    if (live.has(storage)) {
      kept.push(storage);
      bytes += storage.nbytes;
    } else if (storage.onHost) storage.dropDevice(); // an input: its caller may hold it still
    else storage.release();
  }
  executor.fresh = kept;
  executor.freshBytes = bytes;
}
