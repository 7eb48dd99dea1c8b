/** Collects the samples of every `*.samples.ts` under src/ops into samples.json, which `generate.py` reads. */

import { readdirSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { type Sample, withSeeds } from "./sample-tensor.ts";

const OPS = join(import.meta.dirname, "../../src/ops");

/** The samples of each family (`aten/shape.samples.ts` is the family `aten-shape`), in the order of the files' names. */
export async function collectSamples(): Promise<Map<string, Sample[]>> {
  const files = readdirSync(OPS, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".samples.ts"));
  const families = new Map<string, Sample[]>();
  for (const file of files.sort()) {
    const module: unknown = await import(pathToFileURL(join(OPS, file)).href);
    if (typeof module !== "object" || module === null || !("samples" in module) || !Array.isArray(module.samples)) {
      throw new Error(`${file} exports no array \`samples\``);
    }
    const family = file.slice(0, -".samples.ts".length).split(sep).join("-");
    families.set(family, (module.samples as readonly Sample[]).map(withSeeds)); // declared `Sample[]` in each file
  }
  return families;
}

/** One sample a line. */
export function samplesText(families: ReadonlyMap<string, readonly Sample[]>): string {
  const blocks = [...families].map(([family, samples]) => `${JSON.stringify(family)}: [\n${samples.map((one) => JSON.stringify(one)).join(",\n")}\n]`);
  return `{\n${blocks.join(",\n")}\n}\n`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const families = await collectSamples();
  const file = join(import.meta.dirname, "samples.json");
  writeFileSync(file, samplesText(families));
  const count = [...families.values()].reduce((sum, samples) => sum + samples.length, 0);
  process.stdout.write(`${relative(process.cwd(), file)}: ${count} samples of ${families.size} families\n`);
}
