"""Finds the names of the classes that a training program kept in its checkpoint."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from convscope.errors import ConvscopeError
from convscope.network.checkpoints.stored import Foreign, members
from convscope.network.heads.label_files import KEYS
from convscope.network.heads.labels import as_labels

DEEPEST = 4
MOST_LISTS, MOST_LABELS = 16, 100_000
GIVE_LABELS = "give them as labels= (--labels)"
LONGEST = 200  # characters of a label


def labels_inside(values: Any) -> dict[str, list[str]]:
    """All lists of labels in what a file holds, by the names that lead to them."""
    found = {}
    for place, value in itertools.islice(_named(values), MOST_LISTS):
        try:
            labels = as_labels(_plain(value))
        except ConvscopeError:
            continue
        if labels and all(name.isprintable() and 0 < len(name) <= LONGEST for name in labels):
            found[place] = labels
    return found


def _named(values: Any) -> Iterator[tuple[str, Any]]:
    """Everything that has a name such as "class_names", and where it is."""
    seen, open_ = {id(values)}, [("", values)]
    for _ in range(DEEPEST):
        inner = []
        for place, value in open_:
            for name, one in members(value).items():
                if isinstance(name, str) and name.lower() in KEYS:
                    yield f"{place}.{name}".removeprefix("."), one
                elif isinstance(one, dict | Foreign) and id(one) not in seen:
                    seen.add(id(one))
                    inner.append((f"{place}.{name}".removeprefix(".")[:LONGEST], one))
        open_ = inner


def _plain(value: Any) -> Any:
    """A list or a dict; of safetensors, which holds texts only, one in JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return []
    if isinstance(value, tuple):
        value = list(value)
    return value if isinstance(value, list | dict) and len(value) <= MOST_LABELS else []


def choose_labels(
    file: str, inside: Mapping[str, Sequence[str]], count: int
) -> tuple[list[str] | None, str]:
    """The labels for a number of classes, and a note that says where they are from.

    Args:
        file: the checkpoint's name.
        inside: all lists of labels in it, by the names that lead to them.
        count: the number of classes.
    """
    fitting = {place: list(labels) for place, labels in inside.items() if len(labels) == count}
    different = {tuple(labels) for labels in fitting.values()}
    if len(different) == 1:
        place, labels = next(iter(fitting.items()))
        return labels, f"the labels are those under {place!r} in {file}"
    if fitting:
        return None, f"{file} holds several lists of {count} labels: {GIVE_LABELS}"
    if inside:
        place, others = next(iter(inside.items()))
        return None, (
            f"the {len(others)} labels under {place!r} in {file} are not of {count} classes:"
            f" {GIVE_LABELS}"
        )
    return None, ""
