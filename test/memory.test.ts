/** Nothing leaks: loading, running and releasing a model many times leaves memory as it was. */

import { join } from "node:path";
import { readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { load } from "../src/model.ts";
import { Tensor } from "../src/tensor/tensor.ts";
import { makeBackend } from "../scripts/runner/backend.ts";

const MODEL = join(import.meta.dirname, "golden/models/steps/model.pt");
const input = (): Tensor => Tensor.from(Float32Array.from({ length: 4096 }, (_, i) => i / 4096), [4096 / 4, 4]);

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
/** Collects until nothing more goes: array buffers are freed after the objects that held them. */
async function gc(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    collect();
    await new Promise((resume) => setTimeout(resume, 20));
  }
}

describe("memory", () => {
  it("stays flat over 200 rounds of load, run and release on the cpu", async () => {
    const bytes = new Uint8Array(readFileSync(MODEL));
    const round = async (): Promise<void> => {
      const model = await load(bytes);
      using session = await model.session();
      await session.forward(input(), 2);
    };
    for (let i = 0; i < 20; i++) await round();
    await gc();
    const before = process.memoryUsage();
    for (let i = 0; i < 200; i++) await round();
    await gc();
    const after = process.memoryUsage();
    // One leaked session would keep its tensors: 200 of them are over 6 MB.
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(2e6);
    expect(after.heapUsed - before.heapUsed).toBeLessThan(6e6);
  });

  it("leaves no buffer alive on a device after each run but the session's own, and none after release", async () => {
    const backend = await makeBackend("tfjs-cpu");
    const model = await load(MODEL);
    const session = await model.session({ backend });
    await session.forward(input(), 2);
    const once = backend.live();
    for (let i = 0; i < 30; i++) await session.forward(input(), 2);
    expect(backend.live()).toEqual(once);
    session.dispose();
    expect(backend.live()).toEqual({ buffers: 0, bytes: 0 });
    await expect(session.forward(input(), 1)).rejects.toMatchObject({ code: "disposed" });
  });
});
