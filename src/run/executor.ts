/**
 * Carries calls to backends: on the session's backend where it can, else on the cpu as a counted, visible fallback.
 * This is the ops' `Context`.
 */

import type { Backend } from "../prims/backend.ts";
import type { Call, Region } from "../prims/call.ts";
import type { Context } from "../prims/context.ts";
import { checkRanks } from "../prims/ranks.ts";
import { uploaded } from "../prims/upload.ts";
import { OpwiseError } from "../tensor/error.ts";
import type { GeneratorState } from "../tensor/generator.ts";
import { isContiguous, numelOf } from "../tensor/shape.ts";
import { forgetContents, isMeta } from "../tensor/meta.ts";
import { Storage } from "../tensor/storage.ts";
import { type Tensor, type View } from "../tensor/tensor.ts";
import { type DType, itemsize } from "../tensor/dtype.ts";
import { Placements } from "./placements.ts";
import type { Recorder } from "./plan/recorder.ts";
import { workOf } from "../prims/work.ts";

export interface ExecutorOptions {
  readonly backend: Backend;
  /** Runs what `backend` refuses; the same object where the backend is the cpu. */
  readonly cpu: Backend;
  readonly generator: GeneratorState;
  readonly print?: (text: string) => void;
}

/** Who is told of every call, and of what the model prints. */
export interface ExecutorObserver {
  readonly placed: (what: Call | Region, backend: string, bytes: number, reason: string | undefined) => void;
  readonly printed: (text: string) => void;
}

interface Waiting {
  readonly what: Call;
}

/** Looks into ops: each call before and after it runs. */
export interface CallInspector {
  /** A call, or a region that the backend claims, is about to run: its operands still hold what it will read. */
  before(what: Call | Region): void;
  /** It has run on `backend`. `refusal`: why not on the session's own. */
  after(what: Call | Region, backend: string, refusal: string | undefined): void;
  /** The body of a region that no backend claims begins or ends. */
  body(region: Region, phase: "enter" | "exit"): void;
}

/** A context over one backend with the cpu behind it. */
export class Executor implements Context {
  readonly backend: Backend;
  readonly #cpu: Backend;
  readonly generator: GeneratorState;
  defaultDtype: DType = "float32";
  readonly #print: (text: string) => void;
  readonly print = (text: string): void => {
    if (this.quiet) return;
    if (this.sizesOnly) this.#needsData("a print");
    this.recorder?.stop("a print");
    this.observer?.printed(text);
    this.#print(text);
  };
  observer: ExecutorObserver | undefined;
  /** Set while somebody looks into ops. */
  inspector: CallInspector | undefined;
  /** Set while a run is repeated that has printed already. */
  quiet = false;
  /** Bytes that this run may still allocate. */
  budget: number = Infinity;
  /** Elements that this run's calls may still visit. */
  work: number = Infinity;
  /** Storages made since the last sweep, for `sweep.ts`. */
  fresh: Storage[] = [];
  freshBytes = 0;
  /** Calls and regions that ran on a device; the session sets it back. */
  launches = 0;
  readonly placements: Placements = new Placements();
  /** Gets every call that has run, while a region is recorded. */
  recorder: Recorder | undefined;
  /** Set during a run on sizes alone: calls of storages without data are recorded and not run. What is known is computed as ever. */
  sizesOnly = false;
  readonly #queue: Waiting[] = [];
  #draining: Promise<void> | undefined;

  constructor(options: ExecutorOptions) {
    this.backend = options.backend;
    this.#cpu = options.cpu;
    this.generator = options.generator;
    this.#print = options.print ?? (() => undefined);
  }

  /** The cpu that stands behind the backend. */
  get host(): Backend {
    return this.#cpu;
  }

  allocate(nbytes: number): Storage {
    if (nbytes > this.backend.limits.maxBytes || nbytes > this.budget) {
      throw new OpwiseError("out-of-memory", `a tensor of ${nbytes} bytes was asked for`, {
        wanted: `at most ${Math.min(this.backend.limits.maxBytes, this.budget)} bytes`,
        got: `${nbytes} bytes`,
        hint: "raise `maxBytes` if the model really needs this much",
      });
    }
    this.budget -= nbytes;
    const storage = Storage.allocate(nbytes);
    if (!this.backend.onHost) {
      this.fresh.push(storage);
      this.freshBytes += nbytes;
    }
    return storage;
  }

  charge(nbytes: number): void {
    this.budget -= nbytes;
    if (this.budget >= 0) return;
    throw new OpwiseError("out-of-memory", "strings and lists of the run take more than it may", {
      got: `${nbytes} bytes more`,
      hint: "raise `maxBytes` if the model really needs this much",
    });
  }

  sync(tensor: Tensor): void | Promise<void> {
    this.recorder?.reads(tensor);
    if (this.#draining !== undefined) return this.#draining.then(() => tensor.storage.sync());
    return tensor.storage.sync();
  }

  /** A promise while enqueued calls wait for bytes to arrive from a device. */
  get pending(): Promise<void> | undefined {
    return this.#draining;
  }

  run(call: Call): void {
    checkRanks(call);
    if (this.sizesOnly && this.#recordOnly(call)) return;
    if (this.work !== Infinity) this.#spend(workOf(call));
    if (this.#draining !== undefined) {
      this.#queue.push({ what: frozen(call) });
      return;
    }
    const waiting = this.#place(call);
    if (waiting === undefined) return;
    const kept = frozen(call);
    this.#draining = this.#settle(kept, waiting).then(() => this.#drain());
  }

  #spend(work: number): void {
    this.work -= work;
    if (this.work >= 0) return;
    throw new OpwiseError("step-limit", "the run visits more elements than it may", {
      wanted: `at most ${Math.max(0, this.work + work)} more`,
      got: `${work} in one call`,
      hint: "raise `maxWork`, or look for a tensor that was expanded too far",
    });
  }

  /** Records a call that nothing can be computed of; false where all is known. @throws where a plan could not have it */
  #recordOnly(what: Call | Region): boolean {
    const { recorder } = this;
    if (recorder === undefined || what.kind === "random") return this.#needsData("random numbers");
    // What is known may be computed, and written to nothing that the session or its caller has.
    if (what.results.some((view) => recorder.isOldStorage(view.storage))) return this.#needsData("a write to what is older");
    if (![...what.operands, ...what.results].some((view) => isMeta(view.storage))) return false;
    const refusal = this.backend.refuses(what);
    if (refusal !== undefined) return this.#needsData(refusal);
    for (const view of what.results) forgetContents(view.storage);
    recorder.ran(what, true);
    this.placements.add(what, this.backend.name, 0, undefined);
    return true;
  }

  /** Ends a run on sizes alone. */
  #needsData(why: string): never {
    this.recorder?.stop(why);
    throw new OpwiseError("internal", `a run on sizes alone ends at ${why}`);
  }

  /** Tries a call again until all it needs has arrived. */
  async #settle(call: Call, waiting: Promise<void> | undefined): Promise<void> {
    for (let wait = waiting; wait !== undefined; wait = this.#place(call)) await wait;
  }

  async #drain(): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) await this.#settle(next.what, this.#place(next.what));
    this.#draining = undefined;
  }

  region(region: Region, body: () => void): void {
    if (this.backend.onHost || this.#draining !== undefined) return this.#body(region, body);
    const refusal = this.backend.refuses(region);
    if (refusal !== undefined) return this.#body(region, body);
    if (this.sizesOnly && this.#recordOnly(region)) return;
    this.#bring(region);
    this.inspector?.before(region);
    this.backend.run(region, this.#cpu);
    this.launches++;
    this.recorder?.ran(region, true);
    this.placements.add(region, this.backend.name, 0, undefined);
    this.observer?.placed(region, this.backend.name, 0, undefined);
    this.inspector?.after(region, this.backend.name, undefined);
  }

  #body(region: Region, body: () => void): void {
    this.inspector?.body(region, "enter");
    body();
    this.inspector?.body(region, "exit");
  }

  /** Runs the call where it belongs; a promise, and nothing run, where bytes have to be waited for first. */
  #place(call: Call): Promise<void> | undefined {
    if (this.backend.onHost) {
      this.inspector?.before(call);
      this.backend.run(call, this.backend);
      this.observer?.placed(call, this.backend.name, 0, undefined);
      this.inspector?.after(call, this.backend.name, undefined);
      return undefined;
    }
    const refusal = this.backend.refuses(call);
    let moved = 0;
    const waits: Promise<void>[] = [];
    const fetch = (view: View): void => {
      if (view.storage.onHost) return;
      if (view.storage.bufferOn(this.backend) !== undefined) moved += view.storage.nbytes;
      const wait = view.storage.sync();
      if (wait instanceof Promise) waits.push(wait);
    };
    for (const view of call.operands) if (refusal !== undefined || this.backend.readsOnHost(call, view)) fetch(view);
    if (refusal !== undefined) for (const view of call.results) if (keepsOld(call, view)) fetch(view);
    if (waits.length > 0) return Promise.all(waits).then(() => undefined);
    this.inspector?.before(call);
    if (refusal === undefined) {
      this.#bring(call);
      this.backend.run(call, this.#cpu);
      this.launches++;
      this.recorder?.ran(call, true);
      this.placements.add(call, this.backend.name, moved, undefined);
      this.observer?.placed(call, this.backend.name, moved, undefined);
    } else {
      this.#cpu.run(call, this.#cpu);
      this.recorder?.ran(call, false);
      this.placements.add(call, "cpu", moved, refusal);
      this.observer?.placed(call, "cpu", moved, refusal);
    }
    this.inspector?.after(call, refusal === undefined ? this.backend.name : "cpu", refusal);
    return undefined;
  }

  /** Uploads what the backend will read. Results that are written only in part need their old contents there too. */
  #bring(what: Call | Region): void {
    const need = (view: View): void => {
      if (view.storage.bufferOn(this.backend) !== undefined) return;
      const blank = view.storage.isBlank ? this.backend.blank?.(view.storage.nbytes, view.dtype) : undefined;
      if (blank === undefined) uploaded(this.backend, view.storage, view.dtype);
      else view.storage.deviceWritten(this.backend, blank);
      this.fresh.push(view.storage); // a sweep gives its device copy back when nothing holds it
    };
    for (const view of what.operands) if (!this.backend.readsOnHost(what, view)) need(view);
    for (const view of what.results) if (keepsOld(what, view)) need(view);
    for (const view of what.results) view.storage.beginDeviceWrite();
  }

}

/** Whether writing the view replaces all bytes of its storage. */
export function coversAll(view: View): boolean {
  return isContiguous(view.shape, view.strides) && numelOf(view.shape) * itemsize(view.dtype) >= view.storage.nbytes;
}

/** Whether bytes of the result's storage outlive the call: it writes a part of them, or (scatter) only what it hits. */
function keepsOld(what: Call | Region, view: View): boolean {
  return what.kind === "scatter" || !coversAll(view);
}

/** The call with its views as they are now: a tensor's record may change before the call runs. */
function frozen(call: Call): Call {
  const keep = (v: View): View => ({ storage: v.storage, dtype: v.dtype, shape: v.shape, strides: v.strides, offset: v.offset });
  return { ...call, operands: call.operands.map(keep), results: call.results.map(keep) };
}
