"""What evolves: genomes, and how each becomes an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from convscope.evolution.chance import polynomial
from convscope.evolution.cppn import CPPN, Link, colors, coordinates, outputs
from convscope.evolution.mutation import child, random_cppn

G = TypeVar("G")


class Encoding(Protocol[G]):
    """A kind of genome."""

    def first(self, generator: torch.Generator) -> G:
        """A genome that has no parent."""
        ...

    def child(self, parent: G, generation: int, generator: torch.Generator) -> G:
        """A genome that differs from its parent."""
        ...

    def images(self, genomes: Sequence[G]) -> Tensor:
        """The images of genomes, (N, 3, H, W), RGB in [0, 1]."""
        ...

    def packed(self, genome: G) -> Any:
        """A genome as tensors and plain values, for a resume file."""
        ...

    def unpacked(self, values: Any) -> G:
        """The inverse of `packed`."""
        ...


class Cppns:
    """Compositional pattern-producing networks, which draw images of this size.

    Args:
        size: rows and columns of an image.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size, self.inputs = size, coordinates(*size)

    def first(self, generator: torch.Generator) -> CPPN:
        """A network without hidden nodes."""
        return random_cppn(generator)

    def child(self, parent: CPPN, _generation: int, generator: torch.Generator) -> CPPN:
        """A network with other weights, functions, nodes or links."""
        return child(parent, generator)

    def images(self, genomes: Sequence[CPPN]) -> Tensor:
        """What the networks draw, (N, 3, H, W)."""
        values = torch.stack([outputs(one, self.inputs) for one in genomes])
        return colors(values).view(-1, 3, *self.size)

    def packed(self, genome: CPPN) -> Any:
        """A network as tuples."""
        return genome.functions, [tuple(link) for link in genome.links]

    def unpacked(self, values: Any) -> CPPN:
        """The network of such tuples."""
        functions, links = values
        return CPPN(tuple(functions), tuple(Link(*link) for link in links))


class Pixels:
    """The bytes of the pixels themselves, (3, H, W).

    Args:
        size: rows and columns of an image.
    """

    RATE = 0.1  # probability that a byte changes in the first generations

    HALVED_AFTER = 1000  # generations

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size

    def first(self, generator: torch.Generator) -> Tensor:
        """Uniform noise."""
        return torch.randint(256, (3, *self.size), generator=generator, dtype=torch.uint8)

    def child(self, parent: Tensor, generation: int, generator: torch.Generator) -> Tensor:
        """An image in which some bytes differ; they become fewer over the generations."""
        rate = self.RATE * 0.5 ** ((generation - 1) // self.HALVED_AFTER)
        return polynomial(parent.float(), 0.0, 255.0, rate, generator).round_().byte()

    def images(self, genomes: Sequence[Tensor]) -> Tensor:
        """The bytes as values from 0 to 1."""
        return torch.stack(list(genomes)).float().div_(255)

    def packed(self, genome: Tensor) -> Tensor:
        """The bytes themselves."""
        return genome

    def unpacked(self, values: Tensor) -> Tensor:
        """The bytes themselves."""
        return values
