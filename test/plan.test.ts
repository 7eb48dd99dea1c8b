/** Planned runs: when a straight line is compiled, that it gives the very bits, and what makes a plan give way. */

import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { THREAD_WORKER } from "../scripts/runner/backend.ts";
import { textOf } from "../scripts/runner/plan-case.ts";
import { wasm } from "../src/backends/wasm/wasm.ts";
import { load, type Model, type OpwiseError, type Session, Tensor } from "../src/index.ts";
import { placeByLifetime } from "../src/prims/lifetime.ts";
import { PASSES } from "../src/run/plan/passes.ts";
import type { PlanOptions } from "../src/run/plan/planner.ts";
import { Storage } from "../src/tensor/storage.ts";
import { scriptArchive } from "./support/archive.ts";

const script = (code: string, attributes: Parameters<typeof scriptArchive>[1] = {}): Promise<Model> => load(scriptArchive(code, attributes));
const method = (body: string): string => `class Net(Module):\n  __parameters__ = []\n  __buffers__ = []\n${body}`;

/** A tensor of numbers that are never alike. */
function wave(...shape: number[]): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  return Tensor.from(Float32Array.from({ length: n }, (_, i) => Math.sin(i * 1.7) * 3), shape);
}
const numbers = (t: Tensor): number[] => Array.from(t.data as ArrayLike<number>, Number); // float32 here
const onWasm = (model: Model, plan: boolean | PlanOptions = true): Promise<Session> => model.session({ backend: wasm(), plan });

const CHAIN = method(`  def forward(self: __torch__.Net, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    y = torch.relu(torch.add(torch.conv2d(x, w, None, [1, 1], [1, 1]), b))
    z = torch.sigmoid(torch.mul(y, 0.5))
    return torch.add(torch.sum(torch.cat([y, z], 1), [2, 3]), 1)
`);
const chainInputs = (): Tensor[] => [wave(1, 3, 9, 9), wave(4, 3, 3, 3), wave(4, 1, 1)];

describe("a straight line of calls", () => {
  it("is recorded and compiled for the sizes of the first call, and launched from then on", async () => {
    const s = await onWasm(await script(CHAIN));
    const seen: unknown[] = [];
    for (let run = 0; run < 4; run++) {
      await s.forward(...chainInputs());
      seen.push({ ...s.planCounts() });
    }
    expect(seen).toEqual([
      { recorded: 1, compiled: 1, launched: 1 },
      { recorded: 1, compiled: 1, launched: 2 },
      { recorded: 1, compiled: 1, launched: 3 },
      { recorded: 1, compiled: 1, launched: 4 },
    ]);
  });

  it("is fused, and each step still names its nodes", async () => {
    const s = await onWasm(await script(CHAIN));
    for (let run = 0; run < 2; run++) await s.forward(...chainInputs());
    const [plan] = s.plans();
    expect(plan?.steps.length).toBeLessThan(plan?.recordedCalls ?? 0);
    const conv = plan?.steps.find((step) => step.what.kind === "convolve");
    expect(conv?.nodes.map((n) => n.op)).toEqual(["aten::conv2d", "aten::add.Tensor", "aten::relu", "aten::cat"]);
  });

  it("joins maps whose memory is in another order than their axes, too", async () => {
    const model = await script(
      method(`  def forward(self: __torch__.Net, x: Tensor) -> Tensor:
    y = torch.add(torch.permute(x, [0, 3, 1, 2]), 1)
    return torch.contiguous(torch.relu(torch.mul(torch.sigmoid(y), y)))
`),
    );
    const wanted = textOf(await (await onWasm(model, false)).forward(wave(2, 3, 4, 5)));
    const s = await onWasm(model);
    for (let run = 0; run < 3; run++) expect(textOf(await s.forward(wave(2, 3, 4, 5)))).toBe(wanted);
    expect(s.plans()[0]?.steps.length).toBe(2); // an addition that two read, and all else, written in the order of the axes
  });

  it("computes what is concatenated where the concatenation wants it", async () => {
    const model = await script(
      method(`  def forward(self: __torch__.Net, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    y = torch.relu(torch.conv2d(x, w, None, [1, 1], [1, 1]))
    z = torch.sigmoid(torch.add(torch.conv2d(x, w, None, [1, 1], [1, 1]), b))
    return torch.cumsum(torch.cat([y, z], 1), 1)
`),
    );
    const s = await onWasm(model);
    const got = textOf(await s.forward(...chainInputs()));
    expect(s.plans()[0]?.steps.map(({ what }) => what.kind)).toEqual(["convolve", "convolve", "scan"]);
    expect(got).toBe(textOf(await (await onWasm(model, false)).forward(...chainInputs())));
  });

  it("gives the bits of an unplanned run, whatever passes are left out", async () => {
    const model = await script(CHAIN);
    const wanted = textOf(await (await onWasm(model, false)).forward(...chainInputs()));
    for (const without of [[], ...PASSES.map((pass) => [pass]), [...PASSES]]) {
      const s = await onWasm(model, { without });
      for (let run = 0; run < 3; run++) expect(textOf(await s.forward(...chainInputs())), `without ${without.join(", ")}`).toBe(wanted);
      expect(s.planCounts()?.launched).toBe(3);
    }
  });

  it("is not planned where planning is off, where a listener watches, or on a backend that compiles nothing", async () => {
    const model = await script(CHAIN);
    const off = await onWasm(model, false);
    const watched = await onWasm(model);
    const cpu = await model.session();
    for (let run = 0; run < 3; run++) {
      await off.forward(...chainInputs());
      await watched.call("forward", chainInputs(), {}, { listener: () => undefined });
      await cpu.forward(...chainInputs());
    }
    expect([off.planCounts(), watched.planCounts()?.recorded, cpu.planCounts()]).toEqual([undefined, 0, undefined]);
  });
});

describe("what is read of a copy", () => {
  const bits = async (body: string): Promise<{ readonly planned: string; readonly plain: string; readonly copies: number }> => {
    const model = await script(method(body));
    const x = (): Tensor => wave(4, 6);
    const s = await onWasm(model);
    await s.forward(x());
    return {
      planned: textOf(await s.forward(x())),
      plain: textOf(await (await onWasm(model, false)).forward(x())),
      copies: s.plans()[0]?.steps.filter(({ what }) => what.kind === "map" && what.program.name === "copy").length ?? NaN,
    };
  };

  it("is read of what was copied, and the copy is gone", async () => {
    const { planned, plain, copies } = await bits(`  def forward(self: __torch__.Net, x: Tensor) -> Tensor:
    a = torch.cumsum(x, 0)
    b = torch.cumsum(x, 1)
    c = torch.cat([a, b], 0)
    return torch.cumsum(torch.add(torch.slice(c, 0, 2, 4), torch.slice(c, 0, 5, 7)), 0)
`);
    expect([planned, copies]).toEqual([plain, 0]);
  });

  it("is read of the copy where it spans more than one, or where what was copied has been written since", async () => {
    const spans = await bits(`  def forward(self: __torch__.Net, x: Tensor) -> Tensor:
    a = torch.cumsum(x, 0)
    b = torch.cumsum(x, 1)
    return torch.cumsum(torch.slice(torch.cat([a, b], 0), 0, 2, 6), 0)
`);
    expect(spans.planned).toBe(spans.plain);
    const written = await bits(`  def forward(self: __torch__.Net, x: Tensor) -> Tensor:
    a = torch.cumsum(x, 0)
    c = torch.clone(a)
    d = torch.add_(torch.select(a, 0, 1), 7)
    e = torch.cumsum(c, 0)
    f = torch.mul_(torch.select(c, 0, 2), 3)
    return torch.add(torch.add(e, torch.cumsum(a, 1)), torch.cumsum(c, 1))
`);
    expect(written.planned).toBe(written.plain);
  });
});

describe("a value that is copied whole into a larger one", () => {
  const runOf = async (body: string, result: string, plan: boolean | PlanOptions): Promise<{ readonly text: string; readonly copies: number }> => {
    const s = await onWasm(await script(method(`  def forward(self: __torch__.Net, x: Tensor) -> ${result}:\n${body}`)), plan);
    await s.forward(wave(4, 6));
    return {
      text: textOf(await s.forward(wave(4, 6))),
      copies: s.plans()[0]?.steps.filter(({ what }) => what.kind === "map" && what.program.name === "copy").length ?? NaN,
    };
  };
  const both = async (body: string, result = "Tensor"): Promise<number> => {
    const [planned, plain] = [await runOf(body, result, true), await runOf(body, result, false)];
    expect(planned.text).toBe(plain.text);
    return planned.copies;
  };

  it("is computed there, with whatever reads it on the way, and so is what that one is copied into", async () => {
    const caches = `    a = torch.cumsum(torch.cat([torch.cumsum(x, 0), x], 0), 1)
    b = torch.cat([torch.cumsum(x, 1), torch.cumsum(torch.slice(a, 0, 2, 4), 0)], 0)
    c = torch.cumsum(torch.slice(a, 0, 1, 7), 0)
`;
    expect(await both(`${caches}    return torch.stack([torch.cat([b, c], 0), torch.cat([c, b], 0)], 0)\n`)).toBe(5); // x, which is the caller's, and b and c, which go to two places each; not what is stacked, nor its parts
    expect(await both(`${caches}    return torch.cat([torch.slice(a, 0, 0, 3), torch.slice(a, 0, 3, 8), b], 0)\n`)).toBe(1); // x
  });

  it("is copied where a part of it goes elsewhere, where it leaves, is written again, or has to wait", async () => {
    const part = "    a = torch.cumsum(x, 0)\n    b = torch.cumsum(x, 1)\n";
    expect(await both(`${part}    return torch.cat([torch.slice(a, 0, 1, 4), torch.slice(a, 0, 0, 1), b], 0)\n`)).toBe(2);
    expect(await both(`${part}    return (torch.cat([a, b], 0), a)\n`, "Tuple[Tensor, Tensor]")).toBe(1);
    expect(await both(`${part}    c = torch.cat([a, b], 0)\n    d = torch.add_(torch.select(a, 0, 1), 7)\n    return (c, torch.cumsum(a, 1))\n`, "Tuple[Tensor, Tensor]")).toBe(1);
    expect(await both(`${part}    c = torch.zeros([8, 6])\n    d = torch.copy_(torch.slice(c, 0, 0, 4), b)\n    e = torch.cumsum(c, 0)\n    f = torch.copy_(torch.slice(c, 0, 0, 4), a)\n    return (c, e)\n`, "Tuple[Tensor, Tensor]")).toBeGreaterThan(0);
    expect(await both(`${part}    c = torch.zeros([8, 6])\n    e = torch.cumsum(c, 0)\n    f = torch.copy_(torch.slice(c, 0, 4, 8), a)\n    return (c, e, b)\n`, "Tuple[Tensor, Tensor, Tensor]")).toBeGreaterThan(0);
  });

  it("keeps zeros that nothing writes", async () => {
    const copies = await both(`    z = torch.zeros([4, 6])
    w = torch.copy_(torch.slice(z, 0, 1, 3), torch.slice(torch.cumsum(x, 0), 0, 0, 2))
    y = torch.cumsum(z, 0)
    return torch.cat([torch.cumsum(x, 1), z, y], 0)
`);
    expect(copies).toBe(1); // into z, which then is no whole
  });
});

describe("a map that ends what it reads", () => {
  const runOf = async (model: Model, plan: boolean | PlanOptions): Promise<readonly [string, number]> => {
    const s = await onWasm(model, plan);
    return [textOf(await s.forward(wave(64, 64))), s.plans()[0]?.bytes ?? NaN];
  };
  const without: PlanOptions = { without: ["inplace"] };

  it("writes over it", async () => {
    const model = await script(
      method(`  def forward(self: __torch__.Net, x: Tensor) -> Tensor:
    return torch.sum(torch.exp(torch.cumsum(x, 0)), [0])
`),
    );
    const [[wanted], [apart, whole], [over, less]] = [await runOf(model, false), await runOf(model, without), await runOf(model, true)];
    expect([apart, over]).toEqual([wanted, wanted]);
    expect(whole - less).toBeGreaterThan(64 * 64 * 2); // most of a value: blocks are rounded
  });

  it("writes over nothing that is read again, otherwise, or leaves", async () => {
    const model = await script(
      method(`  def forward(self: __torch__.Net, x: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    a = torch.cumsum(x, 0)
    b = torch.cumsum(torch.exp(a), 1)
    c = torch.cumsum(torch.mul(b, torch.t(b)), 0)
    d = torch.tanh(c)
    return (torch.cumsum(torch.neg(b), 0), c, torch.cumsum(d, 1))
`),
    );
    expect((await runOf(model, true))[0]).toBe((await runOf(model, false))[0]);
  });
});

describe("values with channels last", () => {
  const model = method(`  def forward(self: __torch__.Net, x: Tensor, w: Tensor, b: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    y = torch.relu(torch.add(torch.conv2d(torch.contiguous(x, memory_format=2), w, None, [1, 1], [1, 1]), b))
    p = torch.max_pool2d(torch.cat([y, torch.sigmoid(y)], 1), [2, 2])
    part = torch.slice(p, 1, 1, 6)
    rows = torch.mean(torch.permute(y, [0, 2, 3, 1]), [3])
    return (torch.mul(p, 2), torch.add(part, torch.sum(p, [1], True)), rows)
`);
  const runOf = async (plan: boolean | PlanOptions): Promise<readonly [string, Session]> => {
    const s = await onWasm(await script(model), plan);
    return [textOf(await s.forward(wave(2, 3, 10, 9), wave(4, 3, 3, 3), wave(4, 1, 1))), s];
  };
  const isPlanar = ({ shape, strides }: { readonly shape: readonly number[]; readonly strides: readonly number[] }): boolean =>
    shape.length < 4 || strides.every((stride, axis) => axis === 0 || stride <= (strides[axis - 1] ?? 0));

  it("lie in the order of their axes inside, and as the model has them where they leave", async () => {
    const [[plain], [planned, s], [apart, other]] = [await runOf(false), await runOf(true), await runOf({ without: ["layout", "epilogue"] })];
    expect([planned, apart]).toEqual([plain, plain]);
    const laid = (session: Session): unknown => (session.plans()[0]?.steps ?? []).flatMap(({ what }) => (what.kind === "convolve" || what.kind === "window" ? [[...what.operands.slice(0, 1), ...what.results].map(isPlanar)] : []));
    expect([laid(s), laid(other)]).toEqual([
      [[true, true], [true, true]],
      [[false, false], [false, false]],
    ]);
    const [p] = (await s.forward(wave(2, 3, 10, 9), wave(4, 3, 3, 3), wave(4, 1, 1))) as Tensor[];
    expect(p?.strides).toEqual([160, 1, 32, 8]); // what leaves does not
  });
});

describe("what enters a plan", () => {
  it("is another plan's when its shape or a plain value differs", async () => {
    const s = await onWasm(
      await script(
        method(`  def forward(self: __torch__.Net, x: Tensor, n: int) -> Tensor:
    return torch.mul(torch.add(x, n), x)
`),
      ),
    );
    const twice = async (x: Tensor, n: number): Promise<Tensor[]> => [(await s.forward(x, n)) as Tensor, (await s.forward(x, n)) as Tensor, (await s.forward(x, n)) as Tensor];
    for (const [x, n] of [
      [wave(3), 1],
      [wave(3), 2],
      [wave(2, 2), 1],
    ] as const) {
      const wanted = numbers(x).map((v) => Math.fround(Math.fround(v + n) * v));
      for (const y of await twice(x, n)) expect(numbers(y)).toEqual(wanted);
    }
    expect(s.planCounts()?.compiled).toBe(3);
  });

  it("that grows with each call leaves what does not see it planned, after the third", async () => {
    const layer = (n: number): string => `    q${n} = torch.tanh(torch.matmul(torch.add(x${n - 1}, ${n}), w))
    k${n} = torch.cat([torch.select(cache, 0, ${n - 1}), torch.sigmoid(q${n})], 0)
    a${n} = torch.matmul(torch.softmax(torch.matmul(q${n}, torch.t(k${n})), -1), k${n})
    x${n} = torch.relu(torch.sub(torch.mul(torch.matmul(torch.exp(torch.neg(a${n})), w), 0.5), q${n}))
`;
    const model = await script(
      method(`  def forward(self: __torch__.Net, x0: Tensor, w: Tensor, cache: Tensor) -> Tuple[Tensor, Tensor]:
${layer(1)}${layer(2)}    return (x2, torch.stack([k1, k2]))
`),
    );
    const [s, plain] = [await onWasm(model), await onWasm(model, false)];
    let cache = wave(2, 1, 4);
    const counts: { readonly recorded: number; readonly compiled: number; readonly launched: number }[] = [];
    for (let token = 0; token < 12; token++) {
      const args = (): Tensor[] => [wave(1, 4), wave(4, 4), cache];
      const got = await s.forward(...args());
      expect(textOf(got)).toBe(textOf(await plain.forward(...args())));
      cache = (got as readonly Tensor[])[1] ?? cache;
      counts.push({ ...(s.planCounts() ?? { recorded: 0, compiled: 0, launched: 0 }) });
    }
    // One region for the first sizes, three between the instructions that the cache is seen by.
    const third = counts[2] ?? { recorded: NaN, compiled: NaN, launched: NaN };
    expect(third.compiled).toBe(4);
    counts.slice(3).forEach((c, i) => expect(c).toEqual({ ...third, launched: third.launched + 3 * (i + 1) }));
  });

  it("that grows leaves the rest planned where the region ends inside of what it calls", async () => {
    const model = await script(
      method(`  def forward(self: __torch__.Net, x: Tensor, cache: Tensor) -> Tuple[Tensor, float]:
    a = torch.mul(torch.exp(torch.neg(torch.tanh(x))), 0.5)
    all = torch.cat([cache, a], 0)
    b = torch.sigmoid(torch.relu(torch.sub(torch.add(torch.cos(torch.sum(all, [0])), a), torch.abs(x))))
    return (all, (self).last(b, ))
  def last(self: __torch__.Net, b: Tensor) -> float:
    return float(torch.sum(torch.exp(b)))
`),
    );
    const [s, plain] = [await onWasm(model), await onWasm(model, false)];
    let cache = wave(1, 4);
    const launched: (number | undefined)[] = [];
    for (let token = 0; token < 6; token++) {
      const got = await s.forward(wave(1, 4), cache);
      expect(textOf(got)).toBe(textOf(await plain.forward(wave(1, 4), cache)));
      cache = (got as readonly Tensor[])[0] ?? cache;
      launched.push(s.planCounts()?.launched);
    }
    const [, , , fourth = NaN, fifth = NaN, sixth = NaN] = launched;
    expect([fifth - fourth, sixth - fifth]).toEqual([3, 3]); // before, behind, and inside of `last` up to the read
  });

  it("that grows with each call is neither planned nor compiled for after the third", async () => {
    const s = await onWasm(
      await script(
        method(`  def forward(self: __torch__.Net, cache: Tensor, x: Tensor) -> Tensor:
    return torch.cat([cache, torch.relu(torch.add(x, 1))], 1)
`),
      ),
    );
    let cache = wave(2, 1, 4);
    const counts: unknown[] = [];
    for (let token = 0; token < 40; token++) {
      cache = (await s.forward(cache, wave(2, 1, 4))) as Tensor;
      if (token >= 3) counts.push({ ...s.planCounts() });
    }
    expect(cache.shape).toEqual([2, 41, 4]);
    expect(new Set(counts.map((c) => JSON.stringify(c))).size).toBe(1);
  });
});

describe("sizes that come in any order", () => {
  const model = method(`  def forward(self: __torch__.Net, x: Tensor) -> Tensor:
    y = torch.tanh(torch.matmul(x, torch.t(x)))
    return torch.relu(torch.sub(torch.mul(torch.matmul(torch.exp(torch.neg(y)), x), 0.5), x))
`);

  it("get plans when they come again, however many others came between", async () => {
    const [s, plain] = [await onWasm(await script(model)), await onWasm(await script(model), false)];
    const sizes = Array.from({ length: 90 }, (_, i) => 1 + ((i * 37) % 90));
    for (const n of sizes) await s.forward(wave(n, 4));
    expect(s.planCounts()?.compiled).toBe(1); // each came once
    for (let round = 0; round < 4; round++) for (const n of [7, 80, 33]) await s.forward(wave(n, 4));
    const { compiled = NaN, launched = NaN } = s.planCounts() ?? {};
    for (const n of [7, 80, 33]) expect(textOf(await s.forward(wave(n, 4)))).toBe(textOf(await plain.forward(wave(n, 4))));
    expect(s.planCounts()).toMatchObject({ compiled, launched: launched + 3 });
  });

  it("share the memory for what is inside of plans", async () => {
    const backend = wasm();
    const s = await (await script(model)).session({ backend });
    const used: number[] = [];
    for (const n of [600, 500, 400, 300]) {
      for (let round = 0; round < 3; round++) await s.forward(wave(n, 4));
      used.push(backend.live().bytes);
    }
    expect(s.plans().map(({ launches }) => launches > 0)).toEqual([true, true, true, true]);
    const [first = NaN, last = NaN] = [used[0], used.at(-1)];
    expect(last - first).toBeLessThan(300 * 300 * 4); // less than any of the products
  });
});

describe("what the machine keeps to itself", () => {
  it("branches on values, with planned lines around them", async () => {
    const model = await script(
      method(`  def forward(self: __torch__.Net, x: Tensor) -> Tensor:
    y = torch.mul(torch.add(x, 1), 2)
    if bool(torch.gt(torch.sum(y), 0)):
      z = torch.neg(y)
    else:
      z = torch.relu(torch.exp(y))
    return torch.add(z, 1)
`),
    );
    const [on, off] = [await onWasm(model), await onWasm(model, false)];
    for (let run = 0; run < 6; run++) {
      const x = run % 2 === 0 ? Tensor.from([1, 2, 3], [3], "float32") : Tensor.from([-4, -5, 6], [3], "float32");
      expect(textOf(await on.forward(x))).toBe(textOf(await off.forward(x)));
    }
    expect(on.planCounts()?.launched).toBeGreaterThan(6);
  });

  it("attributes that are set, lists that are appended to, and writes into arguments", async () => {
    const model = await script(
      `class Net(Module):
  __parameters__ = []
  __buffers__ = []
  count : int
  def forward(self: __torch__.Net, x: Tensor, seen: List[Tensor]) -> Tensor:
    y = torch.mul(torch.add(x, 1), 2)
    self.count = torch.add(self.count, 1)
    _0 = torch.append(seen, torch.neg(y))
    _1 = torch.add_(x, self.count)
    return torch.mul(torch.add(y, self.count), 3)
`,
      { count: 0 },
    );
    const run = async (plan: boolean): Promise<string> => {
      const s = await onWasm(model, plan);
      const x = wave(4);
      const seen: Tensor[] = [];
      const out: unknown[] = [];
      for (let i = 0; i < 5; i++) out.push(await s.forward(x, seen));
      return textOf([out, x, seen, s.attribute("count").value]);
    };
    expect(await run(true)).toBe(await run(false));
  });

  it("the place of an error in the author's code", async () => {
    const model = await script(
      method(`  def forward(self: __torch__.Net, table: Tensor, at: Tensor) -> Tensor:
    y = torch.mul(table, 2)
    return torch.add(torch.index_select(y, 0, at), 1)
`),
    );
    const s = await onWasm(model);
    const at = (i: number): Tensor => Tensor.from([BigInt(i)], [1], "int64");
    const failure = (): Promise<OpwiseError> => s.forward(wave(3, 2), at(7)).then(() => { throw new Error("no error"); }, (e: OpwiseError) => e);
    const first = await failure();
    for (let run = 0; run < 3; run++) await s.forward(wave(3, 2), at(1));
    const planned = await failure();
    expect(s.planCounts()?.launched).toBeGreaterThan(0);
    expect([planned.message, planned.where.op, planned.where.line]).toEqual([first.message, first.where.op, first.where.line]);
  });
});

it("weights are constants of a plan until something writes them", async () => {
  const model = await load(join(import.meta.dirname, "golden/models/traced_patches/model.pt"));
  const s = await onWasm(model);
  const [[name, weight] = ["", Tensor.zeros([])]] = [...s.parameters()];
  const shape = [1, 2, 8, 8];
  const before: string[] = [];
  for (let run = 0; run < 3; run++) before.push(textOf(await s.forward(wave(...shape))));
  s.loadStateDict({ [name]: Tensor.from(Float32Array.from(numbers(weight), (v) => v + 1), weight.shape) }, { strict: false });
  const after: string[] = [];
  for (let run = 0; run < 3; run++) after.push(textOf(await s.forward(wave(...shape))));
  expect(new Set(before).size).toBe(1);
  expect(new Set(after).size).toBe(1);
  expect(after[0]).not.toBe(before[0]);
});

it("values that are alive at the same time never share memory, and what is free is used again", () => {
  const lives = fc.array(fc.record({ bytes: fc.integer({ min: 0, max: 300 }), first: fc.integer({ min: 0, max: 20 }), length: fc.integer({ min: 0, max: 8 }) }), { maxLength: 30 });
  fc.assert(
    fc.property(lives, (specs) => {
      const lifetimes = specs.map(({ bytes, first, length }) => ({ storage: Storage.allocate(bytes), first, last: first + length }));
      const { offsets, bytes } = placeByLifetime(lifetimes, 64);
      for (const [i, a] of lifetimes.entries()) {
        const [from, to] = [offsets.get(a.storage) ?? -1, (offsets.get(a.storage) ?? -1) + a.storage.nbytes];
        expect(from % 64).toBe(0);
        expect(to).toBeLessThanOrEqual(bytes);
        for (const b of lifetimes.slice(i + 1)) {
          const [low, high] = [offsets.get(b.storage) ?? -1, (offsets.get(b.storage) ?? -1) + b.storage.nbytes];
          const together = a.first <= b.last && b.first <= a.last;
          expect(together && from < high && low < to).toBe(false);
        }
      }
      expect(bytes).toBeLessThanOrEqual(lifetimes.reduce((n, l) => n + Math.ceil(Math.max(1, l.storage.nbytes) / 64) * 64, 0));
    }),
    { numRuns: 200 },
  );
});

it("a plan on several threads gives the bits of one", async () => {
  const model = await script(
    method(`  def forward(self: __torch__.Net, x: Tensor, w: Tensor, v: Tensor) -> Tensor:
    y = torch.relu(torch.conv2d(x, w, None, [1, 1], [1, 1]))
    z = torch.softmax(torch.matmul(torch.flatten(y, 2), v), -1)
    return torch.tanh(torch.add(torch.mul(z, 3), torch.exp(z)))
`),
  );
  const inputs = (): Tensor[] => [wave(2, 16, 32, 32), wave(32, 16, 3, 3), wave(1024, 96)];
  const one = await onWasm(model);
  const backend = wasm({ threads: 3, workerUrl: THREAD_WORKER });
  const three = await model.session({ backend });
  for (let wait = 0; backend.threads.running < 3 && backend.threads.refused === undefined && wait < 200; wait++) await new Promise((resume) => setTimeout(resume, 20));
  expect(backend.threads).toEqual({ count: 3, running: 3, refused: undefined });
  const wanted = textOf(await one.forward(...inputs()));
  for (let run = 0; run < 4; run++) expect(textOf(await three.forward(...inputs()))).toBe(wanted);
  expect(three.planCounts()?.launched).toBe(4);
  backend.dispose();
}, 30_000);
