/** Memory for the values inside of plans. They are dead when a plan ends, and no two plans run at the same time: plans share it. */

import type { Block, LinearMemory } from "./memory.ts";

/** A block is larger than the largest before by this factor at least, so that sizes that grow bit by bit share a few. Pages that nothing touches cost nothing. */
const GROWTH = 1.25;

interface Shared {
  readonly block: Block;
  users: number;
}

export class Arenas {
  readonly #memory: LinearMemory;
  /** From the smallest to the largest. */
  #shared: Shared[] = [];

  constructor(memory: LinearMemory) {
    this.#memory = memory;
  }

  /** A block of at least so many bytes. @throws out-of-memory */
  take(bytes: number): Block {
    let shared = this.#shared.find(({ block }) => block.size >= bytes);
    if (shared === undefined) {
      const largest = this.#shared.at(-1)?.block.size ?? 0;
      shared = { block: this.#memory.allocateLasting(Math.max(bytes, Math.floor(largest * GROWTH))), users: 0 };
      this.#shared.push(shared);
    }
    shared.users++;
    return shared.block;
  }

  /** Gives back what a plan took. */
  give(block: Block): void {
    const shared = this.#shared.find((one) => one.block === block);
    if (shared === undefined || --shared.users > 0) return;
    this.#shared = this.#shared.filter((one) => one !== shared);
    this.#memory.freeLasting(block);
  }
}
