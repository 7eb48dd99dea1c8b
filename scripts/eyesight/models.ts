/** Models with inputs for the eyesight test: benchmark folders (`inputs.npz`, `model.json`) and corpus cases (`case.json`). */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { NpyArray } from "../../src/bytes/npy.ts";
import { readNpz } from "../../src/bytes/npz.ts";
import { openSource } from "../../src/bytes/source.ts";
import { ownInputs } from "../../src/debug/compare/inputs.ts";
import { record, type Tape } from "../../src/debug/compare/tape.ts";
import { load, type Model } from "../../src/model.ts";
import type { Backend } from "../../src/prims/backend.ts";
import type { Input } from "../../src/run/convert.ts";
import { Storage } from "../../src/tensor/storage.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { array, inputOf, type Json, object } from "../runner/value.ts";

export interface Subject {
  readonly name: string;
  readonly model: Model;
  readonly method: string;
  readonly args: readonly Input[];
  readonly named: Readonly<Record<string, Input>>;
}

function tensorOf(a: NpyArray): Tensor {
  return new Tensor(Storage.wrap(new Uint8Array(a.data), false), a.dtype, [...a.shape]);
}

/** A model of a benchmark folder, from one of its files. */
export async function benchmark(folder: string, file: string): Promise<Subject> {
  const inputs = await readNpz(await openSource(join(folder, "inputs.npz")));
  const spec = JSON.parse(readFileSync(join(folder, "model.json"), "utf8")) as { inputs?: readonly { name: string }[] };
  const order = (spec.inputs ?? []).map((i) => i.name).filter((n) => inputs.has(n));
  const names = order.length === inputs.size ? order : [...inputs.keys()];
  const model = await load(join(folder, file));
  const feeds = names.map((n) => [n, tensorOf(inputs.get(n) as NpyArray)] as const); // names are its keys
  const name = `${basename(folder)}/${file}`;
  return model.format === "onnx"
    ? { name, model, method: "forward", args: [], named: Object.fromEntries(feeds) }
    : { name, model, method: "forward", args: feeds.map(([, t]) => t), named: {} };
}

/** The first call of a corpus case that raises nothing; undefined where it has none, or needs earlier calls. */
export async function corpusCase(folder: string): Promise<Subject | undefined> {
  const spec = object(JSON.parse(readFileSync(join(folder, "case.json"), "utf8")) as Json);
  const file = ["model.pt", "model.pt2"].map((f) => join(folder, f)).find((f) => existsSync(f));
  const call = array(spec["calls"]).map(object)[0];
  if (file === undefined || call === undefined || "raises" in call) return undefined;
  const arrays = existsSync(join(folder, "data.npz")) ? await readNpz(await openSource(join(folder, "data.npz"))) : new Map<string, NpyArray>();
  return {
    name: basename(folder),
    model: await load(file),
    method: String(call["method"]),
    args: array(call["args"]).map((a) => inputOf(a, arrays)),
    named: Object.fromEntries(Object.entries(object(call["kwargs"] ?? {})).map(([k, v]) => [k, inputOf(v, arrays)])),
  };
}

/** Runs the subject on a backend and records it. */
export async function taped(subject: Subject, backend: Backend): Promise<Tape> {
  const session = await subject.model.session({ backend });
  const names = Object.keys(subject.named);
  const own = ownInputs([...subject.args, ...Object.values(subject.named)]);
  const named = Object.fromEntries(names.map((name, i) => [name, own[subject.args.length + i]] as const));
  const tape = await record(session, own.slice(0, subject.args.length), { method: subject.method, named });
  session.dispose();
  return tape;
}

/** Folders below `dir` that hold the file. */
export function foldersWith(dir: string, file: string): string[] {
  return readdirSync(dir)
    .sort()
    .map((f) => join(dir, f))
    .filter((f) => existsSync(join(f, file)));
}
