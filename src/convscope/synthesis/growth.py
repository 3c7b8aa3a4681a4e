"""Fills an image pixel by pixel with pixels of a sample whose neighborhoods are alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.synthesis.waves import fringe, raster, waves
from convscope.synthesis.windows import Neighborhoods

Order = Literal["onion", "scanline"]

# The mean squared difference of a best neighborhood that is good enough, for pixels from 0 to 1,
# and the factor by which it rises when no pixel has a better one.
GOOD, RISE = 0.3, 1.1

BATCH = 2**25  # bytes of the distances that are computed together


def grow(
    sources: Neighborhoods, image: Tensor, known: Tensor, order: Order, seed: int
) -> Iterator[Tensor]:
    """Fill the unknown pixels of an image, each from the middle of a neighborhood like its own.

    Every wave of pixels that do not see each other is one matrix product. The result is that of one
    pixel after the other.

    Args:
        sources: what may be copied.
        image: (C, H, W), bytes.
        known: (H, W), where the image is known.
        order: "scanline", or "onion" for the pixels with most known neighbors first.
        seed: starts the random numbers.

    Yields:
        (H, W), after every wave the number of the source of each pixel; -1 where there is none.
    """
    growing = _Growing(sources, image, known, seed)
    if order == "scanline":
        for wave in waves(raster(known), sources.window // 2, growing.size):
            yield growing.filled(wave)
        return
    limit = GOOD
    while not (before := growing.known).all():
        ring = fringe(before, sources.window, growing.priority)
        for wave in waves(ring, sources.window // 2, growing.size):
            yield growing.filled(wave, limit)
        if torch.equal(growing.known, before):
            limit *= RISE


class _Growing:
    """An image that grows, in a border that stays unknown, and where its pixels came from."""

    def __init__(self, sources: Neighborhoods, image: Tensor, known: Tensor, seed: int) -> None:
        chance = torch.Generator().manual_seed(seed)
        self.size = (known.shape[0], known.shape[1])
        self.chance = torch.rand(self.size, generator=chance, dtype=torch.float64)
        self.priority = torch.rand(self.size, generator=chance, dtype=torch.float64)
        self.sources, reach = sources, sources.window // 2
        self.chosen = torch.full(self.size, -1)
        wide, mask = F.pad(image, (reach,) * 4), F.pad(known, (reach,) * 4)
        # Views: the pixels, and the window around each of them.
        inside = slice(reach, -reach or None)
        self.image, self._mask = wide[:, inside, inside], mask[inside, inside]
        side = sources.window
        self._windows = wide.permute(1, 2, 0).unfold(0, side, 1).unfold(1, side, 1)
        self._masks = mask.unfold(0, side, 1).unfold(1, side, 1)

    @property
    def known(self) -> Tensor:
        """(H, W), a copy."""
        return self._mask.clone()

    def filled(self, wave: Tensor, limit: float = 1.0) -> Tensor:
        """Fill pixels (n, 2) that do not see each other; returns where all pixels came from.

        Pixels without a neighborhood within `limit` stay unknown.
        """
        for part in wave.split(max(1, BATCH // (8 * len(self.sources.places)))):
            rows, columns = part.T
            windows = self._windows[rows, columns].flatten(2).transpose(1, 2)
            masks = self._masks[rows, columns].flatten(1)
            distances = self.sources.distances(windows, masks)
            least, chosen = _drawn(distances, self.chance[rows, columns])
            scale = (masks * self.sources.weights).sum(1) * windows.shape[2] * 255**2
            good = least <= limit * scale
            rows, columns, chosen = rows[good], columns[good], chosen[good]
            self.chosen[rows, columns] = chosen
            self.image[:, rows, columns] = self.sources.middles[:, chosen]
            self._mask[rows, columns] = True
        return self.chosen.clone()


def _drawn(distances: Tensor, chance: Tensor) -> tuple[Tensor, Tensor]:
    """The least of the distances (B, n), whole numbers, and one that is hardly larger.

    Args:
        chance: (B,), from 0 to 1, which of those that are hardly larger is drawn.

    Returns:
        The least distances (B,), and the columns that were drawn (B,).
    """
    least = distances.amin(1)
    limit = least.long() * 11 // 10  # whole numbers, so that no processor rounds
    rows, columns = (distances <= limit[:, None]).nonzero().T
    counts = torch.bincount(rows, minlength=len(distances))
    drawn = (chance * counts).long() + counts.cumsum(0) - counts
    return least, columns[drawn]
