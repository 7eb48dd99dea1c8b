/** Conditions: truth of values, short circuits, and what `is None` and `isinstance` say of types. */

import type { Value } from "../../ir/graph.ts";
import type { Template } from "../../ir/template.ts";
import { isSubtype, T, type Type, unionOf } from "../../ir/type.ts";
import type { Expr, ExprOf } from "./ast.ts";
import { refine } from "./expressions.ts";
import type { Lowering } from "./lowering.ts";
import { type Condition, Scope } from "./scope.ts";

const NOTHING: ReadonlyMap<string, Type> = new Map();

/** The members that a static type stands for. */
function alternatives(type: Type): readonly Type[] {
  if (type.kind === "Optional") return [...alternatives(type.elem), T.None];
  if (type.kind === "Union") return type.members.flatMap(alternatives);
  return [type];
}

/** How surely a value of static type `type` is one of `types`. */
function certainty(type: Type, types: readonly Type[]): boolean | undefined {
  if (types.some((t) => isSubtype(type, t))) return true;
  if (types.some((t) => isSubtype(t, type))) return undefined;
  return false;
}

function isNone(l: Lowering, expr: ExprOf<"compare">): Condition {
  const negated = expr.op === "is not";
  const left = l.value(expr.left);
  const right = l.value(expr.right);
  const value = l.callOpValue(negated ? "aten::__isnot__" : "aten::__is__", [left, right], expr);
  const plain: Condition = { value, whenTrue: NOTHING, whenFalse: NOTHING };
  const [subject, other] = expr.right.kind === "none" ? [expr.left, left] : expr.left.kind === "none" ? [expr.right, right] : [undefined, left];
  if (subject === undefined) return plain;
  const { type } = other;
  const members = alternatives(type);
  if (type.kind === "None") return { ...plain, constant: !negated };
  // A value that cannot be None decides the branch while loading, as in PyTorch.
  if (!members.some((m) => m.kind === "None" || m.kind === "Any")) return { ...plain, constant: negated };
  if (subject.kind !== "name" || type.kind === "Any") return plain;
  const none = new Map([[subject.name, T.None as Type]]);
  const some = new Map([[subject.name, unionOf(members.filter((m) => m.kind !== "None"))]]);
  return negated ? { value, whenTrue: some, whenFalse: none } : { value, whenTrue: none, whenFalse: some };
}

function isInstance(l: Lowering, expr: ExprOf<"call">): Condition {
  const [subject, typeExpr] = expr.args;
  if (subject === undefined || typeExpr === undefined || expr.args.length !== 2 || expr.kwargs.length > 0)
    return l.fail("bad-code", "`isinstance` takes a value and a type", expr);
  const types = (typeExpr.kind === "tuple" ? typeExpr.items : [typeExpr]).map((item) => l.unit.typeOf(item, l.source));
  const object = l.value(subject);
  const members = alternatives(object.type);
  const verdicts = members.map((m) => certainty(m, types));
  const constant = verdicts.every((v) => v === true) ? true : verdicts.every((v) => v === false) ? false : undefined;
  if (constant !== undefined) return { value: l.bool(constant, expr), constant, whenTrue: NOTHING, whenFalse: NOTHING };
  const list: Template = { kind: "list", elem: T.Any, items: types.map((type): Template => ({ kind: "type", type })) };
  const value = l.one("prim::isinstance", [object], T.bool, expr, { types: list });
  if (subject.kind !== "name") return { value, whenTrue: NOTHING, whenFalse: NOTHING };
  const yes: Type[] = [];
  const no: Type[] = [];
  for (const [i, member] of members.entries()) {
    const verdict = verdicts[i];
    if (verdict === true) yes.push(member);
    else if (verdict === undefined) {
      yes.push(...types.filter((t) => isSubtype(t, member)));
      no.push(member);
    } else no.push(member);
  }
  return { value, whenTrue: new Map([[subject.name, unionOf(yes)]]), whenFalse: no.length === 0 ? NOTHING : new Map([[subject.name, unionOf(no)]]) };
}

const merged = (a: ReadonlyMap<string, Type>, b: ReadonlyMap<string, Type>): ReadonlyMap<string, Type> => new Map([...a, ...b]);

function shortCircuit(l: Lowering, expr: ExprOf<"logical">): Condition {
  const left = conditionOf(l, expr.left);
  const and = expr.op === "and";
  if (left.constant === !and) return left;
  const apply = and ? left.whenTrue : left.whenFalse;
  const saved = l.scope;
  const evaluateRight = (): Condition => {
    l.scope = new Scope(saved);
    refine(l, apply, expr.right);
    const right = conditionOf(l, expr.right);
    l.scope = saved;
    return right;
  };
  if (left.constant === and) return evaluateRight();
  l.builder.open();
  const right = evaluateRight();
  const rightBlock = l.builder.close([right.value]);
  l.builder.open();
  const otherBlock = l.builder.close([l.bool(!and, expr)]);
  const blocks = and ? [rightBlock, otherBlock] : [otherBlock, rightBlock];
  const value = l.node("prim::If", [left.value], [T.bool], expr, { blocks })[0] as Value; // one type, one result
  return and
    ? { value, whenTrue: merged(left.whenTrue, right.whenTrue), whenFalse: NOTHING }
    : { value, whenTrue: NOTHING, whenFalse: merged(left.whenFalse, right.whenFalse) };
}

/** Lowers `expr` as a condition. @throws bad-code */
export function conditionOf(l: Lowering, expr: Expr): Condition {
  if (expr.kind === "unary" && expr.op === "not") {
    const inner = conditionOf(l, expr.value);
    const value = l.callOpValue("aten::__not__", [inner.value], expr);
    return { value, whenTrue: inner.whenFalse, whenFalse: inner.whenTrue, constant: inner.constant === undefined ? undefined : !inner.constant };
  }
  if (expr.kind === "logical") return shortCircuit(l, expr);
  if (expr.kind === "compare" && (expr.op === "is" || expr.op === "is not")) return isNone(l, expr);
  if (expr.kind === "call" && expr.callee.kind === "name" && expr.callee.name === "isinstance" && l.scope.get("isinstance") === undefined)
    return isInstance(l, expr);
  const given = l.given(expr);
  const value =
    given.type.kind === "bool" ? given.value : l.asValue(l.passes.call(l, { kind: "cast", to: "bool" }, { args: [given], kwargs: [] }, expr, undefined), expr);
  return { value, whenTrue: NOTHING, whenFalse: NOTHING, constant: expr.kind === "bool" ? expr.value : undefined };
}
