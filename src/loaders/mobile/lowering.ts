/**
 * One function of mobile bytecode to a graph. The stack is simulated with values of the graph on it, which gives SSA; ifs and loops are read
 * back from the jumps, which LibTorch writes in one way only. Anything else that jumps is refused.
 */

import type { Limits } from "../../bytes/limits.ts";
import { GraphBuilder, type OpenBlock } from "../../ir/builder.ts";
import type { Block, FunctionDecl, Location, Node, Value } from "../../ir/graph.ts";
import type { Schema } from "../../ir/schema.ts";
import type { SchemaTable } from "../../ir/schema-table.ts";
import type { Template } from "../../ir/template.ts";
import { isSubtype, printType, sameType, T, type Type } from "../../ir/type.ts";
import { typeOfTemplate } from "../../ir/template-type.ts";
import { type ErrorCode, type ErrorFacts, isOpwiseError, OpwiseError } from "../../tensor/error.ts";
import type { BytecodeFunction, Instruction } from "./bytecode.ts";
import { joinTypes, type MobileUnit } from "./unit.ts";

/** What the functions of a file share. */
export interface Context {
  readonly unit: MobileUnit;
  readonly schemas: SchemaTable;
  /** Operators below their number keep their old meaning. */
  readonly operatorVersion: number;
  readonly limits: Limits;
  /** The function that is an operator's old meaning, where it has one at this version. */
  upgrader(fullName: string): FunctionDecl | undefined;
  /** Counts work: what is simulated again, and what a hostile file makes us search. @throws limit-exceeded */
  spend(steps: number): void;
}

/** What a place of the stack or a register holds: a value, or one that no live path reads and that gets its type where it is joined. */
export type Slot = Value | typeof UNSET;
export const UNSET = "uninitialized";

/** What a condition says of a value: its type where the condition holds, and where it does not. */
export interface Test {
  readonly value: Value;
  readonly holds: Type | undefined;
  readonly fails: Type | undefined;
}

/** Instructions that are no jumps. */
export type Step = (l: BytecodeLowering, instruction: Instruction) => void;

/** Ifs and loops inside each other; early returns nest one per return. */
const MAX_NESTING = 400;
/** Rounds in which the types of a loop's carried values may grow before they are anything. */
const MAX_ROUNDS = 6;

interface Arm {
  readonly block: OpenBlock;
  readonly raises: boolean;
  readonly outputs: readonly Slot[];
  /** Registers that were changed, and what they hold at the end. */
  readonly registers: ReadonlyMap<number, Slot | undefined>;
}

export class BytecodeLowering {
  readonly context: Context;
  readonly fn: BytecodeFunction;
  readonly builder: GraphBuilder = new GraphBuilder();
  readonly tests: Map<Value, Test> = new Map();
  readonly constants: Map<Value, Template> = new Map();
  /** Conditions that the types decide. */
  readonly decided: Map<Value, boolean> = new Map();
  readonly #step: Step;
  readonly #stack: Slot[] = [];
  /** The stack of an open block must not shrink below this. */
  #floor = 0;
  readonly #registers = new Map<number, Slot>();
  /** Per open block, what its changed registers held before. */
  readonly #journal: Map<number, Slot | undefined>[] = [];
  /** A value under a narrower type, and the value it is. */
  readonly #origins = new Map<Value, Value>();
  /** Types of carried values by the loop's place: what earlier rounds found. */
  readonly #carried = new Map<number, (Type | undefined)[]>();
  #depth = 0;
  #pc = 0;

  constructor(context: Context, fn: BytecodeFunction, step: Step) {
    this.context = context;
    this.fn = fn;
    this.#step = step;
  }

  /** @throws always */
  fail(message: string, facts: ErrorFacts = {}, code: ErrorCode = "bad-model"): never {
    throw new OpwiseError(code, message, { ...facts, where: { ...this.#where(), ...facts.where } });
  }

  #where(): { record: string; line: number } {
    return { record: this.fn.name, line: this.#pc + 1 };
  }

  get #location(): Location {
    return this.#where();
  }

  // Nodes

  node(
    op: string,
    operands: readonly (Value | undefined)[],
    types: readonly Type[],
    facts: { attributes?: Node["attributes"]; schema?: Schema; blocks?: Node["blocks"] } = {},
  ): Value[] {
    return this.builder.node(
      op,
      operands,
      types.map((type) => ({ type })),
      { ...facts, location: this.#location },
    );
  }

  /** A node with one result. */
  one(op: string, operands: readonly (Value | undefined)[], type: Type, attributes: Node["attributes"] = {}): Value {
    return this.node(op, operands, [type], { attributes })[0] as Value; // one type, one result
  }

  constant(template: Template, type: Type = typeOfTemplate(template)): Value {
    const value = this.builder.constant(template, type, this.#location);
    this.constants.set(value, template);
    return value;
  }

  /** The value under `type`, which it is known or assumed to have. */
  cast(slot: Slot, type: Type): Value {
    if (slot === UNSET) return this.one("prim::Uninitialized", [], type);
    return isSubtype(slot.type, type) ? slot : this.one("prim::unchecked_cast", [slot], type, { checked: { kind: "bool", value: true } });
  }

  // Stack and registers

  push(slot: Slot): void {
    this.#stack.push(slot);
  }

  pop(): Slot {
    if (this.#stack.length <= this.#floor) this.fail("the stack is empty");
    return this.#stack.pop() as Slot; // just tested
  }

  /** A value; one that was never set has no type of its own. */
  popValue(type: Type = T.Any): Value {
    const slot = this.pop();
    return slot === UNSET ? this.cast(slot, type) : slot;
  }

  popMany(count: number): Slot[] {
    if (this.#stack.length - count < this.#floor) this.fail(`the stack has fewer than ${count} values`);
    return this.#stack.splice(this.#stack.length - count, count);
  }

  /** What the open block has on the stack. */
  popBlock(): Slot[] {
    return this.#stack.splice(this.#floor);
  }

  load(register: number): Slot {
    return this.#registers.get(register) ?? this.fail(`the register ${register} holds nothing here`);
  }

  store(register: number, slot: Slot | undefined): void {
    const journal = this.#journal.at(-1);
    if (journal?.has(register) === false) journal.set(register, this.#registers.get(register));
    if (slot === undefined) this.#registers.delete(register);
    else this.#registers.set(register, slot);
  }

  #origin(slot: Slot | undefined): Slot | undefined {
    let at = slot;
    while (at !== undefined && at !== UNSET) {
      const before = this.#origins.get(at);
      if (before === undefined) break;
      at = before;
    }
    return at;
  }

  // Control

  /** Runs the body, and gives its block. */
  run(decl: Pick<FunctionDecl, "params" | "returns">): Block {
    const end = this.fn.instructions.length - 1;
    if (this.fn.instructions[end]?.op !== "RET") this.fail("the code does not end with RET");
    const inputs = this.builder.open(decl.params);
    for (const input of inputs) this.push(input);
    const raises = this.#range(0, end);
    if (raises) return this.builder.close([this.cast(UNSET, decl.returns)]);
    this.#pc = end;
    const results = this.popBlock();
    const [result] = results;
    if (result === undefined || results.length > 1) this.fail(`${results.length} values are returned`, { wanted: "one" });
    return this.builder.close([this.cast(result, decl.returns)]);
  }

  /** Runs instructions from `from` up to `to`. @returns whether they always raise */
  #range(from: number, to: number): boolean {
    let pc = from;
    while (pc < to) {
      this.#pc = pc;
      this.context.spend(1);
      const instruction = this.fn.instructions[pc] as Instruction; // `to` is inside the code
      switch (instruction.op) {
        case "JF": {
          const next = this.#branch(pc, to);
          if (next === undefined) return true;
          pc = next;
          break;
        }
        case "LOOP":
          pc = this.#loop(pc, to);
          break;
        case "JMP":
          // A branch that is empty jumps to the next instruction; any other jump belongs to an if or a loop.
          return this.fail("a jump belongs to no if and no loop");
        case "RET":
          return this.fail("RET stands inside the code");
        default:
          this.#step(this, instruction);
          pc++;
          if (raisesAlways(this.fn, instruction)) return true;
      }
    }
    return false;
  }

  #enter(): void {
    if (++this.#depth > MAX_NESTING) this.fail("ifs and loops are nested too deeply", { wanted: `at most ${MAX_NESTING} levels` }, "limit-exceeded");
  }

  /** Runs a block with a stack of its own, and takes back what it did to the registers. */
  #arm(from: number, to: number, begin: () => void): Arm {
    const floor = this.#floor;
    this.#floor = this.#stack.length;
    this.#journal.push(new Map());
    begin();
    const raises = this.#range(from, to);
    const outputs = this.popBlock();
    this.#floor = floor;
    const registers = new Map<number, Slot | undefined>();
    for (const [register, before] of this.#journal.pop() ?? []) {
      registers.set(register, this.#registers.get(register));
      if (before === undefined) this.#registers.delete(register);
      else this.#registers.set(register, before);
    }
    return { block: this.builder.suspend(), raises, outputs, registers };
  }

  /** A test narrows a value's type in every register that holds it. */
  #narrow(value: Value, type: Type): void {
    this.context.spend(this.#registers.size);
    let narrowed: Value | undefined;
    for (const [register, slot] of [...this.#registers]) {
      if (slot !== value) continue;
      if (narrowed === undefined) {
        narrowed = this.one("prim::unchecked_cast", [value], type);
        this.#origins.set(narrowed, value);
      }
      this.store(register, narrowed);
    }
  }

  /** `JF else; then…; JMP end; else: …; end:`. @returns where it goes on; undefined where both arms raise */
  #branch(pc: number, to: number): number | undefined {
    this.#enter();
    const { instructions } = this.fn;
    const otherwise = pc + (instructions[pc] as Instruction).x; // the caller is at it
    const jump = otherwise > pc + 1 && otherwise <= to ? instructions[otherwise - 1] : undefined;
    if (jump?.op !== "JMP") return this.fail("a conditional jump does not end in an if", { wanted: "JMP before its target" });
    const end = otherwise - 1 + jump.x;
    if (end < otherwise || end > to) return this.fail("an if reaches out of its block");
    const condition = this.cast(this.pop(), T.bool);
    const decided = this.decided.get(condition);
    if (decided !== undefined) {
      // The other arm may not even have types: it can unpack what is None here.
      const raises = decided ? this.#range(pc + 1, otherwise - 1) : this.#range(otherwise, end);
      this.#depth--;
      return raises ? undefined : end;
    }
    const test = this.tests.get(condition);
    const begin = (type: Type | undefined) => (): void => {
      this.builder.open();
      if (test !== undefined && type !== undefined) this.#narrow(test.value, type);
    };
    const yes = this.#arm(pc + 1, otherwise - 1, begin(test?.holds));
    const no = this.#arm(otherwise, end, begin(test?.fails));
    this.#pc = pc;
    this.#depth--;
    this.#mergeRegisters([yes, no].filter((arm) => !arm.raises));
    if (yes.raises && no.raises) {
      this.#if(condition, yes, no, [], []);
      return undefined;
    }
    if (!yes.raises && !no.raises && yes.outputs.length !== no.outputs.length) {
      return this.fail("the branches of an if leave different numbers of values", { got: `${yes.outputs.length} and ${no.outputs.length}` });
    }
    const count = (yes.raises ? no : yes).outputs.length;
    const joined: (Slot | Type)[] = [];
    for (let i = 0; i < count; i++) {
      const a = yes.raises ? UNSET : (yes.outputs[i] as Slot);
      const b = no.raises ? UNSET : (no.outputs[i] as Slot);
      if (a === UNSET || b === UNSET) joined.push(a !== UNSET ? a.type : b !== UNSET ? b.type : UNSET);
      else joined.push(a === b ? a : joinTypes(a.type, b.type));
    }
    const results = this.#if(
      condition,
      yes,
      no,
      joined.map((slot) => (isType(slot) ? slot : undefined)),
      joined,
    );
    for (const slot of results) this.push(slot);
    return end;
  }

  /** The node of an if. Places of `types` that are undefined need no result: both arms have the same there. */
  #if(condition: Value, yes: Arm, no: Arm, types: readonly (Type | undefined)[], joined: readonly (Slot | Type)[]): Slot[] {
    const blocks = [yes, no].map((arm) => {
      this.builder.resume(arm.block);
      return this.builder.close(types.flatMap((type, i) => (type === undefined ? [] : [this.cast(arm.raises ? UNSET : (arm.outputs[i] ?? UNSET), type)])));
    });
    const results = this.node(
      "prim::If",
      [condition],
      types.flatMap((type) => (type === undefined ? [] : [type])),
      { blocks },
    );
    let next = 0;
    return joined.map((slot) => (isType(slot) ? (results[next++] as Value) : slot)); // one result per type
  }

  /** After an if a register holds what it held before, if no arm that goes on has changed it; values of an arm end with it. */
  #mergeRegisters(arms: readonly Arm[]): void {
    for (const arm of arms) {
      for (const [register, after] of arm.registers) {
        const before = this.#registers.get(register);
        if (before !== undefined && this.#origin(after) !== this.#origin(before)) this.store(register, undefined);
      }
    }
  }

  /** `LOOP end n; body…; JMP back; end:`, with counter, limit, condition and carried values on the stack. @returns where it goes on */
  #loop(pc: number, to: number): number {
    this.#enter();
    const { instructions } = this.fn;
    const { x, n } = instructions[pc] as Instruction; // the caller is at it
    const end = pc + x;
    const back = x >= 2 && end <= to ? instructions[end - 1] : undefined;
    if (back?.op !== "JMP" || end - 1 + back.x !== pc || n < 2) return this.fail("a loop does not end in a jump back to it");
    const [counter, limitSlot, conditionSlot, ...initial] = this.popMany(n + 1);
    const start = counter === undefined || counter === UNSET ? undefined : this.constants.get(counter);
    if (start?.kind !== "int" || start.value !== 0) return this.fail("a loop does not count from 0");
    const limit = this.cast(limitSlot ?? UNSET, T.int);
    const condition = this.cast(conditionSlot ?? UNSET, T.bool);
    const known = this.#carried.get(pc) ?? [];
    let types = initial.map((slot, i) => grown(known[i], slot));
    for (let round = 0; ; round++) {
      const carried = types.flatMap((type) => (type === undefined ? [] : [{ type }]));
      const arm = this.#arm(pc + 1, end - 1, () => {
        const [trip, ...inputs] = this.builder.open([{ type: T.int }, ...carried]);
        this.push(trip as Value); // the first of the inputs
        let next = 0;
        for (const type of types) this.push(type === undefined ? UNSET : (inputs[next++] as Value)); // one input per type
      });
      this.#pc = pc;
      for (const [register, after] of arm.registers) {
        const before = this.#registers.get(register);
        if (before !== undefined && this.#origin(after) !== this.#origin(before))
          return this.fail(`a loop changes the register ${register}, which it does not carry`);
      }
      const [proceed, ...outputs] = arm.raises ? [UNSET, ...initial.map(() => UNSET)] : arm.outputs;
      if (proceed === undefined || outputs.length !== initial.length) {
        return this.fail("the body of a loop leaves a wrong number of values", { wanted: `${initial.length + 1}`, got: `${arm.outputs.length}` });
      }
      const wider = types.map((type, i) => {
        const now = grown(type, outputs[i] as Slot);
        return round >= MAX_ROUNDS && type !== undefined && now !== undefined && !sameType(type, now) ? T.Any : now;
      });
      const stable = wider.every((type, i) => type === types[i] || (type !== undefined && types[i] !== undefined && sameType(type, types[i])));
      types = wider;
      this.#carried.set(pc, types);
      if (!stable) continue;
      this.#depth--;
      this.builder.resume(arm.block);
      const going = arm.raises ? this.constant({ kind: "bool", value: false }) : this.cast(proceed as Slot, T.bool);
      const kept = types.flatMap((type, i) => (type === undefined ? [] : [{ type, initial: initial[i] as Slot, output: outputs[i] as Slot }]));
      const body = this.builder.close([going, ...kept.map(({ output, type }) => this.cast(output, type))]);
      const operands = [limit, condition, ...kept.map(({ initial: slot, type }) => this.cast(slot, type))];
      const results = this.node(
        "prim::Loop",
        operands,
        kept.map(({ type }) => type),
        { blocks: [body] },
      );
      let next = 0;
      for (const type of types) this.push(type === undefined ? UNSET : (results[next++] as Value)); // one result per type
      return end;
    }
  }

  /** An error from below with its place, where it has none. */
  static placed(l: BytecodeLowering, error: unknown): unknown {
    return isOpwiseError(error) && error.where.record === undefined ? error.at(l.#where()) : error;
  }
}

function isType(slot: Slot | Type): slot is Type {
  return slot !== UNSET && "kind" in slot;
}

/** A type that also holds what `slot` holds. */
function grown(type: Type | undefined, slot: Slot): Type | undefined {
  if (slot === UNSET) return type;
  return type === undefined ? slot.type : joinTypes(type, slot.type);
}

/** Whether control never goes past the instruction. */
function raisesAlways(fn: BytecodeFunction, instruction: Instruction): boolean {
  if (instruction.op === "RAISE_EXCEPTION") return true;
  return instruction.op === "OP" && fn.operators[instruction.x]?.name === "prim::RaiseException";
}

/** Names a type in messages. */
export function typeText(slot: Slot): string {
  return slot === UNSET ? "nothing" : printType(slot.type);
}
