/**
 * A snapshot of a machine: frames, containers by identity, tensor records, generator states, and storages by version.
 * Storages are copied only when something writes them after the snapshot. Restoring puts the old contents back into the same objects.
 */

import type { Datum } from "../ir/datum.ts";
import { OpwiseError } from "../tensor/error.ts";
import type { GeneratorState } from "../tensor/generator.ts";
import type { Storage } from "../tensor/storage.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Frame, Machine, Task } from "./machine.ts";
import { machineRoots, walkData } from "./reach.ts";

export interface Snapshot {
  readonly time: number;
  /** Puts everything back as it was. May be called many times. */
  restore(): void;
  /** Lets go of what the snapshot keeps. */
  dispose(): void;
  /** The storages that the data at this time lies in: kept alive by the snapshot. */
  readonly storages: ReadonlySet<Storage>;
  /** Old contents of storages that were written since. */
  readonly saved: ReadonlySet<Uint8Array>;
  /** How many records (tensors, containers, objects, storages) it can put back. */
  readonly records: number;
}

function copyOfState(state: GeneratorState): GeneratorState {
  return { ...state, words: state.words.slice() };
}

function copyTasks(tasks: readonly Task[], registersOf: (r: Datum[]) => Datum[]): Task[] {
  return tasks.map((task) => ({
    future: task.future,
    entered: [...task.entered],
    failure: task.failure,
    frames: task.frames.map((f): Frame => ({ ...f, registers: registersOf(f.registers), returnTo: f.returnTo === undefined ? undefined : registersOf(f.returnTo), role: { ...f.role } })),
  }));
}

/** Copies register files, keeping two frames of one function on one file. */
function copier(): (r: Datum[]) => Datum[] {
  const done = new Map<Datum[], Datum[]>();
  return (r) => {
    let copy = done.get(r);
    if (copy === undefined) done.set(r, (copy = [...r]));
    return copy;
  };
}

/**
 * Takes a snapshot of the machine and of all data that it or `roots` (the session's objects) reach.
 * @throws busy while an op waits for a value in its middle
 */
export function takeSnapshot(machine: Machine, roots: readonly Datum[]): Snapshot {
  if (machine.inRead) throw new OpwiseError("busy", "a snapshot is taken between steps; an op is waiting for a value");
  const undo: (() => void)[] = [];
  const release: (() => void)[] = [];
  const storages = new Set<Storage>();
  const kept = new Set<Uint8Array>();
  walkData([...roots, ...machineRoots(machine)], (value) => {
    if (value instanceof Tensor) {
      const { storage, dtype, shape, strides, offset, conj, neg, quantizer, lengths, requiresGrad } = value;
      undo.push(() => Object.assign(value, { storage, dtype, shape, strides, offset, conj, neg, quantizer, lengths, requiresGrad }));
      storages.add(storage);
    } else if (value.kind === "list") {
      const items = [...value.items];
      undo.push(() => void (value.items = [...items]));
    } else if (value.kind === "dict") {
      const entries = [...value.entries];
      undo.push(() => void (value.entries = new Map(entries)));
    } else if (value.kind === "instance") {
      const slots = [...value.slots];
      undo.push(() => void (value.slots = [...slots]));
    } else if (value.kind === "future") {
      const { state } = value;
      undo.push(() => void (value.state = state));
    } else if (value.kind === "generator") {
      const state = copyOfState(value.state);
      undo.push(() => void Object.assign(value.state, copyOfState(state)));
    }
  });
  for (const storage of storages) {
    const { version } = storage;
    let saved: Uint8Array | undefined;
    const saver = (bytes: Uint8Array): void => {
      saved = bytes;
      kept.add(bytes);
    };
    storage.saveBeforeWrite(saver);
    release.push(() => storage.forgetSaver(saver));
    undo.push(() => {
      if (saved === undefined) return;
      storage.restore(saved, version);
      kept.delete(saved);
      saved = undefined;
      storage.saveBeforeWrite(saver);
    });
  }
  const { executor } = machine;
  const state = copyOfState(executor.generator);
  const { budget, work } = executor;
  const tasks = copyTasks(machine.tasks, copier());
  const { time, result } = machine;
  return {
    time,
    restore: () => {
      for (const step of undo) step();
      Object.assign(executor.generator, copyOfState(state));
      Object.assign(executor, { budget, work });
      machine.tasks = copyTasks(tasks, copier());
      machine.time = time;
      machine.result = result;
    },
    dispose: () => {
      for (const step of release) step();
      kept.clear();
    },
    storages,
    saved: kept,
    records: undo.length,
  };
}
