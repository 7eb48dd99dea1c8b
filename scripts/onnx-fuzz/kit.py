"""What makers of random ONNX cases share: dtypes, arrays, cases, and the oracles that answer them."""

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

NP = {
    "float": np.dtype("float32"), "double": np.dtype("float64"), "float16": np.dtype("float16"), "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "int8": np.dtype("int8"), "int16": np.dtype("int16"), "int32": np.dtype("int32"), "int64": np.dtype("int64"),
    "uint8": np.dtype("uint8"), "uint16": np.dtype("uint16"), "uint32": np.dtype("uint32"), "uint64": np.dtype("uint64"),
    "bool": np.dtype("bool"), "string": np.dtype(object),
    "float8e4m3fn": np.dtype(ml_dtypes.float8_e4m3fn), "float8e4m3fnuz": np.dtype(ml_dtypes.float8_e4m3fnuz),
    "float8e5m2": np.dtype(ml_dtypes.float8_e5m2), "float8e5m2fnuz": np.dtype(ml_dtypes.float8_e5m2fnuz),
    "int4": np.dtype(ml_dtypes.int4), "uint4": np.dtype(ml_dtypes.uint4), "int2": np.dtype(ml_dtypes.int2), "uint2": np.dtype(ml_dtypes.uint2),
    "float4e2m1": np.dtype(ml_dtypes.float4_e2m1fn), "float8e8m0": np.dtype(ml_dtypes.float8_e8m0fnu),
}
NAME = {v: k for k, v in NP.items()}
#: Types that onnxruntime's Python API takes no numpy array of.
NARROW = {"bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "int4", "uint4", "int2", "uint2", "float4e2m1", "float8e8m0"}
FLOATS = ("float", "double", "float16", "bfloat16")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTS = SIGNED + UNSIGNED
WORDS = ["", "a", "b", "abc", "Ünïcode", "a b", "x" * 9, "0", "Z"]


def code(dtype):
    return helper.string_to_tensor_dtype(dtype) if hasattr(helper, "string_to_tensor_dtype") else getattr(TensorProto, dtype.upper())


class Case:
    """One node with inputs: arrays, None for one that is left out, lists for sequences. `consts` are inputs that become initialisers."""

    def __init__(self, op, since, inputs, attrs=None, outputs=1, domain="", consts=(), rtol=1e-3, atol=1e-5, special=()):
        self.op, self.since, self.inputs, self.attrs, self.outputs = op, since, inputs, attrs or {}, outputs
        self.domain, self.consts, self.rtol, self.atol, self.special = domain, set(consts), rtol, atol, special


class Rng:
    """Draws with the few words that makers need."""

    def __init__(self, seed):
        self.np = np.random.default_rng(seed)

    def pick(self, *options):
        return options[int(self.np.integers(len(options)))]

    def chance(self, p=0.5):
        return bool(self.np.random() < p)

    def int(self, low, high):
        """Both ends count."""
        return int(self.np.integers(low, high + 1))

    def ints(self, n, low, high):
        return [self.int(low, high) for _ in range(n)]

    def shape(self, low=0, high=4, empty=0.04, most=5):
        rank = self.int(low, high)
        return tuple(0 if self.chance(empty) else self.int(1, most) for _ in range(rank))

    def array(self, shape, dtype="float", low=None, high=None, odd=0.0):
        """Values of `dtype`; `odd` is the share of NaN, infinities, zeros and extremes among them."""
        shape = tuple(shape)
        n = int(np.prod(shape, dtype=np.int64))
        if dtype == "string":
            return np.array([self.pick(*WORDS) for _ in range(n)], dtype=object).reshape(shape)
        if dtype == "bool":
            return (self.np.random(shape) < 0.5).astype(bool).reshape(shape)
        kind = NP[dtype]
        if dtype in INTS:
            info = np.iinfo(kind)
            low = max(info.min, -9) if low is None else max(low, info.min)
            high = min(info.max, 9) if high is None else min(high, info.max)
            out = self.np.integers(low, high, size=shape, endpoint=True).astype(kind)
            if odd:
                mask = self.np.random(shape) < odd
                extremes = self.np.choice(np.array([info.min, info.max, 0, 1], dtype=kind), size=shape)
                out = np.where(mask, extremes, out).astype(kind)
            return np.asarray(out).reshape(shape)
        if dtype in ("int4", "uint4", "int2", "uint2"):
            info = ml_dtypes.iinfo(kind)
            return self.np.integers(int(info.min), int(info.max), size=shape, endpoint=True).astype(kind)
        low, high = -3.0 if low is None else low, 3.0 if high is None else high
        out = self.np.uniform(low, high, size=shape)
        if odd:
            mask = self.np.random(shape) < odd
            out = np.where(mask, self.np.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -65504.0, 0.5, 2.5], size=shape), out)
        with np.errstate(all="ignore"):
            return np.asarray(out).astype(kind).reshape(shape)

    def broadcast(self, shape):
        """A shape that broadcasts to `shape`."""
        cut = self.int(0, len(shape)) if self.chance(0.4) else 0
        return tuple(1 if self.chance(0.3) else s for s in shape[cut:])


def types_of(schema, name):
    """Element types of a formal input by position or of a type constraint by name."""
    if isinstance(name, int):
        name = schema.inputs[min(name, len(schema.inputs) - 1)].type_str
    for t in schema.type_constraints:
        if t.type_param_str == name:
            return [x[7:-1] for x in t.allowed_type_strs if x.startswith("tensor(") and x[7:-1] in NP]
    return [name[7:-1]] if name.startswith("tensor(") and name[7:-1] in NP else []


def dtype_for(rng, schema, name=0, prefer=("float",), among=None):
    """Mostly a common dtype, else any that the schema allows."""
    allowed = types_of(schema, name)
    if among is not None:
        allowed = [t for t in allowed if t in among]
    common = [t for t in prefer if t in allowed]
    if common and rng.chance(0.45):
        return rng.pick(*common)
    return rng.pick(*allowed) if allowed else "float"


def value_type(value):
    if isinstance(value, list):
        elem = value[0] if value else np.zeros((), np.float32)
        return helper.make_sequence_type_proto(helper.make_tensor_type_proto(code(NAME[elem.dtype]), None))
    return helper.make_tensor_type_proto(code(NAME[value.dtype]), value.shape)


def tensor_proto(array, name):
    if array.dtype == object:
        return helper.make_tensor(name, TensorProto.STRING, array.shape, [str(x).encode() for x in array.reshape(-1)])
    return numpy_helper.from_array(np.ascontiguousarray(array) if array.ndim else array, name)


IR = 13


def model_of(case, opset, out_types=None, narrow=False):
    """The case as a model. `narrow`: for onnxruntime, narrow inputs are initialisers and narrow outputs are cast to float."""
    names, graph_inputs, initialisers, nodes = [], [], [], []
    for i, value in enumerate(case.inputs):
        if value is None:
            names.append("")
            continue
        names.append(f"x{i}")
        is_narrow = not isinstance(value, list) and NAME[value.dtype] in NARROW
        if i in case.consts or (narrow and is_narrow):
            initialisers.append(tensor_proto(value, f"x{i}"))
        else:
            graph_inputs.append(helper.make_value_info(f"x{i}", value_type(value)))
    while names and names[-1] == "":
        names.pop()
    outs = [f"y{i}" for i in range(case.outputs)]
    nodes.append(helper.make_node(case.op, names, outs, name="n", domain=case.domain, **case.attrs))
    graph_outputs = []
    for i, o in enumerate(outs):
        declared = None if out_types is None else out_types[i]
        if narrow and declared in NARROW:
            nodes.append(helper.make_node("Cast", [o], [f"{o}_wide"], to=TensorProto.FLOAT))
            graph_outputs.append(helper.make_tensor_value_info(f"{o}_wide", TensorProto.FLOAT, None))
        elif declared is None:
            graph_outputs.append(onnx.ValueInfoProto(name=o))
        elif declared.startswith("seq"):
            graph_outputs.append(helper.make_value_info(o, helper.make_sequence_type_proto(helper.make_tensor_type_proto(code(declared[4:-1]), None))))
        else:
            graph_outputs.append(helper.make_tensor_value_info(o, code(declared), None))
    graph = helper.make_graph(nodes, "g", graph_inputs, graph_outputs, initialisers)
    imports = [helper.make_opsetid("", opset if case.domain == "" else 21)]
    if case.domain != "":
        imports.append(helper.make_opsetid(case.domain, opset))
    return helper.make_model(graph, opset_imports=imports, ir_version=IR)
