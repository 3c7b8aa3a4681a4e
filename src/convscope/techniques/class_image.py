"""An image of a class, from noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from convscope.network import Network
from convscope.objectives import activation, tv
from convscope.optimisers import adam
from convscope.priors import wander
from convscope.recipe import Recipe, climb
from convscope.registry import Seed, technique
from convscope.starts import fourier
from convscope.types import Frame, Picture


@technique(
    title="Class image",
    paper="Simonyan, Vedaldi and Zisserman 2014; Olah, Mordvintsev and Schubert 2017",
    url="https://distill.pub/2017/feature-visualization/",
)
def class_image(
    net: Network,
    *,
    target: Annotated[
        str | int, Field(description="a class (volcano, 980), a layer, a channel or a neuron")
    ],
    steps: Annotated[int, Field(ge=1, le=100_000, description="how far to climb")] = 256,
    size: Annotated[
        int | None, Field(ge=16, le=4096, description="pixels a side; the network's own by default")
    ] = None,
    rule: Annotated[
        Literal["redirected", "plain"],
        Field(description="redirected lets a tenth of the gradient pass silent units"),
    ] = "redirected",
    smoothness: Annotated[
        float, Field(ge=0, le=1e6, description="weight of the total variation that is avoided")
    ] = 600.0,
    seed: Seed = 0,
) -> Iterator[Frame]:
    """What the network would most like to see: an image climbed from noise until a score is high.

    The image is made of Fourier coefficients of decorrelated colours, and the network sees it
    turned, scaled and shifted a little at every step, so that only what survives this can grow.
    """
    name = str(net.target(target))
    recipe = Recipe(
        start=fourier(size=size),
        objective=activation(target) - smoothness * tv(),
        rule=rule,
        priors=(wander(rotate=12, scale=(0.8, 1.4), shift=14),),
        optimiser=adam(0.05),
        steps=steps,
    )
    for frame in climb(net, recipe, seed):
        yield replace(
            frame,
            panels=(Picture(frame.image[0], name),),
            figures={"target": name, "score": float(frame.score)},
        )
