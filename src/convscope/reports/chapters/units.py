"""What units inside the network see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from convscope.network import Network, default_layers
from convscope.reports.chapter import Chapter, chapter, layer_name


def chapters(net: Network, *, full: bool, seed: int) -> Iterator[Chapter]:
    """Chapters about layers whose units see much, less and little of the photograph."""

    def seeing(fraction: float) -> str:
        return layer_name(default_layers.receptive_field_within, net, fraction)

    def inside(layer: str) -> str:
        return default_layers.before_activation(net.layer(layer))

    if layer := seeing(0.6):
        yield _guided_backprop(layer, inside(layer))
    if layer := seeing(0.4):
        yield _intermediate(layer, full, seed)
    if layer := seeing(0.2):
        yield _deconvnet(layer, inside(layer))


def _guided_backprop(layer: str, target: str) -> Chapter:
    return chapter(
        "What do units in the middle see?",
        "guided_backprop",
        f"These are the nine channels of {layer} that stand out most on this photograph. The left"
        " image of each pair is the patch that the channel's strongest unit sees. The right image"
        " shows what in this patch excites the unit.",
        {"target": target},
        _quote_channels,
    )


def _intermediate(layer: str, full: bool, seed: int) -> Chapter:
    return chapter(
        "Which pixels drive such a unit?",
        "intermediate",
        f"Each unit of {layer} is shown with the patch that it sees and three kinds of gradient."
        " The plain gradient is correct but hard to read. Guided backpropagation keeps only what"
        " supports the unit, and so shows the details that the unit responds to. The deconvnet"
        " keeps all that is positive on the way back, whether the network saw it or not; without"
        " max pooling, this gives mostly squares.",
        {"samples": 32 if full else 8, "seed": seed},
        lambda f: {"units": ", ".join(f["units"])},
    )


def _deconvnet(layer: str, target: str) -> Chapter:
    return chapter(
        "What does a unit look for?",
        "deconvnet",
        f"The deconvnet sends the response of a unit of {layer}, an earlier layer, back to the"
        " pixels, through the same weights. A network with max pooling remembers where the maxima"
        " were, and its picture shows what is in this patch. Without max pooling, the picture"
        " shows what the unit looks for in any patch. Compare it with the patch on its left.",
        {"target": target},
        _quote_channels,
    )


def _quote_channels(summary: Mapping[str, Any]) -> Mapping[str, object]:
    return {"layer": summary["target"], "channels": ", ".join(map(str, summary["channels"]))}
