"""How the image of a run grows, in one picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from convscope.render import draw
from convscope.runs import Result
from convscope.tensors import resize
from convscope.types import Grid, Picture


def growth_picture(results: Sequence[Result], photo: Tensor | None) -> Image.Image | None:
    """How the image of a run changed.

    Args:
        results: some steps of the run.
        photo: the photograph (1, 3, H, W) that it began with, if it did.

    Returns:
        The photograph beside the last image, or else all images side by side; None where the
        results have no images.
    """
    if not results or results[-1].image is None:
        return None
    tensors = [
        torch.from_numpy(r.image).permute(0, 3, 1, 2) for r in results if r.image is not None
    ]
    if photo is not None:
        return draw((Picture(photo[0], "before"), Picture(tensors[-1][0], "after")))
    size = (max(224, tensors[-1].shape[-2]),) * 2
    tiles = torch.cat([resize(image[:1], size).clamp(0, 1) for image in tensors])
    captions = tuple(f"after {r.step} steps" for r in results)
    panel = Grid(tiles, columns=len(tiles), captions=captions, low=0.0, high=1.0, tile_inches=2.1)
    return draw((panel,))
