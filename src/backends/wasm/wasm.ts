/**
 * The backend over WebAssembly kernels that are emitted when they are first needed. Every dtype lives in its linear memory; what
 * it has no kernel for (sorting, factorisations, random numbers, host work) is refused with the reason and runs on the cpu.
 */

import type { Backend } from "../../prims/backend.ts";
import type { Call, Region } from "../../prims/call.ts";
import { uploaded } from "../../prims/upload.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import type { Buffer } from "../../tensor/storage.ts";
import type { View } from "../../tensor/tensor.ts";
import { type Block, LinearMemory } from "./memory.ts";
import { Launcher } from "./launcher.ts";
import { Packing } from "./packing.ts";
import { compileSegment } from "./plan.ts";
import { KernelRuntime } from "./runtime.ts";
import { ThreadPool, threadsRefused } from "./threads.ts";

/** A storage's bytes in linear memory. */
export class WasmBuffer {
  readonly block: Block;
  /** Whether the bytes are a weight's and have not been written since: its packed forms are worth keeping. */
  constant: boolean;
  readonly packed: Map<string, Block> = new Map();
  constructor(block: Block, constant: boolean) {
    this.block = block;
    this.constant = constant;
  }
}

export interface WasmOptions {
  /**
   * Bytes of packed weights beyond which convolutions no longer keep filters in the larger form that fewer multiplications need (four times the
   * filters' size): their plain form is then used, at up to a third of the speed. Default: 256 MiB.
   */
  readonly packedLimit?: number;
  /**
   * Threads that planned regions run on, the calling one among them; results have the same bits for any number. Default 1. Where there can
   * be none (a page that is not cross-origin isolated), one thread does it all, and `backend.threads` says why.
   */
  readonly threads?: number | undefined;
  /** The file `thread-worker.js` of this package, where a bundler puts it elsewhere than beside the code. */
  readonly workerUrl?: URL | string;
}

/** What a run of a network of usual size takes at most. */
const RUN_BYTES = 64 * 2 ** 20;

const PACKED_LIMIT = 256 * 2 ** 20;

/** Bytes that one tensor may have: addresses have 32 bits, and there is more than one tensor. */
const MAX_BYTES = 2 ** 31;

/** How many threads there are, and why not more. */
export interface Threads {
  readonly count: number;
  /** Those that have started: it takes some milliseconds. */
  readonly running: number;
  readonly refused: string | undefined;
}

export interface WasmBackend extends Backend {
  readonly threads: Threads;
  /** Kernels printed and compiled so far; those of products, convolutions and norms come with the backend and are not among them. */
  readonly compiledKernels: number;
}

/** A backend on WebAssembly. @throws unsupported-environment where WebAssembly may not run */
export function wasm(options: WasmOptions = {}): WasmBackend {
  const packedLimit = options.packedLimit ?? PACKED_LIMIT;
  if (typeof WebAssembly === "undefined") {
    throw new OpwiseError("bad-argument", "there is no WebAssembly here", { hint: "run on `cpu`; a page's Content-Security-Policy needs 'wasm-unsafe-eval'" });
  }
  const wanted = Math.max(1, Math.min(64, Math.floor(options.threads ?? 1)));
  const refused = wanted > 1 ? threadsRefused() : undefined;
  const count = refused === undefined ? wanted : 1;
  const memory = new LinearMemory(count > 1);
  const runtime = new KernelRuntime(memory);
  const launcher = new Launcher(runtime);
  if (count > 1) {
    const { module, kernels } = launcher.dense;
    runtime.pool = new ThreadPool(count, memory, module, Object.keys(kernels), Object.values(kernels), options.workerUrl);
  }
  const alive = new Set<WasmBuffer>();

  const bufferOf = (handle: Buffer | undefined): WasmBuffer => (handle instanceof WasmBuffer ? handle : unreachable("a buffer of this backend"));
  const allocate = (bytes: number, constant: boolean): WasmBuffer => {
    const buffer = new WasmBuffer(memory.allocateLasting(bytes), constant);
    alive.add(buffer);
    return buffer;
  };
  const packing = new Packing(memory, packedLimit);
  /** Packed forms that end with the running call. */
  const temporaries: Block[] = [];
  const packed = packing.forms((view) => {
    const buffer = bufferOf(view.storage.bufferOn(backend));
    return buffer.constant ? buffer : undefined;
  }, temporaries);
  const addressOf = (view: View): number => bufferOf(view.storage.bufferOn(backend)).block.address;

  const backend: WasmBackend = {
    name: "wasm",
    get threads() {
      const failure = runtime.pool?.failure;
      return { count, running: runtime.pool?.running ?? 1, refused: refused ?? (failure instanceof Error ? failure.message : undefined) };
    },
    get compiledKernels() {
      return runtime.compiled;
    },
    onHost: false,
    limits: { maxBytes: MAX_BYTES },
    upload: (bytes, _dtype, storage) => {
      const buffer = allocate(bytes.byteLength, storage.hasSource);
      memory.bytes.set(bytes, buffer.block.address);
      return buffer;
    },
    // Besides the weights their packed forms, and room for a run: growing later would have the engine collect garbage in the first run.
    expect: (nbytes) => memory.expect(2 * nbytes + Math.min(3 * nbytes, packedLimit) + RUN_BYTES),
    reserve: (nbytes, _dtype, storage) => {
      const buffer = allocate(nbytes, storage.hasSource);
      const { address } = buffer.block;
      return { buffer, bytes: () => memory.bytes.subarray(address, address + nbytes) };
    },
    blank: (nbytes) => {
      const buffer = allocate(nbytes, false);
      const { address } = buffer.block;
      memory.bytes.fill(0, address, address + nbytes);
      return buffer;
    },
    download: (handle, nbytes) => {
      const { address } = bufferOf(handle).block;
      return memory.bytes.slice(address, address + nbytes);
    },
    release: (handle) => {
      const buffer = bufferOf(handle);
      if (!alive.delete(buffer)) return;
      packing.drop(buffer);
      memory.freeLasting(buffer.block);
    },
    readsOnHost: () => false,
    refuses: (what: Call | Region) => launcher.refuses(what),
    run: (what) => {
      for (const view of what.results)
        if (view.storage.bufferOn(backend) === undefined) view.storage.deviceWritten(backend, allocate(view.storage.nbytes, false));
      try {
        launcher.run(what, addressOf, packed);
      } finally {
        for (const block of temporaries.splice(0)) memory.free(block);
      }
      // The device's copy is now the only valid one, and no longer what was packed.
      for (const view of what.results) {
        const buffer = bufferOf(view.storage.bufferOn(backend));
        buffer.constant = false;
        packing.drop(buffer);
        view.storage.deviceWritten(backend, buffer);
      }
    },
    compile: (segment) =>
      compileSegment(segment, {
        memory,
        runtime,
        launcher,
        packing,
        device: backend,
        constant: (storage, view) => {
          const known = storage.bufferOn(backend);
          if (known !== undefined) return bufferOf(known);
          return bufferOf(uploaded(backend, storage, view.dtype));
        },
      }),
    joins: (parts, joined) => launcher.joins(parts, joined),
    live: () => ({ buffers: alive.size, bytes: memory.usage.bytes }),
    dispose: () => {
      for (const buffer of [...alive]) backend.release(buffer);
      runtime.pool?.dispose();
      runtime.pool = undefined;
    },
  };
  return backend;
}
