"""Names of classes as people have them: in a list, an array, or a dict in either direction."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convscope.errors import ConvscopeError, short
from convscope.network.heads.label_files import read_labels


def as_labels(labels: Any) -> list[str] | None:
    """One label for each class, in order; None if there are none.

    Args:
        labels: a sequence or an array of texts, a dict from class numbers to labels, or one from
            labels to class numbers (`class_to_idx` of torchvision's data sets); or the path of a
            file, as `read_labels` takes it.

    Raises:
        ConvscopeError: they are something else, or a number is missing.
    """
    if labels is None:
        return None
    if isinstance(labels, str | os.PathLike):
        labels = read_labels(Path(labels))
    if isinstance(labels, bytes):
        raise ConvscopeError(f"labels must be a list of names, not {short(labels)}")
    if isinstance(labels, Mapping):
        return _in_order(labels)
    values = labels.tolist() if hasattr(labels, "tolist") else labels
    try:
        found = list(values)
    except TypeError as error:
        raise ConvscopeError(
            f"labels must be a list of names, not {type(labels).__name__}"
        ) from error
    return [_text(label) for label in found]


def _in_order(labels: Mapping[Any, Any]) -> list[str]:
    pairs = list(labels.items())
    if all(isinstance(key, str) and isinstance(value, int) for key, value in pairs):
        pairs = [(value, key) for key, value in pairs]
    try:
        names = {int(key): _text(value) for key, value in pairs}
    except (TypeError, ValueError) as error:
        raise ConvscopeError("labels must be a dict from class numbers to names") from error
    missing = next((n for n in range(len(pairs)) if n not in names), None)
    if missing is not None:
        raise ConvscopeError(f"labels has no name for class {missing}")
    return [names[n] for n in range(len(pairs))]


def _text(label: object) -> str:
    if not isinstance(label, str):
        raise ConvscopeError(f"labels must be names (texts), not {type(label).__name__}: {label!r}")
    return str(label)
