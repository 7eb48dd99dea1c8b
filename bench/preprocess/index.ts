/**
 * `npm run bench:preprocess -- PEERS [FILE.jpg]`: a JPEG of 12 megapixels decoded and made 224 x 224, by opwise, sharp, jimp and image-js,
 * side by side. PEERS is a folder where those packages are installed (`npm install sharp jimp image-js`); without FILE sharp writes a picture
 * of waves and noise, 4:2:0, quality 88. Each contestant has a process of its own and reports the median CPU time (user and system, one thread)
 * of five runs after a warm-up; ratios count, for machines differ.
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { CONTESTANTS, sharpOf } from "./contestants.ts";

const RUNS = 5;
const [WIDTH, HEIGHT] = [4000, 3000];

/** Waves of several lengths and some noise: compresses as a photograph does. */
function scene(): Buffer {
  const data = Buffer.alloc(WIDTH * HEIGHT * 3);
  let state = 1;
  for (let y = 0, at = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const noise = (state >>> 28) - 8;
      const wave = 60 * Math.sin(x / 311) * Math.cos(y / 173) + 30 * Math.sin((x + y) / 23) + 12 * Math.sin((x - 2 * y) / 7);
      for (let c = 0; c < 3; c++) data[at++] = 128 + wave * (1 - 0.2 * c) + noise;
    }
  }
  return data;
}

async function contest(name: string, folder: string, file: string): Promise<void> {
  const make = CONTESTANTS[name];
  if (make === undefined) throw new Error(`there is no contestant ${name}`);
  const run = await make(folder);
  await run(file);
  const times: number[] = [];
  for (let i = 0; i < RUNS; i++) {
    const before = process.cpuUsage();
    await run(file);
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / 1000);
  }
  times.sort((a, b) => a - b);
  process.stdout.write(`${times[RUNS >> 1] ?? NaN}`);
}

async function main(folder: string, given: string | undefined): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), "opwise-bench-"));
  const file = given ?? join(scratch, "scene.jpg");
  if (given === undefined) {
    const sharp = await sharpOf(folder);
    await sharp(scene(), { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
      .jpeg({ quality: 88, chromaSubsampling: "4:2:0" })
      .toFile(file);
  }
  let first: number | undefined;
  for (const name of Object.keys(CONTESTANTS)) {
    const self = fileURLToPath(import.meta.url);
    const ms = Number(execFileSync(process.execPath, ["--import", "tsx", self, "--contestant", name, folder, file], { encoding: "utf8" }));
    first ??= ms;
    console.log(`${name.padEnd(30)}${ms.toFixed(0).padStart(7)} ms${(ms / first).toFixed(2).padStart(8)} x`);
  }
  rmSync(scratch, { recursive: true, force: true });
}

const [word, ...rest] = process.argv.slice(2);
if (word === "--contestant") await contest(rest[0] ?? "", rest[1] ?? "", rest[2] ?? "");
else if (word === undefined) {
  console.error("usage: npm run bench:preprocess -- PEERS [FILE.jpg]");
  process.exitCode = 2;
} else await main(resolve(word), rest[0]);
