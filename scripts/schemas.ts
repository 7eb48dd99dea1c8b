/**
 * `npm run schemas`: writes the JSON schemas of the trace's files to schemas/, and which operator schemas are common ones to src/ir/; `--check` only says whether they are
 * as they should be.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SCHEMAS } from "../src/debug/index.ts";
import { splitSchemas } from "./split-schemas.ts";

const ROOT = join(import.meta.dirname, "..");
mkdirSync(join(ROOT, "schemas"), { recursive: true });

/** Files below the repository's root, as they should be, with what says so. */
const wanted: readonly (readonly [file: string, text: string, source: string])[] = [
  ...Object.entries(SCHEMAS).map(([file, schema]) => [`schemas/${file}`, `${JSON.stringify(schema, undefined, 2)}\n`, "src/debug/file/schemas.ts"] as const),
  ...Object.entries(await splitSchemas()).map(([file, text]) => [`src/ir/${file}`, text, "src/ops/common-families.ts"] as const),
];
const old = (file: string): string => {
  try {
    return readFileSync(join(ROOT, file), "utf8");
  } catch {
    return ""; // not written yet
  }
};
const stale = wanted.filter(([file, text]) => old(file) !== text);
if (process.argv.includes("--check")) {
  for (const [file, , source] of stale) console.error(`${file} is not what ${source} says: run \`npm run schemas\``);
  process.exitCode = stale.length === 0 ? 0 : 1;
} else for (const [file, text] of stale) writeFileSync(join(ROOT, file), text);
