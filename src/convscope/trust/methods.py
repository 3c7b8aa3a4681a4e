"""Attribution methods by name, the similarity of their maps, and how a map is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from convscope.attribution import draw_maps
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.runs import Technique, registry
from convscope.types import Box, Frame, HeatMap, MapStyle

# Of a gradient in color.
GRADIENT = MapStyle("|gradient|", pixelwise=True)


def names() -> list[str]:
    """The techniques that are attributions."""
    return [one.name for one in registry.techniques() if one.attribution]


def attribution(name: str) -> Technique:
    """The technique of that name.

    Raises:
        ConvscopeError: there is none, or it is no attribution.
    """
    found = registry.get(name)
    if not found.attribution:
        raise ConvscopeError(f"{name} is no attribution; use one of {', '.join(names())}")
    return found


def attribute(
    net: Network,
    image: Tensor,
    method: str,
    target: str | int | Sequence[str | int] | None,
    **options: Any,
) -> Frame:
    """Run an attribution method to its end.

    Args:
        net: the network to explain.
        image: (N, 3, h, w), RGB in [0, 1].
        method: the name of a technique that is an attribution.
        target: one for all images, one for each, or None for their top classes.
        options: further options of the technique.

    Returns:
        The last frame, always with a `heatmap` (N, H, W). For a method that gives a gradient
        alone, this is the largest absolute value over the colors, as in saliency.

    Raises:
        ConvscopeError: the technique is no attribution, or refuses this network or image.
    """
    entry = attribution(method)
    if target is not None:
        options["target"] = target if isinstance(target, str | int) else tuple(target)
    *_, frame = entry.function(net, image, **entry.validate(options))
    return with_map(frame)


def similarity(a: Tensor, b: Tensor, cells: int = 28) -> float:
    """How similarly two maps (H, W) rank the places of an image.

    Returns:
        Spearman's rank correlation of absolute values, averaged over `cells` x `cells` places
        because single pixels vary too much to agree. 1 is the same order. A map that is the same
        everywhere has no order, and a similarity of 0.
    """
    from scipy.stats import spearmanr  # a second of imports, where nothing is compared

    size = min(cells, a.shape[0]), min(cells, a.shape[1])
    flat = [F.adaptive_avg_pool2d(m.abs()[None], size).flatten().cpu().numpy() for m in (a, b)]
    if any(values.min() == values.max() for values in flat):
        return 0.0
    return float(spearmanr(*flat).statistic)


def over_photo(frame: Frame, image: Tensor, box: Box, caption: str = "") -> HeatMap:
    """The map of a frame for one image, drawn over it (3, h, w) in the technique's own style."""
    assert frame.heatmap is not None
    (drawn,) = draw_maps(frame.heatmap[:1], frame.map_style, image[None], box, [caption])
    return drawn


def on_one_scale(panels: Sequence[HeatMap]) -> tuple[HeatMap, ...]:
    """The same maps, so that equal colors are equal values; `top` is where their colors end."""
    top = max(map(_saturation, panels))
    return tuple(replace(panel, clip=1.0, top=top) for panel in panels)


def _saturation(panel: HeatMap) -> float:
    """The |value| at which the colors of a map saturate when it is drawn alone."""
    sizes = panel.values.abs().flatten().sort().values
    return float(sizes[round(panel.clip * (len(sizes) - 1))])


def with_map(frame: Frame) -> Frame:
    """The frame with a `heatmap`, made of its gradient if it has none."""
    if frame.heatmap is not None:
        return frame
    if frame.gradient is None:
        raise ConvscopeError("this frame has neither a map nor a gradient")
    return replace(frame, heatmap=frame.gradient.abs().amax(1), map_style=GRADIENT)
