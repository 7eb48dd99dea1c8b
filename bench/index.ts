/**
 * `npm run bench`: small comparisons within the library; with `--models DIR` whole models against other runtimes, in turns in one run. `arguments.ts` has the usage,
 * `docs/performance.md` says how to read what is printed.
 */

import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { pageSize } from "../scripts/page-size.ts";
import { type BenchArguments, parseBenchArguments, USAGE, UsageError } from "./arguments.ts";
import { machine, machineLine } from "./machine.ts";
import { micro } from "./micro.ts";
import { buildContestant, contestants } from "./models/contestants.ts";
import { ownSize, packageFolder, type PackageSize, PEERS, peerSize } from "./models/peers.ts";
import { race } from "./models/race.ts";
import { modelTable, type Row, sizeTable, summaryTable } from "./models/report.ts";

const ROOT = join(import.meta.dirname, "..");
const print = (lines: readonly string[]): void => console.log(lines.join("\n"));

async function sizesOf(args: BenchArguments): Promise<Record<string, PackageSize>> {
  const sizes: Record<string, PackageSize> = { opwise: ownSize(ROOT, (await pageSize()).bytes) };
  for (const peer of PEERS) {
    const folder = args.peers === undefined ? undefined : packageFolder(peer, args.peers.folder ?? ROOT);
    if (folder !== undefined) sizes[peer] = peerSize(peer, folder);
  }
  return sizes;
}

async function models(dir: string, args: BenchArguments): Promise<void> {
  const before = machine();
  console.log(machineLine(before));
  const { entries, absent } = contestants(args, await buildContestant());
  print(absent);
  const rows: Row[] = [];
  for (const model of readdirSync(dir).sort()) {
    if (!existsSync(join(dir, model, "model.json")) || !model.includes(args.only)) continue;
    console.log(`\n${model}`);
    const own = await race(join(dir, model), model, entries, args, (line) => console.log(line));
    print(modelTable(own));
    rows.push(...own);
  }
  const versions = Object.fromEntries(rows.map((r) => [r.contestant.split("@")[0] ?? "", r.version]));
  const sizes = await sizesOf(args);
  console.log("\nours by the others with as many threads: ratios of medians / of least times, below 1 is faster");
  print(summaryTable(rows));
  console.log("");
  print(sizeTable(sizes));
  const after = { load: loadavg()[0] ?? 0 };
  console.log(
    `\nversions: ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(", ")}; load ${before.load.toFixed(2)} before, ${after.load.toFixed(2)} after`,
  );
  if (args.json !== undefined)
    writeFileSync(args.json, `${JSON.stringify({ machine: { ...before, loadAfter: after.load }, versions, sizes, absent, rows }, undefined, 1)}\n`);
}

try {
  const args = parseBenchArguments(process.argv.slice(2));
  if (args.models === undefined) {
    console.log(machineLine(machine()));
    await micro();
  } else await models(args.models, args);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
