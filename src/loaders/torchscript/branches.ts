/** Joins of two branches: names, and ways of leaving, become results of one `prim::If`. */

import type { OpenBlock } from "../../ir/builder.ts";
import type { Block, Value } from "../../ir/graph.ts";
import { isSubtype, printType, T, type Type, unifyTypes } from "../../ir/type.ts";
import type { Lowering } from "./lowering.ts";
import { type Binding, type Exit, type Flag, Scope } from "./scope.ts";
import type { Span } from "./source-text.ts";

const MAX_NESTING = 400;

interface Arm {
  readonly scope: Scope;
  readonly exit: Exit;
  readonly open: OpenBlock;
}

/** One result of the `prim::If`: how each arm makes it, and where it goes. */
interface Output {
  readonly type: Type;
  readonly name?: string;
  readonly make: readonly [() => Value, () => Value];
  readonly take: (result: Value) => void;
}

const throws = (exit: Exit): boolean => exit.always && exit.returns === false && exit.breaks === false && exit.continues === false;

/** The or of flags. */
export function anyOf(l: Lowering, flags: readonly Flag[], span: Span): Flag {
  let out: Flag = false;
  for (const flag of flags) {
    if (flag === true || out === true) out = true;
    else if (flag !== false) out = out === false ? flag : l.callOpValue("aten::__or__", [out, flag], span);
  }
  return out;
}

export function flagValue(l: Lowering, flag: Flag, span: Span): Value {
  return typeof flag === "boolean" ? l.bool(flag, span) : flag;
}

/** What a name is after the branches, or the output that joins it. */
function joinName(l: Lowering, name: string, a: Arm, b: Arm, span: Span): Binding | Output {
  const x = a.scope.get(name);
  const y = b.scope.get(name);
  const xValue = x?.kind === "value" ? x.value : undefined;
  const yValue = y?.kind === "value" ? y.value : undefined;
  const take = (value: Value): void => l.scope.set(name, { kind: "value", value });
  const filled = (own: Value | undefined, type: Type) => (): Value => (own !== undefined && isSubtype(own.type, type) ? own : l.uninitialized(type, span));
  if (xValue !== undefined && yValue !== undefined) {
    if (xValue === yValue) return { kind: "value", value: xValue };
    // What a branch that leaves has in a name matters only where its type fits: to the code after the loop it leaves.
    const type = a.exit.always && !b.exit.always ? yValue.type : b.exit.always && !a.exit.always ? xValue.type : unifyTypes(xValue.type, yValue.type);
    if (type === undefined) {
      return { kind: "unusable", reason: `it is a \`${printType(xValue.type)}\` after one branch and a \`${printType(yValue.type)}\` after the other` };
    }
    return { type, name, make: [filled(xValue, type), filled(yValue, type)], take };
  }
  if (a.exit.always && y !== undefined && y.kind !== "unusable") {
    return yValue === undefined ? y : { type: yValue.type, name, make: [filled(undefined, yValue.type), () => yValue], take };
  }
  if (b.exit.always && x !== undefined && x.kind !== "unusable") {
    return xValue === undefined ? x : { type: xValue.type, name, make: [() => xValue, filled(undefined, xValue.type)], take };
  }
  if (x !== undefined && x === y) return x;
  if (x?.kind === "function" && y?.kind === "function" && x.decl === y.decl) return x;
  return { kind: "unusable", reason: "it has a value after one branch only" };
}

/** Lowers both arms under `condition` and joins them. @throws bad-code, limit-exceeded */
export function branch(l: Lowering, condition: Value, span: Span, arms: readonly [() => Exit, () => Exit]): Exit {
  if (l.nesting >= MAX_NESTING) l.fail("limit-exceeded", "branches are nested too deeply", span, { wanted: `at most ${MAX_NESTING} levels` });
  l.nesting++;
  const saved = l.scope;
  const run = (arm: () => Exit): Arm => {
    l.builder.open();
    const scope = new Scope(saved);
    l.scope = scope;
    const exit = arm();
    const open = l.builder.suspend();
    l.scope = saved;
    return { scope, exit, open };
  };
  const a = run(arms[0]);
  const b = run(arms[1]);
  const outputs: Output[] = [];
  for (const name of new Set([...a.scope.own.keys(), ...b.scope.own.keys()])) {
    const joined = joinName(l, name, a, b, span);
    if ("make" in joined) outputs.push(joined);
    else saved.set(name, joined);
  }

  const exit: { always: boolean; returns: Flag; breaks: Flag; continues: Flag; value?: Value } = {
    always: a.exit.always && b.exit.always,
    returns: false,
    breaks: false,
    continues: false,
  };
  for (const key of ["returns", "breaks", "continues"] as const) {
    // A branch that raises leaves in no way that anyone after it sees.
    const x = throws(a.exit) ? b.exit[key] : a.exit[key];
    const y = throws(b.exit) ? a.exit[key] : b.exit[key];
    if (x === y) exit[key] = x;
    else if (x === true && y === false) exit[key] = condition;
    else {
      outputs.push({
        type: T.bool,
        make: [() => flagValue(l, x, span), () => flagValue(l, y, span)],
        take: (result) => {
          exit[key] = result;
        },
      });
    }
  }
  const x = a.exit.value;
  const y = b.exit.value;
  if (x !== undefined || y !== undefined) {
    const type = l.returnType ?? (x === undefined ? y?.type : y === undefined ? x.type : unifyTypes(x.type, y.type));
    if (type === undefined)
      return l.fail(
        "bad-code",
        `the function returns a \`${x === undefined ? "?" : printType(x.type)}\` and a \`${y === undefined ? "?" : printType(y.type)}\``,
        span,
      );
    outputs.push({
      type,
      make: [() => x ?? l.uninitialized(type, span), () => y ?? l.uninitialized(type, span)],
      take: (result) => {
        exit.value = result;
      },
    });
  }

  const close = (arm: Arm, side: 0 | 1): Block => {
    l.builder.resume(arm.open);
    const values = outputs.map((output) => output.make[side]());
    return l.builder.close(values);
  };
  const blocks = [close(a, 0), close(b, 1)];
  const results = l.node(
    "prim::If",
    [condition],
    outputs.map((output) => output.type),
    span,
    { blocks },
  );
  for (const [i, output] of outputs.entries()) {
    const result = results[i] as Value; // one per output
    if (output.name !== undefined) result.name = output.name;
    output.take(result);
  }
  l.nesting--;
  return exit;
}
