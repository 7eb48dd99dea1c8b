/**
 * Which overload a call means: the first schema of a name that fits, tried without and then with implicit conversions
 * (PyTorch's schema_matching.cpp). Works on static types alone; the caller turns the plan into nodes.
 */

import type { Param } from "../../ir/graph.ts";
import type { Argument } from "../../ir/schema.ts";
import { typeOfTemplate } from "../../ir/template-type.ts";
import { dictOf, isSubtype, listOf, optionalOf, printType, sameType, T, tupleOf, type Type, unifyTypes, unionOf } from "../../ir/type.ts";

/** A value of the call. `V` is the caller's. */
export interface Given<V> {
  readonly type: Type;
  readonly value: V;
  /** A literal `[]` of no declared type: it fits any list. */
  readonly emptyList?: boolean;
}

export interface CallArguments<V> {
  readonly args: readonly Given<V>[];
  readonly kwargs: readonly { readonly name: string; readonly value: Given<V> }[];
  /** The object of method-call syntax: it takes the argument named `self`, wherever that is. */
  readonly self?: Given<V> | undefined;
}

/** How an operand comes from a given value. */
export type Plan<V> =
  | { readonly kind: "given"; readonly type: Type; readonly value: V }
  /** A conversion op on one value. */
  | { readonly kind: "convert"; readonly type: Type; readonly op: string; readonly from: Plan<V> }
  /** A new list of these. */
  | { readonly kind: "list"; readonly type: Type; readonly items: readonly Plan<V>[] }
  /** A tuple taken apart into a list, or into a tuple of converted elements. */
  | {
      readonly kind: "unpacked";
      readonly type: Type;
      readonly from: Plan<V>;
      readonly parts: readonly { readonly type: Type; readonly plan: (element: V) => Plan<V> }[];
    };

export interface Match<V> {
  /** One per schema argument; undefined means the schema's default. */
  readonly operands: readonly (Plan<V> | undefined)[];
  /** Further operands of a vararg schema. */
  readonly rest: readonly Given<V>[];
  /** The returns with type variables substituted. */
  readonly returns: readonly Type[];
}

type TypeEnv = Map<string, Type>;

export function hasVariables(type: Type): boolean {
  switch (type.kind) {
    case "Var":
      return true;
    case "Optional":
    case "List":
    case "Future":
    case "Await":
    case "RRef":
      return hasVariables(type.elem);
    case "Tuple":
    case "NamedTuple":
      return type.elems.some(hasVariables);
    case "Dict":
      return hasVariables(type.key) || hasVariables(type.value);
    case "Union":
      return type.members.some(hasVariables);
    default:
      return false;
  }
}

/** The common type of list elements, as far as one exists. */
function unifyAll(types: readonly Type[]): Type | undefined {
  let out = types[0];
  for (const type of types.slice(1)) out = out === undefined ? undefined : unifyTypes(out, type);
  return out;
}

/** Binds the variables of `formal` by `actual`. Returns a reason where they cannot. */
function bindVariables(formal: Type, actual: Type, env: TypeEnv): string | undefined {
  if (!hasVariables(formal)) return undefined;
  const mismatch = (): string => `cannot match \`${printType(formal)}\` to \`${printType(actual)}\``;
  switch (formal.kind) {
    case "Var": {
      const bound = env.get(formal.name);
      if (bound === undefined) env.set(formal.name, actual);
      else if (unifyTypes(bound, actual) === undefined) return `type variable \`${formal.name}\` is \`${printType(bound)}\`, then \`${printType(actual)}\``;
      return undefined;
    }
    case "List": {
      if (actual.kind === "List") return bindVariables(formal.elem, actual.elem, env);
      if (actual.kind === "Tuple" || actual.kind === "NamedTuple") {
        const elem = unifyAll(actual.elems);
        if (elem !== undefined) return bindVariables(formal.elem, elem, env);
      }
      return mismatch();
    }
    case "Tuple": {
      if ((actual.kind !== "Tuple" && actual.kind !== "NamedTuple") || actual.elems.length !== formal.elems.length) return mismatch();
      for (const [i, elem] of formal.elems.entries()) {
        const reason = bindVariables(elem, actual.elems[i] as Type, env);
        if (reason !== undefined) return reason;
      }
      return undefined;
    }
    case "Future":
    case "Await":
    case "RRef":
      return actual.kind === formal.kind ? bindVariables(formal.elem, actual.elem, env) : mismatch();
    case "Optional":
      if (actual.kind === "Optional") return bindVariables(formal.elem, actual.elem, env);
      return actual.kind === "None" ? undefined : bindVariables(formal.elem, actual, env);
    case "Dict":
      if (actual.kind !== "Dict") return mismatch();
      return bindVariables(formal.key, actual.key, env) ?? bindVariables(formal.value, actual.value, env);
    default:
      return mismatch();
  }
}

/** `type` with its variables replaced, or undefined while one is unbound. */
function substitute(type: Type, env: TypeEnv): Type | undefined {
  if (!hasVariables(type)) return type;
  const all = (types: readonly Type[]): Type[] | undefined => {
    const out: Type[] = [];
    for (const inner of types) {
      const done = substitute(inner, env);
      if (done === undefined) return undefined;
      out.push(done);
    }
    return out;
  };
  switch (type.kind) {
    case "Var":
      return env.get(type.name);
    case "List": {
      const elem = substitute(type.elem, env);
      return elem === undefined ? undefined : listOf(elem);
    }
    case "Optional": {
      const elem = substitute(type.elem, env);
      return elem === undefined ? undefined : optionalOf(elem);
    }
    case "Future":
    case "Await":
    case "RRef": {
      const elem = substitute(type.elem, env);
      return elem === undefined ? undefined : { kind: type.kind, elem };
    }
    case "Tuple": {
      const elems = all(type.elems);
      return elems === undefined ? undefined : tupleOf(elems);
    }
    case "Dict": {
      const parts = all([type.key, type.value]);
      return parts === undefined ? undefined : dictOf(parts[0] as Type, parts[1] as Type);
    }
    case "Union": {
      const members = all(type.members);
      return members === undefined ? undefined : unionOf(members);
    }
    default:
      return type;
  }
}

const withoutOptional = (type: Type): Type => (type.kind === "Optional" ? type.elem : type);

function convertibleToList(type: Type, list: Type): boolean {
  if (list.kind !== "List") return false;
  if (isSubtype(type, list)) return true;
  return (type.kind === "Tuple" || type.kind === "NamedTuple") && type.elems.every((elem) => isSubtype(elem, list.elem));
}

/** The op that turns a scalar or tensor into `wanted`, where round two has one. */
function conversionOp(from: Type, wanted: Type): string | undefined {
  const to = wanted.kind;
  switch (from.kind) {
    case "Tensor":
      if (to === "float") return "aten::FloatImplicit";
      if (to === "complex") return "aten::ComplexImplicit";
      if (to === "int") return "aten::IntImplicit";
      return to === "number" ? "aten::ScalarImplicit" : undefined;
    case "number":
      if (to === "float") return "aten::Float.Scalar";
      if (to === "complex") return "aten::Complex.Scalar";
      return to === "int" ? "aten::Int.Scalar" : undefined;
    case "bool":
      if (to === "float") return "aten::Float.bool";
      return to === "int" || to === "number" ? "aten::Int.bool" : undefined;
    case "str":
      return to === "Device" ? "aten::device" : undefined;
    default:
      return undefined;
  }
}

/**
 * The plan that brings a value as near to `wanted` as allowed; its type may still not fit. Tuples become lists and an
 * untyped `[]` any list always; scalars and tensors change only with `conversions`.
 */
export function convert<V>(given: Given<V>, wanted: Type, conversions: boolean): Plan<V> {
  if (given.emptyList === true && withoutOptional(wanted).kind === "List") return { kind: "list", type: withoutOptional(wanted), items: [] };
  return convertPlan({ kind: "given", type: given.type, value: given.value }, wanted, conversions);
}

function convertPlan<V>(plan: Plan<V>, wanted: Type, conversions: boolean): Plan<V> {
  let out = plan;
  if (wanted.kind === "Optional" && out.type.kind !== "Optional" && out.type.kind !== "None") return convertPlan(out, wanted.elem, conversions);
  if (out.type.kind === "Tuple" || out.type.kind === "NamedTuple") {
    const tuple = out.type;
    const list = withoutOptional(wanted);
    if (list.kind === "List" && convertibleToList(tuple, list)) {
      out = { kind: "unpacked", type: list, from: out, parts: tuple.elems.map((type) => ({ type, plan: (value) => ({ kind: "given", type, value }) })) };
    } else if (wanted.kind === "Tuple" && tuple.elems.length === wanted.elems.length && !isSubtype(tuple, wanted)) {
      const parts = tuple.elems.map((type, i) => {
        const to = wanted.elems[i] as Type;
        // Types do not depend on the value, so a probe without one tells the element's type.
        const probe = convertPlan<V | undefined>({ kind: "given", type, value: undefined }, to, conversions);
        return { type: probe.type, from: type, plan: (value: V): Plan<V> => convertPlan({ kind: "given", type, value }, to, conversions) };
      });
      out = { kind: "unpacked", type: tupleOf(parts.map((part) => part.type)), from: out, parts };
    }
  }
  if (conversions && !sameType(out.type, wanted)) {
    const op = conversionOp(out.type, wanted);
    if (op !== undefined) out = { kind: "convert", type: op.startsWith("aten::Int") && wanted.kind === "number" ? T.int : wanted, op, from: out };
  }
  return out;
}

function matchArgument<V>(arg: Parameter, given: Given<V>, conversions: boolean, env: TypeEnv): Plan<V> | string {
  const list = withoutOptional(arg.type);
  if (arg.fixedLength !== undefined && list.kind === "List" && (given.type.kind === "int" || given.type.kind === "float") && sameType(list.elem, given.type)) {
    const item: Plan<V> = { kind: "given", type: given.type, value: given.value };
    return { kind: "list", type: list, items: Array.from({ length: arg.fixedLength }, () => item) };
  }
  const reason = bindVariables(arg.type, given.type, env);
  if (reason !== undefined) return `argument \`${arg.name}\`: ${reason}`;
  const wanted = substitute(arg.type, env);
  if (wanted === undefined) return `argument \`${arg.name}\`: the type \`${printType(arg.type)}\` cannot be inferred from \`${printType(given.type)}\``;
  const plan = convert(given, wanted, conversions);
  if (!isSubtype(plan.type, wanted)) return `argument \`${arg.name}\` wants \`${printType(wanted)}\`, got \`${printType(given.type)}\``;
  return plan;
}

/** Whether the positional arguments from this one on may be gathered into its list (`torch.zeros(1, 2)`). */
function takesVarargs(args: readonly Parameter[], at: number): boolean {
  const arg = args[at] as Parameter;
  const next = args[at + 1];
  return (next === undefined || next.kwargOnly === true) && arg.type.kind === "List" && arg.type.elem.kind !== "Var" && arg.fixedLength === undefined;
}

/** What a schema or a function of the archive says of an argument. */
export type Parameter = Param & Partial<Pick<Argument, "kwargOnly" | "fixedLength">>;

/** What can be called: a schema, or a function of the archive. */
export interface Callable {
  readonly args: readonly Parameter[];
  readonly returns: readonly { readonly type: Type }[];
  readonly vararg: boolean;
}

/** Fits one schema. Returns the reason where it does not fit. */
export function matchSchema<V>(schema: Callable, call: CallArguments<V>, conversions: boolean): Match<V> | string {
  const env: TypeEnv = new Map();
  const operands: (Plan<V> | undefined)[] = [];
  const usedKeywords: number[] = [];
  let used = 0;
  let self = call.self;
  for (let i = 0; i < schema.args.length; i++) {
    const arg = schema.args[i] as Parameter;
    let given: Given<V> | undefined;
    if (arg.name === "self" && self !== undefined) {
      given = self;
      self = undefined;
    } else if (arg.kwargOnly !== true && used < call.args.length) {
      const next = call.args[used] as Given<V>;
      if (conversions && takesVarargs(schema.args, i) && next.type.kind !== "List" && !convertibleToList(next.type, arg.type) && arg.type.kind === "List") {
        const element: Parameter = { name: arg.name, type: arg.type.elem };
        const items: Plan<V>[] = [];
        for (const more of call.args.slice(used)) {
          const plan = matchArgument(element, more, conversions, env);
          if (typeof plan === "string") return plan;
          items.push(plan);
        }
        used = call.args.length;
        operands.push({ kind: "list", type: arg.type, items });
        continue;
      }
      given = next;
      used++;
    } else {
      const at = call.kwargs.findIndex((keyword) => keyword.name === arg.name);
      if (at >= 0) {
        usedKeywords.push(at);
        given = (call.kwargs[at] as { readonly value: Given<V> }).value;
      } else if (arg.default !== undefined) {
        // A default fixes type variables as a given value would.
        const reason = bindVariables(arg.type, typeOfTemplate(arg.default), env);
        if (reason !== undefined) return `argument \`${arg.name}\`: ${reason}`;
        operands.push(undefined);
        continue;
      } else return `argument \`${arg.name}\` is missing`;
    }
    const plan = matchArgument(arg, given, conversions, env);
    if (typeof plan === "string") return plan;
    operands.push(plan);
  }
  if (self !== undefined) return "the schema has no argument `self`";
  const rest = schema.vararg ? call.args.slice(used) : [];
  if (!schema.vararg && used < call.args.length) return `wants at most ${used} positional arguments, got ${call.args.length}`;
  for (const [i, keyword] of call.kwargs.entries()) if (!usedKeywords.includes(i)) return `has no argument \`${keyword.name}\`, or it is given twice`;
  const returns: Type[] = [];
  for (const { type } of schema.returns) {
    const done = substitute(type, env);
    if (done === undefined) return `the return type \`${printType(type)}\` cannot be inferred`;
    returns.push(done);
  }
  return { operands, rest, returns };
}

export interface Choice<V> {
  readonly index: number;
  readonly match: Match<V>;
}

/**
 * The first of `candidates` that fits: first without conversions, then with them (a lone candidate at once with them).
 * Returns the reasons, one per candidate, where none fits.
 */
export function chooseOverload<V>(candidates: readonly Callable[], call: CallArguments<V>): Choice<V> | readonly string[] {
  let reasons: string[] = [];
  for (const conversions of candidates.length === 1 ? [true] : [false, true]) {
    reasons = [];
    for (const [index, candidate] of candidates.entries()) {
      const match = matchSchema(candidate, call, conversions);
      if (typeof match !== "string") return { index, match };
      reasons.push(match);
    }
  }
  return reasons;
}
