/** Custom ops that are known to every load of this process. Apart from how they are declared, so that a page which has none fetches none of that. */

import type { Op } from "./ops/define.ts";
import type { OnnxOp } from "./ops/onnx/define.ts";

/** A declared custom op; pass it to `load(..., { ops })`, or register it for all loads. */
export type CustomOp =
  | { readonly world: "torch"; readonly schema: string; readonly op: Op }
  | { readonly world: "onnx"; readonly domain: string; readonly name: string; readonly op: OnnxOp };

const registered = new Map<string, CustomOp>();

/** Makes an op known. Two of one name: the later one counts. */
export function register(op: CustomOp): void {
  registered.set(op.op.name, op);
}

/** All registered ops, then those of one load, which win. */
export function customOps(own: readonly CustomOp[] = []): readonly CustomOp[] {
  const all = new Map(registered);
  for (const op of own) all.set(op.op.name, op);
  return [...all.values()];
}
