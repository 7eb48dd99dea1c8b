/** Runs jobs in child processes with a time limit each: a job that hangs or crashes its process does not end the run. */

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Outcome } from "./outcome.ts";

/** One case, as plain data. */
export interface Job {
  readonly kind: "torch" | "plan" | "bad" | "onnx" | "onnx-plan";
  readonly name: string;
  readonly path: string;
  /** bad: the entry of cases.json; onnx: tolerances. */
  readonly spec?: unknown;
}

export interface PoolOptions {
  readonly backend: string;
  readonly workers: number;
  readonly timeoutMs: number;
  readonly onOutcome?: (outcome: Outcome) => void;
}

const WORKER = fileURLToPath(new URL("./worker.ts", import.meta.url));

/** Outcomes in the order of the jobs. */
export async function runJobs(jobs: readonly Job[], options: PoolOptions): Promise<Outcome[]> {
  const outcomes = new Array<Outcome>(jobs.length);
  let next = 0;
  const lane = async (): Promise<void> => {
    let child: ChildProcess | undefined;
    for (;;) {
      const at = next++;
      const job = jobs[at];
      if (job === undefined) break;
      child ??= fork(WORKER, [options.backend], { execArgv: ["--import", "tsx", "--max-old-space-size=6144"], stdio: ["ignore", "ignore", "pipe", "ipc"] });
      const { outcome, alive } = await runOne(child, job, options.timeoutMs);
      outcomes[at] = outcome;
      options.onOutcome?.(outcome);
      if (!alive) child = undefined;
    }
    child?.kill("SIGKILL");
  };
  await Promise.all(Array.from({ length: Math.max(1, options.workers) }, lane));
  return outcomes;
}

function runOne(child: ChildProcess, job: Job, timeoutMs: number): Promise<{ outcome: Outcome; alive: boolean }> {
  return new Promise((resolve) => {
    let stderr = "";
    const failed = (reason: string): Outcome => ({ name: job.name, callsPassed: 0, callsFailed: 1, failures: [{ where: "process", reason }] });
    const done = (outcome: Outcome, alive: boolean): void => {
      clearTimeout(timer);
      child.removeAllListeners();
      child.stderr?.removeAllListeners();
      if (!alive) child.kill("SIGKILL");
      resolve({ outcome, alive });
    };
    const timer = setTimeout(() => done(failed(`no result after ${timeoutMs / 1000} s`), false), timeoutMs);
    child.stderr?.on("data", (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-600)));
    child.on("message", (message) => done(message as Outcome, true)); // the worker sends nothing else
    child.on("exit", (code, signal) => done(failed(`the process ended (${signal ?? String(code)}): ${stderr.trim().split("\n").slice(-3).join(" | ")}`), false));
    child.on("error", (error) => done(failed(error.message), false));
    child.send(job);
  });
}
