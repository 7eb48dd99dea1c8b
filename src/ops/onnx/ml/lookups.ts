/** Values by key: LabelEncoder, CategoryMapper, OneHotEncoder. A lookup is a hash table, so it runs on the host. */

import { binary, cast, constant, index, load, select } from "../../../expr/expr.ts";
import { empty } from "../../../prims/calls.ts";
import type { Context } from "../../../prims/context.ts";
import { codec } from "../../../numeric/codec.ts";
import { dtypeInfo, isFloat } from "../../../tensor/dtype.ts";
import { OpwiseError } from "../../../tensor/error.ts";
import { stringOf } from "../../../tensor/strings.ts";
import { forEachOffset, Tensor, type View } from "../../../tensor/tensor.ts";
import { indexSelect } from "../../aten/indexing.ts";
import { axes, zeroOf } from "../../aten/memo.ts";
import { castTo } from "../casts.ts";
import { type Attributes, type OnnxCall, type OnnxOp, onnxOp } from "../define.ts";
import { tensorAt } from "../inputs.ts";
import { computeOf, onHost } from "../programs.ts";
import { reshaped } from "../../../prims/views.ts";
import { perNode } from "./attributes.ts";

/** What tells keys apart: a text, an exact integer, a float (NaN is itself, -0 is 0). */
type Key = string | bigint | number;

function keysOf(view: View, visit: (key: Key, i: number) => void): void {
  const info = dtypeInfo(view.dtype);
  const array = view.storage.array(info.carrier);
  const table = codec(view.dtype)?.table;
  forEachOffset(view.shape, view.strides, view.offset, (at, i) => {
    const raw = array[at] ?? 0;
    if (info.class === "string") visit(stringOf(Number(raw)), i);
    else if (!isFloat(view.dtype)) visit(BigInt(raw), i);
    else visit(table?.[Number(raw)] ?? Number(raw), i);
  });
}

/** Keys by position; of equal ones the first, or the last. */
function tableOf(keys: Tensor, last: boolean): ReadonlyMap<Key, number> {
  const table = new Map<Key, number>();
  keysOf(keys, (key, i) => {
    if (last || !table.has(key)) table.set(key, i);
  });
  return table;
}

/** The position of each element among the keys; `absent` where there is none. */
function positions(ctx: Context, x: Tensor, table: ReadonlyMap<Key, number>, absent: number): Tensor {
  const out = empty(ctx, x.shape, "int64");
  onHost(ctx, "lookup", [x], [out], ([from], [to]) => {
    const array = to?.storage.array("i64");
    if (from === undefined || to === undefined || !(array instanceof BigInt64Array)) return;
    const found: number[] = [];
    keysOf(from, (key) => found.push(table.get(key) ?? absent));
    forEachOffset(to.shape, to.strides, to.offset, (at, i) => (array[at] = BigInt(found[i] ?? absent)));
  });
  return out;
}

interface Dictionary {
  readonly table: ReadonlyMap<Key, number>;
  /** The values, and after them the default. */
  readonly values: Tensor;
}

const KINDS = ["strings", "int64s", "floats"] as const;
type Kind = (typeof KINDS)[number];
function listOf(a: Attributes, name: string, kind: Kind): Tensor | undefined {
  const full = `${name}_${kind}`;
  if (!a.has(full)) return undefined;
  if (kind === "strings") return stringsOf(a.strings(full) ?? []);
  return kind === "int64s" ? intsOf(a.bigints(full) ?? []) : Tensor.from(Float32Array.from(a.floats(full) ?? []));
}
const stringsOf = (list: readonly string[]): Tensor => Tensor.from(list, [list.length], "string");
const intsOf = (list: readonly bigint[]): Tensor => Tensor.from(BigInt64Array.from(list), [list.length], "int64");

function oneOf(a: Attributes, name: string): Tensor {
  for (const kind of KINDS) {
    const t = listOf(a, name, kind);
    if (t !== undefined && t.numel > 0) return t;
  }
  const t = a.tensor(`${name}_tensor`);
  if (t === undefined) throw new OpwiseError("bad-onnx", `LabelEncoder has no \`${name}_*\``);
  return t;
}
function defaultOf(a: Attributes, values: Tensor): Tensor {
  const given = a.tensor("default_tensor");
  if (given !== undefined && given.dtype === values.dtype) return given;
  if (values.dtype === "string") return stringsOf([a.string("default_string", "_Unused")]);
  if (isFloat(values.dtype)) return Tensor.from(values.dtype === "float64" ? Float64Array.of(a.float("default_float", -0)) : Float32Array.of(a.float("default_float", -0)), [1]);
  return intsOf([BigInt(a.int("default_int64", -1))]);
}

/** Before version 2 a list of classes maps texts to positions and back. */
function classesOf(a: Attributes): readonly [Dictionary, Dictionary] {
  const classes = stringsOf(a.strings("classes_strings") ?? []);
  return bothWays(a, classes, intsOf(Array.from({ length: classes.numel }, (_, i) => BigInt(i))));
}
/** Texts to integers, integers to texts. */
function bothWays(a: Attributes, texts: Tensor, numbers: Tensor): readonly [Dictionary, Dictionary] {
  return [
    { table: tableOf(texts, false), values: joined(numbers, intsOf([BigInt(a.int("default_int64", -1))])) },
    { table: tableOf(numbers, false), values: joined(texts, stringsOf([a.string("default_string", "_Unused")])) },
  ];
}

/** Attribute vectors end to end, on the host. */
function joined(a: Tensor, b: Tensor): Tensor {
  const out = Tensor.zeros([a.numel + 1], a.dtype);
  const array = out.storage.array(dtypeInfo(a.dtype).carrier);
  [...a.data, ...b.data.subarray(0, 1)].forEach((v, i) => {
    if (array instanceof BigInt64Array || array instanceof BigUint64Array) array[i] = BigInt(v);
    else array[i] = Number(v);
  });
  return out;
}

const encoder = perNode((a): Dictionary => {
  const [keys, values] = [oneOf(a, "keys"), oneOf(a, "values")];
  if (keys.numel !== values.numel) throw new OpwiseError("bad-onnx", `LabelEncoder has ${keys.numel} keys and ${values.numel} values`);
  return { table: tableOf(keys, true), values: joined(values, defaultOf(a, values)) };
});
const classes = perNode(classesOf);
const categories = perNode((a) => bothWays(a, stringsOf(a.strings("cats_strings") ?? []), intsOf(a.bigints("cats_int64s") ?? [])));

/** Without `nan`, a NaN is no key, as onnxruntime has it before version 4 (the text of version 2 says otherwise). */
function mapped(ctx: Context, x: Tensor, { table, values }: Dictionary, nan = true): Tensor {
  const own = nan || !table.has(NaN) ? table : new Map([...table].filter(([key]) => !Number.isNaN(key)));
  const at = positions(ctx, x, own, values.numel - 1);
  return reshaped(ctx, indexSelect(ctx, values, 0, reshaped(ctx, at, [at.numel])), x.shape);
}
const either = (of: (call: OnnxCall) => readonly [Dictionary, Dictionary]) => (ctx: Context, call: OnnxCall): Tensor => {
  const x = tensorAt(call, 0);
  return mapped(ctx, x, of(call)[x.dtype === "string" ? 0 : 1]);
};

const encoding = perNode((a) => {
  const texts = a.strings("cats_strings") ?? [];
  const keys = texts.length > 0 ? stringsOf(texts) : intsOf(a.bigints("cats_int64s") ?? []);
  if (keys.numel === 0) throw new OpwiseError("bad-onnx", "OneHotEncoder has no categories");
  return { table: tableOf(keys, true), count: keys.numel };
});

/** A new last axis with a 1 at the category; numbers are cut to integers before. */
function* oneHot(ctx: Context, call: OnnxCall): Generator<Tensor, Tensor, void> {
  const given = tensorAt(call, 0);
  const { table, count } = encoding(call);
  const x = given.dtype === "string" ? given : castTo(ctx, given, "int64");
  const at = positions(ctx, x, table, -1);
  if (call.attributes.int("zeros", 1) === 0) {
    yield at;
    if (at.data.some((v) => Number(v) < 0)) throw new OpwiseError("runtime-error", "OneHotEncoder met an element that is no category", { hint: "`zeros=1` would leave its row empty" });
  }
  return computeOf(ctx, "one_hot_encoder", "", [...x.shape, count], [at], "float32", [], [], () => {
    const hit = binary("eq", cast(load(0, "i64", axes(x.rank)), "index"), index(x.rank));
    return { parts: [select(hit, constant(1, "f32"), zeroOf("f32"))] };
  });
}

export const lookupOps: readonly OnnxOp[] = [
  onnxOp("ai.onnx.ml::LabelEncoder", { 1: { run: either(classes) }, 2: { run: (ctx, call) => mapped(ctx, tensorAt(call, 0), encoder(call), call.version >= 4) } }),
  onnxOp("ai.onnx.ml::CategoryMapper", { 1: { run: either(categories) } }),
  onnxOp("ai.onnx.ml::OneHotEncoder", { 1: { reads: oneHot } }),
];
