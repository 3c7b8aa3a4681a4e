"""A collection laid out in the plane, like beside like."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from typing_extensions import TypedDict

from convscope.collection import (
    at_random,
    cached_layout,
    index_of,
    nearest_grid,
    scattered,
    tiled,
    unique_grid,
)
from convscope.files import decoded
from convscope.network import Network
from convscope.runs import IndexPath, Seed, technique
from convscope.types import Frame, Mosaic

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
    title="Map",
    paper="van der Maaten and Hinton 2008; Karpathy 2014",
    url="https://www.jmlr.org/papers/v9/vandermaaten08a.html",
)
def embedding_map(
    net: Network,
    *,
    index: IndexPath,
    method: Annotated[
        Literal["tsne", "pca", "isomap", "umap"],
        Field(description="how embeddings are laid out in the plane"),
    ] = "tsne",
    show: Annotated[
        Literal["places", "grid", "nearest"],
        Field(
            description="every image at its place, each once in a grid, or in every cell of a grid"
            " the image that is nearest to it"
        ),
    ] = "places",
    perplexity: Annotated[
        float, Field(ge=1, le=1000, description="about how many neighbors t-SNE minds")
    ] = 30,
    sample: Annotated[
        int | None,
        Field(
            ge=5,
            le=10**7,
            description="at most so many images are laid out and the others placed among them"
            " (20000, isomap 4000, if not given)",
        ),
    ] = None,
    limit: Annotated[
        int, Field(ge=1, le=20_000, description="at most so many images are drawn, at random")
    ] = 2500,
    side: Annotated[
        int, Field(ge=1, le=200, description="cells a side where show is nearest")
    ] = 30,
    seed: Seed = 0,
) -> Iterator[Frame[EmbeddingMapSummary]]:
    """A collection laid out so that images with like embeddings lie beside each other.

    Of embeddings the fifty directions in which they vary most are laid out, by t-SNE from the first two
    of them. The map is kept in the index. Trustworthiness falls where images lie side by side whose
    embeddings are not alike, recall is the share of the ten nearest by embedding that are among the ten
    nearest here; both are 1 at best. How far apart groups lie, and how large they are, says little.
    `arrays` has the place of each image.
    """
    found = index_of(net, index)
    made = cached_layout(found, method, perplexity=perplexity, sample=sample, seed=seed)
    drawn = at_random(len(found), limit, seed)
    places = made.places[drawn]
    if show == "places":
        tiles = scattered(places)
    else:
        tiles = tiled(nearest_grid(places, side) if show == "nearest" else unique_grid(places))
    rows = drawn[tiles.rows]
    distinct, again = np.unique(rows, return_inverse=True)
    pictures = torch.stack(decoded(found.thumbnails(distinct.tolist())))
    notes = list(made.notes)
    if len(distinct) < len(found) and show != "nearest":
        notes.append(f"{len(distinct):,} of {len(found):,} images drawn")
    caption = (
        f"{NAMES[made.method]} of {len(found):,} images;"
        f" trustworthiness {made.trustworthiness:.2f}, recall of the ten nearest {made.recall:.2f}"
    )
    panel = Mosaic(
        pictures[again],
        torch.from_numpy(tiles.places).float(),
        (float(tiles.width), float(tiles.height)),
        "; ".join([caption, *notes]),
    )
    yield Frame(
        panels=(panel,),
        arrays={"places": torch.from_numpy(made.places)},
        summary={
            "images": len(found),
            "method": made.method,
            "trustworthiness": made.trustworthiness,
            "recall": made.recall,
            "laid_out": made.embedded,
            "notes": notes,
        },
    )
