/** How an ONNX op is declared: one table of versions beside its meaning, shared with aten where the meaning is. */

import type { Datum } from "../../ir/datum.ts";
import type { Node } from "../../ir/graph.ts";
import type { Template } from "../../ir/template.ts";
import type { Context } from "../../prims/context.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { Result } from "../define.ts";
import type { BoundOp } from "../registry.ts";

/** A node's attributes, read by name and kind. Absent ones give the default. */
export class Attributes {
  readonly #values: Readonly<Record<string, Template>>;
  readonly #constant: (t: Template) => Datum;
  readonly #op: string;

  constructor(op: string, values: Readonly<Record<string, Template>>, constant: (t: Template) => Datum) {
    this.#op = op;
    this.#values = values;
    this.#constant = constant;
  }
  /** These attributes and others, which win. */
  with(more: Readonly<Record<string, Template>>): Attributes {
    return new Attributes(this.#op, { ...this.#values, ...more }, this.#constant);
  }
  get names(): readonly string[] {
    return Object.keys(this.#values);
  }
  has(name: string): boolean {
    return this.#values[name] !== undefined;
  }
  #bad(name: string, wanted: string): never {
    throw new OpwiseError("bad-onnx", `attribute \`${name}\` of \`${this.#op}\``, { wanted, got: this.#values[name]?.kind ?? "nothing" });
  }
  int(name: string, byDefault?: number): number {
    const t = this.#values[name];
    if (t === undefined && byDefault !== undefined) return byDefault;
    return t?.kind === "int" ? Number(t.value) : this.#bad(name, "an int");
  }
  float(name: string, byDefault?: number): number {
    const t = this.#values[name];
    if (t === undefined && byDefault !== undefined) return byDefault;
    return t?.kind === "float" || t?.kind === "int" ? Number(t.value) : this.#bad(name, "a float");
  }
  string(name: string, byDefault?: string): string {
    const t = this.#values[name];
    if (t === undefined && byDefault !== undefined) return byDefault;
    return t?.kind === "str" ? t.value : this.#bad(name, "a string");
  }
  /** Undefined where absent. */
  ints(name: string): readonly number[] | undefined {
    const t = this.#values[name];
    if (t === undefined) return undefined;
    return t.kind === "list" ? t.items.map((x) => (x.kind === "int" ? Number(x.value) : this.#bad(name, "ints"))) : this.#bad(name, "ints");
  }
  floats(name: string): readonly number[] | undefined {
    const t = this.#values[name];
    if (t === undefined) return undefined;
    return t.kind === "list" ? t.items.map((x) => (x.kind === "float" || x.kind === "int" ? Number(x.value) : this.#bad(name, "floats"))) : this.#bad(name, "floats");
  }
  strings(name: string): readonly string[] | undefined {
    const t = this.#values[name];
    if (t === undefined) return undefined;
    return t.kind === "list" ? t.items.map((x) => (x.kind === "str" ? x.value : this.#bad(name, "strings"))) : this.#bad(name, "strings");
  }
  /** int64 attributes exactly. */
  bigints(name: string): readonly bigint[] | undefined {
    const t = this.#values[name];
    if (t === undefined) return undefined;
    return t.kind === "list" ? t.items.map((x) => (x.kind === "int" ? BigInt(x.value) : this.#bad(name, "ints"))) : this.#bad(name, "ints");
  }
  tensor(name: string): Tensor | undefined {
    const t = this.#values[name];
    if (t === undefined) return undefined;
    const value = this.#constant(t);
    return value instanceof Tensor ? value : this.#bad(name, "a tensor");
  }
  template(name: string): Template | undefined {
    return this.#values[name];
  }
}

/** What a meaning gets besides the context. */
export interface OnnxCall {
  /** In the op's order; null for an optional input that is not given. */
  readonly inputs: readonly Datum[];
  readonly attributes: Attributes;
  /** Outputs that the node names (empty names count up to the last given one). */
  readonly outputs: number;
  /** Since-version of the schema. */
  readonly version: number;
}

/** A meaning that reads yields the tensors whose values it needs, or what else it has to wait for. */
export type OnnxMeaning =
  | { readonly run: (ctx: Context, call: OnnxCall) => Result }
  | { readonly reads: (ctx: Context, call: OnnxCall) => Generator<Tensor | Promise<void>, Result, void> };

/** `onnx::Conv`; versions by the opset that introduced the behaviour: the largest not above the node's is taken. */
export interface OnnxOp {
  readonly name: string;
  readonly versions: Readonly<Record<number, OnnxMeaning>>;
}
export type OnnxTable = ReadonlyMap<string, OnnxOp>;

/** Declares an op of `ai.onnx` (`Conv`) or another domain (`com.microsoft::FusedConv`). */
export function onnxOp(name: string, versions: Readonly<Record<number, OnnxMeaning>>): OnnxOp {
  return { name: name.includes("::") ? name : `onnx::${name}`, versions };
}

export function onnxTableOf(families: readonly (readonly OnnxOp[])[]): OnnxTable {
  const table = new Map<string, OnnxOp>();
  for (const family of families) {
    for (const op of family) {
      if (table.has(op.name)) throw new OpwiseError("internal", `\`${op.name}\` is declared twice`);
      table.set(op.name, op);
    }
  }
  return table;
}

/** The meaning for `onnx::Conv@11`, or undefined. */
export function onnxMeaning(table: OnnxTable, opName: string): { readonly meaning: OnnxMeaning; readonly version: number } | undefined {
  const at = opName.lastIndexOf("@");
  const op = table.get(at < 0 ? opName : opName.slice(0, at));
  if (op === undefined) return undefined;
  const version = at < 0 ? Infinity : Number(opName.slice(at + 1));
  let best = -1;
  for (const key of Object.keys(op.versions)) if (Number(key) <= version && Number(key) > best) best = Number(key);
  const meaning = op.versions[best];
  return meaning === undefined ? undefined : { meaning, version };
}

function results(value: Result, count: number): readonly Datum[] {
  if (count === 1 && !Array.isArray(value)) return [(value as Datum | undefined) ?? null];
  const items: readonly Result[] = Array.isArray(value) ? value : [value];
  return Array.from({ length: count }, (_, i) => (items[i] as Datum | undefined) ?? null); // outputs are data, never nested arrays
}

/** Binds a node to its meaning, or gives undefined where there is none. */
export function bindOnnx(table: OnnxTable, node: Node, constant: (t: Template) => Datum): BoundOp | undefined {
  const found = onnxMeaning(table, node.op);
  if (found === undefined) return undefined;
  const attributes = new Attributes(node.op, node.attributes, constant);
  const outputs = node.results.length;
  const { meaning, version } = found;
  if ("run" in meaning) {
    return { reads: false, run: (ctx, inputs) => results(meaning.run(ctx, { inputs, attributes, outputs, version }), outputs) };
  }
  return {
    reads: true,
    run: function* run(ctx, inputs) {
      return results(yield* meaning.reads(ctx, { inputs, attributes, outputs, version }), outputs);
    },
  };
}
