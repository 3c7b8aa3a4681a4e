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
