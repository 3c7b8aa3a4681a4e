"""A change of the network's input, carried back onto the photograph."""

from __future__ import annotations

import torch
from torch import Tensor

from convscope.network import Network
from convscope.system import usual_torch

STEPS = 12  # of conjugate gradients; 12 leave less than 1 % of the change


SMALLEST = 1e-30  # square of a length, so that a change of 0 is carried back as 0


def carried(net: Network, photograph: Tensor, change: Tensor) -> Tensor:
    """The least change of photographs that the network sees as `change`.

    Resizing and cropping are linear, so this is a problem of least squares. A photograph that has
    fewer pixels than the input cannot carry all of the change.

    Args:
        net: the network.
        photograph: (N, 3, H, W), of any size.
        change: (N, C, h, w), of the network's input.

    Returns:
        (N, 3, H, W).
    """
    if photograph.shape == change.shape:
        return change
    with usual_torch(gradients=True):
        seeing = _Seeing(net, photograph)
        residual = change
        direction = slope = seeing.back(residual)
        found, size = torch.zeros_like(direction), _dot(slope, slope)
        for _ in range(STEPS):
            seen = seeing(direction)
            step = size / _dot(seen, seen).clamp_min(SMALLEST)
            found, residual = found + step * direction, residual - step * seen
            slope = seeing.back(residual)
            before, size = size, _dot(slope, slope)
            direction = slope + size / before.clamp_min(SMALLEST) * direction
        return found


def in_bytes(
    photograph: Tensor, change: Tensor, limit: float | None = None, seed: int = 0
) -> Tensor:
    """A changed photograph whose pixels are whole numbers of 255ths.

    Each pixel is rounded up or down by chance, so that the mean change stays: most changes that
    fool a network are smaller than 1/255, and rounding to the nearest would remove them. With a
    limit, no pixel changes by more than that.

    Args:
        photograph: (N, 3, H, W) in [0, 1].
        change: as large.
        limit: largest change of a pixel.
        seed: starts the random numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    chance = torch.rand(photograph.shape, generator=generator).to(photograph)
    low, high = photograph.new_zeros(()), photograph.new_full((), 255.0)
    if limit is not None:
        # A tolerance, because 3/255 is not exact.
        low = ((photograph - limit) * 255 - 1e-3).ceil().clamp(0, 255)
        high = ((photograph + limit) * 255 + 1e-3).floor().clamp(0, 255)
    exact = (photograph + change) * 255
    nearest = exact.round()
    levels = torch.where((exact - nearest).abs() < 1e-3, nearest, (exact + chance).floor())
    return torch.minimum(torch.maximum(levels, low), high) / 255


class _Seeing:
    """What the network sees of a change of photographs, and the transpose of that."""

    def __init__(self, net: Network, photograph: Tensor) -> None:
        self.net = net
        self.leaf = torch.zeros_like(photograph, device=net.device, dtype=net.dtype)
        self.leaf.requires_grad_()
        self.seen = net.preprocessing.resampled(self.leaf)

    def __call__(self, change: Tensor) -> Tensor:
        with torch.no_grad():
            return self.net.preprocessing.resampled(change)

    def back(self, change: Tensor) -> Tensor:
        (found,) = torch.autograd.grad(self.seen, self.leaf, change, retain_graph=True)
        return found


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum((1, 2, 3), keepdim=True)
