"""Laying out embeddings: a place in the plane for each image, near similar images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from convscope.collection.layout.axes import principal_axes
from convscope.collection.layout.methods import METHODS, umap_package
from convscope.collection.layout.quality import JUDGED, quality
from convscope.collection.layout.rows import at_random, blocks
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
    _check(embeddings, method, perplexity, sample)
    count, notes = len(embeddings), []
    if count < FEWEST and method != "pca":
        notes.append(f"fewer than {FEWEST} images: laid out by PCA")
    # scikit-learn's limits may leave torch with another number of threads.
    with quiet(), in_threads(torch.get_num_threads()):  # the notes say what matters
        if method == "pca" or count < FEWEST:
            chosen = np.arange(count)
            places = principal_axes(embeddings, chosen, 2, seed)(embeddings, chosen)
        else:
            chosen = at_random(count, sample or SAMPLES[method], seed)
            if method == "tsne" and perplexity > (len(chosen) - 1) / 3:
                perplexity = (len(chosen) - 1) / 3
                notes.append(f"perplexity {perplexity:.3g}, because of only {len(chosen):,} images")
            places = _placed(embeddings, chosen, method, perplexity, seed)
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


def _placed(embeddings: Array, chosen: Array, method: str, perplexity: float, seed: int) -> Array:
    """The `chosen` rows laid out by a method, and the others placed among them: (N, 2) float32."""
    axes = principal_axes(embeddings, chosen, COMPONENTS, seed)
    known = axes(embeddings, chosen)
    places = np.zeros((len(embeddings), 2), np.float32)
    if np.ptp(known, axis=0).any():
        places[chosen], place = METHODS[method](known, perplexity, seed)
        others = np.setdiff1d(np.arange(len(embeddings)), chosen, assume_unique=True)
        for rows in blocks(others):
            places[rows] = place(axes(embeddings, rows))
    return places
