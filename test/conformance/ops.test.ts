/** Every op's recorded calls on every backend: values, dtypes, shapes, strides, errors, changed arguments, shared storages. */

import { beforeAll, describe, expect, it } from "vitest";
import { cpu } from "../../src/backends/cpu/cpu.ts";
import { seedTwister } from "../../src/numeric/mt19937.ts";
import type { Backend } from "../../src/prims/backend.ts";
import { Executor } from "../../src/run/executor.ts";
import { BACKENDS } from "../support/backends.ts";
import { type Golden, goldens, replay } from "../support/golden.ts";

/** Where an engine's own kernel answers otherwise and no look at the call can tell: the operand's values decide. */
const ENGINE_DIFFERENCES: readonly { readonly backend: RegExp; readonly op: string; readonly value: string; readonly reason: string }[] = [
  { backend: /^tfjs/, op: "aten::max_pool2d", value: '"nan"', reason: "TensorFlow.js' max pooling skips NaN" },
];
function differs(backend: string, golden: Golden): boolean {
  return ENGINE_DIFFERENCES.some((one) => one.backend.test(backend) && one.op === golden.sample.op && JSON.stringify(golden.sample.args).includes(one.value));
}

const host = cpu();
const recorded = goldens();

describe.each(BACKENDS)("on $name", ({ name, make }) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await make();
  });

  it.each([...recorded])("%s answers as recorded", async (_, cases) => {
    const failures: string[] = [];
    for (const golden of cases) {
      if (differs(name, golden)) continue;
      const ctx = new Executor({ backend, cpu: backend.onHost ? backend : host, generator: seedTwister(7) });
      const difference = await replay(golden, ctx, name);
      if (difference !== undefined) failures.push(`${golden.sample.op}(${JSON.stringify(golden.sample.args)}, ${JSON.stringify(golden.sample.kwargs ?? {})}): ${difference}`);
    }
    expect(failures).toEqual([]);
  });
});
