/**
 * `npm run opinfo -- [--op NAME[,NAME]] [--filter TEXT] [--dtype D[,D]] [--variants plain,noncontiguous,inplace,out,alias,errors] [--reference]
 * [--modules] [--backend cpu|tfjs] [--python PATH] [--jobs N] [--show N] [--table] [--strict] [--json FILE] [--checked FILE] [--timeout SECONDS]`
 *
 * Runs the samples of PyTorch's own operator database in a local PyTorch and here, and compares.
 */

import { type ChildProcess, fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Entry, SeriesRequest } from "./opinfo/reference.ts";
import { checked, type Report, Tally, text } from "./opinfo/report.ts";
import type { Message, Task } from "./opinfo/worker.ts";
import { finish } from "./runner/report.ts";

const WORKER = fileURLToPath(new URL("./opinfo/worker.ts", import.meta.url));
const SWITCHES = ["modules", "reference", "strict", "table", "progress"];
const OPTIONS = ["op", "filter", "dtype", "variants", "backend", "python", "jobs", "show", "json", "checked", "timeout"];

const named = new Map<string, string>();
for (let i = 2; i < process.argv.length; i++) {
  const word = process.argv[i] ?? "";
  const name = word.slice(2);
  if (word.startsWith("--") && SWITCHES.includes(name)) named.set(name, "yes");
  else if (word.startsWith("--") && OPTIONS.includes(name) && i + 1 < process.argv.length) named.set(name, process.argv[++i] ?? "");
  else {
    console.error(`usage: npm run opinfo -- ${OPTIONS.map((o) => `[--${o} X]`).join(" ")} ${SWITCHES.map((o) => `[--${o}]`).join(" ")}`);
    process.exit(2);
  }
}
const list = (name: string): readonly string[] | undefined => named.get(name)?.split(",");
const python = named.get("python") ?? "python3";
const backend = named.get("backend") ?? "cpu";
const kind = named.has("modules") ? "modules" : "ops";
const timeoutMs = Number(named.get("timeout") ?? 60) * 1000;
const variants = [...(list("variants") ?? ["plain", "noncontiguous", "inplace", "out", "alias", "errors"]), ...(named.has("reference") ? ["reference"] : [])];

function newWorker(): ChildProcess {
  return fork(WORKER, [python, backend], { execArgv: ["--import", "tsx", "--max-old-space-size=4096"], stdio: ["ignore", "ignore", "inherit", "ipc"] });
}

/** The entries of the database, from the worker that the first lane will use: starting Python takes seconds. */
function entriesOf(child: ChildProcess): Promise<Extract<Message, { kind: "entries" }>> {
  return new Promise((resolve, reject) => {
    const failed = (): void => reject(new Error(`\`${python}\` gives no operator database: it needs PyTorch, numpy and what torch.testing imports`));
    child.once("exit", failed);
    child.once("message", (message: Message) => {
      child.removeAllListeners();
      if (message.kind === "entries") resolve(message);
      else failed();
    });
    child.send({ list: kind });
  });
}

/** What is asked of the workers, one entry and dtype at a time. */
function tasksOf(entries: readonly Entry[]): Task[] {
  const [ops, dtypes, filter] = [list("op"), list("dtype"), named.get("filter")];
  const out: Task[] = [];
  for (const [entry, e] of entries.entries()) {
    if (ops !== undefined && !ops.some((o) => o === e.name || e.name.startsWith(`${o}.`))) continue;
    if (filter !== undefined && !e.name.includes(filter)) continue;
    const own = [...e.dtypes, ...(e.errors && variants.includes("errors") ? ["errors"] : [])];
    for (const dtype of own) {
      if (dtypes !== undefined && dtype !== "errors" && !dtypes.includes(dtype)) continue;
      out.push({ name: e.name, request: { kind, entry, dtype, variants, start: 0, noise: true } });
    }
  }
  return out;
}

const started = Date.now();
const first = newWorker();
const { torch, entries } = await entriesOf(first).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(2);
});
const todo = tasksOf(entries);
if (todo.length === 0) {
  console.error("no such operator or dtype in the database");
  process.exit(2);
}
/** The whole report, and the short form that the documentation is made of. */
function save(report: Report): void {
  const [whole, short] = [named.get("json"), named.get("checked")];
  if (whole !== undefined) writeFileSync(whole, `${JSON.stringify(report, null, 1)}\n`);
  if (short !== undefined) writeFileSync(short, `${JSON.stringify(checked(report), null, 1)}\n`);
}
// A run that is broken off keeps what it has.
process.once("SIGINT", () => {
  save(tally.report(torch, backend, Math.round((Date.now() - started) / 1000)));
  process.exit(130);
});

const tally = new Tally(named.has("strict"));
let next = 0;
let done = 0;

/** One task in a worker; whether the worker can go on. */
function runTask(child: ChildProcess, task: Task): Promise<{ readonly alive: boolean; readonly again?: SeriesRequest }> {
  return new Promise((resolve) => {
    const { name, request } = task;
    let at: { at: number; variant: string; note: string } | undefined;
    let timer: NodeJS.Timeout | undefined;
    // Samples are counted when their frame is through; a sample that hangs or ends the process takes its frame's others along but for those before it.
    let seen = request.start;
    const settle = (result: { alive: boolean; again?: SeriesRequest }): void => {
      clearTimeout(timer);
      child.removeAllListeners();
      if (!result.alive) child.kill("SIGKILL");
      resolve(result);
    };
    const lost = (reason: string): void => {
      if (at === undefined) {
        tally.broken(name, request.dtype, reason);
        settle({ alive: false });
        return;
      }
      tally.add(name, request.dtype, { at: at.at, variant: at.variant, note: at.note, reason: "time limit", text: reason });
      settle({ alive: false, again: { ...request, start: at.at + 1 } });
    };
    const watch = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => lost(`no answer in ${timeoutMs / 1000} s`), timeoutMs);
    };
    watch();
    child.on("message", (message: Message) => {
      watch();
      if (message.kind === "at") at = message;
      else if (message.kind === "outcomes") {
        for (const outcome of message.outcomes) {
          if (outcome.at < seen) continue;
          tally.add(name, request.dtype, outcome);
          seen = outcome.at + 1;
        }
        at = undefined;
      } else if (message.kind === "end") {
        if (message.broken !== undefined) tally.broken(name, request.dtype, message.broken);
        settle({ alive: true });
      }
    });
    child.on("exit", (code, signal) => lost(`the process ended (${signal ?? String(code)})`));
    child.send(task);
  });
}

async function lane(worker?: ChildProcess): Promise<void> {
  let child = worker;
  for (let task = todo[next++]; task !== undefined; task = todo[next++]) {
    for (let request: SeriesRequest | undefined = task.request; request !== undefined;) {
      child ??= newWorker();
      const { alive, again } = await runTask(child, { name: task.name, request });
      if (!alive) child = undefined;
      request = again;
    }
    done++;
    if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${todo.length}  ${task.name} ${task.request.dtype}\x1b[K`);
    else if (named.has("progress") && done % 100 === 0) console.error(`${done} of ${todo.length} after ${Math.round((Date.now() - started) / 1000)} s`);
  }
  child?.disconnect();
}

await Promise.all(Array.from({ length: Math.max(1, Number(named.get("jobs") ?? 1)) }, (_, i) => lane(i === 0 ? first : undefined)));
if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
const report = tally.report(torch, backend, Math.round((Date.now() - started) / 1000));
save(report);
console.log(text(report, { show: Number(named.get("show") ?? 3), table: named.has("table") || named.has("op") }));
finish(report.failures.every((f) => f.reason === "rounding" || f.reason === "no archive") ? 0 : 1);
