/** Attributes of an ONNX node: references to a function's attributes resolved, checked against the schema, as templates. */

import type { AttributeProto, AttributeValue, GraphProto } from "../../bytes/onnx-proto.ts";
import type { OnnxAttributeKind, OnnxSchema } from "../../ir/onnx-schema.ts";
import type { Template } from "../../ir/template.ts";
import { T } from "../../ir/type.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { TensorReader } from "./tensors.ts";
import { OpenDims, typeOfProto } from "./types.ts";

/** Attributes by name. `Scope` is what a graph among them captures names from. */
export type Attributes<Scope> = ReadonlyMap<string, { readonly value: AttributeValue; readonly scope: Scope }>;

const KINDS: Readonly<Record<AttributeValue["kind"], OnnxAttributeKind>> = {
  float: "float",
  int: "int",
  string: "string",
  tensor: "tensor",
  graph: "graph",
  sparse: "sparse_tensor",
  type: "type_proto",
  floats: "floats",
  ints: "ints",
  strings: "strings",
  tensors: "tensors",
  graphs: "graphs",
  sparses: "sparse_tensors",
  types: "type_protos",
};

/** The node's attributes with `ref_attr_name` replaced by what the function was called with; one that was not given is absent. */
export function resolveAttributes<Scope>(protos: readonly AttributeProto[], scope: Scope, outer: Attributes<Scope>): Attributes<Scope> {
  const out = new Map<string, { value: AttributeValue; scope: Scope }>();
  for (const proto of protos) {
    if (out.has(proto.name)) throw new OpwiseError("bad-onnx", `the attribute \`${proto.name}\` is given twice`);
    if (proto.refName !== "") {
      const bound = outer.get(proto.refName);
      if (bound !== undefined) out.set(proto.name, bound);
    } else if (proto.value !== undefined) out.set(proto.name, { value: proto.value, scope });
  }
  return out;
}

/** Checks kinds, names and presence. @throws bad-onnx naming the schema */
export function checkAttributes<Scope>(schema: OnnxSchema, attributes: Attributes<Scope>): void {
  if (schema.open) return;
  const title = `${schema.name}-${schema.since}`;
  for (const [name, { value }] of attributes) {
    const spec = schema.attributes.get(name);
    if (spec === undefined) {
      throw new OpwiseError("bad-onnx", `\`${title}\` has no attribute \`${name}\``, {
        wanted: [...schema.attributes.keys()].join(", ") || "no attributes",
        got: name,
      });
    }
    const kind = KINDS[value.kind];
    if (kind !== spec.kind)
      throw new OpwiseError("bad-onnx", `the attribute \`${name}\` of \`${title}\` is of the wrong type`, { wanted: spec.kind, got: kind });
  }
  for (const spec of schema.attributes.values()) {
    if (spec.required && !attributes.has(spec.name)) {
      throw new OpwiseError("bad-onnx", `\`${title}\` lacks its attribute \`${spec.name}\``, { wanted: `${spec.name}: ${spec.kind}` });
    }
  }
}

function text(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new OpwiseError("bad-onnx", "a text attribute is not UTF-8", { cause });
  }
}

/** The template of an attribute; undefined for a graph. @throws bad-tensor, bad-onnx */
export function attributeTemplate(value: AttributeValue, tensors: TensorReader): Template | undefined {
  switch (value.kind) {
    case "float":
      return { kind: "float", value: value.value };
    case "int":
      return { kind: "int", value: value.value };
    case "string":
      return { kind: "str", value: text(value.value) };
    case "tensor":
      return { kind: "tensor", tensor: tensors.template(value.value) };
    case "floats":
      return { kind: "list", elem: T.float, items: value.value.map((v) => ({ kind: "float", value: v })) };
    case "ints":
      return { kind: "list", elem: T.int, items: value.value.map((v) => ({ kind: "int", value: v })) };
    case "strings":
      return { kind: "list", elem: T.str, items: value.value.map((v) => ({ kind: "str", value: text(v) })) };
    case "tensors":
      return { kind: "list", elem: T.Tensor, items: value.value.map((v) => ({ kind: "tensor", tensor: tensors.template(v) })) };
    case "type":
      return { kind: "type", type: typeOfProto(value.value, new OpenDims()) ?? T.Tensor };
    case "types":
      return { kind: "list", elem: T.Any, items: value.value.map((v) => ({ kind: "type", type: typeOfProto(v, new OpenDims()) ?? T.Tensor })) };
    case "sparse":
      return sparseTemplate(value.value, tensors);
    case "sparses":
      return { kind: "list", elem: T.Tensor, items: value.value.map((v) => sparseTemplate(v, tensors)) };
    case "graph":
    case "graphs":
      return undefined;
    default:
      return value satisfies never;
  }
}

/** A sparse tensor: values `[n]` and indices `[n]` (into the flat tensor) or `[n, rank]`. @throws bad-tensor */
export function sparseTemplate(sparse: Extract<AttributeValue, { kind: "sparse" }>["value"], tensors: TensorReader): Extract<Template, { kind: "sparse" }> {
  if (sparse.values === undefined || sparse.indices === undefined) throw new OpwiseError("bad-tensor", "a sparse tensor lacks its values or indices");
  const values = tensors.template(sparse.values);
  const indices = tensors.template(sparse.indices);
  const shape = sparse.dims.map((dim) => {
    if (typeof dim === "bigint" || dim < 0) throw new OpwiseError("bad-tensor", `a sparse tensor has a dim of ${dim}`);
    return dim;
  });
  const [count = 0] = values.shape;
  const fits = indices.shape.length === 1 || (indices.shape.length === 2 && indices.shape[1] === shape.length);
  if (values.shape.length !== 1 || indices.dtype !== "int64" || indices.shape[0] !== count || !fits) {
    throw new OpwiseError("bad-tensor", "a sparse tensor's indices do not fit its values", {
      wanted: `int64 indices [${count}] or [${count}, ${shape.length}]`,
      got: `${indices.dtype} [${indices.shape.join(", ")}]`,
    });
  }
  return { kind: "sparse", values, indices, shape };
}

/** The int of an attribute, or undefined where it is absent. */
export function intOf<Scope>(attributes: Attributes<Scope>, name: string): number | undefined {
  const value = attributes.get(name)?.value;
  return value?.kind === "int" ? Number(value.value) : undefined;
}

/** The ints of an attribute; empty where it is absent. */
export function intsOf<Scope>(attributes: Attributes<Scope>, name: string): readonly number[] {
  const value = attributes.get(name)?.value;
  return value?.kind === "ints" ? value.value.map(Number) : [];
}

/** The graph of a required attribute. */
export function graphOf<Scope>(attributes: Attributes<Scope>, name: string): { readonly graph: GraphProto; readonly scope: Scope } {
  const found = attributes.get(name);
  if (found?.value.kind !== "graph") throw new OpwiseError("bad-onnx", `the attribute \`${name}\` is not a graph`);
  return { graph: found.value.value, scope: found.scope };
}
