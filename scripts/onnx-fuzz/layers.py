"""Layers of neural networks: convolutions, pools, norms, recurrences, sampling, attention, losses."""

import numpy as np

from kit import FLOATS, NP, Case, dtype_for
from shapes import axis, i64

MAKERS = {}


def maker(*names):
    def register(f):
        for n in names:
            MAKERS[("", n)] = f
        return f
    return register


def window_attrs(r, n, kernel, pads=True, dilations=True, auto=True):
    attrs = {}
    if r.chance():
        attrs["strides"] = r.ints(n, 1, 3)
    if dilations and r.chance(0.4):
        attrs["dilations"] = r.ints(n, 1, 2)
    if pads:
        if auto and r.chance(0.3):
            attrs["auto_pad"] = r.pick("SAME_UPPER", "SAME_LOWER", "VALID")
        elif r.chance(0.6):
            attrs["pads"] = [r.int(0, max(kernel[i % n] - 1, 0)) for i in range(2 * n)]
    return attrs


@maker("Conv")
def conv(r, name, since, s):
    n, g = r.int(1, 3), r.pick(1, 1, 2)
    kernel = r.ints(n, 1, 3)
    dtype = dtype_for(r, s, prefer=("float", "double"))
    cin, cout = g * r.int(1, 2), g * r.int(1, 2)
    attrs = window_attrs(r, n, kernel)
    if "auto_pad" in attrs:
        attrs.pop("dilations", None)
    if r.chance():
        attrs["kernel_shape"] = kernel
    if g > 1:
        attrs["group"] = g
    x = r.array((r.int(1, 2), cin, *r.ints(n, 5, 8)), dtype)
    return Case(name, since, [x, r.array((cout, cin // g, *kernel), dtype), r.array((cout,), dtype) if r.chance() else None], attrs)


@maker("ConvTranspose")
def conv_transpose(r, name, since, s):
    n, g = r.int(1, 3), r.pick(1, 1, 2)
    kernel = r.ints(n, 1, 3)
    dtype = dtype_for(r, s, prefer=("float", "double"))
    cin, cout = g * r.int(1, 2), r.int(1, 2)
    attrs = window_attrs(r, n, kernel)
    if "auto_pad" in attrs:
        attrs.pop("dilations", None)
    strides = attrs.get("strides", [1] * n)
    sizes = r.ints(n, 2, 5)
    if r.chance(0.3):
        attrs["output_padding"] = [r.int(0, max(st - 1, 0)) for st in strides]
    elif r.chance(0.3) and "auto_pad" not in attrs and "pads" not in attrs:
        dil = attrs.get("dilations", [1] * n)
        attrs["output_shape"] = [(d - 1) * st + (k - 1) * dl + 1 - r.int(0, min(2, (k - 1) * dl)) for d, st, k, dl in zip(sizes, strides, kernel, dil)]
    if r.chance():
        attrs["kernel_shape"] = kernel
    if g > 1:
        attrs["group"] = g
    return Case(name, since, [r.array((r.int(1, 2), cin, *sizes), dtype), r.array((cin, cout, *kernel), dtype), r.array((cout * g,), dtype) if r.chance() else None], attrs)


@maker("MaxPool", "AveragePool", "LpPool")
def pool(r, name, since, s):
    n = r.int(1, 3)
    kernel = r.ints(n, 1, 3)
    attrs = {"kernel_shape": kernel}
    dil = {"MaxPool": 10, "AveragePool": 19, "LpPool": 18}[name] <= since
    attrs.update(window_attrs(r, n, kernel, dilations=dil))
    if "auto_pad" in attrs:
        attrs.pop("dilations", None)
    if {"MaxPool": 10, "AveragePool": 10, "LpPool": 18}[name] <= since and r.chance(0.4):
        attrs["ceil_mode"] = 1
    if name == "AveragePool" and since >= 7 and r.chance():
        attrs["count_include_pad"] = r.int(0, 1)
    if name == "LpPool" and r.chance():
        attrs["p"] = r.int(1, 3) if since >= 2 else float(r.int(1, 3))
    dtype = dtype_for(r, s, prefer=("float", "double"))
    outputs = 1
    if name == "MaxPool" and since >= 8 and r.chance():
        outputs = 2
        if r.chance():
            attrs["storage_order"] = 1
    return Case(name, since, [r.array((r.int(1, 2), r.int(1, 3), *r.ints(n, 4, 8)), dtype)], attrs, outputs=outputs)


@maker("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def global_pool(r, name, since, s):
    attrs = {}
    if name == "GlobalLpPool" and r.chance():
        attrs["p"] = r.int(1, 3) if since >= 2 else 2.0
    return Case(name, since, [r.array((r.int(1, 2), r.int(1, 3), *r.ints(r.int(1, 3), 1, 5)), dtype_for(r, s))], attrs)


@maker("MaxRoiPool")
def max_roi_pool(r, name, since, s):
    dtype = dtype_for(r, s, among=("float",))
    rois = np.concatenate([r.array((3, 1), dtype, 0, 0), np.sort(np.round(r.array((3, 2, 2), dtype, 0, 7)), axis=1).reshape(3, 4)], axis=1)
    return Case(name, since, [r.array((1, 2, 8, 8), dtype), rois], {"pooled_shape": r.ints(2, 1, 3), **({"spatial_scale": 0.5} if r.chance() else {})})


@maker("MaxUnpool")
def max_unpool(r, name, since, s):
    x = r.array((1, 1, 2, 2), dtype_for(r, s, among=("float",)))
    idx = np.array([[[[5, 7], [13, 15]]]], np.int64)
    shape = i64(1, 1, 5, 5) if r.chance(0.3) else None
    return Case(name, since, [x, idx, shape], {"kernel_shape": [2, 2], "strides": [2, 2]})


@maker("BatchNormalization")
def batch_norm(r, name, since, s):
    dtype = dtype_for(r, s, among=FLOATS, prefer=("float", "double"))
    c = r.int(1, 4)
    x = r.array((r.int(1, 3), c, *r.shape(0, 3, empty=0)), dtype)
    other = dtype_for(r, s, "T2", among=FLOATS) if since >= 15 and r.chance(0.3) else dtype
    stat = other
    vec = lambda t, low=-2.0: r.array((c,), t, low, 2)
    attrs = {"epsilon": 1e-3} if r.chance() else {}
    if since < 7:
        attrs["is_test"] = 1
    if since == 1:
        attrs["consumed_inputs"] = [0, 0, 0, 1, 1]
    outputs = 1
    if since >= 14 and r.chance(0.4):
        attrs.update(training_mode=1, momentum=0.8)
        outputs = 3
    return Case(name, since, [x, vec(other), vec(other), vec(stat), vec(stat, 0.1)], attrs, outputs=outputs)


@maker("InstanceNormalization")
def instance_norm(r, name, since, s):
    c, dtype = r.int(1, 3), dtype_for(r, s)
    attrs = {"epsilon": 1e-3} if r.chance() else {}
    return Case(name, since, [r.array((r.int(1, 2), c, *r.ints(r.int(1, 3), 2, 4)), dtype), r.array((c,), dtype), r.array((c,), dtype)], attrs)


@maker("LRN")
def lrn(r, name, since, s):
    return Case(name, since, [r.array((r.int(1, 2), r.int(1, 6), *r.ints(2, 1, 4)), dtype_for(r, s))], {"size": r.pick(1, 3, 5), **({"alpha": 0.01, "beta": 0.5, "bias": 2.0} if r.chance() else {})})


@maker("LayerNormalization", "RMSNormalization")
def layer_norm(r, name, since, s):
    shape = r.shape(1, empty=0)
    a = axis(r, len(shape))
    dtype = dtype_for(r, s)
    norm = shape[a:] if a >= 0 else shape[len(shape) + a:]
    attrs = {"axis": a, **({"epsilon": 1e-2} if r.chance() else {})}
    given = r.broadcast(norm) if r.chance(0.2) else norm
    if name == "RMSNormalization":
        return Case(name, since, [r.array(shape, dtype), r.array(given, dtype)], attrs)
    return Case(name, since, [r.array(shape, dtype), r.array(norm, dtype), r.array(norm, dtype) if r.chance() else None], attrs, outputs=r.pick(1, 3))


@maker("GroupNormalization")
def group_norm(r, name, since, s):
    g, dtype = r.int(1, 3), dtype_for(r, s)
    c = g * r.int(1, 3)
    n = g if since < 21 else c
    return Case(name, since, [r.array((r.int(1, 2), c, *r.ints(r.int(1, 3), 1, 4)), dtype), r.array((n,), dtype), r.array((n,), dtype)], {"num_groups": g, **({"epsilon": 1e-2} if r.chance() else {})})


@maker("LpNormalization")
def lp_norm(r, name, since, s):
    shape = r.shape(1, empty=0)
    return Case(name, since, [r.array(shape, dtype_for(r, s))], {"axis": axis(r, len(shape)), "p": r.int(1, 2)} if r.chance(0.8) else {})


@maker("MeanVarianceNormalization")
def mvn(r, name, since, s):
    shape = tuple(r.ints(4, 1, 4))
    return Case(name, since, [r.array(shape, dtype_for(r, s))], {"axes": r.pick([0, 2, 3], [1, 2], [0], [-1, -2])} if r.chance() else {})


@maker("Softmax", "LogSoftmax", "Hardmax")
def softmax(r, name, since, s):
    shape = r.shape(1, empty=0.05)
    a = axis(r, len(shape)) if since >= 11 else r.int(0, len(shape) - 1)
    return Case(name, since, [r.array(shape, dtype_for(r, s))], {"axis": a} if r.chance(0.8) or (since < 13 and len(shape) < 2) else {})


@maker("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")
def loss(r, name, since, s):
    n, c = r.int(1, 4), r.int(1, 5)
    rest = r.shape(0, 2, empty=0)
    dtype = dtype_for(r, s)
    attrs = {"reduction": r.pick("none", "mean", "sum")} if r.chance(0.8) else {}
    target = r.array((n, *rest), r.pick("int32", "int64"), 0, c - 1)
    if r.chance(0.4):
        attrs["ignore_index"] = r.pick(0, -1, c - 1)
        if attrs["ignore_index"] == -1:
            target = np.where(r.array(target.shape, "bool"), -1, target).astype(target.dtype)
    outputs = r.int(1, 2) if name.startswith("Soft") else 1
    return Case(name, since, [r.array((n, c, *rest), dtype), target, r.array((c,), dtype, 0.1, 2) if r.chance() else None], attrs, outputs=outputs)


@maker("RNN", "GRU", "LSTM")
def recurrent(r, name, since, s):
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[name]
    seq, batch, size, hidden = r.int(1, 4), r.int(1, 3), r.int(1, 3), r.int(1, 3)
    direction = r.pick("forward", "reverse", "bidirectional")
    d = 2 if direction == "bidirectional" else 1
    dtype = dtype_for(r, s, among=("float", "double"))
    attrs = {"hidden_size": hidden, **({"direction": direction} if direction != "forward" or r.chance() else {})}
    layout = 1 if since >= 14 and r.chance(0.25) else 0
    if layout:
        attrs["layout"] = 1
    per = {"RNN": 1, "GRU": 2, "LSTM": 3}[name]
    if r.chance(0.4):
        attrs["activations"] = [r.pick("Relu", "Tanh", "Sigmoid", "LeakyRelu", "HardSigmoid", "Elu", "Softsign", "Softplus", "ScaledTanh", "Affine", "ThresholdedRelu") for _ in range(per * d)]
        # Those with parameters take the first ones in order; give all of them.
        two = {"HardSigmoid", "ScaledTanh", "Affine"}
        one = {"LeakyRelu", "Elu", "ThresholdedRelu"}
        if any(a in two | one for a in attrs["activations"]):
            attrs["activation_alpha"] = [0.4 for a in attrs["activations"] if a in two | one]
            beta = [0.3 for a in attrs["activations"] if a in two]
            if beta:
                attrs["activation_beta"] = beta
    if r.chance(0.3):
        attrs["clip"] = 0.8
    if name == "GRU" and r.chance():
        attrs["linear_before_reset"] = r.int(0, 1)
    if name == "LSTM" and r.chance(0.2):
        attrs["input_forget"] = 1
    x = r.array((batch, seq, size) if layout else (seq, batch, size), dtype)
    state = (batch, d, hidden) if layout else (d, batch, hidden)
    inputs = [x, r.array((d, gates * hidden, size), dtype, -1, 1), r.array((d, gates * hidden, hidden), dtype, -1, 1), r.array((d, 2 * gates * hidden), dtype) if r.chance() else None,
              r.array((batch,), "int32", 1, seq) if r.chance(0.4) else None, r.array(state, dtype) if r.chance() else None]
    if name == "LSTM":
        inputs += [r.array(state, dtype) if r.chance() else None, r.array((d, 3 * hidden), dtype) if r.chance(0.4) else None]
    return Case(name, since, inputs, attrs, outputs=3 if name == "LSTM" else 2)


@maker("Resize")
def resize(r, name, since, s):
    mode = r.pick("nearest", "linear", "cubic") if since >= 11 else r.pick("nearest", "linear")
    rank = 4 if mode == "cubic" or r.chance(0.6) else r.int(1, 5)
    spatial = 2 if rank >= 4 else min(rank, 2)
    shape = tuple([1] * (rank - spatial) + r.ints(spatial, 2, 6)) if rank > 2 else tuple(r.ints(rank, 2, 6))
    if rank == 4:
        shape = (r.int(1, 2), r.int(1, 2), *shape[2:])
    dtype = dtype_for(r, s, among=("float", "double", "float16", "uint8", "int8", "int32"), prefer=("float",))
    if dtype in ("uint8", "int8", "int32") and mode != "nearest" and r.chance(0.7):
        dtype = "float"
    x = r.array(shape, dtype)
    factor = [1.0] * (rank - spatial) + [r.pick(0.5, 0.6, 1.0, 1.5, 2.0, 2.7) for _ in range(spatial)]
    factor = [f if int(np.floor(f * d)) >= 1 else 1.0 for f, d in zip(factor, shape)]
    attrs = {"mode": mode}
    if since == 10:
        return Case(name, since, [x, np.array(factor, np.float32)], attrs, consts=[1] if r.chance() else [])
    ct = r.pick("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", *(("tf_half_pixel_for_nn",) if since < 13 else ()), *(("half_pixel_symmetric",) if since >= 19 else ()))
    attrs["coordinate_transformation_mode"] = ct
    if mode == "nearest":
        attrs["nearest_mode"] = r.pick("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    if mode == "cubic":
        if r.chance():
            attrs["cubic_coeff_a"] = -0.5
        if r.chance():
            attrs["exclude_outside"] = 1
    if since >= 18 and mode != "nearest" and r.chance(0.3):
        attrs["antialias"] = 1
    sizes = None
    scales = np.array(factor, np.float32)
    if r.chance():
        sizes, scales = i64(*[max(int(np.floor(f * d)), 1) for f, d in zip(factor, shape)]), None
    if since >= 18 and sizes is not None and rank > 2 and r.chance(0.4):
        attrs["axes"] = list(range(rank - spatial, rank))
        sizes = sizes[rank - spatial:]
        if r.chance():
            attrs["keep_aspect_ratio_policy"] = r.pick("stretch", "not_larger", "not_smaller")
    roi = None if since >= 13 else np.zeros((0,), np.float32)
    if since < 13 and scales is None:
        scales = np.zeros((0,), np.float32)
    if since >= 11 and r.chance(0.12) and mode != "nearest" and "axes" not in attrs:
        attrs["coordinate_transformation_mode"] = "tf_crop_and_resize"
        attrs.pop("antialias", None)
        attrs["extrapolation_value"] = 7.0
        roi = np.array([0.0] * (rank - spatial) + [0.1] * spatial + [1.0] * (rank - spatial) + [r.pick(0.8, 1.2)] * spatial, np.float32)
    return Case(name, since, [x, roi, scales, sizes], attrs, consts=[1, 2, 3] if r.chance() else [])


@maker("Upsample")
def upsample(r, name, since, s):
    if since == 10:
        return None
    mode = r.pick("nearest", "linear") if since > 1 else r.pick("nearest", "bilinear")
    x = r.array((1, r.int(1, 2), r.int(1, 4), r.int(1, 4)), dtype_for(r, s, among=("float", "int32", "uint8"), prefer=("float",)))
    f = [1.0, 1.0, r.pick(1.0, 1.5, 2.0, 3.0), r.pick(1.0, 2.0, 2.5)]
    if since == 1:
        return Case(name, since, [x], {"mode": mode, "height_scale": f[2], "width_scale": f[3]})
    if since < 9:
        return Case(name, since, [x], {"mode": mode, "scales": f})
    return Case(name, since, [x, np.array(f, np.float32)], {"mode": mode})


@maker("GridSample")
def grid_sample(r, name, since, s):
    n = 2 if since < 20 or r.chance(0.7) else 3
    modes = ("bilinear", "nearest", "bicubic") if since < 20 else ("linear", "nearest") if n == 3 else ("linear", "nearest", "cubic")
    dtype = dtype_for(r, s, among=("float", "double"))
    attrs = {"mode": r.pick(*modes), "padding_mode": r.pick("zeros", "border", "reflection"), "align_corners": r.int(0, 1)}
    return Case(name, since, [r.array((1, r.int(1, 2), *r.ints(n, 1, 5)), dtype), r.array((1, *r.ints(n, 1, 4), n), "float", -1.6, 1.6).astype(NP[dtype])], attrs)


@maker("AffineGrid")
def affine_grid(r, name, since, s):
    n = r.int(2, 3)
    return Case(name, since, [r.array((2, n, n + 1), dtype_for(r, s, among=("float", "double"))), i64(2, 1, *r.ints(n, 1, 4))], {"align_corners": r.int(0, 1)})


@maker("RoiAlign")
def roi_align(r, name, since, s):
    dtype = dtype_for(r, s, among=("float", "double"))
    rois = np.sort(r.array((3, 2, 2), dtype, 0, 7), axis=1).reshape(3, 4)
    attrs = {"output_height": r.int(1, 3), "output_width": r.int(1, 3), "sampling_ratio": r.int(0, 2), "spatial_scale": r.pick(1.0, 0.5), "mode": r.pick("avg", "max")}
    if since >= 16 and r.chance():
        attrs["coordinate_transformation_mode"] = r.pick("half_pixel", "output_half_pixel")
    return Case(name, since, [r.array((2, 2, 8, 8), dtype), rois, r.array((3,), "int64", 0, 1)], attrs)


@maker("NonMaxSuppression")
def nms(r, name, since, s):
    batch, n, c = r.int(1, 2), r.int(1, 8), r.int(1, 2)
    centre = r.int(0, 1)
    boxes = r.array((batch, n, 4), "float", 0, 10)
    if centre:
        boxes[..., 2:] = np.abs(boxes[..., 2:]) / 2 + 0.5
    inputs = [boxes, r.array((batch, c, n), "float", 0, 1)]
    for v in (np.array([r.int(0, 4)], np.int64), np.array([r.pick(0.0, 0.3, 0.5)], np.float32), np.array([r.pick(0.0, 0.4)], np.float32)):
        inputs.append((v if r.chance(0.7) else v.reshape(())) if r.chance(0.8) else None)
    return Case(name, since, inputs, {"center_point_box": centre})


@maker("Col2Im")
def col2im(r, name, since, s):
    n = r.int(1, 3)
    image, block = r.ints(n, 3, 5), r.ints(n, 1, 3)
    attrs = {}
    if r.chance():
        attrs["strides"] = r.ints(n, 1, 2)
    if r.chance():
        attrs["pads"] = [r.int(0, 1) for _ in range(2 * n)]
    if r.chance(0.3):
        attrs["dilations"] = r.ints(n, 1, 2)
    st, pd, dl = attrs.get("strides", [1] * n), attrs.get("pads", [0] * 2 * n), attrs.get("dilations", [1] * n)
    count = [(image[i] + pd[i] + pd[i + n] - dl[i] * (block[i] - 1) - 1) // st[i] + 1 for i in range(n)]
    if min(count) < 1:
        return None
    return Case(name, since, [r.array((r.int(1, 2), r.int(1, 2) * int(np.prod(block)), int(np.prod(count))), dtype_for(r, s, among=("float", "int32", "double"))), i64(*image), i64(*block)], attrs)


@maker("DeformConv")
def deform_conv(r, name, since, s):
    k, g, og = r.int(1, 3), r.pick(1, 2), r.pick(1, 2)
    dtype = dtype_for(r, s, among=("float", "double"))
    cin, cout = 2 * r.int(1, 2), 2
    size = r.int(4, 6)
    attrs = {"group": g, "offset_group": og, "kernel_shape": [k, k]}
    st = r.int(1, 2)
    pd = r.int(0, 1)
    attrs.update(strides=[st, st], pads=[pd] * 4)
    out = (size + 2 * pd - k) // st + 1
    inputs = [r.array((1, cin, size, size), dtype), r.array((cout, cin // g, k, k), dtype), r.array((1, og * k * k * 2, out, out), dtype, -1, 1), r.array((cout,), dtype) if r.chance() else None,
              r.array((1, og * k * k, out, out), dtype, 0, 1) if r.chance() else None]
    return Case(name, since, inputs, attrs)


@maker("DFT")
def dft(r, name, since, s):
    dtype = dtype_for(r, s, among=("float", "double"))
    inverse = r.int(0, 1)
    onesided = r.int(0, 1) if not inverse else 0
    shape = (r.int(1, 2), *r.ints(r.int(1, 2), 2, 9), 1 if onesided or r.chance() else 2)
    ax = r.int(1, len(shape) - 2)
    x = r.array(shape, dtype)
    length = np.array(r.int(2, 10), np.int64) if r.chance(0.4) else None
    attrs = {"inverse": inverse, "onesided": onesided}
    if since < 20:
        return Case(name, since, [x, length], {**attrs, "axis": ax}, atol=1e-4)
    return Case(name, since, [x, length, np.array(ax - len(shape) if r.chance() else ax, np.int64)], attrs, atol=1e-4)


@maker("STFT")
def stft(r, name, since, s):
    dtype = dtype_for(r, s, among=("float", "double"))
    n = r.pick(4, 6, 8)
    x = r.array((r.int(1, 2), r.int(12, 20), 1), dtype)
    window = r.array((n,), dtype, 0, 1) if r.chance(0.7) else None
    return Case(name, since, [x, np.array(r.int(1, 5), np.int64), window, np.array(n, np.int64) if window is None or r.chance() else None], {"onesided": 1}, atol=1e-4)


@maker("HannWindow", "HammingWindow", "BlackmanWindow")
def window(r, name, since, s):
    attrs = {"periodic": r.int(0, 1)} if r.chance() else {}
    if r.chance():
        attrs["output_datatype"] = r.pick(1, 11, 10)
    return Case(name, since, [np.array(r.int(2, 12), r.pick(np.int32, np.int64))], attrs)


@maker("MelWeightMatrix")
def mel(r, name, since, s):
    return Case(name, since, [np.array(v, np.int64) for v in (r.int(2, 8), r.pick(16, 32), r.pick(8192, 16000))] + [np.array(0.0, np.float32), np.array(4000.0, np.float32)], {})


@maker("Attention")
def attention(r, name, since, s):
    dtype = dtype_for(r, s, among=("float", "double", "float16"))
    b, q, k, d, e = r.int(1, 2), r.int(1, 4), r.int(1, 5), 2 * r.int(1, 3), r.int(1, 4)
    hk = r.int(1, 2)
    hq = hk * r.int(1, 2)
    three = r.chance(0.4)
    attrs = {}
    past = 0
    if three:
        attrs.update(q_num_heads=hq, kv_num_heads=hk)
        ins = [r.array((b, q, hq * d), dtype), r.array((b, k, hk * d), dtype), r.array((b, k, hk * e), dtype)]
    else:
        ins = [r.array((b, hq, q, d), dtype), r.array((b, hk, k, d), dtype), r.array((b, hk, k, e), dtype)]
    pk = pv = None
    if r.chance(0.3):
        past = r.int(1, 3)
        pk, pv = r.array((b, hk, past, d), dtype), r.array((b, hk, past, e), dtype)
    mask = None
    if r.chance():
        shape = r.pick((q, k + past), (1, 1, q, k + past), (b, hq, q, k + past), (b, 1, q, k + past))
        mask = r.array(shape, "bool") | (np.arange(k + past) == 0) if r.chance() else r.array(shape, dtype)
    if r.chance(0.3):
        attrs["is_causal"] = 1
    if r.chance(0.3):
        attrs["scale"] = 0.3
    if r.chance(0.3):
        attrs["softcap"] = 1.5
    outputs = r.pick(1, 3, 4) if past else 1
    if outputs == 4:
        attrs["qk_matmul_output_mode"] = r.int(0, 3)
    return Case(name, since, [*ins, mask, pk, pv], attrs, outputs=outputs, atol=1e-4)


@maker("RotaryEmbedding")
def rotary(r, name, since, s):
    dtype = dtype_for(r, s, among=("float", "float16"))
    b, h, n, d = r.int(1, 2), r.int(1, 3), r.int(1, 4), 2 * r.int(1, 4)
    turned = r.pick(d, max(d // 4 * 2, 2)) if r.chance(0.3) else d
    attrs = {"interleaved": r.int(0, 1)} if r.chance() else {}
    if turned != d:
        attrs["rotary_embedding_dim"] = turned
    three = r.chance(0.4)
    if three:
        attrs["num_heads"] = h
    x = r.array((b, n, h * d) if three else (b, h, n, d), dtype)
    if r.chance():
        ids, table = r.array((b, n), "int64", 0, 7), (8, turned // 2)
    else:
        ids, table = None, (b, n, turned // 2)
    return Case(name, since, [x, r.array(table, dtype, -1, 1), r.array(table, dtype, -1, 1), ids], attrs)


@maker("CausalConvWithState")
def causal_conv(r, name, since, s):
    b, c, n, k = r.int(1, 2), r.int(1, 3), r.int(1, 5), r.int(1, 4)
    dtype = dtype_for(r, s, among=("float", "float16"))
    return Case(name, since, [r.array((b, c, n), dtype), r.array((c, 1, k), dtype), r.array((c,), dtype) if r.chance() else None, r.array((b, c, k - 1), dtype) if r.chance() else None],
                {"activation": r.pick("none", "silu", "swish")} if r.chance() else {}, outputs=2)


@maker("LinearAttention")
def linear_attention(r, name, since, s):
    b, n, d, e, h = r.int(1, 2), r.int(1, 4), r.int(1, 3), r.int(1, 3), r.int(1, 2)
    hq = h * r.int(1, 2)
    rule = r.pick("linear", "gated", "delta", "gated_delta")
    dtype = "float"
    ins = [r.array((b, n, hq * d), dtype), r.array((b, n, h * d), dtype), r.array((b, n, h * e), dtype), r.array((b, h, d, e), dtype) if r.chance() else None,
           r.array((b, n, h * d) if r.chance() else (b, n, h), dtype, -1, 0) if "gated" in rule else None, r.array((b, n, h), dtype, 0, 1) if "delta" in rule else None]
    return Case(name, since, ins, {"q_num_heads": hq, "kv_num_heads": h, "update_rule": rule, **({"scale": 0.5} if r.chance() else {})}, outputs=2, atol=1e-4)
