/** `npm run verify-models -- DIR [--backend NAME] [--filter TEXT]`: benchmark models against their recorded outputs, from every file of each. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { NpyArray } from "../src/bytes/npy.ts";
import { readNpz } from "../src/bytes/npz.ts";
import { openSource } from "../src/bytes/source.ts";
import { load } from "../src/model.ts";
import type { Backend } from "../src/prims/backend.ts";
import type { Output } from "../src/run/convert.ts";
import { Storage } from "../src/tensor/storage.ts";
import { Tensor } from "../src/tensor/tensor.ts";
import { makeBackend } from "./runner/backend.ts";
import { printPlacement } from "./runner/placement.ts";
import { finish, parseFlags } from "./runner/report.ts";

function tensorOf(a: NpyArray): Tensor {
  return new Tensor(Storage.wrap(new Uint8Array(a.data), false), a.dtype, [...a.shape]);
}
function leaves(value: Output): Tensor[] {
  if (value instanceof Tensor) return [value];
  if (Array.isArray(value)) return value.flatMap((v: Output) => leaves(v));
  return typeof value === "object" && value !== null ? Object.values(value).flatMap((v) => leaves(v as Output)) : [];
}

export interface Verdict {
  readonly name: string;
  /** Largest error over the largest wanted value. */
  readonly error: number;
  readonly seconds: number;
  readonly problem: string | undefined;
}

/** Runs one file of a model folder and compares its outputs, in order, with outputs.npz. */
export async function verifyFile(folder: string, file: string, backend: Backend, placement: boolean): Promise<Verdict> {
  const name = `${folder.split("/").at(-1) ?? ""}/${file}`;
  try {
    const inputs = await readNpz(await openSource(join(folder, "inputs.npz")));
    const outputs = await readNpz(await openSource(join(folder, "outputs.npz")));
    const spec = JSON.parse(readFileSync(join(folder, "model.json"), "utf8")) as { inputs?: readonly { name: string }[]; outputs?: readonly { name: string }[] };
    const order = (spec.inputs ?? []).map((i) => i.name).filter((n) => inputs.has(n));
    const names = order.length === inputs.size ? order : [...inputs.keys()];
    const wantedNames = (spec.outputs ?? []).map((o) => o.name).filter((n) => outputs.has(n));
    const wanted = (wantedNames.length === outputs.size ? wantedNames : [...outputs.keys()]).map((n) => tensorOf(outputs.get(n) as NpyArray)); // names are its keys
    const model = await load(join(folder, file));
    const session = await model.session({ backend });
    const feeds = names.map((n) => [n, tensorOf(inputs.get(n) as NpyArray)] as const);
    const started = performance.now();
    const result = model.format === "onnx" ? Object.values(await session.run(Object.fromEntries(feeds))) : await session.forward(...feeds.map(([, t]) => t));
    const seconds = (performance.now() - started) / 1000;
    const got = leaves(result);
    let error = 0;
    if (got.length < wanted.length) return { name, error: NaN, seconds, problem: `${got.length} outputs, wanted ${wanted.length}` };
    wanted.forEach((w, i) => {
      const g = got[i];
      if (g === undefined || g.numel !== w.numel) {
        error = NaN;
        return;
      }
      const [a, b] = [g.data, w.data];
      let top = 0;
      let worst = 0;
      for (let k = 0; k < b.length; k++) {
        top = Math.max(top, Math.abs(Number(b[k])));
        const d = Math.abs(Number(a[k]) - Number(b[k]));
        if (!(d <= worst)) worst = d;
      }
      const relative = worst / (top || 1);
      if (!(relative <= error)) error = relative;
    });
    if (placement && !backend.onHost) printPlacement(session.placement());
    session.dispose();
    return { name, error, seconds, problem: undefined };
  } catch (error) {
    return { name, error: NaN, seconds: 0, problem: String(error) };
  }
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === process.argv[1]) {
  const flags = parseFlags(process.argv.slice(2));
  const [dir] = flags.positional;
  if (dir === undefined || !existsSync(dir)) {
    console.error("usage: npm run verify-models -- DIR [--backend cpu|tfjs] [--filter TEXT]");
    process.exit(2);
  }
  const names = process.argv.includes("--backend") ? [flags.backend] : ["cpu", "tfjs"];
  let passed = 0;
  let failed = 0;
  for (const backendName of names) {
    const backend = await makeBackend(backendName);
    for (const folder of readdirSync(dir).sort().map((f) => join(dir, f)).filter((f) => existsSync(join(f, "model.json")))) {
      for (const file of ["model.pt", "scripted.pt", "model.onnx"].filter((f) => existsSync(join(folder, f)))) {
        if (flags.filter !== undefined && !`${folder}/${file}`.includes(flags.filter)) continue;
        const verdict = await verifyFile(folder, file, backend, true);
        const ok = verdict.error <= 1e-4;
        if (ok) passed++;
        else failed++;
        console.log(`${ok ? "ok  " : "FAIL"} ${backendName.padEnd(5)} ${verdict.name.padEnd(28)} error ${verdict.error.toExponential(2)} of the largest value, ${verdict.seconds.toFixed(2)} s${verdict.problem === undefined ? "" : `  ${verdict.problem}`}`);
      }
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  finish(failed > 0 ? 1 : 0);
}
