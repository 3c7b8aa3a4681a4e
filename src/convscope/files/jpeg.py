"""What a JPEG file keeps of an image."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def as_jpeg(image: Tensor, quality: int) -> Tensor:
    """An image (1, C, H, W) of one or three channels, written as JPEG and read again."""
    array = (image[0].permute(1, 2, 0) * 255).round().byte().cpu().numpy()
    file = io.BytesIO()
    Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).save(
        file, "JPEG", quality=quality
    )
    with Image.open(file) as opened:
        read = np.atleast_3d(np.asarray(opened))
    return (torch.from_numpy(read.copy()).permute(2, 0, 1)[None] / 255).to(image)
