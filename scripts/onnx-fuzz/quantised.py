"""Quantised ops of the standard."""

import numpy as np

from kit import NP, Case, dtype_for, types_of
from layers import window_attrs
from shapes import axis

MAKERS = {}


def maker(*names):
    def register(f):
        for n in names:
            MAKERS[("", n)] = f
        return f
    return register


CODES = ("int8", "uint8", "int16", "uint16", "int4", "uint4", "int2", "uint2", "float8e4m3fn", "float8e5m2", "float8e4m3fnuz", "float8e5m2fnuz", "float4e2m1")


def zero(r, shape, dtype):
    return r.array(shape, dtype, -3, 3) if not dtype.startswith("float") else np.zeros(shape, NP[dtype])


@maker("QuantizeLinear")
def quantize(r, name, since, s):
    source = dtype_for(r, s, 0, among=("float", "float16", "bfloat16", "int32"), prefer=("float",))
    target = dtype_for(r, s, 2, among=CODES, prefer=("uint8", "int8"))
    shape = r.shape(1, 3, empty=0)
    low, high = (-10, 10)
    x = r.array(shape, source, low, high)
    scale_type = source if source != "int32" and since >= 19 else "float"
    attrs = {}
    kind = r.pick("tensor", "axis", "block") if since >= 21 else r.pick("tensor", "axis") if since >= 13 else "tensor"
    a = axis(r, len(shape))
    if kind == "tensor":
        sshape = () if r.chance() or since < 13 else (1,)
        if sshape == (1,) and shape[1 if len(shape) > 1 else 0] != 1:
            sshape = ()
    elif kind == "axis":
        sshape, attrs = (shape[a],), {"axis": a}
    else:
        block = r.int(1, max(shape[a], 1))
        while -(-shape[a] // block) * block < shape[a] or shape[a] % block:
            block = r.int(1, shape[a])
        sshape = list(shape)
        sshape[a] = shape[a] // block
        attrs = {"axis": a, "block_size": block}
    scale = r.array(sshape, scale_type, 0.1, 1)
    if r.chance() or since < 13 and len(shape) == 1:
        scale = np.asarray(np.exp2(np.round(np.log2(np.abs(scale.astype(np.float64)) + 1e-3)))).astype(scale.dtype)
    zp = zero(r, sshape, target)
    if target == "uint8" and r.chance(0.3):
        zp = None
    if target.startswith("float8") and r.chance():
        attrs["saturate"] = r.int(0, 1)
    return Case(name, since, [x, scale, zp], attrs)


@maker("DequantizeLinear")
def dequantize(r, name, since, s):
    source = dtype_for(r, s, 0, among=(*CODES, "int32"), prefer=("uint8", "int8"))
    target = dtype_for(r, s, 1, among=("float", "float16", "bfloat16")) if since >= 19 else "float"
    shape = r.shape(1, 3, empty=0)
    a = axis(r, len(shape))
    kind = r.pick("tensor", "axis", "block") if since >= 21 else r.pick("tensor", "axis") if since >= 13 else "tensor"
    attrs = {}
    sshape = ()
    if kind == "axis":
        sshape, attrs = (shape[a],), {"axis": a}
    elif kind == "block":
        blocks = [k for k in range(1, shape[a] + 1) if shape[a] % k == 0]
        block = r.pick(*blocks)
        sshape = list(shape)
        sshape[a] = shape[a] // block
        attrs = {"axis": a, "block_size": block}
    zp = zero(r, sshape, source) if source != "int32" and r.chance(0.7) else None
    return Case(name, since, [r.array(shape, source), r.array(sshape, target, 0.1, 1), zp], attrs)


@maker("DynamicQuantizeLinear")
def dynamic(r, name, since, s):
    return Case(name, since, [r.array(r.shape(1, 3, empty=0), "float", r.pick(-3, 0.5), r.pick(3, 0.6))], outputs=3)


@maker("MatMulInteger")
def matmul_integer(r, name, since, s):
    n, k, m = r.ints(3, 1, 5)
    a, b = dtype_for(r, s, 0), dtype_for(r, s, 1)
    batch = r.shape(0, 1, empty=0)
    za = r.pick(None, r.array((), a, 0, 9))
    zb = r.pick(None, r.array((), b, 0, 9), r.array((m,), b, 0, 9))
    return Case(name, since, [r.array((*batch, n, k), a, -128, 255), r.array((*batch, k, m), b, -128, 255), za, zb])


@maker("QLinearMatMul")
def qlinear_matmul(r, name, since, s):
    n, k, m = r.ints(3, 1, 5)
    a, b, y = (dtype_for(r, s, i, among=("uint8", "int8")) for i in (0, 3, 7))
    per = r.chance(0.3)
    sb = (m,) if per else ()
    kind = "float"
    return Case(name, since, [r.array((n, k), a, -128, 255), r.array((), kind, 0.01, 0.05), r.array((), a, 0, 9), r.array((k, m), b, -128, 255), r.array(sb, kind, 0.01, 0.05), r.array(sb, b, 0, 9),
                              r.array((), kind, 0.1, 0.5), r.array((), y, 0, 9)], rtol=0, atol=1)


@maker("ConvInteger")
def conv_integer(r, name, since, s):
    k = r.ints(2, 1, 3)
    x, w = dtype_for(r, s, 0), dtype_for(r, s, 1)
    return Case(name, since, [r.array((1, 2, 5, 5), x, -128, 255), r.array((2, 2, *k), w, -128, 255), r.pick(None, r.array((), x, 0, 9)), r.pick(None, r.array((), w, 0, 9))], window_attrs(r, 2, k, dilations=False))


@maker("QLinearConv")
def qlinear_conv(r, name, since, s):
    k = r.ints(2, 1, 3)
    x = r.pick("uint8", "int8")
    w = r.pick("int8", x)
    per = r.chance()
    cout = 2
    sw = (cout,) if per else ()
    return Case(name, since, [r.array((1, 2, 5, 5), x, -128, 255), r.array((), "float", 0.01, 0.05), r.array((), x, 0, 9), r.array((cout, 2, *k), w, -128, 255), r.array(sw, "float", 0.01, 0.05),
                              np.zeros(sw, NP[w]), r.array((), "float", 0.1, 0.5), r.array((), x, 0, 9), r.array((cout,), "int32", -100, 100) if r.chance() else None], window_attrs(r, 2, k, dilations=False), rtol=0, atol=1)
