/** What the pool and its threads share: the control block's words, and what a thread is started with. */

/** What the pool sends first. */
export interface Setup {
  readonly memory: WebAssembly.Memory;
  readonly control: SharedArrayBuffer;
}

export type Run = (...args: number[]) => unknown;

/** One part of a group, as a thread runs it. */
export interface Part {
  /** Parts of the group that have to be done before: those of earlier stages. */
  readonly after: number;
  readonly calls: readonly { readonly run: Run; readonly args: readonly number[] }[];
}

/**
 * Words of the control block. `turn`: which group it is the turn of; `done`: finished parts of it; `group`, `address`, `length`, `count`: its number, where it
 * is, its words, its parts; `waiting`: threads that sleep until that changes; `sleepers`:
 * threads that sleep until there is a group; `playing`: whether groups follow each other closely. From `tickets` on each thread has a line of the cache
 * with the next part to take of its own.
 */
export const CONTROL = {
  turn: 0,
  done: 1,
  group: 2,
  address: 3,
  length: 4,
  count: 5,
  waiting: 6,
  sleepers: 7,
  library: 8,
  failed: 9,
  stop: 10,
  numbered: 11,
  playing: 12,
  ready: 13,
  tickets: 16,
} as const;
/** Words of a line of the cache. */
const LINE = 16;
export const ticketOf = (thread: number): number => CONTROL.tickets + thread * LINE;
/** A ticket is the turn and the number of the next part; so a thread that comes late takes nothing of another group. */
export const PART_BITS = 12;
/** The part of a ticket while a group is being handed out: there is nothing to take. */
export const CLOSED: number = (1 << PART_BITS) - 1;

/**
 * A group in memory, in words of float64: how many parts are each thread's own; for each part how many have to be done before it begins, and its number of calls;
 * then, part by part, each call's kernel, number of arguments, and arguments.
 */
export const PART_WORDS = 2;

/** Words before a printed kernel's bytes: address of the next entry, its number, its length. */
export const ENTRY_WORDS = 4;
/** Where the dense kernels of each thread have an area of their own, for tiles that stick out of their result: the pool's thread first. */
export const SPILL_START = 4096;
export const SPILL_BYTES = 192;

/** Looks at one's own next part before those of others are taken. */
const COURTESY = 32;

/** A thread that sleeps looks again after this long. */
const LONGEST_SLEEP_MS = 10;

/** What a thread takes parts of, and how long it looks on before it sleeps. */
export interface Taking {
  readonly control: Int32Array;
  /** Its number. */
  readonly thread: number;
  readonly spins: number;
  readonly maySleep: boolean;
  readonly failed: (error: unknown) => void;
}

/**
 * Takes parts of the group whose turn it is, until none is left: those that are the thread's own, so that it finds in its cache what it wrote in the stage
 * before, then those of others. A thread never holds a part that it cannot begin.
 * @param lists each thread's own parts, in order of stages
 */
export function takeParts({ control, thread, spins, maySleep, failed }: Taking, turn: number, lists: readonly (readonly Part[])[]): void {
  for (let spin = 0; ; spin++) {
    const done = Atomics.load(control, CONTROL.done);
    let isOver = true;
    // Owners are waited for a little: they are most often about to take their parts, and reading their tickets takes the lines from them.
    const owners = spin < COURTESY ? 1 : lists.length;
    for (let i = 0; i < owners; i++) {
      const owner = (thread + i) % lists.length;
      const word = ticketOf(owner);
      const ticket = Atomics.load(control, word);
      if (ticket >>> PART_BITS !== turn) return;
      const part = lists[owner]?.[ticket & CLOSED];
      if (part === undefined) continue;
      isOver = false;
      if (done < part.after) continue;
      if (Atomics.compareExchange(control, word, ticket, ticket + 1) !== ticket) break;
      try {
        for (const { run, args } of part.calls) Reflect.apply(run, undefined, args);
      } catch (error) {
        failed(error);
      }
      Atomics.add(control, CONTROL.done, 1);
      if (Atomics.load(control, CONTROL.waiting) > 0) Atomics.notify(control, CONTROL.done);
      spin = -1;
      break;
    }
    if (isOver && owners === lists.length) return;
    if (spin > spins && maySleep) awaitDone(control, done);
  }
}

/** Sleeps until other than `done` parts are done: the machine is busy, and looking on would keep the late thread from a core. */
export function awaitDone(control: Int32Array, done: number): void {
  Atomics.add(control, CONTROL.waiting, 1);
  Atomics.wait(control, CONTROL.done, done, LONGEST_SLEEP_MS);
  Atomics.sub(control, CONTROL.waiting, 1);
}
