/** Every op's samples on a backend against the cpu, judged by the budgets. */

import { Judge } from "../../src/debug/compare/budget.ts";
import { classOf, type OpClass } from "../../src/debug/compare/op-class.ts";
import { tapeOfCall } from "../../src/debug/compare/replay.ts";
import { type Tape, tensorsIn } from "../../src/debug/compare/tape.ts";
import type { Program } from "../../src/ir/graph.ts";
import { seedTwister } from "../../src/numeric/mt19937.ts";
import type { Backend } from "../../src/prims/backend.ts";
import { callOf, goldens } from "../../test/support/golden.ts";

const program: Program = { format: "torchscript", version: "samples", name: "samples", classes: new Map(), functions: new Map(), extra: new Map() };

/** Where an engine's own kernel answers otherwise, and the operand's values decide. */
const ENGINE: readonly { readonly backend: RegExp; readonly op: RegExp; readonly reason: string }[] = [
  { backend: /^tfjs/, op: /max_pool/, reason: "TensorFlow.js' max pooling skips NaN" },
];

export interface JudgedSample {
  readonly op: string;
  readonly class: OpClass;
  readonly times: number;
  readonly text: string;
}

/** Judges each `every`th sample. */
export async function judgedSamples(name: string, backend: Backend, host: Backend, every: number = 1): Promise<JudgedSample[]> {
  const out: JudgedSample[] = [];
  for (const [at, golden] of [...goldens().values()].flat().entries()) {
    const { sample } = golden;
    if (at % every !== 0 || golden.raises !== undefined || sample.check !== undefined || classOf(sample.op) === "random") continue;
    if (ENGINE.some((one) => one.backend.test(name) && one.op.test(sample.op))) continue;
    const on = async (where: Backend): Promise<Tape> => {
      const { node, bound, args } = callOf(sample);
      return tapeOfCall(program, node, bound, args, { backend: where, cpu: host }, seedTwister(7));
    };
    const [a, b] = [await on(host), await on(backend)];
    const [execution, other] = [a.executions[0], b.executions[0]];
    if (execution === undefined || other === undefined) continue;
    const judge = new Judge({ tape: a, execution, cpu: host, profile: name === "wasm" ? "strict" : "portable", tiles: true });
    const values = tensorsIn(other.outs);
    for (const [i, reference] of tensorsIn(execution.outs).entries()) {
      const { times, problem } = await judge.output(reference, values, i);
      out.push({
        op: sample.op,
        class: classOf(sample.op),
        times,
        text: `${sample.op}(${JSON.stringify(sample.args).slice(0, 200)}): ${times.toPrecision(3)}× ${problem ?? ""}`,
      });
    }
  }
  return out;
}
