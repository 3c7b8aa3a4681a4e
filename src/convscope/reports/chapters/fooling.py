"""What fools the network, and why so little is enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from convscope.network import Network
from convscope.reports.chapter import Chapter, ClassName, chapter, class_name, percent


def chapters(net: Network, photo: Tensor, *, full: bool, seed: int) -> Iterator[Chapter]:
    """Chapters about a network of at least two classes."""
    far = class_name(net, net.predict(photo, net.num_classes or 1)[-1])
    yield _fool(far, full, seed)
    yield _linearity(full, seed)


def _fool(far: ClassName, full: bool, seed: int) -> Chapter:
    return chapter(
        "Can the network be fooled?",
        "fool",
        f"The photograph is changed until the network says {far}, the class that it found least"
        " probable, and then the change is made as small as possible. In the middle it is shown"
        " times 20; on the right it is in the photograph, at its true size. The curve is the race"
        " of the two classes. The control has the same changes of pixels in random places, and"
        " changes little: chance does not fool the network.",
        {"target": far.target, "gain": 20, "seed": seed} | ({} if full else {"steps": 24}),
        _quote_fool,
    )


def _quote_fool(summary: Mapping[str, Any]) -> Mapping[str, object]:
    found = {
        f"{summary['target']} before": percent(summary["photograph"]["target"]),
        f"{summary['target']} after": percent(summary["fooled"]["target"]),
        "root mean square of the change": f"{255 * summary['rms']:.2g} of 255",
    }
    if "random" in summary:
        control = summary["random"]
        found["control"] = f"{control['prediction']} {percent(control['probability'])}"
    return found


def _linearity(full: bool, seed: int) -> Chapter:
    return chapter(
        "Why is so little enough?",
        "linearity",
        "Every pixel is changed by epsilon, up or down. If the signs are those of the gradient, all"
        " the small changes add up, and the classes change places; if they are random, the changes"
        " cancel out. Close to the photograph the network does what a linear one would: its score"
        " rises by epsilon times the sum of all gradients. The map shows the predictions in the"
        " plane of both directions.",
        {"seed": seed} | ({} if full else {"points": 17, "side": 9}),
        lambda f: {
            "epsilon": f"{f['changes'][0]['epsilon']:.2g} of 255",
            "expected of a linear network": f"{f['changes'][0]['expected']:.2f}",
            "measured": f"{f['changes'][0]['measured']:.2f}",
            "with random signs": f"{f['changes'][0]['random']:.2f}",
        },
    )
