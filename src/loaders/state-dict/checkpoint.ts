/**
 * Reads what `torch.save` writes (.pth, .pt without code), in the zip form and the legacy one, as inert data. Nothing is run:
 * a file that holds Python objects other than tensors and containers is refused.
 */

import { describeFormat, SNIFF_BYTES, sniffFormat } from "../../bytes/format.ts";
import { DEFAULT_LIMITS, type Limits } from "../../bytes/limits.ts";
import { readPickle } from "../../bytes/pickle.ts";
import { boolOf, describePickle, itemsOf, numberOf, type PickleEntry, type PickleValue, safeIntOf, stringOf } from "../../bytes/pickle-value.ts";
import { readAll, subSource } from "../../bytes/source.ts";
import { openZip, type Zip } from "../../bytes/zip.ts";
import type { StorageTemplate, TensorTemplate } from "../../ir/template.ts";
import type { DType } from "../../tensor/dtype.ts";
import { OpwiseError, isOpwiseError } from "../../tensor/error.ts";
import type { Source } from "../../tensor/source.ts";
import { dtypeOfGlobal, isTensor, isTensorGlobal, rebuildTensor, refBytes, type StorageRef, storageRefs } from "../pickled-tensor.ts";

/** A value of a checkpoint. Containers that the file shares are one object here too. */
export type SavedValue =
  | { readonly kind: "none" }
  | { readonly kind: "bool"; readonly value: boolean }
  /** A safe number, else a bigint; of any size. */
  | { readonly kind: "int"; readonly value: number | bigint }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "complex"; readonly re: number; readonly im: number }
  | { readonly kind: "str"; readonly value: string }
  | { readonly kind: "bytes"; readonly value: Uint8Array }
  | { readonly kind: "tensor"; readonly tensor: TensorTemplate; readonly parameter: boolean }
  | { readonly kind: "list" | "tuple" | "set"; readonly items: SavedValue[] }
  | SavedDict
  /** `torch.Size`. */
  | { readonly kind: "size"; readonly dims: readonly number[] }
  | { readonly kind: "dtype"; readonly dtype: DType }
  | { readonly kind: "device"; readonly value: string };

export interface SavedDict {
  readonly kind: "dict";
  /** A `collections.OrderedDict`. */
  readonly ordered: boolean;
  readonly entries: (readonly [SavedValue, SavedValue])[];
}

export interface CheckpointOptions {
  readonly limits?: Limits | undefined;
}

const COMPLEX = new Set(["builtins.complex", "__builtin__.complex"]);
const SETS = new Set(["builtins.set", "__builtin__.set"]);

function allowed(global: string): boolean {
  return (
    isTensorGlobal(global) || COMPLEX.has(global) || SETS.has(global) || global === "torch.Size" || global === "torch.device" || global === "_codecs.encode"
  );
}

/**
 * The object that a `torch.save` file holds. Tensors are ranges of `source`.
 * @throws unsupported-format, unsafe-pickle, bad-pickle, bad-tensor, bad-zip, missing-record, truncated, limit-exceeded
 */
export async function readCheckpoint(source: Source, options: CheckpointOptions = {}): Promise<SavedValue> {
  const limits = options.limits ?? DEFAULT_LIMITS;
  try {
    const head = await source.read({ offset: 0, length: Math.min(SNIFF_BYTES, source.size) });
    const format = sniffFormat(head, source.size);
    if (format === "zip") return await readZipForm(await openZip(source, limits), limits);
    if (format === "torch-legacy") return await readLegacyForm(source, limits);
    throw new OpwiseError("unsupported-format", "the file is not what torch.save writes", {
      wanted: "a zip archive or a legacy checkpoint",
      got: describeFormat(format),
    });
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
  const { value } = readPickle(await zip.read(record), { allow: allowed, limits, record });
  const storages = new Map<string, StorageTemplate>();
  for (const ref of storageRefs(value)) {
    if (storages.has(ref.key)) continue;
    const name = `${root}data/${ref.key}`;
    const bytes = await zip.record(name);
    if (bytes.size < refBytes(ref)) throw shortStorage(name, ref, bytes.size);
    storages.set(ref.key, { source: bytes, nbytes: bytes.size, device: ref.location });
  }
  return convert(value, (ref) => need(storages, ref));
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
  const next = (): PickleValue => {
    const { value, end } = readPickle(bytes, { allow: allowed, limits, offset: at });
    at = end;
    return value;
  };
  next(); // the magic number, by which the format was recognised
  const protocol = safeIntOf(next());
  if (protocol !== 1001) throw new OpwiseError("unsupported-version", "the checkpoint is of another protocol", { wanted: "1001", got: String(protocol) });
  const system = next();
  const little = system.kind === "dict" ? system.entries.find(([key]) => key.kind === "string" && key.value === "little_endian")?.[1] : undefined;
  if (little !== undefined && !boolOf(little)) throw new OpwiseError("unsupported-format", "the checkpoint's numbers are not little-endian");
  const value = next();
  const keys = itemsOf(next()).map(stringOf);

  const roots = new Map<string, StorageRef>();
  const refs = storageRefs(value);
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
  return convert(value, (ref) => {
    if (ref.view === undefined) return need(storages, ref);
    const known = views.get(ref.key);
    if (known !== undefined) return known;
    const root = need(storages, { ...ref, key: ref.view.key });
    const offset = refBytes({ ...ref, numel: ref.view.offset });
    const part: StorageTemplate = { source: subSource(root.source, { offset, length: refBytes(ref) }), nbytes: refBytes(ref), device: ref.location };
    views.set(ref.key, part);
    return part;
  });
}

/** Pickle data as saved values. Its depth was bounded when it was read. */
function convert(root: PickleValue, storageOf: (ref: StorageRef) => StorageTemplate): SavedValue {
  const made = new Map<PickleValue, SavedValue>();
  const keep = (from: PickleValue, to: SavedValue): SavedValue => {
    made.set(from, to);
    return to;
  };
  const fill = (entries: readonly PickleEntry[], dict: SavedDict): void => {
    const at = new Map<unknown, number>();
    for (const [key, value] of entries) {
      const saved = visit(key);
      // A later value of a key replaces the earlier in its place.
      const name = "value" in saved ? `${saved.kind}:${String(saved.value)}` : saved;
      const known = at.get(name);
      if (known === undefined) {
        at.set(name, dict.entries.length);
        dict.entries.push([saved, visit(value)]);
      } else dict.entries[known] = [saved, visit(value)];
    }
  };
  const visit = (value: PickleValue): SavedValue => {
    const known = made.get(value);
    if (known !== undefined) return known;
    switch (value.kind) {
      case "none":
      case "bool":
      case "int":
      case "float":
      case "bytes":
        return value;
      case "string":
        return { kind: "str", value: value.value };
      case "tuple":
        return keep(value, { kind: "tuple", items: value.items.map(visit) });
      case "list":
      case "set": {
        const items: SavedValue[] = [];
        const list = keep(value, { kind: value.kind, items });
        for (const item of value.items) items.push(visit(item));
        return list;
      }
      case "dict": {
        const dict: SavedDict = { kind: "dict", ordered: false, entries: [] };
        keep(value, dict);
        fill(value.entries, dict);
        return dict;
      }
      case "global": {
        const dtype = dtypeOfGlobal(value.fullName);
        if (dtype !== undefined) return { kind: "dtype", dtype };
        throw new OpwiseError("unsafe-pickle", `the file holds ${describePickle(value)}, which is no data`);
      }
      case "reduce": {
        if (isTensor(value)) {
          const { tensor, parameter } = rebuildTensor(value, storageOf);
          return keep(value, { kind: "tensor", tensor, parameter });
        }
        return called(value);
      }
      case "object":
      case "persistent":
        throw new OpwiseError("unsafe-pickle", `the file holds ${describePickle(value)}, which is no data`);
      default:
        return value satisfies never;
    }
  };
  const called = (value: Extract<PickleValue, { kind: "reduce" }>): SavedValue => {
    const name = value.callable.fullName;
    const args = itemsOf(value.args);
    const first = (): PickleValue => {
      const [arg] = args;
      if (arg === undefined) throw new OpwiseError("bad-pickle", `\`${name}\` is called without arguments`);
      return arg;
    };
    if (name === "collections.OrderedDict") {
      const dict: SavedDict = { kind: "dict", ordered: true, entries: [] };
      keep(value, dict);
      const [given] = args;
      const pairs =
        given === undefined
          ? []
          : itemsOf(given).map((pair): PickleEntry => {
              const [key, item] = itemsOf(pair);
              if (key === undefined || item === undefined) throw new OpwiseError("bad-pickle", "an OrderedDict is not made of pairs");
              return [key, item];
            });
      fill([...pairs, ...(value.entries ?? [])], dict);
      return dict;
    }
    if (COMPLEX.has(name)) {
      const [re, im] = args;
      return { kind: "complex", re: re === undefined ? 0 : numberOf(re), im: im === undefined ? 0 : numberOf(im) };
    }
    if (SETS.has(name)) {
      const [items] = args;
      return keep(value, { kind: "set", items: items === undefined ? [] : itemsOf(items).map(visit) });
    }
    if (name === "torch.Size") return keep(value, { kind: "size", dims: itemsOf(first()).map(safeIntOf) });
    if (name === "torch.device") {
      const [type, index] = args.map(visit);
      if (type?.kind !== "str") throw new OpwiseError("bad-pickle", "a device has no name");
      return { kind: "device", value: index?.kind === "int" ? `${type.value}:${index.value}` : type.value };
    }
    if (name === "_codecs.encode") {
      // Protocol 2 writes bytes as a latin-1 text to be encoded.
      return { kind: "bytes", value: Uint8Array.from(stringOf(first()), (letter) => letter.charCodeAt(0) & 0xff) };
    }
    throw new OpwiseError("unsafe-pickle", `the file holds a call of \`${name}\`, which is not read as data`);
  };
  return visit(root);
}
