"""The confusions of a network on a labeled collection: which classes it takes for which."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NotRequired

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope.collection import Index, index_of, precision
from convscope.errors import ConvscopeError
from convscope.files import decoded
from convscope.network import Network
from convscope.runs import IndexPath, technique
from convscope.types import Array, Bars, Frame, Grid

BLOCK = 4096  # embeddings that are in memory at a time


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
    labeled = _labeled(net, opened)
    classifier, results = _classified(net, opened, labeled, by)
    accuracies, pairs = _class_accuracy(results), _pairs(results)
    summary: ConfusionsSummary = {
        "by": classifier,
        "images": len(results),
        "labels": len(labeled.names),
        "accuracy": sum(one.prediction == one.label for one in results) / len(results),
        "confused": [
            {"label": one, "prediction": other, "images": len(rows)} for one, other, rows in pairs
        ],
        "class_accuracy": accuracies,
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


@dataclass(frozen=True)
class _Labeled:
    """The labeled images of an index.

    `labels` has each image's label, None for none. `names` are the labels in alphabetical order,
    and `numbers` (N,) each image's label among them, -1 for none. `sums` (labels, D) are the sums
    of each label's embeddings, `sizes` (labels,) their counts.
    """

    embeddings: Array
    labels: list[str | None]
    names: list[str]
    numbers: Array
    sums: Array
    sizes: Array


def _labeled(net: Network, index: Index) -> _Labeled:
    folders = index.images["label"].to_pylist()
    spellings = _spellings(net, {folder for folder in folders if folder is not None})
    labels = [spellings.get(folder, folder) for folder in folders]
    names = sorted({label for label in labels if label is not None})
    if len(names) < 2:
        raise ConvscopeError(
            f"{index.path} has {len(names)} label{'s' * (len(names) != 1)}; put the images of each"
            " class into a folder with the name of the class"
        )
    numbers = np.array([-1 if label is None else names.index(label) for label in labels])
    sums = np.zeros((len(names), index.embeddings.shape[1]))
    for _, block, own in _blocks(index.embeddings, numbers):
        np.add.at(sums, own, block)
    sizes = np.bincount(numbers[numbers >= 0], minlength=len(names))
    return _Labeled(index.embeddings, labels, names, numbers, sums, sizes)


def _spellings(net: Network, folders: Iterable[str]) -> dict[str, str]:
    """From each folder that is one of several for a class of the network to the class's name."""
    found: dict[int, list[str]] = defaultdict(list)
    for folder, number in _network_classes(net, folders).items():
        found[number].append(folder)
    several = {number: names for number, names in found.items() if len(names) > 1}
    return {name: net.label(number) for number, names in several.items() for name in names}


def _blocks(embeddings: Array, numbers: Array) -> Iterator[tuple[Array, Array, Array]]:
    """Rows of labeled images, their embeddings in double precision, and their labels' numbers."""
    labeled = np.flatnonzero(numbers >= 0)
    for begin in range(0, len(labeled), BLOCK):
        rows = labeled[begin : begin + BLOCK]
        yield rows, embeddings[rows].astype(np.float64), numbers[rows]


@dataclass(frozen=True)
class _Classification:
    """The prediction for one image, its confidence, and whether the label is among the top five."""

    row: int
    label: str
    prediction: str
    confidence: float
    in_top5: bool


def _classified(
    net: Network, index: Index, labeled: _Labeled, by: str | None
) -> tuple[str, list[_Classification]]:
    """What the images were classified by, and how."""
    classes = _network_classes(net, labeled.names)
    if by is None:
        by = "network" if len(classes) == len(labeled.names) else "embeddings"
    if by == "embeddings":
        return by, _by_embeddings(labeled)
    if not classes:
        raise ConvscopeError(f"none of the labels is a class of {net.name}; use by='embeddings'")
    return by, _by_network(net, index, labeled, classes)


def _network_classes(net: Network, labels: Iterable[str]) -> dict[str, int]:
    """The labels that name a class of the network, each with the number of the class."""
    found = {}
    for label in labels:
        try:
            target = net.target(label)
        except ConvscopeError:
            continue
        main = target.is_class and not target.layer and not target.place
        if main and target.channel is not None:
            found[label] = target.channel
    return found


def _by_network(
    net: Network, index: Index, labeled: _Labeled, classes: dict[str, int]
) -> list[_Classification]:
    labels = {number: label for label, number in classes.items()}
    results = []
    images = index.images.select(["classes", "probabilities"]).to_pylist()
    for row, (label, image) in enumerate(zip(labeled.labels, images, strict=True)):
        if label in classes:
            first, confidence = image["classes"][0], image["probabilities"][0]
            name = net.output.named(first, confidence)
            prediction = labels.get(first, name) if name == net.label(first) else name
            in_top5 = prediction == label or classes[label] in image["classes"][1:]
            results.append(_Classification(row, label, prediction, confidence, in_top5))
    return results


def _by_embeddings(labeled: _Labeled) -> list[_Classification]:
    """By the nearest mean; an image is left out of the mean of its own label, if others remain."""
    sums, sizes = labeled.sums, labeled.sizes
    squares = (sums**2).sum(1)
    results = []
    for rows, block, own in _blocks(labeled.embeddings, labeled.numbers):
        each, square = np.arange(len(block)), (block**2).sum(1)
        product = block @ sums.T
        length = np.broadcast_to(squares, product.shape).copy()
        length[each, own] = squares[own] - 2 * product[each, own] + square
        product[each, own] -= square
        scale = np.sqrt(np.maximum(length, 0) * square[:, None])
        cosine = np.where(scale > 0, product / np.where(scale > 0, scale, 1), -1)
        cosine[each, own] = np.where(sizes[own] > 1, cosine[each, own], -1)
        order = np.argsort(-cosine, axis=1, kind="stable")
        for i, row in enumerate(rows):
            first, label = order[i, 0], labeled.names[own[i]]
            in_top5 = bool((order[i, :5] == own[i]).any())
            prediction = labeled.names[first]
            results.append(_Classification(int(row), label, prediction, cosine[i, first], in_top5))
    return results


def _pairs(results: Sequence[_Classification]) -> list[tuple[str, str, list[int]]]:
    """The images of each label and wrong prediction; frequent pairs and confident images first."""
    found: dict[tuple[str, str], list[_Classification]] = defaultdict(list)
    for one in results:
        if one.prediction != one.label:
            found[one.label, one.prediction].append(one)
    order = sorted(found, key=lambda pair: (-len(found[pair]), pair))
    return [
        (
            *pair,
            [one.row for one in sorted(found[pair], key=lambda one: (-one.confidence, one.row))],
        )
        for pair in order
    ]


def _class_accuracy(results: Sequence[_Classification]) -> dict[str, float]:
    """The fraction of each label's images that were classified as that label."""
    images = Counter(one.label for one in results)
    right = Counter(one.label for one in results if one.prediction == one.label)
    return {label: right[label] / images[label] for label in sorted(images)}


def _precision(index: Index, labeled: _Labeled) -> dict[str, float]:
    """How often the nearest images have the same label."""
    by_embeddings, chance = precision(index.embeddings, labeled.labels, NEIGHBORS)
    by_pixels, _ = precision(index.pixels, labeled.labels, NEIGHBORS, metric="l2")
    return {"embeddings": by_embeddings, "pixels": by_pixels, "chance": chance}


def _typical(labeled: _Labeled, count: int) -> dict[str, list[int]]:
    """The images of each label whose embeddings are nearest to the label's mean."""
    lengths = np.linalg.norm(labeled.sums, axis=1, keepdims=True)
    directions = labeled.sums / np.maximum(lengths, 1e-12)
    found: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for rows, block, own in _blocks(labeled.embeddings, labeled.numbers):
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
    labeled: _Labeled,
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
