"""Classes that are taken for each other, and the units of the embedding that make it so."""

from __future__ import annotations

import numpy as np

from convscope.collection import Index, classified, confused_pairs, labeled_images, network_classes
from convscope.microscope.facts import Confused, UnitValue
from convscope.microscope.head import Head
from convscope.network import Network
from convscope.types import Array

UNITS = 12  # told of each pair


def confusions(net: Network, index: Index, head: Head | None) -> tuple[Confused, ...]:
    """The classes that are taken for each other, the most frequent first.

    They are those of the network, if at least half of the labels are its classes; images with other
    labels do not count. Elsewhere the nearest mean embedding decides.

    Raises:
        ConvscopeError: the index has fewer than two labels.
    """
    output = index.output_of(net)
    labeled = labeled_images(output, index)
    known = network_classes(output, labeled.names)
    by = "network" if len(known) >= len(labeled.names) / 2 else "embeddings"
    _, results = classified(output, index, labeled, by)
    predicted = {one.row: one.classes for one in results}
    found = []
    for label, prediction, rows in confused_pairs(results):
        pair = predicted[rows[0]]
        change, gap = _change(index, head, pair, rows) if head and pair else ((), None)
        names = [net.label(number) for number in pair] if pair else [label, prediction]
        found.append(Confused(names[0], names[1], pair, tuple(rows), change, gap))
    return tuple(found)


def _change(
    index: Index, head: Head, pair: tuple[int, int], rows: list[int]
) -> tuple[tuple[UnitValue, ...], float]:
    """What each unit adds on average to the gap between the scores, and the gap itself."""
    label, prediction = pair
    weights = head.weights[prediction] - head.weights[label]
    mean: Array = index.embeddings[rows].astype(np.float64).mean(0)
    parts = weights * mean
    gap = float(parts.sum() + head.bias[prediction] - head.bias[label])
    order = np.argsort(-np.abs(parts), kind="stable")[:UNITS]
    layer = index.settings.embedding
    return tuple(UnitValue(layer, int(i), float(parts[i])) for i in order if parts[i]), gap
