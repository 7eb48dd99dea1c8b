/**
 * `npm run bench:models -- DIR [--peers PEERS_DIR] [--python PATH] [--only TEXT] [--contestants A,B] [--rounds N] [--ms N] [--json FILE]`: whole models, in turns in
 * one run, as ratios. DIR holds folders of model.pt and model.onnx with model.json, inputs.npz and outputs.npz. PEERS_DIR is a folder where onnxruntime-web and
 * onnxruntime-node are installed; with --python LibTorch and onnxruntime take part. Outputs are checked; nothing is asserted of times.
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import type { Answer, Loaded, Request } from "./protocol.ts";

interface Entry {
  readonly name: string;
  /** Files it can read. */
  readonly files: readonly string[];
  readonly command: readonly string[];
}

interface Row extends Loaded {
  readonly model: string;
  readonly file: string;
  readonly contestant: string;
  readonly median: number;
  readonly min: number;
  readonly runs: number;
  /** Peak resident bytes above those of the bare process. */
  readonly memory: number;
}

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

function contestants(peers: string | undefined, python: string | undefined): Entry[] {
  const script = (name: string): string[] => ["node", "--import", "tsx", join(import.meta.dirname, "contestant.ts"), name, peers ?? "."];
  const both = ["model.pt", "model.onnx"];
  const own: Entry[] = ["opwise-wasm", "opwise-cpu", "opwise-tfjs"].map((name) => ({ name, files: both, command: script(name) }));
  const web: Entry[] =
    peers === undefined
      ? []
      : ["onnxruntime-web@1", "onnxruntime-web@2", "onnxruntime-node@1"].map((name) => ({ name, files: ["model.onnx"], command: script(name) }));
  const native: Entry[] =
    python === undefined
      ? []
      : [
          { name: "torch@1", files: ["model.pt"], command: [python, join(import.meta.dirname, "contestant.py"), "torch@1"] },
          { name: "onnxruntime@1", files: ["model.onnx"], command: [python, join(import.meta.dirname, "contestant.py"), "onnxruntime@1"] },
        ];
  return [...own, ...web, ...native];
}

const median = (times: readonly number[]): number => [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? NaN;

/** Times every contestant on one model, a slice of time each in turn. */
async function race(folder: string, model: string, entries: readonly Entry[], rounds: number, ms: number): Promise<Row[]> {
  const running: {
    readonly entry: Entry;
    readonly file: string;
    readonly process: Process;
    readonly loaded: Loaded;
    readonly bare: number;
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
        console.log(`  ${entry.name} does not take part in ${model}/${file}: ${loaded.kind === "failed" ? loaded.message.split("\n")[0] : loaded.kind}`);
        process.end();
        continue;
      }
      running.push({ entry, file, process, loaded, bare: ready.peak, times: [], peak: ready.peak });
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const one of running) {
      const ran = await one.process.ask({ kind: "run", ms });
      if (ran.kind !== "ran") continue;
      one.times.push(...ran.times);
      one.peak = ran.peak;
    }
  }
  for (const one of running) one.process.end();
  return running.map(({ entry, file, loaded, bare, times, peak }) => ({
    model,
    file,
    contestant: entry.name,
    load: loaded.load,
    first: loaded.first,
    error: loaded.error,
    median: median(times),
    min: Math.min(...times),
    runs: times.length,
    memory: peak - bare,
  }));
}

function print(rows: readonly Row[]): void {
  const base = (contestant: string): number | undefined => rows.find((r) => r.contestant === contestant)?.median;
  const references = ["onnxruntime-web@1", "torch@1"].filter((name) => base(name) !== undefined);
  const head = ["contestant", "file", "median ms", "min", ...references.map((r) => `/ ${r}`), "load ms", "first ms", "memory MB", "error"];
  const lines = rows.map((r) => [
    r.contestant,
    r.file.replace("model", ""),
    r.median.toFixed(2),
    r.min.toFixed(2),
    ...references.map((name) => (r.median / (base(name) ?? NaN)).toFixed(2)),
    r.load.toFixed(0),
    r.first.toFixed(0),
    (r.memory / 2 ** 20).toFixed(0),
    `${r.error.toExponential(1)}${r.error <= 1e-4 ? "" : " WRONG"}`,
  ]);
  const widths = head.map((h, i) => Math.max(h.length, ...lines.map((l) => l[i]?.length ?? 0)));
  for (const line of [head, ...lines])
    console.log(`  ${line.map((cell, i) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ")}`);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    peers: { type: "string" },
    python: { type: "string" },
    only: { type: "string" },
    contestants: { type: "string" },
    rounds: { type: "string", default: "8" },
    ms: { type: "string", default: "100" },
    json: { type: "string" },
  },
});
const dir = positionals[0];
if (dir === undefined) {
  console.error("usage: npm run bench:models -- DIR [--peers PEERS_DIR] [--python PATH] [--only TEXT] [--contestants A,B] [--rounds N] [--ms N] [--json FILE]");
  process.exit(2);
}
const wanted = values.contestants?.split(",");
const entries = contestants(values.peers, values.python).filter((e) => wanted === undefined || wanted.some((w) => e.name.startsWith(w)));
const machine = { processor: cpus()[0]?.model ?? "", cores: cpus().length, node: process.versions.node, load: loadavg()[0] ?? 0 };
console.log(`${machine.processor}, ${machine.cores} cores, Node ${machine.node}, load ${machine.load.toFixed(1)}`);
const all: Row[] = [];
for (const model of readdirSync(dir).sort()) {
  if (!existsSync(join(dir, model, "model.json")) || !model.includes(values.only ?? "")) continue;
  console.log(`\n${model}`);
  const rows = await race(join(dir, model), model, entries, Number(values.rounds), Number(values.ms));
  print(rows);
  all.push(...rows);
}
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify({ machine: { ...machine, loadAfter: loadavg()[0] }, rows: all }, undefined, 1));
