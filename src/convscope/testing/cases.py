"""What the checks run on: a small network, a small photograph, and a technique with options."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convscope.network import Network
from convscope.runs import Result, Run, Technique, registry

Options = Mapping[str, Any] | Callable[[Network], Mapping[str, Any]]


class _Doubled(nn.Module):
    """A residual connection around a ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        return x + F.relu(x)


class Own(nn.Module):
    """A user's own module: 3 classes, an in-place ReLU that is used twice, a residual."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.blocks = nn.Sequential(
            nn.Conv2d(8, 12, 3, stride=2, padding=1), self.relu, nn.Conv2d(12, 12, 3, padding=1)
        )
        self.doubled = _Doubled()
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


def small_network(channels: int = 3, dtype: torch.dtype = torch.float32) -> Network:
    """A network of 32 x 32 pixels with the same random weights every time."""
    module = Own(channels).to(dtype)
    return Network(module, mean=[0.5] * channels, std=[0.25] * channels, input_size=32)


def small_photograph(height: int = 40, width: int = 48) -> Tensor:
    """(1, 3, height, width): soft blobs, the same every time."""
    generator = torch.Generator().manual_seed(2)
    coarse = torch.rand(1, 3, 6, 6, generator=generator)
    return F.interpolate(coarse, (height, width), mode="bilinear")


@dataclass(frozen=True)
class Case:
    """A technique, and options with which it is quick.

    Attributes:
        technique: the technique.
        options: its options, or a function that makes them for a network. If the technique takes a
            seed, its picture must depend on the seed with these options.
    """

    technique: Technique
    options: Options

    def options_for(self, net: Network) -> Mapping[str, Any]:
        """The options for one network."""
        return self.options(net) if callable(self.options) else self.options

    def run(self, net: Network, photo: Tensor | None = None, **options: Any) -> Run:
        """The technique on a photograph (a small one by default) if it takes any."""
        image = small_photograph() if photo is None else photo
        chosen = {**self.options_for(net), **options}
        return self.technique.run(**self.technique.inputs(net, image), **chosen)

    @cached_property
    def pixels(self) -> str:
        """The picture that a new network gives, as a digest."""
        return digest(self.run(small_network()).result())


def digest(result: Result) -> str:
    """The SHA-256 of a result's pixels."""
    return hashlib.sha256(result.picture.tobytes()).hexdigest()


def numbers(result: Result) -> dict[str, Any]:
    """All numbers of a result, by name."""
    named = {n: getattr(result, n) for n in ("image", "gradient", "heatmap", "score")}
    return {n: a for n, a in (named | result.arrays).items() if a is not None}


def case(technique: str | Technique | Callable[..., Run], options: Options | None = None) -> Case:
    """A case of a technique that is given by its name, its entry or its function."""
    if not isinstance(technique, Technique):
        technique = registry.get(technique if isinstance(technique, str) else technique.__name__)
    return Case(technique, {} if options is None else options)
