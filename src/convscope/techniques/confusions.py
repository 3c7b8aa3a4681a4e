"""What a labeled collection tells of classes: which are taken for which."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired

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


WORST = 12  # classes that are drawn with their share of right answers


class Confusion(TypedDict):
    """How many images of one label were taken for another."""

    label: str
    taken_for: str
    images: int


class ConfusionsSummary(TypedDict):
    """Counts, accuracies, and the confused pairs, the most frequent first.

    `right` is the accuracy by label, `precision_at_5` how often the five nearest images have the
    same label, by embeddings, by pixels and by chance.
    """

    by: str
    images: int
    labels: int
    accuracy: float
    confused: list[Confusion]
    right: dict[str, float]
    precision_at_5: dict[str, float]
    top5_accuracy: NotRequired[float]


@technique(
    title="Classes",
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
            description="take the network's own answers, or the nearest mean embedding; the network's"
            " where the labels are its classes if not given"
        ),
    ] = None,
    limit: Annotated[int, Field(ge=1, le=200, description="pairs that are drawn at most")] = 8,
    count: Annotated[int, Field(ge=1, le=20, description="images of each side of a pair")] = 4,
) -> Iterator[Frame[ConfusionsSummary]]:
    """Which classes of a labeled collection are taken for which others.

    An image's label is the name of the folder that it lies in. A row is a pair: left images of one
    class that were taken for another, the surest first; right those of the other that are nearest
    to the mean of its embeddings. Labels may be the network's classes (names, numbers or WordNet ids);
    then its own answers count. Otherwise an image is taken for the class whose mean embedding is nearest
    by cosine, its own embedding left out of its class's mean. `arrays` has the mean embedding of each class.
    How often the five nearest images have the same label is told for embeddings, for pixels and for
    chance.
    """
    found = index_of(net, index)
    named = found.images["label"].to_pylist()
    labels = sorted({label for label in named if label is not None})
    if len(labels) < 2:
        raise ConvscopeError(
            f"{index} has {len(labels)} label{'s' * (len(labels) != 1)}: put the images of a class"
            " into a folder of its name"
        )
    numbers = np.array([-1 if label is None else labels.index(label) for label in named])
    sums, sizes = _sums(found.embeddings, numbers, len(labels))
    own = _own_classes(net, labels)
    if by is None:
        by = "network" if len(own) == len(labels) else "embeddings"
    if by == "network" and not own:
        raise ConvscopeError(f"none of the labels is a class of {net.name}: take by='embeddings'")
    if by == "network":
        answers = _by_network(net, found, labels, own)
    else:
        answers = _by_embeddings(found.embeddings, numbers, sums, sizes, labels)
    pairs = _pairs(answers)
    typical = _typical(found.embeddings, numbers, sums, labels, count)
    grid = _drawn(
        found, pairs[:limit] or [(label, label, []) for label in labels[:limit]], typical, count
    )
    shares = _shares(answers)
    worst = sorted(shares, key=lambda label: (shares[label], label))[:WORST]
    by_embedding, chance = precision(found.embeddings, named, NEIGHBORS)
    by_pixel, _ = precision(found.pixels, named, NEIGHBORS, metric="l2")
    right = [answer.prediction == answer.label for answer in answers]
    summary: dict[str, Any] = {
        "by": by,
        "images": len(answers),
        "labels": len(labels),
        "accuracy": sum(right) / len(right),
        "confused": [
            {"label": one, "taken_for": other, "images": len(rows)} for one, other, rows in pairs
        ],
        "right": shares,
        "precision_at_5": {
            "embeddings": by_embedding,
            "pixels": by_pixel,
            "chance": chance,
        },
    }
    if by == "network":
        summary["top5_accuracy"] = sum(answer.among for answer in answers) / len(answers)
    bars = Bars(
        tuple(worst),
        tuple(shares[label] for label in worst),
        "share of its images taken for it",
        f"{summary['accuracy']:.1%} of {len(answers):,} images right; the least certain classes",
        form=".0%",
    )
    means = sums / np.maximum(sizes, 1)[:, None]
    yield Frame(
        panels=(grid, bars),
        arrays={"means": torch.from_numpy(means.astype(np.float32)), "images": torch.tensor(sizes)},
        summary=summary,
    )


@dataclass(frozen=True)
class _Answer:
    """What one image was taken for, how surely, and whether its label was among the first five."""

    row: int
    label: str
    prediction: str
    sure: float
    among: bool


def _own_classes(net: Network, labels: Sequence[str]) -> dict[str, int]:
    """Those of the labels that name a class of the network, and its number."""
    found = {}
    for label in labels:
        try:
            target = net.target(label)
        except ConvscopeError:
            continue
        if target.label is not None and target.channel is not None:
            found[label] = target.channel
    return found


def _by_network(
    net: Network, found: Index, labels: Sequence[str], own: dict[str, int]
) -> list[_Answer]:
    by_number = {number: label for label, number in own.items()}
    rows = found.images.select(["label", "classes", "probabilities"]).to_pylist()
    answers = []
    for row, image in enumerate(rows):
        if image["label"] in own:
            first = image["classes"][0]
            prediction = by_number.get(first) or net.label(first)
            among = own[image["label"]] in image["classes"]
            answers.append(
                _Answer(row, image["label"], prediction, image["probabilities"][0], among)
            )
    return answers


def _by_embeddings(
    embeddings: Array, numbers: Array, sums: Array, sizes: Array, labels: Sequence[str]
) -> list[_Answer]:
    """By the nearest mean; of an image's own class that of the others, where there are any."""
    squares = (sums**2).sum(1)
    answers = []
    for begin, block, of in _blocks(embeddings, numbers):
        each, square = np.arange(len(block)), (block**2).sum(1)
        product = block @ sums.T
        length = np.broadcast_to(squares, product.shape).copy()
        length[each, of] = squares[of] - 2 * product[each, of] + square
        product[each, of] -= square
        scale = np.sqrt(np.maximum(length, 0) * square[:, None])
        likeness = np.where(scale > 0, product / np.where(scale > 0, scale, 1), -1)
        likeness[each, of] = np.where(sizes[of] > 1, likeness[each, of], -1)
        order = np.argsort(-likeness, axis=1, kind="stable")
        for i, row in enumerate(begin):
            first, label = order[i, 0], labels[of[i]]
            among = bool((order[i, :5] == of[i]).any())
            answers.append(_Answer(int(row), label, labels[first], likeness[i, first], among))
    return answers


def _sums(embeddings: Array, numbers: Array, count: int) -> tuple[Array, Array]:
    """Of each class the sum of its embeddings (count, D), and how many there are."""
    sums = np.zeros((count, embeddings.shape[1]))
    for _, block, of in _blocks(embeddings, numbers):
        np.add.at(sums, of, block)
    return sums, np.bincount(numbers[numbers >= 0], minlength=count)


def _blocks(embeddings: Array, numbers: Array) -> Iterator[tuple[Array, Array, Array]]:
    """Rows of labeled images, their embeddings in double precision, and the numbers of their labels."""
    labeled = np.flatnonzero(numbers >= 0)
    for begin in range(0, len(labeled), BLOCK):
        rows = labeled[begin : begin + BLOCK]
        yield rows, embeddings[rows].astype(np.float64), numbers[rows]


def _pairs(answers: Sequence[_Answer]) -> list[tuple[str, str, list[int]]]:
    """Label, what it was taken for, and the images: most of them first, the surest first."""
    taken: dict[tuple[str, str], list[_Answer]] = defaultdict(list)
    for answer in answers:
        if answer.prediction != answer.label:
            taken[answer.label, answer.prediction].append(answer)
    order = sorted(taken, key=lambda pair: (-len(taken[pair]), pair))
    return [
        (*pair, [a.row for a in sorted(taken[pair], key=lambda a: (-a.sure, a.row))])
        for pair in order
    ]


def _shares(answers: Sequence[_Answer]) -> dict[str, float]:
    """Of each label, the share of its images that were taken for it."""
    all_, right = (
        Counter(a.label for a in answers),
        Counter(a.label for a in answers if a.prediction == a.label),
    )
    return {label: right[label] / all_[label] for label in sorted(all_)}


def _typical(
    embeddings: Array, numbers: Array, sums: Array, labels: Sequence[str], count: int
) -> dict[str, list[int]]:
    """Of each label, the images whose embeddings are nearest to its mean."""
    directions = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    found: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for rows, block, of in _blocks(embeddings, numbers):
        length = np.maximum(np.linalg.norm(block, axis=1), 1e-12)
        likeness = (block * directions[of]).sum(1) / length
        for row, number, value in zip(rows, of, likeness, strict=True):
            kept = found[labels[number]]
            kept.append((-float(value), int(row)))
            kept.sort()
            del kept[count:]
    return {label: [row for _, row in kept] for label, kept in found.items()}


def _drawn(
    found: Index,
    pairs: Sequence[tuple[str, str, Sequence[int]]],
    typical: dict[str, list[int]],
    count: int,
) -> Grid:
    """A row a pair; where nothing was confused, a row a class."""
    confused = any(rows for *_, rows in pairs)
    widest = min(count, max(len(taken) for *_, taken in pairs))
    rows: list[list[int | None]] = []
    for _, other, taken in pairs:
        left: list[int | None] = [*taken[:widest], *[None] * (widest - len(taken))]
        right: list[int | None] = [*typical.get(other, [])[:count]]
        right += [None] * (count - len(right))
        rows.append([*left, None, *right] if confused else right)
    pictures = decoded(found.thumbnails([r for row in rows for r in row if r is not None]))
    height, width = pictures[0].shape[1:]
    blank = torch.ones(3, height, width)
    shown: Iterator[Tensor] = iter(pictures)
    tiles = [blank if r is None else next(shown) for row in rows for r in row]
    if not confused:
        return Grid(
            torch.stack(tiles),
            "no image was taken for another class; those nearest to the mean of theirs",
            columns=count,
            rows=tuple(label for label, *_ in pairs),
            low=0.0,
            high=1.0,
            tile_inches=1.0,
        )
    return Grid(
        torch.stack(tiles),
        "left: images taken for another class; right: what is most typical of that class",
        columns=widest + 1 + count,
        rows=tuple(f"{one} as {other} ({len(taken)})" for one, other, taken in pairs),
        low=0.0,
        high=1.0,
        tile_inches=1.0,
    )
