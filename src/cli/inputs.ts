/** Inputs of commands: from files, or those that a model was exported with. */

import { readFileSync } from "node:fs";
import { type Input, type Model, OpwiseError, readNpy, readNpz } from "../index.ts";
import { type Arguments, UsageError } from "./arguments.ts";

export interface Values {
  readonly positional: readonly Input[];
  readonly named: Readonly<Record<string, Input>>;
}

function bytesOf(file: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(file));
  } catch (cause) {
    throw new OpwiseError("missing-file", `\`${file}\` cannot be read`, { where: { file }, cause });
  }
}

/** One file's values: unnamed for .npy and .json, by name for .npz and `name=file`. */
async function readInput(word: string): Promise<Values> {
  const at = word.indexOf("=");
  const [name, file] = at > 0 ? [word.slice(0, at), word.slice(at + 1)] : [undefined, word];
  const bytes = bytesOf(file);
  if (file.endsWith(".npz")) return { positional: [], named: Object.fromEntries(await readNpz(bytes)) };
  const value = file.endsWith(".json") ? jsonOf(bytes, file) : readNpy(bytes, { name: file });
  return name === undefined ? { positional: [value], named: {} } : { positional: [], named: { [name]: value } };
}

function jsonOf(bytes: Uint8Array, file: string): Input {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as Input; // JSON's values are inputs
  } catch (cause) {
    throw new OpwiseError("bad-argument", `\`${file}\` is no JSON`, { where: { file }, cause });
  }
}

/** Values of files as `--input` names them, in order. */
export async function readInputs(words: readonly string[]): Promise<Values> {
  const read = await Promise.all(words.map(readInput));
  return { positional: read.flatMap((r) => r.positional), named: Object.assign({}, ...read.map((r) => r.named)) as Values["named"] };
}

/** The arguments that the model was exported with. */
export async function sampleOf(model: Model): Promise<Values> {
  const sample = await model.sampleInputs();
  if (sample === undefined) throw new UsageError("the file holds no sample inputs");
  return { positional: sample.args, named: sample.kwargs };
}

/** An option that is a positive number. @throws UsageError */
export function positive(args: Arguments, option: string): number | undefined {
  const word = args.options.get(option);
  if (word === undefined) return undefined;
  const value = Number(word);
  if (!(value > 0)) throw new UsageError(`\`--${option}\` wants a positive number, got \`${word}\``);
  return value;
}
