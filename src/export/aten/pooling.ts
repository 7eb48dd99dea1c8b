/** Pooling. */

import { numelOf } from "../../tensor/shape.ts";
import type { Handler, OpCall } from "../meaning.ts";
import type { OnnxValue } from "../graph.ts";
import { reduceValue } from "../nodes.ts";
import type { DimSize, SymTensor } from "../values.ts";
import { boolArg, itemsOf, knownInts, metaOf, numberArg, perAxis, tensorArg, wideFloat } from "./tools.ts";

/** The input as `[N, C, …]`, and the way back. */
function batched(call: OpCall, t: SymTensor, n: number): { readonly value: OnnxValue; readonly back: (v: OnnxValue) => OnnxValue } {
  const { x } = call;
  const value = x.g.cast(x.valueOf(t), "float32");
  if (t.rank === n + 2) return { value, back: (v) => v };
  return { value: x.op("Unsqueeze", [value, x.g.ints([0])]), back: (v) => x.op("Squeeze", [v, x.g.ints([0])]) };
}
function pooledDims(call: OpCall, t: SymTensor, n: number): DimSize[] {
  const meta = metaOf(call);
  return t.dims.map((d, i) => (i < t.rank - n ? d : d === undefined ? undefined : meta.shape[i]));
}

function maxPool(n: number, withIndices: boolean): Handler {
  return (call) => {
    const { x } = call;
    const t = tensorArg(call, 0);
    if (wideFloat(t.dtype) !== "float32") return undefined;
    const kernel = perAxis(knownInts(call, call.args[1] ?? 1), n);
    const given = itemsOf(call.args[2] ?? null) ?? [];
    const strides = given.length === 0 ? kernel : perAxis(knownInts(call, call.args[2] ?? 1), n);
    const pads = perAxis(knownInts(call, call.args[3] ?? 0), n);
    const dilations = perAxis(knownInts(call, call.args[4] ?? 1), n);
    if (withIndices && boolArg(call, 5)) return undefined;
    const { value, back } = batched(call, t, n);
    const [out, places] = x.g.node("MaxPool", [value], {
      dtypes: withIndices ? ["float32", "int64"] : ["float32"],
      attributes: { kernel_shape: kernel, strides, pads: [...pads, ...pads], dilations, ceil_mode: boolArg(call, 5) ? 1 : 0 },
    });
    if (out === undefined) return undefined;
    const dims = pooledDims(call, t, n);
    const [meta, indices] = call.meta();
    if (meta === undefined) return undefined;
    const pooled = x.result(back(out), meta, [t], dims);
    if (!withIndices || places === undefined || indices === undefined) return pooled;
    const area = x.op("ReduceProd", [x.op("Slice", [x.shapeValue(t), x.g.ints([t.rank - n]), x.g.ints([t.rank])])], { keepdims: 0 });
    return [pooled, x.result(back(x.op("Mod", [places, area])), indices, [t], dims)];
  };
}
function averagePool(n: number): Handler {
  return (call) => {
    const { x } = call;
    const t = tensorArg(call, 0);
    if (wideFloat(t.dtype) !== "float32") return undefined;
    const kernel = perAxis(knownInts(call, call.args[1] ?? 1), n);
    const given = itemsOf(call.args[2] ?? null) ?? [];
    const strides = given.length === 0 ? kernel : perAxis(knownInts(call, call.args[2] ?? 1), n);
    const pads = perAxis(knownInts(call, call.args[3] ?? 0), n);
    // With ceil_mode the last window may leave the padded input, where kernels divide differently.
    if (boolArg(call, 4)) return undefined;
    const include = boolArg(call, 5);
    const divisor = (call.args[6] ?? null) === null ? undefined : numberArg(call, 6);
    const { value, back } = batched(call, t, n);
    let out = x.op("AveragePool", [value], {
      kernel_shape: kernel,
      strides,
      pads: [...pads, ...pads],
      count_include_pad: include || divisor !== undefined ? 1 : 0,
    });
    if (divisor !== undefined) out = x.op("Mul", [out, x.g.scalar(numelOf(kernel) / divisor, "float32")]);
    return x.result(back(out), metaOf(call), [t], pooledDims(call, t, n));
  };
}
/** To one element: a mean, or a maximum; to sizes that divide known ones: regular windows. */
function adaptive(n: number, op: "ReduceMean" | "ReduceMax"): Handler {
  return (call) => {
    const { x } = call;
    const t = tensorArg(call, 0);
    const type = wideFloat(t.dtype);
    const wanted = itemsOf(call.args[1] ?? null) ?? [call.args[1] ?? 1];
    const sizes = perAxis(
      wanted.map((d) => (d === null ? -1 : Number(knownInts(call, d)[0]))),
      n,
    );
    if (op === "ReduceMax") return undefined;
    const axes = Array.from({ length: n }, (_, i) => t.rank - n + i);
    const meta = metaOf(call);
    const dims = t.dims.map((d, i) => (i < t.rank - n ? d : sizes[i - (t.rank - n)]));
    if (sizes.every((s) => s === 1)) return x.result(reduceValue(x.g, op, x.g.cast(x.valueOf(t), type), axes, true), meta, [t], dims);
    const spatial = axes.map((a) => t.dims[a]);
    if (type !== "float32" || spatial.some((d, i) => d === undefined || d % (sizes[i] ?? 1) !== 0)) return undefined;
    const kernel = spatial.map((d, i) => (d ?? 1) / (sizes[i] ?? 1));
    const { value, back } = batched(call, t, n);
    return x.result(back(x.op("AveragePool", [value], { kernel_shape: kernel, strides: kernel })), meta, [t], dims);
  };
}
export const pooling: Readonly<Record<string, Handler>> = {
  "aten::max_pool1d": maxPool(1, false),
  "aten::max_pool2d": maxPool(2, false),
  "aten::max_pool3d": maxPool(3, false),
  "aten::max_pool1d_with_indices": maxPool(1, true),
  "aten::max_pool2d_with_indices": maxPool(2, true),
  "aten::max_pool3d_with_indices": maxPool(3, true),
  "aten::avg_pool1d": averagePool(1),
  "aten::avg_pool2d": averagePool(2),
  "aten::avg_pool3d": averagePool(3),
  "aten::adaptive_avg_pool1d": adaptive(1, "ReduceMean"),
  "aten::adaptive_avg_pool2d": adaptive(2, "ReduceMean"),
  "aten::adaptive_avg_pool3d": adaptive(3, "ReduceMean"),
  "aten::_adaptive_avg_pool2d": adaptive(2, "ReduceMean"),
};
