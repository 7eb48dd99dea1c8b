/** Classes without code in the archive (`__torch__.torch.classes...`): the methods that archives call on them. */

import { type ClassType, makeClass } from "../../ir/class-type.ts";
import { GraphBuilder } from "../../ir/builder.ts";
import type { Block, FunctionDecl } from "../../ir/graph.ts";
import { schemaOf } from "../../ir/schema-table.ts";
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

/** The ops that answer methods of packed parameters: the op's name, and which of its results is meant (none: all, as a tuple). */
interface Answer {
  readonly op: string;
  readonly results: readonly Type[];
  readonly pick?: number;
}
const PAIR: readonly Type[] = [T.Tensor, optionalOf(T.Tensor)];

function answerOf(cls: string, method: string): Answer | undefined {
  const unpack = cls === "quantized.LinearPackedParamsBase" ? "quantized::linear_unpack" : /^quantized\.Conv[23]dPackedParamsBase$/.test(cls) ? `quantized::conv${cls[14] ?? "2"}d_unpack` : undefined;
  if (unpack !== undefined) {
    if (method === "unpack") return { op: unpack, results: PAIR };
    if (method === "weight") return { op: unpack, results: PAIR, pick: 0 };
    if (method === "bias") return { op: unpack, results: PAIR, pick: 1 };
    const list = ["stride", "padding", "output_padding", "dilation"].includes(method);
    return unpack === "quantized::linear_unpack" ? undefined : { op: unpack.replace("unpack", method), results: [list ? listOf(T.int) : T.int], pick: 0 };
  }
  return cls === "quantized.EmbeddingPackedParamsBase" && method === "unpack" ? { op: "quantized::embedding_bag_unpack", results: [T.Tensor], pick: 0 } : undefined;
}

/** A body of one op call. */
function bodyOf(cls: ClassType, answer: Answer, returns: Type): Block {
  const builder = new GraphBuilder();
  const self = builder.open([{ type: cls, name: "self" }]);
  const schema = schemaOf(answer.op);
  const results = builder.node(answer.op, self, answer.results.map((type) => ({ type })), { schema });
  const picked = answer.pick === undefined ? builder.node("prim::TupleConstruct", results, [{ type: returns }]) : results.slice(answer.pick, answer.pick + 1);
  // PyTorch's accessor op gives an int where the method gives a bool.
  const out = returns.kind === "bool" ? builder.node("aten::Bool.int", picked, [{ type: T.bool }], { schema: schemaOf("aten::Bool.int") }) : picked;
  return builder.close(out);
}

/** The class of this name, with the methods that are known. Its bodies are calls of ops. */
export function foreignClass(name: string): ClassType {
  const cls = makeClass(name, false);
  const short = name.slice(FOREIGN_PREFIX.length);
  for (const [method, returns] of Object.entries(METHODS[short] ?? {})) {
    const answer = answerOf(short, method);
    let body: Block | undefined;
    const decl: FunctionDecl = {
      name: method,
      params: [{ name: "self", type: cls }],
      returns,
      graph: () => {
        if (answer === undefined) throw new OpwiseError("unsupported-op", `\`${method}\` of \`${name}\` is written in C++ and has no code in the archive`);
        return (body ??= bodyOf(cls, answer, returns));
      },
    };
    cls.methods.set(method, decl);
  }
  return cls;
}
