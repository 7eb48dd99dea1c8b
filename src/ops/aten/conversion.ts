/** Copies and conversions: to, clone, contiguous, copy_, fill_, and tensors as Python numbers. */

import type { Context } from "../../prims/context.ts";
import type { Scalar } from "../../ir/datum.ts";
import { copyInto, copyOf, empty, resolved } from "../../prims/calls.ts";
import { expanded } from "../../prims/views.ts";
import { type DType, dtypeOfTorch, isQuantized, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { sameShape } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { boolOf, complexScalar, floatOf, intOf, scalarOf } from "./element.ts";
import { fill, hasFormat, PRESERVE, stridesLike } from "./filling.ts";
import { quantised, quantizerOf } from "../quantized/codes.ts";

/** A copy in a memory format; a quantiser goes along. */
export function clone(ctx: Context, self: Tensor, format: number | null = null): Tensor {
  const out = copyOf(ctx, self, self.dtype, stridesLike(self, format));
  out.quantizer = self.quantizer;
  return out;
}

/** `to`: itself where nothing changes, else a copy. Lazy conjugates stay lazy only on itself. */
export function convert(ctx: Context, self: Tensor, dtype: DType, copy = false, format: number | null = null): Tensor {
  const keeps = format === null || format === PRESERVE || hasFormat(self, format);
  if (dtype === self.dtype) return !copy && keeps ? self : clone(ctx, self, format);
  if (isQuantized(dtype) || isQuantized(self.dtype)) throw new OpwiseError("dtype-mismatch", "Creation of quantized tensor requires quantized dtype like torch.quint8", { got: `${scalarName(self.dtype)} to ${scalarName(dtype)}`, hint: "use `quantize_per_tensor` or `dequantize`" });
  return copyOf(ctx, self, dtype, stridesLike(self, format));
}

const asDtype = (code: number | null, self: Tensor): DType => (code === null ? self.dtype : dtypeOfTorch(code));

function copyTo(ctx: Context, self: Tensor, source: Tensor): Tensor {
  if (self.quantizer !== undefined || source.quantizer !== undefined) return copyCodes(ctx, self, source);
  copyInto(ctx, self, source);
  return self;
}

/** Numbers become codes as the target has them; codes bring their quantiser along. */
function copyCodes(ctx: Context, self: Tensor, source: Tensor): Tensor {
  if (self.quantizer === undefined) {
    throw new OpwiseError("dtype-mismatch", "Copying from quantized Tensor to non-quantized Tensor is not allowed, please use dequantize to get a float Tensor from a quantized Tensor");
  }
  if (source.quantizer === undefined) {
    if (source.dtype !== "float32") throw new OpwiseError("dtype-mismatch", "Quantized copy only works with kFloat as source Tensor", { got: source.dtype });
    if (!sameShape(self.shape, source.shape)) throw new OpwiseError("shape-mismatch", "Quantized copy only works with Tensors with the same shape");
    quantised(ctx, source, self.dtype, self.quantizer, self);
    return self;
  }
  if (self.dtype !== source.dtype) throw new OpwiseError("dtype-mismatch", "Quantized Copy only works with same data type", { got: `${source.dtype} into ${self.dtype}` });
  copyInto(ctx, self, source);
  self.quantizer = source.quantizer;
  return self;
}

/** A new tensor of `self`'s layout with `source`'s elements (`copy`, the functional form of `copy_`). */
function copyOnto(ctx: Context, self: Tensor, source: Tensor): Tensor {
  return copyTo(ctx, empty(ctx, self.shape, self.dtype, stridesLike(self, null)), sameShape(self.shape, source.shape) ? source : expanded(source, self.shape));
}

/** Codes are copied with their quantiser; whole zero points are asked for. */
function cloneCodes(ctx: Context, self: Tensor, format: number | null): Tensor {
  const q = quantizerOf(self);
  if (q.scheme === "per_channel_affine_float_qparams") {
    throw new OpwiseError("bad-argument", "clone for quantized Tensor only works for       PerTensorAffine and PerChannelAffine qscheme right now", { got: q.scheme });
  }
  const out = clone(ctx, self, format);
  out.quantizer = q;
  return out;
}

/** Fills with a 0-dim tensor's value. @throws bad-argument */
function fillTensor(ctx: Context, self: Tensor, value: Tensor): Tensor {
  if (value.rank > 0) throw new OpwiseError("bad-argument", `fill_ only supports 0-dimension value tensor but got tensor with ${value.rank} dimensions.`);
  return copyTo(ctx, self, value);
}

const ZERO: Scalar = { kind: "int", value: 0 };

/** An op that gives a Python number of a tensor's one element. */
function reading(schema: string, value: (s: Scalar) => Scalar | number | bigint | boolean): Op {
  return op(schema as "aten::item(Tensor self) -> Scalar", {
    reads: function* (_ctx, self) {
      yield self;
      return value(scalarOf(self));
    },
    quantised: "numbers",
  });
}

/** Whether the one element is not zero. */
function truth(schema: string): Op {
  return op(schema as "aten::is_nonzero(Tensor self) -> bool", {
    reads: function* (_ctx, self) {
      if (self.numel !== 1) throw new OpwiseError("bad-argument", `Boolean value of Tensor with ${self.numel === 0 ? "no values" : "more than one value"} is ambiguous`);
      yield self;
      return boolOf(scalarOf(self));
    },
    quantised: "numbers",
  });
}

function implicit(self: Tensor): void {
  if (self.rank > 0) throw new OpwiseError("bad-argument", `Cannot input a tensor of dimension other than 0 as a scalar argument`);
}

function implicitly(schema: string, value: (s: Scalar) => Scalar | number | bigint | boolean): Op {
  return op(schema as "aten::ScalarImplicit(Tensor a) -> Scalar", {
    reads: function* (_ctx, self) {
      implicit(self);
      yield self;
      return value(scalarOf(self));
    },
  });
}

/** `complex(x, y)` where either is a tensor of one element. */
function complexForms(): Op[] {
  const others = ["float", "int", "bool"] as const;
  const part = function* (value: unknown): Generator<Tensor, number, void> {
    if (!(value instanceof Tensor)) return Number(value);
    yield value;
    return floatOf(scalarOf(value));
  };
  const form = (a: string, b: string): Op =>
    op(`aten::Complex.${a}_${b}(${a} x, ${b} y) -> complex` as "aten::Complex.Tensor_Tensor(Tensor a, Tensor b) -> complex", {
      reads: function* (_ctx, x, y) {
        const re = yield* part(x);
        return { kind: "complex", re, im: yield* part(y) };
      },
    });
  return [form("Tensor", "Tensor"), ...others.flatMap((other) => [form("Tensor", other), form(other, "Tensor")])];
}

export const conversion: readonly Op[] = [
  op("aten::to.device(Tensor(a) self, Device device, ScalarType dtype, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor(a)", {
    run: (ctx, self, _device, dtype, _async, copy, format) => convert(ctx, self, dtypeOfTorch(dtype), copy, format), quantised: "copies",
  }),
  op("aten::to.dtype(Tensor(a) self, ScalarType dtype, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor(a)", {
    run: (ctx, self, dtype, _async, copy, format) => convert(ctx, self, dtypeOfTorch(dtype), copy, format), quantised: "copies",
  }),
  op("aten::to.other(Tensor(a) self, Tensor other, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor(a)", {
    run: (ctx, self, other, _async, copy, format) => convert(ctx, self, other.dtype, copy, format), quantised: "copies",
  }),
  op("aten::to.dtype_layout(Tensor(a) self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor(a)", {
    run: (ctx, self, dtype, _layout, _device, _pin, _async, copy, format) => convert(ctx, self, asDtype(dtype, self), copy, format), quantised: "copies",
  }),
  op("aten::to.prim_Device(Tensor(a) self, Device? device, int? dtype=None, bool non_blocking=False, bool copy=False) -> Tensor(b|a)", {
    run: (ctx, self, _device, dtype, _async, copy) => convert(ctx, self, asDtype(dtype, self), copy), quantised: "copies",
  }),
  op("aten::to.prim_dtype(Tensor(a) self, int? dtype=None, bool non_blocking=False, bool copy=False) -> Tensor(b|a)", {
    run: (ctx, self, dtype, _async, copy) => convert(ctx, self, asDtype(dtype, self), copy), quantised: "copies",
  }),
  op("aten::to.prim_other(Tensor(a) self, bool non_blocking=False, bool copy=False) -> Tensor(b|a)", { run: (ctx, self, _async, copy) => convert(ctx, self, self.dtype, copy), quantised: "copies" }),
  op("aten::_to_copy(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, bool non_blocking=False, MemoryFormat? memory_format=None) -> Tensor", {
    run: (ctx, self, dtype, _layout, _device, _pin, _async, format) => convert(ctx, self, asDtype(dtype, self), true, format), quantised: "copies",
  }),
  op("aten::type_as(Tensor self, Tensor other) -> Tensor", { run: (ctx, self, other) => convert(ctx, self, other.dtype), quantised: "copies" }),
  op("aten::_autocast_to_full_precision(Tensor(a) self, bool cuda_enabled, bool cpu_enabled) -> Tensor(a)", { run: (_ctx, self) => self }),
  op("aten::_autocast_to_reduced_precision(Tensor(a) self, bool cuda_enabled, bool cpu_enabled, ScalarType cuda_dtype, ScalarType cpu_dtype) -> Tensor(a)", { run: (_ctx, self) => self, quantised: "copies" }),
  op("aten::chalf(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor", { run: (ctx, self, format) => convert(ctx, self, "complex32", false, format) }),
  op("aten::cpu(Tensor(a) self) -> Tensor(b|a)", { run: (_ctx, self) => self, quantised: "copies" }),
  op("aten::cuda(Tensor(a) self) -> Tensor(b|a)", { run: (_ctx, self) => self, quantised: "copies" }),
  ...([["Byte", "uint8"], ["Char", "int8"], ["Short", "int16"], ["Int", "int32"], ["Long", "int64"], ["Half", "float16"], ["Float", "float32"], ["Double", "float64"]] as const).map(([name, dtype]) =>
    op(`aten::_cast_${name}(Tensor self, bool non_blocking=False) -> Tensor`, { run: (ctx: Context, self: Tensor) => convert(ctx, self, dtype) }),
  ),
  op("aten::clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor", { run: clone, quantised: cloneCodes }),
  op("aten::contiguous(Tensor(a) self, *, MemoryFormat memory_format=0) -> Tensor(a)", {
    run: (ctx, self, format) => {
      if (format === PRESERVE) throw new OpwiseError("bad-argument", "preserve memory format is unsupported by the contiguous operator");
      return hasFormat(self, format) ? self : clone(ctx, self, format);
    },
    quantised: "copies",
  }),
  op("aten::lift_fresh_copy(Tensor self) -> Tensor", { run: (ctx, self) => clone(ctx, self), quantised: "copies" }),
  op("aten::detach_copy(Tensor self) -> Tensor", { run: (ctx, self) => clone(ctx, resolved(ctx, self), 0), quantised: "copies" }),
  op("aten::copy_(Tensor(a!) self, Tensor src, bool non_blocking=False) -> Tensor(a!)", {
    run: copyTo,
    quantised: "own",
  }),
  op("aten::copy_.Tensor(Tensor(a!) self, Tensor other) -> Tensor(a!)", { run: copyTo, quantised: "own" }),
  op("aten::copy_.int(Tensor(a!) self, int other) -> Tensor(a!)", { run: (ctx, self, value) => fill(ctx, self, { kind: "int", value }), quantised: "own" }),
  op("aten::copy_.float(Tensor(a!) self, float other) -> Tensor(a!)", { run: (ctx, self, value) => fill(ctx, self, { kind: "float", value }), quantised: "own" }),
  op("aten::copy(Tensor self, Tensor src, bool non_blocking=False) -> Tensor", { run: (ctx, self, source) => copyOnto(ctx, self, source) }),
  op("aten::fill_.Scalar(Tensor(a!) self, Scalar value) -> Tensor(a!)", { run: fill, quantised: "own" }),
  op("aten::fill_.Tensor(Tensor(a!) self, Tensor value) -> Tensor(a!)", { run: fillTensor, quantised: "own" }),
  op("aten::fill.Scalar(Tensor self, Scalar value) -> Tensor", { run: (ctx, self, value) => fill(ctx, empty(ctx, self.shape, self.dtype, stridesLike(self, null)), value) }),
  op("aten::fill.Tensor(Tensor self, Tensor value) -> Tensor", { run: (ctx, self, value) => fillTensor(ctx, empty(ctx, self.shape, self.dtype, stridesLike(self, null)), value) }),
  op("aten::zero_(Tensor(a!) self) -> Tensor(a!)", { run: (ctx, self) => fill(ctx, self, ZERO) }),
  op("aten::zero(Tensor self) -> Tensor", { run: (ctx, self) => fill(ctx, empty(ctx, self.shape, self.dtype, stridesLike(self, null)), ZERO) }),
  reading("aten::item(Tensor self) -> Scalar", (s) => s),
  reading("aten::_local_scalar_dense(Tensor self) -> Scalar", (s) => s),
  reading("aten::Int.Tensor(Tensor a) -> int", intOf),
  reading("aten::Float.Tensor(Tensor a) -> float", floatOf),
  truth("aten::Bool.Tensor(Tensor a) -> bool"),
  reading("aten::Complex.Tensor(Tensor a) -> complex", complexScalar),
  truth("aten::is_nonzero(Tensor self) -> bool"),
  op("aten::is_same_size(Tensor self, Tensor other) -> bool", { run: (_ctx, self, other) => sameShape(self.shape, other.shape), quantised: "copies" }),
  ...(["", ".msg"] as const).map((overload) =>
    op(`aten::_assert_async${overload}(Tensor self${overload === "" ? "" : ", str assert_msg"}) -> ()` as "aten::_assert_async.msg(Tensor self, str assert_msg) -> ()", {
      reads: function* (_ctx, self, message) {
        yield self;
        if (!boolOf(scalarOf(self))) throw new OpwiseError("runtime-error", message ?? "Expected Tensor with single nonzero value, but got zero");
        return undefined;
      },
    }),
  ),
  ...complexForms(),
  implicitly("aten::IntImplicit(Tensor a) -> int", intOf),
  implicitly("aten::FloatImplicit(Tensor a) -> float", floatOf),
  implicitly("aten::ComplexImplicit(Tensor a) -> complex", complexScalar),
  implicitly("aten::ScalarImplicit(Tensor a) -> Scalar", (s) => s),
];

