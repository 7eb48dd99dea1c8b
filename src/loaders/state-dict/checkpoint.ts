/**
 * Reads checkpoints as inert data: what `torch.save` writes (the zip form, the stream of five pickles before PyTorch 1.6, the tar archive of
 * 0.1), `.safetensors`, and indices of several such files. Nothing is run: a file that holds Python objects other than data is refused.
 */

import { describeFormat, SNIFF_BYTES, sniffFormat } from "../../bytes/format.ts";
import { DEFAULT_LIMITS, type Limits } from "../../bytes/limits.ts";
import { type PickleResult, readPickle } from "../../bytes/pickle.ts";
import { itemsOf, safeIntOf, stringOf } from "../../bytes/pickle-value.ts";
import { readAll, subSource } from "../../bytes/source.ts";
import { openZip, type Zip } from "../../bytes/zip.ts";
import type { StorageTemplate } from "../../ir/template.ts";
import { OpwiseError, isOpwiseError } from "../../tensor/error.ts";
import type { Source } from "../../tensor/source.ts";
import { refBytes, type StorageRef, storageRefs } from "../pickled-tensor.ts";
import { allowedInCheckpoint, convertPickle, isLittleEndian } from "./convert.ts";
import { readLegacyTar } from "./legacy-tar.ts";
import { readSafetensors } from "./safetensors.ts";
import type { SavedValue } from "./saved-value.ts";
import { readSharded } from "./sharded.ts";

export type { SavedDict, SavedValue } from "./saved-value.ts";

export interface CheckpointOptions {
  readonly limits?: Limits | undefined;
  /** The file is one of several that an index names. */
  readonly inIndex?: boolean | undefined;
}

/**
 * The object that a checkpoint holds. Tensors are ranges of `source`.
 * @throws unsupported-format, unsafe-pickle, bad-pickle, bad-tensor, bad-zip, missing-record, truncated, limit-exceeded
 */
export async function readCheckpoint(source: Source, options: CheckpointOptions = {}): Promise<SavedValue> {
  const limits = options.limits ?? DEFAULT_LIMITS;
  try {
    const head = await source.read({ offset: 0, length: Math.min(SNIFF_BYTES, source.size) });
    const format = sniffFormat(head, source.size);
    if (format === "json" && options.inIndex !== true) {
      return await readSharded(source, limits, (shard) => readCheckpoint(shard, { ...options, inIndex: true }));
    }
    switch (format) {
      case "zip":
        return await readZipForm(await openZip(source, limits), limits);
      case "torch-legacy":
        return await readLegacyForm(source, limits);
      case "tar":
        return await readLegacyTar(source, limits);
      case "safetensors":
        return (await readSafetensors(source, limits)).tensors;
      default:
        throw new OpwiseError("unsupported-format", "the file is no checkpoint", {
          wanted: "what torch.save writes, .safetensors, or an index of them",
          got: describeFormat(format),
        });
    }
  } catch (error) {
    if (!isOpwiseError(error)) throw error;
    const placed = error.at({ file: source.name });
    if (placed.code !== "unsafe-pickle") throw placed;
    throw new OpwiseError(placed.code, placed.message, {
      where: placed.where,
      got: placed.got,
      cause: error,
      hint: "save `model.state_dict()` in place of the whole model: Python classes cannot be read without Python",
    });
  }
}

async function readZipForm(zip: Zip, limits: Limits): Promise<SavedValue> {
  const record = zip.names.find((name) => name === "data.pkl" || /^[^/]+\/data\.pkl$/.test(name));
  if (record === undefined) throw new OpwiseError("missing-record", "the archive has no record `data.pkl`", { where: { record: "data.pkl" } });
  const root = record.slice(0, record.length - "data.pkl".length);
  if (zip.entry(`${root}byteorder`) !== undefined) {
    const order = new TextDecoder().decode(await zip.read(`${root}byteorder`)).trim();
    if (order !== "little")
      throw new OpwiseError("unsupported-format", "the archive's numbers are not little-endian", { where: { record: `${root}byteorder` }, got: order });
  }
  const { value, persistent } = readPickle(await zip.read(record), { allow: allowedInCheckpoint, limits, record });
  const storages = new Map<string, StorageTemplate>();
  for (const ref of storageRefs(persistent)) {
    if (storages.has(ref.key)) continue;
    const name = `${root}data/${ref.key}`;
    const bytes = await zip.record(name);
    if (bytes.size < refBytes(ref)) throw shortStorage(name, ref, bytes.size);
    storages.set(ref.key, { source: bytes, nbytes: bytes.size, device: ref.location });
  }
  return convertPickle(value, { storageOf: (ref) => need(storages, ref) });
}

function shortStorage(record: string, ref: StorageRef, got: number): OpwiseError {
  return new OpwiseError("bad-tensor", "a storage claims more bytes than its record has", {
    where: { record },
    wanted: `${refBytes(ref)} bytes`,
    got: `${got} bytes`,
  });
}

function need(storages: ReadonlyMap<string, StorageTemplate>, ref: StorageRef): StorageTemplate {
  const found = storages.get(ref.key);
  if (found === undefined) throw new OpwiseError("bad-tensor", `the file has no storage \`${ref.key}\``);
  return found;
}

/** Five pickles (magic number, protocol, system, object, keys), then each storage as a count and its elements. */
async function readLegacyForm(source: Source, limits: Limits): Promise<SavedValue> {
  const bytes = await readAll(source, limits.maxFileBytes);
  let at = 0;
  const next = (): PickleResult => {
    const pickle = readPickle(bytes, { allow: allowedInCheckpoint, limits, offset: at });
    at = pickle.end;
    return pickle;
  };
  next(); // the magic number, by which the format was recognised
  const protocol = safeIntOf(next().value);
  if (protocol !== 1001) throw new OpwiseError("unsupported-version", "the checkpoint is of another protocol", { wanted: "1001", got: String(protocol) });
  if (!isLittleEndian(next().value)) throw new OpwiseError("unsupported-format", "the checkpoint's numbers are not little-endian");
  const { value, persistent } = next();
  const keys = itemsOf(next().value).map(stringOf);

  const roots = new Map<string, StorageRef>();
  const refs = storageRefs(persistent);
  for (const ref of refs) if (!roots.has(ref.view?.key ?? ref.key)) roots.set(ref.view?.key ?? ref.key, ref);
  const storages = new Map<string, StorageTemplate>();
  for (const key of keys) {
    const ref = roots.get(key);
    if (ref === undefined) throw new OpwiseError("bad-tensor", `the storage \`${key}\` belongs to no tensor`);
    if (at + 8 > bytes.length) throw new OpwiseError("truncated", "the checkpoint ends before its storages do");
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, 8);
    const count = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
    const nbytes = refBytes({ ...ref, numel: count });
    at += 8;
    if (!Number.isSafeInteger(nbytes) || at + nbytes > bytes.length)
      throw new OpwiseError("truncated", `the storage \`${key}\` runs past the end of the file`, {
        wanted: `${nbytes} bytes`,
        got: `${bytes.length - at} bytes`,
      });
    storages.set(key, { source: subSource(source, { offset: at, length: nbytes }, `storage ${key}`), nbytes, device: ref.location });
    at += nbytes;
  }
  const views = new Map<string, StorageTemplate>();
  const storageOf = (ref: StorageRef): StorageTemplate => {
    if (ref.view === undefined) return need(storages, ref);
    const known = views.get(ref.key);
    if (known !== undefined) return known;
    const root = need(storages, { ...ref, key: ref.view.key });
    const offset = refBytes({ ...ref, numel: ref.view.offset });
    const part: StorageTemplate = { source: subSource(root.source, { offset, length: refBytes(ref) }), nbytes: refBytes(ref), device: ref.location };
    views.set(ref.key, part);
    return part;
  };
  return convertPickle(value, { storageOf });
}
