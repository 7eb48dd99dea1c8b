/**
 * A look inside one element of a call: the values of any of its program's expressions there, computed by the backend's own kernels.
 * What cause and share mean is read off the same expressions that made the number.
 */

import { cast, type Expr, type ExprType, operandsOf, scalar } from "../expr/expr.ts";
import { rebuilt } from "../expr/rewrite.ts";
import type { Backend } from "../prims/backend.ts";
import type { Call } from "../prims/call.ts";
import type { Program } from "../prims/program.ts";
import type { DType } from "../tensor/dtype.ts";
import { Storage } from "../tensor/storage.ts";
import { Tensor, type View } from "../tensor/tensor.ts";

/** Calls whose program is evaluated at positions of a shape. */
export type ProgramCall = Extract<Call, { readonly program: Program }>;

const STORED: Readonly<Record<ExprType, DType>> = {
  f64: "float64",
  f32: "float32",
  i64: "int64",
  u64: "uint64",
  i32: "int32",
  u32: "uint32",
  i16: "int16",
  u16: "uint16",
  i8: "int8",
  u8: "uint8",
  bool: "bool",
  index: "float64",
};
/** Outputs of one probing program: a backend's launch takes only so many arrays. */
const AT_ONCE = 16;

export type Probed = number | bigint | boolean;

/** Positions that a call's program is evaluated at. */
export function positionsOf(call: ProgramCall): readonly number[] {
  if (call.kind === "reduce" || call.kind === "scatter") return call.shape;
  return call.results[0]?.shape ?? [];
}

/** Expressions of a program that have a value of their own: not parts of a loop's body or a combiner. Operands come before what uses them. */
export function expressionsOf(roots: readonly Expr[]): readonly Expr[] {
  const out: Expr[] = [];
  const state = new Map<Expr, boolean>();
  /** Whether the expression stands by itself. */
  const walk = (e: Expr): boolean => {
    const known = state.get(e);
    if (known !== undefined) return known;
    state.set(e, false); // no cycles; a value for what is being walked
    if (e.op === "state" || e.op === "trip" || e.op === "acc" || e.op === "val") return false;
    // A loop's body depends on its trip; its beginning and its length do not.
    const parts = e.op === "fold" ? [e.loop.count, ...e.loop.init] : operandsOf(e);
    let alone = true;
    for (const part of parts) alone = walk(part) && alone;
    state.set(e, alone);
    if (alone) out.push(e);
    return alone;
  };
  for (const root of roots) walk(root);
  return out;
}

/** The expression with positions as run-time scalars, from slot `first` on, so that it can be evaluated at one place. */
class Placer {
  readonly #first: number;
  readonly #done = new Map<Expr, Expr>();

  constructor(first: number) {
    this.#first = first;
  }

  at(e: Expr): Expr {
    let placed = this.#done.get(e);
    if (placed === undefined) this.#done.set(e, (placed = this.#make(e)));
    return placed;
  }

  #make(e: Expr): Expr {
    if (e.op === "index") return scalar(this.#first + e.axis, "index");
    return e.op === "check" ? this.at(e.a) : rebuilt(e, (x) => this.at(x)); // the call has run: its checks held
  }
}

/** The one element of an operand that `arg` reads at a position. */
function elementAt(view: View, position: readonly number[]): View {
  const offset = view.strides.reduce((n, stride, axis) => n + stride * (position[axis] ?? 0), view.offset);
  return { storage: view.storage, dtype: view.dtype, shape: [1], strides: [1], offset };
}

/** Whether the program loads at computed coordinates. */
function loads(exprs: readonly Expr[]): boolean {
  const seen = new Set<Expr>();
  const walk = (e: Expr): boolean => {
    if (seen.has(e)) return false;
    seen.add(e);
    return e.op === "load" || operandsOf(e).some(walk);
  };
  return exprs.some(walk);
}

/** Probing programs by the program they look into and the expressions they give. */
const programs = new WeakMap<Program, Map<string, Program>>();

function probing(of: Program, exprs: readonly Expr[], rank: number): Program {
  let known = programs.get(of);
  if (known === undefined) programs.set(of, (known = new Map<string, Program>()));
  const key = `${rank}:${exprs.map((e) => e.id).join()}`;
  let program = known.get(key);
  if (program === undefined) {
    const placer = new Placer(of.scalars.length);
    program = {
      name: "probe",
      operands: of.operands,
      messages: of.messages,
      scalars: [...of.scalars, ...Array.from({ length: rank }, (): ExprType => "index")],
      outputs: exprs.map((e) => ({ dtype: STORED[e.type], parts: [e.type === "index" ? cast(placer.at(e), "f64") : placer.at(e)] })),
    };
    known.set(key, program);
  }
  return program;
}

/**
 * Values of expressions of a call's program at one position. `host` is the cpu; the operands' bytes must be on the host.
 * Operands must still hold what the call read.
 */
export function probe(host: Backend, call: ProgramCall, position: readonly number[], exprs: readonly Expr[]): readonly Probed[] {
  const out: Probed[] = [];
  for (let from = 0; from < exprs.length; from += AT_ONCE) {
    const part = exprs.slice(from, from + AT_ONCE);
    const computes = loads(part);
    const results = part.map((e) => new Tensor(Storage.allocate(8), STORED[e.type], [1]));
    // `arg` and `load` do not meet in one program: the one reads broadcast operands, the other whole ones.
    const operands = computes ? call.operands : call.operands.map((view) => elementAt(view, position));
    host.run(
      { kind: computes ? "compute" : "map", program: probing(call.program, part, position.length), operands, results, scalars: [...call.scalars, ...position] },
      host,
    );
    for (const [i, result] of results.entries()) {
      const raw = result.data[0] ?? 0;
      out.push(part[i]?.type === "bool" ? raw !== 0 : raw);
    }
  }
  return out;
}
