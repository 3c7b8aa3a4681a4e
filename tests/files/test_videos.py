"""Videos that are remade: sound, times and orientation stay, and what breaks off is kept."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from convscope import ConvscopeError
from convscope.files import Remake, Video, read_provenance
from convscope.types import Array
from tests.helpers.videos import RATE, frames, make_video, packets

PROVENANCE = {"technique": "test", "parameters": {}}


def negative(pixels: Array) -> Array:
    return 255 - pixels


def remake(source: Path, target: Path, change: Callable[[Array], Array] = negative) -> Remake:
    return Remake(source, target, change, PROVENANCE)


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
def test_every_frame_is_changed_and_the_sound_is_copied(tmp_path: Path, ending: str) -> None:
    source, target = make_video(tmp_path / "a.mp4"), tmp_path / f"b.{ending}"
    steps = list(remake(source, target))
    assert [step.number for step in steps] == list(range(1, 9))
    assert {step.total for step in steps} == {8}
    for old, new in zip(frames(source), frames(target), strict=True):
        assert np.abs(255 - old.astype(int) - new).mean() < 4
    heard, copied = packets(source, "audio"), packets(target, "audio")
    assert [data for _, data in heard] == [data for _, data in copied]
    # Matroska counts in milliseconds, and begins with the first sound.
    late = copied[0][0] - heard[0][0]
    for kind in ("audio", "video"):
        times = zip(packets(source, kind), packets(target, kind), strict=True)
        assert max(abs(new - old - late) for (old, _), (new, _) in times) <= 0.001
    assert read_provenance(target) == PROVENANCE
    assert {file.name for file in tmp_path.iterdir()} == {
        "a.mp4",
        target.name,
        f"{target.name}.json",
    }


def test_the_rate_stays(tmp_path: Path) -> None:
    list(remake(make_video(tmp_path / "a.mp4"), tmp_path / "b.mp4"))
    with Video(tmp_path / "b.mp4") as video:
        assert video.rate == RATE
        assert video.count == 8


def test_frames_of_uneven_lengths_keep_their_times(tmp_path: Path) -> None:
    times = [0, 1, 2, 10, 11, 30]
    with av.open(str(tmp_path / "a.mkv"), "w") as film:
        stream = film.add_stream("libx264", 10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for time in times:
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * time, np.uint8))
            frame.pts, frame.time_base = time, Fraction(1, 10)
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
    list(remake(tmp_path / "a.mkv", tmp_path / "b.mp4"))
    found = [float(time) for time, _ in packets(tmp_path / "b.mp4", "video")]
    assert found == pytest.approx([time / 10 for time in times], abs=0.001)


def test_a_video_without_sound(tmp_path: Path) -> None:
    list(remake(make_video(tmp_path / "a.mp4", sound=None), tmp_path / "b.mp4"))
    with av.open(str(tmp_path / "b.mp4")) as film:
        assert [stream.type for stream in film.streams] == ["video"]


def test_sound_that_the_format_does_not_take_becomes_aac(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mkv", 30, sound="wavpack")
    list(remake(source, tmp_path / "b.mov"))
    with av.open(str(tmp_path / "b.mov")) as film:
        assert film.streams.audio[0].codec_context.name == "aac"
        tone = np.concatenate([one.to_ndarray()[0] for one in film.decode(audio=0)])
    spectrum = np.abs(np.fft.rfft(tone))
    assert spectrum.argmax() * 44_100 / len(tone) == pytest.approx(440, abs=3)


def test_a_video_on_its_side_is_set_upright(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", sound=None)
    content = bytearray(source.read_bytes())
    # The matrix of a track header in QuickTime (Apple's "tkhd"): a quarter turn clockwise.
    at = content.index(b"tkhd") + 44
    turned = (0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
    content[at : at + 36] = struct.pack(">9i", *turned)
    source.write_bytes(content)
    list(remake(source, tmp_path / "b.mp4", lambda pixels: pixels))
    first = frames(tmp_path / "b.mp4")[0]
    assert first.shape == (64, 48, 3)
    # Red was at the upper left, so it is at the upper right; blue follows it at the upper left.
    upper_left, upper_right = first[20, 6], first[20, -6]
    assert upper_right.argmax() == 0
    assert upper_left.argmax() == 2


def test_odd_sides_lose_a_row_and_a_column(tmp_path: Path) -> None:
    make_video(tmp_path / "a.mp4", sound=None)
    list(remake(tmp_path / "a.mp4", tmp_path / "b.mp4", lambda pixels: pixels[:47, :63]))
    assert frames(tmp_path / "b.mp4")[0].shape == (46, 62, 3)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_video_that_breaks_off_is_kept_up_to_there(tmp_path: Path, name: str) -> None:
    whole = make_video(tmp_path / "whole.mp4", 60, sound=None)
    # An .mp4 with its table at the beginning, which can be played while it is loaded.
    source = tmp_path / name
    list(remake(whole, source, lambda pixels: pixels))
    content = source.read_bytes()
    pictures = content.index(b"mdat") if name == "a.mp4" else 0
    source.write_bytes(content[: (pictures + len(content)) // 2])
    made = remake(source, tmp_path / "b.mp4")
    count = len(list(made))
    assert 2 < count < 50
    assert f"{name} breaks off after {count} frames, " in made.note
    assert len(frames(tmp_path / "b.mp4")) == count


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ([20], "a.mp4 is damaged: 1 frame cannot be read and is left out"),
        ([20, 21, 40], "a.mp4 is damaged: 3 frames cannot be read and are left out"),
    ],
)
def test_damaged_frames_are_left_out_and_told(
    tmp_path: Path, numbers: list[int], told: str
) -> None:
    source = make_video(tmp_path / "a.mp4", 60, sound=None)
    _damage(source, [packets(source, "video")[number][1] for number in numbers])
    made = remake(source, tmp_path / "b.mp4")
    assert len(list(made)) == len(frames(tmp_path / "b.mp4")) == 60 - len(numbers)
    assert made.note == told


def test_damaged_sound_is_told(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mkv", 30, sound="wavpack")
    _damage(source, [packets(source, "audio")[1][1][64:]])
    made = remake(source, tmp_path / "b.mov")
    assert len(list(made)) == 30
    assert made.note == "a.mkv is damaged: 1 piece of the sound cannot be read and is left out"


def _damage(video: Path, parts: list[bytes]) -> None:
    content = video.read_bytes()
    for part in parts:
        assert content.count(part) == 1
        content = content.replace(part, b"\xff" * len(part))
    video.write_bytes(content)


def test_an_iteration_that_is_ended_keeps_what_was_made(tmp_path: Path) -> None:
    steps = iter(remake(make_video(tmp_path / "a.mp4"), tmp_path / "b.mp4"))
    for _ in range(3):
        next(steps)
    assert not (tmp_path / "b.mp4").exists()
    steps.close()
    assert len(frames(tmp_path / "b.mp4")) == 3
    assert read_provenance(tmp_path / "b.mp4") == PROVENANCE


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def fail(pixels: Array) -> Array:
        raise ConvscopeError("too small")

    source = make_video(tmp_path / "a.mp4")
    with pytest.raises(ConvscopeError, match="too small"):
        list(remake(source, tmp_path / "b.mp4", fail))
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("content", [b"", b"hello", bytes(5000)])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(ConvscopeError, match=r"a\.mp4 is no video, or damaged"):
        list(remake(tmp_path / "a.mp4", tmp_path / "b.mp4"))
    with pytest.raises(ConvscopeError, match=r"no video at .*c\.mp4"):
        list(remake(tmp_path / "c.mp4", tmp_path / "b.mp4"))
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as film:
        voice = film.add_stream("aac", 44_100)
        assert isinstance(voice, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 44_100
        film.mux(voice.encode(frame))
        film.mux(voice.encode())
    with pytest.raises(ConvscopeError, match="holds no pictures, only sound"):
        list(remake(tmp_path / "a.mp4", tmp_path / "b.mp4"))


def test_nothing_of_somebody_else_is_replaced(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", 2)
    (tmp_path / "b.mp4").write_bytes(b"mine")
    with pytest.raises(ConvscopeError, match="was not made by convscope"):
        list(remake(source, tmp_path / "b.mp4"))
    with pytest.raises(ConvscopeError, match="one of the files to read"):
        list(remake(source, source))
    with pytest.raises(ConvscopeError, match=r"end it in \.mp4, \.mov or \.mkv"):
        list(remake(source, tmp_path / "b.avi"))
    assert (tmp_path / "b.mp4").read_bytes() == b"mine"


def test_a_video_of_ours_is_replaced(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", 3)
    list(remake(source, tmp_path / "b.mp4"))
    list(remake(source, tmp_path / "b.mp4", lambda pixels: pixels))
    assert np.abs(frames(tmp_path / "b.mp4")[0].astype(int) - frames(source)[0]).mean() < 4
