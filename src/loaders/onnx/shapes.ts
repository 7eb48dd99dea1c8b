/**
 * Shapes of results from shapes of inputs, with dims as expressions over the file's symbols; and the contents of small integer tensors that shapes are
 * made of (`Shape`, `Gather`, `Concat`, ...), so that a `Reshape` by them is known too. What is not known gets a symbol of its own (`?3`) or no shape.
 */

import type { Value } from "../../ir/graph.ts";
import type { OnnxSchema } from "../../ir/onnx-schema.ts";
import type { Template } from "../../ir/template.ts";
import { type Dims, ShapeNode } from "./shape-node.ts";
import { SHAPE_RULES } from "./shape-rules.ts";
import { type OpenDims, tensorType } from "./types.ts";

/** Larger tensors are no shapes. */
const MOST_ELEMENTS = 64;

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
