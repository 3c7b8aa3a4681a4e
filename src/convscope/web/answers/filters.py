"""Filters as pictures: of a first layer its weights, of the next ones what they do to pixels."""

from __future__ import annotations

import math
from dataclasses import replace

from convscope.files import quick_png
from convscope.network import PRE, Network
from convscope.render import parts
from convscope.runs import registry
from convscope.types import Grid
from convscope.web.messages import File
from convscope.web.requests import Place

MOST = 4096  # filters

LARGEST = 80  # pixels a side that a filter covers, for a picture that can be read

COLORS = 3


def are_pictures(net: Network, layer: str) -> bool:
    """Whether the filters of a layer are small enough to be looked at."""
    field = net.layer(layer.removesuffix(PRE)).receptive_field
    return field is not None and max(field) <= LARGEST


def filter_sheet(place: Place, index: str, version: str, layer: str) -> File:
    """All filters of a layer as the technique draws them, in a square of tiles.

    Raises:
        ConvscopeError: the layer has none that can be drawn.
    """
    net, name = place.scope(index, version).net, layer.removesuffix(PRE)
    show = "kernels" if _sees_colors(net, name) else "effective"
    run = registry.get("filters").run(net, None, layer=name, show=show, limit=MOST)
    (panel, *_) = run.result().panels
    assert isinstance(panel, Grid)
    columns = math.ceil(math.sqrt(len(panel.tiles)))
    made = quick_png(parts.tiled(replace(panel, columns=columns)).picture)
    return File(made.media_type, made.data)


def _sees_colors(net: Network, layer: str) -> bool:
    """Whether a layer is a convolution of the photograph itself."""
    if "Conv" not in net.layer(layer).type:
        return False
    weight = net.parameter(layer)
    return weight.dim() == 4 and weight.shape[1] == COLORS
