/** What stands after a dot: attributes, methods, properties, namespaces. */

import type { Value } from "../../ir/graph.ts";
import { typeOfTemplate } from "../../ir/template-type.ts";
import { printType, T, type Type } from "../../ir/type.ts";
import type { Lowering } from "./lowering.ts";
import type { Meaning } from "./scope.ts";
import type { Span } from "./source-text.ts";

/** Properties that are ops: the namespace of each. */
const TENSOR_PROPERTIES: Readonly<Record<string, string>> = {
  dtype: "prim",
  device: "prim",
  grad: "prim",
  data: "prim",
  shape: "prim",
  is_cuda: "prim",
  is_cpu: "prim",
  is_xla: "prim",
  is_xpu: "prim",
  is_sparse: "prim",
  is_sparse_csr: "prim",
  is_mkldnn: "prim",
  is_mps: "prim",
  is_mtia: "prim",
  is_quantized: "prim",
  is_vulkan: "prim",
  is_ipu: "prim",
  is_meta: "prim",
  is_nested: "prim",
  is_leaf: "aten",
  requires_grad: "prim",
  layout: "prim",
  T: "prim",
  H: "prim",
  mT: "aten",
  mH: "aten",
  real: "aten",
  imag: "aten",
  retains_grad: "aten",
  ndim: "prim",
  itemsize: "prim",
  nbytes: "prim",
  name: "prim",
};
/** Tensor methods that convert: the dtype's number. */
const CAST_METHODS: Readonly<Record<string, number>> = {
  byte: 0,
  char: 1,
  short: 2,
  int: 3,
  long: 4,
  half: 5,
  float: 6,
  double: 7,
  cfloat: 9,
  cdouble: 10,
  bool: 11,
  bfloat16: 15,
};

function valueMember(l: Lowering, value: Value, name: string, span: Span): Meaning {
  const { type } = value;
  switch (type.kind) {
    case "Tensor": {
      if (name === "tolist") return { kind: "tolist", tensor: value };
      const namespace = Object.hasOwn(TENSOR_PROPERTIES, name) ? TENSOR_PROPERTIES[name] : undefined;
      if (namespace !== undefined) return l.callOp(`${namespace}::${name}`, [value], span);
      const dtype = Object.hasOwn(CAST_METHODS, name) ? CAST_METHODS[name] : undefined;
      if (dtype !== undefined) return { kind: "convert", tensor: value, dtype };
      break;
    }
    case "Device":
      if (name === "type" || name === "index") return l.callOp(`prim::${name}`, [value], span);
      break;
    case "Class": {
      const method = type.methods.get(name);
      if (method !== undefined) return { kind: "method", object: value, name, decl: method };
      const attribute = l.attribute(value, type, name, span);
      if (attribute !== undefined) return { kind: "value", value: attribute };
      const getter = type.methods.get(`__${name}_getter`);
      if (getter !== undefined)
        return l.passes.call(l, { kind: "method", object: value, name: `__${name}_getter`, decl: getter }, { args: [], kwargs: [] }, span, undefined);
      const known = [...type.slots.keys(), ...type.methods.keys()];
      return l.fail("bad-code", `\`${type.name}\` has no attribute or method \`${name}\``, span, {
        got: `attributes and methods: ${known.slice(0, 20).join(", ")}${known.length > 20 ? ", ..." : ""}`,
      });
    }
    case "Interface": {
      const method = type.methods.find((m) => m.name === name);
      if (method !== undefined) return { kind: "method", object: value, name, decl: method };
      return l.fail("bad-code", `the interface \`${type.name}\` has no method \`${name}\``, span);
    }
    case "NamedTuple": {
      const index = type.fields.indexOf(name);
      if (index >= 0)
        return { kind: "value", value: l.one("prim::TupleIndex", [value], type.elems[index] as Type, span, { index: { kind: "int", value: index } }) };
      break;
    }
    case "Enum":
      if (name === "name") return { kind: "value", value: l.one("prim::EnumName", [value], T.str, span) };
      if (name === "value") return { kind: "value", value: l.one("prim::EnumValue", [value], type.value, span) };
      return l.fail("bad-code", `an enum has no attribute \`${name}\``, span);
    default:
  }
  if (l.unit.schemas.schemasOf(`aten::${name}`).length > 0) return { kind: "builtin", name: `aten::${name}`, self: value };
  return l.fail("bad-code", `\`${printType(type)}\` has no attribute or method \`${name}\``, span);
}

/** The meaning of `base.name`. @throws bad-code */
export function memberOf(l: Lowering, base: Meaning, name: string, span: Span): Meaning {
  switch (base.kind) {
    case "value":
      return valueMember(l, base.value, name, span);
    case "tuple": {
      const at = base.fields?.indexOf(name) ?? -1;
      const item = base.items[at];
      if (item !== undefined) return { kind: "value", value: item };
      return valueMember(l, l.asValue(base, span), name, span);
    }
    case "library":
      if (name === "autograd" || (base.namespace === "aten" && name === "jit")) return base;
      if (name === "annotate") return { kind: "special", form: "annotate" };
      return { kind: "builtin", name: `${base.namespace}::${name}` };
    case "ops":
      return { kind: "library", namespace: name };
    case "constants": {
      const index = /^c(\d{1,9})$/.exec(name)?.[1];
      const value = index === undefined ? undefined : l.unit.constants[Number(index)];
      if (value === undefined) return l.fail("bad-code", `the constants table has no entry \`${name}\``, span, { got: `${l.unit.constants.length} entries` });
      // Frozen models hold packed parameters as constants.
      const type = value.kind === "foreign" ? (l.unit.typeNamed(value.className) ?? T.Any) : typeOfTemplate(value);
      return { kind: "value", value: l.constant(value, type, span) };
    }
    case "path": {
      const path = `${base.path}.${name}`;
      const type = l.unit.typeNamed(path);
      if (type !== undefined && (type.kind === "Class" || type.kind === "Enum" || type.kind === "NamedTuple" || type.kind === "Interface"))
        return { kind: "type", type };
      const decl = l.unit.functionNamed(path);
      return decl === undefined ? { kind: "path", path } : { kind: "function", name: path, decl };
    }
    case "type": {
      const { type } = base;
      if (type.kind === "Enum") {
        const member = type.members.find((m) => m.name === name);
        if (member === undefined) return l.fail("bad-code", `the enum \`${type.name}\` has no member \`${name}\``, span);
        return { kind: "value", value: l.constant({ kind: "enum", type, member: name }, type, span) };
      }
      if (type.kind === "Class") {
        if (name === "__new__") return { kind: "new", class: type };
        const method = type.methods.get(name);
        if (method !== undefined) return { kind: "static", name, decl: method };
      }
      return l.fail("bad-code", `\`${printType(type)}\` has no \`${name}\``, span);
    }
    default:
      return l.fail("bad-code", `nothing here has a member \`${name}\``, span);
  }
}
