/** Digests of data: equal for equal bits, so that a replay can be held to the run it repeats. */

import type { Datum } from "../ir/datum.ts";
import type { Storage } from "../tensor/storage.ts";
import { Tensor } from "../tensor/tensor.ts";

const PRIME = 0x01000193;

function mixText(h: number, text: string): number {
  let out = h;
  for (let i = 0; i < text.length; i++) out = Math.imul(out ^ text.charCodeAt(i), PRIME);
  return Math.imul(out ^ text.length, PRIME);
}

function mixBytes(h: number, bytes: Uint8Array): number {
  let out = Math.imul(h ^ bytes.byteLength, PRIME);
  const head = (4 - (bytes.byteOffset & 3)) & 3;
  const words = bytes.byteLength < head ? 0 : (bytes.byteLength - head) >> 2;
  if (head > 0 || words === 0) return mixUnaligned(out, bytes);
  const view = new Uint32Array(bytes.buffer, bytes.byteOffset, words);
  for (let i = 0; i < words; i++) {
    out = Math.imul(out ^ (view[i] ?? 0), PRIME);
    out ^= out >>> 15;
  }
  return mixUnaligned(out, bytes.subarray(words * 4));
}

function mixUnaligned(h: number, bytes: Uint8Array): number {
  let out = h;
  for (const byte of bytes) out = Math.imul(out ^ byte, PRIME);
  return out;
}

/** Digests data; each version of a storage is read once. */
export class Digester {
  readonly #reads: boolean;
  #known = new WeakMap<Storage, { readonly version: number; readonly digest: number }>();

  /** `reads`: whether bytes count. On a device they would have to be fetched, so there only shapes do. */
  constructor(reads: boolean) {
    this.#reads = reads;
  }

  /** Forgets what it knows: versions may come again with other contents after somebody went back. */
  reset(): void {
    this.#known = new WeakMap();
  }

  /** 32 bits over all that `values` hold. */
  of(values: readonly Datum[]): number {
    let h = 0x811c9dc5 | 0;
    for (const value of values) h = this.#mix(h, value, 0);
    return h;
  }

  #mix(h: number, value: Datum, depth: number): number {
    if (value instanceof Tensor) {
      const out = mixText(h, `${value.dtype}[${value.shape.join()}]${value.strides.join()}+${value.offset}`);
      return Math.imul(out ^ this.#storage(value.storage), PRIME);
    }
    if (value === null || typeof value !== "object") return mixText(h, `${typeof value}:${Object.is(value, -0) ? "-0" : String(value)}`);
    if ((value.kind === "list" || value.kind === "tuple") && depth < 8) {
      let out = mixText(h, `${value.kind}${value.items.length}`);
      for (const item of value.items) out = this.#mix(out, item, depth + 1);
      return out;
    }
    if (value.kind === "int" || value.kind === "float" || value.kind === "bool") return mixText(h, `${value.kind}:${String(value.value)}`);
    if (value.kind === "complex") return mixText(h, `${value.re},${value.im}`);
    return mixText(h, value.kind);
  }

  #storage(storage: Storage): number {
    if (!this.#reads) return storage.nbytes;
    const known = this.#known.get(storage);
    if (known?.version === storage.version) return known.digest;
    const digest = mixBytes(0, storage.bytes().subarray(0, storage.nbytes));
    this.#known.set(storage, { version: storage.version, digest });
    return digest;
  }
}
