"""Small whole archives with recorded calls, in the formats that `npm run corpus` and `npm run onnx-tests` read.

`generate.py` calls `write`. models/<case>/ holds model.pt or model.pt2, case.json and data.npz; onnx/test_<case>/ holds
model.onnx and test_data_set_0/. Everything is seeded and written from a neutral folder by relative names.
"""

import io
import json
import os
import pathlib
import sys
import tempfile
import warnings
import zipfile
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np
import torch
from torch import Tensor, nn

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "examples"))
from train import hide_paths, unpacked  # noqa: E402  (the two scripts hide paths alike)

hide_paths()  # before the first script class is compiled

import language_cases as language  # noqa: E402


class Scale(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(0.5, 1.5, width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


def far(x: Tensor, power: int) -> Tensor:
    return x.abs().pow(power).sum()


class Steps(nn.Module):
    """A loop, a method call, a fork and an exception path."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = Scale(4)
        self.register_buffer("count", torch.zeros([], dtype=torch.int64))

    @torch.jit.export
    def mix(self, x: Tensor, share: float) -> Tensor:
        return x * share + self.scale(x) * (1.0 - share)

    def forward(self, x: Tensor, rounds: int, fail: bool = False) -> Tuple[Tensor, Tensor, int]:
        self.count += 1
        distance = torch.jit.fork(far, x, 2)
        for i in range(rounds):
            x = self.mix(x, 0.25 * i)
            if bool(x.sum() > 6.0):
                x = x - x.mean()
        if fail:
            raise ValueError("asked to fail after " + str(rounds) + " rounds")
        return x, torch.jit.wait(distance), int(self.count.item())


class SharedStorage(nn.Module):
    """Parameters and buffers that lie in one storage, and one submodule under two names."""

    def __init__(self) -> None:
        super().__init__()
        base = torch.arange(12, dtype=torch.float32)
        self.register_buffer("base", base)
        self.register_buffer("tail", base[4:])
        self.register_buffer("even", base[::2].view(2, 3).t())
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.third = self.first

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        self.base[4] += 100.0
        self.tail.mul_(2.0)
        with torch.no_grad():
            self.third.bias += 1.0
        return self.second(self.first(x)), self.even + 0.0, self.base.clone()


class Pair(NamedTuple):
    left: Tensor
    right: Optional[Tensor]


class DictInputs(nn.Module):
    def forward(self, batch: Dict[str, Tensor], scales: Optional[List[float]] = None) -> Dict[str, Tensor]:
        out: Dict[str, Tensor] = {}
        for i, (key, value) in enumerate(batch.items()):
            factor = 1.0 if scales is None else scales[i]
            out[key + "_scaled"] = value * factor
        if "mask" in batch:
            out["kept"] = batch["mask"].nonzero().squeeze(1)
        return out

    @torch.jit.export
    def pair(self, p: Pair, names: List[str]) -> Tuple[Pair, Dict[int, str]]:
        right = p.right
        left = p.left if right is None else p.left + right
        return Pair(left, None), {i: name.upper() for i, name in enumerate(names)}


class InplaceViews(nn.Module):
    """Writes through views of its argument; shapes that change in place."""

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        rows = x[1:]
        rows[:, 0] = 9.0
        x.t()[2].mul_(-1.0)
        flat = x.view(-1)
        flat[0::5] += flat[1::5][: flat[0::5].numel()]
        other = x.permute(1, 0).contiguous()
        other.unsqueeze_(0).squeeze_(0).transpose_(0, 1)
        other[0].copy_(torch.arange(other.size(1)))
        x[x > 8.0] = 0.5
        return x, rows.sum(0), other.reshape(-1)

    @torch.jit.export
    def overlap(self, x: Tensor) -> Tensor:
        return x[:1].expand(3, x.size(1)).add_(1.0)


class ControlFlow(nn.Module):
    def forward(self, x: int, limit: int) -> Tuple[int, List[int], float]:
        seen: List[int] = []
        while x != 1 and len(seen) < limit:
            if x % 2 == 0:
                x = x // 2
            else:
                x = 3 * x + 1
            if x == 5:
                continue
            if x > 10000:
                break
            seen.append(x)
        if len(seen) == 0:
            return -1, seen, 0.0
        total = 0
        for a, b in zip(seen, seen[1:]):
            total += a if a > b else -b
        return total, seen[-3:], total / len(seen)


class Remembering(nn.Module):
    """State that a mobile file types by its values alone: None, empty containers, an object that restores itself."""

    last: Optional[Tensor]
    history: List[int]
    by_name: Dict[str, Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.last = None
        self.history = []
        self.by_name = {}
        self.halved = Restored()

    def forward(self, x: Optional[Tensor], name: str) -> Tensor:
        before = self.last
        if x is None:
            if before is None:
                raise ValueError("nothing is remembered under " + name)
            x = before + 1
        self.last = x
        self.history.append(x.numel())
        self.by_name[name] = self.halved(x)
        return torch.cat([t.flatten() for t in self.by_name.values()])

    @torch.jit.export
    def told(self, kind: Any) -> Tuple[List[int], str]:
        if isinstance(kind, int):
            return self.history[:kind], "int {}".format(kind * 2)
        if isinstance(kind, List[str]):
            return [len(k) for k in kind], "-".join(kind)
        return [], "other"


class Restored(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.factor = 0.5
        self.bias = torch.arange(2, dtype=torch.float32)

    @torch.jit.export
    def __getstate__(self) -> Tuple[float, Tensor, bool]:
        return self.factor * 4, self.bias + 1, self.training

    @torch.jit.export
    def __setstate__(self, state: Tuple[float, Tensor, bool]) -> None:
        self.factor = state[0] / 4
        self.bias = state[1] - 1
        self.training = state[2]

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor + self.bias


class Filled(nn.Module):
    """Operators that give `out` after arguments left to their defaults."""

    def forward(self, x: Tensor, kind: str) -> Tensor:
        out = torch.zeros(4, dtype=torch.float64)
        if kind == "linspace":
            return torch.linspace(0, 1, 4, out=out)
        elif kind == "add":
            return torch.add(x, 2, out=torch.empty(0))
        values, index = torch.topk(x, 2)
        pair = (values, index, kind)
        return pair[0] + pair[1] + len(pair[2:])


@torch.jit.script
class Counter:
    def __init__(self, start: int):
        self.value = start
        self.history: List[int] = []

    def add(self, by: int) -> int:
        self.value += by
        self.history.append(self.value)
        return self.value


class Classes(nn.Module):
    def forward(self, steps: List[int]) -> Tuple[int, List[int]]:
        counter = Counter(10)
        other = counter
        for by in steps:
            other.add(by)
        boxes = [Counter(i) for i in range(3)]
        for i, box in enumerate(boxes):
            box.add(i * counter.value)
        return counter.value, counter.history + [box.value for box in boxes]


class Texts(nn.Module):
    """Strings, 64-bit integers that wrap, floor division, sorting, floats as text."""

    def forward(self, words: List[str], n: int) -> Tuple[str, List[int], List[str], bool]:
        big = 9223372036854775807
        numbers = [big + n, -7 // n, -7 % n, 7 // -n, n << 3, big >> 60, n ^ 5]
        lengths = {word: len(word) for word in words}
        order = sorted(words)
        text = "{}: {} of {}".format(n, ",".join(order), 0.1 + n) + " " + str(1e20) + " %s %d" % (order[0][1:3], len(words))
        return text, numbers, [w[::-1] if lengths[w] > 2 else w.strip() + "!" for w in words], "an" in words[0]


class Tagger(nn.Module):
    """A recurrent cell driven by a loop over a list; dropout and batch norm in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(3, 5)
        self.norm = nn.BatchNorm1d(5)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.zeros(x.size(1), 5)
        out: List[Tensor] = []
        for step in x.unbind(0):
            hidden = self.cell(step, hidden)
            out.append(self.head(self.drop(self.norm(hidden))))
        return torch.stack(out).log_softmax(-1)


class Exceptions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(1, dtype=torch.int64))

    @torch.jit.export
    def positive(self, x: Tensor) -> Tensor:
        assert bool((x > 0).all()), "all values must be positive"
        return x.log()

    def forward(self, x: Tensor, kind: str) -> Tensor:
        self.calls += 1
        if kind == "index":
            return [x][3]
        elif kind == "key":
            return {"x": x}["y"]
        elif kind == "shape":
            return x + torch.zeros(x.size(0) + 1)
        elif kind == "raise":
            raise RuntimeError(f"kind {kind} of {x.size(0)}")
        elif kind == "none":
            maybe: Optional[Tensor] = None
            assert maybe is not None
            return maybe
        return self.positive(x) + self.calls


class DTypes(nn.Module):
    """Weights of many dtypes, and what promotion makes of them."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("float16", "bfloat16", "float64", "int8", "uint8", "int16", "int32", "int64", "bool", "complex64"):
            values = torch.arange(-2, 4) if name != "uint8" else torch.arange(250, 256)
            self.register_buffer("of_" + name, values.to(getattr(torch, name)))

    def forward(self, x: Tensor) -> List[Tensor]:
        return [
            self.of_float16 + self.of_int32,
            self.of_float16 * self.of_bfloat16,
            self.of_float64 - x,
            self.of_uint8 + self.of_int8,
            self.of_uint8 + 10,
            self.of_int16 / 2,
            self.of_int64 * 2.5,
            self.of_bool & (self.of_int32 > 0),
            self.of_complex64 * x,
            x.to(torch.float16).sum(),
            self.of_int32 // 2,
        ]


class Patches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.nn.functional.gelu(self.norm(self.conv(x)))
        return self.head(x.flatten(2).transpose(1, 2)).softmax(-1)


class Heads(nn.Module):
    """Attention written with reshapes by symbolic sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, 2, width // 2).permute(2, 0, 3, 1, 4).unbind(0)
        weights = (q @ k.transpose(-1, -2) / 2.0).softmax(-1)
        return (weights @ v).transpose(1, 2).reshape(batch, length, width)


class Smoother(nn.Module):
    """A recurrent step written out, in a loop over rows that collects a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.zeros(x.size(1), 2)
        out: List[Tensor] = []
        for i in range(x.size(0)):
            hidden = torch.tanh(self.mix(torch.cat([x[i], hidden], dim=1)))
            out.append(hidden)
        return torch.stack(out)


class Branches(nn.Module):
    """Control flow that stays in the ONNX file."""

    def forward(self, x: Tensor, n: Tensor) -> Tensor:
        if bool(x.sum() > 0):
            out = x * 2.0
        else:
            out = x - 1.0
        for _ in range(int(n)):
            out = out + torch.relu(x)
        return out


class PaddedEncoder(nn.Module):
    """The fast path of an encoder: a nested tensor inside, between a mask and a padded result."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 12, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(8))

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        return self.encoder(x, src_key_padding_mask=padding)


def seeded(module_type: type) -> nn.Module:
    torch.manual_seed(11)
    model = module_type()
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 1.5)
    return model.eval().requires_grad_(False)


def grid(*shape: int, seed: int = 1) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(-32, 32, shape).astype(np.float32) / 16)


# ------------------------------------------------------------------------------------------------------ the writers


class Tensors:
    """The tensors of one case, by key, and values in the form of case.json."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}

    def value(self, v: object) -> dict:
        if isinstance(v, Tensor):
            key = f"t{len(self.arrays)}"
            plain = v.detach().contiguous()
            self.arrays[key] = (plain.view(torch.uint16) if v.dtype == torch.bfloat16 else plain).numpy().copy()
            out = {"tensor": key, "dtype": str(v.dtype)[6:], "shape": list(v.shape)}
            if v.is_floating_point() or v.is_complex():
                largest = float(torch.nan_to_num(plain.abs().double()).max()) if v.numel() > 0 else 0.0
                step = {torch.float64: 1e-10, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}.get(v.dtype, 1e-5)
                out["atol"] = float(f"{step * largest:.3g}")
            return out
        if v is None:
            return {"none": True}
        if isinstance(v, bool):
            return {"bool": v}
        if isinstance(v, int):
            return {"int": str(v)}
        if isinstance(v, float):
            return {"float": repr(v)}
        if isinstance(v, str):
            return {"str": v}
        if isinstance(v, list):
            return {"list": [self.value(item) for item in v]}
        if isinstance(v, tuple) and hasattr(v, "_fields"):
            return {"namedtuple": type(v).__name__, "fields": [[name, self.value(item)] for name, item in zip(v._fields, v)]}
        if isinstance(v, tuple):
            return {"tuple": [self.value(item) for item in v]}
        if isinstance(v, dict):
            return {"dict": [[self.value(k), self.value(item)] for k, item in v.items()]}
        raise TypeError(type(v).__name__)


def changed(before: list, after: tuple) -> bool:
    return any(isinstance(a, Tensor) and not torch.equal(a, b) for a, b in zip(before, after))


def record(loaded, calls: list, tensors: Tensors) -> list:
    """Runs the calls in order on one instance; each is (method, args) or (method, args, kwargs)."""
    out = []
    for method, args, *rest in calls:
        kwargs = rest[0] if rest else {}
        before = [a.clone() if isinstance(a, Tensor) else a for a in args]
        call = {"method": method, "args": [tensors.value(a) for a in before]}
        call["kwargs"] = {key: tensors.value(v) for key, v in kwargs.items()}
        target = loaded if method == "forward" else getattr(loaded, method)
        try:
            with torch.no_grad():
                call["returns"] = tensors.value(target(*args, **kwargs))
        except Exception as error:  # a raise of the model or of an op is what is recorded
            call["raises"] = describe(error)
        if changed(before, args):
            call["args_after"] = [tensors.value(a) for a in args]
        out.append(call)
    return out


def describe(error: Exception) -> dict:
    last = [line for line in str(error).strip().split("\n") if line.strip()][-1]
    if isinstance(error, torch.jit.Error):
        kind, _, text = last.partition(": ")
        named = {"raised_class": kind} if "." in kind else {}
        return {"type": "torch.jit.Error", "contains": text or last} | named
    first = [line for line in str(error).split("\n") if line.startswith("RuntimeError: ")]
    return {"type": type(error).__name__, "contains": (first[0][14:] if first else last)[:120]}


def without_debug(path: str) -> None:
    """Zips a traced archive anew without its debug information: the tracer's holds installation paths."""
    with zipfile.ZipFile(path) as archive:
        records = [(info.filename, archive.read(info)) for info in archive.infolist() if not info.filename.endswith(".debug_pkl")]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in records:
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)


def without_code(path: str) -> None:
    """Zips a mobile archive anew without its code, which the lite interpreter does not read."""
    with zipfile.ZipFile(path) as archive:
        records = [(info.filename, archive.read(info)) for info in archive.infolist() if "/code/" not in info.filename]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in records:
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)


def write_case(folder: pathlib.Path, name: str, how: str, why: str, loaded, calls: list) -> None:
    tensors = Tensors()
    case = {"name": name, "category": "golden", "how": how, "why": why, "calls": record(loaded, calls, tensors)}
    case |= {"atol": 1e-5, "rtol": 1e-5, "torch": torch.__version__}
    (folder / "case.json").write_text(json.dumps(case, indent=1) + "\n")
    with zipfile.ZipFile(folder / "data.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for key, array in tensors.arrays.items():
            data = io.BytesIO()
            np.save(data, array)
            archive.writestr(zipfile.ZipInfo(f"{key}.npy"), data.getvalue(), zipfile.ZIP_DEFLATED)


def scripted(name: str, why: str, module_type: type, calls: list):
    def write(folder: pathlib.Path) -> None:
        torch.jit.script(seeded(module_type)).save("model.pt")
        write_case(folder, name, "script", why, torch.jit.load("model.pt"), calls)

    return name, "model.pt", write


def mobile(name: str, why: str, module_type: type, calls: list, flat: bool):
    """A file of the lite interpreter: the flatbuffer form, or a zip archive of bytecode alone."""

    def write(folder: pathlib.Path) -> None:
        module = torch.jit.script(seeded(module_type))
        module._save_for_lite_interpreter("model.ptl", _use_flatbuffer=flat)
        if not flat:
            without_code("model.ptl")
        write_case(folder, name, "lite_flatbuffer" if flat else "lite_bytecode", why, module, calls)

    return name, "model.ptl", write


def traced(name: str, why: str, module_type: type, example: Tensor | tuple, calls: list):
    def write(folder: pathlib.Path) -> None:
        torch.jit.trace(seeded(module_type), example).save("model.pt")
        without_debug("model.pt")
        write_case(folder, name, "trace", why, torch.jit.load("model.pt"), calls)

    return name, "model.pt", write


def exported(name: str, why: str, module_type: type, example: tuple, shapes: tuple, calls: list):
    def write(folder: pathlib.Path) -> None:
        program = torch.export.export(seeded(module_type), example, dynamic_shapes=shapes)
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)
        torch.export.save(program, "model.pt2")
        write_case(folder, name, "export", why, torch.export.load("model.pt2").module(), calls)

    return name, "model.pt2", write


def onnx_case(name: str, module_type: type, inputs: dict, outputs: list, axes: dict, feeds: list):
    def write(folder: pathlib.Path) -> None:
        import onnx

        model = torch.jit.script(seeded(module_type))
        torch.onnx.export(
            model,
            tuple(inputs.values()),
            "model.onnx",
            dynamo=False,
            opset_version=17,
            input_names=list(inputs),
            output_names=outputs,
            dynamic_axes=axes,
        )
        onnx.checker.check_model("model.onnx", full_check=True)
        for k, feed in enumerate(feeds):
            data = folder / f"test_data_set_{k}"
            data.mkdir(exist_ok=True)
            for i, (key, value) in enumerate(zip(inputs, feed)):
                (data / f"input_{i}.pb").write_bytes(onnx.numpy_helper.from_array(value.numpy(), key).SerializeToString())
            result = model(*feed)
            (data / "output_0.pb").write_bytes(onnx.numpy_helper.from_array(result.numpy(), outputs[0]).SerializeToString())
        (folder / "tolerance.json").write_text('{"rtol": 1e-4, "atol": 1e-6}\n')

    return name, "model.onnx", write


def cases() -> list:
    batch = torch.export.Dim("batch", min=2, max=64)
    length = torch.export.Dim("length", min=2, max=128)
    words = ["banana", "kiwi", "fig", " a "]
    kinds = ["", "index", "", "key", "shape", "raise", "none", ""]
    return [
        scripted(
            "steps",
            "a loop, a method call, a fork and an exception path; state counts calls, failed ones too",
            Steps,
            [("forward", (grid(4), 3)), ("forward", (grid(4, seed=2), 2, True)), ("forward", (grid(2, 4), 5)), ("mix", (grid(4), 0.5))],
        ),
        scripted(
            "shared_storage",
            "views of one storage and one submodule under two names keep their identity; writes are seen through all",
            SharedStorage,
            [("forward", (grid(2, 3),)), ("forward", (grid(1, 3, seed=2),))],
        ),
        scripted(
            "dict_inputs",
            "dicts, optionals, lists, strings and a NamedTuple as arguments and results",
            DictInputs,
            [
                ("forward", ({"b": grid(2), "a": grid(3)},)),
                ("forward", ({"x": grid(2, 2), "mask": torch.tensor([True, False, True])}, [2.0, 0.5])),
                ("forward", ({},)),
                ("pair", (Pair(grid(2), grid(2, seed=3)), ["ab", "ç"])),
                ("pair", (Pair(grid(2), None), [])),
            ],
        ),
        scripted(
            "inplace_views",
            "writes through slices, transposes and views reach the argument; a write to an expanded tensor is refused",
            InplaceViews,
            [("forward", (grid(3, 4),)), ("overlap", (grid(3, 4),)), ("forward", (grid(5, 4, seed=2),))],
        ),
        scripted(
            "control_flow",
            "while with break and continue, early return, zip over slices, integer and true division",
            ControlFlow,
            [("forward", (27, 200)), ("forward", (1, 5)), ("forward", (8, 3))],
        ),
        scripted("classes", "script classes with state, shared by two names and kept in a list", Classes, [("forward", ([1, 2, 3],)), ("forward", ([],))]),
        scripted(
            "texts",
            "string formatting, slicing and sorting; int64 wraps; floor division of negatives; division by zero raises",
            Texts,
            [("forward", (words, 3)), ("forward", (words, -2)), ("forward", (words, 0))],
        ),
        scripted("tagger", "a GRU cell in a loop over unbound rows, batch norm and dropout in eval mode", Tagger, [("forward", (grid(4, 2, 3),)), ("forward", (grid(1, 3, 3, seed=5),))]),
        scripted(
            "exceptions",
            "assertions, raises, missing keys and indices, shape errors; the instance works on afterwards",
            Exceptions,
            [("forward", (grid(3).abs() + 0.5, kind)) for kind in kinds] + [("positive", (grid(4),))],
        ),
        scripted("dtypes", "weights of ten dtypes, promotion among them, wrapping of small integers", DTypes, [("forward", (grid(6),))]),
        scripted(
            "language_sorting",
            "lists of objects, of tuples with objects and of tensors are sorted by what calls tell; ties fall as in libstdc++'s sort",
            language.Sorting,
            [
                ("forward", ([3, 1, 2, 1],)),
                ("forward", ([i * 7 % 5 for i in range(40)],)),
                ("forward", (list(range(50, 0, -1)),)),
                ("forward", ([],)),
                ("forward", ([4, -1, 2],)),
                ("tensors", ([torch.tensor(2.0), torch.tensor(-1.0), torch.tensor(0.5)],)),
                ("tensors", ([torch.ones(2), torch.ones(2)],)),
                ("unsortable", ([[2], [1]],)),
            ],
        ),
        scripted(
            "language_contexts",
            "with blocks that errors leave: __exit__ runs, innermost first, and its own error is dropped; profiler labels",
            language.Contexts,
            [c for kind in ["fine", "index", "inner", "both", "entering", "leaving", "fork"] for c in [("forward", (kind,)), ("logged", ())]],
        ),
        scripted(
            "language_values",
            "lists of tensors compared by value, torch.tensor through float32, formats of single precision, tolist by dtype",
            language.Values,
            [
                ("forward", ([torch.tensor(1.0), torch.tensor(2.0)], [torch.tensor(1.0), torch.tensor(2.0)])),
                ("forward", ([torch.tensor(1), torch.tensor(2)], [torch.tensor(2), torch.tensor(2)])),
                ("forward", ([torch.tensor(1)], [torch.tensor(3)])),
                ("find", ([torch.tensor(1), torch.tensor(5)], torch.tensor(5))),
                ("find", ([torch.tensor(1)], torch.tensor(5))),
                ("numbers", ([], 0.1)),
                ("numbers", ([1, 2], 123456789.123)),
                ("absolute", (-grid(3),)),
                ("listed", (torch.tensor([1, 2]),)),
                ("listed", (torch.tensor([1, 2], dtype=torch.int32),)),
            ],
        ),
        scripted(
            "language_arguments",
            "conversions of arguments as Python's casts do them; missing, unknown, doubled and wrong arguments",
            language.Arguments,
            [
                ("forward", (1, 2.5)),
                ("forward", (True, 3), {"flag": 2}),
                ("forward", (torch.tensor([2.7]), torch.tensor(4), True, "n")),
                ("forward", (1,)),
                ("forward", (1, 2.0, False, "a", 5)),
                ("forward", (1, 2.0), {"other": 1}),
                ("forward", (1.5, 2.0)),
                ("forward", (1, torch.ones(2))),
                ("any", ({"a": 1, "b": 2},)),
                ("any", ((1, "x"),)),
                ("any", ([1.5],)),
                ("either", (True,)),
                ("either", (3,)),
                ("either", ("s",)),
                ("tensor", (3,)),
                ("tensor", ([1.0],)),
            ],
        ),
        scripted(
            "language_calls",
            "errors under calls, in a fork and in a loop; what ran before stays done",
            language.Calls,
            [
                ("forward", (grid(4), 4)),
                ("forward", (grid(2, 2), 4)),
                ("forward", (grid(3), 4)),
                ("forked", (grid(4), 4)),
                ("forked", (grid(2, 2), 4)),
                ("forward", (grid(4), 4)),
            ],
        ),
        scripted(
            "language_comparisons",
            "enum members by identity, NaN in sorts and list equality, ints compared with floats, hexadecimal text",
            language.Comparisons,
            [
                ("forward", ([2.0, 1.0, float("nan"), 0.0, -1.0], 3)),
                ("forward", ([5.0, float("nan"), 4.0, float("nan"), 3.0, 1.0, 2.0, float("nan"), 0.0], 2**53 + 1)),
                ("forward", ([float((i * 37) % 41) if i % 9 else float("nan") for i in range(40)], 2**63 - 1)),
                ("text", ("0x1.8p3", 2)),
                ("text", ("1e-400", 1)),
                ("text", ("0x10", 4)),
                ("text", ("0x10", 0)),
            ],
        ),
        scripted(
            "language_indexed",
            "a ModuleList indexed at run time: negative numbers and ones beyond the end name no submodule",
            language.Indexed,
            [("forward", (grid(2), i)) for i in (1, 0, -1, 2, 1)],
        ),
        traced(
            "traced_numbers",
            "constant 0-dim operands promote as numbers in add, sub, mul and div, as tensors elsewhere",
            language.Numbers,
            grid(3),
            [("forward", (grid(4, seed=6) * 4,))],
        ),
        traced(
            "traced_patches",
            "a traced net of convolution, batch norm, gelu, linear and softmax; the archive is zipped anew: deflated, unaligned, without debug information",
            Patches,
            grid(1, 2, 8, 8),
            [("forward", (grid(1, 2, 8, 8),)), ("forward", (grid(3, 2, 8, 8, seed=4),))],
        ),
        *[
            mobile(f"mobile_{form}_{name}", why, module_type, calls, flat=form == "flatbuffer")
            for form in ("flatbuffer", "bytecode")
            for name, why, module_type, calls in [
                ("control_flow", "ifs and loops are read back from jumps", ControlFlow, [("forward", (27, 200)), ("forward", (1, 5)), ("forward", (8, 3))]),
                (
                    "state",
                    "attributes that are None or empty when saved; a submodule that restores itself; tests of types narrow values",
                    Remembering,
                    [
                        ("forward", (None, "first")),
                        ("forward", (grid(2), "a")),
                        ("forward", (None, "b")),
                        ("told", (1,)),
                        ("told", (["ab", "c"],)),
                        ("told", (2.5,)),
                    ],
                ),
                ("out", "arguments left to their defaults before `out`", Filled, [("forward", (grid(4), "linspace")), ("forward", (grid(4), "add")), ("forward", (grid(4), "top"))]),
            ]
        ],
        scripted(
            "padded_encoder",
            "an encoder's padding masks: left-aligned ones go through nested tensors, the others through attention masks",
            PaddedEncoder,
            [
                ("forward", (grid(2, 4, 8), torch.tensor([[False, False, False, True], [False, True, True, True]]))),
                ("forward", (grid(2, 4, 8, seed=2), torch.tensor([[False, False, True, False], [True, False, False, False]]))),
                ("forward", (grid(1, 3, 8, seed=3), torch.tensor([[False, False, False]]))),
            ],
        ),
        traced(
            "padded_encoder_traced",
            "the nested tensor of a padded batch in a trace, with the input's size read for the result",
            PaddedEncoder,
            (grid(2, 4, 8), torch.tensor([[False, False, False, True], [False, True, True, True]])),
            [("forward", (grid(3, 4, 8), torch.tensor([[False, True, True, True], [False, False, True, True], [False, False, False, False]])))],
        ),
        exported(
            "pt2_patches",
            "a straight graph with a dynamic batch",
            Patches,
            (grid(4, 2, 8, 8),),
            ({0: batch},),
            [("forward", (grid(4, 2, 8, 8),)), ("forward", (grid(2, 2, 8, 8, seed=4),)), ("forward", (grid(2, 2, 4, 8),))],
        ),
        exported(
            "pt2_heads",
            "sizes that are expressions of two symbols",
            Heads,
            (grid(2, 5, 8),),
            ({0: batch, 1: length},),
            [("forward", (grid(2, 5, 8),)), ("forward", (grid(3, 7, 8, seed=2),))],
        ),
    ]


def onnx_cases() -> list:
    count = torch.tensor(3)
    return [
        onnx_case(
            "test_smoother",
            Smoother,
            {"x": grid(4, 2, 3)},
            ["out"],
            {"x": {0: "length", 1: "batch"}, "out": {0: "length", 1: "batch"}},
            [(grid(4, 2, 3),), (grid(6, 5, 3, seed=3),)],
        ),
        onnx_case(
            "test_branches",
            Branches,
            {"x": grid(4), "n": count},
            ["out"],
            {"x": {0: "length"}, "out": {0: "length"}},
            [(grid(4).abs(), count), (-grid(7).abs(), torch.tensor(0))],
        ),
    ]


def write(out: pathlib.Path) -> list[str]:
    """Writes all cases below `out`/models and `out`/onnx; returns their names."""
    home, names = pathlib.Path.cwd(), []
    warnings.simplefilter("ignore")
    for group, made in (("models", cases()), ("onnx", onnx_cases())):
        for name, file, write_one in made:
            folder = out / group / name
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory() as neutral:
                os.chdir(neutral)
                write_one(folder)
                data = pathlib.Path(file).read_bytes()
                os.chdir(home)
            for place in (sys.prefix, neutral, str(pathlib.Path(__file__).resolve().parent)):
                assert place.encode() not in unpacked(data), (name, place)
            (folder / file).write_bytes(data)
            names.append(f"{group}/{name}")
    return names
