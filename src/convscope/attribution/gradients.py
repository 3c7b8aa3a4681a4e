"""What all attributions share: the score that is asked about, its gradients, and how maps look."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from convscope.ascent import Recipe, climb
from convscope.attribution.question import Question
from convscope.system import batched
from convscope.types import Ascent
from convscope.vocabulary.objectives import Objective
from convscope.vocabulary.starts import photo


def gradient(question: Question, rule: str = "plain", batch_size: int = 16) -> Ascent:
    """The score of each image and its gradient by what the network sees of it."""

    def look(part: slice) -> Ascent:
        some = question[part]
        recipe = Recipe(start=photo(some.inputs), objective=some.objective, rule=rule)
        return next(climb(question.net, recipe))

    frames = [f for done in batched(len(question.inputs), batch_size, look) for _, f in done]
    first = frames[0]
    if len(frames) == 1:
        return first
    return Ascent(
        image=question.inputs,
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
    batch_size: int = 16,
) -> Iterator[Ascent]:
    """The weighted mean of the gradients at many versions of each image, as it grows.

    The question is a settled one: versions might disagree about the top class.

    `version(i, k)` is version k of image i (3, H, W), `weights` (K,) has its weight. The score is
    that of the image itself. Yields a frame a batch.
    """
    count, net = len(weights), question.net
    mean = torch.zeros_like(question.inputs)
    per_image = -(-count // batch_size)
    scores = question.scores(question.inputs)
    for i in range(len(mean)):
        one = question[i : i + 1]
        total, weight = torch.zeros_like(mean[i]), 0.0

        def look(part: slice, i: int = i, objective: Objective = one.objective) -> Tensor:
            images = torch.stack([version(i, k) for k in range(part.start, part.stop)])
            recipe = Recipe(start=photo(images), objective=objective, rule=rule)
            gradients = next(climb(net, recipe)).gradient
            return torch.einsum("k,kchw->chw", weights[part].to(gradients), gradients)

        for step, done in enumerate(batched(count, batch_size, look), 1 + i * per_image):
            for part, value in done:
                total += value
                weight += float(weights[part].sum())
            mean = mean.clone()
            mean[i] = total / weight
            yield Ascent(
                image=question.inputs,
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


def noisy(inputs: Tensor, noise: float, count: int, seed: int) -> Callable[[int, int], Tensor]:
    """For `averaged`: version k of each image, with noise of deviation `noise`."""
    chance = chances(count, seed)

    def version(i: int, k: int) -> Tensor:
        added = torch.randn(inputs[i].shape, generator=chance(k), dtype=inputs.dtype)
        return inputs[i] + noise * added.to(inputs.device)

    return version


def over_copies(
    question: Question, rule: str, samples: int, noise: float, seed: int, batch_size: int
) -> Iterator[Ascent]:
    """The gradient at the images themselves or, of more than one sample, over noisy copies."""
    if samples == 1:
        yield gradient(question, rule, batch_size)
        return
    versions = noisy(question.inputs, noise, samples, seed)
    yield from averaged(question, torch.ones(samples), versions, rule, batch_size)


def over_colors(gradients: Tensor, colors: str) -> Tensor:
    """(N, 3, H, W) to maps (N, H, W)."""
    if colors == "max":
        return gradients.abs().amax(1)
    return gradients.sum(1) if colors == "signed" else gradients.abs().sum(1)
