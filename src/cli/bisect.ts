/** `opwise bisect MODEL@BACKEND`: the smallest set of nodes, composites, precisions or passes that is guilty of wrong outputs. */

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpu, type Output, Tensor, writeNpz } from "../index.ts";
import {
  bisect,
  bisectComposites,
  type Bisection,
  bisectionText,
  bisectNodes,
  bisectPrecision,
  EXIT,
  PASSES,
  relativeError,
  type Suspect,
  tapeTensors,
} from "../debug/index.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { positive } from "./inputs.ts";
import { openSide } from "./sides.ts";
import { openTarget } from "./target.ts";

/** Runs the user's command on the outputs, `$1` being a .npz of them: right where it exits with 0. */
function checkBy(command: string): (outputs: readonly Tensor[]) => Promise<boolean> {
  return (outputs) => {
    const folder = mkdtempSync(join(tmpdir(), "opwise-bisect-"));
    try {
      const file = join(folder, "outputs.npz");
      writeFileSync(file, writeNpz(new Map(outputs.map((t, i) => [`y${i}`, t] as const))));
      return Promise.resolve(
        spawnSync(`${command} "$OPWISE_OUTPUTS"`, { shell: true, stdio: "ignore", env: { ...process.env, OPWISE_OUTPUTS: file } }).status === 0,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
}

function leaves(value: Output): Tensor[] {
  if (value instanceof Tensor) return [value];
  if (Array.isArray(value)) return value.flatMap((v: Output) => leaves(v));
  return typeof value === "object" && value !== null ? Object.values(value).flatMap((v) => leaves(v as Output)) : [];
}

/** Passes of the planner: whole runs, with some of them left out. */
async function overPasses(
  args: Arguments,
  tolerance: number,
  check: ((outputs: readonly Tensor[]) => Promise<boolean>) | undefined,
): Promise<Bisection<Suspect> | undefined> {
  const want = tapeTensors((await openSide(args.model.replace(/@.*$/, ""), args)).tape.outputs);
  const target = await openTarget(args);
  return bisect(
    PASSES.map((name) => ({ name })),
    async (mended) => {
      const without = PASSES.filter((name) => mended.some((s) => s.name === name));
      const session = await target.model.session({ backend: target.session.executor.backend, plan: { without } });
      const outputs = leaves(
        target.model.format === "onnx"
          ? Object.values(await session.run(target.inputs.named ?? {}))
          : await session.call(target.method, target.inputs.args ?? [], target.inputs.named ?? {}),
      );
      return check === undefined ? want.every((t, i) => relativeError(t, outputs[i]) <= tolerance) : check(outputs);
    },
  );
}

export async function bisectCommand(args: Arguments): Promise<number> {
  const over = args.options.get("over") ?? "nodes";
  const tolerance = positive(args, "tolerance") ?? 1e-4;
  const command = args.options.get("check");
  const check = command === undefined ? undefined : checkBy(command);
  const replayFile = args.options.get("replay");
  const replay =
    replayFile === undefined || !existsSync(replayFile)
      ? undefined
      : (JSON.parse(readFileSync(replayFile, "utf8")) as { readonly log: Bisection<Suspect>["log"] }).log;
  let found: Bisection<Suspect> | undefined;
  let [what, mend] = ["node", "must run on cpu"];
  if (over === "passes") {
    [what, mend] = ["pass", "must be left out"];
    found = await overPasses(args, tolerance, check);
  } else {
    const b = await openSide(args.model, args);
    const host = cpu();
    // The reference: the same steps on the cpu.
    const a = await openSide(`${b.spec.file}@cpu`, args, b);
    const options = { backendA: host, backendB: b.backend, cpu: host, tolerance, check, replay, maxTests: positive(args, "max-tests") };
    if (over === "nodes") found = await bisectNodes(a.tape, options);
    else if (over === "composites") [found, what, mend] = [await bisectComposites(a.tape, options), "composite", "must run as their bodies"];
    else if (over === "precision") {
      const dtype = args.options.get("dtype") ?? "float16";
      if (dtype !== "float16" && dtype !== "bfloat16") throw new UsageError("`--dtype` is one of float16, bfloat16");
      [found, what, mend] = [await bisectPrecision(a.tape, dtype, options), "node", `must not be rounded to ${dtype}`];
    } else throw new UsageError("`--over` is one of nodes, composites, precision, passes");
  }
  const save = args.options.get("save-replay");
  if (save !== undefined && found !== undefined) writeFileSync(save, `${JSON.stringify({ schema: "opwise.bisect/1", over, log: found.log }, null, 1)}\n`);
  if (args.flags.has("json"))
    console.log(
      JSON.stringify(
        {
          schema: "opwise.bisect/1",
          over,
          guilty: found?.guilty.map((s) => s.name),
          alone: found?.alone,
          suspects: found?.suspects,
          tests: found?.tests,
          stopped: found?.stopped,
        },
        null,
        2,
      ),
    );
  else console.log(bisectionText(found, what, mend));
  return found === undefined ? EXIT.undecided : found.guilty.length > 0 ? EXIT.found : EXIT.held;
}
