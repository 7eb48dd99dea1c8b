/**
 * Who is guilty among many: the smallest set of suspects without which the run is right. One sweep by itself comes first (`compare`); this is for what
 * shows only together, so it looks at sets.
 */

import type { BoundOp } from "../../ops/registry.ts";
import type { Backend } from "../../prims/backend.ts";
import { codec } from "../../numeric/codec.ts";
import type { Context } from "../../prims/context.ts";
import type { Datum } from "../../ir/datum.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { relativeError } from "../compare/metrics.ts";
import { numbersOf, writeNumbers } from "../compare/numbers.ts";
import { rerun } from "../compare/replay.ts";
import { type Execution, mapTensors, type Tape, tensorsIn } from "../compare/tape.ts";
import { ddmin } from "./ddmin.ts";

/** A suspect by name; what is guilty is a set of them. */
export interface Suspect {
  readonly name: string;
}
export interface NodeSuspect extends Suspect {
  readonly execution: Execution;
}

export interface Bisection<S extends Suspect> {
  /** The smallest set that has to be mended; empty where nothing is wrong. */
  readonly guilty: readonly S[];
  /** Whether one alone is enough to be wrong. */
  readonly alone: readonly boolean[];
  readonly suspects: number;
  readonly tests: number;
  readonly stopped: boolean;
  /** Sets that were tried, by the suspects' numbers, and whether the run was right with them mended. Goes into a replay file. */
  readonly log: readonly { readonly mended: readonly number[]; readonly right: boolean }[];
}

export interface BisectOptions {
  readonly maxTests?: number | undefined;
  /** What an earlier bisection tried: those tests are not run again. */
  readonly replay?: Bisection<Suspect>["log"] | undefined;
}

/**
 * The smallest set of suspects whose mending makes the run right. `right(mended)`: runs with these mended and all others as they are.
 * @returns undefined where not even all of them mended make it right
 */
export async function bisect<S extends Suspect>(
  suspects: readonly S[],
  right: (mended: readonly S[]) => Promise<boolean>,
  options: BisectOptions = {},
): Promise<Bisection<S> | undefined> {
  const numbers = new Map(suspects.map((s, i) => [s, i] as const));
  const key = (mended: readonly number[]): string => [...mended].sort((a, b) => a - b).join();
  const known = new Map((options.replay ?? []).map((one) => [key(one.mended), one.right] as const));
  const log: { mended: readonly number[]; right: boolean }[] = [];
  const test = async (mended: readonly S[]): Promise<boolean> => {
    const ids = mended.map((s) => numbers.get(s) ?? -1);
    const result = known.get(key(ids)) ?? (await right(mended));
    known.set(key(ids), result);
    log.push({ mended: ids, right: result });
    return result;
  };
  const base = { suspects: suspects.length, log };
  if (await test([])) return { ...base, guilty: [], alone: [], tests: log.length, stopped: false };
  if (!(await test(suspects))) return undefined;
  const found = await ddmin(suspects, test, { maxTests: options.maxTests });
  const alone: boolean[] = [];
  for (const one of found.members) alone.push(found.members.length > 1 ? !(await test(suspects.filter((s) => s !== one))) : true);
  return { ...base, guilty: found.members, alone, tests: log.length, stopped: found.stopped };
}

export interface OverNodes {
  readonly backendA: Backend;
  readonly backendB: Backend;
  readonly cpu: Backend;
  /** Side B's op where it is another. */
  readonly boundB?: ((execution: Execution) => BoundOp) | undefined;
  /** Whether the outputs are right; default: relative L2 error of at most `tolerance`. */
  readonly check?: ((outputs: readonly Tensor[]) => Promise<boolean>) | undefined;
  readonly tolerance?: number | undefined;
}

const TOLERANCE = 1e-4;

async function isRight(tape: Tape, outputs: readonly Datum[], options: Pick<OverNodes, "check" | "tolerance">): Promise<boolean> {
  const [want, got] = [tensorsIn(tape.outputs), tensorsIn(outputs)];
  if (options.check !== undefined) return options.check(got);
  return want.every((t, i) => relativeError(t, got[i]) <= (options.tolerance ?? TOLERANCE));
}

/** Suspects: the executions of a run on backend A, each of which may run on B. */
export function nodeSuspects(tape: Tape): NodeSuspect[] {
  return tape.executions.filter((e) => tensorsIn(e.outs).length > 0).map((execution) => ({ name: `${execution.node.op} at ${execution.index}`, execution }));
}

/** Which nodes have to run on A for B's run to be right. Mended nodes are run on A with what comes to them. */
export async function bisectNodes(tape: Tape, options: OverNodes & BisectOptions): Promise<Bisection<NodeSuspect> | undefined> {
  const suspects = nodeSuspects(tape);
  return bisect(
    suspects,
    async (mended) => {
      const onA = new Set(mended.map((s) => s.execution));
      const run = await rerun(tape, {
        backend: options.backendA,
        cpu: options.cpu,
        again: (e) => !onA.has(e),
        backendOf: (e) => (onA.has(e) ? options.backendA : options.backendB),
        boundOf: (e) => (onA.has(e) ? e.bound : (options.boundB?.(e) ?? e.bound)),
      });
      return isRight(tape, run.outputs, options);
    },
    options,
  );
}

/** Which nodes have to stay in their own precision for the run in a narrower one to be right. Results are rounded to `dtype` node by node. */
export async function bisectPrecision(
  tape: Tape,
  dtype: "float16" | "bfloat16",
  options: OverNodes & BisectOptions,
): Promise<Bisection<NodeSuspect> | undefined> {
  const format = codec(dtype);
  const round = (t: Tensor): Tensor => {
    if (t.dtype !== "float32" || format === undefined) return t;
    const out = Tensor.zeros(t.shape, t.dtype);
    writeNumbers(
      out,
      Float64Array.from(numbersOf(t), (x) => format.decode(format.encode(x))),
    );
    return out;
  };
  const narrow = (bound: BoundOp): BoundOp => ({
    reads: true,
    run: function* narrowed(ctx, args) {
      const outs = bound.reads ? yield* bound.run(ctx, args) : bound.run(ctx, args);
      for (const t of tensorsIn(outs)) yield t;
      // What an op wrote in place or only looked at stays as it is: a copy would not be seen.
      const given = new Set(tensorsIn(args).map((t) => t.storage));
      return outs.map((o) => mapTensors(o, (t) => (given.has(t.storage) ? t : round(t))));
    },
  });
  const suspects = nodeSuspects(tape);
  return bisect(
    suspects,
    async (mended) => {
      const wide = new Set(mended.map((s) => s.execution));
      const run = await rerun(tape, {
        backend: options.backendA,
        cpu: options.cpu,
        again: (e) => !wide.has(e),
        boundOf: (e) => (wide.has(e) ? e.bound : narrow(e.bound)),
      });
      return isRight(tape, run.outputs, options);
    },
    options,
  );
}

/** A context in which some composites are run as their bodies, whatever the backend has for them. */
function withoutRegions(ctx: Context, names: ReadonlySet<string>): Context {
  return {
    run: (call) => ctx.run(call),
    region: (region, body) => (names.has(region.name) ? body() : ctx.region(region, body)),
    allocate: (n) => ctx.allocate(n),
    charge: (n) => ctx.charge(n),
    sync: (t) => ctx.sync(t),
    print: (text) => ctx.print(text),
    generator: ctx.generator,
    defaultDtype: ctx.defaultDtype,
  };
}

/** Which of the composites that backend B answers whole have to be run as their bodies for the outputs to be right. */
export async function bisectComposites(tape: Tape, options: OverNodes & BisectOptions): Promise<Bisection<Suspect> | undefined> {
  const seen = new Set<string>();
  const onB = { backend: options.backendB, cpu: options.cpu, boundOf: options.boundB };
  const watched = (ctx: Context): Context => ({
    ...withoutRegions(ctx, new Set()),
    region: (region, body) => (seen.add(region.name), ctx.region(region, body)),
  });
  await rerun(tape, { ...onB, contextOf: (_, ctx) => watched(ctx) });
  const suspects = [...seen].sort().map((name) => ({ name }));
  return bisect(
    suspects,
    async (mended) => {
      const names = new Set(mended.map((s) => s.name));
      const run = await rerun(tape, { ...onB, contextOf: (_, ctx) => withoutRegions(ctx, names) });
      return isRight(tape, run.outputs, options);
    },
    options,
  );
}

/** `2 of 161 nodes must run on cpu: {#37, #38} together (each alone: ok)`. */
export function bisectionText(b: Bisection<Suspect> | undefined, what: string, mend: string): string {
  if (b === undefined) return `not even with every ${what} mended are the outputs right: look elsewhere`;
  if (b.guilty.length === 0) return `the outputs are right: no ${what} is guilty (${b.tests} tests)`;
  const names = b.guilty.map((s) => s.name).join(", ");
  const together = b.guilty.length === 1 ? names : `{${names}} together`;
  const alone =
    b.guilty.length === 1
      ? ""
      : ` (each alone: ${b.alone.every((wrong) => !wrong) ? "ok" : b.alone.every((wrong) => wrong) ? "wrong" : b.guilty.map((s, i) => `${s.name} ${b.alone[i] === true ? "wrong" : "ok"}`).join(", ")})`;
  return `${b.guilty.length} of ${b.suspects} ${what}s ${mend}: ${together}${alone}; ${b.tests} tests${b.stopped ? ", stopped by their limit" : ""}`;
}
