/** `opwise repeat`: is it the same every time; `opwise check`: does a run keep its assertions. */

import { readFileSync, writeFileSync } from "node:fs";
import {
  batched,
  checkRun,
  checkText,
  EXIT,
  junitXml,
  nodeName,
  openTrace,
  parseChecks,
  parseRunSpec,
  placeText,
  readRun,
  record,
  repeat as repeated,
  resultJson,
  sarif,
  valueLine,
  type CheckReport,
  type Difference,
  type TraceRun,
  type Variant,
} from "../debug/index.ts";
import { OpwiseError, wasm } from "../index.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { makeBackend } from "./backend.ts";
import { openTarget, type Target } from "./target.ts";

/** `--vary plan,threads=2,batch=3,backend=wasm`. */
function variantsOf(target: Target, words: string): Variant[] {
  return words.split(",").map((word): Variant => {
    const [name = "", value = ""] = word.split("=");
    switch (name) {
      case "plan":
        return {
          name: "plans off",
          compare: "outputs",
          session: () => target.model.session({ backend: target.session.executor.backend.onHost ? "cpu" : target.session.executor.backend, plan: false }),
        };
      case "batch": {
        const times = value === "" ? 2 : Number(value);
        if (!Number.isInteger(times) || times < 2) throw new UsageError(`\`batch\` wants how many times, 2 or more, got \`${value}\``);
        return { name: `a batch of ${times}`, compare: "outputs", rows: true, session: target.again, inputs: batched(target.inputs, times) };
      }
      case "threads": {
        const threads = Number(value);
        if (!Number.isInteger(threads) || threads < 1) throw new UsageError(`\`threads\` wants how many, got \`${value}\``);
        if (target.session.executor.backend.name !== "wasm") throw new UsageError("`threads` is of the wasm backend: MODEL@wasm");
        return { name: `${threads} threads`, compare: "outputs", session: () => target.model.session({ backend: wasm({ threads }) }) };
      }
      case "backend":
        if (value === "") throw new UsageError("which backend? `--vary backend=wasm`");
        return { name: `backend ${value}`, compare: "values", session: async () => target.model.session({ backend: await makeBackend(value) }) };
      default:
        throw new UsageError(`\`--vary\` takes plan, threads=N, batch=N and backend=NAME, got \`${word}\``);
    }
  });
}

function differenceText(run: TraceRun, found: Difference): string {
  const { execution, value } = found;
  const head =
    execution === undefined
      ? found.output !== undefined
        ? `output ${found.output}`
        : found.what === "error"
          ? "the model"
          : "the inputs"
      : `@${execution.t} ${nodeName(run.node(execution.node), execution.nth)}  ${execution.module}  ${placeText(run.node(execution.node))}`;
  const what = found.what === "path" ? "takes another path from here" : found.what === "error" ? "cannot be run so" : "has other bits";
  return [
    `${found.variant}: ${head} ${what}`,
    ...(value === undefined ? [] : [`  ${valueLine(run, value)}`]),
    ...found.reasons.map((reason) => `  ${reason}`),
  ].join("\n");
}

export async function repeat(args: Arguments): Promise<number> {
  const runs = Number(args.options.get("runs") ?? 3);
  if (!Number.isInteger(runs) || runs < 1) throw new UsageError("`--runs` wants a whole number above 0");
  const target = await openTarget(args);
  const vary = args.options.get("vary");
  const found = await repeated(target.again, target.inputs, { method: target.method, runs, variants: vary === undefined ? [] : variantsOf(target, vary) });
  if (args.flags.has("json")) {
    const differences = found.differences.map(({ execution, value, ...rest }) => ({
      ...rest,
      node: execution?.node ?? null,
      nth: execution?.nth ?? null,
      t: execution?.t ?? null,
      value: value === undefined ? null : found.first.name(value.value),
    }));
    console.log(resultJson({ runs: found.runs, values: found.values, differences }));
  } else if (found.differences.length === 0) console.log(`${found.runs} runs, ${found.values} values each: all the same, bit by bit`);
  else for (const difference of found.differences) console.log(differenceText(found.first, difference));
  if (found.differences.length === 0) return EXIT.held;
  return found.differences.every((difference) => difference.what === "error") ? EXIT.undecided : EXIT.found;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new OpwiseError("missing-file", `\`${file}\` cannot be read`, { where: { file }, cause });
  }
}

export async function check(args: Arguments): Promise<number> {
  const [file] = args.words;
  if (file === undefined) throw new UsageError("which assertions? `opwise check MODEL|TRACE checks.opw`");
  const checks = parseChecks(textOf(file), file);
  let run: TraceRun;
  if (parseRunSpec(args.model).kind === "trace") run = await readRun(await openTrace(args.model));
  else {
    const target = await openTarget(args);
    const recorded = await record(target.session, target.inputs, { method: target.method, prims: true });
    if (recorded.error !== undefined) throw recorded.error;
    run = recorded.run;
  }
  const report = checkRun(run, checks);
  writeReports(args, run, report, file, checks.length);
  if (report.failures.length > 0) return EXIT.found;
  return report.unmatched.length > 0 ? EXIT.noMatch : EXIT.held;
}

function writeReports(args: Arguments, run: TraceRun, report: CheckReport, file: string, count: number): void {
  const { failures, counts, unmatched } = report;
  const lines = failures.map((failure) => {
    const execution = run.execution(failure.node, failure.nth);
    const values = execution === undefined ? [] : run.outputsOf(execution).map((value) => valueLine(run, value));
    return {
      failure,
      node: run.node(failure.node),
      text: [
        checkText(failure.check),
        `  fails at @${execution?.t ?? 0} ${nodeName(run.node(failure.node), failure.nth)}  ${failure.module}  ${placeText(run.node(failure.node))}`,
        ...values.map((line) => `  ${line}`),
      ].join("\n"),
    };
  });
  const junit = args.options.get("junit");
  if (junit !== undefined) {
    const cases = lines.map(({ failure, node, text }) => ({
      classname: failure.module,
      name: nodeName(node, failure.nth),
      file: node.source.author?.[0]?.file,
      line: node.source.author?.[0]?.line,
      failure: { message: checkText(failure.check), text },
    }));
    writeFileSync(
      junit,
      junitXml([{ name: file, cases: [...cases, ...unmatched.map((one) => ({ classname: "", name: checkText(one), skipped: "nothing matches" }))] }]),
    );
  }
  const toSarif = args.options.get("sarif");
  if (toSarif !== undefined)
    writeFileSync(
      toSarif,
      sarif(
        lines.map(({ failure, node, text }) => ({
          rule: "check/failed",
          level: "error",
          message: text,
          place: node.source.author?.[0],
          node: nodeName(node),
          module: failure.module,
        })),
        run.trace.manifest.tool,
      ),
    );
  if (args.flags.has("json")) {
    console.log(
      resultJson({
        checks: count,
        counts,
        failures: failures.map(({ check: { line, text }, node, nth, op, module }) => ({ line, text, node, nth, op, module })),
        unmatched: unmatched.map((one) => one.line),
      }),
    );
    return;
  }
  for (const { text } of lines) console.log(text);
  for (const one of unmatched) console.log(`${checkText(one)}\n  nothing in the model matches`);
  console.log(
    `${count} checks, looked at ${counts.reduce((a, b) => a + b, 0)} times: ${failures.length} failed${unmatched.length > 0 ? `, ${unmatched.length} matched nothing` : ""}`,
  );
}
