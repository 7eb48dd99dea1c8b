/** `npm run onnx-tests -- DIR_OR_ZIP [--backend NAME] [--filter TEXT] [--json]`: ONNX's standard test layout, searched recursively. */

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, normalize, sep } from "node:path";
import { unzipSync } from "fflate";
import type { OnnxSpec } from "./runner/onnx-test.ts";
import { type Job, runJobs } from "./runner/pool.ts";
import { finish, parseFlags, report } from "./runner/report.ts";
import { type Json, type JsonObject, object } from "./runner/value.ts";

function parsed(path: string): Json | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Json) : undefined;
}
function readJson(path: string): JsonObject | undefined {
  const json = parsed(path);
  return json === undefined ? undefined : object(json);
}

const isObject = (v: Json): v is JsonObject => typeof v === "object" && v !== null && !Array.isArray(v);
const manifests = new Map<string, ReadonlyMap<string, Json>>();
/** A set's `manifest.json`, a list of `{test, rtol, atol}`, by test. */
function manifestAt(path: string): ReadonlyMap<string, Json> {
  let known = manifests.get(path);
  if (known === undefined) {
    const json = parsed(path);
    known = new Map(Array.isArray(json) ? json.flatMap((e) => (isObject(e) ? [[String(e["test"]), e] as const] : [])) : Object.entries(json ?? {}));
    manifests.set(path, known);
  }
  return known;
}
function pair(v: JsonObject | undefined): { rtol: number; atol: number } | undefined {
  return v !== undefined && (typeof v["rtol"] === "number" || typeof v["atol"] === "number") ? { rtol: Number(v["rtol"] ?? 1e-3), atol: Number(v["atol"] ?? 1e-7) } : undefined;
}
function names(v: Json | undefined): readonly string[] {
  return Array.isArray(v) ? v.map(String) : typeof v === "object" && v !== null ? Object.keys(v) : [];
}

/** `tolerance.json` in the test's folder, else the set's `manifest.json`, else `tolerances.json` beside the zip or folder, else 1e-3 and 1e-7. */
function specOf(folder: string, beside: JsonObject | undefined): OnnxSpec {
  const name = basename(folder);
  const own = pair(readJson(join(folder, "tolerance.json")));
  if (own !== undefined) return own;
  const listed = manifestAt(join(dirname(folder), "manifest.json")).get(name);
  const fromManifest = typeof listed === "object" && listed !== null && !Array.isArray(listed) ? pair(listed as JsonObject) : undefined;
  if (fromManifest !== undefined) return fromManifest;
  if (beside === undefined) return { rtol: 1e-3, atol: 1e-7 };
  const random = names(object(beside["random"] ?? {})["tests"]).includes(name);
  const test = object(beside["tests"] ?? {})[name];
  const exact = pair(object(beside["overrides"] ?? {})[name] as JsonObject | undefined) ?? (typeof test === "object" && test !== null ? pair(test as JsonObject) : undefined);
  return { ...(exact ?? pair(beside["default"] as JsonObject | undefined) ?? { rtol: 1e-3, atol: 1e-7 }), random };
}

function testsUnder(dir: string): string[] {
  const entries = readdirSync(dir, { withFileTypes: true });
  if (entries.some((e) => e.name === "model.onnx") && entries.some((e) => e.name.startsWith("test_data_set_"))) return [dir];
  return entries.filter((e) => e.isDirectory()).sort((a, b) => (a.name < b.name ? -1 : 1)).flatMap((e) => testsUnder(join(dir, e.name)));
}

/** Unpacks a zip below a fresh temporary folder; entries that would leave it are refused. */
function unpack(zip: string): string {
  const root = mkdtempSync(join(tmpdir(), "opwise-onnx-"));
  for (const [name, bytes] of Object.entries(unzipSync(readFileSync(zip)))) {
    const to = normalize(join(root, name));
    if (!to.startsWith(root + sep)) throw new Error(`${name} would be written outside the folder`);
    if (name.endsWith("/")) continue;
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, bytes);
  }
  return root;
}

const flags = parseFlags(process.argv.slice(2));
const [what] = flags.positional;
if (what === undefined || !existsSync(what)) {
  console.error("usage: npm run onnx-tests -- DIR_OR_ZIP [--backend cpu|tfjs|tfjs-cpu] [--filter TEXT] [--timeout SECONDS] [--workers N] [--json]");
  process.exit(2);
}
const isZip = statSync(what).isFile();
const root = isZip ? unpack(what) : what;
const beside = readJson(join(isZip ? dirname(what) : what, "tolerances.json")) ?? readJson(join(dirname(what), "tolerances.json"));
const { filter } = flags;
const jobs = testsUnder(root)
  .filter((f) => filter === undefined || basename(f).includes(filter))
  .map((folder): Job => ({ kind: flags.plans ? "onnx-plan" : "onnx", name: basename(folder), path: folder, spec: specOf(folder, beside) }));
const outcomes = await runJobs(jobs, { backend: flags.backend, workers: flags.workers, timeoutMs: flags.timeoutMs });
const totals = report(outcomes, { json: flags.json });
if (isZip) rmSync(root, { recursive: true, force: true });
finish(totals.failed > 0 ? 1 : 0);
