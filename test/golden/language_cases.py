"""Modules of `model_cases.py` that exercise the TorchScript language: sorting, contexts, argument conversions, errors under calls."""

from enum import Enum
from typing import Any, Dict, List, Optional, Tuple, Union

import torch
from torch import Tensor, nn


@torch.jit.script
class Card:
    def __init__(self, rank: int, place: int):
        self.rank = rank
        self.place = place

    def __lt__(self, other: "Card") -> bool:
        if self.rank < 0:
            raise ValueError("a card of rank " + str(self.rank) + " cannot be compared")
        return self.rank < other.rank


class Sorting(nn.Module):
    """Orders that only calls can tell: `__lt__`, tuples of objects, tensors. Ties show which sort it is."""

    def __init__(self) -> None:
        super().__init__()
        self.sorts = 0

    def forward(self, ranks: List[int]) -> Tuple[List[int], List[int], List[int]]:
        self.sorts += 1
        cards: List[Card] = []
        for i, rank in enumerate(ranks):
            cards.append(Card(rank, i))
        pairs = [(card.rank % 3, card) for card in cards]
        first = [card.place for card in sorted(cards)]
        cards.sort(reverse=True)
        pairs.sort()
        return first, [card.place for card in cards], [pair[1].place for pair in pairs]

    @torch.jit.export
    def tensors(self, items: List[Tensor]) -> Tuple[List[Tensor], List[Tensor], int]:
        up = sorted(items)
        items.sort(reverse=True)
        return up, items, self.sorts

    @torch.jit.export
    def unsortable(self, items: List[List[int]]) -> List[List[int]]:
        items.sort()
        return items


@torch.jit.script
class Scope:
    def __init__(self, log: List[str], name: str, fails: bool):
        self.log = log
        self.name = name
        self.fails = fails

    def __enter__(self) -> str:
        self.log.append("enter " + self.name)
        if self.fails and self.name == "entering":
            raise ValueError("not entered")
        return self.name

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        self.log.append("exit " + self.name)
        if self.fails and self.name == "leaving":
            raise ValueError("not left")


class Contexts(nn.Module):
    """`__exit__` runs when an error leaves the block, innermost first, through calls and forks."""

    def __init__(self) -> None:
        super().__init__()
        self.log = ["start"]

    def inner(self, kind: str) -> int:
        with Scope(self.log, "inner", False):
            with Scope(self.log, "leaving", kind == "both"):
                if kind == "inner" or kind == "both":
                    raise KeyError("inner failed")
        return 1

    def forward(self, kind: str) -> int:
        total = 0
        with Scope(self.log, "outer", False) as name:
            total += len(name)
            for i in range(2):
                with Scope(self.log, kind, kind == "entering" or kind == "leaving"):
                    if kind == "index":
                        total += [1, 2][i + 1]
                    total += self.inner(kind)
            if kind == "fork":
                total += torch.jit.wait(torch.jit.fork(self.inner, "inner"))
        with torch.autograd.profiler.record_function("label"):
            total += 1
        return total

    @torch.jit.export
    def logged(self) -> List[str]:
        out = self.log.copy()
        self.log.clear()
        return out


class Color(Enum):
    RED = 1
    BLUE = 2


class Values(nn.Module):
    """Lists of tensors compare by value; `torch.tensor` passes through float32; texts of enums and numbers."""

    def forward(self, a: List[Tensor], b: List[Tensor]) -> Tuple[bool, bool, int, List[Tensor]]:
        same, differ = a == b, a != b
        a.remove(b[0])
        return same, differ, a.count(b[-1]), a

    @torch.jit.export
    def find(self, a: List[Tensor], x: Tensor) -> int:
        return a.index(x)

    @torch.jit.export
    def numbers(self, ints: List[int], x: float) -> Tuple[Tensor, Tensor, Tensor, str]:
        doubled = torch.tensor([x, 0.1], dtype=torch.float64)
        text = "%f %e %d" % (x, x, 3) + "{0}{}".format(x, 1) + f"{Color.RED}"
        return torch.tensor(ints), doubled, torch.tensor(x, dtype=torch.float64), text

    @torch.jit.export
    def absolute(self, x: Tensor) -> Tensor:
        return abs(x)

    @torch.jit.export
    def listed(self, x: Tensor) -> List[int]:
        out: List[int] = x.tolist()
        return out


class Arguments(nn.Module):
    """What a caller may give for each type, and the words for what it may not."""

    def forward(self, n: int, x: float, flag: bool = False, name: str = "d") -> Tuple[int, float, bool, str]:
        return n, x, flag, name

    @torch.jit.export
    def any(self, value: Any) -> str:
        if torch.jit.isinstance(value, Dict[str, int]):
            return "dict of " + str(len(value))
        if torch.jit.isinstance(value, Tuple[int, str]):
            return "pair " + value[1]
        if torch.jit.isinstance(value, List[float]):
            return "floats " + str(value[0])
        return "other"

    @torch.jit.export
    def either(self, value: Union[bool, int, str], more: Optional[List[int]] = None) -> str:
        if isinstance(value, bool):
            return "bool"
        if isinstance(value, int):
            return "int"
        return value

    @torch.jit.export
    def tensor(self, x: Tensor) -> Tensor:
        return x


def checked(x: Tensor, size: int) -> Tensor:
    if x.dim() != 1:
        raise ValueError(f"want one axis, got {x.dim()}")
    return x.view(size)


class Calls(nn.Module):
    """Errors two calls deep, in a fork and after a loop's first trip."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def inner(self, x: Tensor, size: int) -> Tensor:
        self.calls += 1
        return checked(x, size) * 2.0

    def forward(self, x: Tensor, size: int) -> Tuple[Tensor, int]:
        for _ in range(2):
            x = self.inner(x, size)
        return x, self.calls

    @torch.jit.export
    def forked(self, x: Tensor, size: int) -> Tuple[Tensor, int]:
        future = torch.jit.fork(checked, x, size)
        self.calls += 10
        return torch.jit.wait(future), self.calls


class Chosen(Enum):
    FIRST = "a"
    SECOND = "b"


class Comparisons(nn.Module):
    """`is` between enum members, NaN in lists, ints beside floats, hexadecimal floats, steps and indices out of range."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = Chosen.FIRST

    def forward(self, xs: List[float], n: int) -> Tuple[List[float], bool, bool, bool, bool]:
        kept = self.kept
        same = kept is self.kept
        return sorted(xs), xs == xs, xs == [x for x in xs], kept is Chosen.FIRST or not same, float(n) == n

    @torch.jit.export
    def text(self, t: str, i: int) -> Tuple[float, str, List[str]]:
        return float(t), t[i], [c for c in t][::i]


class Indexed(nn.Module):
    """Submodules by a number or a name known when called; a negative number names none."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleList([Shift(1), Shift(10)])

    def forward(self, x: Tensor, i: int) -> Tensor:
        step: Step = self.steps[i]
        return step.forward(x)


@torch.jit.interface
class Step(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        pass


class Shift(nn.Module):
    def __init__(self, by: int) -> None:
        super().__init__()
        self.by = by
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += self.by
        return x + self.calls


class Numbers(nn.Module):
    """Python numbers that a trace keeps as 0-dim tensors, beside integers, bools and 0-dim tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(0.5, dtype=torch.float64))

    def forward(self, x: Tensor) -> List[Tensor]:
        whole = x.to(torch.int64)
        far, three = torch.tensor(1.5, dtype=torch.float64), torch.tensor(3, dtype=torch.int32)
        return [
            whole * 2.5,
            whole + far,
            whole / far,
            far * whole,
            (whole > 0) + three,
            torch.maximum(whole, three),
            x.sum() * 0.5,
            whole.sum() - far,
            torch.add(whole, far, alpha=2),
            whole + torch.tensor([1.5], dtype=torch.float64),
            whole * self.scale,
        ]
