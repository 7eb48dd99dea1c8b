/** One function of an archive: its syntax tree to a graph. */

import type { Block, FunctionDecl, Value } from "../../ir/graph.ts";
import type { Type } from "../../ir/type.ts";
import type { FunctionDef } from "./ast.ts";
import { callMeaning } from "./calls.ts";
import { conditionOf } from "./conditions.ts";
import { meaningOf } from "./expressions.ts";
import { Lowering, type Passes, type Unit } from "./lowering.ts";
import type { SourceText } from "./source-text.ts";
import { blockOf } from "./statements.ts";

const PASSES: Passes = { meaning: meaningOf, condition: conditionOf, block: blockOf, call: callMeaning };

/**
 * Lowers a function's body. `returns` is its declared type, if any; the block has one output, whose type is the declared
 * one or what the body returns.
 * @throws bad-code, unsupported-op, limit-exceeded
 */
export function lowerFunction(unit: Unit, def: FunctionDef, decl: Pick<FunctionDecl, "params">, returns: Type | undefined, source: SourceText, owner: FunctionDecl): Block {
  const l = new Lowering(unit, PASSES, source, owner);
  const inputs = l.builder.open(decl.params);
  for (const [i, param] of decl.params.entries()) l.scope.set(param.name, { kind: "value", value: inputs[i] as Value });
  l.returnType = returns;
  const exit = l.passes.block(l, def.body);
  if (exit.value !== undefined) {
    const always = exit.always || exit.returns === true;
    // Paths that fall off the end return None.
    if (!always) l.none(def);
    return l.builder.close([exit.value]);
  }
  if (exit.always && returns !== undefined) return l.builder.close([l.uninitialized(returns, def)]);
  const none = l.none(def);
  if (returns !== undefined && returns.kind !== "None" && returns.kind !== "Optional" && returns.kind !== "Any") {
    l.fail("bad-code", `\`${def.name}\` does not return a value on every path`, def);
  }
  return l.builder.close([none]);
}
