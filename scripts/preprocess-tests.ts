/** `npm run preprocess-tests -- DIR [--filter TEXT] [--no-wasm] [--json]`: decoders, pipelines and damaged files against Pillow and torchvision. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readNpz } from "../src/arrays.ts";
import type { Outcome } from "./runner/outcome.ts";
import { checkCase, checkDamaged, checkPicture, type Way } from "./runner/picture-case.ts";
import { finish, parseFlags, report } from "./runner/report.ts";
import { array, type Json, type JsonObject, object } from "./runner/value.ts";

const argv = process.argv.slice(2);
const way: Way = { wasm: !argv.includes("--no-wasm") };
const flags = parseFlags(argv.filter((word) => word !== "--no-wasm"));
const [dir] = flags.positional;
if (dir === undefined || !existsSync(join(dir, "images.json"))) {
  console.error("usage: npm run preprocess-tests -- DIR [--filter TEXT] [--no-wasm] [--json]");
  process.exit(2);
}
const json = (name: string): JsonObject => object(JSON.parse(readFileSync(join(dir, name), "utf8")) as Json);
const read = (file: Json | undefined): Uint8Array => new Uint8Array(readFileSync(join(dir, String(file))));

async function outcome(name: string, check: () => Promise<string | undefined>): Promise<Outcome> {
  let reason: string | undefined;
  try {
    reason = await check();
  } catch (error) {
    reason = error instanceof Error ? `${error.message} ${error.stack?.split("\n")[1] ?? ""}` : String(error);
  }
  return {
    name,
    callsPassed: reason === undefined ? 1 : 0,
    callsFailed: reason === undefined ? 0 : 1,
    failures: reason === undefined ? [] : [{ where: "result", reason }],
  };
}

const arrays = await readNpz(read("cases.npz"));
const jobs: (readonly [name: string, check: () => Promise<string | undefined>])[] = [
  ...array(json("images.json")["files"])
    .map(object)
    .map((e) => [String(e["file"]), () => checkPicture(e, read(e["file"]), way)] as const),
  ...array(json("cases.json")["cases"])
    .map(object)
    .map((e) => [String(e["id"]), () => checkCase(e, async (file) => read(file), arrays, way)] as const),
  ...array(json("bad.json")["files"])
    .map(object)
    .map((e) => [String(e["file"]), () => checkDamaged(e, read(e["file"]), way)] as const),
];
const outcomes: Outcome[] = [];
for (const [name, check] of jobs) if (flags.filter === undefined || name.includes(flags.filter)) outcomes.push(await outcome(name, check));
finish(report(outcomes, { json: flags.json }).failed > 0 ? 1 : 0);
