"""What tests share: networks that load once, a photograph, and where the lab's own data lies."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import convscope as cs
from convscope import plugins
from convscope.runs import catalog
from tests.helpers.collections import Make, paint
from tests.helpers.networks import own_network, own_photograph
from tests.helpers.shell import Shell

# Tests do not depend on what packages are installed beside convscope.
setattr(plugins, "entry_points", lambda **_: EntryPoints())  # noqa: B010
# Nobody pulls the plug in a test: files need not be on the disk, which would be waited for.
setattr(os, "fsync", lambda handle: None)  # noqa: B010
# The networks here are small: threads would only wait for each other, on busy cores for long.
torch.set_num_threads(1)
# Some tests send Ctrl-C, which a process that a shell started in the background ignores.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup() -> None:
    """Each test has the same random numbers, alone and among others."""
    torch.manual_seed(0)


SHARED = Path(os.environ.get("CONVSCOPE_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def net() -> cs.Network:
    """The default network with its real weights."""
    return cs.load(device="cpu")


@pytest.fixture(scope="session")
def squeezenet() -> cs.Network:
    """The second network that is always there, with its real weights."""
    return cs.load("squeezenet1_1", device="cpu")


@pytest.fixture(scope="session")
def photo() -> Tensor:
    """A photograph of a cat, (1, 3, 300, 451)."""
    return cs.open_image("sample:chelsea")


@pytest.fixture(scope="session")
def seen(net: cs.Network, photo: Tensor) -> Tensor:
    """What the default network sees of it, (1, 3, 224, 224)."""
    return net.preprocess(photo)


@pytest.fixture(scope="session")
def sample_folder() -> Path:
    """Photographs whose names begin with their class index; tests skip where there are none."""
    folder = SHARED / "data" / "imagenet-sample"
    if not folder.is_dir():
        pytest.skip(f"no labeled photographs at {folder} (set CONVSCOPE_SHARED)")
    return folder


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def own() -> cs.Network:
    return own_network()


@pytest.fixture
def own_photo() -> Tensor:
    return own_photograph()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twenty-three pictures of several sizes: of two classes, and three that lie loose."""
    folder = tmp_path / "photos"
    for i in range(23):
        where = folder if i >= 20 else folder / ("class 0" if i % 2 else "class 1")
        paint(where / f"{i:02}.png", i, (40 + i, 60 - i))
    return folder


@pytest.fixture
def make(photos: Path, own: cs.Network, tmp_path: Path) -> Make:
    """Index the pictures in shards of 5 and batches of 2; options win over these."""

    def run(name: str = "index", **options: object) -> cs.Index:
        words = {"shard": 5, "batch_size": 2, "top": 3, "workers": 0, **options}
        net = words.pop("net", own)
        folder = words.pop("folder", photos)
        return cs.index(net, folder, tmp_path / name, **words).result()  # type: ignore[arg-type]

    return run


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture
def plugged_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """The entry points that convscope finds, none at first; a test fills the list."""
    points: list[EntryPoint] = []

    def entry_points(group: str) -> EntryPoints:
        return EntryPoints(p for p in points if p.group == group)

    monkeypatch.setattr(plugins, "entry_points", entry_points)
    caches = (plugins._entry_points, catalog._of_packages)
    for cache in caches:
        cache.cache_clear()
    yield points
    for cache in caches:
        cache.cache_clear()


@pytest.fixture(scope="module")
def flags() -> str:
    """What a Chromium is started with."""
    return (
        "--headless --no-sandbox --disable-gpu --disable-background-networking"
        " --use-fake-device-for-media-stream --use-fake-ui-for-media-stream"
    )


@pytest.fixture(scope="module")
def browser(flags: str) -> Iterator[Any]:
    """A headless Chromium with a camera, for tests of pages; they skip where there is none.

    It does not outlive a module: while it is open, nothing else may run an event loop.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=program, args=flags.split())
