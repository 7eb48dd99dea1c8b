/** Convolution with learned sampling places (torchvision: deform_conv2d): sampled columns, then one contract per group. */

import { arg, binary, cast, constant, index, load, scalar } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { compute, contract, copyInto, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { narrowed } from "../../prims/views.ts";
import { type DType, opmathOf } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { outputParts } from "../elementwise.ts";
import { addOf, memo, mulOf, quotOf, remOf } from "../aten/memo.ts";
import { contiguous } from "../../prims/calls.ts";
import { borderedSample } from "./bilinear.ts";

const programs = memo<Program>();
const SLOTS = ["height", "width", "kernelY", "kernelX", "strideY", "strideX", "padY", "padX", "dilationY", "dilationX", "columns", "perGroup"] as const;
const at = (name: (typeof SLOTS)[number]): ReturnType<typeof scalar> => scalar(SLOTS.indexOf(name), "index");

/** `[N, C * kh * kw, oh * ow]`; `perGroup` channels share their offsets. */
function columnsProgram(dtype: DType, masked: boolean): Program {
  return programs(`${dtype},${masked}`, () => {
    const own = computeType(dtype);
    const type = computeType(opmathOf(dtype));
    const real = (e: ReturnType<typeof index>): Num => new Num(cast(e, type));
    const taps = mulOf(at("kernelY"), at("kernelX"));
    const [row, position] = [index(1), index(2)];
    const [channel, tap] = [quotOf(row, taps), remOf(row, taps)];
    const [oy, ox] = [quotOf(position, at("columns")), remOf(position, at("columns"))];
    const group = quotOf(channel, at("perGroup"));
    const shift = addOf(mulOf(group, mulOf(taps, constant(2, "index"))), mulOf(tap, constant(2, "index")));
    const offset = (which: 0 | 1): Num => new Num(load(1, own, [index(0), which === 0 ? shift : addOf(shift, constant(1, "index")), oy, ox])).to(type);
    const y = real(binary("sub", addOf(mulOf(oy, at("strideY")), mulOf(quotOf(tap, at("kernelX")), at("dilationY"))), at("padY"))).add(offset(0));
    const x = real(binary("sub", addOf(mulOf(ox, at("strideX")), mulOf(remOf(tap, at("kernelX")), at("dilationX"))), at("padX"))).add(offset(1));
    const value = borderedSample(y, x, real(at("height")), real(at("width")), (i, j, inside) => new Num(load(0, own, [index(0), channel, i, j], 0, inside, constant(0, own))).to(type));
    const scaled = masked ? value.mul(new Num(load(2, own, [index(0), addOf(mulOf(group, taps), tap), oy, ox])).to(type)) : value;
    return { name: "deformable_columns", operands: masked ? [dtype, dtype, dtype] : [dtype, dtype], scalars: SLOTS.map(() => "index" as const), outputs: [{ dtype, parts: outputParts(scaled, dtype) }], messages: [] };
  });
}

/** The product plus a bias per row. */
function biasProgram(dtype: DType): Program {
  return programs(`bias,${dtype}`, () => {
    const type = computeType(opmathOf(dtype));
    const sum = new Num(arg(0, computeType(opmathOf(dtype)))).to(type).add(new Num(arg(1, computeType(dtype))).to(type));
    return { name: "add_bias", operands: [opmathOf(dtype), dtype], scalars: [], outputs: [{ dtype, parts: outputParts(sum, dtype) }], messages: [] };
  });
}

const list = (t: Tensor): string => `[${t.shape.join(", ")}]`;

function deformable(
  ctx: Context, x: Tensor, weight: Tensor, offset: Tensor, mask: Tensor, bias: Tensor, strideY: number, strideX: number, padY: number, padX: number, dilationY: number, dilationX: number,
  groups: number, offsetGroups: number, useMask: boolean,
): Tensor {
  if (x.rank !== 4 || weight.rank !== 4 || offset.rank !== 4) throw new OpwiseError("shape-mismatch", "deform_conv2d: input, weight and offset must be 4-D", { got: `${list(x)}, ${list(weight)}, ${list(offset)}` });
  const [n = 0, channels = 0, height = 0, width = 0] = x.shape;
  const [outputs = 0, perGroup = 0, kernelY = 0, kernelX = 0] = weight.shape;
  const rows = Math.floor((height + 2 * padY - (dilationY * (kernelY - 1) + 1)) / strideY) + 1;
  const columns = Math.floor((width + 2 * padX - (dilationX * (kernelX - 1) + 1)) / strideX) + 1;
  if (perGroup * groups !== channels || outputs % groups !== 0) throw new OpwiseError("shape-mismatch", `weight.size(1) * n_weight_grps must be equal to input.size(1)`, { got: `${list(weight)} for ${list(x)}` });
  if (channels % offsetGroups !== 0) throw new OpwiseError("shape-mismatch", "input.size(1) must be a multiple of the number of offset groups", { got: `${channels} and ${offsetGroups}` });
  const taps = kernelY * kernelX;
  if (offset.shape[1] !== offsetGroups * 2 * taps) throw new OpwiseError("shape-mismatch", `offset.shape[1] is not valid: got: ${offset.shape[1]} expected: ${offsetGroups * 2 * taps}`);
  if (useMask && mask.shape[1] !== offsetGroups * taps) throw new OpwiseError("shape-mismatch", `mask.shape[1] is not valid: got: ${mask.shape[1]} expected: ${offsetGroups * taps}`);
  if (rows <= 0 || columns <= 0) throw new OpwiseError("shape-mismatch", `Calculated output size too small - out_h: ${rows} out_w: ${columns}`);
  if (offset.shape[0] !== n || offset.shape[2] !== rows || offset.shape[3] !== columns) throw new OpwiseError("shape-mismatch", `offset output dims: (${offset.shape[2]}, ${offset.shape[3]}) - computed output dims: (${rows}, ${columns})`);
  const out = empty(ctx, [n, outputs, rows, columns], x.dtype);
  if (out.numel === 0) return out;
  const operands = useMask ? [x, offset, mask] : [x, offset];
  const sampled = compute(ctx, columnsProgram(x.dtype, useMask), [n, channels * taps, rows * columns], operands, [height, width, kernelY, kernelX, strideY, strideX, padY, padX, dilationY, dilationX, columns, channels / offsetGroups])[0] ?? unreachable("columns");
  const flat = contiguous(ctx, weight);
  const [depth, own, plane] = [perGroup * taps, outputs / groups, rows * columns];
  const target = viewOf(out, [n, outputs, plane], [outputs * plane, plane, 1], 0);
  for (let g = 0; g < groups; g++) {
    const w = viewOf(flat, [1, own, depth], [0, depth, 1], flat.offset + g * own * depth);
    const b = viewOf(bias, [1, own, 1], [0, bias.strides[0] ?? 1, 0], bias.offset + g * own * (bias.strides[0] ?? 1));
    copyInto(ctx, narrowed(target, 1, g * own, own), contract(ctx, w, narrowed(sampled, 1, g * depth, depth), x.dtype, { program: biasProgram(x.dtype), operands: [b] }));
  }
  return out;
}

export const deformables: readonly Op[] = [
  op("torchvision::deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, SymInt offset_groups, bool use_mask) -> Tensor", { run: deformable }),
];
