"""Which chapters a tour has, in the order of the lecture."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.reports.chapter import Chapter, class_name
from convscope.reports.chapters import (
    beyond,
    collections,
    fooling,
    maximizing,
    network,
    pixels,
    styles,
    trust,
    units,
)


def plan(
    net: Network, photo: Tensor, *, full: bool, seed: int, index: str | None = None
) -> Iterator[Chapter]:
    """All chapters for a network.

    Args:
        net: the network.
        photo: the photograph, (1, 3, H, W).
        full: use more steps and samples.
        seed: seed of the random numbers.
        index: index of a collection, for the chapters about other photographs.

    Yields:
        The chapters. Those about classes are left out where the network has none.
    """
    try:
        classes = [class_name(net, one) for one in net.predict(photo, 2)]
    except ConvscopeError:
        classes = []
    yield from network.chapters(net)
    if classes:
        yield from pixels.chapters(classes, full=full, seed=seed)
    yield from units.chapters(net, full=full, seed=seed)
    if index:
        yield from collections.chapters(index)
    if classes:
        yield from trust.chapters(classes[0], full=full)
    yield from maximizing.chapters(net, classes[:1], full=full, seed=seed)
    yield from styles.chapters(net, photo, full=full, seed=seed)
    if len(classes) > 1:
        yield from fooling.chapters(net, photo, full=full, seed=seed)
    if classes:
        yield from beyond.evolution(full, seed)
        yield from beyond.compression(full)
    yield from beyond.descriptors(photo, full)
