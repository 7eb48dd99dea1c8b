/** Around text generation and speech: n-gram blocking, time warping, unfolding, position biases, padding that is taken off and put back. */

import { binary, cast, constant, type Expr, index, load, select } from "../../../expr/expr.ts";
import { Num } from "../../../expr/num.ts";
import { empty } from "../../../prims/calls.ts";
import type { Context } from "../../../prims/context.ts";
import { computeType } from "../../../prims/program.ts";
import { narrowed } from "../../../prims/views.ts";
import { OpwiseError } from "../../../tensor/error.ts";
import { forEachOffset, type Tensor, type View, viewOf } from "../../../tensor/tensor.ts";
import { size } from "../../aten/memo.ts";
import { outputParts } from "../../elementwise.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "../define.ts";
import { axisOf, integerAt, type Reading, tensorAt } from "../inputs.ts";
import { computeOf, mapOf, onHost } from "../programs.ts";

function numbersOf(view: View, carrier: "i64" | "f32"): number[] {
  const array = view.storage.array(carrier);
  const out: number[] = [];
  forEachOffset(view.shape, view.strides, view.offset, (at) => out.push(Number(array[at] ?? 0)));
  return out;
}

/** Tokens that would repeat an n-gram of the text get the score -inf. */
function blockRepeats(ctx: Context, call: OnnxCall): Tensor {
  const [ids, scores] = [tensorAt(call, 0), tensorAt(call, 1)];
  const n = call.attributes.int("ngram_size");
  if (n < 1) throw new OpwiseError("bad-onnx", "`ngram_size` must be positive", { got: String(n) });
  const [, length = 0] = ids.shape;
  const barred = empty(ctx, scores.shape, "bool");
  onHost(ctx, "ngram_repeats", [ids], [barred], ([view], [out]) => {
    if (view === undefined || out === undefined) return;
    const words = numbersOf(view, "i64");
    const marks = out.storage.array("u8");
    const [rows = 0, vocabulary = 0] = out.shape;
    for (let row = 0; row < rows; row++) {
      const at = out.offset + row * (out.strides[0] ?? 0);
      for (let token = 0; token < vocabulary; token++) marks[at + token * (out.strides[1] ?? 1)] = 0;
      const text = words.slice(row * length, (row + 1) * length);
      const tail = text.slice(length - (n - 1));
      for (let start = 0; start + n <= length; start++) {
        const token = text[start + n - 1] ?? -1;
        if (token >= vocabulary || token < 0) throw new OpwiseError("index-out-of-range", `the token ${token} has no score`, { wanted: `[0, ${vocabulary})` });
        if (tail.every((word, i) => text[start + i] === word)) marks[at + token * (out.strides[1] ?? 1)] = 1;
      }
    }
  });
  return mapOf(ctx, "bar_tokens", [scores, barred], scores.dtype, (s, b) => b.toBool().where(s.lit(-Infinity), s));
}

/** The cheapest path through a cost matrix `[1, M, N]`, as rows and columns `[2, L]`. */
function* timeWarping(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const x = tensorAt(call, 0);
  const [rows = 0, columns = 0] = x.shape.slice(-2);
  if (rows < 1 || columns < 1 || x.numel !== rows * columns)
    throw new OpwiseError("shape-mismatch", "DynamicTimeWarping wants one cost matrix", { got: `[${x.shape.join(", ")}]` });
  const most = rows + columns - 1;
  const [path, count] = [empty(ctx, [2, most], "int32"), empty(ctx, [], "int64")];
  onHost(ctx, "time_warping", [x], [path, count], ([view], [places, length]) => {
    if (view === undefined || places === undefined || length === undefined) return;
    const cost = numbersOf(view, "f32");
    const width = columns + 1;
    const best = new Float32Array((rows + 1) * width).fill(Infinity);
    const from = new Int8Array((rows + 1) * width);
    best[0] = 0;
    for (let j = 1; j <= columns; j++) {
      for (let i = 1; i <= rows; i++) {
        const [diagonal, up, left] = [best[(i - 1) * width + j - 1] ?? 0, best[(i - 1) * width + j] ?? 0, best[i * width + j - 1] ?? 0];
        const step = diagonal < up && diagonal < left ? 0 : up < diagonal && up < left ? 1 : 2;
        best[i * width + j] = (cost[(i - 1) * columns + j - 1] ?? 0) + (step === 0 ? diagonal : step === 1 ? up : left);
        from[i * width + j] = step;
      }
    }
    const steps: (readonly [number, number])[] = [];
    for (let i = rows, j = columns; i > 0 || j > 0;) {
      steps.push([i - 1, j - 1]);
      const step = i === 0 ? 2 : j === 0 ? 1 : from[i * width + j];
      if (step !== 2) i--;
      if (step !== 1) j--;
    }
    steps.reverse();
    const out = places.storage.array("i32");
    steps.forEach((step, k) => step.forEach((value, row) => (out[places.offset + row * most + k] = value)));
    length.storage.array("i64")[length.offset] = BigInt(steps.length);
  });
  yield count;
  return narrowed(path, 1, 0, Number(count.item()));
}

/** Overlapping windows of an axis, as a new last axis. */
function unfolded(call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const { attributes } = call;
  const [axis, length, step] = [axisOf(attributes.int("dim", -1), x.rank), attributes.int("size"), attributes.int("step", 1)];
  const whole = x.shape[axis] ?? 1;
  if (length < 1 || step < 1 || length > whole) throw new OpwiseError("bad-argument", `windows of ${length} every ${step} along an axis of ${whole}`);
  const stride = x.strides[axis] ?? 1;
  const shape = x.shape.map((n, i) => (i === axis ? Math.floor((whole - length) / step) + 1 : n));
  return viewOf(x, [...shape, length], [...x.strides.map((s, i) => (i === axis ? s * step : s)), stride], x.offset);
}

/** T5's biases by the distance of query and key, in buckets that widen logarithmically: `[1, heads, queries, keys]`. */
function* relativeBias(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const table = tensorAt(call, 0);
  const [queries, keys] = [(yield* integerAt(call, 1)) ?? 0, (yield* integerAt(call, 2)) ?? 0];
  const both = call.attributes.int("is_bidirectional", 0) !== 0;
  const [buckets = 0, heads = 0] = table.shape;
  const half = both ? Math.floor(buckets / 2) : buckets;
  const exact = Math.floor(half / 2);
  const furthest = call.attributes.int("max_distance");
  const scale = (half - exact) / Math.log(furthest / exact);
  return computeOf(
    ctx,
    "relative_position_bias",
    String(both),
    [1, heads, queries, keys],
    [table],
    table.dtype,
    ["f64", "f64", "f64"],
    [half, exact, scale],
    () => {
      const place = (axis: number): Num => new Num(cast(index(axis), "f64"));
      const gap = place(3).sub(place(2));
      const [count, near, by] = [new Num(size(0)), new Num(size(1)), new Num(size(2))];
      const distance = both ? gap.abs() : gap.neg().max(0);
      const far = near.add(distance.div(near).log().mul(by).floor()).min(count.sub(1));
      const bucket = distance.lt(near).where(distance, far);
      const at = both ? bucket.add(gap.gt(0).where(count, count.mul(0))) : bucket;
      return { parts: outputParts(new Num(load(0, computeType(table.dtype), [cast(at.re, "index"), index(1)])), table.dtype) };
    },
  );
}

/** Rows of tokens `[T, H]` put back into samples `[B, S, H]`: the offsets list the tokens' places first, then those of padding, which is 0. */
function restorePadding(ctx: Context, call: OnnxCall): Tensor {
  const [x, offsets] = [tensorAt(call, 0), tensorAt(call, 1)];
  const [batch = 0, length = 0] = offsets.shape;
  const [tokens = 0, width = 0] = x.shape;
  const places = empty(ctx, [batch, length], "int64");
  onHost(ctx, "restored_places", [offsets], [places], ([view], [out]) => {
    if (view === undefined || out === undefined) return;
    const list = out.storage.array("i64");
    const from = view.storage.array("i32");
    let k = 0;
    forEachOffset(view.shape, view.strides, view.offset, (at) => ((list[out.offset + Number(from[at] ?? 0)] = BigInt(k < tokens ? k : -1)), k++));
  });
  return computeOf(ctx, "restore_padding", "", [batch, length, width], [x, places], x.dtype, [], [], () => {
    const place: Expr = cast(load(1, "i64", [index(0), index(1)]), "index");
    const type = computeType(x.dtype);
    const zero = new Num(constant(0, "f64")).to(type).re;
    return { parts: [select(binary("ge", place, constant(0, "index")), load(0, type, [binary("max", place, constant(0, "index")), index(2)]), zero)] };
  });
}

export const decodingOps: readonly OnnxOp[] = [
  onnxOp("com.microsoft::NGramRepeatBlock", { 1: { run: blockRepeats } }),
  onnxOp("com.microsoft::DynamicTimeWarping", { 1: { reads: timeWarping } }),
  onnxOp("com.microsoft::UnfoldTensor", { 1: { run: (_ctx, call) => unfolded(call) } }),
  onnxOp("com.microsoft::RelativePositionBias", { 1: { reads: relativeBias } }),
  onnxOp("com.microsoft::RestorePadding", { 1: { run: restorePadding } }),
];
