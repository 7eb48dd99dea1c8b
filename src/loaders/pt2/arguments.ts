/** Arguments of exported nodes: `{"as_tensor": {"name": "x"}}`, `{"as_sym_ints": [...]}` and their kin, as IR values. */

import type { GraphBuilder } from "../../ir/builder.ts";
import type { Location, Value } from "../../ir/graph.ts";
import { schemaOf } from "../../ir/schema-table.ts";
import type { Template } from "../../ir/template.ts";
import { listOf, optionalOf, T, type Type } from "../../ir/type.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { layoutOfExport, memoryFormatOfExport, scalarTypeOfExport } from "./enums.ts";
import { type Json, type JsonView, showJson } from "./json.ts";

/** Values of one graph by their exported names. */
export type Scope = Map<string, Value>;

/** An argument read as far as it can be without its slot's type. */
export type Given =
  | { readonly kind: "none" }
  | { readonly kind: "value"; readonly value: Value }
  | { readonly kind: "constant"; readonly template: Template; readonly type: Type }
  | { readonly kind: "list"; readonly elem: Type; readonly items: readonly Given[] }
  | { readonly kind: "dict"; readonly entries: ReadonlyMap<string, Given> }
  | { readonly kind: "operator"; readonly name: string }
  | { readonly kind: "graph"; readonly name: string; readonly graph: Json }
  | { readonly kind: "unsupported"; readonly what: string };

const int = (value: number | bigint): Given => ({ kind: "constant", template: { kind: "int", value }, type: T.int });
const float = (value: number): Given => ({ kind: "constant", template: { kind: "float", value }, type: T.float });
const bool = (value: boolean): Given => ({ kind: "constant", template: { kind: "bool", value }, type: T.bool });
const str = (value: string): Given => ({ kind: "constant", template: { kind: "str", value }, type: T.str });

function lookup(scope: Scope, name: string, view: JsonView): Given {
  const value = scope.get(name);
  if (value === undefined) {
    throw new OpwiseError("bad-model", `the graph uses \`${name}\`, which nothing defines before`, { where: { record: view.record } });
  }
  return { kind: "value", value };
}

function named(scope: Scope, json: Json, view: JsonView): Given {
  return lookup(scope, view.text(view.object(json, "argument")["name"], "argument name"), view);
}

/** `{"as_name": n}` or the constant beside it. */
function symbolic(scope: Scope, json: Json, view: JsonView): Given {
  const [kind, value] = view.union(json, "symbolic argument");
  if (kind === "as_name") return lookup(scope, view.text(value, kind), view);
  if (kind === "as_int") return int(view.integer(value, kind));
  if (kind === "as_float") return float(view.float(value, kind));
  if (kind === "as_bool") return bool(view.bool(value, kind));
  return view.fail("symbolic argument", "a name or a constant", json);
}

function optionalTensor(scope: Scope, json: Json, view: JsonView): Given {
  const [kind, value] = view.union(json, "optional tensor");
  return kind === "as_none" ? { kind: "none" } : named(scope, value, view);
}

export function deviceText(json: Json, view: JsonView): string {
  const device = view.object(json, "device");
  const index = device["index"] ?? null;
  const type = view.text(device["type"], "device type");
  return index === null ? type : `${type}:${showJson(index)}`;
}

/** Reads one argument. @throws bad-model */
export function readArgument(scope: Scope, json: Json | undefined, view: JsonView): Given {
  const [kind, value] = view.union(json, "argument");
  const list = (elem: Type, read: (item: Json) => Given): Given => ({ kind: "list", elem, items: view.array(value, kind).map(read) });
  switch (kind) {
    case "as_none":
      return { kind: "none" };
    case "as_tensor":
      return named(scope, value, view);
    case "as_tensors":
      return list(T.Tensor, (item) => named(scope, item, view));
    case "as_optional_tensor":
      return optionalTensor(scope, value, view);
    case "as_optional_tensors":
      return list(optionalOf(T.Tensor), (item) => optionalTensor(scope, item, view));
    case "as_int":
      return int(view.integer(value, kind));
    case "as_ints":
      return list(T.int, (item) => int(view.integer(item, kind)));
    case "as_float":
      return float(view.float(value, kind));
    case "as_floats":
      return list(T.float, (item) => float(view.float(item, kind)));
    case "as_bool":
      return bool(view.bool(value, kind));
    case "as_bools":
      return list(T.bool, (item) => bool(view.bool(item, kind)));
    case "as_string":
      return str(view.text(value, kind));
    case "as_strings":
      return list(T.str, (item) => str(view.text(item, kind)));
    case "as_sym_int":
    case "as_sym_float":
    case "as_sym_bool":
      return symbolic(scope, value, view);
    case "as_sym_ints":
      return list(T.int, (item) => symbolic(scope, item, view));
    case "as_sym_floats":
      return list(T.float, (item) => symbolic(scope, item, view));
    case "as_sym_bools":
      return list(T.bool, (item) => symbolic(scope, item, view));
    case "as_scalar_type":
      return int(scalarTypeOfExport(view.size(value, kind)));
    case "as_layout":
      return int(layoutOfExport(view.size(value, kind)));
    case "as_memory_format":
      return int(memoryFormatOfExport(view.size(value, kind)));
    case "as_device":
      return { kind: "constant", template: { kind: "device", value: deviceText(value, view) }, type: T.Device };
    case "as_complex": {
      const parts = view.object(value, kind);
      return { kind: "constant", template: { kind: "complex", re: view.float(parts["real"], "real"), im: view.float(parts["imag"], "imag") }, type: T.complex };
    }
    case "as_nested_tensors":
      return list(listOf(T.Tensor), (item) => ({ kind: "list", elem: T.Tensor, items: view.array(item, kind).map((t) => named(scope, t, view)) }));
    case "as_int_lists":
      return list(listOf(T.int), (item) => ({ kind: "list", elem: T.int, items: view.array(item, kind).map((n) => int(view.integer(n, kind))) }));
    case "as_float_lists":
      return list(listOf(T.float), (item) => ({ kind: "list", elem: T.float, items: view.array(item, kind).map((n) => float(view.float(n, kind))) }));
    case "as_graph": {
      const graph = view.object(value, kind);
      return { kind: "graph", name: view.text(graph["name"], "graph name"), graph: graph["graph"] ?? null };
    }
    case "as_string_to_argument":
      return { kind: "dict", entries: new Map(Object.entries(view.object(value, kind)).map(([key, item]) => [key, readArgument(scope, item, view)])) };
    case "as_operator":
      return { kind: "operator", name: view.text(value, kind) };
    case "as_custom_obj": {
      const object = view.object(value, kind);
      const name = view.text(object["name"], "name");
      throw new OpwiseError("unsupported-op", `the custom object \`${name}\` of class \`${showJson(object["class_fqn"])}\` has no meaning outside Python`);
    }
    default:
      return { kind: "unsupported", what: kind };
  }
}

/** Whether a given argument is a number and no tensor. */
export function isScalar(given: Given): boolean {
  const type = given.kind === "value" ? given.value.type : given.kind === "constant" ? given.type : undefined;
  return type !== undefined && (type.kind === "int" || type.kind === "float" || type.kind === "bool" || type.kind === "complex" || type.kind === "number");
}

/** The static type of a given argument; undefined for None. */
export function typeOfGiven(given: Given): Type | undefined {
  if (given.kind === "value") return given.value.type;
  if (given.kind === "constant") return given.type;
  if (given.kind === "list") return listOf(given.elem);
  return undefined;
}

/** Emits `op` (a full name) on values, with its schema. */
export function emit(builder: GraphBuilder, op: string, operands: readonly (Value | undefined)[], type: Type, location: Location | undefined): Value {
  const [result] = builder.node(op, operands, [{ type }], { schema: schemaOf(op), location });
  if (result === undefined) throw new OpwiseError("internal", `\`${op}\` has no result`);
  return result;
}

/**
 * The value of an argument for a slot of type `want` (undefined: as it comes); `fixed` is the length a single number is
 * repeated to. Conversions that PyTorch's own dispatch does are explicit nodes.
 */
export function materialise(builder: GraphBuilder, given: Given, want: Type | undefined, fixed: number | undefined, location: Location | undefined): Value {
  const inner = want?.kind === "Optional" ? want.elem : want;
  switch (given.kind) {
    case "none":
      return builder.constant({ kind: "none" }, T.None, location);
    case "value": {
      const { value } = given;
      if (inner?.kind === "List" && value.type.kind === inner.elem.kind)
        return listNode(
          builder,
          Array.from({ length: fixed ?? 1 }, () => value),
          inner.elem,
          location,
        );
      if (inner?.kind === "number" && value.type.kind === "bool") return asNumber(builder, value, location);
      if (inner?.kind === "float" && value.type.kind === "int") return emit(builder, "aten::Float.int", [value], T.float, location);
      if (inner?.kind === "Tensor" && isScalar(given))
        return emit(builder, value.type.kind === "bool" ? "prim::NumToTensor.bool" : "prim::NumToTensor.Scalar", [value], T.Tensor, location);
      return value;
    }
    case "constant": {
      const { template, type } = given;
      if (inner?.kind === "float" && template.kind === "int") return builder.constant({ kind: "float", value: Number(template.value) }, T.float, location);
      if (inner?.kind === "number" && type.kind === "bool") return asNumber(builder, builder.constant(template, type, location), location);
      if (inner?.kind === "List" && inner.elem.kind !== "Tensor" && type.kind !== "List") {
        return materialise(builder, { kind: "list", elem: inner.elem, items: Array.from({ length: fixed ?? 1 }, () => given) }, inner, undefined, location);
      }
      if (inner?.kind === "Tensor" && isScalar(given)) {
        return materialise(builder, { kind: "value", value: builder.constant(template, type, location) }, want, fixed, location);
      }
      return builder.constant(template, type, location);
    }
    case "list": {
      const elem = inner?.kind === "List" ? inner.elem : given.elem;
      const templates = constantItems(given.items, elem);
      if (templates !== undefined) return builder.constant({ kind: "list", elem, items: templates }, listOf(elem), location);
      return listNode(
        builder,
        given.items.map((item) => materialise(builder, item, elem, undefined, location)),
        elem,
        location,
      );
    }
    case "graph":
      throw new OpwiseError("unsupported-op", `the nested graph \`${given.name}\` is given where no graph is taken`);
    case "operator":
    case "dict":
      throw new OpwiseError("unsupported-op", `an argument is ${given.kind === "dict" ? "a dict" : `the op \`${given.name}\``}, which only ops on graphs take`);
    case "unsupported":
      throw new OpwiseError("unsupported-op", `arguments of kind \`${given.what}\` are not supported`);
    default:
      return given satisfies never;
  }
}

/** A bool where a Scalar is taken, which keeps its kind. */
function asNumber(builder: GraphBuilder, value: Value, location: Location | undefined): Value {
  const [boxed] = builder.node("prim::unchecked_cast", [value], [{ type: T.number }], { location });
  if (boxed === undefined) throw new OpwiseError("internal", "a box has one result");
  return boxed;
}

/** The items as constants of `elem`, or undefined where one is computed. */
function constantItems(items: readonly Given[], elem: Type): Template[] | undefined {
  const out: Template[] = [];
  for (const item of items) {
    if (item.kind !== "constant") return undefined;
    out.push(elem.kind === "float" && item.template.kind === "int" ? { kind: "float", value: Number(item.template.value) } : item.template);
  }
  return elem.kind === "Tensor" || (elem.kind === "Optional" && elem.elem.kind === "Tensor") ? undefined : out;
}

function listNode(builder: GraphBuilder, values: readonly Value[], elem: Type, location: Location | undefined): Value {
  const [list] = builder.node("prim::ListConstruct", values, [{ type: listOf(elem) }], { location });
  if (list === undefined) throw new OpwiseError("internal", "a list has one result");
  return list;
}
