"""H.264 that every player shows: even sides, color at half the resolution of brightness."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from convscope.errors import ConvscopeError
from convscope.types import Array

if TYPE_CHECKING:
    from av import VideoFrame, VideoStream
    from av.container import OutputContainer

FRAMES_A_SECOND = 25  # of a film made of pictures

LARGEST_FILM = 1920  # pixels a side, which every player can show


def check_pyav(name: str, instead: str = "") -> None:
    """Raise an error if PyAV, which reads and writes videos, is not installed.

    Args:
        name: the file to read or write.
        instead: what the user may do instead.
    """
    if find_spec("av") is None:
        raise ConvscopeError(f"{name}: videos need PyAV; pip install 'convscope[video]'{instead}")


def add_h264(film: OutputContainer, rate: Fraction | int, size: tuple[int, int]) -> VideoStream:
    """Add a stream of H.264 to a film.

    Args:
        film: the film.
        rate: frames a second.
        size: the width and height of `as_frame`'s frames, both even.
    """
    from av.video.reformatter import ColorRange, Colorspace

    stream = film.add_stream("libx264", rate, options={"crf": "18"})
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    # Without these two, players guess the conversion of colors from the size of the film.
    stream.codec_context.colorspace = Colorspace.ITU709
    stream.codec_context.color_range = ColorRange.MPEG
    return stream


def as_frame(pixels: Array) -> VideoFrame:
    """Pixels (H, W, 3), bytes, as a frame for `add_h264`."""
    from av import VideoFrame
    from av.video.reformatter import ColorRange, Colorspace

    frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    return frame.reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )


def write_film(path: Path, pictures: Sequence[Image.Image]) -> None:
    """Write pictures as a film. All get the size of the last one, which stays for a second."""
    import av

    scale = min(1, LARGEST_FILM / max(pictures[-1].size))
    width, height = (max(2, round(side * scale / 2) * 2) for side in pictures[-1].size)
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as film:
        stream = add_h264(film, FRAMES_A_SECOND, (width, height))
        for picture in [*pictures, *[pictures[-1]] * FRAMES_A_SECOND]:
            shown = of_size(picture.convert("RGB"), (width, height))
            film.mux(stream.encode(as_frame(np.asarray(shown))))
        film.mux(stream.encode())


def of_size(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A picture in this width and height."""
    return picture if picture.size == size else picture.resize(size, Image.Resampling.BICUBIC)
