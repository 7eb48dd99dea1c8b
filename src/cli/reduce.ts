/** `opwise reduce A B`: the smallest model that still shows what `compare` found; and `opwise check-case`, which sees whether it does. */

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpu, modelOf } from "../index.ts";
import {
  caseAsPython,
  caseAsTest,
  checkCase,
  compareTapes,
  EXIT,
  executionsOf,
  reduce,
  type Reduction,
  reductionText,
  tapeTensors,
  writeCase,
} from "../debug/index.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { makeBackend } from "./backend.ts";
import { positive } from "./inputs.ts";
import { type OpenedSide, openSide, profileOf } from "./sides.ts";

const AGAIN = 3;

/** Writes the case and runs it again in fresh processes; how many of them showed the failure. */
function proven(file: string): number {
  const [script = ""] = process.argv.slice(1);
  let shown = 0;
  for (let i = 0; i < AGAIN; i++)
    if (spawnSync(process.execPath, [...process.execArgv, script, "check-case", file], { stdio: "ignore" }).status === EXIT.found) shown++;
  return shown;
}

function emit(what: string, reduction: Reduction, file: string, failure: Parameters<typeof caseAsTest>[1]): { readonly name: string; readonly text: string } {
  const stem = file.replace(/\.opwcase$/, "");
  if (what === "pt-py") return { name: `${stem}.py`, text: caseAsPython(reduction.case, file) };
  if (what === "test") return { name: `${stem}.test.ts`, text: caseAsTest(file, failure) };
  throw new UsageError(`\`--emit\` is one of pt-py, test, got \`${what}\``);
}

/** Reduces the first source of two opened sides (or the chosen node) and writes it. */
export async function saveCase(a: OpenedSide, b: OpenedSide, args: Arguments, file: string, only: string | undefined): Promise<number> {
  const host = cpu();
  const profile = profileOf(a, b);
  const options = { backendA: a.backend, backendB: b.backend, cpu: host, profile };
  if (a.spec.file !== b.spec.file) throw new UsageError("a case is made of one model on two backends; of two models, run each on both");
  const wanted = only === undefined ? undefined : executionsOf(a.tape, only);
  const comparison = await compareTapes(a.tape, b.tape, { ...options, only: wanted, hypotheses: false });
  const row = comparison.rows[comparison.sources[0] ?? comparison.rows.findIndex((r) => (r.propagated ?? 0) > 1)];
  const execution = a.tape.executions[row?.a.t ?? -1];
  if (row === undefined || execution === undefined) {
    console.error("nothing is wrong: there is nothing to reduce");
    return EXIT.held;
  }
  const [outs, others] = [tapeTensors(execution.outs), tapeTensors(b.tape.executions[row.b?.t ?? -1]?.outs ?? [])];
  const output = Math.max(
    0,
    outs.findIndex((t, i) => t.data.some((x, k) => x !== others[i]?.data[k])),
  );
  const reduction = await reduce(a.tape, execution, output, { ...options, maxSeconds: positive(args, "max-seconds") });
  if (reduction === undefined) {
    console.error(`${execution.node.op} is wrong in the run, and right in every case cut out of it`);
    return EXIT.undecided;
  }
  const failure = { op: reduction.op, times: Math.min(1e9, reduction.times), atLeast: reduction.atLeast, a: a.spec.backend, b: b.spec.backend };
  writeFileSync(file, writeCase(reduction.case, reduction.expected, failure, file));
  const shown = proven(file);
  if (!args.flags.has("json"))
    console.log(`${reductionText(reduction)}\nwrote ${file}; ${shown === AGAIN ? "reproduced" : `shown by ${shown}`} in ${AGAIN} fresh processes`);
  else
    console.log(
      JSON.stringify(
        {
          schema: "opwise.reduce/1",
          file,
          failure,
          nodes: reduction.nodes,
          bytes: reduction.bytes,
          runs: reduction.runs,
          seconds: reduction.seconds,
          reproduced: shown,
          of: AGAIN,
        },
        null,
        2,
      ),
    );
  for (const what of args.repeated.get("emit") ?? []) {
    const { name, text } = emit(what, reduction, file, failure);
    writeFileSync(name, text);
    console.log(`wrote ${name}`);
  }
  return shown === AGAIN ? EXIT.found : EXIT.undecided;
}

export async function reduceCommand(args: Arguments): Promise<number> {
  const [specA, specB] = [args.model, args.words[0]];
  if (specB === undefined) throw new UsageError("two runs are wanted: MODEL[@BACKEND] MODEL[@BACKEND]");
  const file = args.options.get("output") ?? "reduced.opwcase";
  const a = await openSide(specA, args);
  const b = await openSide(specB, args, a);
  return saveCase(a, b, args, file, args.options.get("only"));
}

/** Runs a case on the two backends that it names; 1 where it shows its failure. */
export async function checkCaseCommand(args: Arguments): Promise<number> {
  const bytes = new Uint8Array(readFileSync(args.model));
  const { readCase } = await import("../debug/index.ts");
  const one = await readCase(bytes, args.model);
  const [backendA, backendB] = [await makeBackend(one.failure.a), await makeBackend(one.failure.b)];
  const profile = [one.failure.a, one.failure.b].every((name) => name === "cpu" || name === "wasm") ? ("strict" as const) : ("portable" as const);
  const check = await checkCase(one, async (c, backend) => (await modelOf(c.program)).session({ backend, plan: false }), {
    backendA,
    backendB,
    cpu: cpu(),
    profile,
  });
  const times = Number(check.times.toPrecision(3));
  console.log(
    `${one.failure.op} on ${one.failure.b} against ${one.failure.a}: ${times}× of its budget, ${check.reproduced ? "as in the case" : `the case has ${Number(one.failure.times.toPrecision(3))}×`}`,
  );
  return check.reproduced ? EXIT.found : EXIT.held;
}
