/**
 * Shapes of results from shapes of inputs, with dims as expressions over the file's symbols; and the contents of small integer tensors that shapes are
 * made of (`Shape`, `Gather`, `Concat`, ...), so that a `Reshape` by them is known too. What is not known gets a symbol of its own (`?3`) or no shape.
 */

import { addDims, type Dim, divDims, mulDims, sameDim } from "../../ir/dim.ts";
import type { Value } from "../../ir/graph.ts";
import type { OnnxSchema } from "../../ir/onnx-schema.ts";
import type { Template } from "../../ir/template.ts";
import { SHAPE_RULES } from "./shape-rules.ts";
import { type OpenDims, tensorType } from "./types.ts";

export type Dims = readonly Dim[];
/** What a rule says of a result: its dims, and, of an integer tensor of rank 0 or 1, its elements. */
export interface Known {
  readonly dims: Dims | undefined;
  readonly data?: Dims | undefined;
}
export type Rule = (node: ShapeNode) => readonly (Known | undefined)[];

/** Larger tensors are no shapes. */
const MOST_ELEMENTS = 64;

/** A node as its rule sees it. */
export class ShapeNode {
  readonly schema: OnnxSchema;
  readonly outputs: number;
  readonly #attributes: Readonly<Record<string, Template>>;
  readonly #operands: readonly (Value | undefined)[];
  readonly #data: ReadonlyMap<Value, Dims>;
  readonly #open: OpenDims;

  constructor(
    schema: OnnxSchema,
    attributes: Readonly<Record<string, Template>>,
    operands: readonly (Value | undefined)[],
    outputs: number,
    data: ReadonlyMap<Value, Dims>,
    open: OpenDims,
  ) {
    this.schema = schema;
    this.#attributes = attributes;
    this.#operands = operands;
    this.outputs = outputs;
    this.#data = data;
    this.#open = open;
  }

  get inputs(): number {
    return this.#operands.length;
  }
  has(index: number): boolean {
    return this.#operands[index] !== undefined;
  }
  /** Dims of an input, where its rank is known. */
  dims(index: number): Dims | undefined {
    const type = this.#operands[index]?.type;
    return type?.kind === "Tensor" ? type.shape : undefined;
  }
  /** Elements of an integer input (or of a constant one of floats), where they are known. */
  data(index: number): Dims | undefined {
    const value = this.#operands[index];
    return value === undefined ? undefined : this.#data.get(value);
  }
  /** The same, where all are numbers. */
  numbers(index: number): readonly number[] | undefined {
    const data = this.data(index);
    return data?.every((d) => typeof d === "number") === true ? data : undefined;
  }
  int(name: string, otherwise: number): number {
    const t = this.#attributes[name];
    return t?.kind === "int" ? Number(t.value) : otherwise;
  }
  ints(name: string): readonly number[] | undefined {
    const t = this.#attributes[name];
    return t?.kind === "list" ? t.items.flatMap((i) => (i.kind === "int" ? [Number(i.value)] : [])) : undefined;
  }
  floats(name: string): readonly number[] | undefined {
    const t = this.#attributes[name];
    return t?.kind === "list" ? t.items.flatMap((i) => (i.kind === "float" || i.kind === "int" ? [Number(i.value)] : [])) : undefined;
  }
  text(name: string, otherwise: string): string {
    const t = this.#attributes[name];
    return t?.kind === "str" ? t.value : otherwise;
  }
  /** Axes as an attribute or as an input, not negative; undefined where they are given and not known. */
  axes(input: number, rank: number, otherwise: readonly number[]): readonly number[] | undefined {
    const given = this.ints("axes") ?? (this.has(input) ? this.numbers(input) : otherwise);
    return given?.map((a) => (a < 0 ? a + rank : a));
  }
  /** A size that nothing is known of. */
  fresh(): Dim {
    return this.#open.fresh();
  }

  /** Dims that two broadcast to. */
  broadcast(a: Dims | undefined, b: Dims | undefined): Dims | undefined {
    if (a === undefined || b === undefined) return undefined;
    const rank = Math.max(a.length, b.length);
    return Array.from({ length: rank }, (_, i): Dim => {
      const [x, y] = [a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1];
      if (x === 1 || sameDim(x, y)) return y;
      if (y === 1) return x;
      if (typeof x === "number") return x;
      return typeof y === "number" ? y : this.fresh();
    });
  }
}

/** The shapes of one model, as far as its nodes have been seen. */
export class ShapeInference {
  readonly #data = new Map<Value, Dims>();
  readonly #open: OpenDims;

  constructor(open: OpenDims) {
    this.#open = open;
  }

  /** Notes the elements of a constant: integers that shapes are made of, and scales. */
  constant(value: Value, elements: readonly number[] | undefined): void {
    if (elements !== undefined && elements.length <= MOST_ELEMENTS) this.#data.set(value, elements);
  }

  /** Gives a node's results the shapes that follow; what the file declares stays. */
  node(schema: OnnxSchema, attributes: Readonly<Record<string, Template>>, operands: readonly (Value | undefined)[], results: readonly Value[]): void {
    const rule = SHAPE_RULES.get(schema.domain === "" ? schema.name : `${schema.domain}::${schema.name}`);
    if (rule === undefined) return;
    const known = rule(new ShapeNode(schema, attributes, operands, results.length, this.#data, this.#open));
    results.forEach((value, i) => {
      const found = known[i];
      const { type } = value;
      if (found === undefined || type.kind !== "Tensor") return;
      if (type.shape === undefined && found.dims !== undefined) value.type = tensorType(type.dtype, found.dims);
      if (found.data !== undefined && found.data.length <= MOST_ELEMENTS && (type.dtype === "int64" || type.dtype === "int32"))
        this.#data.set(value, found.data);
    });
  }
}

/** How many elements dims stand for. */
export const numberOf = (dims: Dims): Dim => mulDims(...dims);

/** Elements of an integer arithmetic op, of a scalar and a vector too. */
export function pairwise(op: "Add" | "Sub" | "Mul" | "Div", a: Dims | undefined, b: Dims | undefined): Dims | undefined {
  if (a === undefined || b === undefined || (a.length !== b.length && a.length !== 1 && b.length !== 1)) return undefined;
  const of = { Add: addDims, Sub: (x: Dim, y: Dim): Dim => addDims(x, mulDims(-1, y)), Mul: mulDims, Div: divDims }[op];
  return Array.from({ length: Math.max(a.length, b.length) }, (_, i) => of(a[a.length === 1 ? 0 : i] ?? 0, b[b.length === 1 ? 0 : i] ?? 0));
}
