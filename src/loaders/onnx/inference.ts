/** Light type inference: what a schema's type variables say of a node's inputs and results. Sizes are not inferred. */

import type { OnnxParam, OnnxSchema } from "../../ir/onnx-schema.ts";
import type { Value } from "../../ir/graph.ts";
import { listOf, optionalOf, T, type Type } from "../../ir/type.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { dtypeOfOnnx } from "../../tensor/dtype.ts";
import { type Attributes, intOf } from "./attributes.ts";
import { compatible, couldBe, onnxTypeText, tensorType, typeOfProto, OpenDims, typeOfText, withoutShape } from "./types.ts";

/** The parameter that the `index`-th input or output belongs to. */
export function paramAt(params: readonly OnnxParam[], index: number): OnnxParam | undefined {
  const last = params.at(-1);
  return params[index] ?? (last?.option === "variadic" ? last : undefined);
}

/** What type variables stand for. */
export type Bindings = ReadonlyMap<string, Type>;

function title(schema: OnnxSchema): string {
  return `${schema.name}-${schema.since}`;
}

/**
 * Checks the number of inputs and outputs, that required ones are there, and that types fit the schema and each other; gives
 * what the type variables stand for. @throws bad-onnx, type-mismatch
 */
export function checkInputs(schema: OnnxSchema, operands: readonly (Value | undefined)[], outputs: number): Bindings {
  const bindings = new Map<string, Type>();
  if (schema.open) return bindings;
  const range = (min: number, max: number): string => (min === max ? String(min) : max === Infinity ? `at least ${min}` : `${min} to ${max}`);
  if (operands.length < schema.minInputs || operands.length > schema.maxInputs) {
    throw new OpwiseError("bad-onnx", `\`${title(schema)}\` is given ${operands.length} inputs`, {
      wanted: `${range(schema.minInputs, schema.maxInputs)}: ${schema.inputs.map((p) => p.name).join(", ")}`,
      got: String(operands.length),
    });
  }
  if (outputs < schema.minOutputs || outputs > schema.maxOutputs) {
    throw new OpwiseError("bad-onnx", `\`${title(schema)}\` is asked for ${outputs} outputs`, {
      wanted: range(schema.minOutputs, schema.maxOutputs),
      got: String(outputs),
    });
  }
  operands.forEach((operand, i) => {
    const param = paramAt(schema.inputs, i);
    if (param === undefined) return;
    if (operand === undefined) {
      if (param.option === "single") throw new OpwiseError("bad-onnx", `\`${title(schema)}\` lacks its input \`${param.name}\``);
      return;
    }
    checkType(schema, param, operand.type, bindings);
  });
  return bindings;
}

function checkType(schema: OnnxSchema, param: OnnxParam, type: Type, bindings: Map<string, Type>): void {
  const allowed = schema.constraints.get(param.type);
  const text = onnxTypeText(type);
  const fail = (wanted: string): never => {
    throw new OpwiseError("type-mismatch", `the input \`${param.name}\` of \`${title(schema)}\` is of the wrong type`, { wanted, got: text });
  };
  if (allowed === undefined) {
    if (!couldBe(type, param.type)) fail(param.type);
    return;
  }
  if (!allowed.has(text)) {
    let fits = false;
    if (text.includes("?")) for (const candidate of allowed) fits ||= couldBe(type, candidate);
    if (!fits) fail(allowed.size > 12 ? `${[...allowed].slice(0, 12).join(", ")}, …` : [...allowed].join(", "));
  }
  if (!param.homogeneous) return;
  const bound = bindings.get(param.type);
  if (bound !== undefined && !compatible(bound, type)) fail(`${onnxTypeText(bound)}, as the other inputs of type ${param.type}`);
  if (bound === undefined || onnxTypeText(bound).includes("?")) bindings.set(param.type, withoutShape(type));
}

/** Attributes that name a result's element type. */
const DTYPE_ATTRIBUTES = ["to", "dtype", "output_dtype", "output_datatype"] as const;

/** The type of the `index`-th result; undefined where nothing says it. */
export function resultType<Scope>(
  schema: OnnxSchema,
  index: number,
  bindings: Bindings,
  attributes: Attributes<Scope>,
  operands: readonly (Value | undefined)[],
): Type | undefined {
  const special = SPECIAL[schema.domain === "" ? schema.name : ""];
  const found = special?.(attributes, operands, index);
  if (found !== undefined) return withoutShape(found);
  const param = paramAt(schema.outputs, index);
  if (param === undefined || schema.open) return undefined;
  const allowed = schema.constraints.get(param.type);
  if (allowed === undefined) return typeOfText(param.type);
  const bound = bindings.get(param.type);
  if (bound !== undefined && param.homogeneous) return bound;
  for (const name of DTYPE_ATTRIBUTES) {
    const spec = schema.attributes.get(name);
    if (spec?.kind !== "int") continue;
    const code = intOf(attributes, name) ?? (typeof spec.default === "number" ? spec.default : 0);
    const dtype = dtypeOfOnnx(code);
    if (dtype !== undefined && allowed.has(onnxTypeText(tensorType(dtype)))) return tensorType(dtype);
  }
  const texts = [...allowed];
  const [only] = texts;
  if (only !== undefined && texts.length === 1) return typeOfText(only);
  if (texts.every((t) => t.startsWith("tensor("))) return T.Tensor;
  if (texts.every((t) => t.startsWith("seq(tensor("))) return listOf(T.Tensor);
  if (texts.every((t) => t.startsWith("optional("))) return optionalOf(T.Tensor);
  return undefined;
}

type Rule = <Scope>(attributes: Attributes<Scope>, operands: readonly (Value | undefined)[], index: number) => Type | undefined;

/** Types that type variables do not give. */
const SPECIAL: Readonly<Record<string, Rule>> = {
  ConstantOfShape: (attributes) => {
    const value = attributes.get("value")?.value;
    return tensorType(value?.kind === "tensor" ? dtypeOfOnnx(value.value.dataType) : "float32");
  },
  SequenceEmpty: (attributes) => listOf(tensorType(dtypeOfOnnx(intOf(attributes, "dtype") ?? 1))),
  SequenceConstruct: (_attributes, operands) => (operands[0] === undefined ? undefined : listOf(operands[0].type)),
  SplitToSequence: (_attributes, operands) => (operands[0] === undefined ? undefined : listOf(operands[0].type)),
  SequenceAt: (_attributes, operands) => elementOf(operands[0]?.type),
  ConcatFromSequence: (_attributes, operands) => elementOf(operands[0]?.type),
  Optional: (attributes, operands) => {
    const value = attributes.get("type")?.value;
    const elem = operands[0]?.type ?? (value?.kind === "type" ? typeOfProto(value.value, new OpenDims()) : undefined);
    return optionalOf(elem ?? T.Tensor);
  },
  OptionalGetElement: (_attributes, operands) => {
    const type = operands[0]?.type;
    return type?.kind === "Optional" ? type.elem : type;
  },
  // Their results' types follow an optional input, an attribute, or a default.
  QuantizeLinear: (attributes, operands) => operands[2]?.type ?? tensorType(dtypeOfOnnx(intOf(attributes, "output_dtype") ?? 0) ?? "uint8"),
  DequantizeLinear: (attributes, operands) => {
    const scale = operands[1]?.type;
    return tensorType(dtypeOfOnnx(intOf(attributes, "output_dtype") ?? 0) ?? (scale?.kind === "Tensor" ? scale.dtype : undefined));
  },
  Cast: (attributes) => castType(attributes),
  EyeLike: (attributes, operands) => likeType(attributes, operands),
  RandomNormalLike: (attributes, operands) => likeType(attributes, operands),
  RandomUniformLike: (attributes, operands) => likeType(attributes, operands),
  Bernoulli: (attributes, operands) => likeType(attributes, operands),
  Multinomial: (attributes) => tensorType(dtypeOfOnnx(intOf(attributes, "dtype") ?? 6)),
};

function elementOf(type: Type | undefined): Type | undefined {
  return type?.kind === "List" ? type.elem : undefined;
}

function likeType<Scope>(attributes: Attributes<Scope>, operands: readonly (Value | undefined)[]): Type | undefined {
  return tensorType(dtypeOfOnnx(intOf(attributes, "dtype") ?? 0) ?? (operands[0]?.type.kind === "Tensor" ? operands[0].type.dtype : undefined));
}

/** Before version 6 `to` was the type's name. */
function castType<Scope>(attributes: Attributes<Scope>): Type | undefined {
  const to = attributes.get("to")?.value;
  if (to?.kind === "string") return typeOfText(`tensor(${new TextDecoder().decode(to.value).toLowerCase()})`);
  return to?.kind === "int" ? tensorType(dtypeOfOnnx(Number(to.value))) : undefined;
}
