"""Which image sizes a network takes. This is found by trying, since a size may fail anywhere."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.network.reading import Reader
from convscope.system import out_of_memory

# Rows and columns.
Size = tuple[int, int]

# Strides and windows are powers of two, or divide the input size.
POWERS = tuple(2**k for k in range(8))


class Sizes:
    """The image sizes at which the layers of a network can be read.

    A size is tried on one image, no deeper than the layers that are asked for, and remembered.
    """

    def __init__(self, reader: Reader, device: torch.device) -> None:
        self.reader, self.device = reader, device
        self.own: Size = reader.preprocessing.size
        self._known: dict[tuple[Size, frozenset[str]], bool] = {}

    def read(self, x: Tensor, names: Collection[str], leaves: bool) -> dict[str, Tensor]:
        """Like `Reader.read`, with one line where the network does not take images of this size."""
        try:
            return self.reader.read(x, names, leaves)
        except ConvscopeError:
            raise
        except Exception as error:  # the module is the user's: it may raise anything
            size = _size(x)
            if out_of_memory(error) or self.takes(size, names):
                raise
            raise self.refusal(size, names) from error

    def takes(self, size: Size, names: Collection[str]) -> bool:
        """Whether the layers can be read for images of this size, and have the same units."""
        if size == self.own:
            return True
        key = size, frozenset([names] if isinstance(names, str) else names)
        if key not in self._known:
            self._known[key] = self._tried(*key)
        return self._known[key]

    def near(self, size: Size, names: Collection[str]) -> list[Size]:
        """A smaller and a larger size near this one that are taken; this one, if it is taken.

        They differ from the network's own by whole strides or windows. Its own is the last resort.
        """
        if self.takes(size, names):
            return [size]
        found = []
        for sign in (-1, 1):
            found += [one for one in self._candidates(size, sign) if self.takes(one, names)][:1]
        return found or [self.own]

    def refusal(self, size: Size, names: Collection[str]) -> ConvscopeError:
        """An error that names sizes near this one that the network takes."""
        near = " and ".join(f"{rows}x{columns}" for rows, columns in self.near(size, names))
        return ConvscopeError(
            f"{self.reader.preprocessing.name} takes images of {near} pixels, but not of"
            f" {size[0]}x{size[1]}"
        )

    def check_units(self, values: Mapping[str, Tensor], image: Tensor) -> None:
        """Raise an error where a layer without positions has other units than at its own size.

        Behind `x.flatten(1)`, for instance, unit 12 is another place in a larger image.
        """
        size = _size(image)
        if size == self.own:
            return
        for name, value in values.items():
            if not self._same_units(name, value):
                raise ConvscopeError(
                    f"{name or 'the output'!r} has {self.reader.names.shape(name)[0]} values for"
                    f" images of {self.own[0]}x{self.own[1]} pixels and {value[0].numel()} for"
                    f" {size[0]}x{size[1]}, so its units are not the same; leave the size out"
                )

    def _same_units(self, name: str, value: object) -> bool:
        shape = self.reader.names.shape(name)
        return isinstance(value, Tensor) and (len(shape) != 1 or shape == value.shape[1:])

    def _tried(self, size: Size, names: frozenset[str]) -> bool:
        channels, dtype = self.reader.preprocessing.channels, self.reader.prepared.dtype
        x = torch.zeros(1, channels, *size, dtype=dtype, device=self.device)
        try:
            with torch.no_grad():
                values = self.reader.read(x, names, leaves=False)
        except Exception as error:  # the module is the user's: it may raise anything
            if out_of_memory(error):
                raise
            return False
        return all(self._same_units(name, value) for name, value in values.items())

    def _candidates(self, size: Size, sign: int) -> list[Size]:
        """Sizes to try, nearest first: nowhere below this one (1), or nowhere above it (-1)."""
        away = [sign * (a - b) for a, b in zip(size, self.own, strict=True)]
        found = {self.own} if max(away) <= 0 else set()
        common = math.gcd(*self.own)
        for step in {*POWERS, *(k for k in range(1, common + 1) if common % k == 0)}:
            counts = [math.ceil(one / step) for one in away]
            for rows, columns in (counts, [max(counts)] * 2):  # some networks take squares only
                found.add((self.own[0] + sign * step * rows, self.own[1] + sign * step * columns))
        return sorted(
            (one for one in found - {size} if min(one) > 0),
            key=lambda one: abs(one[0] - size[0]) + abs(one[1] - size[1]),
        )


def _size(x: Tensor) -> Size:
    return x.shape[-2], x.shape[-1]
