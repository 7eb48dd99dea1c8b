/**
 * `npm run onnx-fuzz -- --python PATH [--filter TEXT] [--domain NAME] [--count N] [--seed N] [--keep DIR] [--backend NAME]`: random cases of every op in
 * every version, answered by onnxruntime or ONNX's reference evaluator (scripts/onnx-fuzz/generate.py), run here as ONNX's tests are.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const named = new Map<string, string>();
const argv = process.argv.slice(2);
for (let i = 0; i < argv.length; i += 2) named.set((argv[i] ?? "").replace(/^--/, ""), argv[i + 1] ?? "");
const python = named.get("python");
if (python === undefined) {
  console.error("usage: npm run onnx-fuzz -- --python PATH [--filter TEXT] [--domain NAME] [--count N] [--seed N] [--keep DIR] [--backend NAME]");
  process.exit(2);
}
const keep = named.get("keep");
const folder = keep ?? mkdtempSync(join(tmpdir(), "opwise-onnx-fuzz-"));
const words = (...names: readonly string[]): string[] => names.flatMap((name) => (named.has(name) ? [`--${name}`, named.get(name) ?? ""] : []));
const here = import.meta.dirname;
const made = spawnSync(python, [join(here, "onnx-fuzz", "generate.py"), folder, ...words("filter", "domain", "count", "seed")], {
  stdio: "inherit",
  env: { ...process.env, OMP_NUM_THREADS: "1" },
});
const run =
  made.status === 0 ? spawnSync(process.execPath, ["--import", "tsx", join(here, "onnx-tests.ts"), folder, ...words("backend")], { stdio: "inherit" }) : made;
if (keep === undefined) rmSync(folder, { recursive: true, force: true });
process.exit(run.status ?? 1);
