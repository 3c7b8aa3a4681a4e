"""What installed packages add: techniques, words of the vocabulary and networks, by entry points."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Literal

Group = Literal["techniques", "vocabulary", "networks"]


class PluginWarning(UserWarning):
    """An entry point that is left out. The message says why, and whose it is."""


def plugins(group: Group, taken: Collection[str]) -> Mapping[str, EntryPoint]:
    """The entry points in the group `convscope.GROUP`, by name, without those whose name is taken.

    Args:
        group: what the packages add.
        taken: names that convscope itself has.

    Warns:
        PluginWarning: a name is taken, by convscope or by another package. Only the first counts.
    """
    found: dict[str, EntryPoint] = {}
    for point in _entry_points(group):
        owner = "convscope" if point.name in taken else _package(found.get(point.name))
        if owner:
            warnings.warn(
                f"{_package(point)} adds {point.name!r} to convscope.{group}, but {owner} has that"
                " name already; it is left out",
                PluginWarning,
                stacklevel=2,
            )
        else:
            found[point.name] = point
    return found


@cache
def _entry_points(group: Group) -> tuple[EntryPoint, ...]:
    """All of a group, in an order that does not depend on the file system."""
    found = entry_points(group=f"convscope.{group}")
    return tuple(sorted(found, key=lambda point: (_package(point), point.name)))


def _package(point: EntryPoint | None) -> str:
    """The distribution that an entry point comes from; "" for none."""
    if point is None:
        return ""
    return point.dist.name if point.dist else "an unknown package"
