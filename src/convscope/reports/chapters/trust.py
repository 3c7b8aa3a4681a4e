"""How far heatmaps can be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from convscope.reports.chapter import Chapter, ClassName, chapter


def chapters(name: ClassName, *, full: bool) -> Iterator[Chapter]:
    """Chapters about the predicted class `name`."""
    yield chapter(
        "Can the heatmap be trusted?",
        "gradcam",
        "The Grad-CAM map is put to four tests. Insertion and deletion: the score should rise"
        " sooner when the highest pixels of the map are shown first, and fall sooner when they are"
        " hidden first, than it does for the same map moved elsewhere (dashed). Agreement: do"
        " other methods give a similar map? Target: does the map change with the class?"
        " Randomization: does the map change when the layers of the network are made random, from"
        " the output backwards? If it does not, it has nothing to do with what the network"
        " learned.",
        {"target": name.target},
        _quote_check,
        check=True,
    )
    yield chapter(
        "Can guided backpropagation be trusted?",
        "guided_backprop",
        "Guided backpropagation is put to the same tests. It is known to fail the last one: it"
        " hardly changes when the last layers are made random, and it is the same for another"
        " class. It shows what the first layers pick out of the photograph, and not why the"
        f" network predicts {name}.",
        {"target": name.target, "samples": 16 if full else 4},
        _quote_check,
        check=True,
    )


def _quote_check(summary: Mapping[str, Any]) -> Mapping[str, object]:
    findings: Mapping[str, object] = summary["check"]["findings"]
    return findings
