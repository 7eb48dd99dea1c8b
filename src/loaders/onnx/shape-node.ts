/** What the rules of shape inference work on. */

import { addDims, type Dim, divDims, mulDims, sameDim } from "../../ir/dim.ts";
import type { Value } from "../../ir/graph.ts";
import type { OnnxSchema } from "../../ir/onnx-schema.ts";
import type { Template } from "../../ir/template.ts";
import type { OpenDims } from "./types.ts";

export type Dims = readonly Dim[];
/** What a rule says of a result: its dims, and, of an integer tensor of rank 0 or 1, its elements. */
export interface Known {
  readonly dims: Dims | undefined;
  readonly data?: Dims | undefined;
}
export type Rule = (node: ShapeNode) => readonly (Known | undefined)[];

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

/** How many elements dims stand for. */
export const numberOf = (dims: Dims): Dim => mulDims(...dims);

/** Elements of an integer arithmetic op, of a scalar and a vector too. */
export function pairwise(op: "Add" | "Sub" | "Mul" | "Div", a: Dims | undefined, b: Dims | undefined): Dims | undefined {
  if (a === undefined || b === undefined || (a.length !== b.length && a.length !== 1 && b.length !== 1)) return undefined;
  const of = { Add: addDims, Sub: (x: Dim, y: Dim): Dim => addDims(x, mulDims(-1, y)), Mul: mulDims, Div: divDims }[op];
  return Array.from({ length: Math.max(a.length, b.length) }, (_, i) => of(a[a.length === 1 ? 0 : i] ?? 0, b[b.length === 1 ? 0 : i] ?? 0));
}
