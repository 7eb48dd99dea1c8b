"""A scripted model for the debugger's tests and documentation: `python test/golden/debug_cases.py` writes test/golden/debug/attend.pt and inputs.

It fails in the ways that people look for: a logarithm that a mask keeps out, a row of scores that is masked from end to end, a buffer that is
written through a view.
"""

import os
import pathlib
import sys
import tempfile

import numpy as np
import torch
from torch import Tensor, nn

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1] / "examples"))
from train import hide_paths  # noqa: E402

hide_paths()


class Head(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        scores = torch.matmul(self.q(x), self.k(x).transpose(0, 1))
        scores = scores.masked_fill(mask == 0, float("-inf"))
        weights = torch.softmax(scores, dim=-1)
        return torch.matmul(weights, x)


class Attend(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = nn.ModuleList([Head(width) for _ in range(heads)])
        self.register_buffer("seen", torch.zeros(2, width))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        n = torch.log(x - 1)
        x = torch.where(torch.isfinite(n), n, x)
        last = self.seen[1]
        last.add_(x.mean(dim=0))
        y = x
        for head in self.heads:
            y = torch.relu(head(y, mask)) + self.seen[1]
        return y


def main() -> None:
    torch.manual_seed(0)
    model = torch.jit.script(Attend(4, 2).eval())
    home = os.getcwd()
    with tempfile.TemporaryDirectory() as neutral:
        os.chdir(neutral)
        model.save("attend.pt")
        data = pathlib.Path("attend.pt").read_bytes()
        os.chdir(home)
    (HERE / "debug").mkdir(exist_ok=True)
    (HERE / "debug" / "attend.pt").write_bytes(data)
    # Row 1 of `masked.npy` lets nothing be attended to.
    x = [[2, 3, 0.5, 4], [1.5, 2, 3, 1.2], [3, 2, 1, 5]]
    for name, values in {"x": x, "mask": [[1, 1, 0], [0, 1, 0], [1, 0, 1]], "masked": [[1, 1, 0], [0, 0, 0], [1, 0, 1]]}.items():
        np.save(HERE / "debug" / f"{name}.npy", np.array(values, dtype=np.float32))


if __name__ == "__main__":
    main()
