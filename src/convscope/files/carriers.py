"""PDF, SVG and NPZ files that carry their provenance, and the digest of what else they hold.

The digest tells a file as convscope wrote it from one that somebody has edited since.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from convscope.types import Array

DIGEST = "sha256"  # in the provenance, of the file

UNKNOWN = "0" * 64  # stands for the digest while it is computed

MEMBER = "provenance"  # the name of the text among the arrays of an NPZ

LARGEST = 2**20  # letters of provenance that are read

NEAR = 4 * LARGEST  # bytes from an end of a file in which provenance is searched for


def sealed(make: Callable[[str], bytes], provenance: Mapping[str, object]) -> bytes:
    """The content of a PDF or SVG file, which carries its provenance and its own digest.

    Args:
        make: gives the content that carries a text.
        provenance: how the file was made.
    """
    content = make(as_text({**provenance, DIGEST: UNKNOWN}))
    digest = hashlib.sha256(content).hexdigest()
    return content.replace(UNKNOWN.encode(), digest.encode(), 1)


def write_npz(file: Path, arrays: Mapping[str, Array], provenance: Mapping[str, object]) -> None:
    """Write arrays, their provenance and their digest, as `numpy.load` reads them.

    Unlike `numpy.savez`, this takes any names, and the same arrays give the same bytes.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, array in arrays.items():
            _add(opened, name, np.asarray(array))
        sums = _sums(opened)
        _add(opened, MEMBER, np.array(as_text({**provenance, DIGEST: sums})))


def as_text(provenance: Mapping[str, object]) -> str:
    """Provenance as JSON; values that JSON does not know are written as text."""
    return json.dumps(provenance, indent=2, default=str)


def carried(file: Path) -> str | None:
    """The provenance that a file carries; None if it is of another format or carries none.

    Raises:
        Exception: the file is damaged, which shows in many ways.
    """
    kind = _kind(file)
    if kind == "npz":
        return _in_npz(file)
    return None if kind is None else _searched(file, kind)


def is_unchanged(file: Path, digest: str) -> bool:
    """Whether a file that carries provenance is as convscope wrote it.

    Args:
        file: a PDF, SVG or NPZ file.
        digest: what its provenance says.
    """
    if _kind(file) == "npz":
        with zipfile.ZipFile(file) as opened:
            return _sums(opened) == digest
    content = file.read_bytes().replace(digest.encode(), UNKNOWN.encode(), 1)
    return hashlib.sha256(content).hexdigest() == digest


def _kind(file: Path) -> str | None:
    with file.open("rb") as opened:
        head = opened.read(8)
    begins = {b"%PDF-": "pdf", b"<?xml": "svg", b"PK\3\4": "npz"}
    return next((kind for magic, kind in begins.items() if head.startswith(magic)), None)


def _searched(file: Path, kind: str) -> str | None:
    """The keywords near the end of a PDF, or the description near the beginning of an SVG."""
    with file.open("rb") as opened:
        if kind == "svg":
            text = opened.read(NEAR).decode("utf-8", "replace")
            description = re.search(r"<dc:description>([^<]*)</dc:description>", text)
            return None if description is None else html.unescape(description[1])
        opened.seek(max(0, file.stat().st_size - NEAR))
        keywords = re.search(rb"/Keywords \(((?:[^\\()]|\\.)*)\)", opened.read(), re.DOTALL)
    return None if keywords is None else _plain(keywords[1])


def _plain(string: bytes) -> str:
    """A string as a PDF writes it, without its backslashes; JSON from Python is ASCII."""
    letters = {b"n": b"\n", b"r": b"\r"}
    text = re.sub(rb"\\(.)", lambda one: letters.get(one[1], one[1]), string, flags=re.DOTALL)
    return text.decode("ascii")


def _in_npz(file: Path) -> str | None:
    with zipfile.ZipFile(file) as opened:
        entry = {one.filename: one for one in opened.infolist()}.get(f"{MEMBER}.npy")
        if entry is None or entry.file_size > 4 * LARGEST + 1024:  # four bytes a letter
            return None
        with opened.open(entry) as inner:
            return str(np.lib.format.read_array(inner, allow_pickle=False))


def _add(opened: zipfile.ZipFile, name: str, array: Array) -> None:
    entry = zipfile.ZipInfo(f"{name}.npy")
    entry.compress_type = zipfile.ZIP_DEFLATED
    with opened.open(entry, "w", force_zip64=True) as inner:
        np.lib.format.write_array(inner, array, allow_pickle=False)


def _sums(opened: zipfile.ZipFile) -> str:
    """The digest of the names and checksums of all arrays but the provenance."""
    held = [(o.filename, o.CRC) for o in opened.infolist() if o.filename != f"{MEMBER}.npy"]
    return hashlib.sha256(repr(sorted(held)).encode()).hexdigest()
