/** How fast the cpu backend is, as ratios of things measured in the same run, for machines differ. Nothing is asserted. */

import { Bench } from "tinybench";
import { cpu, type Datum, load, Tensor } from "../src/index.ts";
import { scriptArchive } from "../test/support/archive.ts";
import { call, eagerContext } from "../test/support/eager.ts";

const MINIMUM_MS = 400;

/** Median milliseconds of each named function, warmed up and run in turn. */
async function medians(tasks: Readonly<Record<string, () => unknown>>): Promise<Readonly<Record<string, number>>> {
  const bench = new Bench({ time: MINIMUM_MS, iterations: 5, warmupIterations: 2, warmupTime: 50 });
  for (const [name, run] of Object.entries(tasks)) {
    bench.add(name, () => {
      run();
    });
  }
  const done = await bench.run();
  return Object.fromEntries(
    done.map((task) => {
      if (!("latency" in task.result)) throw new Error(`${task.name}: ${"error" in task.result ? String(task.result.error) : "no result"}`);
      return [task.name, task.result.latency.p50];
    }),
  );
}

/** Deterministic numbers around zero. */
function noise(...shape: number[]): Tensor {
  let state = 1;
  const size = shape.reduce((n, s) => n * s, 1);
  return Tensor.from(
    Float32Array.from({ length: size }, () => (state = (state * 48271) % 2147483647) / 1073741824 - 1),
    shape,
  );
}
const floats = (tensor: Tensor): Float32Array => {
  const { data } = tensor;
  if (data instanceof Float32Array) return data;
  throw new TypeError("float32 was expected");
};

/** A line of the report: what was measured, then each measurement with its ratio to the first. */
function report(what: string, times: Readonly<Record<string, number>>, flops?: number): void {
  const entries = Object.entries(times);
  const first = entries[0]?.[1] ?? NaN;
  console.log(what);
  for (const [name, ms] of entries) {
    const rate = flops === undefined ? "" : `${(flops / ms / 1e6).toFixed(2).padStart(8)} GFLOP/s`;
    console.log(`  ${name.padEnd(28)}${ms.toPrecision(3).padStart(10)} ms${(ms / first).toFixed(2).padStart(9)} x${rate}`);
  }
}

async function product(): Promise<void> {
  const n = 512;
  const [a, b] = [noise(n, n), noise(n, n)];
  const context = eagerContext();
  const [x, y, out] = [floats(a), floats(b), new Float32Array(n * n)];
  const plain = (): void => {
    out.fill(0);
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < n; k++) {
        const v = x[i * n + k] ?? 0;
        for (let j = 0; j < n; j++) out[i * n + j] = (out[i * n + j] ?? 0) + v * (y[k * n + j] ?? 0);
      }
    }
  };
  report(`matrix product, ${n} x ${n}`, await medians({ "aten::mm": () => call("aten::mm", [a, b], context), "three plain loops": plain }), 2 * n ** 3);
}

async function convolution(): Promise<void> {
  const [channels, side] = [64, 56];
  const [x, w] = [noise(1, channels, side, side), noise(channels, channels, 3, 3)];
  const context = eagerContext();
  const ints = (...items: number[]): Datum => ({ kind: "list", elem: { kind: "int" }, items });
  const conv = (): unknown => call("aten::conv2d", [x, w, null, ints(1, 1), ints(1, 1), ints(1, 1), 1], context);
  const [rows, depth] = [noise(side * side, 9 * channels), noise(9 * channels, channels)];
  const same = (): unknown => call("aten::mm", [rows, depth], context);
  report(
    `convolution 3 x 3, ${channels} channels of ${side} x ${side}`,
    await medians({ "aten::conv2d": conv, "aten::mm of as much work": same }),
    2 * 9 * channels ** 2 * side ** 2,
  );
}

async function elementwise(): Promise<void> {
  const n = 1 << 20;
  const [a, b] = [noise(n), noise(n)];
  const [printed, composed] = [eagerContext(true), eagerContext(false)];
  const [x, y] = [floats(a), floats(b)];
  const plain = (f: (i: number) => number) => () => {
    const out = new Float32Array(n);
    for (let i = 0; i < n; i++) out[i] = f(i);
    return out;
  };
  const at = (values: Float32Array, i: number): number => values[i] ?? 0;
  report(
    `add, ${n} elements`,
    await medians({
      "printed loops": () => call("aten::add.Tensor", [a, b], printed),
      "composed closures": () => call("aten::add.Tensor", [a, b], composed),
      "a plain loop": plain((i) => at(x, i) + at(y, i)),
    }),
  );
  report(
    `gelu (tanh), ${n} elements`,
    await medians({
      "printed loops": () => call("aten::gelu", [a, "tanh"], printed),
      "composed closures": () => call("aten::gelu", [a, "tanh"], composed),
      "a plain loop": plain((i) => 0.5 * at(x, i) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (at(x, i) + 0.044715 * at(x, i) * at(x, i) * at(x, i))))),
    }),
  );
}

const LOOPS = `class Net(Module):
  __parameters__ = []
  def ints(self: __torch__.Net,
    n: int) -> int:
    total = 0
    for i in range(n):
      total = torch.add(torch.remainder(torch.mul(total, 3), 1000003), i)
    return total
  def tensors(self: __torch__.Net,
    x: Tensor,
    n: int) -> Tensor:
    y = x
    for i in range(n):
      y = torch.sub(torch.mul(torch.add(y, x), 2), x)
    return y
`;

async function interpretation(): Promise<void> {
  const model = await load(scriptArchive(LOOPS));
  const session = await model.session({ backend: cpu() });
  const [trips, x] = [2000, noise(4)];
  const perOp = (ms: number): string => `${((ms * 1000) / (3 * trips)).toFixed(2)} µs an op`;
  const times = await medians({
    "three int ops a trip": () => session.callSync("ints", [trips]),
    "three tensor ops a trip": () => session.callSync("tensors", [x, trips]),
  });
  report(`a scripted loop, ${trips} trips`, times);
  for (const [name, ms] of Object.entries(times)) console.log(`    ${name}: ${perOp(ms)}`);
}

/** All comparisons, printed one after the other. */
export async function micro(): Promise<void> {
  console.log("medians, and times as multiples of the first of each group\n");
  await product();
  await convolution();
  await elementwise();
  await interpretation();
}
