/** Experimental ops that ONNX withdrew at opset 10 and early exporters (CoreML, Caffe2) wrote: onnxruntime still knows them. */

import type { Context } from "../../prims/context.ts";
import { narrowed } from "../../prims/views.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { tensorAt } from "./inputs.ts";
import { alongChannels } from "./layout.ts";
import { mapOf } from "./programs.ts";

/** `x` times a scale, plus a bias per channel. */
function imageScaler(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const bias = call.attributes.floats("bias") ?? [];
  if (x.rank !== 4 || bias.length !== x.shape[1])
    throw new OpwiseError("shape-mismatch", "ImageScaler wants [N, C, H, W] and a bias per channel", {
      got: `[${x.shape.join(", ")}] and ${bias.length} biases`,
    });
  return mapOf(
    ctx,
    "image_scaler",
    [x, alongChannels(Tensor.from(bias, [bias.length], "float32"), 4)],
    x.dtype,
    (v, b, s) => v.mul(s.to(v.type)).add(b.to(v.type)),
    [call.attributes.float("scale", 1)],
  );
}

/** Borders `left, top, right, bottom` off the last two axes; with `scale`, so many rows and columns from the upper left on. */
function crop(call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const [left = 0, top = 0, right = 0, bottom = 0] = call.attributes.ints("border") ?? [];
  const [height = 0, width = 0] = x.shape.slice(2);
  const [rows = height - top - bottom, columns = width - left - right] = call.attributes.ints("scale") ?? [];
  if (x.rank !== 4 || rows < 0 || columns < 0 || top + rows > height || left + columns > width)
    throw new OpwiseError("shape-mismatch", `Crop takes ${rows} x ${columns} out of [${x.shape.join(", ")}]`);
  return narrowed(narrowed(x, 2, top, rows), 3, left, columns);
}

const scalarsOf = (call: OnnxCall, alpha: number, beta: number): readonly number[] => [
  call.attributes.float("alpha", alpha),
  call.attributes.float("beta", beta),
];

export const experimentalOps: readonly OnnxOp[] = [
  onnxOp("ImageScaler", { 1: { run: imageScaler } }),
  onnxOp("Crop", { 1: { run: (_ctx, call) => crop(call) } }),
  onnxOp("Affine", {
    1: {
      run: (ctx, call) =>
        mapOf(ctx, "affine", [tensorAt(call, 0)], tensorAt(call, 0).dtype, (x, a, b) => x.mul(a.to(x.type)).add(b.to(x.type)), scalarsOf(call, 1, 0)),
    },
  }),
  onnxOp("Scale", {
    1: {
      run: (ctx, call) => mapOf(ctx, "scale", [tensorAt(call, 0)], tensorAt(call, 0).dtype, (x, a) => x.mul(a.to(x.type)), [call.attributes.float("scale", 1)]),
    },
  }),
  onnxOp("ScaledTanh", {
    1: {
      run: (ctx, call) =>
        mapOf(ctx, "scaled_tanh", [tensorAt(call, 0)], tensorAt(call, 0).dtype, (x, a, b) => x.to("f64").mul(b).apply("tanh").mul(a), scalarsOf(call, 0, 0)),
    },
  }),
  onnxOp("ParametricSoftplus", {
    1: {
      run: (ctx, call) =>
        mapOf(
          ctx,
          "parametric_softplus",
          [tensorAt(call, 0)],
          tensorAt(call, 0).dtype,
          (x, a, b) => {
            const t = x.to("f64").mul(b);
            return t.max(0).add(t.abs().neg().exp().log1p()).mul(a);
          },
          scalarsOf(call, 0, 0),
        ),
    },
  }),
];
