"""The modules that `pt2_models.py` exports: layers of every family, control flow, sizes as values, state, nested arguments."""

import collections
import dataclasses
import math
from typing import NamedTuple

import torch
import torch.ao.quantization.fx._decomposed  # noqa: F401  (defines the quantized_decomposed ops)
import torch.nn.functional as F
from torch import Tensor, nn
from torch._higher_order_ops.associative_scan import associative_scan
from torch._higher_order_ops.map import map as export_map
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop


class Chain(nn.Module):
    """Modules that each see the same input; all results."""

    def __init__(self, *parts: nn.Module):
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> list[Tensor]:
        return [part(x) for part in self.parts]


def convnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=3, padding=1, bias=False),
        nn.Hardswish(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(6, 4), nn.LogSoftmax(-1),
    ).eval()


class Convolutions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv1d(4, 4, 3, padding=2, dilation=2, padding_mode="circular")
        self.two = nn.Conv2d(2, 4, (3, 2), padding="same")
        self.up = nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=1)
        self.three = nn.Conv3d(2, 2, 2, padding_mode="replicate", padding=1)
        self.up1 = nn.ConvTranspose1d(4, 4, 2, groups=2, dilation=2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows = self.up1(self.one(x.flatten(1, 2)[:, :4]))
        planes = self.up(self.two(x))
        return rows, planes, self.three(planes.unsqueeze(2))


def poolings() -> nn.Module:
    return Chain(
        nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AvgPool2d(2, 2, count_include_pad=False), nn.LPPool2d(2, 2), nn.AdaptiveMaxPool2d((3, 2)),
        nn.AdaptiveAvgPool2d((None, 3)), nn.Sequential(nn.Flatten(2), nn.AvgPool1d(3, 2)), nn.Sequential(nn.Unflatten(1, (1, 2)), nn.MaxPool3d(2)),
        nn.AvgPool2d(3, stride=1, padding=1, divisor_override=5),
    )


class Unpool(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        top, at = F.max_pool2d(x, 2, return_indices=True)
        return F.max_unpool2d(top, at, 2), at


def norms() -> nn.Module:
    norm = nn.BatchNorm2d(4)
    norm.running_mean.copy_(torch.linspace(-1, 1, 4))
    return Chain(norm.eval(), nn.GroupNorm(2, 4), nn.LayerNorm(6), nn.InstanceNorm2d(4, affine=True), nn.LocalResponseNorm(2), nn.RMSNorm(6, eps=1e-5))


def activations() -> nn.Module:
    return Chain(
        nn.ELU(), nn.Hardshrink(), nn.Hardsigmoid(), nn.Hardtanh(), nn.LeakyReLU(), nn.LogSigmoid(), nn.PReLU(), nn.ReLU6(), nn.RReLU().eval(), nn.SELU(),
        nn.CELU(), nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Mish(), nn.Softplus(), nn.Softshrink(), nn.Softsign(), nn.Tanh(), nn.Tanhshrink(),
        nn.Threshold(0.1, 20), nn.GLU(), nn.Softmin(-1), nn.Softmax(-1), nn.LogSoftmax(0), nn.Sigmoid(),
    )


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(8, 3)
        self.rnn = nn.RNN(3, 2, nonlinearity="relu")
        self.cell = nn.LSTMCell(2, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
        y, state = self.lstm(x)
        z, _ = self.gru(y.transpose(0, 1))
        z, last = self.rnn(z)
        return z, state, self.cell(last[0])[0]


class Projected(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4, proj_size=2)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        return self.lstm(x, state)


class Embeddings(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 4, padding_idx=0)
        self.bag = nn.EmbeddingBag(7, 3, mode="mean")
        self.places = nn.Embedding(32, 4)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        places = torch.arange(ids.shape[1], device=ids.device)
        return self.table(ids) + self.places(places), self.bag(ids % 7), F.one_hot(ids, 11).sum(1)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor, padding: Tensor) -> tuple[Tensor, Tensor]:
        n = x.shape[1]
        mask = torch.triu(torch.full((n, n), -math.inf), diagonal=1)
        y, weights = self.heads(x, x, x, key_padding_mask=padding.to(x.dtype) * -1e4, attn_mask=mask)
        q = x.unflatten(-1, (2, 4)).transpose(1, 2)
        return y + F.scaled_dot_product_attention(q, q, q, is_causal=True).transpose(1, 2).flatten(2), weights


def encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, norm_first=True, activation="gelu")
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()


class Seq2Seq(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Transformer(8, 2, 1, 1, 12, batch_first=True).eval()

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return self.net(source, target, tgt_mask=nn.Transformer.generate_square_subsequent_mask(target.shape[1]), tgt_is_causal=True)


class Losses(nn.Module):
    def forward(self, x: Tensor, target: Tensor) -> list[Tensor]:
        y, p, one = x.flip(0), torch.sigmoid(x), F.one_hot(target, 5).float()
        return [
            F.cross_entropy(x, target, label_smoothing=0.1), F.nll_loss(x.log_softmax(-1), target, reduction="sum"), F.mse_loss(x, y), F.l1_loss(x, y, reduction="none"),
            F.smooth_l1_loss(x, y, beta=0.5), F.huber_loss(x, y), F.kl_div(x.log_softmax(-1), y.softmax(-1), reduction="batchmean"), F.binary_cross_entropy(p, one),
            F.binary_cross_entropy_with_logits(x, one), F.hinge_embedding_loss(x, one * 2 - 1), F.margin_ranking_loss(x, y, one), F.soft_margin_loss(x, one * 2 - 1),
            F.multi_margin_loss(x, target), F.multilabel_soft_margin_loss(x, one), F.triplet_margin_loss(x, y, p), F.cosine_embedding_loss(x, y, one[:, 0] * 2 - 1),
            F.poisson_nll_loss(x, p),
        ]


class Rearranged(nn.Module):
    def forward(self, x: Tensor) -> list[Tensor]:
        return [
            F.pixel_shuffle(x, 2), F.pixel_unshuffle(x, 2), F.channel_shuffle(x, 2), F.unfold(x, 2), F.fold(F.unfold(x, 2, stride=2), x.shape[-2:], 2, stride=2),
            F.pad(x, (1, 2, 1, 0), mode="reflect"), F.pad(x, (1, 0, 2, 1), value=0.5), F.pad(x, (1, 1, 1, 1), mode="replicate"), F.pad(x, (-1, 1), value=1.0),
            torch.roll(x, (1, 2), (2, 3)), torch.rot90(x, 1, (2, 3)), x.tile(1, 1, 2), x.unfold(3, 2, 1).flatten(3), x.movedim(1, -1), x.repeat_interleave(2, dim=1),
        ]


class Resized(nn.Module):
    def forward(self, x: Tensor) -> list[Tensor]:
        grid = F.affine_grid(torch.tensor([[[0.8, 0.1, 0.0], [-0.1, 0.9, 0.2]]]).expand(x.shape[0], -1, -1), [x.shape[0], 2, 5, 4], align_corners=False)
        return [
            F.interpolate(x, scale_factor=2.0), F.interpolate(x, size=(7, 5), mode="bilinear", align_corners=True), F.interpolate(x, scale_factor=1.5, mode="bicubic"),
            F.interpolate(x, size=(x.shape[2] * 2, 3), mode="bilinear", antialias=True), F.interpolate(x, size=3, mode="area"), F.grid_sample(x, grid, align_corners=False),
            F.interpolate(x, size=(5, 5), mode="nearest-exact"),
        ]


class Distances(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bilinear = nn.Bilinear(4, 4, 3)

    def forward(self, x: Tensor) -> list[Tensor]:
        y = x.flip(-1)
        return [self.bilinear(x, y), F.cosine_similarity(x, y), F.pairwise_distance(x, y), torch.cdist(x, y), torch.einsum("ij,kj->ik", x, y), F.normalize(x, dim=-1)]


class LinearAlgebra(nn.Module):
    def forward(self, x: Tensor) -> list[Tensor]:
        a = x @ x.mT + 2 * torch.eye(3)
        return [
            torch.linalg.inv(a), torch.linalg.solve(a, x), torch.linalg.cholesky(a), torch.linalg.det(a), torch.linalg.svdvals(x), torch.linalg.eigvalsh(a),
            torch.linalg.matrix_norm(x), torch.linalg.vector_norm(x, ord=3, dim=-1), torch.baddbmm(a, x, x.mT, beta=0.5), torch.kron(x[0], x[0]), torch.linalg.qr(x.mT)[1].abs(),
        ]


class Spectra(nn.Module):
    def forward(self, x: Tensor) -> list[Tensor]:
        z = torch.fft.rfft(x)
        frames = torch.stft(x, 8, hop_length=4, window=torch.hann_window(8), return_complex=True)
        return [z, torch.fft.irfft(z * 2j, n=x.shape[-1]), z.abs(), torch.view_as_real(frames), torch.fft.fftshift(torch.fft.fft2(x.unflatten(-1, (4, -1)))).real, z.conj() * (1 + 0.5j)]


class Indexed(nn.Module):
    def forward(self, x: Tensor, at: Tensor) -> list[Tensor]:
        y = x.clone()
        y[at, 0] = 7.0
        y[:, 1:3] += 1
        z = x.index_put((at,), x[:1], accumulate=True)
        return [
            y, z, x[at], x[:, [0, 2]], x[x > 0.25], x.gather(1, at.unsqueeze(1)), x.scatter(1, at.unsqueeze(1) % 4, 9.0), x.scatter_add(0, at.unsqueeze(1).expand(-1, 4), x[: at.shape[0]]),
            x.index_select(0, at), x.index_add(0, at, x[: at.shape[0]]), torch.where(x > 0, x, -x), x.masked_fill(x < 0, 0.0), x.take(at), x.scatter_reduce(0, at.unsqueeze(1).expand(-1, 4), x[: at.shape[0]], "amax"),
        ]


class Ordered(nn.Module):
    def forward(self, x: Tensor) -> list[Tensor]:
        values, at = x.sort(dim=-1, descending=True, stable=True)
        return [
            values, at, *x.topk(2, dim=1), x.argmax(1), x.argmin(), *x.max(0), *x.median(1), *x.kthvalue(2, dim=1), *x.cummax(1), x.cumsum(0), x.cumprod(1), x.logcumsumexp(1),
            x.std(1), x.var(0, correction=0), x.logsumexp(1), x.quantile(0.3, dim=1), x.amax((0, 1)), x.aminmax().min, x.prod(1), x.diff(dim=1), torch.bucketize(x, torch.tensor([-0.5, 0.0, 0.5])),
            torch.searchsorted(values.flip(-1).contiguous(), x), x.unique(), x.histc(4, -2, 2), x.all(1), x.any(),
        ]


class Experts(nn.Module):
    """Each token goes to its two best experts."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(6, 4)
        self.up = nn.Parameter(torch.randn(4, 6, 8) * 0.3)
        self.down = nn.Parameter(torch.randn(4, 8, 6) * 0.3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        share, chosen = self.gate(x).softmax(-1).topk(2, dim=-1)
        share = share / share.sum(-1, keepdim=True)
        weight = torch.zeros(x.shape[0], 4).scatter_(1, chosen, share)
        every = torch.einsum("eth,ehd->etd", F.silu(torch.einsum("td,edh->eth", x, self.up)), self.down)
        return torch.einsum("te,etd->td", weight, every), torch.bincount(chosen.flatten(), minlength=4)


class Decoder(nn.Module):
    """One block with a cache that grows by the new tokens."""

    def __init__(self, width: int = 8, heads: int = 2):
        super().__init__()
        self.heads = heads
        self.embed = nn.Embedding(17, width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, ids: Tensor, cache: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        x = self.embed(ids)
        new = []
        for past_k, past_v in cache:
            q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in self.qkv(self.norm(x)).chunk(3, -1))
            k, v = torch.cat([past_k, k], 2), torch.cat([past_v, v], 2)
            total, fresh = k.shape[2], ids.shape[1]
            mask = torch.arange(total)[None, :] <= torch.arange(fresh)[:, None] + (total - fresh)
            x = x + self.out(F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2))
            new.append((k, v))
        return x @ self.embed.weight.T, new


class StaticCache(nn.Module):
    """A cache of fixed length in buffers, written at a position."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("keys", torch.zeros(1, 16, 4))
        self.register_buffer("length", torch.zeros([], dtype=torch.int64), persistent=False)
        self.project = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        at = self.length + torch.arange(x.shape[1])
        self.keys.index_copy_(1, at, self.project(x))
        self.length.add_(x.shape[1])
        scores = (x @ self.keys.mT).masked_fill(torch.arange(16) >= self.length, -1e9)
        return scores.softmax(-1) @ self.keys, self.length.clone()


class Detector(nn.Module):
    """Anchors, boxes, and the boxes whose score passes a threshold: as many as there are."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.scores = nn.Conv2d(4, 2, 1)
        self.boxes = nn.Conv2d(4, 8, 1)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x = F.relu(self.body(image))
        height, width = x.shape[-2:]
        ys, xs = torch.meshgrid(torch.arange(height) * 2.0, torch.arange(width) * 2.0, indexing="ij")
        centre = torch.stack([xs, ys], -1).reshape(-1, 1, 2).expand(-1, 2, -1)
        scores = self.scores(x).permute(0, 2, 3, 1).reshape(-1).sigmoid()
        delta = self.boxes(x).permute(0, 2, 3, 1).reshape(-1, 2, 4)
        middle, size = centre + delta[..., :2] * 4, torch.exp(delta[..., 2:]) * 4
        boxes = torch.cat([middle - size / 2, middle + size / 2], -1).reshape(-1, 4).clamp(0, 64)
        keep = torch.nonzero(scores > 0.5).squeeze(1)
        kept, order = scores[keep].sort(descending=True, stable=True)
        return {"boxes": boxes[keep][order], "scores": kept, "count": (scores > 0.5).sum()}


class Condition(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, z = torch.cond(x.sum() > 0, lambda t: (self.a(t), t.sum()), lambda t: (self.b(t).cos(), t.max() * 2), (x,))
        return torch.cond(x.shape[0] > 4, lambda t: t + 1, lambda t: torch.cond(t.mean() > 0, lambda u: u * 2, lambda u: u * 3, (t,)), (y,)), z


class Loop(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Linear(3, 3)

    def forward(self, x: Tensor, rounds: Tensor) -> tuple[Tensor, Tensor]:
        count, y = while_loop(lambda i, t: (i < rounds) & (t.abs().max() < 100), lambda i, t: (i + 1, torch.tanh(self.step(t)) + t), (torch.zeros([], dtype=torch.int64), x))
        return y, count


class Countdown(nn.Module):
    """A loop that carries a size and ints."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        n, y = while_loop(lambda n, t: n > 1, lambda n, t: (n - 2, t * 2 + n), (x.shape[0], x))
        return y, torch.full((2,), n)


class Mapped(nn.Module):
    def forward(self, rows: Tensor, by: Tensor) -> tuple[Tensor, Tensor]:
        return export_map(lambda row, b: (row * b + row.mean(), row.sum()), rows, by)


class Scanned(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        def step(state: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
            new = torch.tanh(self.cell(torch.cat([state, row], -1)))
            return new, new * 2

        state, rows = scan(step, torch.zeros(3), x, dim=0)
        _, back = scan(step, torch.ones(3), x, dim=0, reverse=True)
        return state, rows, back


class Prefix(nn.Module):
    """An associative scan, which the tracer unrolls into steps over a batch dimension of its own."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        both = associative_scan(lambda a, b: (a[0] * b[0], a[1] * b[0] + b[1]), (x, x + 1), dim=1, combine_mode="generic")
        return both[1], associative_scan(torch.maximum, x, dim=1, reverse=True, combine_mode="generic")


class Batched(nn.Module):
    """Functions mapped by vmap, one inside the other."""

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        pairs = torch.vmap(torch.vmap(lambda a, b: a * b, in_dims=(None, 0)), in_dims=(0, None))
        return torch.vmap(lambda row: (row * 2 + y.sum()).cumsum(0), in_dims=1)(x), pairs(x[:, 0], y), torch.vmap(lambda row: y)(x)


class Unbacked(nn.Module):
    def forward(self, x: Tensor, count: Tensor) -> list[Tensor]:
        n = count.item()
        torch._check(n >= 1)
        torch._check(n <= 16)
        rows = torch.arange(n, dtype=torch.float32)
        found = torch.nonzero(x > 0)
        positive = torch.masked_select(x, x > 0)
        return [rows * 2, rows.reshape(1, -1) + 1, torch.zeros(n, x.shape[1]), found, positive.sum() + positive.shape[0], torch.ones(n + x.shape[0]), found[:, 0] + found.shape[0]]


class TensorSlices(nn.Module):
    def forward(self, x: Tensor, bounds: Tensor) -> tuple[Tensor, Tensor]:
        low, high = bounds.tolist()
        torch._check(low >= 0)
        torch._check(high > low)
        torch._check(high <= x.shape[0])
        torch._check(low <= x.shape[0])
        part = x.narrow(0, low, high - low)
        return part, part.mean(0)


class Counting(nn.Module):
    """Buffers that a call changes; the next call sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros([], dtype=torch.int64))
        self.register_buffer("mean", torch.zeros(3), persistent=False)
        self.norm = nn.BatchNorm1d(3)
        self.bias = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        self.calls += 1
        self.mean.mul_(0.9).add_(x.mean(0), alpha=0.1)
        return self.norm(x) + self.mean + self.bias, self.calls * 2


class Writing(nn.Module):
    """Arguments that are written to, and results that are arguments or views of them."""

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x.mul_(2)
        y[:, 0] = x.sum(1)
        return x, y.t(), x[0], y + 1


class Regions(nn.Module):
    """No-grad and autocast regions, as training code leaves them."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            scale = x.norm()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = self.fc(x) @ self.fc.weight
            z = torch.softmax(y, -1)
        with torch.autocast("cpu", enabled=False):
            w = self.fc(x / scale)
        return w + y.float(), z


class Pair(NamedTuple):
    left: Tensor
    right: Tensor


@dataclasses.dataclass
class Batch:
    ids: Tensor
    mask: Tensor | None
    extra: dict[str, Tensor]


@dataclasses.dataclass
class Answer:
    scores: Tensor
    parts: list[Tensor]
    note: Tensor | None = None


torch.utils._pytree._register_namedtuple(Pair, serialized_type_name="example.Pair")
torch.export.register_dataclass(Batch, serialized_type_name="example.Batch")
torch.export.register_dataclass(Answer, serialized_type_name="example.Answer")


class Nested(nn.Module):
    def forward(self, batch: Batch, pair: Pair, table: dict, *rest: Tensor, flag: bool = True, factor: float = 2.0, maybe: Tensor | None = None, **named: Tensor) -> dict:
        total = batch.ids + pair.left * factor + sum(table["deep"][0]) + table["queue"][1]
        for t in rest:
            total = total + t
        ordered = collections.OrderedDict(b=named["second"], a=named["first"])
        return {
            "answer": Answer(total, [t * 2 for t in ordered.values()]), "pair": Pair(pair.right, total), "nothing": None, "number": 3,
            "deep": [({"x": batch.extra["w"]}, total.sum())], "ordered": ordered, "empty": [],
        }


class Sizes(nn.Module):
    """Sizes that are expressions, and arithmetic on them as results."""

    def forward(self, x: Tensor, y: Tensor, extra: int) -> list:
        a, b = x.shape
        c = y.shape[0]
        top, low = torch.sym_max(a, b), torch.sym_min(a * 2, b + 3)
        floats = [a / 2, torch.sym_float(a) ** 2, torch.sym_sqrt(a * a), a * 1.5, torch.sym_float(b) / 3, -torch.sym_float(c)]
        truths = [torch.sym_not(a > 3), (a > 2) & (b > 2), (a == 4) | (b < 100), a != b, a >= c, b <= 6]
        return [
            torch.cat([y, x[:, 0]]), x.reshape(-1, 2), x.reshape(b, a), torch.zeros(a // 2 + 1, b // 2), x.new_ones(top, low), a * b + c, a // 2, -a + 30, a % 4,
            torch.sym_int(a / 3), torch.sym_ite(a > 5, a, b), a**2, x.numel(), extra * 2 + a, torch.ones(extra), x.sum() / a, x[: a // 2], x.repeat(2, 1), F.pad(x, (0, b)), torch.arange(0, a, 2),
            x.narrow(1, 1, b - 2), *[torch.full((1,), v) for v in floats], *[torch.full((1,), v) for v in truths],
        ]


class Halves(nn.Module):
    def __init__(self, dtype: torch.dtype):
        super().__init__()
        self.fc = nn.Linear(8, 6, dtype=dtype)
        self.conv = nn.Conv1d(1, 2, 3, padding=1, dtype=dtype)
        self.norm = nn.LayerNorm(6, dtype=dtype)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = F.gelu(self.norm(self.fc(x)))
        return y, self.conv(y.unsqueeze(1)).softmax(-1), y.float().mean(-1)


class Numbers(nn.Module):
    """Dtypes and constants: lifted tensors, scalars, integer and bool arithmetic, casts."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.arange(6, dtype=torch.int16))
        self.register_buffer("bits", torch.tensor([True, False, True]), persistent=False)
        self.shift = torch.tensor([1.5, -2.0, 0.25], dtype=torch.float64)
        self.wave = nn.Parameter(torch.tensor([1 + 2j, -0.5j, 3.0]))

    def forward(self, x: Tensor, n: Tensor) -> list[Tensor]:
        return [
            x + self.shift, x * self.wave, n // 3, n % 3, n << 1, n & 5, ~self.bits, n.to(torch.uint8), x.to(torch.int32), (x > 0) ^ self.bits, n / 2, x.double() / torch.tensor(3), self.table[n.abs() % 6],
            torch.tensor([[1, 2], [3, 4]]) * n[0], n.float().reciprocal(), torch.bitwise_or(n, 8), x.round(), torch.trunc(x * 3), torch.floor_divide(n, 2), x.nan_to_num(), n.bool(), torch.isfinite(x / 0),
        ]


class Checked(nn.Module):
    """Factorisations whose checks are effects in an order of their own once decomposed."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a = x @ x.mT + torch.eye(3)
        return torch.cholesky_solve(x, torch.linalg.cholesky(a)), torch.linalg.solve(a, x)


@torch.library.custom_op("example::add_into", mutates_args={"x"})
def add_into(x: Tensor, y: Tensor) -> Tensor:
    x.add_(y)
    return y * 2


@add_into.register_fake
def _(x: Tensor, y: Tensor) -> Tensor:
    return torch.empty_like(y)


class Writes(nn.Module):
    """A custom op that writes to a view of its argument; decomposed, it is given copies."""

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        z = x.clone()
        w = torch.ops.example.add_into(z[1], y)
        return z, w


class Quantised(nn.Module):
    """What quantising an exported program leaves: codes between quantise and dequantise."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("codes", torch.randint(-127, 128, (4, 6), dtype=torch.int8))
        self.register_buffer("scales", torch.linspace(0.01, 0.04, 4))
        self.register_buffer("zeros", torch.zeros(4, dtype=torch.int64))

    def forward(self, x: Tensor) -> list[Tensor]:
        q = torch.ops.quantized_decomposed
        codes = q.quantize_per_tensor.default(x, 0.05, 3, -128, 127, torch.int8)
        wide = q.dequantize_per_tensor.default(codes, 0.05, 3, -128, 127, torch.int8)
        weight = q.dequantize_per_channel.default(self.codes, self.scales, self.zeros, 0, -127, 127, torch.int8)
        y = F.linear(wide, weight)
        scale, zero = q.choose_qparams.tensor(y, 0, 255, 1e-5, torch.uint8)
        out = q.quantize_per_tensor.tensor(y, scale, zero, 0, 255, torch.uint8)
        back = q.dequantize_per_tensor.tensor(out, scale, zero, 0, 255, torch.uint8)
        s, z = q.choose_qparams_per_token_asymmetric.default(x, torch.int8)
        token = q.quantize_per_token.default(x, s, z, -128, 127, torch.int8)
        return [codes, y, out, back, scale, zero, s, z, token, q.dequantize_per_token.default(token, s, z, -128, 127, torch.int8, torch.float32), q.quantize_per_channel.default(x[:4], self.scales, self.zeros, 0, -127, 127, torch.int8)]


class Strided(nn.Module):
    def forward(self, x: Tensor) -> list[Tensor]:
        y = x.to(memory_format=torch.channels_last)
        z = torch.as_strided(x.reshape(-1), (2, 3), (4, 1), 1)
        w = F.relu(y).permute(0, 2, 3, 1).reshape(-1)
        w = w.add_(1)
        return [y + x, z, w, x.flatten(1).t().contiguous(), x.expand(2, -1, -1, -1, -1)[1], x.diagonal(dim1=2, dim2=3), x.view(torch.int32).bitwise_and(1), torch.narrow_copy(x, 1, 0, 1), x.unbind(1)[1], torch.view_as_complex(x.reshape(-1, 2))]
