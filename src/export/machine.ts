/** Runs linked code on data of the graph: calls are inlined, branches and loops that hang on data become If and Loop. */

import { type Datum, type Instance } from "../ir/datum.ts";
import type { Node } from "../ir/graph.ts";
import { T, type Type } from "../ir/type.ts";
import type { CodeBlock, Instruction, LinkedFunction, Operand } from "../run/code.ts";
import { whereOf } from "../run/machine.ts";
import { isOpwiseError, OpwiseError, typedError, unreachable } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import { addCheck } from "./meaning.ts";
import { runOp } from "./dispatch.ts";
import type { Exporter } from "./exporter.ts";
import { type Frozen, freeze, joined, leafValues, open, type Pattern } from "./frozen.ts";
import { attributesOf, graphProto, infoOf, type OnnxValue, Scope } from "./graph.ts";
import { type Place, type Touched } from "./trail.ts";
import { isSym, isSymTensor, openOf, refuse, Sym, SymList, SymTensor, UNSET } from "./values.ts";
import { freezePlace, keyOf, own, placesOf, samePattern, setPlace, sumOfChecks } from "./places.ts";

/** What the model raises; the exporter makes a check of it where it hangs on data. */
class Raised extends Error {
  readonly error: OpwiseError;
  constructor(error: OpwiseError) {
    super(error.message);
    this.error = error;
  }
}

/** One way of a branch: what it gives with the registers that it may write. */
type Way = (registers: Datum[]) => readonly Datum[];

/** A branch whose results have no common form: the block around it is to go on in each way. */
class Split extends Error {
  readonly instruction: Instruction & { readonly kind: "if" };
  readonly cond: Sym;
  readonly refusal: OpwiseError;
  constructor(instruction: Instruction & { readonly kind: "if" }, cond: Sym, refusal: OpwiseError) {
    super(refusal.message);
    this.instruction = instruction;
    this.cond = cond;
    this.refusal = refusal;
  }
}
const MAX_SPLITS = 64;

/** Trips that a loop of known length is unrolled to at most, where it cannot be a Loop; and those to which it is unrolled at once. */
const MAX_UNROLLED = 512;
const UNROLLED = 24;
const MAX_ROUNDS = 12;

export class AbstractMachine {
  readonly x: Exporter;
  #depth = 0;

  constructor(x: Exporter) {
    this.x = x;
  }

  call(fn: LinkedFunction, args: readonly Datum[]): readonly Datum[] {
    if (++this.#depth > 200) return refuse("calls are nested too deeply", "does the model call itself without end?");
    const registers = new Array<Datum>(fn.registers).fill(null);
    fn.body.inputs.forEach((r, i) => (registers[r] = args[i] ?? null));
    const out = this.block(fn.body, registers);
    this.#depth--;
    return out;
  }

  block(block: CodeBlock, registers: Datum[]): Datum[] {
    return this.#from(block, 0, registers);
  }

  /** The block from an instruction on. */
  #from(block: CodeBlock, first: number, registers: Datum[]): Datum[] {
    for (let at = first; at < block.instructions.length; at++) {
      const instruction = block.instructions[at] ?? unreachable("instruction");
      const { node } = instruction;
      const outer = this.x.g.origin;
      this.x.g.origin = { op: node.op, metadata: metadataOf(node) };
      try {
        const results = this.#execute(instruction, registers);
        instruction.results.forEach((r, i) => {
          const value = results[i] ?? null;
          if (typeof value === "object" && value !== null) this.x.trail.born(value);
          registers[r] = value;
        });
      } catch (error) {
        if (error instanceof Split) {
          this.x.g.origin = outer;
          return this.#splitRest(block, at, error, registers);
        }
        if (error instanceof Raised) throw error;
        const placed = typedError(error).at(whereOf(node));
        throw placed;
      } finally {
        this.x.g.origin = outer;
      }
    }
    return block.outputs.map((o) => read(registers, o));
  }

  #execute(instruction: Instruction, registers: Datum[]): readonly Datum[] {
    const { x } = this;
    const args = (): Datum[] => instruction.operands.map((o) => read(registers, o));
    switch (instruction.kind) {
      case "op":
        return runOp(x, instruction.node, instruction.node.schema, instruction.bound, args());
      case "missing":
        return runOp(x, instruction.node, instruction.node.schema, undefined, args());
      case "constant":
        return [instruction.value];
      case "data":
        return this.#data(instruction, args());
      case "getattr": {
        const object = instanceOf(args()[0] ?? null);
        const slot = object.class.slots.get(instruction.name);
        const value = slot === undefined ? undefined : object.slots[slot];
        if (value === undefined) throw new OpwiseError("runtime-error", `'${object.class.name}' object has no attribute '${instruction.name}'`);
        return [value];
      }
      case "setattr": {
        const [target, value = null] = args();
        const object = instanceOf(target ?? null);
        const slot = object.class.slots.get(instruction.name);
        if (slot === undefined) throw new OpwiseError("runtime-error", `'${object.class.name}' object has no attribute '${instruction.name}'`);
        x.trail.touch({ kind: "slot", target: object, slot });
        this.onTouch?.({ kind: "slot", target: object, slot });
        object.slots[slot] = value;
        return [];
      }
      case "if":
        return this.#if(instruction, args()[0] ?? null, registers);
      case "loop":
        return this.#loop(instruction, args(), registers);
      case "call":
        return this.call(instruction.callee(), args());
      case "method": {
        const values = args();
        return this.call(instruction.lookup(instanceOf(values[0] ?? null).class), values);
      }
      case "fork": {
        const value = this.block(instruction.body, [...registers])[0] ?? null;
        return [{ kind: "future", state: { done: true, value } }];
      }
      case "wait": {
        const [future] = args();
        if (
          typeof future !== "object" ||
          future === null ||
          !("kind" in future) ||
          future.kind !== "future" ||
          !future.state.done ||
          !("value" in future.state)
        )
          return unreachable("a wait for no future");
        return [future.state.value];
      }
      case "raise": {
        const [message, raised] = args();
        throw new Raised(
          new OpwiseError("model-raised", typeof message === "string" ? message : "an exception without a text", {
            ...(typeof raised === "string" ? { raisedClass: raised } : {}),
            where: whereOf(instruction.node),
          }),
        );
      }
      default:
        return instruction satisfies never;
    }
  }
  /** Told of every slot that is set. */
  onTouch: ((place: Place) => void) | undefined;

  #data(instruction: Instruction & { readonly kind: "data" }, args: readonly Datum[]): readonly Datum[] {
    const { node } = instruction;
    switch (node.op) {
      case "prim::Uninitialized":
        return [UNSET];
      case "prim::isinstance": {
        const [value] = args;
        if (value instanceof SymTensor) return instruction.run([PLAIN_TENSOR]);
        if (isSym(value)) return instruction.run([value.type === "bool" ? { kind: "bool", value: false } : { kind: value.type, value: 0 }]);
        return instruction.run([withPlainItems(value ?? null)]);
      }
      case "prim::unchecked_cast":
        return [args[0] ?? null];
      case "prim::ListUnpack": {
        const [list = null] = args;
        if (list instanceof SymList || openOf(list) !== undefined) return refuse("a list of open length is unpacked");
        return instruction.run(args);
      }
      case "prim::ModuleContainerIndex": {
        const [container = null, key = null] = args;
        return instruction.run([container, isSym(key) ? this.x.fix(key) : key]);
      }
      default:
        return instruction.run(args);
    }
  }

  // ---- branches ------------------------------------------------------------------------------------------------------------------

  #if(instruction: Instruction & { readonly kind: "if" }, cond: Datum, registers: Datum[]): readonly Datum[] {
    const { x } = this;
    const [then, otherwise] = [instruction.blocks[0] ?? unreachable("branch"), instruction.blocks[1] ?? unreachable("branch")];
    if (!isSym(cond)) return this.block(cond === true ? then : otherwise, registers);
    const assumed = x.assumed(cond) ?? (x.isFixed(cond.roots) ? cond.hint === true : undefined);
    if (assumed !== undefined) return this.block(assumed ? then : otherwise, registers);
    const done = this.#attempt(() => this.#branches(instruction, cond, [then, otherwise], registers));
    if (!(done instanceof OpwiseError)) return done;
    // No results that both ways have in common: what follows belongs to each way.
    if (cond.roots === undefined) throw new Split(instruction, cond, done);
    // Not an If: the condition is fixed as the examples have it.
    x.fix(cond);
    return this.block(cond.hint === true ? then : otherwise, registers);
  }

  /** The rest of a block in both ways of a branch whose results have no common form. */
  #splitRest(block: CodeBlock, at: number, { instruction, cond, refusal }: Split, registers: Datum[]): Datum[] {
    if (++this.#splits > MAX_SPLITS) throw refusal;
    const [then, otherwise] = instruction.blocks;
    const follow =
      (own: CodeBlock | undefined) =>
      (inner: Datum[]): Datum[] => {
        const results = this.block(own ?? unreachable("branch"), inner);
        instruction.results.forEach((r, i) => (inner[r] = results[i] ?? null));
        return this.#from(block, at + 1, inner);
      };
    const done = this.#attempt(() =>
      this.#ways(
        cond,
        [follow(then), follow(otherwise)],
        block.outputs.map(() => T.Any),
        registers,
      ),
    );
    if (done instanceof OpwiseError) throw refusal;
    return [...done];
  }
  #splits = 0;

  #branches(instruction: Instruction & { readonly kind: "if" }, cond: Sym, blocks: readonly [CodeBlock, CodeBlock], registers: Datum[]): readonly Datum[] {
    return this.#ways(
      cond,
      [(own) => this.block(blocks[0], own), (own) => this.block(blocks[1], own)],
      instruction.node.results.map((r) => r.type),
      registers,
    );
  }

  /** An If of two ways to go on. */
  #ways(cond: Sym, ways: readonly [Way, Way], types: readonly Type[], registers: Datum[]): readonly Datum[] {
    const { x } = this;
    const run = (way: Way, holds: boolean): Side | Raised => x.assuming(cond, holds, () => this.#side(way, [...registers], types));
    const first = run(ways[0], true);
    const second = run(ways[1], false);
    if (first instanceof Raised || second instanceof Raised) {
      if (first instanceof Raised && second instanceof Raised) throw first;
      // The way that raises is never gone on from: a check, and the other way alone.
      const good = first instanceof Raised ? 1 : 0;
      addCheck(x, good === 0 ? cond.onnx : x.op("Not", [cond.onnx]));
      return x.assuming(cond, good === 0, () => ways[good](registers));
    }
    const places = placesOf([...first.effects, ...second.effects]);
    const sides = [first, second] as const;
    const patterns: Pattern[] = types.map(
      (_, i) => this.#conditionItself(first.outputs[i], second.outputs[i], cond) ?? this.#joinSides(first.outputs[i], second.outputs[i], cond),
    );
    const placePatterns = places.map((place) => {
      const [a, b] = sides.map((side) => side.states.get(keyOf(place)) ?? freezePlace(x, place));
      return this.#joinSides(a, b, cond);
    });
    const all = [...patterns, ...placePatterns];
    const outputs: OnnxValue[][] = [];
    for (const side of sides) {
      const values: OnnxValue[] = [];
      x.within(side.scope, () => {
        all.forEach((p, i) =>
          leafValues(
            x,
            p,
            i < patterns.length
              ? (side.outputs[i] ?? { kind: "unset" })
              : (side.states.get(keyOf(places[i - patterns.length] ?? unreachable("place"))) ??
                  freezePlace(x, places[i - patterns.length] ?? unreachable("place"))),
            values,
          ),
        );
      });
      outputs.push(values);
    }
    const [a = [], b = []] = outputs;
    const results = a.map((v): OnnxValue => ({ name: x.g.fresh("if"), dtype: v.dtype, sequence: v.sequence, scope: x.g.scope }));
    if (results.length > 0 || sides.some((s) => s.scope.checks.length > 0)) this.#emitIf(cond.onnx, sides, [a, b], results);
    let at = 0;
    const next = (): OnnxValue => results[at++] ?? unreachable("a result of If");
    const out = patterns.map((p) => open(x, p, next));
    placePatterns.forEach((p, i) => setPlace(x, places[i] ?? unreachable("place"), open(x, p, next), this.onTouch));
    return out;
  }

  /** `True if cond else False` is the condition, or its opposite. */
  #conditionItself(a: Frozen | undefined, b: Frozen | undefined, cond: Sym): Pattern | undefined {
    if (a?.kind !== "number" || b?.kind !== "number" || typeof a.value !== "boolean" || typeof b.value !== "boolean" || a.value === b.value || a.boxed)
      return undefined;
    const { x } = this;
    return { kind: "same", frozen: freeze(x, a.value ? cond : x.number("bool", x.op("Not", [cond.onnx]), cond.hint !== true, cond.roots), T.bool) };
  }

  #joinSides(a: Frozen | undefined, b: Frozen | undefined, cond: Sym): Pattern {
    const start: Pattern = { kind: "same", frozen: cond.hint === true ? (a ?? { kind: "unset" }) : (b ?? { kind: "unset" }) };
    return joined(start, cond.hint === true ? (b ?? { kind: "unset" }) : (a ?? { kind: "unset" }), cond.roots);
  }

  #emitIf(cond: OnnxValue, sides: readonly Side[], values: readonly (readonly OnnxValue[])[], results: OnnxValue[]): void {
    const { g } = this.x;
    const withChecks = sides.some((s) => s.scope.checks.length > 0);
    const check: OnnxValue = { name: g.fresh("if_check"), dtype: "int64", sequence: false, scope: g.scope };
    const graphs = sides.map((side, k) => {
      const outs = [...(values[k] ?? [])];
      return g.within(side.scope, () => {
        if (withChecks) outs.push(sumOfChecks(this.x, side.scope));
        const named = outs.map((v) => own(this.x, v));
        return graphProto(
          g.fresh(k === 0 ? "then" : "else"),
          side.scope,
          [],
          named.map((v) => infoOf(v)),
        );
      });
    });
    const all = withChecks ? [...results, check] : results;
    g.push(
      "If",
      [cond],
      all,
      attributesOf({
        then_branch: { kind: "graph", value: graphs[0] ?? unreachable("graph") },
        else_branch: { kind: "graph", value: graphs[1] ?? unreachable("graph") },
      }),
    );
    if (withChecks) g.scope.checks.push(check);
  }

  /** One way through a branch or a body, undone again. */
  #side(way: Way, registers: Datum[], types: readonly Type[]): Side | Raised {
    const { x } = this;
    const scope = new Scope(x.g.scope);
    const depth = this.#depth;
    x.trail.enter();
    try {
      return x.within(scope, () => {
        const outputs = way(registers).map((d, i) => freeze(x, d, types[i]));
        const effects = x.trail.effects();
        const states = new Map(effects.map((t) => [keyOf(t.place), freezePlace(x, t.place)] as const));
        return { scope, outputs, effects, states };
      });
    } catch (error) {
      if (error instanceof Raised) return error;
      throw error;
    } finally {
      this.#depth = depth;
      x.trail.undo();
    }
  }

  // ---- loops ---------------------------------------------------------------------------------------------------------------------

  #loop(instruction: Instruction & { readonly kind: "loop" }, args: readonly Datum[], registers: Datum[]): readonly Datum[] {
    const { x } = this;
    const [max = 0, cond = true, ...carried] = args;
    const limit = isSym(max) ? undefined : Number(max);
    if (limit !== undefined && limit <= 0) return carried;
    if (cond === false) return carried;
    const short = limit !== undefined && limit <= UNROLLED;
    const isWhile = limit !== undefined && limit > 2 ** 40;
    // Known trips first: a short loop, or a while over known numbers.
    if (cond === true && limit !== undefined && (short || isWhile)) {
      const done = this.#attempt(
        () => this.#unroll(instruction, limit, carried, registers, isWhile ? 64 : UNROLLED, false) ?? refuse("a loop of trips that hang on data"),
      );
      if (!(done instanceof OpwiseError)) return done;
    }
    const looped = this.#attempt(() => this.#openLoop(instruction, max, cond, carried, registers));
    if (!(looped instanceof OpwiseError)) return looped;
    const unrolled = this.#attempt(() => {
      const trips = isSym(max) ? Number(x.fix(max)) : Number(max);
      const go = isSym(cond) ? x.fix(cond) : cond;
      return go !== true || trips <= 0
        ? carried
        : (this.#unroll(instruction, trips, carried, registers, MAX_UNROLLED, true) ?? refuse("a loop of more trips than are unrolled"));
    });
    if (unrolled instanceof OpwiseError) throw looped;
    return unrolled;
  }

  /** Trip by trip; undefined where the trips do not end within `most`, or hang on data. */
  #unroll(
    instruction: Instruction & { readonly kind: "loop" },
    limit: number,
    start: readonly Datum[],
    registers: Datum[],
    most: number,
    fix: boolean,
  ): readonly Datum[] | undefined {
    const { x } = this;
    let carried = start;
    for (let trip = 0; trip < limit; trip++) {
      if (trip >= most) return undefined;
      const [iter = 0, ...inputs] = instruction.body.inputs;
      registers[iter] = trip;
      inputs.forEach((r, i) => (registers[r] = carried[i] ?? null));
      const [go = true, ...next] = this.block(instruction.body, registers);
      carried = next;
      const goes = isSym(go) ? (fix || x.isFixed(go.roots) ? x.fix(go) : undefined) : go;
      if (goes === undefined) return undefined;
      if (goes !== true) break;
    }
    return carried;
  }

  #openLoop(instruction: Instruction & { readonly kind: "loop" }, max: Datum, cond: Datum, carried: readonly Datum[], registers: Datum[]): readonly Datum[] {
    const { x } = this;
    const { g } = x;
    const types = [T.bool, ...instruction.body.inputs.slice(1).map((_, i) => instruction.node.results[i]?.type ?? T.Any)];
    const initial = carried.map((d, i) => freeze(x, d, types[i + 1]));
    let patterns: Pattern[] = initial.map((frozen) => ({ kind: "same", frozen }));
    const places: Place[] = [];
    const initialStates: Frozen[] = [];
    let placePatterns: Pattern[] = [];
    for (let round = 0; ; round++) {
      if (round > MAX_ROUNDS) return refuse("what a loop carries takes no lasting form");
      const scope = new Scope(g.scope);
      const inputs: OnnxValue[] = [];
      const iter: OnnxValue = { name: g.fresh("trip"), dtype: "int64", sequence: false, scope };
      const go: OnnxValue = { name: g.fresh("go"), dtype: "bool", sequence: false, scope };
      const next = (dtype: OnnxValue["dtype"], sequence: boolean): OnnxValue => {
        const v: OnnxValue = { name: g.fresh("carried"), dtype, sequence, scope };
        inputs.push(v);
        return v;
      };
      x.trail.enter();
      const depth = this.#depth;
      let after: { readonly go: Frozen; readonly outputs: Frozen[]; readonly states: Map<string | object, Frozen>; readonly effects: Touched[] } | undefined;
      let grown = false;
      let bodyValues: OnnxValue[] = [];
      let goValue: OnnxValue | undefined;
      try {
        x.within(scope, () => {
          const own = [...registers];
          const [iterRegister = 0, ...rest] = instruction.body.inputs;
          own[iterRegister] = new Sym("int", iter, 0, undefined);
          rest.forEach((r, i) => (own[r] = open(x, patterns[i] ?? unreachable("carried"), next)));
          places.forEach((place, i) => setPlace(x, place, open(x, placePatterns[i] ?? unreachable("place"), next), this.onTouch));
          const [goes = true, ...outputs] = this.block(instruction.body, own);
          const effects = x.trail.effects();
          after = {
            go: freeze(x, goes, T.bool),
            effects,
            outputs: outputs.map((d, i) => freeze(x, d, types[i + 1])),
            states: new Map(placesOf(effects).map((p) => [keyOf(p), freezePlace(x, p)] as const)),
          };
          // Does what the body leaves fit what it began with?
          const end = after;
          const found = patterns.map((p, i) => joined(p, end.outputs[i] ?? { kind: "unset" }, undefined));
          const foundPlaces = places.map((place, i) =>
            joined(placePatterns[i] ?? unreachable("place"), end.states.get(keyOf(place)) ?? freezePlace(x, place), undefined),
          );
          const fresh = placesOf(effects).filter((p) => !places.some((q) => keyOf(q) === keyOf(p)));
          grown = fresh.length > 0 || found.some((p, i) => !samePattern(p, patterns[i])) || foundPlaces.some((p, i) => !samePattern(p, placePatterns[i]));
          if (grown) {
            patterns = found.map((p, i) => (samePattern(p, patterns[i]) ? (patterns[i] ?? p) : p));
            placePatterns = foundPlaces.map((p, i) => (samePattern(p, placePatterns[i]) ? (placePatterns[i] ?? p) : p));
            return;
          }
          bodyValues = [];
          patterns.forEach((p, i) => leafValues(x, p, end.outputs[i] ?? { kind: "unset" }, bodyValues));
          places.forEach((place, i) =>
            leafValues(x, placePatterns[i] ?? unreachable("place"), end.states.get(keyOf(place)) ?? freezePlace(x, place), bodyValues),
          );
          goValue = end.go.kind === "number" ? (typeof end.go.value === "object" ? end.go.value : g.scalar(end.go.value, "bool")) : g.scalar(true, "bool");
          if (scope.checks.length > 0) {
            const sum = sumOfChecks(x, scope);
            goValue = x.op("And", [goValue, x.op("Equal", [sum, g.scalar(0, "int64")], {}, "bool")]);
          }
        });
      } finally {
        this.#depth = depth;
        x.trail.undo();
      }
      const end = after ?? unreachable("a body's end");
      if (grown) {
        const fresh = placesOf(end.effects).filter((p) => !places.some((q) => keyOf(q) === keyOf(p)));
        for (const place of fresh) {
          const before = freezePlace(x, place);
          places.push(place);
          initialStates.push(before);
          placePatterns.push(joined({ kind: "same", frozen: before }, end.states.get(keyOf(place)) ?? { kind: "unset" }, undefined));
        }
        continue;
      }
      const values: OnnxValue[] = [];
      patterns.forEach((p, i) => leafValues(x, p, initial[i] ?? { kind: "unset" }, values));
      places.forEach((_, i) => leafValues(x, placePatterns[i] ?? unreachable("place"), initialStates[i] ?? { kind: "unset" }, values));
      const results = inputs.map((v): OnnxValue => ({ name: g.fresh("loop"), dtype: v.dtype, sequence: v.sequence, scope: g.scope }));
      const body = g.within(scope, () => {
        const outs = [goValue ?? unreachable("a condition"), ...bodyValues].map((v) => own(x, v));
        return graphProto(
          g.fresh("body"),
          scope,
          [...[iter, go].map((v) => infoOf(v, v.name, [])), ...inputs.map((v) => infoOf(v))],
          outs.map((v) => infoOf(v)),
        );
      });
      const limit = isSym(max) ? max.onnx : Number(max) > 2 ** 40 ? undefined : g.scalar(Number(max), "int64");
      const start = isSym(cond) ? cond.onnx : undefined;
      g.push("Loop", [limit, start, ...values], results, attributesOf({ body: { kind: "graph", value: body } }));
      let at = 0;
      const take = (): OnnxValue => results[at++] ?? unreachable("a result of Loop");
      const out = patterns.map((p) => open(x, p, take));
      places.forEach((place, i) => setPlace(x, place, open(x, placePatterns[i] ?? unreachable("place"), take), this.onTouch));
      return out;
    }
  }

  // ---- undoing -------------------------------------------------------------------------------------------------------------------

  /** What `body` gives, or the refusal that ended it, with all that it wrote undone. */
  #attempt<X>(body: () => X): X | OpwiseError {
    const { x } = this;
    const { scope } = x.g;
    const mark = { nodes: scope.nodes.length, checks: scope.checks.length, known: new Map(scope.known), depth: this.#depth, trail: x.trail.depth };
    x.trail.enter();
    try {
      const out = body();
      x.trail.keepTo(mark.trail);
      return out;
    } catch (error) {
      x.trail.undoTo(mark.trail);
      scope.nodes.length = mark.nodes;
      scope.checks.length = mark.checks;
      scope.known.clear();
      for (const [k, v] of mark.known) scope.known.set(k, v);
      this.#depth = mark.depth;
      if (error instanceof Raised || !isRefusal(error) || !(error instanceof OpwiseError)) throw error;
      return error;
    }
  }
}

interface Side {
  readonly scope: Scope;
  readonly outputs: readonly Frozen[];
  readonly effects: readonly Touched[];
  readonly states: ReadonlyMap<string | object, Frozen>;
}

export function isRefusal(error: unknown): boolean {
  return isOpwiseError(error) && error.code !== "internal";
}

function read(registers: readonly Datum[], operand: Operand): Datum {
  const value = operand.register < 0 ? operand.constant : (registers[operand.register] ?? null);
  return operand.adapt === undefined || value instanceof SymTensor || value === UNSET ? value : operand.adapt(value);
}
function instanceOf(value: Datum): Instance {
  if (typeof value === "object" && value !== null && "kind" in value && value.kind === "instance") return value;
  return unreachable("an object was expected");
}
const PLAIN_TENSOR = Tensor.zeros([]);
function withPlainItems(d: Datum): Datum {
  if (typeof d !== "object" || d === null || d instanceof Tensor || !("kind" in d) || d.kind !== "tuple") return d;
  return {
    ...d,
    items: d.items.map((i) => (isSymTensor(i) ? PLAIN_TENSOR : isSym(i) ? ({ kind: i.type === "bool" ? "bool" : i.type, value: i.hint } as Datum) : i)),
  };
}

function metadataOf(node: Node): ReadonlyMap<string, string> {
  const { location } = node;
  const out = new Map<string, string>([["opwise.op", node.op]]);
  if (location !== undefined) {
    const python = location.python?.();
    if (location.line !== 0) out.set("opwise.code", `${location.record}:${location.line}`);
    if (python !== undefined) out.set("opwise.python", python);
  }
  const names = node.results.map((r) => r.name ?? "").filter((n) => n !== "");
  if (names.length > 0) out.set("opwise.results", names.join(","));
  return out;
}
