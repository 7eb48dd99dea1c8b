/** `npm run schemas`: writes the JSON schemas of the trace's files to schemas/; `--check` only says whether they are as they should be. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SCHEMAS } from "../src/debug/index.ts";

const folder = join(import.meta.dirname, "../schemas");
mkdirSync(folder, { recursive: true });
const old = (file: string): string => {
  try {
    return readFileSync(join(folder, file), "utf8");
  } catch {
    return ""; // not written yet
  }
};
const stale = Object.entries(SCHEMAS).filter(([file, schema]) => old(file) !== `${JSON.stringify(schema, undefined, 2)}\n`);
if (process.argv.includes("--check")) {
  for (const [file] of stale) console.error(`schemas/${file} is not what src/debug/file/schemas.ts says: run \`npm run schemas\``);
  process.exitCode = stale.length === 0 ? 0 : 1;
} else for (const [file, schema] of stale) writeFileSync(join(folder, file), `${JSON.stringify(schema, undefined, 2)}\n`);
