/** A thread of the pool: takes parts of groups of kernel invocations until it is told to stop. */

import { CONTROL, ENTRY_WORDS, PART_BITS, type Setup, SPILL_BYTES, SPILL_START } from "./thread-protocol.ts";

type Run = (...args: number[]) => unknown;

/** Loops over a load before it sleeps: about 30 us, and about a millisecond while a plan is playing and the next group is near. */
const SPINS = 20_000;
const SPINS_WHILE_PLAYING = 600_000;

export function serve(setup: Setup): void {
  const { memory } = setup;
  const control = new Int32Array(setup.control);
  // The pool's own thread has the first spill area.
  const number = 1 + Atomics.add(control, CONTROL.numbered, 1);
  const env = { memory, spill: SPILL_START + number * SPILL_BYTES };
  const functionsOf = (module: WebAssembly.Module): WebAssembly.Exports => new WebAssembly.Instance(module, { env }).exports;
  const dense = functionsOf(setup.dense);
  const functions: Run[] = setup.names.map((name) => dense[name] as Run); // the module's functions
  let entry = 0;

  /** Compiles the kernels that were printed since. */
  const load = (): void => {
    const words = new Int32Array(memory.buffer);
    for (let next = entry === 0 ? Atomics.load(control, CONTROL.library) : (words[entry >> 2] ?? 0); next !== 0; next = words[entry >> 2] ?? 0) {
      const [, id = 0, length = 0] = words.subarray(next >> 2);
      const bytes = new Uint8Array(memory.buffer, next + ENTRY_WORDS * 4, length).slice();
      Object.values(functionsOf(new WebAssembly.Module(bytes))).forEach((run, i) => (functions[id + i] = run as Run)); // kernels are all that it exports
      entry = next;
    }
  };

  const runPart = (numbers: Float64Array, at: number): void => {
    let word = (numbers[at] ?? 0) + 1;
    for (let left = numbers[word - 1] ?? 0; left > 0; left--) {
      const run = functions[numbers[word] ?? 0];
      const count = numbers[word + 1] ?? 0;
      word += 2;
      Reflect.apply(run as Run, undefined, numbers.subarray(word, word + count)); // published before the group was
      word += count;
    }
  };

  Atomics.add(control, CONTROL.ready, 1);
  let seen = 0;
  for (;;) {
    let ticket = Atomics.load(control, CONTROL.ticket);
    const spins = Atomics.load(control, CONTROL.playing) === 0 ? SPINS : SPINS_WHILE_PLAYING;
    for (let spin = 0; ticket >>> PART_BITS === seen && spin < spins; spin++) ticket = Atomics.load(control, CONTROL.ticket);
    if (ticket >>> PART_BITS === seen) {
      Atomics.add(control, CONTROL.sleepers, 1);
      Atomics.wait(control, CONTROL.ticket, ticket);
      Atomics.sub(control, CONTROL.sleepers, 1);
      continue;
    }
    if (Atomics.load(control, CONTROL.stop) !== 0) return;
    seen = ticket >>> PART_BITS;
    try {
      const count = Atomics.load(control, CONTROL.count);
      const group = Atomics.load(control, CONTROL.group);
      load();
      const numbers = new Float64Array(memory.buffer);
      for (;;) {
        ticket = Atomics.load(control, CONTROL.ticket);
        const part = ticket & ((1 << PART_BITS) - 1);
        if (ticket >>> PART_BITS !== seen || part >= count) break;
        if (Atomics.compareExchange(control, CONTROL.ticket, ticket, ticket + 1) !== ticket) continue;
        try {
          runPart(numbers, group / 8 + part);
        } catch {
          Atomics.store(control, CONTROL.failed, 1); // a kernel trapped: the pool raises it
        }
        Atomics.add(control, CONTROL.done, 1);
      }
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
