/** Classes without code in the archive (`__torch__.torch.classes...`): the methods that archives call on them. */

import { type ClassType, makeClass } from "../../ir/class-type.ts";
import type { FunctionDecl } from "../../ir/graph.ts";
import { listOf, optionalOf, T, tupleOf, type Type } from "../../ir/type.ts";
import { OpwiseError } from "../../tensor/error.ts";

export const FOREIGN_PREFIX = "__torch__.torch.classes.";

const WEIGHT_AND_BIAS = tupleOf([T.Tensor, optionalOf(T.Tensor)]);
const CONVOLUTION: Readonly<Record<string, Type>> = {
  unpack: WEIGHT_AND_BIAS,
  weight: T.Tensor,
  bias: optionalOf(T.Tensor),
  stride: listOf(T.int),
  padding: listOf(T.int),
  output_padding: listOf(T.int),
  dilation: listOf(T.int),
  groups: T.int,
  transpose: T.bool,
};

/** Result types of methods without arguments. */
const METHODS: Readonly<Record<string, Readonly<Record<string, Type>>>> = {
  "quantized.LinearPackedParamsBase": { unpack: WEIGHT_AND_BIAS, bias: optionalOf(T.Tensor) },
  "sparse.LinearPackedParamsBase": { unpack: WEIGHT_AND_BIAS },
  "quantized.Conv2dPackedParamsBase": CONVOLUTION,
  "quantized.Conv3dPackedParamsBase": CONVOLUTION,
  "quantized.EmbeddingPackedParamsBase": { unpack: T.Tensor, bit_rate: T.int, version: T.int },
};

/** The class of this name, with the methods that are known. Its bodies are the runtime's business. */
export function foreignClass(name: string): ClassType {
  const cls = makeClass(name, false);
  for (const [method, returns] of Object.entries(METHODS[name.slice(FOREIGN_PREFIX.length)] ?? {})) {
    const decl: FunctionDecl = {
      name: method,
      params: [{ name: "self", type: cls }],
      returns,
      graph: () => {
        throw new OpwiseError("unsupported-op", `\`${method}\` of \`${name}\` is written in C++ and has no code in the archive`);
      },
    };
    cls.methods.set(method, decl);
  }
  return cls;
}
