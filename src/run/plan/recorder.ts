/**
 * Records a straight line of execution: the calls that instructions of one block made, those of what they called included. Calls have
 * run when they are recorded: a recording changes nothing. It ends before the first instruction that only the machine can run:
 * one that reads what depends on the inputs, writes what is older than the recording, or has an effect on the host.
 */

import type { Datum, Instance } from "../../ir/datum.ts";
import type { Node } from "../../ir/graph.ts";
import type { Call, Region } from "../../prims/call.ts";
import { Storage } from "../../tensor/storage.ts";
import type { Tensor, View } from "../../tensor/tensor.ts";
import type { GeneratorState } from "../../tensor/generator.ts";
import type { Instruction } from "../code.ts";
import type { Frame } from "../machine.ts";
import { walkData } from "../reach.ts";
import { Trace } from "./varying.ts";

/** A call that has run. */
export interface Recorded {
  readonly what: Call | Region;
  /** Versions of the operands' storages when it ran. */
  readonly versions: readonly number[];
  /** Whether its results depend on nothing that enters. */
  readonly known: boolean;
  readonly node: Node;
}

/** A read of an attribute: it is an input of the region as registers are. */
export interface AttributeRead {
  readonly instance: Instance;
  readonly slot: number;
  readonly value: Datum;
}

/** Calls that a region may have: a long loop is planned by its body. */
const MAX_CALLS = 4000;

export class Recorder {
  readonly root: Frame;
  readonly from: number;
  /** The root's registers as they were. */
  readonly entry: readonly Datum[];
  readonly calls: Recorded[] = [];
  readonly attributes: AttributeRead[] = [];
  readonly trace: Trace;
  /** Instructions so far. */
  steps = 0;
  /** Why it has to end before the instruction that is running. */
  stopped: string | undefined;
  readonly #isConstant: (storage: Storage) => boolean;
  readonly #firstId: number;
  readonly #unknown = new Set<Storage>();
  /** Containers, objects and tensors that were there before. */
  readonly #old = new Set<Datum>();
  readonly #read = new Map<Instance, Set<number>>();
  readonly #generator: GeneratorState;
  readonly #generatorPosition: number;
  /** How many calls and reads there were when the root's instruction at hand began. */
  #mark: { readonly calls: number; readonly attributes: number; readonly steps: number; readonly traced: number; readonly dying: readonly (readonly [number, Datum])[] } = { calls: 0, attributes: 0, steps: 0, traced: 0, dying: [] };
  /** Whether that instruction has written what the recording made: the state before it is gone. */
  hasWritten = false;
  #node: Node | undefined;

  constructor(root: Frame, isConstant: (storage: Storage) => boolean, generator: GeneratorState) {
    this.root = root;
    this.from = root.position;
    this.trace = new Trace(root);
    this.entry = [...root.registers];
    this.#isConstant = isConstant;
    this.#firstId = Storage.allocate(0).id;
    this.#generator = generator;
    this.#generatorPosition = generator.position;
    walkData(this.entry, (value) => void this.#old.add(value));
  }

  /** Whether the object was there before the recording began. */
  isOld(value: Datum): boolean {
    return this.#old.has(value);
  }
  /** Whether the storage was. */
  isOldStorage(storage: Storage): boolean {
    return storage.id < this.#firstId;
  }
  /** Whether the contents depend on nothing that enters. */
  isKnown(storage: Storage): boolean {
    return this.isOldStorage(storage) ? this.#isConstant(storage) : !this.#unknown.has(storage);
  }

  stop(why: string): void {
    this.stopped ??= why;
  }

  /** Before an instruction of any frame. */
  begin(frame: Frame, instruction: Instruction): void {
    if (frame === this.root) {
      const dying = instruction.kills.map((register) => [register, frame.registers[register] ?? null] as const);
      this.#mark = { calls: this.calls.length, attributes: this.attributes.length, steps: this.steps, traced: this.trace.length, dying };
      this.hasWritten = false;
    }
    this.steps++;
    this.trace.add(frame, instruction);
    this.#node = instruction.node;
    switch (instruction.kind) {
      case "setattr":
      case "fork":
      case "wait":
      case "raise":
      case "missing":
        return this.stop(instruction.kind);
      case "method":
        if (instruction.context !== undefined) this.stop("a with block");
        return;
      case "getattr": {
        const operand = instruction.operands[0];
        const object = operand === undefined ? null : operand.register < 0 ? operand.constant : (frame.registers[operand.register] ?? null);
        if (typeof object === "object" && object !== null && "kind" in object && object.kind === "instance") this.#reads(object, instruction.name);
        return;
      }
      case "op":
        instruction.node.schema?.args.forEach((arg, i) => {
          if (arg.alias?.write !== true) return;
          const operand = instruction.operands[i];
          if (operand !== undefined && operand.register >= 0 && this.#old.has(frame.registers[operand.register] ?? null)) this.stop("a write to what is older");
          this.hasWritten ||= this.stopped === undefined;
        });
        return;
      default:
    }
  }

  #reads(instance: Instance, name: string): void {
    if (!this.#old.has(instance)) return;
    const slot = instance.class.slots.get(name);
    if (slot === undefined) return;
    let slots = this.#read.get(instance);
    if (slots === undefined) this.#read.set(instance, (slots = new Set()));
    if (slots.has(slot)) return;
    slots.add(slot);
    this.attributes.push({ instance, slot, value: instance.slots[slot] ?? null });
  }

  /** A call has run; `native`: on the session's backend. */
  ran(what: Call | Region, native: boolean): void {
    if (this.stopped !== undefined) return;
    const known = what.operands.every((view) => this.isKnown(view.storage)) && what.kind !== "random";
    if (!native && !known) return this.stop(`${what.kind} runs on the host`);
    if (what.kind === "random") return this.stop("random numbers");
    for (const { storage } of what.results) {
      if (this.isOldStorage(storage)) return this.stop("a write to what is older");
      if (!known) this.#unknown.add(storage);
    }
    // What is partly of unknown contents is unknown as a whole, whatever is written into it.
    const settled = known && what.results.every((view) => !this.#unknown.has(view.storage));
    if (this.calls.length >= MAX_CALLS) return this.stop(`more than ${MAX_CALLS} calls`);
    if (this.#node === undefined) return;
    if (!settled) this.trace.called();
    this.calls.push({
      what: kept(what),
      versions: what.operands.map((view) => view.storage.version),
      known: settled,
      node: this.#node,
    });
  }

  /** Values are wanted on the host. */
  reads(tensor: Tensor): void {
    if (!this.isKnown(tensor.storage)) this.stop("a read");
  }

  /** Drops what the root's instruction at hand recorded: the region ends before it. @returns the root's registers as they were there */
  cut(): readonly Datum[] {
    const registers = [...this.root.registers];
    for (const [register, value] of this.#mark.dying) registers[register] = value;
    this.calls.length = this.#mark.calls;
    this.attributes.length = this.#mark.attributes;
    this.steps = this.#mark.steps;
    this.trace.cut(this.#mark.traced);
    return registers;
  }

  /** Whether ops drew random numbers on the host. */
  get drewNumbers(): boolean {
    return this.#generator.position !== this.#generatorPosition;
  }

  /** Storages whose contents the plan may need: a sweep must leave them. */
  *held(): Generator<Storage> {
    for (const { what } of this.calls) for (const { storage } of [...what.operands, ...what.results]) if (this.isKnown(storage)) yield storage;
  }
}

/** The call with its views as they are now: a tensor's record may change later. */
function kept(what: Call | Region): Call | Region {
  const keep = (v: View): View => ({ storage: v.storage, dtype: v.dtype, shape: v.shape, strides: v.strides, offset: v.offset });
  return { ...what, operands: what.operands.map(keep), results: what.results.map(keep) };
}
