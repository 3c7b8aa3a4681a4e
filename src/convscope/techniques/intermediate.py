"""Units in the middle of a network, read back to the pixels by three rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope import tensors
from convscope.attribution import BatchSize, Noise, Samples, ask, over_copies
from convscope.errors import ConvscopeError
from convscope.network import (
    PRE,
    Network,
    as_tiles,
    default_layers,
    receptive_field_crop,
    strongest_units,
)
from convscope.runs import Seed, technique
from convscope.types import Grid, ImageFrame, Picture, Target

RULES = ("plain", "deconv", "guided")


class IntermediateSummary(TypedDict):
    """The units, and their activations."""

    units: list[str]
    scores: list[float]


@technique(
    title="Intermediate features",
    paper="Zeiler and Fergus 2014; Springenberg, Dosovitskiy, Brox and Riedmiller 2015",
    url="https://arxiv.org/abs/1412.6806",
    batch=False,
)
def intermediate(
    net: Network,
    image: Tensor,
    *,
    target: Annotated[
        str | int | None,
        Field(
            description="a layer (its outstanding channels), a channel, a neuron or a class;"
            " a layer in the middle if not given"
        ),
    ] = None,
    limit: Annotated[int, Field(ge=1, le=64, description="how many units of a layer")] = 6,
    samples: Samples = 8,
    noise: Noise = 0.08,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
) -> Iterator[ImageFrame[IntermediateSummary]]:
    """Which pixels drive a unit in the middle, by three ways back: plain, deconv and guided.

    A row is a unit: the patch of the photo that it sees, then its gradient in that patch, as it
    is, by the deconvnet and by guided backpropagation, in the colors that would raise the unit;
    gray is none. Of a layer those channels are shown that stand out most on this photo, each at its
    strongest place; of a channel its strongest place. A cross marks a gradient that is zero
    everywhere. With `samples` above 1 all three are means over the same noisy copies of the photo.
    """
    if target is None:
        target = default_layers.receptive_field_within(net, 2 / 5).name + PRE
    question = ask(net, image, target)
    inputs = question.inputs[0]
    units = _units(net, question.inputs, question.units[0], limit)
    slopes: dict[str, Tensor] = {}
    for rule in RULES:
        *_, frame = over_copies(question.of(units), rule, samples, noise, seed, batch_size)
        slopes[rule] = frame.gradient
    tiles: list[Tensor] = []
    for i, unit in enumerate(units):
        tiles.append(receptive_field_crop(net, unit, inputs, 0.5))
        for slope in slopes.values():
            tiles.append(tensors.around_gray(receptive_field_crop(net, unit, slope[i], 0.0)))
    silent = torch.stack([slope.flatten(1).any(1).logical_not() for slope in slopes.values()], 1)
    across = 1 + len(RULES)
    grid = Grid(
        as_tiles(tiles),
        f"{question.units[0]}: what a unit sees, and its gradients there",
        columns=2 * across,
        captions=tuple(
            word for unit in units for word in (str(unit).removeprefix(f"{unit.layer}:"), *RULES)
        ),
        marked=frozenset(across * i + 1 + k for i, k in silent.nonzero().tolist()),
        low=0.0,
        high=1.0,
        tile_inches=2.0 if len(units) == 1 else None,
    )
    yield ImageFrame(
        panels=(Picture(question.photo[0], "what the network saw", net.box(question.photo)), grid),
        image=question.inputs,
        score=frame.score,
        arrays=slopes,
        summary={"units": list(map(str, units)), "scores": frame.score.tolist()},
    )


def _units(net: Network, inputs: Tensor, target: Target | None, limit: int) -> tuple[Target, ...]:
    """The units that a target means on this image, each with its place where it has one."""
    assert target is not None
    if target.label is not None or target.position is not None:
        return (target,)
    values = net.read(inputs, {target.layer})[target.layer][0]
    if values.dim() == 3:
        if target.channel is None:
            return strongest_units(net, target.layer, values, limit)
        place = divmod(int(values[target.channel].argmax()), values.shape[2])
        return (replace(target, position=place),)
    if target.channel is None:
        raise ConvscopeError(f"{target.layer} has no maps; name one of its channels")
    return (target,)
