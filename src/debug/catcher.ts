/** `catch`: things that happen in values or on the way to a backend, told by the step that brought them about. */

import type { Datum } from "../ir/datum.ts";
import type { Instruction } from "../run/code.ts";
import { isComplex, isFloat, largestOf } from "../tensor/dtype.ts";
import type { Storage } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { healthOf } from "./health.ts";
import type { Step } from "./timeline.ts";
import { tensorsOf } from "./write-log.ts";

export type CatchKind = "nan" | "inf" | "overflow" | "fallback" | "copy" | "mismatch" | "error";
export const CATCH_KINDS: readonly CatchKind[] = ["nan", "inf", "overflow", "fallback", "copy", "mismatch", "error"];

/** Bytes from which a copy between backends is told. */
const LARGE_COPY = 10 * 2 ** 20;

interface Counts {
  readonly nan: number;
  readonly inf: number;
  /** Tensors with numbers beyond what float16 holds. */
  readonly over: number;
}

export interface Caught {
  readonly what: CatchKind;
  readonly text: string;
}

export class Catcher {
  readonly #kinds = new Set<CatchKind>();
  /** Storages that are known to be all finite, by version. */
  readonly #sound = new WeakMap<Storage, number>();
  #given: Counts = { nan: 0, inf: 0, over: 0 };
  #caught: Caught[] = [];
  /** Whether a step gave other values than a golden run; what differs, or undefined. */
  mismatch: ((step: Step) => string | undefined) | undefined;

  get list(): readonly CatchKind[] {
    return [...this.#kinds];
  }

  add(kind: CatchKind): void {
    this.#kinds.add(kind);
  }
  remove(kind: CatchKind): void {
    this.#kinds.delete(kind);
  }

  before(instruction: Instruction, inputs: readonly Datum[]): void {
    this.#caught = [];
    if (instruction.kind === "op" && this.#counts) this.#given = this.#count(tensorsOf(inputs));
  }

  after(step: Step): void {
    if (step.instruction.kind !== "op") return;
    for (const { text, backend, reason, bytes } of step.prims) {
      if (reason === undefined) continue;
      if (this.#kinds.has("fallback")) this.#caught.push({ what: "fallback", text: `${text} ran on ${backend}: ${reason} (${bytes} bytes moved)` });
      else if (this.#kinds.has("copy") && bytes >= LARGE_COPY) this.#caught.push({ what: "copy", text: `${text} on ${backend} moved ${bytes} bytes` });
    }
    if (this.#counts) {
      const made = this.#count(tensorsOf(step.outputs));
      // The birth, not every sighting: the op's operands had none.
      if (this.#kinds.has("nan") && made.nan > 0 && this.#given.nan === 0)
        this.#caught.push({ what: "nan", text: `${step.node.op} gave ${made.nan} NaN from operands without any` });
      else if (this.#kinds.has("inf") && made.inf > 0 && this.#given.inf === 0)
        this.#caught.push({ what: "inf", text: `${step.node.op} gave ${made.inf} infinities from operands without any` });
      else if (this.#kinds.has("overflow") && made.over > 0 && this.#given.over === 0)
        this.#caught.push({ what: "overflow", text: `${step.node.op} gave numbers that float16 does not hold` });
    }
    const differs = this.#kinds.has("mismatch") ? this.mismatch?.(step) : undefined;
    if (differs !== undefined) this.#caught.push({ what: "mismatch", text: differs });
  }

  get #counts(): boolean {
    return this.#kinds.has("nan") || this.#kinds.has("inf") || this.#kinds.has("overflow");
  }

  /** What the last step brought about, once. */
  take(): Caught | undefined {
    const [first] = this.#caught;
    this.#caught = [];
    return first;
  }

  #count(tensors: readonly Tensor[]): Counts {
    let [nan, inf, over] = [0, 0, 0];
    const largest = largestOf("float16") ?? Infinity;
    for (const tensor of tensors) {
      const { storage } = tensor;
      if (!(isFloat(tensor.dtype) || isComplex(tensor.dtype)) || this.#sound.get(storage) === storage.version) continue;
      const wait = storage.sync();
      if (wait instanceof Promise) {
        wait.catch(() => undefined); // what has to be waited for is not looked at
        continue;
      }
      const health = healthOf(tensor, storage.bytes());
      nan += health.nan;
      inf += health.posInf + health.negInf;
      if ((health.absmax ?? 0) > largest) over++;
      const covers = tensor.nbytes >= storage.nbytes;
      if (health.nan + health.posInf + health.negInf === 0 && (health.absmax ?? 0) <= largest && covers) this.#sound.set(storage, storage.version);
    }
    return { nan, inf, over };
  }
}
