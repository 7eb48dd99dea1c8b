/** `npm run tolerances -- [BACKEND]...`: every op's samples against the cpu, judged by the budgets; the largest multiple by class. */

import { cpu } from "../src/backends/cpu/cpu.ts";
import { judgedSamples } from "./eyesight/samples.ts";
import { makeBackend } from "./runner/backend.ts";

let failed = false;
for (const name of process.argv.length > 2 ? process.argv.slice(2) : ["wasm", "tfjs", "tfjs-cpu"]) {
  const judged = await judgedSamples(name, await makeBackend(name), cpu());
  const classes = new Map([...new Set(judged.map((one) => one.class))].map((kind) => [kind, judged.filter((one) => one.class === kind)] as const));
  console.log(`${name}: ${judged.length} results`);
  for (const [kind, all] of classes) {
    const worst = all.reduce((x, y) => (y.times > x.times ? y : x));
    console.log(`  ${kind.padEnd(14)} ${String(all.length).padStart(5)}  at most ${worst.times.toPrecision(2).padStart(7)}×  ${worst.op}`);
  }
  const over = judged.filter((one) => one.times > 1);
  for (const one of over) console.log(`  over budget: ${one.text}`);
  if (over.length > 0) failed = true;
}
process.exit(failed ? 1 : 0);
