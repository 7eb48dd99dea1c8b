/** What the pool and its threads share: the control block's words, and what a thread is started with. */

/** What the pool sends first. */
export interface Setup {
  readonly memory: WebAssembly.Memory;
  readonly control: SharedArrayBuffer;
  readonly dense: WebAssembly.Module;
  /** Exports of the dense module in the order of their numbers. */
  readonly names: readonly string[];
}

export type Run = (...args: number[]) => unknown;

/** One part of a group, as a thread runs it. */
export interface Part {
  /** Parts of the group that have to be done before: those of earlier stages. */
  readonly after: number;
  readonly calls: readonly { readonly run: Run; readonly args: readonly number[] }[];
}

/**
 * Words of the control block. `done`: finished parts of the group; `waiting`: threads that sleep until it changes. `sleepers`: threads that sleep until there is
 * a group; `playing`: whether groups follow each other closely.
 */
export const CONTROL = {
  ticket: 0,
  done: 1,
  group: 2,
  address: 3,
  waiting: 4,
  sleepers: 5,
  library: 6,
  failed: 7,
  stop: 8,
  numbered: 9,
  playing: 10,
  ready: 11,
  words: 16,
} as const;
/** A ticket is the group's turn and the next part to take; so a thread that comes late takes nothing of another group. */
export const PART_BITS = 12;
/** The part of a ticket while a group is being handed out: there is nothing to take. */
export const CLOSED: number = (1 << PART_BITS) - 1;

/**
 * A group in memory, in words of float64: how many parts it has; for each part how many have to be done before it begins, and its number of calls; then,
 * part by part, each call's kernel, number of arguments, and arguments.
 */
export const GROUP = { head: 1, part: 2 } as const;

/** Words before a printed kernel's bytes: address of the next entry, its number, its length. */
export const ENTRY_WORDS = 4;
/** Where the dense kernels of each thread have an area of their own, for tiles that stick out of their result: the pool's thread first. */
export const SPILL_START = 4096;
export const SPILL_BYTES = 192;

/** A thread that sleeps looks again after this long. */
const LONGEST_SLEEP_MS = 10;

/**
 * Takes parts of the group whose turn it is, until none is left. A thread never holds a part that it cannot begin: while an earlier stage is unfinished, it
 * looks on, and after `spins` looks it sleeps where `maySleep`.
 */
export function takeParts(control: Int32Array, turn: number, parts: readonly Part[], spins: number, maySleep: boolean, failed: (error: unknown) => void): void {
  for (let spin = 0; ;) {
    const ticket = Atomics.load(control, CONTROL.ticket);
    const number = ticket & CLOSED;
    const part = parts[number];
    if (ticket >>> PART_BITS !== turn || part === undefined) return;
    if (part.after > 0 && Atomics.load(control, CONTROL.done) < part.after) {
      if (++spin > spins && maySleep) awaitDone(control, part.after);
      continue;
    }
    if (Atomics.compareExchange(control, CONTROL.ticket, ticket, ticket + 1) !== ticket) continue;
    spin = 0;
    try {
      for (const { run, args } of part.calls) Reflect.apply(run, undefined, args);
    } catch (error) {
      failed(error);
    }
    Atomics.add(control, CONTROL.done, 1);
    if (Atomics.load(control, CONTROL.waiting) > 0) Atomics.notify(control, CONTROL.done);
  }
}

/** Sleeps until more parts are done, where fewer than `count` are: the machine is busy, and looking on would keep the late thread from a core. */
export function awaitDone(control: Int32Array, count: number): void {
  Atomics.add(control, CONTROL.waiting, 1);
  const done = Atomics.load(control, CONTROL.done);
  if (done < count) Atomics.wait(control, CONTROL.done, done, LONGEST_SLEEP_MS);
  Atomics.sub(control, CONTROL.waiting, 1);
}
