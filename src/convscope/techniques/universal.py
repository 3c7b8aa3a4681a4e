"""One change that fools a network on most photographs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope.attacks import (
    Aim,
    Ball,
    Folder,
    Limit,
    NormOption,
    Shared,
    StepSize,
    added,
    aim_at,
    amplified,
    doubts,
    in_random_order,
    shared_change,
    sizes,
)
from convscope.files import open_image
from convscope.network import Network
from convscope.runs import Seed, technique
from convscope.types import Frame, Grid, Panel, Picture
from convscope.vocabulary.norms import NORMS

# Radius of the ball if none is given, as in the paper for `inf`.
RADIUS = {"inf": 10 / 255, "l2": 8.0}


SHOWN = 4  # photographs in the picture


class UniversalSummary(TypedDict):
    """How often the change fools the network: the fraction of photographs whose top class changes.

    `control` is the same for random noise of the same size. `reached` counts the classes that the
    network says, the most frequent first.
    """

    photographs: int
    fooled: float
    control: float
    l2: float
    linf: float
    reached: dict[str, int]
    notes: list[str]


@technique(
    title="Universal perturbation",
    paper="Moosavi-Dezfooli, Fawzi, Fawzi and Frossard 2017",
    url="https://arxiv.org/abs/1610.08401",
    chapter="Fooling networks",
)
def universal(
    net: Network,
    *,
    folder: Folder,
    norm: NormOption = "inf",
    epsilon: Annotated[
        float | None,
        Field(
            gt=0,
            le=1000,
            description="size of the change (pixels run from 0 to 1); 10/255 for inf and 8 for l2"
            " if not given",
        ),
    ] = None,
    passes: Annotated[
        int, Field(ge=1, le=1000, description="how often all photographs are gone through")
    ] = 10,
    step_size: StepSize = 0.1,
    limit: Limit = 256,
    seed: Seed = 0,
) -> Iterator[Frame[UniversalSummary]]:
    """One and the same change, added to any photograph, makes the network say something else.

    The steps follow the gradients of many photographs at once, those that are fooled already left
    out. The paper adds up the least changes of single photographs instead, which takes longer.
    """
    aim = aim_at(net, _opened(net, folder, limit), None, None)
    ball = Ball(NORMS[norm], RADIUS[norm] if epsilon is None else epsilon)
    noise = ball.norm.random(aim.inputs[:1], 1.0, torch.Generator().manual_seed(seed))
    notes = list(doubts(aim))
    for step, shared in enumerate(shared_change(aim, ball, passes, step_size, seed), 1):
        control = added(aim, noise * ball.norm.size(shared.change) / ball.norm.size(noise))
        yield _frame(aim, shared, float(control.fooled.float().mean()), notes, (step, passes))


def _opened(net: Network, folder: Folder, limit: int) -> Tensor:
    """What the network sees of the photographs in a folder."""
    files = in_random_order(folder)[:limit]
    return torch.cat([net.preprocess(open_image(file)) for file in files])


def _frame(
    aim: Aim, shared: Shared, control: float, notes: list[str], step: tuple[int, int]
) -> Frame[UniversalSummary]:
    change, fooled = shared.change, float(shared.fooled.float().mean())
    said = shared.logits.argmax(1)
    counts = torch.bincount(said[shared.fooled], minlength=1)
    order = counts.argsort(descending=True, stable=True)[: int((counts > 0).sum())].tolist()
    return Frame(
        panels=_panels(aim, said, shared, control),
        step=step[0],
        steps=step[1],
        score=shared.fooled.float().mean()[None],
        arrays={"change": change},
        summary={
            "photographs": len(aim),
            "fooled": fooled,
            "control": control,
            "l2": float(change.norm()),
            "linf": float(change.abs().amax()),
            "reached": {aim.net.label(i): int(counts[i]) for i in order},
            "notes": notes,
        },
    )


def _panels(aim: Aim, said: Tensor, shared: Shared, control: float) -> tuple[Panel, ...]:
    """The change, and the first photographs with it."""
    shown, gain = amplified(shared.change[0])
    fooled = f"fools {shared.fooled.float().mean():.0%} of {len(aim)} photographs"
    caption = (
        f"the change times {gain:g} ({sizes(shared.change[0])}): {fooled}; noise: {control:.0%}"
    )
    names = [aim.net.label(i) for i in aim.labels[:SHOWN].tolist()]
    reached = [aim.net.label(i) for i in said[:SHOWN].tolist()]
    captions = tuple(f"{a}: {b}" for a, b in zip(names, reached, strict=True))
    tiles = (aim.inputs[:SHOWN] + shared.change).clamp(0, 1).expand(-1, 3, -1, -1)
    grid = Grid(tiles, "with the change", columns=2, captions=captions, low=0.0, high=1.0)
    return Picture(shown.expand(3, -1, -1), caption), grid
