"""The confusions of a network on a labeled collection: which classes it takes for which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Annotated, Literal, NotRequired

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope.collection import (
    Classified,
    ClassScore,
    Index,
    Labeled,
    as_rows,
    blocks,
    class_scores,
    classified,
    confused_pairs,
    confusion_matrix,
    index_of,
    labeled_images,
    network_classes,
    precision,
    wilson,
)
from convscope.files import decoded
from convscope.network import Network, Output
from convscope.runs import IndexPath, technique
from convscope.types import Frame, Grid, Matrix

NEIGHBORS = 5


WHOLE, PART = 50, 25  # classes of a matrix that is drawn whole, and of the part of a larger one


class Confusion(TypedDict):
    """How many images with one label were classified as another."""

    label: str
    prediction: str
    images: int


class ConfusionsSummary(TypedDict):
    """Counts, accuracies, the confused pairs, the most frequent first, and every mistake.

    `accuracy_interval` is the 95 % confidence interval of the accuracy (Wilson). `unmatched` are
    the labels that are no class of the network; if it classifies, their images do not count.
    `precision_at_5` is how often the five nearest images have the same label: by embeddings, by
    pixels and by chance.
    """

    by: str
    images: int
    labels: int
    unmatched: list[str]
    accuracy: float
    accuracy_interval: list[float]
    top5_accuracy: NotRequired[float]
    confused: list[Confusion]
    classes: list[ClassScore]
    mistakes: list[Classified]
    precision_at_5: dict[str, float]


@technique(
    title="Confusions",
    paper="Krizhevsky, Sutskever and Hinton 2012; Mensink, Verbeek, Perronnin and Csurka 2013",
    url="https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks",
    chapter="Collections of images",
)
def confusions(
    net: Network | None = None,
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
    n01443537) are one label. If the labels are classes of the network (names, numbers or WordNet
    ids), its predictions count. Otherwise an image is assigned to the class with the nearest mean
    embedding by cosine, and is left out of the mean of its own class. The matrix has a row for each
    label and a column for each prediction; of more than 50 classes the 25 with most mistakes.
    A row of photographs is a pair of classes: on the left, images of the first class that were
    classified as the second, the most confident first; on the right, images of the second class
    nearest to its mean embedding. `summary` lists every mistake with its file, and precision,
    recall and F1 of each class; a .csv file has a row for each image. `arrays` holds the confusion
    matrix, in the order of `classes` and with a last column for all other predictions, and the mean
    embedding of each class. The predictions are in the index, so no network is needed.
    """
    opened = index_of(net, index)
    output = opened.output_of(net)
    labeled = labeled_images(output, opened)
    classifier, results = classified(output, opened, labeled, by)
    pairs, rows = confused_pairs(results), as_rows(opened, results)
    classes, total = class_scores(results), len(results)
    right = sum(one.right for one in results)
    summary: ConfusionsSummary = {
        "by": classifier,
        "images": total,
        "labels": len(labeled.names),
        "unmatched": _unmatched(output, labeled),
        "accuracy": right / total,
        "accuracy_interval": list(wilson(right, total)),
        "confused": [
            {"label": one, "prediction": other, "images": len(images)}
            for one, other, images in pairs
        ],
        "classes": classes,
        "mistakes": [row for row, one in zip(rows, results, strict=True) if not one.right],
        "precision_at_5": _precision(opened, labeled),
    }
    if classifier == "network":
        summary["top5_accuracy"] = sum(one.in_top5 for one in results) / total
    matrix = torch.from_numpy(confusion_matrix(results, [one["label"] for one in classes]))
    means = (labeled.sums / np.maximum(labeled.sizes, 1)[:, None]).astype(np.float32)
    yield Frame(
        panels=(
            _matrix(summary, matrix),
            _grid(opened, labeled, pairs[:limit], limit, count),
        ),
        arrays={
            "matrix": matrix,
            "means": torch.from_numpy(means),
            "images": torch.tensor(labeled.sizes),
        },
        summary=summary,
        table=rows,
    )


def _unmatched(output: Output | None, labeled: Labeled) -> list[str]:
    """The labels that are no class of the network."""
    known = network_classes(output, labeled.names)
    return [name for name in labeled.names if name not in known]


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
    files = [" " if r is None else PurePath(index.paths[r]).name for row in rows for r in row]
    return Grid(
        torch.stack([white if r is None else next(shown) for row in rows for r in row]),
        caption,
        columns=len(rows[0]),
        captions=tuple(files),
        rows=tuple(names),
        low=0.0,
        high=1.0,
        tile_inches=1.0,
    )


def _matrix(summary: ConfusionsSummary, counts: Tensor) -> Matrix:
    """The confusion matrix; of many classes only those with most mistakes."""
    names = [one["label"] for one in summary["classes"]]
    places = list(range(len(names)))
    if len(names) > WHOLE:
        square = counts[:, :-1].clone().fill_diagonal_(0)
        wrong = square.sum(0) + square.sum(1) + counts[:, -1]
        places = sorted(wrong.argsort(descending=True, stable=True)[:PART].tolist())
    some = counts[places]
    others = some.sum(1) - some[:, places].sum(1)
    shown = torch.cat([some[:, places], others[:, None]], 1)
    columns = [*(names[place] for place in places), "others"]
    if not others.any():
        shown, columns = shown[:, :-1], columns[:-1]
    return Matrix(
        shown,
        tuple(names[place] for place in places),
        tuple(columns),
        "label",
        "prediction",
        frozenset((place, place) for place in range(len(places))),
        _matrix_caption(summary, len(places)),
    )


def _matrix_caption(summary: ConfusionsSummary, drawn: int) -> str:
    low, high = summary["accuracy_interval"]
    parts = [
        f"accuracy {summary['accuracy']:.1%} ({low:.1%} to {high:.1%}) on"
        f" {summary['images']:,} images"
    ]
    if summary["by"] == "embeddings":
        parts.append("by the nearest mean embedding")
    if drawn < len(summary["classes"]):
        parts.append(f"the {drawn} of {len(summary['classes'])} classes with most mistakes")
    if summary["unmatched"]:
        some = ", ".join(summary["unmatched"][:3])
        more = ", ..." if len(summary["unmatched"]) > 3 else ""
        parts.append(f"no class of the network: {some}{more}")
    return "; ".join(parts)
