"""Techniques, vocabulary and networks that installed packages add by entry points."""

from __future__ import annotations

import warnings
from collections.abc import Container, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from convscope.errors import ConvscopeError, described

Group = Literal["techniques", "vocabulary", "networks"]


class PluginWarning(UserWarning):
    """An entry point is ignored. The message gives its package and the reason."""


def plugins(group: Group, taken: Container[str]) -> Mapping[str, EntryPoint]:
    """The entry points of the group `convscope.GROUP`, by name. None of them is imported.

    Args:
        group: what the packages add.
        taken: names that convscope keeps for itself.

    Warns:
        PluginWarning: convscope or another package has that name already, or it cannot be printed.
            The entry point is ignored; of two packages, the first in alphabetical order has the
            name.
    """
    found: dict[str, EntryPoint] = {}
    for point in _entry_points(group):
        owner = "convscope" if point.name in taken else ""
        if point.name in found:
            owner = package(found[point.name])
        if owner:
            ignore(point, f"{owner} has that name already")
        elif not point.name.isprintable():
            ignore(point, "the name has letters that cannot be printed")
        else:
            found[point.name] = point
    return found


def ignore(point: EntryPoint, reason: str) -> None:
    """Warn that an entry point is ignored.

    Args:
        point: the entry point.
        reason: a clause that says why.
    """
    problem = f"{package(point)} adds {point.name!r} to {point.group}, but {reason}"
    warnings.warn(f"{problem}; the entry point is ignored", PluginWarning, stacklevel=3)


def load_plugin(point: EntryPoint) -> Any:
    """The object that an entry point names.

    Raises:
        ConvscopeError: it cannot be imported. The message gives the package.
    """
    try:
        return point.load()
    except Exception as error:  # a stranger's module may raise anything
        raise plugin_error(point, f"cannot be imported ({described(error)})") from error


def plugin_error(point: EntryPoint, problem: str) -> ConvscopeError:
    """An error for an entry point that does not work: whose it is, and what is wrong."""
    return ConvscopeError(
        f"the package {package(point)} adds {point.name!r} to {point.group}, which {problem}"
    )


def package(point: EntryPoint) -> str:
    """The name of the distribution that an entry point belongs to."""
    return point.dist.name if point.dist else "(unknown)"


@cache
def _entry_points(group: Group) -> tuple[EntryPoint, ...]:
    """All of a group, in an order that does not depend on the file system."""
    found = entry_points(group=f"convscope.{group}")
    return tuple(sorted(found, key=lambda point: (package(point), point.name)))
