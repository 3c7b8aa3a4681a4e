"""What the network says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope.network import Network
from convscope.runs import technique
from convscope.types import Bars, Frame, Panel, Picture


class PredictedClass(TypedDict):
    """One class: its name, its probability and its number."""

    label: str
    probability: float
    index: int


class PredictSummary(TypedDict):
    """The likeliest classes; of several images a list for each."""

    predictions: list[PredictedClass]


@technique(
    title="Prediction",
    paper="Krizhevsky, Sutskever and Hinton 2012",
    url="https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks",
)
def predict(
    net: Network,
    image: Tensor,
    *,
    top: Annotated[int, Field(ge=1, le=100, description="how many classes to show")] = 5,
) -> Iterator[Frame[PredictSummary]]:
    """What the network says the photo shows, with the probability of each class.

    Probabilities are the softmax of the logits over all classes that the network knows, so they
    share out certainty among these: a thing that is none of them must be called one all the same.
    """
    logits = net.logits(image)
    panels: list[Panel] = []
    summary = []
    for photo, row in zip(image, logits, strict=True):
        found = net.name_classes(row, top)
        summary.append([one._asdict() for one in found])
        panels.append(Picture(photo, "what the network saw", net.box(image)))
        names, values = tuple(p.label for p in found), tuple(p.probability for p in found)
        panels.append(Bars(names, values, "probability", "what it says", ".1%"))
    yield Frame(
        panels=tuple(panels),
        score=logits.amax(1),
        arrays={"logits": logits},
        summary={"predictions": summary[0] if len(summary) == 1 else summary},
    )
