/** `opwise inspect`: what a model is, and whether this build runs it. */

import { formatOf, load, readCheckpoint, type Session } from "../index.ts";
import { type Arguments, programOption } from "./arguments.ts";
import { progressLine } from "./progress.ts";

/** JSON has no int64: those are decimal text. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, v: unknown) => (typeof v === "bigint" ? v.toString() : v), 2);
}

/** A checkpoint: its tensors by name, and what they weigh. */
async function inspectCheckpoint(args: Arguments): Promise<number> {
  const { tensors } = await readCheckpoint(args.model, { onProgress: progressLine(args.model) });
  const lines = tensors.map(({ name, tensor, bytes, parameter, device }) => ({
    name,
    dtype: tensor.dtype,
    shape: tensor.shape,
    bytes,
    parameter,
    device,
  }));
  const bytes = lines.reduce((sum, line) => sum + line.bytes, 0);
  if (args.flags.has("json")) {
    console.log(toJson({ file: args.model, format: "state-dict", tensors: lines, bytes }));
    return 0;
  }
  console.log(`${args.model}: checkpoint, ${lines.length} tensors, ${bytes.toLocaleString("en")} bytes`);
  const width = Math.max(...lines.map((line) => line.name.length), 0);
  for (const line of lines) {
    const where = line.device === "cpu" ? "" : `  (saved on ${line.device})`;
    console.log(`  ${line.name.padEnd(width)}  ${line.dtype} [${line.shape.join(", ")}]  ${line.bytes.toLocaleString("en")} bytes${where}`);
  }
  return 0;
}

/** What the weights are made of. */
async function inspectSizes(session: Session, json: boolean): Promise<number> {
  const { resultJson, sizesOf, sizesText } = await import("../debug/index.ts");
  const sizes = await sizesOf(session);
  console.log(json ? resultJson(sizes) : sizesText(sizes));
  return 0;
}

export async function inspect(args: Arguments): Promise<number> {
  if ((await formatOf(args.model)) === "state-dict") return inspectCheckpoint(args);
  const model = await load(args.model, { onProgress: progressLine(args.model), ...programOption(args) });
  const summary = model.summary();
  using session = await model.session();
  if (args.flags.has("sizes")) return await inspectSizes(session, args.flags.has("json"));
  const tensors = session.tensors();
  const count = (role: string): { readonly tensors: number; readonly elements: number } => {
    const own = tensors.filter((t) => t.role === role);
    return { tensors: own.length, elements: own.reduce((n, t) => n + t.tensor.numel, 0) };
  };
  const [parameters, buffers] = [count("parameter"), count("buffer")];
  // A backend runs every op that has a meaning: what it has no kernel for, the cpu does.
  const ops = summary.ops.map((op) => ({ ...op, backends: op.supported ? ["cpu", "tfjs"] : [] }));
  const missing = ops.filter((op) => !op.supported).map((op) => op.name);
  const code = missing.length === 0 ? 0 : 3;
  if (args.flags.has("json")) {
    const shapes = tensors.map(({ name, role, tensor }) => ({ name, role, dtype: tensor.dtype, shape: tensor.shape }));
    const { programs } = model;
    console.log(toJson({ file: args.model, ...summary, programs, ops, parameters, buffers, tensors: shapes, missing, extra: Object.fromEntries(model.extra) }));
    return code;
  }
  const total = (what: { readonly tensors: number; readonly elements: number }): string =>
    `${what.tensors} tensors, ${what.elements.toLocaleString("en")} elements`;
  console.log(`${args.model}: ${summary.format}, ${summary.version}`);
  for (const i of summary.inputs) console.log(`  input       ${i.name}: ${i.type}`);
  for (const o of summary.outputs) console.log(`  output      ${o.name}: ${o.type}`);
  if (model.programs.length > 1) console.log(`  programs    ${model.programs.join(", ")}`);
  if (summary.methods.length > 0) console.log(`  methods     ${summary.methods.join(", ")}`);
  console.log(`  parameters  ${total(parameters)}`);
  console.log(`  buffers     ${total(buffers)}`);
  if (args.flags.has("extra")) {
    for (const [name, text] of model.extra) console.log(`  extra file  ${name}\n${text.replace(/^/gm, "    ")}`);
  } else if (model.extra.size > 0) console.log(`  extra files ${[...model.extra.keys()].join(", ")} (--extra shows them)`);
  console.log(`  ${ops.length} kinds of op, by count, with the backends that run them (tfjs: natively, or on cpu as a counted fallback)`);
  const width = Math.max(...ops.map((op) => op.name.length), 0);
  for (const op of ops) console.log(`    ${String(op.count).padStart(5)}  ${op.name.padEnd(width)}  ${op.supported ? op.backends.join(" ") : "MISSING"}`);
  if (missing.length > 0) console.log(`  ${missing.length} kinds of op are missing: ${missing.join(", ")}`);
  return code;
}
