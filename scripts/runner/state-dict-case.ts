/** Compares a `.pth` file's object tree with the recorded one. */

import { openSource } from "../../src/bytes/source.ts";
import type { TensorTemplate } from "../../src/ir/template.ts";
import { readCheckpoint, type SavedValue } from "../../src/loaders/state-dict/checkpoint.ts";
import { Instantiator } from "../../src/run/instantiate.ts";
import { sameShape } from "../../src/tensor/shape.ts";
import type { Outcome } from "./outcome.ts";
import { type Arrays, array, compare, type Json, type JsonObject, object } from "./value.ts";
import { T } from "../../src/ir/type.ts";

export async function compareStateDict(name: string, file: string, spec: JsonObject, arrays: Arrays): Promise<Outcome> {
  const instantiator = new Instantiator();
  const tensors = new Map<string, TensorTemplate>();
  const differ = (got: SavedValue, json: Json, path: string): string | undefined => {
    const v = object(json);
    const items = "list" in v ? v["list"] : "tuple" in v ? v["tuple"] : undefined;
    if ("tensor" in v) {
      if (got.kind !== "tensor") return `${path}: ${got.kind}, wanted a tensor`;
      tensors.set(path, got.tensor);
      const t = instantiator.tensor(got.tensor);
      if (!sameShape(t.strides, array(v["stride"]).map(Number)) || t.offset !== v["storage_offset"]) return `${path}: other strides or offset`;
      if (t.requiresGrad !== v["requires_grad"]) return `${path}: requires_grad ${String(t.requiresGrad)}`;
      const difference = compare(t, T.Tensor, json, arrays, { atol: 0, rtol: 0 });
      return difference === undefined ? undefined : `${path}: ${difference}`;
    }
    if ("ordered_dict" in v || "dict" in v) {
      if (got.kind !== "dict") return `${path}: ${got.kind}, wanted a dict`;
      const want = array(v["ordered_dict"] ?? v["dict"]);
      if (got.entries.length !== want.length) return `${path}: ${got.entries.length} entries, wanted ${want.length}`;
      for (const [i, entry] of want.entries()) {
        const [key, value] = got.entries[i] ?? [];
        const pair = array(entry);
        if (key === undefined || value === undefined) return `${path}: entry ${i}`;
        const label = "value" in key ? String(key.value) : String(i);
        const difference = differ(key, pair[0] ?? null, `${path} key`) ?? differ(value, pair[1] ?? null, path === "" ? label : `${path}.${label}`);
        if (difference !== undefined) return difference;
      }
      return undefined;
    }
    if ("size" in v) {
      const want = array(v["size"]).map(Number);
      return got.kind === "size" && sameShape(got.dims, want) ? undefined : `${path}: ${got.kind}, wanted a size of ${want.join(", ")}`;
    }
    if (items !== undefined) {
      if (!("items" in got)) return `${path}: ${got.kind}, wanted items`;
      const want = array(items);
      if (got.items.length !== want.length) return `${path}: ${got.items.length} items, wanted ${want.length}`;
      for (const [i, item] of want.entries()) {
        const have = got.items[i];
        if (have === undefined) return `${path}[${i}]`;
        const difference = typeof item === "object" ? differ(have, item, `${path}[${i}]`) : "value" in have && Number(have.value) === Number(item) ? undefined : `${path}[${i}]`;
        if (difference !== undefined) return difference;
      }
      return undefined;
    }
    const text = "int" in v ? v["int"] : "big" in v ? v["big"] : "float" in v ? v["float"] : "str" in v ? v["str"] : "bool" in v ? v["bool"] : "device" in v ? v["device"] : undefined;
    if ("dtype" in v) return got.kind === "dtype" && got.dtype === String(v["dtype"]).replace(/^torch\./, "") ? undefined : `${path}: ${got.kind}, wanted dtype ${String(v["dtype"])}`;
    if ("none" in v) return got.kind === "none" ? undefined : `${path}: ${got.kind}, wanted None`;
    if ("complex" in v) return got.kind === "complex" && got.re === Number(array(v["complex"])[0]) && got.im === Number(array(v["complex"])[1]) ? undefined : `${path}: complex`;
    if (!("value" in got)) return `${path}: ${got.kind}, wanted ${JSON.stringify(json)}`;
    const floats: Readonly<Record<string, number>> = { inf: Infinity, "-inf": -Infinity, nan: NaN };
    const same = "float" in v ? Object.is(Number(got.value), floats[String(text)] ?? Number(text)) : String(got.value).replace(/^torch\./, "") === String(text).replace(/^torch\./, "");
    return same ? undefined : `${path}: ${String(got.value)}, wanted ${String(text)}`;
  };
  let difference: string | undefined;
  try {
    difference = differ(await readCheckpoint(await openSource(file)), spec["value"] ?? null, "");
    for (const group of array(spec["shared_storage"] ?? [])) {
      const storages = new Set(array(group).map((path) => tensors.get(String(path))?.storage));
      if (storages.size !== 1) difference ??= `${JSON.stringify(group)} do not share one storage`;
    }
  } catch (error) {
    difference = String(error);
  }
  return { name, callsPassed: difference === undefined ? 1 : 0, callsFailed: difference === undefined ? 0 : 1, failures: difference === undefined ? [] : [{ where: "tree", reason: difference }] };
}
