"""Masks: images as large as a photograph, white where something is to be done."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.files import images
from convscope.runs.options import image_name


def mask_name(mask: object) -> object:
    """A mask that an option names, as `image_name`; an array becomes a tensor."""
    return torch.from_numpy(mask) if isinstance(mask, np.ndarray) else image_name(mask)


def opened_mask(mask: str | Tensor, height: int, width: int) -> Tensor:
    """A mask as (1, 1, H, W), from 0 for black to 1 for white.

    Args:
        mask: a file, or (H, W) or (1, C, H, W), whose channels are averaged.
        height: that of the photograph.
        width: that of the photograph.

    Raises:
        ConvscopeError: it has another shape or size.
    """
    opened = images.open_image(mask) if isinstance(mask, str) else mask.detach().cpu()
    if opened.dim() not in (2, 4) or (opened.dim() == 4 and len(opened) != 1):
        raise ConvscopeError(
            f"a mask has the shape (H, W) or (1, C, H, W), not {tuple(opened.shape)}"
        )
    if opened.shape[-2:] != (height, width):
        rows, columns = opened.shape[-2:]
        raise ConvscopeError(
            f"the mask of {rows} x {columns} pixels should be as large as the photograph of"
            f" {height} x {width}"
        )
    white = opened.float() if opened.dim() == 2 else opened.float().mean(1)[0]
    return white.clamp(0, 1)[None, None]
