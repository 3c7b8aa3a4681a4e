"""Attribution methods by name, for what is built on top of any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch.nn.functional as F
from scipy.stats import spearmanr
from torch import Tensor

from convscope import tensors
from convscope.attribution import CLIP, SMOOTHED
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.runs import registry
from convscope.types import Box, Frame, HeatMap


def names() -> list[str]:
    """The techniques that are attributions."""
    return [one.name for one in registry.techniques() if one.attribution]


def attribute(
    net: Network,
    image: Tensor,
    method: str,
    target: str | int | Sequence[str | int] | None,
    **options: Any,
) -> Frame:
    """The last frame of an attribution method, its `heatmap` (N, H, W) always there.

    A method that gives only a gradient is mapped as saliency is: the largest |value| of its
    colors.

    Raises:
        ConvscopeError: the technique is no attribution, or refuses this network or image.
    """
    entry = registry.get(method)
    if not entry.attribution:
        raise ConvscopeError(f"{method} is no attribution: take one of {', '.join(names())}")
    if target is not None:
        options["target"] = target if isinstance(target, str | int) else tuple(target)
    *_, frame = entry.function(net, image, **entry.validate(options))
    return mapped(frame)


def similarity(a: Tensor, b: Tensor, cells: int = 28) -> float:
    """How alike two maps (H, W) rank the image's places: Spearman's correlation, 1 is the same.

    Of maps of |values|, each averaged over `cells` x `cells` places: what flickers from pixel to
    pixel would never agree. A map that is the same everywhere agrees with none: 0.
    """
    size = min(cells, a.shape[0]), min(cells, a.shape[1])
    flat = [F.adaptive_avg_pool2d(m.abs()[None], size).flatten().cpu().numpy() for m in (a, b)]
    if any(values.min() == values.max() for values in flat):
        return 0.0
    return float(spearmanr(*flat).statistic)


def over_photo(frame: Frame, photo: Tensor, box: Box) -> HeatMap:
    """A single image's map as its technique draws it over the photo (3, h, w)."""
    for panel in reversed(frame.panels):
        if isinstance(panel, HeatMap) and panel.photo is not None:
            return panel
    assert frame.heatmap is not None
    soft = tensors.blur(frame.heatmap[:, None], SMOOTHED)[0, 0]
    return HeatMap(soft, "|gradient|", photo=photo, box=box, clip=CLIP)


def mapped(frame: Frame) -> Frame:
    """The frame with a `heatmap`, made of its gradient where it has none."""
    if frame.heatmap is not None:
        return frame
    if frame.gradient is None:
        raise ConvscopeError("this frame has neither a map nor a gradient")
    return replace(frame, heatmap=frame.gradient.abs().amax(1))
