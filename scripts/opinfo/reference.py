"""The PyTorch side of `npm run opinfo`: samples of PyTorch's own operator and module databases, traced, with what PyTorch gives for them.

Reads requests from stdin, a JSON object a line, and answers in frames on stdout: two little-endian uint64 (bytes of JSON, bytes of data),
the JSON, the data. One series of samples is under way at a time; after each of its frames one line is read, so no more than one frame
is made ahead of the reader.

  {"list": "ops" | "modules"}   ->  {"torch", "entries": [{"name", "dtypes"}]}
  {"entry", "dtype", "variants", "start", "reference"}  ->  frames {"samples", "archives", "storages", "last"}; dtype "errors" for error_inputs

A sample is a method of an archive: the operator traced as a function of its tensors, other arguments being constants. Where the operator
raises, the call that raised ends the trace, so that the same call can be asked for an error.
"""

import contextlib
import io
import itertools
import json
import os
import struct
import sys
import types
import warnings

import torch
from torch.jit import annotate  # noqa: F401: a name that scripted source uses
from torch.utils import _pytree as pytree

SEED = 7
CHUNK = 40
CHUNK_BYTES = 16 * 2**20
PRECISE = {torch.float16: torch.float64, torch.bfloat16: torch.float64, torch.float32: torch.float64, torch.complex64: torch.complex128}
# Uninitialised memory.
SHAPE_ONLY = {"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted", "resize_", "resize_as_"}
# Entries whose sample says how to make of the factors something unique.
GAUGE = {
    "svd", "linalg.svd", "linalg.eigh", "linalg.eig", "svd_lowrank", "pca_lowrank", "linalg.eigvals", "linalg.eigvalsh",
    "linalg.lstsq", "symeig", "lobpcg",
}
# PyTorch writes past the end of `out=` tensors that are laid out in another order of axes.
ROW_MAJOR_OUT = {"linalg.lu", "lu_unpack"}


class NotExpressible(Exception):
    """The sample cannot go out."""


class NoArchive(NotExpressible):
    """PyTorch itself makes no archive of the sample: it raises before any operator is called, or can neither trace nor script the call."""


# ------------------------------------------------------------------------------------------------------------ frames


class Frame:
    """What goes out at once: samples with the archives and the storages that they name."""

    def __init__(self):
        self.samples = []
        self.archives = []
        self.storages = []
        self.data = []
        self.nbytes = 0

    def put(self, data):
        begin = self.nbytes
        self.data.append(data)
        self.nbytes += len(data)
        return [begin, self.nbytes]

    def storage(self, storage):
        self.storages.append(self.put(torch.empty(0, dtype=torch.uint8).set_(storage).numpy().tobytes()))
        return len(self.storages) - 1

    def archive(self, module):
        out = io.BytesIO()
        torch.jit.save(module, out)
        self.archives.append(self.put(out.getvalue()))


def send(out, message, data=()):
    text = json.dumps(message).encode()
    out.write(struct.pack("<QQ", len(text), sum(map(len, data))))
    out.write(text)
    for part in data:
        out.write(part)
    out.flush()


def dtype_name(dtype):
    return str(dtype).removeprefix("torch.")


def tensor_value(t, frame, known):
    """A tensor with its storage; tensors of one sample may share one."""
    if not isinstance(t, torch.Tensor) or t.layout != torch.strided or t.is_quantized or t.is_nested:
        raise NotExpressible("a tensor that is not strided")
    t = t.detach().resolve_conj().resolve_neg()
    storage = t.untyped_storage()
    key = storage._cdata
    if key not in known:
        known[key] = (frame.storage(storage), storage)
    return {"tensor": known[key][0], "dtype": dtype_name(t.dtype), "shape": list(t.shape), "strides": list(t.stride()), "offset": t.storage_offset()}


def value_of(x, frame, known):
    if isinstance(x, torch.Tensor):
        return tensor_value(x, frame, known)
    if x is None:
        return {"none": True}
    if isinstance(x, bool):
        return {"bool": x}
    if isinstance(x, int):
        return {"int": str(x)}
    if isinstance(x, float):
        return {"float": repr(x)}
    if isinstance(x, complex):
        return {"complex": [repr(x.real), repr(x.imag)]}
    if isinstance(x, str):
        return {"str": x}
    if isinstance(x, (list, tuple)):
        return {"list": [value_of(y, frame, known) for y in x]}
    if isinstance(x, dict):
        return {"list": [value_of(y, frame, known) for y in x.values()]}
    raise NotExpressible(f"a result of type {type(x).__name__}")


def words(x):
    """A sample in words."""
    if isinstance(x, torch.Tensor):
        return f"{dtype_name(x.dtype)}{list(x.shape)}" + ("" if x.layout != torch.strided or x.is_contiguous() else f" strides {list(x.stride())}")
    if isinstance(x, (list, tuple)):
        return "[" + ", ".join(map(words, x)) + "]"
    if callable(x) and not isinstance(x, type):
        return getattr(x, "__name__", "function")
    return repr(x)


def sample_words(args, kwargs):
    return ", ".join([words(a) for a in args] + [f"{k}={words(v)}" for k, v in kwargs.items()])[:300]


# ------------------------------------------------------------------------------------------------------------- calls


class Call:
    """A function and its arguments, as a function of the tensors among them."""

    def __init__(self, fn, args, kwargs, name=None):
        self.fn = fn
        self.name = name or getattr(fn, "__name__", "")
        leaves, self.spec = pytree.tree_flatten((tuple(args), dict(kwargs)))
        self.tensors = []
        self.leaves = []
        places = {}
        for leaf in leaves:
            if isinstance(leaf, torch.Tensor):
                if id(leaf) not in places:
                    places[id(leaf)] = len(self.tensors)
                    self.tensors.append(leaf)
                self.leaves.append(("tensor", places[id(leaf)]))
            else:
                self.leaves.append(("constant", leaf))

    def fresh(self):
        """Copies of the tensors with their strides and shared storages."""
        storages = {}
        out = []
        for t in self.tensors:
            t = t.detach()
            if t.layout != torch.strided:
                raise NotExpressible("a tensor that is not strided")
            if t.device.type != "cpu":
                raise NoArchive("a tensor on another device")
            t = t.resolve_conj().resolve_neg()
            key = t.untyped_storage()._cdata
            if key not in storages:
                storages[key] = (t.untyped_storage().clone(), t)
            out.append(torch.empty(0, dtype=t.dtype).set_(storages[key][0], t.storage_offset(), t.shape, t.stride()))
        return out

    def __call__(self, tensors, convert=lambda x: x):
        leaves = [tensors[x] if kind == "tensor" else convert(x) for kind, x in self.leaves]
        args, kwargs = pytree.tree_unflatten(leaves, self.spec)
        return self.fn(*args, **kwargs)


def plain(result):
    """Named tuples as tuples; absent parts of a tuple left out."""
    if isinstance(result, tuple):
        return tuple(plain(x) for x in result if x is not None)
    if isinstance(result, list):
        return [plain(x) for x in result if x is not None]
    return result


def only_tensors(result):
    if isinstance(result, (tuple, list)):
        return len(result) > 0 and all(map(only_tensors, result))
    if isinstance(result, dict):
        return len(result) > 0 and all(map(only_tensors, result.values()))
    return isinstance(result, torch.Tensor)


def raising_node(state):
    """Gives the node that raised the results its schema says; a tensor that stands for them."""
    torch._C._set_tracing_state(state)
    nodes = list(state.graph().nodes() if callable(state.graph) else state.graph.nodes())
    if not nodes:
        raise NoArchive("raised before any operator was called")
    node = nodes[-1]
    inputs = list(node.inputs())
    for schema in torch._C._jit_get_schemas_for_operator(node.kind()):
        arguments = schema.arguments
        if len(arguments) == len(inputs) and all(v.type().isSubtypeOf(a.type) or str(a.type) in ("number", "Optional[number]") for v, a in zip(inputs, arguments)):
            break
    else:
        raise NoArchive("raised outside of an operator")
    if node.outputsSize() != 0 or len(schema.returns) == 0:
        raise NoArchive("raised outside of an operator")
    stand_in = None
    for result in schema.returns:
        value = node.addOutput()
        if str(result.type) == "List[Tensor]" and stand_in is None:
            # A list that nothing is made of would not outlive the trace.
            value.setType(result.type)
            graph = state.graph() if callable(state.graph) else state.graph
            joined = graph.appendNode(graph.create("aten::cat", [value, graph.insertConstant(0)], 1))
            stand_in = torch.zeros(())
            torch._C._set_value_trace(stand_in, joined.output())
        elif str(result.type) != "Tensor":
            value.setType(result.type)
            if stand_in is None and str(result.type) == "List[Tensor]":
                # What nothing uses is left out of a trace.
                graph = state.graph() if callable(state.graph) else state.graph
                first = graph.create("prim::ListUnpack", [value], 1)
                graph.insertNode(first)
                stand_in = torch.zeros(())
                torch._C._set_value_trace(stand_in, first.output())
        elif stand_in is None:
            stand_in = torch.zeros(())
            torch._C._set_value_trace(stand_in, value)
    return state_input(state) if stand_in is None else stand_in


def state_input(state):
    """Any tensor that the trace knows."""
    graph = state.graph() if callable(state.graph) else state.graph
    value = next((v for v in graph.inputs() if str(v.type()) == "Tensor" or v.type().kind() == "TensorType"), None)
    if value is None:
        raise NoArchive("raised by a call without tensors")
    t = torch.zeros(())
    torch._C._set_value_trace(t, value)
    return t


def script_source(call, count, numbers=False):
    """One line of source that makes the call of tensors `x0`, `x1`, ...; for what a trace cannot hold. With `numbers` lists of floats are lists of Scalars."""

    class Name(str):
        """A tensor's name, where other strings are literals."""

    def literal(x):
        if numbers and isinstance(x, (list, tuple)) and x and all(type(y) is float for y in x):
            return f"annotate(List[number], [{', '.join(map(literal, x))}])"
        if isinstance(x, (list, tuple)):
            return "[" + ", ".join(map(literal, x)) + "]"
        if isinstance(x, Name):
            return str(x)
        if x is None or isinstance(x, (bool, int, float, str)) and x == x and x not in (float("inf"), float("-inf")):
            return repr(x)
        if isinstance(x, torch.dtype):
            return str(x)
        raise NotExpressible("an argument that has no literal")

    leaves = [Name(f"x{x}") if kind == "tensor" else x for kind, x in call.leaves]
    args, kwargs = pytree.tree_unflatten(leaves, call.spec)
    given = [literal(a) for a in args]
    for place, module in (("torch", torch), ("torch.nn.functional", torch.nn.functional), ("torch.linalg", torch.linalg)):
        if getattr(module, call.name, None) is call.fn:
            target = f"{place}.{call.name}"
            break
    else:
        if not hasattr(torch.Tensor, call.name):
            raise NotExpressible("a function without a name")
        target = f"{given.pop(0)}.{call.name}"
    words = given + [f"{k}={literal(v)}" for k, v in kwargs.items()]
    parameters = "".join(f", x{i}" for i in range(count))
    return f"(self{parameters}):\n    return {target}({', '.join(words)})\n"


def empty_module():
    holder = type("Samples", (torch.nn.Module,), {})
    return torch.jit._recursive.create_script_module(holder(), lambda _: [], share_types=False)


class Methods:
    """A module that calls are traced into as methods."""

    def __init__(self):
        self.module = empty_module()
        self.count = 0

    def trace(self, call, process):
        """(method, the tensors after the call, result, error, whether random numbers were drawn)"""
        name = f"s{self.count}"
        tensors = call.fresh()
        seen = {}

        def function(*inputs):
            state = torch._C._get_tracing_state()
            torch.manual_seed(SEED)
            before = torch.get_rng_state()
            try:
                result = plain(process(call(inputs)))
            except NotExpressible:
                raise
            except Exception as error:
                seen["error"] = error
                return raising_node(state)
            seen["random"] = not torch.equal(before, torch.get_rng_state())
            seen["result"] = result
            if not only_tensors(result):
                raise NoArchive("a result that is no tensor")
            return result

        names = [f"x{i}" for i in range(len(tensors))]
        versions = [t._version for t in tensors]
        try:
            self.module._c._create_method_from_trace(name, function, tuple(tensors), lambda _: "", True, False, names, False)
        except Exception as error:
            said = str(error).strip() or type(error).__name__
            try:
                return self.script(call, process)
            except NotExpressible:
                raise NoArchive(said if isinstance(error, NotExpressible) else f"cannot be traced: {said.splitlines()[-1][:160]}") from None
        finally:
            if torch._C._get_tracing_state() is not None:
                torch._C._set_tracing_state(None)
        self.count += 1
        changed = [i for i, t in enumerate(tensors) if t._version != versions[i]]
        if changed and "error" not in seen and isinstance(call.fn, types.FunctionType):
            self.check_writes(name, call, tensors, changed)
        return name, tensors, changed, seen

    def check_writes(self, name, call, tensors, changed):
        """Python code that resizes an argument writes elsewhere when its trace is run, in PyTorch too."""
        again = call.fresh()
        torch.manual_seed(SEED)
        getattr(self.module, name)(*again)
        for i in changed:
            if again[i].shape != tensors[i].shape or not torch.allclose(again[i], tensors[i], equal_nan=True):
                raise NoArchive("its trace does not write into the arguments that the call writes into")

    def script(self, call, process):
        """As `trace`, of one line of source."""
        tensors, changed, seen = eager(call, process)
        if "error" not in seen and seen["result"] is None:
            raise NoArchive("TorchScript drops a call that returns nothing")
        name = f"s{self.count}"
        for numbers in (False, True):
            try:
                source = f"def {name}{script_source(call, len(tensors), numbers)}"
                empty_module().define(source)  # source that does not compile leaves half a method behind
                self.module.define(source)
                break
            except Exception as error:
                said = str(error).strip().splitlines()[-1][:160]
        else:
            raise NoArchive(f"cannot be scripted: {said}")
        self.count += 1
        # What the script gives is what counts: `()` where eager PyTorch gives None; numbers where eager PyTorch wants tensors.
        scripted = eager(call, process, lambda inputs: getattr(self.module, name)(*inputs))
        if "error" not in seen:
            return name, *scripted
        if "error" not in scripted[2]:
            raise NoArchive("only eager PyTorch raises")
        return name, tensors, changed, seen


def eager(call, process, run=None):
    """As `Methods.trace`, without a trace; of `run` in place of the call where it is given."""
    tensors = call.fresh()
    versions = [t._version for t in tensors]
    seen = {}
    torch.manual_seed(SEED)
    before = torch.get_rng_state()
    try:
        seen["result"] = plain(process((run or call)(tensors)))
        seen["random"] = not torch.equal(before, torch.get_rng_state())
    except Exception as error:
        seen["error"] = error
    return tensors, [i for i, t in enumerate(tensors) if t._version != versions[i]], seen


def widened(t):
    """The tensor in double precision, its storage too: some operators look between the elements."""
    storage = torch.empty(0, dtype=t.dtype).set_(t.untyped_storage(), 0, [t.untyped_storage().nbytes() // t.element_size()], [1])
    return storage.to(PRECISE[t.dtype]).as_strided(t.shape, t.stride(), t.storage_offset())


def noise(call, process, result):
    """How far rounding moves the result: the largest distance from the same call in double precision, for each tensor; None where it says nothing."""

    def double(x):
        return PRECISE.get(x, x) if isinstance(x, torch.dtype) else x

    try:
        wide = [widened(t) if t.dtype in PRECISE else t for t in call.fresh()]
        torch.manual_seed(SEED)
        other = plain(process(call(wide, double)))
    except Exception:
        return None
    a, b = pytree.tree_leaves(result), pytree.tree_leaves(other)
    if len(a) != len(b):
        return None
    out = []
    for x, y in zip(a, b):
        if not isinstance(x, torch.Tensor) or not isinstance(y, torch.Tensor) or x.shape != y.shape or x.dtype not in PRECISE or not (y.is_floating_point() or y.is_complex()):
            out.append(0)
            continue
        error = (x.detach().to(y.dtype) - y.detach()).abs()
        error = error[torch.isfinite(error)]
        out.append(float(error.max()) if error.numel() > 0 else 0)
    return out


# ------------------------------------------------------------------------------------------------------------ series


class Series:
    """Frames of one entry and dtype."""

    def __init__(self, start, with_noise):
        self.start = start
        self.with_noise = with_noise
        self.at = -1
        self.fresh()

    def fresh(self):
        self.frame = Frame()
        self.methods = Methods()

    def close(self, last):
        frame = self.frame
        if self.methods.count > 0:
            # The methods' archive is the first.
            frame.archives.insert(0, None)
            frame.archive(self.methods.module)
            frame.archives[0] = frame.archives.pop()
        else:
            frame.archives.insert(0, [0, 0])
        message = {"samples": frame.samples, "archives": frame.archives, "storages": frame.storages, "last": last}
        data = frame.data
        self.fresh()
        return message, data

    @property
    def full(self):
        return self.methods.count >= CHUNK or self.frame.nbytes >= CHUNK_BYTES or len(self.frame.samples) >= 4 * CHUNK

    def add(self, variant, call, note, process=lambda x: x, shape_only=False, method=None, expect_error=False, after_shape_only=False):
        """Records a sample; gives the method it was traced to and its result, or nothing where it cannot be had."""
        self.at += 1
        if self.at < self.start:
            return None
        sample = {"at": self.at, "variant": variant, "note": note}
        self.frame.samples.append(sample)
        known = {}
        try:
            inputs = [tensor_value(t, self.frame, known) for t in call.fresh()]
            if method is None:
                method, tensors, changed, seen = self.methods.trace(call, process)
            else:
                tensors, changed, seen = eager(call, process)
            sample["args"] = inputs
            sample["method"] = method
            sample["archive"] = 0
            if "error" in seen:
                error = seen["error"]
                sample["raises"] = {"type": type(error).__name__, "message": str(error)[:600]}
                return method, None
            if expect_error:
                sample["unfit"] = "an error is expected, and none is raised"
                sample["noArchive"] = True
                return None
            result = seen["result"]
            after = {}
            sample["returns"] = value_of(result, self.frame, after)
            sample["after"] = {str(i): tensor_value(tensors[i], self.frame, after) for i in changed}
            sample["random"] = seen["random"]
            sample["shapeOnly"] = shape_only
            sample["afterShapeOnly"] = shape_only or after_shape_only
            if self.with_noise and not seen["random"] and not shape_only and any(t.dtype in PRECISE for t in call.tensors):
                sample["noise"] = noise(call, process, result)
            return method, result
        except Exception as error:  # PyTorch's own functions among them: a tensor on a device that is not there, say
            sample["unfit"] = str(error) if isinstance(error, NotExpressible) else f"{type(error).__name__}: {str(error)[:200]}"
            sample["noArchive"] = isinstance(error, NoArchive)
            return None


def parts(sample):
    return (sample.input, *sample.args), sample.kwargs


def out_call(op, args, kwargs, result, turn):
    """The call with `out=`: of the right shape, empty, or laid out in another order of axes."""

    def make(t):
        if isinstance(t, (tuple, list)):
            return type(t)(map(make, t))
        if turn == 1:
            return torch.empty(0, dtype=t.dtype)
        if turn == 2 and t.dim() >= 2:
            return torch.zeros(t.shape[::-1], dtype=t.dtype).permute(*reversed(range(t.dim())))
        return torch.zeros(t.shape, dtype=t.dtype)

    out = tuple(map(make, result)) if isinstance(result, (tuple, list)) else make(result)
    return Call(op, args, {**kwargs, "out": out})


def series_of_op(op, dtype, variants, start, with_noise):
    series = Series(start, with_noise)
    shape_only = op.name in SHAPE_ONLY
    full_name = op.name + ("." + op.variant_test_name if op.variant_test_name else "")
    if dtype == "errors":
        if op.error_inputs_func is not None:
            for error in op.error_inputs("cpu"):
                args, kwargs = parts(error.sample_input)
                series.add("errors", Call(op.op, args, kwargs), sample_words(args, kwargs), expect_error=True)
                if series.full:
                    yield series.close(False)
        yield series.close(True)
        return
    torch.manual_seed(SEED)
    samples = op.sample_inputs("cpu", dtype, requires_grad=False)
    if "reference" in variants and op.reference_inputs_func is not None:
        samples = op.reference_inputs("cpu", dtype, requires_grad=False)
    for i, sample in enumerate(samples):
        rng = torch.get_rng_state()
        args, kwargs = parts(sample)
        note = sample_words(args, kwargs)
        gauge = full_name in GAUGE or op.name in GAUGE
        process = sample.output_process_fn_grad if gauge else (lambda x: x)
        call = Call(op.op, args, kwargs, op.name if not hasattr(torch, op.name) else None)
        found = series.add("plain", call, note, process, shape_only)
        method, result = found if found is not None else (None, None)
        if "noncontiguous" in variants and call.tensors and (method is not None or series.at < series.start):
            with contextlib.suppress(Exception):
                other = sample.noncontiguous()
                a, k = parts(other)
                series.add("noncontiguous", Call(op.op, a, k), sample_words(a, k), process, shape_only, method=method)
        if "inplace" in variants and op.inplace_variant is not None and not sample.broadcasts_input and isinstance(sample.input, torch.Tensor):
            series.add("inplace", Call(op.inplace_variant, args, kwargs), note, shape_only=shape_only)
        if "out" in variants and op.supports_out and "out" not in kwargs and only_tensors(result):
            plain_result = eager(call, lambda x: x)[2].get("result") if gauge else result
            if only_tensors(plain_result):
                series.add("out", out_call(op.op, args, kwargs, plain_result, i % (2 if op.name in ROW_MAJOR_OUT else 3)), note, process, shape_only, after_shape_only=gauge)
        if "alias" in variants and i < 4:
            for alias in op.aliases:
                series.add("alias", Call(alias.op, args, kwargs), f"{alias.name}: {note}", process, shape_only)
        torch.set_rng_state(rng)
        if series.full:
            yield series.close(False)
    yield series.close(True)


def series_of_module(info, dtype, start, with_noise):
    series = Series(start, with_noise)
    for training in (False, True):
        torch.manual_seed(SEED)
        for sample in info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=False, training=training):
            made, given = sample.constructor_input, sample.forward_input
            if given is None:
                continue
            rng = torch.get_rng_state()
            series.at += 1
            if series.at >= start:
                record = {"at": series.at, "variant": "training" if training else "eval", "note": f"({sample_words(made.args, made.kwargs)}) on {sample_words(given.args, given.kwargs)}"}
                series.frame.samples.append(record)
                try:
                    add_module(series, record, info, dtype, training, made, given)
                except NotExpressible as error:
                    record["unfit"] = str(error)
                    record["noArchive"] = isinstance(error, NoArchive)
            torch.set_rng_state(rng)
            if series.full or len(series.frame.archives) >= CHUNK:
                yield series.close(False)
    yield series.close(True)


def add_module(series, record, info, dtype, training, made, given):
    with torch.no_grad():
        module = info.module_cls(*made.args, **made.kwargs).to(dtype).train(training)
        if not given.kwargs and all(isinstance(x, torch.Tensor) or isinstance(x, (tuple, list)) and all(isinstance(y, torch.Tensor) for y in x) for x in given.args):
            arguments = given.args
        else:
            arguments = None
        try:
            scripted = torch.jit.script(module)
        except Exception as error:
            if arguments is None:
                raise NoArchive(f"cannot be scripted: {type(error).__name__}") from None
            try:
                torch.manual_seed(SEED)
                scripted = torch.jit.trace(module, arguments, check_trace=False)
            except Exception as trace_error:
                raise NoArchive(f"can neither be scripted nor traced: {type(trace_error).__name__}") from None
        known = {}
        values = [value_of(x, series.frame, known) for x in pytree.tree_map(lambda x: x.detach() if isinstance(x, torch.Tensor) else x, list(given.args))]
        named = {k: value_of(x, series.frame, known) for k, x in given.kwargs.items()}
        series.frame.archive(scripted)
        record.update(args=values, kwargs=named, method="forward", archive=len(series.frame.archives))
        torch.manual_seed(SEED)
        before = torch.get_rng_state()
        try:
            result = module(*given.args, **given.kwargs)
        except Exception as error:
            record["raises"] = {"type": type(error).__name__, "message": str(error)[:600]}
            return
        record["random"] = not torch.equal(before, torch.get_rng_state())
        record["returns"] = value_of(plain(result), series.frame, {})
        record["after"] = {}
        record["shapeOnly"] = False


def main():
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what operators print goes to stderr
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    entries = []

    def entries_of(kind):
        if kind == "modules":
            from torch.testing._internal.common_modules import module_db

            return module_db
        import torch.testing._internal.common_methods_invocations as database

        # Some entries seed the generator themselves and put its state back: here every call is seeded alike.
        for module in [m for name, m in sys.modules.items() if name.startswith("torch.testing._internal")]:
            if hasattr(module, "wrapper_set_seed"):
                module.wrapper_set_seed = lambda op, *args, **kwargs: op(*args, **kwargs)
        return database.op_db

    for line in sys.stdin:
        request = json.loads(line)
        if "list" in request:
            kind = request["list"]
            entries = entries_of(kind)
            names = []
            for e in entries:
                dtypes = e.supported_dtypes("cpu") if kind == "ops" else [t for t in e.dtypes if t.is_floating_point]
                listed = sorted(dtype_name(d) for d in dtypes)
                name = e.name + (f".{e.variant_test_name}" if kind == "ops" and e.variant_test_name else "")
                names.append({"name": name, "dtypes": listed, "errors": kind == "ops" and e.error_inputs_func is not None})
            send(out, {"torch": torch.__version__, "entries": names})
            continue
        kind, dtype = request["kind"], request["dtype"]
        entry = entries_of(kind)[request["entry"]]
        typed = dtype if dtype == "errors" else getattr(torch, dtype)
        if kind == "modules":
            series = series_of_module(entry, typed, request["start"], request["noise"])
        else:
            series = series_of_op(entry, typed, request["variants"], request["start"], request["noise"])
        try:
            for message, data in series:
                send(out, message, data)
                if not message["last"]:
                    sys.stdin.readline()
        except Exception as error:  # of the database's own generators
            send(out, {"samples": [], "archives": [], "storages": [], "last": True, "broken": f"{type(error).__name__}: {str(error)[:300]}"})


main()
