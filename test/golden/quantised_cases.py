"""Quantised modules of small models: converted by hand, by FX, dynamically, trained for it, and frozen.

`model_cases.py` writes them. `cases` gives (name, why, make, calls, frozen).
"""

from typing import List, Tuple

import torch
import torch.ao.quantization as tq
import torch.nn.functional as F
from torch import Tensor, nn
from torch.ao.quantization import quantize_fx


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = tq.QuantStub(), tq.DeQuantStub()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.active = nn.ReLU()
        self.second = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.sum, self.join = nn.quantized.FloatFunctional(), nn.quantized.FloatFunctional()
        self.swish = nn.Hardswish()
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.head = nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.active(self.norm(self.first(self.enter(x))))
        y = self.swish(self.sum.add(x, self.second(x)))
        return self.leave(self.head(self.pool(self.join.cat([x, y], 1)).flatten(1)))


class Mirrored(nn.Module):
    """One dimension, a padding mode, and transposed with other channels."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = tq.QuantStub(), tq.DeQuantStub()
        self.down = nn.Conv1d(3, 6, 3, stride=2, padding=1, padding_mode="reflect")
        self.up = nn.ConvTranspose1d(6, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(self.up(self.down(self.enter(x))))


class Reader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(12, 6)
        self.memory = nn.LSTM(6, 5, batch_first=True, bidirectional=True)
        self.gate = nn.GRU(10, 4)
        self.head = nn.Linear(4, 3)

    def forward(self, ids: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        steps, (_, cell) = self.memory(self.table(ids))
        steps, last = self.gate(steps)
        return self.head(steps), cell, last


class Tables(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Embedding(10, 8)
        self.bags = nn.EmbeddingBag(12, 8, mode="sum", include_last_offset=True)

    def forward(self, ids: Tensor, members: Tensor, starts: Tensor) -> Tuple[Tensor, Tensor]:
        return self.rows(ids), self.bags(members, starts)


class Bags(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bags = nn.EmbeddingBag(12, 8, mode="sum", include_last_offset=True)

    def forward(self, members: Tensor, starts: Tensor) -> Tensor:
        return self.bags(members, starts)


class Plain(nn.Module):
    """For FX, which finds where to quantise."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.hidden, self.head = nn.Linear(4, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        x = F.relu(self.norm(self.conv(x)))
        x = F.interpolate(x + x, scale_factor=2.0)
        x = F.adaptive_avg_pool2d(x, 1).view(x.size(0), -1)
        y = F.relu(self.hidden(x)) * 0.5
        z = torch.cat([torch.sigmoid(self.head(y)), y], 1)
        return F.softmax(z, -1), z.permute(1, 0)


class Held(nn.Module):
    """Asks packed parameters what they hold."""

    def __init__(self, linear: nn.Module) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        packed = self.linear._packed_params._packed_params
        weight, bias = torch.ops.quantized.linear_unpack(packed)
        assert bias is not None
        return weight, bias, torch.ops.quantized.linear_dynamic(x, packed, True)


class Codes(nn.Module):
    """Quantised tensors as attributes, arguments and results."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.register_buffer("channels", torch.quantize_per_channel(rows, torch.tensor([0.05, 0.1, 0.02]), torch.tensor([1, 0, -3]), 1, torch.qint8))
        self.register_buffer("real", torch.quantize_per_channel(rows, torch.tensor([0.05, 0.1]), torch.tensor([3.5, 0.25]), 0, torch.quint8))

    def forward(self, x: Tensor, at: Tensor) -> List[Tensor]:
        out = [x.view(-1), x.permute(1, 0), x[:, at], torch.cat([x, x], 1), x.topk(2, 1)[0], x.sort(1)[1], x.max(), x.mean([1]), torch.ones_like(x)]
        out += [self.channels[0], self.channels[:, 1], self.channels[:, 1:], self.real, x == x[0], F.pad(x, [1, 0], "constant", 0.5)]
        return out

    @torch.jit.export
    def write(self, x: Tensor, values: Tensor) -> Tensor:
        x[0] = values
        return x

    @torch.jit.export
    def told(self, x: Tensor) -> str:
        return str(x) + str(x[0, 0]) + str(self.channels)

    @torch.jit.export
    def copied(self) -> Tensor:
        return self.real.clone()

    @torch.jit.export
    def sorted(self) -> Tensor:
        return self.channels.sort()[0]


def static(module: nn.Module, sample: Tensor, config: tq.QConfig, fuse: list) -> nn.Module:
    module = tq.fuse_modules(module.eval(), fuse) if fuse else module.eval()
    module.qconfig = config
    prepared = tq.prepare(module)
    prepared(sample)
    return tq.convert(prepared)


def looked_up(module: nn.Module, bits: tq.QConfig) -> nn.Module:
    for part in module.children():
        part.qconfig = bits
    return tq.convert(tq.prepare(module.eval()))


def by_fx(sample: Tensor) -> nn.Module:
    prepared = quantize_fx.prepare_fx(Plain().eval(), tq.get_default_qconfig_mapping("fbgemm"), (sample,))
    prepared(sample)
    return quantize_fx.convert_fx(prepared)


def trained(sample: Tensor, convert: bool) -> nn.Module:
    prepared = quantize_fx.prepare_qat_fx(Plain().train(), tq.get_default_qat_qconfig_mapping("fbgemm"), (sample,))
    prepared(sample)
    prepared(sample * 0.5 + 0.25)
    return quantize_fx.convert_fx(prepared.eval()) if convert else prepared.eval()


def cases(grid) -> list:
    picture, other = grid(2, 3, 6, 6), grid(1, 3, 5, 7, seed=4)
    signal = grid(2, 3, 9)
    ids = torch.tensor([[1, 5, 3], [7, 2, 11]])
    members, starts = torch.tensor([0, 4, 11, 3, 3]), torch.tensor([0, 2, 2, 5])
    codes = torch.quantize_per_tensor(grid(2, 3), 0.05, 100, torch.quint8)
    fbgemm = tq.get_default_qconfig("fbgemm")
    one_scale = tq.QConfig(tq.default_observer, tq.default_weight_observer)
    fuse = [["first", "norm", "active"]]
    pictures = [("forward", (picture,)), ("forward", (other,))]
    dynamic = {nn.LSTM, nn.GRU, nn.Linear}
    return [
        ("quantised_residual", "static: fused convolution, grouped one, sum, cat, pool and linear, weights per channel", lambda: static(Residual(), picture, fbgemm, fuse), pictures),
        ("quantised_mirrored", "static: reflected padding in one dimension, transposed convolution to fewer channels", lambda: static(Mirrored(), signal, one_scale, []), [("forward", (signal,))]),
        ("quantised_frozen", "packed parameters as constants of a frozen module", lambda: static(Mirrored(), signal, one_scale, []), [("forward", (signal,))], True),
        ("quantised_reader", "dynamic LSTM, GRU and linear", lambda: tq.quantize_dynamic(Reader().eval(), dynamic), [("forward", (ids,))]),
        ("quantised_reader_half", "the same with weights of half precision", lambda: tq.quantize_dynamic(Reader().eval(), dynamic, dtype=torch.float16), [("forward", (ids,))]),
        (
            "quantised_tables",
            "embedding rows and bags of bytes; an index out of range",
            lambda: looked_up(Tables(), tq.float_qparams_weight_only_qconfig),
            [("forward", (ids % 10, members, starts)), ("forward", (torch.tensor([10]), members, starts))],
        ),
        ("quantised_fx", "converted by FX", lambda: by_fx(picture), pictures),
        ("quantised_trained", "trained for it, then converted", lambda: trained(picture, True), pictures),
        ("quantised_training", "prepared for training: observers that write their ranges round what passes", lambda: trained(picture, False), pictures),
        ("quantised_held", "packed parameters unpacked by the model", lambda: Held(tq.quantize_dynamic(nn.Sequential(nn.Linear(5, 3)).eval())[0]), [("forward", (grid(2, 5),))]),
        (
            "quantised_codes",
            "quantised tensors as attributes, arguments and results: their views, order, text, and refusals",
            lambda: Codes(grid(2, 3)),
            [("forward", (codes, torch.tensor([2, 0]))), ("write", (codes.clone(), grid(3))), ("told", (codes,)), ("copied", ()), ("sorted", ())],
        ),
    ]
