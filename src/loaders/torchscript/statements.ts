/** Statements: assignments, effects, blocks with their ways of leaving. */

import type { Value } from "../../ir/graph.ts";
import { isSubtype, printType, sameType, T, type Type } from "../../ir/type.ts";
import type { Expr, Stmt, StmtOf } from "./ast.ts";
import { anyOf, branch } from "./branches.ts";
import { callMeaning } from "./calls.ts";
import { operate, refine } from "./expressions.ts";
import { forLoop, whileLoop } from "./loops.ts";
import type { Lowering } from "./lowering.ts";
import type { Span } from "./source-text.ts";
import { memberOf } from "./members.ts";
import { convert } from "./overload.ts";
import { type Exit, FALLS_THROUGH, type Meaning } from "./scope.ts";
import { deleteSubscript, storeSubscript } from "./subscripts.ts";

/** Values taken out of a tuple or list for `count` targets. */
function takeApart(l: Lowering, meaning: Meaning, count: number, span: Expr): readonly Value[] {
  let items: readonly Value[];
  if (meaning.kind === "tuple") items = meaning.items;
  else {
    const value = l.asValue(meaning, span);
    const { type } = value;
    if (type.kind === "List")
      items = l.node(
        "prim::ListUnpack",
        [value],
        Array.from({ length: count }, () => type.elem),
        span,
      );
    else if (type.kind === "Tensor")
      items = Array.from({ length: count }, (_, i) => l.callOpValue("aten::select", [value, l.int(0, span), l.int(i, span)], span));
    else items = l.unpackTuple(value, span);
  }
  if (items.length !== count) l.fail("bad-code", `${items.length} values are taken apart into ${count} names`, span);
  return items;
}

/** The type that a target already has, as a hint for what is stored. */
function targetHint(l: Lowering, target: Expr): Type | undefined {
  if (target.kind !== "attr") return undefined;
  const base = l.scope.get(target.base.kind === "name" ? target.base.name : "");
  const type = base?.kind === "value" ? base.value.type : undefined;
  if (type?.kind !== "Class") return undefined;
  const slot = type.slots.get(target.name);
  return slot === undefined ? undefined : type.attributes[slot]?.type;
}

function storeAttribute(l: Lowering, target: Extract<Expr, { readonly kind: "attr" }>, meaning: Meaning): void {
  const object = l.value(target.base);
  const { type } = object;
  if (type.kind !== "Class") return l.fail("bad-code", `attributes of \`${printType(type)}\` cannot be stored`, target);
  const slot = type.slots.get(target.name);
  const attribute = slot === undefined ? undefined : type.attributes[slot];
  const given = l.asValue(meaning, target);
  if (attribute === undefined) {
    const setter = type.methods.get(`__${target.name}_setter`);
    if (setter === undefined) return l.fail("bad-code", `\`${type.name}\` has no attribute \`${target.name}\``, target);
    callMeaning(
      l,
      { kind: "method", object, name: `__${target.name}_setter`, decl: setter },
      { args: [{ type: given.type, value: given }], kwargs: [] },
      target,
    );
    return;
  }
  const value = l.realise(
    convert({ type: given.type, value: given, emptyList: meaning.kind === "value" && meaning.emptyList === true }, attribute.type, false),
    target,
  );
  if (!isSubtype(value.type, attribute.type))
    return l.fail("bad-code", `the attribute \`${target.name}\` is a \`${printType(attribute.type)}\`, and cannot hold a \`${printType(value.type)}\``, target);
  l.node("prim::SetAttr", [object, value], [], target, { attributes: { name: { kind: "str", value: target.name } } });
}

/** Binds `target` to what was computed. @throws bad-code */
function bind(l: Lowering, target: Expr, meaning: Meaning): void {
  switch (target.kind) {
    case "name": {
      if (meaning.kind === "value" || meaning.kind === "tuple" || meaning.kind === "void") {
        const value = l.asValue(meaning, target);
        value.name ??= target.name;
        l.scope.set(target.name, { kind: "value", value });
      } else l.scope.set(target.name, meaning);
      return;
    }
    case "tuple":
    case "list": {
      const items = takeApart(l, meaning, target.items.length, target);
      for (const [i, item] of target.items.entries()) bind(l, item, { kind: "value", value: items[i] as Value });
      return;
    }
    case "attr":
      storeAttribute(l, target, meaning);
      return;
    case "subscript":
      storeSubscript(l, target, () => l.asValue(meaning, target));
      return;
    default:
      l.fail("bad-code", "this cannot be assigned to", target);
  }
}

function declared(l: Lowering, type: Type, valueExpr: Expr): Value {
  const meaning = l.meaning(valueExpr, type);
  const given = l.asValue(meaning, valueExpr);
  const value = l.realise(
    convert({ type: given.type, value: given, emptyList: meaning.kind === "value" && meaning.emptyList === true }, type, false),
    valueExpr,
  );
  if (!isSubtype(value.type, type))
    return l.fail("bad-code", `the variable is declared \`${printType(type)}\`, and cannot hold a \`${printType(value.type)}\``, valueExpr);
  if (sameType(value.type, type)) return value;
  return value.type.kind === "None" ? l.none(valueExpr, type) : l.cast(value, type, valueExpr);
}

function assign(l: Lowering, statement: StmtOf<"assign">): void {
  const [target] = statement.targets;
  if (target === undefined) return;
  if (statement.type !== undefined) {
    bind(l, target, { kind: "value", value: declared(l, l.unit.typeOf(statement.type, l.source), statement.value) });
    return;
  }
  if (statement.targets.length === 1 && target.kind === "subscript") {
    storeSubscript(l, target, (hint) => l.value(statement.value, hint));
    return;
  }
  const { value } = statement;
  if (target.kind === "tuple" && value.kind === "tuple" && value.items.every((item) => item.kind !== "star") && statement.targets.length === 1) {
    if (target.items.length !== value.items.length) l.fail("bad-code", `${value.items.length} values are assigned to ${target.items.length} names`, statement);
    // All expressions are read before any name is bound.
    const meanings = value.items.map((item, i) => l.meaning(item, targetHint(l, target.items[i] as Expr)));
    for (const [i, item] of target.items.entries()) bind(l, item, meanings[i] as Meaning);
    return;
  }
  const meaning = l.meaning(value, statement.targets.length === 1 ? targetHint(l, target) : undefined);
  if (statement.targets.length === 1) {
    bind(l, target, meaning);
    return;
  }
  const once: Meaning = meaning.kind === "tuple" ? { kind: "value", value: l.asValue(meaning, value) } : meaning;
  for (const each of statement.targets) bind(l, each, once);
}

const IN_PLACE: Readonly<Record<string, readonly [op: string, method: string]>> = {
  "+": ["aten::add_", "__iadd__"],
  "-": ["aten::sub_", "__isub__"],
  "*": ["aten::mul_", "__imul__"],
  "/": ["aten::div_", "__itruediv__"],
  "%": ["aten::fmod_", "__imod__"],
  "**": ["aten::pow_", "__ipow__"],
  "|": ["aten::__ior__", "__ior__"],
  "&": ["aten::__iand__", "__iand__"],
  "^": ["aten::__ixor__", "__ixor__"],
  "<<": ["aten::__ilshift__", "__ilshift__"],
  ">>": ["aten::__irshift__", "__irshift__"],
};

function augment(l: Lowering, statement: StmtOf<"augment">): void {
  const old = l.value(statement.target);
  const value = l.value(statement.value);
  const [op, method] = IN_PLACE[statement.op] ?? ["", ""];
  if (old.type.kind === "Class" && old.type.methods.has(method)) {
    bind(
      l,
      statement.target,
      callMeaning(l, memberOf(l, { kind: "value", value: old }, method, statement), { args: [{ type: value.type, value }], kwargs: [] }, statement),
    );
    return;
  }
  if ((old.type.kind === "Tensor" || (old.type.kind === "List" && statement.op === "+")) && op !== "") {
    // Tensors and lists change in place; only a name is bound again, to the same object.
    const result = l.callOp(op, [old, value], statement);
    if (statement.target.kind === "name") bind(l, statement.target, result);
    return;
  }
  bind(l, statement.target, operate(l, statement.op, old, value, statement));
}

function ifStatement(l: Lowering, statement: StmtOf<"if">): Exit {
  const condition = l.passes.condition(l, statement.test);
  if (condition.constant !== undefined) {
    refine(l, condition.constant ? condition.whenTrue : condition.whenFalse, statement);
    return blockOf(l, condition.constant ? statement.then : statement.otherwise);
  }
  return branch(l, condition.value, statement, [
    () => {
      refine(l, condition.whenTrue, statement);
      return blockOf(l, statement.then);
    },
    () => {
      refine(l, condition.whenFalse, statement);
      return blockOf(l, statement.otherwise);
    },
  ]);
}

/** `__enter__` or `__exit__` of a context. The call is marked: the machine runs the `__exit__` of what was entered when an error passes. */
function contextCall(l: Lowering, object: Value, context: "enter" | "exit", span: Span): Value {
  const name = `__${context}__`;
  const method = memberOf(l, { kind: "value", value: object }, name, span);
  if (method.kind !== "method" || !("graph" in method.decl)) return l.fail("bad-code", `\`${printType(object.type)}\` is no context for \`with\``, span);
  const { decl } = method;
  if (l.owner !== undefined) l.unit.noteCall(l.owner, decl);
  const none = { type: T.None, value: l.none(span) };
  const self = { type: object.type, value: object };
  const operands = l.fillParams(name, decl, { args: context === "enter" ? [self] : [self, none, none, none], kwargs: [] }, span);
  return l.one("prim::CallMethod", operands, decl.returns, span, { name: { kind: "str", value: name }, context: { kind: "str", value: context } });
}

function withStatement(l: Lowering, statement: StmtOf<"with">): Exit {
  const entered: Value[] = [];
  for (const item of statement.items) {
    const object = l.value(item.context);
    const value = contextCall(l, object, "enter", item.context);
    if (item.target !== undefined) l.scope.set(item.target, { kind: "value", value });
    entered.push(object);
  }
  const exit = blockOf(l, statement.body);
  for (const object of entered.reverse()) contextCall(l, object, "exit", statement);
  return exit;
}

function returnStatement(l: Lowering, statement: StmtOf<"return">): Exit {
  const wanted = l.returnType;
  const meaning: Meaning = statement.value === undefined ? { kind: "value", value: l.none(statement) } : l.meaning(statement.value, wanted);
  let value = l.asValue(meaning, statement);
  if (wanted !== undefined) {
    value = l.realise(convert({ type: value.type, value, emptyList: meaning.kind === "value" && meaning.emptyList === true }, wanted, true), statement);
    if (!isSubtype(value.type, wanted))
      l.fail("bad-code", `the function returns \`${printType(wanted)}\`, and this is a \`${printType(value.type)}\``, statement.value ?? statement);
  }
  return { always: true, returns: true, breaks: false, continues: false, value };
}

function raise(l: Lowering, message: Value, cls: string | undefined, span: { readonly start: number; readonly end: number }): Exit {
  const operands = [message, cls === undefined ? undefined : l.constant({ kind: "str", value: cls }, T.str, span)];
  l.node("prim::RaiseException", operands, [], span, { schema: l.unit.schemas.schemaOf("prim::RaiseException") });
  return { always: true, returns: false, breaks: false, continues: false };
}

function raiseStatement(l: Lowering, statement: StmtOf<"raise">): Exit {
  const { value } = statement;
  const name = value.kind === "call" && value.callee.kind === "name" ? value.callee.name : value.kind === "name" ? value.name : undefined;
  if (name === undefined || l.scope.get(name) !== undefined) return l.fail("bad-code", "only a named exception can be raised", statement);
  const [text] = value.kind === "call" ? value.args : [];
  const message =
    text === undefined
      ? l.constant({ kind: "str", value: "" }, T.str, statement)
      : l.asValue(l.passes.call(l, { kind: "cast", to: "str" }, { args: [l.given(text)], kwargs: [] }, statement, undefined), statement);
  return raise(l, message, `builtins.${name}`, statement);
}

function assertStatement(l: Lowering, statement: StmtOf<"assert">): Exit {
  const condition = l.passes.condition(l, statement.test);
  const { message } = statement;
  return branch(l, condition.value, statement, [
    () => FALLS_THROUGH,
    () => {
      const prefix = "AssertionError: ";
      const text =
        message?.kind === "str"
          ? l.constant({ kind: "str", value: prefix + message.value }, T.str, statement)
          : message === undefined
            ? l.constant({ kind: "str", value: prefix }, T.str, statement)
            : l.callOpValue("aten::add", [l.constant({ kind: "str", value: prefix }, T.str, statement), l.value(message)], statement);
      return raise(l, text, undefined, statement);
    },
  ]);
}

function statementOf(l: Lowering, statement: Stmt): Exit {
  switch (statement.kind) {
    case "assign":
      assign(l, statement);
      return FALLS_THROUGH;
    case "augment":
      augment(l, statement);
      return FALLS_THROUGH;
    case "expr":
      l.meaning(statement.value);
      return FALLS_THROUGH;
    case "delete":
      for (const target of statement.targets) deleteSubscript(l, target);
      return FALLS_THROUGH;
    case "def":
      l.scope.set(statement.def.name, { kind: "closure", def: statement.def, scope: l.scope });
      return FALLS_THROUGH;
    case "if":
      return ifStatement(l, statement);
    case "while":
      return whileLoop(l, statement);
    case "for":
      return forLoop(l, statement, (target, meaning) => bind(l, target, meaning));
    case "with":
      return withStatement(l, statement);
    case "return":
      return returnStatement(l, statement);
    case "raise":
      return raiseStatement(l, statement);
    case "assert":
      return assertStatement(l, statement);
    case "break":
      return { always: true, returns: false, breaks: true, continues: false };
    case "continue":
      return { always: true, returns: false, breaks: false, continues: true };
    case "declare":
    case "pass":
      return FALLS_THROUGH;
    default:
      return statement satisfies never;
  }
}

/** Lowers statements from number `from` on, into the open block. @throws bad-code, unsupported-op */
export function blockOf(l: Lowering, statements: readonly Stmt[], from = 0): Exit {
  for (let i = from; i < statements.length; i++) {
    const statement = statements[i] as Stmt;
    const exit = l.within(statement, statementOf);
    if (exit === FALLS_THROUGH) continue;
    if (exit.always) return exit;
    const left = anyOf(l, [exit.returns, exit.breaks, exit.continues], statement);
    if (left === false) continue;
    if (i === statements.length - 1 || left === true) return exit;
    // What follows runs only on the paths that have not left.
    const only = (flag: Exit["returns"]): Exit["returns"] => (flag === left ? true : flag);
    return branch(l, left, statement, [
      () => ({ always: true, returns: only(exit.returns), breaks: only(exit.breaks), continues: only(exit.continues), value: exit.value }),
      () => blockOf(l, statements, i + 1),
    ]);
  }
  return FALLS_THROUGH;
}
