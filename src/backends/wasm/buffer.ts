/** What a storage has on the backend: a block of linear memory, packed forms of a weight, or the file to read it from. */

import type { ByteSource } from "../../tensor/storage.ts";
import type { Batch } from "./batch.ts";
import type { Block, LinearMemory } from "./memory.ts";

/** A storage's bytes in linear memory. */
export class WasmBuffer {
  readonly nbytes: number;
  /** Where the bytes are; nowhere while only packed forms of a weight are wanted. */
  block: Block | undefined;
  /** Writes the bytes once more, where they are a file's. */
  fill: ByteSource["fill"];
  /** Whether the bytes are a weight's and have not been written since: its packed forms are worth keeping. */
  constant: boolean;
  /** While a file's bytes are on their way to the block. */
  arrival: Promise<void> | undefined;
  /** What will pack forms of it. */
  batch: Batch | undefined;
  /** Plans that have its address. */
  users = 0;
  readonly packed: Map<string, Block> = new Map();

  constructor(nbytes: number, block: Block | undefined, source: ByteSource | undefined) {
    this.nbytes = nbytes;
    this.block = block;
    this.fill = source?.fill;
    this.constant = source !== undefined;
  }

  /** The bytes are now others than the file's. */
  written(): void {
    this.constant = false;
    this.fill = undefined;
  }
}

/** Address of the buffer's bytes, for what reads them once they have arrived. */
export function placeOf(memory: LinearMemory, buffer: WasmBuffer): number {
  return buffer.block?.address ?? residentAt(memory, buffer);
}

/** Address of the buffer's bytes, which are read from their file where they are nowhere or still on their way. */
export function residentAt(memory: LinearMemory, buffer: WasmBuffer): number {
  if (buffer.block !== undefined && buffer.arrival !== undefined) {
    const { address } = buffer.block;
    buffer.fill?.(memory.bytes.subarray(address, address + buffer.nbytes)); // the same bytes will come once more
  }
  if (buffer.block === undefined) {
    const block = memory.allocateLasting(buffer.nbytes);
    try {
      buffer.fill?.(memory.bytes.subarray(block.address, block.address + buffer.nbytes));
    } catch (error) {
      memory.freeLasting(block);
      throw error;
    }
    buffer.block = block;
  }
  return buffer.block.address;
}
