/** Convolutions: Conv, ConvTranspose, DeformConv, Col2Im. */

import { binary, cast, constant, type Expr, type ExprType, index, load } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import type { Context } from "../../prims/context.ts";
import { convolve } from "../../prims/convolve.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { narrowed, reshaped } from "../../prims/views.ts";
import type { DType } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { numelOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { apply, elementwise, outputParts } from "../elementwise.ts";
import { filled } from "../aten/filling.ts";
import { scatterInto } from "../aten/indexing.ts";
import { addOf, loadParts, memo, mulOf, quotOf, remOf, size, subOf } from "../aten/memo.ts";
import { matmul } from "../aten/products.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { int, integersAt, maybeTensor, type Reading, tensorAt } from "./inputs.ts";
import { alongChannels } from "./layout.ts";
import { computeOf } from "./programs.ts";
import { multilinear } from "./interpolation.ts";
import { padsOf, perAxis, splitPad, windowsOf } from "./windows.ts";

const programs = memo<Program>();
const added = elementwise("add", (x, y) => x.add(y));

/** @throws shape-mismatch */
function checkChannels(x: Tensor, w: Tensor, groups: number, transposed: boolean): void {
  if (x.rank < 3 || w.rank !== x.rank)
    throw new OpwiseError("shape-mismatch", `a convolution of shape [${x.shape.join(", ")}] by weights [${w.shape.join(", ")}]`, {
      wanted: "equal ranks from 3 on",
    });
  const channels = transposed ? (w.shape[0] ?? 0) : (w.shape[1] ?? 0) * groups;
  if (x.shape[1] !== channels || (w.shape[0] ?? 0) % groups !== 0) {
    throw new OpwiseError("shape-mismatch", `weights [${w.shape.join(", ")}] with ${groups} groups want ${channels} channels`, {
      wanted: `[N, ${channels}, ...]`,
      got: `[${x.shape.join(", ")}]`,
    });
  }
}

/** The convolution that a node states, of given tensors. */
export function convolved(ctx: Context, call: OnnxCall, x: Tensor, w: Tensor, bias: Tensor | null, dtype: DType = x.dtype): Tensor {
  const groups = call.attributes.int("group", 1);
  checkChannels(x, w, groups, false);
  const { stride, dilation, padBegin, padEnd } = windowsOf(call, x.shape.slice(2), w.shape.slice(2));
  return convolve(ctx, x, w, bias, { stride, padBegin, padEnd, dilation, groups, transposed: false }, undefined, dtype);
}

/** `output_shape` and `auto_pad` decide the pads; otherwise pads decide the shape. */
export function convTranspose(ctx: Context, call: OnnxCall): Tensor {
  const [x, w] = [tensorAt(call, 0), tensorAt(call, 1)];
  const groups = call.attributes.int("group", 1);
  checkChannels(x, w, groups, true);
  const axes = x.rank - 2;
  const [stride, dilation, extra] = [perAxis(call, "strides", axes, 1), perAxis(call, "dilations", axes, 1), perAxis(call, "output_padding", axes, 0)];
  const mode = call.attributes.string("auto_pad", "NOTSET");
  const [begin, end] = padsOf(call, axes);
  const wanted = call.attributes.ints("output_shape")?.slice(-axes);
  x.shape.slice(2).forEach((n, i) => {
    const s = stride[i] ?? 1;
    const full = s * (n - 1) + (extra[i] ?? 0) + ((w.shape[i + 2] ?? 1) - 1) * (dilation[i] ?? 1) + 1;
    const target = wanted?.[i] ?? (mode.startsWith("SAME") ? n * s : undefined);
    if (target !== undefined) {
      // The larger half of an odd total goes to the beginning, unless the mode is SAME_UPPER.
      // What the kernels do not reach is zeros at the end.
      [begin[i], end[i]] = full < target ? [0, full - target] : splitPad(full - target, mode === "SAME_UPPER" ? mode : "SAME_LOWER");
    } else if (mode === "VALID") [begin[i], end[i]] = [0, 0];
  });
  return convolve(ctx, x, w, maybeTensor(call, 2) ?? null, { stride, padBegin: begin, padEnd: end, dilation, groups, transposed: true, outputPadding: extra });
}

/** Coordinates of a flat position over sizes given by run-time scalars, row-major. */
function unraveled(flat: Expr, sizes: readonly Expr[]): Expr[] {
  const out: Expr[] = [];
  let rest = flat;
  for (let i = sizes.length - 1; i > 0; i--) {
    const n = sizes[i] ?? constant(1, "index");
    out.unshift(remOf(rest, n));
    rest = quotOf(rest, n);
  }
  return [rest, ...out];
}

/** Each kernel position samples the input at its own fractional offset; the samples are then multiplied as a matrix. */
function deformConv(ctx: Context, call: OnnxCall): Tensor {
  const [x, w, offset] = [tensorAt(call, 0), tensorAt(call, 1), tensorAt(call, 2)];
  const [bias, mask] = [maybeTensor(call, 3), maybeTensor(call, 4)];
  const groups = call.attributes.int("group", 1);
  const offsetGroups = call.attributes.int("offset_group", 1);
  checkChannels(x, w, groups, false);
  const axes = x.rank - 2;
  const kernel = w.shape.slice(2);
  const windows = windowsOf(call, x.shape.slice(2), kernel);
  const [n = 0, channels = 0] = x.shape;
  const positions = numelOf(kernel);
  const places = numelOf(windows.out);
  const operands = mask === undefined ? [x, offset] : [x, offset, mask];
  // Per axis: input size, kernel size, output size, stride, pad, dilation; then channels per offset group and kernel positions.
  const scalars = [
    ...x.shape.slice(2),
    ...kernel,
    ...windows.out,
    ...windows.stride,
    ...windows.padBegin,
    ...windows.dilation,
    channels / offsetGroups,
    positions,
  ];
  const types: ExprType[] = scalars.map(() => "index");
  const columns = computeOf(ctx, "deformed_columns", `${axes}`, [n, channels, positions, places], operands, x.dtype, types, scalars, () => {
    const fact = (which: number): Expr[] => Array.from({ length: axes }, (_, i) => size(which * axes + i));
    const [input, kernels, outs, strides, pads, dilations] = [fact(0), fact(1), fact(2), fact(3), fact(4), fact(5)];
    const [batch, channel, position, place] = [index(0), index(1), index(2), index(3)];
    const group = quotOf(channel, size(6 * axes));
    const [k, o] = [unraveled(position, kernels), unraveled(place, outs)];
    const row = addOf(mulOf(group, size(6 * axes + 1)), position);
    const at = k.map((e, i) => {
      const base = subOf(addOf(mulOf(o[i] ?? e, strides[i] ?? e), mulOf(e, dilations[i] ?? e)), pads[i] ?? e);
      const shift = load(1, computeType(offset.dtype), [batch, addOf(mulOf(row, constant(axes, "index")), constant(i, "index")), ...o]);
      return new Num(cast(base, "f64")).add(new Num(shift).to("f64"));
    });
    let value = multilinear(at, (where) => {
      const inside = where
        .map((e, i) => binary("and", binary("ge", e, constant(0, "index")), binary("lt", e, input[i] ?? e)))
        .reduce((p, q) => binary("and", p, q));
      return new Num(loadParts(0, x.dtype, [batch, channel, ...where], inside)[0] ?? constant(0, "f32")).to("f64");
    });
    if (mask !== undefined) value = value.mul(new Num(load(2, computeType(mask.dtype), [batch, row, ...o])).to("f64"));
    return { parts: outputParts(value, x.dtype) };
  });
  const outputs = w.shape[0] ?? 0;
  const rows = (channels / groups) * positions;
  const product = matmul(ctx, reshaped(ctx, w, [1, groups, outputs / groups, rows]), reshaped(ctx, columns, [n, groups, rows, places]));
  const result = reshaped(ctx, product, [n, outputs, ...windows.out]);
  return bias === undefined ? result : apply(ctx, added, [result, alongChannels(bias, x.rank)]);
}

/** Columns `[N, C * prod(block), L]` added up where their blocks overlap. */
function* col2im(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const x = tensorAt(call, 0);
  const image = (yield* integersAt(call, 1)) ?? [];
  const block = (yield* integersAt(call, 2)) ?? [];
  const axes = image.length;
  const { out, stride, dilation, padBegin } = windowsOf(call, image, block);
  const positions = numelOf(block);
  const [n = 0, rows = 0, columns = 0] = x.shape;
  const channels = rows / positions;
  if (x.rank !== 3 || !Number.isInteger(channels) || columns !== numelOf(out))
    throw new OpwiseError("shape-mismatch", `Col2Im of shape [${x.shape.join(", ")}] to an image of [${image.join(", ")}] by blocks of [${block.join(", ")}]`);
  // One more place than the image has, for what falls into the padding.
  const target = filled(ctx, [n * channels, numelOf(image) + 1], x.dtype, int(0));
  const scalars = [...image, ...block, ...out, ...stride, ...padBegin, ...dilation, positions, channels];
  const program = programs(`col2im ${x.dtype},${axes}`, () => {
    const fact = (which: number): Expr[] => Array.from({ length: axes }, (_, i) => size(which * axes + i));
    const [sizes, blocks, outs, strides, pads, dilations] = [fact(0), fact(1), fact(2), fact(3), fact(4), fact(5)];
    const [count, perSample] = [size(6 * axes), size(6 * axes + 1)];
    const [k, o] = [unraveled(remOf(index(1), count), blocks), unraveled(index(2), outs)];
    const at = k.map((e, i) => subOf(addOf(mulOf(o[i] ?? e, strides[i] ?? e), mulOf(e, dilations[i] ?? e)), pads[i] ?? e));
    const inside = at.map((e, i) => binary("and", binary("ge", e, constant(0, "index")), binary("lt", e, sizes[i] ?? e))).reduce((p, q) => binary("and", p, q));
    const flat = at.reduce((p, e, i) => addOf(mulOf(p, sizes[i] ?? e), e));
    const end = sizes.reduce((p, q) => mulOf(p, q));
    const plane = addOf(mulOf(index(0), perSample), quotOf(index(1), count));
    return {
      name: "col2im",
      operands: [x.dtype],
      scalars: scalars.map((): ExprType => "index"),
      messages: [],
      outputs: [
        { dtype: "int64", parts: [plane] },
        { dtype: "int64", parts: [new Num(inside).where(new Num(flat), new Num(end)).re] },
        { dtype: x.dtype, parts: loadParts(0, x.dtype, [index(0), index(1), index(2)]) },
      ],
    };
  });
  scatterInto(ctx, target, program, x.shape, [x], scalars, "add");
  return reshaped(ctx, narrowed(target, 1, 0, numelOf(image)), [n, channels, ...image]);
}

export const convolutionOps: readonly OnnxOp[] = [
  onnxOp("Conv", { 1: { run: (ctx, call) => convolved(ctx, call, tensorAt(call, 0), tensorAt(call, 1), maybeTensor(call, 2) ?? null) } }),
  onnxOp("ConvTranspose", { 1: { run: convTranspose } }),
  onnxOp("DeformConv", { 19: { run: deformConv } }),
  onnxOp("Col2Im", { 18: { reads: col2im } }),
];
