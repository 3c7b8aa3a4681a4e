"""What the map of a collection shows."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from convscope.errors import ConvscopeError
from convscope.web.map_models import LayoutMethod, MapColumn, MapInfo, MapLayout, MapNeighbors
from convscope.web.messages import File
from convscope.web.requests import Place
from convscope.web.scopes import version_of

LAYOUTS: dict[LayoutMethod, str] = {
    "tsne": "t-SNE",
    "umap": "UMAP",
    "pca": "PCA",
    "isomap": "Isomap",
}

BINARY = "application/octet-stream"


def map_of(place: Place, index: str) -> MapInfo:
    """What there is to see of a collection."""
    facts = place.facts(index)
    columns = [
        MapColumn(name=name, title=facts.title(name), kind=facts.kind(name)) for name in facts.names
    ]
    return MapInfo(
        id=index,
        name=place.indexes[index].name,
        network=str(facts.index.identity["network"]["name"]),
        version=version_of(facts.index),
        photographs=len(facts.index),
        columns=columns,
        layouts=[_layout(facts.index, method, title) for method, title in LAYOUTS.items()],
    )


def _layout(index: Any, method: LayoutMethod, title: str) -> MapLayout:
    from convscope.collection import kept_layout

    found = kept_layout(index, method)
    if found is None:
        missing = method == "umap" and find_spec("umap") is None
        why = "UMAP is not installed: pip install 'convscope[umap]'" if missing else None
        return MapLayout(method=method, title=title, made=False, unavailable=why, notes=[])
    return MapLayout(
        method=method,
        title=title,
        made=True,
        trustworthiness=found.trustworthiness,
        recall=found.recall,
        laid_out=found.embedded,
        notes=list(found.notes),
    )


def map_column(place: Place, index: str, version: str, name: str) -> File:
    """A column: float32 numbers, or uint32 numbers of words and then the words, NUL between them.

    Raises:
        ConvscopeError: there is no such column.
    """
    return File(BINARY, place.facts(index, version)[name].packed())


def map_layout(place: Place, index: str, version: str, method: LayoutMethod) -> File:
    """The places of a layout, pairs of float32.

    Raises:
        ConvscopeError: it has not been made.
    """
    from convscope.collection import kept_layout

    found = kept_layout(place.index(index, version), method)
    if found is None:
        raise ConvscopeError(f"this collection has not been laid out by {LAYOUTS[method]} yet")
    return File(BINARY, found.places.astype("<f4").tobytes())


def map_neighbors(place: Place, index: str, row: int, space: str, count: int) -> MapNeighbors:
    """The photographs nearest to one: by the network's embedding, or by the pixels.

    Raises:
        ConvscopeError: there is no such photograph.
    """
    from convscope.collection import check_rows, exact

    found = place.index(index)
    check_rows(found, [row], 1)
    matrix = found.embeddings if space == "features" else found.pixels
    query = matrix[row : row + 1].astype(np.float32)
    near = exact(matrix, query, count, "cosine" if space == "features" else "l2", without=[row])
    return MapNeighbors(rows=near.rows[0].tolist(), distances=near.distances[0].tolist())
