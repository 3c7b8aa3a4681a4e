"""The images of a collection that are most like a photograph, to the network and by pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
from convscope.types import Frame, Grid

COPIES = 16  # looked at beyond those asked for, in case some are the same image


class Neighbor(TypedDict):
    """An image of the collection: its number, its file, its label or prediction, its distance."""

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
)
def neighbors(
    net: Network,
    image: Tensor,
    *,
    index: IndexPath,
    count: Annotated[int, Field(ge=1, le=1000, description="how many neighbors")] = 8,
    metric: Annotated[
        Literal["cosine", "l2"],
        Field(description="how embeddings are compared; pixels by l2 always"),
    ] = "cosine",
    search: Annotated[
        Literal["exact", "faiss", "lance"],
        Field(
            description="look at every embedding, or go by an approximate index of FAISS or LanceDB,"
            " which is built when it is first asked for"
        ),
    ] = "exact",
    where: Annotated[
        str | None,
        Field(
            description="only images for which this SQL holds (label = 'cat' AND width > 500),"
            " with search lance"
        ),
    ] = None,
) -> Iterator[Frame[NeighborsSummary]]:
    """Which images of a collection are nearest to a photograph, by its embedding and by its pixels.

    The embedding is what the network reads its classes off; pixels are compared as the network sees
    them, shrunk to 32 x 32, by the root mean square of their differences. Below each image is its
    label, or what the network says, and its distance. The photograph itself, where the collection
    has it, is left out, and of copies the first alone is shown. Several photographs of one size
    make a pair of rows each.
    """
    if where is not None and search != "lance":
        raise ConvscopeError("where needs search='lance'")
    found = index_of(net, index)
    seen = net.preprocess(image)
    with torch.no_grad():
        answers = net.read(seen, {found.settings.embedding, *([""] if net.num_classes else [])})
    embeddings = by_place(answers[found.settings.embedding]).float().mean(1).cpu().numpy()
    shown = seen.float().expand(-1, 3, -1, -1).cpu()
    pixels = np.stack([shrunk(one[None], (PIXELS, PIXELS)).reshape(-1) for one in shown])
    summary: dict[str, Any] = {"images": len(found), "metric": metric, "search": search}
    if search == "exact":

        def by_embedding(n: int) -> Neighbors:
            return exact(found.embeddings, embeddings, n, metric)

    else:
        built = _built(found, search, metric)
        summary |= {"recall_at_10": built.recall, "build_seconds": round(built.seconds, 1)}

        def by_embedding(n: int) -> Neighbors:
            if isinstance(built, Lance):
                return built.search(embeddings, n, where)
            return built.search(embeddings, n)

    def by_pixel(n: int) -> Neighbors:
        near = exact(found.pixels, pixels.astype(np.float32), n, "l2")
        # As the root mean square difference, where black to white is 1.
        return near._replace(distances=near.distances / (255 * pixels.shape[1] ** 0.5))

    source = images.source(image)
    own = source["sha256"] if source else ""
    spaces = {"embedding": _distinct(found, by_embedding, count, own)}
    if where is None:
        spaces["pixels"] = _distinct(found, by_pixel, count, own)
    for space, near in spaces.items():
        rows = [
            [
                {
                    "image": row,
                    "path": found.images["path"][row].as_py(),
                    "label": found.images["label"][row].as_py(),
                    "prediction": found.prediction(row),
                    "distance": round(distance, 6),
                }
                for row, distance in one
            ]
            for one in near
        ]
        summary[space] = rows[0] if len(image) == 1 else rows
    predictions = (
        [net.name_classes(logits, 1)[0].label for logits in answers[""]] if net.num_classes else []
    )
    yield Frame(panels=(_drawn(found, shown, predictions, spaces, count),), summary=summary)


def _built(found: Index, search: str, metric: Literal["cosine", "l2"]) -> Faiss | Lance:
    """An approximate search over an index, kept in it."""
    folder = found.path / "search"
    if search == "faiss":
        return Faiss.open_or_build(found.embeddings, folder, metric=metric, key=found.digest)
    return Lance.open_or_build(
        found.embeddings, folder, found.records(), metric=metric, key=found.digest
    )


def _distinct(
    found: Index, look: Callable[[int], Neighbors], count: int, own: str
) -> list[list[tuple[int, float]]]:
    """Of each query the nearest images and their distances, without itself and without copies."""
    contents = found.images["sha256"]
    wanted = count + COPIES
    while True:
        near = look(min(wanted, len(found)))
        chosen = []
        for rows, distances in zip(*near, strict=True):
            met = {own}
            kept: list[tuple[int, float]] = []
            for row, distance in zip(rows.tolist(), distances.tolist(), strict=True):
                content = contents[row].as_py() if row >= 0 else own
                if content not in met:
                    met.add(content)
                    kept.append((row, distance))
            chosen.append(kept[:count])
        if wanted >= len(found) or all(len(kept) == count for kept in chosen):
            return chosen
        wanted *= 4


def _drawn(
    found: Index,
    seen: Tensor,
    predictions: list[str],
    spaces: Mapping[str, list[list[tuple[int, float]]]],
    count: int,
) -> Grid:
    """A row for each space of each query: the query, and its neighbors."""
    numbers = [row for near in spaces.values() for one in near for row, _ in one]
    pictures = dict(zip(numbers, images.decoded(found.thumbnails(numbers)), strict=True))
    side = found.settings.thumbnail
    scale = side / max(seen.shape[-2:])
    size = tuple(max(1, round(s * scale)) for s in seen.shape[-2:])
    queries = tensors.resize(seen, (size[0], size[1])).clamp(0, 1)
    tiles, captions, rows = [], [], []
    for i, query in enumerate(queries):
        for space, near in spaces.items():
            tiles.append(query)
            captions.append(predictions[i] if predictions else " ")
            for row, distance in near[i]:
                tiles.append(pictures[row])
                label = found.images["label"][row].as_py() or found.prediction(row)
                captions.append(f"{label} {distance:.3g}".strip())
            missing = count - len(near[i])
            tiles += [torch.ones_like(query)] * missing
            captions += [" "] * missing
            rows.append(f"by {space}")
    return Grid(
        torch.stack(tiles),
        f"the nearest of {len(found):,} images; left the photograph itself",
        columns=count + 1,
        captions=tuple(captions),
        rows=tuple(rows),
        low=0.0,
        high=1.0,
        tile_inches=1.1,
    )
