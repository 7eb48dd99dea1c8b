/** The zip container of PyTorch's archives: its one folder, its version, and pickles with their storages. */

import type { Limits } from "../../bytes/limits.ts";
import type { PickleValue } from "../../bytes/pickle-value.ts";
import { subSource } from "../../bytes/source.ts";
import type { StoredRecord, Zip } from "../../bytes/zip.ts";
import type { StorageTemplate } from "../../ir/template.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Source } from "../../tensor/source.ts";
import { refBytes, type StorageRef, storageRefs } from "../pickled-tensor.ts";
import { ObjectReader, type ObjectTypes, readArchivePickle } from "./objects.ts";

export interface ObjectOptions {
  /** The device on which what was saved on `device` (`cuda:0`) is put. Left out: the name is kept. */
  readonly mapLocation?: ((device: string) => string) | undefined;
}

const OLDEST_VERSION = 1;
const NEWEST_VERSION = 10;

/** Records of the archive's one folder, by their names inside it. */
export class Archive {
  readonly zip: Zip;
  readonly #root: string;
  readonly names: readonly string[];

  constructor(zip: Zip) {
    this.zip = zip;
    const [first] = zip.names;
    if (first === undefined) throw new OpwiseError("unsupported-format", "the archive is empty");
    this.#root = first.includes("/") ? first.slice(0, first.indexOf("/") + 1) : "";
    this.names = zip.names.filter((name) => name.startsWith(this.#root) && !name.endsWith("/")).map((name) => name.slice(this.#root.length));
  }

  has(name: string): boolean {
    return this.zip.entry(this.#root + name) !== undefined;
  }
  sizeOf(name: string): number {
    return this.zip.entry(this.#root + name)?.size ?? 0;
  }
  read(name: string): Promise<Uint8Array> {
    return this.zip.read(this.#root + name);
  }
  record(name: string): Promise<StoredRecord> {
    return this.zip.record(this.#root + name);
  }
  async text(name: string): Promise<string> {
    return new TextDecoder().decode(await this.read(name));
  }
}

export async function versionOf(archive: Archive): Promise<number> {
  const record = archive.has(".data/version") ? ".data/version" : "version";
  const text = (await archive.text(record)).trim();
  const version = /^\d{1,6}$/.test(text) ? Number(text) : undefined;
  if (version === undefined || version < OLDEST_VERSION || version > NEWEST_VERSION) {
    throw new OpwiseError("unsupported-version", "the archive is of a version that cannot be read", {
      where: { record },
      wanted: `${OLDEST_VERSION} to ${NEWEST_VERSION}`,
      got: text.slice(0, 40),
    });
  }
  return version;
}

export async function checkByteOrder(archive: Archive): Promise<void> {
  if (!archive.has("byteorder")) return;
  const text = (await archive.text("byteorder")).trim();
  if (text !== "little") {
    throw new OpwiseError("unsupported-format", "the archive's tensors are not little-endian", {
      where: { record: "byteorder" },
      wanted: "little",
      got: text.slice(0, 40),
    });
  }
}

/** Reads one pickle record with its storages. `decode` is given the reader and the value. */
export async function readObjects(
  archive: Archive,
  unit: ObjectTypes,
  name: string,
  folder: string,
  options: ObjectOptions,
  limits: Limits,
): Promise<{ readonly reader: ObjectReader; readonly value: PickleValue }> {
  const { value, persistent } = readArchivePickle(await archive.read(name), name, limits);
  const mapDevice = options.mapLocation ?? ((device: string): string => device);
  const storages = new Map<string, StorageTemplate>();
  for (const ref of storageRefs(persistent)) {
    const known = storages.get(ref.key);
    const claimed = refBytes(ref);
    const record = `${folder}/${ref.key}`;
    if (known !== undefined) {
      // Two dtypes over one storage may round its length differently.
      if (claimed > known.nbytes)
        throw new OpwiseError("bad-tensor", "one storage is given two lengths", { where: { record }, wanted: `${known.nbytes} bytes`, got: `${claimed}` });
      continue;
    }
    const source: Source =
      claimed === 0 && !archive.has(record)
        ? { name: record, size: 0, read: () => new Uint8Array(0), readSync: () => new Uint8Array(0) }
        : await archive.record(record);
    if (!Number.isSafeInteger(claimed) || claimed > source.size) {
      throw new OpwiseError("bad-tensor", "a storage claims more than its record holds", {
        where: { record },
        wanted: `${claimed} bytes`,
        got: `${source.size}`,
      });
    }
    storages.set(ref.key, {
      source: claimed === source.size ? source : subSource(source, { offset: 0, length: claimed }),
      nbytes: claimed,
      device: mapDevice(ref.location),
    });
  }
  const storageOf = (ref: StorageRef): StorageTemplate => {
    const found = storages.get(ref.key);
    if (found === undefined) throw new OpwiseError("internal", `the storage \`${ref.key}\` was not collected`);
    return found;
  };
  return { reader: new ObjectReader(unit, name, storageOf, mapDevice), value };
}

/** Extra files by name. */
export async function extraOf(archive: Archive): Promise<ReadonlyMap<string, string>> {
  const extra = new Map<string, string>();
  for (const name of archive.names) if (name.startsWith("extra/")) extra.set(name.slice("extra/".length), await archive.text(name));
  return extra;
}
