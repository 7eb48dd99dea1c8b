/** ONNX nodes with other attributes: the same meaning, bound anew. */

import type { Datum } from "../../ir/datum.ts";
import type { Node } from "../../ir/graph.ts";
import type { Template } from "../../ir/template.ts";
import { bindOnnx, onnxTableOf, type OnnxTable } from "../../ops/onnx/define.ts";
import { onnxFamilies } from "../../ops/onnx/index.ts";
import type { BoundOp } from "../../ops/registry.ts";
import { unreachable } from "../../tensor/error.ts";

let table: OnnxTable | undefined;

/** Attributes as data, where they hold no tensors. */
function plain(template: Template): Datum {
  switch (template.kind) {
    case "int":
    case "float":
    case "str":
    case "bool":
      return template.value;
    default:
      return unreachable(`an attribute of kind ${template.kind}`);
  }
}

/** The node's op with further attributes in place of its own; undefined for an op that is no built-in ONNX one, or that holds tensors. */
export function rebound(node: Node, attributes: Readonly<Record<string, Template>>): BoundOp | undefined {
  const all = { ...node.attributes, ...attributes };
  if (!node.op.includes("@") || Object.values(all).some((t) => t.kind === "tensor" || t.kind === "sparse")) return undefined;
  table ??= onnxTableOf(onnxFamilies);
  return bindOnnx(table, { ...node, attributes: all }, plain);
}
