"""A collection laid out in the plane by its embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope.collection import (
    Arrangement,
    Index,
    Layout,
    Steps,
    Underway,
    at_random,
    cached_laying_out,
    index_of,
    nearest_grid,
    scattered,
    tiled,
    unique_grid,
)
from convscope.files import decoded
from convscope.network import Network
from convscope.runs import IndexPath, Seed, technique
from convscope.types import Array, Frame, Mosaic

NAMES = {"pca": "PCA", "tsne": "t-SNE", "isomap": "Isomap", "umap": "UMAP"}


class EmbeddingMapSummary(TypedDict):
    """How the layout was made, how faithful it is, and how many images it was fitted to."""

    images: int
    method: str
    trustworthiness: float
    recall: float
    laid_out: int
    notes: list[str]


@technique(
    command="map",
    title="Embedding map",
    paper="van der Maaten and Hinton 2008; Karpathy 2014",
    url="https://www.jmlr.org/papers/v9/vandermaaten08a.html",
    chapter="Collections of images",
)
def embedding_map(
    net: Network | None = None,
    *,
    index: IndexPath,
    method: Annotated[
        Literal["tsne", "pca", "isomap", "umap"],
        Field(description="algorithm that projects the embeddings to two dimensions"),
    ] = "tsne",
    show: Annotated[
        Literal["places", "grid", "nearest"],
        Field(
            description="places draws every image at its place, grid each image once in a grid,"
            " nearest the image nearest to each cell of a grid"
        ),
    ] = "places",
    perplexity: Annotated[
        float,
        Field(ge=1, le=1000, description="approximate number of neighbors that t-SNE preserves"),
    ] = 30,
    sample: Annotated[
        int | None,
        Field(
            ge=5,
            le=10**7,
            description="maximum number of images that are laid out, the others being placed among"
            " them; if not given, 20000, or 4000 for isomap",
        ),
    ] = None,
    limit: Annotated[
        int,
        Field(ge=1, le=20_000, description="maximum number of images to draw, chosen at random"),
    ] = 2500,
    side: Annotated[
        int, Field(ge=1, le=200, description="cells on each side of the grid of show nearest")
    ] = 30,
    seed: Seed = 0,
) -> Iterator[Frame[EmbeddingMapSummary]]:
    """A collection in the plane, where images with similar embeddings lie close together.

    The 50 principal components of the embeddings are laid out; t-SNE starts from the first two. The
    layout is kept in the index. Trustworthiness is low where neighbors in the map have embeddings
    that are far apart. Recall is the fraction of the ten nearest images by embedding that are among
    the ten nearest in the map. Both are 1 at best. The sizes of groups and the distances between
    them mean little. `arrays` holds the place of each image.
    """
    opened = index_of(net, index)
    drawn = at_random(len(opened), limit, seed)
    making = Steps(
        cached_laying_out(opened, method, perplexity=perplexity, sample=sample, seed=seed)
    )
    steps = 1
    for frame in _underway(making, opened, method, drawn):
        steps = frame.steps
        yield frame
    layout = making.result
    panel, notes = _panel(opened, layout, drawn, show, side)
    yield Frame(
        panels=(panel,),
        step=steps,
        steps=steps,
        arrays={"places": torch.from_numpy(layout.places)},
        summary=_summary(opened, layout, notes),
    )


def _underway(
    making: Iterable[Underway], index: Index, method: str, drawn: Array
) -> Iterator[Frame[EmbeddingMapSummary]]:
    """What is seen of a layout that is being made: the images that it has by now."""
    pictures = None
    for now in making:
        among = np.isin(now.rows, drawn)
        if not among.any():
            yield Frame(step=now.step, steps=now.steps)
            continue
        if pictures is None:
            pictures = _pictures(index, now.rows[among])
        caption = f"{NAMES[method]} of {len(now.rows):,} images, step {now.step:,} of {now.steps:,}"
        panel = _mosaic(pictures, scattered(now.places[among]), caption)
        yield Frame(panels=(panel,), step=now.step, steps=now.steps)


def _panel(
    index: Index, layout: Layout, drawn: Array, show: str, side: int
) -> tuple[Mosaic, list[str]]:
    """The images that are drawn, and notes about the layout and the picture."""
    places = layout.places[drawn]
    if show == "places":
        tiles = scattered(places)
    else:
        tiles = tiled(nearest_grid(places, side) if show == "nearest" else unique_grid(places))
    rows, copies = np.unique(drawn[tiles.rows], return_inverse=True)
    pictures = _pictures(index, rows)
    notes = list(layout.notes)
    if len(rows) < len(index) and show != "nearest":
        notes.append(f"{len(rows):,} of {len(index):,} images drawn")
    caption = (
        f"{NAMES[layout.method]} of {len(index):,} images; trustworthiness"
        f" {layout.trustworthiness:.2f}, recall of the ten nearest {layout.recall:.2f}"
    )
    return _mosaic(pictures[copies], tiles, "; ".join([caption, *notes])), notes


def _mosaic(pictures: Tensor, tiles: Arrangement, caption: str) -> Mosaic:
    size = (float(tiles.width), float(tiles.height))
    return Mosaic(pictures, torch.from_numpy(tiles.places).float(), size, caption)


def _pictures(index: Index, rows: Array) -> Tensor:
    return torch.stack(decoded(index.thumbnails(rows.tolist())))


def _summary(index: Index, layout: Layout, notes: list[str]) -> EmbeddingMapSummary:
    return {
        "images": len(index),
        "method": layout.method,
        "trustworthiness": layout.trustworthiness,
        "recall": layout.recall,
        "laid_out": layout.embedded,
        "notes": notes,
    }
