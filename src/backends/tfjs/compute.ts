/**
 * `compute` calls on a TensorFlow.js engine: coordinates, masks and weights that depend on positions and on host integers alone are evaluated on the
 * host, once per shape; the loads become gathers of the flat operand, the rest is walked as tensor operations.
 */

import { cast, constant, type Expr, operandsOf } from "../../expr/expr.ts";
import type { Backend } from "../../prims/backend.ts";
import type { ComputeCall } from "../../prims/call.ts";
import type { Output, Program } from "../../prims/program.ts";
import { binary } from "../../expr/expr.ts";
import { itemsize } from "../../tensor/dtype.ts";
import { unreachable } from "../../tensor/error.ts";
import { contiguousStrides, numelOf } from "../../tensor/shape.ts";
import { Storage } from "../../tensor/storage.ts";
import type { View } from "../../tensor/tensor.ts";
import { nativeDtype, uploadFlat } from "./buffer.ts";
import type { TfTensor } from "./tensorflow.ts";
import { type Engine, refusesExpr, walkExprs } from "./walk.ts";

/** What a program splits into. */
interface Split {
  /** Loads that become gathers, by node. */
  readonly gathers: readonly Extract<Expr, { op: "load" }>[];
  /** Host-evaluated values that tensor operations read. */
  readonly values: readonly Expr[];
  /** Why it cannot be split, else undefined. */
  readonly refusal: string | undefined;
  /** Host programs by the operands' strides, which the offsets contain. */
  readonly programs: Map<string, Program>;
}

const splits = new WeakMap<Program, Split>();

/** Operands that stay on the device: float32 ones. Everything else is read on the host. */
function onDevice(program: Program, operand: number): boolean {
  return program.operands[operand] === "float32";
}

function split(engine: Engine, program: Program): Split {
  const known = splits.get(program);
  if (known !== undefined) return known;
  const host = new Map<Expr, boolean>();
  const isHost = (e: Expr): boolean => {
    const seen = host.get(e);
    if (seen !== undefined) return seen;
    const result = (e.op === "load" || e.op === "arg") && onDevice(program, e.operand) ? false : operandsOf(e).every(isHost);
    host.set(e, result);
    return result;
  };
  const gathers: Extract<Expr, { op: "load" }>[] = [];
  const values: Expr[] = [];
  let refusal: string | undefined;
  const visited = new Set<Expr>();
  const walk = (e: Expr): void => {
    if (visited.has(e) || refusal !== undefined) return;
    visited.add(e);
    if (isHost(e)) {
      if (e.op !== "const") {
        if (e.type !== "f32" && e.type !== "f64" && e.type !== "bool" && e.type !== "i32") refusal = `TensorFlow.js has no ${e.type} arithmetic`;
        values.push(e);
      }
      return;
    }
    if (e.op === "load") {
      if (![...e.at, ...(e.inside === undefined ? [] : [e.inside])].every(isHost)) refusal = "coordinates that depend on device values";
      gathers.push(e);
      if (e.inside !== undefined) values.push(e.inside);
      if (e.outside !== undefined) walk(e.outside);
      return;
    }
    refusal ??= refusesExpr(engine, e);
    for (const o of operandsOf(e)) walk(o);
  };
  for (const output of program.outputs) {
    if (nativeDtype(output.dtype) === undefined) refusal ??= `TensorFlow.js has no ${output.dtype}`;
    for (const part of output.parts) walk(part);
  }
  if (gathers.length === 0) refusal ??= "nothing to read from the device";
  const made: Split = { gathers, values: [...new Set(values)], refusal, programs: new Map() };
  splits.set(program, made);
  return made;
}

/** Why the call cannot run on the engine, or undefined. */
export function refusesCompute(engine: Engine, call: ComputeCall): string | undefined {
  if (!engine.has("GatherV2")) return "the engine has no kernel GatherV2";
  return split(engine, call.program).refusal;
}

/** Whether an operand of a compute call is wanted on the host. */
export function computeReadsOnHost(call: ComputeCall, operand: View): boolean {
  return call.operands.some((v, i) => v === operand && !onDevice(call.program, i));
}

/** The host program: a flat offset per gather (0 where its mask is false), then the values. */
function hostProgram(s: Split, call: ComputeCall): Program {
  const key = call.operands.map((v) => `${v.offset}:${v.strides.join(",")}`).join(";");
  let program = s.programs.get(key);
  if (program === undefined) {
    if (s.programs.size > 256) s.programs.clear();
    const index = (value: number): Expr => constant(value, "index");
    const offsets = s.gathers.map((g): Output => {
      const view = call.operands[g.operand] ?? unreachable("operand");
      let at: Expr = index(view.offset);
      g.at.forEach((e, axis) => (at = binary("add", at, binary("mul", e.type === "index" ? e : cast(e, "index"), index(view.strides[axis] ?? 0)))));
      if (g.inside !== undefined) at = binary("mul", cast(g.inside, "index"), at);
      return { dtype: "int32", parts: [cast(at, "i32")] };
    });
    const values = s.values.map((e): Output => ({ dtype: e.type === "bool" ? "bool" : e.type === "i32" ? "int32" : "float32", parts: [e.type === "f64" ? cast(e, "f32") : e] }));
    program = { ...call.program, name: `${call.program.name} coordinates`, outputs: [...offsets, ...values] };
    s.programs.set(key, program);
  }
  return program;
}

/** Runs the call; `host` evaluates coordinates. */
export function runCompute(engine: Engine, call: ComputeCall, flatOf: (view: View) => TfTensor, host: Backend): TfTensor[] {
  const { tf } = engine;
  const s = split(engine, call.program);
  const program = hostProgram(s, call);
  const shape = call.results[0]?.shape ?? [];
  const n = numelOf(shape);
  const results = program.outputs.map((o): View => ({ storage: Storage.allocate(n * itemsize(o.dtype)), dtype: o.dtype, shape, strides: contiguousStrides(shape), offset: 0 }));
  // Device operands are not read by the host program: any storage of theirs will do.
  const nothing = Storage.allocate(0);
  const operands = call.operands.map((v, i) => (onDevice(call.program, i) ? { ...v, storage: nothing } : v));
  host.run({ kind: "compute", program, operands, results, scalars: call.scalars }, host);
  const uploaded = results.map((r) => tf.reshape(uploadFlat(tf, r.storage.bytes(), r.dtype), [...shape]));
  const known = new Map<Expr, TfTensor>();
  s.values.forEach((e, i) => known.set(e, uploaded[s.gathers.length + i] ?? unreachable("value")));
  const pending = [...s.gathers];
  const gathered = (g: Extract<Expr, { op: "load" }>): TfTensor => {
    const at = uploaded[s.gathers.indexOf(g)] ?? unreachable("offsets");
    const flat = flatOf(call.operands[g.operand] ?? unreachable("operand"));
    return tf.reshape(tf.gather(flat, tf.reshape(at, [n]), 0), [...shape]);
  };
  // A gather's value outside its mask may itself be a gather: inner ones come first.
  const depth = (g: Expr): number => Math.max(0, ...operandsOf(g).map((o) => depth(o) + (o.op === "load" ? 1 : 0)));
  pending.sort((a, b) => depth(a) - depth(b));
  for (const g of pending) {
    const value = gathered(g);
    if (g.inside === undefined || g.outside === undefined) known.set(g, value);
    else {
      const [outside = unreachable("outside")] = walkExprs(engine, [g.outside], [], call.scalars, known);
      known.set(g, tf.where(known.get(g.inside) ?? unreachable("mask"), value, outside));
    }
  }
  return walkExprs(engine, call.program.outputs.map((o) => o.parts[0] ?? unreachable("part")), [], call.scalars, known);
}
