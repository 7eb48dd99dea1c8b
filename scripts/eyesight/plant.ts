/** Plants faults into recorded runs and asks `compare` for them. */

import { compareTapes, type Comparison } from "../../src/debug/compare/compare.ts";
import { relativeError } from "../../src/debug/compare/metrics.ts";
import { numbersOf, sameBits, writeNumbers } from "../../src/debug/compare/numbers.ts";
import { Replay, rerun } from "../../src/debug/compare/replay.ts";
import { type Execution, record, type Tape, tensorsIn } from "../../src/debug/compare/tape.ts";
import { modelOf } from "../../src/model.ts";
import { readCase, writeCase } from "../../src/debug/reduce/case-file.ts";
import { reduce } from "../../src/debug/reduce/reduce.ts";
import type { BoundOp } from "../../src/ops/registry.ts";
import type { Backend } from "../../src/prims/backend.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { isOpwiseError } from "../../src/tensor/error.ts";
import { type Fault, FAULTS, faultsOf } from "./faults.ts";

/** Less than this is no fault but another rounding: a fault that cannot be told from one is not planted there. */
const VISIBLE = 1e-6;

export interface Planting {
  readonly fault: Fault;
  readonly execution: Execution;
  readonly bound: BoundOp;
  /** The run without the fault, and with it. */
  readonly sound: Tape;
  readonly spoiled: Tape;
}

/** Where a fault shows in a run: the middle one of the executions that can have it, whose results it changes, and whose results reach an output. */
export async function plantingOf(tape: Tape, fault: Fault, host: Backend): Promise<Planting | undefined> {
  const candidates = tape.executions.filter((e) => faultsOf(e).includes(fault));
  const middle = Math.floor(candidates.length / 2);
  for (const candidate of [...candidates.slice(middle), ...candidates.slice(0, middle)].slice(0, 6)) {
    const bound = fault.plant(candidate);
    if (bound === undefined) continue;
    try {
      const sound = fault.raise === undefined ? tape : await raised(tape, candidate, fault.raise, host);
      const execution = sound?.executions[candidate.index];
      if (sound === undefined || execution === undefined) continue;
      const replay = new Replay(sound, { backend: host, cpu: host, boundOf: () => bound });
      const [got, want] = [tensorsIn((await replay.run(execution)).outs), tensorsIn(execution.outs)];
      if (!want.some((t, i) => relativeError(t, got[i]) > VISIBLE)) continue;
      const spoiled = await rerun(sound, { backend: host, cpu: host, again: (e) => e === execution, boundOf: (e) => (e === execution ? bound : e.bound) });
      const [before, after] = [tensorsIn(sound.outputs), tensorsIn(spoiled.outputs)];
      if (before.some((t, i) => after[i] === undefined || !sameBits(t, after[i]))) return { fault, execution, bound, sound, spoiled };
    } catch (error) {
      if (!isOpwiseError(error)) throw error; // with the fault in it the model raises: there is nothing to compare
    }
  }
  return undefined;
}

/** The run with the execution's first operand raised by `by`, where another execution gives it. */
async function raised(tape: Tape, execution: Execution, by: number, host: Backend): Promise<Tape | undefined> {
  const [x] = tensorsIn(execution.args);
  const producer = x === undefined ? undefined : tape.executions[tape.origin(x)?.producer ?? -1];
  const outs = tensorsIn(producer?.outs ?? []);
  if (producer === undefined || outs.length !== 1) return undefined;
  const pins = outs.map((t) => {
    const out = Tensor.zeros(t.shape, t.dtype);
    writeNumbers(
      out,
      Float64Array.from(numbersOf(t), (v) => v + by),
    );
    return out;
  });
  return rerun(tape, { backend: host, cpu: host, again: () => false, pins: new Map([[producer.index, pins]]) });
}

/** Every fault that shows in the run; of those the first `most`. */
export async function plantingsOf(tape: Tape, host: Backend, most: number = Infinity, faults: readonly Fault[] = FAULTS): Promise<Planting[]> {
  const out: Planting[] = [];
  for (const fault of faults) {
    if (out.length >= most) break;
    const planting = await plantingOf(tape, fault, host);
    if (planting !== undefined) out.push(planting);
  }
  return out;
}

export interface Sighting {
  readonly comparison: Comparison;
  /** What compare says instead of naming the planted execution as the only source; undefined where it is right. */
  readonly problem: string | undefined;
}

/** Compares the run with the spoiled one: the planted execution has to be the source, and the only one. */
export async function sighted(planting: Planting, host: Backend): Promise<Sighting> {
  const comparison = await compareTapes(planting.sound, planting.spoiled, { backendA: host, backendB: host, cpu: host, hypotheses: false });
  const sources = comparison.sources.map((i) => comparison.rows[i]);
  const at = planting.execution.index;
  const named = sources.map((row) => `${row?.a.op ?? ""} at ${row?.a.t ?? -1}`).join(", ");
  const row = comparison.rows.find((r) => r.a.t === at);
  if (sources.length === 1 && sources[0]?.a.t === at) return { comparison, problem: undefined };
  return {
    comparison,
    problem: `wanted ${planting.execution.node.op} at ${at} (it is ${row?.verdict ?? "not there"}, isolated ${row?.isolated?.toPrecision(3) ?? "–"}×), got ${named || "nothing"}`,
  };
}

/** Reduces the planted failure, writes the case, reads it back, and looks for the fault in it. Undefined: at most three nodes, and it shows. */
export async function reducedProblem(planting: Planting, host: Backend): Promise<string | undefined> {
  const { sound, execution, bound } = planting;
  const wanted = execution.node;
  const outs = [tensorsIn(execution.outs), tensorsIn(planting.spoiled.executions[execution.index]?.outs ?? [])];
  const output = Math.max(0, outs[0]?.findIndex((t, i) => outs[1]?.[i] === undefined || !sameBits(t, outs[1][i])) ?? 0);
  const reduction = await reduce(sound, execution, output, {
    backendA: host,
    backendB: host,
    cpu: host,
    boundB: (step) => (step.node === wanted ? bound : step.bound),
    maxSeconds: 30,
  });
  if (reduction === undefined) return "the failure does not come back in a case";
  if (reduction.nodes.after > 3) return `${reduction.nodes.after} nodes are left`;
  const file = writeCase(
    reduction.case,
    reduction.expected,
    { op: reduction.op, times: Math.min(1e9, reduction.times), atLeast: reduction.atLeast, a: "cpu", b: "planted" },
    planting.fault.name,
  );
  const again = await readCase(file);
  const session = await (await modelOf(again.program)).session({ backend: host });
  const names = again.program.inputs?.map((input) => input.name) ?? [];
  const tape = await record(session, [], { named: Object.fromEntries(names.map((name, i) => [name, again.inputs[i] ?? null] as const)) });
  const last = tape.executions.findLast((e) => e.node.op === execution.node.op);
  if (last === undefined) return "the case that was read has no such op";
  const spoiled = await rerun(tape, { backend: host, cpu: host, again: (e) => e === last, boundOf: (e) => (e === last ? bound : e.bound) });
  const comparison = await compareTapes(tape, spoiled, { backendA: host, backendB: host, cpu: host, hypotheses: false });
  return comparison.rows[comparison.sources[0] ?? -1]?.a.t === last.index ? undefined : "the case that was read does not show it";
}
