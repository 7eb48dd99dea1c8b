/** `benchmark`, the inputs it is given where there are none, and what `opwise bench` prints. */

import { join } from "node:path";
import { expect, test } from "vitest";
import { parseShapes, reportLines } from "../src/cli/bench.ts";
import { UsageError } from "../src/cli/arguments.ts";
import { benchmark, exampleInputs, load, type Program, Tensor } from "../src/index.ts";
import { latencyOf, percentile } from "../src/run/benchmark.ts";
import { scriptArchive } from "./support/archive.ts";

const SHAPES = join(import.meta.dirname, "../examples/shapes/model.pt");

test("a percentile is the nearest rank: one of the values, by whichever share of them lies at or below it", () => {
  const values = Array.from({ length: 200 }, (_, i) => i + 1);
  expect([0, 0.5, 0.95, 0.99, 1].map((share) => percentile(values, share))).toEqual([1, 100, 190, 198, 200]);
  expect([0.5, 0.95, 0.99].map((share) => percentile([7], share))).toEqual([7, 7, 7]);
  expect(() => percentile([], 0.5)).toThrow("nothing was measured");
});

test("latencies need not come sorted", () => {
  expect(latencyOf([30, 10, 20])).toEqual({ min: 10, mean: 20, p50: 20, p95: 30, p99: 30, max: 30 });
});

const model = await load(
  scriptArchive(`class Net(Module):
  __parameters__ = []
  def forward(self: __torch__.Net,
    x: Tensor) -> Tensor:
    return torch.mul(x, 2)
  def fail(self: __torch__.Net,
    x: Tensor) -> Tensor:
    if bool(torch.gt(torch.sum(x), 0)):
      ops.prim.RaiseException("asked to", "builtins.ValueError")
    return x
`),
);
const x = Tensor.from([1, -1], [2], "float32");

test("every client's runs are counted, and no more are made than were asked for", async () => {
  let sessions = 0;
  const result = await benchmark(
    () => {
      sessions++;
      return model.session();
    },
    { args: [x], kwargs: {} },
    { concurrency: 3, maxRuns: 10, seconds: 60 },
  );
  expect([sessions, result.concurrency, result.runs, result.errors, result.errorRate]).toEqual([3, 3, 10, 0, 0]);
  expect(result.latency?.p50).toBeGreaterThan(0);
  expect(result.throughput).toBeCloseTo((1000 * 10) / result.wall, 6);
  expect(result.load).toBeGreaterThan(0);
  expect(result.first).toBeGreaterThan(0);
  expect(result.cpu?.user).toBeGreaterThanOrEqual(0);
  expect(result.memory?.peak).toBeGreaterThan(10 * 2 ** 20);
  expect(result.gc?.count).toBeGreaterThanOrEqual(0);
});

test("a run that fails is an error with its message, and the client goes on", async () => {
  // The first run must succeed: the input turns bad afterwards.
  const input = Tensor.from([-1, -1], [2], "float32");
  const first = await model.session();
  const spoil = (): void => {
    input.storage.beginHostWrite();
    input.data.fill(1 as never); // a float32 tensor's data
  };
  const call = first.call.bind(first);
  let runs = 0;
  first.call = async (...args) => {
    if (++runs === 2) spoil();
    return call(...args);
  };
  const result = await benchmark(() => Promise.resolve(first), { args: [input], kwargs: {} }, { method: "fail", warmup: 0, maxRuns: 4, seconds: 60 });
  expect([result.runs, result.errors, result.errorRate]).toEqual([0, 4, 1]);
  expect(result.latency).toBeUndefined();
  expect(result.messages).toEqual([{ message: expect.stringContaining("asked to") as string, count: 4 }]);
  expect(reportLines(result).join("\n")).toContain("4 errors (100.0 %)");
});

test("bad options and an aborted run are typed errors", async () => {
  const make = (): ReturnType<typeof model.session> => model.session();
  const inputs = { args: [x], kwargs: {} };
  await expect(benchmark(make, inputs, { concurrency: 0 })).rejects.toMatchObject({ code: "bad-argument" });
  await expect(benchmark(make, inputs, { seconds: 0 })).rejects.toMatchObject({ code: "bad-argument" });
  await expect(benchmark(make, inputs, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "aborted" });
});

test("a report says latency, throughput, processor, memory and collections", () => {
  const lines = reportLines({
    concurrency: 2,
    load: 12.345,
    first: 250,
    runs: 99,
    errors: 1,
    errorRate: 0.01,
    messages: [{ message: "asked to\nat x", count: 1 }],
    wall: 2000,
    throughput: 49.5,
    latency: { min: 1, mean: 2, p50: 1.5, p95: 3, p99: 4, max: 123.4 },
    cpu: { user: 1500, system: 100 },
    memory: { resident: 2 ** 27, peak: 2 ** 28, heap: 2 ** 24, device: 2 ** 22 },
    gc: { count: 3, ms: 20 },
  });
  expect(lines).toEqual([
    "session ready 12.3 ms, first run 250 ms",
    "runs          99 in 2.0 s by 2 clients, 1 errors (1.0 %)",
    "       1  asked to",
    "latency       p50 1.50 ms  p95 3.00 ms  p99 4.00 ms  mean 2.00 ms  min 1.00 ms  max 123 ms",
    "throughput    49.5 runs a second",
    "processor     user 75 %, system 5 % of one core",
    "memory        resident 128 MB, at most 256 MB; heap 16 MB; on the backend 4 MB",
    "collections   3, 20.0 ms (1 %)",
  ]);
});

test("--shape words are names, sizes and dtypes", () => {
  expect(parseShapes(["x=1,3,8,8", "ids=4:int64", "s="])).toEqual({
    x: { shape: [1, 3, 8, 8], dtype: undefined },
    ids: { shape: [4], dtype: "int64" },
    s: { shape: [], dtype: undefined },
  });
  for (const word of ["x", "x=a", "x=1:float99", "=1"]) expect(() => parseShapes([word])).toThrow(UsageError);
});

function onnxProgram(): Program {
  const n = { op: "symbol", name: "batch", args: [] } as const;
  const inputs = [
    { name: "x", type: { kind: "Tensor", dtype: "float32", shape: [n, 3] } },
    { name: "ids", type: { kind: "Tensor", dtype: "int64", shape: [{ op: "+", args: [n, 1] }] } },
    { name: "scale", type: { kind: "Tensor", dtype: "float32", shape: [] }, optional: true },
  ] as const;
  return { format: "onnx", version: "", name: "n", classes: new Map(), functions: new Map(), extra: new Map(), inputs, outputs: [] };
}

test("inputs are made up by declared shapes and dtypes; a symbol's size is given by its name", () => {
  const { args, kwargs } = exampleInputs(onnxProgram(), { batch: { shape: [2] } });
  expect(args).toEqual([]);
  expect(Object.keys(kwargs)).toEqual(["x", "ids"]);
  expect(Object.values(kwargs).map((t) => (t instanceof Tensor ? [t.dtype, t.shape] : t))).toEqual([
    ["float32", [2, 3]],
    ["int64", [3]],
  ]);
});

test("an open dim, an unknown name and a TorchScript input without a shape are refused with what is wanted", async () => {
  expect(() => exampleInputs(onnxProgram())).toThrow("does not say the shape of the input `x`");
  expect(() => exampleInputs(onnxProgram(), { batch: { shape: [1] }, y: { shape: [1, 2] } })).toThrow("no input or symbol `y`");
  const { program } = await load(SHAPES);
  expect(() => exampleInputs(program)).toThrow("does not say the shape");
  const made = exampleInputs(program, {
    [program.root?.kind === "object" ? (program.root.class.methods.get("forward")?.params[1]?.name ?? "") : ""]: { shape: [1, 1, 32, 32] },
  });
  expect(made.args.map((t) => (t instanceof Tensor ? t.shape : t))).toEqual([[1, 1, 32, 32]]);
});
