/** `opwise convert`: a method of a TorchScript module or a .pt2 program as an ONNX model. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { elementsOf, type Exported, type Input, load, type Model, OpwiseError, type Output, readNpy, readNpz, Tensor } from "../index.ts";
import { type Arguments, programOption, UsageError } from "./arguments.ts";
import { progressLine } from "./progress.ts";

interface Examples {
  readonly args: Input[];
  readonly kwargs: Record<string, Input>;
}

/** `[NAME=]float32[1,3,224,224]`, or `[NAME=]FILE` of .npy, .npz or .json. */
async function addExample(word: string, into: Examples): Promise<void> {
  const [, name, value = ""] = /^(?:([A-Za-z_]\w*)=)?(.*)$/s.exec(word) ?? [];
  const put = (input: Input): void => {
    if (name === undefined) into.args.push(input);
    else into.kwargs[name] = input;
  };
  const spec = /^([a-z]+\d*(?:_\w+)?)\[([\d, ]*)\]$/.exec(value);
  if (spec !== null) {
    const shape = (spec[2] ?? "")
      .split(",")
      .filter((s) => s.trim() !== "")
      .map(Number);
    put(Tensor.zeros(shape, dtypeNamed(spec[1] ?? "")));
    return;
  }
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(readFileSync(value));
  } catch (cause) {
    throw new OpwiseError("missing-file", `\`${value}\` cannot be read`, {
      where: { file: value },
      cause,
      hint: "an example is a file, or `float32[1,3,224,224]`",
    });
  }
  if (value.endsWith(".npz")) Object.assign(into.kwargs, Object.fromEntries(await readNpz(bytes)));
  else put(value.endsWith(".json") ? (JSON.parse(new TextDecoder().decode(bytes)) as Input) : readNpy(bytes, { name: value }));
}
const NAMES = ["bool", "uint8", "int8", "uint16", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"] as const;
function dtypeNamed(name: string): (typeof NAMES)[number] {
  const dtype = NAMES.find((d) => d === name);
  if (dtype === undefined) throw new UsageError(`there is no dtype \`${name}\`; ${NAMES.join(", ")}`);
  return dtype;
}

/** Examples by names that the model does not know are in its arguments' order. */
function byPosition(model: Model, examples: Examples): void {
  const known = new Set(model.summary().inputs.map((i) => i.name));
  if (Object.keys(examples.kwargs).some((name) => known.has(name))) return;
  examples.args.push(...Object.values(examples.kwargs));
  for (const name of Object.keys(examples.kwargs)) delete examples.kwargs[name];
}

/** Tensors and numbers of a result, in order. */
function leavesOf(value: Output): (Tensor | number)[] {
  if (value instanceof Tensor) return [value];
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return [Number(value)];
  if (Array.isArray(value)) return value.flatMap((v: Output) => leavesOf(v));
  if (value instanceof Map) return [...(value as ReadonlyMap<Output, Output>).values()].flatMap(leavesOf);
  return typeof value === "object" && value !== null && !("kind" in value) ? Object.values(value).flatMap((v) => leavesOf(v as Output)) : [];
}
function distance(a: Tensor | number | undefined, b: Tensor | number): number {
  const numbers = (t: Tensor | number | undefined): number[] => (t instanceof Tensor ? elementsOf(t).flat().map(Number) : t === undefined ? [] : [t]);
  const [x, y] = [numbers(a), numbers(b)];
  if (x.length !== y.length) return Infinity;
  return y.reduce((worst, w, i) => {
    const got = x[i] ?? NaN;
    if (got === w || (Number.isNaN(got) && Number.isNaN(w))) return worst;
    const error = Math.abs(got - w) / Math.max(1, Math.abs(w));
    return Number.isNaN(error) ? Infinity : Math.max(worst, error);
  }, 0);
}

/** Runs both models on a file's tensors; gives the largest error. */
async function check(model: Model, exported: Exported, method: string, file: string): Promise<number> {
  const given: Examples = { args: [], kwargs: Object.fromEntries(await readNpz(new Uint8Array(readFileSync(file)))) };
  byPosition(model, given);
  const inputs = exported.inputs.filter((i) => i.state === undefined);
  const named = { ...given.kwargs, ...Object.fromEntries(given.args.map((value, i) => [inputs[i]?.name ?? "", value])) };
  const files = exported.model.files("model.onnx", false);
  const converted = await load(files.get("model.onnx") ?? new Uint8Array());
  const own = await (await converted.session()).run({ ...Object.fromEntries(exported.inputs.map((i) => [i.name, i.example])), ...named });
  const wanted = leavesOf(await (await model.session()).call(method, given.args, given.kwargs));
  const got = leavesOf(Object.values(own));
  return wanted.reduce<number>((worst, w, i) => Math.max(worst, distance(got[i], w)), 0);
}

export async function convert(args: Arguments): Promise<number> {
  const [to, ...more] = args.words;
  if (to === undefined || more.length > 0) throw new UsageError("where shall the model go? opwise convert MODEL FILE.onnx");
  const opset = args.options.get("opset");
  const method = args.options.get("method") ?? "forward";
  const examples: Examples = { args: [], kwargs: {} };
  for (const word of args.repeated.get("input") ?? []) await addExample(word, examples);
  const given = examples.args.length > 0 || Object.keys(examples.kwargs).length > 0;
  const checked = args.options.get("check");
  if (!given && checked !== undefined) await addExample(checked, examples);
  const model = await load(args.model, { onProgress: progressLine(args.model), ...programOption(args) });
  byPosition(model, examples);
  const exported = await model.toOnnx({
    method,
    dynamic: !args.flags.has("static"),
    ...(opset === undefined ? {} : { opset: Number(opset) }),
    ...(given || checked !== undefined ? examples : {}),
  });
  const files = exported.model.files(to, args.flags.has("external-data") ? true : undefined);
  for (const [name, bytes] of files) {
    mkdirSync(dirname(join(name)), { recursive: true });
    writeFileSync(name, bytes);
  }
  console.log(`${to}: opset ${exported.model.opset}, ${exported.nodes} nodes, ${(exported.model.nbytes / 1e6).toFixed(1)} MB of weights`);
  for (const i of exported.inputs)
    console.log(`  input  ${i.name}: ${i.example.dtype}[${i.dims.join(", ")}]${i.state === undefined ? "" : "  (state of the module)"}`);
  for (const o of exported.outputs) console.log(`  output ${o}`);
  if (exported.fixed.length > 0)
    console.log(`fixed at the examples' values: ${exported.fixed.map((f) => `${f.name} = ${f.value}${f.op === "" ? "" : ` (${f.op})`}`).join(", ")}`);
  if (exported.spelled.size > 0) console.log(`spelled out: ${[...exported.spelled].map(([op, n]) => (n === 1 ? op : `${op} (${n})`)).join(", ")}`);
  if (checked === undefined) return 0;
  const error = await check(model, exported, method, checked);
  console.log(`checked on ${checked}: largest error ${error.toExponential(2)}`);
  return error <= 1e-3 ? 0 : 1;
}
