"""Python warnings of one thread are held back, and no filter of the process stays behind."""

from __future__ import annotations

import ast
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import convscope as cs
from convscope.files import images
from convscope.system import quiet

SOURCE = Path(cs.__file__).parent


def together(work: Callable[[int], object], threads: int = 8) -> None:
    """Call `work` in several threads at once."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))


def test_warnings_inside_are_ignored_and_others_are_not() -> None:
    with pytest.warns(UserWarning, match="outside") as caught:
        with quiet():
            warnings.warn("inside", UserWarning, stacklevel=1)
            with quiet():
                pass
            warnings.warn("still inside", RuntimeWarning, stacklevel=1)
        warnings.warn("outside", UserWarning, stacklevel=1)
    assert [str(one.message) for one in caught] == ["outside"]


def test_other_threads_keep_their_warnings() -> None:
    inside, done = threading.Event(), threading.Event()

    def silent() -> None:
        with quiet():
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=silent)
    thread.start()
    inside.wait(10)
    with pytest.warns(UserWarning, match="mine"):
        warnings.warn("mine", UserWarning, stacklevel=1)
    done.set()
    thread.join()


def test_filters_stay_as_they_were_when_threads_overlap() -> None:
    before = list(warnings.filters)
    barrier = threading.Barrier(8)

    def work(number: int) -> None:
        for _ in range(50):
            barrier.wait(10)
            with quiet():
                warnings.warn(f"of thread {number}", UserWarning, stacklevel=1)

    together(work)
    assert list(warnings.filters) == before


def test_filters_stay_as_they_were_when_threads_open_images(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    for kind in ("jpg", "png", "tif", "gif", "webp", "bmp"):
        Image.fromarray(pixels).save(tmp_path / f"a.{kind}")
    odd = bytearray((tmp_path / "a.tif").read_bytes())
    (tmp_path / "b.tif").write_bytes(odd[: len(odd) - 20])
    before = list(warnings.filters)

    def work(_: int) -> None:
        for _ in range(5):
            for file in sorted(tmp_path.iterdir()):
                try:
                    images.decoded([(tmp_path / "a.jpg").read_bytes()])
                    cs.open_image(file)
                except cs.ConvscopeError:
                    assert file.name == "b.tif"

    together(work)
    assert list(warnings.filters) == before
    with pytest.warns(UserWarning, match="after"):
        warnings.warn("after", UserWarning, stacklevel=1)


def test_no_library_code_replaces_the_filters() -> None:
    """`catch_warnings` is for one thread only."""
    for file in SOURCE.rglob("*.py"):
        names = {
            node.attr for node in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(node, ast.Attribute)
        }  # fmt: skip
        assert not names & {"catch_warnings", "resetwarnings", "filterwarnings"}, file
