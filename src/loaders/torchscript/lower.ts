/** One function of an archive: its syntax tree to a graph. */

import type { Block, FunctionDecl, Value } from "../../ir/graph.ts";
import { isSubtype, printType, T, type Type } from "../../ir/type.ts";
import type { FunctionDef } from "./ast.ts";
import { branch } from "./branches.ts";
import { callMeaning } from "./calls.ts";
import { conditionOf } from "./conditions.ts";
import { meaningOf } from "./expressions.ts";
import { Lowering, type Passes, type Unit } from "./lowering.ts";
import type { SourceText } from "./source-text.ts";
import { blockOf } from "./statements.ts";

const PASSES: Passes = { meaning: meaningOf, condition: conditionOf, block: blockOf, call: callMeaning };

/**
 * Lowers a function's body. `returns` is its declared type, if any; the block has one output, whose type is the declared
 * one or what the body returns. `named`: functions that the body calls by a name of its own.
 * @throws bad-code, unsupported-op, limit-exceeded
 */
export function lowerFunction(
  unit: Unit,
  def: FunctionDef,
  decl: Pick<FunctionDecl, "params">,
  returns: Type | undefined,
  source: SourceText,
  owner: FunctionDecl,
  named: ReadonlyMap<string, FunctionDecl> = new Map(),
): Block {
  const l = new Lowering(unit, PASSES, source, owner);
  const inputs = l.builder.open(decl.params);
  for (const [i, param] of decl.params.entries()) l.scope.set(param.name, { kind: "value", value: inputs[i] as Value });
  for (const [name, fn] of named) l.scope.set(name, { kind: "function", name: fn.name, decl: fn });
  l.returnType = returns;
  const exit = l.passes.block(l, def.body);
  if (!exit.always) {
    // Paths that fall off the end return None, where the function may.
    if (returns !== undefined && !isSubtype(T.None, returns)) {
      l.fail("bad-code", `\`${def.name}\` does not return a value on every path`, def, { wanted: printType(returns) });
    }
    if (exit.returns === false) return l.builder.close([l.none(def)]);
    const { value, returns: returned } = exit;
    const whole =
      returned === true
        ? exit
        : branch(l, returned, def, [
            () => ({ always: true, returns: true, breaks: false, continues: false, value }),
            () => ({ always: true, returns: true, breaks: false, continues: false, value: l.none(def) }),
          ]);
    return l.builder.close([whole.value ?? l.none(def)]);
  }
  // A function that always raises has no value to give.
  return l.builder.close([exit.value ?? l.uninitialized(returns ?? T.None, def)]);
}
