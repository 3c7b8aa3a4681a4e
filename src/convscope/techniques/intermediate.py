"""Which pixels drive a unit in the middle of a network, under three backward rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, NotRequired

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope import tensors
from convscope.attribution import BatchSize, Noise, Question, Samples, ask, smoothed_gradient
from convscope.errors import ConvscopeError, RuleError
from convscope.network import (
    Network,
    as_tiles,
    default_layers,
    receptive_field_crop,
    strongest_units,
)
from convscope.runs import Seed, TargetName, technique
from convscope.types import Grid, ImageFrame, Picture, Target

RULES = ("plain", "deconv", "guided")


class IntermediateSummary(TypedDict):
    """The units, their activations, and the rules that are shown.

    `changed` has the fraction of the activations that a rule changed, where it is not all.
    """

    units: list[str]
    scores: list[float]
    rules: list[str]
    changed: NotRequired[dict[str, float]]


@technique(
    title="Intermediate features",
    paper="Zeiler and Fergus 2014; Springenberg, Dosovitskiy, Brox and Riedmiller 2015",
    url="https://arxiv.org/abs/1412.6806",
    chapter="What units respond to",
    batch=False,
)
def intermediate(
    net: Network,
    image: Tensor,
    *,
    target: Annotated[
        TargetName,
        Field(
            description="what to explain: a layer (blocks.4: its strongest channels), a channel"
            " (blocks.4:12), a neuron (blocks.4:12@7,7) or a class (tabby, 281); a layer in the"
            " middle of the network if not given"
        ),
    ] = None,
    limit: Annotated[
        int, Field(ge=1, le=64, description="number of channels to show for a layer")
    ] = 6,
    samples: Samples = 8,
    noise: Noise = 0.08,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
) -> Iterator[ImageFrame[IntermediateSummary]]:
    """Which pixels drive units in the middle of the network, under three backward rules.

    Each row is a unit: the patch of the image that it sees, then its gradient in that patch, plain,
    by the deconvnet and by guided backpropagation, in the colors that would raise the unit; gray is
    zero. Where no ReLU or the like lies before the unit, only the plain gradient is shown. For a
    layer, the channels are shown that are strongest on this image compared with the others, each at
    its maximum; for a channel, its maximum. A cross marks a gradient that is zero everywhere. With
    `samples` above 1, all three are averaged over the same noisy copies of the image.
    """
    if target is None:
        layer = default_layers.receptive_field_within(net, 2 / 5)
        target = default_layers.before_activation(layer)
    question = ask(net, image, target)
    units = _units(net, question.inputs, question.target, limit)
    gradients: dict[str, Tensor] = {}
    changed: dict[str, float] = {}
    for rule in RULES:
        about = question.about(units)
        try:
            *_, frame = smoothed_gradient(about, rule, samples, noise, seed, batch_size)
        except RuleError:  # there is nothing that it could change
            continue
        gradients[rule] = frame.gradient
        if frame.changed is not None:
            changed[rule] = float(frame.changed.mean())
    grid = _grid(question, units, gradients)
    yield ImageFrame(
        panels=(Picture(question.image[0], "what the network saw", net.box(question.image)), grid),
        image=question.inputs,
        score=frame.score,
        arrays=gradients,
        summary={
            "units": list(map(str, units)),
            "scores": frame.score.tolist(),
            "rules": list(gradients),
            **({"changed": changed} if changed else {}),
        },
    )


def _grid(question: Question, units: tuple[Target, ...], gradients: dict[str, Tensor]) -> Grid:
    """A row for each unit: the patch that it sees, and its gradients (3, H, W) there."""
    net, image = question.net, question.inputs[0]
    tiles: list[Tensor] = []
    for i, unit in enumerate(units):
        tiles.append(receptive_field_crop(net, unit, image, 0.5))
        for values in gradients.values():
            tiles.append(tensors.around_gray(receptive_field_crop(net, unit, values[i], 0.0)))
    zero = torch.stack([values.flatten(1).any(1).logical_not() for values in gradients.values()], 1)
    absent = " and ".join(rule for rule in RULES if rule not in gradients)
    note = f"; {absent} would change nothing or nearly nothing" if absent else ""
    across = 1 + len(gradients)
    return Grid(
        as_tiles(tiles),
        f"{question.target}: what a unit sees, and its gradients there{note}",
        captions=tuple(
            caption
            for unit in units
            for caption in (str(unit).removeprefix(f"{unit.layer}:"), *gradients)
        ),
        marked=frozenset(across * i + 1 + k for i, k in zero.nonzero().tolist()),
        low=0.0,
        high=1.0,
        tile_inches=2.0 if len(units) == 1 else None,
        together=across,
    )


def _units(net: Network, inputs: Tensor, target: Target, limit: int) -> tuple[Target, ...]:
    """The units that a target stands for on this image, each at its maximum if it has maps."""
    if target.is_class or target.position is not None:
        return (target,)
    values = net.by_channel(target.layer, net.read(inputs, {target.layer})[target.layer])[0]
    if values.dim() == 3:
        if target.channel is None:
            return strongest_units(net, target.layer, values, limit)
        position = divmod(int(values[target.channel].argmax()), values.shape[2])
        return (replace(target, position=position),)
    if target.channel is None:
        raise ConvscopeError(f"{target.layer} has no maps; name one of its channels")
    return (target,)
