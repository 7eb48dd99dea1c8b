/** Shapes and plain values as text, for telling whether values come again. */

import type { Tensor } from "../../tensor/tensor.ts";

export function textOf(value: unknown, depth = 0): string {
  if (depth > 4 || typeof value !== "object" || value === null) return typeof value === "bigint" ? `${value}n` : String(value);
  if ("storage" in value) {
    const { dtype, shape, strides } = value as Tensor; // only tensors have a storage among data
    return `${dtype}[${shape.join(",")}]${strides.join(",")}`;
  }
  if ("items" in value && Array.isArray(value.items)) return `(${value.items.map((item) => textOf(item, depth + 1)).join(",")})`;
  if ("value" in value) return textOf(value.value, depth + 1);
  return "kind" in value ? String(value.kind) : "?";
}
