/**
 * What a plan expects where it begins, in a form that is gone through quickly. Most of it are attributes of modules, hundreds of them, and hardly ever does one change. A look at each takes
 * a tenth of a microsecond, since by then the kernels of a run have had the cache: they are looked at when they may have changed.
 */

import type { Datum, Instance } from "../../ir/datum.ts";
import { Storage } from "../../tensor/storage.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type Binding, fits, matches, newBinding, type TensorRecord } from "./pattern.ts";
import { type StraightLine, valueAt } from "./region.ts";

/** A tensor of the session's own as it was last seen. Arrays of sizes and strides are never written, so the same ones are the same sizes. */
interface Seen extends Pick<Tensor, "storage" | "dtype" | "offset" | "conj" | "neg" | "requiresGrad" | "wrappedNumber"> {
  readonly tensor: Tensor;
  readonly record: TensorRecord;
  shape: Tensor["shape"] | undefined;
  strides: Tensor["strides"] | undefined;
}

/** Whether `===` tells it from every other value as `Object.is` does: all but 0, -0 and NaN. */
const isDistinct = (value: Datum): boolean => typeof value !== "number" || (value !== 0 && !Number.isNaN(value));

export class Entry {
  /** Other values, and containers, whose items may change. */
  readonly #varying: StraightLine["entering"];
  // Plain values, objects and the session's own tensors: where each is, and what is there. In registers they come anew with each run (a .pt2's weights), in attributes they stay.
  readonly #registers: number[] = [];
  readonly #entering: Datum[] = [];
  readonly #instances: Instance[] = [];
  readonly #slots: number[] = [];
  readonly #values: Datum[] = [];
  readonly #tensors: Seen[] = [];
  /** Storages whose contents are part of the plan, with their versions. */
  readonly #storages: Storage[] = [];
  readonly #versions: number[] = [];
  /** How many writes there had been anywhere when these versions were last seen. */
  #writes = -1;
  /** The state of the session's objects when attributes and tensors were last seen. */
  #state: number | undefined;

  constructor({ entering, constants }: StraightLine) {
    const varying: StraightLine["entering"][number][] = [];
    const known = new Set<Storage>();
    const keep = (storage: Storage, version: number): void => {
      if (known.has(storage)) return;
      known.add(storage);
      this.#storages.push(storage);
      this.#versions.push(version);
    };
    for (const one of entering) {
      const { place, pattern } = one;
      const value = pattern.kind === "constant" ? pattern.tensor : pattern.kind === "same" && isDistinct(pattern.value) ? pattern.value : undefined;
      if (value === undefined) {
        varying.push(one);
        continue;
      }
      if (place.kind === "register") {
        this.#registers.push(place.register);
        this.#entering.push(value);
      } else {
        this.#instances.push(place.instance);
        this.#slots.push(place.slot);
        this.#values.push(value);
      }
      if (pattern.kind !== "constant") continue;
      const { tensor, record, storage } = pattern;
      const { dtype, offset, conj, neg, requiresGrad, wrappedNumber } = record;
      this.#tensors.push({ tensor, record, storage, dtype, offset, conj, neg, requiresGrad, wrappedNumber, shape: undefined, strides: undefined });
      keep(storage, pattern.version);
    }
    for (const { storage, version } of constants) keep(storage, version);
    this.#varying = varying;
  }

  /** Binds what enters; undefined where it does not fit. @param state of the session's objects: while it is the same none of them has changed */
  bind(registers: readonly Datum[], state: number | undefined): Binding | undefined {
    const [places, entering] = [this.#registers, this.#entering];
    for (let i = 0; i < places.length; i++) if ((registers[places[i] ?? 0] ?? null) !== entering[i]) return undefined;
    const binding = newBinding();
    for (const { place, pattern } of this.#varying) if (!matches(pattern, valueAt(place, registers), binding)) return undefined;
    if ((state === undefined || state !== this.#state) && !this.#hasAttributes()) return undefined;
    this.#state = state;
    return this.#hasContents() ? binding : undefined;
  }

  #hasAttributes(): boolean {
    const [instances, slots, values, tensors] = [this.#instances, this.#slots, this.#values, this.#tensors];
    for (let i = 0; i < instances.length; i++) if ((instances[i]?.slots[slots[i] ?? 0] ?? null) !== values[i]) return false;
    for (let i = 0; i < tensors.length; i++) {
      const seen = tensors[i];
      if (seen !== undefined && !isAsSeen(seen)) return false;
    }
    return true;
  }

  #hasContents(): boolean {
    const { writes } = Storage;
    if (writes === this.#writes) return true;
    for (let i = 0; i < this.#storages.length; i++) if (this.#storages[i]?.version !== this.#versions[i]) return false;
    this.#writes = writes;
    return true;
  }
}

function isAsSeen(seen: Seen): boolean {
  const { tensor } = seen;
  if (
    tensor.storage === seen.storage &&
    tensor.shape === seen.shape &&
    tensor.strides === seen.strides &&
    tensor.dtype === seen.dtype &&
    tensor.offset === seen.offset &&
    tensor.conj === seen.conj &&
    tensor.neg === seen.neg &&
    tensor.requiresGrad === seen.requiresGrad &&
    tensor.wrappedNumber === seen.wrappedNumber &&
    tensor.quantizer === undefined &&
    tensor.lengths === undefined
  )
    return true;
  if (tensor.storage !== seen.storage || !fits(seen.record, tensor)) return false;
  seen.shape = tensor.shape;
  seen.strides = tensor.strides;
  return true;
}
