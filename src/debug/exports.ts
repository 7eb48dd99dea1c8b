/** A run for other tools: Chrome's trace format (also Perfetto, speedscope) and folded stacks (flame graphs). */

import { memoryOf } from "./memory.ts";
import { placeText, nodeName } from "./trace-text.ts";
import { selfTimes } from "./profile.ts";
import type { Execution, TraceRun } from "./trace.ts";

/** Events of one trace: viewers die of more than some hundred megabytes. */
const MAX_EVENTS = 200_000;

/** One event of Chrome's format; `docs/debugger.md` says what the fields hold. */
export interface ChromeEvent {
  readonly name: string;
  readonly ph: "X" | "C" | "M" | "i";
  readonly pid: number;
  readonly tid: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly cat?: string;
  readonly s?: string;
  readonly args?: Readonly<Record<string, unknown>>;
}
export interface ChromeTrace {
  readonly traceEvents: readonly ChromeEvent[];
  readonly displayTimeUnit: "ms";
  readonly otherData: Readonly<Record<string, string | number>>;
}

/** Microseconds at which a step ended, as far as something ended there. */
function clockOf(run: TraceRun): ReadonlyMap<number, number> {
  const at = new Map<number, number>();
  for (const event of run.events) if (event.us !== undefined) at.set(event.t, Math.max(at.get(event.t) ?? 0, event.us));
  return at;
}

/** The run as a trace of Chrome's: ops on one thread, nested in calls and modules; memory as a counter. The longest events stay where there are too many. */
export function chromeTrace(run: TraceRun): ChromeTrace {
  const clock = clockOf(run);
  const kept =
    run.executions.length <= MAX_EVENTS
      ? run.executions
      : run.executions
          .toSorted((a, b) => (b.ms ?? 0) - (a.ms ?? 0))
          .slice(0, MAX_EVENTS)
          .toSorted((a, b) => a.t - b.t || a.depth - b.depth);
  const head = { pid: 1, tid: 1 };
  const events: ChromeEvent[] = [
    { name: "process_name", ph: "M", ...head, args: { name: run.run?.model ?? "" } },
    { name: "thread_name", ph: "M", ...head, args: { name: run.run?.backend ?? "" } },
  ];
  for (const execution of kept) events.push(chromeEvent(run, execution));
  for (const { t, bytes } of memoryOf(run).curve) {
    const ts = clock.get(t) ?? clock.get(t - 1);
    if (ts !== undefined) events.push({ name: "memory", ph: "C", ...head, ts, args: { bytes } });
  }
  for (const event of run.events)
    if (event.k === "fallback")
      events.push({
        name: `fallback: ${event.reason}`,
        cat: "fallback",
        ph: "i",
        s: "t",
        ...head,
        ts: clock.get(event.t) ?? 0,
        args: { node: event.node, to: event.to, bytes: event.bytes },
      });
  return {
    traceEvents: events,
    displayTimeUnit: "ms",
    otherData: { model: run.run?.model ?? "", backend: run.run?.backend ?? "", leftOut: run.executions.length - kept.length },
  };
}

function chromeEvent(run: TraceRun, execution: Execution): ChromeEvent {
  const node = run.node(execution.node);
  const outs = run.outputsOf(execution).flatMap((value) => (value.tensor === undefined ? [] : [`${value.tensor.dtype}[${value.tensor.shape.join(",")}]`]));
  return {
    name: node.op,
    cat: execution.module === "" ? "root" : execution.module,
    ph: "X",
    pid: 1,
    tid: 1,
    ts: execution.us ?? 0,
    dur: (execution.ms ?? 0) * 1e3,
    args: {
      node: nodeName(node, execution.nth),
      t: execution.t,
      module: execution.module,
      place: placeText(node),
      outputs: outs.join(" "),
      backend: execution.backend,
      ...(execution.bytes > 0 ? { bytes: execution.bytes } : {}),
      ...(execution.flops > 0 ? { flops: execution.flops } : {}),
    },
  };
}

/** Folded stacks: `forward;encoder;aten::linear 1234`, microseconds of each stack itself. */
export function foldedStacks(run: TraceRun): string {
  const self = selfTimes(run);
  const sums = new Map<string, number>();
  const stack: string[] = [];
  const frames = new Map(run.frames.map((frame) => [`${frame.node ?? 0}@${frame.t}`, frame] as const));
  const safe = (text: string): string => text.replaceAll(";", ":").replace(/\s/g, " ");
  for (const execution of run.executions) {
    stack.length = Math.min(stack.length, execution.depth);
    const { op } = run.node(execution.node);
    const isCall = op === "prim::CallMethod" || op === "prim::CallFunction";
    const frame = isCall ? frames.get(`${execution.node}@${execution.t}`) : undefined;
    stack.push(safe(frame === undefined ? op : frame.module === "" || op === "prim::CallFunction" ? frame.method : frame.module));
    const key = stack.join(";");
    sums.set(key, (sums.get(key) ?? 0) + (self.get(execution) ?? 0));
  }
  return [...sums].flatMap(([key, ms]) => (Math.round(ms * 1e3) > 0 ? [`${key} ${Math.round(ms * 1e3)}`] : [])).join("\n");
}
