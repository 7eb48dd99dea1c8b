/** A thread of the pool: takes parts of groups of kernel invocations until it is told to stop. */

import { CLOSED, CONTROL, ENTRY_WORDS, GROUP, type Part, PART_BITS, type Run, type Setup, SPILL_BYTES, SPILL_START, takeParts } from "./thread-protocol.ts";

/** Looks at what is new before it sleeps: about 30 us, and about a millisecond while a plan is playing and the next group is near. */
const SPINS = 20_000;
const SPINS_WHILE_PLAYING = 600_000;

/** Groups whose parts are kept as they are called. */
const MAX_GROUPS = 256;

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
      functions[id] = functionsOf(new WebAssembly.Module(bytes))["kernel"] as Run; // every printed module's one function
      entry = next;
    }
  };

  const groups = new Map<number, readonly Part[]>();
  /** The parts of the group that is handed out. What is not known yet is read, with the kernels that were printed for it. */
  const partsOf = (number: number, address: number): readonly Part[] => {
    const known = groups.get(number);
    if (known !== undefined) return known;
    load();
    const words = new Float64Array(memory.buffer, address);
    const count = words[0] ?? 0;
    let at = GROUP.head + count * GROUP.part;
    const parts = Array.from({ length: count }, (_, k): Part => {
      const [after = 0, length = 0] = words.subarray(GROUP.head + k * GROUP.part);
      const calls = Array.from({ length }, () => {
        const [id = 0, size = 0] = words.subarray(at, at + 2);
        const args = Array.from(words.subarray(at + 2, at + 2 + size));
        at += 2 + size;
        return { run: functions[id] as Run, args }; // published before the group was
      });
      return { after, calls };
    });
    for (const [oldest] of groups) {
      if (groups.size < MAX_GROUPS) break;
      groups.delete(oldest);
    }
    groups.set(number, parts);
    return parts;
  };

  Atomics.add(control, CONTROL.ready, 1);
  const failed = (): void => void Atomics.store(control, CONTROL.failed, 1); // a kernel trapped: the pool raises it
  const isNew = (ticket: number): boolean => ticket >>> PART_BITS !== seen && (ticket & CLOSED) !== CLOSED;
  let seen = 0;
  for (;;) {
    let ticket = Atomics.load(control, CONTROL.ticket);
    const spins = Atomics.load(control, CONTROL.playing) === 0 ? SPINS : SPINS_WHILE_PLAYING;
    for (let spin = 0; !isNew(ticket) && spin < spins; spin++) ticket = Atomics.load(control, CONTROL.ticket);
    if (Atomics.load(control, CONTROL.stop) !== 0) return;
    if (!isNew(ticket)) {
      Atomics.add(control, CONTROL.sleepers, 1);
      Atomics.wait(control, CONTROL.ticket, ticket);
      Atomics.sub(control, CONTROL.sleepers, 1);
      continue;
    }
    seen = ticket >>> PART_BITS;
    try {
      const parts = partsOf(Atomics.load(control, CONTROL.group), Atomics.load(control, CONTROL.address));
      takeParts(control, seen, parts, SPINS_WHILE_PLAYING, true, failed);
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
