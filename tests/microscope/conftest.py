"""Indexes of twenty-three pictures that all tests of the room share; each gets a copy of one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import convscope as cs
from convscope.collection import Index
from convscope.microscope import Microscope
from tests.helpers.collections import paint
from tests.helpers.networks import Own, own_network

LABELS = ["class 0", "class 1", "other"]


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of two classes, and three that lie loose."""
    folder = tmp_path_factory.mktemp("microscope") / "photos"
    for i in range(23):
        where = folder if i >= 20 else folder / f"class {(i + 1) % 2}"
        paint(where / f"{i:02}.png", i, (40 + i, 60 - i))
    return folder


def indexed(net: cs.Network, pictures: Path, name: str) -> Path:
    options = {"shard": 5, "batch_size": 2, "top": 3, "workers": 0}
    return cs.index(net, pictures, pictures.parent / name, **options).result().path  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def shared(pictures: Path) -> Path:
    """The index of the small network in single precision."""
    return indexed(own_network(), pictures, "single")


@pytest.fixture(scope="session")
def labeled() -> cs.Network:
    """The same network in double precision, with labels that the folders are called by."""
    module = Own().double()
    return cs.Network(module, mean=[0.5] * 3, std=[0.25] * 3, input_size=32, labels=LABELS)


@pytest.fixture(scope="session")
def shared_labeled(labeled: cs.Network, pictures: Path) -> Path:
    return indexed(labeled, pictures, "double")


@pytest.fixture
def index(shared: Path, tmp_path: Path) -> Index:
    return Index(shutil.copytree(shared, tmp_path / "single"))


@pytest.fixture
def scope(own: cs.Network, index: Index) -> Microscope:
    return Microscope(own, index.path)


@pytest.fixture
def lab(labeled: cs.Network, shared_labeled: Path, tmp_path: Path) -> Microscope:
    """A microscope of the network with labels."""
    return Microscope(labeled, shutil.copytree(shared_labeled, tmp_path / "double"))


@pytest.fixture
def index_of(pictures: Path, tmp_path: Path) -> Callable[..., Index]:
    """An index of the first pictures by any network, of the layers that are named."""

    def make(net: cs.Network, *layers: str, images: int = 6) -> Index:
        folder = tmp_path / "few"
        folder.mkdir()
        for file in sorted(pictures.rglob("*.png"))[:images]:
            shutil.copy(file, folder)
        options = {"layers": layers, "top": 3, "workers": 0}
        return cs.index(net, folder, tmp_path / "of", **options).result()  # type: ignore[arg-type]

    return make
