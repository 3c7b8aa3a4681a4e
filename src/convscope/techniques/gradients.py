"""Gradients of a score by the pixels, plain and with the two classic backward rules."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from convscope import _defaults, tensors
from convscope.errors import ConvscopeError
from convscope.network import PRE, Network
from convscope.objectives import Objective, activation, energy, logit, peak
from convscope.recipe import Recipe, ascend
from convscope.registry import Seed, TargetName, technique
from convscope.starts import photo
from convscope.types import (
    Ascent,
    Frame,
    Grid,
    HeatMap,
    Layer,
    Panel,
    Picture,
    SignedPicture,
    Target,
)

Samples = Annotated[
    int, Field(ge=1, le=1024, description="noisy copies of the photo to average over; 1: no noise")
]
Noise = Annotated[
    float, Field(ge=0, le=1, description="deviation of that noise, where black to white is 1")
]


@technique(
    title="Saliency map",
    paper="Simonyan, Vedaldi and Zisserman 2014",
    url="https://arxiv.org/abs/1312.6034",
)
def saliency(net: Network, image: Tensor, *, target: TargetName = None) -> Iterator[Frame]:
    """Which pixels, changed a little, change the score most.

    The map is the largest absolute value over the colours of the gradient of the score by each
    pixel. The score is a class's logit, a neuron's activation, the strongest activation of a
    channel, or half the mean square of a whole layer.
    """
    frame = _gradient(net, net.fit(image), _score_of(net, target))
    heatmap = frame.gradient.abs().amax(1)
    panels: list[Panel] = []
    names = _names(net, frame, target)
    for i, name in enumerate(names):
        whole, box = image[i].detach(), net.box(image)
        label = "|change of score| per pixel"
        caption = _caption("saliency", name, heatmap[i])
        if len(image) == 1:
            panels.append(HeatMap(heatmap[i], label, caption, clip=0.995))
            caption = "on the photograph"
        panels.append(HeatMap(heatmap[i], label, caption, photo=whole, box=box, clip=0.995))
    yield replace(frame, heatmap=heatmap, panels=tuple(panels), figures=_figures(frame, names))


@technique(
    title="Guided backpropagation",
    paper="Springenberg, Dosovitskiy, Brox and Riedmiller 2015",
    url="https://arxiv.org/abs/1412.6806",
)
def guided(
    net: Network,
    image: Tensor,
    *,
    target: TargetName = None,
    samples: Samples = 1,
    noise: Noise = 0.08,
    seed: Seed = 0,
) -> Iterator[Frame]:
    """What in the photo excites the target, following only what excites: a crisp picture of parts.

    On the way back every ReLU lets a gradient pass where it is positive and the unit was active.
    The gradient is shown around grey, in the colours that would raise the score. With `samples`
    above 1 it is averaged over noisy copies of the photo, which makes it smoother. For a whole
    layer, nine channels are shown beside the patches of the photo that excite them most.
    """
    yield _read_back(net, image, target, "guided", samples, noise, seed)


@technique(
    title="Deconvnet",
    paper="Zeiler and Fergus 2014",
    url="https://arxiv.org/abs/1311.2901",
)
def deconv(
    net: Network,
    image: Tensor,
    *,
    target: Annotated[
        str | int | None,
        Field(
            description="a layer (nine of its channels), a channel, a neuron or a class;"
            " an early layer if not given"
        ),
    ] = None,
    samples: Samples = 1,
    noise: Noise = 0.08,
    seed: Seed = 0,
) -> Iterator[Frame]:
    """What in the photo excites a unit, read back by a network that runs in reverse.

    On the way back every ReLU acts on the gradient itself: positive values pass, whatever the unit
    did on the way forward. What the photo contributes are the positions of the strongest units and
    the switches of max pooling. A network that shrinks its maps by strides has no such switches:
    its early layers show what their units look for, its deep ones a chequerboard.
    """
    if target is None:
        target = _defaults.seeing(net, 1 / 5).name + PRE
    yield _read_back(net, image, target, "deconv", samples, noise, seed)


def _score_of(net: Network, target: str | int | Target | None) -> Objective:
    """The score that a target names: of a class its logit, of a channel its strongest unit."""
    if target is None:
        return peak("")
    unit = net.target(target)
    if unit.label is not None:
        return logit(unit)
    return energy(unit) if unit.channel is None else peak(unit)


def _gradient(
    net: Network,
    seen: Tensor,
    objective: Objective,
    rule: str = "plain",
    samples: int = 1,
    noise: float = 0.0,
    seed: int = 0,
) -> Ascent:
    """The gradient of a score by what the network sees, or its mean over noisy copies."""
    recipe = Recipe(start=photo(seen), objective=objective, rule=rule)
    if samples == 1:
        return next(ascend(net, recipe))
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros_like(seen)
    for _ in range(samples):
        added = noise * torch.randn(seen.shape, generator=generator, dtype=seen.dtype)
        noisy = replace(recipe, start=photo(seen + added.to(seen.device)))
        frame = next(ascend(net, noisy))
        total += frame.gradient / samples
    return replace(frame, image=seen, gradient=total)


def _read_back(
    net: Network,
    image: Tensor,
    target: str | int | None,
    rule: str,
    samples: int,
    noise: float,
    seed: int,
) -> Frame:
    """The picture that guided and deconv share."""
    seen = net.fit(image)
    unit = None if target is None else net.target(target)
    if unit is None and samples > 1:
        # Noise may change which class is the top one: decide on the photo itself.
        if len(image) > 1:
            raise ConvscopeError("name a target for several images with several samples")
        unit = net.target(net.predict(seen, 1)[0].index)
    if unit is not None and unit.label is None and unit.channel is None:
        return _sheet(net, seen, unit, rule, samples, noise, seed)
    frame = _gradient(net, seen, _score_of(net, unit), rule, samples, noise, seed)
    panels: list[Panel] = []
    names = _names(net, frame, unit)
    for i, name in enumerate(names):
        if len(image) == 1:
            panels.append(Picture(image[i].detach(), "what the network saw", net.box(image)))
        caption = _caption(f"{rule} gradient", name, frame.gradient[i])
        panels.append(SignedPicture(frame.gradient[i], caption))
    return replace(frame, panels=tuple(panels), figures=_figures(frame, names))


def _figures(frame: Ascent, names: list[str]) -> dict[str, object]:
    steepest = frame.gradient.abs().flatten(1).amax(1).tolist()
    figures = {"target": names, "score": frame.score.tolist(), "steepest": steepest}
    return {k: v[0] for k, v in figures.items()} if len(names) == 1 else dict(figures)


def _caption(what: str, name: str, values: Tensor) -> str:
    if values.any():
        return f"{what} of {name}"
    return f"{what} of {name}: zero everywhere, the unit is silent or saturated (try its .pre)"


def _sheet(
    net: Network,
    seen: Tensor,
    target: Target,
    rule: str,
    samples: int,
    noise: float,
    seed: int,
    most: int = 9,
) -> Frame:
    """Of a layer, the channels that this photo excites most, each read back from its strongest
    unit, beside the patch of the photo that the unit sees."""
    if len(seen) != 1:
        raise ConvscopeError("a whole layer is read back for one image at a time; name a channel")
    values = net.read(seen, {target.layer})[target.layer]
    if values.dim() != 4:
        raise ConvscopeError(f"{target.layer} has no maps; name one of its channels")
    maps = values[0].flatten(1)
    # Strongest against the channel's own usual answer, so that a bright photo does not choose.
    strength = (maps.amax(1) - maps.mean(1)) / maps.std(1).clamp_min(1e-6)
    layer = net.layer(target.layer.removesuffix(PRE))
    gradients, tiles, captions = [], [], []
    places: dict[int, int] = {}  # each place once, with the channel that stands out most there
    for channel in strength.argsort(descending=True, stable=True).tolist():
        places.setdefault(int(maps[channel].argmax()), channel)
    chosen = list(places.items())[:most]
    for place, channel in chosen:
        row, column = divmod(place, values.shape[3])
        unit = replace(target, channel=channel, position=(row, column))
        frame = _gradient(net, seen, activation(unit), rule, samples, noise, seed)
        gradients.append(frame.gradient[0])
        window = _window(layer, row, column, seen)
        tiles += [_cut(seen[0], window), tensors.around_grey(_cut(frame.gradient[0], window))]
        captions += [f"channel {channel}", f"at {row},{column}"]
    size = max(48, *(max(tile.shape[-2:]) for tile in tiles))
    scaled = [tensors.resize(tile[None], (size, size))[0].clamp(0, 1) for tile in tiles]
    grid = Grid(
        torch.stack(scaled),
        f"{target.layer}: patches of the photograph, and their {rule} gradient",
        columns=6,
        captions=tuple(captions),
        low=0.0,
        high=1.0,
    )
    return Frame(
        panels=(Picture(seen[0], "what the network saw"), grid),
        image=seen,
        gradient=torch.stack(gradients),
        figures={"target": target.layer, "channels": [channel for _, channel in chosen]},
    )


def _window(layer: Layer, row: int, column: int, seen: Tensor) -> tuple[slice, slice]:
    """The pixels that a unit sees, as slices within the image."""
    if layer.rows is None or layer.columns is None:
        return slice(None), slice(None)

    def within(span: tuple[float, float], size: int) -> slice:
        return slice(max(0, math.floor(span[0])), min(size, math.ceil(span[1]) + 1))

    rows, columns = layer.rows.span(row), layer.columns.span(column)
    return within(rows, seen.shape[2]), within(columns, seen.shape[3])


def _cut(image: Tensor, window: tuple[slice, slice]) -> Tensor:
    return image[:, window[0], window[1]]


def _names(net: Network, frame: Ascent, target: str | int | Target | None) -> list[str]:
    """What each image's score is a score of."""
    if target is not None:
        return [str(net.target(target))] * len(frame.score)
    return [net.name_classes(logits, 1)[0].label for logits in frame.activations[""]]
