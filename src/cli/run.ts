/** `opwise run`: inputs from files, a method or the graph, a table of the outputs, and the outputs as files. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  elementsOf,
  type Input,
  load,
  type Output,
  type Placement,
  type RunOptions,
  Tensor,
  writeNpy,
} from "../index.ts";
import { type Arguments, programOption, UsageError } from "./arguments.ts";
import { makeBackend } from "./backend.ts";
import { bestClasses, type Guess, pictureBatch } from "./picture.ts";
import { toJson } from "./inspect.ts";
import { positive, readInputs, sampleOf, type Values } from "./inputs.ts";
import { progressLine } from "./progress.ts";

/** One leaf of the results: a tensor, or another value. */
interface Row {
  readonly name: string;
  readonly tensor: Tensor | undefined;
  readonly value: Output;
}

/** The leaves of a result with their dotted paths. */
function rowsOf(name: string, value: Output): Row[] {
  const under = (key: string): string => (name === "" ? key : `${name}.${key}`);
  if (value instanceof Tensor) return [{ name, tensor: value, value }];
  if (Array.isArray(value)) return value.flatMap((v: Output, i) => rowsOf(under(String(i)), v));
  if (value instanceof Map) return [...(value as ReadonlyMap<Output, Output>)].flatMap(([k, v]) => rowsOf(under(typeof k === "object" ? "?" : String(k)), v));
  if (typeof value === "object" && value !== null && !("kind" in value && value.kind === "complex"))
    return Object.entries(value).flatMap(([k, v]) => rowsOf(under(k), v as Output));
  return [{ name, tensor: undefined, value }];
}

/** Elements as numbers for a summary; complex ones by their absolute value, strings not at all. */
function magnitudes(tensor: Tensor): number[] {
  if (tensor.dtype === "string") return [];
  return elementsOf(tensor).map((e) => (typeof e === "object" ? Math.hypot(e[0], e[1]) : Number(e)));
}

function textOf({ tensor, value }: Row): string {
  if (tensor === undefined) return toJson(value);
  const numbers = magnitudes(tensor);
  const type = `${tensor.dtype}[${tensor.shape.join(", ")}]`;
  if (numbers.length === 0) return type;
  const sum = numbers.reduce((a, b) => a + b, 0);
  const [low, high] = [numbers.reduce((a, b) => Math.min(a, b), Infinity), numbers.reduce((a, b) => Math.max(a, b), -Infinity)];
  return `${type}  min ${low.toPrecision(6)}  max ${high.toPrecision(6)}  mean ${(sum / numbers.length).toPrecision(6)}`;
}

/** Writes tensors as .npy, other values as .json; gives the paths. */
function writeRows(folder: string, rows: readonly Row[]): string[] {
  mkdirSync(folder, { recursive: true });
  return rows.map((row) => {
    const path = join(folder, `${row.name.replace(/[^\w.-]/g, "_")}.${row.tensor === undefined ? "json" : "npy"}`);
    writeFileSync(path, row.tensor === undefined ? `${toJson(row.value)}\n` : writeNpy(row.tensor));
    return path;
  });
}

/** The largest |got - want| / max(1, |want|) of one output; infinite where shapes or dtypes differ. */
function distance(got: Tensor | undefined, want: Tensor): number {
  if (got === undefined || got.dtype !== want.dtype || got.shape.join() !== want.shape.join()) return Infinity;
  const [a, b] = [elementsOf(got).flat(), elementsOf(want).flat()];
  return b.reduce<number>((worst, w, i) => {
    const [x, y] = [Number(a[i]), Number(w)];
    if (a[i] === w || (Number.isNaN(x) && Number.isNaN(y))) return worst;
    const error = Math.abs(x - y) / Math.max(1, Math.abs(y));
    return Number.isNaN(error) ? Infinity : Math.max(worst, error);
  }, 0);
}

/** Compares tensors with files of wanted ones, by name or in order. Gives the distances by output. */
async function compare(words: readonly string[], rows: readonly Row[]): Promise<{ readonly name: string; readonly error: number }[]> {
  const { positional, named } = await readInputs(words);
  const tensors = rows.filter((row) => row.tensor !== undefined);
  const wanted: [string, Input][] = [...positional.map((v, i): [string, Input] => [tensors[i]?.name ?? `output ${i}`, v]), ...Object.entries(named)];
  return wanted.map(([name, want]) => {
    if (!(want instanceof Tensor)) throw new UsageError("`--expect` takes .npy and .npz files");
    return { name, error: distance(tensors.find((row) => row.name === name)?.tensor, want) };
  });
}

function printPlacement(lines: readonly Placement[]): void {
  for (const l of lines.toSorted((a, b) => b.count - a.count)) {
    console.log(`  ${String(l.count).padStart(6)}  ${l.backend.padEnd(9)} ${l.what}${l.reason === undefined ? "" : `: ${l.reason} (${l.bytes} bytes moved)`}`);
  }
}

function printGuesses(guesses: readonly (readonly Guess[])[], files: readonly string[]): void {
  for (const [i, row] of guesses.entries()) {
    if (guesses.length > 1) console.log(files[i] ?? `row ${i}`);
    for (const { index, probability, label } of row) console.log(`  ${(100 * probability).toFixed(2).padStart(6)} %  ${label ?? `class ${index}`}`);
  }
}

export async function run(args: Arguments): Promise<number> {
  const maxSteps = positive(args, "max-steps");
  const tolerance = positive(args, "tolerance") ?? 1e-4;
  const seed = args.options.get("seed");
  if (seed !== undefined && !/^\d+$/.test(seed)) throw new UsageError(`\`--seed\` wants a whole number, got \`${seed}\``);
  const top = args.options.has("labels") || args.options.has("top") ? (positive(args, "top") ?? 5) : undefined;
  const files = args.repeated.get("image") ?? [];
  const pictures = files.length === 0 ? undefined : await pictureBatch(files, args.options.get("preset") ?? "imagenet");
  const asJson = args.flags.has("json");
  const started = performance.now();
  const backend = await makeBackend(args.options.get("backend") ?? "cpu");
  const model = await load(args.model, { onProgress: progressLine(args.model), ...programOption(args) });
  const given = args.flags.has("sample") ? await sampleOf(model) : await readInputs(args.repeated.get("input") ?? []);
  const inputs: Values = pictures === undefined ? given : { ...given, positional: [pictures.tensor, ...given.positional] };
  using session = await model.session({
    backend,
    print: (text) => (asJson ? console.error(text) : console.log(text)),
    ...(seed === undefined ? {} : { seed: BigInt(seed) }),
  });
  const loaded = performance.now();
  const limits: RunOptions = { maxSteps };
  const isOnnx = model.format === "onnx";
  let result: Output;
  if (isOnnx) {
    const free = session.inputNames.filter((n) => !(n in inputs.named));
    if (inputs.positional.length > free.length) throw new UsageError(`the model has ${session.inputNames.length} inputs: ${session.inputNames.join(", ")}`);
    result = await session.run({ ...inputs.named, ...Object.fromEntries(inputs.positional.map((value, i) => [free[i] ?? "", value])) }, limits);
  } else result = await session.call(args.options.get("method") ?? "forward", inputs.positional, inputs.named, limits);
  const ended = performance.now();
  const rows = rowsOf(isOnnx ? "" : "output", result);
  const scores = rows.find((row) => row.tensor !== undefined)?.tensor;
  const guesses = top === undefined || scores === undefined ? [] : bestClasses(scores, top, args.options.get("labels"));
  const expected = await compare(args.repeated.get("expect") ?? [], rows);
  const folder = args.options.get("output");
  const written = folder === undefined ? [] : writeRows(folder, rows);
  const diverged = expected.filter((e) => !(e.error <= tolerance));
  const times = { loadMs: Math.round(loaded - started), runMs: Math.round(ended - loaded) };
  if (asJson) {
    const outputs = rows.map((row, i) => ({
      name: row.name,
      ...(row.tensor === undefined ? { value: row.value } : { dtype: row.tensor.dtype, shape: row.tensor.shape }),
      ...(written[i] === undefined ? {} : { file: written[i] }),
    }));
    const named = { ...(pictures === undefined ? {} : { pixels: pictures.provenance }), ...(top === undefined ? {} : { top: guesses }) };
    console.log(toJson({ outputs, ...named, expected, diverged: diverged.length, ...times, placement: session.placement() }));
  } else {
    const width = Math.max(...rows.map((r) => r.name.length), 0);
    for (const row of rows) console.log(`${row.name.padEnd(width)}  ${textOf(row)}`);
    if (pictures !== undefined) console.log(`pixels: ${pictures.provenance}`);
    printGuesses(guesses, files);
    for (const { name, error } of expected)
      console.log(`${name}: largest error ${error.toExponential(2)}${error <= tolerance ? "" : `, more than ${tolerance}`}`);
    console.log(`loaded in ${times.loadMs} ms, ran in ${times.runMs} ms on ${backend.name}`);
    if (!backend.onHost) printPlacement(session.placement());
  }
  return diverged.length > 0 ? 1 : 0;
}
