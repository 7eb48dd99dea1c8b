/** A run's outputs by name. */

import type { Datum } from "../ir/datum.ts";
import type { Program } from "../ir/graph.ts";

/** Names of the values that a machine ended with: ONNX and .pt2 name them; TorchScript has one, `output`, whose parts are `output.0`… */
export function outputsOf(program: Program, values: readonly Datum[]): readonly { readonly name: string; readonly value: Datum }[] {
  const names = program.outputs?.map((o) => o.name);
  if (names !== undefined) return values.slice(program.mutations?.length ?? 0).map((value, i) => ({ name: names[i] ?? `output ${i}`, value }));
  return values.flatMap((value) => partsOf("output", value));
}

function partsOf(name: string, value: Datum): { readonly name: string; readonly value: Datum }[] {
  if (value === null || typeof value !== "object" || !("kind" in value)) return [{ name, value }];
  if (value.kind === "tuple" || value.kind === "list") return value.items.flatMap((item, i) => partsOf(`${name}.${i}`, item));
  if (value.kind === "dict")
    return [...value.entries.values()].flatMap(([key, item]) => partsOf(`${name}.${typeof key === "object" ? "?" : String(key)}`, item));
  return [{ name, value }];
}
