/** Attributes of ai.onnx.ml as tensors: lists, `*_as_tensor` twins, class labels; made once per node. */

import { OpwiseError } from "../../../tensor/error.ts";
import { Tensor } from "../../../tensor/tensor.ts";
import type { Attributes, OnnxCall } from "../define.ts";
import { floatsOf } from "../inputs.ts";

/** What a node's attributes are turned into, made once. */
export function perNode<T>(make: (attributes: Attributes) => T): (call: OnnxCall) => T {
  const known = new WeakMap<Attributes, { readonly value: T }>();
  return ({ attributes }) => {
    let entry = known.get(attributes);
    if (entry === undefined) known.set(attributes, (entry = { value: make(attributes) }));
    return entry.value;
  };
}

/** Floats from a list, or from a tensor under the name's twin; empty where neither is given. */
export function numbersIn(attributes: Attributes, name: string): readonly number[] {
  const tensor = attributes.tensor(`${name}_as_tensor`);
  return tensor === undefined ? (attributes.floats(name) ?? []) : floatsOf(tensor);
}

export function doubles(values: readonly number[], shape: readonly number[] = [values.length]): Tensor {
  return Tensor.from(Float64Array.from(values), shape, "float64");
}
export function integers(values: readonly number[]): Tensor {
  return Tensor.from(Int32Array.from(values), [values.length], "int32");
}

/** Class labels as an int64 or string vector. @throws bad-onnx where there are none */
export function labelsIn(attributes: Attributes, ints: string, strings: string): Tensor {
  const texts = attributes.strings(strings);
  if (texts !== undefined && texts.length > 0) return Tensor.from(texts, [texts.length], "string");
  const numbers = attributes.bigints(ints);
  if (numbers === undefined || numbers.length === 0) throw new OpwiseError("bad-onnx", `neither \`${ints}\` nor \`${strings}\` is given`);
  return Tensor.from(BigInt64Array.from(numbers), [numbers.length], "int64");
}
