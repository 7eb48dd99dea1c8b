/** Memory for one decoding: WebAssembly's where it may be had, so that kernels can work in it, else plain arrays. */

import type { ModuleBuilder } from "../wasm/module.ts";
import { PAGE_BYTES } from "../wasm/module.ts";

/** Bytes in front of each piece and behind it that a kernel may read or overrun. */
export const SLACK = 64;

/** Kernels of one module, compiled when first wanted; undefined where WebAssembly may not be used. */
export class Kernels {
  readonly #build: () => ModuleBuilder;
  #module: WebAssembly.Module | undefined | null = null;

  constructor(build: () => ModuleBuilder) {
    this.#build = build;
  }

  /** The exported functions, working in that memory. */
  instance(memory: WebAssembly.Memory): Readonly<Record<string, KernelFunction>> | undefined {
    if (this.#module === null) {
      try {
        this.#module = new WebAssembly.Module(this.#build().encode());
      } catch {
        this.#module = undefined; // a policy forbids it, or the engine lacks vectors: the same is done in JavaScript
      }
    }
    if (this.#module === undefined) return undefined;
    return new WebAssembly.Instance(this.#module, { env: { memory } }).exports as Readonly<Record<string, KernelFunction>>; // modules of ours export functions of numbers alone
  }
}

export type KernelFunction = (...numbers: readonly number[]) => void;

export class Workspace {
  /** Undefined where arrays are plain. */
  readonly memory: WebAssembly.Memory | undefined;
  #at = SLACK;

  /** Room for pieces of these many bytes. */
  constructor(sizes: readonly number[], wasm: boolean) {
    const total = sizes.reduce((sum, size) => sum + Workspace.#padded(size), SLACK);
    this.memory = wasm ? memoryOf(total) : undefined;
  }

  static #padded(size: number): number {
    return Math.ceil(size / 16) * 16 + SLACK;
  }

  #take(nbytes: number): number {
    const at = this.#at;
    this.#at += Workspace.#padded(nbytes);
    return at;
  }

  /** Zeroed bytes. */
  bytes(length: number): Uint8Array {
    return this.memory === undefined ? new Uint8Array(length) : new Uint8Array(this.memory.buffer, this.#take(length), length);
  }
  /** Zeroed 16-bit numbers. */
  shorts(length: number): Int16Array {
    return this.memory === undefined ? new Int16Array(length) : new Int16Array(this.memory.buffer, this.#take(2 * length), length);
  }
  /** Zeroed 32-bit numbers. */
  ints(length: number): Int32Array {
    return this.memory === undefined ? new Int32Array(length) : new Int32Array(this.memory.buffer, this.#take(4 * length), length);
  }
}

function memoryOf(nbytes: number): WebAssembly.Memory | undefined {
  if (typeof WebAssembly === "undefined") return undefined;
  try {
    return new WebAssembly.Memory({ initial: Math.ceil(nbytes / PAGE_BYTES) });
  } catch {
    return undefined; // more than one memory may have: plain arrays may still do
  }
}
