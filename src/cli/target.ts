/** What the debugger's commands run: a model on a backend, named by a run spec, with its inputs. */

import { load, type Model, type Session } from "../index.ts";
import { parseRunSpec, type RunInputs, type RunSpec } from "../debug/index.ts";
import { type Arguments, programOption, UsageError } from "./arguments.ts";
import { makeBackend } from "./backend.ts";
import { readInputs, sampleOf, type Values } from "./inputs.ts";
import { progressLine } from "./progress.ts";

/** Positional and named values as a session takes them: those without a name go to the free inputs of an ONNX model, in order. @throws UsageError */
export function inputsFor(model: Model, inputNames: readonly string[], values: Values): RunInputs {
  if (model.format !== "onnx") return { args: values.positional, named: values.named };
  const free = inputNames.filter((n) => !(n in values.named));
  if (values.positional.length > free.length) throw new UsageError(`the model has ${inputNames.length} inputs: ${inputNames.join(", ")}`);
  return { named: { ...values.named, ...Object.fromEntries(values.positional.map((value, i) => [free[i] ?? "", value])) } };
}

/** A model on a backend with its inputs, ready to run. */
export interface Target {
  readonly spec: RunSpec;
  readonly model: Model;
  readonly session: Session;
  readonly inputs: RunInputs;
  readonly method: string;
  /** Another session of the same model on a fresh backend. */
  readonly again: () => Promise<Session>;
}

const OPTIONS: Readonly<Record<string, string>> = { noplan: "runs instruction by instruction", seed: "of the random generator" };

/**
 * Opens the model of a run spec and reads its inputs (`--input`, `--sample`). A .npz gives a model that is no ONNX file its arguments in order, where
 * the names are not its own. @throws UsageError
 */
export async function openTarget(args: Arguments, text: string = args.model, print: (line: string) => void = (line) => console.error(line)): Promise<Target> {
  const spec = parseRunSpec(text);
  if (spec.kind !== "model") throw new UsageError(`\`${text}\` is no model to run`);
  for (const name of spec.options.keys())
    if (!(name in OPTIONS)) throw new UsageError(`there is no option \`${name}\` of a run; there are ${Object.keys(OPTIONS).join(", ")}`);
  const backend = spec.backend === "cpu" && args.options.has("backend") ? (args.options.get("backend") ?? "cpu") : spec.backend;
  const seed = spec.options.get("seed") ?? args.options.get("seed");
  if (seed !== undefined && !/^\d+$/.test(seed)) throw new UsageError(`a seed is a whole number, got \`${seed}\``);
  const model = await load(spec.file, { onProgress: progressLine(spec.file), ...programOption(args) });
  const again = async (): Promise<Session> =>
    model.session({
      backend: await makeBackend(backend),
      plan: !spec.options.has("noplan"),
      print,
      ...(seed === undefined ? {} : { seed: BigInt(seed) }),
    });
  const session = await again();
  const given = args.flags.has("sample") ? await sampleOf(model) : await readInputs(args.repeated.get("input") ?? []);
  return {
    spec,
    model,
    session,
    inputs: inputsFor(model, session.inputNames, byPosition(model, session, given)),
    method: args.options.get("method") ?? "forward",
    again,
  };
}

/** Arrays of a .npz whose names are not the method's arguments stand for them in order. */
function byPosition(model: Model, session: Session, values: Values): Values {
  const names = Object.keys(values.named);
  if (names.length === 0 || model.format === "onnx") return values;
  const known = new Set([...session.inputNames, ...(model.program.argumentNames ?? []), ...model.summary().inputs.map((input) => input.name)]);
  return names.every((name) => !known.has(name)) ? { positional: [...values.positional, ...Object.values(values.named)], named: {} } : values;
}
