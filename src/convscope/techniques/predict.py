"""The classes that a network predicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, NotRequired

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope.network import Network, Output
from convscope.runs import technique
from convscope.types import Bars, Frame, Grid, Panel, Picture, Prediction


class PredictedClass(TypedDict):
    """A class: its name, its probability, its number and, where it has one, its logit."""

    label: str
    probability: float
    index: int
    logit: NotRequired[float]


class PredictSummary(TypedDict):
    """The most probable classes (for several images, a list for each), and what makes them so."""

    predictions: list[PredictedClass]
    probability: str


@technique(
    title="Prediction",
    paper="Krizhevsky, Sutskever and Hinton 2012",
    url="https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks",
    chapter="What the network sees",
)
def predict(
    net: Network,
    image: Tensor,
    *,
    top: Annotated[int, Field(ge=1, le=100, description="number of classes to show")] = 5,
) -> Iterator[Frame[PredictSummary]]:
    """The classes that the network predicts for the image, with their probabilities.

    Probabilities are the softmax of the logits over all classes of the network, so they add up to
    1: an image of something else is assigned to one of these classes all the same. They are
    sigmoids if each class is right or wrong by itself, and the network's own numbers if it gives
    probabilities. For a map of class scores, the number of a class is its fraction of the map.
    """
    logits, output = net.logits(image), net.output
    panels: list[Panel] = []
    summary = []
    for one, row in zip(image, logits, strict=True):
        found = net.name_classes(row, top)
        summary.append([_described(output, row, one) for one in found])
        panels.append(Picture(one, "what the network saw", net.box(image)))
        names, values = tuple(p.label for p in found), tuple(p.probability for p in found)
        label = "fraction of the map" if output.is_map else "probability"
        panels.append(Bars(names, values, label, "prediction", ".1%"))
        if output.is_map:
            panels.append(_places(net, one, output.places(row[None])[0], found))
    yield Frame(
        panels=tuple(panels),
        score=logits.flatten(1).amax(1) if not output.boxes else output.ranking(logits).amax(1),
        arrays={"logits": logits},
        summary={
            "predictions": summary[0] if len(summary) == 1 else summary,
            "probability": output.description,
        },
    )


def _described(output: Output, row: Tensor, found: Prediction) -> PredictedClass:
    """A predicted class, from the network's numbers for the image."""
    described = PredictedClass(label=found.label, probability=found.probability, index=found.index)
    if output.probability and output.largest_is_top:
        described["logit"] = float(row[found.index])
    return described


def _places(net: Network, image: Tensor, places: Tensor, found: list[Prediction]) -> Grid:
    """What the network saw, bright where a class (1, h, w) is the prediction: a tile for each."""
    seen = net.preprocess(image[None])
    shown = [one for one in found if one.probability > 0]
    masks = torch.stack([places[one.index] for one in shown])[:, None]
    return Grid(
        torch.lerp(seen.mul(0.25), seen, F.interpolate(masks, seen.shape[-2:])),
        "bright where this class is predicted",
        columns=min(len(shown), 5),
        captions=tuple(one.label for one in shown),
        low=0.0,
        high=1.0,
    )
