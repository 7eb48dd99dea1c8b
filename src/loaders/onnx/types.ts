/** ONNX types as IR types, and back to ONNX's notation for checks against a schema's type constraints. */

import type { TypeProto } from "../../bytes/onnx-proto.ts";
import { type Dim, symbol } from "../../ir/dim.ts";
import { dictOf, listOf, optionalOf, T, type TensorType, type Type } from "../../ir/type.ts";
import { type DType, DTYPES, dtypeOfOnnx } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";

const MAX_DEPTH = 32;

/** ONNX's spellings that are not ours. */
const SPELLING: Partial<Readonly<Record<DType, string>>> = {
  float32: "float",
  float64: "double",
  float8_e4m3fn: "float8e4m3fn",
  float8_e4m3fnuz: "float8e4m3fnuz",
  float8_e5m2: "float8e5m2",
  float8_e5m2fnuz: "float8e5m2fnuz",
  float8_e8m0fnu: "float8e8m0",
  float4_e2m1: "float4e2m1",
};
const BY_SPELLING = new Map<string, DType>(Object.entries(SPELLING).map(([dtype, text]) => [text, dtype as DType])); // keys of the record

export function onnxDTypeName(dtype: DType): string {
  return SPELLING[dtype] ?? dtype;
}

/** The dtype of an element type number. @throws unsupported-dtype */
export function elementType(code: number): DType {
  const dtype = dtypeOfOnnx(code);
  if (dtype === undefined) {
    throw new OpwiseError("unsupported-dtype", code === 0 ? "the element type is undefined (0)" : `${code} is not an element type that ONNX or opwise knows`, {
      got: String(code),
    });
  }
  return dtype;
}

/** Numbers dims that a file leaves open; they constrain nothing. */
export class OpenDims {
  #next = 0;
  fresh(): Dim {
    return symbol(`?${this.#next++}`);
  }
}

/** The IR type of a TypeProto; undefined where it says nothing. A map's values are tensors of rank 0. @throws unsupported-dtype, bad-onnx */
export function typeOfProto(proto: TypeProto | undefined, open: OpenDims, depth = 0): Type | undefined {
  if (proto === undefined) return undefined;
  if (depth > MAX_DEPTH) throw new OpwiseError("limit-exceeded", `a type nests deeper than ${MAX_DEPTH}`);
  const inner = (elem: TypeProto | undefined): Type => typeOfProto(elem, open, depth + 1) ?? T.Tensor;
  switch (proto.kind) {
    case "tensor": {
      const dims = proto.shape?.map((dim): Dim => {
        if (dim.value !== undefined) {
          if (typeof dim.value === "bigint") throw new OpwiseError("bad-onnx", `a dim of ${dim.value} is declared`);
          // Some exporters write -1 for a size that is not known.
          return dim.value < 0 ? open.fresh() : dim.value;
        }
        return dim.param === undefined || dim.param === "" ? open.fresh() : symbol(dim.param);
      });
      return tensorType(proto.elemType === 0 ? undefined : elementType(proto.elemType), dims);
    }
    case "sparse":
      return tensorType(proto.elemType === 0 ? undefined : elementType(proto.elemType));
    case "sequence":
      return listOf(inner(proto.elem));
    case "optional":
      return optionalOf(inner(proto.elem));
    case "map": {
      const key = elementType(proto.keyType);
      const value = inner(proto.value);
      return dictOf(key === "string" ? T.str : T.int, value.kind === "Tensor" ? tensorType(value.dtype, []) : value);
    }
    case "opaque":
      throw new OpwiseError("bad-onnx", `a value is of the opaque type \`${proto.domain}.${proto.name}\``);
    case "none":
      return undefined;
    default:
      return proto satisfies never;
  }
}

export function tensorType(dtype: DType | undefined, shape?: readonly Dim[]): TensorType {
  return { kind: "Tensor", ...(dtype === undefined ? {} : { dtype }), ...(shape === undefined ? {} : { shape }) };
}

/** `type` without sizes: what an op's result shares with its input. */
export function withoutShape(type: Type): Type {
  switch (type.kind) {
    case "Tensor":
      return type.shape === undefined ? type : tensorType(type.dtype);
    case "List":
      return listOf(withoutShape(type.elem));
    case "Optional":
      return optionalOf(withoutShape(type.elem));
    default:
      return type;
  }
}

/** The type in ONNX's notation, `seq(tensor(float))`; `?` stands for what is not known. */
export function onnxTypeText(type: Type): string {
  switch (type.kind) {
    case "Tensor":
      return `tensor(${type.dtype === undefined ? "?" : onnxDTypeName(type.dtype)})`;
    case "List":
      return `seq(${onnxTypeText(type.elem)})`;
    case "Optional":
      return `optional(${onnxTypeText(type.elem)})`;
    case "Dict": {
      const value = type.value.kind === "Tensor" && type.value.dtype !== undefined ? onnxDTypeName(type.value.dtype) : "?";
      return `map(${type.key.kind === "str" ? "string" : "int64"},${value})`;
    }
    default:
      return "?";
  }
}

/** The type of a text such as `seq(tensor(int64))`. */
export function typeOfText(text: string): Type | undefined {
  const [, outer = "", inside = ""] = /^(tensor|seq|optional|map)\((.*)\)$/.exec(text) ?? [];
  switch (outer) {
    case "tensor":
      return tensorType(dtypeOfName(inside));
    case "seq": {
      const elem = typeOfText(inside);
      return elem === undefined ? undefined : listOf(elem);
    }
    case "optional": {
      const elem = typeOfText(inside);
      return elem === undefined ? undefined : optionalOf(elem);
    }
    case "map": {
      const [key, value = ""] = inside.split(",");
      return dictOf(key === "string" ? T.str : T.int, tensorType(dtypeOfName(value), []));
    }
    default:
      return undefined;
  }
}

/** The schemas know a few element types that no tensor of ours can have (float6); they stay unknown. */
function dtypeOfName(name: string): DType | undefined {
  return BY_SPELLING.get(name) ?? DTYPES.find((dtype) => dtype === name);
}

/** Whether a type with unknown parts could be the type written as `text`. */
export function couldBe(type: Type, text: string): boolean {
  const mine = onnxTypeText(type);
  if (mine === text || mine === "?") return true;
  const at = mine.indexOf("?");
  return at >= 0 && text.startsWith(mine.slice(0, at));
}

/** Whether two types can be of one value: equal wherever both are known. */
export function compatible(a: Type, b: Type): boolean {
  const x = onnxTypeText(a);
  const y = onnxTypeText(b);
  return x === y || couldBe(a, y) || couldBe(b, x);
}

/** The more precise of two types of one value; sizes are taken from `declared` where it has them. */
export function mergeTypes(found: Type | undefined, declared: Type | undefined): Type | undefined {
  if (found === undefined || declared === undefined) return found ?? declared;
  if (found.kind === "Tensor" && declared.kind === "Tensor") return tensorType(found.dtype ?? declared.dtype, declared.shape ?? found.shape);
  if (found.kind === "List" && declared.kind === "List") return listOf(mergeTypes(found.elem, declared.elem) ?? declared.elem);
  return declared;
}
