"""Small JSON files that carry their own checksum, so that no change of them goes unnoticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convscope.files import anything, write_text

LARGEST = 2**27  # bytes of a file; the receipt of a million images takes less than a hundredth

SEAL = "sha256_of_the_rest"


def write_sealed(path: Path, values: Mapping[str, object]) -> None:
    """Write an object with the checksum of all its values.

    Raises:
        ConvscopeError: the folder cannot be written.
    """
    write_text(path, _sealed(values), ours=anything)


def read_sealed(path: Path) -> dict[str, Any] | None:
    """The object in a file; None if there is no such file, or it is not as it was written."""
    text, values = _parsed(path)
    if values is None or values.pop(SEAL, None) is None:
        return None
    return values if _sealed(values) == text else None


def read_unsealed(path: Path) -> dict[str, Any]:
    """What can be read of a file that may be of an older version or damaged."""
    return _parsed(path)[1] or {}


def seal(values: Mapping[str, object]) -> str:
    """The SHA-256 of an object, as it is sealed with."""
    return hashlib.sha256(_text(values).encode()).hexdigest()


def _sealed(values: Mapping[str, object]) -> str:
    return _text({**values, SEAL: seal(values)})


def _text(values: Mapping[str, object]) -> str:
    return json.dumps(values, indent=1, sort_keys=True) + "\n"


def _parsed(path: Path) -> tuple[str, dict[str, Any] | None]:
    """The text of a file and the object in it."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return "", None
        text = path.read_text(encoding="utf-8")
        found = json.loads(text)
    except (OSError, ValueError, RecursionError):
        return "", None
    return text, found if isinstance(found, dict) else None
