/** The two sides of a comparison: run specs opened, inputs read once, each side recorded. */

import { existsSync, readFileSync } from "node:fs";
import { type Backend, cpu, type Input, load, type Model, modelOf, OpwiseError, readNpz } from "../index.ts";
import { ownInputs, parseRunSpec, readCase, tapeOfGoldens, type RunSpec, recordTape, type Tape } from "../debug/index.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { makeBackend } from "./backend.ts";
import { readInputs, sampleOf, type Values } from "./inputs.ts";

/** One run: its model, its backend, and what it did. */
export interface OpenedSide {
  readonly spec: RunSpec;
  readonly model: Model;
  readonly backend: Backend;
  readonly tape: Tape;
}

/** Options of run specs that a recording knows. */
const KNOWN = new Set(["noplan", "seed"]);

/** Inputs by position for TorchScript, by name for ONNX; `.npz` files give either. */
async function valuesOf(args: Arguments, model: Model): Promise<Values> {
  const words = args.repeated.get("input") ?? [];
  if (words.length > 0) return readInputs(words);
  return sampleOf(model);
}

function forModel(values: Values, model: Model): { readonly positional: readonly Input[]; readonly named: Readonly<Record<string, Input>> } {
  const names = model.summary().inputs.map((i) => i.name);
  const given = Object.entries(values.named);
  // The names of another format's inputs say nothing here: they come in order.
  const strangers = given.some(([name]) => !names.includes(name));
  const positional = strangers ? [...values.positional, ...inOrder(given, names.length)] : [...values.positional];
  const named = strangers ? {} : values.named;
  if (model.program.version === "case") return { positional: [], named };
  if (model.format !== "onnx") return { positional, named };
  const free = names.filter((name) => !(name in named));
  return { positional: [], named: { ...named, ...Object.fromEntries(positional.map((value, i) => [free[i] ?? "", value] as const)) } };
}

function inOrder(given: readonly (readonly [string, Input])[], wanted: number): Input[] {
  if (given.length > wanted)
    throw new UsageError(`the model takes ${wanted} inputs, the files hold ${given.length}: ${given.map(([name]) => name).join(", ")}`);
  return given.map(([, value]) => value);
}

/** Opens a side and runs it. @throws UsageError, and as loading and running do */
export async function openSide(
  text: string,
  args: Arguments,
  other?: OpenedSide & { readonly values: Values },
): Promise<OpenedSide & { readonly values: Values }> {
  const spec = parseRunSpec(text);
  if (spec.kind === "goldens") {
    const arrays = await readNpz(new Uint8Array(readFileSync(spec.file)));
    const tape = tapeOfGoldens(arrays, spec.file);
    // They hold the inputs that they were recorded with.
    const positional = tape.inputs;
    return { spec, model: await modelOf(tape.program), backend: cpu(), tape, values: { positional, named: {} } };
  }
  if (spec.kind !== "model" && spec.kind !== "case") throw new UsageError(`\`${text}\` is no model`);
  if (!existsSync(spec.file)) throw new OpwiseError("missing-file", `\`${spec.file}\` cannot be read`, { where: { file: spec.file } });
  for (const name of spec.options.keys())
    if (!KNOWN.has(name)) throw new UsageError(`run specs have no option \`${name}\`; there are ${[...KNOWN].join(", ")}`);
  const isCase = spec.file.endsWith(".opwcase");
  const held = isCase ? await readCase(new Uint8Array(readFileSync(spec.file)), spec.file) : undefined;
  // One file is one program: its runs are compared node by node.
  const model = other?.spec.file === spec.file ? other.model : held === undefined ? await load(spec.file) : await modelOf(held.program);
  const given =
    other?.values ??
    (held === undefined
      ? await valuesOf(args, model)
      : { positional: [], named: Object.fromEntries((held.program.inputs ?? []).map((input, i) => [input.name, held.inputs[i] ?? null] as const)) });
  const backend = spec.backend === "cpu" ? cpu() : await makeBackend(spec.backend);
  const seed = spec.options.get("seed");
  const session = await model.session({ backend, plan: false, ...(seed === undefined ? {} : { seed: BigInt(seed) }) });
  const { positional, named } = forModel(given, model);
  const keys = Object.keys(named);
  // Runs may write their arguments: each side has its own.
  const own = ownInputs([...positional, ...Object.values(named)]);
  const tape = await recordTape(session, own.slice(0, positional.length), {
    method: args.options.get("method"),
    named: Object.fromEntries(keys.map((name, i) => [name, own[positional.length + i]] as const)),
  });
  return { spec, model, backend, tape, values: given };
}

/** A text file. @throws missing-file */
export function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new OpwiseError("missing-file", `\`${file}\` cannot be read`, { where: { file }, cause });
  }
}

/** Engines with their own arithmetic have the wider column of the budgets. */
export function profileOf(...sides: readonly OpenedSide[]): "strict" | "portable" {
  return sides.every(({ spec }) => spec.backend === "cpu" || spec.backend === "wasm") ? "strict" : "portable";
}
