"""TODO."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

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
