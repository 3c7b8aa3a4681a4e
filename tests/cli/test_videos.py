"""`convscope stylize` on a video."""

from __future__ import annotations

import json
from pathlib import Path

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


def test_a_video_that_breaks_off_is_told_in_a_line(here: Path, shell: Shell) -> None:
    content = make_video(here / "walk.mkv", 60, sound=None).read_bytes()
    (here / "walk.mkv").write_bytes(content[: len(content) // 2])
    words = ("stylize", "walk.mkv", "--style", "sea", "--checkpoint", style_file(), "-o", "b.mp4")
    code, out, err = shell(*words)
    assert (code, out) == (1, "b.mp4\n")
    assert err.count("\n") == 1
    assert err.startswith("walk.mkv breaks off after ")
    assert frames(here / "b.mp4")
