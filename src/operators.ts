/** What this build has of PyTorch's operators: each overload of the registry, and where its meaning comes from. */

import { OTHER_SCHEMAS } from "./ir/other-schemas.ts";
import { addSchemas, allSchemas } from "./ir/schema-table.ts";
import { fullName } from "./ir/schema.ts";
import { namedFamilies, torchFamilies } from "./ops/families.ts";
import { derive, tableOf } from "./ops/registry.ts";
import { machineOps } from "./run/link.ts";

/** One overload of PyTorch's registry. */
export interface Operator {
  /** `aten::add.Tensor`. */
  readonly name: string;
  readonly schema: string;
  /** Declared; the in-place or `out=` form of a declared one; part of the machine; missing. */
  readonly state: "declared" | "in-place" | "out" | "machine" | "missing";
  /** The file under `src/ops/` that declares it, `aten/pooling`; absent for what the machine does itself and for what is missing. */
  readonly family: string | undefined;
  /** The declared overload that it is a form of, or itself. */
  readonly of: string | undefined;
}

let known: readonly Operator[] | undefined;
/** All overloads that PyTorch registers for models, in its order. Custom ops are no part of it. */
export function operators(): readonly Operator[] {
  return (known ??= list());
}

function list(): readonly Operator[] {
  addSchemas(OTHER_SCHEMAS);
  const table = tableOf(torchFamilies);
  const families = new Map(Object.entries(namedFamilies).flatMap(([family, ops]) => ops.map((op) => [op, family] as const)));
  return allSchemas().map((schema): Operator => {
    const [name, { text }] = [fullName(schema), schema];
    if (machineOps.has(schema.name)) return { name, schema: text, state: "machine", family: undefined, of: name };
    const found = derive(schema, table);
    if (found === undefined) return { name, schema: text, state: "missing", family: undefined, of: undefined };
    const state = found.form === "plain" ? "declared" : found.form === "inplace" ? "in-place" : "out";
    return { name, schema: text, state, family: families.get(found.op), of: found.op.name };
  });
}
