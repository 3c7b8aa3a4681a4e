"""The confusions of a network on a labeled collection: which classes it takes for which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, NotRequired

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope.collection import (
    Index,
    Labeled,
    blocks,
    class_numbers,
    classified,
    confused_pairs,
    index_of,
    labeled_images,
    precision,
)
from convscope.files import decoded
from convscope.network import Network
from convscope.runs import IndexPath, technique
from convscope.types import Bars, Frame, Grid

NEIGHBORS = 5


WORST = 12  # classes whose accuracy is drawn


class Confusion(TypedDict):
    """How many images with one label were classified as another."""

    label: str
    prediction: str
    images: int


class ConfusionsSummary(TypedDict):
    """Counts, accuracies, and the confused pairs, the most frequent first.

    `class_accuracy` is the accuracy for each label. `precision_at_5` is how often the five nearest
    images have the same label: by embeddings, by pixels and by chance.
    """

    by: str
    images: int
    labels: int
    accuracy: float
    confused: list[Confusion]
    class_accuracy: dict[str, float]
    precision_at_5: dict[str, float]
    top5_accuracy: NotRequired[float]


@technique(
    title="Confusions",
    paper="Krizhevsky, Sutskever and Hinton 2012; Mensink, Verbeek, Perronnin and Csurka 2013",
    url="https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks",
    chapter="Collections of images",
)
def confusions(
    net: Network,
    *,
    index: IndexPath,
    by: Annotated[
        Literal["network", "embeddings"] | None,
        Field(
            description="what classifies the images: the network or the nearest mean embedding; if"
            " not given, the network where every label is one of its classes"
        ),
    ] = None,
    limit: Annotated[
        int, Field(ge=1, le=200, description="maximum number of confused pairs to draw")
    ] = 8,
    count: Annotated[
        int, Field(ge=1, le=20, description="number of images on each side of a pair")
    ] = 4,
) -> Iterator[Frame[ConfusionsSummary]]:
    """The classes of a labeled collection that the network confuses, with example images.

    An image's label is the name of its folder; two names of one class of the network (goldfish and
    n01443537) are one label. A row is a pair of classes: on the left, images of
    the first class that were classified as the second, the most confident first; on the right,
    images of the second class nearest to its mean embedding. If the labels are classes of the
    network (names, numbers or WordNet ids), its predictions count. Otherwise an image is assigned
    to the class with the nearest mean embedding by cosine, and is left out of the mean of its own
    class. `arrays` holds the mean embedding of each class. `summary` also gives how often the five
    nearest images have the same label, by embeddings, by pixels and by chance.
    """
    opened = index_of(net, index)
    labeled = labeled_images(net, opened)
    classifier, results = classified(net, opened, labeled, by)
    pairs = confused_pairs(results)
    summary: ConfusionsSummary = {
        "by": classifier,
        "images": len(results),
        "labels": len(labeled.names),
        "accuracy": sum(one.right for one in results) / len(results),
        "confused": [
            {"label": one, "prediction": other, "images": len(rows)} for one, other, rows in pairs
        ],
        "class_accuracy": {one.label: one.recall for one in class_numbers(results)},
        "precision_at_5": _precision(opened, labeled),
    }
    if classifier == "network":
        summary["top5_accuracy"] = sum(one.in_top5 for one in results) / len(results)
    means = (labeled.sums / np.maximum(labeled.sizes, 1)[:, None]).astype(np.float32)
    yield Frame(
        panels=(_grid(opened, labeled, pairs[:limit], limit, count), _bars(summary)),
        arrays={"means": torch.from_numpy(means), "images": torch.tensor(labeled.sizes)},
        summary=summary,
    )


def _precision(index: Index, labeled: Labeled) -> dict[str, float]:
    """How often the nearest images have the same label."""
    by_embeddings, chance = precision(index.embeddings, labeled.labels, NEIGHBORS)
    by_pixels, _ = precision(index.pixels, labeled.labels, NEIGHBORS, metric="l2")
    return {"embeddings": by_embeddings, "pixels": by_pixels, "chance": chance}


def _typical(labeled: Labeled, count: int) -> dict[str, list[int]]:
    """The images of each label whose embeddings are nearest to the label's mean."""
    lengths = np.linalg.norm(labeled.sums, axis=1, keepdims=True)
    directions = labeled.sums / np.maximum(lengths, 1e-12)
    found: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for rows, block, own in blocks(labeled.embeddings, labeled.numbers):
        length = np.maximum(np.linalg.norm(block, axis=1), 1e-12)
        cosine = (block * directions[own]).sum(1) / length
        for row, number, value in zip(rows, own, cosine, strict=True):
            kept = found[labeled.names[number]]
            kept.append((-float(value), int(row)))
            kept.sort()
            del kept[count:]
    return {label: [row for _, row in kept] for label, kept in found.items()}


def _grid(
    index: Index,
    labeled: Labeled,
    pairs: Sequence[tuple[str, str, list[int]]],
    limit: int,
    count: int,
) -> Grid:
    """A row for each confused pair, or for each label if nothing was confused."""
    typical = _typical(labeled, count)
    if not pairs:
        labels = labeled.names[:limit]
        rows = [_padded(typical[label], count) for label in labels]
        caption = "no image was misclassified; typical images of each class"
        return _tiles(index, rows, caption, labels)
    widest = min(count, max(len(images) for *_, images in pairs))
    rows = [
        [*_padded(images, widest), None, *_padded(typical.get(prediction, []), count)]
        for _, prediction, images in pairs
    ]
    caption = "left: misclassified images; right: typical images of the predicted class"
    names = [f"{label} as {prediction} ({len(images)})" for label, prediction, images in pairs]
    return _tiles(index, rows, caption, names)


def _padded(rows: Sequence[int], width: int) -> list[int | None]:
    return [*rows[:width], *[None] * (width - len(rows))]


def _tiles(
    index: Index, rows: Sequence[Sequence[int | None]], caption: str, names: Sequence[str]
) -> Grid:
    """The images with these row numbers in the index, and white tiles for None."""
    pictures = decoded(index.thumbnails([r for row in rows for r in row if r is not None]))
    white = torch.ones(3, *pictures[0].shape[1:])
    shown: Iterator[Tensor] = iter(pictures)
    return Grid(
        torch.stack([white if r is None else next(shown) for row in rows for r in row]),
        caption,
        columns=len(rows[0]),
        rows=tuple(names),
        low=0.0,
        high=1.0,
        tile_inches=1.0,
    )


def _bars(summary: ConfusionsSummary) -> Bars:
    """The classes with the lowest accuracy."""
    accuracy = summary["class_accuracy"]
    worst = sorted(accuracy, key=lambda label: (accuracy[label], label))[:WORST]
    return Bars(
        tuple(worst),
        tuple(accuracy[label] for label in worst),
        "fraction of the class's images that are classified correctly",
        f"accuracy {summary['accuracy']:.1%} on {summary['images']:,} images; the classes with the"
        " lowest accuracy",
        form=".0%",
    )
