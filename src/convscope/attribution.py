"""What all attributions share: the score that is asked about, its gradients, and how maps look."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, get_args

import torch
from pydantic import Field
from torch import Tensor

from convscope import tensors
from convscope._batches import batched
from convscope.errors import ConvscopeError, unknown
from convscope.network import Network
from convscope.objectives import Objective, each, energy, logit, peak
from convscope.recipe import Recipe, climb
from convscope.starts import photo
from convscope.types import Ascent, Frame, HeatMap, Panel, Target

Batch = Annotated[
    int,
    Field(ge=1, le=1024, description="images that the network takes at once, fewer if too large"),
]
Samples = Annotated[int, Field(ge=1, le=1024, description="noisy copies to average over")]
Noise = Annotated[
    float, Field(ge=0, le=1, description="deviation of that noise, where black to white is 1")
]
Fill = Literal["mean", "image", "grey", "black", "blur", "noise"]
FILLS = "the training images' mean, this image's own, mid-grey, black, a blurred photo, noise"
Colours = Annotated[
    Literal["max", "absolute", "signed"],
    Field(
        description="of a pixel's colours the largest absolute value, the sum of absolute values,"
        " or the signed sum"
    ),
]
Words = str | int | Target
# Of a map that flickers, where the colours saturate and how much of it is smoothed away: in the
# picture only.
CLIP, SMOOTHED = 0.995, 4.0
SILENT = ": zero everywhere (the score is saturated, or nothing in the photo speaks for it)"


@dataclass(frozen=True)
class Question:
    """Of each image, the score of one unit: what an attribution explains.

    `photo` (N, 3, h, w) is as the user gave it, `seen` (N, 3, H, W) as the network sees it. A unit
    that is None stands for whatever class comes out on top.
    """

    net: Network
    photo: Tensor
    seen: Tensor
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
            return self.net.logits(self.seen[part]).argmax(1).tolist()

        tops = [t for done in batched(len(self.seen), 16, work) for _, some in done for t in some]
        units = (u or self.net.target(top) for u, top in zip(self.units, tops, strict=True))
        return replace(self, units=tuple(units))

    def __getitem__(self, part: slice) -> Question:
        """The question about some of the images."""
        return Question(self.net, self.photo[part], self.seen[part], self.units[part])

    def of(self, units: tuple[Target, ...]) -> Question:
        """The question about several units of the one image."""
        alike = [len(units), -1, -1, -1]
        return Question(self.net, self.photo.expand(alike), self.seen.expand(alike), units)

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
            bound = self.objective.bind(self.net)
            return self.finite(
                bound.score(self.net.activations(images, bound.layers), images), images
            )

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


def ask(net: Network, image: Tensor, target: Words | Sequence[Words] | None) -> Question:
    """The question that a technique's `image` and `target` put.

    Raises:
        ConvscopeError: an unknown target, or another number of targets than of images.
    """
    if target is None or isinstance(target, Words):
        units = (None if target is None else net.target(target),) * len(image)
    else:
        units = tuple(map(net.target, target))
        if len(units) != len(image):
            raise ConvscopeError(f"{len(units)} targets for {len(image)} images: one each, or one")
    image = image.detach()
    return Question(net, image, net.fit(image), units)


def _score_of(unit: Target | None) -> Objective:
    if unit is None:
        return peak("")
    if unit.label is not None:
        return logit(unit)
    return energy(unit) if unit.channel is None else peak(unit)


def gradient(question: Question, rule: str = "plain", batch: int = 16) -> Ascent:
    """The score of each image and its gradient by what the network sees of it."""

    def look(part: slice) -> Ascent:
        some = question[part]
        recipe = Recipe(start=photo(some.seen), objective=some.objective, rule=rule)
        return next(climb(question.net, recipe))

    frames = [f for done in batched(len(question.seen), batch, look) for _, f in done]
    first = frames[0]
    if len(frames) == 1:
        return first
    return Ascent(
        image=question.seen,
        gradient=torch.cat([frame.gradient for frame in frames]),
        score=torch.cat([frame.score for frame in frames]),
        activations={
            name: torch.cat([frame.activations[name] for frame in frames])
            for name in first.activations
        },
    )


def averaged(
    question: Question,
    weights: Tensor,
    version: Callable[[int, int], Tensor],
    rule: str = "plain",
    batch: int = 16,
) -> Iterator[Ascent]:
    """The weighted mean of the gradients at many versions of each image, as it grows.

    The question is a settled one: versions might disagree about the top class.

    `version(i, k)` is version k of image i (3, H, W), `weights` (K,) has its weight. The score is
    that of the image itself. Yields a frame a batch.
    """
    count, net = len(weights), question.net
    mean = torch.zeros_like(question.seen)
    per_image = -(-count // batch)
    scores = question.scores(question.seen)
    for i in range(len(mean)):
        one = question[i : i + 1]
        total, weight = torch.zeros_like(mean[i]), 0.0

        def look(part: slice, i: int = i, objective: Objective = one.objective) -> Tensor:
            images = torch.stack([version(i, k) for k in range(part.start, part.stop)])
            recipe = Recipe(start=photo(images), objective=objective, rule=rule)
            gradients = next(climb(net, recipe)).gradient
            return torch.einsum("k,kchw->chw", weights[part].to(gradients), gradients)

        for step, done in enumerate(batched(count, batch, look), 1 + i * per_image):
            for part, value in done:
                total += value
                weight += float(weights[part].sum())
            mean = mean.clone()
            mean[i] = total / weight
            yield Ascent(
                image=question.seen,
                gradient=mean,
                score=scores,
                step=step,
                steps=per_image * len(mean),
            )


def chances(count: int, seed: int) -> Callable[[int], torch.Generator]:
    """`count` generators from one seed: what item k gets does not depend on its batch."""
    chance = torch.Generator().manual_seed(seed)
    seeds = torch.randint(2**62, (count,), generator=chance).tolist()
    return lambda k: torch.Generator().manual_seed(seeds[k])


def noisy(seen: Tensor, noise: float, count: int, seed: int) -> Callable[[int, int], Tensor]:
    """For `averaged`: version k of each image, with noise of deviation `noise`."""
    chance = chances(count, seed)

    def version(i: int, k: int) -> Tensor:
        added = torch.randn(seen[i].shape, generator=chance(k), dtype=seen.dtype)
        return seen[i] + noise * added.to(seen.device)

    return version


def over_copies(
    question: Question, rule: str, samples: int, noise: float, seed: int, batch: int
) -> Iterator[Ascent]:
    """The gradient at the images themselves or, of more than one sample, over noisy copies."""
    if samples == 1:
        yield gradient(question, rule, batch)
        return
    versions = noisy(question.seen, noise, samples, seed)
    yield from averaged(question, torch.ones(samples), versions, rule, batch)


def over_colours(gradients: Tensor, colours: str) -> Tensor:
    """(N, 3, H, W) to maps (N, H, W)."""
    if colours == "max":
        return gradients.abs().amax(1)
    return gradients.sum(1) if colours == "signed" else gradients.abs().sum(1)


def filled(net: Network, seen: Tensor, fill: str, seed: int = 0) -> Tensor:
    """An image (N, 3, H, W) that says nothing, to put in the place of parts of `seen`."""
    if fill == "mean":
        return seen.new_tensor(net.mean).view(1, -1, 1, 1).expand_as(seen)
    if fill == "image":
        return seen.mean((2, 3), keepdim=True).expand_as(seen)
    if fill == "grey":
        return torch.full_like(seen, 0.5)
    if fill == "black":
        return torch.zeros_like(seen)
    if fill == "blur":
        return tensors.blur(seen, max(seen.shape[-2:]) / 16)
    if fill == "noise":
        chance = torch.Generator().manual_seed(seed)
        noise = torch.rand(seen.shape[1:], generator=chance, dtype=seen.dtype)
        return noise.to(seen.device).expand_as(seen)
    raise unknown("fill", fill, get_args(Fill))


def map_panels(
    question: Question,
    heatmap: Tensor,
    label: str,
    captions: Sequence[str],
    *,
    signed: bool = False,
    pixelwise: bool = False,
) -> tuple[Panel, ...]:
    """Each map over its photograph.

    A `pixelwise` map flickers from pixel to pixel, and single ones tower above the rest: over the
    photograph it is drawn smoothed, and of a single photo also alone and as it is.
    """
    panels: list[Panel] = []
    box = question.net.box(question.photo)
    drawn = tensors.blur(heatmap[:, None], SMOOTHED)[:, 0] if pixelwise else heatmap
    for i, caption in enumerate(captions):
        if not heatmap[i].any():
            caption += SILENT
        if pixelwise and len(heatmap) == 1:
            panels.append(HeatMap(heatmap[i], label, caption, signed=signed, clip=CLIP))
            caption = f"on the photograph, smoothed over {SMOOTHED:g} pixels"
        clip = CLIP if pixelwise else 1.0
        panels.append(HeatMap(drawn[i], label, caption, question.photo[i], box, signed, clip))
    return tuple(panels)


def figures(names: Sequence[str], frame: Frame, **more: Tensor) -> dict[str, object]:
    """What to quote: the target and its score, and `more` numbers, one an image."""
    assert frame.score is not None
    columns = {"score": frame.score, **more}
    found = {"target": list(names), **{k: v.tolist() for k, v in columns.items()}}
    return {k: v[0] for k, v in found.items()} if len(names) == 1 else dict(found)
