/**
 * `npm run bench:ops -- [--only TEXT] [--rounds N] [--ms N] [--json FILE]`: op by op on the wasm backend against TensorFlow.js' wasm engine and against what a thread of this
 * engine can do at most, in turns. Neither side copies its results out. Results are checked against the cpu backend.
 */

import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type * as TF from "@tensorflow/tfjs-core";
import { Bench } from "tinybench";
import { cpu } from "../../src/backends/cpu/cpu.ts";
import { wasm } from "../../src/backends/wasm/wasm.ts";
import type { Datum } from "../../src/ir/datum.ts";
import { Executor } from "../../src/run/executor.ts";
import { reachableStorages, sweep } from "../../src/run/reach.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { bound, eagerContext } from "../../test/support/eager.ts";
import { optionsOf, positiveInteger } from "../arguments.ts";
import { machine, machineLine } from "../machine.ts";
import { digits, median, tableLines } from "../table.ts";
import { CASES, type OpCase } from "./cases.ts";
import { type Limit, limitOfThread } from "./limit.ts";

/** TensorFlow.js on its wasm engine, one thread. */
async function tensorflow(): Promise<typeof TF> {
  const require = createRequire(import.meta.url);
  const tf = require("@tensorflow/tfjs-core") as typeof TF;
  const engine = require("@tensorflow/tfjs-backend-wasm") as { setWasmPaths(path: string): void; setThreadsCount(count: number): void };
  engine.setWasmPaths(join(dirname(require.resolve("@tensorflow/tfjs-backend-wasm/package.json")), "dist/"));
  engine.setThreadsCount(1);
  tf.env().set("IS_TEST", true); // keeps its advertisement for tfjs-node off the terminal
  await tf.setBackend("wasm");
  await tf.ready();
  return tf;
}

/** A function that runs the case on the wasm backend and frees what it made, and what it gives against the cpu's answer. */
async function ours(one: OpCase): Promise<{ readonly run: () => void; readonly error: number }> {
  const backend = wasm();
  await backend.extend?.();
  const context = new Executor({ backend, cpu: cpu(), generator: eagerContext().generator });
  const args = one.args();
  const { op } = one;
  const made = typeof op === "string" ? bound(op, args) : (on: Executor): readonly Datum[] => op(on, args);
  const inputs = reachableStorages(args);
  const tensorOf = (values: readonly Datum[]): Tensor => {
    const [first] = values;
    if (!(first instanceof Tensor)) throw new TypeError("a tensor was expected");
    return first;
  };
  const got = tensorOf(made(context));
  void got.storage.sync();
  const [mine, wanted] = [got.data, tensorOf(made(eagerContext())).data];
  let [error, top] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    error = Math.max(error, Math.abs(Number(mine[i]) - Number(wanted[i])));
    top = Math.max(top, Math.abs(Number(wanted[i])));
  }
  const run = (): void => {
    made(context);
    sweep(context, inputs);
  };
  return { run, error: error / (top || 1) };
}

interface Line {
  readonly name: string;
  readonly ms: { readonly median: number; readonly min: number };
  readonly tfjs: { readonly median: number; readonly min: number } | undefined;
  /** GFLOP/s, Gop/s (of integers) or GB/s by the median, and the shares of the limit by medians and by least times; integers have no limit here. */
  readonly rate: number;
  readonly unit: "GFLOP/s" | "Gop/s" | "GB/s";
  readonly share: { readonly median: number; readonly min: number } | undefined;
  readonly error: number;
}

async function measure(one: OpCase, tf: typeof TF, limit: Limit, rounds: number, ms: number): Promise<Line> {
  const mine = await ours(one);
  const theirs = one.tfjs?.(tf);
  const tasks: Record<string, () => void> = { ours: mine.run };
  if (theirs !== undefined) tasks["tfjs"] = () => tf.tidy(() => void theirs());
  const { work } = one;
  const most = "flops" in work ? limit.flops : "bytes" in work ? limit.bytes : undefined;
  if (most !== undefined) tasks["limit"] = most.run;
  const samples: Record<string, number[]> = {};
  for (let round = 0; round < rounds; round++) {
    // Short turns, so that both meet what else the machine does.
    const bench = new Bench({ time: ms, iterations: 3, warmup: round === 0, warmupIterations: 3, warmupTime: ms, retainSamples: true });
    for (const [name, run] of Object.entries(tasks)) bench.add(name, run);
    for (const task of await bench.run()) {
      if (!("latency" in task.result)) throw new Error(`${one.name}, ${task.name}: ${"error" in task.result ? String(task.result.error) : "no result"}`);
      (samples[task.name] ??= []).push(...(task.result.latency.samples ?? []));
    }
  }
  tf.disposeVariables();
  const facts = (name: string): { median: number; min: number } => ({
    median: median(samples[name] ?? []),
    min: (samples[name] ?? []).reduce((a, b) => Math.min(a, b), Infinity),
  });
  const [own, best] = [facts("ours"), facts("limit")];
  const [amount, unit] =
    "flops" in work ? ([work.flops, "GFLOP/s"] as const) : "operations" in work ? ([work.operations, "Gop/s"] as const) : ([work.bytes, "GB/s"] as const);
  const shareBy = (by: "median" | "min"): number => (amount / own[by]) * (best[by] / (most?.amount ?? NaN));
  return {
    name: one.name,
    ms: own,
    tfjs: theirs === undefined ? undefined : facts("tfjs"),
    rate: amount / own.median / 1e6,
    unit,
    share: most === undefined ? undefined : { median: shareBy("median"), min: shareBy("min") },
    error: mine.error,
  };
}

const options = optionsOf(process.argv.slice(2), ["only", "rounds", "ms", "json"]);
const rounds = positiveInteger(options.get("rounds") ?? "4", "rounds");
const ms = positiveInteger(options.get("ms") ?? "50", "ms");
const before = machine();
console.log(machineLine(before));
const limit = limitOfThread();
console.log(`one thread, multiply-add is ${limit.fused ? "one instruction" : "two instructions"}; the limit: multiply-adds in registers, copying 4 MiB\n`);
const tf = await tensorflow();
const lines: Line[] = [];
for (const one of CASES) if (one.name.includes(options.get("only") ?? "")) lines.push(await measure(one, tf, limit, rounds, ms));
const percent = (share: number | undefined): string => (share === undefined ? "-" : `${(100 * share).toFixed(0)} %`);
const table = tableLines(
  ["op", "median ms", "min", "tfjs-wasm ms", "min", "ours / tfjs", "rate", "of the limit", "min", "error"],
  lines.map((l) => [
    l.name,
    digits(l.ms.median),
    digits(l.ms.min),
    l.tfjs === undefined ? "-" : digits(l.tfjs.median),
    l.tfjs === undefined ? "-" : digits(l.tfjs.min),
    l.tfjs === undefined ? "-" : digits(l.ms.median / l.tfjs.median),
    `${digits(l.rate)} ${l.unit.padEnd(7)}`,
    percent(l.share?.median),
    percent(l.share?.min),
    `${l.error.toExponential(0)}${l.error <= 1e-4 ? "" : " WRONG"}`,
  ]),
);
console.log(table.join("\n"));
const file = options.get("json");
if (file !== undefined)
  writeFileSync(file, `${JSON.stringify({ machine: before, loadAfter: machine().load, fused: limit.fused, ops: lines }, undefined, 1)}\n`);
