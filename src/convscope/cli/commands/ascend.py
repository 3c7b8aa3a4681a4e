"""`convscope ascend`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from convscope.cli.options import (
    FORMATS,
    SAMPLES,
    Json,
    NetworkOptions,
    PathText,
    PictureOptions,
    Resume,
    Seed,
    output_option,
)
from convscope.cli.saving import save_pictures

if TYPE_CHECKING:
    from torch import Tensor

    from convscope.network import Network
    from convscope.runs import Run


def ascend(
    recipe: Annotated[Path, Parameter(help="file of the recipe, .toml or .json")],
    image: Annotated[
        PathText | None,
        Parameter(
            help="photograph that the recipe uses, or a folder of photographs to run it on, or"
            f" {SAMPLES}"
        ),
    ] = None,
    /,
    *,
    output: Annotated[
        Path | None,
        output_option(
            f"picture to write, by default RECIPE-IMAGE.png: {FORMATS}; a folder, if the input is a"
            " folder of photographs"
        ),
    ] = None,
    seed: Seed = 0,
    resume: Resume = False,
    json: Json = False,
    network: NetworkOptions = NetworkOptions(),
) -> int:
    """Run a recipe of your own from its file."""
    from convscope.runs import ascend as follow
    from convscope.runs import check_recipe

    check_recipe(recipe, photo=image is not None)

    def begin(net: Network, photo: Tensor | None) -> Run:
        return follow(net, recipe, photo, seed=seed)

    picture = PictureOptions(output, resume, json)
    return save_pictures(recipe.stem, begin, network.open, image, picture)
