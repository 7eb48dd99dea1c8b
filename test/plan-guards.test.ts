/** What a planned run notices of changes to a module between runs, whoever made them. */

import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { textOf } from "../scripts/runner/plan-case.ts";
import { wasm } from "../src/backends/wasm/wasm.ts";
import { load, type Session, Tensor } from "../src/index.ts";
import type { Datum, Instance } from "../src/ir/datum.ts";
import { makeClass } from "../src/ir/class-type.ts";
import { Changes } from "../src/run/changes.ts";
import { Storage } from "../src/tensor/storage.ts";
import { scriptArchive } from "./support/archive.ts";

const CODE = `class Net(Module):
  __parameters__ = []
  __buffers__ = []
  k : int
  training : bool
  def forward(self: __torch__.Net, x: Tensor) -> Tensor:
    y = torch.mul(torch.add(x, self.k), 2)
    if self.training:
      z = torch.neg(y)
    else:
      z = torch.relu(y)
    return z
  def put(self: __torch__.Net, k: int) -> NoneType:
    self.k = k
    return None
`;
const RUNS = 4;

/** A session whose `forward` gives `2 (x + k)` and has been launched as a plan. */
async function launched(): Promise<Session> {
  const model = await load(scriptArchive(CODE, { k: 3, training: false }));
  const session = await model.session({ backend: wasm() });
  for (let run = 0; run < RUNS; run++) expect(await of(session)).toBe(8);
  expect(session.planCounts()?.launched).toBe(RUNS);
  return session;
}

/** `forward` of 1. */
async function of(session: Session): Promise<number> {
  const out = await session.forward(Tensor.from([1], [1], "float32"));
  return out instanceof Tensor ? Number(out.item()) : NaN;
}

function instanceOf(value: Datum | undefined): Instance {
  if (typeof value !== "object" || value === null || !("kind" in value) || value.kind !== "instance") throw new Error("no object");
  return value;
}

/** Writes `k` as nothing but JavaScript does it. */
function write({ class: cls, slots }: Instance, k: number): void {
  slots[cls.slots.get("k") ?? -1] = k;
}

describe("an attribute that a plan was made for is seen to change where it is set", () => {
  it("by a method", async () => {
    const session = await launched();
    await session.call("put", [10]);
    expect(await of(session)).toBe(22);
    expect(await of(session)).toBe(22);
  });

  it("by a method whose instructions are counted, and so run one by one", async () => {
    const session = await launched();
    await session.call("put", [10], {}, { maxBytes: 2 ** 20 });
    expect(await of(session)).toBe(22);
  });

  it("by a machine that is stepped, whenever that goes on", async () => {
    const session = await launched();
    const { machine } = session.begin("put", [10]);
    expect(await of(session)).toBe(8);
    while (machine.advance() !== "done");
    expect(await of(session)).toBe(22);
  });

  it("by `train` and `eval`", async () => {
    const session = await launched();
    session.train();
    expect(await of(session)).toBe(-8);
    session.eval();
    expect(await of(session)).toBe(8);
  });

  it("by who has the session's objects", async () => {
    const session = await launched();
    const root = instanceOf(session.roots[0]);
    for (const k of [10, 20, 10]) {
      write(root, k);
      expect(await of(session)).toBe(2 * (1 + k));
    }
  });

  it("by who has listened to a run, long after", async () => {
    const session = await launched();
    const seen: Instance[] = [];
    await session.call(
      "forward",
      [Tensor.from([1], [1], "float32")],
      {},
      { listener: (event) => void (event.kind === "op" && event.node.op === "prim::GetAttr" && seen.push(instanceOf(event.inputs[0]))) },
    );
    for (let run = 0; run < RUNS; run++) expect(await of(session)).toBe(8);
    const [root] = seen;
    if (root !== undefined) write(root, 10);
    expect(await of(session)).toBe(22);
  });
});

it("a plan goes on being launched while only others change", async () => {
  const session = await launched();
  const other = await launched();
  await other.call("put", [10]);
  Storage.allocate(4).beginHostWrite();
  expect([await of(session), await of(other)]).toEqual([8, 22]);
  expect(session.planCounts()?.launched).toBe(RUNS + 1);
});

describe("a weight that a plan was made for is seen to change where its tensor", () => {
  const PATCHES = join(import.meta.dirname, "golden/models/traced_patches/model.pt");
  const input = (): Tensor =>
    Tensor.from(
      Float32Array.from({ length: 128 }, (_, i) => Math.sin(i)),
      [1, 2, 8, 8],
    );
  const trained = async (): Promise<Session> => {
    const session = await (await load(PATCHES)).session({ backend: wasm() });
    for (let run = 0; run < RUNS; run++) await session.forward(input());
    return session;
  };
  const unplanned = async (): Promise<Session> => (await load(PATCHES)).session({ backend: wasm(), plan: false });
  const raised = (t: Tensor): Storage => Storage.wrap(new Uint8Array(Float32Array.from(t.data as Float32Array, (v) => v + 1).buffer), false); // float32 here

  it("gets another storage", async () => {
    const session = await trained();
    const before = textOf(await session.forward(input()));
    const [weight] = session.parameters().values();
    if (weight === undefined) throw new Error("no weight");
    const own = weight.storage;
    weight.storage = raised(weight);
    expect(textOf(await session.forward(input()))).not.toBe(before);
    weight.storage = own;
    expect(textOf(await session.forward(input()))).toBe(before);
  });

  it("is read otherwise: the planned run gives what one without plans does", async () => {
    const [session, plain] = [await trained(), await unplanned()];
    for (const of of [session, plain]) {
      const weight = [...of.parameters().values()].find(({ rank, shape }) => rank === 4 && shape[2] === shape[3]);
      if (weight === undefined) throw new Error("no filters");
      weight.strides = [weight.strides[0] ?? 0, weight.strides[1] ?? 0, weight.strides[3] ?? 0, weight.strides[2] ?? 0];
    }
    expect(textOf(await session.forward(input()))).toBe(textOf(await plain.forward(input())));
  });

  it("is written: the planned run gives what one without plans does", async () => {
    const [session, plain] = [await trained(), await unplanned()];
    const state = Object.fromEntries([...session.parameters()].map(([name, t]) => [name, new Tensor(raised(t), t.dtype, t.shape)]));
    for (const of of [session, plain]) of.loadStateDict(state, { strict: false });
    expect(textOf(await session.forward(input()))).toBe(textOf(await plain.forward(input())));
  });

  it("is one of a .pt2's, which come as arguments in each run", async () => {
    const model = await load(join(import.meta.dirname, "golden/models/pt2_patches/model.pt2"));
    const session = await model.session({ backend: wasm() });
    const { args = [] } = (await model.sampleInputs()) ?? {};
    for (let run = 0; run < RUNS; run++) await session.forward(...args);
    expect(session.planCounts()?.launched).toBeGreaterThan(0);
    const before = textOf(await session.forward(...args));
    const [weight] = session.tensors();
    if (weight === undefined) throw new Error("no weight");
    await session.executor.sync(weight.tensor);
    weight.tensor.storage = raised(weight.tensor);
    expect(textOf(await session.forward(...args))).not.toBe(before);
  });
});

describe("the state of a session's objects", () => {
  const own = Storage.allocate(4);
  const owns = (storage: Storage): boolean => storage === own;
  const tensor = (storage: Storage): Tensor => new Tensor(storage, "float32", [1]);
  const instance: Instance = { kind: "instance", class: makeClass("__torch__.Net", true), slots: [] };

  it("has another name after each change", () => {
    const changes = new Changes();
    const first = changes.state;
    changes.happen();
    expect(changes.state).not.toBe(first);
    expect(changes.state).toBe(changes.state);
  });

  it("has none once objects or tensors of its own have left", () => {
    const leaving: readonly Datum[] = [
      tensor(own),
      instance,
      { kind: "tuple", type: undefined, items: [1, tensor(own)] },
      { kind: "tuple", type: undefined, items: [instance] },
    ];
    for (const value of leaving) {
      const changes = new Changes();
      changes.leave(value, owns);
      expect(changes.state).toBeUndefined();
    }
  });

  it("keeps its name while results leave that are the caller's alone", () => {
    const changes = new Changes();
    const before = changes.state;
    for (const value of [
      tensor(Storage.allocate(4)),
      3,
      null,
      { kind: "tuple", type: undefined, items: [tensor(Storage.allocate(4)), "x"] },
    ] satisfies readonly Datum[])
      changes.leave(value, owns);
    expect(changes.state).toBe(before);
  });
});
