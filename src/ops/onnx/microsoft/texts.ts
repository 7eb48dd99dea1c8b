/** Texts: Tokenizer and MurmurHash3. Both look into texts, which only the host can. */

import { empty } from "../../../prims/calls.ts";
import type { Context } from "../../../prims/context.ts";
import { dtypeInfo } from "../../../tensor/dtype.ts";
import { OpwiseError } from "../../../tensor/error.ts";
import { forEachOffset, Tensor, type View } from "../../../tensor/tensor.ts";
import { castTo } from "../casts.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "../define.ts";
import { type Reading, tensorAt } from "../inputs.ts";
import { onHost, textsOf } from "../programs.ts";
import { splitter, tokenFinder } from "../regex/regex.ts";

const rotated = (x: number, by: number): number => (x << by) | (x >>> (32 - by));
const mixed = (k: number): number => Math.imul(rotated(Math.imul(k, 0xcc9e2d51), 15), 0x1b873593);

/** MurmurHash3_x86_32 of bytes (Austin Appleby's public domain function), as a signed 32-bit number. */
function murmur(bytes: Uint8Array, seed: number): number {
  let h = seed | 0;
  const whole = bytes.length & ~3;
  const at = (i: number): number => bytes[i] ?? 0;
  for (let i = 0; i < whole; i += 4) {
    const k = at(i) | (at(i + 1) << 8) | (at(i + 2) << 16) | (at(i + 3) << 24);
    h = (Math.imul(rotated(h ^ mixed(k), 13), 5) + 0xe6546b64) | 0;
  }
  if (whole < bytes.length) h ^= mixed(at(whole) | (at(whole + 1) << 8) | (at(whole + 2) << 16));
  h ^= bytes.length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Each element's bytes: UTF-8 of a text, else as they lie. */
function elementBytes(view: View): Uint8Array[] {
  if (view.dtype === "string") return textsOf(view).map((t) => new TextEncoder().encode(t));
  const { carrier, itemsize } = dtypeInfo(view.dtype);
  const array = view.storage.array(carrier);
  const out: Uint8Array[] = [];
  forEachOffset(view.shape, view.strides, view.offset, (at) => out.push(new Uint8Array(array.buffer, array.byteOffset + at * itemsize, itemsize)));
  return out;
}

function murmurHash(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const positive = call.attributes.int("positive", 1) !== 0;
  const seed = call.attributes.int("seed", 0);
  const out = empty(ctx, x.shape, positive ? "uint32" : "int32");
  onHost(ctx, "murmur_hash", [x], [out], ([from], [to]) => {
    if (from === undefined || to === undefined) return;
    const hashes = elementBytes(from).map((bytes) => murmur(bytes, seed));
    const array = to.storage.array(positive ? "u32" : "i32");
    forEachOffset(to.shape, to.strides, to.offset, (at, i) => (array[at] = positive ? (hashes[i] ?? 0) >>> 0 : (hashes[i] ?? 0)));
  });
  return out;
}

/** Pieces between separators: each pattern in turn cuts what the ones before have left. An empty one gives single characters. */
function separated(separators: readonly string[]): (text: string) => string[] {
  if (separators.includes("")) return (text) => [...text];
  const cuts = separators.map(splitter);
  return (text) => cuts.reduce<string[]>((pieces, cut) => pieces.flatMap(cut), [text]);
}

const START = "\u0002";
const END = "\u0003";

/** Tokens of each text along a new last axis, as long as the longest list; shorter ones are filled up with `pad_value`. */
function* tokenizer(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const x = tensorAt(call, 0);
  const { attributes } = call;
  if (x.rank < 1 || x.rank > 2) throw new OpwiseError("shape-mismatch", "Tokenizer wants texts [C] or [N, C]", { got: `[${x.shape.join(", ")}]` });
  const texts = castTo(ctx, x, "string");
  yield texts;
  const separators = attributes.strings("separators") ?? [];
  const pattern = attributes.string("tokenexp", "");
  // As in onnxruntime, the pattern `.` means single characters, line ends too.
  const tokensIn = separators.length > 0 ? separated(separators) : pattern === "." ? separated([""]) : tokenFinder(pattern);
  const least = attributes.int("mincharnum", 1);
  const marks = attributes.int("mark", 0) !== 0;
  const found = texts.strings().map((text) => tokensIn(text).filter((t) => [...t].length >= least));
  // Where no text has a token, there are no marks either.
  const lists = marks && found.some((tokens) => tokens.length > 0) ? found.map((tokens) => [START, ...tokens, END]) : found;
  const width = lists.reduce((w, l) => Math.max(w, l.length), 0);
  const pad = attributes.string("pad_value", "");
  return Tensor.from(lists.flatMap((l) => [...l, ...Array.from({ length: width - l.length }, () => pad)]), [...x.shape, width], "string");
}

export const textOps: readonly OnnxOp[] = [
  onnxOp("com.microsoft::MurmurHash3", { 1: { run: murmurHash } }),
  onnxOp("com.microsoft::Tokenizer", { 1: { reads: tokenizer } }),
];
