"""Images of what excites a channel or a neuron most, and of what excites it least."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Literal, NotRequired

import torch
from pydantic import Field
from typing_extensions import TypedDict

from convscope.ascent import Goal, Recipe, climb_goals, score
from convscope.collection import index_of
from convscope.errors import ConvscopeError
from convscope.microscope import multiples
from convscope.network import PRE, Network, default_layers
from convscope.runs import IndexPath, Seed, TargetList, as_targets, technique
from convscope.system import BATCH
from convscope.types import Grid, ImageFrame, Picture, Target
from convscope.vocabulary import objectives
from convscope.vocabulary.objectives import Objective, activation, as_layer, tv
from convscope.vocabulary.optimizers import adam
from convscope.vocabulary.priors import random_affine
from convscope.vocabulary.starts import fourier


class NeuronImageSummary(TypedDict):
    """The units, one an image, what the images make of them, and which units are dead.

    With an index, `multiple` has for each image the unit's highest value as a multiple of that in
    its strongest photograph; for the negative extreme its lowest, of that in the photograph of the
    lowest. It is None where that photograph's value does not have the right sign.
    """

    target: list[str]
    activation: list[float]
    dead: list[str]
    multiple: NotRequired[list[float | None]]


@technique(
    title="Neuron image",
    paper="Erhan et al. 2009; Olah, Mordvintsev and Schubert 2017",
    url="https://distill.pub/2017/feature-visualization/",
    chapter="Images made by optimization",
)
def neuron_image(
    net: Network,
    *,
    target: Annotated[
        TargetList | None,
        Field(
            description="channels (blocks.4:12), neurons (blocks.4:12@7,7), or a layer, which means"
            " its first channels; if not given, a deep layer"
        ),
    ] = None,
    extreme: Annotated[
        Literal["positive", "negative", "both"],
        Field(description="whether to draw the image of highest activation, of lowest, or both"),
    ] = "positive",
    count: Annotated[
        int, Field(ge=1, le=16, description="number of different images of each channel or neuron")
    ] = 1,
    limit: Annotated[
        int, Field(ge=1, le=4096, description="maximum number of channels drawn for a layer")
    ] = 16,
    steps: Annotated[int, Field(ge=1, le=100_000, description="optimization steps")] = 128,
    size: Annotated[
        int | None,
        Field(
            ge=16,
            le=4096,
            description="width and height of the image in pixels; if not given, half the size of"
            " the network's input for channels, and its full size for neurons and where the network"
            " does not take half",
        ),
    ] = None,
    diversity: Annotated[
        float,
        Field(ge=0, le=1e6, description="weight of the differences between images of one channel"),
    ] = 4.0,
    index: Annotated[
        IndexPath | None,
        Field(
            description="folder of an index of photographs; if given, the activation of each image"
            " is also told as a multiple of that of the strongest photograph",
            json_schema_extra={"format": "index"},
        ),
    ] = None,
    seed: Seed = 0,
) -> Iterator[ImageFrame[NeuronImageSummary]]:
    """An image that excites a channel or a neuron as much as possible, optimized from noise.

    The objective is the mean of a channel's feature map, or the value of one neuron, before the
    activation function. Images are optimized together in batches of 16. If `count` is above 1,
    the images of one channel are made different in the features of its layer, so that they show
    different things that excite it. The number below an image is its mean activation; `score` is
    the same number, with its sign changed for the negative extreme. A crossed-out channel is dead:
    it gives every image the same value. With an index, "x2.1" means that the unit's highest value
    in the image is 2.1 times that in the strongest photograph.
    """
    opened = None if index is None else index_of(net, index)
    units = _units(net, target, limit)
    if opened:
        for unit in units:
            opened.collected(unit.layer)  # refused before the work, if it is not there
    side, shift = _size(net, units, size)
    signs = _SIGNS[extreme]
    wanted = [(unit, sign) for unit in units for sign in signs for _ in range(count)]
    goals = [Goal(unit, sign * activation(unit)) for unit, sign in wanted]
    recipe = partial(_recipe, side, shift, steps, diversity if count > 1 else 0.0)
    batch_size = count if count > 1 else BATCH
    for frame in climb_goals(net, goals, recipe, batch_size=batch_size, seed=seed):
        dead = _dead(net, wanted, frame, seed)
        found = _labeled(frame, wanted, dead, count * len(signs), enlarge=size is None)
        if opened and frame.step == frame.steps:
            found = _compared(found, multiples(net, opened, wanted, frame.image))
        yield found


_SIGNS = {"positive": (1.0,), "negative": (-1.0,), "both": (1.0, -1.0)}


def _size(net: Network, units: Sequence[Target], size: int | None) -> tuple[int | None, int]:
    """Pixels a side (None: the network's input), and by how many pixels views are shifted."""
    if any(unit.position is not None for unit in units):
        if size:
            raise ConvscopeError(
                "the position of a neuron holds only at the network's input size; leave size out"
            )
        return None, 3
    half = max(16, min(net.input_size) // 2)
    if size is None and not net.sizes.takes((half, half), {unit.layer for unit in units}):
        return None, 8
    return size or half, 8


def _recipe(
    size: int | None,
    shift: int,
    steps: int,
    diversity: float,
    objective: Objective,
    goals: Sequence[Goal],
) -> Recipe:
    if diversity:
        objective = objective + diversity * objectives.diversity(goals[0].target.layer)
    return Recipe(
        start=fourier(count=len(goals), size=size),
        objective=objective - 100 * tv(),
        rule="redirected",
        priors=(random_affine(rotate=8, scale=(0.9, 1.2), shift=shift),),
        optimizer=adam(0.05),
        steps=steps,
    )


def _labeled(
    frame: ImageFrame,
    wanted: Sequence[tuple[Target, float]],
    dead: frozenset[int],
    columns: int,
    *,
    enlarge: bool,
) -> ImageFrame:
    """A frame with the name and the activation of each image."""
    names = [str(unit) for unit, _ in wanted]
    values = [sign * v for (_, sign), v in zip(wanted, frame.score.tolist(), strict=True)]
    summary = {"target": names, "activation": values, "dead": [names[i] for i in sorted(dead)]}
    if len(names) == 1:
        return replace(
            frame, panels=(Picture(frame.image[0], names[0], enlarge=enlarge),), summary=summary
        )
    grid = Grid(
        frame.image,
        columns=columns if columns > 1 else None,
        captions=tuple(f"{name}: {value:.2f}" for name, value in zip(names, values, strict=True)),
        marked=dead,
        low=0.0,
        high=1.0,
        tile_inches=1.6,
        units=tuple(names),
    )
    return replace(frame, panels=(grid,), summary=summary)


def _compared(frame: ImageFrame, found: Sequence[float | None]) -> ImageFrame:
    """A frame that says each activation as a multiple of the strongest photograph's."""
    texts = ["" if one is None else f" x{one:.2g}" for one in found]
    (panel,) = frame.panels
    if isinstance(panel, Grid):
        captions = [f"{c}{text}" for c, text in zip(panel.captions, texts, strict=True)]
        panel = replace(panel, captions=tuple(captions))
    elif isinstance(panel, Picture):
        value = frame.summary["activation"][0]
        panel = replace(panel, caption=f"{panel.caption}: {value:.2f}{texts[0]}")
    return replace(frame, panels=(panel,), summary={**frame.summary, "multiple": list(found)})


def _dead(
    net: Network, wanted: Sequence[tuple[Target, float]], frame: ImageFrame, seed: int
) -> frozenset[int]:
    """Images in the last frame whose unit gives noise the same value as the climbed image.

    Only images of the positive extreme can tell: noise may leave a unit at its lowest value.

    Raises:
        ConvscopeError: all units are dead.
    """
    if frame.step < frame.steps:
        return frozenset()
    noise = torch.rand(frame.image.shape, generator=torch.Generator().manual_seed(seed))
    goals = [Goal(unit, activation(unit)) for unit, _ in wanted]
    of_noise, of_images = (score(net, goals, x.to(frame.image)) for x in (noise, frame.image))
    same = torch.isclose(of_noise, of_images).tolist()
    units = {unit for (unit, sign), alike in zip(wanted, same, strict=True) if alike and sign > 0}
    dead = frozenset(i for i, (unit, _) in enumerate(wanted) if unit in units)
    if len(dead) == len(wanted):
        raise ConvscopeError(
            f"{wanted[0][0]} is dead: it gives every image the same value, so no image excites it"
        )
    return dead


def _units(net: Network, target: TargetList | None, limit: int) -> list[Target]:
    """The channels and neurons to draw, read before their activation function."""
    if target is None:
        target = default_layers.deep(net).name
    units = []
    for name in as_targets(target):
        found = as_layer(net, name)
        if not found.layer:
            raise ConvscopeError(f"{found} is a class; class_image draws classes")
        if found.channel is not None:
            units.append(_before(net, found))
            continue
        channels = net.channel_shape(found.layer)[0]
        units += [_before(net, replace(found, channel=c)) for c in range(min(limit, channels))]
    return units


def _before(net: Network, unit: Target) -> Target:
    """A unit before the activation function of its layer, where a silent unit has a gradient."""
    ends = not unit.layer.endswith(PRE) and net.layer(unit.layer).activation
    return replace(unit, layer=unit.layer + PRE) if ends else unit
