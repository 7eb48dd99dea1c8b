/** Makes values of templates: lazily loaded storages, tensors, containers and objects, one value per template object. */

import { type Datum, type Instance, makeDict, makeList, makeTuple } from "../ir/datum.ts";
import type { ObjectTemplate, StorageTemplate, Template, TensorTemplate } from "../ir/template.ts";
import { unpackBits } from "../bytes/packed-bits.ts";
import { readInto, streamFrom } from "../bytes/source.ts";
import type { Backend } from "../prims/backend.ts";
import { streamed, uploaded, uploadedLater } from "../prims/upload.ts";
import type { DType } from "../tensor/dtype.ts";
import { internString } from "../tensor/strings.ts";
import { Storage } from "../tensor/storage.ts";
import { Tensor } from "../tensor/tensor.ts";
import { OpwiseError, unreachable } from "../tensor/error.ts";

/** Smaller storages stay where they are until they are used: sizes and indices are read by the host. */
const LEAST_BROUGHT = 256;

/** What is brought to a backend ahead of its use: storages of that size at least, and so many bytes in all. */
const LEAST_LATER = 64 * 1024;
const MOST_LATER = 256 * 2 ** 20;

/** Turns templates into data. One per session: sessions share a file's bytes, never values. */
export class Instantiator {
  readonly #data = new Map<Template | TensorTemplate, Datum>();
  readonly #storages = new Map<StorageTemplate, Storage>();
  readonly #dtypes = new Map<Storage, DType>();
  /** Objects whose `__setstate__` has to run, inner ones first. */
  readonly pendingStates: { readonly instance: Instance; readonly state: Datum }[] = [];

  /** All storages made so far. */
  get storages(): Iterable<Storage> {
    return this.#storages.values();
  }

  /** Whether it is one of them. */
  owns(storage: Storage): boolean {
    return this.#dtypes.has(storage);
  }

  /** Whether some bytes can only be read by waiting. */
  get waits(): boolean {
    for (const template of this.#storages.keys()) if (template.source.readSync === undefined) return true;
    return false;
  }

  /** Reads what can only be read by waiting (URLs, Blobs): to the host, or to the backend where it takes bytes from there. */
  prefetch(backend?: Backend): Promise<void> {
    const waits: Promise<void>[] = [];
    for (const [template, storage] of this.#storages) {
      if (template.source.readSync !== undefined || storage.onHost) continue;
      const source = storage.unread;
      const wait = backend === undefined || source === undefined ? storage.sync() : streamed(backend, storage, this.#dtypeOf(storage), source);
      if (wait instanceof Promise) waits.push(wait);
    }
    return allEnded(waits);
  }

  /** What nothing has read or written yet, of which a backend takes the file's bytes straight into its memory. */
  #unbrought(backend: Backend): Storage[] {
    if (backend.reserve === undefined) return [];
    const { maxBytes } = backend.limits;
    return [...this.#storages.values()].filter((s) => s.nbytes >= LEAST_BROUGHT && s.nbytes <= maxBytes && s.unread?.fill !== undefined);
  }

  /** Begins to bring large weights to the backend, while the caller goes on; up to a limit, since packed forms come beside some of them. */
  bringLater(backend: Backend): Promise<void> {
    const waits: Promise<void>[] = [];
    const unbrought = this.#unbrought(backend);
    backend.expect?.(unbrought.reduce((sum, storage) => sum + storage.nbytes, 0));
    let bytes = 0;
    for (const storage of unbrought) {
      const fillLater = storage.unread?.fillLater;
      if (fillLater === undefined || storage.nbytes < LEAST_LATER || bytes + storage.nbytes > MOST_LATER) continue;
      bytes += storage.nbytes;
      waits.push(uploadedLater(backend, storage, fillLater));
    }
    return allEnded(waits);
  }

  /** Brings what nothing has read or written yet, but for `ready`. @throws as reading the file does */
  bring(backend: Backend, ready: ReadonlySet<Storage>): void {
    for (const storage of this.#unbrought(backend)) if (!ready.has(storage)) uploaded(backend, storage, this.#dtypeOf(storage));
  }

  #dtypeOf(storage: Storage): DType {
    return this.#dtypes.get(storage) ?? "uint8";
  }

  tensor(template: TensorTemplate): Tensor {
    const known = this.#data.get(template);
    if (known instanceof Tensor) return known;
    const tensor = new Tensor(this.#storage(template.storage, template.dtype), template.dtype, template.shape, template.strides, template.offset);
    tensor.requiresGrad = template.requiresGrad;
    if (template.conj === true) tensor.conj = true;
    if (template.neg === true) tensor.neg = true;
    const q = template.quantizer;
    if (q !== undefined) {
      tensor.quantizer = q.scheme === "per_tensor_affine" ? q : { scheme: q.scheme, axis: q.axis, scales: this.tensor(q.scales), zeroPoints: this.tensor(q.zeroPoints) };
    }
    this.#data.set(template, tensor);
    return tensor;
  }

  #storage(template: StorageTemplate, dtype: DType): Storage {
    let storage = this.#storages.get(template);
    if (storage === undefined) {
      storage = makeStorage(template, dtype);
      this.#storages.set(template, storage);
      this.#dtypes.set(storage, dtype);
    }
    return storage;
  }

  /** The datum of a template; the same object for the same template. */
  datum(template: Template): Datum {
    switch (template.kind) {
      case "none": return null;
      case "bool":
      case "int":
      case "float":
      case "str": return template.value;
      case "complex": return template;
      default:
    }
    const known = this.#data.get(template);
    if (known !== undefined) return known;
    switch (template.kind) {
      case "tensor": return this.tensor(template.tensor);
      case "device": return this.#keep(template, { kind: "device", name: template.value });
      case "list": {
        const list = makeList(template.elem, []);
        this.#data.set(template, list);
        for (const item of template.items) list.items.push(this.datum(item));
        return list;
      }
      case "tuple": return this.#keep(template, makeTuple(template.items.map((i) => this.datum(i)), template.type?.kind === "NamedTuple" ? template.type : undefined));
      case "dict": return this.#keep(template, makeDict(template.key, template.value, template.entries.map(([k, v]) => [this.datum(k), this.datum(v)] as const)));
      case "enum": {
        const member = template.type.members.find((m) => m.name === template.member) ?? unreachable("enum member");
        return this.#keep(template, { kind: "enum", type: template.type, name: member.name, value: this.datum(member.value) });
      }
      case "object": return this.#object(template);
      case "foreign": return this.#keep(template, { kind: "host", name: template.className, value: this.datum(template.state) });
      case "type": return this.#keep(template, { kind: "host", name: "type", value: template.type });
      case "sparse": return this.#keep(template, sparseToDense(this.tensor(template.values), this.tensor(template.indices), template.shape));
      default: return template satisfies never;
    }
  }

  #keep(template: Template, value: Datum): Datum {
    this.#data.set(template, value);
    return value;
  }

  #object(template: ObjectTemplate): Instance {
    const instance: Instance = { kind: "instance", class: template.class, slots: new Array<Datum | undefined>(template.class.attributes.length) };
    this.#data.set(template, instance);
    if (template.state !== undefined) this.pendingStates.push({ instance, state: this.datum(template.state) });
    else template.fields.forEach((field, i) => (instance.slots[i] = this.datum(field)));
    return instance;
  }
}

/** Waits for all, also where one fails. @throws the first error */
async function allEnded(waits: readonly Promise<void>[]): Promise<void> {
  for (const one of await Promise.allSettled(waits)) if (one.status === "rejected") throw one.reason;
}

function makeStorage(template: StorageTemplate, dtype: DType): Storage {
  const { source, nbytes, packedBits, packedRow, strings } = template;
  if (strings !== undefined) {
    const ids = new Int32Array(strings.map((s) => internString(s)));
    return Storage.wrap(new Uint8Array(ids.buffer), false);
  }
  const range = { offset: 0, length: source.size };
  // A packed file has several elements to the byte, memory one: the last byte's spare ones come along unseen.
  const rowBytes = packedBits === undefined || packedRow === undefined ? undefined : Math.ceil((packedRow * packedBits) / 8);
  const count = packedBits === undefined ? nbytes : rowBytes === undefined || packedRow === undefined ? nbytes * (8 / packedBits) : rowBytes === 0 ? 0 : (nbytes / rowBytes) * packedRow;
  const shape = (bytes: Uint8Array): Uint8Array => {
    if (packedBits === undefined) return bytes;
    if (rowBytes === undefined || packedRow === undefined) return unpackBits(dtype, bytes, count);
    const out = new Uint8Array(count);
    for (let at = 0, from = 0; at < count; at += packedRow, from += rowBytes) out.set(unpackBits(dtype, bytes.subarray(from, from + rowBytes), packedRow), at);
    return out;
  };
  const load = (): Uint8Array | Promise<Uint8Array> => {
    if (source.readSync !== undefined) return shape(source.readSync(range));
    const bytes = source.read(range);
    return bytes instanceof Promise ? bytes.then(shape) : shape(bytes);
  };
  // A device may take the bytes from the file where memory has them as the file has.
  if (packedBits !== undefined || source.size !== nbytes) return Storage.lazy(count, { load });
  const { readLater } = source;
  const fillLater = readLater && ((target: Uint8Array) => readLater(range, target));
  if (source.readSync !== undefined) return Storage.lazy(count, { load, fill: (target) => readInto(source, range, target), fillLater });
  return Storage.lazy(count, { load, stream: (take) => streamFrom(source, range, take) });
}

/** A sparse initialiser as a dense tensor: indices are linear `[nnz]` or coordinates `[nnz, rank]`. */
function sparseToDense(values: Tensor, indices: Tensor, shape: readonly number[]): Tensor {
  const out = Tensor.zeros(shape, values.dtype);
  const [data, at, target] = [values.data, indices.data, out.data];
  const rank = indices.rank === 2 ? shape.length : 1;
  for (let i = 0; i < values.numel; i++) {
    let position = 0;
    for (let d = 0; d < rank; d++) position = position * (rank === 1 ? 1 : (shape[d] ?? 1)) + Number(at[i * rank + d]);
    const value = data[i] ?? 0;
    if (position < 0 || position >= target.length) throw new OpwiseError("bad-tensor", `sparse index ${position} lies outside shape [${shape.join(", ")}]`);
    if (target instanceof BigInt64Array || target instanceof BigUint64Array) target[position] = BigInt(value);
    else target[position] = Number(value);
  }
  return out;
}
