/** Inputs of an ONNX node by position: tensors, sequences, and the integers of shape-like inputs. */

import type { Datum, List, Scalar } from "../../ir/datum.ts";
import { codec } from "../../numeric/codec.ts";
import { type DType, dtypeInfo, dtypeOfOnnx } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { OnnxCall } from "./define.ts";

/** A meaning's read: see `Reads` of `define.ts`. */
export type Reading<T> = Generator<Tensor, T, void>;

/** Input `at`. @throws bad-onnx where it is left out */
export function tensorAt(call: OnnxCall, at: number): Tensor {
  const value = call.inputs[at];
  if (value instanceof Tensor) return value;
  throw new OpwiseError("bad-onnx", `input ${at} is no tensor`, { wanted: "a tensor", got: value === null || value === undefined ? "nothing" : typeof value });
}

/** Input `at`, or undefined where it is left out. */
export function maybeTensor(call: OnnxCall, at: number): Tensor | undefined {
  const value = call.inputs[at] ?? null;
  return value === null ? undefined : tensorAt(call, at);
}

/** All inputs from `from` on as tensors. */
export function tensorsFrom(call: OnnxCall, from = 0): Tensor[] {
  return call.inputs.slice(from).map((_, i) => tensorAt(call, from + i));
}

export function isList(value: Datum): value is List {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "list";
}

/** Input `at` as a sequence. @throws bad-onnx */
export function listAt(call: OnnxCall, at: number): List {
  const value = call.inputs[at] ?? null;
  if (isList(value)) return value;
  throw new OpwiseError("bad-onnx", `input ${at} is no sequence`);
}

/** The elements of a readable integer tensor; int64 beyond 2^53 are rounded (sizes and bounds are never that large). */
export function integersOf(t: Tensor): number[] {
  return Array.from(t.data, Number);
}

/** The elements of a readable numeric tensor. */
export function floatsOf(t: Tensor): number[] {
  const table = codec(t.dtype)?.table;
  const raw = Array.from(t.data, Number);
  return table === undefined ? raw : raw.map((bits) => table[bits] ?? NaN);
}

/** Integers of input `at`, or undefined where it is left out. */
export function* integersAt(call: OnnxCall, at: number): Reading<number[] | undefined> {
  const t = maybeTensor(call, at);
  if (t === undefined) return undefined;
  yield t;
  return integersOf(t);
}

/** The one integer of input `at`. */
export function* integerAt(call: OnnxCall, at: number): Reading<number | undefined> {
  const list = yield* integersAt(call, at);
  if (list === undefined) return undefined;
  if (list.length !== 1) throw new OpwiseError("shape-mismatch", `input ${at} must have one element`, { got: `${list.length} elements` });
  return list[0];
}

/** The one number of input `at`. */
export function* floatAt(call: OnnxCall, at: number): Reading<number | undefined> {
  const t = maybeTensor(call, at);
  if (t === undefined) return undefined;
  yield t;
  const list = floatsOf(t);
  if (list.length !== 1) throw new OpwiseError("shape-mismatch", `input ${at} must have one element`, { got: `${list.length} elements` });
  return list[0];
}

/** The dtype that a `TensorProto.DataType` number names. @throws unsupported-dtype */
export function dtypeOfCode(code: number): DType {
  const dtype = dtypeOfOnnx(code);
  if (dtype === undefined) throw new OpwiseError("unsupported-dtype", `no dtype has TensorProto.DataType number ${code}`);
  return dtype;
}

/** A number as a scalar operand that does not change the dtype of `like`. */
export function numberLike(like: Tensor, value: number): Scalar {
  return dtypeInfo(like.dtype).class === "int" ? { kind: "int", value: Math.trunc(value) } : { kind: "float", value };
}

export const float = (value: number): Scalar => ({ kind: "float", value });
export const int = (value: number | bigint): Scalar => ({ kind: "int", value });

/** `axis` made non-negative. @throws index-out-of-range */
export function axisOf(axis: number, rank: number): number {
  const at = axis < 0 ? axis + rank : axis;
  if (at >= 0 && at < Math.max(rank, 1)) return at;
  throw new OpwiseError("index-out-of-range", `axis ${axis} is out of range`, { wanted: `[${-rank}, ${rank - 1}]`, got: String(axis) });
}

/** The first result of a call. */
export function only(results: readonly Tensor[]): Tensor {
  const [first] = results;
  if (first === undefined) throw new OpwiseError("internal", "a call without a result");
  return first;
}
