/**
 * The backend over WebAssembly kernels that are emitted when they are first needed. Every dtype lives in its linear memory; what
 * it has no kernel for (sorting, factorisations, random numbers, host work) is refused with the reason and runs on the cpu.
 */

import type { Backend } from "../../prims/backend.ts";
import type { Call, Region } from "../../prims/call.ts";
import { uploaded } from "../../prims/upload.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import type { Buffer, ByteSource } from "../../tensor/storage.ts";
import type { View } from "../../tensor/tensor.ts";
import { type Block, LinearMemory } from "./memory.ts";
import { Arenas } from "./arenas.ts";
import { residentAt, WasmBuffer } from "./buffer.ts";
import { Launcher } from "./launcher.ts";
import { Packing } from "./packing.ts";
import { compileSegment } from "./plan.ts";
import { KernelRuntime } from "./runtime.ts";
import * as toolkit from "./toolkit.ts";
import { ThreadPool, threadsRefused } from "./threads.ts";

export interface WasmOptions {
  /**
   * Bytes of packed weights beyond which convolutions no longer keep filters in the larger forms that fewer multiplications need (1.8 or four times the
   * filters' size): their plain form is then used, at up to a third of the speed. Default: 64 MiB.
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

const PACKED_LIMIT = 64 * 2 ** 20;

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

let isFirst = true;

/**
 * Whether a memory that no thread shares should be shared all the same. V8 counts one of its own as so much garbage to come, untouched pages too, and collects several times while
 * a first model is made ready: a twelfth of that. But counting has it collect backends that nobody disposed of, so this holds for the first of a process alone.
 */
function isUncounted(): boolean {
  const is = isFirst && typeof SharedArrayBuffer !== "undefined";
  isFirst = false;
  return is;
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
  const memory = new LinearMemory(isUncounted() || count > 1);
  const runtime = new KernelRuntime(memory);
  const launcher = new Launcher(runtime);
  if (count > 1) runtime.pool = new ThreadPool(count, memory, options.workerUrl);
  const alive = new Set<WasmBuffer>();

  const bufferOf = (handle: Buffer | undefined): WasmBuffer => (handle instanceof WasmBuffer ? handle : unreachable("a buffer of this backend"));
  const own = (buffer: WasmBuffer): WasmBuffer => {
    alive.add(buffer);
    return buffer;
  };
  const allocate = (bytes: number, source?: ByteSource): WasmBuffer => own(new WasmBuffer(bytes, memory.allocateLasting(bytes), source));
  const packing = new Packing(memory, packedLimit);
  const arenas = new Arenas(memory);
  /** Packed forms that end with the running call. */
  const temporaries: Block[] = [];
  const packed = packing.forms((view) => {
    const buffer = bufferOf(view.storage.bufferOn(backend));
    return buffer.constant ? buffer : undefined;
  }, temporaries);
  const addressOf = (view: View): number => residentAt(memory, bufferOf(view.storage.bufferOn(backend)));

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
      const buffer = allocate(bytes.byteLength, storage.source);
      memory.write(residentAt(memory, buffer), bytes);
      return buffer;
    },
    // Besides the weights their packed forms, and room for a run: growing later would have the engine collect garbage in the first run.
    expect: (nbytes) => memory.expect(2 * nbytes + Math.min(3 * nbytes, packedLimit) + RUN_BYTES),
    reserve: (nbytes, _dtype, storage) => {
      const buffer = allocate(nbytes, storage.source);
      const address = residentAt(memory, buffer);
      return { buffer, bytes: () => memory.bytes.subarray(address, address + nbytes) };
    },
    receive: (storage, fill) => {
      const buffer = allocate(storage.nbytes, storage.source);
      const { address } = buffer.block ?? unreachable("a block that was allocated");
      const range = (): Uint8Array => memory.bytes.subarray(address, address + storage.nbytes);
      const arrive = async (): Promise<void> => {
        const target = range();
        try {
          await fill(target);
          // A memory that has grown may be elsewhere.
          if (target.length < storage.nbytes) storage.source?.fill?.(range());
        } finally {
          buffer.arrival = undefined;
        }
      };
      buffer.arrival = arrive();
      return { buffer, arrived: buffer.arrival };
    },
    blank: (nbytes) => {
      const buffer = allocate(nbytes);
      const address = residentAt(memory, buffer);
      memory.bytes.fill(0, address, address + nbytes);
      return buffer;
    },
    download: (handle, nbytes) => {
      const { block, fill } = bufferOf(handle);
      if (block !== undefined) return memory.bytes.slice(block.address, block.address + nbytes);
      const bytes = new Uint8Array(nbytes);
      fill?.(bytes);
      return bytes;
    },
    release: (handle) => {
      const buffer = bufferOf(handle);
      if (!alive.delete(buffer)) return;
      const free = (): void => {
        packing.drop(buffer);
        if (buffer.block !== undefined) memory.freeLasting(buffer.block);
      };
      if (buffer.arrival === undefined) free();
      else void buffer.arrival.then(free, free); // until then bytes are written there
    },
    readsOnHost: () => false,
    refuses: (what: Call | Region) => launcher.refuses(what),
    run: (what) => {
      for (const view of what.results) if (view.storage.bufferOn(backend) === undefined) view.storage.deviceWritten(backend, allocate(view.storage.nbytes));
      try {
        launcher.run(what, addressOf, packed);
      } finally {
        for (const block of temporaries.splice(0)) memory.free(block);
      }
      // The device's copy is now the only valid one, and no longer what was packed.
      for (const view of what.results) {
        const buffer = bufferOf(view.storage.bufferOn(backend));
        buffer.written();
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
        arenas,
        device: backend,
        constant: (storage, view) => {
          const known = storage.bufferOn(backend);
          if (known !== undefined) return bufferOf(known);
          const source = storage.unread;
          if (source?.fill === undefined) return bufferOf(uploaded(backend, storage, view.dtype));
          // It may be that only its packed forms are wanted.
          const buffer = own(new WasmBuffer(storage.nbytes, undefined, source));
          storage.cacheOnDevice(backend, buffer);
          return buffer;
        },
      }),
    extend: async () => {
      const { extensionOf } = await import("./extension/extension.ts");
      launcher.extension ??= extensionOf(toolkit, runtime, launcher);
    },
    joins: (parts, joined) => launcher.joins(parts, joined),
    live: () => ({ buffers: alive.size, bytes: memory.used }),
    dispose: () => {
      for (const buffer of [...alive]) backend.release(buffer);
      runtime.pool?.dispose();
      runtime.pool = undefined;
    },
  };
  return backend;
}
