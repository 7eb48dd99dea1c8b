/**
 * `npm run eyesight -- MODELS_DIR [--corpus DIR] [--only planted|clean] [--filter TEXT] [--backends a,b] [--models N] [--faults N]`: the debugger's eyesight.
 * Planted: every fault that shows, one at a time, in each model: `compare` has to name the planted node as the only source. Clean: every model on
 * `cpu` against the other backends: no source may be named.
 */

import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { cpu } from "../src/backends/cpu/cpu.ts";
import { compareTapes } from "../src/debug/compare/compare.ts";
import { isOpwiseError } from "../src/tensor/error.ts";
import { FAULTS } from "./eyesight/faults.ts";
import { benchmark, corpusCase, foldersWith, type Subject, taped } from "./eyesight/models.ts";
import { plantingsOf, reducedProblem, sighted } from "./eyesight/plant.ts";
import { makeBackend } from "./runner/backend.ts";

const words = process.argv.slice(2);
function option(name: string): string | undefined {
  const at = words.indexOf(`--${name}`);
  return at < 0 ? undefined : words[at + 1];
}
const [dir] = words;
if (dir === undefined || dir.startsWith("--") || !existsSync(dir)) {
  console.error(
    "usage: npm run eyesight -- MODELS_DIR [--corpus DIR] [--only planted|clean] [--filter TEXT] [--backends wasm,tfjs] [--models 50] [--faults PER_MODEL]",
  );
  process.exit(2);
}
const corpus = option("corpus");
const filter = option("filter");
const only = option("only");
const backends = (option("backends") ?? "wasm,tfjs").split(",");
const most = Number(option("models") ?? 50);
/** Faults in one model. */
const perModel = Number(option("faults") ?? Infinity);
/** Corpus models that faults are planted in. */
const PLANTED = [
  "bert_tiny",
  "vit_tiny",
  "yolo_head_nms",
  "vae",
  "whisper_tiny",
  "unet_interpolate",
  "t5_tiny",
  "wav2vec2_tiny",
  "mobilenet_inverted_residual",
  "transformer_encoder_scripted",
];

const host = cpu();
const benchmarks = foldersWith(dir, "model.json").flatMap((folder) =>
  ["model.pt", "model.onnx"].filter((file) => existsSync(join(folder, file))).map((file) => ({ folder, file })),
);
const cases = corpus === undefined ? [] : foldersWith(corpus, "case.json");

async function* subjects(folders: readonly string[]): AsyncGenerator<Subject> {
  for (const { folder, file } of benchmarks) if (filter === undefined || `${folder}/${file}`.includes(filter)) yield await benchmark(folder, file);
  for (const folder of folders) {
    if (filter !== undefined && !folder.includes(filter)) continue;
    const subject = await corpusCase(folder).catch(() => undefined); // cases that are to be refused
    if (subject !== undefined) yield subject;
  }
}

let failed = 0;
function say(ok: boolean, text: string): void {
  if (!ok) failed++;
  console.log(`${ok ? "ok  " : "FAIL"} ${text}`);
}

async function plantedPart(): Promise<void> {
  const seen = new Map<string, number>();
  let [count, reduced] = [0, 0];
  for await (const subject of subjects(cases.filter((folder) => PLANTED.includes(basename(folder))))) {
    const started = performance.now();
    const tape = await taped(subject, host);
    // Kinds that no model has shown yet come first.
    const order = FAULTS.toSorted((x, y) => (seen.get(x.name) ?? 0) - (seen.get(y.name) ?? 0));
    const plantings = await plantingsOf(tape, host, perModel, order);
    const problems: string[] = [];
    for (const planting of plantings) {
      const { problem } = await sighted(planting, host);
      count++;
      seen.set(planting.fault.name, (seen.get(planting.fault.name) ?? 0) + 1);
      if (problem !== undefined) problems.push(`${planting.fault.name}: ${problem}`);
      const left = await reducedProblem(planting, host);
      if (left === undefined) reduced++;
      else problems.push(`${planting.fault.name}: reduce: ${left}`);
    }
    say(
      problems.length === 0,
      `planted ${subject.name}: ${plantings.length} faults, ${problems.length} problems, ${((performance.now() - started) / 1000).toFixed(1)} s`,
    );
    for (const problem of problems) console.log(`     ${problem}`);
  }
  console.log(
    `planted: ${count} faults of ${seen.size} kinds, ${reduced} reduced to at most three nodes that still show it; never shown: ${
      FAULTS.filter((f) => !seen.has(f.name))
        .map((f) => f.name)
        .join(", ") || "none"
    }`,
  );
}

async function cleanPart(): Promise<void> {
  for (const name of backends) {
    const backend = await makeBackend(name);
    let [models, values, alarms, largest] = [0, 0, 0, 0];
    for await (const subject of subjects(cases)) {
      if (models >= most) break;
      try {
        const a = await taped(subject, host);
        const b = await taped(subject, backend);
        const c = await compareTapes(a, b, {
          backendA: host,
          backendB: backend,
          cpu: host,
          profile: name.startsWith("tfjs") ? "portable" : "strict",
          hypotheses: false,
        });
        if (c.rows.length === 0) continue;
        models++;
        values += c.rows.length;
        const worst = c.rows.reduce((x, row) => Math.max(x, row.isolated ?? 0), 0);
        largest = Math.max(largest, worst > 1 ? 0 : worst);
        if (c.sources.length > 0) alarms++;
        const named = c.sources
          .slice(0, 4)
          .map((i) => `${c.rows[i]?.a.op ?? ""} ${c.rows[i]?.shape.join("x") ?? ""} ${c.rows[i]?.isolated?.toPrecision(3) ?? ""}×`)
          .join(", ");
        const odd = c.rows
          .filter((row) => row.verdict !== "ok" && row.verdict !== "source")
          .map((row) => `${row.verdict} ${row.a.op} ${row.isolated?.toPrecision(2) ?? ""}`);
        say(
          c.sources.length === 0,
          `clean ${name} ${subject.name}: ${c.rows.length} values, worst ${worst.toPrecision(2)}×${named === "" ? "" : `: ${named}`}${odd.length === 0 ? "" : ` (${[...new Set(odd)].slice(0, 4).join(", ")})`}${c.diverged === undefined ? "" : " runs part ways"}`,
        );
      } catch (error) {
        if (!isOpwiseError(error)) throw error;
        console.log(`     ${subject.name}: ${error.code} ${error.message.split("\n")[0] ?? ""}`);
      }
    }
    console.log(`clean ${name}: ${models} models, ${values} values, ${alarms} false alarms, worst ${largest.toPrecision(2)}× of a budget`);
  }
}

if (only !== "clean") await plantedPart();
if (only !== "planted") await cleanPart();
process.exit(failed > 0 ? 1 : 0);
