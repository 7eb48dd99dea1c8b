/** Going forward and back: any walk sees the same at the same time, whatever the history may keep. */

import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { scriptArchive } from "../support/archive.ts";
import type { Datum } from "../../src/ir/datum.ts";
import { load } from "../../src/model.ts";
import type { Session } from "../../src/run/session.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { Timeline } from "../../src/debug/timeline.ts";

const STEPS = join(import.meta.dirname, "../golden/models/steps/model.pt");
const x = (): Tensor => Tensor.from([0.5, -1, 2, 0.25], [4], "float32");

/** Everything that a run shows at a time: what is next, all registers, the model's own buffers. */
function sight(timeline: Timeline): string {
  const text = (value: Datum, depth = 0): string => {
    if (value instanceof Tensor) return `${value.dtype}[${value.shape.join()}]~${value.storage.version}(${[...value.data].join()})`;
    if (value === null || typeof value !== "object") return String(value);
    if (value.kind === "instance") return depth > 3 ? value.class.name : `${value.class.name}{${value.slots.map((s) => text(s ?? null, depth + 1)).join(";")}}`;
    if (value.kind === "list" || value.kind === "tuple") return `[${value.items.map((v) => text(v, depth + 1)).join()}]`;
    if (value.kind === "future") return `future ${"value" in value.state ? text(value.state.value) : value.state.done}`;
    return value.kind;
  };
  const frames = timeline.machine.tasks.flatMap((task) => task.frames.map((f) => `${f.position}:${f.registers.map((r) => text(r)).join(" ")}`));
  return `@${timeline.time} ${timeline.next?.node.op ?? timeline.end?.kind} ${timeline.end?.kind === "done" ? timeline.end.values.map((v) => text(v)).join() : ""}\n${frames.join("\n")}\n${timeline.session.roots.map((r) => text(r)).join()}`;
}

async function open(session: Session, args: readonly (Tensor | number | boolean)[], history?: number): Promise<Timeline> {
  return new Timeline(session, session.begin("forward", args), { history });
}

/** Sights by time of a run from start to end. */
async function sights(timeline: Timeline): Promise<string[]> {
  const out = [sight(timeline)];
  while (timeline.end === undefined) {
    await timeline.forward();
    out[timeline.time] = sight(timeline);
  }
  return out;
}

/** A module whose buffers are written in place, with random numbers, a growing list and views. */
const WRITER = `class Net(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.Net, x: Tensor, n: int) -> Tensor:
    seen = annotate(List[Tensor], [])
    y = torch.clone(x)
    for i in range(n):
      row = torch.select(y, 0, torch.remainder(i, 2))
      _0 = torch.add_(row, torch.rand([2]))
      _1 = torch.append(seen, torch.mul(y, 2.))
      if torch.gt(torch.len(seen), 3):
        _2 = torch.mul_(y, 0.5)
      else:
        pass
    return torch.add(y, torch.stack(seen, 0))
`;

describe("a timeline", () => {
  it("shows the same at the same time on any walk, for any budget of its history", async () => {
    const model = await load(STEPS);
    const expected = await sights(await open(await model.session(), [x(), 3]));
    const last = expected.length - 1;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(last), { minLength: 1, maxLength: 12 }), fc.constantFrom(undefined, 0, 50_000), async (walk, history) => {
        const timeline = await open(await model.session(), [x(), 3], history);
        for (const t of walk) {
          await timeline.goTo(t);
          expect(sight(timeline)).toBe(expected[t]);
        }
        expect(timeline.diverged).toBeUndefined();
        timeline.dispose();
      }),
      { numRuns: 60 },
    );
  });

  it("takes back writes through views, random numbers and lists", async () => {
    const model = await load(scriptArchive(WRITER, { training: false }));
    const args = (): [Tensor, number] => [Tensor.from([1, 2, 3, 4], [2, 2], "float32"), 7];
    const expected = await sights(await open(await model.session(), args()));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(expected.length - 1), { minLength: 1, maxLength: 12 }), async (walk) => {
        const timeline = await open(await model.session(), args());
        for (const t of walk) {
          await timeline.goTo(t);
          expect(sight(timeline)).toBe(expected[t]);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("goes back from the end, and from an error that ended the run, and raises it again", async () => {
    const model = await load(STEPS);
    const timeline = await open(await model.session(), [x(), 2, true]);
    await timeline.goTo(Infinity);
    expect(timeline.end?.kind).toBe("raised");
    const end = timeline.time;
    await timeline.goTo(3);
    expect(timeline.end).toBeUndefined();
    await timeline.goTo(Infinity);
    expect(timeline.end).toMatchObject({ kind: "raised", error: { message: "asked to fail after 2 rounds" } });
    expect(timeline.time).toBe(end);
  });

  it("keeps to its budget and says how far its checkpoints lie apart; with enough of it never further than ⌈√n⌉", async () => {
    const model = await load(STEPS);
    const wide = await open(await model.session(), [x(), 60]);
    await wide.goTo(Infinity);
    expect(wide.history.widest).toBeLessThanOrEqual(Math.ceil(Math.sqrt(wide.time)));
    const narrow = await open(await model.session(), [x(), 60], wide.history.bytes / 4);
    await narrow.goTo(Infinity);
    expect(narrow.history.bytes).toBeLessThanOrEqual(narrow.history.budget);
    expect(narrow.history.checkpoints[0]).toBe(0);
    expect(narrow.history.widest).toBeGreaterThan(wide.history.widest);
  });

  it("prints the model's lines once, however often it goes back", async () => {
    const code = `class Net(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.Net, x: Tensor) -> Tensor:
    print("once")
    return torch.add(x, 1)
`;
    const lines: string[] = [];
    const session = await (await load(scriptArchive(code, { training: false }))).session({ print: (line) => lines.push(line) });
    const timeline = await open(session, [x()]);
    await timeline.goTo(Infinity);
    await timeline.goTo(0);
    await timeline.goTo(Infinity);
    expect(lines).toEqual(["once"]);
  });

  it("says where a replay gave other values than the first time", async () => {
    const session = await (await load(scriptArchive(WRITER, { training: false }))).session();
    const timeline = await open(session, [Tensor.from([1, 2, 3, 4], [2, 2], "float32"), 2]);
    await timeline.goTo(Infinity);
    await timeline.goTo(0);
    session.executor.generator.words.fill(7); // somebody else uses the generator
    while (timeline.end === undefined) await timeline.forward();
    expect(timeline.diverged?.node.op).toBe("aten::rand");
  });

  it("does again what was done to the run when it comes by, and parts from there", async () => {
    const session = await (await load(STEPS)).session();
    const timeline = await open(session, [x(), 3]);
    await timeline.goTo(Infinity);
    const plain = sight(timeline);
    const branch = timeline.branch();
    await timeline.goTo(10);
    await timeline.act({
      time: 10,
      text: "x = 0",
      change: (machine) => {
        const input = machine.tasks[0]?.frames[0]?.registers.find((r) => r instanceof Tensor);
        if (!(input instanceof Tensor)) throw new Error("no input");
        input.storage.beginHostWrite();
        input.storage.bytes().fill(0);
      },
    });
    await timeline.goTo(Infinity);
    const changed = sight(timeline);
    expect(changed).not.toBe(plain);
    const other = timeline.branch();
    await timeline.goTo(4);
    await timeline.goTo(Infinity);
    expect(sight(timeline)).toBe(changed);
    await timeline.adopt(branch, 12);
    await timeline.goTo(Infinity);
    expect(sight(timeline)).toBe(plain);
    await timeline.adopt(other, 11);
    await timeline.goTo(Infinity);
    expect(sight(timeline)).toBe(changed);
  });
});
