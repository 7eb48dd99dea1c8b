/** Budgets over the ops' samples: sound kernels of all backends stay below 1. `npm run tolerances` judges every sample. */

import { describe, expect, it } from "vitest";
import { judgedSamples } from "../../scripts/eyesight/samples.ts";
import { makeBackend } from "../../scripts/runner/backend.ts";
import { cpu } from "../../src/backends/cpu/cpu.ts";

describe.each(["wasm", "tfjs", "tfjs-cpu"])("on %s", (name) => {
  it("no sample is over its op's budget", async () => {
    const judged = await judgedSamples(name, await makeBackend(name), cpu(), 8);
    expect(judged.length).toBeGreaterThan(150);
    expect(judged.filter((one) => one.times > 1).map((one) => one.text)).toEqual([]);
  });
});
