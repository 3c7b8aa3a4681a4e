"""Predicting, and reading the network: its filters and its feature maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from convscope.network import Network, default_layers
from convscope.reports.chapter import Chapter, chapter, layer_name, percent


def chapters(net: Network) -> Iterator[Chapter]:
    """Chapters about the prediction, the filters, and an early and a deep layer."""
    yield _predictions()
    yield _filters()
    yield _effective_filters()
    yield _early_maps(default_layers.first(net).name)
    deep = layer_name(default_layers.deep, net)
    if deep:
        yield _deep_maps(deep)


def _predictions() -> Chapter:
    return chapter(
        "What does the network predict?",
        "predict",
        "The network sees only the bright part of the photograph: the center, scaled down to the"
        " size that the network was trained on. Each bar is the probability of a class. The"
        " network can name only the classes that it was trained on, so check whether the"
        " runners-up make sense as well.",
        quote=lambda f: {p["label"]: percent(p["probability"]) for p in f["predictions"]},
    )


def _filters() -> Chapter:
    return chapter(
        "Which filters does the first layer have?",
        "filters",
        "Each tile is one filter of the first layer, stretched to full contrast. It shows the"
        " pattern of colors to which the filter responds most. Stripes find edges, opposed colors"
        " find color borders, and plain tiles pass brightness on. The histogram shows how many"
        " weights are so close to zero that they hardly matter.",
        quote=lambda f: {"filters": f["filters"], "weights near zero": percent(f["near_zero"])},
    )


def _effective_filters() -> Chapter:
    return chapter(
        "What do the first layers find together?",
        "filters",
        "A few layers later, each unit sees a larger patch through the filters of all layers"
        " before it. Here these filters are combined into one, as if there were no activation"
        " functions between them. Look for what nearly every network learns from photographs:"
        " stripes in all directions, fine and coarse, and spots and borders of opposed colors."
        " Gray means no influence.",
        {"show": "effective"},
        lambda f: {"layer": f["layer"], "pixels": " x ".join(map(str, f["size"]))},
    )


def _early_maps(layer: str) -> Chapter:
    return chapter(
        "What does each channel respond to?",
        "activations",
        f"These are the feature maps of {layer}, the first activation, with the strongest channel"
        " first. A bright place is a strong response. The maps still look like the photograph:"
        " some channels keep edges, some colors, some light or dark areas. A cross marks a channel"
        " that has the same value everywhere.",
        {"layer": layer},
        _quote_maps,
    )


def _deep_maps(layer: str) -> Chapter:
    return chapter(
        "What is left in a deep layer?",
        "activations",
        f"These are the feature maps of {layer}, a much deeper layer. Few channels respond, each"
        " in a few places. A bright spot means that a channel found its feature there, perhaps an"
        " eye or a texture. The maps no longer show what the photograph looks like.",
        {"layer": layer},
        _quote_maps,
    )


def _quote_maps(summary: Mapping[str, Any]) -> Mapping[str, object]:
    return {
        "channels": summary["channels"],
        "channels without a response to this photograph": summary["dead_channels"],
        "values that are zero": percent(summary["fraction_of_zeros"]),
    }
