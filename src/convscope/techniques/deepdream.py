"""A photo changed towards what a layer sees in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from convscope import _defaults, tensors
from convscope.errors import ConvscopeError
from convscope.network import PRE, Network
from convscope.objectives import energy
from convscope.optimisers import sgd
from convscope.priors import box, jitter, natural_colours, smooth_gradient, unit_gradient
from convscope.recipe import Recipe, climb
from convscope.registry import Seed, technique
from convscope.starts import photo
from convscope.types import Frame, Picture


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
        str | None, Field(description="the layer or channel to amplify; a deep one by default")
    ] = None,
    octaves: Annotated[int, Field(ge=1, le=12, description="sizes to dream at, small first")] = 4,
    zoom: Annotated[float, Field(gt=1, le=2, description="ratio of one size to the next")] = 1.3,
    steps: Annotated[int, Field(ge=1, le=10_000, description="steps at each size")] = 12,
    rate: Annotated[float, Field(gt=0, le=1, description="mean change of a pixel a step")] = 0.012,
    seed: Seed = 0,
) -> Iterator[Frame]:
    """The photo, changed until a layer sees more of what it already sees in it.

    The climb begins on a small version of the photo and goes on at larger ones, carrying the
    invented detail up. It works at the photo's own size.
    """
    layer = _defaults.deep(net).name + PRE if layer is None else layer
    net.target(layer)
    base = net.as_input(image)
    sizes = _sizes(base, octaves, zoom)
    detail = torch.zeros_like(tensors.resize(base, sizes[0]))
    for octave, size in enumerate(sizes):
        ground = tensors.resize(base, size).clamp(0, 1)
        detail = tensors.resize(detail, size)
        recipe = Recipe(
            start=photo((ground + detail).clamp(0, 1)),
            objective=energy(layer, leak=0.1),
            priors=(jitter(24), natural_colours(), smooth_gradient(), unit_gradient(), box()),
            optimiser=sgd(rate),
            steps=steps,
        )
        for frame in climb(net, recipe, seed + octave):
            detail = frame.image - ground
            yield replace(
                frame,
                step=octave * steps + frame.step,
                steps=octaves * steps,
                panels=tuple(Picture(one, f"{layer}") for one in frame.image),
                figures={"layer": layer, "octave": octave + 1, "score": frame.score.tolist()},
            )


def _sizes(image: Tensor, octaves: int, zoom: float) -> list[tuple[int, int]]:
    height, width = image.shape[-2:]
    factors = [zoom**-k for k in reversed(range(octaves))]
    sizes = [(round(height * f), round(width * f)) for f in factors]
    if min(sizes[0]) < 32:
        raise ConvscopeError(
            f"the photo of {height} x {width} is too small for {octaves} octaves; use fewer"
        )
    return sizes
