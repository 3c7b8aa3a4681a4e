"""The frames of a run on disk: two lists that grow line by line, and one file of bytes.

A line is appended and never changed, so a crash loses no more than the frame that is being written.
A frame is there when its line in `frames.jsonl` is complete, which is written last.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from convscope.web.models import FrameInfo

FRAMES = "frames.jsonl"  # a FrameInfo a line
PLACES = "blobs.jsonl"  # for each frame: the media type and the length of each blob
BLOBS = "blobs.bin"

Blobs = Sequence[tuple[str, bytes]]


class Frames:
    """The frames of the run in a folder. Several threads may read while one writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        content, places = _content(folder / FRAMES), _content(folder / PLACES)
        # Where frame i begins: in frames.jsonl, in blobs.jsonl, in blobs.bin.
        self._starts = list(zip(_starts(content), _starts(places), strict=False))
        lengths = [json.loads(line) for line in places.splitlines()[: len(self)]]
        self._blobs: list[list[tuple[str, int, int]]] = []
        for one in lengths:
            self._blobs.append(_placed(one, self._end))

    @property
    def _end(self) -> int:
        """Where the next blob is written."""
        return max((at + size for blobs in self._blobs for _, at, size in blobs), default=0)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def append(self, frame: FrameInfo, blobs: Blobs) -> FrameInfo:
        """Write a frame behind the others; gives it with its number.

        Raises:
            OSError: it could not be written, on a full disk for instance.
        """
        frame = frame.model_copy(update={"number": len(self)})
        line = frame.model_dump_json().encode() + b"\n"
        lengths = [(media_type, len(data)) for media_type, data in blobs]
        places = json.dumps(lengths).encode() + b"\n"
        first, second = self._starts[-1]
        _write(self.folder / BLOBS, self._end, b"".join(data for _, data in blobs))
        _write(self.folder / PLACES, second, places)
        _write(self.folder / FRAMES, first, line)
        self._blobs.append(_placed(lengths, self._end))
        self._starts.append((first + len(line), second + len(places)))
        return frame

    def keep(self, count: int) -> None:
        """Forget the frames behind the first `count`; the next one is written in their place."""
        if count < len(self):
            del self._starts[count + 1 :], self._blobs[count:]
            _write(self.folder / FRAMES, self._starts[-1][0], b"")

    def before(self, step: int) -> int:
        """How many frames come before the first one that is of this step or of a later one."""
        frames = (json.loads(line)["step"] for line in self.lines(0, len(self)))
        return next((i for i, found in enumerate(frames) if found >= step), len(self))

    def lines(self, first: int, end: int) -> list[str]:
        """The frames from `first` to before `end`, as far as there are any, each as JSON."""
        end = min(end, len(self))
        if end <= first:
            return []
        start, stop = self._starts[first][0], self._starts[end][0]
        return _part(self.folder / FRAMES, start, stop - start).decode().split("\n")[:-1]

    def blob(self, number: int, blob: int) -> tuple[str, bytes] | None:
        """The media type and the bytes of a frame's blob; None if there is no such blob."""
        if number >= len(self._blobs) or blob >= len(self._blobs[number]):
            return None
        media_type, start, size = self._blobs[number][blob]
        return media_type, _part(self.folder / BLOBS, start, size)


def _placed(lengths: Sequence[Sequence[object]], start: int) -> list[tuple[str, int, int]]:
    """Where blobs of these types and lengths are, one behind the other."""
    places = []
    for media_type, size in lengths:
        places.append((str(media_type), start, int(str(size))))
        start += int(str(size))
    return places


def _starts(content: bytes) -> list[int]:
    """Where each line begins, and the next one will. A line without its end does not count."""
    found = [0]
    while (end := content.find(b"\n", found[-1])) >= 0:
        found.append(end + 1)
    return found


def _content(file: Path) -> bytes:
    return file.read_bytes() if file.exists() else b""


def _part(file: Path, start: int, size: int) -> bytes:
    with file.open("rb") as opened:
        opened.seek(start)
        return opened.read(size)


def _write(file: Path, start: int, data: bytes) -> None:
    """Write behind what is there, in place of what a crash has left of another line."""
    with file.open("r+b" if file.exists() else "xb") as opened:
        opened.seek(start)
        opened.truncate()
        opened.write(data)
