/** What this machine gives on a backend: multiplications in a large product, and bytes in a large copy. The measure that profiles are held against. */

import type { Executor } from "../run/executor.ts";
import { contract, copyOf } from "../prims/calls.ts";
import { Tensor } from "../tensor/tensor.ts";

export interface Roofline {
  readonly flopsPerSecond: number;
  readonly bytesPerSecond: number;
  /** Calls are queued and their values have to be waited for: times of nodes are those of queueing them. */
  readonly queued: boolean;
}

const SIZE = 256;
const COPIED = 1 << 21;
const ROUNDS = 3;
const MANY = 6;

/** Seconds of one `work`, the best of some rounds: many of them less a few, so that reading the result back counts for nothing. */
async function seconds(executor: Executor, work: () => Tensor): Promise<number> {
  const timed = async (count: number): Promise<number> => {
    const started = performance.now();
    let last = work();
    for (let i = 1; i < count; i++) {
      last.storage.release(); // memory is used again, as a run does
      last = work();
    }
    await executor.sync(last);
    const took = performance.now() - started;
    last.storage.release();
    return took;
  };
  await timed(1);
  let [one, many] = [Infinity, Infinity];
  for (let i = 0; i < ROUNDS; i++) {
    many = Math.min(many, await timed(1 + MANY));
    one = Math.min(one, await timed(1));
  }
  // On a busy machine one alone may seem to take longer than all of them.
  return Math.max(many - one, many / (2 * MANY)) / MANY / 1e3;
}

/** Measures a session's backend: about a tenth of a second. */
export async function measureRoofline(executor: Executor): Promise<Roofline> {
  const matrix = (): Tensor =>
    Tensor.from(
      Float32Array.from({ length: SIZE * SIZE }, (_, i) => Math.sin(i)),
      [1, SIZE, SIZE],
    );
  const [a, b] = [matrix(), matrix()];
  const product = await seconds(executor, () => contract(executor, a, b, "float32"));
  const long = Tensor.from(new Float32Array(COPIED));
  const probe = copyOf(executor, a);
  const read = probe.storage.peek();
  const queued = read instanceof Promise;
  await read;
  probe.storage.release();
  const copy = await seconds(executor, () => copyOf(executor, long));
  for (const tensor of [a, b, long]) tensor.storage.dropDevice();
  return { flopsPerSecond: (2 * SIZE ** 3) / product, bytesPerSecond: (2 * COPIED * 4) / copy, queued };
}
