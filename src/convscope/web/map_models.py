"""What the map of a collection is made of. Coordinates and columns travel as bytes beside these."""

from __future__ import annotations

from typing import Literal

from convscope.web.panel_models import Message

LayoutMethod = Literal["tsne", "umap", "pca", "isomap"]


class MapColumn(Message):
    """A fact that is known of each photograph, as words or as numbers."""

    name: str
    title: str
    kind: Literal["words", "numbers"]


class MapLayout(Message):
    """A way to lay the photographs out.

    Attributes:
        made: whether its places are kept in the index; else a run of the technique makes them.
        unavailable: why it cannot be made here, None where it can.
        laid_out: how many photographs were laid out together; the others were placed among them.
    """

    method: LayoutMethod
    title: str
    made: bool
    unavailable: str | None = None
    trustworthiness: float | None = None
    recall: float | None = None
    laid_out: int | None = None
    notes: list[str]


class MapInfo(Message):
    """A collection as a map shows it.

    Attributes:
        id: that of the index.
        version: changes with the index, so that what was kept of it counts no more.
    """

    id: str
    name: str
    network: str
    version: str
    photographs: int
    columns: list[MapColumn]
    layouts: list[MapLayout]


class MapNeighbors(Message):
    """The photographs nearest to one, the nearest first, and how far each is."""

    rows: list[int]
    distances: list[float]
