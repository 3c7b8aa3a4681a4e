"""Small collections of pictures, and indexes of them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

import convscope as cs

Make = Callable[..., cs.Index]


def needs(package: str) -> None:
    """Skip where it is missing, without importing it.

    LanceDB reads once, when it is imported, whether it is to be silent; convscope tells it so.
    """
    if find_spec(package) is None:
        pytest.skip(f"needs {package}")


def paint(path: Path, seed: int, size: tuple[int, int] = (44, 36)) -> Path:
    """A picture of soft blobs, another one for each seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    picture = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    picture.filter(ImageFilter.SHARPEN).save(path)
    return path


def same(one: Path, other: Path) -> bool:
    """Whether two indexes hold the same files, byte for byte."""
    names = [sorted(p.relative_to(f) for p in f.rglob("*") if p.is_file()) for f in (one, other)]
    return names[0] == names[1] and all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in names[0]
    )


def square_color(number: int) -> tuple[int, int, int]:
    """A color for each number below 216, far from all others."""
    red, green, blue = (51 * (number // 6**place % 6) for place in range(3))
    return red, green, blue


def squares(folder: Path, count: int, labels: tuple[str, ...] = ("circle", "square")) -> Path:
    """Photographs of one color each, in a folder for each label; the number is in the name."""
    for number in range(count):
        place = folder / labels[number % len(labels)]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), square_color(number)).save(place / f"{number:03}.png")
    return folder
