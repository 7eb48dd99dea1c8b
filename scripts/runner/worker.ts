/** A runner's child process: takes jobs, sends outcomes. */

import { makeBackend } from "./backend.ts";
import { runBadFile } from "./bad-case.ts";
import { runOnnxTest } from "./onnx-test.ts";
import type { Outcome } from "./outcome.ts";
import { runPlanCase } from "./plan-case.ts";
import type { Job } from "./pool.ts";
import { failureOf, runTorchCase } from "./torch-case.ts";

const backend = await makeBackend(process.argv[2] ?? "cpu");

async function run(job: Job): Promise<Outcome> {
  try {
    if (job.kind === "torch") return await runTorchCase(job.path, backend);
    if (job.kind === "plan") return await runPlanCase(job.path, job.name, backend);
    if (job.kind === "bad") return await runBadFile(job.path, job.name, job.spec, backend);
    return await runOnnxTest(job.path, job.name, job.spec, backend, job.kind === "onnx-plan");
  } catch (error) {
    return { name: job.name, callsPassed: 0, callsFailed: 1, failures: [failureOf("case", error)] };
  }
}

process.on("message", (job: Job) => {
  void run(job).then((outcome) => process.send?.(outcome));
});
