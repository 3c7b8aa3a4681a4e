"""Numbers to colours: RGB images, heat maps, overlays."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.colors import Normalize
from torch import Tensor

from convscope.types import Box

Array = np.ndarray[Any, np.dtype[Any]]

SEQUENTIAL, DIVERGING = "magma", "RdBu_r"  # both readable by colour-blind people
DIMMED = 0.3


def to_bytes(rgb: Tensor) -> Array:
    """(3, H, W) or (1, H, W) in [0, 1] as bytes (H, W, 3)."""
    rgb = rgb.detach().cpu().float().clamp(0, 1)
    array: Array = (rgb.expand(3, -1, -1).permute(1, 2, 0) * 255).round().byte().numpy()
    return array


def limits(values: Tensor, signed: bool, clip: float) -> Normalize:
    """The scale on which values become colours; `clip` is the quantile where they saturate."""
    values = values.detach().cpu().float().flatten()
    finite = values[values.isfinite()]
    if finite.numel() == 0:
        return Normalize(0, 1, clip=True)
    if signed:
        top = _quantile(finite.abs(), clip) or 1.0
        return Normalize(-top, top, clip=True)
    low, high = float(finite.min()), _quantile(finite, clip)
    low = min(low, 0.0) if low > 0 and low < 0.2 * high else low
    return Normalize(low, high if high > low else low + 1.0, clip=True)


def paint(values: Tensor, signed: bool = False, clip: float = 1.0) -> Array:
    """A map (H, W) in colours, as bytes (H, W, 3)."""
    colours = mpl.colormaps[DIVERGING if signed else SEQUENTIAL]
    scaled = limits(values, signed, clip)(values.detach().cpu().float().numpy())
    return np.asarray(colours(scaled, bytes=True))[..., :3]


def overlay(
    values: Tensor, photo: Tensor, box: Box | None, signed: bool = False, clip: float = 1.0
) -> Array:
    """A map over the photograph (3, H, W) that it explains, as bytes (H, W, 3).

    The stronger the map, the more it covers a grey, lightened photo.
    """
    values = values.detach().cpu().float()
    photo = photo.detach().cpu().float()
    scale = limits(values, signed, clip)
    placed = place(values, photo.shape[-2:], box)
    covered = torch.isfinite(placed)
    filled = torch.where(covered, placed, 0.0)
    scaled = torch.from_numpy(np.asarray(scale(filled.numpy()), np.float32))
    strength = (scaled - 0.5).abs() * 2 if signed else scaled
    colours = mpl.colormaps[DIVERGING if signed else SEQUENTIAL]
    painted = torch.from_numpy(np.asarray(colours(scaled.numpy()), np.float32))[..., :3]
    grey = (photo.expand(3, -1, -1) * photo.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0)
    ground = (0.15 + 0.7 * grey)[..., None].expand(-1, -1, 3)
    alpha = (strength.clamp(0, 1) ** 0.6 * 0.9)[..., None]
    mixed = ground * (1 - alpha) + painted * alpha
    mixed = torch.where(covered[..., None], mixed, ground * DIMMED)
    return to_bytes(mixed.permute(2, 0, 1))


def place(values: Tensor, size: tuple[int, ...], box: Box | None) -> Tensor:
    """A map (h, w) enlarged over its box on a canvas (H, W); NaN where it says nothing."""
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
