"""Photographs for the browser, and a run's result as a file."""

from __future__ import annotations

import mimetypes
import tempfile
from pathlib import Path

from convscope.errors import ConvscopeError
from convscope.files import open_image, preview, save_pictures
from convscope.render import parts
from convscope.web.films import film
from convscope.web.kept import kept
from convscope.web.messages import File, Picture, Source
from convscope.web.models import RunRequest
from convscope.web.requests import Files, Place

FILMS = ("webp", "gif", "mp4")

PICTURES = ("png", "jpg", "webp", "svg", "pdf", "npz", "npy", "csv")


def picture(_place: Place, image: Source, largest: int) -> Picture:
    """A photograph, decoded safely and encoded again, at most `largest` pixels a side.

    Raises:
        ConvscopeError: it cannot be opened.
    """
    rgb = open_image(image)[0]
    shown = preview(parts.rgb_picture(rgb), largest)
    height, width = rgb.shape[-2:]
    return Picture(width, height, shown.media_type, shown.data)


def export(
    _place: Place,
    what: str,
    request: RunRequest,
    files: Files,  # noqa: ARG001
    folder: Path,
    format: str,
) -> File:
    """A run's result, exactly as `Run.save` writes it, or a film of its frames.

    Raises:
        ConvscopeError: the run has no result, or the format does not fit it.
    """
    known = FILMS if what == "film" else PICTURES
    if format not in known:
        raise ConvscopeError(f"the formats are {', '.join(known)}, not {format!r}")
    result = kept(folder)
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / f"{request.technique}.{format}"
        if what == "film":
            save_pictures(file, film(folder, whole=format == "mp4"), result.provenance)
        else:
            result.save(file)
        media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return File(media_type, file.read_bytes())
