/** Training's imitation of quantising (PyTorch: fake_quantize_*, their learnable forms, fused_moving_avg_obs_fake_quant): numbers rounded to a grid. */

import { arg, type ExprType, scalar } from "../../expr/expr.ts";
import { copyInto, copyOf, map } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType } from "../../prims/program.ts";
import { flattened, reshaped } from "../../prims/views.ts";
import { isFloat, opmathOf, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { chosenOf, extremes } from "../quantized/choose.ts";
import { along, f32, mapOne, numOf, once, roundHalfEven } from "../quantized/codes.ts";
import { resize } from "../registry.ts";
import { numbersOf } from "./element.ts";
import { fill, filled } from "./filling.ts";
import { extremum } from "./reduction.ts";

/** The numbers of 0-dim (or one-element) parameters. */
export function* tensorParameters(scale: Tensor, zero: Tensor): Generator<Tensor, [number, number], void> {
  yield scale;
  yield zero;
  return [numbersOf(scale)[0] ?? 1, Math.trunc(numbersOf(zero)[0] ?? 0)];
}

/** Numbers rounded to a grid, and where they lay inside it. Scale and zero point are operands. */
function fakeQuantized(ctx: Context, x: Tensor, scale: Tensor, zero: Tensor, first: number, last: number): [Tensor, Tensor] {
  const dtype = x.dtype;
  const type: ExprType = computeType(opmathOf(dtype));
  const program = once(`fake_quantize,${dtype},${scale.dtype},${zero.dtype},${first},${last}`, () => {
    const value = numOf(arg(0, computeType(dtype))).to(type);
    const s = numOf(arg(1, computeType(scale.dtype))).to("f32");
    const inverse = s.reciprocal().to(type);
    const z = numOf(arg(2, computeType(zero.dtype)));
    const shift = (isFloat(zero.dtype) ? z : z.to("f32")).to("f64");
    const scaled = value.mul(inverse);
    const whole = isFloat(zero.dtype) ? scaled.add(shift.to(type)).rint().to("f64") : scaled.rint().to("f64").add(shift);
    const cut = whole.max(first).min(last);
    const result = cut.sub(shift).to(type).mul(s.to(type));
    return {
      name: "fake_quantize",
      operands: [dtype, scale.dtype, zero.dtype],
      scalars: [],
      outputs: [
        { dtype, parts: [result.to(computeType(dtype)).re] },
        { dtype: "bool" as const, parts: [whole.ge(first).and(whole.le(last)).re] },
      ],
    };
  });
  const [out = unreachable("output"), mask = unreachable("mask")] = map(ctx, program, [x, scale, zero]);
  return [out, mask];
}

const numberTensor = (value: number, dtype: "float32" | "int32"): Tensor => Tensor.from([value], [], dtype);

/** @throws bad-argument */
function checkRange(first: number, last: number): void {
  if (first > last) throw new OpwiseError("bad-argument", "`quant_min` should be less than or equal to `quant_max`.");
}

function fakePerTensor(ctx: Context, x: Tensor, scale: number, zero: number, first: number, last: number): [Tensor, Tensor] {
  checkRange(first, last);
  if (zero < first || zero > last) throw new OpwiseError("bad-argument", "`zero_point` must be between `quant_min` and `quant_max`.");
  return fakeQuantized(ctx, x, numberTensor(f32(scale), "float32"), numberTensor(zero, "int32"), first, last);
}
function fakeByTensors(ctx: Context, x: Tensor, scale: Tensor, zero: Tensor, first: number, last: number): [Tensor, Tensor] {
  checkRange(first, last);
  return fakeQuantized(ctx, x, reshaped(ctx, scale, []), reshaped(ctx, zero, []), first, last);
}
function fakePerChannel(ctx: Context, x: Tensor, scales: Tensor, zeros: Tensor, axis: number, first: number, last: number): [Tensor, Tensor] {
  checkRange(first, last);
  if (scales.rank !== 1) throw new OpwiseError("shape-mismatch", "scale should be a 1-D tensor");
  if (scales.numel !== x.shape[axis])
    throw new OpwiseError("shape-mismatch", "dimensions of scale and zero-point are not consistent with input tensor", { got: `${scales.numel}` });
  if (scales.dtype !== "float32" && scales.dtype !== "bfloat16")
    throw new OpwiseError("dtype-mismatch", `Scale must be Float or BFloat16, found ${scalarName(scales.dtype)}`);
  if (zeros.dtype !== "int32" && zeros.dtype !== "float32" && zeros.dtype !== "float16")
    throw new OpwiseError("dtype-mismatch", `Zero-point must be Int32, Float or Half, found ${scalarName(zeros.dtype)}`);
  return fakeQuantized(ctx, x, along(scales, axis, x.rank), along(zeros, axis, x.rank), first, last);
}

/** Zero points that were learned as numbers: rounded, halves to even, and cut to the grid. */
function roundedZeros(ctx: Context, zeros: Tensor, first: number, last: number): Tensor {
  const program = once(`rounded_zeros,${zeros.dtype}`, () => {
    const whole = numOf(arg(0, computeType(zeros.dtype)))
      .to("f64")
      .rint()
      .max(numOf(scalar(0, "f64")))
      .min(numOf(scalar(1, "f64")));
    return { name: "rounded_zeros", operands: [zeros.dtype], scalars: ["f64", "f64"], outputs: [{ dtype: "int32", parts: [whole.to("i32").re] }] };
  });
  return mapOne(ctx, program, [zeros], [first, last]);
}

/** What a fused observer remembers; all are written. Empty ones grow to the channels when they first see some. */
interface Observer {
  readonly min: Tensor;
  readonly max: Tensor;
  readonly scale: Tensor;
  readonly zeroPoint: Tensor;
}

interface Observation {
  readonly share: number;
  readonly first: number;
  readonly last: number;
  readonly axis: number;
  readonly perRow: boolean;
  readonly symmetric: boolean;
}

/** Moves a running bound towards a new one; an infinite one takes it over. */
function moveBound(ctx: Context, running: Tensor, seen: Tensor, share: number): void {
  const program = once("moving_bound", () => {
    const [old, now] = [numOf(arg(0, "f32")), numOf(arg(1, "f32"))];
    const moved = old.add(now.sub(old).mul(numOf(scalar(0, "f32"))));
    return {
      name: "moving_bound",
      operands: ["float32", "float32"],
      scalars: ["f32"],
      outputs: [{ dtype: "float32", parts: [old.abs().eq(Infinity).where(now, moved).re] }],
    };
  });
  copyInto(ctx, running, mapOne(ctx, program, [running, reshaped(ctx, seen, running.shape)], [f32(share)]));
}

function observe(ctx: Context, x: Tensor, { min, max }: Observer, { share, axis, perRow }: Observation): void {
  if (!perRow) {
    const [low, high] = extremes(ctx, x);
    moveBound(ctx, min, low, share);
    moveBound(ctx, max, high, share);
    return;
  }
  if (axis !== 0) throw new OpwiseError("bad-argument", "Per-channel FakeQuant in fused_moving_avg_obs_fake_quant is only supported on axis == 0");
  const rows = x.rank === 2 ? x : flattened(ctx, x, 1, -1);
  moveBound(ctx, min, extremum(ctx, rows, [1], false, false), share);
  moveBound(ctx, max, extremum(ctx, rows, [1], false, true), share);
}

/** Observes the range, chooses scale and zero point of it and rounds: each where it is switched on. Gives numbers and mask. */
function* observedFakeQuantize(
  ctx: Context,
  x: Tensor,
  observing: Tensor,
  rounding: Tensor,
  state: Observer,
  how: Observation,
): Generator<Tensor, [Tensor, Tensor], void> {
  yield observing;
  yield rounding;
  const { min, max, scale, zeroPoint } = state;
  const channels = x.shape[how.axis] ?? 1;
  if (how.perRow && min.numel === 0) {
    for (const t of [min, max, scale, zeroPoint]) resize(ctx, t, [channels]);
    fill(ctx, min, { kind: "float", value: Infinity });
    fill(ctx, max, { kind: "float", value: -Infinity });
  }
  if ((numbersOf(observing)[0] ?? 0) !== 0) observe(ctx, x, state, how);
  if ((numbersOf(rounding)[0] ?? 0) === 0) return [copyOf(ctx, x), filled(ctx, x.shape, "bool", { kind: "bool", value: true })];
  const [step, zero] = chosenOf(ctx, min, max, how.first, how.last, how.symmetric);
  copyInto(ctx, scale, reshaped(ctx, step, scale.shape));
  copyInto(ctx, zeroPoint, reshaped(ctx, zero, zeroPoint.shape));
  return how.perRow ? fakePerChannel(ctx, x, scale, zeroPoint, how.axis, how.first, how.last) : fakeByTensors(ctx, x, scale, zeroPoint, how.first, how.last);
}

const OBSERVED =
  "Tensor self, Tensor observer_on, Tensor fake_quant_on, Tensor(a!) running_min, Tensor(b!) running_max, Tensor(c!) scale, Tensor(d!) zero_point, float averaging_const, int quant_min, int quant_max, int ch_axis, bool per_row_fake_quant=False, bool symmetric_quant=False";

export const fakeQuantize: readonly Op[] = [
  op("aten::fake_quantize_per_tensor_affine(Tensor self, float scale, int zero_point, int quant_min, int quant_max) -> Tensor", {
    run: (ctx, x, scale, zero, first, last) => fakePerTensor(ctx, x, scale, zero, first, last)[0],
  }),
  op(
    "aten::fake_quantize_per_tensor_affine_cachemask(Tensor self, float scale, int zero_point, int quant_min, int quant_max) -> (Tensor output, Tensor mask)",
    { run: fakePerTensor },
  ),
  op("aten::fake_quantize_per_tensor_affine.tensor_qparams(Tensor self, Tensor scale, Tensor zero_point, int quant_min, int quant_max) -> Tensor", {
    run: (ctx, x, scale, zero, first, last) => fakeByTensors(ctx, x, scale, zero, first, last)[0],
  }),
  op(
    "aten::_fake_quantize_per_tensor_affine_cachemask_tensor_qparams(Tensor self, Tensor scale, Tensor zero_point, Tensor fake_quant_enabled, int quant_min, int quant_max) -> (Tensor output, Tensor mask)",
    {
      reads: function* (ctx, x, scale, zero, enabled, first, last) {
        yield enabled;
        if ((numbersOf(enabled)[0] ?? 0) !== 0) return fakeByTensors(ctx, x, scale, zero, first, last);
        const [, mask] = fakeByTensors(ctx, x, scale, zero, -Infinity, Infinity);
        return [copyOf(ctx, x), mask];
      },
    },
  ),
  op("aten::fake_quantize_per_channel_affine(Tensor self, Tensor scale, Tensor zero_point, int axis, int quant_min, int quant_max) -> Tensor", {
    run: (ctx, x, scale, zero, axis, first, last) => fakePerChannel(ctx, x, scale, zero, axis, first, last)[0],
  }),
  op(
    "aten::fake_quantize_per_channel_affine_cachemask(Tensor self, Tensor scale, Tensor zero_point, int axis, int quant_min, int quant_max) -> (Tensor output, Tensor mask)",
    { run: fakePerChannel },
  ),
  op(
    "aten::_fake_quantize_learnable_per_tensor_affine(Tensor self, Tensor scale, Tensor zero_point, int quant_min, int quant_max, float grad_factor=1.) -> Tensor",
    {
      reads: function* (ctx, x, scale, zero, first, last) {
        yield scale;
        yield zero;
        const z = Math.min(Math.max(roundHalfEven(numbersOf(zero)[0] ?? 0), first), last);
        return fakePerTensor(ctx, x, numbersOf(scale)[0] ?? 1, z, first, last)[0];
      },
    },
  ),
  op(
    "aten::_fake_quantize_learnable_per_channel_affine(Tensor self, Tensor scale, Tensor zero_point, int axis, int quant_min, int quant_max, float grad_factor=1.) -> Tensor",
    {
      run: (ctx, x, scale, zero, axis, first, last) => fakePerChannel(ctx, x, scale, roundedZeros(ctx, zero, first, last), axis, first, last)[0],
    },
  ),
  op(
    `aten::fused_moving_avg_obs_fake_quant(${OBSERVED}) -> Tensor` as "aten::fused_moving_avg_obs_fake_quant(Tensor self, Tensor observer_on, Tensor fake_quant_on, Tensor running_min, Tensor running_max, Tensor scale, Tensor zero_point, float averaging_const, int quant_min, int quant_max, int ch_axis, bool per_row_fake_quant=False, bool symmetric_quant=False) -> Tensor",
    {
      reads: function* (ctx, x, observing, rounding, min, max, scale, zeroPoint, share, first, last, axis, perRow, symmetric) {
        if (x.numel === 0) return copyOf(ctx, x);
        return (yield* observedFakeQuantize(ctx, x, observing, rounding, { min, max, scale, zeroPoint }, { share, first, last, axis, perRow, symmetric }))[0];
      },
    },
  ),
  op(
    `aten::_fused_moving_avg_obs_fq_helper(${OBSERVED}) -> (Tensor output, Tensor mask)` as "aten::f(Tensor self, Tensor observer_on, Tensor fake_quant_on, Tensor running_min, Tensor running_max, Tensor scale, Tensor zero_point, float averaging_const, int quant_min, int quant_max, int ch_axis, bool per_row_fake_quant=False, bool symmetric_quant=False) -> (Tensor output, Tensor mask)",
    {
      reads: (ctx, x, observing, rounding, min, max, scale, zeroPoint, share, first, last, axis, perRow, symmetric) =>
        observedFakeQuantize(ctx, x, observing, rounding, { min, max, scale, zeroPoint }, { share, first, last, axis, perRow, symmetric }),
    },
  ),
  op(
    "aten::_fused_moving_avg_obs_fq_helper_functional(Tensor self, Tensor observer_on, Tensor fake_quant_on, Tensor running_min, Tensor running_max, Tensor scale, Tensor zero_point, float averaging_const, int quant_min, int quant_max, int ch_axis, bool per_row_fake_quant=False, bool symmetric_quant=False) -> (Tensor output, Tensor mask, Tensor running_min_out, Tensor running_max_out, Tensor scale_out, Tensor zero_point_out)",
    {
      reads: function* (ctx, x, observing, rounding, min, max, scale, zeroPoint, share, first, last, axis, perRow, symmetric) {
        const state = { min: copyOf(ctx, min), max: copyOf(ctx, max), scale: copyOf(ctx, scale), zeroPoint: copyOf(ctx, zeroPoint) };
        const results = yield* observedFakeQuantize(ctx, x, observing, rounding, state, { share, first, last, axis, perRow, symmetric });
        return [...results, state.min, state.max, state.scale, state.zeroPoint];
      },
    },
  ),
];
