"""Small collections of pictures, and indexes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

import convscope as cs

Make = Callable[..., cs.Index]


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
