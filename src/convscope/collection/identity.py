"""What an index is of: a folder, a network and settings, which stay the same for good."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convscope.collection.settings import Settings
from convscope.errors import ConvscopeError, short
from convscope.network import Form, Network, Output

PARTS = ("folder", "follow_links", "preprocessing", "network", "settings")


def identity(net: Network, folder: Path, settings: Settings, follow_links: bool) -> dict[str, Any]:
    """What an index is of, as JSON can hold it."""
    return {
        "folder": os.fspath(folder),
        "follow_links": follow_links,
        "preprocessing": {
            "mean": list(net.mean),
            "std": list(net.std),
            "input_size": list(net.input_size),
            "crop": net.crop,
            "interpolation": net.interpolation,
        },
        "network": {"name": net.name, "digest": net.digest},
        "settings": settings.to_json(),
    }


def classes(net: Network) -> dict[str, Any] | None:
    """What is known of the classes of a network; None if it has none."""
    if not net.num_classes:
        return None
    output = net.output
    return {
        "count": net.num_classes,
        "map": output.is_map,
        "names": [list(names) for names in output.synonyms],
    }


def output(values: Mapping[str, Any]) -> Output | None:
    """The output that an index was made of, as far as its classes go; None if it has none."""
    known = values["classes"]
    if known is None:
        return None
    shape = (known["count"], 1, 1) if known["map"] else (known["count"],)
    names = tuple(tuple(one) for one in known["names"])
    return Output("", "", Form(shape), shape, "classes", "softmax", synonyms=names)


def digest(values: Mapping[str, Any]) -> str:
    """The SHA-256 of an identity, whatever else is known of the index."""
    of = {part: values[part] for part in PARTS}
    return hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()


def check_same(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Fail if the index at `path` is of something else than what is asked for now.

    Raises:
        ConvscopeError: it is, and in what they differ.
    """
    for part, value in now.items():
        if before.get(part) != value:
            difference = _difference(part, before.get(part), value)
            raise ConvscopeError(f"{path} was made {difference}; use the same, or another output")


def check_labels(
    path: Path, before: Mapping[str, Any] | None, now: Mapping[str, Any] | None
) -> None:
    """Fail if the classes of the network have other labels than those that the index at `path` has.

    A network without labels takes those of the index.

    Raises:
        ConvscopeError: they have, and which.
    """
    old, new = (list(one["names"]) if one else [] for one in (before, now))
    if not new or old == new:
        return
    if len(old) != len(new):
        difference = f"with {len(old) or 'no'} labels, not {len(new)}"
    else:
        number = next(i for i, names in enumerate(old) if names != new[i])
        first, second = (short(", ".join(one[number])) for one in (old, new))
        difference = f"with the label {first} for class {number}, not {second}"
    raise ConvscopeError(f"{path} was made {difference}; use the same, or another output")


def _difference(part: str, before: Any, now: Any) -> str:
    if part == "network" and before["name"] == now["name"]:
        return f"by {now['name']} with other weights"
    if part == "network":
        return f"by {before['name']}, not {now['name']}"
    if part == "settings":
        before, now = (vars(Settings.from_json(one)) for one in (before, now))
    if isinstance(now, dict):
        part = next(name for name in now if before.get(name) != now[name])
        before, now = before.get(part), now[part]
    return f"with {part} {_text(before)}, not {_text(now)}"


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
