"""TODO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

BatchSize = Annotated[
    int,
    Field(ge=1, le=1024, description="images that the network takes at once, fewer if too large"),
]


Samples = Annotated[int, Field(ge=1, le=1024, description="noisy copies to average over")]


Noise = Annotated[
    float, Field(ge=0, le=1, description="deviation of that noise, where black to white is 1")
]


Colors = Annotated[
    Literal["max", "absolute", "signed"],
    Field(
        description="of a pixel's colors the largest absolute value, the sum of absolute values,"
        " or the signed sum"
    ),
]


OneLayer = Annotated[
    str | None,
    Field(min_length=1, description="a layer with maps; the last one if none is given"),
]


# One name or several: what a caller may write, and the tuple that the technique gets.
if TYPE_CHECKING:
    Names = str | Sequence[str]
else:
    Names = Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...],
        BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    ]


Layers = Annotated[
    Names,
    Field(description="layers with maps, several for a strip; the last one if none is given"),
]


Upsampling = Annotated[
    Literal["bicubic", "bilinear", "nearest"],
    Field(description="how the map is brought to the photo's size"),
]


Side = Annotated[int, Field(ge=1, le=1024)]


Tokens = Annotated[
    tuple[Side, Side] | None,
    Field(
        description="rows and columns of a layer that has tokens instead of maps (ViT), if they"
        " are not those of the photo; tokens before the grid's are left out"
    ),
]
