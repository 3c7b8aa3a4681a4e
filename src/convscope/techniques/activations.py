"""What a layer answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope.errors import ConvscopeError
from convscope.network import Network, default_layers
from convscope.runs import technique
from convscope.types import Bars, Frame, Grid, Picture


class ActivationsSummary(TypedDict):
    """Counts of channels, the fraction of silent units, and the strongest channels."""

    layer: str
    channels: int
    dead: int
    silent: float
    strongest: list[int]


@technique(
    title="Activation maps",
    paper="Yosinski, Clune, Nguyen, Fuchs and Lipson 2015",
    url="https://arxiv.org/abs/1506.06579",
    batch=False,
)
def activations(
    net: Network,
    image: Tensor,
    *,
    layer: Annotated[
        str | None, Field(description="any layer; the first activation if not given")
    ] = None,
    sort: Annotated[
        Literal["strength", "index"], Field(description="strongest channels first, or as they are")
    ] = "strength",
    scale: Annotated[
        Literal["map", "layer"],
        Field(description="stretch each map to black and white by itself, or all alike"),
    ] = "map",
    limit: Annotated[int, Field(ge=1, le=4096, description="how many channels to draw")] = 40,
) -> Iterator[Frame[ActivationsSummary]]:
    """Where each channel of a layer answers to the photo: a grid of gray maps, bright is strong.

    A channel that gives the same value everywhere is marked with a cross: it is dead for this
    photo. A channel's strength is its largest value, then its mean. Of a layer without maps
    (a code) the strongest units are drawn as bars.
    """
    if layer is None:
        layer = default_layers.first(net).name
    values = net.read(image, {layer})[layer][0]
    if values.dim() not in (1, 3):
        raise ConvscopeError(
            f"layer {layer!r} gives {tuple(values.shape)}, neither maps nor a code"
        )
    flat = values.flatten(1) if values.dim() == 3 else values.view(-1, 1)
    strength = flat.amax(1)
    spread = strength - flat.amin(1) if flat.shape[1] > 1 else strength
    dead = spread == 0
    # Many channels tie at the top of a bounded activation: among these, the mean decides.
    by_mean = flat.mean(1).argsort(descending=True, stable=True)
    ranked = by_mean[strength[by_mean].argsort(descending=True, stable=True)].tolist()
    order = ranked if sort == "strength" else list(range(len(flat)))
    shape = " x ".join(map(str, values.shape))
    caption = f"{layer} ({shape}): {{}} of {len(flat)} channels, {int(dead.sum())} dead here"
    panel: Grid | Bars
    if values.dim() == 3:
        shown = order[:limit]
        panel = Grid(
            values[shown].unsqueeze(1),
            caption.format(len(shown)),
            captions=tuple(map(str, shown)),
            marked=frozenset(i for i, channel in enumerate(shown) if dead[channel]),
            low=float(values.min()) if scale == "layer" else None,
            high=float(values.max()) if scale == "layer" else None,
        )
    else:
        shown = order[: min(limit, 16)]
        names = tuple(map(str, shown))
        panel = Bars(
            names, tuple(strength[shown].tolist()), "activation", caption.format(len(shown))
        )
    yield Frame(
        panels=(Picture(image[0], "what the network saw", net.box(image)), panel),
        arrays={"activations": values, "order": torch.tensor(order)},
        summary={
            "layer": layer,
            "channels": len(flat),
            "dead": int(dead.sum()),
            "silent": float((values == 0).float().mean()),
            "strongest": ranked[:5],
        },
    )
