"""What tests of the command line share."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from convscope.network import zoo

_load = cache(zoo.load)


@pytest.fixture(autouse=True)
def load_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convscope.network.load", _load)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a photograph in it."""
    monkeypatch.chdir(tmp_path)
    Image.effect_mandelbrot((60, 50), (-2, -1, 1, 1), 30).save("my photo.png")
    return tmp_path
