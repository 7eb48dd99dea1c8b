"""Ops of com.microsoft that onnxruntime runs on the CPU."""

import numpy as np

from kit import NP, Case
from layers import window_attrs
from shapes import i64

MAKERS = {}


def maker(*names):
    def register(f):
        for n in names:
            MAKERS[("com.microsoft", n)] = f
        return f
    return register


def case(name, inputs, attrs=None, outputs=1, **more):
    return Case(name, 1, inputs, attrs, outputs, domain="com.microsoft", **more)


def types(c):
    return [None] * c.outputs


ACTIVATIONS = ("Relu", "Tanh", "Sigmoid", "LeakyRelu", "Clip", "HardSigmoid")


@maker("FusedConv")
def fused_conv(r, name, since, s):
    k = r.ints(2, 1, 3)
    act = r.pick(*ACTIVATIONS)
    attrs = window_attrs(r, 2, k, dilations=False)
    attrs["activation"] = act
    params = {"LeakyRelu": [0.2], "Clip": [-0.5, 0.5], "HardSigmoid": [0.3, 0.4]}.get(act)
    if params:
        attrs["activation_params"] = params
    x = r.array((1, 2, 6, 6), "float")
    return case(name, [x, r.array((3, 2, *k), "float"), r.array((3,), "float") if r.chance() else None], attrs)


@maker("FusedGemm")
def fused_gemm(r, name, since, s):
    n, k, m = r.ints(3, 1, 5)
    ta, tb = r.int(0, 1), r.int(0, 1)
    return case(name, [r.array((k, n) if ta else (n, k)), r.array((m, k) if tb else (k, m)), r.pick(None, r.array((m,)), r.array((n, m)), r.array(()))],
                {"transA": ta, "transB": tb, "alpha": 0.5, "beta": 1.5, "activation": r.pick("Relu", "Tanh", "Sigmoid", "LeakyRelu")})


@maker("FusedMatMul", "TransposeMatMul")
def fused_matmul(r, name, since, s):
    n, k, m = r.ints(3, 1, 5)
    ta, tb = r.int(0, 1), r.int(0, 1)
    attrs = {"transA": ta, "transB": tb, "alpha": r.pick(1.0, 0.5)}
    rank = r.int(2, 4)
    lead = r.ints(rank - 2, 1, 3)
    a, b = [*lead, *((k, n) if ta else (n, k))], [*lead, *((m, k) if tb else (k, m))]
    if name == "FusedMatMul" and rank > 2 and r.chance(0.4):
        # The rows (or, with trans, the summed axis) come first, then the batch axes.
        attrs["transBatchA"] = 1
        a = [a[-2], *lead, a[-1]]
    return case(name, [r.array(a), r.array(b)], attrs)


@maker("Gelu", "QuickGelu", "ScaledSiLU")
def gelu(r, name, since, s):
    return case(name, [r.array(r.shape())], {"alpha": 1.2} if name == "QuickGelu" and r.chance() else {})


@maker("FastGelu", "BiasGelu")
def bias_gelu(r, name, since, s):
    shape = r.shape(1, empty=0)
    return case(name, [r.array(shape), r.array(shape[-1:]) if name == "BiasGelu" or r.chance() else None])


@maker("SkipLayerNormalization", "SkipSimplifiedLayerNormalization")
def skip_norm(r, name, since, s):
    b, n, h = r.ints(3, 1, 5)
    x = r.array((b, n, h))
    skip = r.array(r.pick((b, n, h), (1, n, h), (n, h)))
    bias = r.array((h,)) if r.chance() else None
    gamma = r.array((h,))
    attrs = {"epsilon": 1e-3} if r.chance() else {}
    outputs = r.pick(1, 4)
    if name == "SkipLayerNormalization":
        return case(name, [x, skip, gamma, r.array((h,)) if r.chance() else None, bias], attrs, outputs=1)
    return case(name, [x, skip, gamma, bias], attrs, outputs=1)


@maker("EmbedLayerNormalization")
def embed(r, name, since, s):
    b, n, h = r.int(1, 2), r.int(1, 4), r.int(1, 5)
    seg = r.chance()
    ids = lambda top: r.array((b, n), "int32", 0, top)
    inputs = [ids(6), ids(1) if seg else None, r.array((7, h)), r.array((8, h)), r.array((2, h)) if seg else None, r.array((h,)), r.array((h,)),
              ids(1) if r.chance() else None, ids(7) if r.chance() else None]
    return case(name, inputs, {"epsilon": 1e-3} if r.chance() else {}, outputs=2)


@maker("Attention")
def attention(r, name, since, s):
    b, n, heads, d = r.int(1, 2), r.int(1, 4), r.int(1, 2), r.int(1, 4)
    h = heads * d
    width = r.int(1, 5)
    past = r.int(1, 3) if r.chance(0.4) else 0
    attrs = {"num_heads": heads}
    if r.chance(0.4):
        attrs["unidirectional"] = 1
    total = past + n
    mask = r.pick(None, r.array((b,), "int32", 1, total), r.array((b, total), "int32", 0, 1), r.array((b, n, total), "int32", 0, 1))
    if mask is not None and mask.ndim == 2:
        mask[:, 0] = 1
    if mask is not None and mask.ndim == 3:
        mask[:, :, 0] = 1
    if r.chance(0.3):
        attrs["scale"] = 0.4
    if r.chance(0.2):
        attrs["mask_filter_value"] = -50.0
    bias = r.array((b, heads, n, total)) if r.chance(0.3) else None
    p = r.array((2, b, heads, past, d)) if past else None
    if past and bias is not None:
        bias = None
    return case(name, [r.array((b, n, width)), r.array((width, 3 * h)), r.array((3 * h,)), mask, p, bias], attrs, outputs=2 if past else 1, atol=1e-4)


@maker("MultiHeadAttention")
def multi_head(r, name, since, s):
    b, n, t, heads, d = r.int(1, 2), r.int(1, 4), r.int(1, 4), r.int(1, 2), r.int(1, 4)
    h = heads * d
    attrs = {"num_heads": heads}
    if r.chance(0.3):
        attrs["scale"] = 0.4
    kind = r.pick("apart", "apart", "packed_kv", "cross")
    bias = r.array((3 * h,)) if r.chance(0.4) else None
    if kind == "packed_kv":
        return case(name, [r.array((b, n, h)), r.array((b, t, heads, 2, d)), None, None], attrs, atol=1e-4)
    if kind == "cross":
        return case(name, [r.array((b, n, h)), r.array((b, heads, t, d)), r.array((b, heads, t, d)), bias], attrs, atol=1e-4)
    past = r.int(1, 3) if r.chance(0.4) else 0
    total = past + t
    if past:
        t = n
        total = past + n
    mask = None
    if not past and r.chance(0.5):
        mask = r.pick(r.array((b,), "int32", 1, t), np.maximum(r.array((b, t), "int32", 0, 1), (np.arange(t) == 0).astype(np.int32)))
    extra = r.array(r.pick((1, heads, n, total), (b, heads, n, total), (1, 1, n, total))) if r.chance(0.4) else None
    if r.chance(0.2) and not past and n == t:
        attrs["unidirectional"] = 1
    pk, pv = (r.array((b, heads, past, d)), r.array((b, heads, past, d))) if past else (None, None)
    return case(name, [r.array((b, n, h)), r.array((b, t, h)), r.array((b, t, h)), bias, mask, extra, pk, pv], attrs, outputs=3 if past else 1, atol=1e-4)


@maker("GroupQueryAttention")
def group_query(r, name, since, s):
    b, kv, d = r.int(1, 2), r.int(1, 2), 16
    heads = kv * r.int(1, 3)
    prompt = r.chance()
    n = r.int(1, 5) if prompt else 1
    past = 0 if prompt else r.int(1, 4)
    total = n + past
    attrs = {"num_heads": heads, "kv_num_heads": kv}
    if r.chance(0.3):
        attrs["scale"] = 0.3
    if r.chance(0.3):
        attrs["local_window_size"] = r.int(1, 3)
    if r.chance(0.2):
        attrs["softcap"] = 2.0
    if r.chance(0.15):
        attrs["smooth_softmax"] = 1
    cos = sin = None
    if r.chance(0.5):
        attrs["do_rotary"] = 1
        if r.chance():
            attrs["rotary_interleaved"] = 1
        cos, sin = r.array((16, d // 2), "float", -1, 1), r.array((16, d // 2), "float", -1, 1)
    packed = r.chance(0.4)
    lens = np.full((b,), total - 1, np.int32)
    if prompt and b > 1 and n > 1 and r.chance(0.3):
        lens[0] -= 1
    q = r.array((b, n, (heads + 2 * kv) * d)) if packed else r.array((b, n, heads * d))
    k, v = (None, None) if packed else (r.array((b, n, kv * d)), r.array((b, n, kv * d)))
    pk, pv = r.array((b, kv, past, d)), r.array((b, kv, past, d))
    if past == 0:
        pk = pv = None
    return case(name, [q, k, v, pk, pv, lens, np.array([total], np.int32).reshape(r.pick((), (1,))), cos, sin], attrs, outputs=3, atol=1e-4)


@maker("RotaryEmbedding")
def rotary(r, name, since, s):
    b, h, n, d = r.int(1, 2), r.int(1, 3), r.int(1, 4), 2 * r.int(1, 4)
    attrs = {"interleaved": r.int(0, 1)} if r.chance() else {}
    three = r.chance()
    turned = d
    if r.chance(0.3) and d > 2:
        turned = 2
        attrs.update(rotary_embedding_dim=2, num_heads=h)
    elif r.chance(0.3):
        attrs["num_heads"] = h
    x = r.array((b, n, h * d) if three else (b, h, n, d))
    pos = r.pick(r.array((b, n), "int64", 0, 7), np.array([r.int(0, 3)], np.int64))
    return case(name, [x, pos, r.array((8, turned // 2), "float", -1, 1), r.array((8, turned // 2), "float", -1, 1)], attrs)


@maker("MatMulNBits")
def matmul_nbits(r, name, since, s):
    bits = r.pick(4, 4, 8, 2)
    block = r.pick(16, 32, 64)
    n, k = r.int(1, 6), r.int(1, 3) * block - (r.int(0, 7) if r.chance(0.4) else 0)
    blocks = -(-k // block)
    b = r.array((n, blocks, block * bits // 8), "uint8", 0, 255)
    zp = None
    if r.chance(0.4):
        zp = r.array((n, -(-blocks * bits // 8)), "uint8", 0, 255)
    return case(name, [r.array((r.int(1, 3), k)), b, r.array((n, blocks), "float", 0.01, 0.1), zp, None, r.array((n,)) if r.chance(0.3) else None],
                {"K": k, "N": n, "bits": bits, "block_size": block}, consts=[1, 2, 3, 5], rtol=2e-3, atol=2e-3)


@maker("MatMulBnb4")
def matmul_bnb4(r, name, since, s):
    block = r.pick(16, 32)
    n, k = r.int(1, 4), block * r.int(1, 3)
    return case(name, [r.array((r.int(1, 3), k)), r.array((-(-n * k // 2),), "uint8", 0, 255), r.array((-(-n * k // block),), "float", 0.1, 1)],
                {"K": k, "N": n, "block_size": block, "quant_type": r.int(0, 1)}, consts=[1, 2], atol=1e-4)


@maker("GatherBlockQuantized")
def gather_block(r, name, since, s):
    rows, cols, block = r.int(2, 5), 32 * r.int(1, 2), r.pick(16, 32)
    uint8 = r.chance(0.5)
    bits = r.pick(4, 8) if uint8 else 4
    t = "uint8" if uint8 else r.pick("uint4", "int4")
    data = r.array((rows, cols * bits // 8 if uint8 else cols), t, 0, 255)
    blocks = -(-cols // block)
    zp = None
    if r.chance(0.5):
        zp = r.array((rows, -(-blocks * bits // 8) if uint8 else blocks), t, 0, 255)
    return case(name, [data, r.array(r.shape(0, 2, empty=0), r.pick("int32", "int64"), 0, rows - 1), r.array((rows, blocks), "float", 0.1, 1), zp],
                {"block_size": block, "gather_axis": 0, "quantize_axis": 1, **({"bits": bits} if uint8 else {})}, consts=[0, 2, 3])


@maker("QuantizeLinear")
def quantize(r, name, since, s):
    shape = r.shape(1, 3, empty=0)
    t = r.pick("uint8", "int8", "int16", "uint16")
    a = r.int(0, len(shape) - 1)
    per = r.chance()
    sh = (shape[a],) if per else ()
    return case(name, [r.array(shape, "float", -10, 10), r.array(sh, "float", 0.1, 1), r.array(sh, t, -3, 3)], {"axis": a} if per else {})


@maker("DequantizeLinear")
def dequantize(r, name, since, s):
    shape = r.shape(1, 3, empty=0)
    t = r.pick("uint8", "int8", "int16", "uint16", "int32")
    a = r.int(0, len(shape) - 1)
    per = r.chance()
    sh = (shape[a],) if per else ()
    return case(name, [r.array(shape, t), r.array(sh, "float", 0.1, 1), r.array(sh, t, -3, 3) if t != "int32" else None], {"axis": a} if per else {})


def scale(r):
    return r.array((), "float", 0.02, 0.2)


@maker("QLinearAdd", "QLinearMul")
def qlinear_binary(r, name, since, s):
    t = r.pick("uint8", "int8")
    shape = r.shape()
    zp = lambda: r.array((), t, 0, 20)
    return case(name, [r.array(shape, t, -128, 255), scale(r), zp(), r.array(r.broadcast(shape), t, -128, 255), scale(r), zp(), scale(r), r.array((), t, 0, 20)], rtol=0, atol=1)


@maker("QLinearSigmoid", "QLinearLeakyRelu")
def qlinear_unary(r, name, since, s):
    t = r.pick("uint8", "int8")
    return case(name, [r.array(r.shape(), t, -128, 255), scale(r), r.array((), t, 0, 20), scale(r), r.array((), t, 0, 20)], {"alpha": 0.2} if "Leaky" in name else {}, rtol=0, atol=1)


@maker("QLinearGlobalAveragePool", "QLinearAveragePool")
def qlinear_pool(r, name, since, s):
    t = r.pick("uint8", "int8") if "Global" not in name else "uint8"
    last = r.int(0, 1)
    c, hw = r.int(1, 3), r.ints(2, 3, 6)
    shape = (1, *hw, c) if last else (1, c, *hw)
    attrs = {"channels_last": last}
    if "Global" not in name:
        k = r.ints(2, 1, 3)
        attrs.update(kernel_shape=k, **window_attrs(r, 2, k, dilations=False, auto=False))
        if r.chance(0.3):
            attrs["count_include_pad"] = 1
        if r.chance(0.3):
            attrs["ceil_mode"] = 1
    return case(name, [r.array(shape, t, -128, 255), scale(r), r.array((), t, 0, 20), scale(r), r.array((), t, 0, 20)], attrs, rtol=0, atol=1)


@maker("QLinearConcat")
def qlinear_concat(r, name, since, s):
    t = r.pick("uint8", "int8")
    shape = list(r.shape(1, 3, empty=0))
    a = r.int(0, len(shape) - 1)
    parts = []
    for _ in range(r.int(1, 3)):
        sh = list(shape)
        sh[a] = r.int(1, 3)
        parts += [r.array(sh, t, -128, 255), scale(r), r.array((), t, 0, 20)]
    consts = [i for i in range(2 + len(parts)) if i < 2 or (i - 2) % 3]
    return case(name, [scale(r), r.array((), t, 0, 20), *parts], {"axis": a - len(shape) if r.chance() else a}, rtol=0, atol=1, consts=consts if r.chance() else [])


@maker("QLinearSoftmax")
def qlinear_softmax(r, name, since, s):
    t = r.pick("uint8", "int8")
    shape = r.shape(1, 3, empty=0)
    opset = r.pick(12, 13)
    a = r.int(0, len(shape) - 1)
    return case(name, [r.array(shape, t, -128, 255), scale(r), r.array((), t, 0, 20), np.array(1 / 256, np.float32), np.array(0 if t == "uint8" else -128, NP[t])], {"axis": a, "opset": opset}, rtol=0, atol=1, consts=[1, 2, 3, 4])


@maker("QLinearWhere")
def qlinear_where(r, name, since, s):
    t = r.pick("uint8", "int8")
    shape = r.shape()
    return case(name, [r.array(r.broadcast(shape), "bool"), r.array(shape, t, -128, 255), scale(r), r.array((), t, 0, 20), r.array(r.broadcast(shape), t, -128, 255), scale(r), r.array((), t, 0, 20), scale(r), r.array((), t, 0, 20)],
                rtol=0, atol=1, consts=[2, 3, 5, 6, 7, 8])


@maker("QAttention")
def qattention(r, name, since, s):
    b, n, heads, d, w = r.int(1, 2), r.int(1, 4), r.int(1, 2), r.int(1, 4), r.int(1, 5)
    h = heads * d
    past = r.int(1, 2) if r.chance(0.3) else 0
    mask = r.array((b,), "int32", 1, n + past) if r.chance() else None
    return case(name, [r.array((b, n, w), "uint8", 0, 255), r.array((w, 3 * h), r.pick("int8", "uint8"), -20, 20), r.array((3 * h,)), np.array(0.02, np.float32), np.array(0.03, np.float32), mask,
                       np.array(120, np.uint8), None, r.array((2, b, heads, past, d)) if past else None], {"num_heads": heads, **({"unidirectional": 1} if r.chance(0.3) else {})}, outputs=2 if past else 1, atol=1e-4)


@maker("QGemm")
def qgemm(r, name, since, s):
    n, k, m = r.ints(3, 1, 5)
    ta, tb = r.int(0, 1), r.int(0, 1)
    a, b = r.pick("uint8", "int8"), r.pick("uint8", "int8")
    per = r.chance(0.3)
    sb = (m,) if per else ()
    out = r.chance()
    return case(name, [r.array((k, n) if ta else (n, k), a, -128, 255), scale(r), r.array((), a, 0, 9), r.array((m, k) if tb else (k, m), b, -128, 255), r.array(sb, "float", 0.02, 0.1), r.array(sb, b, 0, 9),
                       r.array(r.pick((m,), (n, m)), "int32", -50, 50) if r.chance() else None, np.array(1.0, np.float32) if out else None, r.array((), a, 0, 9) if out else None],
                {"transA": ta, "transB": tb, "alpha": r.pick(1.0, 0.5)}, rtol=1e-3, atol=1 if out else 1e-3)


@maker("DynamicQuantizeMatMul")
def dynamic_matmul(r, name, since, s):
    n, k, m = r.ints(3, 1, 5)
    t = r.pick("uint8", "int8")
    per = r.chance(0.4)
    sb = (m,) if per else r.pick((), (1,))
    return case(name, [r.array((n, k)), r.array((k, m), t, -128, 255), r.array(sb, "float", 0.02, 0.1), r.array(sb, t, 0, 9) if r.chance() else None, r.array((m,)) if r.chance() else None], atol=1e-3)


@maker("MatMulIntegerToFloat")
def integer_to_float(r, name, since, s):
    n, k, m = r.ints(3, 1, 5)
    a, b = r.pick("uint8", "int8"), r.pick("uint8", "int8")
    sb = (m,) if r.chance(0.4) else ()
    return case(name, [r.array((n, k), a, -128, 255), r.array((k, m), b, -128, 255), scale(r), r.array(sb, "float", 0.02, 0.1), r.array((), a, 0, 9) if r.chance() else None, r.array(sb, b, 0, 9) if r.chance() else None,
                       r.array((m,)) if r.chance() else None], atol=1e-3)


@maker("MatMulInteger16")
def matmul_integer16(r, name, since, s):
    n, k, m = r.ints(3, 1, 5)
    return case(name, [r.array((n, k), "int16", -300, 300), r.array((k, m), "int16", -300, 300)])


@maker("NhwcMaxPool")
def nhwc_max_pool(r, name, since, s):
    k = r.ints(2, 1, 3)
    return case(name, [r.array((1, 6, 5, 2), r.pick("uint8", "int8"), -128, 255)], {"kernel_shape": k, **window_attrs(r, 2, k)})


@maker("QLinearConv")
def qlinear_conv(r, name, since, s):
    k = r.ints(2, 1, 3)
    x = r.pick("uint8", "int8")
    w = r.pick("int8", x)
    per = r.chance()
    last = r.int(0, 1)
    sw = (2,) if per else ()
    shape = (1, 5, 5, 2) if last else (1, 2, 5, 5)
    return case(name, [r.array(shape, x, -128, 255), scale(r), r.array((), x, 0, 9), r.array((2, 2, *k), w, -128, 255), r.array(sw, "float", 0.02, 0.1), np.zeros(sw, NP[w]), np.array(1.0, np.float32), r.array((), x, 0, 9),
                       r.array((2,), "int32", -100, 100) if r.chance() else None], {"channels_last": last, **window_attrs(r, 2, k, dilations=False)}, rtol=0, atol=1)


@maker("ConvTransposeWithDynamicPads")
def conv_transpose_pads(r, name, since, s):
    k = r.ints(2, 1, 3)
    return case(name, [r.array((1, 2, 4, 4)), r.array((2, 2, *k)), i64(*[r.int(0, kk - 1) for kk in k + k]) if r.chance(0.8) else None, r.array((2,)) if r.chance() else None], {"strides": r.ints(2, 1, 2)})


@maker("CropAndResize")
def crop_and_resize(r, name, since, s):
    n = r.int(1, 3)
    return case(name, [r.array((2, 2, 5, 6)), r.array((n, 4), "float", -0.2, 1.2), r.array((n,), "int32", 0, 1), np.array(r.ints(2, 1, 4), np.int32)], {"mode": r.pick("bilinear", "nearest"), **({"extrapolation_value": 3.0} if r.chance() else {})})


@maker("Inverse")
def inverse(r, name, since, s):
    n = r.int(1, 4)
    return case(name, [r.array((*r.shape(0, 2, empty=0), n, n), r.pick("float", "double")) + np.eye(n, dtype=np.float32) * 5], atol=1e-4)


@maker("Trilu")
def trilu(r, name, since, s):
    return case(name, [r.array(r.shape(2), r.pick("float", "int64", "bool")), np.array(r.int(-4, 4), np.int64) if r.chance(0.7) else None], {"upper": r.int(0, 1)})


@maker("ExpandDims")
def expand_dims(r, name, since, s):
    shape = r.shape(1, 3)
    return case(name, [r.array(shape), np.array(r.int(-len(shape) - 1, len(shape)), np.int32)])


@maker("Unique")
def unique(r, name, since, s):
    return case(name, [np.round(r.array((r.int(1, 9),)))], outputs=3)


@maker("Range")
def range_(r, name, since, s):
    t = r.pick("float", "int64", "int32", "double", "int16")
    return case(name, [np.array(v, NP[t]) for v in (r.int(0, 3), r.int(4, 9), r.int(1, 2))])


@maker("Pad")
def pad(r, name, since, s):
    rank = r.int(1, 3)
    mode = r.pick("constant", "reflect", "edge")
    return case(name, [r.array(r.ints(rank, 2, 4)), i64(*r.ints(2 * rank, 0, 1)), np.array(r.pick(1.5, 2.0), np.float32) if mode == "constant" and r.chance() else None], {"mode": mode})


@maker("GridSample")
def grid_sample(r, name, since, s):
    return case(name, [r.array((1, 2, 4, 5)), r.array((1, 3, 2, 2), "float", -1.3, 1.3)], {"mode": r.pick("bilinear", "nearest", "bicubic"), "padding_mode": r.pick("zeros", "border", "reflection"), "align_corners": r.int(0, 1)})


@maker("GatherND")
def gather_nd(r, name, since, s):
    return case(name, [r.array((3, 4, 2)), r.array((r.int(1, 4), r.int(1, 3)), "int64", 0, 1)])


@maker("CDist")
def cdist(r, name, since, s):
    t = r.pick("float", "double")
    k = r.int(1, 4)
    return case(name, [r.array((r.int(1, 4), k), t), r.array((r.int(1, 4), k), t)], {"metric": r.pick("euclidean", "sqeuclidean")}, atol=1e-3)


@maker("MaxpoolWithMask")
def pool_mask(r, name, since, s):
    k = r.ints(2, 1, 3)
    return case(name, [r.array((1, 2, 5, 5)), r.array((1, 2, 5, 5), "int32", 0, 1)], {"kernel_shape": k, **window_attrs(r, 2, k, dilations=False, auto=False)})


@maker("MurmurHash3")
def murmur(r, name, since, s):
    t = r.pick("int32", "uint32", "int64", "uint64", "float", "double", "string")
    return case(name, [r.array(r.shape(1, 2, empty=0), t)], {"positive": r.int(0, 1), "seed": r.int(0, 50)})


@maker("Tokenizer")
def tokenizer(r, name, since, s):
    texts = np.array([r.pick("a b c", "hello world", "ab,cd", "Ünï x", "") for _ in range(r.int(1, 3))], object)
    attrs = {"mark": r.int(0, 1), "mincharnum": r.int(1, 2), "pad_value": "#"}
    if r.chance():
        attrs["separators"] = r.pick([" "], [" ", ","], [""], ["l+"])
    else:
        attrs["tokenexp"] = r.pick("[a-z]+", r"\w+", "[^ ]+", "a|b|c")
    return case(name, [texts if r.chance() else texts.reshape(1, -1)], attrs)


@maker("DynamicQuantizeLSTM")
def dynamic_lstm(r, name, since, s):
    seq, b, size, h = r.int(1, 3), r.int(1, 2), r.int(1, 3), r.int(1, 3)
    t = r.pick("int8", "uint8")
    per = r.chance(0.4)
    sc = lambda: r.array((1, 4 * h) if per else (1,), "float", 0.01, 0.03)
    zp = lambda: np.zeros((1, 4 * h) if per else (1,), NP[t])
    return case(name, [r.array((seq, b, size)), r.array((1, size, 4 * h), t, -60, 60), r.array((1, h, 4 * h), t, -60, 60), r.array((1, 8 * h)) if r.chance() else None, None, None, None, None, sc(), zp(), sc(), zp()],
                {"hidden_size": h, "direction": "forward"}, outputs=3, atol=2e-2, consts=[1, 2, 8, 9, 10, 11])


@maker("QEmbedLayerNormalization")
def qembed(r, name, since, s):
    b, n, h = r.int(1, 2), r.int(1, 4), r.int(1, 5)
    ids = lambda top: r.array((b, n), "int32", 0, top)
    t = "uint8"
    table = lambda rows: r.array((rows, h), t, 0, 255)
    sc = lambda: r.array((), "float", 0.01, 0.05)
    zp = lambda: r.array((), t, 100, 140)
    return case(name, [ids(6), ids(1), table(7), table(8), table(2), table(1).reshape(h), table(1).reshape(h), ids(1) if r.chance() else None, sc(), sc(), sc(), sc(), sc(), zp(), zp(), zp(), zp(), zp()], {}, outputs=2, atol=1e-3)


@maker("NGramRepeatBlock")
def ngram_repeat(r, name, since, s):
    b, n = r.int(1, 2), r.int(2, 6)
    return case(name, [r.array((b, n), "int64", 0, 2), r.array((b, 4))], {"ngram_size": r.int(1, 3)})


@maker("UnfoldTensor")
def unfold(r, name, since, s):
    shape = r.ints(2, 3, 6)
    d = r.int(0, 1)
    return case(name, [r.array(shape, r.pick("float", "int64"))], {"dim": d - 2 if r.chance() else d, "size": r.int(1, 3), "step": r.int(1, 2)})


@maker("DynamicTimeWarping")
def dtw(r, name, since, s):
    return case(name, [r.array((1, r.int(1, 5), r.int(1, 5)))])


@maker("WordConvEmbedding")
def word_conv(r, name, since, s):
    window, width, filters = r.int(1, 2), r.int(1, 3), r.int(1, 3)
    return case(name, [r.array((2, 4), "int32", 0, 4), r.array((filters, 1, window, width)), r.array((filters,)), r.array((5, width))], {}, atol=1e-4)


@maker("CausalConvWithState")
def causal_conv(r, name, since, s):
    b, c, n, k = r.int(1, 2), r.int(1, 3), r.int(1, 5), r.int(2, 4)
    return case(name, [r.array((b, c, n)), r.array((c, 1, k)), r.array((c,)) if r.chance() else None, r.array((b, c, k - 1)) if r.chance() else None], {"activation": r.pick("none", "silu", "swish")}, outputs=2)


@maker("LinearAttention")
def linear_attention(r, name, since, s):
    b, n, d, e, h = r.int(1, 2), r.int(1, 4), r.int(1, 3), r.int(1, 3), r.int(1, 2)
    hq = h * r.int(1, 2)
    rule = r.pick("linear", "gated", "delta", "gated_delta")
    return case(name, [r.array((b, n, hq * d)), r.array((b, n, h * d)), r.array((b, n, h * e)), r.array((b, h, d, e)) if r.chance() else None,
                       r.array((b, n, h * d) if r.chance() else (b, n, h), "float", -1, 0) if "gated" in rule else None, r.array((b, n, h), "float", 0, 1) if "delta" in rule else None],
                {"q_num_heads": hq, "kv_num_heads": h, "update_rule": rule, **({"scale": 0.5} if r.chance() else {})}, outputs=2, atol=1e-4)


@maker("MoE")
def moe(r, name, since, s):
    n, h, inter, e = r.int(1, 4), r.int(1, 4), r.int(1, 4), r.int(1, 4)
    k = r.int(1, min(2, e))
    return case(name, [r.array((n, h)), r.array((n, e)), r.array((e, inter, h)), r.array((e, inter)) if r.chance() else None, r.array((e, h, inter)), r.array((e, h)) if r.chance() else None],
                {"k": k, "activation_type": r.pick("relu", "gelu", "silu", "identity"), "normalize_routing_weights": r.int(0, 1)}, atol=1e-3)
