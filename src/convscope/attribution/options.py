"""Options that several attributions share: type, bounds and description of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

BatchSize = Annotated[
    int,
    Field(
        ge=1,
        le=1024,
        description="maximum number of images that the network gets at a time; fewer if memory"
        " does not suffice",
    ),
]


Samples = Annotated[
    int,
    Field(ge=1, le=1024, description="number of noisy copies of the image to average over"),
]


Noise = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        description="standard deviation of the noise added to each copy (pixels run from 0 to 1)",
    ),
]


Colors = Annotated[
    Literal["max", "absolute", "signed"],
    Field(
        description="how the gradients of a pixel's three colors become one value: the largest"
        " absolute value, the sum of absolute values, or the signed sum"
    ),
]


OneLayer = Annotated[
    str | None,
    Field(
        min_length=1,
        json_schema_extra={"format": "layer"},
        description="layer whose feature maps are used; the last one with maps if not given",
    ),
]


def _several(names: object) -> object:
    return (names,) if isinstance(names, str) else names


# One name or several: what a caller may write, and the tuple that the technique gets.
if TYPE_CHECKING:
    Names = str | Sequence[str]
    LayerNames = Names
else:
    Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_several)]
    _layer = Field(min_length=1, json_schema_extra={"format": "layer"})
    LayerNames = Annotated[tuple[Annotated[str, _layer], ...], BeforeValidator(_several)]


Layers = Annotated[
    LayerNames,
    Field(
        description="layers whose feature maps are used, one heatmap each; the last layer with"
        " maps if none is given"
    ),
]


Upsampling = Annotated[
    Literal["bicubic", "bilinear", "nearest"],
    Field(description="interpolation that enlarges the map to the size of the image"),
]


Side = Annotated[int, Field(ge=1, le=1024)]


Tokens = Annotated[
    tuple[Side, Side] | None,
    Field(
        description="rows and columns of the grid of tokens, for a layer that has tokens instead of"
        " feature maps (ViT); the network shows it if not given; tokens that come"
        " before the grid are ignored"
    ),
]
