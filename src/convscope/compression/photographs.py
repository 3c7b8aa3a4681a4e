"""The photographs that a network is measured on, and those that it learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from convscope.errors import ConvscopeError, shortened
from convscope.files import open_image, photographs
from convscope.network import Network, class_number

FEWEST = 2


@dataclass(frozen=True)
class Photographs:
    """Files, and the class of each where the folders are labels.

    Attributes:
        files: the photographs.
        classes: the number of each one's class; None without labels.
    """

    files: tuple[Path, ...]
    classes: tuple[int, ...] | None

    def every_second(self, first: int) -> Photographs:
        """Every second one, from the first or the second."""
        classes = None if self.classes is None else self.classes[first::2]
        return Photographs(self.files[first::2], classes)

    def spread(self, limit: int) -> Photographs:
        """At most so many, taken evenly from all."""
        count = len(self.files)
        chosen = sorted({number * count // limit for number in range(limit)})
        chosen = chosen if count > limit else list(range(count))
        classes = None if self.classes is None else tuple(self.classes[i] for i in chosen)
        return Photographs(tuple(self.files[i] for i in chosen), classes)


def found_photographs(net: Network, folder: Path, labeled: bool) -> Photographs:
    """The photographs of a folder, which are labeled if all lie in folders named like classes.

    Raises:
        ConvscopeError: there are fewer than two, or a folder is no class of the network.
    """
    if not folder.is_dir():
        raise ConvscopeError(f"compress: no folder {folder} of photographs")
    files = photographs(folder)
    if len(files) < FEWEST:
        raise ConvscopeError(f"compress needs at least {FEWEST} photographs; {folder} has 1")
    if not labeled or any(file.parent == folder for file in files):
        return Photographs(files, None)
    return Photographs(files, _classes(net, folder, files))


def _classes(net: Network, folder: Path, files: Sequence[Path]) -> tuple[int, ...]:
    names = sorted({file.parent.name for file in files})
    known = {name: class_number(net.output, name) for name in names}
    if others := [name for name in names if known[name] is None]:
        some = shortened(", ".join(others[:3]), 120)
        raise ConvscopeError(
            f"compress: {folder} has folders whose names are no classes of {net.name} ({some}):"
            " name them like classes, or leave the labels out with labeled=False (--no-labeled)"
        )
    return tuple(known[file.parent.name] or 0 for file in files)


def normalized(net: Network, images: Tensor) -> Tensor:
    """Images at the network's own size as its module takes them."""
    pixels = net.as_input(images)
    mean, std = (pixels.new_tensor(values).view(-1, 1, 1) for values in (net.mean, net.std))
    return ((pixels - mean) / std).contiguous(memory_format=torch.channels_last)


def inputs(net: Network, files: Sequence[Path]) -> Tensor:
    """What the module gets for photographs, (N, C, H, W)."""
    return torch.cat([normalized(net, net.preprocess(open_image(file))) for file in files])
