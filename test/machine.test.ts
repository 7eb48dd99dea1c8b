/** The machine: steps, events, snapshots; on a scripted model with a loop, a method call, a fork and an exception. */

import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { load } from "../src/model.ts";
import type { MachineEvent } from "../src/run/event.ts";
import { type Machine } from "../src/run/machine.ts";
import { takeSnapshot } from "../src/run/snapshot.ts";
import { isOpwiseError } from "../src/tensor/error.ts";
import { Tensor } from "../src/tensor/tensor.ts";
import type { Datum } from "../src/ir/datum.ts";

const STEPS = join(import.meta.dirname, "golden/models/steps/model.pt");
const x = (): Tensor => Tensor.from([0.5, -1, 2, 0.25], [4], "float32");

/** All numbers in a result, bit by bit. */
function bitsOf(values: readonly Datum[]): (number | bigint)[] {
  return values.flatMap((v) => {
    if (v instanceof Tensor) return Array.from(new Uint8Array(v.data.buffer.slice(v.data.byteOffset, v.data.byteOffset + v.data.byteLength)));
    if (typeof v === "object" && v !== null && "kind" in v && v.kind === "tuple") return bitsOf(v.items);
    return typeof v === "number" ? [v] : [];
  });
}

function runOut(machine: Machine): readonly Datum[] {
  while (machine.advance() !== "done");
  return machine.result ?? [];
}

describe("a machine", () => {
  it("tells its steps one by one: ops, trips, calls, forks and raises", async () => {
    const session = await (await load(STEPS)).session();
    const events: MachineEvent[] = [];
    const machine = session.machine("forward", [x(), 3], { listener: (e) => events.push(e) });
    let steps = 0;
    while (machine.advance() !== "done") steps++;
    const kinds = events.map((e) => (e.kind === "enter" || e.kind === "exit" ? `${e.kind} ${e.what}` : e.kind));
    expect(steps).toBeGreaterThan(20);
    expect(kinds.filter((k) => k === "enter trip")).toHaveLength(3);
    expect(kinds.filter((k) => k === "exit trip")).toHaveLength(3);
    expect(kinds.filter((k) => k === "enter fork")).toHaveLength(1);
    // forward itself, `mix` and the module it calls, three times each, and the forked function.
    expect(kinds.filter((k) => k === "enter call")).toHaveLength(8);
    expect(kinds.filter((k) => k === "exit call")).toHaveLength(8);
    expect(events.some((e) => e.kind === "op" && e.node.op === "aten::mul.Tensor" && e.outputs[0] instanceof Tensor)).toBe(true);
    expect(events.map((e) => e.time)).toEqual(events.map((e) => e.time).sort((a, b) => a - b));
  });

  it("gives the same bits again after going back to a snapshot in the middle", async () => {
    const session = await (await load(STEPS)).session();
    const machine = session.machine("forward", [x(), 3]);
    for (let i = 0; i < 40; i++) machine.advance();
    const snapshot = takeSnapshot(machine, session.roots);
    const first = bitsOf(runOut(machine));
    const counted = Number((session.attribute("count").value as Tensor).item());
    snapshot.restore();
    const second = bitsOf(runOut(machine));
    expect(second).toEqual(first);
    expect(Number((session.attribute("count").value as Tensor).item())).toBe(counted);
    // And once more: a snapshot serves any number of times.
    snapshot.restore();
    expect(bitsOf(runOut(machine))).toEqual(first);
    snapshot.dispose();
  });

  it("takes back what the model wrote into its buffers", async () => {
    const session = await (await load(STEPS)).session();
    const machine = session.machine("forward", [x(), 1]);
    const snapshot = takeSnapshot(machine, session.roots);
    const before = Number((session.attribute("count").value as Tensor).item());
    runOut(machine);
    expect(Number((session.attribute("count").value as Tensor).item())).toBe(before + 1);
    snapshot.restore();
    expect(Number((session.attribute("count").value as Tensor).item())).toBe(before);
  });

  it("keeps what ran before an exception, says where it was raised, and goes on afterwards", async () => {
    const session = await (await load(STEPS)).session();
    const raised: MachineEvent[] = [];
    const error = await session.invoke("forward", [x(), 2, true], {}, { listener: (e) => e.kind === "raise" && raised.push(e) }).catch((e: unknown) => e);
    expect(isOpwiseError(error) && error.code).toBe("model-raised");
    expect(isOpwiseError(error) && error.message).toBe("asked to fail after 2 rounds");
    expect(isOpwiseError(error) && error.raisedClass).toBe("builtins.ValueError");
    expect(isOpwiseError(error) && error.where.python).toMatch(/^model_cases\.py:\d+/);
    expect(raised).toHaveLength(1);
    expect(Number((session.attribute("count").value as Tensor).item())).toBe(1);
    expect(Array.isArray(await session.forward(x(), 1))).toBe(true);
  });

  it("builds no event objects where nobody listens, and gives the same bits as where somebody does", async () => {
    const model = await load(STEPS);
    const quiet = (await model.session()).machine("forward", [x(), 3]);
    const watched = (await model.session()).machine("forward", [x(), 3], { listener: () => undefined });
    const [a, b] = [bitsOf(runOut(quiet)), bitsOf(runOut(watched))];
    expect(quiet.eventsBuilt).toBe(0);
    expect(watched.eventsBuilt).toBeGreaterThan(50);
    expect(a).toEqual(b);
  });

  it("stops at its step limit, at a lost budget of bytes, and at a signal", async () => {
    const model = await load(STEPS);
    const codeOf = async (options: object, rounds = 3): Promise<unknown> => {
      const session = await model.session();
      const error = await session.invoke("forward", [x(), rounds], {}, options).catch((e: unknown) => e);
      return isOpwiseError(error) ? error.code : error;
    };
    expect(await codeOf({ maxSteps: 30 })).toBe("step-limit");
    expect(await codeOf({ maxBytes: 64 })).toBe("out-of-memory");
    expect(await codeOf({ signal: AbortSignal.abort() })).toBe("aborted");
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 30);
    expect(await codeOf({ signal: controller.signal }, 100_000_000)).toBe("aborted");
  });

  it("refuses a second run on one session while the first is under way", async () => {
    const session = await (await load(STEPS)).session();
    const controller = new AbortController();
    const first = session.invoke("forward", [x(), 100_000_000], {}, { signal: controller.signal }).catch((e: unknown) => e);
    await new Promise((resume) => setTimeout(resume, 30));
    await expect(session.forward(x(), 1)).rejects.toMatchObject({ code: "busy" });
    controller.abort();
    expect(await first).toMatchObject({ code: "aborted" });
  });
});
