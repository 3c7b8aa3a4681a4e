"""The question that an attribution answers: what makes up the score of a target on an image?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from convscope import tensors
from convscope.errors import ConvscopeError
from convscope.files import images, open_image
from convscope.network import Network
from convscope.system import batched
from convscope.types import Target, TargetLike
from convscope.vocabulary.objectives import Objective, each, energy, logit, peak, similarity
from convscope.vocabulary.objectives import probability as likelihood


@dataclass(frozen=True)
class Question:
    """A target for each image, whose score an attribution explains.

    `image` (N, 3, h, w) is what the user gave, `inputs` (N, 3, H, W) what the network gets. A
    target that is None stands for the top class, whichever that is.
    """

    net: Network
    image: Tensor
    inputs: Tensor
    targets: tuple[Target | None, ...]

    @property
    def objective(self) -> Objective:
        """The score to read and to differentiate.

        For a class it is the logit, for a neuron its activation, for a channel its largest
        activation, for a layer half the mean square of its activations, for another image the
        cosine between the two embeddings.
        """
        if len(set(self.targets)) == 1:
            return score_of(self.targets[0])
        return each(tuple(map(score_of, self.targets)))

    @property
    def target(self) -> Target:
        """The one target of a resolved question."""
        (target,) = set(self.targets)
        assert target is not None
        return target

    def resolved(self) -> Question:
        """The question with the top class of each image where a target is None."""
        if None not in self.targets:
            return self

        def work(part: slice) -> list[int]:
            return self.net.output.top(self.net.logits(self.inputs[part])).tolist()

        tops = [t for done in batched(len(self.inputs), 16, work) for _, some in done for t in some]
        targets = (t or self.net.target(top) for t, top in zip(self.targets, tops, strict=True))
        return replace(self, targets=tuple(targets))

    def __getitem__(self, part: slice) -> Question:
        """The question about some of the images."""
        return Question(self.net, self.image[part], self.inputs[part], self.targets[part])

    def about(self, targets: tuple[Target, ...]) -> Question:
        """The question about several targets of its one image."""
        size = [len(targets), -1, -1, -1]
        return Question(self.net, self.image.expand(size), self.inputs.expand(size), targets)

    def names(self, activations: Mapping[str, Tensor] | None = None) -> list[str]:
        """The name of each target. For a top class, `activations` must hold the output."""
        return [
            str(target) if target else self.net.name_classes((activations or {})[""][i], 1)[0].label
            for i, target in enumerate(self.targets)
        ]

    def score(self, images: Tensor, probability: bool = False) -> Tensor:
        """The scores (K,) of other images (K, 3, H, W), for the one target of the question.

        Args:
            images: what the network gets.
            probability: read the probability of a class in place of its logit; of a class of a
                map, its mean over the target.

        Raises:
            ConvscopeError: a score that is not finite, or the probability of what is no class.
        """
        (target,) = set(self.targets)
        if probability and (target is None or not target.is_class):
            raise ConvscopeError(f"only classes have a probability: for {target} use score='logit'")
        with torch.no_grad():
            objective = likelihood(target) if target and probability else self.objective
            _, score = objective.bind(self.net).read(self.net, images)
        return self.check_finite(score, images)

    def scores(self, images: Tensor, probability: bool = False) -> Tensor:
        """The scores (N,) of other images, one in the place of each."""
        return torch.cat(
            [self[i : i + 1].score(images[i : i + 1], probability) for i in range(len(images))]
        )

    def check_finite(self, score: Tensor, images: Tensor) -> Tensor:
        """The score itself.

        Raises:
            ConvscopeError: the score of the images is NaN or infinite.
        """
        if not tensors.all_finite(score):
            raise ConvscopeError(f"the score is not finite; {self.net.first_not_finite(images)}")
        return score


def ask(net: Network, image: Tensor, target: TargetLike | Sequence[TargetLike] | None) -> Question:
    """The question about a technique's options `image` and `target`.

    Args:
        net: the network to explain.
        image: (N, 3, h, w), RGB in [0, 1].
        target: one for all images, one for each, or None for their top classes.

    Raises:
        ConvscopeError: an unknown target, or another number of targets than of images.
    """
    if target is None:
        targets: tuple[Target | None, ...] = (_top_of(net),) * len(image)
    elif isinstance(target, TargetLike):
        targets = (net.target(target),) * len(image)
    else:
        targets = tuple(map(net.target, target))
        if len(targets) != len(image):
            raise ConvscopeError(
                f"{len(targets)} targets for {len(image)} images: one each, or one"
            )
    image = image.detach()
    question = Question(net, image, net.preprocess(image), targets)
    resolve = None in targets and not net.output.largest_is_top
    return question.resolved() if resolve else question


def _top_of(net: Network) -> Target | None:
    """What is explained where no target is named: the top class, or the only number there is."""
    output = net.output
    if output.num_classes is None and output.shape != (1,):
        net.outputs.classes()
    return net.target(0) if output.kind == "values" and output.shape == (1,) else None


def score_of(target: Target | None) -> Objective:
    """The score of a target; None is the top class."""
    if target is None:
        return peak("")
    if target.like is not None:
        return similarity(_other_image(target.like))
    if target.is_class:
        return logit(target)
    return energy(target) if target.channel is None else peak(target)


@lru_cache(maxsize=4)
def _other_image(path: str) -> Tensor:
    """The image that a target is compared with.

    Raises:
        ConvscopeError: it cannot be opened, or is another one than it was.
    """
    path, _, digits = path.partition("#")
    image = open_image(path)
    found = images.source(image)
    if digits and found and not found["sha256"].startswith(digits):
        raise ConvscopeError(f"{path} is no longer the image that the target names")
    return image
