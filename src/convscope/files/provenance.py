"""The provenance of pictures and other files: how they were made, and so whether convscope did.

A PNG carries it in a text chunk, PDF, SVG and NPZ files as `carriers.py` says. Any other file has
it beside it in a file NAME.json, a sidecar, which also has the digest of the file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import PngImagePlugin

from convscope.errors import ConvscopeError, reason
from convscope.files.carriers import DIGEST, LARGEST, carried, is_unchanged
from convscope.files.images import digest

PROVENANCE_KEY = "convscope"  # of the text chunk

PNG = b"\x89PNG\r\n\x1a\n"  # how such a file begins


def sidecar(file: Path) -> Path:
    """The file beside another that holds its provenance, for formats that cannot carry it."""
    return file.with_name(file.name + ".json")


def read_provenance(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The provenance of a picture that convscope wrote.

    Raises:
        ConvscopeError: there is no such file, or it carries no provenance.
    """
    target = Path(path)
    if not target.is_file():
        raise ConvscopeError(f"no picture at {target}")
    try:
        found = _inside(target)
        found = _in_file(sidecar(target)) if found is None else found
    except Exception as error:  # damaged files fail in many ways
        raise ConvscopeError(
            f"the provenance of {target.name} cannot be read ({reason(error)})"
        ) from error
    if not isinstance(found, dict) or "technique" not in found:
        raise ConvscopeError(f"{target.name} carries no provenance from convscope")
    found.pop(DIGEST, None)
    return found


def is_ours(file: Path) -> bool:
    """Whether convscope wrote a file that has provenance, or is a sidecar.

    Any but a PNG must have the digest that it carries or its sidecar says, so a figure that
    somebody has edited is not ours. May raise any error for a file that is damaged.
    """
    inside = _inside(file)
    if _is_sidecar(inside):
        return is_unchanged(file, inside[DIGEST])
    if _is_provenance(inside):
        return True
    if file.suffix == ".json" and _is_sidecar(_in_file(file)):
        return True
    beside = _in_file(sidecar(file))
    return _is_sidecar(beside) and beside[DIGEST] == digest(file)


def inputs(provenance: Mapping[str, object]) -> Iterator[str]:
    """The photograph and the checkpoint that a picture was made from, as far as it names them."""
    for part, name in (("image", "path"), ("network", "checkpoint")):
        found = provenance.get(part)
        if isinstance(found, Mapping) and isinstance(found.get(name), str):
            yield found[name]


def _is_provenance(found: Any) -> bool:
    return isinstance(found, dict) and {"technique", "parameters"} <= found.keys()


def _is_sidecar(found: Any) -> bool:
    return _is_provenance(found) and DIGEST in found


def _inside(file: Path) -> Any:
    """What a file says in itself; None if it says nothing."""
    with file.open("rb") as opened:
        if opened.read(len(PNG)) == PNG:
            opened.seek(0)
            text = PngImagePlugin.PngImageFile(opened).info.get(PROVENANCE_KEY)
        else:
            text = carried(file)
    return None if text is None else _loaded(text)


def _in_file(file: Path) -> Any:
    """What a sidecar says; None if there is none."""
    if not file.is_file():
        return None
    with file.open("rb") as opened:
        return _loaded(opened.read(LARGEST + 1).decode("utf-8"))


def _loaded(text: str) -> Any:
    if len(text) > LARGEST:
        raise ValueError("it is longer than a mebibyte")
    return json.loads(text)
