"""The loop of an evolution: parents, children, the network's judgment, survivors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from convscope import tensors
from convscope.evolution.chance import one_of
from convscope.evolution.elites import Elites
from convscope.evolution.encodings import Encoding
from convscope.network import Network
from convscope.system import BATCH

G = TypeVar("G")


class Evolution(Generic[G]):
    """Images of all classes evolve at once; an image of one class may become that of another.

    Args:
        net: judges the images.
        classes: the numbers of the classes.
        encoding: what evolves.
        offspring: the number of children in a generation.
        seed: seed of the random numbers.

    Attributes:
        elites: the best genome for each class so far.
        medians: the median of the elites' confidence after each generation.
    """

    def __init__(
        self,
        net: Network,
        classes: Sequence[int],
        encoding: Encoding[G],
        offspring: int,
        seed: int,
    ) -> None:
        self.net, self.classes, self.encoding = net, list(classes), encoding
        self.offspring = offspring
        self.generator = torch.Generator().manual_seed(seed)
        self.elites: Elites[G] = Elites(len(classes))
        self.medians: list[float] = []

    def step(self, generation: int) -> None:
        """One generation. The genomes of the first one are random.

        Each child has one parent, the elite of a class that is drawn at random.
        """
        children = [self._child(generation) for _ in range(self.offspring)]
        for begin in range(0, len(children), BATCH):
            genomes = children[begin : begin + BATCH]
            found = probabilities(self.net, self.images(genomes))
            self.elites.add(genomes, found[:, self.classes])
        self.medians.append(float(self.elites.confidence.quantile(0.5)))

    def images(self, genomes: Sequence[G]) -> Tensor:
        """The images of genomes in the channels of the network, with whole 255ths as in a file."""
        return tensors.in_255ths(self.net.as_input(self.encoding.images(genomes)))

    def _child(self, generation: int) -> G:
        if generation == 1:
            return self.encoding.first(self.generator)
        parents = self.elites.genomes
        parent = parents[one_of(len(parents), self.generator)]
        return self.encoding.child(parent, generation, self.generator)

    def state_dict(self) -> dict[str, Any]:
        """What the next generations depend on."""
        return {
            "genomes": [self.encoding.packed(one) for one in self.elites.genomes],
            "confidence": self.elites.confidence,
            "medians": self.medians,
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to a state that `state_dict` gave."""
        self.elites.genomes = [self.encoding.unpacked(one) for one in state["genomes"]]
        self.elites.confidence = state["confidence"]
        self.medians = list(state["medians"])
        self.generator.set_state(state["generator"])


def probabilities(net: Network, images: Tensor) -> Tensor:
    """The probability of each class in each image, (N, classes), on the CPU."""
    return net.outputs.classes().ranking(net.logits(images)).cpu()
