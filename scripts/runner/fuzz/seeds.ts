/** The files that are damaged: everything under the given paths that some reader of ours takes. */

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { unzipSync } from "fflate";

export interface Seed {
  readonly name: string;
  read(): Uint8Array;
}

const TAKEN = /\.(?:pt|pth|ptl|pt2|onnx|npy|npz|png|jpe?g|gif|bmp|tiff?|p[bgpn]m|webp|wav|ff|bin|safetensors)$/;
const LARGEST = 2 << 20;

/** Seeds in a fixed order. Zips of ONNX tests give their models. */
export function seedsUnder(paths: readonly string[]): Seed[] {
  const out: Seed[] = [];
  const visit = (path: string): void => {
    const facts = statSync(path);
    if (facts.isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name));
    else if (path.endsWith(".zip")) {
      const models = unzipSync(readFileSync(path), { filter: (file) => file.name.endsWith(".onnx") && file.originalSize < LARGEST });
      for (const name of Object.keys(models).sort()) out.push({ name, read: () => models[name] ?? new Uint8Array() });
    } else if (TAKEN.test(path) && facts.size <= LARGEST) out.push({ name: path, read: () => new Uint8Array(readFileSync(path)) });
  };
  for (const path of paths) visit(path);
  return out;
}
