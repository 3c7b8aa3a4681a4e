"""A small collection of photographs, and networks to index it with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

import convscope as cs
from tests.conftest import own_network

Make = Callable[..., cs.Index]


def paint(path: Path, seed: int, size: tuple[int, int] = (44, 36)) -> Path:
    """A picture of soft blobs, another one for each seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    picture = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    picture.filter(ImageFilter.SHARPEN).save(path)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twenty-three pictures of several sizes: of two classes, and three that lie loose."""
    folder = tmp_path / "photos"
    for i in range(23):
        where = folder if i >= 20 else folder / ("class 0" if i % 2 else "class 1")
        paint(where / f"{i:02}.png", i, (40 + i, 60 - i))
    return folder


@pytest.fixture
def own() -> cs.Network:
    return own_network()


@pytest.fixture
def make(photos: Path, own: cs.Network, tmp_path: Path) -> Make:
    """Index the pictures in shards of 5 and batches of 2; options win over these."""

    def run(name: str = "index", **options: object) -> cs.Index:
        words = {"shard": 5, "batch": 2, "top": 3, "workers": 0, **options}
        net = words.pop("net", own)
        folder = words.pop("folder", photos)
        return cs.index(net, folder, tmp_path / name, **words).result()  # type: ignore[arg-type]

    return run


def same(one: Path, other: Path) -> bool:
    """Whether two indexes hold the same files, byte for byte."""
    names = [sorted(p.relative_to(f) for p in f.rglob("*") if p.is_file()) for f in (one, other)]
    return names[0] == names[1] and all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in names[0]
    )
