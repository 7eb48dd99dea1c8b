import { expect, it } from "vitest";
import { LinearMemory, newScope } from "./memory.ts";
import { Tables } from "./planes.ts";
import { KernelRuntime } from "./runtime.ts";

it("tables outlive the plan that was the first to ask for them", () => {
  const memory = new LinearMemory();
  const runtime = new KernelRuntime(memory);
  const tables = new Tables(runtime);
  const scope = newScope();
  const words = Int32Array.from({ length: 64 }, (_, i) => i * i);
  const addresses = memory.within(scope, () => [runtime.table("float8_e4m3fn"), tables.of("squares", () => words)] as const);
  const contents = (): number[] => addresses.flatMap((at) => Array.from(memory.bytes.slice(at, at + 256)));
  const before = contents();
  memory.release(scope);
  for (let size = 64; size <= 4096; size *= 2) {
    const { address } = memory.allocateLasting(size);
    memory.bytes.fill(7, address, address + size);
  }
  expect(contents()).toEqual(before);
  expect([runtime.table("float8_e4m3fn"), tables.of("squares", () => words)]).toEqual(addresses);
});
