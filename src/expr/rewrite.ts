/** Expressions with leaves replaced. */

import { binary, bitcast, cast, check, type Expr, operandsOf, round, select, unary } from "./expr.ts";

/** Whether `rewrite` can rebuild all that the roots are made of: no loops and no loads. */
export function isStraight(roots: readonly Expr[]): boolean {
  const seen = new Set<Expr>();
  const straight = (e: Expr): boolean => {
    if (seen.has(e)) return true;
    seen.add(e);
    return e.op !== "fold" && e.op !== "load" && e.op !== "state" && e.op !== "trip" && operandsOf(e).every(straight);
  };
  return roots.every(straight);
}

/** The roots with every leaf for which `leaf` gives another expression replaced by it. Of straight expressions only. */
export function rewrite(roots: readonly Expr[], leaf: (e: Expr) => Expr | undefined): Expr[] {
  const done = new Map<Expr, Expr>();
  const visit = (e: Expr): Expr => {
    let out = done.get(e);
    if (out === undefined) done.set(e, (out = rebuild(e)));
    return out;
  };
  const rebuild = (e: Expr): Expr => {
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
      default:
        return leaf(e) ?? e;
    }
  };
  return roots.map(visit);
}
