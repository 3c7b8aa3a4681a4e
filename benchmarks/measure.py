"""Timing several ways of doing one thing against each other, on a machine whose speed drifts."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

import convscope as cs

COLUMNS = ("row", "ours ms", "ours/peer", "ours/forward", "ours/fwd+bwd", "peer/fwd+bwd")


@dataclass(frozen=True)
class Row:
    """One comparison: ours and the peer's are called with nothing and do the whole of their work.

    Beside them the prepared network's own forward pass, and forward + backward by the image, are
    timed on as many images of its own size, `steps` times, down to `layer` and no further (the
    output by default). `share` divides the rounds of what takes long.
    """

    name: str
    ours: Callable[[], object]
    peer: Callable[[], object]
    net: cs.Network
    share: int = 1
    steps: int = 1
    layer: str = ""

    @property
    def count(self) -> int:
        """How many images a round explains, the last word of the name."""
        return int(self.name.rpartition(" ")[2])


def header() -> str:
    return f"{COLUMNS[0]:62}" + "".join(f"{name:>14}" for name in COLUMNS[1:])


def compare(row: Row, rounds: int) -> str:
    """A line of the table: every round times all four; ratios are medians over rounds.

    The order changes from round to round: what ran just before leaves its mark on memory.
    """
    images = torch.rand(row.count, len(row.net.mean), *row.net.input_size)
    contenders = (
        row.ours,
        row.peer,
        lambda: [_forward(row, images) for _ in range(row.steps)],
        lambda: [_both(row, images) for _ in range(row.steps)],
    )
    for contender in contenders:
        contender()
    order = list(range(len(contenders)))
    chance = random.Random(0)
    times = []
    for _ in range(max(3, rounds // row.share)):
        chance.shuffle(order)
        times.append({i: _seconds(contenders[i]) for i in order})

    def ratio(a: int, b: int) -> float:
        return statistics.median(round_[a] / round_[b] for round_ in times)

    ours = statistics.median(round_[0] for round_ in times) * 1000
    cells = (f"{ours:.1f}", *(f"{r:.2f}" for r in (ratio(0, 1), ratio(0, 2), ratio(0, 3))))
    return f"{row.name:62}" + "".join(f"{c:>14}" for c in (*cells, f"{ratio(1, 3):.2f}"))


def _forward(row: Row, images: Tensor) -> object:
    with torch.no_grad():
        return row.net.activations(images, {row.layer})


def _both(row: Row, images: Tensor) -> object:
    leaf = images.clone().requires_grad_()
    values = row.net.activations(leaf, {row.layer})[row.layer]
    return torch.autograd.grad(values[:, 0].sum(), leaf)


def _seconds(work: Callable[[], object]) -> float:
    """The time of a call; of one thread that of the processor, whatever else the machine does."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    begun = clock()
    work()
    return clock() - begun
