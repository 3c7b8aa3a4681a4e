"""The gradient of a score with respect to the pixels, at an image or averaged over copies of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from convscope.ascent import Recipe, climb
from convscope.attribution.copies import noisy_copies
from convscope.attribution.question import Question
from convscope.system import batched
from convscope.types import Ascent
from convscope.vocabulary.objectives import Objective
from convscope.vocabulary.starts import photo


def gradient(question: Question, rule: str = "plain", batch_size: int = 16) -> Ascent:
    """The score of each image and its gradient with respect to the network's input."""

    def work(part: slice) -> Ascent:
        some = question[part]
        return _gradient_at(question, some.inputs, some.objective, rule)

    frames = [f for done in batched(len(question.inputs), batch_size, work) for _, f in done]
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
        changed=joined_changes([(frame.changed, len(frame.score)) for frame in frames]),
    )


def joined_changes(parts: Sequence[tuple[Tensor | None, int]]) -> Tensor | None:
    """What a rule changed (`Ascent.changed`) in several batches, each with its size, as one."""
    if all(changed is None for changed, _ in parts):
        return None
    return torch.cat(
        [torch.ones(n).double() if changed is None else changed for changed, n in parts]
    )


def changed_note(changed: Tensor | None, i: int) -> str:
    """The end of the caption of image i, where a rule did not change all activations."""
    if changed is None:
        return ""
    return f"; the rule changed {100 * float(changed[i]):.0f} % of the activations"


def averaged_gradient(
    question: Question,
    weights: Tensor,
    copy: Callable[[int, int], Tensor],
    rule: str = "plain",
    batch_size: int = 16,
) -> Iterator[Ascent]:
    """The weighted mean of the gradients at many copies of each image.

    Args:
        question: a resolved one, because copies may differ in their top class.
        weights: (K,), the weight of each copy.
        copy: makes copy k of image i, (3, H, W).
        rule: the backward rule.
        batch_size: how many copies the network gets at a time.

    Yields:
        A frame per batch, with the mean so far. The score is that of the image itself.
    """
    count = len(weights)
    mean = torch.zeros_like(question.inputs)
    per_image = -(-count // batch_size)
    scores = question.scores(question.inputs)
    changed = torch.ones(len(mean), count, dtype=torch.float64)
    for i in range(len(mean)):
        one = question[i : i + 1]
        total, weight = torch.zeros_like(mean[i]), 0.0

        def work(part: slice, i: int = i, objective: Objective = one.objective) -> Tensor:
            images = torch.stack([copy(i, k) for k in range(part.start, part.stop)])
            frame = _gradient_at(question, images, objective, rule)
            if frame.changed is not None:
                changed[i, part] = frame.changed
            return torch.einsum("k,kchw->chw", weights[part].to(frame.gradient), frame.gradient)

        for step, done in enumerate(batched(count, batch_size, work), 1 + i * per_image):
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
                changed=None if bool((changed == 1).all()) else changed.mean(1),
            )


def smoothed_gradient(
    question: Question, rule: str, samples: int, noise: float, seed: int, batch_size: int
) -> Iterator[Ascent]:
    """The gradient at each image or, for more than one sample, its mean over noisy copies."""
    if samples == 1:
        yield gradient(question, rule, batch_size)
        return
    copy = noisy_copies(question.inputs, noise, samples, seed)
    yield from averaged_gradient(question, torch.ones(samples), copy, rule, batch_size)


def over_colors(gradients: Tensor, colors: str) -> Tensor:
    """One value per pixel, (N, H, W), for gradients (N, 3, H, W)."""
    if colors == "max":
        return gradients.abs().amax(1)
    return gradients.sum(1) if colors == "signed" else gradients.abs().sum(1)


def _gradient_at(question: Question, images: Tensor, objective: Objective, rule: str) -> Ascent:
    recipe = Recipe(start=photo(images), objective=objective, rule=rule)
    return next(climb(question.net, recipe))
