"""TODO."""

from __future__ import annotations

from typing import Annotated, Literal

import torch.nn.functional as F
from pydantic import BeforeValidator, Field
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.network import Network, default_layers

OneLayer = Annotated[
    str | None,
    Field(min_length=1, description="a layer with maps; the last one if none is given"),
]


Layers = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
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


def as_maps(net: Network, values: Tensor, name: str, grid: tuple[int, int] | None = None) -> Tensor:
    """(N, C, h, w), also of a layer in N,H,W,C order or with tokens (N, T, C)."""
    height, width = net.input_size
    if values.dim() == 4:
        *_, h, w = values.shape
        last = abs(h / w - height / width) <= abs(values.shape[1] / h - height / width)
        maps = values if last else values.permute(0, 3, 1, 2)
        if maps.shape[2] * maps.shape[3] > 1:
            return maps
    if values.dim() == 3:
        count = values.shape[1]
        rows, columns = grid or default_layers.token_grid(count, net.input_size) or (0, 0)
        if 0 < rows * columns <= count:
            patches = values[:, count - rows * columns :].transpose(1, 2)
            return patches.reshape(len(values), -1, rows, columns)
        raise ConvscopeError(
            f"the {count} tokens of {name!r} make no grid of the photo's shape: give tokens (rows"
            " and columns)"
        )
    raise ConvscopeError(
        f"layer {name!r} gives {tuple(values.shape[1:])}, no maps: name one that does"
        " (convscope layers)"
    )


def upsampled(maps: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """Maps (N, h, w) at another size, within their own extremes: cubic curves overshoot."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return F.interpolate(maps[:, None], size, mode=mode)[:, 0].clamp(low, high)
