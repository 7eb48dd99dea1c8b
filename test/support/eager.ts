/** Calls ops by name outside any graph: for unit tests of meanings. */

import { cpu } from "../../src/backends/cpu/cpu.ts";
import type { Datum } from "../../src/ir/datum.ts";
import { parseSchema } from "../../src/ir/schema.ts";
import { fetchSchemas, schemaOf } from "../../src/ir/schema-table.ts";
import { torchFamilies } from "../../src/ops/families.ts";
import { bind, parsedSchema, tableOf } from "../../src/ops/registry.ts";
import { Executor } from "../../src/run/executor.ts";
import type { GeneratorState } from "../../src/tensor/generator.ts";

await fetchSchemas();
const table = tableOf(torchFamilies);
const generator: GeneratorState = { seed: 0n, words: new Uint32Array(624), position: 624, nextFloat: undefined, nextDouble: undefined };

/** A fresh context over the cpu backend. */
export function eagerContext(print?: boolean): Executor {
  const backend = cpu(print === undefined ? {} : { print });
  return new Executor({ backend, cpu: backend, generator });
}

/** `name` (`aten::add.Tensor`, in-place and out forms too) with arguments in schema order, to be run any number of times; missing trailing ones take the schema's defaults. */
export function bound(name: string, args: readonly Datum[]): (ctx: Executor) => readonly Datum[] {
  const op = table.get(name);
  const schema = schemaOf(name) ?? (op === undefined ? undefined : parsedSchema(op)) ?? parseSchema(name);
  const found = bind(schema, table);
  if (found === undefined) throw new Error(`no meaning for ${name}`);
  const full = schema.args.map((a, i): Datum => {
    const given = args[i];
    if (given !== undefined) return given;
    const d = a.default;
    if (d === undefined) throw new Error(`${name}: argument ${a.name} missing`);
    if (d.kind === "none") return null;
    if (d.kind === "int" || d.kind === "float" || d.kind === "bool" || d.kind === "str") return d.value;
    if (d.kind === "list")
      return {
        kind: "list",
        elem: d.elem,
        items: d.items.map((x) => ("value" in x && (x.kind === "int" || x.kind === "float" || x.kind === "bool") ? x.value : null)),
      };
    throw new Error(`${name}: default of ${a.name}`);
  });
  return (ctx) => {
    if (!found.reads) return found.run(ctx, full);
    const steps = found.run(ctx, full);
    for (let s = steps.next(); ; s = steps.next()) if (s.done === true) return s.value;
  };
}

/** Runs `name` as `bound` finds it. */
export function call(name: string, args: readonly Datum[], ctx: Executor = eagerContext()): readonly Datum[] {
  return bound(name, args)(ctx);
}
