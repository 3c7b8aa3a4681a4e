"""Laying out embeddings: a place in the plane for each image, near similar images."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch

from convscope.collection.layout.axes import principal_axes
from convscope.collection.layout.methods import METHODS, umap_package
from convscope.collection.layout.quality import JUDGED, quality
from convscope.collection.layout.rows import at_random, blocks
from convscope.collection.layout.steps import Steps
from convscope.errors import ConvscopeError, unknown
from convscope.system import in_threads, quiet
from convscope.types import Array

NAMES = ("pca", *METHODS)

SAMPLES = {"tsne": 20_000, "isomap": 4_000, "umap": 20_000}

COMPONENTS = 50  # principal components that the methods other than PCA get

FEWEST = 5  # images that these methods can lay out


@dataclass(frozen=True)
class Layout:
    """Where images lie on a map, and how far the map can be believed.

    Trustworthiness and recall are measured on at most 2,000 images drawn at random, whose neighbors
    are farther away than those among all images.

    Args:
        places: (N, 2) float32, coordinates in units of the method.
        method: name of the method.
        trustworthiness: that of Venna and Kaski (2001), 1 at best; it falls if images are near on
            the map but their embeddings are not.
        recall: fraction of the ten nearest images by embedding that are among the ten nearest on
            the map.
        embedded: number of images that were laid out together; the others were placed among them.
        notes: sentences about what differs from what the caller may expect.
    """

    places: Array
    method: str
    trustworthiness: float
    recall: float
    embedded: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Underway:
    """A layout that is being made.

    Args:
        step: how many steps are done.
        steps: how many there are, the last of which judges the layout.
        rows: (n,) those that are laid out together.
        places: (n, 2) where they are by now.
    """

    step: int
    steps: int
    rows: Array
    places: Array


# What tells its steps on the way, and gives a layout at last.
LayingOut = Generator[Underway, None, Layout]


def layout(
    embeddings: Array,
    method: str = "tsne",
    *,
    perplexity: float = 30,
    sample: int | None = None,
    seed: int = 0,
) -> Layout:
    """Lay out embeddings. The same seed gives the same map on the same machine.

    Args:
        embeddings: (N, D) of any float type; a memory-mapped file is read block by block.
        method: "pca" takes the two directions in which embeddings vary most. The others start from
            fifty such directions: "tsne" (van der Maaten and Hinton 2008, by openTSNE), "isomap"
            (Tenenbaum et al. 2000, by scikit-learn), "umap" (McInnes et al. 2018, by umap-learn).
            Fewer than five images are laid out by PCA.
        perplexity: number of neighbors that t-SNE aims at; at most a third of the other images.
        sample: number of images that are laid out together, drawn at random; the others are placed
            among them. By default 20,000 (isomap: 4,000).
        seed: chooses the random numbers.

    Raises:
        ConvscopeError: there are no embeddings, some are not finite, the method is unknown, or umap
            is not installed.
    """
    work = laying_out(embeddings, method, perplexity=perplexity, sample=sample, seed=seed)
    return Steps(work).finish()


def laying_out(
    embeddings: Array, method: str, *, perplexity: float, sample: int | None, seed: int
) -> LayingOut:
    """`layout`, with its steps on the way."""
    _check(embeddings, method, perplexity, sample)
    work = _laying_out(embeddings, method, perplexity, sample, seed)
    while True:
        # scikit-learn's limits may leave torch with another number of threads.
        with quiet(), in_threads(torch.get_num_threads()):  # the notes say what matters
            try:
                step = next(work)
            except StopIteration as ended:
                return ended.value  # type: ignore[no-any-return]
        yield step


def _laying_out(
    embeddings: Array, method: str, perplexity: float, sample: int | None, seed: int
) -> LayingOut:
    count, notes = len(embeddings), []
    if count < FEWEST and method != "pca":
        notes.append(f"fewer than {FEWEST} images: laid out by PCA")
    if method == "pca" or count < FEWEST:
        chosen = np.arange(count)
        places = principal_axes(embeddings, chosen, 2, seed)(embeddings, chosen)
    else:
        chosen = at_random(count, sample or SAMPLES[method], seed)
        if method == "tsne" and perplexity > (len(chosen) - 1) / 3:
            perplexity = (len(chosen) - 1) / 3
            notes.append(f"perplexity {perplexity:.3g}, because of only {len(chosen):,} images")
        places = yield from _placed(embeddings, chosen, method, perplexity, seed)
    trust, recall = quality(embeddings, places, seed)
    if len(chosen) < count:
        notes.append(f"{len(chosen):,} images laid out, the others placed among them")
    if count > JUDGED:
        notes.append(f"trustworthiness and recall are those of {JUDGED:,} images at random")
    return Layout(places, method, trust, recall, len(chosen), tuple(notes))


def _check(embeddings: Array, method: str, perplexity: float, sample: int | None) -> None:
    if method not in NAMES:
        raise unknown("method of layout", method, NAMES)
    if embeddings.ndim != 2 or not embeddings.size:
        raise ConvscopeError(f"embeddings must be (images, values), not {tuple(embeddings.shape)}")
    if not perplexity >= 1:
        raise ConvscopeError(f"perplexity must be at least 1, not {perplexity:g}")
    if sample is not None and sample < FEWEST:
        raise ConvscopeError(f"sample must be at least {FEWEST}, not {sample}")
    if method == "umap":
        umap_package()


def _placed(
    embeddings: Array, chosen: Array, method: str, perplexity: float, seed: int
) -> Generator[Underway, None, Array]:
    """The `chosen` rows laid out by a method, and the others placed among them: (N, 2) float32."""
    axes = principal_axes(embeddings, chosen, COMPONENTS, seed)
    known = axes(embeddings, chosen)
    places = np.zeros((len(embeddings), 2), np.float32)
    if np.ptp(known, axis=0).any():
        placing = Steps(METHODS[method](known, perplexity, seed))
        for step, steps, now in placing:
            yield Underway(step, steps + 1, chosen, now)
        places[chosen], place = placing.result
        others = np.setdiff1d(np.arange(len(embeddings)), chosen, assume_unique=True)
        for rows in blocks(others):
            places[rows] = place(axes(embeddings, rows))
    return places
