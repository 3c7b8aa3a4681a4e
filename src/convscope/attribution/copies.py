"""Random copies of images, which do not depend on how they are divided into batches."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def generators(count: int, seed: int) -> Callable[[int], torch.Generator]:
    """Make `count` generators from one seed, so that item k is the same in any batch."""
    generator = torch.Generator().manual_seed(seed)
    seeds = torch.randint(2**62, (count,), generator=generator).tolist()
    return lambda k: torch.Generator().manual_seed(seeds[k])


def noisy_copies(
    inputs: Tensor, noise: float, count: int, seed: int
) -> Callable[[int, int], Tensor]:
    """Copies of images (N, 3, H, W) with Gaussian noise, for `averaged_gradient`.

    Args:
        inputs: the images.
        noise: standard deviation of the noise (pixels run from 0 to 1).
        count: number of copies of each image.
        seed: chooses the noise. Copy k has the same noise for each image.

    Returns:
        A function that makes copy k of image i, (3, H, W).
    """
    generator = generators(count, seed)

    def copy(i: int, k: int) -> Tensor:
        added = torch.randn(inputs[i].shape, generator=generator(k), dtype=inputs.dtype)
        return inputs[i] + noise * added.to(inputs.device)

    return copy
