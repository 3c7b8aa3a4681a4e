"""Images with other channels than RGB or gray, as panels that can be drawn, and that say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from convscope.types import Grid, HeatMap, Mosaic, Panel, Picture, Sheet, SignedPicture

DRAWN = (1, 3)  # numbers of channels that have colors


def in_colors(panels: Sequence[Panel]) -> list[Panel]:
    """The panels, with the first three channels of an image as RGB, and two as two gray panels."""
    return [drawn for panel in panels for drawn in _in_colors(panel)]


def _in_colors(panel: Panel) -> list[Panel]:
    match panel:
        case Picture(rgb, transparent=False) if len(rgb) not in DRAWN:
            return [replace(panel, rgb=one, caption=c) for one, c in _parts(rgb, panel.caption)]
        case SignedPicture(values) if len(values) not in DRAWN:
            parts = _parts(values, panel.caption)
            return [replace(panel, values=one, caption=caption) for one, caption in parts]
        case HeatMap(photo=Tensor() as photo) if len(photo) not in DRAWN:
            return [_over_colors(panel, f"over {_said(len(photo))}")]
        case Sheet(maps) if (said := _said_of(maps)) is not None:
            grounds = tuple(_over_colors(one, "") for one in maps)
            return [replace(panel, maps=grounds, caption=_with(panel.caption, said))]
        case Grid(tiles) | Mosaic(tiles) if tiles.shape[1] not in DRAWN:
            said = _said(tiles.shape[1], "side by side")
            shown = tiles[:, :3] if tiles.shape[1] > 3 else torch.cat(tiles.split(1, 1), 3)
            return [replace(panel, tiles=shown, caption=_with(panel.caption, said))]
    return [panel]


def _parts(image: Tensor, caption: str) -> list[tuple[Tensor, str]]:
    """An image (C, H, W) as images with colors, each with its caption."""
    if len(image) == 2:
        return [(one[None], _with(caption, f"channel {i}")) for i, one in enumerate(image)]
    return [(image[:3], _with(caption, _said(len(image))))]


def _over_colors(panel: HeatMap, said: str) -> HeatMap:
    photo = panel.photo
    if photo is None or len(photo) in DRAWN:
        return panel
    ground = photo[:3] if len(photo) > 3 else photo.mean(0, keepdim=True)
    return replace(panel, photo=ground, caption=_with(panel.caption, said))


def _said_of(maps: Sequence[HeatMap]) -> str | None:
    """What the photographs of heatmaps are shown as, if some have no colors of their own."""
    counts = {len(one.photo) for one in maps if one.photo is not None} - set(DRAWN)
    return f"over {_said(min(counts))}" if counts else None


def _said(channels: int, two: str = "as their mean") -> str:
    if channels == 2:
        return f"the 2 channels {two}"
    return f"channels 0, 1, 2 of {channels} as RGB"


def _with(caption: str, said: str) -> str:
    return f"{caption} ({said})" if caption and said else caption or said
