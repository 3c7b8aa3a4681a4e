"""A film that is drawn from the frames of a run."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import convscope as cs
from convscope.render import draw
from convscope.types import Bars, Box, Curves, Grid, HeatMap, Panel, Picture, Sheet
from convscope.web.films import film, panel_of
from convscope.web.frames import Frames
from convscope.web.kept import NAME, kept
from convscope.web.models import FrameInfo, RunRequest
from convscope.web.panels import Encoder
from tests.web.conftest import Server

RAMP = torch.linspace(0, 1, 64 * 48).view(1, 48, 64).expand(3, -1, -1)
MAP = torch.linspace(-2, 3, 35).view(5, 7)

PANELS: dict[str, Panel] = {
    "picture": Picture(RAMP, "a ramp", Box(12, 16, 24, 32)),
    "enlarged": Picture(RAMP, "a ramp", enlarge=True),
    "heatmap": HeatMap(MAP, "score", "signed", RAMP, Box(0, 8, 48, 48), signed=True),
    "alone": HeatMap(MAP.abs(), "score", "alone"),
    "sheet": Sheet((HeatMap(MAP, "", "one", RAMP), HeatMap(-MAP, "", "two", RAMP)), "s", 2),
    "grid": Grid(RAMP[None].expand(5, -1, -1, -1), "five", 3, tuple("abcde"), low=0, high=1),
    "bars": Bars(("a", "b"), (1.0, 2.0), "score", "bars"),
    "curves": Curves((0.0, 1.0, 2.0), {"one": (0.0, float("nan"), 2.0)}, "x", "y", "curves"),
}


@pytest.mark.parametrize("panel", PANELS.values(), ids=PANELS.keys())
def test_a_panel_is_drawn_as_it_was(panel: Panel) -> None:
    encoder = Encoder()
    (info,) = encoder.encode([panel], exact=True)
    again = panel_of(info, lambda number: encoder.blobs[number][1])
    one, other = (np.asarray(draw([p])).astype(int) for p in (panel, again))
    assert one.shape == other.shape
    assert np.abs(one - other).mean() < 0.5


def test_a_film_has_all_frames_of_a_run(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = {"target": 1, "steps": 5, "size": 32}
    request = RunRequest(technique="class_image", options=options)
    steps, _ = server.run(folder, request)
    frames = Frames(folder)
    for one in steps:
        frames.append(one.frame, one.blobs)
    asked = {"request": request, "files": server.files, "folder": folder}
    file = server.ask("export", what="film", format="webp", **asked)
    assert file.media_type == "image/webp"
    with Image.open(io.BytesIO(file.data)) as opened:
        assert getattr(opened, "n_frames", 1) == len(steps)
        assert opened.size == (32, 32)
    with pytest.raises(cs.ConvscopeError, match="webp, gif, mp4, not 'png'"):
        server.ask("export", what="film", format="png", **asked)


def test_a_long_run_is_thinned(tmp_path: Path) -> None:
    frames, encoder = Frames(tmp_path), Encoder()
    for step in range(1, 151):
        panels = encoder.encode([Picture(RAMP * step / 150)], exact=False)
        frames.append(FrameInfo(number=0, step=step, steps=150, panels=panels), encoder.blobs)
    pictures = film(tmp_path, whole=False)
    assert 50 <= len(pictures) <= 60
    levels = [np.asarray(picture).max() for picture in pictures]
    assert levels == sorted(levels)
    assert levels[-1] >= 253
    assert len(film(tmp_path, whole=True)) == 150


class Stranger:
    """What a file of a stranger may hold."""

    def __reduce__(self) -> tuple[object, ...]:
        return pytest.fail, ("code of a stranger ran",)


@pytest.mark.parametrize("content", [{"frame": Stranger()}, {"frame": 1}, None])
def test_a_result_that_is_not_ours_is_refused(content: object, tmp_path: Path) -> None:
    if content is None:
        (tmp_path / NAME).write_bytes(b"PK")
    else:
        torch.save(content, tmp_path / NAME)
    with pytest.raises(cs.ConvscopeError, match="damaged; run it again"):
        kept(tmp_path)


def test_without_frames_there_is_no_film(tmp_path: Path) -> None:
    with pytest.raises(cs.ConvscopeError, match="no frames yet"):
        film(tmp_path, whole=True)
