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
    found = read_with_seal(path)
    return found and found[0]


def read_with_seal(path: Path) -> tuple[dict[str, Any], str] | None:
    """The same object, and its checksum."""
    text, values = _parsed(path)
    sha256 = None if values is None else values.pop(SEAL, None)
    if values is None or sha256 is None or _sha256(_without_seal(text, sha256)) != sha256:
        return None
    return values, sha256


def read_unsealed(path: Path) -> dict[str, Any]:
    """What can be read of a file that may be of an older version or damaged."""
    return _parsed(path)[1] or {}


def seal(values: Mapping[str, object]) -> str:
    """The SHA-256 of an object, as it is sealed with."""
    return _sha256(_text(values))


def _sealed(values: Mapping[str, object]) -> str:
    return _text({**values, SEAL: seal(values)})


def _without_seal(text: str, sha256: object) -> str:
    """The text of an object without the line of its checksum, which may be the last."""
    line = f'\n "{SEAL}": "{sha256}"'
    shorter = text.replace(f"{line},\n", "\n", 1)
    return text.replace(f",{line}\n", "\n", 1) if shorter == text else shorter


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


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
