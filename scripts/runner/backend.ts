/** Backends by name, for the runners: `cpu`, `cpu-composed` (its kernels as closures), `wasm`, `wasm2` (two threads), `tfjs` (its wasm engine), `tfjs-cpu`. */

import { cpu } from "../../src/backends/cpu/cpu.ts";
import { tfjs } from "../../src/backends/tfjs/tfjs.ts";
import { wasm } from "../../src/backends/wasm/wasm.ts";
import type { Backend } from "../../src/prims/backend.ts";
import { tensorflow } from "./tensorflow.ts";

export const BACKENDS: readonly string[] = ["cpu", "cpu-composed", "wasm", "wasm2", "tfjs", "tfjs-cpu"];

/** The wasm backend's thread where it runs from its sources. */
export const THREAD_WORKER: URL = new URL("./thread-worker.mjs", import.meta.url);

/** A new backend; more than one thread only where it has them. `tfjs` selects the engine in this process. */
export async function makeBackend(name: string, options: { readonly threads?: number } = {}): Promise<Backend> {
  if (name === "wasm" || name === "wasm2") {
    const backend = wasm({ ...options, ...(name === "wasm2" ? { threads: 2 } : {}), workerUrl: THREAD_WORKER });
    await backend.extend?.();
    return backend;
  }
  if ((options.threads ?? 1) > 1) throw new Error(`${name} has no threads of its own`);
  if (name === "cpu") return cpu();
  if (name === "cpu-composed") return cpu({ print: false });
  if (name !== "tfjs" && name !== "tfjs-cpu") throw new Error(`no backend ${name}; there are ${BACKENDS.join(", ")}`);
  return tfjs(await tensorflow(name === "tfjs" ? "wasm" : "cpu"));
}
