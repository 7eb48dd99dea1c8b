/** Calls of operators by name, overload and number of given arguments: the others are the schema's defaults. */

import type { Value } from "../../ir/graph.ts";
import { fullName, type Schema } from "../../ir/schema.ts";
import { dictOf, isSubtype, listOf, optionalOf, printType, T, type Type } from "../../ir/type.ts";
import { plainSchema } from "../torchscript/op-aliases.ts";
import { hasVariables, matchSchema } from "../torchscript/overload.ts";
import type { OperatorRef } from "./bytecode.ts";
import { type BytecodeLowering, type Slot, typeText, UNSET } from "./lowering.ts";

type Bindings = Map<string, Type>;

/** `formal` with its variables as bound; unbound ones are Any. */
function bound(formal: Type, bindings: Bindings): Type {
  switch (formal.kind) {
    case "Var":
      return bindings.get(formal.name) ?? T.Any;
    case "List":
      return listOf(bound(formal.elem, bindings));
    case "Optional":
      return optionalOf(bound(formal.elem, bindings));
    case "Dict":
      return dictOf(bound(formal.key, bindings), bound(formal.value, bindings));
    case "Tuple":
      return { kind: "Tuple", elems: formal.elems.map((elem) => bound(elem, bindings)) };
    default:
      return formal;
  }
}

/** The type under which a value of `actual` can be given for `formal`; undefined where it never is one. */
function narrowed(actual: Type, formal: Type, bindings: Bindings): Type | undefined {
  if (formal.kind === "Var") {
    const known = bindings.get(formal.name);
    if (known === undefined) bindings.set(formal.name, actual);
    return known === undefined || isSubtype(actual, known) ? actual : known;
  }
  if (formal.kind === "Optional" && hasVariables(formal)) {
    if (actual.kind === "None") return actual;
    const inner = narrowed(actual.kind === "Optional" ? actual.elem : actual, formal.elem, bindings);
    return inner === undefined ? undefined : actual.kind === "Optional" ? optionalOf(inner) : inner;
  }
  if (hasVariables(formal)) {
    if (actual.kind === "Optional") return narrowed(actual.elem, formal, bindings);
    if (actual.kind === "Union") {
      const member = actual.members.find((m) => m.kind === formal.kind);
      return member === undefined ? undefined : narrowed(member, formal, bindings);
    }
    if (formal.kind === "List" && actual.kind === "List") {
      if (formal.elem.kind === "Var" && !bindings.has(formal.elem.name)) bindings.set(formal.elem.name, actual.elem);
      return actual;
    }
    if (formal.kind === "Dict" && actual.kind === "Dict") {
      if (formal.key.kind === "Var") bindings.set(formal.key.name, actual.key);
      if (formal.value.kind === "Var") bindings.set(formal.value.name, actual.value);
      return actual;
    }
    if (formal.kind === actual.kind) return actual;
    return actual.kind === "Any" || actual.kind === "None" ? bound(formal, bindings) : undefined;
  }
  if (isSubtype(actual, formal)) return actual;
  switch (actual.kind) {
    // What the code has tested is not in the file: the value is taken for what it is used as.
    case "Any":
    case "None":
    case "Union":
    case "number":
    case "Optional":
      return formal;
    case "bool":
      return formal.kind === "number" ? formal : undefined;
    case "List":
    case "Dict":
    case "Tuple":
    case "NamedTuple": {
      const inner = formal.kind === "Optional" ? formal.elem : formal;
      return inner.kind === actual.kind || inner.kind === "Tuple" || inner.kind === "Union" ? inner : undefined;
    }
    default:
      return formal.kind === "Optional" ? narrowed(actual, formal.elem, bindings) : undefined;
  }
}

/** Operands of a schema from as many slots as it has arguments, undefined where the default holds. */
function callWith(l: BytecodeLowering, schema: Schema, slots: readonly (Slot | undefined)[], rest: readonly Slot[]): Value[] {
  const bindings: Bindings = new Map();
  const operands = schema.args.map((arg, i): Value | undefined => {
    const slot = slots[i];
    if (slot === undefined) {
      if (arg.default === undefined) l.fail(`the argument \`${arg.name}\` of \`${fullName(schema)}\` has no default`);
      return undefined;
    }
    if (slot === UNSET) return l.cast(slot, bound(arg.type, bindings));
    const type = narrowed(slot.type, arg.type, bindings);
    if (type === undefined) {
      l.fail(`an argument of \`${fullName(schema)}\` does not fit`, { wanted: `${printType(arg.type)} ${arg.name}`, got: typeText(slot) });
    }
    return l.cast(slot, type);
  });
  const others = rest.map((slot) => l.cast(slot, slot === UNSET ? T.None : slot.type));
  const given = (value: Value): { type: Type; value: Value } => ({ type: value.type, value });
  const positional: Value[] = [];
  const kwargs: { name: string; value: { type: Type; value: Value } }[] = [];
  for (const [i, arg] of schema.args.entries()) {
    const value = operands[i];
    if (value === undefined) continue;
    if (arg.kwargOnly || positional.length < i) kwargs.push({ name: arg.name, value: given(value) });
    else positional.push(value);
  }
  const match = matchSchema(schema, { args: [...positional, ...others].map(given), kwargs }, false);
  if (typeof match === "string") return l.fail(`the arguments of \`${fullName(schema)}\` do not fit: ${match}`);
  const plain = plainSchema(schema, l.context.schemas);
  return l.node(fullName(plain), [...operands, ...others], match.returns, { schema: plain });
}

/** Calls an op by its full name with all or its first arguments. @returns its results */
export function callSchema(l: BytecodeLowering, name: string, slots: readonly Slot[]): Value[] {
  const schema = l.context.schemas.schemaOf(name) ?? unknown(l, name);
  return callWith(l, schema, slots.slice(0, schema.args.length), slots.slice(schema.args.length));
}

function unknown(l: BytecodeLowering, name: string): never {
  return l.fail(
    `unknown op \`${name}\``,
    { where: { op: name }, hint: "an op of a custom library needs its schema when the model is loaded" },
    "unsupported-op",
  );
}

/** Arguments as they lie on the stack (the given ones, then `out` ones) by their place in the schema. */
function spread(l: BytecodeLowering, slots: readonly Slot[], total: number, outs: number, name: string): (Slot | undefined)[] {
  const ordinary = slots.length - outs;
  if (ordinary < 0 || ordinary > total - outs) return l.fail(`\`${name}\` is given ${slots.length} arguments`, { wanted: `${outs} to ${total}` });
  return Array.from({ length: total }, (_, i) => (i < ordinary ? slots[i] : i >= total - outs ? slots[ordinary + i - (total - outs)] : undefined));
}

/** Does what `OP` and `OPN` say; `count` is the number of operands that OPN gives. @throws bad-model, unsupported-op */
export function callOperator(l: BytecodeLowering, operator: OperatorRef, count: number | undefined): void {
  const name = operator.overload === "" ? operator.name : `${operator.name}.${operator.overload}`;
  const old = l.context.upgrader(name);
  if (old !== undefined) {
    const { params } = old;
    const slots = spread(l, l.popMany(operator.args ?? params.length), params.length, params.filter((param) => param.name === "out").length, name);
    const operands = params.map((param, i) => {
      const slot = slots[i];
      if (slot !== undefined) return l.cast(slot, param.type);
      return param.default === undefined ? l.fail(`the argument \`${param.name}\` of \`${name}\` has no default`) : l.constant(param.default, param.type);
    });
    l.push(l.one("prim::CallFunction", operands, old.returns, { name: { kind: "str", value: old.name } }));
    return;
  }
  const schema = l.context.schemas.schemaOf(name) ?? unknown(l, name);
  const total = schema.args.length;
  if (schema.vararg) {
    const slots = l.popMany(count ?? operator.args ?? total);
    for (const result of callWith(l, schema, slots.slice(0, total), slots.slice(total))) l.push(result);
    return;
  }
  const outs = schema.args.filter((arg) => arg.kwargOnly && arg.alias?.write === true).length;
  const slots = l.popMany(count ?? operator.args ?? total);
  for (const result of callWith(l, schema, spread(l, slots, total, outs, name), [])) l.push(result);
}
