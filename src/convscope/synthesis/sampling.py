"""Which neighborhoods of an image may be copied."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt
from torch import Tensor


def free_places(hole: Tensor, window: int) -> Tensor:
    """The pixels (H, W) around which a window lies inside the image and outside the hole (H, W)."""
    outside = F.pad(hole, (window // 2,) * 4, value=True)
    covered = F.max_pool2d(outside[None, None].float(), window, 1)[0, 0]
    return covered == 0


def nearest_places(free: Tensor, center: Tensor, limit: int) -> Tensor:
    """At most `limit` of the places that are free, (n, 2), row by row: those nearest to a center.

    Args:
        free: (H, W).
        center: (H, W), the pixels to which they should be near.
    """
    places = free.nonzero()
    if len(places) <= limit:
        return places
    distances = torch.from_numpy(distance_transform_edt(~center.numpy()))[free]
    nearest = distances.argsort(stable=True)[:limit]
    return places[nearest.sort().values]


def surroundings(hole: Tensor, margin: int) -> tuple[slice, slice]:
    """The rows and columns that a hole (H, W) covers, with a margin."""
    found = []
    for dim in (1, 0):
        inside = hole.any(dim).nonzero()
        first, last = int(inside.amin()), int(inside.amax())
        found.append(slice(max(0, first - margin), last + 1 + margin))
    return found[0], found[1]
