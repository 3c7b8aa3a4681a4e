"""Attribution methods and targets, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope.attribution import Names
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.runs import TargetList, as_targets, registry, technique
from convscope.trust import attribute, on_one_scale, over_photo, similarity
from convscope.types import Bars, Frame, HeatMap, Panel, Picture, Sheet, Target

METHODS = (
    "saliency",
    "smoothgrad",
    "integrated_gradients",
    "guided_backprop",
    "occlusion",
    "gradcam",
)


class CompareSummary(TypedDict):
    """The targets; for each method the similarity of its maps, or the reason why it has none."""

    targets: list[str]
    similarity: dict[str, float]
    skipped: dict[str, str]


@technique(
    title="Comparison",
    paper="Adebayo, Gilmer, Muelly, Goodfellow, Hardt and Kim 2018",
    url="https://arxiv.org/abs/1810.03292",
    chapter="Which pixels matter",
    batch=False,
)
def compare(
    net: Network,
    image: Tensor,
    *,
    methods: Annotated[
        Names,
        Field(
            min_length=1,
            max_length=24,
            description="names of the attribution techniques to compare, one column each",
        ),
    ] = METHODS,
    target: Annotated[
        TargetList | None,
        Field(
            max_length=24,
            description="targets to explain (classes, channels or neurons), one row each; the two"
            " top classes if none is given",
        ),
    ] = None,
) -> Iterator[Frame[CompareSummary]]:
    """Heat maps of several attribution methods for several targets, in one picture.

    In a column, equal colors mean equal values, so a stronger color is a stronger value; in
    different columns they do not. A method with the same map for every target explains none of
    them. Below the maps is how similar those of different rows are, as a rank correlation.
    """
    if target is None:
        target = tuple(one.index for one in net.predict(image, 2))
    rows = [net.target(one) for one in as_targets(target)]
    columns: dict[str, _Column] = {}
    skipped: dict[str, str] = {}
    titles = {method: registry.get(method).title for method in methods}
    for step, (method, title) in enumerate(titles.items(), 1):
        try:
            columns[method] = _column(net, image, method, title, rows)
        except ConvscopeError as error:
            skipped[method] = str(error)
        if step == len(titles) and not columns:
            raise ConvscopeError(f"compare: {'; '.join(skipped.values())}")
        similarities = {m: c.similarity for m, c in columns.items() if c.similarity is not None}
        panels: list[Panel] = [Picture(image[0].detach(), "the photograph")]
        if columns:
            panels = [_sheet(list(columns.values()), rows)]
        if similarities:
            panels.append(_bars({titles[m]: value for m, value in similarities.items()}, rows))
        yield Frame(
            panels=tuple(panels),
            arrays={method: column.maps for method, column in columns.items()},
            summary={
                "targets": list(map(str, rows)),
                "similarity": similarities,
                "skipped": dict(skipped),
            },
            step=step,
            steps=len(titles),
        )


@dataclass(frozen=True)
class _Column:
    """The maps of one method (targets, H, W), how they are drawn, and how similar they are."""

    maps: Tensor
    panels: tuple[HeatMap, ...]
    similarity: float | None


def _column(
    net: Network, image: Tensor, method: str, title: str, targets: Sequence[Target]
) -> _Column:
    """One method's maps on one scale.

    The similarity is that of the first map and the one least similar to it, None for one map.
    """
    frames = [attribute(net, image, method, target.spec) for target in targets]
    first, *others = maps = [frame.heatmap[0] for frame in frames if frame.heatmap is not None]
    box = net.box(image)
    drawn = on_one_scale([over_photo(frame, image[0].detach(), box) for frame in frames])
    caption = f"{title}, up to {drawn[0].top:.2g}"
    return _Column(
        maps=torch.stack(maps),
        panels=tuple(replace(one, caption=caption) for one in drawn),
        similarity=min(similarity(first, other) for other in others) if others else None,
    )


def _sheet(columns: Sequence[_Column], targets: Sequence[Target]) -> Sheet:
    rows = zip(*(column.panels for column in columns), strict=True)
    tiles = tuple(panel for row in rows for panel in row)
    return Sheet(tiles, columns=len(columns), rows=tuple(map(str, targets)))


def _bars(similarities: Mapping[str, float], targets: Sequence[Target]) -> Bars:
    other = targets[1] if len(targets) == 2 else "the least similar other target"
    caption = f"similarity of the maps for {targets[0]} and {other}"
    names, values = tuple(similarities), tuple(similarities.values())
    return Bars(names, values, "rank correlation", caption, ".2f")
