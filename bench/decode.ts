/**
 * `npm run bench:decode -- MODELS_DIR`: a decoding loop on gpt_decode whose cache grows from 1 to 127, from every file of it. What is planned
 * and compiled after the third token, and how long a token takes at the start and at the end.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { load, type Output, Tensor, wasm } from "../src/index.ts";

const [dir = "bench-models"] = process.argv.slice(2);
const FILES = ["model.pt", "scripted.pt", "model.onnx"].filter((f) => existsSync(join(dir, "gpt_decode", f)));
const LAST = 127;

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;

let failed = 0;
for (const file of FILES) {
  const model = await load(join(dir, "gpt_decode", file));
  const backend = wasm();
  using session = await model.session({ backend });
  const step = async (k: Tensor, v: Tensor): Promise<readonly Output[]> => {
    const token = Tensor.from([5n], [1, 1], "int64");
    return model.format === "onnx" ? Object.values(await session.run({ token, past_k: k, past_v: v })) : ((await session.forward(token, k, v)) as readonly Output[]);
  };
  let [k, v] = [Tensor.zeros([4, 1, 8, 1, 32]), Tensor.zeros([4, 1, 8, 1, 32])];
  const ms: number[] = [];
  const counts = (): string => JSON.stringify({ recorded: session.planCounts()?.recorded, plans: session.planCounts()?.compiled, kernels: backend.compiledKernels });
  let third = "";
  for (let token = 1; k.shape[3] !== undefined && k.shape[3] < LAST; token++) {
    const started = performance.now();
    const out = await step(k, v);
    ms.push(performance.now() - started);
    const [, nextK, nextV] = out;
    if (!(nextK instanceof Tensor) || !(nextV instanceof Tensor)) throw new Error("the model gives no cache");
    [k, v] = [nextK, nextV];
    if (token === 3) third = counts();
  }
  const steady = counts() === third;
  if (!steady) failed++;
  console.log(
    `${file.padEnd(12)} ${ms.length} tokens, ${median(ms.slice(3, 23)).toFixed(2)} ms each at first, ${median(ms.slice(-20)).toFixed(2)} at last; after the third: ${third}, at the end: ${counts()}${steady ? "" : "  FAILED"}`,
  );
}
console.log(`${FILES.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
