/** Orders the nodes of expression DAGs for straight-line evaluation; loop bodies keep their own nodes. */

import { type Expr, type Loop, operandsOf } from "./expr.ts";

/** Where a node must be evaluated: once before everything (`top`), or inside the body of the loop it depends on. */
export interface Schedule {
  /** Nodes in evaluation order, each after its operands; loops appear as steps before their first `fold` node. */
  readonly steps: readonly Step[];
}
export type Step = { readonly kind: "node"; readonly expr: Expr } | { readonly kind: "loop"; readonly loop: Loop; readonly body: Schedule; readonly untilBody: Schedule };

const freeLevels = new WeakMap<Expr, number>();
const readsMemory = new WeakMap<Expr, boolean>();

/** The innermost loop level whose state or trip number `e` depends on from outside itself; -1 for none. */
function freeLevel(e: Expr): number {
  const known = freeLevels.get(e);
  if (known !== undefined) return known;
  let level = -1;
  if (e.op === "state" || e.op === "trip") level = e.level;
  else if (e.op === "fold") {
    for (const o of [e.loop.count, ...e.loop.init]) level = Math.max(level, freeLevel(o));
    for (const o of [...e.loop.body, ...(e.loop.until === undefined ? [] : [e.loop.until])]) level = Math.max(level, freeLevelBelow(o, e.loop.level));
  } else for (const o of operandsOf(e)) level = Math.max(level, freeLevel(o));
  freeLevels.set(e, level);
  return level;
}

/** As `freeLevel`, but counting only levels below `limit`. */
function freeLevelBelow(e: Expr, limit: number): number {
  const seen = new Set<Expr>();
  let level = -1;
  const walk = (x: Expr): void => {
    if (seen.has(x)) return;
    seen.add(x);
    if ((x.op === "state" || x.op === "trip") && x.level < limit) level = Math.max(level, x.level);
    for (const o of operandsOf(x)) walk(o);
  };
  walk(e);
  return level;
}

function touchesMemory(e: Expr): boolean {
  const known = readsMemory.get(e);
  if (known !== undefined) return known;
  const result = e.op === "load" || e.op === "check" || operandsOf(e).some(touchesMemory);
  readsMemory.set(e, result);
  return result;
}

/** The schedule that makes `roots` available, given the nodes that already are. */
export function schedule(roots: readonly Expr[], available: ReadonlySet<Expr> = new Set(), loopLevel = -1): Schedule {
  const done = new Set<Expr>();
  const doneLoops = new Set<Loop>();
  const steps: Step[] = [];
  const visit = (e: Expr): void => {
    if (done.has(e) || available.has(e)) return;
    if (e.op === "fold") {
      const { loop } = e;
      if (!doneLoops.has(loop)) {
        doneLoops.add(loop);
        visit(loop.count);
        for (const init of loop.init) visit(init);
        const inner = [...loop.body, ...(loop.until === undefined ? [] : [loop.until])];
        hoist(inner, loop);
        const outer = new Set([...available, ...done]);
        const untilBody = loop.until === undefined ? { steps: [] } : schedule([loop.until], outer, loop.level);
        const body = schedule(loop.body, outer, loop.level);
        steps.push({ kind: "loop", loop, body, untilBody });
      }
      done.add(e);
      steps.push({ kind: "node", expr: e });
      return;
    }
    for (const o of operandsOf(e)) visit(o);
    done.add(e);
    steps.push({ kind: "node", expr: e });
  };
  /** What a loop's body needs but does not change, and what cannot fail, is evaluated once before it. */
  const hoist = (exprs: readonly Expr[], loop: Loop): void => {
    const seen = new Set<Expr>();
    const walk = (e: Expr): void => {
      if (seen.has(e)) return;
      seen.add(e);
      if (freeLevel(e) < loop.level && freeLevel(e) <= loopLevel && !touchesMemory(e) && e.op !== "fold") visit(e);
      else for (const o of operandsOf(e)) walk(o);
    };
    for (const e of exprs) walk(e);
  };
  for (const root of roots) visit(root);
  return { steps };
}
