/** `npm run silero [-- DIR] [--backend NAME]`: the speech detector over its recording, as TorchScript and as ONNX, against the recorded probabilities. */

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readWav } from "../src/codecs/wav.ts";
import { load } from "../src/model.ts";
import { Tensor } from "../src/tensor/tensor.ts";
import type { Backend } from "../src/prims/backend.ts";
import { makeBackend } from "./runner/backend.ts";
import { printPlacement } from "./runner/placement.ts";
import { finish } from "./runner/report.ts";

/** Samples of a .wav file's first channel. */
function samplesOf(path: string): Float32Array {
  return readWav(new Uint8Array(readFileSync(path))).channels[0] ?? new Float32Array(0);
}

interface Expected {
  readonly paths: Readonly<Record<string, { readonly jit: readonly number[]; readonly onnx: readonly number[] }>>;
}

/** Largest difference of the two files' probabilities from the recorded ones, per sampling rate. */
export async function silero(dir: string, backend: Backend, maxChunks: number = Infinity): Promise<{ readonly name: string; readonly chunks: number; readonly error: number; readonly seconds: number }[]> {
  const expected = JSON.parse(readFileSync(join(dir, "expected.json"), "utf8")) as Expected;
  const out: { name: string; chunks: number; error: number; seconds: number }[] = [];
  const streams = [{ rate: 16000, file: "speech.wav", n: 512, context: 64 }, { rate: 8000, file: "speech8k.wav", n: 256, context: 32 }];
  const jit = await (await load(join(dir, "silero_vad.jit"))).session({ backend });
  const onnx = await (await load(join(dir, "silero_vad.onnx"))).session({ backend });
  for (const s of streams) {
    const samples = samplesOf(join(dir, s.file));
    const count = Math.min(Math.ceil(samples.length / s.n), maxChunks);
    const chunk = (i: number): Float32Array => {
      const part = new Float32Array(s.n);
      part.set(samples.subarray(i * s.n, Math.min((i + 1) * s.n, samples.length)));
      return part;
    };
    const wanted = expected.paths[s.file];
    let started = performance.now();
    let error = 0;
    await jit.call("reset_states");
    for (let i = 0; i < count; i++) {
      const p = await jit.forward(Tensor.from(chunk(i), [s.n]), s.rate);
      const value = p instanceof Tensor ? Number(p.data[0]) : NaN;
      const difference = Math.abs(value - (wanted?.jit[i] ?? NaN));
      if (!(difference <= error)) error = difference;
    }
    out.push({ name: `jit ${s.rate}`, chunks: count, error, seconds: (performance.now() - started) / 1000 });
    started = performance.now();
    error = 0;
    let state: Tensor = Tensor.zeros([2, 1, 128]);
    let context = new Float32Array(s.context);
    for (let i = 0; i < count; i++) {
      const input = new Float32Array(s.context + s.n);
      input.set(context);
      input.set(chunk(i), s.context);
      const result = await onnx.run({ input: Tensor.from(input, [1, input.length]), state, sr: Tensor.from([BigInt(s.rate)], [], "int64") });
      const [p, next] = [result["output"], result["stateN"]];
      if (!(p instanceof Tensor) || !(next instanceof Tensor)) throw new Error("outputs");
      state = next;
      context = input.slice(-s.context);
      const difference = Math.abs(Number(p.data[0]) - (wanted?.onnx[i] ?? NaN));
      if (!(difference <= error)) error = difference;
    }
    out.push({ name: `onnx ${s.rate}`, chunks: count, error, seconds: (performance.now() - started) / 1000 });
  }
  if (!backend.onHost) for (const session of [jit, onnx]) printPlacement(session.placement());
  jit.dispose();
  onnx.dispose();
  return out;
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === process.argv[1]) {
  const words = process.argv.slice(2);
  const at = words.indexOf("--backend");
  const names = at < 0 ? ["cpu", "tfjs"] : [words[at + 1] ?? "cpu"];
  const dir = words.find((w, i) => !w.startsWith("--") && i !== at + 1) ?? join(dirname(fileURLToPath(import.meta.url)), "../../shared/models/silero_vad");
  let failed = 0;
  let passed = 0;
  for (const name of names) {
    for (const row of await silero(dir, await makeBackend(name))) {
      const ok = row.error <= 1e-4;
      console.log(`${ok ? "ok  " : "FAIL"} ${name.padEnd(5)} ${row.name.padEnd(11)} ${row.chunks} chunks, largest error ${row.error.toExponential(2)}, ${row.seconds.toFixed(1)} s`);
      if (ok) passed++;
      else failed++;
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  finish(failed > 0 ? 1 : 0);
}
