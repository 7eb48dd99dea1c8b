/** Packed forms that a plan has asked for: where they will be is known at once, and they are packed when all weights have arrived. */

import type { WasmBuffer } from "./buffer.ts";
import type { Block, LinearMemory } from "./memory.ts";

interface Pending {
  readonly buffer: WasmBuffer;
  readonly pack: () => void;
  /** The weight's bytes, where their place has been handed over to what is packed after this. */
  from: Block | undefined;
}

export class Batch {
  readonly #memory: LinearMemory;
  #pending: Pending[] = [];
  /** Places of weights that are read no more when what is pending is done. */
  #spare: Block[] = [];
  readonly #before = new Set<Batch>();
  /** Of bytes on their way to blocks that may be let go. */
  readonly #arrivals = new Set<Promise<void>>();
  #isPacking = false;

  constructor(memory: LinearMemory) {
    this.#memory = memory;
  }

  /** Whether forms are being packed: what asks for a weight's address then reads its bytes. */
  get isPacking(): boolean {
    return this.#isPacking;
  }

  /** A form that `pack` makes of the buffer's bytes. */
  add(buffer: WasmBuffer, pack: () => void): void {
    if (buffer.arrival !== undefined) this.#arrivals.add(buffer.arrival);
    this.#pending.push({ buffer, pack, from: undefined });
    buffer.batch = this;
  }

  /** A form that another plan has asked for. */
  follow(batch: Batch): void {
    if (batch !== this) this.#before.add(batch);
  }

  /** A block of the size that is read no more when it is written. */
  take(size: number): Block | undefined {
    const at = this.#spare.findIndex((block) => block.size === size);
    return at < 0 ? undefined : this.#spare.splice(at, 1)[0];
  }

  /** A block that is free when what is pending is done. */
  give(block: Block): void {
    this.#spare.push(block);
  }

  /** Gives up a weight's bytes as the file has them, where no plan reads them: what has been asked for is packed from there, and what will be may lie there. */
  handOver(buffer: WasmBuffer): void {
    const block = buffer.batch === undefined || buffer.batch === this ? givenUp(buffer) : undefined;
    if (block === undefined) return;
    if (buffer.arrival !== undefined) this.#arrivals.add(buffer.arrival);
    for (const form of this.#pending) if (form.buffer === buffer) form.from ??= block;
    this.give(block);
  }

  /** Packs what is pending, in the order in which it was asked for. @throws as reading the file does; what is left stays pending */
  finish(): void {
    for (const batch of this.#before) batch.finish();
    this.#before.clear();
    for (let next = this.#pending[0]; next !== undefined; next = this.#pending[0]) {
      const { buffer, pack, from } = next;
      const resident = buffer.block;
      buffer.block = from ?? resident;
      this.#isPacking = true;
      try {
        pack();
      } finally {
        this.#isPacking = false;
        if (from !== undefined) buffer.block = resident;
      }
      this.#pending.shift();
      if (this.#pending.some((form) => form.buffer === buffer)) continue;
      buffer.batch = undefined;
      const read = givenUp(buffer); // it may have been read for this
      if (read !== undefined) this.give(read);
    }
    this.#arrivals.clear(); // all have arrived
    this.close();
  }

  /** Lets go of a buffer's forms, whose blocks have been given. */
  forget(buffer: WasmBuffer): void {
    this.#pending = this.#pending.filter((form) => form.buffer !== buffer);
    buffer.batch = undefined;
    this.close();
  }

  /** Frees what nothing pending reads. Forms are their weights', not the plan's: those that are pending stay so when it goes. */
  close(): void {
    if (this.#pending.length > 0) return;
    const arrivals = [...this.#arrivals];
    this.#arrivals.clear();
    const end = (): void => {
      for (const block of this.#spare.splice(0)) this.#memory.freeLasting(block);
    };
    if (arrivals.length === 0) end();
    else void Promise.allSettled(arrivals).then(end);
  }
}

/** The block of a weight's bytes, which the buffer is without from now on; undefined where a plan reads them as they are, or nothing is packed, or no file has them. */
function givenUp(buffer: WasmBuffer): Block | undefined {
  const { block, fill, users, packed } = buffer;
  if (fill === undefined || users > 0 || packed.size === 0) return undefined;
  buffer.block = undefined;
  return block;
}
