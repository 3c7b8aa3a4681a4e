"""Timing several ways of doing one thing against each other, on a machine whose speed drifts."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

COLUMNS = ("row", "ours ms", "ours/peer", "ours/forward", "ours/fwd+bwd", "peer/fwd+bwd")


@dataclass(frozen=True)
class Row:
    """One comparison. All four are called with nothing and do the whole of their work.

    `forward` and `both` are the prepared network's own forward pass and forward + backward by the
    image, on the same images: no method can be faster.
    """

    name: str
    ours: Callable[[], object]
    peer: Callable[[], object]
    forward: Callable[[], object]
    both: Callable[[], object]


def header() -> str:
    return f"{COLUMNS[0]:34}" + "".join(f"{name:>14}" for name in COLUMNS[1:])


def compare(row: Row, rounds: int) -> str:
    """A line of the table: every round times all four; ratios are medians over rounds.

    The order changes from round to round: what ran just before leaves its mark on memory.
    """
    contenders = (row.ours, row.peer, row.forward, row.both)
    for contender in contenders:
        contender()
    order = list(range(len(contenders)))
    chance = random.Random(0)
    times = []
    for _ in range(rounds):
        chance.shuffle(order)
        seconds = {i: _seconds(contenders[i]) for i in order}
        times.append(seconds)

    def ratio(a: int, b: int) -> float:
        return statistics.median(round_[a] / round_[b] for round_ in times)

    ours = statistics.median(round_[0] for round_ in times) * 1000
    cells = (f"{ours:.1f}", *(f"{r:.2f}" for r in (ratio(0, 1), ratio(0, 2), ratio(0, 3))))
    return f"{row.name:34}" + "".join(f"{c:>14}" for c in (*cells, f"{ratio(1, 3):.2f}"))


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
