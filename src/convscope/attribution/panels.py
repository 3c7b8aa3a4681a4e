"""TODO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from typing_extensions import TypedDict

from convscope import tensors
from convscope.attribution.question import Question
from convscope.types import Frame, HeatMap, Panel

# Of a map that flickers, where the colors saturate and how much of it is smoothed away: in the
# picture only.
CLIP, SMOOTHED = 0.995, 4.0


SILENT = ": zero everywhere (the score is saturated, or nothing in the photo speaks for it)"


class AttributionSummary(TypedDict):
    """The target and its score; of several images a list of each."""

    target: str
    score: float


def map_panels(
    question: Question,
    heatmap: Tensor,
    label: str,
    captions: Sequence[str],
    *,
    signed: bool = False,
    pixelwise: bool = False,
) -> tuple[Panel, ...]:
    """Each map over its photograph.

    A `pixelwise` map flickers from pixel to pixel, and single ones tower above the rest: over the
    photograph it is drawn smoothed, and of a single photo also alone and as it is.
    """
    panels: list[Panel] = []
    box = question.net.box(question.photo)
    drawn = tensors.blur(heatmap[:, None], SMOOTHED)[:, 0] if pixelwise else heatmap
    for i, caption in enumerate(captions):
        if not heatmap[i].any():
            caption += SILENT
        if pixelwise and len(heatmap) == 1:
            panels.append(HeatMap(heatmap[i], label, caption, signed=signed, clip=CLIP))
            caption = f"on the photograph, smoothed over {SMOOTHED:g} pixels"
        clip = CLIP if pixelwise else 1.0
        panels.append(HeatMap(drawn[i], label, caption, question.photo[i], box, signed, clip))
    return tuple(panels)


def summarize(names: Sequence[str], frame: Frame, **more: Tensor) -> dict[str, Any]:
    """What to quote: the target and its score, and `more` numbers, one an image."""
    assert frame.score is not None
    columns = {"score": frame.score, **more}
    found = {"target": list(names), **{k: v.tolist() for k, v in columns.items()}}
    return {k: v[0] for k, v in found.items()} if len(names) == 1 else dict(found)
