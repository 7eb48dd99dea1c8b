"""Trains the two small models of the demo and records what PyTorch says about their inputs.

    python examples/train.py          (PyTorch 2.13, numpy, onnx; about a minute on one core)

`shapes/` is a classifier of drawn shapes, `replicas/` a forecaster of service load. Each folder gets `model.pt`
(TorchScript, scripted), `model.onnx` (opset 17), the inputs, and `expected.json` with PyTorch's eager outputs.
Everything is drawn or simulated here from one seed: there is nothing to download.
"""

import io
import json
import math
import os
import pathlib
import platform
import re
import struct
import sys
import tempfile
import warnings
import zipfile
import zlib

if os.environ.get("PYTHONHASHSEED") != "0":  # archives list constants in hash order: fix it before Python starts
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
SEED = 20
OPSET = 17


def hide_paths() -> None:
    """Lets the debug information of scripted code say `train.py` and `torch/nn/…`, not where they were installed."""
    original = torch._sources.get_source_lines_and_file

    def relative(obj, error_msg=None):
        lines, first, file = original(obj, error_msg)
        parts = pathlib.PurePath(file or "").parts
        at = len(parts) - 1 - parts[::-1].index("torch") if "torch" in parts else len(parts) - 1
        return lines, first, "/".join(parts[at:])

    torch._sources.get_source_lines_and_file = relative
    torch.jit.frontend.get_source_lines_and_file = relative


def unpacked(data: bytes) -> bytes:
    """The bytes of a zip's records one after the other; of any other file, its own."""
    if not data.startswith(b"PK"):
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return b"".join(archive.read(record) for record in archive.namelist() if "/data/" not in record)


def save(name: str, model: nn.Module, inputs: tuple, dynamic_axes: dict, outputs: list[str]) -> nn.Module:
    """Writes `name/model.pt` and `name/model.onnx`, by relative names from a neutral folder; returns the scripted model."""
    scripted = torch.jit.script(model)
    with tempfile.TemporaryDirectory() as neutral:
        os.chdir(neutral)
        scripted.save("model.pt")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                scripted,  # not traced: a loop stays a loop
                inputs,
                "model.onnx",
                dynamo=False,
                opset_version=OPSET,
                input_names=list(dynamic_axes)[: len(inputs)],
                output_names=outputs,
                dynamic_axes=dynamic_axes,
            )
        onnx.checker.check_model("model.onnx", full_check=True)
        for file in ("model.pt", "model.onnx"):
            data = pathlib.Path(file).read_bytes()
            assert len(data) < 150_000, (name, file, len(data))
            for place in (HERE, sys.prefix, neutral):
                assert str(place).encode() not in unpacked(data), (name, file, place)
            (HERE / name / file).write_bytes(data)
        os.chdir(HERE)
    return scripted


def numbers(t: Tensor) -> list:
    """A float32 tensor as nested lists of its shortest decimals."""
    return [numbers(row) for row in t] if t.dim() > 0 else float(str(t.numpy().astype(np.float32)))


def write_json(path: pathlib.Path, value: object) -> None:
    """JSON whose lists of numbers or words stay on one line."""
    text = re.sub(r"\[[^\[\]{}]*\]", lambda m: "[" + " ".join(m[0][1:-1].split()) + "]", json.dumps(value, indent=1))
    path.write_text(text + "\n")


def facts() -> dict:
    return {
        "versions": {"torch": torch.__version__, "onnx": onnx.__version__, "numpy": np.__version__, "python": platform.python_version()},
        "seed": SEED,
        "opset": OPSET,
    }


# ---------------------------------------------------------------------------------------------------------- shapes

LABELS = ["circle", "square", "triangle", "cross", "ring", "stripes"]
SIDE = 32


def draw(label: str, rng: np.random.Generator) -> np.ndarray:
    """One grey picture [32, 32] in 0..255: a turned, moved, scaled shape with soft edges on a noisy ground."""
    grid = (np.arange(SIDE * 4) + 0.5) / (SIDE * 2) - 1
    y, x = np.meshgrid(grid, grid, indexing="ij")
    size, angle = rng.uniform(0.42, 0.72), rng.uniform(0, 2 * math.pi)
    x, y = x - rng.uniform(-0.25, 0.25), y - rng.uniform(-0.25, 0.25)
    u = (x * math.cos(angle) + y * math.sin(angle)) / size
    v = (y * math.cos(angle) - x * math.sin(angle)) / size
    radius = np.hypot(u, v)
    if label == "circle":
        inside = radius < 0.95
    elif label == "square":
        inside = np.maximum(abs(u), abs(v)) < 0.78
    elif label == "triangle":
        inside = np.maximum.reduce([v, -v / 2 + u * 0.866, -v / 2 - u * 0.866]) < 0.5
    elif label == "cross":
        inside = (np.minimum(abs(u), abs(v)) < 0.24) & (np.maximum(abs(u), abs(v)) < 0.95)
    elif label == "ring":
        inside = (radius < 0.98) & (radius > 0.55)
    else:
        inside = (np.maximum(abs(u), abs(v)) < 0.85) & (np.floor(u * 3.5 + 10) % 2 == 0)
    cover = inside.reshape(SIDE, 4, SIDE, 4).mean(axis=(1, 3))
    ground, ink = rng.uniform(0, 70), rng.uniform(150, 255)
    if rng.random() < 0.3:
        ground, ink = ink, ground
    picture = ground + (ink - ground) * cover + rng.normal(0, rng.uniform(2, 14), (SIDE, SIDE))
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def draw_batch(count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    labels = rng.integers(0, len(LABELS), count)
    pictures = np.stack([draw(LABELS[label], rng) for label in labels])
    return torch.from_numpy(pictures)[:, None].float() / 255, torch.from_numpy(labels)


def write_png(path: pathlib.Path, picture: np.ndarray) -> None:
    """An 8-bit grey PNG; each row is stored as differences to the row above (filter 2)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    above = np.vstack([np.zeros((1, picture.shape[1]), np.uint8), picture[:-1]])
    rows = b"".join(b"\x02" + row.tobytes() for row in picture - above)
    header = struct.pack(">IIBBBBB", picture.shape[1], picture.shape[0], 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


class Block(nn.Module):
    """Convolution, batch norm, ReLU, halving."""

    def __init__(self, inner: int, outer: int):
        super().__init__()
        self.conv = nn.Conv2d(inner, outer, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outer)

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)


class Shapes(nn.Module):
    """Grey pictures [N, 1, 32, 32] in 0..1 to logits [N, 6]."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(1, 8), Block(8, 16), Block(16, 32)])
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(32, len(LABELS))

    def forward(self, picture: Tensor) -> Tensor:
        x = (picture - 0.5) * 4.0
        for block in self.blocks:
            x = block(x)
        return self.head(self.drop(F.adaptive_avg_pool2d(x, 1).flatten(1)))


def train_shapes() -> None:
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    folder = HERE / "shapes"
    folder.mkdir(exist_ok=True)
    model, steps = Shapes(), 500
    optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=steps)
    pictures, labels = draw_batch(6000, rng)
    for _ in range(steps):
        rows = torch.from_numpy(rng.integers(0, len(labels), 96))
        loss = F.cross_entropy(model(pictures[rows]), labels[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    model.eval().requires_grad_(False)
    pictures, labels = draw_batch(1200, rng)
    accuracy = (model(pictures).argmax(1) == labels).float().mean().item()
    print(f"shapes: accuracy {accuracy:.4f} on {len(labels)} new pictures")

    chosen = [(f"{label}.png", label) for label in LABELS] + [("circle-2.png", "circle"), ("cross-2.png", "cross")]
    drawn = [draw(label, rng) for _, label in chosen]
    for (file, _), picture in zip(chosen, drawn):
        write_png(folder / file, picture)
    logits = model(torch.from_numpy(np.stack(drawn))[:, None].float() / 255)
    scripted = save(
        "shapes", model, (torch.zeros(2, 1, SIDE, SIDE),), {"picture": {0: "batch"}, "logits": {0: "batch"}}, ["logits"]
    )
    assert torch.allclose(scripted(torch.from_numpy(np.stack(drawn))[:, None].float() / 255), logits, atol=1e-5)
    write_json(
        folder / "expected.json",
        {
            **facts(),
            "labels": LABELS,
            "accuracy": round(accuracy, 4),
            "input": {"name": "picture", "shape": ["batch", 1, SIDE, SIDE], "dtype": "float32", "value": "pixel / 255"},
            "output": {"name": "logits", "shape": ["batch", len(LABELS)], "dtype": "float32"},
            "cases": [
                {"file": file, "label": label, "predicted": LABELS[int(row.argmax())], "logits": numbers(row)}
                for (file, label), row in zip(chosen, logits)
            ],
        },
    )


# -------------------------------------------------------------------------------------------------------- replicas

HISTORY, HORIZON, CAPACITY = 120, 15, 600.0
DAY = 1440


def simulate(minutes: int, rng: np.random.Generator, start: int) -> np.ndarray:
    """Requests per minute from minute `start` of a day on: a daily pattern, noise that wanders, bursts that decay."""
    t = (start + np.arange(minutes)) * (2 * math.pi / DAY)
    daily = 1 + rng.uniform(0.3, 0.6) * np.sin(t - 2.1) + rng.uniform(0.05, 0.25) * np.sin(2 * t + rng.uniform(-0.5, 0.5))
    drift, noise = np.zeros(minutes), rng.normal(0, 1, minutes)
    for i in range(1, minutes):
        drift[i] = 0.98 * drift[i - 1] + 0.01 * noise[i]
    burst = np.zeros(minutes)
    for at in np.flatnonzero(rng.random(minutes) < 0.008):
        age = np.arange(minutes - at)
        burst[at:] += rng.uniform(0.3, 1.2) * np.minimum(1, (age + 1) / 4) * np.exp(-age / rng.uniform(8, 25))
    rate = rng.uniform(500, 5000) * np.maximum(0.05, daily * np.exp(drift) + burst)
    return rng.poisson(rate).astype(np.float32)


def simulate_batch(count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    starts = rng.integers(0, DAY, count)
    series = np.stack([simulate(HISTORY + HORIZON, rng, int(start)) for start in starts])
    minute = torch.from_numpy((starts + HISTORY).astype(np.float32))
    return torch.from_numpy(series[:, :HISTORY]), minute, torch.from_numpy(series[:, HISTORY:])


def angle(minute: Tensor) -> Tensor:
    """Where in the day's turn a minute is, in radians."""
    return minute * (2.0 * math.pi / 1440.0)


class Decoder(nn.Module):
    """Unrolls a forecast one minute at a time: each step sees the step before."""

    def __init__(self, width: int):
        super().__init__()
        self.gates = nn.Linear(3 + width, 4 * width)
        self.head = nn.Linear(width, 1)

    def forward(self, last: Tensor, minute: Tensor, hidden: Tensor, cell: Tensor, steps: int) -> Tensor:
        level, out = last, torch.jit.annotate(list[Tensor], [])
        for step in range(steps):
            time = angle(minute + step)
            x = torch.cat([level, torch.sin(time), torch.cos(time), hidden], dim=1)
            keep, take, fresh, show = self.gates(x).chunk(4, dim=1)
            cell = torch.sigmoid(keep) * cell + torch.sigmoid(take) * torch.tanh(fresh)
            hidden = torch.sigmoid(show) * torch.tanh(cell)
            level = level + self.head(hidden)
            out.append(level)
        return torch.cat(out, dim=1)


class Replicas(nn.Module):
    """Two hours of request rates to the rates that the next 15 minutes should be ready for (their 0.8 quantile).

    `rates` [N, T] requests per minute, `minute` [N] minute of the day that the forecast starts at; gives [N, 15].
    """

    def __init__(self, width: int = 40):
        super().__init__()
        self.encoder = nn.LSTM(3, width, batch_first=True)
        self.decoder = Decoder(width)

    def forward(self, rates: Tensor, minute: Tensor) -> Tensor:
        level = rates.mean(dim=1, keepdim=True) + 1.0
        x = rates / level - 1.0
        ages = torch.arange(rates.size(1), 0, -1, device=rates.device)
        time = angle(minute.unsqueeze(1) - ages)
        _, (hidden, cell) = self.encoder(torch.stack([x, torch.sin(time), torch.cos(time)], dim=2))
        forecast = self.decoder(x[:, -1:], minute.unsqueeze(1), hidden[0], cell[0], 15)
        return torch.relu(forecast + 1.0) * level

    @torch.jit.export
    def replicas(self, rates: Tensor, minute: Tensor, capacity: float = 600.0) -> list[int]:
        """Replicas that the worst minute of each forecast needs; at least one."""
        if capacity <= 0.0:
            raise ValueError("capacity must be positive")
        out: list[int] = []
        for peak in self.forward(rates, minute).amax(1).unbind(0):
            out.append(max(1, int(math.ceil(peak.item() / capacity))))
        return out


def train_replicas() -> None:
    torch.manual_seed(SEED + 1)
    rng = np.random.default_rng(SEED + 1)
    folder = HERE / "replicas"
    folder.mkdir(exist_ok=True)
    model, steps = Replicas(), 450
    optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 8e-3, total_steps=steps)
    rates, minute, target = simulate_batch(4000, rng)
    for _ in range(steps):
        rows = torch.from_numpy(rng.integers(0, len(rates), 64))
        miss = (target[rows] - model(rates[rows], minute[rows])) / (rates[rows].mean(1, keepdim=True) + 1)
        loss = torch.maximum(0.8 * miss, -0.2 * miss).mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    model.eval().requires_grad_(False)
    rates, minute, target = simulate_batch(600, rng)
    covered = (model(rates, minute) >= target).float().mean().item()
    flat = (rates[:, -1:] >= target).float().mean().item()
    print(f"replicas: {covered:.3f} of the minutes covered (by the last rate alone: {flat:.3f})")

    cases = []
    for file, start, seed in (("morning-rise.json", 400, 1), ("midday-burst.json", 700, 4), ("evening-fall.json", 1150, 3), ("night.json", 120, 5)):
        series = simulate(HISTORY, np.random.default_rng(seed), start)
        if file == "midday-burst.json":
            series[-12:] *= np.linspace(1, 2.2, 12, dtype=np.float32)
        series = np.rint(series)
        at = (start + HISTORY) % DAY
        write_json(
            folder / file,
            {"what": "requests per minute, oldest first", "minute": at, "rates": [int(v) for v in series]},
        )
        inputs = torch.from_numpy(series)[None], torch.tensor([float(at)])
        cases.append({"file": file, "forecast": numbers(model(*inputs)[0]), "replicas": model.replicas(*inputs, CAPACITY)[0]})
    axes = {"rates": {0: "batch"}, "minute": {0: "batch"}, "forecast": {0: "batch"}}
    scripted = save("replicas", model, (rates[:2], minute[:2]), axes, ["forecast"])
    assert torch.allclose(scripted(rates[:2], minute[:2]), model(rates[:2], minute[:2]), rtol=1e-5)
    write_json(
        folder / "expected.json",
        {
            **facts(),
            "capacity": CAPACITY,
            "covered": round(covered, 4),
            "inputs": [
                {"name": "rates", "shape": ["batch", HISTORY], "dtype": "float32", "value": "requests per minute"},
                {"name": "minute", "shape": ["batch"], "dtype": "float32", "value": "minute of the day, 0..1439"},
            ],
            "output": {"name": "forecast", "shape": ["batch", HORIZON], "dtype": "float32"},
            "cases": cases,
        },
    )


def check_onnx() -> None:
    """Says how far onnxruntime is from PyTorch, where it is installed."""
    try:
        import onnxruntime as ort
    except ImportError:
        print("onnxruntime is not installed: the .onnx files were checked for form only")
        return
    for name in ("shapes", "replicas"):
        session = ort.InferenceSession(str(HERE / name / "model.onnx"))
        expected = json.loads((HERE / name / "expected.json").read_text())
        model = torch.jit.load(str(HERE / name / "model.pt"))
        worst = 0.0
        for case in expected["cases"]:
            if name == "shapes":
                raw = (HERE / name / case["file"]).read_bytes()
                at = raw.index(b"IDAT")
                rows = np.frombuffer(zlib.decompress(raw[at + 4 : at + 4 + struct.unpack(">I", raw[at - 4 : at])[0]]), np.uint8)
                pixels = np.cumsum(rows.reshape(SIDE, SIDE + 1)[:, 1:], axis=0, dtype=np.uint8)
                feeds = {"picture": (pixels[None, None] / 255).astype(np.float32)}
                want = case["logits"]
            else:
                series = json.loads((HERE / name / case["file"]).read_text())
                feeds = {"rates": np.array([series["rates"]], np.float32), "minute": np.array([series["minute"]], np.float32)}
                want = case["forecast"]
            scale = max(1.0, float(np.abs(want).max()))
            for got in (session.run(None, feeds)[0], model(*[torch.from_numpy(v) for v in feeds.values()]).detach().numpy()):
                worst = max(worst, float(np.abs(got[0] - np.array(want, np.float32)).max()) / scale)
        print(f"{name}: largest difference between eager, TorchScript and onnxruntime, of the largest value: {worst:.1e}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    hide_paths()
    train_shapes()
    train_replicas()
    check_onnx()
