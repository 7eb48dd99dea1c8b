/** Prints a program's expression DAG into a function body: every node once, in the order of the schedule, each in a local. */

import { type Expr, isBigType, reachable, type RoundFormat } from "../../expr/expr.ts";
import { type Schedule, schedule } from "../../expr/schedule.ts";
import type { Program } from "../../prims/program.ts";
import { unreachable } from "../../tensor/error.ts";
import type { Code, Local, Value } from "../../wasm/code.ts";
import { emitLoad, partBytes } from "./element.ts";
import { type CallHost, emitBinary, emitBitcast, emitCast, emitRounding, emitUnary, type Push, valueType } from "./scalar.ts";

/** What the printer needs to know of its place: where operands lie, what an axis' index is. */
export interface Place {
  /** Address of the operand's current element (map, reduce), or of its first (compute). */
  readonly address: (operand: number) => Push<"i32">;
  /** Bytes from one position to the next along an axis of the operand. */
  readonly stride: (operand: number, axis: number) => Push<"i32">;
  readonly index: (axis: number) => Push<"i64">;
  readonly scalar: (slot: number) => Push;
}

export interface Runtime {
  readonly host: CallHost;
  readonly table: (format: RoundFormat) => number;
}

export class Printer {
  readonly #c: Code;
  readonly #program: Program;
  readonly #place: Place;
  readonly #runtime: Runtime;
  readonly #values = new Map<Expr, Push>();
  readonly #loops = new Map<string, Push>();
  /** Addresses of loads as far as axes that were known further out, with the axes still to add. */
  readonly #partial = new Map<Expr, { readonly address: Local<"i32">; readonly rest: readonly number[] }>();

  constructor(c: Code, program: Program, place: Place, runtime: Runtime) {
    this.#c = c;
    this.#program = program;
    this.#place = place;
    this.#runtime = runtime;
  }

  value(e: Expr): Push {
    return this.#values.get(e) ?? unreachable(`expression ${e.op} before its value`);
  }
  bind(e: Expr, push: Push): void {
    this.#values.set(e, push);
  }

  /** Evaluates `roots` here, and says how to push each. */
  evaluate(roots: readonly Expr[]): Push[] {
    this.#run(schedule(roots, new Set(this.#values.keys())));
    return roots.map((e) => this.value(e));
  }

  /** Adds to a load's address the axes whose coordinates have been evaluated, all but the last of them further out than the load itself. */
  approach(e: Expr & { readonly op: "load" }): void {
    const before = this.#partial.get(e);
    const axes = before?.rest ?? e.at.map((_, axis) => axis);
    const known = axes.filter((axis) => this.#values.has(e.at[axis] ?? e) || e.at[axis]?.op === "const");
    if (known.length === 0 || known.length === axes.length) return;
    for (const axis of known) this.evaluate(e.at.slice(axis, axis + 1)); // constants
    const address = this.#address(e, before === undefined ? this.#place.address(e.operand) : () => this.#c.get(before.address), known);
    this.#partial.set(e, { address: this.#c.hold(address), rest: axes.filter((axis) => !known.includes(axis)) });
  }

  /** Where a load reads, as far as its axes are known. */
  reached(e: Expr & { readonly op: "load" }): Push<"i32"> {
    const partial = this.#partial.get(e);
    return partial === undefined ? this.#place.address(e.operand) : () => this.#c.get(partial.address);
  }

  /** Addresses are computed modulo 2^32, like the memory's. */
  #address(e: Expr & { readonly op: "load" }, from: Push<"i32">, axes: readonly number[]): Value<"i32"> {
    const c = this.#c;
    return axes.reduce((address, axis) => {
      const index = c.op("i32.wrap_i64", this.value(e.at[axis] ?? e)() as Value<"i64">); // coordinates are indices
      return c.op("i32.add", address, c.op("i32.mul", index, this.#place.stride(e.operand, axis)()));
    }, from());
  }

  #run(steps: Schedule): void {
    const c = this.#c;
    for (const step of steps.steps) {
      if (step.kind === "loop") {
        this.#loop(step);
        continue;
      }
      const e = step.expr;
      if (this.#values.has(e)) continue;
      if (e.op === "fold") this.bind(e, this.#loops.get(`${e.loop.id}.${e.part}`) ?? unreachable("fold before its loop"));
      else if (e.op === "const") this.bind(e, () => constantOf(c, e));
      else if (e.op === "scalar") this.bind(e, this.#place.scalar(e.slot));
      else if (e.op === "index") this.bind(e, this.#place.index(e.axis));
      else {
        const local = c.hold(this.#emit(e));
        this.bind(e, () => c.get(local));
      }
    }
  }

  #loop({ loop, body, untilBody }: Schedule["steps"][number] & { readonly kind: "loop" }): void {
    const c = this.#c;
    const state: Local[] = loop.init.map((init) => c.hold(this.value(init)()));
    const trip = c.hold(c.i64(0n));
    const outer = new Map(this.#values);
    const leave = this.value(loop.count);
    c.block((done) => {
      c.loop((again) => {
        c.brIf(done, c.op("i64.ge_s", c.get(trip), leave() as Value<"i64">)); // a count is an index
        for (const e of reachable([...loop.body, ...(loop.until === undefined ? [] : [loop.until])])) {
          if (e.op === "state" && e.level === loop.level) {
            const local = state[e.part] ?? unreachable("loop state");
            this.bind(e, () => c.get(local));
          }
          if (e.op === "trip" && e.level === loop.level) this.bind(e, () => c.get(trip));
        }
        if (loop.until !== undefined) {
          this.#run(untilBody);
          c.brIf(done, this.value(loop.until)() as Value<"i32">); // bools are i32
        }
        this.#run(body);
        const next = loop.body.map((e) => c.hold(this.value(e)()));
        state.forEach((local, i) => c.set(local, c.get(next[i] ?? unreachable("loop state"))));
        c.set(trip, c.op("i64.add", c.get(trip), c.i64(1n)));
        c.br(again);
      });
    });
    this.#values.clear();
    for (const [e, push] of outer) this.#values.set(e, push);
    state.forEach((local, part) => this.#loops.set(`${loop.id}.${part}`, () => c.get(local)));
  }

  #emit(e: Expr): Value {
    const c = this.#c;
    const { host, table } = this.#runtime;
    switch (e.op) {
      case "arg": {
        const dtype = this.#program.operands[e.operand] ?? unreachable("operand");
        return emitLoad(c, dtype, this.#place.address(e.operand), e.part * partBytes(dtype), table);
      }
      case "load":
        return this.#load(e);
      case "unary":
        return emitUnary(c, e.fn, e.a.type, this.value(e.a), host);
      case "binary":
        return emitBinary(c, e.fn, e.a.type, this.value(e.a), this.value(e.b), host);
      case "select":
        return c.select(this.value(e.a)(), this.value(e.b)(), this.value(e.cond)() as Value<"i32">); // bools are i32
      case "cast":
        return emitCast(c, e.a.type, e.type, e.saturate, this.value(e.a), host);
      case "round":
        return emitRounding(c, e, this.value(e.a), host);
      case "bitcast":
        return emitBitcast(c, e.a.type, e.type, this.value(e.a));
      case "check":
        c.if(c.op("i32.eqz", this.value(e.cond)() as Value<"i32">), () => {
          c.return(c.i32(e.code + 1));
        });
        return this.value(e.a)();
      default:
        return unreachable(`printing ${e.op}`);
    }
  }

  /** An element at computed coordinates; outside, where the expression says what is there, nothing is read. */
  #load(e: Expr & { readonly op: "load" }): Value {
    const c = this.#c;
    const dtype = this.#program.operands[e.operand] ?? unreachable("operand");
    const read = (): Value => {
      const partial = this.#partial.get(e);
      const all = e.at.map((_, axis) => axis);
      const address =
        partial === undefined ? this.#address(e, this.#place.address(e.operand), all) : this.#address(e, () => c.get(partial.address), partial.rest);
      const at = c.hold(address);
      return emitLoad(c, dtype, () => c.get(at), e.part * partBytes(dtype), this.#runtime.table);
    };
    if (e.inside === undefined || e.outside === undefined) return read();
    const { inside, outside } = e;
    const result = c.local(valueType(e.type));
    c.if(
      this.value(inside)() as Value<"i32">,
      () => c.set(result, read()),
      () => c.set(result, this.value(outside)()),
    );
    return c.get(result);
  }
}

function constantOf(c: Code, e: Expr & { readonly op: "const" }): Value {
  switch (valueType(e.type)) {
    case "f32":
      return c.f32(Number(e.value));
    case "f64":
      return c.f64(Number(e.value));
    case "i64":
      return c.i64(isBigType(e.type) ? BigInt(e.value) : BigInt(Math.trunc(Number(e.value))));
    default:
      return c.i32(Number(e.value));
  }
}
