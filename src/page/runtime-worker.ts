/** Runs a model inside the page's worker and hands back a trace of it. Nothing goes anywhere else. */

import { recordBytes } from "../debug/file/writer.ts";
import { cpu, type Input, isOpwiseError, load, type Model, readNpy, readNpz, Tensor, wasm } from "../index.ts";
import type { DType } from "../tensor/dtype.ts";
import { longDtype } from "../debug/elements.ts";

/** A file of the user's: a model, something beside it, or inputs. */
export interface Given {
  readonly name: string;
  readonly file: Blob;
}

/** One input as the form asks for it. */
export interface InputChoice {
  readonly name: string;
  /** `f32[1,3,224,224]`, or a number, a list, `None`. */
  readonly text: string;
  readonly fill: "random" | "zeros" | "ones" | "counting";
}

export type ToRuntime =
  | { readonly kind: "open"; readonly model: Given; readonly beside: readonly Given[]; readonly inputs: readonly Given[] }
  | { readonly kind: "run"; readonly choices: readonly InputChoice[]; readonly backend: BackendName; readonly seed: number }
  /** The inputs of the run before, on a backend. */
  | { readonly kind: "again"; readonly backend: BackendName };

export type BackendName = "cpu" | "wasm";

export type FromRuntime =
  | { readonly kind: "progress"; readonly text: string }
  | { readonly kind: "wants"; readonly model: string; readonly inputs: readonly { readonly name: string; readonly type: string; readonly text: string }[] }
  | { readonly kind: "trace"; readonly name: string; readonly bytes: Uint8Array }
  | { readonly kind: "failed"; readonly message: string };

/** Bytes of numbers that are kept of one run. */
const KEEP_BYTES = 256 * 2 ** 20;

let opened: { readonly model: Model; readonly name: string } | undefined;
/** Arguments by position and by name. */
interface Arguments {
  readonly args: readonly Input[];
  readonly named: Readonly<Record<string, Input>>;
}
let last: Arguments = { args: [], named: {} };

function say(message: FromRuntime, transfer: Transferable[] = []): void {
  postMessage(message, { transfer });
}

/** A shape to begin with: what the type says, 1 for what it leaves open. */
function suggestion(type: string): string {
  const tensor = /^Tensor(?:\((\w+)?(?:, )?(?:\[(.*)\])?\))?$/.exec(type);
  if (tensor === null) return type.startsWith("Optional") ? "None" : type === "int" ? "1" : type === "float" ? "1.0" : type === "bool" ? "true" : "None";
  const dims = (tensor[2] ?? "1")
    .split(",")
    .map((dim) => dim.trim())
    .filter((dim) => dim !== "");
  return `${tensor[1] ?? "f32"}[${dims.map((dim) => (/^\d+$/.test(dim) ? dim : "1")).join(",")}]`;
}

async function bytesOf(file: Blob): Promise<Uint8Array> {
  return new Uint8Array(await file.arrayBuffer());
}

async function open(message: Extract<ToRuntime, { readonly kind: "open" }>): Promise<void> {
  const { model: given, beside, inputs } = message;
  say({ kind: "progress", text: `reading ${given.name}` });
  const siblings = Object.fromEntries(beside.map((one) => [one.name, one.file]));
  const model = await load(given.file, { name: given.name, siblings });
  model.requireSupport();
  opened = { model, name: given.name };
  const wanted = model.summary().inputs;
  if (inputs.length > 0) {
    const args: Input[] = [];
    const named: Record<string, Input> = {};
    for (const one of inputs) {
      if (/\.npz$/i.test(one.name)) Object.assign(named, Object.fromEntries(await readNpz(one.file)));
      else {
        const stem = one.name.replace(/\.npy$/i, "");
        const tensor = readNpy(await bytesOf(one.file), { name: one.name });
        if (wanted.some((input) => input.name === stem)) named[stem] = tensor;
        else args.push(tensor);
      }
    }
    // Names that the model does not know are positions: an .npz of `np.savez(a, b)`.
    const known = Object.keys(named).every((name) => wanted.some((input) => input.name === name));
    await run(known ? args : [...args, ...Object.values(named)], known ? named : {}, "cpu");
    return;
  }
  const sample = await model.sampleInputs();
  if (sample !== undefined) await run(sample.args, sample.kwargs, "cpu");
  else say({ kind: "wants", model: given.name, inputs: wanted.map(({ name, type }) => ({ name, type, text: suggestion(type) })) });
}

/** Numbers of a seed, the same everywhere (xorshift32). */
function randomOf(seed: number): () => number {
  let state = (seed | 0) === 0 ? 1 : seed | 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 4294967296;
  };
}

function valueOf(choice: InputChoice, random: () => number): Input {
  const tensor = /^\s*([A-Za-z]\w*)\s*\[([\d,\s]*)\]\s*$/.exec(choice.text);
  if (tensor === null) {
    const text = choice.text.trim();
    return (text === "" || text === "None" ? null : JSON.parse(text)) as Input; // JSON's values are inputs
  }
  const dtype = longDtype(tensor[1] ?? "");
  if (dtype === undefined) throw new Error(`\`${tensor[1] ?? ""}\` is no dtype`);
  const shape = (tensor[2] ?? "")
    .split(",")
    .map((dim) => dim.trim())
    .filter((dim) => dim !== "")
    .map(Number);
  const numel = shape.reduce((a, b) => a * b, 1);
  const isFloat = /float|complex/.test(dtype);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const one = (i: number): number =>
    choice.fill === "zeros" ? 0 : choice.fill === "ones" ? 1 : choice.fill === "counting" ? i : isFloat ? normal() : Math.floor(10 * random());
  return tensorFrom(
    Array.from({ length: numel }, (_, i) => one(i)),
    shape,
    dtype,
  );
}

function tensorFrom(numbers: readonly number[], shape: readonly number[], dtype: DType): Tensor {
  return /int64/.test(dtype)
    ? Tensor.from(
        BigInt64Array.from(numbers, (x) => BigInt(Math.trunc(x))),
        shape,
        dtype,
      )
    : Tensor.from([...numbers], shape, dtype);
}

async function run(args: readonly Input[], named: Readonly<Record<string, Input>>, backend: BackendName): Promise<void> {
  if (opened === undefined) throw new Error("no model is open");
  last = { args, named };
  say({ kind: "progress", text: `running ${opened.name} on ${backend}` });
  const session = await opened.model.session({ backend: backend === "wasm" ? wasm() : cpu(), plan: false });
  const { bytes } = await recordBytes(session, { args, named }, { values: "full", maxBytes: KEEP_BYTES });
  say({ kind: "trace", name: `${opened.name} on ${backend}`, bytes }, [bytes.buffer as ArrayBuffer]); // made for this message
  session.dispose();
}

async function handle(message: ToRuntime): Promise<void> {
  if (message.kind === "open") return open(message);
  if (message.kind === "again") return run(last.args, last.named, message.backend);
  const random = randomOf(message.seed);
  const named = Object.fromEntries(message.choices.map((choice) => [choice.name, valueOf(choice, random)]));
  return run([], named, message.backend);
}

addEventListener("message", (event: MessageEvent<ToRuntime>) => {
  handle(event.data).catch((error: unknown) => {
    say({ kind: "failed", message: isOpwiseError(error) ? error.toString() : error instanceof Error ? error.message : String(error) });
  });
});
