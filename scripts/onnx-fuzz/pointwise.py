"""Elementwise ops, logic, comparisons and casts."""

import numpy as np

from kit import FLOATS, INTS, NP, Case, code, dtype_for, types_of

MAKERS = {}


def maker(*names):
    def register(f):
        for n in names:
            MAKERS[("", n)] = f
        return f
    return register


RANGES = {"Acos": (-1, 1), "Asin": (-1, 1), "Atanh": (-0.99, 0.99), "Acosh": (1, 5), "Log": (0.01, 5), "Sqrt": (0, 5)}


@maker("Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Cos", "Cosh", "Erf", "Exp", "Floor", "Log", "Neg", "Reciprocal", "Round", "Sigmoid",
       "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Tan", "Tanh", "Relu", "IsNaN", "Identity", "Mish", "HardSwish", "Not", "BitwiseNot")
def unary(r, name, since, s):
    dtype = dtype_for(r, s)
    low, high = RANGES.get(name, (None, None))
    odd = 0.15 if r.chance(0.4) and name not in RANGES else 0
    x = r.array(r.shape(), dtype, low, high, odd=odd)
    if name == "Round" and dtype in FLOATS and r.chance():
        x = (np.round(x.astype(np.float64) * 2) / 2).astype(NP[dtype])
    return Case(name, since, [x])


@maker("IsInf")
def is_inf(r, name, since, s):
    return Case(name, since, [r.array(r.shape(), dtype_for(r, s), odd=0.4)], {"detect_negative": r.int(0, 1), "detect_positive": r.int(0, 1)} if r.chance() else {})


@maker("Elu", "LeakyRelu", "ThresholdedRelu", "Celu", "Swish")
def alpha(r, name, since, s):
    return Case(name, since, [r.array(r.shape(), dtype_for(r, s), odd=0.1 if r.chance(0.3) else 0)], {"alpha": float(r.np.uniform(0.1, 2))} if r.chance(0.7) else {})


@maker("Selu")
def selu(r, name, since, s):
    return Case(name, since, [r.array(r.shape(), dtype_for(r, s))], {"alpha": 1.3, "gamma": 0.7} if r.chance() else {})


@maker("HardSigmoid")
def hard_sigmoid(r, name, since, s):
    return Case(name, since, [r.array(r.shape(), dtype_for(r, s))], {"alpha": 0.4, "beta": 0.3} if r.chance() else {})


@maker("Shrink")
def shrink(r, name, since, s):
    return Case(name, since, [r.array(r.shape(), dtype_for(r, s))], {"lambd": 1.5, "bias": 0.5} if r.chance() else {})


@maker("Gelu")
def gelu(r, name, since, s):
    return Case(name, since, [r.array(r.shape(), dtype_for(r, s))], {"approximate": r.pick("none", "tanh")} if r.chance(0.7) else {})


def operands(r, since, dtype, dtype2=None, low=None, high=None, odd=0.0):
    """Two operands, the second broadcast as the version allows; with the attributes of the old broadcasting."""
    shape = r.shape(1 if since < 7 else 0)
    attrs = {}
    if since >= 7:
        a, b = shape, r.broadcast(shape)
        if r.chance(0.3):
            a, b = b, a
    elif r.chance(0.6) and len(shape) > 0:
        attrs["broadcast"] = 1
        start = r.int(0, len(shape) - 1)
        stop = r.int(start + 1, len(shape))
        b = shape[start:stop]
        if stop != len(shape) or r.chance():
            attrs["axis"] = start
        a = shape
    else:
        a = b = shape
    return r.array(a, dtype, odd=odd), r.array(b, dtype2 or dtype, low, high, odd=odd), attrs


@maker("Add", "Sub", "Mul", "Div", "And", "Or", "Xor", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual")
def binary(r, name, since, s):
    dtype = dtype_for(r, s)
    odd = 0.15 if r.chance(0.3) and name != "Div" else 0
    a, b, attrs = operands(r, since, dtype, odd=odd)
    if name == "Div" and dtype in INTS:
        b = np.where(b == 0, np.ones_like(b), b).astype(NP[dtype])
    if name in ("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual") and dtype in FLOATS and r.chance():
        a, b = np.round(a.astype(np.float64)).astype(NP[dtype]), np.round(b.astype(np.float64)).astype(NP[dtype])
    return Case(name, since, [a, b], attrs)


@maker("Pow")
def power(r, name, since, s):
    dtype = dtype_for(r, s)
    other = dtype if since < 12 else dtype_for(r, s, 1)
    a, b, attrs = operands(r, since, dtype, other, 0, 3)
    if dtype in FLOATS and other in FLOATS:
        a = np.abs(a.astype(np.float64)).astype(NP[dtype])
    if dtype in INTS and other in FLOATS:
        b = np.round(b.astype(np.float64)).astype(NP[other])
    return Case(name, since, [a, b], attrs)


@maker("Mod")
def mod(r, name, since, s):
    dtype = dtype_for(r, s, prefer=("int32", "float"))
    a, b, _ = operands(r, 7, dtype)
    if dtype in INTS:
        b = np.where(b == 0, np.ones_like(b), b).astype(NP[dtype])
    fmod = 1 if dtype in FLOATS else r.int(0, 1)
    return Case(name, since, [a, b], {"fmod": fmod} if fmod or r.chance() else {})


@maker("BitShift")
def shift(r, name, since, s):
    a, b, _ = operands(r, 7, dtype := dtype_for(r, s, prefer=("uint8",)))
    b = r.array(b.shape, dtype, 0, 7)
    return Case(name, since, [a, b], {"direction": r.pick("LEFT", "RIGHT")})


@maker("PRelu")
def prelu(r, name, since, s):
    dtype = dtype_for(r, s)
    shape = r.shape(2 if since < 9 else 1)
    slope = ((shape[1],) if r.chance() else (1,)) if since < 7 else r.broadcast(shape)
    if since < 9 and since >= 7 and r.chance():
        slope = (1,) * max(len(shape) - 1, 0)
    return Case(name, since, [r.array(shape, dtype), r.array(slope, dtype)])


@maker("Max", "Min", "Sum", "Mean")
def variadic(r, name, since, s):
    dtype = dtype_for(r, s)
    shape = r.shape()
    n = r.int(1, 4)
    odd = 0.1 if r.chance(0.4) else 0
    shapes = [shape if since < 8 else r.broadcast(shape) for _ in range(n)]
    return Case(name, since, [r.array(x, dtype, odd=odd) for x in shapes])


@maker("Clip")
def clip(r, name, since, s):
    dtype = dtype_for(r, s)
    x = r.array(r.shape(), dtype, odd=0.1 if r.chance(0.3) else 0)
    if since < 11:
        return Case(name, since, [x], {k: v for k, v in (("min", -1.5), ("max", 0.75)) if r.chance(0.7)})
    low = r.array((), dtype, -3, 0) if r.chance(0.7) else None
    high = r.array((), dtype, 1, 3) if r.chance(0.7) else None
    if r.chance(0.15) and low is not None and high is not None:
        low, high = high, low
    return Case(name, since, [x, low, high])


@maker("Where")
def where(r, name, since, s):
    shape = r.shape()
    dtype = dtype_for(r, s, 1, prefer=("float", "int64", "string"))
    return Case(name, since, [r.array(r.broadcast(shape), "bool"), r.array(r.broadcast(shape), dtype), r.array(r.broadcast(shape), dtype)])


@maker("Cast")
def cast(r, name, since, s):
    source, target = dtype_for(r, s), dtype_for(r, s, "T2")
    if source in FLOATS and target in INTS:
        x = r.array(r.shape(), source, 0 if target in ("uint8", "uint16", "uint32", "uint64") else -100, 100)
    elif source == "string":
        texts = ["1", "-3", "0", "7"] if target in INTS else ["1.5", "-2", "1e3", "NaN", "INF", "-INF", "+inf", "3.0e-2", "nan"]
        if target in ("uint8", "uint16", "uint32", "uint64"):
            texts = ["1", "3", "0"]
        x = np.array([r.pick(*texts) for _ in range(4)], dtype=object)
    else:
        x = r.array(r.shape(), source, odd=0.1 if target in FLOATS else 0)
    to = target.upper() if since == 1 else code(target)
    attrs = {"to": to}
    if since >= 19 and target.startswith("float8") and r.chance():
        attrs["saturate"] = r.int(0, 1)
    return Case(name, since, [x], attrs)


@maker("CastLike")
def cast_like(r, name, since, s):
    source, target = dtype_for(r, s), dtype_for(r, s, "T2")
    if "string" in (source, target):
        return None
    low = 0 if target.startswith("uint") else -5
    return Case(name, since, [r.array(r.shape(), source, low, 5), r.array((2,), target)])


@maker("BitCast")
def bit_cast(r, name, since, s):
    source = dtype_for(r, s)
    if source in ("string", "bool"):
        return None
    same = [t for t in types_of(s, "T2") if t not in ("bool", "string") and NP[t].itemsize == NP[source].itemsize and (t[-1] == "4") == (source[-1] == "4")]
    return Case(name, since, [r.array(r.shape(), source)], {"to": code(r.pick(*same))}) if same else None


@maker("Dropout")
def dropout(r, name, since, s):
    x = r.array(r.shape(), dtype_for(r, s))
    if since < 12:
        return Case(name, since, [x], {"is_test": 1} if since < 7 else {"ratio": 0.3} if r.chance() else {}, outputs=1)
    return Case(name, since, [x, np.array(0.4, np.float32) if r.chance() else None, np.array(False) if r.chance() else None], outputs=r.int(1, 2))


@maker("SwiGLU")
def swiglu(r, name, since, s):
    dtype, shape = dtype_for(r, s), r.shape()
    return Case(name, since, [r.array(shape, dtype), r.array(shape, dtype)], {"alpha": 1.5} if r.chance() else {})
