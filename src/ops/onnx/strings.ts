/** String ops: StringConcat, StringSplit, StringNormalizer, RegexFullMatch, TfIdfVectorizer. Texts are worked on by the host alone. */

import { empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { expanded, narrowed, reshaped } from "../../prims/views.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { broadcastShapes } from "../../tensor/shape.ts";
import { forEachOffset, type Tensor, type View } from "../../tensor/tensor.ts";
import { extremum } from "../aten/reduction.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { only, type Reading, tensorAt } from "./inputs.ts";
import { onHost, textsOf, writeTexts } from "./programs.ts";
import { fullMatcher } from "./regex/regex.ts";
import { type Grams, gramsOf } from "./grams.ts";

const first = (views: readonly View[]): View => {
  const [view] = views;
  if (view === undefined) throw new OpwiseError("internal", "a host call without a view");
  return view;
};

/** Writes numbers, row-major, into a view of an integer or float32 carrier. */
function writeNumbers(view: View, carrier: "i64" | "u8" | "f32", values: readonly number[]): void {
  const array = view.storage.array(carrier);
  forEachOffset(view.shape, view.strides, view.offset, (at, i) => {
    if (array instanceof BigInt64Array || array instanceof BigUint64Array) array[at] = BigInt(values[i] ?? 0);
    else array[at] = values[i] ?? 0;
  });
}

function concatenated(ctx: Context, call: OnnxCall): Tensor {
  const [a, b] = [tensorAt(call, 0), tensorAt(call, 1)];
  const out = empty(ctx, broadcastShapes(a.shape, b.shape), "string");
  onHost(ctx, "string_concat", [expanded(a, out.shape), expanded(b, out.shape)], [out], ([x, y], results) => {
    if (x === undefined || y === undefined) return;
    const tails = textsOf(y);
    writeTexts(
      first(results),
      textsOf(x).map((head, i) => head + (tails[i] ?? "")),
    );
  });
  return out;
}

/** Python's `str.split`: at a delimiter, or at runs of blanks with none at the ends. */
function parts(text: string, delimiter: string, limit: number): string[] {
  if (delimiter !== "") {
    const pieces = text.split(delimiter);
    return pieces.length <= limit + 1 ? pieces : [...pieces.slice(0, limit), pieces.slice(limit).join(delimiter)];
  }
  const out: string[] = [];
  let rest = text.trimStart();
  while (rest !== "" && out.length < limit) {
    const end = rest.search(/\s/);
    if (end < 0) break;
    out.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
  const tail = rest.trimEnd();
  return tail === "" ? out : [...out, tail];
}

/** The pieces of each text along a new last axis, filled up with empty ones, and how many there are. */
function* split(ctx: Context, call: OnnxCall): Reading<Tensor[]> {
  const x = tensorAt(call, 0);
  const delimiter = call.attributes.string("delimiter", "");
  const limit = call.attributes.has("maxsplit") ? call.attributes.int("maxsplit") : Infinity;
  const counts = empty(ctx, x.shape, "int64");
  if (x.numel === 0) return [empty(ctx, [...x.shape, 0], "string"), counts];
  onHost(ctx, "string_split_count", [x], [counts], (operands, results) => {
    writeNumbers(
      first(results),
      "i64",
      textsOf(first(operands)).map((text) => parts(text, delimiter, limit).length),
    );
  });
  const most = extremum(ctx, counts, null, false, true);
  yield most;
  const width = Number(most.item());
  const out = empty(ctx, [...x.shape, width], "string");
  onHost(ctx, "string_split", [x], [out], (operands, results) => {
    writeTexts(
      first(results),
      textsOf(first(operands)).flatMap((text) => {
        const pieces = parts(text, delimiter, limit);
        return Array.from({ length: width }, (_, i) => pieces[i] ?? "");
      }),
    );
  });
  return [out, counts];
}

/** Words without the stop words, in another case. Where none is left, one empty text is. */
function* normalized(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const x = tensorAt(call, 0);
  const { attributes } = call;
  const action = attributes.string("case_change_action", "NONE");
  if (!["NONE", "LOWER", "UPPER"].includes(action))
    throw new OpwiseError("bad-onnx", "`case_change_action` is unknown", { wanted: "NONE, LOWER or UPPER", got: action });
  if (x.rank < 1 || x.rank > 2 || (x.rank === 2 && x.shape[0] !== 1))
    throw new OpwiseError("shape-mismatch", "StringNormalizer wants a vector of texts", { wanted: "[C] or [1, C]", got: `[${x.shape.join(", ")}]` });
  const sensitive = attributes.int("is_case_sensitive", 0) !== 0;
  const fold = (text: string): string => (sensitive ? text : text.toLowerCase());
  const stops = new Set((attributes.strings("stopwords") ?? []).map(fold));
  const [kept, count] = [empty(ctx, [Math.max(x.numel, 1)], "string"), empty(ctx, [], "int64")];
  onHost(ctx, "string_normalize", [x], [kept, count], (operands, [texts, number]) => {
    if (texts === undefined || number === undefined) return;
    const left = textsOf(first(operands)).filter((text) => !stops.has(fold(text)));
    writeTexts(
      texts,
      left.map((text) => (action === "LOWER" ? text.toLowerCase() : action === "UPPER" ? text.toUpperCase() : text)),
    );
    writeNumbers(number, "i64", [Math.max(left.length, 1)]);
  });
  yield count;
  const out = narrowed(kept, 0, 0, Number(count.item()));
  return x.rank === 2 ? reshaped(ctx, out, [1, out.numel]) : out;
}

function matches(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const matcher = fullMatcher(call.attributes.string("pattern"));
  const out = empty(ctx, x.shape, "bool");
  onHost(ctx, "regex_full_match", [x], [out], (operands, results) =>
    writeNumbers(
      first(results),
      "u8",
      textsOf(first(operands)).map((text) => Number(matcher(text))),
    ),
  );
  return out;
}

/** Counts of known n-grams per row, weighted by the mode. */
function vectorized(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const grams: Grams = gramsOf(call);
  if (x.rank > 2) throw new OpwiseError("shape-mismatch", "TfIdfVectorizer wants one row or a matrix", { got: `[${x.shape.join(", ")}]` });
  const length = x.shape[x.rank - 1] ?? 1;
  const out = empty(ctx, [...x.shape.slice(0, -1), grams.width], "float32");
  onHost(ctx, "tf_idf", [x], [out], (operands, results) => {
    const view = first(operands);
    const words: (string | number | bigint)[] = [];
    if (x.dtype === "string") words.push(...textsOf(view));
    else {
      const array = view.storage.array(x.dtype === "int64" ? "i64" : "i32");
      forEachOffset(view.shape, view.strides, view.offset, (at) => words.push(BigInt(array[at] ?? 0)));
    }
    const rows = x.rank === 2 ? (x.shape[0] ?? 0) : 1;
    writeNumbers(first(results), "f32", Array.from({ length: rows }, (_, r) => grams.row(words.slice(r * length, (r + 1) * length).map(String))).flat());
  });
  return only([out]);
}

export const stringOps: readonly OnnxOp[] = [
  onnxOp("StringConcat", { 20: { run: concatenated } }),
  onnxOp("StringSplit", { 20: { reads: split } }),
  onnxOp("StringNormalizer", { 10: { reads: normalized } }),
  onnxOp("RegexFullMatch", { 20: { run: matches } }),
  onnxOp("TfIdfVectorizer", { 9: { run: vectorized } }),
];
