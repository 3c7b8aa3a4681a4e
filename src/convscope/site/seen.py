"""What units see in photographs: pictures of all patches of a photograph at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image

from convscope.collection import TaskEngine
from convscope.errors import ConvscopeError
from convscope.files import Encoded, webp
from convscope.microscope import Microscope, Patch, Show, Unit
from convscope.network import PRE
from convscope.site.charts import mask_address
from convscope.site.work import spread
from convscope.types import Array

BATCH = 16  # photographs of a task

SIDE, QUALITY = 128, 75  # pixels a side of a picture, and of WebP

SMALL = 0.5  # fraction of what the network sees, up to which a unit's deconvnet shows its patch


class Spot(NamedTuple):
    """What tells a patch from all others."""

    layer: str
    channel: int
    row: int
    highest: bool

    @classmethod
    def of(cls, patch: Patch) -> Spot:
        return cls(patch.layer, patch.channel, patch.row, patch.highest)


@dataclass(frozen=True)
class Seen:
    """The addresses of pictures.

    Args:
        masks: where the units of patches are active.
        evidence: what in a patch excites its unit, by the way it was found.
    """

    masks: dict[Spot, str]
    evidence: dict[Spot, dict[str, str]]

    def add(self, other: Seen) -> None:
        self.masks.update(other.masks)
        self.evidence.update(other.evidence)


class _Here(NamedTuple):
    """What is wanted of one photograph: masks of these patches, and evidence of those."""

    masks: Sequence[Patch]
    evidence: Sequence[Patch]


Looks = Sequence[_Here]  # what is looked at together: some photographs


def to_look_at(units: Iterable[Unit]) -> list[Looks]:
    """The patches of units, by their photographs; at least one task, which may be empty."""
    masks: dict[int, dict[Spot, Patch]] = defaultdict(dict)
    evidence: dict[int, list[Patch]] = defaultdict(list)
    for unit in units:
        for one in unit.patches:
            if one.position is not None:
                masks[one.row][Spot.of(one)] = one
        for one in () if unit.dead else unit.top[:1]:
            evidence[one.row].append(one)
    rows = sorted(masks.keys() | evidence.keys())
    every = [_Here(tuple(masks[row].values()), tuple(evidence[row])) for row in rows]
    return [tuple(every[begin : begin + BATCH]) for begin in range(0, len(every) or 1, BATCH)]


def look(scope: Microscope, engine: TaskEngine, tasks: Sequence[Looks]) -> Iterator[Seen]:
    """The pictures of patches.

    There is nothing for a photograph that is gone, and no mask for a unit without positions.
    """
    yield from spread(scope, engine, _seen, tasks)


def _seen(scope: Microscope, task: Looks) -> Seen:
    found = Seen({}, {})
    for here in task:
        masks = zip(here.masks, _masks(scope, here.masks), strict=False)
        found.masks.update((Spot.of(one), mask_address(mask)) for one, mask in masks)
        found.evidence.update((Spot.of(one), _evidence(scope, one)) for one in here.evidence)
    return found


def _masks(scope: Microscope, patches: Sequence[Patch]) -> Sequence[Array]:
    try:
        return scope.masks(patches)
    except ConvscopeError:  # the photograph is gone
        return ()


def _evidence(scope: Microscope, patch: Patch) -> dict[str, str]:
    """Pictures of what excites a unit, of those that there are for this network.

    Of a unit that sees much, a network that reduces its maps by strides has a checkerboard for a
    deconvnet; guided backpropagation shows more.
    """
    field = scope.net.layer(patch.layer.removesuffix(PRE)).receptive_field
    small = field and max(field) <= SMALL * min(scope.net.input_size)
    shows: tuple[Show, ...] = ("deconvnet" if small else "guided", "saliency")
    found: dict[str, str] = {}
    for show in shows:
        try:
            (pixels,) = scope.pictures([patch], show)
        except ConvscopeError:  # the photograph is gone, or the network has no ReLUs
            continue
        found[show] = Encoded("image/webp", webp(_large(Image.fromarray(pixels)), QUALITY)).uri
    return found


def _large(picture: Image.Image) -> Image.Image:
    """A picture whose longer side has the pixels that are shown."""
    scale = SIDE / max(picture.size)
    return picture.resize([max(1, round(scale * side)) for side in picture.size])
