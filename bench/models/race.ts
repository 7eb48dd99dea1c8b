/**
 * Whole models in turns in one run: every contestant has a process of its own, is asked for a slice of time in each round, and the rounds begin with
 * another one each time, so that what else the machine does meets all of them alike. Outputs are checked; nothing is asserted of times.
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { median } from "../table.ts";
import type { Entry } from "./contestants.ts";
import type { Answer, Loaded, Request } from "./protocol.ts";
import type { Row } from "./report.ts";

/** A contestant's process; one question at a time. */
class Process {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  constructor(command: readonly string[]) {
    const [program = "node", ...args] = command;
    this.#child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stderr.resume();
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }
  async answer(): Promise<Answer> {
    for (;;) {
      const line = await this.#lines.next();
      if (line.done === true) return { kind: "failed", message: "the process ended" };
      if (line.value.startsWith("{")) return JSON.parse(line.value) as Answer; // our own protocol; other lines are a library's chatter
    }
  }
  ask(request: Request): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    return this.answer();
  }
  end(): void {
    this.#child.kill();
  }
}

/** Times every contestant on one model, a slice of time each in turn. */
export async function race(folder: string, model: string, entries: readonly Entry[], rounds: number, ms: number, say: (line: string) => void): Promise<Row[]> {
  const running: {
    readonly entry: Entry;
    readonly file: string;
    readonly process: Process;
    readonly loaded: Loaded;
    readonly bare: number;
    readonly version: string;
    readonly times: number[];
    peak: number;
  }[] = [];
  for (const entry of entries) {
    for (const file of entry.files) {
      if (!existsSync(join(folder, file))) continue;
      const process = new Process(entry.command);
      const ready = await process.answer();
      const loaded = ready.kind === "ready" ? await process.ask({ kind: "load", folder, file }) : ready;
      if (ready.kind !== "ready" || loaded.kind !== "loaded") {
        say(`  ${entry.name} does not take part with ${file}: ${loaded.kind === "failed" ? (loaded.message.split("\n")[0] ?? "") : loaded.kind}`);
        process.end();
        continue;
      }
      running.push({ entry, file, process, loaded, bare: ready.peak, version: ready.version, times: [], peak: ready.peak });
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < running.length; i++) {
      const one = running[(i + round) % running.length];
      if (one === undefined) break;
      const ran = await one.process.ask({ kind: "run", ms });
      if (ran.kind !== "ran") continue;
      one.times.push(...ran.times);
      one.peak = ran.peak;
    }
  }
  for (const one of running) one.process.end();
  return running.map(({ entry, file, loaded, bare, version, times, peak }) => ({
    model,
    file,
    contestant: entry.name,
    version,
    load: loaded.load,
    first: loaded.first,
    error: loaded.error,
    median: median(times),
    min: Math.min(...times),
    runs: times.length,
    memory: peak - bare,
  }));
}
