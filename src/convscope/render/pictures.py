"""Panels of one image: an RGB image, or a heatmap with its color bar."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from convscope.render import colors
from convscope.render.arrangement import DrawnPanel
from convscope.render.colors import Scale
from convscope.render.page import (
    DPI,
    FAINT,
    LINE,
    Page,
    ticks,
    widest,
    wrap,
)
from convscope.types import Array, Box, HeatMap

HEIGHT = 3.0  # of an image, in inches


BAR, BAR_SHORTEST = 0.11, 1.2  # width and least height of a color bar, in inches


WORDS, NUMBERS, SMALL = 9.0, 8.0, 7.0  # points: label of a bar, its numbers, captions of tiles


SMALLEST = 224  # pixels of the shorter side of an image that is large enough to look at


class ImagePanel(DrawnPanel):
    """An RGB image (3, H, W), dimmed outside of `box`; a small one at a `whole` multiple."""

    def __init__(self, rgb: Tensor, box: Box | None = None, whole: bool = False) -> None:
        self.width, self.height = _fitted(rgb)
        if whole and (factor := enlargement(rgb)) > 1:
            self.height, self.width = (factor * side / DPI for side in rgb.shape[-2:])
        self._rgb, self._box = rgb, box

    def put(self, page: Page, left: float, top: float) -> None:
        rgb, box = _shrunk(self._rgb, self._box, page.pixels(max(self.width, self.height)))
        page.picture(dimmed(rgb, box), left, top, self.width, self.height)


class HeatMapPanel(DrawnPanel):
    """A heatmap and its color bar, which is never too short for its label."""

    def __init__(self, panel: HeatMap) -> None:
        self._panel, self._scale = panel, scale_of(panel)
        self._across, self._down = _fitted(_ground(panel))
        self.height = max(self._down, BAR_SHORTEST)
        low, high, _ = self._scale
        self._values, self._numbers, power = ticks(low, high, max(2, round(1.7 * self.height)))
        self._label = wrap(panel.label + power, self.height, WORDS)
        self._room = 0.1 + widest(self._numbers, NUMBERS)
        self.width = self._across + 0.08 + BAR + self._room + WORDS * LINE * len(self._label)

    def put(self, page: Page, left: float, top: float) -> None:
        shown = painted(self._panel, self._scale, page.pixels(max(self._across, self._down)))
        page.picture(shown, left, top, self._across, self._down)
        self._put_bar(page, left + self._across + 0.08, top)

    def _put_bar(self, page: Page, left: float, top: float) -> None:
        (low, high, signed), values = self._scale, self._panel.values.float()
        right, middle, bottom = left + BAR, left + BAR / 2, top + self.height
        # An end of the scale that values lie beyond is an arrow.
        upper = top + BAR if bool((values > high).any()) else top
        lower = bottom - BAR if bool((values < low).any()) else bottom
        ramp = colors.ramp(signed, self._panel.photo is not None)
        for end, tip, color in ((upper, top, ramp[0, 0]), (lower, bottom, ramp[-1, 0])):
            base = end + 0.1 * (end - tip)  # no seam
            page.polygon(((left, base), (right, base), (middle, tip)), color / 255)
        page.picture(ramp, left, upper, BAR, lower - upper)
        for value, number in zip(self._values, self._numbers, strict=True):
            down = lower - (value - low) / (high - low) * (lower - upper)
            page.line((right, down), (right + 0.03, down), color=FAINT, linewidth=0.6)
            page.text((right + 0.05, down), number, NUMBERS, va="center_baseline")
        beside = right + self._room, top + self.height / 2
        page.text(beside, "\n".join(self._label), WORDS, rotation=90, ha="left", va="center")


def enlargement(image: Tensor) -> int:
    """How many times a small image is enlarged, so that it can be looked at; 1 if it is large."""
    if min(image.shape[-2:]) >= SMALLEST:
        return 1
    return max(1, int(_fitted(image)[1] * DPI / image.shape[-2]))


def dimmed(rgb: Tensor, box: Box | None) -> Array:
    """An RGB image (3, H, W) as bytes (H, W, 3), dimmed outside of `box`."""
    shown = colors.to_bytes(rgb)
    if box is None:
        return shown
    inside = torch.isfinite(colors.place(torch.zeros(1, 1), shown.shape[:2], box)).numpy()
    return np.where(inside[..., None], shown, (shown * colors.DIMMED).astype(np.uint8))


def scale_of(panel: HeatMap) -> Scale:
    """The scale on which a heatmap's values become colors."""
    return colors.limits(panel.values, panel.signed, panel.clip, panel.top)


def map_picture(panel: HeatMap, limit: int) -> Image.Image:
    """A heatmap in colors without its color bar, at most `limit` pixels a side."""
    return Image.fromarray(painted(panel, scale_of(panel), limit))


def painted(panel: HeatMap, scale: Scale, limit: int) -> Array:
    """A heatmap in colors, as bytes (H, W, 3); over a photo, at most `limit` pixels a side."""
    if panel.photo is None:
        return colors.paint(panel.values, scale)
    photo, box = _shrunk(panel.photo, panel.box, limit)
    return colors.overlay(panel.values, photo, box, scale)


def _ground(panel: HeatMap) -> Tensor:
    return panel.values if panel.photo is None else panel.photo


def _fitted(image: Tensor) -> tuple[float, float]:
    """Width and height in inches: of the usual height, or lower where the image is very wide."""
    height, width = image.shape[-2:]
    wide = min(HEIGHT * width / height, 2 * HEIGHT)
    return wide, wide * height / width


def _shrunk(image: Tensor, box: Box | None, limit: int) -> tuple[Tensor, Box | None]:
    """The image with at most `limit` pixels a side, and its box to match."""
    factor = min(1.0, limit / max(image.shape[-2:]))
    if factor == 1:
        return image, box
    image = resized(image, [max(1, round(s * factor)) for s in image.shape[-2:]])
    return image, None if box is None else Box(*(value * factor for value in box))


def resized(image: Tensor, size: Sequence[int]) -> Tensor:
    """The image (C, H, W) brought to `size` (height, width)."""
    if image.shape[-2:] == torch.Size(size):
        return image
    return F.interpolate(image[None].float(), list(size), mode="bilinear", antialias=True)[0]
