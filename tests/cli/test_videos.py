"""`convscope stylize` on a video and on a folder of photographs."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

import convscope as cs
from convscope.cli.progress import Watched
from tests.helpers.shell import Shell, files
from tests.helpers.styles import style_file
from tests.helpers.videos import frames, make_video


def test_a_video_becomes_a_video(here: Path, shell: Shell) -> None:
    make_video(here / "walk.mp4", 3)
    words = ("stylize", "walk.mp4", "--style", "sea=0.7", "--style", "fire=0.3")
    assert shell.works(*words, "--checkpoint", style_file()) == "stylize-walk.mp4\n"
    assert len(frames(here / "stylize-walk.mp4")) == 3
    told = shell.works(*words, "--checkpoint", style_file(), "--json", "-o", "b.mov")
    assert json.loads(told) == {"video": "b.mov", "frames": 3}
    assert {"b.mov", "b.mov.json"} <= files(here)


def test_a_video_has_no_sheet(here: Path, shell: Shell) -> None:
    make_video(here / "walk.mp4", 1, sound=None)
    words = ("--style", "sea", "--sheet", "fire", "--checkpoint", style_file())
    assert "a video needs a style alone" in shell.fails("stylize", "walk.mp4", *words)


def test_a_video_that_breaks_off_is_told_in_a_line(here: Path, shell: Shell) -> None:
    content = make_video(here / "walk.mkv", 60, sound=None).read_bytes()
    (here / "walk.mkv").write_bytes(content[: len(content) // 2])
    words = ("stylize", "walk.mkv", "--style", "sea", "--checkpoint", style_file(), "-o", "b.mp4")
    code, out, err = shell(*words)
    assert (code, out) == (1, "b.mp4\n")
    assert err.count("\n") == 1
    assert err.startswith("walk.mkv breaks off after ")
    assert frames(here / "b.mp4")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_video_that_is_stopped_keeps_what_was_made(
    here: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    begin = Watched.__iter__

    def pressed(self: Watched) -> Iterator[cs.Result]:
        for result in begin(self):
            if result.step == 3:
                signal.raise_signal(number)
            yield result

    monkeypatch.setattr(Watched, "__iter__", pressed)
    make_video(here / "walk.mp4", 9)
    words = ("stylize", "walk.mp4", "--style", "sea", "--checkpoint", style_file(), "-o", "b.mp4")
    code, out, err = shell(*words)
    assert (code, out) == (128 + number, "b.mp4\n")
    assert err == "stopped at frame 3 of 9; what was made is kept\n"
    assert len(frames(here / "b.mp4")) == 3
    assert files(here) == {"walk.mp4", "b.mp4", "b.mp4.json"}


def test_a_folder_of_photographs(here: Path, shell: Shell) -> None:
    (here / "photos" / "more").mkdir(parents=True)
    names = ("a.png", "more/b.jpg")
    for name in names:
        Image.effect_noise((50, 40), 60).convert("RGB").save(here / "photos" / name)
    words = ("stylize", "photos", "--checkpoint", style_file(), "--style")
    assert shell(*words, "sea") == (0, "photos-stylize\n", "pictures: 2 made\n")
    for name in names:
        photo = cs.open_image(here / "photos" / name)
        drawn = cs.stylize(photo, style="sea", checkpoint=style_file()).result().picture
        assert Image.open(f"photos-stylize/{name}.png").tobytes() == drawn.tobytes()
    assert shell(*words, "sea")[2] == "pictures: 2 already there\n"
    assert shell(*words, "fire")[2] == "pictures: 2 made again\n"
