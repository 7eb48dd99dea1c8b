/** Reads and writes NumPy's .npz files: zip archives of .npy files. */

import { zipSync } from "fflate/browser";
import type { Source } from "../tensor/source.ts";
import type { Limits } from "./limits.ts";
import { type NpyArray, type NpyReadOptions, readNpy, writeNpy } from "./npy.ts";
import { openZip } from "./zip.ts";

const SUFFIX = ".npy";

/** An open .npz file: its arrays' names, and each array read when it is asked for. */
export interface Npz {
  readonly names: readonly string[];
  /** @throws missing-record, and what `readNpy` and `openZip` throw */
  read(name: string, options?: NpyReadOptions): Promise<NpyArray>;
}

/** Opens a .npz file. @throws bad-zip, truncated, limit-exceeded */
export async function openNpz(source: Source, limits?: Limits): Promise<Npz> {
  const zip = await openZip(source, limits);
  const names = zip.names.filter((name) => name.endsWith(SUFFIX)).map((name) => name.slice(0, -SUFFIX.length));
  return { names, read: async (name, options) => readNpy(await zip.read(name + SUFFIX), { name, ...options }) };
}

/** All arrays of a .npz file by name. */
export async function readNpz(source: Source, limits?: Limits): Promise<Map<string, NpyArray>> {
  const npz = await openNpz(source, limits);
  const arrays = new Map<string, NpyArray>();
  for (const name of npz.names) arrays.set(name, await npz.read(name));
  return arrays;
}

/** The bytes of a .npz file, stored as `numpy.savez` stores them; the same arrays give the same bytes. @throws bad-argument, unsupported-dtype */
export function writeNpz(arrays: ReadonlyMap<string, NpyArray> | Readonly<Record<string, NpyArray>>): Uint8Array {
  const entries: (readonly [string, NpyArray])[] = arrays instanceof Map ? [...(arrays as ReadonlyMap<string, NpyArray>)] : Object.entries(arrays as Readonly<Record<string, NpyArray>>); // a record is what is no Map
  const files = entries.map(([name, array]): [string, Uint8Array] => [name + SUFFIX, writeNpy(array)]);
  // Noon on the first day that zip can write, so that no time zone leaves its range.
  return zipSync(Object.fromEntries(files), { level: 0, mtime: new Date(1980, 0, 1, 12) });
}
