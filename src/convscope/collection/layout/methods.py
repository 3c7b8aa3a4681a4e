"""The methods of layout: t-SNE, Isomap and UMAP of embeddings that PCA has made smaller."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from convscope.errors import ConvscopeError
from convscope.system import quiet
from convscope.types import Array

NEAR = 10  # neighbors that other images are placed among

PIECE = 25  # steps of t-SNE between two looks at the map

EXAGGERATION = 12  # of likenesses, in the first steps of t-SNE

# The places of embeddings (n, k), and a function that places other embeddings among them.
Placed = tuple[Array, Callable[[Array], Array]]


class Step(NamedTuple):
    """How far a method is: the step, how many there are, and the places (n, 2) by now."""

    step: int
    steps: int
    places: Array


# A method that tells its steps on the way.
Placing = Generator[Step, None, Placed]


def tsne(
    known: Array, perplexity: float, seed: int, steps: tuple[int, int] = (250, 500)
) -> Placing:
    """t-SNE; `steps` are those with exaggeration and those without."""
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from sklearn.neighbors import NearestNeighbors

    # Exact neighbors are a tenth of the cost; openTSNE's approximate ones depend on its threads.
    near = max(1, min(len(known) - 1, round(3 * perplexity)))
    affinities = PerplexityBasedNN(
        known,
        perplexity=perplexity,
        method="exact",
        k_neighbors=near,
        knn_kwargs={"algorithm": "brute"},
        n_jobs=torch.get_num_threads(),
    )
    embedding = TSNEEmbedding(
        1e-4 * _start(known, seed),
        affinities,
        # A coarser grid than the default takes half the time and keeps as many neighbors.
        ints_in_interval=1.5,
        n_jobs=torch.get_num_threads(),
    )
    # A slow start keeps more of the order of the first places.
    early, late = steps
    # openTSNE's own exaggeration would round the likenesses anew in each piece.
    affinities.P *= EXAGGERATION
    for done in _in_pieces(embedding, early, momentum=0.5, learning_rate=max(50, len(known) / 100)):
        yield Step(done, early + late, np.array(embedding))
    affinities.P /= EXAGGERATION
    for done in _in_pieces(embedding, late, momentum=0.8, learning_rate="auto"):
        yield Step(early + done, early + late, np.array(embedding))

    places, nearest = np.asarray(embedding), NearestNeighbors(algorithm="brute").fit(known)

    def place(others: Array) -> Array:
        """The median of their nearest neighbors.

        openTSNE's own method optimizes from there, which takes many times as long and keeps as many
        neighbors.
        """
        rows = nearest.kneighbors(others, n_neighbors=min(NEAR, len(known)), return_distance=False)
        return np.asarray(np.median(places[rows], axis=1))

    return places, place


def _in_pieces(embedding: Any, steps: int, **how: Any) -> Iterator[int]:
    """Optimize, some steps at a time; gives how many are done."""
    for begin in range(0, steps, PIECE):
        piece = min(PIECE, steps - begin)
        embedding.optimize(piece, inplace=True, **how)
        yield begin + piece


def isomap(known: Array, _perplexity: float, _seed: int) -> Placing:
    """Isomap of ten neighbors; it takes neither a perplexity nor a seed."""
    from sklearn.manifold import Isomap

    yield from ()  # it tells no steps
    # The default solver starts from NumPy's global random numbers.
    found = Isomap(n_neighbors=min(NEAR, len(known) - 1), eigen_solver="dense")
    return found.fit_transform(known), found.transform


def umap(known: Array, _: float, seed: int) -> Placing:
    """UMAP of fifteen neighbors, in one thread; it takes no perplexity."""
    yield from ()  # it tells no steps
    found = umap_package().UMAP(
        n_neighbors=min(15, len(known) - 1), init=_start(known, seed), random_state=seed, n_jobs=1
    )
    return found.fit_transform(known), found.transform


# A method gets embeddings (n, k), the perplexity and a seed.
METHODS: Mapping[str, Callable[[Array, float, int], Placing]] = {
    "tsne": tsne,
    "isomap": isomap,
    "umap": umap,
}


def _start(known: Array, seed: int) -> Array:
    """The first two axes, with a standard deviation of one.

    Copies of an image, which would never move apart, start at slightly different places.
    """
    start: Array = known[:, :2] / known[:, 0].std(dtype=np.float64)
    return start + np.random.default_rng(seed).normal(0, 0.01, start.shape)


def umap_package() -> Any:
    """The package umap.

    Raises:
        ConvscopeError: it is not installed.
    """
    try:
        with quiet():
            import umap
    except ImportError as error:
        message = "umap is not installed: pip install 'convscope[umap]'"
        raise ConvscopeError(message) from error
    return umap
