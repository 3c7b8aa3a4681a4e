"""Numbers become colors: RGB images, heatmaps, and heatmaps over a photograph."""

from __future__ import annotations

from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.types import Array, Box

SEQUENTIAL, DIVERGING = "magma", "RdBu_r"  # color-blind people can read both


# Over a photo, where opacity shows strength. The pale middle of DIVERGING would veil the photo.
COOL, WARM = (43, 123, 214), (220, 58, 52)


OPAQUE, DIMMED = 0.85, 0.3  # opacity of the strongest value, brightness of what lies outside


class Scale(NamedTuple):
    """The values at both ends of the colors. A signed scale has diverging colors."""

    low: float
    high: float
    signed: bool

    def __call__(self, values: Tensor) -> Tensor:
        """Where values lie between the ends, in [0, 1]. NaN stays NaN."""
        return ((values.double() - self.low) / (self.high - self.low)).clamp(0, 1).float()


def to_bytes(rgb: Tensor) -> Array:
    """(3, H, W) or (1, H, W) in [0, 1] as bytes (H, W, 3); with a fourth channel as RGBA."""
    rgb = rgb.detach().cpu().float().clamp(0, 1)
    array: Array = (
        (rgb.expand(max(3, len(rgb)), -1, -1).permute(1, 2, 0) * 255).round().byte().numpy()
    )
    return array


def limits(
    values: Tensor, signed: bool = False, clip: float = 1.0, top: float | None = None
) -> Scale:
    """The scale on which values become colors. They saturate at `top` or the quantile `clip`."""
    if top is not None:
        top = top or 1.0
        return Scale(-top if signed else 0.0, top, signed)
    values = values.detach().cpu().float().flatten()
    finite = values[values.isfinite()]
    if finite.numel() == 0:
        return Scale(0.0, 1.0, signed)
    if signed:
        top = _quantile(finite.abs(), clip) or 1.0
        return Scale(-top, top, signed)
    low, high = float(finite.min()), _quantile(finite, clip)
    low = min(low, 0.0) if low > 0 and low < 0.2 * high else low
    return Scale(low, high if high > low else low + 1.0, signed)


def paint(values: Tensor, scale: Scale) -> Array:
    """A heatmap (H, W) in colors, as bytes (H, W, 3)."""
    return _color(scale(values.detach().cpu()), scale.signed)


def overlay(values: Tensor, photo: Tensor, box: Box | None, scale: Scale) -> Array:
    """A heatmap over the photograph (3, H, W) that it explains, as bytes (H, W, 3).

    The photograph is gray and lightened, and stronger values cover more of it.
    """
    values = values.detach().cpu().float()
    photo = photo.detach().cpu().float()
    placed = place(values, photo.shape[-2:], box)
    covered = torch.isfinite(placed)
    gray = (photo.expand(3, -1, -1) * photo.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0)
    ground = 0.15 + 0.7 * gray
    mixed = _cover(ground, scale(torch.where(covered, placed, 0.0)), scale.signed)
    return to_bytes(torch.where(covered, mixed, ground * DIMMED))


def ramp(signed: bool, over_photo: bool) -> Array:
    """All colors of a scale as bytes (256, 1, 3), the highest first; or these over middle gray."""
    scaled = torch.linspace(1, 0, 256)[:, None]
    if over_photo:
        return to_bytes(_cover(torch.full_like(scaled, 0.5), scaled, signed))
    return _color(scaled, signed)


def veil(values: Tensor, scale: Scale) -> Array:
    """A heatmap (H, W) to lay over a photograph, as bytes (H, W, 4): stronger values are opaque."""
    scaled = scale(values.detach().cpu()).nan_to_num(0.5 if scale.signed else 0.0)
    tints, strength = _tints(scaled, scale.signed)
    return to_bytes(torch.cat((tints.expand(3, *strength.shape), strength[None])))


def _cover(ground: Tensor, scaled: Tensor, signed: bool) -> Tensor:
    """A heatmap (H, W) in [0, 1] over a gray ground (H, W): (3, H, W)."""
    tints, strength = _tints(scaled, signed)
    return torch.lerp(ground.expand(3, -1, -1), tints, OPAQUE * strength)


def _tints(scaled: Tensor, signed: bool) -> tuple[Tensor, Tensor]:
    """The colors (3, H, W) of a heatmap over a photograph, and how strong they are (H, W)."""
    if signed:
        cool, warm = (torch.tensor(c).view(3, 1, 1) / 255 for c in (COOL, WARM))
        return torch.where(scaled < 0.5, cool, warm), (scaled - 0.5).abs() * 2
    return torch.from_numpy(_color(scaled, signed)).permute(2, 0, 1) / 255, scaled


def _color(scaled: Tensor, signed: bool) -> Array:
    colors = mpl.colormaps[DIVERGING if signed else SEQUENTIAL]
    return np.asarray(colors(scaled.numpy(), bytes=True))[..., :3]


def place(values: Tensor, size: tuple[int, ...], box: Box | None) -> Tensor:
    """A heatmap (h, w) enlarged to its box on a canvas (H, W), which is NaN outside of the box."""
    height, width = size
    if box is None:
        box = Box(0, 0, height, width)
    top, left = round(box.top), round(box.left)
    bottom = min(height, max(top + 1, round(box.top + box.height)))
    right = min(width, max(left + 1, round(box.left + box.width)))
    top, left = max(top, 0), max(left, 0)
    enlarged = F.interpolate(
        values[None, None], (bottom - top, right - left), mode="bilinear", antialias=True
    )
    canvas = values.new_full((height, width), float("nan"))
    canvas[top:bottom, left:right] = enlarged[0, 0]
    return canvas


def _quantile(values: Tensor, q: float) -> float:
    return float(np.quantile(values.numpy(), q))
