/** Runs in the package that `build-node.ts` has written, on samples, and keeps there what the engine made of each part. Bundled, since the package is what it imports. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cachedDataVersionTag, setFlagsFromString } from "node:v8";
import type * as Opwise from "../src/index.ts";
import type * as Parts from "./node-parts.ts";
import { convolutions, networks, numbers, products, type Sample } from "./samples.ts";

const beside = (name: string): string => new URL(name, import.meta.url).href;
const { CODE, scripts } = (await import(beside("./parts.js"))) as typeof Parts; // what it is built from
const { cpu, load, Tensor, wasm } = (await import(beside("./index.js"))) as typeof Opwise; // as above

/** Code is for the flags that the engine has when it is used: first parts run before a backend has allowed itself relaxed SIMD. */
const flags = cachedDataVersionTag();
const first = new Set(scripts.keys());
const folder = mkdtempSync(join(tmpdir(), "samples-"));

async function run({ file, inputs }: Sample, name: string, make: () => ReturnType<typeof wasm> | ReturnType<typeof cpu>): Promise<void> {
  const path = join(folder, name);
  writeFileSync(path, file);
  const model = await load(path);
  const tensors = Object.entries(inputs).map(([input, shape]) => {
    const count = shape.reduce((n, size) => n * size, 1);
    return [input, Tensor.from(numbers(count), shape)] as const;
  });
  const [named, given] = [Object.fromEntries(tensors), tensors.map(([, tensor]) => tensor)];
  const isGraph = model.format === "onnx";
  using session = await model.session({ backend: make(), prepare: isGraph ? named : given });
  for (let i = 0; i < 2; i++) await (isGraph ? session.run(named) : session.forward(...given));
}

try {
  const backend = wasm();
  for (const [i, sample] of [...networks(), ...convolutions(), ...products()].entries()) {
    await run(sample, `sample-${i}`, () => backend);
    await run(sample, `sample-${i}`, cpu);
  }
  backend.dispose();
} finally {
  rmSync(folder, { recursive: true });
}

const [own, relaxed] = CODE;
mkdirSync(relaxed, { recursive: true });
const keep = (folder: URL, names: Iterable<string>): void => {
  for (const name of names) {
    const script = scripts.get(name);
    if (script !== undefined) writeFileSync(new URL(name, folder), script.createCachedData());
  }
};
if (cachedDataVersionTag() !== flags) {
  keep(
    relaxed,
    [...scripts.keys()].filter((name) => !first.has(name)),
  );
  setFlagsFromString("--no-experimental-wasm-relaxed-simd");
}
if (cachedDataVersionTag() !== flags) throw new Error("the engine has other flags than at the start");
keep(own, scripts.keys());
