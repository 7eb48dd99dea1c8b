/**
 * A case: a few steps of a run as a model of their own, with the inputs that it takes to see what is wrong. What the steps got from elsewhere
 * became inputs, with the recorded values.
 */

import type { Datum } from "../../ir/datum.ts";
import type { Block, FunctionDecl, Node, Program, Value } from "../../ir/graph.ts";
import type { Template } from "../../ir/template.ts";
import { typeOfTemplate } from "../../ir/template-type.ts";
import { T, type Type } from "../../ir/type.ts";
import type { BoundOp } from "../../ops/registry.ts";
import type { Backend } from "../../prims/backend.ts";
import type { Context } from "../../prims/context.ts";
import { Executor } from "../../run/executor.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { Storage } from "../../tensor/storage.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { runBound } from "../compare/replay.ts";
import { type Execution, mapTensors, recordOver, type Tape, tensorsIn } from "../compare/tape.ts";

export interface CaseStep {
  readonly node: Node;
  readonly bound: BoundOp;
  /** Tensors in it are names: inputs of the case, or what an earlier step gives. */
  readonly args: readonly Datum[];
  readonly outs: readonly Datum[];
}

export interface Case {
  readonly format: Program["format"];
  readonly steps: readonly CaseStep[];
  /** By name: the tensors that the steps' arguments stand for. */
  readonly inputs: ReadonlyMap<Tensor, Tensor>;
  /** Which tensor of the last step is wrong. */
  readonly output: number;
}

/** The chosen executions as a case that ends with the last of them. @throws bad-argument for ops that draw random numbers or keep objects */
export function caseOf(tape: Tape, chosen: readonly Execution[], output: number): Case {
  const inputs = new Map<Tensor, Tensor>();
  const made = new Set<Tensor>();
  for (const e of chosen) {
    for (const t of tensorsIn(e.args)) if (!made.has(t) && !inputs.has(t)) inputs.set(t, ownCopy(t));
    for (const t of tensorsIn(e.outs)) made.add(t);
  }
  return { format: tape.program.format, steps: chosen.map(({ node, bound, args, outs }) => ({ node, bound, args, outs })), inputs, output };
}

/** The elements alone: a view's storage stays behind. Strides are kept where they are dense. */
function ownCopy(t: Tensor): Tensor {
  const { data } = t;
  const out = new Tensor(Storage.wrap(new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice(), true), t.dtype, [...t.shape]);
  out.quantizer = t.quantizer;
  out.wrappedNumber = t.wrappedNumber;
  out.lengths = t.lengths;
  return out;
}

export interface CaseRun {
  readonly backend: Backend;
  readonly cpu: Backend;
  /** In place of a step's op. */
  readonly boundOf?: ((step: CaseStep) => BoundOp) | undefined;
  readonly contextOf?: ((ctx: Context) => Context) | undefined;
  /** Bytes and visited elements that a run may take. */
  readonly maxBytes?: number | undefined;
  readonly maxWork?: number | undefined;
}

/** The results of the last step, on the host. @throws what the steps raise, out-of-memory and step-limit */
export async function runCase(one: Case, options: CaseRun): Promise<readonly Tensor[]> {
  const executor = new Executor({
    backend: options.backend,
    cpu: options.cpu,
    generator: { seed: 0n, words: new Uint32Array(624), position: 0, nextFloat: undefined, nextDouble: undefined },
  });
  executor.budget = options.maxBytes ?? Infinity;
  executor.work = options.maxWork ?? Infinity;
  const ctx = options.contextOf?.(executor) ?? executor;
  const live = new Map<Tensor, Tensor>();
  for (const [name, value] of one.inputs) live.set(name, recordOver(value, Storage.wrap(value.storage.bytes(), true)));
  let outs: readonly Datum[] = [];
  for (const step of one.steps) {
    const args = step.args.map((a) => mapTensors(a, (t) => live.get(t) ?? t));
    outs = await runBound(options.boundOf?.(step) ?? step.bound, ctx, args);
    if (executor.pending !== undefined) await executor.pending;
    const got = tensorsIn(outs);
    tensorsIn(step.outs).forEach((name, i) => void (got[i] !== undefined && live.set(name, got[i])));
  }
  const results = tensorsIn(outs);
  for (const t of results) {
    const wait = t.storage.sync();
    if (wait instanceof Promise) await wait;
  }
  return results;
}

/** Bytes of the inputs. */
export function bytesOf(one: Case): number {
  return [...one.inputs.values()].reduce((sum, t) => sum + t.nbytes, 0);
}

/** A constant's template. @throws bad-argument for what a case cannot hold */
function templateOf(value: Datum): Template {
  if (value === null) return { kind: "none" };
  if (typeof value === "boolean") return { kind: "bool", value };
  if (typeof value === "number") return Number.isInteger(value) ? { kind: "int", value } : { kind: "float", value };
  if (typeof value === "bigint") return { kind: "int", value };
  if (typeof value === "string") return { kind: "str", value };
  if (!(value instanceof Tensor)) {
    if (value.kind === "list") return { kind: "list", elem: value.elem, items: value.items.map(templateOf) };
    if (value.kind === "tuple") return { kind: "tuple", items: value.items.map(templateOf) };
    if (value.kind === "int") return { kind: "int", value: value.value };
    if (value.kind === "float") return { kind: "float", value: value.value };
    if (value.kind === "bool") return { kind: "bool", value: value.value };
    if (value.kind === "complex") return { kind: "complex", re: value.re, im: value.im };
    if (value.kind === "device") return { kind: "device", value: value.name };
  }
  throw new OpwiseError("bad-argument", "a case cannot hold this argument", {
    got: value instanceof Tensor ? "a tensor" : value.kind,
    wanted: "tensors, numbers, strings, and lists of them",
  });
}

/** A float argument that is a whole number prints as a float where the schema says so. */
function typedTemplate(value: Datum, type: Type | undefined): Template {
  const inner = type?.kind === "Optional" ? type.elem : type;
  if (typeof value === "number" && inner?.kind === "float") return { kind: "float", value };
  if (typeof value === "object" && value !== null && "kind" in value && value.kind === "list" && inner?.kind === "List" && inner.elem.kind === "float") {
    return { kind: "list", elem: inner.elem, items: value.items.map((v) => typedTemplate(v, inner.elem)) };
  }
  return templateOf(value);
}

/** The case as a program: one function, whose inputs are the case's. */
export function programOf(one: Case, name: string): { readonly program: Program; readonly names: ReadonlyMap<Tensor, string> } {
  let id = 0;
  const fresh = (type: Type, text?: string): Value => ({ id: id++, type, name: text });
  const nodes: Node[] = [];
  const values = new Map<Tensor, Value>();
  const names = new Map<Tensor, string>();
  const params = [...one.inputs.keys()].map((t, i) => {
    const text = `x${i}`;
    names.set(t, text);
    const value = fresh(T.Tensor, text);
    values.set(t, value);
    return { text, value };
  });
  const operand = (value: Datum, type: Type | undefined): Value | undefined => {
    if (value instanceof Tensor) return values.get(value);
    if (typeof value === "object" && value !== null && (value.kind === "list" || value.kind === "tuple") && tensorsIn(value.items).length > 0) {
      const items = value.items.map((item) => operand(item, undefined));
      const result = fresh(value.kind === "list" ? { kind: "List", elem: value.elem } : { kind: "Tuple", elems: value.items.map(() => T.Tensor) });
      nodes.push({
        op: value.kind === "list" ? "prim::ListConstruct" : "prim::TupleConstruct",
        operands: items,
        attributes: {},
        results: [result],
        blocks: [],
      });
      return result;
    }
    if (value === null && type === undefined) return undefined;
    const template = typedTemplate(value, type);
    const own = typeOfTemplate(template);
    const result = fresh(own.kind === "Any" ? (type ?? own) : own);
    nodes.push({ op: "prim::Constant", operands: [], attributes: { value: template }, results: [result], blocks: [] });
    return result;
  };
  let last: readonly Value[] = [];
  for (const step of one.steps) {
    const { schema } = step.node;
    const operands = step.args.map((arg, i) => operand(arg, schema?.args[i]?.type));
    last = step.outs.map((out, i) => fresh(step.node.results[i]?.type ?? (out instanceof Tensor ? T.Tensor : T.Any)));
    nodes.push({ op: step.node.op, operands, attributes: step.node.attributes, results: last, blocks: [], schema, name: step.node.name });
    step.outs.forEach((out, i) => {
      const made = last[i];
      if (out instanceof Tensor && made !== undefined) values.set(out, made);
      else if (made !== undefined && typeof out === "object" && out !== null && !(out instanceof Tensor) && (out.kind === "list" || out.kind === "tuple")) {
        const parts = out.items.map(() => fresh(T.Tensor));
        nodes.push({ op: out.kind === "list" ? "prim::ListUnpack" : "prim::TupleUnpack", operands: [made], attributes: {}, results: parts, blocks: [] });
        out.items.forEach((item, k) => void (item instanceof Tensor && parts[k] !== undefined && values.set(item, parts[k])));
      }
    });
  }
  const outputs = tensorsIn(one.steps.at(-1)?.outs ?? [])
    .map((t) => values.get(t))
    .filter((v) => v !== undefined);
  const body: Block = { inputs: params.map((p) => p.value), nodes, outputs };
  const main: FunctionDecl = {
    name: "forward",
    params: params.map((p) => ({ name: p.text, type: T.Tensor })),
    returns: outputs.length === 1 ? T.Tensor : { kind: "Tuple", elems: outputs.map(() => T.Tensor) },
    graph: () => body,
  };
  const program: Program = {
    format: one.format === "onnx" ? "onnx" : "torchscript",
    version: "case",
    name,
    classes: new Map(),
    functions: new Map(),
    main,
    inputs: params.map((p) => ({ name: p.text, type: T.Tensor })),
    outputs: outputs.map((_, i) => ({ name: `y${i}`, type: T.Tensor })),
    extra: new Map(),
  };
  return { program, names };
}
