"""What each color of a photograph adds to the score."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from typing_extensions import TypedDict

from convscope.attribution import ask
from convscope.network import Network
from convscope.runs import TargetName, technique
from convscope.types import Bars, Frame, Picture

COLORS = ("red", "green", "blue")


class ColorLossSummary(TypedDict):
    """The target, its score, and by how much the score falls without each color."""

    target: str
    score: float
    loss: dict[str, float]


@technique(
    title="Color loss",
    paper="Zeiler and Fergus 2014",
    url="https://arxiv.org/abs/1311.2901",
    batch=False,
)
def color_loss(
    net: Network, image: Tensor, *, target: TargetName = None
) -> Iterator[Frame[ColorLossSummary]]:
    """How much the score falls if one color of the photograph is replaced by its mean.

    A high bar means that the network needs this color for the target. It is occlusion over colors
    instead of places, and like there, the changed photographs may be unlike any training image.
    """
    question = ask(net, image, target).resolved()
    (name,), photo = question.names(), question.inputs
    score = question.score(photo)
    names = COLORS if photo.shape[1] == 3 else ("gray",)
    loss = {}
    for channel, color in enumerate(names):
        changed = photo.clone()
        changed[:, channel] = photo[:, channel].mean()
        loss[color] = float(score - question.score(changed))
    yield Frame(
        panels=(
            Picture(question.image[0], "the photograph", net.box(image)),
            Bars(names, tuple(loss.values()), f"loss of the score of {name}"),
        ),
        score=score,
        arrays={"loss": torch.tensor(list(loss.values()))},
        summary={"target": name, "score": float(score), "loss": loss},
    )
