/** Where a run's time goes (F13): by op, module, source line or node; what moves, what falls back, and what of this machine is used. */

import { describe } from "../run/placements.ts";
import type { Session } from "../run/session.ts";
import type { EventOf, NodeId, TraceEvent } from "./events.ts";
import { graphOf, numberingOf } from "./graph.ts";
import { percentile } from "./percentile.ts";
import { manifestOf, MemoryTrace, type RecordOptions, type RunInputs } from "./record.ts";
import { Recorder } from "./recorder.ts";
import { measureRoofline, type Roofline } from "./roofline.ts";
import { type Execution, placeOfExecution, runOf, type TraceRun } from "./trace.ts";

export type ProfileBy = "op" | "module" | "line" | "node";

export interface ProfileOptions {
  readonly by?: ProfileBy;
  /** Runs that are measured, the first apart; default 5. */
  readonly runs?: number;
  readonly method?: string;
  /** Whether to measure what the machine gives; default true. */
  readonly roofline?: boolean;
  readonly limits?: RecordOptions["limits"];
}

export interface Times {
  readonly p50: number;
  readonly p95: number;
  readonly min: number;
}

export interface ProfileRow {
  /** `aten::linear`, `encoder.0`, `model.py:31`, `#112`. */
  readonly key: string;
  readonly nodes: readonly NodeId[];
  /** In one run. */
  readonly calls: number;
  /** Milliseconds in one run: of itself, and with what is inside. */
  readonly self: Times;
  readonly total: Times;
  /** Share of the run, of `self`. */
  readonly share: number;
  readonly bytes: number;
  readonly flops: number;
  /** The shape of its largest result. */
  readonly shape: string;
  /** Share of what the machine could do in the time, by operations or by bytes, whichever is more. */
  readonly roofline: number | undefined;
  readonly backends: readonly string[];
  readonly fallbacks: readonly { readonly to: string; readonly reason: string; readonly count: number; readonly bytes: number }[];
}

export interface Profile {
  readonly backend: string;
  readonly by: ProfileBy;
  readonly runs: number;
  /** Milliseconds of the first run, which compiles and uploads, watched. */
  readonly first: number;
  /** Of the runs after it, as their nodes add up. */
  readonly watched: Times;
  /** Of runs that nobody watches. */
  readonly plain: Times;
  /** What watching adds: (watched wall time) / (plain) - 1. */
  readonly overhead: number;
  readonly machine: Roofline | undefined;
  readonly rows: readonly ProfileRow[];
  /** Unwatched runs go in plans: how many regions were recorded, compiled and launched, and what each planned step came from. */
  readonly plans: { readonly counts: object | undefined; readonly steps: readonly { readonly what: string; readonly nodes: readonly NodeId[] }[] };
  /** The last watched run, for traces and further questions. */
  readonly run: TraceRun;
}

function times(numbers: readonly number[]): Times {
  return { p50: percentile(numbers, 0.5), p95: percentile(numbers, 0.95), min: numbers.reduce((a, b) => Math.min(a, b), Infinity) };
}

/** Milliseconds of each execution without those inside it. */
export function selfTimes(run: TraceRun): ReadonlyMap<Execution, number> {
  const self = new Map<Execution, number>();
  const open: Execution[] = [];
  for (const execution of run.executions) {
    open.length = Math.min(open.length, execution.depth);
    const ms = execution.ms ?? 0;
    self.set(execution, ms);
    const parent = open.at(-1);
    if (parent !== undefined) self.set(parent, Math.max(0, (self.get(parent) ?? 0) - ms));
    open.push(execution);
  }
  return self;
}

/** What an execution counts under. */
function keyOf(run: TraceRun, execution: Execution, by: ProfileBy): string {
  const node = run.node(execution.node);
  if (by === "op") return node.op.replace(/\.[^.]*$/, "");
  if (by === "module") return execution.module;
  if (by === "node") return `#${node.id} ${node.op}`;
  const place = placeOfExecution(run, execution);
  return place === undefined ? node.op : `${place.file}:${place.line}`;
}

interface Sums {
  readonly self: number[];
  readonly total: number[];
  nodes: Set<NodeId>;
  calls: number;
  bytes: number;
  flops: number;
  shape: { text: string; n: number };
  backends: Set<string>;
  fallbacks: Map<string, { to: string; reason: string; count: number; bytes: number }>;
}

/** Sums of several runs by key. Counts are those of the last run. */
function sumUp(runs: readonly TraceRun[], by: ProfileBy): Map<string, Sums> {
  const out = new Map<string, Sums>();
  runs.forEach((run, round) => {
    const self = selfTimes(run);
    const inside: string[] = [];
    for (const execution of run.executions) {
      const key = keyOf(run, execution, by);
      let sums = out.get(key);
      if (sums === undefined) {
        sums = { self: [], total: [], nodes: new Set(), calls: 0, bytes: 0, flops: 0, shape: { text: "", n: -1 }, backends: new Set(), fallbacks: new Map() };
        out.set(key, sums);
      }
      inside.length = Math.min(inside.length, execution.depth);
      while (sums.self.length <= round) {
        sums.self.push(0);
        sums.total.push(0);
      }
      sums.self[round] = (sums.self[round] ?? 0) + (self.get(execution) ?? 0);
      // A key inside itself (a module's calls, recursion) counts once.
      if (!inside.includes(key)) sums.total[round] = (sums.total[round] ?? 0) + (execution.ms ?? 0);
      inside.push(key);
      if (round === runs.length - 1) count(run, execution, sums);
    }
    for (const sums of out.values())
      while (sums.self.length <= round) {
        sums.self.push(0);
        sums.total.push(0);
      }
  });
  return out;
}

function count(run: TraceRun, execution: Execution, sums: Sums): void {
  sums.calls++;
  sums.nodes.add(execution.node);
  sums.bytes += execution.bytes;
  sums.flops += execution.flops;
  if (execution.backend !== "host") sums.backends.add(execution.backend);
  for (const value of run.outputsOf(execution)) {
    const n = value.tensor?.shape.reduce((a, b) => a * b, 1) ?? -1;
    if (value.tensor !== undefined && n > sums.shape.n) sums.shape = { text: `[${value.tensor.shape.join(",")}]`, n };
  }
  for (const { to, reason, bytes } of execution.fallbacks) {
    const known = sums.fallbacks.get(`${to}:${reason}`) ?? { to, reason, count: 0, bytes: 0 };
    sums.fallbacks.set(`${to}:${reason}`, { ...known, count: known.count + 1, bytes: known.bytes + bytes });
  }
}

/** Runs once with a recorder of structure and times. */
async function timed(session: Session, inputs: RunInputs, options: ProfileOptions): Promise<{ readonly run: TraceRun; readonly wall: number }> {
  const events: TraceEvent[] = [];
  const recorder = new Recorder(session, { event: (event) => void events.push(event), keep: () => undefined, limit: () => 0 }, { values: "none" });
  const started = performance.now();
  // A bound of steps keeps the run from giving the event loop turns, which would count as time of whatever is at hand.
  const limits = { maxSteps: Number.MAX_SAFE_INTEGER, ...options.limits };
  await session.invoke(options.method ?? "forward", inputs.args ?? [], inputs.named ?? {}, { ...limits, listener: recorder.listener });
  const wall = performance.now() - started;
  const manifest = manifestOf(session, { values: "none" }, { nodes: 0, events: events.length, values: 0, full: 0, storages: 0 }, []);
  const trace = new MemoryTrace(manifest, graphOf(session.program), events, new Map(), session.program.sourceText);
  return { run: runOf(trace, events), wall };
}

/**
 * Profiles a method: watched runs tell where the time goes, plain ones what it is when nobody watches. Inputs are used again for each run: a model that
 * writes its arguments sees its own writes. @throws what the model raises
 */
export async function profile(session: Session, inputs: RunInputs = {}, options: ProfileOptions = {}): Promise<Profile> {
  const { by = "op", runs = 5 } = options;
  const first = await timed(session, inputs, options);
  const watched = [];
  const plain: number[] = [];
  for (let i = 0; i < Math.max(1, runs); i++) {
    watched.push(await timed(session, inputs, options));
    const started = performance.now();
    await session.invoke(options.method ?? "forward", inputs.args ?? [], inputs.named ?? {}, options.limits ?? {});
    plain.push(performance.now() - started);
  }
  const machine = options.roofline === false ? undefined : await measureRoofline(session.executor);
  const sums = sumUp(
    watched.map((one) => one.run),
    by,
  );
  const all = watched.map(({ run }) => run.executions.reduce((ms, execution) => ms + (execution.depth === 0 ? (execution.ms ?? 0) : 0), 0));
  const whole = percentile(all, 0.5);
  const rows = [...sums].map(([key, sum]): ProfileRow => {
    const self = times(sum.self);
    const could = machine === undefined ? 0 : Math.max(sum.flops / machine.flopsPerSecond, sum.bytes / machine.bytesPerSecond);
    return {
      key,
      nodes: [...sum.nodes].toSorted((a, b) => a - b),
      calls: sum.calls,
      self,
      total: times(sum.total),
      share: whole === 0 ? 0 : self.p50 / whole,
      bytes: sum.bytes,
      flops: sum.flops,
      shape: sum.shape.text,
      roofline: machine === undefined || self.p50 === 0 ? undefined : could / (self.p50 / 1e3),
      backends: [...sum.backends].toSorted(),
      fallbacks: [...sum.fallbacks.values()],
    };
  });
  rows.sort((a, b) => b.self.p50 - a.self.p50 || (a.key < b.key ? -1 : 1));
  const numbering = numberingOf(session.program);
  return {
    backend: session.executor.backend.name,
    by,
    runs: watched.length,
    first: first.wall,
    watched: times(all),
    plain: times(plain),
    overhead:
      percentile(
        watched.map((one) => one.wall),
        0.5,
      ) /
        percentile(plain, 0.5) -
      1,
    machine,
    rows,
    plans: {
      counts: session.planCounts(),
      steps: session
        .plans()
        .flatMap((plan) =>
          plan.steps.map(({ what, nodes }) => ({ what: describe(what), nodes: nodes.map((node) => numbering.nodeId(node)).filter((id) => id > 0) })),
        ),
    },
    run: watched.at(-1)?.run ?? first.run,
  };
}

/** Milliseconds by node, without any facts but times: what watching itself costs is least. */
export async function timesByNode(
  session: Session,
  inputs: RunInputs = {},
  options: Pick<ProfileOptions, "method" | "limits"> = {},
): Promise<ReadonlyMap<NodeId, number>> {
  const numbering = numberingOf(session.program);
  const out = new Map<NodeId, number>();
  let since = performance.now();
  await session.invoke(options.method ?? "forward", inputs.args ?? [], inputs.named ?? {}, {
    maxSteps: Number.MAX_SAFE_INTEGER,
    ...options.limits,
    listener: (event) => {
      if (event.kind === "op") {
        const id = numbering.nodeId(event.node);
        out.set(id, (out.get(id) ?? 0) + performance.now() - since);
      }
      since = performance.now();
    },
  });
  return out;
}

/** Fallbacks of a run, each with its node. */
export function fallbacksOf(run: TraceRun): readonly EventOf<"fallback">[] {
  return run.executions.flatMap((execution) => execution.fallbacks);
}
