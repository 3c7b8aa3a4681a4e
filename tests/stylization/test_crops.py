"""Crops of photographs: a fixed function of a number, whatever lies between."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convscope import ConvscopeError
from convscope.stylization.crops import Crops


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Four photographs of one gray each."""
    found = [tmp_path / f"{gray}.png" for gray in (0, 80, 160, 240)]
    for file in found:
        Image.new("RGB", (50, 40), (int(file.stem),) * 3).save(file)
    return found


def test_every_photograph_comes_once_a_turn(files: list[Path]) -> None:
    crops = Crops(files, 32, 0)
    grays = [round(float(crops[number].pixels.mean()) * 255) for number in range(12)]
    for turn in range(3):
        assert sorted(grays[4 * turn : 4 * turn + 4]) == [0, 80, 160, 240]
    assert len({tuple(grays[4 * turn : 4 * turn + 4]) for turn in range(3)}) > 1


def test_crops_depend_on_nothing_but_their_number(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)).save(file)
    crops = Crops([file], 32, 0)
    later = crops[7].pixels
    assert later.shape == (3, 32, 32)
    assert torch.equal(Crops([file], 32, 0)[7].pixels, later)
    assert not torch.equal(crops[8].pixels, later)
    assert not torch.equal(Crops([file], 32, 1)[7].pixels, later)


def test_unreadable_files_are_passed_over(files: list[Path]) -> None:
    for file in files[1:]:
        file.write_bytes(b"none")
    crops = Crops(files, 32, 0)
    for number in range(20):
        crop = crops[number]
        assert float(crop.pixels.max()) == 0
        assert {Path(name).name for name in crop.skipped} <= {"80.png", "160.png", "240.png"}
    with pytest.raises(ConvscopeError, match="none of the 3 photographs can be read"):
        Crops(files[1:], 32, 0)[5]


def test_panoramas_cost_no_memory(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Image.new("RGB", (9000, 3)).save(file)
    assert Crops([file], 32, 0)[0].pixels.shape == (3, 32, 32)
