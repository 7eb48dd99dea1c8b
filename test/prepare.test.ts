/** Sessions made ready for sizes: what is done before there is data, what is left to a run, and that nothing else changes. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { textOf } from "../scripts/runner/plan-case.ts";
import { MessageWriter } from "../src/bytes/protobuf-writer.ts";
import { WasmBuffer } from "../src/backends/wasm/buffer.ts";
import { load, type Model, type Session, Tensor, wasm } from "../src/index.ts";
import { onnxGraph, scriptArchive } from "./support/archive.ts";

const script = (code: string, attributes: Parameters<typeof scriptArchive>[1] = {}): Promise<Model> => load(scriptArchive(code, attributes));
const method = (body: string): string => `class Net(Module):\n  __parameters__ = []\n  __buffers__ = []\n${body}`;
const wave = (...shape: number[]): Tensor =>
  Tensor.from(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 1.7) * 3),
    shape,
  );
const counts = (s: Session): unknown => ({ ...s.planCounts() });

const NET = method(`  def forward(self: __torch__.Net, x: Tensor, w: Tensor) -> Tensor:
    return torch.relu(torch.conv2d(x, w, None, [1, 1], [1, 1]))
`);

describe("a session made ready for sizes", () => {
  it("has compiled before the first call, and launches then", async () => {
    const model = await script(NET);
    const s = await model.session({ backend: wasm(), prepare: [wave(1, 3, 8, 8), wave(4, 3, 3, 3)] });
    expect(counts(s)).toEqual({ recorded: 1, compiled: 1, launched: 0 });
    const got = await s.forward(wave(1, 3, 8, 8), wave(4, 3, 3, 3));
    expect(counts(s)).toEqual({ recorded: 1, compiled: 1, launched: 1 });
    expect(textOf(got)).toBe(textOf(await (await model.session({ backend: wasm(), plan: false })).forward(wave(1, 3, 8, 8), wave(4, 3, 3, 3))));
  });

  it("runs at other sizes as well", async () => {
    const model = await script(NET);
    const s = await model.session({ backend: wasm(), prepare: [wave(1, 3, 8, 8), wave(4, 3, 3, 3)] });
    const other = [wave(2, 3, 5, 7), wave(2, 3, 3, 3)];
    expect(textOf(await s.forward(...other))).toBe(textOf(await (await model.session({ backend: wasm(), plan: false })).forward(...other)));
  });

  it("is ready for what an ONNX file declares, unless it is told not to be", async () => {
    const value = (name: string, size: number | string) => (w: MessageWriter) =>
      void w
        .string(1, name)
        .message(2, (type) => type.message(1, (t) => t.int(1, 1).message(2, (s) => s.message(1, (d) => (typeof size === "number" ? d.int(1, size) : d.string(2, size))))));
    const file = (size: number | string): Uint8Array =>
      new MessageWriter()
        .int(1, 9)
        .message(7, (g) => {
          g.message(1, (n) => n.string(1, "x").string(2, "y").string(4, "Exp"));
          g.message(11, value("x", size)).message(12, value("y", size));
        })
        .message(8, (o) => o.int(2, 17))
        .finish();
    const compiled = async (size: number | string, prepare?: false): Promise<number | undefined> =>
      (await (await load(file(size))).session({ backend: wasm(), ...(prepare === undefined ? {} : { prepare }) })).planCounts()?.compiled;
    expect([await compiled(7), await compiled("n"), await compiled(7, false)]).toEqual([1, 0, 0]);
  });

  it("changes nothing of the session: counters, lists and random numbers are those of one run", async () => {
    const model = await script(
      method(`  n : int
  def forward(self: __torch__.Net, x: Tensor) -> Tuple[Tensor, int, Tensor]:
    y = torch.exp(x)
    self.n = torch.add(self.n, 1)
    z = torch.mul(torch.add_(y, self.n), 2)
    return (z, self.n, torch.rand([3]))
`),
      { n: 0 },
    );
    const plain = await model.session();
    const ready = await model.session({ backend: wasm(), prepare: [wave(5)] });
    expect(ready.planCounts()?.compiled).toBe(1);
    for (let run = 1; run <= 3; run++) {
      const [z, n, random] = (await ready.forward(wave(5))) as [Tensor, number, Tensor];
      const [, wantedN, wantedRandom] = (await plain.forward(wave(5))) as [Tensor, number, Tensor];
      expect([n, wantedN, textOf(random)]).toEqual([run, run, textOf(wantedRandom)]);
      expect(Number(z.data[0])).toBe(2 * (1 + run));
    }
  });

  it("does not write to buffers, through views of them either", async () => {
    const s = await (await load(join(import.meta.dirname, "golden/models/shared_storage/model.pt"))).session({ backend: wasm(), prepare: [wave(2, 3)] });
    const base = s.stateDict().get("base");
    expect(Array.from(base?.data ?? [], Number)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    await s.forward(wave(2, 3));
    expect(Array.from(s.stateDict().get("base")?.data ?? [], Number).slice(3, 6)).toEqual([3, 208, 10]);
  });

  it("does not write to arguments or weights", async () => {
    const model = await script(
      method(`  def forward(self: __torch__.Net, x: Tensor) -> Tensor:
    y = torch.exp(x)
    return torch.add(torch.add_(x, 1), y)
`),
    );
    const x = wave(4);
    const s = await model.session({ backend: wasm(), prepare: [x] });
    expect(textOf(x)).toBe(textOf(wave(4)));
    await s.forward(x);
    expect(Number(x.data[1])).toBeCloseTo(Number(wave(4).data[1]) + 1, 5);
  });

  it("gathers and scatters by integers in a plan made ready, beside another session on the backend", async () => {
    const model = await script(
      method(`  def forward(self: __torch__.Net, x: Tensor, i: Tensor, t: Tensor) -> Tensor:
    y = torch.embedding(t, i)
    z = torch.index_add(x, 0, i, y)
    return torch.add(torch.scatter(z, 0, torch.unsqueeze(i, 1), y), torch.index_select(t, 0, i))
`),
    );
    const backend = wasm();
    const args = [wave(6, 5), Tensor.from([5, 0, 3, 3, 1, 2], [6], "int64"), wave(6, 5)];
    const used = await script(NET);
    const before = await used.session({ backend, prepare: [wave(1, 3, 8, 8), wave(4, 3, 3, 3)] });
    const want = textOf(await before.forward(wave(1, 3, 8, 8), wave(4, 3, 3, 3)));
    const s = await model.session({ backend, prepare: args });
    expect(textOf(await s.forward(...args))).toBe(textOf(await (await model.session({ backend: wasm(), plan: false })).forward(...args)));
    expect(textOf(await before.forward(wave(1, 3, 8, 8), wave(4, 3, 3, 3)))).toBe(want);
  });

  it("is ready up to where values decide", async () => {
    const model = await script(
      method(`  def forward(self: __torch__.Net, x: Tensor) -> Tensor:
    y = torch.mul(torch.exp(x), 2)
    if bool(torch.gt(torch.sum(y), 0)):
      z = torch.neg(y)
    else:
      z = y
    return z
`),
    );
    const s = await model.session({ backend: wasm(), prepare: [wave(6)] });
    expect(counts(s)).toEqual({ recorded: 1, compiled: 1, launched: 0 });
    for (let run = 0; run < 3; run++) expect(textOf(await s.forward(wave(6)))).toBe(textOf(await (await model.session({ backend: wasm(), plan: false })).forward(wave(6))));
  });

  it("says nothing of arguments that cannot be: the call does, and right ones are planned for", async () => {
    const s = await (await script(NET)).session({ backend: wasm(), prepare: [wave(1, 2, 8, 8), wave(4, 3, 3, 3)] });
    expect(counts(s)).toEqual({ recorded: 1, compiled: 0, launched: 0 });
    await expect(s.forward(wave(1, 2, 8, 8), wave(4, 3, 3, 3))).rejects.toThrow("expected input[1, 2, 8, 8] to have 3 channels");
    for (let run = 0; run < 2; run++) await s.forward(wave(1, 3, 8, 8), wave(4, 3, 3, 3));
    expect(s.planCounts()?.compiled).toBe(1);
    expect(s.plans()[0]?.steps.length).toBe(1);
  });

  it("ends a loop that never ends", async () => {
    const s = await (
      await script(
        method(`  def forward(self: __torch__.Net, x: Tensor, n: int) -> Tensor:
    _0 = torch.exp(x)
    i = 0
    _1 = torch.lt(i, n)
    while _1:
      i = torch.add(i, 0)
      _1 = torch.lt(i, n)
    return _0
`),
      )
    ).session({ backend: wasm(), prepare: [wave(2), 1] });
    await expect(s.call("forward", [wave(2), 1], {}, { maxSteps: 1000 })).rejects.toThrow("more than 1000 steps");
    expect(textOf(await s.forward(wave(2), 0))).toBe(textOf(await (await script(method(`  def forward(self: __torch__.Net, x: Tensor) -> Tensor:\n    return torch.exp(x)\n`))).session({ backend: wasm() }).then((e) => e.forward(wave(2)))));
  });
});

describe("weights of a session made ready", () => {
  const MODEL = join(import.meta.dirname, "../examples/shapes/model.pt");
  const picture = (): Tensor => wave(1, 1, 32, 32);

  it("keep no copy where only packed forms are read, and can be had back and written", async () => {
    const model = await load(new Uint8Array(readFileSync(MODEL)));
    const [backend, whole] = [wasm(), wasm()];
    const ready = await model.session({ backend, prepare: [picture()] });
    const brought = await model.session({ backend: whole, plan: false });
    const packed = [...ready.parameters().values()].map((t) => t.storage.bufferOn(backend)).filter((b) => b instanceof WasmBuffer && b.packed.size > 0);
    expect(packed.length).toBeGreaterThan(1);
    expect(packed.filter((b) => b instanceof WasmBuffer && b.block !== undefined)).toEqual([]);
    const wanted = textOf(await brought.forward(picture()));
    expect(textOf(await ready.forward(picture()))).toBe(wanted);
    for (const [name, tensor] of ready.stateDict()) expect(tensor.data).toEqual(brought.stateDict().get(name)?.data);
    expect(textOf(await ready.forward(picture()))).toBe(wanted);
    const doubled = new Map([...ready.parameters()].map(([name, t]) => [name, Tensor.from(Float32Array.from(t.data as Float32Array, (v) => 2 * v), t.shape)])); // float32 parameters
    for (const s of [ready, brought]) s.loadStateDict(doubled, { strict: false });
    for (let run = 0; run < 3; run++) expect(textOf(await ready.forward(picture()))).toBe(textOf(await brought.forward(picture())));
    ready.dispose();
    expect(backend.live().buffers).toBe(0);
  });

  it("are read again where an unplanned run needs them", async () => {
    const model = await load(MODEL);
    const s = await model.session({ backend: wasm(), prepare: [picture()] });
    const wanted = textOf(await s.forward(picture()));
    expect(textOf(await s.call("forward", [picture()], {}, { listener: () => undefined }))).toBe(wanted);
    expect(textOf(await s.forward(picture()))).toBe(wanted);
  });

  /** Weights that are packed where they are, elsewhere, in both ways, or read as they are before or after that; some do not fill their panels. */
  const NODES = [
    { op: "Mul", inputs: ["table", "x"], outputs: ["a"] },
    { op: "Gemm", inputs: ["a", "table"], outputs: ["b"], attributes: { transB: 1 } },
    { op: "MatMul", inputs: ["b", "across"], outputs: ["c"] },
    { op: "MatMul", inputs: ["c", "down"], outputs: ["d"] },
    { op: "Gemm", inputs: ["d", "odd"], outputs: ["e"], attributes: { transB: 1 } },
    { op: "Mul", inputs: ["odd", "x"], outputs: ["f"] },
    { op: "Gemm", inputs: ["f", "odd"], outputs: ["g"], attributes: { transB: 1 } },
    { op: "MatMul", inputs: ["e", "g"], outputs: ["y"] },
  ];
  const grid = (rows: number, columns: number): Tensor =>
    Tensor.from(
      Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 1.7) / 10),
      [rows, columns],
    );
  const weights = new Map([["table", grid(136, 130)], ["across", grid(136, 144)], ["down", grid(144, 132)], ["odd", grid(131, 132)]]);

  it.each([1, 2])("come from their file while plans are compiled, and give the same bits (threads: %i)", async (threads) => {
    const folder = mkdtempSync(join(tmpdir(), "opwise-prepare-"));
    const content = onnxGraph(NODES, ["x"], ["y"], weights);
    writeFileSync(join(folder, "model.onnx"), content);
    const x = wave(1);
    const wanted = await (await (await load(content)).session({ backend: wasm(), plan: false })).run({ x });
    const model = await load(join(folder, "model.onnx"));
    const backend = wasm({ threads });
    for (const prepare of [{ x }, false] as const) {
      // Two that are made at the same time share the backend's memory.
      const sessions = await Promise.all([model.session({ backend, prepare }), model.session({ backend, prepare })]);
      for (let run = 0; run < 3; run++) for (const s of sessions) expect(textOf((await s.run({ x }))["y"] ?? null)).toBe(textOf(wanted["y"] ?? null));
      for (const s of sessions) s.dispose();
      expect(backend.live().buffers).toBe(0);
    }
    backend.dispose();
    rmSync(folder, { recursive: true });
  });

  it("that cannot be read end the making of the session, and leave nothing", async () => {
    const file = new Uint8Array(readFileSync(MODEL));
    const weight = (await (await load(file)).session()).parameters().values().next().value ?? Tensor.zeros([0]);
    const at = Buffer.from(file).indexOf(Buffer.from(weight.storage.bytes()).subarray(0, 64));
    file[at + 5] = (file[at + 5] ?? 0) ^ 255;
    const folder = mkdtempSync(join(tmpdir(), "opwise-prepare-"));
    writeFileSync(join(folder, "model.pt"), file);
    for (const from of [file, join(folder, "model.pt")]) {
      const backend = wasm();
      const model = await load(from);
      const before = backend.live().bytes;
      await expect(model.session({ backend, prepare: [picture()] })).rejects.toThrow("its CRC-32 is wrong");
      expect(backend.live()).toEqual({ buffers: 0, bytes: before });
    }
    rmSync(folder, { recursive: true });
  });
});

it("an exponent of the file is known, one that is fed is not", async () => {
  const node = { op: "Pow", inputs: ["x", "n"], outputs: ["y"] };
  const known = (n: number): Map<string, Tensor> => new Map([["n", Tensor.from(Float32Array.of(n), [])]]);
  const names = async (file: Uint8Array, feeds: Readonly<Record<string, Tensor>>): Promise<unknown> => {
    const s = await (await load(file)).session({ backend: wasm() });
    const { y } = await s.run(feeds);
    return [s.plans()[0]?.steps.map(({ what }) => ("program" in what ? what.program.name : what.kind)), y instanceof Tensor ? Array.from(y.data, Number) : y];
  };
  const x = (): Tensor => Tensor.from(Float32Array.of(3, -1.5), [2]);
  expect(await names(onnxGraph([node], ["x"], ["y"], known(2)), { x: x() })).toEqual([["pow_2"], [9, 2.25]]);
  expect(await names(onnxGraph([node], ["x"], ["y"], known(3)), { x: x() })).toEqual([["pow_3"], [27, -3.375]]);
  expect(await names(onnxGraph([node], ["x", "n"], ["y"], new Map()), { x: x(), n: Tensor.from(Float32Array.of(2), []) })).toEqual([["pow"], [9, 2.25]]);
});
