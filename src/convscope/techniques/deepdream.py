"""A photo changed towards what a layer sees in it."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Literal

import torch
from pydantic import BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema
from torch import Tensor

from convscope import tensors
from convscope.ascent import Recipe, climb
from convscope.errors import ConvscopeError
from convscope.files import images
from convscope.network import PRE, Network, default_layers
from convscope.runs import Seed, check_image, technique
from convscope.types import Ascent, Frame, Picture
from convscope.vocabulary.objectives import (
    Objective,
    as_layer,
    each,
    energy,
    resemble,
    weighted,
)
from convscope.vocabulary.optimizers import sgd
from convscope.vocabulary.priors import (
    clamp,
    jitter,
    natural_colors,
    smooth_gradient,
    unit_gradient,
)
from convscope.vocabulary.starts import photo

ENLARGE = 1.05  # from each picture of a zoom to the next, as in the paper


SHIFT = 24  # pixels of jitter


TILE_MEMORY = 2**29  # bytes that a tile's activations may take


def _guide(guide: object) -> object:
    """A file by its full path, also that of an opened photograph: so the recipe can be replayed."""
    if isinstance(guide, Tensor):
        source = images.source(guide)
        return guide if source is None else source["path"]
    if isinstance(guide, str | os.PathLike):
        name = os.fspath(guide)
        return name if name.startswith(images.SAMPLE_PREFIX) else os.path.abspath(name)
    return guide


@technique(
    title="DeepDream",
    paper="Mordvintsev, Olah and Tyka 2015",
    url="https://research.google/blog/inceptionism-going-deeper-into-neural-networks/",
)
def deepdream(
    net: Network,
    image: Tensor,
    *,
    layer: Annotated[
        str | tuple[str, ...] | None,
        Field(
            description="the layers or channels to amplify, several with weights if wanted"
            " (`blocks.2` and `blocks.4*0.5`); a deep layer by default"
        ),
    ] = None,
    guide: Annotated[
        str | SkipJsonSchema[Tensor] | None,
        BeforeValidator(_guide),
        Field(description="another photograph, to dream of what is in it"),
    ] = None,
    octaves: Annotated[int, Field(ge=1, le=12, description="sizes to dream at, small first")] = 4,
    zoom: Annotated[float, Field(gt=1, le=2, description="ratio of one size to the next")] = 1.3,
    steps: Annotated[int, Field(ge=1, le=10_000, description="steps at each size")] = 20,
    rate: Annotated[float, Field(gt=0, le=1, description="mean change of a pixel a step")] = 0.012,
    rule: Annotated[
        Literal["redirected", "plain"],
        Field(description="redirected lets a tenth of the gradient pass silent units"),
    ] = "redirected",
    frames: Annotated[
        int,
        Field(
            ge=1,
            le=10_000,
            description="pictures of a zoom into the dream, each the last one enlarged by 5 % and"
            " dreamt on; write them to a .mp4 or .gif",
        ),
    ] = 1,
    tile: Annotated[
        int | None,
        Field(
            ge=32,
            le=100_000,
            description="the network sees larger photos in tiles of at most so many pixels a side;"
            " by default as large as fit into half a gigabyte, and as the layer sees",
        ),
    ] = None,
    seed: Seed = 0,
) -> Iterator[Frame]:
    """The photo, changed until a layer sees more of what it already sees in it.

    The climb begins on a small version of the photo and goes on at larger ones, carrying the
    invented detail up. It works at the photo's own size. What several layers add up is each one's
    energy over its energy for the photo as the network sees it, times its weight. With a guide,
    every place of the layer is driven towards the place of the guide that it resembles most.
    """
    words = (layer,) if isinstance(layer, str) else layer or (default_layers.deep(net).name + PRE,)
    base = net.as_input(image)
    objective, layers = _objective(net, words, base, guide)
    tile = tile or _tile(net, layers, len(base))

    def dream(begin: Tensor, count: int, number: int) -> Iterator[Ascent]:
        # Each step has other seams, all over the picture.
        shift = tile // 2 if max(begin.shape[-2:]) > tile else SHIFT
        colors, smooth, unit = natural_colors(fraction=0.85), smooth_gradient(), unit_gradient()
        recipe = Recipe(
            start=photo(begin),
            objective=objective,
            rule=rule,
            priors=(jitter(shift), colors, smooth, unit, clamp()),
            optimizer=sgd(rate),
            steps=count,
            tile=tile,
        )
        return climb(net, recipe, seed + number)

    def shown(frame: Ascent, step: int, octave: int) -> Frame:
        name = ", ".join(words)
        return replace(
            frame,
            step=step,
            steps=octaves * steps if frames == 1 else frames,
            panels=tuple(Picture(one, name) for one in frame.image),
            summary={"layer": name, "octave": octave + 1, "score": frame.score.tolist()},
        )

    first, *larger = _sizes(base, octaves, zoom)
    begin = tensors.resize(base, first).clamp(0, 1)
    for octave, size in enumerate([*larger, None]):
        for frame in dream(begin, steps, octave):
            if frames == 1:
                yield shown(frame, octave * steps + frame.step, octave)
        if size:
            begin = _grown(frame.image, base, size)
    if frames == 1:
        return
    yield shown(frame, 1, octave)
    # The zoom dreams as much on its way from one size to the next as the octaves do.
    few = max(1, round(steps * math.log(ENLARGE) / math.log(zoom)))
    for number in range(2, frames + 1):
        frame = deque(dream(_enlarged(frame.image), few, octave + number), maxlen=1).pop()
        yield shown(frame, number, octave)


def _objective(
    net: Network, words: tuple[str, ...], base: Tensor, guide: str | Tensor | None
) -> tuple[Objective, frozenset[str]]:
    """What is climbed, and the layers that it reads."""
    of = None if guide is None else _opened(net, guide)
    weights, terms = [], list[Objective]()
    for word in words:
        name, weight = _weighed(word)
        target = as_layer(net, name)
        weights.append(weight)
        terms.append(energy(target, leak=0.1) if of is None else resemble(target, of))
    bound = [term.bind(net) for term in terms]
    layers = frozenset().union(*(one.layers for one in bound))
    seen = net.preprocess(base)
    with torch.no_grad():
        activations = net.activations(seen, layers)
        scores = torch.stack([one.score(activations, seen) for one in bound], 1)
    relative = torch.tensor(weights).to(scores) / scores.abs().clamp_min(1e-30)
    photos = [weighted(tuple(zip(row, terms, strict=True))) for row in relative.tolist()]
    return photos[0] if len(photos) == 1 else each(tuple(photos)), layers


def _weighed(word: str) -> tuple[str, float]:
    name, star, weight = (part.strip() for part in word.partition("*"))
    try:
        factor = float(weight) if star else 1.0
    except ValueError:
        factor = math.nan
    if factor == 0 or not math.isfinite(factor):
        raise ConvscopeError(f"{word!r}: a layer's weight is a number and not 0, as in {name}*0.5")
    return name, factor


def _opened(net: Network, guide: str | Tensor) -> Tensor:
    opened = images.open_image(guide) if isinstance(guide, str) else guide
    check_image("guide", net, opened)
    if len(opened) != 1:
        raise ConvscopeError(f"the guide is one photograph, not {len(opened)}")
    return net.preprocess(opened)


def _tile(net: Network, layers: frozenset[str], batch_size: int) -> int:
    """Pixels a side of a tile whose activations, down to these layers, fill `TILE_MEMORY`.

    It is never less than what a unit of them sees, or than the network's own size where it sees
    everything.
    """
    names = {name.removesuffix(PRE) for name in layers}
    last = len(net.layers)
    if "" not in names:
        last = max(i for i, layer in enumerate(net.layers, 1) if layer.name in names)
    down = net.layers[:last]
    values = batch_size * sum(math.prod(layer.shape) for layer in down if layer.leaf)
    bytes_a_pixel = values * net.dtype.itemsize / math.prod(net.input_size)
    least = max(down[-1].receptive_field or net.input_size)
    return int(max(math.sqrt(TILE_MEMORY / bytes_a_pixel), least))


def _grown(dreamt: Tensor, base: Tensor, size: tuple[int, int]) -> Tensor:
    """The photo at a larger size, with the detail that was dreamt at a smaller one."""
    height, width = dreamt.shape[-2:]
    detail = dreamt - tensors.resize(base, (height, width)).clamp(0, 1)
    return tensors.resize(detail, size).add_(tensors.resize(base, size)).clamp_(0, 1)


def _enlarged(image: Tensor) -> Tensor:
    """The middle of an image at the whole one's size."""
    theta = torch.tensor([[1 / ENLARGE, 0, 0], [0, 1 / ENLARGE, 0]]).to(image)
    return tensors.warp(image, theta, "border", "bicubic").clamp_(0, 1)


def _sizes(image: Tensor, octaves: int, zoom: float) -> list[tuple[int, int]]:
    height, width = image.shape[-2:]
    factors = [zoom**-k for k in reversed(range(octaves))]
    sizes = [(round(height * f), round(width * f)) for f in factors]
    if min(sizes[0]) < 32:
        raise ConvscopeError(
            f"the photo of {height} x {width} is too small for {octaves} octaves; use fewer"
        )
    return sizes
