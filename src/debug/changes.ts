/** Changes to a run under way: values, skipped nodes, other backends, other precisions. Each is an action of the timeline, so that it is done again on every replay. */

import type { Datum } from "../ir/datum.ts";
import type { Node } from "../ir/graph.ts";
import type { Template } from "../ir/template.ts";
import type { BoundOp } from "../ops/registry.ts";
import type { Instruction } from "../run/code.ts";
import { Executor } from "../run/executor.ts";
import type { Machine } from "../run/machine.ts";
import type { Session } from "../run/session.ts";
import type { Backend } from "../prims/backend.ts";
import { cast_, copyInto } from "../prims/calls.ts";
import type { Context } from "../prims/context.ts";
import { type DType, isFloat } from "../tensor/dtype.ts";
import { OpwiseError } from "../tensor/error.ts";
import { numelOf } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Action } from "./timeline.ts";
import { tensorsOf } from "./write-log.ts";

/** Writes a number, or a tensor of the same or a broadcast shape, into a tensor (or a view of one). */
export async function assign(executor: Executor, target: Tensor, value: Datum): Promise<void> {
  await target.storage.sync();
  const source = value instanceof Tensor ? value : Tensor.from([numberOf(value)], [], "float64");
  await source.storage.sync();
  copyInto(executor, target, source);
  if (executor.pending !== undefined) await executor.pending;
}

function numberOf(value: Datum): number {
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return Number(value);
  if (typeof value === "object" && value !== null && "kind" in value && (value.kind === "int" || value.kind === "float" || value.kind === "bool"))
    return Number(value.value);
  throw new OpwiseError("bad-argument", "a tensor's elements are set to a number or a tensor");
}

/** What stands for the results of an instruction that is passed over: its first tensor operand, as it is. */
export function passedThrough(instruction: Instruction, inputs: readonly Datum[]): readonly Datum[] {
  const [first] = inputs.flatMap((value) => (value instanceof Tensor ? [value] : tensorsOf([value])));
  return instruction.results.map(() => {
    if (first === undefined)
      throw new OpwiseError("bad-argument", `\`${instruction.node.op}\` has no tensor operand to hand on`, { hint: "give a value: skip EXPRESSION" });
    return first;
  });
}

/** Nodes that a change applies to. `where`: whether it applies to the execution at hand, as selectors of modules and executions ask. */
export interface Scope {
  readonly nodes: ReadonlySet<Node>;
  readonly where?: ((node: Node) => boolean) | undefined;
}
function applies({ nodes, where }: Scope, instruction: Instruction): boolean {
  return instruction.kind === "op" && nodes.has(instruction.node) && where?.(instruction.node) !== false;
}

/** Runs an op by itself. Generators of ops that read are followed to their end. */
export async function runOp(executor: Executor, instruction: Instruction, args: readonly Datum[]): Promise<readonly Datum[]> {
  if (instruction.kind !== "op") throw new OpwiseError("bad-argument", `\`${instruction.node.op}\` is no op that runs by itself`);
  let outputs: readonly Datum[];
  if (instruction.bound.reads) {
    const steps = instruction.bound.run(executor, args);
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) await (step.value instanceof Promise ? step.value : executor.sync(step.value));
    outputs = step.value;
  } else outputs = instruction.bound.run(executor, args);
  if (executor.pending !== undefined) await executor.pending;
  return outputs;
}

/** From `time` on the nodes run on another backend. */
export function onBackend(time: number, scope: Scope, backend: Backend, machine: Machine): Action {
  const { executor } = machine;
  const other = new Executor({ backend, cpu: backend.onHost ? backend : executor.host, generator: executor.generator, print: (text) => executor.print(text) });
  return {
    time,
    text: `on ${backend.name}`,
    instead: (now, instruction) => (applies(scope, instruction) ? moved(other, instruction, now.nextInputs()) : undefined),
  };
}

/** Runs an op elsewhere and brings what it gave to the host, where every backend can take it from. */
async function moved(executor: Executor, instruction: Instruction, args: readonly Datum[]): Promise<readonly Datum[]> {
  for (const tensor of tensorsOf(args)) await tensor.storage.sync();
  const outputs = await runOp(executor, instruction, args);
  for (const tensor of tensorsOf([...args, ...outputs])) {
    await tensor.storage.sync();
    if (tensor.storage.bufferOn(executor.backend) !== undefined) tensor.storage.dropDevice();
  }
  return outputs;
}

/**
 * From `time` on the nodes compute in another float dtype: operands are rounded to it, results widened again. int8: float operands are rounded to 255
 * steps of their own largest magnitude, and computed with as they were.
 */
export function inDtype(time: number, scope: Scope, dtype: DType): Action {
  return {
    time,
    text: `in ${dtype}`,
    instead: (machine, instruction) => (applies(scope, instruction) ? rounded(machine.executor, instruction, machine.nextInputs(), dtype) : undefined),
  };
}

async function rounded(executor: Executor, instruction: Instruction, args: readonly Datum[], dtype: DType): Promise<readonly Datum[]> {
  const writes = instruction.node.schema?.args.some((a) => a.alias?.write === true) === true;
  for (const tensor of tensorsOf(args)) await tensor.storage.sync();
  let own: DType | undefined;
  const convert = (value: Datum, to: DType, from?: DType): Datum => {
    if (value instanceof Tensor) {
      if (!isFloat(value.dtype) || (from !== undefined && value.dtype !== from)) return value;
      if (dtype === "int8") return from === undefined ? inSteps(executor, value) : value;
      own ??= value.dtype;
      return cast_(executor, value, to);
    }
    if (typeof value === "object" && value !== null && "kind" in value && value.kind === "list")
      return { ...value, items: value.items.map((item) => convert(item, to, from)) };
    return value;
  };
  const outputs = await runOp(
    executor,
    instruction,
    args.map((value) => convert(value, dtype)),
  );
  if (own === undefined) return outputs;
  const wide: DType = own;
  const back = outputs.map((value) => convert(value, wide, dtype));
  if (!writes) return back;
  // What the op writes in place it has written to a rounded copy.
  const target = args.find((value, i) => value instanceof Tensor && instruction.node.schema?.args[i]?.alias?.write === true);
  const [result] = back;
  if (!(target instanceof Tensor) || !(result instanceof Tensor)) return back;
  copyInto(executor, target, result);
  return back.map((value, i) => (i === 0 ? target : value));
}

/** Elements rounded to 127 steps on either side of 0. */
function inSteps(executor: Executor, tensor: Tensor): Tensor {
  const wide = cast_(executor, tensor, "float32").data;
  const out = new Float32Array(wide.length);
  let largest = 0;
  for (const v of wide) largest = Math.max(largest, Number.isFinite(Number(v)) ? Math.abs(Number(v)) : 0);
  const step = largest / 127 || 1;
  for (let i = 0; i < out.length; i++) out[i] = Math.round(Number(wide[i]) / step) * step;
  return cast_(executor, Tensor.from(out, tensor.shape, "float32"), tensor.dtype);
}

/** From `time` on the nodes are passed over: their first tensor operand stands for their results. */
export function skipping(time: number, scope: Scope): Action {
  return {
    time,
    text: "skipped",
    instead: (machine, instruction) =>
      applies(scope, instruction) ? Promise.resolve().then(() => passedThrough(instruction, machine.nextInputs())) : undefined,
  };
}

/** Whether a node has an argument or attribute of the name. */
export function hasArgument(node: Node, name: string): boolean {
  return node.schema === undefined ? node.attributes[name] !== undefined : node.schema.args.some((a) => a.name === name);
}

/** The attribute with a number, text or truth in its place, of the kind that it has. */
function attributeOf(old: Template | undefined, value: Datum): Template {
  if (old?.kind === "int" && (typeof value === "number" || typeof value === "boolean")) return { kind: "int", value: Math.round(Number(value)) };
  if (old?.kind === "float" && typeof value === "number") return { kind: "float", value };
  if (old?.kind === "str" && typeof value === "string") return { kind: "str", value };
  throw new OpwiseError("bad-argument", "the attribute takes another kind of value", {
    wanted: old?.kind ?? "an attribute that the node has",
    got: typeof value,
  });
}

/** From `time` on an argument (ONNX: an attribute that the node has) of the nodes has another value. @throws bad-argument where a node has no such argument */
export function withArgument(time: number, scope: Scope, name: string, value: Datum, session: Session): Action {
  const at = new Map<Node, number>();
  const bound = new Map<Node, BoundOp>();
  for (const node of scope.nodes) {
    const meaning =
      node.schema === undefined ? session.withAttributes(node, { ...node.attributes, [name]: attributeOf(node.attributes[name], value) }) : undefined;
    if (meaning !== undefined) {
      bound.set(node, meaning);
      continue;
    }
    const i = node.schema?.args.findIndex((a) => a.name === name) ?? -1;
    if (i < 0)
      throw new OpwiseError("bad-argument", `\`${node.op}\` has no argument \`${name}\``, {
        wanted: node.schema?.args.map((a) => a.name).join(", ") ?? "an op with a schema",
      });
    at.set(node, i);
  }
  return {
    time,
    text: `${name} changed`,
    instead: (machine, instruction) => {
      const i = at.get(instruction.node);
      if (instruction.kind !== "op" || !applies(scope, instruction)) return undefined;
      const meaning = bound.get(instruction.node);
      if (meaning !== undefined) return runOp(machine.executor, { ...instruction, bound: meaning }, machine.nextInputs());
      if (i === undefined) return undefined;
      return runOp(
        machine.executor,
        instruction,
        machine.nextInputs().map((v, k) => (k === i ? value : v)),
      );
    },
  };
}

/** Largest and relative difference of two results. */
export interface Difference {
  readonly shape: readonly number[];
  readonly sameShape: boolean;
  readonly max: number;
  readonly relL2: number;
  /** Elements that differ at all. */
  readonly count: number;
}

/** How far two tensors lie apart. Equal NaN are no difference. */
export function differenceOf(a: Tensor, b: Tensor, context: Context): Difference {
  const sameShape = a.shape.length === b.shape.length && a.shape.every((size, i) => size === b.shape[i]);
  if (!sameShape) return { shape: b.shape, sameShape, max: Infinity, relL2: Infinity, count: numelOf(b.shape) };
  const wide = (t: Tensor): ArrayLike<number | bigint> =>
    t.dtype === "float64" || t.dtype === "float32" ? t.data : cast_(context, t, isFloat(t.dtype) ? "float64" : t.dtype).data;
  const [x, y] = [wide(a), wide(b)];
  let [max, errors, size, count] = [0, 0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [p, q] = [Number(x[i]), Number(y[i])];
    if (Object.is(p, q) || p === q) {
      size += Number.isFinite(p) ? p * p : 0;
      continue;
    }
    count++;
    const e = Math.abs(p - q);
    max = Number.isNaN(e) ? Infinity : Math.max(max, e);
    errors += Number.isFinite(e) ? e * e : Infinity;
    size += Number.isFinite(p) ? p * p : 0;
  }
  return { shape: a.shape, sameShape, max, relL2: errors === 0 ? 0 : Math.sqrt(errors / size), count };
}
