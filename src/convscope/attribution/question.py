"""TODO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convscope import tensors
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.system import batched
from convscope.types import Target, TargetLike
from convscope.vocabulary.objectives import Objective, each, energy, logit, peak


@dataclass(frozen=True)
class Question:
    """Of each image, the score of one unit: what an attribution explains.

    `photo` (N, 3, h, w) is as the user gave it, `inputs` (N, 3, H, W) as the network sees it. A unit
    that is None stands for whatever class comes out on top.
    """

    net: Network
    photo: Tensor
    inputs: Tensor
    units: tuple[Target | None, ...]

    @property
    def objective(self) -> Objective:
        """The score to read and to differentiate: of a class its logit, of a channel its strongest
        unit, of a layer half its mean square."""
        if len(set(self.units)) == 1:
            return _score_of(self.units[0])
        return each(tuple(map(_score_of, self.units)))

    def settled(self) -> Question:
        """Every unit a definite one: what the network says of the photo itself decides."""
        if None not in self.units:
            return self

        def work(part: slice) -> list[int]:
            return self.net.logits(self.inputs[part]).argmax(1).tolist()

        tops = [t for done in batched(len(self.inputs), 16, work) for _, some in done for t in some]
        units = (u or self.net.target(top) for u, top in zip(self.units, tops, strict=True))
        return replace(self, units=tuple(units))

    def __getitem__(self, part: slice) -> Question:
        """The question about some of the images."""
        return Question(self.net, self.photo[part], self.inputs[part], self.units[part])

    def of(self, units: tuple[Target, ...]) -> Question:
        """The question about several units of the one image."""
        alike = [len(units), -1, -1, -1]
        return Question(self.net, self.photo.expand(alike), self.inputs.expand(alike), units)

    def names(self, activations: Mapping[str, Tensor]) -> list[str]:
        """What each image's score is a score of."""
        return [
            str(unit) if unit else self.net.name_classes(activations[""][i], 1)[0].label
            for i, unit in enumerate(self.units)
        ]

    def score(self, images: Tensor, probability: bool = False) -> Tensor:
        """The score (K,) of other images in the place of the one, as the logit or probability."""
        (unit,) = set(self.units)
        with torch.no_grad():
            if probability:
                if unit is None or unit.label is None:
                    raise ConvscopeError(f"only classes have a probability: for {unit} take logit")
                logits = self.net.activations(images, {""})[""]
                return self.finite(logits.softmax(1)[:, unit.channel], images)
            _, score = self.objective.bind(self.net).read(self.net, images)
            return self.finite(score, images)

    def scores(self, images: Tensor, probability: bool = False) -> Tensor:
        """The scores (N,) of other images, one in the place of each."""
        return torch.cat(
            [self[i : i + 1].score(images[i : i + 1], probability) for i in range(len(images))]
        )

    def finite(self, score: Tensor, images: Tensor) -> Tensor:
        """The score that the images have.

        Raises:
            ConvscopeError: it is NaN or infinite.
        """
        if not tensors.all_finite(score):
            raise ConvscopeError(f"the score is not finite; {self.net.first_not_finite(images)}")
        return score


def ask(net: Network, image: Tensor, target: TargetLike | Sequence[TargetLike] | None) -> Question:
    """The question that a technique's `image` and `target` put.

    Raises:
        ConvscopeError: an unknown target, or another number of targets than of images.
    """
    if target is None or isinstance(target, TargetLike):
        units = (None if target is None else net.target(target),) * len(image)
    else:
        units = tuple(map(net.target, target))
        if len(units) != len(image):
            raise ConvscopeError(f"{len(units)} targets for {len(image)} images: one each, or one")
    image = image.detach()
    return Question(net, image, net.preprocess(image), units)


def _score_of(unit: Target | None) -> Objective:
    if unit is None:
        return peak("")
    if unit.label is not None:
        return logit(unit)
    return energy(unit) if unit.channel is None else peak(unit)
