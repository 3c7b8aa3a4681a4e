"""Random crops of the photographs in a folder, each a fixed function of a seed and its number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from convscope.errors import ConvscopeError
from convscope.files import open_image

LARGEST = 1.6  # the shorter side of a photograph before cropping, in sides of the crop


MEMORY = 500_000_000  # bytes of photographs that are kept


class Crop(NamedTuple):
    """A crop, and the files that came before its own and cannot be read.

    Attributes:
        pixels: (3, size, size), RGB in [0, 1].
        skipped: the reason for each.
    """

    pixels: Tensor
    skipped: dict[str, str]


class Crops(Dataset[Crop]):
    """An endless row of crops. Every photograph comes once before any comes again.

    Args:
        files: the photographs.
        size: rows and columns of a crop.
        seed: of everything random here.
    """

    def __init__(self, files: Sequence[Path], size: int, seed: int) -> None:
        self.files, self.size, self.seed = tuple(files), size, seed
        self._known: dict[Path, Tensor] = {}

    def __getitem__(self, number: int) -> Crop:
        skipped: dict[str, str] = {}
        # Two turns, each in its own order: one of them is whole, from here on.
        for place in range(number, number + 2 * len(self.files)):
            file = self._file(place)
            try:
                return Crop(self._cropped(self._photograph(file), number), skipped)
            except ConvscopeError as error:
                skipped[str(file)] = str(error)
        raise ConvscopeError(f"none of the {len(self.files)} photographs can be read")

    def check(self, count: int) -> dict[str, str]:
        """Fail if fewer than `count` photographs can be read.

        Returns:
            The files that were found to be unreadable, each with the reason.
        """
        skipped: dict[str, str] = {}
        readable = 0
        for place in range(len(self.files)):
            try:
                self._photograph(self._file(place))
                readable += 1
            except ConvscopeError as error:
                skipped[str(self._file(place))] = str(error)
            if readable == count:
                return skipped
        raise ConvscopeError(
            f"a batch has {count} photographs, and {readable} can be read: give more, or a smaller"
            " batch"
        )

    def _photograph(self, file: Path) -> Tensor:
        """A photograph in bytes, (1, 3, H, W), as large as any crop needs it."""
        if (known := self._known.get(file)) is not None:
            return known
        image = resized(_middle(open_image(file)), round(self.size * LARGEST))
        found = image.clamp(0, 1).mul(255).round().byte()
        if len(self._known) * found.numel() < MEMORY:
            self._known[file] = found
        return found

    def _file(self, place: int) -> Path:
        turn, within = divmod(place, len(self.files))
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + turn)
        return self.files[int(torch.randperm(len(self.files), generator=generator)[within])]

    def _cropped(self, image: Tensor, number: int) -> Tensor:
        generator = torch.Generator().manual_seed((self.seed + 1) * 7_919_000_001 + number)
        scale, row, column, mirrored = torch.rand(4, generator=generator).tolist()
        shorter = round(self.size * LARGEST**scale)
        image = resized(image / 255, shorter)[0]
        top, left = (
            int(part * (side - self.size + 1))
            for part, side in zip((row, column), image.shape[1:], strict=True)
        )
        crop = image[:, top : top + self.size, left : left + self.size]
        return (crop.flip(2) if mirrored < 0.5 else crop).clamp(0, 1).contiguous()


def resized(image: Tensor, shorter: int) -> Tensor:
    """An image (1, 3, H, W) whose shorter side has this many pixels."""
    sizes = [max(shorter, round(side * shorter / min(image.shape[2:]))) for side in image.shape[2:]]
    return F.interpolate(image, sizes, mode="bilinear", antialias=True, align_corners=False)


def _middle(image: Tensor) -> Tensor:
    """The middle of an image, at most three times as long as wide: panoramas cost no memory."""
    height, width = image.shape[2:]
    rows, columns = min(height, 3 * width), min(width, 3 * height)
    top, left = (height - rows) // 2, (width - columns) // 2
    return image[..., top : top + rows, left : left + columns]
