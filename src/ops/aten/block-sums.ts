/** Overlapping blocks summed into pictures (PyTorch: fold's col2im). */

import { binary, cast, constant, type Expr, fold, index, load, scalar, select } from "../../expr/expr.ts";
import { compute } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { squeezed, unsqueezed } from "../../prims/views.ts";
import { type DType, isComplex, isInt, opmathOf, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { addOf, memo, mulOf, quotOf, remOf, subOf, zeroOf } from "./memo.ts";

type Numbers = readonly number[];

const programs = memo<Program>();
const zero = constant(0, "index");
const SLOTS = ["height", "width", "kernelY", "kernelX", "dilationY", "dilationX", "padY", "padX", "strideY", "strideX", "blocksY", "blocksX"] as const;
/** A run-time size by name. */
const at = (name: (typeof SLOTS)[number]): Expr => scalar(SLOTS.indexOf(name), "index");
const slots = SLOTS.map(() => "index" as const);


/** `[N, C * kh * kw, blocks]` to `[N, C, H, W]`: each pixel sums the blocks that cover it, in the kernel's order. */
function pictureProgram(dtype: DType): Program {
  return programs(`picture,${dtype}`, () => {
    const type = computeType(opmathOf(dtype));
    const parts = isComplex(dtype) ? ([0, 1] as const) : ([0] as const);
    const init = parts.map(() => zeroOf(type));
    const sums = fold(0, at("kernelY"), init, (outer, ky) =>
      fold(1, at("kernelX"), outer, (inner, kx) => {
        const y = subOf(addOf(index(2), at("padY")), mulOf(ky, at("dilationY")));
        const x = subOf(addOf(index(3), at("padX")), mulOf(kx, at("dilationX")));
        const aligned = (e: Expr, stride: Expr, blocks: Expr): Expr => binary("and", binary("and", binary("ge", e, zero), binary("eq", remOf(e, stride), zero)), binary("lt", quotOf(e, stride), blocks));
        const inside = binary("and", aligned(y, at("strideY"), at("blocksY")), aligned(x, at("strideX"), at("blocksX")));
        const row = addOf(mulOf(addOf(mulOf(index(1), at("kernelY")), ky), at("kernelX")), kx);
        const block = addOf(mulOf(quotOf(y, at("strideY")), at("blocksX")), quotOf(x, at("strideX")));
        return parts.map((part) => {
          const sum = inner[part] ?? unreachable("sum");
          const value = cast(load(0, computeType(dtype), [index(0), row, block], part, inside, zeroOf(computeType(dtype))), type);
          return select(inside, type === "bool" ? binary("or", sum, value) : binary("add", sum, value), sum);
        });
      }));
    return { name: "col2im", operands: [dtype], scalars: slots, outputs: [{ dtype, parts: sums.map((s) => cast(s, computeType(dtype))) }], messages: [] };
  });
}

interface Geometry {
  readonly scalars: number[];
  readonly blocksY: number;
  readonly blocksX: number;
}

function geometry(height: number, width: number, kernel: Numbers, dilation: Numbers, padding: Numbers, stride: Numbers): Geometry {
  const pair = (values: Numbers, what: string): [number, number] => {
    const [a, b] = values.length === 1 ? [values[0], values[0]] : values;
    if (a === undefined || b === undefined || values.length > 2) throw new OpwiseError("bad-argument", `It is expected ${what} equals to 2, but got size ${values.length}`);
    return [a, b];
  };
  const [[ky, kx], [dy, dx], [py, px], [sy, sx]] = [pair(kernel, "kernel_size"), pair(dilation, "dilation"), pair(padding, "padding"), pair(stride, "stride")];
  if (ky <= 0 || kx <= 0) throw new OpwiseError("bad-argument", `kernel size should be greater than zero, but got kernel_height: ${ky} kernel_width: ${kx}`);
  if (dy <= 0 || dx <= 0) throw new OpwiseError("bad-argument", `dilation should be greater than zero, but got dilation_height: ${dy} dilation_width: ${dx}`);
  if (py < 0 || px < 0) throw new OpwiseError("bad-argument", `padding should be non-negative, but got pad_height: ${py} pad_width: ${px}`);
  if (sy <= 0 || sx <= 0) throw new OpwiseError("bad-argument", `stride should be greater than zero, but got stride_height: ${sy} stride_width: ${sx}`);
  const blocks = (size: number, k: number, d: number, p: number, s: number): number => Math.floor((size + 2 * p - (d * (k - 1) + 1)) / s) + 1;
  const [blocksY, blocksX] = [blocks(height, ky, dy, py, sy), blocks(width, kx, dx, px, sx)];
  return { scalars: [height, width, ky, kx, dy, dx, py, px, sy, sx, blocksY, blocksX], blocksY, blocksX };
}

function picture(ctx: Context, input: Tensor, outputSize: Numbers, kernel: Numbers, dilation: Numbers, padding: Numbers, stride: Numbers): Tensor {
  if (isInt(input.dtype)) throw new OpwiseError("unsupported-dtype", `"col2im_out_cpu" not implemented for '${scalarName(input.dtype)}'`);
  if (input.rank !== 2 && input.rank !== 3) throw new OpwiseError("shape-mismatch", `Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for input, but got: [${input.shape.join(", ")}]`);
  const [h = 0, w = outputSize[0] ?? 0] = outputSize;
  const x = input.rank === 3 ? input : unsqueezed(input, 0);
  const [n = 0, rows = 0, blocks = 0] = x.shape;
  const g = geometry(h, w, kernel, dilation, padding, stride);
  const taps = (g.scalars[2] ?? 1) * (g.scalars[3] ?? 1);
  if (rows % taps !== 0) {
    throw new OpwiseError("shape-mismatch", `Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got input.size(1)=${rows} and kernel_size=(${g.scalars[2]}, ${g.scalars[3]}).`);
  }
  if (blocks !== g.blocksY * g.blocksX) {
    throw new OpwiseError("shape-mismatch", `Given output_size=(${h}, ${w}), kernel_size=(${kernel.join(", ")}), dilation=(${dilation.join(", ")}), padding=(${padding.join(", ")}), stride=(${stride.join(", ")}), expected size of input's dimension 2 to match the calculated number of sliding blocks ${g.blocksY} * ${g.blocksX} = ${g.blocksY * g.blocksX}, but got input.size(2)=${blocks}.`);
  }
  const out = compute(ctx, pictureProgram(x.dtype), [n, rows / taps, h, w], [x], g.scalars)[0] ?? unreachable("picture");
  return input.rank === 3 ? out : squeezed(out, [0]);
}

export const blockSums: readonly Op[] = [
  op("aten::col2im(Tensor self, SymInt[2] output_size, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> Tensor", { run: picture }),
];
