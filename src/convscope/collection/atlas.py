"""The space of a layer's activations as cells of a grid, each with its direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from convscope.collection.layout.grids import Cell, cells
from convscope.collection.layout.layouts import layout
from convscope.collection.sampling import Samples
from convscope.errors import ConvscopeError
from convscope.types import Array


@dataclass(frozen=True)
class Atlas:
    """The cells of an atlas, row by row.

    Args:
        places: (n, 2) float32, where each sample lies on the map.
        cells: the K cells in which enough samples lie, with the numbers of these samples.
        directions: (K, C) float32. The dot product of a direction with the samples' activations has
            a standard deviation of 1.
        pushes: (K, classes) float32, how much more the activations of a cell push every class than
            those of all samples do, on average.
    """

    places: Array
    cells: Sequence[Cell]
    directions: Array
    pushes: Array


By = Literal["scores", "covariance", "mean"]
WHITENED = 0.5  # how much the covariance of the activations counts, see `whitened`


SHARP = 16.0  # power of a class's weight: with less, other networks recognize fewer images

# Of the samples in each of K cells and weights (K, classes): by how much each channel changes the
# scores so weighted, (K, C).
Changes = Callable[[Sequence[Array], Array], Array]


def atlas_of(
    samples: Samples,
    side: int,
    *,
    least: int,
    method: str,
    by: By,
    seed: int,
    changes: Changes | None = None,
) -> Atlas:
    """Lay samples out, so that similar activations lie together, and average them cell by cell.

    Args:
        samples: the samples.
        side: cells on each side of the grid.
        least: fewest samples of a cell.
        method: that of `layout`.
        by: what a direction is: "mean" is the mean activation, less that of all samples,
            "covariance" whitens it, and "scores" is the change of the class scores with each
            channel, weighted by how clearly the cell pushes a class up.
        seed: chooses the random numbers of the layout.
        changes: gives these changes; without it, or without class scores, "scores" whitens.

    Raises:
        ConvscopeError: no cell has so many samples.
    """
    activations = samples.activations.astype(np.float32)
    centered = activations - activations.mean(0)
    lengths = np.linalg.norm(centered, axis=1, keepdims=True)
    places = layout(centered / np.maximum(lengths, 1e-12), method, seed=seed).places
    found = cells(places, side, least)
    if not found:
        raise ConvscopeError(
            f"no cell holds {least} of the {len(samples):,} activations; choose a smaller grid, a"
            " smaller least, or more activations of each photograph"
        )
    pushed = samples.pushes.astype(np.float32)
    means, pushes = _means(centered, found), _means(pushed - pushed.mean(0), found)
    if by == "scores" and changes and pushed.shape[1]:
        means = changes([cell.items for cell in found], clear(pushes))
    elif by != "mean":
        means = whitened(means, centered, WHITENED)
    return Atlas(places, found, _scaled(means, centered), pushes)


def clear(pushes: Array) -> Array:
    """Weights (K, classes) of classes: how much more than the mean each cell pushes them up.

    The power makes a cell show its first classes, not the many that are pushed a little. The
    weights of a cell sum to zero, because what raises the scores of all classes says nothing.
    """
    above = pushes - pushes.mean(1, keepdims=True)
    apart = above / np.maximum(above.max(1, keepdims=True), 1e-12)
    sharp = np.maximum(apart, 0).astype(np.float32) ** SHARP
    weights: Array = sharp - sharp.mean(1, keepdims=True)
    return weights


def whitened(means: Array, centered: Array, fraction: float) -> Array:
    """Directions that tell means (K, C) from activations (n, C), which are centered.

    They are the means times the inverse of the covariance of the activations (Carter et al. 2019).
    Few activations say little of the covariance of many channels: it counts with a `fraction`, and
    its mean variance with the rest.
    """
    covariance = centered.T @ centered / len(centered)
    rest = (1 - fraction) * np.trace(covariance) / len(covariance)
    mixed = fraction * covariance + max(rest, 1e-12) * np.eye(len(covariance))
    found: Array = np.linalg.solve(mixed.astype(np.float64), means.T.astype(np.float64)).T
    return found


def _scaled(directions: Array, centered: Array) -> Array:
    """Directions whose dot products with the activations have a standard deviation of 1."""
    spread = (centered @ directions.T.astype(np.float32)).std(0)
    scaled: Array = (directions / np.maximum(spread, 1e-12)[:, None]).astype(np.float32)
    return scaled


def _means(values: Array, found: Sequence[Cell]) -> Array:
    """The mean (K, ...) of the values (n, ...) in each cell."""
    means: Array = np.stack([values[cell.items].mean(0) for cell in found])
    return means
