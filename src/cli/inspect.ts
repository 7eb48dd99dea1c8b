/** `opwise inspect`: what a model is, and whether this build runs it. */

import { load } from "../model.ts";
import { numelOf } from "../tensor/shape.ts";
import type { Arguments } from "./arguments.ts";
import { progressLine } from "./progress.ts";

export async function inspect(args: Arguments): Promise<number> {
  const model = await load(args.model, { onProgress: progressLine(args.model) });
  const summary = model.summary();
  const session = await model.session();
  const tensors = session.tensors();
  const count = (role: string): { tensors: number; elements: number } => {
    const own = tensors.filter((t) => t.role === role);
    return { tensors: own.length, elements: own.reduce((n, t) => n + numelOf(t.tensor.shape), 0) };
  };
  const parameters = count("parameter");
  const buffers = count("buffer");
  const missing = summary.ops.filter((o) => !o.supported);
  const facts = {
    file: args.model, ...summary, parameters, buffers,
    tensors: tensors.map((t) => ({ name: t.name, role: t.role, dtype: t.tensor.dtype, shape: t.tensor.shape })),
    backends: { cpu: missing.length === 0, tfjs: missing.length === 0 }, missing: missing.map((o) => o.name),
  };
  session.dispose();
  if (args.flags.has("json")) {
    console.log(JSON.stringify(facts, (_k, v: unknown) => (typeof v === "bigint" ? v.toString() : v), 2));
    return missing.length === 0 ? 0 : 3;
  }
  console.log(`${args.model}: ${summary.format}, ${summary.version}`);
  for (const i of summary.inputs) console.log(`  input   ${i.name}: ${i.type}`);
  for (const o of summary.outputs) console.log(`  output  ${o.name}: ${o.type}`);
  if (summary.methods.length > 0) console.log(`  methods ${summary.methods.join(", ")}`);
  console.log(`  parameters ${parameters.tensors} tensors, ${parameters.elements.toLocaleString("en")} elements; buffers ${buffers.tensors}, ${buffers.elements.toLocaleString("en")}`);
  console.log(`  ops (${summary.ops.length} kinds; every one that is not marked runs on cpu, and on tfjs natively or by counted fallback):`);
  for (const o of summary.ops) console.log(`    ${String(o.count).padStart(5)}  ${o.name}${o.supported ? "" : "   MISSING"}`);
  if (missing.length > 0) console.log(`  ${missing.length} kinds of op are missing: ${missing.map((o) => o.name).join(", ")}`);
  return missing.length === 0 ? 0 : 3;
}
