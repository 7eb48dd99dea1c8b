"""Records what PyTorch (and onnxruntime, for ONNX ops) says: the goldens that the tests read without either.

    npx tsx test/golden/write-samples.ts         the ops' samples -> samples.json
    python test/golden/generate.py               samples.json -> ops/*.json, model_cases.py -> models/, manifest.json

Options: `--samples FILE`, `--out DIR` (default: this folder), `--only ops|models`, `--family TEXT`.
PyTorch 2.13, onnx and onnxruntime on the CPU, one thread, seeded. The families `torchvision-*` are recorded apart, with a Python that
has torchvision (0.29.1 with PyTorch 2.14; it needs no onnx); without it their files stay as they are:

    python test/golden/generate.py --only ops --family torchvision
    python test/golden/vision_cases.py                                    (whole archives)

ops/<family>.json is a list of {"sample", "returns" | "raises", "argsAfter"?, "aliases"?}:
- VALUE is {"tensor": {shape, dtype, data (base64, little-endian, row-major; bool as bytes, complex as pairs), strides? (where not
  contiguous), quantizer?}} | {"int": "…"} | {"float": "…"} | {"bool"} | {"str"} | {"none": true} | {"complex": [re, im]} | {"list"} |
  {"tuple"} | {"dict": [[k, v]…]}; a sample marked `check: shape_dtype` has no data.
- `raises` is {"type", "contains"}: the exception's class and the start of its text.
- `argsAfter` holds the tensor arguments that the call changed, by position or name.
- `aliases` lists [result, argument] where a result lies in an argument's storage; results of a tuple or list count from 0.
"""

import argparse
import base64
import json
import os
import pathlib
import platform
import sys
import warnings

if os.environ.get("PYTHONHASHSEED") != "0":  # archives list constants in hash order: fix it before Python starts
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})

import numpy as np
import torch
import torch.ao.quantization.fx._decomposed  # noqa: F401  (defines the quantized_decomposed ops)

try:
    import torchvision
except ImportError:
    torchvision = None

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 200_000
SEED = 7

# |got - want| <= atol + rtol * |want|; what is not named (integers, bool, text) is equal
TOLERANCES = {
    "float64": {"rtol": 1e-9, "atol": 1e-10},
    "float32": {"rtol": 1.3e-6, "atol": 1e-5},
    "float16": {"rtol": 1e-3, "atol": 1e-5},
    "bfloat16": {"rtol": 1.6e-2, "atol": 1e-5},
    "complex128": {"rtol": 1e-9, "atol": 1e-10},
    "complex64": {"rtol": 1.3e-6, "atol": 1e-5},
}

# What an engine with its own float32 kernels may differ by: they round intermediate results, and their exp, log, sin are not
# the host's. Never wider than 1e-5 of the value.
BACKEND_TOLERANCES = {name: {"float32": {"rtol": 1e-5, "atol": 1e-5}} for name in ["tfjs (wasm)", "tfjs (cpu)"]}

# ------------------------------------------------------------------------- arguments: the twin of sample-tensor.ts

SMALL = {"float16", "bfloat16", "float8_e5m2", "float8_e4m3fn", "float8_e5m2fnuz", "float8_e4m3fnuz", "complex32"}
CODES = {"qint8": torch.int8, "quint8": torch.uint8, "qint32": torch.int32}


def units(seed: int):
    state = seed * 2654435761 % 2**32
    while True:
        state = (state * 1664525 + 1013904223) % 2**32
        yield (state >> 8) / 16777216


def sample_values(spec: dict) -> list:
    """The values in row-major order of memory; two per complex number. The rule is stated in sample-tensor.ts."""
    dtype = spec["dtype"]
    n = int(np.prod(spec["shape"], dtype=np.int64)) * (2 if dtype.startswith("complex") else 1)
    if "values" in spec:
        return [float(v) if v in ("nan", "inf", "-inf") else v for v in spec["values"]]
    unit, low, span = units(spec["seed"]), spec["low"], spec["high"] - spec["low"]
    ranks = list(range(n))
    if spec.get("distinct"):
        for i in range(n - 1, 0, -1):
            j = int(next(unit) * (i + 1))
            ranks[i], ranks[j] = ranks[j], ranks[i]
    if dtype == "bool":
        return [next(unit) < 0.5 for _ in ranks]
    values = [low + span * ((rank + 0.5) / n if spec.get("distinct") else next(unit)) for rank in ranks]
    if "int" in dtype:
        return [int(np.floor(v)) for v in values]
    return [float(np.floor(v * 16 + 0.5) / 16) for v in values] if dtype in SMALL else values


def build_tensor(spec: dict) -> torch.Tensor:
    shape, dtype = list(spec["shape"]), spec["dtype"]
    swap = spec.get("transpose", False)
    memory = shape[:-2] + [shape[-1], shape[-2]] if swap else shape
    values = sample_values(spec)
    if dtype.startswith("complex"):
        pairs = torch.tensor([float(v) for v in values], dtype=torch.float64).reshape(*memory, 2)
        out = torch.view_as_complex(pairs).to(getattr(torch, dtype)).contiguous()
    elif dtype in CODES:
        codes = torch.tensor([int(v) for v in values], dtype=CODES[dtype]).reshape(memory)
        out = torch._make_per_tensor_quantized_tensor(codes, spec["scale"], spec.get("zeroPoint", 0))
    elif "int" in dtype:
        out = torch.tensor([int(v) for v in values], dtype=getattr(torch, dtype)).reshape(memory)
    elif dtype == "bool":
        out = torch.tensor([bool(v) for v in values], dtype=torch.bool).reshape(memory)
    else:
        out = torch.tensor([float(v) for v in values], dtype=torch.float64).to(getattr(torch, dtype)).reshape(memory)
    out = out.clone()  # no view of anything: some ops refuse views
    return out.transpose(-1, -2) if swap else out


def build(arg: dict):
    ((kind, value),) = arg.items()
    if kind == "tensor":
        return build_tensor(value)
    if kind == "list":
        return [build(item) for item in value]
    if kind == "made":
        return torch_op(value["op"])(*[build(item) for item in value["args"]])
    if kind == "dict":
        return {build(key): build(item) for key, item in value}
    return {
        "int": lambda: int(value),
        "float": lambda: float(value),
        "bool": lambda: value,
        "str": lambda: value,
        "none": lambda: None,
        "dtype": lambda: getattr(torch, value),
        "device": lambda: torch.device(value),
        "memoryFormat": lambda: getattr(torch, value),
        "complex": lambda: complex(*value),
    }[kind]()


# -------------------------------------------------------------------------------------------------------- results


def raw(t: torch.Tensor) -> bytes:
    """The elements' bytes in row-major order."""
    return bytes(t.detach().resolve_conj().resolve_neg().contiguous().flatten().view(torch.uint8).numpy()) if t.numel() > 0 else b""


def encode_tensor(t: torch.Tensor, with_data: bool) -> dict:
    if t.layout != torch.strided:
        return {"layout": str(t.layout), "shape": list(t.shape), "dtype": str(t.dtype)[6:]}
    out = {"shape": list(t.shape), "dtype": str(t.dtype)[6:]}
    if with_data:
        codes = t.int_repr() if t.is_quantized else t
        out["data"] = base64.b64encode(raw(codes)).decode()
    if not t.is_contiguous():
        out["strides"] = list(t.stride())
    if t.is_quantized:
        if t.qscheme() == torch.per_tensor_affine:
            out["quantizer"] = {"scale": t.q_scale(), "zeroPoint": t.q_zero_point()}
        else:
            scales, zeros = t.q_per_channel_scales(), t.q_per_channel_zero_points()
            out["quantizer"] = {"scales": scales.tolist(), "zeroPoints": zeros.tolist(), "axis": t.q_per_channel_axis()}
    return out


def float_text(v: float) -> str:
    return "nan" if v != v else "inf" if v == float("inf") else "-inf" if v == -float("inf") else repr(v)


def encode(v, with_data: bool = True) -> dict:
    if isinstance(v, torch.Tensor):
        return {"tensor": encode_tensor(v, with_data)}
    if v is None:
        return {"none": True}
    if isinstance(v, bool):
        return {"bool": v}
    if isinstance(v, int):
        return {"int": str(v)}
    if isinstance(v, float):
        return {"float": float_text(v)}
    if isinstance(v, complex):
        return {"complex": [float_text(v.real), float_text(v.imag)]}
    if isinstance(v, str):
        return {"str": v}
    if isinstance(v, torch.dtype):
        return {"dtype": str(v)[6:]}
    if isinstance(v, torch._C.ScriptObject):
        return {"host": str(v._type())}
    if isinstance(v, torch.layout):
        return {"layout": str(v)[6:]}
    if isinstance(v, torch.device):
        return {"device": str(v)}
    if isinstance(v, list):
        return {"list": [encode(item, with_data) for item in v]}
    if isinstance(v, tuple):
        return {"tuple": [encode(item, with_data) for item in v]}
    if isinstance(v, dict):
        return {"dict": [[encode(k), encode(item, with_data)] for k, item in v.items()]}
    raise TypeError(f"no form for a {type(v).__name__}")


def raised(error: Exception) -> dict:
    return {"type": type(error).__name__, "contains": str(error).strip().split("\n")[0][:160]}


# ------------------------------------------------------------------------------------------------------ PyTorch ops


class Unknown(Exception):
    """The reference runtime has no such op."""


def torch_op(name: str):
    namespace, _, rest = name.partition("::")
    op, _, overload = rest.partition(".")
    try:
        return getattr(getattr(getattr(torch.ops, namespace), op), overload or "default")
    except AttributeError as error:
        raise Unknown(f"torch.ops has no {name}") from error


def tensors_of(args: dict) -> dict:
    """Tensor arguments by place: `0`, `name`, `2.1` for the second of a list."""
    out = {}
    for place, value in args.items():
        if isinstance(value, torch.Tensor):
            out[place] = value
        elif isinstance(value, list):
            out.update({f"{place}.{i}": item for i, item in enumerate(value) if isinstance(item, torch.Tensor)})
    return out


def state(t: torch.Tensor) -> tuple:
    return raw(t.int_repr() if t.is_quantized else t), tuple(t.shape), t.stride(), t.storage_offset()


def run_torch(sample: dict) -> dict:
    op = torch_op(sample["op"])
    torch.manual_seed(SEED)
    args = [build(arg) for arg in sample["args"]]
    kwargs = {key: build(arg) for key, arg in sample.get("kwargs", {}).items()}
    held = tensors_of({**{str(i): a for i, a in enumerate(args)}, **kwargs})
    strided = {place: t for place, t in held.items() if t.layout == torch.strided}
    before = {place: state(t) for place, t in strided.items()}
    try:
        with torch.no_grad():
            result = op(*args, **kwargs)
    except Exception as error:  # whatever an op raises is its recorded answer
        return {"sample": sample, "raises": raised(error)}
    out = {"sample": sample, "returns": encode(result, sample.get("check") != "shape_dtype")}
    changed = {place: encode(t) for place, t in strided.items() if state(t) != before[place]}
    if changed and sample.get("check") != "shape_dtype":
        out["argsAfter"] = changed
    results = list(result) if isinstance(result, (tuple, list)) else [result]
    aliases = [
        [i, place]
        for i, r in enumerate(results)
        if isinstance(r, torch.Tensor) and r.layout == torch.strided
        for place, t in strided.items()
        if r.numel() > 0 and t.untyped_storage().data_ptr() == r.untyped_storage().data_ptr()
    ]
    if aliases:
        out["aliases"] = aliases
    return out


# --------------------------------------------------------------------------------------------------------- ONNX ops


def onnx_value(arg: dict):
    """An attribute's value."""
    import onnx

    value = build(arg)
    return onnx.numpy_helper.from_array(value.numpy()) if isinstance(value, torch.Tensor) else value


def run_onnx(sample: dict) -> dict:
    import onnx
    import onnx.reference
    import onnxruntime

    domain, _, rest = sample["op"].partition("::")
    name, _, version = rest.partition("@")
    domain = "" if domain == "onnx" else domain
    inputs, feeds = [], {}
    for i, arg in enumerate(sample["args"]):
        if "none" in arg:
            inputs.append("")
            continue
        feeds[f"x{i}"] = build(arg).contiguous()
        inputs.append(f"x{i}")
    outputs = [f"y{i}" for i in range(int(sample.get("outputs", 1)))]
    attributes = {key: onnx_value(arg) for key, arg in sample.get("kwargs", {}).items()}
    node = onnx.helper.make_node(name, inputs, outputs, domain=domain, **attributes)
    kinds = {key: onnx.helper.np_dtype_to_tensor_dtype(t.numpy().dtype) for key, t in feeds.items()}
    graph = onnx.helper.make_graph(
        [node],
        "sample",
        [onnx.helper.make_tensor_value_info(key, kinds[key], list(t.shape)) for key, t in feeds.items()],
        [onnx.helper.make_empty_tensor_value_info(key) for key in outputs],
    )
    opsets = [onnx.helper.make_opsetid(domain, int(version))]
    if domain:
        opsets.append(onnx.helper.make_opsetid("", 17))
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
    numpy_feeds = {key: t.numpy() for key, t in feeds.items()}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        results, oracle = session.run(None, numpy_feeds), "onnxruntime"
    except Exception:  # onnxruntime lacks old versions and rare dtypes: ask onnx's own evaluator
        try:
            results, oracle = onnx.reference.ReferenceEvaluator(model).run(None, numpy_feeds), "onnx"
        except Exception as error:
            return {"sample": sample, "raises": raised(error)}
    values = tuple(torch.from_numpy(np.ascontiguousarray(r).reshape(np.shape(r))) for r in results)
    returns = encode(values if len(outputs) > 1 else values[0], sample.get("check") != "shape_dtype")
    return {"sample": sample, "returns": returns, "oracle": oracle}


def write_ops(families: dict, folder: pathlib.Path, only: str) -> tuple[dict, list[str]]:
    folder.mkdir(parents=True, exist_ok=True)
    counts, unknown = {}, []
    for family, samples in families.items():
        if only not in family or (family.startswith("torchvision") and torchvision is None):
            continue
        for stale in [folder / f"{family}.json", *folder.glob(f"{family}-part*.json")]:
            stale.unlink(missing_ok=True)
        lines, raises = [], 0
        for sample in samples:
            torch_world = not sample["op"].split("::")[0].startswith(("onnx", "ai.onnx", "com.microsoft"))
            try:
                case = run_torch(sample) if torch_world else run_onnx(sample)
            except Unknown as error:
                unknown.append(str(error))
                continue
            raises += "raises" in case
            lines.append(json.dumps(case, separators=(",", ":")))
        counts[family] = {"cases": len(lines), "raises": raises}
        parts, size = [[]], 0
        for line in lines:
            if size + len(line) > LIMIT - 1000 and parts[-1]:
                parts.append([])
                size = 0
            parts[-1].append(line)
            size += len(line) + 2
        for number, part in enumerate(parts):
            file = f"{family}.json" if number == 0 else f"{family}-part{number + 1}.json"
            (folder / file).write_text("[\n" + ",\n".join(part) + "\n]\n")
    return counts, unknown


def versions(known: dict, only: str) -> dict:
    """What recorded the goldens; torchvision's families have their own."""
    if only.startswith("torchvision"):
        return known | {"torchvision": f"{torchvision.__version__} with torch {torch.__version__}"}
    import onnx
    import onnxruntime

    own = {"torch": torch, "onnx": onnx, "onnxruntime": onnxruntime, "numpy": np}
    return known | {name: module.__version__ for name, module in own.items()} | {"python": platform.python_version()}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=pathlib.Path, default=HERE / "samples.json")
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    parser.add_argument("--only", choices=["ops", "models"])
    parser.add_argument("--family", default="")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.backends.quantized.engine = "fbgemm"  # the default one picks kernels by the processor
    warnings.simplefilter("ignore")
    out = options.out.resolve()
    path = out / "manifest.json"
    manifest = json.loads(path.read_text()) if path.exists() else {}
    manifest |= {
        "versions": versions(manifest.get("versions", {}), options.family),
        "seeds": {"torch.manual_seed": SEED, "PYTHONHASHSEED": 0, "tensors": "in each sample; rule in sample-tensor.ts"},
        "tolerances": TOLERANCES,
        "backendTolerances": BACKEND_TOLERANCES,
    }
    unknown = []
    if options.only != "models":
        counts, unknown = write_ops(json.loads(options.samples.read_text()), out / "ops", options.family)
        kept = {name: count for name, count in manifest.get("ops", {}).items() if options.family or name.startswith("torchvision")}
        manifest["ops"] = dict(sorted((kept | counts).items()))
    if options.only != "ops":
        import model_cases

        manifest["models"] = model_cases.write(out)
    path.write_text(json.dumps(manifest, indent=1) + "\n")
    for line in unknown:
        print(f"no golden: {line}", file=sys.stderr)
    print(f"ops: {sum(c['cases'] for c in manifest.get('ops', {}).values())} cases, models: {len(manifest.get('models', []))}")
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
