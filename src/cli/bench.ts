/** `opwise bench`: a model of the user's under load, as text or JSON. */

import { benchmark, type BenchmarkInputs, type BenchmarkResult, DTYPES, exampleInputs, type GivenShapes, load, type Model } from "../index.ts";
import { type Arguments, programOption, UsageError } from "./arguments.ts";
import { makeBackend } from "./backend.ts";
import { positive, readInputs, sampleOf } from "./inputs.ts";
import { toJson } from "./inspect.ts";
import { progressLine } from "./progress.ts";

/** `NAME=1,3,224,224` or `NAME=1,128:int64`. @throws UsageError */
export function parseShapes(words: readonly string[]): GivenShapes {
  return Object.fromEntries(
    words.map((word) => {
      const match = /^(.+)=((?:\d+(?:,\d+)*)?)(?::(\w+))?$/.exec(word);
      const [, name = "", sizes = "", type] = match ?? [];
      const dtype = DTYPES.find((d) => d === type);
      if (match === null || (type !== undefined && dtype === undefined)) {
        throw new UsageError(`\`--shape\` wants NAME=SIZES or NAME=SIZES:DTYPE, such as x=1,3,224,224 or ids=1,128:int64; got \`${word}\``);
      }
      return [name, { shape: sizes === "" ? [] : sizes.split(",").map(Number), dtype }];
    }),
  );
}

/** Values of files as a call takes them: arrays whose names the program does not know are taken in their order. */
async function fromFiles(model: Model, words: readonly string[]): Promise<BenchmarkInputs> {
  const { positional, named } = await readInputs(words);
  const names = model.summary().inputs.map((i) => i.name);
  if (model.format === "onnx") {
    const free = names.filter((n) => !(n in named));
    return { args: [], kwargs: { ...named, ...Object.fromEntries(positional.map((value, i) => [free[i] ?? `input ${i}`, value])) } };
  }
  const known = Object.keys(named).some((name) => names.includes(name));
  return known ? { args: positional, kwargs: named } : { args: [...positional, ...Object.values(named)], kwargs: {} };
}

/** What the runs are given, and where it is from. */
async function inputsOf(model: Model, args: Arguments): Promise<{ readonly inputs: BenchmarkInputs; readonly from: string }> {
  const files = [...(args.repeated.get("inputs") ?? []), ...(args.repeated.get("input") ?? [])];
  const shapes = parseShapes(args.repeated.get("shape") ?? []);
  if (files.length > 0 && Object.keys(shapes).length > 0) throw new UsageError("either `--inputs` or `--shape`: files have their shapes");
  if (files.length > 0) return { inputs: await fromFiles(model, files), from: files.join(", ") };
  if (Object.keys(shapes).length === 0 && (await model.sampleInputs()) !== undefined) {
    const { positional, named } = await sampleOf(model);
    return { inputs: { args: positional, kwargs: named }, from: "the file's own sample" };
  }
  return { inputs: exampleInputs(model.program, shapes), from: "made up from declared shapes" };
}

/** The lines of a report for people. */
export function reportLines(result: BenchmarkResult): string[] {
  const ms = (value: number): string => `${value >= 100 ? value.toFixed(0) : value.toPrecision(3)} ms`;
  const mb = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MB`;
  const { latency, cpu, memory, gc } = result;
  const share = (value: number): string => `${((100 * value) / result.wall).toFixed(0)} %`;
  return [
    `session ready ${ms(result.load)}, first run ${ms(result.first)}`,
    `runs          ${result.runs} in ${(result.wall / 1000).toFixed(1)} s by ${result.concurrency} client${result.concurrency === 1 ? "" : "s"}, ${result.errors} errors (${(100 * result.errorRate).toFixed(1)} %)`,
    ...result.messages.map(({ message, count }) => `  ${String(count).padStart(6)}  ${message.split("\n")[0] ?? ""}`),
    ...(latency === undefined
      ? []
      : [
          `latency       p50 ${ms(latency.p50)}  p95 ${ms(latency.p95)}  p99 ${ms(latency.p99)}  mean ${ms(latency.mean)}  min ${ms(latency.min)}  max ${ms(latency.max)}`,
        ]),
    `throughput    ${result.throughput.toPrecision(3)} runs a second`,
    ...(cpu === undefined ? [] : [`processor     user ${share(cpu.user)}, system ${share(cpu.system)} of one core`]),
    ...(memory === undefined
      ? []
      : [`memory        resident ${mb(memory.resident)}, at most ${mb(memory.peak)}; heap ${mb(memory.heap)}; on the backend ${mb(memory.device)}`]),
    ...(gc === undefined ? [] : [`collections   ${gc.count}, ${ms(gc.ms)} (${share(gc.ms)})`]),
  ];
}

export async function bench(args: Arguments): Promise<number> {
  const concurrency = positive(args, "concurrency") ?? 1;
  const seconds = positive(args, "seconds") ?? 3;
  if (!Number.isInteger(concurrency)) throw new UsageError("`--concurrency` wants a whole number");
  const name = args.options.get("backend") ?? "wasm";
  const started = performance.now();
  const model = await load(args.model, { onProgress: progressLine(args.model), ...programOption(args) });
  const loaded = performance.now() - started;
  const { inputs, from } = await inputsOf(model, args);
  const method = args.options.get("method") ?? "forward";
  const prepare = method !== "forward" ? undefined : model.format === "onnx" ? inputs.kwargs : Object.keys(inputs.kwargs).length > 0 ? undefined : inputs.args;
  const result = await benchmark(async () => model.session({ backend: await makeBackend(name), ...(prepare === undefined ? {} : { prepare }) }), inputs, { concurrency, seconds, method });
  if (args.flags.has("json")) console.log(toJson({ file: args.model, backend: name, inputs: from, node: process.versions.node, loaded, ...result }));
  else {
    console.log(`${args.model} on ${name}, loaded in ${loaded.toFixed(0)} ms, inputs: ${from}`);
    for (const line of reportLines(result)) console.log(`  ${line}`);
  }
  return result.errors > 0 ? 1 : 0;
}
