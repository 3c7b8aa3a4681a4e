"""TODO."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from convscope.errors import ConvscopeError, reason
from convscope.files.atomic import reserve, write_files

WRITABLE = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".gif": "GIF", ".mp4": "MP4",
}  # fmt: skip


FRAMES_A_SECOND = 25  # of a film


LARGEST_FILM = 1920  # pixels a side: what every player plays


PROVENANCE_KEY = "convscope"


def check_writable(path: str | os.PathLike[str], *, picture: bool = True) -> None:
    """Fail now rather than after the work, if `path` cannot be written, or is to be a picture and
    of no known format."""
    target = Path(path)
    if picture:
        _format(target)
    reserve(target).unlink()


def _format(target: Path) -> str:
    kind = WRITABLE.get(target.suffix.lower())
    if kind is None:
        raise ConvscopeError(
            f"cannot write {target.name}: end it in .png, .jpg, .webp, .gif or .mp4"
        )
    if kind == "MP4" and find_spec("av") is None:
        raise ConvscopeError(
            f"{target.name}: films need PyAV; pip install 'convscope[video]', or write a .gif"
        )
    return kind


def save_pictures(
    path: str | os.PathLike[str],
    pictures: Sequence[Image.Image],
    provenance: Mapping[str, object],
    milliseconds: int = 80,
) -> Path:
    """Write one picture, or several as an animation or film, with their recipe: all or nothing.

    All frames get the size of the last one. Those of an animation stay for `milliseconds`. A PNG
    carries the recipe in a text chunk; any other format gets NAME.json beside it.
    """
    target = Path(path)
    kind, suffix = _format(target), target.suffix.lower()
    text = json.dumps(provenance, indent=2, default=str)
    options: dict[str, Any] = {}
    if suffix == ".png":
        options["pnginfo"] = info = PngImagePlugin.PngInfo()
        info.add_text(PROVENANCE_KEY, text)
        options["compress_level"] = 3  # half the time of Pillow's 6, for files a twentieth larger
    if suffix in (".jpg", ".jpeg", ".webp"):
        options["quality"] = 92
    pictures = [_of_size(picture, pictures[-1].size) for picture in pictures]
    if len(pictures) > 1:
        options |= {"save_all": True, "append_images": pictures[1:], "loop": 0}
        # The last picture stays for a while before the animation begins again.
        options["duration"] = [milliseconds] * (len(pictures) - 1) + [1500]

    if kind in ("JPEG", "MP4"):
        pictures = [_on_white(picture) for picture in pictures]

    def write(temporary: Path) -> None:
        if kind == "MP4":
            _write_film(temporary, pictures)
            return
        with temporary.open("wb") as file:
            pictures[0].save(file, format=kind, **options)

    files = {target: write}
    if suffix != ".png":
        files[sidecar(target)] = lambda temporary: _write_text(temporary, text)
    write_files(files)
    return target


def _of_size(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture if picture.size == size else picture.resize(size, Image.Resampling.BICUBIC)


def _write_film(path: Path, pictures: Sequence[Image.Image]) -> None:
    """H.264 as every player takes it: sides even, hue at half the resolution of brightness."""
    import av
    from av.video.reformatter import ColorRange, Colorspace

    scale = min(1, LARGEST_FILM / max(pictures[-1].size))
    width, height = (max(2, round(side * scale / 2) * 2) for side in pictures[-1].size)
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as film:
        stream = film.add_stream("libx264", FRAMES_A_SECOND, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        # Said aloud, or players guess by the size how colors were turned into brightness and hue.
        stream.codec_context.colorspace = Colorspace.ITU709
        stream.codec_context.color_range = ColorRange.MPEG
        # The last picture stays for a second.
        for picture in [*pictures, *[pictures[-1]] * FRAMES_A_SECOND]:
            shown = _of_size(picture.convert("RGB"), (width, height))
            frame = av.VideoFrame.from_ndarray(np.asarray(shown), format="rgb24")
            frame = frame.reformat(
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
            )
            film.mux(stream.encode(frame))
        film.mux(stream.encode())


def _on_white(picture: Image.Image) -> Image.Image:
    """Without transparency, which not every format has."""
    if picture.mode != "RGBA":
        return picture
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def _write_text(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")


def sidecar(picture: Path) -> Path:
    """Where the recipe of a picture lies that cannot carry it."""
    return picture.with_name(picture.name + ".json")


def read_provenance(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The recipe of a picture that convscope wrote.

    Raises:
        ConvscopeError: no such file, or it carries none.
    """
    target = Path(path)
    if not target.is_file():
        raise ConvscopeError(f"no picture at {target}")
    beside = sidecar(target)
    try:
        text = _chunk(target) or (beside.read_text(encoding="utf-8") if beside.is_file() else None)
        provenance = None if text is None else json.loads(text)
    except Exception as error:  # as many as there are ways to damage a file
        raise ConvscopeError(
            f"the recipe of {target.name} cannot be read ({reason(error)})"
        ) from error
    if not isinstance(provenance, dict) or "technique" not in provenance:
        raise ConvscopeError(f"{target.name} carries no recipe of convscope")
    return provenance


def _chunk(file: Path) -> str | None:
    """The recipe in a PNG's text chunk."""
    try:
        with Image.open(file, formats=("PNG",)) as picture:
            text: str | None = picture.info.get(PROVENANCE_KEY)
            return text
    except UnidentifiedImageError:
        return None
