/** TensorFlow.js with one of its engines, for the runners. */

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { TensorFlow } from "../../src/backends/tfjs/tensorflow.ts";

/** Selects the engine in this process. */
export async function tensorflow(engine: "wasm" | "cpu"): Promise<TensorFlow> {
  const require = createRequire(import.meta.url);
  const tf: TensorFlow & {
    setBackend(name: string): Promise<boolean>;
    ready(): Promise<void>;
    env(): { set(flag: string, value: boolean): void };
  } = require("@tensorflow/tfjs-core");
  if (engine === "wasm") {
    const wasm: { setWasmPaths(path: string): void } = require("@tensorflow/tfjs-backend-wasm");
    wasm.setWasmPaths(join(dirname(require.resolve("@tensorflow/tfjs-backend-wasm/package.json")), "dist/"));
  } else require("@tensorflow/tfjs-backend-cpu");
  tf.env().set("IS_TEST", true); // keeps its advertisement for tfjs-node off the console
  await tf.setBackend(engine);
  await tf.ready();
  return tf;
}
