/** A thread of the pool: takes parts of groups of kernel invocations until it is told to stop. */

import {
  CONTROL,
  ENTRY_WORDS,
  type Part,
  PART_BITS,
  PART_WORDS,
  type Run,
  type Setup,
  SPILL_BYTES,
  SPILL_START,
  takeParts,
  ticketOf,
} from "./thread-protocol.ts";

/** Looks at what is new before it sleeps: about 30 us, and about a millisecond while a plan is playing and the next group is near. */
const SPINS = 20_000;
const SPINS_WHILE_PLAYING = 600_000;
/** Looks for a part that can begin, which take longer: about a millisecond. */
const SPINS_FOR_PARTS = 100_000;

/** Groups whose parts are kept as they are called. */
const MAX_GROUPS = 256;

const unknown: Run = () => undefined;

export function serve(setup: Setup): void {
  const { memory } = setup;
  const control = new Int32Array(setup.control);
  // The pool's own thread has the first spill area.
  const number = 1 + Atomics.add(control, CONTROL.numbered, 1);
  /** What modules may import: what they find around them, and the functions of those before them. */
  const env: WebAssembly.ModuleImports = { memory, spill: SPILL_START + number * SPILL_BYTES };
  const functions: (Run | undefined)[] = [];
  let entry = 0;

  /** Compiles the kernels that were made since. */
  const load = (): void => {
    const words = new Int32Array(memory.buffer);
    for (let next = entry === 0 ? Atomics.load(control, CONTROL.library) : (words[entry >> 2] ?? 0); next !== 0; next = words[entry >> 2] ?? 0) {
      const [, id = 0, length = 0] = words.subarray(next >> 2);
      const bytes = new Uint8Array(memory.buffer, next + ENTRY_WORDS * 4, length).slice();
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env });
      Object.assign(env, exports);
      Object.values(exports).forEach((run, i) => (functions[id + i] = run as Run)); // kernels are all that it exports
      entry = next;
    }
  };

  /** Each thread has a line for its tickets. */
  let threads = 0;
  while (ticketOf(threads) < control.length) threads++;
  const groups = new Map<number, readonly (readonly Part[])[]>();
  /**
   * Each thread's parts of the group whose turn it is, or undefined where that is over, or where this thread does not see yet how the memory has grown. What is not known
   * is read, with the kernels that were made for it.
   */
  const listsOf = (turn: number): readonly (readonly Part[])[] | undefined => {
    const group = Atomics.load(control, CONTROL.group);
    // Tickets change before the group does.
    const isOpen = (): boolean => Atomics.load(control, ticketOf(number)) >>> PART_BITS === turn;
    const known = groups.get(group);
    if (known !== undefined) return isOpen() ? known : undefined;
    const [address, length, count] = [Atomics.load(control, CONTROL.address), Atomics.load(control, CONTROL.length), Atomics.load(control, CONTROL.count)];
    const { buffer } = memory;
    if (!isOpen() || address + length * 8 > buffer.byteLength) return undefined;
    const words = new Float64Array(buffer, address, length).slice();
    // While a part is left to do, the memory is the group's.
    if (Atomics.load(control, CONTROL.done) >= count || !isOpen()) return undefined;
    load();
    let isComplete = true;
    const lengths = Array.from(words.subarray(0, threads));
    let part = threads;
    let at = threads + lengths.reduce((sum, length) => sum + length, 0) * PART_WORDS;
    const lists = lengths.map((length) =>
      Array.from({ length }, (): Part => {
        const [after = 0, count = 0] = words.subarray(part, part + PART_WORDS);
        part += PART_WORDS;
        const calls = Array.from({ length: count }, () => {
          const [id = 0, size = 0] = words.subarray(at, at + 2);
          const args = Array.from(words.subarray(at + 2, at + 2 + size));
          at += 2 + size;
          const run = functions[id];
          if (run === undefined) isComplete = false;
          return { run: run ?? unknown, args };
        });
        return { after, calls };
      }),
    );
    if (!isComplete) return undefined;
    for (const [oldest] of groups) {
      if (groups.size < MAX_GROUPS) break;
      groups.delete(oldest);
    }
    groups.set(group, lists);
    return lists;
  };

  Atomics.add(control, CONTROL.ready, 1);
  const failed = (): void => void Atomics.store(control, CONTROL.failed, 1); // a kernel trapped: the pool raises it
  const taking = { control, thread: number, spins: SPINS_FOR_PARTS, maySleep: true, failed };
  let seen = 0;
  for (;;) {
    let turn = Atomics.load(control, CONTROL.turn);
    const spins = Atomics.load(control, CONTROL.playing) === 0 ? SPINS : SPINS_WHILE_PLAYING;
    for (let spin = 0; turn === seen && spin < spins; spin++) turn = Atomics.load(control, CONTROL.turn);
    if (Atomics.load(control, CONTROL.stop) !== 0) return;
    if (turn === seen) {
      Atomics.add(control, CONTROL.sleepers, 1);
      Atomics.wait(control, CONTROL.turn, turn);
      Atomics.sub(control, CONTROL.sleepers, 1);
      continue;
    }
    seen = turn;
    try {
      const lists = listsOf(turn);
      if (lists !== undefined) takeParts(taking, turn, lists);
    } catch {
      // A kernel cannot be compiled here (no memory): the other threads do the work.
      return;
    }
  }
}

const node = typeof process === "undefined" ? undefined : process.getBuiltinModule("node:worker_threads");
if (node === undefined) addEventListener("message", (event: MessageEvent<Setup>) => serve(event.data), { once: true });
else if (node.isMainThread) throw new Error("this file runs in a worker");
else serve(node.workerData as Setup); // what the pool started it with
