"""Programs: other ways than a forward pass of torch to read some layers of many images."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from convscope.network.alone import Values

FEW = 4  # images at a time, on one or two processors


class Program:
    """Some layers of a network, read a few images at a time.

    So many are fast, and each batch is read in such parts: the values of an image do not depend on
    the number of images in its batch.

    Args:
        x: a normalized batch (N, C, H, W).
        wanted: the values of the layers for it; those of the program lie in memory as they do.
    """

    def __init__(self, x: Tensor, wanted: Values) -> None:
        self.names, self.rows = list(wanted), rows()
        self.input = Kind.of(x, len(x))
        self.kinds = [Kind.of(value, len(x)) for value in wanted.values()]

    def __call__(self, x: Tensor) -> Values:
        """The values for another batch of images of this size."""
        count, x = len(x), self.filled(x)
        values = [kind.empty(len(x)) for kind in self.kinds]
        for begin in range(0, len(x), self.rows):
            part = slice(begin, begin + self.rows)
            self.fill(x[part], [value[part] for value in values])
        return {name: value[:count] for name, value in zip(self.names, values, strict=True)}

    def filled(self, x: Tensor) -> Tensor:
        """A batch, with copies of its last image until the last part is full."""
        missing = -len(x) % self.rows
        if missing:
            x = torch.cat([x, x[-1:].expand(missing, -1, -1, -1)])
        return x.contiguous(memory_format=self.input.order)

    def fill(self, x: Tensor, values: list[Tensor]) -> None:
        """Write the values for as many images as are read at a time."""
        raise NotImplementedError


def rows() -> int:
    """How many images a program gets at a time."""
    return max(FEW, 2 * torch.get_num_threads())


class Kind(NamedTuple):
    """The shape of one image's values, their type, and whether their channels come last."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    last: bool

    @classmethod
    def of(cls, value: Tensor, count: int) -> Kind:
        if not value.dim() or len(value) != count:
            raise ValueError("the values do not lie image by image")
        return cls(tuple(value.shape[1:]), value.dtype, _channels_last(value))

    @property
    def order(self) -> torch.memory_format:
        return torch.channels_last if self.last else torch.contiguous_format

    def empty(self, count: int) -> Tensor:
        return torch.empty((count, *self.shape), dtype=self.dtype, memory_format=self.order)


def _channels_last(value: Tensor) -> bool:
    return (
        value.dim() == 4
        and not value.is_contiguous()
        and value.is_contiguous(memory_format=torch.channels_last)
    )
