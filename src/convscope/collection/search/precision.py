"""How well a space of embeddings keeps images with the same label together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from convscope.collection.search.exact import exact
from convscope.collection.search.neighbors import Metric
from convscope.errors import ConvscopeError
from convscope.types import Array


class Precision(NamedTuple):
    """How often a neighbor has the query's label, and how often a random row has it."""

    precision: float
    chance: float


def precision(
    embeddings: Array,
    labels: Sequence[str | None],
    count: int = 5,
    sample: int = 1000,
    seed: int = 0,
    metric: Metric = "cosine",
) -> Precision:
    """The fraction of the `count` nearest other rows that have the query's label.

    Chance is the fraction of all other labeled rows that have it.

    Args:
        embeddings: (N, D), as `exact` takes them.
        labels: N labels. Rows without a label (None) are never neighbors.
        count: number of neighbors of each query.
        sample: number of labeled rows that are queries, drawn at random.
        seed: chooses the random numbers.
        metric: "cosine" or "l2".

    Raises:
        ConvscopeError: there is not a label for every embedding, or fewer than two have one.
    """
    if len(labels) != len(embeddings):
        raise ConvscopeError(f"there are {len(embeddings)} embeddings, but {len(labels)} labels")
    known = np.array([label is not None for label in labels], bool)
    labeled = np.flatnonzero(known)
    if len(labeled) < 2:
        raise ConvscopeError("comparing neighbors by label needs at least two rows with a label")
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    classes = np.array([numbers[label] for label in labels])
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.choice(labeled, min(sample, len(labeled)), replace=False))
    queries = embeddings[chosen].astype(np.float32)
    found = exact(embeddings, queries, count + 1, metric, without=np.flatnonzero(~known)).besides(
        chosen
    )
    same = classes[found.rows] == classes[chosen][:, None]
    sizes = np.bincount(classes[labeled], minlength=len(numbers))
    others = (sizes[classes[chosen]] - 1) / (len(labeled) - 1)
    return Precision(float(same.mean()), float(others.mean()))
