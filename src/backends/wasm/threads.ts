/**
 * A pool of threads over shared memory: fork and join of groups of kernel invocations. Parts of a group are taken by whoever is free, the
 * calling thread among them. How work is divided never changes the order of a sum, so bits do not depend on the number of threads.
 */

import { OpwiseError } from "../../tensor/error.ts";
import type { LinearMemory } from "./memory.ts";
import { Sharing } from "./sharing.ts";
import type { Invocation, Parallel } from "./tape.ts";
import { awaitDone, CLOSED, CONTROL, ENTRY_WORDS, type Part, PART_BITS, type Setup, takeParts, type Taking, ticketOf } from "./thread-protocol.ts";

/** Parts that run in stages: those of a stage at the same time, after all of the stages before. */
export interface Group {
  readonly number: number;
  /** In order. */
  readonly stages: readonly Parallel["parts"][];
  /** Each thread's own parts, ranges of each stage. */
  readonly lists: readonly (readonly Part[])[];
  readonly count: number;
  /** Where threads find it, and its words. */
  readonly address: number;
  readonly length: number;
  readonly sharing: Sharing;
}

/** Why there are no threads here, or undefined. */
export function threadsRefused(): string | undefined {
  if (typeof SharedArrayBuffer === "undefined") return "there is no SharedArrayBuffer: a page has to be cross-origin isolated (COOP and COEP headers)";
  if (typeof process === "undefined" && typeof Worker === "undefined") return "there are no workers here";
  return undefined;
}

/** The most parts of a group: they may all be one thread's own. */
export const MAX_PARTS: number = CLOSED - 1;
/** Room for the young objects of a thread in Node. */
const YOUNG_MB = 1;
/** Looks at what is done, and for parts, before the calling thread sleeps until a late part is done: some 50 us. */
const SPINS = 5_000;

export class ThreadPool {
  readonly size: number;
  /** Why a thread could not start. */
  failure: unknown;
  readonly #memory: LinearMemory;
  readonly #control: Int32Array;
  readonly #stopWorkers: () => void;
  readonly #numbers = new Map<Invocation["run"], number>();
  #next = 0;
  #lastEntry = 0;
  #turn = 0;
  #groups = 0;
  readonly #errors: Error[] = [];
  readonly #taking: Taking;

  /**
   * @param size threads in all, the calling one among them
   * @param url the worker's file where it does not lie beside this one (bundles)
   */
  constructor(size: number, memory: LinearMemory, url: URL | string | undefined) {
    this.size = size;
    this.#memory = memory;
    const control = new SharedArrayBuffer(ticketOf(size) * 4);
    this.#control = new Int32Array(control);
    // A page's main thread may not sleep.
    const maySleep = typeof process !== "undefined" || typeof document === "undefined";
    this.#taking = {
      control: this.#control,
      thread: 0,
      spins: SPINS,
      maySleep,
      failed: (error) => this.#errors.push(error instanceof Error ? error : new Error(String(error))),
    };
    const setup: Setup = { memory: memory.memory, control };
    const stops = Array.from({ length: size - 1 }, () => startWorker(setup, url, (error) => (this.failure ??= error)));
    this.#stopWorkers = () => stops.forEach((stop) => stop());
  }

  /** Threads that have started, the calling one among them. */
  get running(): number {
    return 1 + Atomics.load(this.#control, CONTROL.ready);
  }

  /** Whether threads can run it already. */
  knows(run: Invocation["run"]): boolean {
    return this.#numbers.has(run);
  }

  /** Makes kernels known to all threads, before their next group: all exports of a module, in their order. */
  publish(runs: readonly Invocation["run"][], bytes: Uint8Array): void {
    const id = this.#next;
    for (const run of runs) this.#numbers.set(run, this.#next++);
    const { address } = this.#memory.allocateLasting(ENTRY_WORDS * 4 + bytes.length);
    this.#memory.bytes.set(bytes, address + ENTRY_WORDS * 4);
    const words = new Int32Array(this.#memory.bytes.buffer);
    words.set([0, id, bytes.length], address >> 2);
    if (this.#lastEntry === 0) Atomics.store(this.#control, CONTROL.library, address);
    else words[this.#lastEntry >> 2] = address;
    this.#lastEntry = address;
  }

  /** Writes a group where threads find it, in memory that lives as long as the open scope. Threads know all of its kernels. */
  group(stages: Group["stages"]): Group {
    const { size } = this;
    const lists = Array.from({ length: size }, (): (Part & { readonly calls: readonly Invocation[] })[] => []);
    let count = 0;
    for (const stage of stages) {
      const after = count;
      stage.forEach((calls, i) => lists[Math.floor((i * size) / stage.length)]?.push({ after, calls }));
      count += stage.length;
    }
    const parts = lists.flat();
    const words: number[] = [...lists.map((list) => list.length), ...parts.flatMap(({ after, calls }) => [after, calls.length])];
    for (const { calls } of parts) for (const { run, args } of calls) words.push(this.#numbers.get(run) ?? unknown(), args.length, ...args);
    const { address } = this.#memory.allocatePinned(words.length * 8);
    new Float64Array(this.#memory.bytes.buffer, address, words.length).set(words);
    return { number: ++this.#groups, stages, lists, count, address, length: words.length, sharing: new Sharing() };
  }

  /** Says that groups follow each other closely while `body` runs: waking a thread takes longer than most of what lies between them. */
  playing<R>(body: () => R): R {
    Atomics.store(this.#control, CONTROL.playing, 1);
    try {
      return body();
    } finally {
      Atomics.store(this.#control, CONTROL.playing, 0);
    }
  }

  /** Runs all parts of a group, and returns when they are done. @throws what a kernel threw; internal where one trapped in another thread */
  run(group: Group): void {
    const { stages, sharing } = group;
    const start = performance.now();
    if (sharing.pays) this.#share(group);
    else for (const stage of stages) for (const part of stage) for (const { run, args } of part) Reflect.apply(run, undefined, args);
    sharing.took(performance.now() - start);
  }

  #share({ number, lists, count, address, length }: Group): void {
    const control = this.#control;
    this.#turn = (this.#turn + 1) & ((1 << (31 - PART_BITS)) - 1);
    const ticket = this.#turn << PART_BITS;
    // A thread that comes late from the group before finds it closed while this one is put in its place.
    for (let thread = 0; thread < this.size; thread++) Atomics.store(control, ticketOf(thread), ticket | CLOSED);
    Atomics.store(control, CONTROL.group, number);
    Atomics.store(control, CONTROL.address, address);
    Atomics.store(control, CONTROL.length, length);
    Atomics.store(control, CONTROL.count, count);
    Atomics.store(control, CONTROL.done, 0);
    for (let thread = 0; thread < this.size; thread++) Atomics.store(control, ticketOf(thread), ticket);
    Atomics.store(control, CONTROL.turn, this.#turn);
    if (Atomics.load(control, CONTROL.sleepers) > 0) Atomics.notify(control, CONTROL.turn);
    takeParts(this.#taking, this.#turn, lists);
    for (let spin = 0; ; spin++) {
      const done = Atomics.load(control, CONTROL.done);
      if (done >= count) break;
      if (spin > SPINS && this.#taking.maySleep) awaitDone(control, done);
    }
    if (Atomics.exchange(control, CONTROL.failed, 0) !== 0) this.#errors.push(new OpwiseError("internal", "a kernel trapped in a thread of the pool"));
    const [error] = this.#errors.splice(0);
    if (error !== undefined) throw error;
  }

  dispose(): void {
    Atomics.store(this.#control, CONTROL.stop, 1);
    Atomics.add(this.#control, CONTROL.turn, 1);
    Atomics.notify(this.#control, CONTROL.turn);
    this.#stopWorkers();
  }
}

function unknown(): never {
  throw new OpwiseError("internal", "a kernel that threads do not know");
}

/** Starts a worker; the returned function ends it. */
function startWorker(setup: Setup, url: URL | string | undefined, failed: (error: unknown) => void): () => void {
  const node = typeof process === "undefined" ? undefined : process.getBuiltinModule("node:worker_threads");
  if (node === undefined) {
    const worker = url === undefined ? new Worker(new URL("./thread-worker.js", import.meta.url), { type: "module" }) : new Worker(url, { type: "module" });
    worker.addEventListener("error", failed);
    worker.postMessage(setup, []);
    return () => worker.terminate();
  }
  // It makes little garbage: room for more would only be touched and kept.
  const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_MB };
  const worker = new node.Worker(url ?? new URL("./thread-worker.js", import.meta.url), { workerData: setup, resourceLimits });
  // A thread that cannot start takes no part; the others do all.
  worker.on("error", failed);
  worker.unref();
  return () => void worker.terminate();
}
