/** Ops of a user's own: for custom namespaces in TorchScript and custom domains in ONNX. */

import type { Datum } from "./ir/datum.ts";
import { dataOp, type Op } from "./ops/define.ts";
import { onnxOp, type OnnxOp } from "./ops/onnx/define.ts";
import { Tensor } from "./tensor/tensor.ts";

/** What a custom function gets and gives: tensors on the host, scalars, lists as data. */
export type CustomFunction = (...args: readonly Datum[]) => Datum | readonly Datum[];

/** A declared custom op; pass it to `load(..., { ops })`, or register it for all loads. */
export type CustomOp =
  | { readonly world: "torch"; readonly schema: string; readonly op: Op }
  | { readonly world: "onnx"; readonly domain: string; readonly name: string; readonly op: OnnxOp };

const registered = new Map<string, CustomOp>();

/**
 * Declares an op. `schema` in TorchScript's notation (`acme::scale(Tensor x, float by) -> Tensor`): `fn` gets the arguments in its order.
 * `domain::Name@version` for ONNX: `fn` gets the inputs, missing ones as null.
 */
export function customOp(schema: string, fn: CustomFunction): CustomOp {
  if (schema.includes("(")) {
    return {
      world: "torch", schema,
      op: dataOp(schema, (args) => {
        const result = fn(...args);
        return Array.isArray(result) ? { kind: "tuple", type: undefined, items: result } : (result as Datum); // the array case is taken
      }),
    };
  }
  const [domain = "", rest = ""] = schema.split("::");
  const [name = "", version = "1"] = rest.split("@");
  const op = onnxOp(`${domain}::${name}`, {
    [Number(version)]: {
      *reads(_ctx, call) {
        for (const input of call.inputs) if (input instanceof Tensor) yield input;
        return fn(...call.inputs);
      },
    },
  });
  return { world: "onnx", domain, name, op };
}

/** Makes an op known to every later load in this process. Two of one name: the later one counts. */
export function registerOp(schema: string, fn: CustomFunction): void {
  const op = customOp(schema, fn);
  registered.set(op.op.name, op);
}

/** All registered ops, then those of one load, which win. */
export function customOps(own: readonly CustomOp[] = []): readonly CustomOp[] {
  const all = new Map(registered);
  for (const op of own) all.set(op.op.name, op);
  return [...all.values()];
}
