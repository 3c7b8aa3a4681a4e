"""`convscope ascend`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from convscope.cli.options import SAMPLES, NetworkOptions, PictureOptions, Seed
from convscope.cli.saving import save_pictures

if TYPE_CHECKING:
    from torch import Tensor

    from convscope.network import Network
    from convscope.runs import Run


def ascend(
    recipe: Annotated[Path, Parameter(help="file of the recipe, .toml or .json")],
    image: Annotated[
        str | None,
        Parameter(
            help="photograph that the recipe uses, or a folder of photographs to run it on, or"
            f" {SAMPLES}"
        ),
    ] = None,
    *,
    seed: Seed = 0,
    picture: PictureOptions = PictureOptions(),
    network: NetworkOptions = NetworkOptions(),
) -> int:
    """Run a recipe of your own from its file."""
    from convscope.runs import ascend as follow
    from convscope.runs import check_recipe

    check_recipe(recipe, photo=image is not None)

    def begin(net: Network, photo: Tensor | None) -> Run:
        return follow(net, recipe, photo, seed=seed)

    return save_pictures(recipe.stem, begin, network.open, image, picture)
