import { expect, it } from "vitest";
import { cpu } from "../src/backends/cpu/cpu.ts";
import { seedTwister } from "../src/numeric/mt19937.ts";
import { Storage } from "../src/tensor/storage.ts";
import { Executor } from "../src/run/executor.ts";
import { sweep } from "../src/run/reach.ts";

it("gives device copies back in a sweep, and leaves the bytes of an input that its caller may hold", () => {
  const host = cpu();
  const executor = new Executor({ backend: host, cpu: host, generator: seedTwister(0n) });
  let released = 0;
  const device = { name: "device", release: () => void released++, download: () => new Uint8Array(4) };
  const input = Storage.wrap(Uint8Array.from([1, 2, 3, 4]), false);
  input.cacheOnDevice(device, {});
  executor.fresh.push(input);
  sweep(executor, new Set());
  expect(released).toBe(1);
  expect([...input.bytes()]).toEqual([1, 2, 3, 4]);
});
