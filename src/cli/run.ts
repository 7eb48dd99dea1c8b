/** `opwise run`: inputs from files, a method or the graph, a table of the outputs, and the outputs as files. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type NpyArray, readNpy, writeNpy } from "../bytes/npy.ts";
import { readNpz } from "../bytes/npz.ts";
import { openSource, readAll } from "../bytes/source.ts";
import { load } from "../model.ts";
import type { Input, Output } from "../run/convert.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Storage } from "../tensor/storage.ts";
import { Tensor } from "../tensor/tensor.ts";
import { elementsOf } from "../tensor/text.ts";
import type { Arguments } from "./arguments.ts";
import { progressLine } from "./progress.ts";

function tensorOf(array: NpyArray): Tensor {
  return array.strings === undefined ? new Tensor(Storage.wrap(array.data, false), array.dtype, [...array.shape]) : Tensor.from(array.strings, array.shape, "string");
}

/** One file's values: unnamed for .npy and .json, by name for .npz and `name=file`. */
async function readInput(word: string): Promise<{ readonly positional: readonly Input[]; readonly named: Readonly<Record<string, Input>> }> {
  const at = word.indexOf("=");
  const [name, file] = at > 0 ? [word.slice(0, at), word.slice(at + 1)] : [undefined, word];
  const source = await openSource(file);
  if (file.endsWith(".npz")) {
    return { positional: [], named: Object.fromEntries([...(await readNpz(source))].map(([k, v]) => [k, tensorOf(v)])) };
  }
  const bytes = await readAll(source);
  let value: Input;
  if (file.endsWith(".json")) {
    try {
      value = JSON.parse(new TextDecoder().decode(bytes)) as Input; // JSON's values are inputs
    } catch (cause) {
      throw new OpwiseError("bad-argument", `\`${file}\` is no JSON`, { cause });
    }
  } else value = tensorOf(readNpy(bytes, { name: file }));
  return name === undefined ? { positional: [value], named: {} } : { positional: [], named: { [name]: value } };
}

function table(name: string, value: Output, into: { name: string; tensor: Tensor | undefined; text: string }[]): void {
  if (value instanceof Tensor) {
    const numbers = value.dtype === "string" || value.numel === 0 ? [] : elementsOf(value).map((e) => Number(Array.isArray(e) ? Math.hypot(Number(e[0]), Number(e[1])) : e));
    const range = numbers.length === 0 ? "" : `  min ${numbers.reduce((a, b) => Math.min(a, b), Infinity).toPrecision(6)}  max ${numbers.reduce((a, b) => Math.max(a, b), -Infinity).toPrecision(6)}  mean ${(numbers.reduce((a, b) => a + b, 0) / numbers.length).toPrecision(6)}`;
    into.push({ name, tensor: value, text: `${value.dtype}[${value.shape.join(", ")}]${range}` });
  } else if (Array.isArray(value)) value.forEach((v: Output, i) => table(`${name}.${i}`, v, into));
  else if (value instanceof Map) for (const [k, v] of value as ReadonlyMap<Output, Output>) table(`${name}.${String(k)}`, v, into);
  else if (typeof value === "object" && value !== null && !("kind" in value)) for (const [k, v] of Object.entries(value)) table(name === "" ? k : `${name}.${k}`, v as Output, into);
  else into.push({ name, tensor: undefined, text: JSON.stringify(value, (_k, v: unknown) => (typeof v === "bigint" ? v.toString() : v)) });
}

export async function run(args: Arguments): Promise<number> {
  const backend = args.options.get("backend") ?? "cpu";
  if (backend !== "cpu") {
    throw new OpwiseError("bad-argument", `the command line runs on \`cpu\`, not on \`${backend}\``, { hint: "TensorFlow.js engines are handed in by code: `model.session({ backend: tfjs(tf) })`" });
  }
  const started = performance.now();
  const model = await load(args.model, { onProgress: progressLine(args.model) });
  const seed = args.options.get("seed");
  const session = await model.session({ print: (text) => console.log(text), ...(seed === undefined ? {} : { seed: BigInt(seed) }) });
  const loaded = performance.now();
  const positional: Input[] = [];
  const named: Record<string, Input> = {};
  for (const word of args.repeated.get("input") ?? []) {
    const read = await readInput(word);
    positional.push(...read.positional);
    Object.assign(named, read.named);
  }
  const maxSteps = args.options.get("max-steps");
  const limits = maxSteps === undefined ? {} : { maxSteps: Number(maxSteps) };
  let result: Output;
  if (model.format === "onnx") {
    const free = session.inputNames.filter((n) => !(n in named));
    positional.forEach((value, i) => (named[free[i] ?? `input ${i}`] = value));
    result = await session.run(named, limits);
  } else result = await session.call(args.options.get("method") ?? "forward", positional, named, limits);
  const ended = performance.now();
  const rows: { name: string; tensor: Tensor | undefined; text: string }[] = [];
  table(model.format === "onnx" ? "" : "output", result, rows);
  const width = Math.max(...rows.map((r) => r.name.length), 0);
  for (const row of rows) console.log(`${row.name.padEnd(width)}  ${row.text}`);
  console.log(`loaded in ${(loaded - started).toFixed(0)} ms, ran in ${(ended - loaded).toFixed(0)} ms`);
  const folder = args.options.get("output");
  if (folder !== undefined) {
    mkdirSync(folder, { recursive: true });
    for (const row of rows) {
      const file = row.name.replace(/[^\w.-]/g, "_");
      if (row.tensor === undefined) writeFileSync(join(folder, `${file}.json`), `${row.text}\n`);
      else {
        const { data } = row.tensor;
        writeFileSync(join(folder, `${file}.npy`), writeNpy({ dtype: row.tensor.dtype, shape: row.tensor.shape, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) }));
      }
    }
  }
  session.dispose();
  return 0;
}
