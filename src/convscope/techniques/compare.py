"""Many methods and targets side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.runs import registry, technique
from convscope.trust import attribute, over_photo, similarity
from convscope.types import Bars, Frame, HeatMap, Panel, Picture, Sheet


class CompareSummary(TypedDict):
    """The targets; by method, how alike its maps are, or why it gives none."""

    targets: list[str]
    alike: dict[str, float]
    refused: dict[str, str]


@technique(
    title="Comparison",
    paper="Adebayo, Gilmer, Muelly, Goodfellow, Hardt and Kim 2018",
    url="https://arxiv.org/abs/1810.03292",
    batch=False,
)
def compare(
    net: Network,
    image: Tensor,
    *,
    methods: Annotated[
        tuple[str, ...],
        Field(min_length=1, max_length=24, description="attribution methods, one a column"),
    ] = (
        "saliency",
        "smoothgrad",
        "integrated_gradients",
        "guided_backprop",
        "occlusion",
        "gradcam",
    ),
    targets: Annotated[
        tuple[str | int, ...],
        Field(max_length=24, description="one a row; the two top classes if none is given"),
    ] = (),
) -> Iterator[Frame[CompareSummary]]:
    """What several methods say about several targets, in one picture.

    Down a column the colors mean the same numbers, so what looks stronger is stronger; from one
    method to another they do not. A method that draws the same for every target explains none of
    them. How alike two rows are is given below each column, as a rank correlation.
    """
    units = [net.target(word) for word in targets]
    if not units:
        units = [net.target(one.index) for one in net.predict(image, 2)]
    entries = {method: registry.get(method) for method in methods}
    photo, box = image[0].detach(), net.box(image)
    columns: dict[str, list[HeatMap]] = {}
    alike: dict[str, float] = {}
    refused: dict[str, str] = {}
    arrays: dict[str, Tensor] = {}
    for step, (method, entry) in enumerate(entries.items(), 1):
        try:
            frames = [attribute(net, image, method, unit.spec) for unit in units]
        except ConvscopeError as error:
            refused[method] = str(error)
        else:
            maps = [frame.heatmap[0] for frame in frames if frame.heatmap is not None]
            arrays[method] = torch.stack(maps)
            drawn = [over_photo(frame, photo, box) for frame in frames]
            top = max(map(_top, drawn))
            caption = f"{entry.title}, to {top:.2g}"
            columns[method] = [replace(one, caption=caption, clip=1.0, top=top) for one in drawn]
            if len(units) > 1:
                alike[method] = min(similarity(maps[0], other) for other in maps[1:])
        if step == len(entries) and not columns:
            raise ConvscopeError(f"compare: {'; '.join(refused.values())}")
        panels: list[Panel] = []
        if not columns:
            panels.append(Picture(photo, "the photograph"))
        else:
            tiles = tuple(one for row in zip(*columns.values(), strict=True) for one in row)
            rows = tuple(map(str, units))
            panels.append(Sheet(tiles, columns=len(columns), rows=rows))
        if alike:
            other = units[1] if len(units) == 2 else "the least alike other"
            caption = f"how alike the maps of {units[0]} and {other} are"
            names = tuple(registry.get(method).title for method in alike)
            panels.append(Bars(names, tuple(alike.values()), "rank correlation", caption, ".2f"))
        summary = {"targets": list(map(str, units)), "alike": dict(alike), "refused": dict(refused)}
        yield Frame(
            panels=tuple(panels),
            arrays=dict(arrays),
            summary=summary,
            step=step,
            steps=len(entries),
        )


def _top(panel: HeatMap) -> float:
    """The |value| at which the colors of a map saturate when it is drawn alone."""
    sizes = panel.values.abs().flatten().sort().values
    return float(sizes[round(panel.clip * (len(sizes) - 1))])
