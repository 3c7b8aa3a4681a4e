"""A recipe of the user's own, run as a technique is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel
from torch import Tensor

from convscope.ascent import Recipe, climb
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.runs import recipe_text, recipe_writing
from convscope.runs.options import Seed, check_image, check_network, validated
from convscope.runs.run import Run
from convscope.types import Ascent, Frame, Grid, Panel, Picture, SignedPicture

ASCEND = "ascend"


class Options(BaseModel):
    """The parameters that a run and its saved pictures have."""

    recipe: dict[str, Any]
    seed: Seed = 0


def ascend(
    net: Network,
    recipe: Recipe | Mapping[str, Any] | str | os.PathLike[str],
    image: Tensor | None = None,
    *,
    seed: int = 0,
) -> Run:
    """Follow a recipe of your own, live or to its result, which saves with its recipe.

    Args:
        net: the network.
        recipe: a `Recipe`, the path of a file (.toml or .json), or what such a file holds.
        image: the photograph that the recipe begins with or speaks of. In a file it goes by the
            name `image`. Of a `Recipe`, give it so that a saved picture can say which it was.
        seed: chooses the random numbers.

    Raises:
        ConvscopeError: an unknown word, a wrong argument, no image where there must be one, or an
            image that the recipe has no use for.
    """
    check_network(ASCEND, net)
    seen = None
    if image is not None:
        check_image(ASCEND, net, image)
        seen = net.as_input(image).detach()
    if isinstance(recipe, Mapping):
        recipe = recipe_text.compose(recipe, image=seen, preprocess=net.preprocess)
    elif not isinstance(recipe, Recipe):
        recipe = recipe_text.open_recipe(recipe, net=net, image=seen)
    texts = recipe_writing.write(recipe, image=seen, preprocess=net.preprocess)
    if image is not None and not recipe_writing.needs_image(texts):
        raise ConvscopeError("the recipe has no use for a photograph: it holds no `image`")
    parameters = validated(ASCEND, Options, {"recipe": texts, "seed": seed})
    return Run(ASCEND, lambda: _frames(net, recipe, parameters["seed"]), net, image, parameters)


def _frames(net: Network, recipe: Recipe, seed: int) -> Iterator[Frame]:
    for frame in climb(net, recipe, seed):
        scores = frame.score.tolist()
        yield replace(
            frame,
            panels=_panels(frame, followed=recipe.optimizer is not None),
            arrays={} if frame.scores is None else {"scores": frame.scores},
            summary={"score": scores[0] if len(scores) == 1 else scores, "steps": frame.step},
        )


def _panels(frame: Ascent, followed: bool) -> tuple[Panel, ...]:
    """The image; a grid of several, each with its score; the gradient too if it is the result."""
    captions = tuple(f"{score:.4g}" for score in frame.score.tolist())
    if not followed:
        return tuple(
            panel
            for image, gradient, score in zip(frame.image, frame.gradient, captions, strict=True)
            for panel in (Picture(image, f"score {score}"), SignedPicture(gradient, "gradient"))
        )
    if len(frame.image) == 1:
        return (Picture(frame.image[0]),)
    columns = min(len(captions), 4)
    return (Grid(frame.image, "", columns, captions, low=0, high=1, tile_inches=2.2),)
