"""The activations of a layer on an image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope.network import Network, default_layers
from convscope.runs import technique
from convscope.types import Bars, Frame, Grid, Picture


class ActivationsSummary(TypedDict):
    """Counts of channels, the fraction of values that are zero, and the strongest channels."""

    layer: str
    channels: int
    dead_channels: int
    fraction_of_zeros: float
    strongest_channels: list[int]


@technique(
    title="Activation maps",
    paper="Yosinski, Clune, Nguyen, Fuchs and Lipson 2015",
    url="https://arxiv.org/abs/1506.06579",
    chapter="What the network sees",
    batch=False,
)
def activations(
    net: Network,
    image: Tensor,
    *,
    layer: Annotated[
        str | None,
        Field(
            description="layer to show, of any kind; the first activation if not given",
            json_schema_extra={"format": "layer"},
        ),
    ] = None,
    sort: Annotated[
        Literal["strength", "index"],
        Field(description="order of the channels: the strongest first, or by their index"),
    ] = "strength",
    scale: Annotated[
        Literal["map", "layer"],
        Field(
            description="range of gray values: from the minimum to the maximum of each map, or of"
            " the whole layer"
        ),
    ] = "map",
    limit: Annotated[
        int, Field(ge=1, le=4096, description="maximum number of channels to draw")
    ] = 40,
) -> Iterator[Frame[ActivationsSummary]]:
    """Where each channel of a layer is active on the image, drawn as gray maps.

    Bright places are strongly active. A channel with the same value everywhere is dead on this
    image and marked with a cross. The strength of a channel is its maximum; its mean decides among
    equals. For a layer without feature maps, the strongest units are drawn as bars. Slices of a
    volume are averaged.
    """
    if layer is None:
        layer = default_layers.first(net).name
    values = net.by_channel(layer, net.read(image, {layer})[layer])[0]
    if values.dim() == 4:
        values = values.mean(1)  # over slices
    flat = values.reshape(len(values), -1)
    strength = flat.amax(1)
    dead = (strength == flat.amin(1)) if flat.shape[1] > 1 else (strength == 0)
    ranked = _ranked(flat)
    order = ranked if sort == "strength" else list(range(len(flat)))
    shown = order[: limit if values.dim() == 3 else min(limit, 16)]
    counts = f"{len(shown)} of {len(flat)} channels, {int(dead.sum())} dead on this image"
    caption = f"{layer} ({' x '.join(map(str, values.shape))}): {counts}"
    panel = (
        _maps(layer, values, shown, dead, scale, caption)
        if values.dim() == 3
        else Bars(tuple(map(str, shown)), tuple(strength[shown].tolist()), "activation", caption)
    )
    yield Frame(
        panels=(Picture(image[0], "what the network saw", net.box(image)), panel),
        arrays={"activations": values, "order": torch.tensor(order)},
        summary={
            "layer": layer,
            "channels": len(flat),
            "dead_channels": int(dead.sum()),
            "fraction_of_zeros": float((values == 0).float().mean()),
            "strongest_channels": ranked[:5],
        },
    )


def _ranked(flat: Tensor) -> list[int]:
    """The channels of (C, values), strongest first."""
    # Many channels tie at the top of a bounded activation: among these, the mean decides.
    by_mean = flat.mean(1).argsort(descending=True, stable=True)
    ranked: list[int] = by_mean[
        flat.amax(1)[by_mean].argsort(descending=True, stable=True)
    ].tolist()
    return ranked


def _maps(
    layer: str, values: Tensor, shown: list[int], dead: Tensor, scale: str, caption: str
) -> Grid:
    """Some channels of a layer (C, h, w), dead ones marked."""
    return Grid(
        values[shown].unsqueeze(1),
        caption,
        captions=tuple(map(str, shown)),
        marked=frozenset(i for i, channel in enumerate(shown) if dead[channel]),
        low=float(values.min()) if scale == "layer" else None,
        high=float(values.max()) if scale == "layer" else None,
        units=tuple(f"{layer}:{channel}" for channel in shown),
        places=True,
    )
