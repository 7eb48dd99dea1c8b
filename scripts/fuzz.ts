/**
 * `npm run fuzz -- [--rounds N] [--seed S] [--from R] [--time SECONDS] [--limit SECONDS] [--out DIR] [FILES or DIRS…]` damages files and
 * tries them: each has to load and run, or to be refused with a typed error, within its time and memory. `--replay FILE` tries one file as it is.
 * A round is known by seed and number; findings are made small and kept with both.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { Lab, type Result } from "./runner/fuzz/lab.ts";
import { placeOf } from "./runner/fuzz/probe.ts";
import { Random } from "./runner/fuzz/random.ts";
import { type Seed, seedsUnder } from "./runner/fuzz/seeds.ts";
import { damage } from "./runner/fuzz/structure.ts";

const USAGE = "usage: npm run fuzz -- [--rounds N] [--seed S] [--from ROUND] [--time SECONDS] [--limit SECONDS] [--out DIR] [--replay FILE] [FILES or DIRS…]";
const MOST_PIECES = 4;
/** Tries that making one finding smaller may take. */
const SHRINKS = 60;

const named = new Map<string, string>();
const paths: string[] = [];
const argv = process.argv.slice(2);
for (let i = 0; i < argv.length; i++) {
  const word = argv[i] ?? "";
  if (word.startsWith("--")) named.set(word.slice(2), argv[++i] ?? "");
  else paths.push(word);
}
for (const name of named.keys()) {
  if (["rounds", "seed", "from", "time", "limit", "out", "replay"].includes(name)) continue;
  console.error(USAGE);
  process.exit(2);
}
const number = (name: string, otherwise: number): number => Number(named.get(name) ?? otherwise);

const limitMs = number("limit", 10) * 1000;
const lab = new Lab(limitMs);
const isBad = (result: Result): boolean => !["accepted", "refused"].includes(result.outcome);

/** The round's file: a seed with one to four pieces of damage, some of which may be left out. */
function fileOf(
  seed: Seed,
  seedNumber: number,
  round: number,
  without: ReadonlySet<number> = new Set(),
): { readonly bytes: Uint8Array; readonly pieces: number } {
  const random = new Random(seedNumber * 8, round);
  const pieces = random.oneIn(2) ? 1 : 1 + random.below(MOST_PIECES);
  let bytes = seed.read();
  for (let i = 0; i < pieces; i++) {
    // A piece has a stream of its own: leaving one out does not change the others.
    if (!without.has(i)) bytes = damage(bytes, seed.name, new Random(seedNumber * 8 + i + 1, round));
  }
  return { bytes, pieces };
}

function sameFault(a: Result, b: Result): boolean {
  return a.outcome === b.outcome && (a.outcome !== "fault" || placeOf(a.text) === placeOf(b.text));
}

/** The file with as few pieces of damage, then as few bytes, as still show the same. */
async function shrink(seed: Seed, seedNumber: number, round: number, found: Result): Promise<{ readonly bytes: Uint8Array; readonly result: Result }> {
  const left = { tries: found.outcome === "hang" ? 6 : SHRINKS };
  const { pieces, bytes } = fileOf(seed, seedNumber, round);
  let best = { bytes, result: found };
  const without = new Set<number>();
  const better = async (candidate: Uint8Array): Promise<boolean> => {
    left.tries--;
    const result = await lab.try(candidate, seed.name);
    if (!sameFault(result, found)) return false;
    best = { bytes: candidate, result };
    return true;
  };
  for (let i = 0; i < pieces && left.tries > 0; i++) {
    if (without.size + 1 < pieces && (await better(fileOf(seed, seedNumber, round, new Set([...without, i])).bytes))) without.add(i);
  }
  for (let size = Math.floor(best.bytes.length / 2); size > 0 && left.tries > 0; size = Math.floor(size / 2)) {
    for (let at = 0; at < best.bytes.length && left.tries > 0; at += size) {
      const shorter = new Uint8Array(best.bytes.length - Math.min(size, best.bytes.length - at));
      shorter.set(best.bytes.subarray(0, at));
      shorter.set(best.bytes.subarray(Math.min(best.bytes.length, at + size)), at);
      await better(shorter);
    }
  }
  return best;
}

const replay = named.get("replay");
if (replay !== undefined) {
  const result = await lab.try(new Uint8Array(readFileSync(replay)), replay);
  lab.stop();
  console.log(`${result.outcome} (${Math.round(result.time)} ms) ${result.text}`);
  process.exit(isBad(result) ? 1 : 0);
}

// Each given path has the same share of the rounds, however many files it has.
const groups = (paths.length > 0 ? paths : ["test/golden/models", "test/golden/onnx"]).map((path) => seedsUnder([path])).filter((group) => group.length > 0);
if (groups.length === 0) {
  console.error(USAGE);
  process.exit(2);
}
function choose(round: number): Seed {
  const random = new Random(seedNumber, round);
  return random.of(random.of(groups));
}
const rounds = number("rounds", named.has("time") ? Infinity : 1000);
const from = number("from", 0);
const seedNumber = number("seed", 1);
const until = performance.now() + 1000 * number("time", Infinity);
const out = named.get("out") ?? "findings";
const counts = new Map<string, number>();
const findings = new Map<string, string>();
const codes = new Map<string, number>();
let done = 0;
for (let round = from; round < from + rounds && performance.now() < until; round++, done++) {
  const seed = choose(round);
  const { bytes } = fileOf(seed, seedNumber, round);
  let result = await lab.try(bytes, seed.name);
  // What was slow or large because of rounds before it, or of a busy machine, is tried alone and with more time.
  if (isBad(result) && result.outcome !== "fault") {
    lab.stop();
    result = await lab.try(bytes, seed.name, 3 * limitMs);
  }
  counts.set(result.outcome, (counts.get(result.outcome) ?? 0) + 1);
  if (result.outcome === "refused") {
    const code = result.text.split(" ")[0] ?? "";
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  if (!isBad(result)) continue;
  const place = result.outcome === "fault" ? placeOf(result.text) : `${result.outcome} ${basename(seed.name)}`;
  if (findings.has(place)) continue;
  const small = await shrink(seed, seedNumber, round, result);
  mkdirSync(out, { recursive: true });
  const extension = /\.\w+$/.exec(seed.name)?.[0] ?? "";
  const file = join(out, `${seedNumber}-${round}${extension}`);
  writeFileSync(file, small.bytes);
  writeFileSync(
    `${file}.json`,
    `${JSON.stringify({ seed: seedNumber, round, source: seed.name, outcome: result.outcome, text: small.result.text }, null, 1)}\n`,
  );
  findings.set(place, file);
  console.log(
    `FOUND ${result.outcome} in round ${round} of seed ${seedNumber}, ${seed.name} (${small.bytes.length} bytes): ${file}\n  ${result.text.split("\n").slice(0, 4).join("\n  ")}`,
  );
}
lab.stop();
console.log(
  `${[...counts].map(([k, n]) => `${n} ${k}`).join(", ")}; codes: ${[...codes]
    .sort((a, b) => b[1] - a[1])
    .map(([k, n]) => `${k} ${n}`)
    .join(", ")}`,
);
console.log(`${done - [...counts].filter(([k]) => k !== "accepted" && k !== "refused").reduce((n, [, c]) => n + c, 0)} passed, ${findings.size} failed`);
process.exit(findings.size > 0 ? 1 : 0);
