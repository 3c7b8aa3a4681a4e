"""From the attempts of an attack to the frames of a technique."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor
from typing_extensions import TypedDict

from convscope.attacks.adversarial import Adversarial
from convscope.attacks.aims import Aim
from convscope.attacks.attempts import Attempt
from convscope.attacks.descent import Ball
from convscope.attacks.drawing import amplified, fooling_panels
from convscope.attacks.finishing import finished
from convscope.attacks.masking import doubts
from convscope.types import Grid, ImageFrame, Panel, Picture


class FoolingSummary(TypedDict):
    """What an attack made of the image; for several images, a list of each but the notes.

    `label` is the class to get away from, `prediction` what the network says of the attacked input
    and `probability` how sure it is of that. `l2`, `linf` and `rms` measure the change of the
    input, in pixels that run from 0 to 1. `gradients` counts forward and backward passes. What
    begins with `saved` is about the photograph with the change, in 8 bits. `notes` say what is
    wrong with the network.
    """

    label: str
    prediction: str
    probability: float
    success: bool
    l2: float
    linf: float
    rms: float
    gradients: int
    saved_prediction: str
    saved_success: bool
    saved_l2: float
    saved_linf: float
    notes: list[str]


def fooling_frames(
    aim: Aim, photograph: Tensor, attempts: Iterator[Attempt], ball: Ball | None = None
) -> Iterator[ImageFrame[FoolingSummary]]:
    """The frames of an attack: its attempts, and at last what it made of the photographs.

    Args:
        aim: what the attack is to reach.
        photograph: (N, 3, H, W), what the user gave.
        attempts: the steps of the attack.
        ball: what the saved photograph must not leave.
    """
    notes = doubts(aim)
    attempt = next(attempts)
    for step in range(1, attempt.steps):
        yield _passing(aim, attempt, step)
        # An attack may end before its last step.
        attempt = next(attempts, attempt)
    found = finished(aim, photograph, attempt.images, attempt.gradients, ball, notes)
    yield fooling_frame(aim, found, attempt.steps)


def fooling_frame(aim: Aim, found: Adversarial, steps: int) -> ImageFrame[FoolingSummary]:
    """The last of `steps` frames of an attack."""
    return ImageFrame(
        panels=fooling_panels(aim.net, found),
        step=steps,
        steps=steps,
        image=found.saved,
        score=aim.margins(found.raw_logits),
        arrays={"inputs": found.inputs, "raw": found.raw, "change": found.change},
        summary=summarized(aim, found),
    )


def summarized(aim: Aim, found: Adversarial) -> FoolingSummary:
    """The numbers that a person would quote."""
    output = aim.net.output
    said, saved = found.raw_logits.argmax(1), found.saved_logits.argmax(1)
    likely = output.probabilities(found.raw_logits)
    columns: dict[str, list[Any]] = {
        "label": [output.label(i) for i in found.labels.tolist()],
        "prediction": [output.label(i) for i in said.tolist()],
        "probability": likely.gather(1, said[:, None])[:, 0].tolist(),
        "success": found.success.tolist(),
        "l2": found.size("l2").tolist(),
        "linf": found.size("inf").tolist(),
        "rms": found.change.square().mean((1, 2, 3)).sqrt().tolist(),
        "gradients": found.gradients.tolist(),
        "saved_prediction": [output.label(i) for i in saved.tolist()],
        "saved_success": found.saved_success.tolist(),
        "saved_l2": found.saved_size("l2").tolist(),
        "saved_linf": found.saved_size("inf").tolist(),
    }
    one = len(said) == 1
    summary: Any = {name: values[0] if one else values for name, values in columns.items()}
    summary["notes"] = list(found.notes)
    return cast(FoolingSummary, summary)


def _passing(aim: Aim, attempt: Attempt, step: int) -> ImageFrame[FoolingSummary]:
    """A frame on the way: the best images so far, each beside its change."""
    count, fooled = len(attempt.images), int(attempt.fooled.sum())
    tiles = [
        tile
        for before, after in zip(aim.inputs, attempt.images, strict=True)
        for tile in (amplified(after - before)[0], after)
    ]
    images = torch.stack([tile.expand(3, -1, -1) for tile in tiles])
    caption = f"{fooled} of {count} fooled" if count > 1 else "the change, amplified"
    panels: tuple[Panel, ...] = (Grid(images, caption, columns=2, low=0.0, high=1.0),)
    if count == 1:
        panels = (Picture(images[0], caption), Picture(images[1], "the best so far"))
    return ImageFrame(
        panels=panels,
        step=step,
        steps=attempt.steps,
        image=attempt.images,
        score=attempt.fooled.to(attempt.images),
    )
