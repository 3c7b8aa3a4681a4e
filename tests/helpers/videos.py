"""Small videos."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from convscope.types import Array

RATE = Fraction(30000, 1001)
HERTZ = 44_100
QUARTERS = ((200, 40, 40), (40, 200, 40), (40, 40, 200), (220, 220, 60))


def quarters(number: int, height: int = 48, width: int = 64) -> Array:
    """A red, a green, a blue and a yellow quarter, and a bar that moves right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for place, color in enumerate(QUARTERS):
        top, left = place // 2 * height // 2, place % 2 * width // 2
        pixels[top : top + height // 2, left : left + width // 2] = color
    pixels[:, 2 * number : 2 * number + 4] = 255
    return pixels


def make_video(
    path: Path,
    count: int = 8,
    *,
    sound: str | None = "aac",
    size: tuple[int, int] = (64, 48),
) -> Path:
    """Frames of `quarters` at 29.97 a second, and a tone of 440 Hz."""
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", RATE)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        voice = film.add_stream(sound, HERTZ) if sound else None
        for number in range(count):
            pixels = quarters(number, size[1], size[0])
            film.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        film.mux(stream.encode())
        if isinstance(voice, av.AudioStream):
            times = np.arange(int(HERTZ * count / RATE)) / HERTZ
            tone = (np.sin(2 * np.pi * 440 * times) / 3).astype(np.float32)
            for begin in range(0, len(tone), 1024):
                part = tone[None, begin : begin + 1024]
                frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = HERTZ, begin, Fraction(1, HERTZ)
                film.mux(voice.encode(frame))
            film.mux(voice.encode())
    return path


def packets(path: Path, kind: str) -> list[tuple[Fraction, bytes]]:
    """The times and bytes of the packets of "video" or "audio", in order of their times."""
    with av.open(str(path)) as film:
        stream = getattr(film.streams, kind)[0]
        found = [one for one in film.demux(stream) if one.pts is not None and one.size]
        return sorted((one.pts * one.time_base, bytes(one)) for one in found)


def frames(path: Path) -> list[Array]:
    """All frames, (H, W, 3), as they are stored."""
    with av.open(str(path)) as film:
        return [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
