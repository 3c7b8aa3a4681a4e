"""Weights of a layer that share a few values, found by k-means (Han, Mao and Dally 2016).

In one dimension a cluster is a row of neighbors among the sorted values, and its mean is a
difference of two running sums. So a step of k-means costs one search for each boundary.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from convscope.network import Shared
from convscope.types import Array

Start = Literal["linear", "density", "random"]

STEPS = 100  # of k-means, at most

TINY = 2.0**-14  # a level that is next to zero, but not that of pruned weights


def first_levels(values: Array, count: int, start: Start, seed: int = 0) -> Array:
    """Where k-means begins: (count,), sorted.

    Args:
        values: the weights, (N,).
        count: the number of levels.
        start: "linear" spaces them evenly between the smallest and the largest weight, "density"
            gives each as many weights, "random" takes weights by chance.
        seed: of "random".
    """
    match start:
        case "linear":
            return np.linspace(values.min(), values.max(), count)
        case "density":
            return np.quantile(values, (np.arange(count) + 0.5) / count)
        case "random":
            chosen = np.random.default_rng(seed).choice(values, count, replace=False)
            return np.sort(chosen)


def k_means(values: Array, levels: Array, steps: int = STEPS) -> Array:
    """The levels after steps of Lloyd's algorithm, sorted.

    A level to which no weight is nearest stays where it is.

    Args:
        values: the weights, (N,).
        levels: where it begins, (K,), sorted.
        steps: the largest number of steps.
    """
    ordered = np.sort(values.astype(np.float64))
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    levels = levels.astype(np.float64)
    for _ in range(steps):
        inner = np.searchsorted(ordered, _boundaries(levels))
        ends = np.concatenate([[0], inner, [len(ordered)]])
        counts = np.diff(ends)
        means = np.diff(sums[ends]) / np.maximum(counts, 1)
        before, levels = levels, np.where(counts > 0, means, levels)
        if np.array_equal(before, levels):
            break
    return levels


def shared(weights: Tensor, levels: Array) -> Shared:
    """Weights with the nearest of the levels each; those that are zero keep a level of their own.

    Args:
        weights: of any shape.
        levels: (K,), sorted. They are rounded to float16; those that no weight takes are left out.
    """
    numbers = weights.detach().cpu().numpy()
    table = np.unique(levels.astype(np.float16)).astype(np.float32)
    table[table == 0] = TINY
    nearest = np.searchsorted(_boundaries(table), numbers)
    table = np.append(table, np.float32(0))
    nearest[numbers == 0] = len(table) - 1
    used = np.bincount(nearest.reshape(-1), minlength=len(table)) > 0
    indices = (np.cumsum(used) - 1)[nearest]
    return Shared(torch.from_numpy(table[used]), torch.from_numpy(indices))


def _boundaries(levels: Array) -> Array:
    return (levels[1:] + levels[:-1]) / 2
