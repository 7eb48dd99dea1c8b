/** Kernels printed from programs: map, compute, reduce, scan and scatter, at any rank, dtype and stride. One thread, one element at a time. */

import { type Expr, operandsOf, reachable } from "../../expr/expr.ts";
import type { Combiner } from "../../prims/combiner.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { type DType, dtypeInfo } from "../../tensor/dtype.ts";
import { unreachable } from "../../tensor/error.ts";
import type { Code, Local, Value } from "../../wasm/code.ts";
import { ArgumentBlock, emitLoops } from "./arguments.ts";
import { emitLoad, emitStore, type Lane, partBytes } from "./element.ts";
import { emitTrips } from "./emit.ts";
import { type Place, Printer, type Runtime } from "./printer.ts";
import { type CallHost, emitBinary, emitCast, type Push, valueType } from "./scalar.ts";
import type { Emit, KernelRuntime } from "./runtime.ts";
import { emitFours, emitRow, emitScalars, type Four, joinFour, type Row, setFour } from "./vector.ts";

type Pointers = ReadonlyMap<number, Local<"i32">>;
const NOWHERE: Pointers = new Map();

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const noIndex = (): never => unreachable("an index where there is none");
const noOperand = (): never => unreachable("an operand in a combiner");

/** Pointers as the printer asks for addresses. */
const pointerAt =
  (c: Code, pointers: Pointers) =>
  (view: number): Push<"i32"> => {
    const local = pointers.get(view) ?? unreachable(`pointer of view ${view}`);
    return () => c.get(local);
  };
/** A trip counter as an index. */
const indexOf = (c: Code, trip: Local<"i32"> | undefined): Push<"i64"> => {
  const held = c.hold(c.op("i64.extend_i32_s", c.get(trip ?? unreachable("trip"))));
  return () => c.get(held);
};

/** Writes a program's outputs at the pointers of the views from `first` on. */
function storeOutputs(c: Code, program: Program, values: readonly Push[], first: number, address: (view: number) => Push<"i32">, host: CallHost): void {
  let slot = 0;
  program.outputs.forEach((output, j) => {
    output.parts.forEach((_, part) => {
      emitStore(c, output.dtype, address(first + j), part * partBytes(output.dtype), values[slot++] ?? unreachable("value"), host);
    });
  });
}

const partsOf = (program: Program): Program["outputs"][number]["parts"] => program.outputs.flatMap((o) => o.parts);

/** Kernel of a map over `rank` merged axes. */
export function mapKernel(program: Program, rank: number, runtime: KernelRuntime): Emit {
  return (c, host) => {
    const views = range(program.operands.length + program.outputs.length);
    const block = new ArgumentBlock(
      c,
      rank,
      views.map(() => rank),
      program.scalars,
    );
    emitLoops(c, block, views, 0, rank, NOWHERE, (pointers) => {
      const place: Place = { address: pointerAt(c, pointers), stride: block.strideOf, index: noIndex, scalar: block.scalar };
      // All values first: a result may be an operand's memory.
      const values = new Printer(c, program, place, { host, table: runtime.table }).evaluate(partsOf(program));
      storeOutputs(c, program, values, program.operands.length, pointerAt(c, pointers), host);
    });
    c.i32(0);
  };
}

/**
 * How many of the outer loops a node has to be in: what depends on the first axis alone is evaluated once per trip of the first loop. What
 * a fold's body needs counts as the innermost: a body may not run at all.
 */
function depths(roots: readonly Expr[], rank: number): ReadonlyMap<Expr, number> {
  const known = new Map<Expr, number>();
  const walk = (e: Expr): number => {
    const before = known.get(e);
    if (before !== undefined) return before;
    const operands = e.op === "fold" ? [e.loop.count, ...e.loop.init] : operandsOf(e);
    const inner = operands.reduce((depth, operand) => Math.max(depth, walk(operand)), 0);
    const own = e.op === "index" ? e.axis + 1 : e.op === "fold" || e.op === "state" || e.op === "trip" ? rank : inner;
    known.set(e, own);
    return own;
  };
  for (const root of roots) walk(root);
  return known;
}

function storeValue(c: Code, at: Value<"i32">, value: Value): void {
  // The instruction goes by the value's own type.
  if (value.type === "f32") c.store("f32.store", at, value as Value<"f32">);
  else if (value.type === "f64") c.store("f64.store", at, value as Value<"f64">);
  else if (value.type === "i64") c.store("i64.store", at, value as Value<"i64">);
  else c.store("i32.store", at, value as Value<"i32">);
}
function loadValue(c: Code, type: Value["type"], at: Value<"i32">): Value {
  if (type === "f32") return c.load("f32.load", at);
  if (type === "f64") return c.load("f64.load", at);
  return type === "i64" ? c.load("i64.load", at) : c.load("i32.load", at);
}

/** What depends on the innermost axis alone and is used by what does not: the same for every row. What is loaded is, where results lie `apart`. */
export function columnValues(program: Program, rank: number, apart: boolean): readonly Expr[] {
  const roots = partsOf(program);
  const alone = new Map<Expr, boolean>();
  const only = (e: Expr): boolean => {
    const before = alone.get(e);
    if (before !== undefined) return before;
    const plain =
      e.op === "unary" || e.op === "binary" || e.op === "select" || e.op === "cast" || e.op === "round" || e.op === "bitcast" || (e.op === "load" && apart);
    const found = e.op === "const" || e.op === "scalar" || (e.op === "index" && e.axis === rank - 1) || (plain && operandsOf(e).every(only));
    alone.set(e, found);
    return found;
  };
  const found = new Set<Expr>();
  const depth = depths(roots, rank);
  const use = (e: Expr): void => {
    if (only(e) && depth.get(e) === rank && e.op !== "index") found.add(e);
  };
  for (const e of depth.keys()) {
    if (!only(e)) for (const operand of e.op === "fold" ? [e.loop.count, ...e.loop.init] : operandsOf(e)) use(operand);
  }
  roots.forEach(use);
  return [...found];
}

/** The load that a compute stores as it is, with the innermost axis as its last coordinate and none of the others: whole rows are copied. */
export function rowLoad(program: Program, rank: number): (Expr & { readonly op: "load" }) | undefined {
  const [output, ...more] = program.outputs;
  const [e, imaginary] = output?.parts ?? [];
  if (e?.op !== "load" || imaginary !== undefined || more.length > 0 || e.inside !== undefined || program.operands[e.operand] !== output?.dtype)
    return undefined;
  const [last, ...others] = [...e.at].reverse();
  const plain = last?.op === "index" && last.axis === rank - 1;
  return plain && others.every((at) => [...reachable([at])].every((x) => x.op !== "fold" && (x.op !== "index" || x.axis < rank - 1))) ? e : undefined;
}

/** Copies `bytes` of a row of elements of `size` bytes. */
function copyRow(c: Code, to: Local<"i32">, from: Local<"i32">, bytes: Local<"i32">, size: number): void {
  const step = (width: number, move: () => void): void =>
    emitTrips(c, bytes, width, () => {
      move();
      for (const at of [to, from]) c.set(at, c.op("i32.add", c.get(at), c.i32(width)));
    });
  step(16, () => {
    const at = c.get(to);
    c.store("v128.store", at, c.load("v128.load", c.get(from)));
  });
  const words = size % 4 === 0;
  step(words ? 4 : 1, () => {
    const at = c.get(to);
    if (words) c.store("i32.store", at, c.load("i32.load", c.get(from)));
    else c.store("i32.store8", at, c.load("i32.load8_u", c.get(from)));
  });
}

/** Bytes of a column's value. */
export const COLUMN_BYTES = 8;

/**
 * Kernel of a compute over results of rank `rank`; operands have their own ranks. Where no result lies in an operand's storage (`apart`), elements are
 * loaded as far out as their coordinates are known. `columns` are computed once into a table, whose address follows the views'. The results have elements.
 * `row`: what is loaded and stored in whole rows, contiguous on both sides. `isPart`: one more view follows, whose strides are the indices where the results
 * begin, of all axes but the innermost.
 */
export function computeKernel(
  program: Program,
  rank: number,
  operandRanks: readonly number[],
  apart: boolean,
  columns: readonly Expr[],
  row: (Expr & { readonly op: "load" }) | undefined,
  isPart: boolean,
  runtime: KernelRuntime,
): Emit {
  return (c, host) => {
    const count = program.operands.length;
    const results = range(program.outputs.length).map((j) => count + j);
    const table = count + results.length;
    const start = table + (columns.length === 0 ? 0 : 1);
    const ranks = [...operandRanks, ...results.map(() => rank), ...(columns.length === 0 ? [] : [0]), ...(isPart ? [rank] : [])];
    const block = new ArgumentBlock(c, rank, ranks, program.scalars);
    const trips: Local<"i32">[] = [];
    const place: Place = { address: block.address, stride: block.strideOf, index: (axis) => indexOf(c, trips[axis]), scalar: block.scalar };
    const printer = new Printer(c, program, place, { host, table: runtime.table });
    const parts = partsOf(program);
    const levels = depths(parts, rank);
    const touching = new Map<Expr, boolean>();
    const touches = (e: Expr): boolean => {
      const before = touching.get(e);
      if (before !== undefined) return before;
      const found = e.op === "load" || e.op === "fold" || operandsOf(e).some(touches);
      touching.set(e, found);
      return found;
    };
    const at = (depth: number): Expr[] =>
      [...levels].filter(([e, d]) => d === depth && e.op !== "const" && e.op !== "scalar" && (apart || !touches(e))).map(([e]) => e);
    const ofColumn = c.local("i32");
    const slot = (k: number): Value<"i32"> => c.op("i32.add", c.get(ofColumn), c.op("i32.mul", c.get(block.size(rank - 1)), c.i32(COLUMN_BYTES * k)));
    if (columns.length > 0) {
      const trip = c.local("i32");
      const alone = new Printer(c, program, { ...place, index: () => indexOf(c, trip) }, { host, table: runtime.table });
      c.set(ofColumn, c.get(block.base(table)));
      c.for(trip, 0, block.size(rank - 1), 1, () => {
        alone.evaluate(columns).forEach((value, k) => {
          const at = slot(k);
          storeValue(c, at, value());
        });
        c.set(ofColumn, c.op("i32.add", c.get(ofColumn), c.i32(COLUMN_BYTES)));
      });
    }
    const open = (depth: number, pointers: Pointers): void => {
      if (depth === rank) {
        columns.forEach((e, k) => {
          const held = c.hold(loadValue(c, valueType(e.type), slot(k)));
          printer.bind(e, () => c.get(held));
        });
        if (columns.length > 0) c.set(ofColumn, c.op("i32.add", c.get(ofColumn), c.i32(COLUMN_BYTES)));
        const address = (view: number): Push<"i32"> => (rank === 0 ? block.address(view) : pointerAt(c, pointers)(view));
        return storeOutputs(c, program, printer.evaluate(parts), count, address, host);
      }
      printer.evaluate(at(depth));
      for (const [e, d] of levels) if (e.op === "load" && d > depth) printer.approach(e);
      if (depth === rank - 1 && row !== undefined) {
        const to = c.hold(c.get(pointers.get(count) ?? block.base(count)));
        const from = c.hold(printer.reached(row)());
        const size = partBytes(program.operands[row.operand] ?? unreachable("operand"));
        return copyRow(c, to, from, c.hold(c.op("i32.mul", c.get(block.size(depth)), c.i32(size))), size);
      }
      if (depth === rank - 1 && columns.length > 0) c.set(ofColumn, c.get(block.base(table)));
      emitLoops(c, block, results, depth, depth + 1, pointers, (inner, own) => {
        const trip = own[depth] ?? unreachable("trip");
        trips[depth] = isPart && depth < rank - 1 ? c.hold(c.op("i32.add", c.get(trip), c.get(block.stride(start, depth)))) : trip;
        open(depth + 1, inner);
      });
    };
    open(0, NOWHERE);
    c.i32(0);
  };
}

/** One of four numbers. */
function laneOf(c: Code, vectors: Four, k: number): Value {
  const wide = vectors.length === 2;
  const vector = c.get(vectors[wide ? k >> 1 : 0] ?? unreachable("lanes"));
  return wide ? c.extract("f64x2.extract_lane", vector, k & 1) : c.extract("f32x4.extract_lane", vector, k);
}

/** A combiner's state in locals, and its steps. */
export class State {
  readonly #c: Code;
  readonly #combiner: Combiner;
  readonly #program: Program;
  readonly #runtime: Runtime;
  readonly #scalar: Place["scalar"];
  readonly #locals: Local[];

  constructor(c: Code, combiner: Combiner, program: Program, runtime: Runtime, scalar: Place["scalar"]) {
    this.#c = c;
    this.#combiner = combiner;
    this.#program = program;
    this.#runtime = runtime;
    this.#scalar = scalar;
    this.#locals = combiner.init.map((e) => c.local(valueType(e.type)));
  }

  #printer(element: readonly Push[]): Printer {
    const place: Place = { address: noOperand, stride: noOperand, index: noIndex, scalar: this.#scalar };
    const printer = new Printer(this.#c, this.#program, place, this.#runtime);
    for (const e of reachable([...this.#combiner.init, ...this.#combiner.combine, ...this.#combiner.finish])) {
      if (e.op === "acc") {
        const local = this.#locals[e.part] ?? unreachable("state");
        printer.bind(e, () => this.#c.get(local));
      }
      if (e.op === "val") printer.bind(e, element[e.part] ?? (() => unreachable("combiner takes more than the program gives")));
    }
    return printer;
  }

  #assign(values: readonly Push[]): void {
    const held = values.map((push) => this.#c.hold(push()));
    this.#locals.forEach((local, i) => this.#c.set(local, this.#c.get(held[i] ?? unreachable("state"))));
  }

  start(): void {
    this.#assign(this.#printer([]).evaluate(this.#combiner.init));
  }
  step(element: readonly Push[]): void {
    this.#assign(this.#printer(element).evaluate(this.#combiner.combine));
  }
  values(): Push[] {
    return this.#locals.map((local) => () => this.#c.get(local));
  }
  /** Lane `k` of a state of vectors. */
  take(vectors: Four, k: number): void {
    const [local = unreachable("state")] = this.#locals;
    this.#c.set(local, laneOf(this.#c, vectors, k));
  }
  /** Stores the finished state, converted to the results' dtypes. Complex results take two states. */
  finish(dtypes: readonly DType[], first: number, address: (view: number) => Push<"i32">): void {
    const values = this.#printer([]).evaluate(this.#combiner.finish);
    let slot = 0;
    dtypes.forEach((dtype, j) => {
      for (let part = 0; part < dtypeInfo(dtype).lanes; part++, slot++) {
        const from = this.#combiner.finish[slot] ?? unreachable("more results than states");
        const held = this.#c.hold(emitCast(this.#c, from.type, computeType(dtype), false, values[slot] ?? unreachable("state"), this.#runtime.host));
        emitStore(this.#c, dtype, address(first + j), part * partBytes(dtype), () => this.#c.get(held), this.#runtime.host);
      }
    });
  }
}

/** Combiners whose states join as elements do, in any order: several of them run side by side, since each would wait for its last sum. */
const JOINING: ReadonlySet<string> = new Set(["sum", "prod", "max", "min", "any", "all"]);
const LANES = 4;

/**
 * Kernel of a reduction: `kept` outer axes, then `reduced` inner ones. `loopOf` maps an axis of the call's shape to its loop; it is empty where no
 * position is asked for. The order of a sum goes by the sizes of the reduced axes alone: where operands lie along the innermost one as `vectors` says, the
 * four states are the lanes of vectors.
 */
export function reduceKernel(
  program: Program,
  combiner: Combiner,
  dtypes: readonly DType[],
  kept: number,
  reduced: number,
  loopOf: readonly number[],
  vectors: readonly Lane[] | undefined,
  fused: boolean,
  runtime: KernelRuntime,
): Emit {
  return (c, host) => {
    const count = program.operands.length;
    const rank = kept + reduced;
    const operands = range(count);
    const results = dtypes.map((_, j) => count + j);
    const block = new ArgumentBlock(c, rank, [...operands.map(() => rank), ...results.map(() => kept)], program.scalars);
    const own: Runtime = { host, table: runtime.table };
    const lanes = vectors !== undefined || (JOINING.has(combiner.name) && loopOf.length === 0) ? LANES : 1;
    const states = range(lanes).map(() => new State(c, combiner, program, own, block.scalar));
    const [first = unreachable("state"), ...others] = states;
    const wide = combiner.init[0]?.type === "f64" ? 2 : 1;
    // A maximum is the same in any order, and each waits for the one before.
    const together = (combiner.name === "max" || combiner.name === "min") && vectors?.includes("strided") === false ? LANES : 1;
    const groups: readonly Local<"v128">[][] = vectors === undefined ? [] : range(together).map(() => range(wide).map(() => c.local("v128")));
    const [fours = [], ...further] = groups;
    const scalars = vectors === undefined ? [] : emitScalars(c, program, block);
    const alone: Row = { fused, scalars, same: [], strides: [], guards: new Map(), load: noOperand };
    emitLoops(c, block, [...operands, ...results], 0, kept, NOWHERE, (outer, outerTrips) => {
      for (const state of states) state.start();
      for (const group of groups) setFour(c, group, emitFours(c, combiner.init, alone, LANES, 0));
      const step = (state: State, pointers: Pointers, trips: readonly Local<"i32">[]): void => {
        const place: Place = {
          address: pointerAt(c, pointers),
          stride: block.strideOf,
          scalar: block.scalar,
          index: (axis) => {
            const loop = loopOf[axis] ?? axis;
            return indexOf(c, loop < kept ? outerTrips[loop] : trips[loop]);
          },
        };
        state.step(new Printer(c, program, place, own).evaluate(partsOf(program)));
      };
      if (lanes === 1) emitLoops(c, block, operands, kept, rank, outer, (inner, trips) => step(first, inner, trips));
      else {
        emitLoops(c, block, operands, kept, rank - 1, outer, (inner) => {
          const pointers = new Map(operands.map((view) => [view, c.hold(c.get(inner.get(view) ?? block.base(view)))]));
          const left = c.hold(c.get(block.size(rank - 1)));
          const advance = (times: number): void => {
            for (const [view, pointer] of pointers)
              c.set(pointer, c.op("i32.add", c.get(pointer), c.op("i32.mul", c.get(block.stride(view, rank - 1)), c.i32(times))));
          };
          const trip = (width: number, body: () => void): void => emitTrips(c, left, width, body);
          const single = (state: State): void => {
            step(state, pointers, []);
            advance(1);
          };
          if (vectors === undefined) {
            trip(LANES, () => states.forEach(single));
            return trip(1, () => single(first));
          }
          const pointer = (operand: number): Local<"i32"> => pointers.get(operand) ?? unreachable("pointer");
          const row = emitRow(c, program, vectors, scalars, pointer, (k) => block.strideOf(k, rank - 1)(), fused);
          for (const parts of together === 1 ? [1] : [together, 1]) {
            trip(LANES * parts, () => {
              groups.slice(0, parts).forEach((group, g) => {
                const [element = unreachable("element")] = emitFours(c, partsOf(program), row, LANES, LANES * g);
                joinFour(c, combiner, alone, group, element);
              });
              advance(LANES * parts);
            });
          }
          // What is left goes to the first state, which is the first lane, through the same code.
          first.take(fours, 0);
          trip(1, () => {
            const [element = unreachable("element")] = emitFours(c, partsOf(program), row, 1, 0);
            first.step([() => laneOf(c, element, 0)]);
            advance(1);
          });
          const [lanes0 = unreachable("lanes")] = fours;
          const [value = unreachable("state")] = first.values();
          c.set(
            lanes0,
            fours.length === 2
              ? c.replace("f64x2.replace_lane", c.get(lanes0), 0, value() as Value<"f64">)
              : c.replace("f32x4.replace_lane", c.get(lanes0), 0, value() as Value<"f32">), // by the state's type
          );
        });
        if (vectors !== undefined) {
          for (const group of further) joinFour(c, combiner, alone, fours, group);
          states.forEach((state, i) => state.take(fours, i));
        }
        for (const state of others) first.step(state.values());
      }
      first.finish(dtypes, count, (view) => (kept === 0 ? block.address(view) : pointerAt(c, outer)(view)));
    });
    c.i32(0);
  };
}

/** Kernel of a scan: `outer` axes, then the scanned one. `reverse`: its index runs backwards. */
export function scanKernel(
  program: Program,
  combiner: Combiner,
  dtypes: readonly DType[],
  outer: number,
  exclusive: boolean,
  reverse: boolean,
  loopOf: readonly number[],
  runtime: KernelRuntime,
): Emit {
  return (c, host) => {
    const count = program.operands.length;
    const rank = outer + 1;
    const views = range(count + dtypes.length);
    const block = new ArgumentBlock(
      c,
      rank,
      views.map(() => rank),
      program.scalars,
    );
    const own: Runtime = { host, table: runtime.table };
    const state = new State(c, combiner, program, own, block.scalar);
    emitLoops(c, block, views, 0, outer, NOWHERE, (before, outerTrips) => {
      state.start();
      emitLoops(c, block, views, outer, rank, before, (pointers, innerTrips) => {
        const place: Place = {
          address: pointerAt(c, pointers),
          stride: block.strideOf,
          scalar: block.scalar,
          index: (axis) => {
            const loop = loopOf[axis] ?? axis;
            if (loop < outer) return indexOf(c, outerTrips[loop]);
            if (!reverse) return indexOf(c, innerTrips[outer]);
            const back = c.hold(c.op("i32.sub", c.op("i32.sub", c.get(block.size(outer)), c.i32(1)), c.get(innerTrips[outer] ?? unreachable("trip"))));
            return indexOf(c, back);
          },
        };
        const element = new Printer(c, program, place, own).evaluate(partsOf(program));
        if (exclusive) state.finish(dtypes, count, pointerAt(c, pointers));
        state.step(element);
        if (!exclusive) state.finish(dtypes, count, pointerAt(c, pointers));
      });
    });
    c.i32(0);
  };
}

/** Kernel of a scatter over a space of rank `rank` into one result of rank `target`. */
export function scatterKernel(
  program: Program,
  combine: "set" | "add" | "mul" | "min" | "max",
  dtype: DType,
  rank: number,
  target: number,
  operandRanks: readonly number[],
  runtime: KernelRuntime,
): Emit {
  return (c, host) => {
    const count = program.operands.length;
    const block = new ArgumentBlock(c, rank, [...operandRanks, target], program.scalars);
    emitLoops(c, block, [], 0, rank, NOWHERE, (_, trips) => {
      const place: Place = { address: block.address, stride: block.strideOf, index: (axis) => indexOf(c, trips[axis]), scalar: block.scalar };
      const parts = partsOf(program);
      const values = new Printer(c, program, place, { host, table: runtime.table }).evaluate(parts);
      let address: Value<"i32"> = c.get(block.base(count));
      for (let d = 0; d < target; d++) {
        const index = emitCast(c, parts[d]?.type ?? "index", "index", false, values[d] ?? unreachable("position"), host) as Value<"i64">; // indices are i64
        address = c.op("i32.add", address, c.op("i32.mul", c.op("i32.wrap_i64", index), c.get(block.stride(count, d))));
      }
      const where = c.hold(address);
      const type = computeType(dtype);
      values.slice(target).forEach((value, part) => {
        const offset = part * partBytes(dtype);
        const push: Push<"i32"> = () => c.get(where);
        if (combine === "set") return emitStore(c, dtype, push, offset, value, host);
        const old = c.hold(emitLoad(c, dtype, push, offset, runtime.table));
        const joined = c.hold(emitBinary(c, combine, type, () => c.get(old), value, host));
        emitStore(c, dtype, push, offset, () => c.get(joined), host);
      });
    });
    c.i32(0);
  };
}
