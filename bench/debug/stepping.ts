/**
 * `npx tsx bench/debug/stepping.ts`: a step back in a model of 5,000 ops, from random places and one after another. The budget of the issue: under 200 ms at the median.
 */

import { load, Tensor } from "../../src/index.ts";
import { Timeline } from "../../src/debug/timeline.ts";
import { scriptArchive } from "../../test/support/archive.ts";

const LAYERS = 1_000;
const WIDTH = 64;

/** Five ops a layer: a product, a sum in place, an activation, a mean, a difference. */
function code(): string {
  const layers = Array.from({ length: LAYERS }, (_, i) => {
    const [x, y] = [`x${i}`, `x${i + 1}`];
    return `    p${i} = torch.matmul(${x}, w)\n    q${i} = torch.add_(p${i}, ${x})\n    r${i} = torch.tanh(q${i})\n    m${i} = torch.mean(r${i}, [1], True)\n    ${y} = torch.sub(r${i}, m${i})\n`;
  }).join("");
  return `class Net(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.Net, x0: Tensor, w: Tensor) -> Tensor:
${layers}    return x${LAYERS}
`;
}

function noise(...shape: number[]): Tensor {
  let state = 1;
  const size = shape.reduce((n, s) => n * s, 1);
  const data = Float32Array.from({ length: size }, () => (state = (state * 48271) % 2147483647) / 1073741824 - 1);
  return Tensor.from(data, shape);
}

function summary(what: string, times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (q: number): string => (sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN).toFixed(1).padStart(8);
  return `  ${what.padEnd(34)}p50 ${at(0.5)} ms   p95 ${at(0.95)} ms   worst ${at(1)} ms`;
}

const session = await (await load(scriptArchive(code(), { training: false }))).session();
const inputs = [noise(WIDTH, WIDTH), noise(WIDTH, WIDTH)];
const plain = performance.now();
await session.call("forward", inputs);
const plainMs = performance.now() - plain;
const timeline = new Timeline(session, session.begin("forward", inputs));
const begun = performance.now();
while (timeline.end === undefined) await timeline.forward();
const recorded = performance.now() - begun;

const timed = async (work: () => Promise<void>): Promise<number> => {
  const from = performance.now();
  await work();
  return performance.now() - from;
};
const scattered: number[] = [];
let seed = 7;
for (let i = 0; i < 200; i++) {
  seed = (seed * 48271) % 2147483647;
  await timeline.goTo(1 + (seed % (timeline.length - 1)));
  scattered.push(await timed(() => timeline.goTo(timeline.time - 1)));
}
await timeline.goTo(Infinity);
const walk: number[] = [];
for (let i = 0; i < 400; i++) walk.push(await timed(() => timeline.goTo(timeline.time - 1)));
const { checkpoints, bytes, widest } = timeline.history;
console.log(
  `${timeline.length} instructions, of ${WIDTH}x${WIDTH} numbers: plain run ${plainMs.toFixed(0)} ms, stepped with history ${recorded.toFixed(0)} ms`,
);
console.log(`history: ${checkpoints.length} checkpoints, ${(bytes / 1e6).toFixed(1)} MB, at most ${widest} steps apart`);
console.log(summary("a step back from random places", scattered));
console.log(summary("400 steps back, one after another", walk));
