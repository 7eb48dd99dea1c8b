/** `for` and `while` as `prim::Loop`: carried names, early exits, what can be looped over. */

import type { Value } from "../../ir/graph.ts";
import { isSubtype, printType, T, type Type } from "../../ir/type.ts";
import type { Expr, Stmt, StmtOf } from "./ast.ts";
import { anyOf, branch, flagValue } from "./branches.ts";
import { intTemplate, type Lowering } from "./lowering.ts";
import { convert } from "./overload.ts";
import { type Exit, FALLS_THROUGH, type Meaning, Scope } from "./scope.ts";
import type { Span } from "./source-text.ts";

const MAX_TRIPS = 2n ** 63n - 1n;

function targetNames(target: Expr, names: Set<string>): void {
  if (target.kind === "name") names.add(target.name);
  else if (target.kind === "tuple" || target.kind === "list") for (const item of target.items) targetNames(item, names);
}

/** Names that statements may bind, in order of first appearance. */
function assignedNames(statements: readonly Stmt[], names: Set<string> = new Set()): Set<string> {
  for (const statement of statements) {
    switch (statement.kind) {
      case "assign":
        for (const target of statement.targets) targetNames(target, names);
        break;
      case "augment":
        targetNames(statement.target, names);
        break;
      case "if":
        assignedNames(statement.then, names);
        assignedNames(statement.otherwise, names);
        break;
      case "for":
        targetNames(statement.target, names);
        assignedNames(statement.body, names);
        break;
      case "while":
        assignedNames(statement.body, names);
        break;
      case "with":
        for (const item of statement.items) if (item.target !== undefined) names.add(item.target);
        assignedNames(statement.body, names);
        break;
      default:
    }
  }
  return names;
}

function hasReturn(statements: readonly Stmt[]): boolean {
  return statements.some(
    (s) =>
      s.kind === "return" ||
      (s.kind === "if" && (hasReturn(s.then) || hasReturn(s.otherwise))) ||
      ((s.kind === "for" || s.kind === "while" || s.kind === "with") && hasReturn(s.body)),
  );
}

interface LoopFacts {
  readonly trips: Value;
  readonly initial: Value;
  readonly body: readonly Stmt[];
  /** Names bound by the loop itself at the start of each trip. */
  readonly begin?: (trip: Value) => void;
  readonly targets: ReadonlySet<string>;
  /** Evaluates the condition of the next trip. */
  readonly condition?: () => Value;
}

function loop(l: Lowering, facts: LoopFacts, span: Span): Exit {
  const saved = l.scope;
  const carried: { readonly name: string; readonly before: Value }[] = [];
  for (const name of new Set([...facts.targets, ...assignedNames(facts.body)])) {
    const bound = saved.get(name);
    if (bound?.kind === "value") carried.push({ name, before: bound.value });
  }
  const returning = hasReturn(facts.body);
  const returnType = l.returnType;
  if (returning && returnType === undefined) l.fail("bad-code", "a function that returns from within a loop must declare its return type", span);
  const extra: Value[] = returning ? [l.bool(false, span), l.uninitialized(returnType ?? T.None, span)] : [];
  const inputs = l.builder.open([
    { type: T.int },
    ...carried.map(({ name, before }) => ({ type: before.type, name })),
    ...extra.map((value) => ({ type: value.type })),
  ]);
  const scope = new Scope(saved);
  l.scope = scope;
  for (const [i, { name }] of carried.entries()) scope.set(name, { kind: "value", value: inputs[i + 1] as Value });
  facts.begin?.(inputs[0] as Value);
  const exit = l.passes.block(l, facts.body);
  const stop = anyOf(l, [exit.breaks, exit.returns], span);
  let proceed: Value;
  const next = (): Value => facts.condition?.() ?? l.bool(true, span);
  if (stop === false) proceed = next();
  else if (stop === true) proceed = l.bool(false, span);
  else {
    l.builder.open();
    const ended = l.builder.close([l.bool(false, span)]);
    l.builder.open();
    l.scope = new Scope(scope);
    const going = l.builder.close([next()]);
    l.scope = scope;
    proceed = l.node("prim::If", [stop], [T.bool], span, { blocks: [ended, going] })[0] as Value; // one type, one result
  }
  const lost = new Map<string, string>();
  const outputs = carried.map(({ name, before }): Value => {
    const bound = scope.get(name);
    if (bound?.kind !== "value") {
      lost.set(name, bound?.kind === "unusable" ? bound.reason : "the loop binds it to something else");
      return l.uninitialized(before.type, span);
    }
    if (!isSubtype(bound.value.type, before.type)) {
      return l.fail("bad-code", `\`${name}\` is a \`${printType(before.type)}\` before the loop and becomes a \`${printType(bound.value.type)}\` in it`, span);
    }
    return bound.value;
  });
  if (returning) outputs.push(flagValue(l, exit.returns, span), exit.value ?? l.uninitialized(returnType ?? T.None, span));
  const block = l.builder.close([proceed, ...outputs]);
  l.scope = saved;
  const types: Type[] = [...carried.map(({ before }) => before.type), ...extra.map((value) => value.type)];
  const results = l.node("prim::Loop", [facts.trips, facts.initial, ...carried.map(({ before }) => before), ...extra], types, span, { blocks: [block] });
  for (const [i, { name }] of carried.entries()) {
    const result = results[i] as Value; // one per carried name
    result.name = name;
    const reason = lost.get(name);
    saved.set(name, reason === undefined ? { kind: "value", value: result } : { kind: "unusable", reason });
  }
  if (!returning) return FALLS_THROUGH;
  return { always: false, returns: results.at(-2) as Value, breaks: false, continues: false, value: results.at(-1) };
}

/** @throws bad-code */
export function whileLoop(l: Lowering, statement: StmtOf<"while">): Exit {
  const trips = l.constant(intTemplate(MAX_TRIPS), T.int, statement);
  const initial = l.passes.condition(l, statement.test).value;
  return loop(l, { trips, initial, body: statement.body, targets: new Set(), condition: () => l.passes.condition(l, statement.test).value }, statement);
}

/** Something to loop over: how often, and what each trip gives. Absent count: endless. */
interface Iteration {
  readonly count: Value | undefined;
  readonly item: (trip: Value) => Meaning;
}

function asInt(l: Lowering, expr: Expr): Value {
  const given = l.given(expr);
  const value = l.realise(convert(given, T.int, true), expr);
  if (value.type.kind !== "int") l.fail("bad-code", `\`range\` takes ints, got a \`${printType(value.type)}\``, expr);
  return value;
}

function range(l: Lowering, args: readonly Expr[], expr: Expr): Iteration {
  const [first, second, third] = args;
  if (first === undefined || args.length > 3) return l.fail("bad-code", "`range` takes one to three ints", expr);
  if (second === undefined) return { count: asInt(l, first), item: (trip) => ({ kind: "value", value: trip }) };
  const start = asInt(l, first);
  const end = asInt(l, second);
  const step = third === undefined ? l.int(1, expr) : asInt(l, third);
  return {
    count: l.callOpValue("aten::__range_length", [start, end, step], expr),
    item: (trip) => l.callOp("aten::__derive_index", [trip, start, step], expr),
  };
}

function iterationOf(l: Lowering, expr: Expr): Iteration | readonly Value[] {
  if (expr.kind === "call" && expr.callee.kind === "name" && l.scope.get(expr.callee.name) === undefined && expr.kwargs.length === 0) {
    const { name } = expr.callee;
    if (name === "range") return range(l, expr.args, expr);
    if (name === "enumerate" || name === "zip") {
      const [over, start] = expr.args;
      const sources = name === "zip" ? expr.args : over === undefined ? [] : [over];
      const parts = sources.map((source) => {
        const part = iterationOf(l, source);
        if (!("item" in part)) return l.fail("bad-code", `\`${name}\` runs over lists and ranges`, source);
        return part;
      });
      const [only] = parts;
      if (only === undefined) return l.fail("bad-code", `\`${name}\` needs something to run over`, expr);
      if (name === "enumerate") {
        const offset = start === undefined ? undefined : asInt(l, start);
        return {
          count: only.count,
          item: (trip) => ({
            kind: "tuple",
            items: [offset === undefined ? trip : l.callOpValue("aten::add", [trip, offset], expr), l.asValue(only.item(trip), expr)],
          }),
        };
      }
      const counts = parts.flatMap((part) => (part.count === undefined ? [] : [part.count]));
      const count = l.callOpValue("prim::min", [l.listOfValues(counts, T.int, expr)], expr);
      return { count, item: (trip) => ({ kind: "tuple", items: parts.map((part) => l.asValue(part.item(trip), expr)) }) };
    }
  }
  const meaning = l.meaning(expr);
  if (meaning.kind === "tuple") return meaning.items;
  let value = l.asValue(meaning, expr);
  switch (value.type.kind) {
    case "Tuple":
    case "NamedTuple":
      return l.unpackTuple(value, expr);
    case "Dict":
      value = l.callOpValue("aten::keys", [value], expr);
      break;
    case "Tensor":
      return { count: l.callOpValue("aten::len", [value], expr), item: (trip) => l.callOp("aten::select", [value, l.int(0, expr), trip], expr) };
    case "List":
    case "str":
      break;
    default:
      return l.fail("bad-code", `a loop cannot run over a \`${printType(value.type)}\``, expr);
  }
  return { count: l.callOpValue("aten::len", [value], expr), item: (trip) => l.callOp("aten::__getitem__", [value, trip], expr) };
}

/** A loop over a tuple is written out, one copy of the body per element. */
function unrolled(l: Lowering, statement: StmtOf<"for">, items: readonly Value[], at: number, bind: (target: Expr, meaning: Meaning) => void): Exit {
  const item = items[at];
  if (item === undefined) return FALLS_THROUGH;
  bind(statement.target, { kind: "value", value: item });
  const exit = l.passes.block(l, statement.body);
  const stop = anyOf(l, [exit.breaks, exit.returns], statement);
  const left: Exit = {
    always: exit.always && exit.continues === false && exit.breaks === false,
    returns: exit.returns,
    breaks: false,
    continues: false,
    value: exit.value,
  };
  if (stop === true) return left;
  if (stop === false) return exit.always && exit.continues === false ? left : unrolled(l, statement, items, at + 1, bind);
  return branch(l, stop, statement, [() => ({ ...left, always: exit.breaks === false }), () => unrolled(l, statement, items, at + 1, bind)]);
}

/** @throws bad-code */
export function forLoop(l: Lowering, statement: StmtOf<"for">, bind: (target: Expr, meaning: Meaning) => void): Exit {
  const over = iterationOf(l, statement.iterable);
  if (!("item" in over)) return unrolled(l, statement, over, 0, bind);
  const targets = new Set<string>();
  targetNames(statement.target, targets);
  const trips = over.count ?? l.constant(intTemplate(MAX_TRIPS), T.int, statement);
  return loop(
    l,
    { trips, initial: l.bool(true, statement), body: statement.body, targets, begin: (trip) => bind(statement.target, over.item(trip)) },
    statement,
  );
}
