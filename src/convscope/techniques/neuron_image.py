"""Images of what a unit inside the network wants, and of what it wants least."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from convscope.ascent import BATCH, Goal, Recipe, climb_goals, score
from convscope.errors import ConvscopeError
from convscope.network import PRE, Network, default_layers
from convscope.runs import Seed, technique
from convscope.types import Frame, Grid, Picture, Target
from convscope.vocabulary.objectives import (
    Objective,
    activation,
    as_layer,
    diversity,
    tv,
)
from convscope.vocabulary.optimizers import adam
from convscope.vocabulary.priors import random_affine
from convscope.vocabulary.starts import fourier


@technique(
    title="Neuron image",
    paper="Erhan et al. 2009; Olah, Mordvintsev and Schubert 2017",
    url="https://distill.pub/2017/feature-visualization/",
)
def neuron_image(
    net: Network,
    *,
    target: Annotated[
        str | tuple[str, ...] | None,
        Field(
            description="channels (blocks.4:12), neurons (blocks.4:12@7,7) or a layer, of which the"
            " first channels are taken; a deep layer by default"
        ),
    ] = None,
    extreme: Annotated[
        Literal["positive", "negative", "both"],
        Field(description="what excites the unit most, what silences it most, or both"),
    ] = "positive",
    count: Annotated[
        int, Field(ge=1, le=16, description="images of each unit, as unlike as it allows")
    ] = 1,
    limit: Annotated[
        int, Field(ge=1, le=4096, description="at most so many channels of a layer")
    ] = 16,
    steps: Annotated[int, Field(ge=1, le=100_000, description="how far to climb")] = 128,
    size: Annotated[
        int | None,
        Field(
            ge=16,
            le=4096,
            description="pixels a side; by default half of the network's own for channels, and all"
            " of it for neurons",
        ),
    ] = None,
    unlike: Annotated[
        float, Field(ge=0, le=1e6, description="weight of how unlike the images of a unit are")
    ] = 4.0,
    seed: Seed = 0,
) -> Iterator[Frame]:
    """What a channel or a neuron inside the network most wants to see, climbed from noise.

    The mean of a channel's map is climbed, or a single neuron: before the activation where there is
    one, for behind it a silent unit has no slope. Units are climbed side by side, in batches of 16.
    With a `count`, the images of a unit are pushed apart in what its layer sees of them, so that
    they show the different things it answers to. The number below each is the mean activation that
    the unit gives the image as it is; `score` is the same, negated for the negative extreme. A unit
    that is crossed out is dead: it answers to every image alike.
    """
    units = _units(net, target, limit)
    placed = any(unit.position is not None for unit in units)
    if placed and size:
        raise ConvscopeError("neurons have their places at the network's own size: leave size out")
    side = None if placed else size or max(16, min(net.input_size) // 2)
    wanted = [(unit, sign) for unit in units for sign in _SIGNS[extreme] for _ in range(count)]
    goals = [Goal(unit, sign * activation(unit)) for unit, sign in wanted]

    def recipe(objective: Objective, part: Sequence[Goal]) -> Recipe:
        if count > 1:
            objective = objective + unlike * diversity(part[0].target.layer)
        return Recipe(
            start=fourier(count=len(part), size=side),
            objective=objective - 100 * tv(),
            rule="redirected",
            priors=(random_affine(rotate=8, scale=(0.9, 1.2), shift=3 if placed else 8),),
            optimizer=adam(0.05),
            steps=steps,
        )

    batch_size = count if count > 1 else BATCH
    for frame in climb_goals(net, goals, recipe, batch_size=batch_size, seed=seed):
        assert frame.image is not None
        assert frame.score is not None
        last = frame.step == frame.steps
        dead = _dead(net, wanted, frame.image, seed) if last else frozenset()
        if len(dead) == len(goals):
            raise ConvscopeError(
                f"{units[0]} answers to every image alike, so there is no way up: it is dead"
            )
        values = [sign * v for (_, sign), v in zip(wanted, frame.score.tolist(), strict=True)]
        names = [str(unit) for unit, _ in wanted]
        captions = tuple(f"{name}: {value:.2f}" for name, value in zip(names, values, strict=True))
        across = count * len(_SIGNS[extreme])
        grid = Grid(
            frame.image,
            columns=across if across > 1 else None,
            captions=captions,
            marked=dead,
            low=0.0,
            high=1.0,
            tile_inches=1.6,
        )
        alone = (Picture(frame.image[0], names[0]),)
        summary = {"target": names, "activation": values, "dead": [names[i] for i in sorted(dead)]}
        yield replace(frame, panels=alone if len(goals) == 1 else (grid,), summary=summary)


_SIGNS = {"positive": (1.0,), "negative": (-1.0,), "both": (1.0, -1.0)}


def _dead(
    net: Network, wanted: Sequence[tuple[Target, float]], images: Tensor, seed: int
) -> frozenset[int]:
    """Those whose unit gives noise the same as the image that was climbed to excite it.

    To the negative extreme that alone says nothing: noise may leave a unit as silent as it can be.
    """
    noise = torch.rand(images.shape, generator=torch.Generator().manual_seed(seed)).to(images)
    goals = [Goal(unit, activation(unit)) for unit, _ in wanted]
    same = torch.isclose(score(net, goals, noise), score(net, goals, images)).tolist()
    units = {unit for (unit, sign), alike in zip(wanted, same, strict=True) if alike and sign > 0}
    return frozenset(i for i, (unit, _) in enumerate(wanted) if unit in units)


def _units(net: Network, words: str | tuple[str, ...] | None, limit: int) -> list[Target]:
    """The channels and neurons that are meant, before their activation."""
    if words is None:
        words = default_layers.deep(net).name
    units = []
    for word in words if isinstance(words, tuple) else (words,):
        target = as_layer(net, word)
        if not target.layer:
            raise ConvscopeError(f"{target} is a class; class_image makes images of classes")
        if target.channel is not None:
            units.append(_before(net, target))
            continue
        channels = net.shape(target.layer)[0]
        units += [_before(net, replace(target, channel=c)) for c in range(min(limit, channels))]
    return units


def _before(net: Network, unit: Target) -> Target:
    before = unit.layer + PRE
    ends = not unit.layer.endswith(PRE) and net.layer(unit.layer).activation
    return replace(unit, layer=before) if ends else unit
