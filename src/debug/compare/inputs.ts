/** Inputs of a run as data of its own: runs that write their arguments do not meet in them. */

import type { Input } from "../../run/convert.ts";
import { Storage } from "../../tensor/storage.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { recordOver } from "./tape.ts";

/** A copy of inputs whose tensors share memory as the given ones do. Other data are taken as they are. */
export function ownInputs(inputs: readonly Input[]): Input[] {
  const storages = new Map<Storage, Storage>();
  const tensors = new Map<Tensor, Tensor>();
  const copy = (value: Input): Input => {
    if (value instanceof Tensor) {
      let own = tensors.get(value);
      if (own === undefined) {
        let storage = storages.get(value.storage);
        if (storage === undefined) storages.set(value.storage, (storage = Storage.wrap(new Uint8Array(value.storage.bytes()), false)));
        tensors.set(value, (own = recordOver(value, storage)));
      }
      return own;
    }
    if (Array.isArray(value)) return value.map((item: Input) => copy(item));
    if (value instanceof Map) return new Map([...(value as ReadonlyMap<Input, Input>)].map(([k, v]) => [copy(k), copy(v)] as const));
    if (typeof value === "object" && value !== null && !("kind" in value))
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, copy(v as Input)] as const));
    return value;
  };
  return inputs.map(copy);
}
