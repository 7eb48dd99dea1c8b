/**
 * Whole models in turns in one run: every contestant has a process of its own, is asked for a slice of time in each round, and the rounds begin with
 * another one each time, so that what else the machine does meets all of them alike. Outputs are checked; nothing is asserted of times.
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
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
  /** Ends it, and waits until it has gone. */
  async end(): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill();
    await gone;
  }
}

/** A process that has loaded the model. */
interface Started {
  readonly process: Process;
  readonly loaded: Loaded;
  readonly bare: number;
  readonly version: string;
}

/** Starts a contestant and has it load the model; why not, where it does not. */
async function start(entry: Entry, folder: string, file: string): Promise<Started | string> {
  const process = new Process(entry.command);
  const ready = await process.answer();
  const loaded = ready.kind === "ready" ? await process.ask({ kind: "load", folder, file }) : ready;
  if (ready.kind === "ready" && loaded.kind === "loaded") return { process, loaded, bare: ready.peak, version: ready.version };
  await process.end();
  return loaded.kind === "failed" ? (loaded.message.split("\n")[0] ?? "") : loaded.kind;
}

/** How many processes of each contestant load a model, and how its runs are timed. */
export interface Turns {
  readonly starts: number;
  readonly rounds: number;
  /** Milliseconds of one turn. */
  readonly ms: number;
}

/** Times every contestant on one model: loading it in turns, a process each time, then a slice of time each in turn. */
export async function race(
  folder: string,
  model: string,
  entries: readonly Entry[],
  { starts, rounds, ms }: Turns,
  say: (line: string) => void,
): Promise<Row[]> {
  const all = entries.flatMap((entry) => entry.files.filter((file) => existsSync(join(folder, file))).map((file) => ({ entry, file, loads: [] as Loaded[] })));
  const refused = new Set<(typeof all)[number]>();
  const running: ((typeof all)[number] & Started & { readonly times: number[]; peak: number })[] = [];
  for (let turn = 1; turn <= starts; turn++) {
    for (const one of all) {
      if (refused.has(one)) continue;
      const started = await start(one.entry, folder, one.file);
      if (typeof started === "string") {
        say(`  ${one.entry.name} does not take part with ${one.file}: ${started}`);
        refused.add(one);
        continue;
      }
      one.loads.push(started.loaded);
      // Those that are started last run.
      if (turn < starts) await started.process.end();
      else running.push({ ...one, ...started, times: [], peak: started.bare });
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
  for (const one of running) await one.process.end();
  return running.map(({ entry, file, loads, bare, version, times, peak }) => ({
    model,
    file,
    contestant: entry.name,
    version,
    load: median(loads.map(({ load }) => load)),
    first: median(loads.map(({ first }) => first)),
    error: Math.max(...loads.map(({ error }) => error)),
    median: median(times),
    min: Math.min(...times),
    runs: times.length,
    memory: peak - bare,
  }));
}
