"""Maps of embeddings: a place in the plane for each image, near those whose embeddings are near its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from convscope.errors import ConvscopeError, unknown
from convscope.system import in_threads
from convscope.types import Array

METHODS = ("pca", "tsne", "isomap", "umap")


SAMPLES = {"tsne": 20_000, "isomap": 4_000, "umap": 20_000}


COMPONENTS = 50  # what the other methods get of a embedding


FEWEST = 5  # images that these have something to say about


NEAR, JUDGED = 10, 2_000


BLOCK = 4_096  # rows at a time


LARGEST = 4_096  # side of a matrix whose eigenvectors are taken


@dataclass(frozen=True)
class Layout:
    """Where images lie on a map, and how far to believe it.

    `places` (N, 2) are float32, in units of the method. `trustworthiness` (Venna and Kaski 2001)
    falls where images are near on the map whose embeddings are not; `recall` is the share of the ten
    nearest by embedding that are among the ten nearest on the map. Both are 1 at best, and told of a
    random sample of at most 2,000 images, in which neighbors are further away than among all.
    `embedded` images were laid out together, the others placed among them. `notes` say in words
    what is not as the caller may expect.
    """

    places: Array
    method: str
    trustworthiness: float
    recall: float
    embedded: int
    notes: tuple[str, ...] = ()


def layout(
    embeddings: Array,
    method: str = "tsne",
    *,
    perplexity: float = 30,
    sample: int | None = None,
    seed: int = 0,
) -> Layout:
    """A map of embeddings (N, D), an array of any float type, or one on disk, read block by block.

    "pca" are the two directions in which embeddings vary most. The others begin with fifty of them:
    "tsne" (van der Maaten and Hinton 2008, by openTSNE) from the first two, "isomap" (Tenenbaum et
    al. 2000, by scikit-learn), "umap" (McInnes et al. 2018, by umap-learn). Of more than `sample`
    images (20,000; isomap: 4,000) that many at random are laid out, the others placed among them.
    `perplexity`, which only t-SNE asks for, is lowered to a third of the others where images are
    few; fewer than five are laid out by PCA.

    The same seed gives the same map on the same machine.

    Raises:
        ConvscopeError: no embeddings, embeddings that are not finite, an unknown method, umap not installed.
    """
    if method not in METHODS:
        raise unknown("method of layout", method, METHODS)
    if embeddings.ndim != 2 or not embeddings.size:
        raise ConvscopeError(f"embeddings must be (images, values), not {tuple(embeddings.shape)}")
    if not perplexity >= 1:
        raise ConvscopeError(f"perplexity must be at least 1, not {perplexity:g}")
    if sample is not None and sample < FEWEST:
        raise ConvscopeError(f"sample must be at least {FEWEST}, not {sample}")
    count, notes = len(embeddings), []
    if method == "umap":
        _umap_package()
    if count < FEWEST and method != "pca":
        notes.append(f"fewer than {FEWEST} images: laid out by PCA")
    # scikit-learn's limits may leave torch with another number of threads.
    with warnings.catch_warnings(), in_threads(torch.get_num_threads()):
        warnings.simplefilter("ignore")  # libraries, of what is said in notes
        if method == "pca" or count < FEWEST:
            chosen = np.arange(count)
            places = _axes(embeddings, chosen, 2, seed)(embeddings, chosen)
        else:
            chosen = at_random(count, sample or SAMPLES[method], seed)
            if method == "tsne" and perplexity > (len(chosen) - 1) / 3:
                perplexity = (len(chosen) - 1) / 3
                notes.append(f"perplexity {perplexity:.3g}, for {len(chosen):,} images are few")
            others = np.setdiff1d(np.arange(count), chosen, assume_unique=True)
            axes = _axes(embeddings, chosen, COMPONENTS, seed)
            known = axes(embeddings, chosen)
            places = np.zeros((count, 2), np.float32)
            if np.ptp(known, axis=0).any():
                places[chosen], place = _LAID[method](known, perplexity, seed)
                for rows in _blocks(others):
                    places[rows] = place(axes(embeddings, rows))
        trust, recall = _judge(embeddings, places, seed)
    if len(chosen) < count:
        notes.append(f"{len(chosen):,} images laid out, the others placed among them")
    if count > JUDGED:
        notes.append(f"trustworthiness and recall are those of {JUDGED:,} images at random")
    return Layout(places, method, trust, recall, len(chosen), tuple(notes))


# What lays embeddings (n, k) out: their places, and what places others among them.
Placed = tuple[Array, Callable[[Array], Array]]


def _tsne(
    known: Array, perplexity: float, seed: int, steps: tuple[int, int] = (250, 500)
) -> Placed:
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from sklearn.neighbors import NearestNeighbors

    # Neighbors are exact, a tenth of the cost: openTSNE's quicker ones depend on its threads.
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
        # A coarser grid than its default, in half the time: as many neighbors are kept.
        ints_in_interval=1.5,
        n_jobs=torch.get_num_threads(),
    )
    # Begun slowly, it keeps more of the order that it starts from.
    early, late = steps
    slow = {"momentum": 0.5, "learning_rate": max(50, len(known) / 100)}
    embedding.optimize(early, inplace=True, exaggeration=12, **slow)
    embedding.optimize(late, inplace=True, momentum=0.8, learning_rate="auto")

    places, nearest = np.asarray(embedding), NearestNeighbors(algorithm="brute").fit(known)

    def place(others: Array) -> Array:
        """In the middle of their nearest, from where openTSNE's own way climbs on: that takes many
        times as long, and keeps as many neighbors."""
        rows = nearest.kneighbors(others, n_neighbors=min(NEAR, len(known)), return_distance=False)
        return np.asarray(np.median(places[rows], axis=1))

    return places, place


def _isomap(known: Array, _: float, seed: int) -> Placed:
    from sklearn.manifold import Isomap

    # Its default solver starts from numbers of the world's random state.
    found = Isomap(n_neighbors=min(NEAR, len(known) - 1), eigen_solver="dense")
    return found.fit_transform(known), found.transform


def _umap(known: Array, _: float, seed: int) -> Placed:
    found = _umap_package().UMAP(
        n_neighbors=min(15, len(known) - 1), init=_start(known, seed), random_state=seed, n_jobs=1
    )
    return found.fit_transform(known), found.transform


_LAID: dict[str, Callable[[Array, float, int], Placed]] = {
    "tsne": _tsne,
    "isomap": _isomap,
    "umap": _umap,
}


def _start(known: Array, seed: int) -> Array:
    """The first two axes, with a spread of one. Copies of an image, which would stay together for
    ever, lie a little apart."""
    start: Array = known[:, :2] / known[:, 0].std(dtype=np.float64)
    return start + np.random.default_rng(seed).normal(0, 0.01, start.shape)


def _umap_package() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import umap
    except ImportError as error:
        message = "umap is not installed: pip install 'convscope[umap]'"
        raise ConvscopeError(message) from error
    return umap


class _Axes(NamedTuple):
    """Directions (D, k) in which embeddings vary most, the most first, from their mean (D,)."""

    mean: Array
    directions: Array

    def __call__(self, embeddings: Array, rows: Array) -> Array:
        """How far those rows lie in each direction: (n, k) float32."""
        parts = [(_read(embeddings, some) - self.mean) @ self.directions for some in _blocks(rows)]
        return np.concatenate(parts)


def _axes(embeddings: Array, rows: Array, limit: int, seed: int) -> _Axes:
    """The principal axes of those rows, `limit` or as many as there are.

    Exactly, by the smaller of two matrices: products of values with values or of rows with rows. If
    both are too large, by the second of some rows.
    """
    from scipy.linalg import eigh

    width = embeddings.shape[1]
    if width > LARGEST:
        rows = rows[at_random(len(rows), LARGEST, seed)]
    total = np.zeros(width)
    for some in _blocks(rows):
        total += _read(embeddings, some).sum(0, dtype=np.float64)
    mean = (total / len(rows)).astype(np.float32)
    few = len(rows) < width
    if few:
        centered = _read(embeddings, rows).astype(np.float64) - mean
        products = centered @ centered.T
    else:
        products = np.zeros((width, width))
        for some in _blocks(rows):
            block = _read(embeddings, some) - mean
            products += block.T @ block
    side = len(products)
    spread, vectors = eigh(products, subset_by_index=(max(0, side - limit), side - 1))
    directions = centered.T @ vectors if few else vectors
    length = np.linalg.norm(directions, axis=0)
    # There are no more directions than embeddings vary in; rounding would invent some.
    length[spread <= 1e-10 * max(spread[-1], 1e-10)] = np.inf
    # Each is known but for its sign: its largest number is positive.
    peaks = directions[abs(directions).argmax(0), np.arange(len(length))]
    length *= np.copysign(1, peaks)
    directions = (directions / length)[:, ::-1]
    missing = max(0, 2 - directions.shape[1])
    return _Axes(mean, np.pad(directions, ((0, 0), (0, missing))).astype(np.float32))


def _read(embeddings: Array, rows: Array) -> Array:
    """Rows as float32."""
    values = np.asarray(embeddings[rows], np.float32)
    if not np.isfinite(values).all():
        row = rows[~np.isfinite(values).all(1)][0]
        raise ConvscopeError(f"the embedding of image {row} is not finite; extract it again")
    return values


def _blocks(rows: Array) -> Iterator[Array]:
    for first in range(0, len(rows), BLOCK):
        yield rows[first : first + BLOCK]


def at_random(count: int, limit: int, seed: int) -> Array:
    """At most so many of the numbers below `count`, at random, in ascending order."""
    if count <= limit:
        return np.arange(count)
    chance = np.random.default_rng(seed)
    return np.sort(chance.choice(count, limit, replace=False, shuffle=False))


def _judge(embeddings: Array, places: Array, seed: int) -> tuple[float, float]:
    """Trustworthiness and recall."""
    from sklearn.manifold import trustworthiness
    from sklearn.neighbors import NearestNeighbors

    rows = at_random(len(embeddings), JUDGED, seed)
    near = min(NEAR, (len(rows) - 1) // 2)
    values, placed = _read(embeddings, rows), places[rows]
    if near < 1 or not np.ptp(values, axis=0).any():
        return 1.0, 1.0  # there is nothing to get wrong
    there, here = (
        NearestNeighbors(algorithm="brute").fit(x).kneighbors(n_neighbors=near)[1]
        for x in (values, placed)
    )
    found = (there[:, :, None] == here[:, None, :]).any(2).mean()
    return float(trustworthiness(values, placed, n_neighbors=near)), float(found)
