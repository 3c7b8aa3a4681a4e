"""What a classification got wrong, as plain values: for summaries, tables and other programs."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import TypedDict

from convscope.collection.classification import Classification, class_numbers
from convscope.collection.reading import Index


class ClassScore(TypedDict):
    """How well a class is recognized: of `images` with the label, `right` are predicted so.

    `precision` is None if no image at all is predicted so.
    """

    label: str
    images: int
    right: int
    precision: float | None
    recall: float
    f1: float


class Classified(TypedDict):
    """An image, its label and its prediction.

    The confidence is a probability of the network, or the cosine with a class's mean embedding.
    `label_rank` is the place of the label among the predictions; None, as the label's confidence,
    if it is not among those that the index keeps.
    """

    image: int
    path: str
    label: str
    prediction: str
    confidence: float
    label_confidence: float | None
    label_rank: int | None


def class_scores(results: Sequence[Classification]) -> list[ClassScore]:
    """Precision, recall and F1 of each label, in alphabetical order."""
    return [
        {
            "label": one.label,
            "images": one.images,
            "right": one.right,
            "precision": one.precision,
            "recall": one.recall,
            "f1": one.f1,
        }
        for one in class_numbers(results)
    ]


def as_rows(index: Index, results: Sequence[Classification]) -> list[Classified]:
    """A row for each image."""
    return [
        {
            "image": one.row,
            "path": index.paths[one.row],
            "label": one.label,
            "prediction": one.prediction,
            "confidence": one.confidence,
            "label_confidence": one.of_label,
            "label_rank": one.rank,
        }
        for one in results
    ]
