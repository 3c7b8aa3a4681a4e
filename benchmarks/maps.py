"""t-SNE of embeddings against scikit-learn's, in time and in what the map keeps of neighbors.

    python -m benchmarks.maps --count 20000

Both get the same fifty principal components and lay all of them out.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np

from convscope.collection.layout.axes import principal_axes
from convscope.collection.layout.layouts import COMPONENTS
from convscope.collection.layout.methods import tsne
from convscope.collection.layout.quality import quality
from convscope.collection.layout.steps import Steps
from convscope.types import Array

WIDTH = 1280  # of the default network's embeddings
CLUSTERS, FREEDOM = 200, 10  # kinds of image, and in how many ways those of a kind differ


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.maps", description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="embeddings")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    embeddings = synthetic(options.count)
    rows = np.arange(options.count)
    begun = time.perf_counter()
    known = principal_axes(embeddings, rows, COMPONENTS, 0)(embeddings, rows)
    print(
        f"{options.count:,} embeddings of {WIDTH}; PCA to {known.shape[1]}: {_since(begun):.1f} s"
    )
    seconds: dict[str, list[float]] = {"convscope": [], "scikit-learn": []}
    for round_ in range(options.rounds):
        for name in list(seconds)[:: 1 if round_ % 2 else -1]:  # the order changes
            begun = time.perf_counter()
            places = {"convscope": _ours, "scikit-learn": _theirs}[name](known)
            seconds[name].append(_since(begun))
            judged = [quality(embeddings, places, seed) for seed in range(5)]  # 2,000 rows each
            trust, recall = np.mean(judged, axis=0)
            print(
                f"{name:13} {seconds[name][-1]:7.1f} s, trustworthiness {trust:.4f},"
                f" recall {recall:.4f}"
            )
    ratios = [ours / theirs for ours, theirs in zip(*seconds.values(), strict=True)]
    print(f"convscope/scikit-learn {np.median(ratios):.2f}")


def synthetic(count: int) -> Array:
    """Embeddings (count, 1280) float16, as after a ReLU, in clusters of few dimensions."""
    chance = np.random.default_rng(0)
    centers = chance.standard_normal((CLUSTERS, WIDTH))
    ways = chance.standard_normal((CLUSTERS, FREEDOM, WIDTH)) / np.sqrt(FREEDOM)
    embeddings = np.empty((count, WIDTH), np.float16)
    for row, kind in enumerate(chance.integers(CLUSTERS, size=count)):
        own = chance.standard_normal(FREEDOM) @ ways[kind] + 0.5 * chance.standard_normal(WIDTH)
        embeddings[row] = np.maximum(centers[kind] + own, 0)
    return embeddings


def _ours(known: Array) -> Array:
    return Steps(tsne(known, 30, 0)).finish()[0]


def _theirs(known: Array) -> Array:
    from sklearn.manifold import TSNE

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        places: Array = TSNE(init="pca", perplexity=30, random_state=0).fit_transform(known)
    return places


def _since(begun: float) -> float:
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
