"""Ops that move, choose, join and reduce."""

import numpy as np
from onnx import helper

from kit import FLOATS, INTS, NP, Case, dtype_for, tensor_proto

MAKERS = {}


def maker(*names):
    def register(f):
        for n in names:
            MAKERS[("", n)] = f
        return f
    return register


def i64(*values):
    return np.array(values, np.int64)


def axis(r, rank):
    return r.int(-rank, rank - 1)


def some_axes(r, rank, negative=True):
    out = [int(a) for a in r.np.permutation(rank)[: r.int(1, max(rank, 1))]]
    return [a - rank if negative and r.chance(0.3) else a for a in out]


@maker("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare")
def reduce(r, name, since, s):
    dtype = dtype_for(r, s, prefer=("float", "int32"))
    shape = r.shape(0 if since >= 11 else 1, empty=0.1 if since >= 18 and name not in ("ReduceMean",) else 0)
    if name in ("ReduceMax", "ReduceMin") and 0 in shape:
        shape = tuple(max(d, 1) for d in shape)
    low = 0.1 if name == "ReduceLogSum" and dtype in FLOATS else (1 if name.startswith("ReduceLog") else None)
    odd = 0.05 if name in ("ReduceMax", "ReduceMin") and r.chance(0.3) else 0
    x = r.array(shape, dtype, low, odd=odd)
    attrs = {"keepdims": r.int(0, 1)} if r.chance(0.7) else {}
    axes = some_axes(r, len(shape), since >= 11) if len(shape) and r.chance(0.75) else None
    by_input = since >= (13 if name == "ReduceSum" else 18)
    if not by_input:
        return Case(name, since, [x], {**attrs, **({"axes": axes} if axes else {})})
    if r.chance(0.3):
        attrs["noop_with_empty_axes"] = r.int(0, 1)
    given = None if axes is None else np.array(axes, np.int64)
    if axes is None and r.chance(0.4):
        given = np.zeros((0,), np.int64)
    return Case(name, since, [x, given], attrs, consts=[1] if r.chance() else [])


@maker("ArgMax", "ArgMin")
def arg(r, name, since, s):
    shape = r.shape(1, empty=0)
    x = r.array(shape, dtype_for(r, s), -2, 2)
    if r.chance():
        x = np.round(x.astype(np.float64)).astype(x.dtype)
    attrs = {"axis": axis(r, len(shape)) if since >= 11 else r.int(0, len(shape) - 1)} if r.chance(0.8) else {}
    if r.chance():
        attrs["keepdims"] = r.int(0, 1)
    if since >= 12 and r.chance():
        attrs["select_last_index"] = r.int(0, 1)
    return Case(name, since, [x], attrs)


@maker("CumSum", "CumProd")
def cumulative(r, name, since, s):
    shape = r.shape(1)
    return Case(name, since, [r.array(shape, dtype_for(r, s)), np.array(axis(r, len(shape)), r.pick(np.int32, np.int64))], {"exclusive": r.int(0, 1), "reverse": r.int(0, 1)} if r.chance(0.8) else {})


@maker("Reshape")
def reshape(r, name, since, s):
    shape = r.shape(0, 4)
    n = int(np.prod(shape, dtype=int))
    choices = [[n], [-1], [1, n], [n, 1, 1]]
    if len(shape) > 1 and 0 not in shape:
        choices += [[0, -1], [shape[1] * shape[0], *shape[2:]], [*[0] * len(shape)]]
    if n == 0:
        choices = [list(shape), [0, 3]]
    to = r.pick(*choices)
    attrs = {}
    if since >= 14 and 0 in to and n == 0:
        attrs["allowzero"] = 1
    x = r.array(shape, dtype_for(r, s, prefer=("float", "string", "int64")))
    if since < 5:
        return Case(name, since, [x], {"shape": to})
    return Case(name, since, [x, i64(*to)], attrs, consts=[1] if r.chance() else [])


@maker("Flatten")
def flatten(r, name, since, s):
    shape = r.shape(1 if since < 11 else 0)
    rank = len(shape)
    low = -rank if since >= 11 else 0
    return Case(name, since, [r.array(shape, dtype_for(r, s))], {"axis": r.int(low, rank)} if r.chance(0.8) and rank else {})


@maker("Squeeze")
def squeeze(r, name, since, s):
    shape = [r.pick(1, 1, 3) for _ in range(r.int(1, 4))]
    ones = [i for i, d in enumerate(shape) if d == 1]
    axes = None if r.chance(0.25) or not ones else [a - len(shape) if since >= 11 and r.chance(0.4) else a for a in ones[: r.int(1, len(ones))]]
    x = r.array(shape, dtype_for(r, s))
    if since < 13:
        return Case(name, since, [x], {"axes": axes} if axes is not None else {})
    return Case(name, since, [x, None if axes is None else i64(*axes)])


@maker("Unsqueeze")
def unsqueeze(r, name, since, s):
    shape = r.shape(0, 3)
    n = r.int(1, 2)
    rank = len(shape) + n
    axes = [int(a) for a in r.np.permutation(rank)[:n]]
    if since >= 11:
        axes = [a - rank if r.chance(0.4) else a for a in axes]
    else:
        axes = sorted(axes)
    x = r.array(shape, dtype_for(r, s))
    return Case(name, since, [x], {"axes": axes}) if since < 13 else Case(name, since, [x, i64(*axes)])


@maker("Transpose")
def transpose(r, name, since, s):
    shape = r.shape()
    return Case(name, since, [r.array(shape, dtype_for(r, s))], {"perm": [int(i) for i in r.np.permutation(len(shape))]} if r.chance(0.7) and shape else {})


@maker("Expand")
def expand(r, name, since, s):
    shape = r.shape()
    b = r.broadcast(shape)
    to = [d if r.chance(0.7) or i >= len(shape) else 1 for i, d in enumerate(shape)] if r.chance() else list(shape)
    to = [1 if len(b) - len(shape) + i >= 0 and b[len(b) - len(shape) + i] == d and r.chance(0.3) else d for i, d in enumerate(to)]
    return Case(name, since, [r.array(b, dtype_for(r, s, prefer=("float", "string"))), i64(*to)])


@maker("Tile")
def tile(r, name, since, s):
    shape = r.shape(1 if since < 6 else 0)
    x = r.array(shape, dtype_for(r, s, prefer=("float", "int64")))
    if since < 6:
        return Case(name, since, [x, np.array(2, x.dtype), np.array(r.int(0, len(shape) - 1), x.dtype)]) if x.dtype == np.float32 else None
    return Case(name, since, [x, i64(*r.ints(len(shape), 0, 3))])


@maker("Concat")
def concat(r, name, since, s):
    shape = list(r.shape(1))
    at = r.int(0, len(shape) - 1)
    dtype = dtype_for(r, s, prefer=("float", "string", "int64"))
    parts = []
    for _ in range(r.int(1, 4)):
        one = list(shape)
        one[at] = r.int(0, 3)
        parts.append(r.array(one, dtype))
    attrs = {"axis": at - len(shape) if since >= 11 and r.chance() else at}
    if since < 4 and at == 1 and r.chance():
        attrs = {}
    return Case(name, since, parts, attrs)


@maker("Split")
def split(r, name, since, s):
    shape = list(r.shape(1, 3, empty=0))
    at = r.int(0, len(shape) - 1)
    n = r.int(1, 3)
    sizes = r.ints(n, 0 if since >= 11 else 1, 3)
    equal = r.chance(0.4)
    if equal:
        sizes = [r.int(1, 3)] * n
    shape[at] = sum(sizes)
    attrs = {"axis": at - len(shape) if since >= 11 and r.chance(0.4) else at}
    x = r.array(shape, dtype_for(r, s, prefer=("float", "string")))
    if since == 1:
        return Case(name, since, [x], {**attrs, "split": sizes}, outputs=n)
    if since < 13:
        return Case(name, since, [x], attrs if equal else {**attrs, "split": sizes}, outputs=n)
    if equal:
        if since >= 18:
            if r.chance() and sizes[0] > 1 and n > 1:
                cut = [slice(None)] * len(shape)
                cut[at] = slice(0, shape[at] - 1)
                x = x[tuple(cut)]
            attrs["num_outputs"] = n
        return Case(name, since, [x], attrs, outputs=n)
    return Case(name, since, [x, i64(*sizes)], attrs, outputs=n)


@maker("Slice")
def slice_(r, name, since, s):
    shape = r.shape(1)
    rank = len(shape)
    axes = [int(a) for a in r.np.permutation(rank)[: r.int(1, rank)]]
    starts, ends = r.ints(len(axes), -7, 7), r.ints(len(axes), -7, 7)
    if r.chance(0.3):
        ends[0] = 2**31 - 1 if since < 10 else 2**63 - 1
    x = r.array(shape, dtype_for(r, s, prefer=("float", "string", "int64")))
    if since < 10:
        if r.chance(0.3):
            return Case(name, since, [x], {"starts": starts, "ends": ends})
        return Case(name, since, [x], {"starts": starts, "ends": ends, "axes": axes})
    steps = [r.pick(1, 1, 2, -1, -2, 3) for _ in axes]
    ends = [-(2**63) if st < 0 and r.chance(0.3) else e for e, st in zip(ends, steps)]
    kind = r.pick(np.int64, np.int32) if max(map(abs, ends)) < 2**31 else np.int64
    axes = [a - rank if r.chance(0.3) else a for a in axes]
    given = [np.array(starts, kind), np.array(ends, kind)]
    if r.chance(0.25):
        return Case(name, since, [x, *given])
    if r.chance(0.2):
        n = len(axes)
        return Case(name, since, [x, *given, None, np.array(steps, kind)]) if n <= rank else None
    return Case(name, since, [x, *given, np.array(axes, kind), np.array(steps, kind)] if r.chance(0.8) else [x, *given, np.array(axes, kind)])


@maker("Pad")
def pad(r, name, since, s):
    mode = r.pick("constant", "reflect", "edge", "wrap") if since >= 19 else r.pick("constant", "reflect", "edge")
    rank = r.int(1, 4)
    shape = tuple(r.ints(rank, 2, 5))
    low = -1 if mode != "wrap" and r.chance(0.3) else 0
    top = 1 if mode == "reflect" else 3
    pads = r.ints(2 * rank, low, top)
    dtype = dtype_for(r, s, prefer=("float",))
    x = r.array(shape, dtype)
    attrs = {"mode": mode} if mode != "constant" or r.chance() else {}
    if since < 11:
        return Case(name, since, [x], {**attrs, ("paddings" if since == 1 else "pads"): pads, **({"value": 1.5} if r.chance() else {})})
    value = r.array((), dtype) if mode == "constant" and r.chance(0.7) else None
    if since >= 18 and r.chance(0.4):
        axes = [int(a) for a in r.np.permutation(rank)[: r.int(1, rank)]]
        pads = r.ints(2 * len(axes), low, top)
        return Case(name, since, [x, i64(*pads), value, np.array([a - rank if r.chance(0.3) else a for a in axes], r.pick(np.int32, np.int64))], attrs)
    return Case(name, since, [x, i64(*pads), value], attrs, consts=[1] if r.chance() else [])


@maker("Gather")
def gather(r, name, since, s):
    shape = r.shape(1, empty=0)
    a = axis(r, len(shape)) if since >= 11 else r.int(0, len(shape) - 1)
    n = shape[a]
    kind = r.pick("int32", "int64")
    idx = r.array(r.shape(0, 3), kind, -n if since >= 11 else 0, n - 1)
    return Case(name, since, [r.array(shape, dtype_for(r, s, prefer=("float", "string", "int64"))), idx], {"axis": a} if a != 0 or r.chance() else {})


@maker("GatherElements")
def gather_elements(r, name, since, s):
    shape = r.shape(1, empty=0)
    a = axis(r, len(shape))
    out = list(shape)
    out = [r.int(1, d) for d in shape]
    out[a] = r.int(0, 4)
    idx = r.array(out, r.pick("int32", "int64"), -shape[a], shape[a] - 1)
    return Case(name, since, [r.array(shape, dtype_for(r, s, prefer=("float", "string"))), idx], {"axis": a})


@maker("Scatter", "ScatterElements")
def scatter_elements(r, name, since, s):
    shape = r.shape(1, empty=0)
    a = axis(r, len(shape)) if since >= 11 else r.int(0, len(shape) - 1)
    out = [r.int(1, d) for d in shape]
    out[a] = r.int(1, shape[a])
    reduction = r.pick("none", *(("add", "mul") if since >= 16 else ()), *(("max", "min") if since >= 18 else ()))
    dtype = dtype_for(r, s, prefer=("float", "int64"))
    if dtype in ("string", "bool") and reduction != "none":
        reduction = "none"
    if reduction == "none":
        line = np.stack([r.np.permutation(shape[a])[: out[a]] for _ in range(int(np.prod(out)) // out[a])]).reshape(*[d for i, d in enumerate(out) if i != a % len(shape)], out[a])
        idx = np.moveaxis(line, -1, a).astype(np.int64)
    else:
        idx = r.array(out, "int64", -shape[a], shape[a] - 1)
    return Case(name, since, [r.array(shape, dtype), idx.astype(r.pick(np.int32, np.int64)), r.array(out, dtype)], {"axis": a, **({"reduction": reduction} if reduction != "none" else {})})


@maker("GatherND")
def gather_nd(r, name, since, s):
    shape = r.shape(1, 4, empty=0)
    batch = r.int(0, min(2, len(shape) - 1)) if since >= 12 else 0
    k = r.int(1, len(shape) - batch)
    lead = (*shape[:batch], *r.shape(1 if batch == 0 else 0, 2, empty=0))
    idx = np.stack([r.array(lead, "int64", -shape[batch + i], shape[batch + i] - 1) for i in range(k)], axis=-1) if k else None
    return Case(name, since, [r.array(shape, dtype_for(r, s, prefer=("float", "string"))), idx], {"batch_dims": batch} if batch or r.chance() and since >= 12 else {})


@maker("ScatterND")
def scatter_nd(r, name, since, s):
    shape = r.shape(1, 4, empty=0)
    k = r.int(1, len(shape))
    n = r.int(1, 4)
    reduction = r.pick("none", *(("add", "mul") if since >= 16 else ()), *(("max", "min") if since >= 18 else ()))
    dtype = dtype_for(r, s, prefer=("float", "int64"))
    if dtype in ("string", "bool"):
        reduction = "none"
    flat = int(np.prod(shape[:k]))
    places = r.np.permutation(flat)[:n] if reduction == "none" else r.np.integers(flat, size=n)
    idx = np.stack(np.unravel_index(places, shape[:k]), axis=-1).astype(np.int64)
    return Case(name, since, [r.array(shape, dtype), idx, r.array((len(places), *shape[k:]), dtype)], {"reduction": reduction} if reduction != "none" else {})


@maker("TensorScatter")
def tensor_scatter(r, name, since, s):
    shape = [r.int(1, 3), r.int(3, 6), r.int(2, 6), r.int(1, 4)]
    a = r.pick(1, 2, -2, -3)
    update = list(shape)
    update[a] = r.int(1, shape[a] - 1)
    mode = r.pick("linear", "circular")
    top = shape[a] - update[a] if mode == "linear" else shape[a] - 1
    dtype = dtype_for(r, s)
    return Case(name, since, [r.array(shape, dtype), r.array(update, dtype), r.array((shape[0],), "int64", 0, top) if r.chance(0.8) else None], {"axis": a, "mode": mode})


@maker("DepthToSpace")
def depth_to_space(r, name, since, s):
    b = r.int(1, 3)
    return Case(name, since, [r.array((r.int(1, 2), r.int(1, 2) * b * b, r.int(1, 3), r.int(1, 3)), dtype_for(r, s))], {"blocksize": b, **({"mode": r.pick("DCR", "CRD")} if since >= 11 and r.chance(0.7) else {})})


@maker("SpaceToDepth")
def space_to_depth(r, name, since, s):
    b = r.int(1, 3)
    return Case(name, since, [r.array((r.int(1, 2), r.int(1, 3), b * r.int(1, 3), b * r.int(1, 3)), dtype_for(r, s))], {"blocksize": b})


@maker("Shape")
def shape_(r, name, since, s):
    return Case(name, since, [r.array(r.shape(), dtype_for(r, s))], {k: r.int(-5, 5) for k in ("start", "end") if r.chance(0.6)} if since >= 15 else {})


@maker("Size", "NonZero")
def size(r, name, since, s):
    return Case(name, since, [r.array(r.shape(), dtype_for(r, s), -1, 1)])


@maker("Compress")
def compress(r, name, since, s):
    shape = r.shape(1, empty=0)
    if r.chance(0.3):
        return Case(name, since, [r.array(shape, dtype_for(r, s)), r.array((r.int(1, int(np.prod(shape))),), "bool")])
    a = axis(r, len(shape)) if since >= 11 else r.int(0, len(shape) - 1)
    return Case(name, since, [r.array(shape, dtype_for(r, s, prefer=("float", "string"))), r.array((r.int(1, shape[a]),), "bool")], {"axis": a})


@maker("OneHot")
def one_hot(r, name, since, s):
    depth = r.int(1, 5)
    shape = r.shape(0, 3)
    idx_type = dtype_for(r, s, 0, prefer=("int64",), among=("int64", "int32", "float", "uint8"))
    out = dtype_for(r, s, 2, prefer=("float", "int64", "string"))
    idx = r.array(shape, idx_type, -depth - 2 if since >= 11 and idx_type.startswith("int") else 0, depth + 2)
    if idx_type == "float":
        idx = np.round(idx)
    d = np.array(depth, NP[r.pick("int64", "int32", "float")])
    return Case(name, since, [idx, d if r.chance() else d.reshape(1), r.array((2,), out)], {"axis": r.int(-len(shape) - 1 if since >= 11 else -1, len(shape))} if r.chance() else {})


@maker("TopK")
def topk(r, name, since, s):
    shape = r.shape(1, empty=0)
    a = axis(r, len(shape)) if since >= 10 or r.chance() else -1
    k = r.int(0 if since >= 10 else 1, shape[a])
    dtype = dtype_for(r, s)
    x = r.array(shape, dtype, odd=0.1 if r.chance(0.2) and dtype not in FLOATS else 0)
    if r.chance() and dtype in FLOATS:
        x = np.round(x.astype(np.float64)).astype(x.dtype)
    if since < 10:
        return Case(name, since, [x], {"k": k, "axis": a}, outputs=2)
    attrs = {"axis": a}
    if since >= 11:
        attrs.update(largest=r.int(0, 1), sorted=1)
    return Case(name, since, [x, i64(k)], attrs, outputs=2)


@maker("Unique")
def unique(r, name, since, s):
    shape = r.shape(1, 3, empty=0.1)
    attrs = {"sorted": r.int(0, 1)}
    if r.chance(0.6):
        attrs["axis"] = axis(r, len(shape))
        if shape[attrs["axis"]] == 0 or 0 in shape:
            return None
    return Case(name, since, [r.array(shape, dtype_for(r, s, prefer=("float", "string", "int64")), 0, 2).astype(object) if False else _few(r, shape, dtype_for(r, s, prefer=("float", "string", "int64")))], attrs, outputs=r.int(1, 4))


def _few(r, shape, dtype):
    x = r.array(shape, dtype, 0, 2)
    return np.round(x.astype(np.float64)).astype(x.dtype) if dtype in FLOATS else x


@maker("Trilu")
def trilu(r, name, since, s):
    shape = r.shape(2)
    return Case(name, since, [r.array(shape, dtype_for(r, s)), np.array(r.int(-6, 6), np.int64) if r.chance(0.7) else None], {"upper": r.int(0, 1)} if r.chance(0.8) else {})


@maker("EyeLike")
def eye_like(r, name, since, s):
    dtype = dtype_for(r, s)
    attrs = {"k": r.int(-3, 3)} if r.chance() else {}
    if r.chance():
        attrs["dtype"] = r.pick(1, 6, 7, 10, 11)
    return Case(name, since, [r.array(r.shape(2, 2), dtype)], attrs)


@maker("ConstantOfShape")
def constant_of_shape(r, name, since, s):
    shape = r.shape()
    attrs = {}
    if r.chance(0.8):
        attrs["value"] = tensor_proto(r.array((1,), dtype_for(r, s, "T2")), "v")
    return Case(name, since, [i64(*shape)], attrs)


@maker("Range")
def range_(r, name, since, s):
    dtype = dtype_for(r, s)
    start, limit = (r.int(-5, 5), r.int(-9, 9)) if not dtype.startswith("uint") else (r.int(0, 4), r.int(5, 9))
    delta = r.pick(1, 2, -1, -3) if not dtype.startswith("uint") else r.pick(1, 2)
    if dtype in ("float", "double"):
        start, delta = start + 0.25, delta * 0.5
    return Case(name, since, [np.array(v, NP[dtype]) for v in (start, limit, delta)])


@maker("ReverseSequence")
def reverse_sequence(r, name, since, s):
    batch = r.int(0, 1)
    shape = tuple(r.ints(r.int(2, 4), 1, 5))
    return Case(name, since, [r.array(shape, dtype_for(r, s, prefer=("float", "string"))), r.array((shape[batch],), "int64", 1 if r.chance() else 0, shape[1 - batch])], {"batch_axis": batch, "time_axis": 1 - batch})


@maker("CenterCropPad")
def center_crop_pad(r, name, since, s):
    shape = r.shape(1, 3, empty=0)
    if r.chance():
        axes = some_axes(r, len(shape))
        return Case(name, since, [r.array(shape, dtype_for(r, s)), i64(*r.ints(len(axes), 1, 7))], {"axes": axes})
    return Case(name, since, [r.array(shape, dtype_for(r, s)), i64(*r.ints(len(shape), 1, 7))])


@maker("Einsum")
def einsum(r, name, since, s):
    dtype = dtype_for(r, s)
    eq, shapes = r.pick(("ij,jk->ik", [(2, 3), (3, 4)]), ("bij,bjk->bik", [(2, 3, 4), (2, 4, 2)]), ("i,j", [(3,), (2,)]), ("ij->ji", [(2, 3)]), ("ii->i", [(3, 3)]), ("ij->", [(2, 3)]),
                        ("...ij,...jk->...ik", [(2, 1, 2, 3), (4, 3, 2)]), ("ij , jk", [(2, 3), (3, 2)]), ("bhqd,bhkd->bhqk", [(1, 2, 3, 4), (1, 2, 5, 4)]), ("i,i->", [(4,), (4,)]),
                        ("ij,jk,kl->il", [(2, 3), (3, 2), (2, 4)]), ("...ii->...i", [(2, 3, 3)]), ("b...,b->b...", [(2, 3, 4), (2,)]), ("iI,Ij->ij", [(2, 3), (3, 2)]))
    return Case(name, since, [r.array(x, dtype) for x in shapes], {"equation": eq})


@maker("MatMul")
def matmul(r, name, since, s):
    dtype = dtype_for(r, s)
    n, k, m = r.ints(3, 1, 5)
    batch = r.shape(0, 2, empty=0)
    a, b = (*r.broadcast(batch), n, k), (*r.broadcast(batch), k, m)
    if r.chance(0.15):
        a = (k,)
    if r.chance(0.15):
        b = (k,)
    return Case(name, since, [r.array(a, dtype), r.array(b, dtype)])


@maker("Gemm")
def gemm(r, name, since, s):
    dtype = dtype_for(r, s)
    n, k, m = r.ints(3, 0 if since >= 11 and r.chance(0.1) else 1, 5)
    ta, tb = r.int(0, 1), r.int(0, 1)
    c = r.pick((n, m), (m,), (1, m), (n, 1), (), (1,))
    attrs = {"transA": ta, "transB": tb}
    if r.chance():
        attrs.update(alpha=2.0 if dtype in INTS else 0.5, beta=3.0 if dtype in INTS else 0.25)
    if since < 7:
        if c != (n, m):
            attrs["broadcast"] = 1
            if c not in ((m,), (1, m)):
                c = (m,)
    no_c = since >= 11 and r.chance(0.25)
    return Case(name, since, [r.array((k, n) if ta else (n, k), dtype), r.array((m, k) if tb else (k, m), dtype), None if no_c else r.array(c, dtype)], attrs)


@maker("Det")
def det(r, name, since, s):
    n = r.int(1, 4)
    return Case(name, since, [r.array((*r.shape(0, 2, empty=0), n, n), dtype_for(r, s))])


@maker("StringConcat")
def string_concat(r, name, since, s):
    shape = r.shape()
    return Case(name, since, [r.array(r.broadcast(shape), "string"), r.array(shape, "string")])


@maker("StringSplit")
def string_split(r, name, since, s):
    n = r.int(0, 4)
    texts = np.array([r.pick("a b c", " a  b ", "a,b,,c", "", "abc", ",", ",,a", "x--y--z--", "  ", "one\ttwo three", "a\u00a0b") for _ in range(n)], object)
    if r.chance(0.3) and n == 4:
        texts = texts.reshape(2, 2)
    attrs = {}
    if r.chance(0.7):
        attrs["delimiter"] = r.pick("", ",", "--", " ", "b")
    if r.chance(0.4):
        attrs["maxsplit"] = r.int(1, 3)
    return Case(name, since, [texts], attrs, outputs=2)


@maker("StringNormalizer")
def string_normalizer(r, name, since, s):
    texts = np.array([r.pick("monday", "Tuesday", "WEDNESDAY", "ab", "AB", "x") for _ in range(r.int(1, 5))], object)
    if r.chance(0.3):
        texts = texts.reshape(1, -1)
    attrs = {"case_change_action": r.pick("LOWER", "UPPER", "NONE"), "is_case_sensitive": r.int(0, 1)}
    if r.chance(0.7):
        attrs["stopwords"] = ["monday", "AB", "X"][: r.int(1, 3)]
    return Case(name, since, [texts], attrs)


@maker("RegexFullMatch")
def regex(r, name, since, s):
    pattern = r.pick(r"www\.[\w.-]+\.\bcom\b", r"a*b+", r"(ab|a)(bc|c)?", r"[^a-c]+", r"\d{2,4}", r".*", r"(?i)ABC", r"[[:alpha:]]+", r"\p{L}+", r"a|b|", r"x{3}", r"(?:a|b)*?c", r"\S+\s\S+")
    texts = np.array([r.pick("www.google.com", "aab", "abc", "ac", "xyz", "1234", "12345", "", "ABC", "Ünï", "xxx", "abac", "a b", "a\nb") for _ in range(5)], object)
    return Case(name, since, [texts], {"pattern": pattern})


@maker("TfIdfVectorizer")
def tfidf(r, name, since, s):
    words = r.chance(0.4)
    shape = (r.int(4, 9),) if r.chance() else (2, r.int(3, 8))
    attrs = {"max_gram_length": r.int(1, 2), "max_skip_count": r.int(0, 3), "min_gram_length": 1, "mode": r.pick("TF", "IDF", "TFIDF"), "ngram_counts": [0, 3], "ngram_indexes": [0, 2, 1, 4, 3]}
    if words:
        x = np.array([r.pick("a", "b", "c", "d") for _ in range(int(np.prod(shape)))], object).reshape(shape)
        attrs["pool_strings"] = ["a", "b", "c", "a", "b", "c", "a"]
    else:
        x = r.array(shape, r.pick("int32", "int64"), 0, 4)
        attrs["pool_int64s"] = [0, 1, 2, 1, 2, 3, 4]
    if r.chance():
        attrs["weights"] = [0.5, 1.0, 2.0, 1.5, 0.25]
    return Case(name, since, [x], attrs)


@maker("ConcatFromSequence")
def concat_from_sequence(r, name, since, s):
    shape = r.shape(1, 3, empty=0)
    new = r.int(0, 1)
    return Case(name, since, [[r.array(shape, "float") for _ in range(r.int(1, 3))]], {"axis": r.int(-len(shape) - new, len(shape) - 1 + new), "new_axis": new})


@maker("SplitToSequence")
def split_to_sequence(r, name, since, s):
    shape = r.shape(1, 3, empty=0)
    a = axis(r, len(shape))
    x = r.array(shape, dtype_for(r, s, prefer=("float",), among=("float", "int64", "string", "int32")))
    n = shape[a]
    k = r.pick("none", "scalar", "list")
    attrs = {"axis": a, **({"keepdims": r.int(0, 1)} if r.chance() else {})}
    if k == "none":
        return Case(name, since, [x, None], attrs)
    if k == "scalar":
        return Case(name, since, [x, np.array(r.int(1, n), np.int64)], attrs)
    first = r.int(0, n)
    return Case(name, since, [x, i64(first, n - first)], attrs)


@maker("SequenceAt", "SequenceErase", "SequenceInsert", "SequenceLength")
def sequence(r, name, since, s):
    items = [r.array(r.shape(1, 2, empty=0), "float") for _ in range(r.int(1, 4))]
    n = len(items)
    at = np.array(r.int(-n, n - 1), r.pick(np.int32, np.int64))
    if name == "SequenceLength":
        return Case(name, since, [items])
    if name == "SequenceInsert":
        return Case(name, since, [items, r.array((2,), "float"), at if r.chance(0.7) else None])
    return Case(name, since, [items, at if name == "SequenceAt" or r.chance(0.7) else None])
