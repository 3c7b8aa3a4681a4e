"""Writing pictures, animations and videos that carry their provenance: how they were made."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from convscope.errors import ConvscopeError
from convscope.files.atomic import Write, reserve, write_file, write_files
from convscope.files.carriers import DIGEST, as_text, sealed, write_npz
from convscope.files.encoding import on_white
from convscope.files.films import check_pyav, of_size, write_film
from convscope.files.images import digest
from convscope.files.provenance import PROVENANCE_KEY, inputs, is_ours, sidecar
from convscope.files.replacing import Ours, check_replaceable
from convscope.types import Array

PICTURES = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".gif": "GIF", ".mp4": "MP4",
}  # fmt: skip

WRITABLE = {**PICTURES, ".pdf": "PDF", ".svg": "SVG", ".npz": "NPZ", ".npy": "NPY", ".csv": "CSV"}

CARRIERS = ("PNG", "PDF", "SVG", "NPZ")  # formats that need no sidecar


def check_writable(
    path: str | os.PathLike[str],
    *,
    ours: Ours | None = None,
    read: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Fail before the work, rather than after it, if `path` cannot be written.

    Args:
        path: the file.
        ours: recognizes the files that may be replaced; None for a picture with its provenance,
            whose ending must then be that of a known format.
        read: the files that are read for it.

    Raises:
        ConvscopeError: it cannot be written, is one of the files that are read, exists and was not
            made by convscope, or has another ending.
    """
    target = Path(path)
    files = [target]
    if ours is None:
        ours = is_ours
        if _format(target) not in CARRIERS:
            files.append(sidecar(target))
    reserve(target).unlink()
    for file in files:
        check_replaceable(file, ours, read)


def _format(target: Path, known: Mapping[str, str] = WRITABLE) -> str:
    kind = known.get(target.suffix.lower())
    if kind is None:
        raise ConvscopeError(
            f"cannot write {target.name}: end it in .png, .jpg, .webp, .gif or .mp4, in .pdf or"
            " .svg for a paper, in .npz or .npy for the arrays, or in .csv for the table"
        )
    if kind == "MP4":
        check_pyav(target.name, ", or write a .gif")
    return kind


def save_pictures(
    path: str | os.PathLike[str],
    pictures: Sequence[Image.Image],
    provenance: Mapping[str, object],
    milliseconds: int = 80,
) -> Path:
    """Write one picture, or several as an animation or film, with their provenance.

    All frames get the size of the last one. A PNG carries the provenance in a text chunk; any other
    format gets a file NAME.json beside it. Both files are written, or neither.

    Args:
        path: the file; its ending chooses the format.
        pictures: the frames.
        provenance: how the picture was made; values that JSON does not know are written as text.
        milliseconds: how long each frame of an animation is shown; the last one stays for 1.5 s.

    Raises:
        ConvscopeError: an unknown format, or `check_writable` refuses the file.
    """
    target = Path(path)
    kind = _format(target, PICTURES)
    check_writable(target, read=inputs(provenance))
    text = as_text(provenance)
    pictures = [of_size(picture, pictures[-1].size) for picture in pictures]
    options = _options(kind, text, pictures, milliseconds)
    if kind in ("JPEG", "MP4"):
        pictures = [on_white(picture) for picture in pictures]

    def write(temporary: Path) -> None:
        if kind == "MP4":
            write_film(temporary, pictures)
            return
        with temporary.open("wb") as file:
            pictures[0].save(file, format=kind, **options)

    if kind == "PNG":
        write_files({target: write}, ours=is_ours)
    else:
        write_with_sidecar(target, write, provenance)
    return target


def save_figure(
    path: str | os.PathLike[str],
    make: Callable[[str], bytes],
    provenance: Mapping[str, object],
) -> Path:
    """Write a PDF or SVG file that carries its provenance.

    Args:
        path: the file.
        make: gives the content that carries a text.
        provenance: how the figure was made.

    Raises:
        ConvscopeError: `check_writable` refuses the file.
    """
    target = Path(path)
    check_writable(target, read=inputs(provenance))
    content = sealed(make, provenance)
    return write_file(target, lambda file: file.write_bytes(content), ours=is_ours)


def save_arrays(
    path: str | os.PathLike[str],
    arrays: Mapping[str, Array],
    provenance: Mapping[str, object],
) -> Path:
    """Write arrays with their provenance: an NPZ file, or a lone array as an NPY file.

    Raises:
        ConvscopeError: `check_writable` refuses the file.
    """
    target = Path(path)
    check_writable(target, read=inputs(provenance))
    if _format(target) == "NPZ":
        return write_file(target, lambda file: write_npz(file, arrays, provenance), ours=is_ours)
    (array,) = arrays.values()
    write_with_sidecar(target, lambda file: _write_npy(file, array), provenance)
    return target


def save_table(
    path: str | os.PathLike[str],
    rows: Sequence[Mapping[str, Any]],
    provenance: Mapping[str, object],
) -> Path:
    """Write rows as a CSV file in UTF-8, with the names of the columns first.

    Bytes of a file's name that are not UTF-8 are written as escapes.

    Raises:
        ConvscopeError: `check_writable` refuses the file.
    """
    target = Path(path)
    check_writable(target, read=inputs(provenance))

    def write(file: Path) -> None:
        with file.open("w", encoding="utf-8", errors="backslashreplace", newline="") as opened:
            writer = csv.DictWriter(opened, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    write_with_sidecar(target, write, provenance)
    return target


def _write_npy(file: Path, array: Array) -> None:
    with file.open("wb") as opened:
        np.save(opened, array, allow_pickle=False)


def write_with_sidecar(target: Path, write: Write, provenance: Mapping[str, object]) -> None:
    """Write a file of a format that cannot carry provenance, and a file NAME.json that does.

    That file also has the digest of the first, which says that convscope made it.

    Raises:
        ConvscopeError: one of them cannot be written, or was not made by convscope.
    """
    made: list[str] = []

    def write_first(file: Path) -> None:
        write(file)
        made.append(digest(file))

    def write_second(file: Path) -> None:
        values = {**provenance, DIGEST: made[0]}
        file.write_text(as_text(values) + "\n", encoding="utf-8")

    write_files({target: write_first, sidecar(target): write_second}, ours=is_ours)


def _options(
    kind: str, provenance: str, pictures: Sequence[Image.Image], milliseconds: int
) -> dict[str, Any]:
    """What Pillow's `save` takes for a format."""
    options: dict[str, Any] = {}
    if kind == "PNG":
        options["pnginfo"] = info = PngImagePlugin.PngInfo()
        info.add_text(PROVENANCE_KEY, provenance)
        options["compress_level"] = 3  # half the time of Pillow's 6, for files 5 % larger
    if kind in ("JPEG", "WEBP"):
        options["quality"] = 92
    if len(pictures) > 1:
        options |= {"save_all": True, "append_images": pictures[1:], "loop": 0}
        options["duration"] = [milliseconds] * (len(pictures) - 1) + [1500]
    return options
