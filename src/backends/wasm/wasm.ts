/**
 * The backend over WebAssembly kernels that are emitted when they are first needed. Every dtype lives in its linear memory; what
 * it has no kernel for (sorting, factorisations, random numbers, host work) is refused with the reason and runs on the cpu.
 */

import type { Backend } from "../../prims/backend.ts";
import type { Call, Region } from "../../prims/call.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import type { Buffer } from "../../tensor/storage.ts";
import type { View } from "../../tensor/tensor.ts";
import { type Block, LinearMemory } from "./memory.ts";
import { Launcher } from "./launcher.ts";
import type { Packed } from "./products.ts";
import { KernelRuntime } from "./runtime.ts";

/** A storage's bytes in linear memory. */
export class WasmBuffer {
  readonly block: Block;
  /** Whether the bytes came from the host and have not been written since: a weight, whose packed forms are worth keeping. */
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
}

const PACKED_LIMIT = 256 * 2 ** 20;

/** Bytes that one tensor may have: addresses have 32 bits, and there is more than one tensor. */
const MAX_BYTES = 2 ** 31;

/** A backend on WebAssembly: SIMD, one thread. @throws unsupported-environment where WebAssembly may not run */
export function wasm(options: WasmOptions = {}): Backend {
  const packedLimit = options.packedLimit ?? PACKED_LIMIT;
  if (typeof WebAssembly === "undefined") {
    throw new OpwiseError("bad-argument", "there is no WebAssembly here", { hint: "run on `cpu`; a page's Content-Security-Policy needs 'wasm-unsafe-eval'" });
  }
  const memory = new LinearMemory();
  const launcher = new Launcher(new KernelRuntime(memory));
  const alive = new Set<WasmBuffer>();

  const bufferOf = (handle: Buffer | undefined): WasmBuffer => (handle instanceof WasmBuffer ? handle : unreachable("a buffer of this backend"));
  const allocate = (bytes: number, constant: boolean): WasmBuffer => {
    const buffer = new WasmBuffer(memory.allocate(bytes), constant);
    alive.add(buffer);
    return buffer;
  };
  const unpack = (buffer: WasmBuffer): void => {
    for (const block of buffer.packed.values()) {
      memory.free(block);
      packedBytes -= block.size;
    }
    buffer.packed.clear();
  };
  /** Packed forms that end with the running call. */
  const temporaries: Block[] = [];
  let packedBytes = 0;
  const pack = (view: View, key: string, bytes: number, write: (to: number) => void): Block => {
    const buffer = bufferOf(view.storage.bufferOn(backend));
    const known = buffer.packed.get(key);
    if (known !== undefined) return known;
    const block = memory.allocate(bytes);
    write(block.address);
    if (buffer.constant) {
      buffer.packed.set(key, block);
      packedBytes += block.size;
    } else temporaries.push(block);
    return block;
  };
  const keeps = (view: View, key: string, bytes: number): boolean => {
    const buffer = bufferOf(view.storage.bufferOn(backend));
    return buffer.constant && (buffer.packed.has(key) || packedBytes + bytes <= packedLimit);
  };
  const packed: Packed = Object.assign(pack, { keeps });
  const addressOf = (view: View): number => bufferOf(view.storage.bufferOn(backend)).block.address;

  const backend: Backend = {
    name: "wasm",
    onHost: false,
    limits: { maxBytes: MAX_BYTES },
    upload: (bytes) => {
      const buffer = allocate(bytes.byteLength, true);
      memory.bytes.set(bytes, buffer.block.address);
      return buffer;
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
      unpack(buffer);
      memory.free(buffer.block);
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
        unpack(buffer);
        view.storage.deviceWritten(backend, buffer);
      }
    },
    live: () => ({ buffers: alive.size, bytes: memory.usage.bytes }),
    dispose: () => {
      for (const buffer of [...alive]) backend.release(buffer);
    },
  };
  return backend;
}
