"""Videos: each frame is changed, and the rest stays. In constant memory, however long they are."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.errors import ConvscopeError, reason
from convscope.files.atomic import reserve
from convscope.files.films import add_h264, as_frame, check_pyav
from convscope.files.pictures import check_writable, write_with_sidecar
from convscope.files.provenance import is_ours, sidecar
from convscope.types import Array

if TYPE_CHECKING:
    from av import AudioStream, Packet, VideoFrame, VideoStream
    from av.container import InputContainer, OutputContainer

# Files that are taken for a video by their names.
VIDEOS = frozenset({
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".m2ts", ".ts",
    ".wmv", ".flv", ".3gp", ".ogv",
})  # fmt: skip

# Those that can be written.
CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}

HD = 720  # rows from which players take colors for BT.709 where the video does not say


@dataclass(frozen=True)
class VideoStep:
    """A frame that has been written.

    Attributes:
        number: the number of this frame, from 1.
        total: how many frames the video says that it has; at least `number`.
        pixels: (H, W, 3), bytes.
    """

    number: int
    total: int
    pixels: Array


class Video:
    """A video that is read frame by frame.

    Args:
        path: the file.

    Raises:
        ConvscopeError: PyAV is not installed, or the file is missing or no video.

    Attributes:
        damaged: how many packets of each stream could not be read so far, by its number.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        check_pyav(Path(path).name)
        import av

        self.path = Path(path)
        self.damaged = Counter[int]()
        if not self.path.is_file():
            raise ConvscopeError(f"no video at {self.path}")
        try:
            self.container: InputContainer = av.open(str(self.path))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise ConvscopeError(
                f"{self.path} is no video, or damaged ({reason(error)})"
            ) from error
        if not self.container.streams.video:
            self.container.close()
            raise ConvscopeError(f"{self.path} holds no pictures, only sound; give a video")
        self.stream: VideoStream = self.container.streams.video[0]
        self.sounds: tuple[AudioStream, ...] = tuple(self.container.streams.audio)

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    @property
    def rate(self) -> Fraction:
        """Frames a second, on average."""
        return self.stream.average_rate or self.stream.guessed_rate or Fraction(25)

    @property
    def seconds(self) -> Fraction | None:
        """How long the video says that it is."""
        if self.stream.duration and self.stream.time_base:
            return self.stream.duration * self.stream.time_base
        # In millionths of a second.
        return Fraction(self.container.duration, 10**6) if self.container.duration else None

    @property
    def count(self) -> int | None:
        """How many frames it has, as far as it says so."""
        return self.stream.frames or (
            None if self.seconds is None else round(self.seconds * self.rate)
        )

    def packets(self) -> Iterator[Packet[Any]]:
        """The packets of pictures and of sound, in the order of the file, up to where it breaks."""
        import av

        packets = self.container.demux(self.stream, *self.sounds)
        with suppress(av.FFmpegError):
            yield from packets

    def first(self) -> Array:
        """The first frame, (H, W, 3), bytes.

        Raises:
            ConvscopeError: there is none that can be read.
        """
        for packet in self.packets():
            if packet.stream is self.stream:
                for frame in self.decoded(packet):
                    return upright(frame)
        raise ConvscopeError(f"{self.path} is damaged: it has no frame that can be read")

    def decoded(self, packet: Packet[Any]) -> list[Any]:
        """The frames of pictures or sound that a packet completes; none where it is damaged."""
        import av

        try:
            return packet.decode()
        except av.FFmpegError:
            # Not the last packet of a file that breaks off, of which a part is there.
            self.damaged[packet.stream.index] += not packet.is_corrupt
            return []


def upright(frame: VideoFrame) -> Array:
    """The pixels of a frame as players show it, (H, W, 3), bytes."""
    from av.video.reformatter import Colorspace

    says = frame.colorspace not in (2, 3)  # the numbers of "unspecified" and "reserved"
    space = None if says or frame.height < HD else Colorspace.ITU709
    pixels = frame.reformat(format="rgb24", src_colorspace=space).to_ndarray()
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90) % 4))


def check_video_writable(
    path: str | os.PathLike[str], read: tuple[str | os.PathLike[str], ...] = ()
) -> None:
    """Fail before the work if a video cannot be written to `path`.

    Raises:
        ConvscopeError: it has another ending than videos have, or `check_writable` refuses it.
    """
    if Path(path).suffix.lower() not in CONTAINERS:
        raise ConvscopeError(f"cannot write {Path(path).name}: end it in .mp4, .mov or .mkv")
    for file in (Path(path), sidecar(Path(path))):
        check_writable(file, ours=is_ours, read=read)


class Remake:
    """A video in which every frame is changed. Iterate over it to do the work.

    The sound is copied as it is where the format of the new file allows it, and is AAC otherwise.
    The times of the frames stay. Frames that lie on their side are set upright. The file appears
    when all is done, or when the iteration is ended early: then it holds what was made.

    Args:
        source: the video.
        target: the file to write.
        change: gives the new pixels of a frame, (H, W, 3), bytes; always of the same shape.
        provenance: how the frames are made.

    Attributes:
        note: what is wrong with the video, in one line; "" if nothing is.
    """

    def __init__(
        self,
        source: Path,
        target: Path,
        change: Callable[[Array], Array],
        provenance: Mapping[str, object],
    ) -> None:
        self.source, self.target = source, target
        self.note = ""
        self._change, self._provenance = change, provenance

    def __iter__(self) -> Generator[VideoStep]:
        check_pyav(self.source.name)
        import av

        check_video_writable(self.target, read=(self.source,))
        temporary = reserve(self.target)
        number = 0
        try:
            with Video(self.source) as video, _Writer(video, temporary, self.target) as writer:
                for number, pixels in enumerate(self._frames(video, writer), 1):
                    yield VideoStep(number, max(number, video.count or 0), pixels)
                told = (_broken(video, number, writer.end), _damaged(video))
                self.note = "; ".join(filter(None, told))
        except (GeneratorExit, KeyboardInterrupt):
            self._keep(temporary, number)
            raise
        except (OSError, av.FFmpegError) as error:
            raise ConvscopeError(f"cannot write {self.target} ({reason(error)})") from error
        else:
            if not number:
                raise ConvscopeError(f"{self.source} is damaged: it has no frame that can be read")
            self._keep(temporary, number)
        finally:
            temporary.unlink(missing_ok=True)

    def _frames(self, video: Video, writer: _Writer) -> Iterator[Array]:
        for packet in video.packets():
            if packet.stream is not video.stream:
                writer.add_sound(packet)
                continue
            for frame in video.decoded(packet):
                pixels = self._change(upright(frame))
                writer.add(pixels, frame)
                yield pixels

    def _keep(self, temporary: Path, number: int) -> None:
        """What was made gets its name, and its provenance."""
        if number:
            write_with_sidecar(self.target, temporary.replace, self._provenance)


def _broken(video: Video, number: int, end: float) -> str:
    """What to say of a video that has less than it says; "" if it has all."""
    start = float((video.stream.start_time or 0) * (video.stream.time_base or 0))
    missing = float(video.seconds or 0) - (end - start)
    read = number + video.damaged[video.stream.index]
    if missing <= max(0.5, 2 / float(video.rate)) and read >= video.stream.frames - 1:
        return ""
    return (
        f"{video.path.name} breaks off after {number} frames, {end - start:.1f} seconds; what was"
        " made up to there is kept"
    )


def _damaged(video: Video) -> str:
    """What to say of frames and sound in the middle that cannot be read; "" if all can."""
    pictures = video.damaged[video.stream.index]
    sounds = video.damaged.total() - pictures
    parts = []
    if pictures:
        parts.append("1 frame" if pictures == 1 else f"{pictures} frames")
    if sounds:
        parts.append("1 piece of the sound" if sounds == 1 else f"{sounds} pieces of the sound")
    if not parts:
        return ""
    verb = "is" if pictures + sounds == 1 else "are"
    return f"{video.path.name} is damaged: {' and '.join(parts)} cannot be read and {verb} left out"


class _Writer:
    """The new file, as it grows."""

    def __init__(self, video: Video, file: Path, target: Path) -> None:
        import av

        kind = CONTAINERS[target.suffix.lower()]
        options = {} if kind == "matroska" else {"movflags": "faststart"}
        self.end = 0.0
        self._video = video
        self._film: OutputContainer = av.open(str(file), "w", format=kind, options=options)
        self._film.metadata.update(video.container.metadata)
        self._stream: VideoStream | None = None
        self._last = -1
        self._sounds: dict[int, AudioStream] = {}
        self._copied: set[int] = set()
        self._early: list[Packet[AudioStream]] = []  # sound from before the first frame
        for sound in video.sounds:
            self._add_sound_stream(sound)

    def _add_sound_stream(self, sound: AudioStream) -> None:
        if sound.codec_context.name in self._film.supported_codecs:
            self._sounds[sound.index] = self._film.add_stream_from_template(sound)
            self._copied.add(sound.index)
        else:
            self._sounds[sound.index] = self._film.add_stream("aac", sound.rate)

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind in (None, GeneratorExit, KeyboardInterrupt) and self._stream is not None:
            self._film.mux(self._stream.encode())
            for index in self._sounds.keys() - self._copied:
                self._film.mux(self._sounds[index].encode())
        self._film.close()

    def add(self, pixels: Array, like: VideoFrame) -> None:
        """Add a frame at the time of another."""
        even = pixels[: len(pixels) // 2 * 2, : pixels.shape[1] // 2 * 2]
        if self._stream is None:
            self._stream = self._begin(even, like)
            for packet in self._early:
                self.add_sound(packet)
            self._early.clear()
        frame = as_frame(even)
        tick = like.time_base or 1 / self._video.rate
        usual = max(1, round(1 / (self._video.rate * tick)))
        time = self._last + usual if like.pts is None else like.pts
        # Two frames of one time, in a damaged video, would be refused.
        frame.pts = self._last = max(time, self._last + 1)
        frame.time_base = tick
        self.end = float((frame.pts + (like.duration or usual)) * tick)
        self._film.mux(self._stream.encode(frame))

    def _begin(self, pixels: Array, like: VideoFrame) -> VideoStream:
        stream = add_h264(self._film, self._video.rate, (pixels.shape[1], len(pixels)))
        if like.time_base:
            stream.codec_context.time_base = like.time_base
        aspect = self._video.stream.sample_aspect_ratio
        if aspect:
            turned = round(like.rotation / 90) % 2
            stream.codec_context.sample_aspect_ratio = 1 / aspect if turned else aspect
        return stream

    def add_sound(self, packet: Packet[AudioStream]) -> None:
        """Add sound: the packet itself, or what it holds."""
        if self._stream is None:
            self._early.append(packet)
            return
        index = packet.stream.index
        sound = self._sounds[index]
        if index in self._copied:
            if packet.dts is not None:  # the last one, which is empty, has none
                packet.stream = sound
                self._film.mux(packet)
            return
        for frame in self._video.decoded(packet):
            self._film.mux(sound.encode(frame))
