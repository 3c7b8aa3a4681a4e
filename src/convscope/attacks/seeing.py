"""What networks see of a photograph of any size, as a score of the photograph itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import Tensor

from convscope.network import Network
from convscope.vocabulary.objectives import Activations, Bound, Objective


@dataclass(frozen=True, eq=False)
class seen_by(Objective):
    """An objective, read off what a network sees of the image: resized and cropped.

    The image is a photograph at its own size. The sum of such objectives for several networks is a
    score of all of them, each with its own input size.
    """

    net: Annotated[Network, Field(description="the network that sees the image")]
    objective: Annotated[Objective, Field(description="what is read off that network")]

    def bind(self, net: Network) -> Bound:  # noqa: ARG002 (it brings its own network)
        bound = self.objective.bind(self.net)

        def score(_: Activations, image: Tensor) -> Tensor:
            return bound.read(self.net, self.net.preprocess(image))[1]

        return Bound(frozenset(), score)
