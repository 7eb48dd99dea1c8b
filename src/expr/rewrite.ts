/** Expressions with leaves replaced. */

import { binary, bitcast, cast, check, type Expr, fold, load, operandsOf, round, select, unary } from "./expr.ts";

/** Whether the roots are made of neither loops nor loads. */
export function isStraight(roots: readonly Expr[]): boolean {
  const seen = new Set<Expr>();
  const straight = (e: Expr): boolean => {
    if (seen.has(e)) return true;
    seen.add(e);
    return e.op !== "fold" && e.op !== "load" && e.op !== "state" && e.op !== "trip" && operandsOf(e).every(straight);
  };
  return roots.every(straight);
}

/** The node with each of its operands replaced by what `visit` gives for it, loops' parts included; a leaf as it is. */
export function rebuilt(e: Expr, visit: (operand: Expr) => Expr): Expr {
  switch (e.op) {
    case "unary":
      return unary(e.fn, visit(e.a));
    case "binary":
      return binary(e.fn, visit(e.a), visit(e.b));
    case "select":
      return select(visit(e.cond), visit(e.a), visit(e.b));
    case "cast":
      return cast(visit(e.a), e.type, e.saturate);
    case "round":
      return round(visit(e.a), e.format, e.saturate);
    case "bitcast":
      return bitcast(visit(e.a), e.type);
    case "check":
      return check(visit(e.cond), visit(e.a), e.code);
    case "load":
      return load(e.operand, e.type, e.at.map(visit), e.part, e.inside === undefined ? undefined : visit(e.inside), e.outside === undefined ? undefined : visit(e.outside));
    case "fold": {
      const { level, count, init, body, until } = e.loop;
      return fold(level, visit(count), init.map(visit), () => body.map(visit), until === undefined ? undefined : () => visit(until))[e.part] ?? e;
    }
    default:
      return e;
  }
}

/** The roots with every leaf for which `leaf` gives another expression replaced by it. */
export function rewrite(roots: readonly Expr[], leaf: (e: Expr) => Expr | undefined): Expr[] {
  const done = new Map<Expr, Expr>();
  const visit = (e: Expr): Expr => {
    let out = done.get(e);
    if (out === undefined) done.set(e, (out = leaf(e) ?? rebuilt(e, visit)));
    return out;
  };
  return roots.map(visit);
}
