/**
 * A pool of threads over shared memory: fork and join of groups of kernel invocations. Parts of a group are taken by whoever is free, the
 * calling thread among them; which parts there are never depends on the number of threads, so neither do the bits.
 */

import { OpwiseError } from "../../tensor/error.ts";
import type { LinearMemory } from "./memory.ts";
import { Sharing } from "./sharing.ts";
import type { Invocation } from "./tape.ts";
import { awaitDone, CLOSED, CONTROL, ENTRY_WORDS, type Part, PART_BITS, type Setup, takeParts } from "./thread-protocol.ts";

/** Parts that run in stages: those of a stage at the same time, after all of the stages before. */
export interface Group {
  readonly number: number;
  readonly parts: readonly (Part & { readonly calls: readonly Invocation[] })[];
  /** Where threads find it. */
  readonly address: number;
  readonly sharing: Sharing;
}

/** Why there are no threads here, or undefined. */
export function threadsRefused(): string | undefined {
  if (typeof SharedArrayBuffer === "undefined") return "there is no SharedArrayBuffer: a page has to be cross-origin isolated (COOP and COEP headers)";
  if (typeof process === "undefined" && typeof Worker === "undefined") return "there are no workers here";
  return undefined;
}

/** The most parts of a group. */
export const MAX_PARTS: number = CLOSED - 1;
/** Looks at what is done before the calling thread sleeps until a late part is: about 30 us. */
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
  #turn = 0;
  #groups = 0;
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
    if (this.#numbers.has(run)) return;
    const id = this.#next++;
    this.#numbers.set(run, id);
    const { address } = this.#memory.allocateLasting(ENTRY_WORDS * 4 + bytes.length);
    this.#memory.bytes.set(bytes, address + ENTRY_WORDS * 4);
    const words = new Int32Array(this.#memory.bytes.buffer);
    words.set([0, id, bytes.length], address >> 2);
    if (this.#lastEntry === 0) Atomics.store(this.#control, CONTROL.library, address);
    else words[this.#lastEntry >> 2] = address;
    this.#lastEntry = address;
  }

  /** Writes a group where threads find it, in memory that lives as long as the open scope. Threads know all of its kernels. */
  group(stages: readonly (readonly (readonly Invocation[])[])[]): Group {
    const parts: Group["parts"][number][] = [];
    for (const stage of stages) {
      const after = parts.length;
      for (const calls of stage) parts.push({ after, calls });
    }
    const words: number[] = [parts.length, ...parts.flatMap(({ after, calls }) => [after, calls.length])];
    for (const { calls } of parts) for (const { run, args } of calls) words.push(this.#numbers.get(run) ?? unknown(), args.length, ...args);
    const { address } = this.#memory.allocatePinned(words.length * 8);
    new Float64Array(this.#memory.bytes.buffer, address, words.length).set(words);
    return { number: ++this.#groups, parts, address, sharing: new Sharing() };
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
    const { parts, sharing } = group;
    const start = performance.now();
    if (sharing.pays) this.#share(group);
    else for (const { calls } of parts) for (const { run, args } of calls) Reflect.apply(run, undefined, args);
    sharing.took(performance.now() - start);
  }

  #share({ number, parts, address }: Group): void {
    const control = this.#control;
    this.#turn = (this.#turn + 1) & ((1 << (31 - PART_BITS)) - 1);
    const ticket = this.#turn << PART_BITS;
    // A thread that comes late from the group before finds it closed while this one is put in its place.
    Atomics.store(control, CONTROL.ticket, ticket | CLOSED);
    Atomics.store(control, CONTROL.group, number);
    Atomics.store(control, CONTROL.address, address);
    Atomics.store(control, CONTROL.done, 0);
    Atomics.store(control, CONTROL.ticket, ticket);
    if (Atomics.load(control, CONTROL.sleepers) > 0) Atomics.notify(control, CONTROL.ticket);
    const errors: unknown[] = [];
    takeParts(control, this.#turn, parts, SPINS, this.#maySleep, (error) => errors.push(error));
    for (let spin = 0; Atomics.load(control, CONTROL.done) < parts.length; spin++) if (spin > SPINS && this.#maySleep) awaitDone(control, parts.length);
    if (Atomics.exchange(control, CONTROL.failed, 0) !== 0) errors.push(new OpwiseError("internal", "a kernel trapped in a thread of the pool"));
    if (errors.length > 0) throw errors[0];
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
