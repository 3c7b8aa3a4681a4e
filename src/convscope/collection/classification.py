"""The labeled images of an index, and how they were classified."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from convscope.collection.reading import Index
from convscope.errors import ConvscopeError
from convscope.network import Output, class_number
from convscope.types import Array

BLOCK = 4096  # embeddings that are in memory at a time


@dataclass(frozen=True)
class Labeled:
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


def labeled_images(output: Output | None, index: Index, least: int = 2) -> Labeled:
    """The labeled images of an index; two names of one class of the network are one label.

    Raises:
        ConvscopeError: there are fewer than `least` labels.
    """
    folders: tuple[str | None, ...] = index.folders
    spellings = _spellings(output, {folder for folder in folders if folder is not None})
    labels = [folder and spellings.get(folder, folder) for folder in folders]
    names = sorted({label for label in labels if label is not None})
    if len(names) < least:
        raise ConvscopeError(
            f"{index.path} has {len(names)} label{'s' * (len(names) != 1)}; put the images of each"
            " class into a folder with the name of the class"
        )
    numbers = np.array([-1 if label is None else names.index(label) for label in labels])
    sums = np.zeros((len(names), index.embeddings.shape[1]))
    for _, block, own in blocks(index.embeddings, numbers):
        np.add.at(sums, own, block)
    sizes = np.bincount(numbers[numbers >= 0], minlength=len(names))
    return Labeled(index.embeddings, labels, names, numbers, sums, sizes)


def _spellings(output: Output | None, folders: Iterable[str]) -> dict[str, str]:
    """From each folder that is one of several for a class of the network to the class's name."""
    found: dict[int, list[str]] = defaultdict(list)
    for folder, number in network_classes(output, folders).items():
        found[number].append(folder)
    several = {number: names for number, names in found.items() if len(names) > 1}
    if output is None:
        return {}
    return {name: output.label(number) for number, names in several.items() for name in names}


def blocks(embeddings: Array, numbers: Array) -> Iterator[tuple[Array, Array, Array]]:
    """Rows of labeled images, their embeddings in double precision, and their labels' numbers."""
    labeled = np.flatnonzero(numbers >= 0)
    for begin in range(0, len(labeled), BLOCK):
        rows = labeled[begin : begin + BLOCK]
        yield rows, embeddings[rows].astype(np.float64), numbers[rows]


@dataclass(frozen=True)
class Classification:
    """The prediction for one image, its confidence, and whether the label is among the top five.

    `classes` are the numbers of the label and of the prediction, where the network classifies.
    `rank` is the place of the label among the predictions, from 1, and `of_label` its confidence;
    None if the index does not keep so many.
    """

    row: int
    label: str
    prediction: str
    confidence: float
    in_top5: bool
    classes: tuple[int, int] | None = None
    rank: int | None = None
    of_label: float | None = None

    @property
    def right(self) -> bool:
        """Whether the prediction is the label."""
        return self.prediction == self.label


def classified(
    output: Output | None, index: Index, labeled: Labeled, by: str | None
) -> tuple[str, list[Classification]]:
    """What the images were classified by, and how."""
    classes = network_classes(output, labeled.names)
    if by is None:
        by = "network" if len(classes) == len(labeled.names) else "embeddings"
    if by == "embeddings":
        return by, _by_embeddings(labeled)
    if output is None or not classes:
        name = index.identity["network"]["name"]
        raise ConvscopeError(f"none of the labels is a class of {name}; use by='embeddings'")
    return by, by_network(output, index, labeled.labels)


def network_classes(output: Output | None, labels: Iterable[str]) -> dict[str, int]:
    """The labels that name a class of the network, each with the number of the class."""
    found = {label: class_number(output, label) for label in labels} if output else {}
    return {label: number for label, number in found.items() if number is not None}


def by_network(
    output: Output, index: Index, image_labels: Sequence[str | None]
) -> list[Classification]:
    """How the network classified the images whose label is one of its classes."""
    names = sorted({label for label in image_labels if label is not None})
    classes = network_classes(output, names)
    labels = {number: label for label, number in classes.items()}
    results = []
    images = index.images.select(["classes", "probabilities"]).to_pylist()
    for row, (label, image) in enumerate(zip(image_labels, images, strict=True)):
        if label in classes:
            kept, sure = image["classes"], image["probabilities"]
            name = output.named(kept[0], sure[0])
            prediction = labels.get(kept[0], name) if name == output.label(kept[0]) else name
            own = classes[label]
            place = (
                kept.index(own)
                if own in kept and (kept[0] != own or name == output.label(own))
                else None
            )
            results.append(
                Classification(
                    row,
                    label,
                    prediction,
                    sure[0],
                    prediction == label or own in kept[1:],
                    (own, kept[0]),
                    rank=None if place is None else place + 1,
                    of_label=None if place is None else sure[place],
                )
            )
    return results


def _by_embeddings(labeled: Labeled) -> list[Classification]:
    """By the nearest mean; an image is left out of the mean of its own label, if others remain."""
    sums, sizes = labeled.sums, labeled.sizes
    squares = (sums**2).sum(1)
    results = []
    for rows, block, own in blocks(labeled.embeddings, labeled.numbers):
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
            place = int(np.flatnonzero(order[i] == own[i])[0])
            results.append(
                Classification(
                    int(row),
                    label,
                    prediction,
                    float(cosine[i, first]),
                    in_top5,
                    rank=place + 1,
                    of_label=float(cosine[i, own[i]]),
                )
            )
    return results


def confused_pairs(results: Sequence[Classification]) -> list[tuple[str, str, list[int]]]:
    """The images of each label and wrong prediction; frequent pairs and confident images first."""
    found: dict[tuple[str, str], list[Classification]] = defaultdict(list)
    for one in results:
        if not one.right:
            found[one.label, one.prediction].append(one)
    order = sorted(found, key=lambda pair: (-len(found[pair]), pair))
    return [
        (
            *pair,
            [one.row for one in sorted(found[pair], key=lambda one: (-one.confidence, one.row))],
        )
        for pair in order
    ]


def wilson(right: int, total: int) -> tuple[float, float]:
    """The 95 % confidence interval of a fraction (Wilson 1927), `right` of `total`."""
    z = 1.959964
    fraction, weight = right / total, z**2 / total
    middle = (fraction + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(fraction * (1 - fraction) / total + weight / (4 * total))
    return max(0.0, middle - half), min(1.0, middle + half)


class ClassNumbers(NamedTuple):
    """How many images have a label, how many of these are predicted so, and how many of all are."""

    label: str
    images: int
    right: int
    predicted: int

    @property
    def recall(self) -> float:
        """The fraction of the images with the label that are predicted so: the class's accuracy."""
        return self.right / self.images

    @property
    def precision(self) -> float | None:
        """The fraction of the images predicted so that have the label; None if there are none."""
        return self.right / self.predicted if self.predicted else None

    @property
    def f1(self) -> float:
        """The harmonic mean of recall and precision."""
        return 2 * self.right / (self.images + self.predicted)


def class_numbers(results: Sequence[Classification]) -> list[ClassNumbers]:
    """The numbers of each label, in alphabetical order."""
    images = Counter(one.label for one in results)
    right = Counter(one.label for one in results if one.right)
    predicted = Counter(one.prediction for one in results)
    return [ClassNumbers(one, images[one], right[one], predicted[one]) for one in sorted(images)]


def confusion_matrix(results: Sequence[Classification], names: Sequence[str]) -> Array:
    """How many images of each of the labels (rows) have which prediction (columns).

    The last of the (names, names + 1) columns counts predictions that are none of the names.
    """
    place = {name: number for number, name in enumerate(names)}
    matrix = np.zeros((len(names), len(names) + 1), int)
    for one in results:
        if one.label in place:
            matrix[place[one.label], place.get(one.prediction, len(names))] += 1
    return matrix
