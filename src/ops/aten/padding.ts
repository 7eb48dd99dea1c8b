/** Padding: constant, reflected, replicated and circular borders (PyTorch: pad, constant_pad_nd, reflection_pad ...). Cropping is negative padding. */

import { binary, constant, type Expr, index, load, scalar, select } from "../../expr/expr.ts";
import type { Scalar } from "../../ir/datum.ts";
import { compute, copyOf, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { suggestsChannelsLast } from "../../prims/convolve.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { narrowed } from "../../prims/views.ts";
import { type DType, isComplex } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { channelsLastStrides, contiguousStrides } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { scalarValue } from "../elementwise.ts";
import { addOf, loadParts, memo, mulOf, subOf } from "./memo.ts";
import { affineOf, codeOfNumber, perTensor, withoutKernel } from "../quantized/codes.ts";
import { floatOf } from "./element.ts";

type Numbers = readonly number[];
type Mode = "constant" | "reflect" | "replicate" | "circular";

const programs = memo<Program>();
const zero = constant(0, "index");

/** The source coordinate of an output coordinate; scalars 2k and 2k + 1 are axis k's padding before and its size. */
function source(mode: Mode, axis: number, slot: number): Expr {
  const [before, size] = [scalar(slot, "index"), scalar(slot + 1, "index")];
  const at = subOf(index(axis), before);
  const last = subOf(size, constant(1, "index"));
  switch (mode) {
    case "constant": return at;
    case "replicate": return binary("max", binary("min", at, last), zero);
    case "circular": return select(binary("lt", at, zero), addOf(at, size), select(binary("ge", at, size), subOf(at, size), at));
    case "reflect": {
      // Folded once at 0 and once at the last element.
      const folded = select(binary("lt", at, zero), subOf(zero, at), at);
      return select(binary("gt", folded, last), subOf(mulOf(last, constant(2, "index")), folded), folded);
    }
    default: return mode satisfies never;
  }
}

function padProgram(mode: Mode, dtype: DType, rank: number, axes: number): Program {
  return programs(`${mode},${dtype},${rank},${axes}`, () => {
    const lead = rank - axes;
    const type = computeType(dtype);
    const at: Expr[] = Array.from({ length: lead }, (_, i) => index(i));
    let inside: Expr | undefined;
    for (let k = 0; k < axes; k++) {
      const position = source(mode, lead + k, 2 * k);
      at.push(position);
      if (mode !== "constant") continue;
      const here = binary("and", binary("ge", position, zero), binary("lt", position, scalar(2 * k + 1, "index")));
      inside = inside === undefined ? here : binary("and", inside, here);
    }
    const sizes = Array.from({ length: 2 * axes }, () => "index" as const);
    if (mode !== "constant") return { name: `pad_${mode}`, operands: [dtype], scalars: sizes, outputs: [{ dtype, parts: loadParts(0, dtype, at) }], messages: [] };
    const parts = Array.from({ length: isComplex(dtype) ? 2 : 1 }, (_, part) => load(0, type, at, part === 1 ? 1 : 0, inside, scalar(2 * axes + part, type)));
    return { name: "pad_constant", operands: [dtype], scalars: [...sizes, ...parts.map(() => type)], outputs: [{ dtype, parts }], messages: [] };
  });
}

/** Runs a padding of the trailing axes; `pad` holds before and after of the last axis first. Region `pad`. */
function padded(ctx: Context, x: Tensor, pad: Numbers, mode: Mode, fill: Scalar = { kind: "int", value: 0 }): Tensor {
  const axes = pad.length / 2;
  const lead = x.rank - axes;
  const before = Array.from({ length: axes }, (_, k) => pad[2 * (axes - 1 - k)] ?? 0);
  const after = Array.from({ length: axes }, (_, k) => pad[2 * (axes - 1 - k) + 1] ?? 0);
  const shape = x.shape.map((size, i) => (i < lead ? size : size + (before[i - lead] ?? 0) + (after[i - lead] ?? 0)));
  const out = empty(ctx, shape, x.dtype, suggestsChannelsLast(x) ? channelsLastStrides(shape) : contiguousStrides(shape));
  out.quantizer = x.quantizer;
  if (out.numel === 0) return out;
  const type = computeType(x.dtype);
  const value = fill.kind === "complex" ? [fill.re, fill.im] : [Number(fill.value), 0];
  const bare = fill.kind === "complex" ? [scalarValue(fill.re, type), scalarValue(fill.im, type)] : [scalarValue(fill.value, type), scalarValue(0, type)];
  const scalars = [...before.flatMap((b, k) => [b, x.shape[lead + k] ?? 0]), ...(mode === "constant" ? bare.slice(0, isComplex(x.dtype) ? 2 : 1) : [])];
  ctx.region({ kind: "region", name: "pad", operands: [x], results: [out], params: { mode, before: [...Array.from({ length: lead }, () => 0), ...before], after: [...Array.from({ length: lead }, () => 0), ...after], value: value[0] ?? 0, imaginary: value[1] ?? 0 } }, () => {
    compute(ctx, padProgram(mode, x.dtype, x.rank, axes), shape, [x], scalars, [out]);
  });
  return out;
}

const list = (values: Numbers): string => `[${values.join(", ")}]`;

function constantPad(ctx: Context, x: Tensor, pad: Numbers, value: Scalar): Tensor {
  if (pad.length % 2 !== 0) throw new OpwiseError("bad-argument", "Length of pad must be even but instead it equals " + String(pad.length));
  if (pad.length > 2 * x.rank) throw new OpwiseError("bad-argument", `Length of pad should be no more than twice the number of dimensions of the input. Pad length is ${pad.length} while the input has ${x.rank} dimensions.`);
  if (pad.length === 0) return copyOf(ctx, x);
  x.shape.forEach((size, axis) => {
    const at = 2 * (x.rank - 1 - axis);
    const [left, right] = [pad[at] ?? 0, pad[at + 1] ?? 0];
    if (size + left + right < 0) {
      throw new OpwiseError("shape-mismatch", `The input size ${size}, plus negative padding ${left} and ${right} resulted in a negative output size, which is invalid. Check dimension ${axis} of your input.`);
    }
  });
  return padded(ctx, x, pad, "constant", x.quantizer === undefined ? value : { kind: "int", value: codeOfNumber(floatOf(value), affineOf(x, "constant_pad_nd"), x.dtype) });
}

/** `reflect` and `replicate` over the last one to three axes. */
function borderPad(ctx: Context, x: Tensor, pad: Numbers, mode: "reflect" | "replicate"): Tensor {
  const axes = pad.length / 2;
  const name = mode === "reflect" ? "reflection" : "replication";
  if (pad.length !== 2 * axes || axes < 1 || axes > 3) throw new OpwiseError("bad-argument", `padding size is expected to be 2, 4 or 6, but got: ${pad.length}`);
  if (x.rank !== axes + 1 && x.rank !== axes + 2) throw new OpwiseError("shape-mismatch", `Expected ${axes + 1}D or ${axes + 2}D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but got: ${list(x.shape)}`);
  if (x.shape.slice(x.rank - axes - 1).some((size) => size === 0)) {
    throw new OpwiseError("shape-mismatch", `Expected ${axes + 1}D or ${axes + 2}D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but got: ${list(x.shape)}`);
  }
  if (x.dtype === "bool") throw new OpwiseError("unsupported-dtype", `"${name}_pad${axes}d" not implemented for 'Bool'`);
  for (let k = 0; k < axes; k++) {
    const axis = x.rank - 1 - k;
    const [left, right, size] = [pad[2 * k] ?? 0, pad[2 * k + 1] ?? 0, x.shape[axis] ?? 0];
    if (mode === "reflect" && (left >= size || right >= size)) {
      throw new OpwiseError("bad-argument", `Argument #${4 + 2 * k}: Padding size should be less than the corresponding input dimension, but got: padding (${left}, ${right}) at dimension ${axis} of input ${list(x.shape)}`);
    }
    if (size + left + right < 1) throw new OpwiseError("shape-mismatch", `input (${axis}: ${size}) is too small. Calculated output ${size + left + right}`, { where: { op: `${name}_pad${axes}d` } });
  }
  return padded(ctx, x, pad, mode);
}

function circularPad(ctx: Context, x: Tensor, pad: Numbers): Tensor {
  const axes = pad.length / 2;
  if (!Number.isInteger(axes) || axes > x.rank) throw new OpwiseError("bad-argument", `Invalid padding size ${pad.length} for an input of ${x.rank} dimensions`);
  for (let k = 0; k < axes; k++) {
    const size = x.shape[x.rank - 1 - k] ?? 0;
    const [left, right] = [pad[2 * k] ?? 0, pad[2 * k + 1] ?? 0];
    if (left > size || right > size) throw new OpwiseError("bad-argument", "Padding value causes wrapping around more than once.");
    if (size + left + right < 0) throw new OpwiseError("bad-argument", "Negative padding value is resulting in an empty dimension");
  }
  // Negative padding crops first; what is left is what wraps around.
  let cropped = x;
  for (let k = 0; k < axes; k++) {
    const axis = x.rank - 1 - k;
    const [left, right] = [Math.max(-(pad[2 * k] ?? 0), 0), Math.max(-(pad[2 * k + 1] ?? 0), 0)];
    if (left + right > 0) cropped = narrowed(cropped, axis, left, (x.shape[axis] ?? 0) - left - right);
  }
  return padded(ctx, cropped, pad.map((p) => Math.max(p, 0)), "circular");
}

/** In the order of their numbers in `_pad_enum`. */
const MODES: readonly Mode[] = ["reflect", "replicate", "circular", "constant"];

/** torch.nn.functional.pad. */
function pad(ctx: Context, x: Tensor, sizes: Numbers, mode: string, value: number | null): Tensor {
  if (sizes.length % 2 !== 0) throw new OpwiseError("bad-argument", "Padding length must be divisible by 2");
  if (sizes.length > 2 * x.rank) throw new OpwiseError("bad-argument", `Padding length should be less than or equal to two times the input dimension but got padding length ${sizes.length} and input of dimension ${x.rank}`);
  if (mode === "constant") return constantPad(ctx, x, sizes, { kind: "float", value: value ?? 0 });
  if (value !== null && value !== 0) throw new OpwiseError("bad-argument", `Padding mode "${mode}" doesn't take in value argument`);
  const axes = sizes.length / 2;
  const fits = (axes === 1 && (x.rank === 2 || x.rank === 3)) || (axes === 2 && (x.rank === 3 || x.rank === 4)) || (axes === 3 && (x.rank === 4 || x.rank === 5));
  if (!fits) throw new OpwiseError("bad-argument", "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now");
  if (mode === "circular") return circularPad(ctx, x, sizes);
  if (mode === "reflect" || mode === "replicate") return borderPad(ctx, x, sizes, mode);
  throw new OpwiseError("bad-argument", `Unrecognised padding mode ${mode}`, { wanted: MODES.join(", ") });
}

/** Codes are padded with a number, or mirrored over one or two axes. */
function padCodes(ctx: Context, x: Tensor, sizes: Numbers, mode: string, value: number | null): Tensor {
  const axes = sizes.length / 2;
  if (mode === "replicate" || (mode === "reflect" && axes === 3)) throw withoutKernel(`aten::${mode === "reflect" ? "reflection" : "replication"}_pad${axes}d.out`);
  if (mode === "circular") throw withoutKernel("aten::new_empty");
  const { scale, zeroPoint } = affineOf(x, "pad");
  const out = pad(ctx, x, sizes, mode, value);
  out.quantizer = perTensor(scale, zeroPoint);
  return out;
}

const reflect = (ctx: Context, x: Tensor, sizes: Numbers): Tensor => borderPad(ctx, x, sizes, "reflect");
const replicate = (ctx: Context, x: Tensor, sizes: Numbers): Tensor => borderPad(ctx, x, sizes, "replicate");

export const paddings: readonly Op[] = [
  op("aten::constant_pad_nd(Tensor self, SymInt[] pad, Scalar value=0) -> Tensor", { run: constantPad, quantised: "codes" }),
  op('aten::pad(Tensor self, SymInt[] pad, str mode="constant", float? value=None) -> Tensor', { run: pad, quantised: padCodes }),
  op("aten::_pad_enum(Tensor self, SymInt[] pad, int mode, float? value=None) -> Tensor", {
    run: (ctx, x, sizes, mode, value) => pad(ctx, x, sizes, MODES[mode] ?? String(mode), value), quantised: (ctx, x, sizes, mode, value) => padCodes(ctx, x, sizes, MODES[mode] ?? String(mode), value),
  }),
  op("aten::_pad_circular(Tensor self, SymInt[] pad) -> Tensor", { run: circularPad }),
  op("aten::reflection_pad1d(Tensor self, SymInt[2] padding) -> Tensor", { run: reflect, quantised: "codes" }),
  op("aten::reflection_pad2d(Tensor self, SymInt[4] padding) -> Tensor", { run: reflect, quantised: "codes" }),
  op("aten::reflection_pad3d(Tensor self, SymInt[6] padding) -> Tensor", { run: reflect }),
  op("aten::replication_pad1d(Tensor self, SymInt[2] padding) -> Tensor", { run: replicate }),
  op("aten::replication_pad2d(Tensor self, SymInt[4] padding) -> Tensor", { run: replicate }),
  op("aten::replication_pad3d(Tensor self, SymInt[6] padding) -> Tensor", { run: replicate }),
];
