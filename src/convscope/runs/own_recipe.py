"""A recipe of the user's own, run like a technique."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NotRequired

from pydantic import BaseModel
from torch import Tensor
from typing_extensions import TypedDict

from convscope.ascent import Recipe, climb
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.runs import recipe_reading, recipe_writing
from convscope.runs.options import Seed, check_image, check_network, validated
from convscope.runs.result import AscentResult
from convscope.runs.run import Run
from convscope.types import Ascent, Grid, Panel, Picture, SignedPicture

ASCEND = "ascend"


class Options(BaseModel):
    """The parameters of a run, which its saved pictures carry."""

    recipe: dict[str, Any]
    seed: Seed = 0


class AscendSummary(TypedDict):
    """The score (a list for several images), and the number of steps.

    `changed` is there where the recipe's rule changed a part of the activations only: the least
    fraction of all images.
    """

    score: float
    steps: int
    changed: NotRequired[float]


def ascend(
    net: Network,
    recipe: Recipe | Mapping[str, Any] | str | os.PathLike[str],
    image: Tensor | None = None,
    *,
    seed: int = 0,
) -> Run[AscentResult[AscendSummary]]:
    """Follow a recipe of your own, frame by frame or to its result; saved pictures carry it.

    Args:
        net: the network.
        recipe: a `Recipe`, the path of a file (.toml or .json), or the content of such a file.
        image: the photograph (N, 3, H, W) in [0, 1] that the recipe is about; texts call it
            `image`. With a `Recipe`, give the photograph that it was composed with, so that a saved
            picture can name it.
        seed: starts the random numbers.

    Raises:
        ConvscopeError: a word is unknown, an argument is wrong, the recipe needs a photograph and
            gets none, or it gets one and does not use it.
    """
    check_network(ASCEND, net)
    pixels = None
    if image is not None:
        check_image(ASCEND, net, image)
        pixels = net.as_input(image).detach()
    if isinstance(recipe, Mapping):
        recipe = recipe_reading.compose(recipe, image=pixels, preprocess=net.preprocess)
    elif not isinstance(recipe, Recipe):
        recipe = recipe_reading.open_recipe(recipe, net=net, image=pixels)
    texts = recipe_writing.write(recipe, image=pixels, preprocess=net.preprocess)
    if image is not None and not recipe_writing.needs_image(texts):
        raise ConvscopeError("the recipe does not use a photograph: `image` does not occur in it")
    parameters = validated(ASCEND, Options, {"recipe": texts, "seed": seed})
    return Run(ASCEND, lambda: _frames(net, recipe, parameters["seed"]), net, image, parameters)


def _frames(net: Network, recipe: Recipe, seed: int) -> Iterator[Ascent]:
    for frame in climb(net, recipe, seed):
        scores = frame.score.tolist()
        summary = {"score": scores[0] if len(scores) == 1 else scores, "steps": frame.step}
        if frame.changed is not None:
            summary["changed"] = float(frame.changed.min())
        yield replace(
            frame,
            panels=_panels(frame, climbed=recipe.optimizer is not None),
            arrays={} if frame.scores is None else {"scores": frame.scores},
            summary=summary,
        )


def _panels(frame: Ascent, climbed: bool) -> tuple[Panel, ...]:
    """The image, or a grid of several with their scores; the gradients if no step is taken."""
    captions = tuple(f"{score:.4g}" for score in frame.score.tolist())
    if not climbed:
        return tuple(
            panel
            for image, gradient, score in zip(frame.image, frame.gradient, captions, strict=True)
            for panel in (Picture(image, f"score {score}"), SignedPicture(gradient, "gradient"))
        )
    if len(frame.image) == 1:
        return (Picture(frame.image[0]),)
    columns = min(len(captions), 4)
    return (Grid(frame.image, "", columns, captions, low=0, high=1, tile_inches=2.2),)
