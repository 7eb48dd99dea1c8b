/** Values that are no tensors as bounded text: `[1, 64, 56, 56]`, `"cpu"`, `{"a": f32[2,3]}`. */

import type { Datum } from "../ir/datum.ts";
import { Tensor } from "../tensor/tensor.ts";
import { typeText } from "./tensor-line.ts";

/** Characters of a text, and items of a container, that are shown. */
const MAX_TEXT = 200;
const MAX_ITEMS = 24;
const MAX_DEPTH = 4;

function float(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  return Number.isInteger(value) && Math.abs(value) < 1e16 ? `${Object.is(value, -0) ? "-0" : value}.0` : String(value);
}

/** The text of a value; `isFloat`: a bare number is one by its static type. */
export function plainText(value: Datum, isFloat: boolean = false, depth: number = 0): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return isFloat ? float(value) : String(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "string") return JSON.stringify(value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value);
  if (value instanceof Tensor) return typeText(value);
  if (depth > MAX_DEPTH) return "…";
  const items = (list: readonly Datum[], elem: boolean): string => {
    const shown = list.slice(0, MAX_ITEMS).map((item) => plainText(item, elem, depth + 1));
    return `${shown.join(", ")}${list.length > MAX_ITEMS ? `, … ${list.length} in all` : ""}`;
  };
  switch (value.kind) {
    case "int":
    case "bool":
      return plainText(value.value, false, depth);
    case "float":
      return float(value.value);
    case "complex":
      return `(${value.re}${value.im < 0 ? "-" : "+"}${Math.abs(value.im)}j)`;
    case "list":
      return `[${items(value.items, value.elem.kind === "float")}]`;
    case "tuple":
      return `(${items(value.items, false)}${value.items.length === 1 ? "," : ""})`;
    case "dict": {
      const entries = [...value.entries.values()];
      const shown = entries.slice(0, MAX_ITEMS).map(([k, v]) => `${plainText(k, false, depth + 1)}: ${plainText(v, value.value.kind === "float", depth + 1)}`);
      return `{${shown.join(", ")}${entries.length > MAX_ITEMS ? `, … ${entries.length} in all` : ""}}`;
    }
    case "instance":
      return `<${value.class.name.replace(/^__torch__\./, "")}>`;
    case "enum":
      return `${value.type.name}.${value.name}`;
    case "device":
      return `device(${value.name})`;
    case "future":
      return value.state.done ? ("error" in value.state ? "Future(error)" : `Future(${plainText(value.state.value, false, depth + 1)})`) : "Future(pending)";
    case "host":
      return `<${value.name}>`;
    case "generator":
      return `Generator(${value.state.seed})`;
    default:
      return value satisfies never;
  }
}

/** Tensors in a value, containers opened, each once. */
export function tensorsIn(value: Datum, out: Set<Tensor> = new Set(), depth: number = 0): Set<Tensor> {
  if (value instanceof Tensor) return out.add(value);
  if (value === null || typeof value !== "object" || depth > MAX_DEPTH) return out;
  if (value.kind === "list" || value.kind === "tuple") for (const item of value.items) tensorsIn(item, out, depth + 1);
  else if (value.kind === "dict") for (const [, item] of value.entries.values()) tensorsIn(item, out, depth + 1);
  return out;
}
