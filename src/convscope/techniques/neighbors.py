"""The images of a collection nearest to a photograph, by embedding and by pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope import tensors
from convscope.collection import (
    PIXELS,
    Faiss,
    Index,
    Lance,
    Neighbors,
    by_place,
    exact,
    index_of,
    shrunk,
)
from convscope.errors import ConvscopeError
from convscope.files import images
from convscope.network import Network
from convscope.runs import IndexPath, technique
from convscope.types import Array, Frame, Grid

COPIES = 16  # images read beyond those asked for, because some may be copies of one image


Search = Callable[[int], Neighbors]


class Neighbor(TypedDict):
    """An image of the collection: its row in the index, file, label, prediction and distance."""

    image: int
    path: str
    label: str | None
    prediction: str
    distance: float


class NeighborsSummary(TypedDict):
    """The nearest images by embedding and by pixels; of several photographs a list for each.

    An approximate search has its recall and the seconds that it took to build.
    """

    images: int
    metric: str
    search: str
    embedding: list[Neighbor]
    pixels: NotRequired[list[Neighbor]]
    recall_at_10: NotRequired[float]
    build_seconds: NotRequired[float]


@technique(
    title="Nearest neighbors",
    paper="Krizhevsky, Sutskever and Hinton 2012",
    url="https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks",
    chapter="Collections of images",
)
def neighbors(
    net: Network | None,
    image: Tensor,
    *,
    index: IndexPath,
    count: Annotated[
        int, Field(ge=1, le=1000, description="number of neighbors of each photograph")
    ] = 8,
    metric: Annotated[
        Literal["cosine", "l2"],
        Field(description="distance between embeddings; pixels are always compared by l2"),
    ] = "cosine",
    search: Annotated[
        Literal["exact", "faiss", "lance"],
        Field(
            description="exact compares every embedding; faiss and lance build an approximate index"
            " on first use"
        ),
    ] = "exact",
    where: Annotated[
        str | None,
        Field(
            description="condition in SQL on the neighbors (label = 'cat' AND width > 500), for"
            " search lance only"
        ),
    ] = None,
) -> Iterator[Frame[NeighborsSummary]]:
    """The images of a collection that are nearest to a photograph, by embedding and by pixels.

    The embedding is the input of the network's classifier, or the output of a network that has
    none, such as HOG. Pixels are compared on the network's
    input, resized to 32 x 32, by the root mean square difference. Below each image are its label,
    or else the predicted class, and its distance. If the collection contains the photograph, it is
    left out, and only the first of several copies is shown. Each photograph of a batch gets a pair
    of rows.
    """
    if where is not None and search != "lance":
        raise ConvscopeError("where needs search='lance'")
    opened = index_of(net, index)
    queries = _queries(net, opened, image)
    by_embedding, about = _embedding_search(opened, queries, search, metric, where)
    found = {"embedding": _distinct(opened, by_embedding, count, queries.sha256)}
    if where is None:
        found["pixels"] = _distinct(opened, _pixel_search(opened, queries), count, queries.sha256)
    yield Frame(
        panels=(_grid(opened, queries, found, count),),
        summary={"images": len(opened), "metric": metric, "search": search}
        | about
        | {space: _summary(opened, near) for space, near in found.items()},
    )


@dataclass(frozen=True)
class _Queries:
    """The photographs whose neighbors are searched.

    `images` (Q, 3, H, W) are the network's inputs, `embeddings` (Q, D), `pixels` (Q, P) from 0 to
    255. `predictions` are empty where the network has no classes, and `sha256` is "" for images
    that were not opened from a file.
    """

    images: Tensor
    embeddings: Array
    pixels: Array
    predictions: list[str]
    sha256: str


def _queries(net: Network | None, index: Index, image: Tensor) -> _Queries:
    if net is None:
        return _known(index, image)
    layer, inputs = index.settings.embedding, net.preprocess(image)
    with torch.no_grad():
        activations = net.read(inputs, {layer, *([""] if net.num_classes else [])})
    shown = inputs.float().expand(-1, 3, -1, -1).cpu()
    logits = activations[""] if net.num_classes else ()
    source = images.source(image)
    return _Queries(
        shown,
        by_place(net.by_channel(layer, activations[layer])).float().mean(1).cpu().numpy(),
        np.stack([shrunk(one[None], (PIXELS, PIXELS)).reshape(-1) for one in shown]),
        [net.output.prediction(row) for row in logits],
        source["sha256"] if source else "",
    )


def _known(index: Index, image: Tensor) -> _Queries:
    """An image of the index itself, which needs no network."""
    source = images.source(image)
    contents = index.images["sha256"].to_pylist()
    if source is None or source["sha256"] not in contents:
        raise ConvscopeError(
            f"the photograph is not in {index.path}; to compare it, give the network that made the"
            " index"
        )
    row = contents.index(source["sha256"])
    return _Queries(
        torch.stack(images.decoded(index.thumbnails([row]))),
        np.asarray(index.embeddings[[row]], np.float32),
        np.array(index.pixels[[row]]),
        [index.prediction(row)] if index.output else [],
        source["sha256"],
    )


def _embedding_search(
    index: Index,
    queries: _Queries,
    search: str,
    metric: Literal["cosine", "l2"],
    where: str | None,
) -> tuple[Search, dict[str, Any]]:
    """How to find the nearest embeddings, and how good an approximate search is."""
    if search == "exact":
        return lambda n: exact(index.embeddings, queries.embeddings, n, metric), {}
    built = _built(index, search, metric)
    about = {"recall_at_10": built.recall, "build_seconds": round(built.seconds, 1)}
    if isinstance(built, Lance):
        return lambda n: built.search(queries.embeddings, n, where), about
    return lambda n: built.search(queries.embeddings, n), about


def _built(index: Index, search: str, metric: Literal["cosine", "l2"]) -> Faiss | Lance:
    """An approximate search, kept in the folder of the index."""
    folder = index.path / "search"
    if search == "faiss":
        return Faiss.open_or_build(index.embeddings, folder, metric=metric, key=index.digest)
    return Lance.open_or_build(
        index.embeddings, folder, index.records(), metric=metric, key=index.digest
    )


def _pixel_search(index: Index, queries: _Queries) -> Search:
    """Search by the root mean square difference of pixels, which run from 0 to 1."""
    scale = 255 * queries.pixels.shape[1] ** 0.5

    def search(n: int) -> Neighbors:
        near = exact(index.pixels, queries.pixels.astype(np.float32), n, "l2")
        return near._replace(distances=near.distances / scale)

    return search


def _distinct(
    index: Index, search: Search, count: int, sha256: str
) -> list[list[tuple[int, float]]]:
    """Rows and distances of each query's nearest images, without copies of them or of the query."""
    contents = index.images["sha256"]
    wanted = count + COPIES
    while True:
        near = search(min(wanted, len(index)))
        chosen = []
        for rows, distances in zip(*near, strict=True):
            known = {sha256}
            kept: list[tuple[int, float]] = []
            for row, distance in zip(rows.tolist(), distances.tolist(), strict=True):
                content = contents[row].as_py() if row >= 0 else sha256
                if content not in known:
                    known.add(content)
                    kept.append((row, distance))
            chosen.append(kept[:count])
        if wanted >= len(index) or all(len(kept) == count for kept in chosen):
            return chosen
        wanted *= 4


def _summary(index: Index, near: list[list[tuple[int, float]]]) -> list[Any]:
    """A list of neighbors for each query, or that list alone if there is one query."""
    rows: list[list[Neighbor]] = [
        [
            {
                "image": row,
                "path": index.paths[row],
                "label": index.folders[row],
                "prediction": index.prediction(row),
                "distance": round(distance, 6),
            }
            for row, distance in one
        ]
        for one in near
    ]
    return rows[0] if len(rows) == 1 else rows


def _grid(
    index: Index,
    queries: _Queries,
    found: Mapping[str, list[list[tuple[int, float]]]],
    count: int,
) -> Grid:
    """A row for each query and space: the query, and its neighbors."""
    numbers = [row for near in found.values() for one in near for row, _ in one]
    pictures = dict(zip(numbers, images.decoded(index.thumbnails(numbers)), strict=True))
    size = queries.images.shape[-2:]
    scale = index.settings.thumbnail / max(size)
    height, width = (max(1, round(side * scale)) for side in size)
    shown = tensors.resize(queries.images, (height, width)).clamp(0, 1)
    tiles, captions, rows = [], [], []
    for i, query in enumerate(shown):
        for space, near in found.items():
            missing = count - len(near[i])
            tiles += [query, *(pictures[row] for row, _ in near[i])]
            tiles += [torch.ones_like(query)] * missing
            captions.append(queries.predictions[i] if queries.predictions else " ")
            captions += [_caption(index, row, distance) for row, distance in near[i]]
            captions += [" "] * missing
            rows.append(f"by {space}")
    return Grid(
        torch.stack(tiles),
        f"left: the photograph; right: its nearest of {len(index):,} images",
        columns=count + 1,
        captions=tuple(captions),
        rows=tuple(rows),
        low=0.0,
        high=1.0,
        tile_inches=1.1,
    )


def _caption(index: Index, row: int, distance: float) -> str:
    label = index.folders[row] or index.prediction(row)
    return f"{label} {distance:.3g}".strip()
