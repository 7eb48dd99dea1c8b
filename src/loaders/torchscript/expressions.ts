/** Expressions to meanings: literals, operators, containers, subscripts, the special forms. */

import type { Value } from "../../ir/graph.ts";
import { dictOf, isSubtype, listOf, printType, sameType, T, type Type, unifyTypes, unionOf } from "../../ir/type.ts";
import { isDeviceName } from "../../tensor/device.ts";
import type { Expr, ExprOf } from "./ast.ts";
import { callMeaning, spawn } from "./calls.ts";
import { type Lowering, intTemplate } from "./lowering.ts";
import { memberOf } from "./members.ts";
import { type CallArguments, convert, type Given } from "./overload.ts";
import { type Meaning, Scope } from "./scope.ts";
import { subscript } from "./subscripts.ts";

const BINARY: Readonly<Record<string, readonly [op: string, method: string]>> = {
  "+": ["aten::add", "__add__"],
  "-": ["aten::sub", "__sub__"],
  "*": ["aten::mul", "__mul__"],
  "/": ["aten::div", "__truediv__"],
  "//": ["aten::floordiv", "__floordiv__"],
  "%": ["aten::remainder", "__mod__"],
  "**": ["aten::pow", "__pow__"],
  "@": ["aten::matmul", "__matmul__"],
  "&": ["aten::__and__", "__and__"],
  "|": ["aten::__or__", "__or__"],
  "^": ["aten::__xor__", "__xor__"],
  "<<": ["aten::__lshift__", "__lshift__"],
  ">>": ["aten::__rshift__", "__rshift__"],
  "==": ["aten::eq", "__eq__"],
  "!=": ["aten::ne", "__ne__"],
  "<": ["aten::lt", "__lt__"],
  "<=": ["aten::le", "__le__"],
  ">": ["aten::gt", "__gt__"],
  ">=": ["aten::ge", "__ge__"],
};

const SPECIAL: ReadonlySet<string> = new Set([
  "annotate",
  "unchecked_cast",
  "uninitialized",
  "getattr",
  "hasattr",
  "isinstance",
  "fork",
  "awaitable",
  "range",
  "zip",
  "enumerate",
  "tuple",
  "list",
  "dict",
]);
const CASTS = { int: "int", float: "float", bool: "bool", complex: "complex", str: "str" } as const;
/** Python's own functions, under the op that each is. */
const FUNCTIONS: Readonly<Record<string, string>> = {
  print: "prim::Print",
  len: "aten::len",
  hex: "aten::hex",
  oct: "aten::oct",
  bin: "aten::bin",
  round: "aten::round",
  hash: "aten::hash",
  id: "prim::id",
  min: "prim::min",
  max: "prim::max",
  abs: "prim::abs",
  all: "aten::all",
  any: "aten::any",
  divmod: "aten::divmod",
  sum: "aten::sum",
  ord: "aten::ord",
  chr: "aten::chr",
  pow: "aten::pow",
  rangelist: "prim::rangelist",
  sorted: "aten::sorted",
};

/** The meaning of a name that no statement has bound. */
function globalName(l: Lowering, expr: ExprOf<"name">): Meaning {
  const { name } = expr;
  switch (name) {
    case "torch":
      return { kind: "library", namespace: "aten" };
    case "ops":
      return { kind: "ops" };
    case "CONSTANTS":
      return { kind: "constants" };
    case "__torch__":
      return { kind: "path", path: "__torch__" };
    case "inf":
      return { kind: "value", value: l.constant({ kind: "float", value: Infinity }, T.float, expr) };
    case "nan":
      return { kind: "value", value: l.constant({ kind: "float", value: NaN }, T.float, expr) };
    case "infj":
      return { kind: "value", value: l.constant({ kind: "complex", re: 0, im: Infinity }, T.complex, expr) };
    case "nanj":
      return { kind: "value", value: l.constant({ kind: "complex", re: 0, im: NaN }, T.complex, expr) };
    default:
  }
  if (Object.hasOwn(CASTS, name)) return { kind: "cast", to: CASTS[name as keyof typeof CASTS] }; // just tested
  const op = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (op !== undefined) return { kind: "builtin", name: op };
  if (SPECIAL.has(name)) return { kind: "special", form: name };
  return l.fail("bad-code", `undefined name \`${name.length > 100 ? `${name.slice(0, 100)}...` : name}\``, expr);
}

/** A float literal or `inf`/`nan`, with its sign; undefined for any other expression. */
function realLiteral(expr: Expr): number | undefined {
  if (expr.kind === "float") return expr.value;
  if (expr.kind === "int") return Number(expr.value);
  if (expr.kind === "name" && expr.name === "inf") return Infinity;
  if (expr.kind === "name" && expr.name === "nan") return NaN;
  if (expr.kind === "unary" && expr.op === "-") {
    const value = realLiteral(expr.value);
    return value === undefined ? undefined : -value;
  }
  return undefined;
}

function imaginaryLiteral(expr: Expr): number | undefined {
  if (expr.kind === "imaginary") return expr.value;
  if (expr.kind === "name" && expr.name === "infj") return Infinity;
  if (expr.kind === "name" && expr.name === "nanj") return NaN;
  return undefined;
}

/** `1.5-2.j` is one constant. */
function complexLiteral(expr: ExprOf<"binary">): { readonly re: number; readonly im: number } | undefined {
  if (expr.op !== "+" && expr.op !== "-") return undefined;
  const im = imaginaryLiteral(expr.right);
  const re = im === undefined ? undefined : realLiteral(expr.left);
  if (re === undefined || im === undefined) return undefined;
  // The sum is taken with the zero real part of the right side, as PyTorch's reader does.
  return expr.op === "+" ? { re: re + 0, im } : { re: re - 0, im: -im };
}

/** Applies an operator to values: a method of a class of the archive, else the op. */
export function operate(l: Lowering, op: string, left: Value, right: Value, span: Expr | { start: number; end: number }): Meaning {
  const [name, method] = BINARY[op] ?? l.fail("internal", `unknown operator \`${op}\``, span);
  if (left.type.kind === "Class" && left.type.methods.has(method)) {
    return callMeaning(l, memberOf(l, { kind: "value", value: left }, method, span), { args: [{ type: right.type, value: right }], kwargs: [] }, span);
  }
  return l.callOp(op === "%" && left.type.kind === "str" ? "aten::percentFormat" : name, [left, right], span);
}

function compare(l: Lowering, expr: ExprOf<"compare">): Meaning {
  const { op } = expr;
  if (op === "is" || op === "is not") return l.callOp(op === "is" ? "aten::__is__" : "aten::__isnot__", [l.value(expr.left), l.value(expr.right)], expr);
  if (op === "in" || op === "not in") {
    const item = l.value(expr.left);
    const container = l.value(expr.right);
    const found =
      container.type.kind === "Class"
        ? l.asValue(
            callMeaning(
              l,
              memberOf(l, { kind: "value", value: container }, "__contains__", expr),
              { args: [{ type: item.type, value: item }], kwargs: [] },
              expr,
            ),
            expr,
          )
        : l.callOpValue("aten::__contains__", [container, item], expr);
    return op === "in" ? { kind: "value", value: found } : l.callOp("aten::__not__", [found], expr);
  }
  return operate(l, op, l.value(expr.left), l.value(expr.right), expr);
}

/** The member of a hint that is a container of `kind`, looking into Optional and Union. */
function hinted(hint: Type | undefined, kind: "List" | "Dict" | "Tuple"): Type | undefined {
  if (hint === undefined) return undefined;
  if (hint.kind === kind) return hint;
  if (hint.kind === "Optional") return hinted(hint.elem, kind);
  if (hint.kind === "Union") {
    const found = hint.members.filter((m) => m.kind === kind);
    return found.length === 1 ? found[0] : undefined;
  }
  return undefined;
}

function list(l: Lowering, expr: ExprOf<"list" | "tuple">, hint: Type | undefined): Meaning {
  const wanted = hinted(hint, "List");
  const elemHint = wanted?.kind === "List" ? wanted.elem : undefined;
  const items: Value[] = [];
  for (const item of expr.items) {
    if (item.kind === "star") items.push(...spread(l, item.value));
    else items.push(l.value(item, elemHint));
  }
  const [first] = items;
  if (first === undefined) {
    const value = l.listOfValues([], elemHint ?? T.Tensor, expr);
    return { kind: "value", value, emptyList: elemHint === undefined };
  }
  let elem = elemHint;
  if (elem === undefined) {
    let common: Type | undefined = first.type;
    for (const { type } of items) common = common === undefined ? undefined : unifyTypes(common, type);
    elem = common ?? unionOf(items.map((item) => item.type));
  }
  for (let i = 0; i < items.length; i++) {
    const { type } = items[i] as Value;
    if (!isSubtype(type, elem)) {
      return l.fail("bad-code", `a list of \`${printType(elem)}\` cannot hold a \`${printType(type)}\``, expr.items[i] ?? expr, {
        hint: elem.kind === "float" && type.kind === "int" ? "PyTorch prints whole floats of 1e10 and more like ints, and cannot read them back" : undefined,
      });
    }
  }
  return { kind: "value", value: l.listOfValues(items, elem, expr) };
}

function dict(l: Lowering, expr: ExprOf<"dict">, hint: Type | undefined): Meaning {
  const wanted = hinted(hint, "Dict");
  const keyHint = wanted?.kind === "Dict" ? wanted.key : undefined;
  const valueHint = wanted?.kind === "Dict" ? wanted.value : undefined;
  const keys = expr.keys.map((key) => l.value(key, keyHint));
  const values = expr.values.map((value) => l.value(value, valueHint));
  const common = (items: readonly Value[], fallback: Type): Type => {
    let out = items[0]?.type;
    for (const item of items.slice(1)) out = out === undefined ? undefined : unifyTypes(out, item.type);
    return items.length === 0 ? fallback : (out ?? unionOf(items.map((item) => item.type)));
  };
  const key = keyHint ?? common(keys, T.str);
  const value = valueHint ?? common(values, T.Tensor);
  for (const item of keys)
    if (!isSubtype(item.type, key)) l.fail("bad-code", `a dict with keys \`${printType(key)}\` cannot have the key type \`${printType(item.type)}\``, expr);
  for (const item of values)
    if (!isSubtype(item.type, value)) l.fail("bad-code", `a dict of \`${printType(value)}\` cannot hold a \`${printType(item.type)}\``, expr);
  if (!["int", "float", "bool", "complex", "str", "Tensor", "Device"].includes(key.kind))
    l.fail("bad-code", `\`${printType(key)}\` cannot be a dict's key`, expr);
  return {
    kind: "value",
    value: l.one(
      "prim::DictConstruct",
      keys.flatMap((k, i) => [k, values[i] as Value]),
      dictOf(key, value),
      expr,
    ),
  };
}

/** The elements of a tuple given as `*x`. */
function spread(l: Lowering, expr: Expr): readonly Value[] {
  const meaning = l.meaning(expr);
  return meaning.kind === "tuple" ? meaning.items : l.unpackTuple(l.asValue(meaning, expr), expr);
}

/** `[f(x) for x in xs]` over a list. */
function comprehension(l: Lowering, expr: ExprOf<"comprehension">, hint: Type | undefined): Meaning {
  const wanted = hinted(hint, "List");
  const iterable = l.value(expr.iterable);
  if (iterable.type.kind !== "List" || expr.target.kind !== "name") return l.fail("bad-code", "a list comprehension runs over a list, with one name", expr);
  const count = l.callOpValue("aten::len", [iterable], expr);
  const saved = l.scope;
  const [index] = l.builder.open([{ type: T.int }]);
  l.scope = new Scope(saved);
  const item = l.callOpValue("aten::__getitem__", [iterable, index as Value], expr);
  l.scope.set(expr.target.name, { kind: "value", value: item });
  const value = l.value(expr.item, wanted?.kind === "List" ? wanted.elem : undefined);
  const type = listOf(wanted?.kind === "List" ? wanted.elem : value.type);
  // The result list is made before the loop, once the element type is known.
  const body = l.builder.suspend();
  const result = l.listOfValues([], type.elem, expr);
  l.builder.resume(body);
  l.callOp("aten::append", [result, value], expr);
  const block = l.builder.close([l.bool(true, expr)]);
  l.scope = saved;
  l.node("prim::Loop", [count, l.bool(true, expr)], [], expr, { blocks: [block] });
  return { kind: "value", value: result };
}

/** Arguments of a call, left to right. */
function argumentsOf(l: Lowering, expr: ExprOf<"call">): CallArguments<Value> {
  const args: Given<Value>[] = [];
  for (const arg of expr.args) {
    if (arg.kind === "star") for (const value of spread(l, arg.value)) args.push({ type: value.type, value });
    else args.push(l.given(arg));
  }
  return { args, kwargs: expr.kwargs.map((keyword) => ({ name: keyword.name, value: l.given(keyword.value) })) };
}

function exactly(l: Lowering, expr: ExprOf<"call">, form: string, count: number): readonly Expr[] {
  if (expr.args.length !== count || expr.kwargs.length > 0)
    l.fail("bad-code", `\`${form}\` takes ${count} arguments, got ${expr.args.length + expr.kwargs.length}`, expr);
  return expr.args;
}

function annotate(l: Lowering, typeExpr: Expr, valueExpr: Expr, span: Expr): Meaning {
  const type = l.unit.typeOf(typeExpr, l.source);
  const meaning = l.meaning(valueExpr, type);
  const given = l.asValue(meaning, valueExpr);
  const value = l.realise(convert({ type: given.type, value: given, emptyList: meaning.kind === "value" && meaning.emptyList === true }, type, true), span);
  if (!isSubtype(value.type, type)) return l.fail("bad-code", `expected a \`${printType(type)}\`, got a \`${printType(value.type)}\``, valueExpr);
  // None keeps the type that it was given, so that a variable can later hold the other kind.
  if (value.type.kind === "None" && (type.kind === "Optional" || type.kind === "Union")) return { kind: "value", value: l.none(span, type) };
  return { kind: "value", value };
}

function special(l: Lowering, form: string, expr: ExprOf<"call">, hint: Type | undefined): Meaning {
  switch (form) {
    case "annotate": {
      const [type, value] = exactly(l, expr, form, 2) as [Expr, Expr];
      return annotate(l, type, value, expr);
    }
    case "unchecked_cast": {
      const [typeExpr, valueExpr] = exactly(l, expr, form, 2) as [Expr, Expr];
      const type = l.unit.typeOf(typeExpr, l.source);
      const value = l.value(valueExpr);
      return { kind: "value", value: sameType(value.type, type) ? value : l.cast(value, type, expr) };
    }
    case "uninitialized": {
      const [type] = exactly(l, expr, form, 1) as [Expr];
      return { kind: "value", value: l.uninitialized(l.unit.typeOf(type, l.source), expr) };
    }
    case "isinstance":
      return { kind: "value", value: l.passes.condition(l, expr).value };
    case "getattr":
    case "hasattr": {
      const [object, name, fallback] = expr.args;
      if (object === undefined || name?.kind !== "str") return l.fail("bad-code", `\`${form}\` takes a value and a literal name`, expr);
      const base = l.meaning(object);
      const { type } = l.asValue(base, object);
      const known = type.kind !== "Class" || type.slots.has(name.value) || type.methods.has(name.value) || type.constants.has(name.value);
      if (form === "hasattr") return { kind: "value", value: l.bool(known, expr) };
      if (!known && fallback !== undefined) return l.meaning(fallback, hint);
      return memberOf(l, base, name.value, expr);
    }
    case "fork":
    case "awaitable": {
      const [callee, ...args] = expr.args;
      if (callee === undefined) return l.fail("bad-code", `\`${form}\` needs a function`, expr);
      return spawn(l, form, l.meaning(callee), argumentsOf(l, { ...expr, args }), expr);
    }
    case "tuple": {
      const [only] = exactly(l, expr, form, 1) as [Expr];
      return { kind: "tuple", items: spread(l, only) };
    }
    case "list":
      if (expr.args.length === 0) return list(l, { kind: "list", items: [], start: expr.start, end: expr.end, depth: 1 }, hint);
      return l.builtin("aten::list", argumentsOf(l, expr), expr);
    case "dict":
      if (expr.args.length === 0 && expr.kwargs.length === 0)
        return dict(l, { kind: "dict", keys: [], values: [], start: expr.start, end: expr.end, depth: 1 }, hint);
      return l.builtin("aten::dict", argumentsOf(l, expr), expr);
    default:
      return l.fail("bad-code", `\`${form}\` can only stand in a for loop`, expr);
  }
}

function call(l: Lowering, expr: ExprOf<"call">, hint: Type | undefined): Meaning {
  const callee = l.meaning(expr.callee);
  if (callee.kind === "special") return special(l, callee.form, expr, hint);
  if (
    callee.kind === "builtin" &&
    callee.name === "aten::device" &&
    callee.self === undefined &&
    expr.args.length === 1 &&
    expr.args[0]?.kind === "str" &&
    isDeviceName(expr.args[0].value) &&
    expr.kwargs.length === 0
  ) {
    return { kind: "value", value: l.constant({ kind: "device", value: expr.args[0].value }, T.Device, expr) };
  }
  if (callee.kind === "new") {
    // The class is named again as the only argument.
    if (expr.args.length > 1) return l.fail("bad-code", "`__new__` takes the class only", expr);
    return callMeaning(l, callee, { args: [], kwargs: [] }, expr);
  }
  if (callee.kind === "builtin" && callee.name === "prim::Print") {
    const { args } = argumentsOf(l, expr);
    l.node(
      "prim::Print",
      args.map((arg) => arg.value),
      [],
      expr,
      { schema: l.unit.schemas.schemaOf("prim::Print") },
    );
    return { kind: "void" };
  }
  return callMeaning(l, callee, argumentsOf(l, expr), expr, hint);
}

function member(l: Lowering, expr: ExprOf<"attr">): Meaning {
  return memberOf(l, l.meaning(expr.base), expr.name, expr);
}

function tuple(l: Lowering, expr: ExprOf<"list" | "tuple">, hint: Type | undefined): Meaning {
  const wanted = hinted(hint, "Tuple");
  const elems = wanted?.kind === "Tuple" && wanted.elems.length === expr.items.length ? wanted.elems : undefined;
  const items = expr.items.flatMap((item, i): readonly Value[] => (item.kind === "star" ? spread(l, item.value) : [l.value(item, elems?.[i])]));
  return { kind: "tuple", items };
}

function ternary(l: Lowering, expr: ExprOf<"ternary">, hint: Type | undefined): Meaning {
  const condition = l.passes.condition(l, expr.test);
  if (condition.constant !== undefined) return l.meaning(condition.constant ? expr.then : expr.otherwise, hint);
  const saved = l.scope;
  const branch = (arm: Expr, refined: ReadonlyMap<string, Type>): Value => {
    l.scope = new Scope(saved);
    refine(l, refined, arm);
    const value = l.value(arm, hint);
    l.scope = saved;
    return value;
  };
  l.builder.open();
  const then = branch(expr.then, condition.whenTrue);
  const thenBlock = l.builder.close([then]);
  l.builder.open();
  const otherwise = branch(expr.otherwise, condition.whenFalse);
  const otherBlock = l.builder.close([otherwise]);
  const type =
    unifyTypes(then.type, otherwise.type) ?? (hint !== undefined && isSubtype(then.type, hint) && isSubtype(otherwise.type, hint) ? hint : undefined);
  if (type === undefined)
    return l.fail("bad-code", `the arms of a conditional have types \`${printType(then.type)}\` and \`${printType(otherwise.type)}\``, expr);
  return { kind: "value", value: l.node("prim::If", [condition.value], [type], expr, { blocks: [thenBlock, otherBlock] })[0] as Value }; // one type, one result
}

/** What `expr` means; `hint` is the type that the context wants, which empty containers and literals take. @throws bad-code, unsupported-op */
export function meaningOf(l: Lowering, expr: Expr, hint: Type | undefined): Meaning {
  switch (expr.kind) {
    case "int":
      return { kind: "value", value: l.constant(intTemplate(expr.value), T.int, expr) };
    case "float":
      return { kind: "value", value: l.constant({ kind: "float", value: expr.value }, T.float, expr) };
    case "imaginary":
      return { kind: "value", value: l.constant({ kind: "complex", re: 0, im: expr.value }, T.complex, expr) };
    case "str":
      return { kind: "value", value: l.constant({ kind: "str", value: expr.value }, T.str, expr) };
    case "bool":
      return { kind: "value", value: l.bool(expr.value, expr) };
    case "none":
      return { kind: "value", value: l.none(expr, hint?.kind === "Optional" ? hint : T.None) };
    case "name": {
      const bound = l.scope.get(expr.name);
      if (bound === undefined) return globalName(l, expr);
      if (bound.kind === "unusable") return l.fail("bad-code", `\`${expr.name}\` cannot be used here: ${bound.reason}`, expr);
      return bound;
    }
    case "attr":
      return l.within(expr, member);
    case "call":
      return call(l, expr, hint);
    case "subscript":
      return subscript(l, expr, hint);
    case "list":
      return list(l, expr, hint);
    case "dict":
      return dict(l, expr, hint);
    case "tuple":
      return tuple(l, expr, hint);
    case "comprehension":
      return comprehension(l, expr, hint);
    case "unary": {
      if (expr.op === "not") {
        const { value } = l.passes.condition(l, expr.value);
        return l.callOp("aten::__not__", [value], expr);
      }
      const literal = expr.op === "-" ? realLiteral(expr.value) : undefined;
      if (literal !== undefined && expr.value.kind !== "int") return { kind: "value", value: l.constant({ kind: "float", value: -literal }, T.float, expr) };
      const value = l.value(expr.value);
      const method = expr.op === "-" ? "__neg__" : expr.op === "~" ? "__invert__" : "__pos__";
      if (value.type.kind === "Class") return callMeaning(l, memberOf(l, { kind: "value", value }, method, expr), { args: [], kwargs: [] }, expr);
      return expr.op === "+" ? { kind: "value", value } : l.callOp(expr.op === "-" ? "aten::neg" : "aten::bitwise_not", [value], expr);
    }
    case "binary": {
      const literal = complexLiteral(expr);
      if (literal !== undefined) return { kind: "value", value: l.constant({ kind: "complex", ...literal }, T.complex, expr) };
      return operate(l, expr.op, l.value(expr.left), l.value(expr.right), expr);
    }
    case "compare": {
      if (expr.op === "is" || expr.op === "is not") return { kind: "value", value: l.passes.condition(l, expr).value };
      return compare(l, expr);
    }
    case "logical":
      return { kind: "value", value: l.passes.condition(l, expr).value };
    case "ternary":
      return ternary(l, expr, hint);
    default:
      return l.fail("bad-code", "this cannot stand here", expr);
  }
}

/** Narrows names in the present scope by what a condition says of them. */
export function refine(l: Lowering, types: ReadonlyMap<string, Type>, span: { readonly start: number; readonly end: number }): void {
  for (const [name, type] of types) {
    const bound = l.scope.get(name);
    if (bound?.kind === "value" && !sameType(bound.value.type, type)) {
      const value = l.cast(bound.value, type, span);
      value.name = name;
      l.scope.set(name, { kind: "value", value });
    }
  }
}
