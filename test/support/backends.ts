/** The backends that every conformance test runs on: one line each. */

import { cpu } from "../../src/backends/cpu/cpu.ts";
import type { Backend } from "../../src/prims/backend.ts";
import { makeBackend } from "../../scripts/runner/backend.ts";

export const BACKENDS: readonly { readonly name: string; readonly make: () => Promise<Backend> }[] = [
  { name: "cpu", make: () => Promise.resolve(cpu()) },
  { name: "cpu, composed", make: () => Promise.resolve(cpu({ print: false })) },
  { name: "wasm", make: () => makeBackend("wasm") },
  { name: "tfjs (wasm)", make: () => makeBackend("tfjs") },
  { name: "tfjs (cpu)", make: () => makeBackend("tfjs-cpu") },
];
