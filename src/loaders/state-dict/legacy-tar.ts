/**
 * What PyTorch 0.1 wrote: a tar archive of `storages` (their bytes, and views of them), `tensors` (sizes and strides over storages) and
 * `pickle` (the object, whose persistent ids are the tensors' numbers).
 */

import type { Limits } from "../../bytes/limits.ts";
import { readPickle } from "../../bytes/pickle.ts";
import { itemsOf, type PickleValue, safeIntOf, stringOf } from "../../bytes/pickle-value.ts";
import { readAll, subSource } from "../../bytes/source.ts";
import type { StorageTemplate, TensorTemplate } from "../../ir/template.ts";
import { type DType, itemsize } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Source } from "../../tensor/source.ts";
import { storageDType, stridedTensor } from "../pickled-tensor.ts";
import { allowedInCheckpoint, convertPickle } from "./convert.ts";
import type { SavedValue } from "./saved-value.ts";

const BLOCK = 512;
/** No tensor of that time had more. */
const MAX_RANK = 64;

interface Member {
  readonly offset: number;
  readonly size: number;
}

function textAt(bytes: Uint8Array, at: number, length: number): string {
  const field = bytes.subarray(at, at + length);
  const end = field.indexOf(0);
  return new TextDecoder("latin1").decode(end < 0 ? field : field.subarray(0, end));
}

/** The members of a tar archive by name; the first of a name counts. @throws truncated, bad-zip */
function membersOf(bytes: Uint8Array): Map<string, Member> {
  const members = new Map<string, Member>();
  for (let at = 0; at + BLOCK <= bytes.length;) {
    const name = textAt(bytes, at, 100);
    if (name === "") break;
    const digits = textAt(bytes, at + 124, 12).trim();
    if (!/^[0-7]{1,12}$/.test(digits)) throw new OpwiseError("bad-zip", "a member of the tar archive has no size");
    const size = parseInt(digits, 8);
    const offset = at + BLOCK;
    if (offset + size > bytes.length) throw new OpwiseError("truncated", `the member \`${name}\` of the tar archive runs past its end`);
    const plain = name.replace(/^\.\//, "");
    if (!members.has(plain)) members.set(plain, { offset, size });
    at = offset + Math.ceil(size / BLOCK) * BLOCK;
  }
  return members;
}

/** Reads pickles and numbers of one member, one after the other. */
class Cursor {
  readonly #bytes: Uint8Array;
  readonly #limits: Limits;
  readonly #record: string;
  at = 0;

  constructor(bytes: Uint8Array, record: string, limits: Limits) {
    this.#bytes = bytes;
    this.#record = record;
    this.#limits = limits;
  }

  pickle(): PickleValue {
    const { value, end } = readPickle(this.#bytes, { allow: allowedInCheckpoint, limits: this.#limits, offset: this.at, record: this.#record });
    this.at = end;
    return value;
  }

  skip(count: number): number {
    const start = this.at;
    if (count < 0 || start + count > this.#bytes.length) throw new OpwiseError("truncated", "the record ends too early", { where: { record: this.#record } });
    this.at = start + count;
    return start;
  }

  int32(): number {
    const start = this.skip(4);
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + start, 4).getInt32(0, true);
  }

  int64(): number {
    const start = this.skip(8);
    const value = Number(new DataView(this.#bytes.buffer, this.#bytes.byteOffset + start, 8).getBigInt64(0, true));
    if (!Number.isSafeInteger(value)) throw new OpwiseError("bad-tensor", "a number of a tensor is beyond 2^53", { where: { record: this.#record } });
    return value;
  }

  int64s(count: number): number[] {
    return Array.from({ length: count }, () => this.int64());
  }
}

interface TypedStorage {
  readonly storage: StorageTemplate;
  readonly dtype: DType;
}

/** What a key or id is in the tables: a number or its text. */
function keyOf(value: PickleValue | undefined): string {
  if (value?.kind === "int") return String(value.value);
  if (value?.kind === "string") return value.value;
  throw new OpwiseError("bad-pickle", "a storage or tensor has no key");
}

function typeOf(value: PickleValue | undefined): DType {
  const dtype = value?.kind === "global" ? storageDType(value.fullName) : undefined;
  if (dtype === undefined || dtype === "untyped") throw new OpwiseError("bad-tensor", "a storage has no known class");
  return dtype;
}

/** The object that the archive holds. @throws bad-zip, truncated, unsafe-pickle, bad-pickle, bad-tensor, missing-record, limit-exceeded */
export async function readLegacyTar(source: Source, limits: Limits): Promise<SavedValue> {
  const bytes = await readAll(source, limits.maxFileBytes);
  const members = membersOf(bytes);
  const member = (name: string): Member => {
    const found = members.get(name);
    if (found === undefined) {
      throw new OpwiseError("missing-record", `the tar archive has no member \`${name}\``, {
        where: { record: name },
        got: [...members.keys()].slice(0, 8).join(", "),
        hint: "this is a checkpoint of PyTorch 0.1 only if it has `storages`, `tensors` and `pickle`; unpack any other archive first",
      });
    }
    return found;
  };
  const cursorOf = (name: string): Cursor => {
    const { offset, size } = member(name);
    return new Cursor(bytes.subarray(offset, offset + size), name, limits);
  };

  const storages = new Map<string, TypedStorage>();
  const first = cursorOf("storages");
  const base = member("storages").offset;
  const count = safeIntOf(first.pickle());
  for (let i = 0; i < count; i++) {
    const [key, location, type] = itemsOf(first.pickle());
    const dtype = typeOf(type);
    const nbytes = first.int64() * itemsize(dtype);
    const start = first.skip(nbytes);
    const name = keyOf(key);
    const device = location === undefined ? "cpu" : stringOf(location);
    storages.set(name, { dtype, storage: { source: subSource(source, { offset: base + start, length: nbytes }, `storage ${name}`), nbytes, device } });
  }
  for (const view of itemsOf(first.pickle())) {
    const [target, rootKey, offset, numel] = itemsOf(view);
    const root = storages.get(keyOf(rootKey));
    if (root === undefined || offset === undefined || numel === undefined) throw new OpwiseError("bad-tensor", "a view is of no storage");
    const range = { offset: safeIntOf(offset) * itemsize(root.dtype), length: safeIntOf(numel) * itemsize(root.dtype) };
    if (range.offset < 0 || range.length < 0 || range.offset + range.length > root.storage.nbytes)
      throw new OpwiseError("bad-tensor", "a view reaches out of its storage");
    storages.set(keyOf(target), {
      dtype: root.dtype,
      storage: { source: subSource(root.storage.source, range), nbytes: range.length, device: root.storage.device },
    });
  }

  const tensors = new Map<string, TensorTemplate>();
  const second = cursorOf("tensors");
  const tensorCount = safeIntOf(second.pickle());
  for (let i = 0; i < tensorCount; i++) {
    const [key, storageKey] = itemsOf(second.pickle());
    const found = storages.get(keyOf(storageKey));
    if (found === undefined) throw new OpwiseError("bad-tensor", "a tensor is of no storage");
    const rank = second.int32();
    second.skip(4); // the rank was written in eight bytes
    if (rank < 0 || rank > MAX_RANK) throw new OpwiseError("bad-tensor", "a tensor has an impossible number of dimensions", { got: String(rank) });
    const shape = second.int64s(rank);
    const strides = second.int64s(rank);
    const offset = second.int64();
    tensors.set(keyOf(key), stridedTensor({ storage: found.storage, dtype: found.dtype, shape, strides, offset, requiresGrad: false }));
  }

  return convertPickle(cursorOf("pickle").pickle(), {
    storageOf: () => {
      throw new OpwiseError("bad-pickle", "the object names a storage where a tensor belongs");
    },
    tensorOf: (id) => {
      // A pair is a class with its source: a whole module.
      if (id.kind === "tuple") throw new OpwiseError("unsafe-pickle", "the file holds a Python class");
      const tensor = tensors.get(keyOf(id));
      if (tensor === undefined) throw new OpwiseError("bad-tensor", `the file has no tensor \`${keyOf(id)}\``);
      return tensor;
    },
  });
}
