/** `npm run demo:tfjs-node -- TFJS_DIR MODELS_DIR`: silero_vad and resnet18 through `@tensorflow/tfjs-node-gpu` (CUDA where there is a GPU, else its CPU kernels). */

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { util } from "./runner/node-util.ts";
import type { TensorFlow } from "../src/backends/tfjs/tensorflow.ts";
import { tfjs } from "../src/backends/tfjs/tfjs.ts";
import { finish } from "./runner/report.ts";
import { silero } from "./silero.ts";
import { verifyFile } from "./verify-models.ts";

const [tfjsDir, modelsDir] = process.argv.slice(2);
if (tfjsDir === undefined || modelsDir === undefined || !existsSync(tfjsDir) || !existsSync(modelsDir)) {
  console.error("usage: npm run demo:tfjs-node -- TFJS_DIR MODELS_DIR\n  TFJS_DIR holds node_modules/@tensorflow/tfjs-node-gpu; MODELS_DIR holds resnet18/ as the benchmark script makes it");
  process.exit(2);
}
process.env["TF_CPP_MIN_LOG_LEVEL"] ??= "2";
util.mend();
const require = createRequire(join(resolve(tfjsDir), "app.js"));
const tf: TensorFlow & { backend(): { isUsingGpuDevice?: boolean }; version: Readonly<Record<string, string>> } = require("@tensorflow/tfjs-node-gpu");
const backend = tfjs(tf, { name: "tfjs-node" });
console.log(`TensorFlow.js ${tf.version["tfjs-core"] ?? ""}, engine ${tf.getBackend()}, ${tf.backend().isUsingGpuDevice === true ? "on the GPU" : "on the CPU (no GPU was found)"}`);

const sileroDir = join(import.meta.dirname, "../../shared/models/silero_vad");
let failed = 0;
let passed = 0;
const judge = (ok: boolean, text: string): void => {
  console.log(`${ok ? "ok  " : "FAIL"} ${text}`);
  if (ok) passed++;
  else failed++;
};
if (existsSync(sileroDir)) {
  for (const row of await silero(sileroDir, backend)) judge(row.error <= 1e-4, `silero_vad ${row.name}: ${row.chunks} chunks, largest error ${row.error.toExponential(2)}, ${row.seconds.toFixed(1)} s`);
}
for (const file of ["model.pt", "model.onnx"]) {
  const verdict = await verifyFile(join(modelsDir, "resnet18"), file, backend, true);
  judge(verdict.error <= 1e-4, `${verdict.name}: error ${verdict.error.toExponential(2)} of the largest value, ${verdict.seconds.toFixed(2)} s${verdict.problem === undefined ? "" : ` ${verdict.problem}`}`);
}
console.log(`${passed} passed, ${failed} failed`);
finish(failed > 0 ? 1 : 0);
