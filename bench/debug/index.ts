/**
 * `npm run bench:debug -- MODELS_DIR [--only TEXT] [--backend cpu] [--rounds 5]`: what watching costs. In turns, so that a busy machine is busy for all of them:
 * a plain run; the same again (how far two of a kind lie apart); a run after a listener was there and left; structure, hashes, statistics, all numbers.
 */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { healthOfElements, hashBytes, on, record, recordBytes, type RecordOptions, type RunInputs } from "../../src/debug/index.ts";
import { load, readNpz, type Session } from "../../src/index.ts";
import { makeBackend } from "../../scripts/runner/backend.ts";
import { optionsOf, positiveInteger, UsageError } from "../arguments.ts";
import { machine, machineLine } from "../machine.ts";
import { digits, median, tableLines } from "../table.ts";

const TIERS: readonly (readonly [name: string, options: RecordOptions])[] = [
  ["structure", { values: "none" }],
  ["hashes", { values: "hash" }],
  ["statistics", { values: "stats" }],
  ["all numbers", { values: "full" }],
];

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

async function costs(folder: string, backend: string, rounds: number): Promise<readonly (readonly string[])[]> {
  const file = existsSync(join(folder, "model.pt")) ? "model.pt" : "model.onnx";
  const model = await load(join(folder, file));
  const session: Session = await model.session({ backend: await makeBackend(backend), plan: false });
  const arrays = await readNpz(join(folder, "inputs.npz"));
  const inputs: RunInputs = model.format === "onnx" ? { named: Object.fromEntries(arrays) } : { args: [...arrays.values()] };
  const plain = (): Promise<unknown> => session.invoke("forward", inputs.args ?? [], inputs.named ?? {});
  const entries: (readonly [string, () => Promise<unknown>])[] = [
    ["plain", plain],
    ["plain again", plain],
    ["after a listener", plain],
    ...TIERS.map(([name, options]) => [name, () => record(session, inputs, options)] as const),
    ["statistics to a file", () => recordBytes(session, inputs)],
  ];
  on(session, "value", () => undefined)(); // there, and gone
  const times = entries.map((): number[] => []);
  await plain();
  await record(session, inputs);
  for (let round = 0; round < rounds; round++) for (const [i, [, work]] of entries.entries()) times[i]?.push(await timed(work));
  const base = median(times[0] ?? []);
  return entries.map(([name], i) => [
    name,
    digits(median(times[i] ?? [])),
    digits(Math.min(...(times[i] ?? []))),
    (median(times[i] ?? []) / base).toFixed(2),
    (Math.min(...(times[i] ?? [])) / Math.min(...(times[0] ?? []))).toFixed(2),
  ]);
}

/** Nanoseconds for each element of what is found out of a value. */
function elements(): readonly (readonly string[])[] {
  const data = new Uint8Array(Float32Array.from({ length: 1 << 20 }, (_, i) => Math.sin(i) * 3).buffer);
  const nanoseconds = (work: () => unknown): string => {
    const times = Array.from({ length: 12 }, () => {
      const started = performance.now();
      work();
      return performance.now() - started;
    });
    return ((Math.min(...times) * 1e6) / (1 << 20)).toFixed(2);
  };
  return [
    ["health record", nanoseconds(() => healthOfElements("float32", data))],
    ["64-bit hash", nanoseconds(() => hashBytes(data, "float32"))],
  ];
}

const [dir, ...rest] = process.argv.slice(2);
try {
  if (dir === undefined || dir.startsWith("--"))
    throw new UsageError("which folder has the models? npm run bench:debug -- MODELS_DIR [--only TEXT] [--backend NAME] [--rounds N]");
  const options = optionsOf(rest, ["only", "backend", "rounds"]);
  const backend = options.get("backend") ?? "cpu";
  const rounds = positiveInteger(options.get("rounds") ?? "5", "rounds");
  console.log(machineLine(machine()));
  console.log(`\nns for each float32\n${tableLines(["what", "ns"], elements()).join("\n")}`);
  for (const name of readdirSync(dir).toSorted()) {
    if (!name.includes(options.get("only") ?? "") || !existsSync(join(dir, name, "inputs.npz"))) continue;
    console.log(`\n${name} on ${backend}, ${rounds} rounds, instruction by instruction`);
    console.log(tableLines(["run", "median ms", "least ms", "× plain", "× plain (least)"], await costs(join(dir, name), backend, rounds)).join("\n"));
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
