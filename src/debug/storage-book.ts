/** Storages of a run with their numbers and versions, and what is known of their contents. */

import type { GeneratorState } from "../tensor/generator.ts";
import type { Storage } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { BlobRef, Health, TensorFacts } from "./events.ts";
import { hashBytes } from "./hash.ts";

export interface StorageState {
  readonly id: number;
  version: number;
  /** `storage.version` as it was last seen. */
  raw: number;
  /** Content of this version that has been recorded, by key. */
  readonly seen: Map<string, Content>;
  blob: BlobRef | undefined;
  /** The value that showed it last. */
  last: number | undefined;
  /** Names of values that have shown it. */
  readonly names: Set<string>;
}

/** What has been found out about elements of one storage version. */
export interface Content {
  readonly health: Health | undefined;
  readonly hash: string | undefined;
  /** Whether a value event has it; later values with the same elements do not repeat it. */
  told: boolean;
}

export class StorageBook {
  readonly #states = new WeakMap<Storage, StorageState>();
  #next = 0;

  /** The storage's state; made where it is seen for the first time. */
  state(storage: Storage): { readonly state: StorageState; readonly isNew: boolean } {
    const known = this.#states.get(storage);
    if (known !== undefined) return { state: known, isNew: false };
    const state: StorageState = { id: this.#next++, version: 0, raw: storage.version, seen: new Map(), blob: undefined, last: undefined, names: new Set() };
    this.#states.set(storage, state);
    return { state, isNew: true };
  }

  /** The state of a storage that has been seen. */
  known(storage: Storage): StorageState | undefined {
    return this.#states.get(storage);
  }

  ref(tensor: Tensor): { readonly storage: number; readonly version: number } {
    const { state } = this.state(tensor.storage);
    return { storage: state.id, version: state.version };
  }
}

/** Something has written the storage since it was last seen. */
export function newVersion(state: StorageState, storage: Storage): void {
  state.version++;
  state.raw = storage.version;
  state.seen.clear();
  state.blob = undefined;
}

export function factsOf(tensor: Pick<Tensor, "dtype" | "shape" | "strides" | "offset">): TensorFacts {
  return { dtype: tensor.dtype, shape: [...tensor.shape], strides: [...tensor.strides], offset: tensor.offset };
}

/** A text that tells states of a random generator apart. */
export function generatorHash(state: GeneratorState): string {
  const extra = `${state.seed}:${state.position}:${state.nextFloat ?? ""}:${state.nextDouble ?? ""}`;
  return hashBytes(new Uint8Array(state.words.buffer, state.words.byteOffset, state.words.byteLength), extra);
}
