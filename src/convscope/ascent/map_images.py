"""Images of directions that lie on a map, drawn so that neighbors look alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.ascent.recipe import Recipe
from convscope.ascent.unit_images import Goal, climb_goals
from convscope.network import Network
from convscope.system import BATCH
from convscope.tensors import bounded, unbounded
from convscope.types import ImageFrame, Target
from convscope.vocabulary.objectives import Objective, direction, tv
from convscope.vocabulary.optimizers import adam
from convscope.vocabulary.priors import random_affine
from convscope.vocabulary.starts import fourier

SMOOTH = 50  # weight of the total variation

REACH = 1.4  # cells: the standard deviation of the distance at which a block takes part in a cell


class Blocks(NamedTuple):
    """Blocks of 2 x 2 cells, and what they are to the cells.

    Args:
        places: (B, 2), the middles of the blocks, in cells.
        directions: (B, C), the mean direction of the cells in each block.
        shares: (K, B), how much each cell takes of each block: the nearer, the more.
    """

    places: Tensor
    directions: Tensor
    shares: Tensor


class MapFrame(NamedTuple):
    """A step of the climb.

    Args:
        frame: the images. Those that have not been begun are gray.
        places: (N, 2), their middles on the map, in cells.
        side: how many cells an image is wide and high.
    """

    frame: ImageFrame
    places: Tensor
    side: int


def climb_map(
    net: Network,
    layer: str,
    directions: Tensor,
    places: Tensor,
    *,
    cosine: float = 0.0,
    steps: int,
    size: int | None = None,
    seed: int = 0,
) -> Iterator[MapFrame]:
    """Climb an image in the direction of each cell of a map, from coarse to fine.

    Blocks of 2 x 2 cells come first, all from the same noise. The image of a cell begins with a
    blend of the blocks around it, so that neighbors differ where their directions do.

    Args:
        net: the network.
        layer: the layer.
        directions: (K, C), one for each cell. Their dot products with activations of the layer have
            a standard deviation of about 1.
        places: (K, 2), the middles of the cells, in cells.
        cosine: that of `direction`.
        steps: of the image of a cell; that of a block takes two thirds as many.
        size: width and height of an image, in pixels; those of the network's input if not given.
        seed: chooses the random numbers.

    Yields:
        A frame after each step of each batch.
    """
    blocks = blocks_of(directions, places)
    noise = fourier(size=size).canvas(net, torch.Generator().manual_seed(seed))
    assert noise.decode is not None
    starts = noise.decode(noise.parameters).expand(len(blocks.places), -1, -1, -1)
    before, after = steps_of_map(len(starts), len(directions), steps)
    climb = partial(_climb, net, layer, cosine=cosine, seed=seed)
    for frame in climb(blocks.directions, starts, steps=_rough(steps)):
        yield MapFrame(replace(frame, steps=before + after), blocks.places, 2)
    starts = blended(frame.image, blocks.shares)
    for frame in climb(directions, starts, steps=steps):
        counted = replace(frame, step=before + frame.step, steps=before + after)
        yield MapFrame(counted, places, 1)


def steps_of_map(blocks: int, cells: int, steps: int) -> tuple[int, int]:
    """How many frames blocks and cells take, a step of each batch being one."""
    return _rough(steps) * math.ceil(blocks / BATCH), steps * math.ceil(cells / BATCH)


def _rough(steps: int) -> int:
    """The steps of a block."""
    return max(1, 2 * steps // 3)


def blocks_of(directions: Tensor, places: Tensor) -> Blocks:
    """The blocks that have cells. Their directions are as long as those of the cells are."""
    corners, block = (places // 2).unique(dim=0, return_inverse=True)
    middles = 2 * corners + 1
    inside = F.one_hot(block, len(corners)).to(directions).T
    means = F.normalize(inside @ F.normalize(directions)) * directions.norm(dim=1).mean()
    near = torch.exp(-(torch.cdist(places, middles) ** 2) / (2 * REACH**2))
    return Blocks(middles, means, near / near.sum(1, keepdim=True))


def blended(images: Tensor, shares: Tensor) -> Tensor:
    """Blends (K, 3, H, W) of images (B, 3, H, W), with as much contrast as these have."""
    values = unbounded(images)
    blends = torch.einsum("kb,bchw->kchw", shares.to(values), values)
    means = blends.mean((2, 3), keepdim=True)
    contrast = values.std((2, 3)).mean() / blends.std((2, 3)).mean()
    return bounded(means + (blends - means) * contrast)


def _climb(
    net: Network,
    layer: str,
    directions: Tensor,
    starts: Tensor,
    *,
    cosine: float,
    steps: int,
    seed: int,
) -> Iterator[ImageFrame]:
    """Climb an image in each direction, from its start."""
    goals = [Goal(Target(layer), direction(layer, vector, cosine)) for vector in directions]
    return climb_goals(net, goals, _recipe_from(starts, goals, steps), seed=seed)


def _recipe_from(
    starts: Tensor, goals: Sequence[Goal], steps: int
) -> Callable[[Objective, Sequence[Goal]], Recipe]:
    def recipe(objective: Objective, some: Sequence[Goal]) -> Recipe:
        return Recipe(
            start=fourier(image=starts[[goals.index(goal) for goal in some]]),
            objective=objective - SMOOTH * tv(),
            rule="redirected",
            priors=(random_affine(rotate=12, scale=(0.8, 1.4), shift=14),),
            optimizer=adam(0.05),
            steps=steps,
        )

    return recipe
