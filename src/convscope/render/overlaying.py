"""`cs.overlay`: a heatmap over an image as an array, for figures of the user's own."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.render import colors
from convscope.types import Array, Box

CHANNELS = (1, 3)

SLACK = 1e-3  # how far pixels may lie outside of [0, 1], by rounding


def overlay(
    image: Tensor | ArrayLike,
    heatmap: Tensor | ArrayLike,
    *,
    box: tuple[float, float, float, float] | None = None,
    signed: bool | None = None,
    top: float | None = None,
) -> Array:
    """A heatmap in colors over the image that it explains, as in convscope's own pictures.

    The image is gray and lightened, and stronger values cover more of it.

    Args:
        image: a tensor, an array or a PIL image: bytes, or numbers from 0 to 1. (H, W), (C, H, W),
            (H, W, C), or several of one size: (N, C, H, W), (N, H, W, C). C is 3, or 1 for gray.
        heatmap: (h, w), or several: (N, h, w) or (N, 1, h, w). One image may have several.
        box: the part of the image that the heatmap covers, in pixels (top, left, height, width), as
            `net.box(image)` gives it; the rest is dimmed. A heatmap of another size than the
            image's needs it.
        signed: whether zero is in the middle of the colors; by default if a value is negative.
        top: the value at which colors saturate; by default the largest of each heatmap.

    Returns:
        (H, W, 3) uint8; of several heatmaps (N, H, W, 3).

    Raises:
        ConvscopeError: shapes do not fit or can be read in two ways, or values are out of range.
    """
    photos, maps = _photos(_tensor("image", image)), _tensor("heatmap", heatmap)
    several = _maps(maps)
    if len(photos) not in (1, len(several)):
        raise ConvscopeError(f"{len(several)} heatmaps do not fit {len(photos)} images")
    if box is None and several.shape[-2:] != photos.shape[-2:]:
        height, width = photos.shape[-2:]
        raise ConvscopeError(
            f"the heatmap has {_size(several)} pixels and the image {_size(photos)}; say which part"
            " of the image it covers: box=net.box(image) if a technique gave it,"
            f" box=(0, 0, {height}, {width}) if it is the whole image"
        )
    signed = bool((several < 0).any()) if signed is None else signed
    placed = None if box is None else Box(*box)
    drawn = [
        colors.overlay(one, photo, placed, colors.limits(one, signed, top=top))
        for one, photo in zip(several, photos.expand(len(several), -1, -1, -1), strict=True)
    ]
    return drawn[0] if maps.ndim == 2 else np.stack(drawn)


def _tensor(name: str, values: Tensor | ArrayLike) -> Tensor:
    """Values as floating-point numbers; bytes run from 0 to 1."""
    tensor = values if isinstance(values, Tensor) else torch.tensor(np.asarray(values))
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.uint8 and name == "image":
        return tensor.float() / 255
    if not tensor.is_floating_point():
        kind = str(tensor.dtype).removeprefix("torch.")
        raise ConvscopeError(f"the {name} has numbers of type {kind}; give float numbers")
    if not tensor.isfinite().all():
        raise ConvscopeError(f"the {name} has values that are NaN or infinite")
    return tensor.float()


def _photos(image: Tensor) -> Tensor:
    """Images as (N, C, H, W)."""
    low, high = (float(end) for end in image.aminmax()) if image.numel() else (0.0, 0.0)
    if low < -SLACK or high > 1 + SLACK:
        raise ConvscopeError(
            f"the image has values from {low:.3g} to {high:.3g}; give numbers from 0 to 1, or bytes"
        )
    if image.ndim == 2:
        return image[None, None]
    batch = image[None] if image.ndim == 3 else image
    if batch.ndim != 4 or not image.numel():
        raise ConvscopeError(f"the image has the shape {tuple(image.shape)}, not (3, H, W)")
    first, last = batch.shape[1] in CHANNELS, batch.shape[3] in CHANNELS
    if first == last:
        where = "both the first and the last" if first else "neither the first nor the last"
        raise ConvscopeError(
            f"{where} dimension of an image of shape {tuple(batch.shape[1:])} can be the colors;"
            " give (3, H, W) or (H, W, 3)"
        )
    return batch if first else batch.permute(0, 3, 1, 2)


def _maps(heatmap: Tensor) -> Tensor:
    """Heatmaps as (N, h, w)."""
    if heatmap.ndim == 4 and heatmap.shape[1] == 1:
        heatmap = heatmap[:, 0]
    if heatmap.ndim not in (2, 3) or not heatmap.numel():
        raise ConvscopeError(f"the heatmap has the shape {tuple(heatmap.shape)}, not (H, W)")
    return heatmap if heatmap.ndim == 3 else heatmap[None]


def _size(images: Tensor) -> str:
    return " x ".join(map(str, images.shape[-2:]))
