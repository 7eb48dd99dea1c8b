/**
 * A pool of threads over shared memory: fork and join of groups of kernel invocations. Parts of a group are taken by whoever is free, the
 * calling thread among them; which parts there are never depends on the number of threads, so neither do the bits.
 */

import { OpwiseError } from "../../tensor/error.ts";
import type { LinearMemory } from "./memory.ts";
import type { Invocation } from "./tape.ts";
import { CONTROL, ENTRY_WORDS, PART_BITS, type Setup } from "./thread-protocol.ts";

/** Parts of a group that may run at the same time. */
export interface Group {
  readonly parts: readonly (readonly Invocation[])[];
  /** Where threads find it, or 0 before it is published. */
  readonly address: number;
}

/** Why there are no threads here, or undefined. */
export function threadsRefused(): string | undefined {
  if (typeof SharedArrayBuffer === "undefined") return "there is no SharedArrayBuffer: a page has to be cross-origin isolated (COOP and COEP headers)";
  if (typeof process === "undefined" && typeof Worker === "undefined") return "there are no workers here";
  return undefined;
}

/** The most parts of a group. */
export const MAX_PARTS: number = (1 << PART_BITS) - 1;
/** Loops over a load before the calling thread sleeps until a late part is done. */
const SPINS = 20_000;

export class ThreadPool {
  readonly size: number;
  /** Why a thread could not start. */
  failure: unknown;
  readonly #memory: LinearMemory;
  readonly #control: Int32Array;
  readonly #stopWorkers: () => void;
  readonly #numbers = new Map<Invocation["run"], number>();
  #next: number;
  #lastEntry = 0;
  #epoch = 0;
  /** A page's main thread may not sleep. */
  readonly #maySleep = typeof process !== "undefined" || typeof document === "undefined";

  /**
   * @param size threads in all, the calling one among them
   * @param names exports of the dense module, in the order of their numbers; `runs` are its functions
   * @param url the worker's file where it does not lie beside this one (bundles)
   */
  constructor(
    size: number,
    memory: LinearMemory,
    dense: WebAssembly.Module,
    names: readonly string[],
    runs: readonly Invocation["run"][],
    url: URL | string | undefined,
  ) {
    this.size = size;
    this.#memory = memory;
    const control = new SharedArrayBuffer(CONTROL.words * 4);
    this.#control = new Int32Array(control);
    runs.forEach((run, i) => this.#numbers.set(run, i));
    this.#next = runs.length;
    const setup: Setup = { memory: memory.memory, control, dense, names };
    const stops = Array.from({ length: size - 1 }, () => startWorker(setup, url, (error) => (this.failure ??= error)));
    this.#stopWorkers = () => stops.forEach((stop) => stop());
  }

  /** Threads that have started, the calling one among them. */
  get running(): number {
    return 1 + Atomics.load(this.#control, CONTROL.ready);
  }

  /** Whether threads can run it: a kernel of the dense module, or a printed one that calls nothing on the host. */
  knows(run: Invocation["run"]): boolean {
    return this.#numbers.has(run);
  }

  /** Makes a printed kernel known to all threads, before their next group. */
  publish(run: Invocation["run"], bytes: Uint8Array): void {
    if (!this.#numbers.has(run)) this.publishAll([run], bytes);
  }

  /** The same of all exports of a module, in their order. */
  publishAll(runs: readonly Invocation["run"][], bytes: Uint8Array): void {
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

  /** Writes a group where threads find it, in memory that lives as long as the open scope. */
  group(parts: readonly (readonly Invocation[])[]): Group {
    const starts: number[] = [];
    const numbers: number[] = [];
    for (const part of parts) {
      starts.push(numbers.length);
      numbers.push(part.length);
      for (const { run, args } of part) numbers.push(this.#numbers.get(run) ?? unknown(), args.length, ...args);
    }
    const { address } = this.#memory.allocatePinned((starts.length + numbers.length) * 8);
    const base = address / 8 + starts.length;
    new Float64Array(this.#memory.bytes.buffer, address, starts.length + numbers.length).set([...starts.map((s) => base + s), ...numbers]);
    return { parts, address };
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

  /** Runs all parts of a group, and returns when they are done. @throws internal where a kernel trapped in a thread */
  run(group: Group): void {
    const control = this.#control;
    const count = group.parts.length;
    Atomics.store(control, CONTROL.count, count);
    Atomics.store(control, CONTROL.group, group.address);
    Atomics.store(control, CONTROL.done, 0);
    this.#epoch = (this.#epoch + 1) & ((1 << (31 - PART_BITS)) - 1);
    let ticket = this.#epoch << PART_BITS;
    Atomics.store(control, CONTROL.ticket, ticket);
    if (Atomics.load(control, CONTROL.sleepers) > 0) Atomics.notify(control, CONTROL.ticket);
    for (;;) {
      ticket = Atomics.load(control, CONTROL.ticket);
      const part = ticket & MAX_PARTS;
      if (part >= count) break;
      if (Atomics.compareExchange(control, CONTROL.ticket, ticket, ticket + 1) !== ticket) continue;
      for (const { run, args } of group.parts[part] ?? []) Reflect.apply(run, undefined, args);
      Atomics.add(control, CONTROL.done, 1);
    }
    this.#join(count);
    if (Atomics.exchange(control, CONTROL.failed, 0) !== 0) throw new OpwiseError("internal", "a kernel trapped in a thread of the pool");
  }

  #join(count: number): void {
    const control = this.#control;
    for (let spin = 0; ; spin++) {
      const done = Atomics.load(control, CONTROL.done);
      if (done >= count) return;
      // A thread that took a part is late: the machine is busy, and spinning would keep it from its core.
      if (spin > SPINS && this.#maySleep) Atomics.wait(control, CONTROL.done, done, 1);
    }
  }

  dispose(): void {
    Atomics.store(this.#control, CONTROL.stop, 1);
    Atomics.add(this.#control, CONTROL.ticket, 1 << PART_BITS);
    Atomics.notify(this.#control, CONTROL.ticket);
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
  const worker = new node.Worker(url ?? new URL("./thread-worker.js", import.meta.url), { workerData: setup });
  // A thread that cannot start takes no part; the others do all.
  worker.on("error", failed);
  worker.unref();
  return () => void worker.terminate();
}
