"""Networks and photographs that many tests share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convscope as cs


class Doubled(nn.Module):
    """A residual around a ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        return x + F.relu(x)


class Own(nn.Module):
    """A user's own network: 32 pixels, 3 nameless classes, a reused in-place ReLU, a residual."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.blocks = nn.Sequential(
            nn.Conv2d(8, 12, 3, stride=2, padding=1), self.relu, nn.Conv2d(12, 12, 3, padding=1)
        )
        self.doubled = Doubled()
        self.head = nn.Linear(12, 3)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.stem(x)))
        x = self.doubled(self.blocks(x))
        result: Tensor = self.head(x.mean((2, 3)))
        return result


def own_network(channels: int = 3, dtype: torch.dtype = torch.float32) -> cs.Network:
    """`Own` as the library sees it, the same numbers every time."""
    module = Own(channels).to(dtype)
    return cs.Network(module, mean=[0.5] * channels, std=[0.25] * channels, input_size=32)


def own_photograph(height: int = 40, width: int = 48) -> Tensor:
    """(1, 3, height, width): soft blobs, the same every time."""
    generator = torch.Generator().manual_seed(2)
    coarse = torch.rand(1, 3, 6, 6, generator=generator)
    return F.interpolate(coarse, (height, width), mode="bilinear")
