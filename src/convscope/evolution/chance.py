"""Random choices from a seeded generator, and the polynomial mutation of numbers."""

from __future__ import annotations

import torch
from torch import Tensor

ETA = 15.0  # how much smaller than the range of a number its usual change is


def happens(chance: float, generator: torch.Generator) -> bool:
    """Whether something of this probability happens."""
    return float(torch.rand((), generator=generator)) < chance


def one_of(count: int, generator: torch.Generator) -> int:
    """A number from 0 to `count` - 1."""
    return int(torch.randint(count, (), generator=generator))


def polynomial(
    values: Tensor, low: float, high: float, rate: float, generator: torch.Generator
) -> Tensor:
    """Each value, changed with the probability `rate` (Deb and Goyal 1996).

    A change is a fraction of the range from `low` to `high` whose density is proportional to
    (1 - |change|)^`ETA`, and results stay in that range.
    """
    chosen = torch.rand(values.shape, generator=generator) < rate
    draw = torch.rand(values.shape, generator=generator)
    size = 1 - (2 * torch.minimum(draw, 1 - draw)) ** (1 / (ETA + 1))
    change = size * torch.sign(draw - 0.5) * (high - low)
    return torch.where(chosen, values + change, values).clamp(low, high)
