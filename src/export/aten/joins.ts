/** Joining, repeating, padding, turning. */

import type { Datum } from "../../ir/datum.ts";
import { isComplex } from "../../tensor/dtype.ts";
import type { Handler, OpCall } from "../meaning.ts";
import type { OnnxValue } from "../graph.ts";
import { type DimSize, isSym, type SymTensor } from "../values.ts";
import { axisArg, isSymTensor, itemsOf, knownInts, metaOf, numberArg, refuse, tensorArg, wrapAxis } from "./tools.ts";

function tensorsOf(call: OpCall, i: number): SymTensor[] {
  const items = itemsOf(call.args[i] ?? null) ?? refuse(`\`${call.name}\` of a list of open length`);
  return items.map((d) => (isSymTensor(d) ? d : refuse(`\`${call.name}\` of something that is no tensor`)));
}
const cat: Handler = (call) => {
  const { x } = call;
  const all = tensorsOf(call, 0);
  const meta = metaOf(call);
  if (isComplex(meta.dtype)) return undefined;
  // A 1-dim tensor without elements joins with anything.
  const used = all.filter((t) => !(t.rank === 1 && t.dims[0] === 0 && meta.rank !== 1));
  const axis = axisArg(call, 1, meta.rank);
  const dims = meta.shape.map((_, i): DimSize => {
    const sizes = used.map((t) => t.dims[i]);
    if (i !== axis) return sizes.find((s) => s !== undefined);
    return sizes.includes(undefined) ? undefined : sizes.reduce((n: number, s) => n + (s ?? 0), 0);
  });
  return x.result(
    x.op(
      "Concat",
      used.map((t) => x.g.cast(x.valueOf(t), meta.dtype)),
      { axis },
    ),
    meta,
    call.args,
    dims,
  );
};
const stack: Handler = (call) => {
  const { x } = call;
  const all = tensorsOf(call, 0);
  const meta = metaOf(call);
  if (isComplex(meta.dtype)) return undefined;
  const axis = axisArg(call, 1, meta.rank);
  const dims = meta.shape.map((_, i): DimSize => (i === axis ? all.length : all.map((t) => t.dims[i > axis ? i - 1 : i]).find((s) => s !== undefined)));
  return x.result(
    x.op(
      "Concat",
      all.map((t) => x.op("Unsqueeze", [x.g.cast(x.valueOf(t), meta.dtype), x.g.ints([axis])])),
      { axis },
    ),
    meta,
    call.args,
    dims,
  );
};

const repeat: Handler = (call) => {
  const { x } = call;
  const t = tensorArg(call, 0);
  const given = itemsOf(call.args[1] ?? null) ?? [];
  const repeats: Datum[] = given.length < t.rank ? [...Array.from({ length: t.rank - given.length }, () => 1), ...given] : [...given];
  const lead = repeats.length - t.rank;
  const value = lead === 0 ? x.valueOf(t) : x.op("Unsqueeze", [x.valueOf(t), x.g.ints(Array.from({ length: lead }, (_, i) => i))]);
  const dims = repeats.map((r, i): DimSize => {
    const own = i < lead ? 1 : t.dims[i - lead];
    return isSym(r) || own === undefined ? (own !== undefined || isSym(r) ? undefined : undefined) : own * Number(r);
  });
  return x.result(x.op("Tile", [value, x.intsValue(repeats)]), metaOf(call), call.args, dims);
};
const repeatInterleave: Handler = (call) => {
  const { x } = call;
  const t = tensorArg(call, 0);
  const count = call.args[1] ?? 1;
  if (isSymTensor(count) || t.rank === 0) return undefined;
  const meta = metaOf(call);
  const flat = (call.args[2] ?? null) === null;
  const axis = flat ? 0 : axisArg(call, 2, t.rank);
  const value = flat ? x.op("Reshape", [x.valueOf(t), x.g.ints([-1])]) : x.valueOf(t);
  const rank = flat ? 1 : t.rank;
  const n = x.op("Reshape", [x.scalarValue(count, "int64"), x.g.ints([1])]);
  const ones = (k: number): OnnxValue => x.g.ints(Array.from({ length: k }, () => 1));
  const spread = x.op("Expand", [x.op("Unsqueeze", [value, x.g.ints([axis + 1])]), x.op("Concat", [ones(axis + 1), n, ones(rank - axis - 1)], { axis: 0 })]);
  const shape = x.op("Shape", [value], {}, "int64");
  const parts = [x.op("Slice", [shape, x.g.ints([0]), x.g.ints([axis])]), x.g.ints([-1]), x.op("Slice", [shape, x.g.ints([axis + 1]), x.g.ints([rank])])];
  const out = x.op("Reshape", [spread, x.op("Concat", parts, { axis: 0 })]);
  const dims = meta.shape.map((_, i): DimSize => (i === axis ? undefined : flat ? undefined : t.dims[i]));
  return x.result(out, meta, call.args, dims);
};

function reversed(call: OpCall, v: OnnxValue, axes: readonly number[]): OnnxValue {
  const { x } = call;
  if (axes.length === 0) return v;
  const all = (n: bigint): OnnxValue => x.g.ints(axes.map(() => n));
  return x.op("Slice", [v, all(-1n), all(-9223372036854775807n), x.g.ints(axes), all(-1n)]);
}
const flip: Handler = (call) => {
  const t = tensorArg(call, 0);
  const axes = knownInts(call, call.args[1] ?? null).map((a) => wrapAxis(a, t.rank));
  return call.x.result(reversed(call, call.x.valueOf(t), axes), metaOf(call), [t], t.dims);
};
const roll: Handler = (call) => {
  const { x } = call;
  const t = tensorArg(call, 0);
  const shifts = itemsOf(call.args[1] ?? null) ?? [call.args[1] ?? 0];
  const axes = knownInts(call, call.args[2] ?? null);
  if (axes.length !== shifts.length) return undefined;
  let value = x.valueOf(t);
  axes.forEach((a, i) => {
    const axis = wrapAxis(a, t.rank);
    const n = x.scalarValue(x.size(t, axis), "int64");
    // Slices from the back by the shift, floored into the axis; an axis without elements stays.
    const safe = x.op("Max", [n, x.g.scalar(1, "int64")]);
    const cut = x.op("Reshape", [x.op("Sub", [n, x.op("Mod", [x.scalarValue(shifts[i] ?? 0, "int64"), safe])]), x.g.ints([1])]);
    const end = x.op("Reshape", [n, x.g.ints([1])]);
    value = x.op("Concat", [x.op("Slice", [value, cut, end, x.g.ints([axis])]), x.op("Slice", [value, x.g.ints([0]), cut, x.g.ints([axis])])], { axis });
  });
  return x.result(value, metaOf(call), call.args, t.dims);
};

/** `pads`: pairs from the last axis on. */
function padBy(call: OpCall, t: SymTensor, pads: readonly Datum[], mode: string, fill: Datum): SymTensor | undefined {
  const { x } = call;
  const meta = metaOf(call);
  const n = pads.length / 2;
  const side = (k: 0 | 1): Datum[] =>
    Array.from({ length: t.rank }, (_, axis): Datum => {
      const at = t.rank - 1 - axis;
      return at < n ? (pads[2 * at + k] ?? 0) : 0;
    });
  const [before, after] = [side(0), side(1)];
  const known = pads.every((p) => !isSym(p));
  const dims = t.dims.map((d, i): DimSize =>
    d === undefined || isSym(before[i] ?? 0) || isSym(after[i] ?? 0) ? undefined : d + Number(before[i]) + Number(after[i]),
  );
  const onnxMode = { constant: "constant", reflect: "reflect", replicate: "edge", circular: "wrap" }[mode];
  if (onnxMode === undefined || isComplex(t.dtype)) return undefined;
  if (mode !== "constant" && (!known || pads.some((p) => Number(p) < 0))) return undefined;
  if (mode === "circular") {
    let value = x.valueOf(t);
    for (let axis = 0; axis < t.rank; axis++) {
      const [lo, hi] = [Number(before[axis]), Number(after[axis])];
      const parts = [value];
      if (lo > 0) parts.unshift(x.op("Slice", [value, x.g.ints([-lo]), x.g.ints([9223372036854775807n]), x.g.ints([axis])]));
      if (hi > 0) parts.push(x.op("Slice", [value, x.g.ints([0]), x.g.ints([hi]), x.g.ints([axis])]));
      if (parts.length > 1) value = x.op("Concat", parts, { axis });
    }
    return x.result(value, meta, call.args, dims);
  }
  const amounts = x.intsValue([...before, ...after]);
  const value = x.valueOf(t);
  const inputs = mode === "constant" ? [value, amounts, x.scalarValue(fill ?? 0, t.dtype)] : [value, amounts];
  return x.result(x.op("Pad", inputs, { mode: onnxMode }), meta, call.args, dims);
}
const pad: Handler = (call) => {
  const t = tensorArg(call, 0);
  const pads = itemsOf(call.args[1] ?? null) ?? [];
  const mode = call.args[2];
  return padBy(call, t, pads, typeof mode === "string" ? mode : "constant", call.args[3] ?? 0);
};
const constantPad: Handler = (call) => padBy(call, tensorArg(call, 0), itemsOf(call.args[1] ?? null) ?? [], "constant", call.args[2] ?? 0);
const fixedPad =
  (mode: string): Handler =>
  (call) =>
    padBy(call, tensorArg(call, 0), itemsOf(call.args[1] ?? null) ?? [], mode, 0);

function triangle(upper: boolean): Handler {
  return (call) => {
    const { x } = call;
    const t = tensorArg(call, 0);
    const k = x.scalarValue(call.args[1] ?? 0, "int64");
    return x.result(x.op("Trilu", [x.valueOf(t), k], { upper: upper ? 1 : 0 }), metaOf(call), call.args, t.dims);
  };
}
const pixelShuffle: Handler = (call) => {
  const { x } = call;
  const t = tensorArg(call, 0);
  const r = numberArg(call, 1);
  if (t.rank !== 4 || t.dtype !== "float32") return undefined;
  const size = (d: DimSize, f: number): DimSize => (d === undefined ? undefined : d * f);
  return x.result(
    x.op("DepthToSpace", [x.valueOf(t)], { blocksize: r, mode: "CRD" }),
    metaOf(call),
    [t],
    [t.dims[0], size(t.dims[1], 1 / (r * r)), size(t.dims[2], r), size(t.dims[3], r)],
  );
};

export const joins: Readonly<Record<string, Handler>> = {
  "aten::cat": cat,
  "aten::concat": cat,
  "aten::concatenate": cat,
  "aten::stack": stack,
  "aten::repeat": repeat,
  "aten::tile": repeat,
  "aten::repeat_interleave.self_int": repeatInterleave,
  "aten::flip": flip,
  "aten::roll": roll,
  "aten::pad": pad,
  "aten::constant_pad_nd": constantPad,
  "aten::reflection_pad1d": fixedPad("reflect"),
  "aten::reflection_pad2d": fixedPad("reflect"),
  "aten::reflection_pad3d": fixedPad("reflect"),
  "aten::replication_pad1d": fixedPad("replicate"),
  "aten::replication_pad2d": fixedPad("replicate"),
  "aten::replication_pad3d": fixedPad("replicate"),
  "aten::triu": triangle(true),
  "aten::tril": triangle(false),
  "aten::pixel_shuffle": pixelShuffle,
};
