/** From a recording to a region that can be planned: its inputs, its steps over placeholders, and what leaves it. */

import type { Datum, Instance } from "../../ir/datum.ts";
import type { Call, Region } from "../../prims/call.ts";
import { Storage } from "../../tensor/storage.ts";
import type { Tensor, View } from "../../tensor/tensor.ts";
import { unreachable } from "../../tensor/error.ts";
import type { CodeBlock, Instruction, Operand } from "../code.ts";
import { type Binding, newBinding, type Pattern, patternOf, Unplannable } from "./pattern.ts";
import { type Memory, type Recipe, recipes } from "./recipe.ts";
import type { Recorded, Recorder } from "./recorder.ts";

/** Where an entering value is found. */
export type Place = { readonly kind: "register"; readonly register: number } | { readonly kind: "attribute"; readonly instance: Instance; readonly slot: number };

/** A call of a region with the nodes that it stands for. */
export interface Step {
  readonly what: Call | Region;
  /** Indices into the region's origins. */
  readonly origins: readonly number[];
}

/** A straight line of instructions `from..to` of one block, for values of given shapes and kinds. */
export interface StraightLine {
  readonly from: number;
  readonly to: number;
  /** How many instructions it stands for, those of what it calls included. */
  readonly instructions: number;
  readonly entering: readonly { readonly place: Place; readonly pattern: Pattern }[];
  readonly steps: readonly Step[];
  /** The calls as recorded: where each came from. */
  readonly origins: readonly Pick<Recorded, "node">[];
  /** Placeholders of the bound storages by number. */
  readonly inputs: readonly Storage[];
  readonly outputs: readonly Storage[];
  /** Storages read as constants, with the version whose contents are meant. */
  readonly constants: readonly { readonly storage: Storage; readonly version: number }[];
  readonly leaving: readonly { readonly register: number; readonly recipe: Recipe }[];
  /** Registers that are dead at the end. */
  readonly dead: readonly number[];
}

/**
 * The region of a recording that ends before instruction `to`, where the root's registers are as given.
 * @throws Unplannable where a value that enters or leaves cannot be stood for
 */
export function straightLine(recorder: Recorder, to: number, registers: readonly Datum[], isConstant: (storage: Storage) => boolean): StraightLine {
  const { root, from } = recorder;
  if (recorder.drewNumbers) throw new Unplannable("random numbers");
  const { read, written, dead } = registersOf(root.block, from, to);

  const binding: Binding = newBinding();
  const own = new Set<Tensor>();
  const entering: StraightLine["entering"][number][] = [];
  for (const register of read) {
    entering.push({ place: { kind: "register", register }, pattern: patternOf(recorder.entry[register] ?? null, isConstant, binding, own) });
  }
  for (const { instance, slot, value } of recorder.attributes) {
    entering.push({ place: { kind: "attribute", instance, slot }, pattern: patternOf(value, isConstant, binding, own) });
  }

  // A known call is part of the region only where it prepares memory that an unknown one writes.
  const shared = new Set<Storage>();
  for (const { what, known } of recorder.calls) if (!known) for (const { storage } of what.results) shared.add(storage);
  const calls = recorder.calls.filter((c) => !c.known || c.what.results.some((view) => shared.has(view.storage)));

  const placeholders = new Map<Storage, Storage>();
  binding.storages.forEach((storage) => placeholders.set(storage, Storage.allocate(storage.nbytes)));
  const inputs = [...placeholders.values()];
  const constants = new Map<Storage, number>();
  const standIn = (view: View, version: number | undefined): View => {
    const { storage } = view;
    let placeholder = placeholders.get(storage);
    if (placeholder === undefined) {
      const isMade = shared.has(storage) || (version === undefined && !recorder.isOldStorage(storage));
      if (isMade) placeholders.set(storage, (placeholder = Storage.allocate(storage.nbytes)));
      else {
        if (version === undefined || storage.version !== version) throw new Unplannable("a constant that is written again");
        constants.set(storage, version);
        placeholder = storage;
      }
    }
    return { storage: placeholder, dtype: view.dtype, shape: view.shape, strides: view.strides, offset: view.offset };
  };
  const steps = calls.map(({ what, versions }, i): Step => ({
    what: { ...what, operands: what.operands.map((v, k) => standIn(v, versions[k] ?? unreachable("version"))), results: what.results.map((v) => standIn(v, undefined)) },
    origins: [i],
  }));

  const outputs: Storage[] = [];
  const memories = new Map<Storage, Memory>();
  const memoryOf = (storage: Storage): Memory => {
    let memory = memories.get(storage);
    if (memory !== undefined) return memory;
    const input = binding.storages.indexOf(storage);
    const placeholder = placeholders.get(storage);
    if (input >= 0) memory = { kind: "input", index: input };
    else if (placeholder !== undefined) memory = { kind: "output", index: outputs.push(placeholder) - 1 };
    else if (recorder.isOldStorage(storage)) {
      if (!isConstant(storage)) throw new Unplannable("memory of unknown origin");
      memory = { kind: "own", storage };
    } else if (storage.isBlank) memory = { kind: "blank", nbytes: storage.nbytes };
    else {
      constants.set(storage, storage.version);
      memory = { kind: "copy", storage };
    }
    memories.set(storage, memory);
    return memory;
  };
  const recipeOf = recipes({ binding, constants: own, isOld: (value) => recorder.isOld(value), memoryOf });
  const leaving = written.filter((r) => !dead.has(r)).map((register) => ({ register, recipe: recipeOf(registers[register] ?? null) }));
  return {
    from, to, instructions: recorder.steps, entering, steps, inputs, outputs, leaving,
    origins: calls.map(({ node }) => ({ node })),
    constants: [...constants].map(([storage, version]) => ({ storage, version })),
    dead: [...dead],
  };
}

/** Registers that instructions `from..to` read before they write them, write, and leave dead. */
function registersOf(block: CodeBlock, from: number, to: number): { readonly read: readonly number[]; readonly written: readonly number[]; readonly dead: ReadonlySet<number> } {
  const read = new Set<number>();
  const inside = new Set<number>();
  const written = new Set<number>();
  const dead = new Set<number>();
  const use = (operands: readonly Operand[]): void => {
    for (const { register } of operands) if (register >= 0 && !inside.has(register)) read.add(register);
  };
  const walk = (b: CodeBlock): void => {
    for (const register of b.inputs) inside.add(register);
    for (const instruction of b.instructions) visit(instruction);
    use(b.outputs);
  };
  const visit = (instruction: Instruction): void => {
    use(instruction.operands);
    if (instruction.kind === "if") instruction.blocks.forEach(walk);
    else if (instruction.kind === "loop" || instruction.kind === "fork") walk(instruction.body);
    for (const register of instruction.results) inside.add(register);
  };
  for (const instruction of block.instructions.slice(from, to)) {
    visit(instruction);
    for (const register of instruction.results) {
      written.add(register);
      dead.delete(register);
    }
    for (const register of instruction.kills) dead.add(register);
  }
  return { read: [...read], written: [...written], dead };
}

/** The value at a place now. */
export function valueAt(place: Place, registers: readonly Datum[]): Datum {
  return place.kind === "register" ? (registers[place.register] ?? null) : (place.instance.slots[place.slot] ?? null);
}
