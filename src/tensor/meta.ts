/** Storages without data (PyTorch's `meta` device): what a run on sizes alone computes with. */

import { OpwiseError } from "./error.ts";
import { type Device, Storage } from "./storage.ts";

/** The device of storages whose contents nobody knows. Reading from it throws. */
export const META: Device = {
  name: "meta",
  release: () => undefined,
  download: () => {
    throw new OpwiseError("internal", "data was read in a run on sizes alone");
  },
};

export function metaStorage(nbytes: number): Storage {
  return Storage.onDevice(nbytes, META, {});
}

export function isMeta(storage: Storage): boolean {
  return storage.bufferOn(META) !== undefined;
}

/** The storage's contents are no longer known. */
export function forgetContents(storage: Storage): void {
  storage.deviceWritten(META, {});
}
