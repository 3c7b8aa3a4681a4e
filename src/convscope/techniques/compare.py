"""Attribution methods, targets, photographs and networks, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated

import torch
import torch.nn.functional as F
from pydantic import BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema
from torch import Tensor
from typing_extensions import TypedDict

from convscope.attribution import Names
from convscope.errors import ConvscopeError
from convscope.files import images
from convscope.network import Network
from convscope.runs import (
    Networks,
    TargetList,
    as_targets,
    check_image,
    image_names,
    opened_networks,
    registry,
    technique,
)
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

if TYPE_CHECKING:
    Photographs = str | Tensor | Sequence[str | Tensor]
else:
    Photographs = Annotated[
        tuple[str, ...] | SkipJsonSchema[tuple[str | Tensor, ...]],
        BeforeValidator(image_names),
        Field(
            max_length=11,
            description="other photographs to explain in the same way, in rows of their own below",
            json_schema_extra={"format": "image"},
        ),
    ]


CHANGES = 12  # layers that are told, the most changed ones


class CompareSummary(TypedDict):
    """The network, the photograph and the target of each row, and what is known of each method.

    That is the similarity of its maps, or the reason why it has none. `changed` are the layers
    whose weights differ most between two networks of the same layers.
    """

    networks: list[str]
    photographs: list[str]
    targets: list[str]
    similarity: dict[str, float]
    skipped: dict[str, str]
    changed: dict[str, float]


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
            " top classes if none is given, or with `beside` or `nets` the top class of each"
            " photograph",
        ),
    ] = None,
    beside: Photographs = (),
    nets: Networks = (),
) -> Iterator[Frame[CompareSummary]]:
    """Heat maps of several attribution methods for several targets, in one picture.

    In a column, equal colors mean equal values, so a stronger color is a stronger value; in
    different columns they do not. A method with the same map for every target explains none of
    them. Below the maps is how similar those of different rows are, as a rank correlation.

    With other photographs, such as a fooled one beside its original, each row is a photograph and
    a target. With other networks, such as a compressed one, each row is one of them as well. If
    there is one other network, and it has the same layers, the picture also says which of them
    changed most: how long the change of a layer's weights is, as a part of the weights themselves.
    """
    networks = opened_networks(net, nets)
    rows = _rows(networks, [image, *_opened(net, beside)], target)
    changed = _changes(networks)
    columns: dict[str, _Column] = {}
    skipped: dict[str, str] = {}
    titles = {method: registry.get(method).title for method in methods}
    for step, (method, title) in enumerate(titles.items(), 1):
        try:
            columns[method] = _column(method, title, rows)
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
        if changed:
            panels.append(_changed(changed, networks))
        yield Frame(
            panels=tuple(panels),
            arrays={method: column.maps for method, column in columns.items()},
            summary={
                "networks": [row.net.name for row in rows],
                "photographs": [row.photograph for row in rows],
                "targets": [str(row.target) for row in rows],
                "similarity": similarities,
                "skipped": dict(skipped),
                "changed": changed,
            },
            step=step,
            steps=len(titles),
        )


@dataclass(frozen=True)
class _Row:
    """A network, a photograph (1, 3, h, w) with its name, and what is explained of it."""

    net: Network
    image: Tensor
    photograph: str
    target: Target
    caption: str


def _opened(net: Network, beside: Photographs) -> list[Tensor]:
    several = (beside,) if isinstance(beside, str | Tensor) else beside
    opened = [images.open_image(one) if isinstance(one, str) else one for one in several]
    for one in opened:
        check_image("beside", net, one, batch=False)
    return opened


def _rows(
    networks: Mapping[str, Network], photographs: Sequence[Tensor], target: TargetList | None
) -> list[_Row]:
    """A row for each photograph, target and network. The first network names the top classes."""
    net, names, rows = next(iter(networks.values())), _names(photographs), []
    for image, name in zip(photographs, names, strict=True):
        top = 2 if len(names) == len(networks) == 1 else 1
        found = as_targets([x.index for x in net.predict(image, top)] if target is None else target)
        for number, (called, one) in product(found, networks.items()):
            asked = one.target(number)
            told = [name] * (len(names) > 1) + [called] * (len(networks) > 1) + [str(asked)]
            rows.append(_Row(one, one.as_input(image), name, asked, ": ".join(told)))
    return rows


def _names(photographs: Sequence[Tensor]) -> list[str]:
    """The names of their files; numbers where some have none, or the same one."""
    sources = [images.source(image) for image in photographs]
    paths = [s["path"].removeprefix(images.SAMPLE_PREFIX) for s in sources if s is not None]
    names = [PurePath(path).name for path in paths]
    if len(set(names)) == len(photographs):
        return names
    return [f"photograph {number}" for number in range(1, len(photographs) + 1)]


@dataclass(frozen=True)
class _Column:
    """One method's maps (rows, H, W) at the size of the first, drawn, and how similar they are."""

    maps: Tensor
    panels: tuple[HeatMap, ...]
    similarity: float | None


def _column(method: str, title: str, rows: Sequence[_Row]) -> _Column:
    """One method's maps on one scale.

    The similarity is that of the first map and the one least similar to it, None for one map.
    """
    frames = [attribute(row.net, row.image, method, row.target.spec) for row in rows]
    found = [frame.heatmap for frame in frames if frame.heatmap is not None]
    first, *others = maps = [_resized(one, found[0].shape[-2:])[0] for one in found]
    drawn = on_one_scale(
        [
            over_photo(frame, row.image[0].detach(), row.net.box(row.image))
            for frame, row in zip(frames, rows, strict=True)
        ]
    )
    caption = f"{title}, up to {drawn[0].top:.2g}"
    return _Column(
        maps=torch.stack(maps),
        panels=tuple(replace(one, caption=caption) for one in drawn),
        similarity=min(similarity(first, other) for other in others) if others else None,
    )


def _resized(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Maps (N, H, W) at another size."""
    if maps.shape[-2:] == tuple(size):
        return maps
    return F.interpolate(maps[None], tuple(size), mode="bilinear", align_corners=False)[0]


def _sheet(columns: Sequence[_Column], rows: Sequence[_Row]) -> Sheet:
    across = zip(*(column.panels for column in columns), strict=True)
    tiles = tuple(panel for row in across for panel in row)
    return Sheet(tiles, columns=len(columns), rows=tuple(row.caption for row in rows))


def _bars(similarities: Mapping[str, float], rows: Sequence[_Row]) -> Bars:
    other = rows[1].caption if len(rows) == 2 else "the least similar other row"
    caption = f"similarity of the maps for {rows[0].caption} and {other}"
    names, values = tuple(similarities), tuple(similarities.values())
    return Bars(names, values, "rank correlation", caption, ".2f")


def _changes(networks: Mapping[str, Network]) -> dict[str, float]:
    """How much each layer's weights differ between two networks; none if these are of two kinds."""
    if len(networks) != 2:
        return {}
    one, other = (dict(net.module.named_parameters()) for net in networks.values())
    if {n: w.shape for n, w in one.items()} != {n: w.shape for n, w in other.items()}:
        return {}
    squares: dict[str, Tensor] = {}
    for name, before in one.items():
        pair = before.detach().double().cpu(), other[name].detach().double().cpu()
        found = torch.stack([((pair[1] - pair[0]) ** 2).sum(), *((w**2).sum() for w in pair)])
        layer = name.rpartition(".")[0] or name
        squares[layer] = squares.get(layer, 0) + found
    parts = {n: float((s[0] / s[1:].amax()).nan_to_num(0).sqrt()) for n, s in squares.items()}
    return dict(sorted(parts.items(), key=lambda pair: -pair[1])[:CHANGES])


def _changed(parts: Mapping[str, float], networks: Mapping[str, Network]) -> Bars:
    one, other = networks
    caption = f"the layers whose weights differ most between {one} and {other}"
    return Bars(tuple(parts), tuple(parts.values()), "part of the weights", caption, ".3g")
