/** Maps to tensors and back: CastMap, DictVectorizer, ZipMap. */

import { type Datum, type Dict, makeDict, makeList } from "../../../ir/datum.ts";
import { T } from "../../../ir/type.ts";
import type { Context } from "../../../prims/context.ts";
import { formatFixed, parseFloatText } from "../../../numeric/float-text.ts";
import { selected, unsqueezed } from "../../../prims/views.ts";
import type { DType } from "../../../tensor/dtype.ts";
import { OpwiseError } from "../../../tensor/error.ts";
import { Tensor } from "../../../tensor/tensor.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "../define.ts";
import { type Reading, tensorAt } from "../inputs.ts";

type Plain = string | number | bigint;

/** A map's entries; values that are tensors of one element are read. */
function* entriesOf(value: Datum): Reading<{ readonly entries: ReadonlyMap<unknown, Plain>; readonly dtype: DType | undefined }> {
  if (typeof value !== "object" || value === null || !("kind" in value) || value.kind !== "dict") throw new OpwiseError("bad-onnx", "a map was expected");
  const entries = new Map<unknown, Plain>();
  let dtype: DType | undefined;
  for (const [key, item] of value.entries.values()) {
    let plain: Datum | undefined = item;
    if (item instanceof Tensor) {
      yield item;
      dtype ??= item.dtype;
      plain = item.dtype === "string" ? item.strings()[0] : item.dtype === "int64" ? item.data[0] : item.item();
    } else dtype ??= typeof item === "string" ? "string" : typeof item === "bigint" || Number.isInteger(item) ? "int64" : "float32";
    if (typeof plain !== "string" && typeof plain !== "number" && typeof plain !== "bigint") throw new OpwiseError("bad-onnx", "a map's value is neither a number nor a text");
    entries.set(typeof key === "bigint" ? Number(key) : key, plain);
  }
  return { entries, dtype };
}

const zeroOf = (dtype: DType): Plain => (dtype === "string" ? "" : dtype === "int64" ? 0n : 0);
function row(values: readonly Plain[], dtype: DType): Tensor {
  if (dtype === "int64") return Tensor.from(BigInt64Array.from(values, (v) => (typeof v === "bigint" ? v : BigInt(Math.trunc(Number(v))))), [1, values.length], dtype);
  return Tensor.from(dtype === "string" ? values.map(String) : values.map(Number), [1, values.length], dtype);
}

const CASTS: Readonly<Record<string, DType>> = { TO_FLOAT: "float32", TO_STRING: "string", TO_INT64: "int64" };

function castValue(value: Plain, from: DType | undefined, to: DType): Plain {
  if (to === "string") return typeof value === "string" ? value : from === "float32" ? formatFixed(Number(value)) : String(value);
  if (typeof value !== "string") return value;
  const number = parseFloatText(value);
  if (number === undefined) throw new OpwiseError("bad-argument", `the text \`${value}\` is no number`);
  return number;
}

/** Values in the order of their keys; sparse: at the position that the key says. */
function* castMap(_ctx: Context, call: OnnxCall): Reading<Tensor> {
  const { entries, dtype } = yield* entriesOf(call.inputs[0] ?? null);
  const to = CASTS[call.attributes.string("cast_to", "TO_FLOAT")] ?? "float32";
  const sorted = [...entries].map(([key, value]) => [Number(key), castValue(value, dtype, to)] as const).sort(([a], [b]) => a - b);
  if (call.attributes.string("map_form", "DENSE") === "DENSE") return row(sorted.map(([, value]) => value), to);
  const out = new Array<Plain>(call.attributes.int("max_map", 1)).fill(zeroOf(to));
  for (const [key, value] of sorted) {
    if (!(key >= 0 && key < out.length)) throw new OpwiseError("index-out-of-range", `the key ${key} of a sparse map`, { wanted: `[0, ${out.length - 1}]` });
    out[key] = value;
  }
  return row(out, to);
}

function* dictVectorizer(_ctx: Context, call: OnnxCall): Reading<Tensor> {
  const { entries, dtype = "float32" } = yield* entriesOf(call.inputs[0] ?? null);
  const vocabulary: readonly unknown[] = call.attributes.strings("string_vocabulary") ?? call.attributes.ints("int64_vocabulary") ?? [];
  return row(vocabulary.map((key) => entries.get(key) ?? zeroOf(dtype)), dtype);
}

/** One map per row: class label to score. */
function zipMap(call: OnnxCall): Datum {
  const given = tensorAt(call, 0);
  const x = given.rank === 1 ? unsqueezed(given, 0) : given;
  const texts = call.attributes.strings("classlabels_strings") ?? [];
  const keys: readonly Datum[] = texts.length > 0 ? texts : (call.attributes.ints("classlabels_int64s") ?? []);
  if (keys.length !== x.shape[1]) throw new OpwiseError("shape-mismatch", `ZipMap of ${x.shape[1] ?? 0} columns by ${keys.length} keys`);
  const key = texts.length > 0 ? T.str : T.int;
  const rows = Array.from({ length: x.shape[0] ?? 0 }, (_, i): Dict => {
    const values = selected(x, 0, i);
    return makeDict(key, T.Tensor, keys.map((k, j) => [k, selected(values, 0, j)] as const));
  });
  return makeList({ kind: "Dict", key, value: T.Tensor }, rows);
}

export const mapOps: readonly OnnxOp[] = [
  onnxOp("ai.onnx.ml::CastMap", { 1: { reads: castMap } }),
  onnxOp("ai.onnx.ml::DictVectorizer", { 1: { reads: dictVectorizer } }),
  onnxOp("ai.onnx.ml::ZipMap", { 1: { run: (_ctx, call) => zipMap(call) } }),
];
