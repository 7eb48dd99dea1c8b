/** What the pool and its threads share: the control block's words, and what a thread is started with. */

/** What the pool sends first. */
export interface Setup {
  readonly memory: WebAssembly.Memory;
  readonly control: SharedArrayBuffer;
  readonly dense: WebAssembly.Module;
  /** Exports of the dense module in the order of their numbers. */
  readonly names: readonly string[];
}

/** Words of the control block. */
export const CONTROL = { ticket: 0, count: 1, group: 2, done: 3, ready: 4, sleepers: 5, library: 6, failed: 7, stop: 8, numbered: 9, playing: 10, words: 16 } as const;
/** A ticket is the group's number and the next part to take; so a thread that comes late takes nothing of another group. */
export const PART_BITS = 12;
/** Words before a printed kernel's bytes: address of the next entry, its number, its length. */
export const ENTRY_WORDS = 4;
/** Where the dense kernels of each thread have an area of their own, for tiles that stick out of their result: the pool's thread first. */
export const SPILL_START = 4096;
export const SPILL_BYTES = 192;
