/** Convolutions of the waist: by the nodes that kernels have, or as products where they have none. */

import type { ConvolveCall } from "../prims/call.ts";
import { numelOf } from "../tensor/shape.ts";
import { type View } from "../tensor/tensor.ts";
import { type GraphBuilder, type OnnxValue } from "./graph.ts";
import { reshapeTo } from "./strided.ts";
import { refuse } from "./values.ts";

type Reader = (view: View) => OnnxValue;

/** A convolution's value. */
export function convolveValue(g: GraphBuilder, call: ConvolveCall, read: Reader): OnnxValue {
  const [x, w, bias] = call.operands;
  const [out] = call.results;
  if (x === undefined || w === undefined || out === undefined) return refuse("a convolution of nothing");
  if (call.accumulate !== "f32") return convolveProducts(g, call, read, x, w, bias, out);
  if ([...call.padBegin, ...call.padEnd].some((p) => p < 0)) return refuse("a convolution with negative padding");
  const f = (v: View): OnnxValue => g.cast(read(v), "float32");
  const attributes = { strides: call.stride, dilations: call.dilation, group: call.groups, pads: [...call.padBegin, ...call.padEnd] };
  const inputs = [f(x), f(w), ...(bias === undefined ? [] : [f(bias)])];
  if (!call.transposed) return g.op("Conv", inputs, attributes);
  const extra = out.shape.slice(2).map((size, i) => {
    const natural =
      ((x.shape[i + 2] ?? 1) - 1) * (call.stride[i] ?? 1) -
      (call.padBegin[i] ?? 0) -
      (call.padEnd[i] ?? 0) +
      (call.dilation[i] ?? 1) * ((w.shape[i + 2] ?? 1) - 1) +
      1;
    return size - natural;
  });
  if (extra.some((e) => e < 0)) return refuse("a transposed convolution that is cropped");
  return g.op("ConvTranspose", inputs, { ...attributes, output_padding: extra });
}

/** Integers and doubles, which kernels do not convolve: one product for each place of the window. */
function convolveProducts(g: GraphBuilder, call: ConvolveCall, read: Reader, x: View, w: View, bias: View | undefined, out: View): OnnxValue {
  const type = ({ f32: "float32", f64: "float64", i32: "int32", i64: "int64" } as const)[call.accumulate];
  const n = call.stride.length;
  const [batch = 1, channels = 1] = x.shape;
  const { groups } = call;
  const kernel = w.shape.slice(2);
  const places = numelOf(kernel);
  if (places > 256) return refuse(`a convolution of ${x.dtype} by a window of ${places} would be unrolled`);
  const outSpatial = out.shape.slice(2);
  const outChannels = out.shape[1] ?? 1;
  let value = g.cast(read(x), type);
  let weight = g.cast(read(w), type);
  let size = x.shape.slice(2);
  let [begin, end, stride] = [call.padBegin, call.padEnd, call.stride];
  if (call.transposed) {
    // Zeros between the elements, and the window turned around.
    for (let i = 0; i < n; i++) {
      const axis = i + 2;
      const step = call.stride[i] ?? 1;
      if (step === 1) continue;
      const own = [batch, channels, ...size];
      const wide = g.op("Unsqueeze", [value, g.ints([axis + 1])]);
      const padded = g.op("Pad", [
        wide,
        g.ints([
          ...own.slice(0, axis + 1).map(() => 0),
          0,
          ...own.slice(axis + 1).map(() => 0),
          ...own.slice(0, axis + 1).map(() => 0),
          step - 1,
          ...own.slice(axis + 1).map(() => 0),
        ]),
      ]);
      size = size.map((s, k) => (k === i ? s * step : s));
      const full = reshapeTo(g, padded, [batch, channels, ...size]);
      size = size.map((s, k) => (k === i ? s - step + 1 : s));
      value = g.op("Slice", [full, g.ints([0]), g.ints([size[i] ?? 1]), g.ints([axis])]);
    }
    begin = kernel.map((k, i) => (call.dilation[i] ?? 1) * (k - 1) - (call.padBegin[i] ?? 0));
    end = kernel.map((k, i) => (outSpatial[i] ?? 1) - 1 + (call.dilation[i] ?? 1) * (k - 1) + 1 - (size[i] ?? 1) - (begin[i] ?? 0));
    stride = kernel.map(() => 1);
    // [C, O/G, …] to [O, C/G, …], turned around.
    const per = outChannels / groups;
    const grouped = reshapeTo(g, weight, [groups, channels / groups, per, ...kernel]);
    const swapped = g.op("Transpose", [grouped], { perm: [0, 2, 1, ...kernel.map((_, i) => i + 3)] });
    const flat = reshapeTo(g, swapped, [outChannels, channels / groups, ...kernel]);
    weight = g.op("Slice", [
      flat,
      g.ints(kernel.map(() => -1)),
      g.ints(kernel.map(() => -9223372036854775807n)),
      g.ints(kernel.map((_, i) => i + 2)),
      g.ints(kernel.map(() => -1)),
    ]);
  }
  if ([...begin, ...end].some((p) => p !== 0)) value = g.op("Pad", [value, g.ints([0, 0, ...begin, 0, 0, ...end])]);
  const [inside, outside] = [channels / groups, outChannels / groups];
  const area = numelOf(outSpatial);
  const weights = reshapeTo(g, weight, [groups, outside, inside, places]);
  let sum: OnnxValue | undefined;
  for (let place = 0; place < places; place++) {
    const at: number[] = [];
    for (let i = n - 1, left = place; i >= 0; i--) {
      at[i] = left % (kernel[i] ?? 1);
      left = Math.floor(left / (kernel[i] ?? 1));
    }
    const starts = at.map((a, i) => a * (call.dilation[i] ?? 1));
    const ends = starts.map((s, i) => s + ((outSpatial[i] ?? 1) - 1) * (stride[i] ?? 1) + 1);
    const cut = g.op("Slice", [value, g.ints(starts), g.ints(ends), g.ints(at.map((_, i) => i + 2)), g.ints(stride)]);
    const product = g.op("MatMul", [g.op("Gather", [weights, g.scalar(place, "int64")], { axis: 3 }), reshapeTo(g, cut, [batch, groups, inside, area])]);
    sum = sum === undefined ? product : g.op("Add", [sum, product]);
  }
  const all = reshapeTo(g, sum ?? value, out.shape);
  return bias === undefined ? all : g.op("Add", [all, reshapeTo(g, g.cast(read(bias), type), [1, outChannels, ...outSpatial.map(() => 1)])]);
}
