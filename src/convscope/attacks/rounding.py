"""A changed photograph in 8 bits, still in its ball."""

from __future__ import annotations

import torch
from torch import Tensor

from convscope.attacks.descent import Ball
from convscope.vocabulary.norms import NORMS, Radius

NEARLY = 1e-3  # of a step of 1/255: 3/255 is not exact


INSIDE = 1 - 1e-5  # of the radius, so that a sum of many squares is not beyond it by rounding


def in_bytes(photograph: Tensor, change: Tensor, ball: Ball | None = None, seed: int = 0) -> Tensor:
    """A changed photograph whose pixels are whole numbers of 255ths.

    Each pixel is rounded up or down by chance, so that the mean change stays: most changes that
    fool a network are smaller than 1/255, and rounding to the nearest would remove them. A
    photograph that is in whole 255ths stays in the ball, if there is one.

    Args:
        photograph: (N, 3, H, W) in [0, 1].
        change: as large.
        ball: what the photograph must not leave.
        seed: starts the random numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    chance = torch.rand(photograph.shape, generator=generator).to(photograph)
    exact = (photograph + change) * 255
    nearest = exact.round()
    levels = torch.where((exact - nearest).abs() < NEARLY, nearest, (exact + chance).floor())
    saved = levels.clamp(0, 255) / 255
    if ball is None:
        return saved
    if ball.norm == NORMS["inf"]:
        return _near_each_pixel(photograph, saved, ball.radius)
    outside = ball.norm.size(saved - photograph) > ball.radius
    return torch.where(outside, _largest(photograph, change, ball.radius), saved)


def _near_each_pixel(photograph: Tensor, saved: Tensor, most: Radius) -> Tensor:
    """No pixel changes by more than `most`."""
    low = ((photograph - most) * 255 - NEARLY).ceil().clamp(0, 255) / 255
    high = ((photograph + most) * 255 + NEARLY).floor().clamp(0, 255) / 255
    return torch.minimum(torch.maximum(saved, low), high)


def _largest(photograph: Tensor, change: Tensor, radius: Radius) -> Tensor:
    """Only the pixels that change most do, each by whole steps and at least one, and as many as an
    L2 ball holds."""
    base = (photograph * 255).round().clamp(0, 255)
    steps = (change * 255).abs().round().clamp_min(1).copysign(change)
    changed = (base + steps).clamp(0, 255) / 255
    base = base / 255
    costs = ((changed - photograph).square() - (base - photograph).square()).flatten(1).double()
    order = change.flatten(1).abs().argsort(dim=1, descending=True)
    most = INSIDE * torch.as_tensor(radius, dtype=torch.float64).view(-1, 1)
    begun = (base - photograph).flatten(1).double().square().sum(1, keepdim=True)
    fits = costs.gather(1, order).cumsum(1) <= most.to(costs).square() - begun
    kept = torch.zeros_like(fits).scatter(1, order, fits).view(change.shape)
    return torch.where(kept & (change != 0), changed, base)
