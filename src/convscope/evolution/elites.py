"""The archive of MAP-Elites with one cell for each class.

J.-B. Mouret and J. Clune, "Illuminating search spaces by mapping elites", 2015. Libraries such as
pyribs put a solution into the one cell that its measures name. Here an image competes in the cells
of all classes at once, and a genome is not a vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

G = TypeVar("G")


class Elites(Generic[G]):
    """The best genome found so far for each class.

    Attributes:
        genomes: one for each class; empty before the first are added.
        confidence: how probable the network finds the class in its elite's image, (classes,).
    """

    def __init__(self, classes: int) -> None:
        self.genomes: list[G] = []
        self.confidence = torch.full((classes,), -torch.inf)

    def add(self, genomes: Sequence[G], probabilities: Tensor) -> Tensor:
        """Let genomes compete in all cells; one that is only as good as the elite does not win.

        Args:
            genomes: N of them.
            probabilities: of each class in each image, (N, classes).

        Returns:
            Which cells have a new elite, (classes,).
        """
        best, winners = probabilities.max(0)
        better = best > self.confidence
        self.genomes = [
            genomes[winner] if won else self.genomes[cell]
            for cell, (winner, won) in enumerate(
                zip(winners.tolist(), better.tolist(), strict=True)
            )
        ]
        self.confidence = torch.where(better, best, self.confidence)
        return better
