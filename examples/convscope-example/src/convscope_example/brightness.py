"""An objective for recipes."""

from __future__ import annotations

from dataclasses import dataclass

from convscope.network import Network
from convscope.vocabulary.objectives import Bound, Objective


@dataclass(frozen=True)
class brightness(Objective):
    """The mean of all pixels of the image."""

    def bind(self, net: Network) -> Bound:
        return Bound(frozenset(), lambda activations, image: image.flatten(1).mean(1))
