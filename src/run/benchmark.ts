/** Measures a model under load: latency, throughput, errors, and what the process spent meanwhile. Plain data comes out. */

import type { Input } from "./convert.ts";
import type { Session } from "./session.ts";
import { OpwiseError, typedError } from "../tensor/error.ts";

/** Inputs of every run: those of `session.call`; ONNX takes `kwargs` as its feeds. */
export interface BenchmarkInputs {
  readonly args: readonly Input[];
  readonly kwargs: Readonly<Record<string, Input>>;
}

export interface BenchmarkOptions {
  /** Default: `forward`. */
  readonly method?: string;
  /** Clients that each ask again as soon as they are answered, a session each. Default 1. */
  readonly concurrency?: number;
  /** How long is measured, after the first run of every session. Default 3. */
  readonly seconds?: number;
  /** Most runs that are measured; default: as many as the time gives. */
  readonly maxRuns?: number;
  /** Runs of each session after the first that are not measured: engines make hot code faster meanwhile. Default 2. */
  readonly warmup?: number;
  readonly signal?: AbortSignal;
}

/** Milliseconds. */
export interface Latency {
  readonly min: number;
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export interface BenchmarkResult {
  readonly concurrency: number;
  /** Milliseconds until the first session was ready, and of its first run, which nothing else counts. */
  readonly load: number;
  readonly first: number;
  /** Runs that gave an answer, and those that failed. */
  readonly runs: number;
  readonly errors: number;
  /** Errors over all runs. */
  readonly errorRate: number;
  /** Messages of the errors with how often each came, the most frequent first; ten at most. */
  readonly messages: readonly { readonly message: string; readonly count: number }[];
  /** Milliseconds that were measured. */
  readonly wall: number;
  /** Answers a second, of all clients together. */
  readonly throughput: number;
  /** From when a client could ask to its answer, waiting for other clients included; undefined where no run gave one. */
  readonly latency: Latency | undefined;
  /** Milliseconds of processor time of this process, all threads; undefined where the platform does not tell, as below. */
  readonly cpu: { readonly user: number; readonly system: number } | undefined;
  /** Bytes of the process after the runs, and the most that were resident since it began; `device`: bytes alive on the sessions' backends. */
  readonly memory: { readonly resident: number; readonly peak: number; readonly heap: number; readonly device: number } | undefined;
  /** Garbage collections and the milliseconds they took. */
  readonly gc: { readonly count: number; readonly ms: number } | undefined;
}

/** The value below which `share` of the sorted values lie: the nearest rank, so one of them. @throws bad-argument for none */
export function percentile(sorted: readonly number[], share: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
  if (value === undefined) throw new OpwiseError("bad-argument", "nothing was measured");
  return value;
}

/** @throws bad-argument for no times */
export function latencyOf(times: readonly number[]): Latency {
  const sorted = times.toSorted((a, b) => a - b);
  return {
    min: percentile(sorted, 0),
    mean: sorted.reduce((sum, t) => sum + t, 0) / sorted.length,
    p50: percentile(sorted, 0.5),
    p95: percentile(sorted, 0.95),
    p99: percentile(sorted, 0.99),
    max: percentile(sorted, 1),
  };
}

/** Adds up garbage collections while it is open; undefined where the platform does not report them. */
function gcObserver(): { stop(): Promise<{ count: number; ms: number }> } | undefined {
  if (typeof PerformanceObserver === "undefined" || !PerformanceObserver.supportedEntryTypes.includes("gc")) return undefined;
  const sum = { count: 0, ms: 0 };
  const add = (entries: readonly { readonly duration: number }[]): void => {
    for (const { duration } of entries) {
      sum.count++;
      sum.ms += duration;
    }
  };
  const observer = new PerformanceObserver((list) => add(list.getEntries()));
  observer.observe({ entryTypes: ["gc"] });
  return {
    stop: async () => {
      await new Promise((resume) => setTimeout(resume, 0)); // entries are delivered between turns
      add(observer.takeRecords());
      observer.disconnect();
      return sum;
    },
  };
}

/** Milliseconds after which timers get a turn. */
const TURN_MS = 100;

const onNode: boolean = typeof process !== "undefined" && typeof process.cpuUsage === "function";

function wholeNumber(value: number, name: string, least: number): number {
  if (!Number.isInteger(value) || value < least)
    throw new OpwiseError("bad-argument", `\`${name}\` is a whole number from ${least} on`, { got: String(value) });
  return value;
}

/**
 * Makes `concurrency` sessions and lets a client each ask for runs over the same inputs until the time is over. A run that throws counts as
 * an error and the client goes on; making a session and its first run may throw. The sessions are disposed of.
 * @throws bad-argument; aborted by the signal; what `makeSession` and a session's first run throw
 */
export async function benchmark(makeSession: () => Promise<Session>, inputs: BenchmarkInputs, options: BenchmarkOptions = {}): Promise<BenchmarkResult> {
  const concurrency = wholeNumber(options.concurrency ?? 1, "concurrency", 1);
  const maxRuns = options.maxRuns === undefined ? Infinity : wholeNumber(options.maxRuns, "maxRuns", 1);
  const warmup = wholeNumber(options.warmup ?? 2, "warmup", 0);
  const seconds = options.seconds ?? 3;
  if (!(seconds > 0)) throw new OpwiseError("bad-argument", "`seconds` is a positive number", { got: String(seconds) });
  const { signal } = options;
  const method = options.method ?? "forward";
  const checkSignal = (): void => {
    if (signal?.aborted === true) throw new OpwiseError("aborted", "the benchmark was aborted", { cause: signal.reason });
  };

  const sessions: Session[] = [];
  try {
    const ask = (session: Session): Promise<unknown> =>
      session.program.format === "onnx" ? session.run(inputs.kwargs, { signal }) : session.call(method, inputs.args, inputs.kwargs, { signal });
    let [load, first] = [0, 0];
    for (let i = 0; i < concurrency; i++) {
      checkSignal();
      const started = performance.now();
      const session = await makeSession();
      const ready = performance.now();
      sessions.push(session);
      await ask(session);
      if (i === 0) [load, first] = [ready - started, performance.now() - ready];
      for (let k = 0; k < warmup; k++) await ask(session);
    }

    const times: number[] = [];
    const messages = new Map<string, number>();
    let asked = 0;
    let errors = 0;
    const gc = gcObserver();
    const cpuBefore = onNode ? process.cpuUsage() : undefined;
    const began = performance.now();
    let turn = began;
    const end = began + 1000 * seconds;
    const client = async (session: Session): Promise<void> => {
      // A client asks when it has been answered: what it waits for the others is part of its latency.
      for (let issued = began; asked < maxRuns && performance.now() < end;) {
        checkSignal();
        asked++;
        try {
          await ask(session);
          times.push(performance.now() - issued);
        } catch (error) {
          checkSignal();
          errors++;
          const { message } = typedError(error);
          messages.set(message, (messages.get(message) ?? 0) + 1);
        }
        issued = performance.now();
        if (issued - turn < TURN_MS) continue;
        await new Promise((resume) => setTimeout(resume, 0)); // for whoever wants to abort
        issued = turn = performance.now();
      }
    };
    await Promise.all(sessions.map(client));
    const wall = performance.now() - began;
    const cpu = cpuBefore === undefined ? undefined : process.cpuUsage(cpuBefore);
    const collected = await gc?.stop();
    const usage = onNode ? process.memoryUsage() : undefined;
    return {
      concurrency,
      load,
      first,
      runs: times.length,
      errors,
      errorRate: errors / Math.max(1, times.length + errors),
      messages: [...messages]
        .toSorted((a, b) => b[1] - a[1])
        .slice(0, 10)
        .map(([message, count]) => ({ message, count })),
      wall,
      throughput: (1000 * times.length) / wall,
      latency: times.length === 0 ? undefined : latencyOf(times),
      cpu: cpu === undefined ? undefined : { user: cpu.user / 1000, system: cpu.system / 1000 },
      memory:
        usage === undefined
          ? undefined
          : {
              resident: usage.rss,
              peak: process.resourceUsage().maxRSS * 1024,
              heap: usage.heapUsed,
              device: sessions.reduce((sum, s) => sum + s.memory().bytes, 0),
            },
      gc: collected,
    };
  } finally {
    for (const session of sessions) session.dispose();
  }
}
