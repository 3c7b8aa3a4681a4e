"""Ray Data gives the same index as a plain process, and loses nothing when its actors die."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import convscope as cs
from convscope.collection.engines import ray as engine
from tests.helpers.collections import Make, same
from tests.helpers.processes import small_ray

pytest.importorskip("ray")
pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """A Ray of two processors on this machine, whose workers know the tests' networks."""
    with small_ray() as ray:
        yield ray


def test_both_engines_give_the_same_index(ray: Any, make: Make, tmp_path: Path) -> None:
    make("plain")
    made = make("on ray", engine="ray", actors=2)
    assert len(made) == 23
    assert same(tmp_path / "plain", tmp_path / "on ray")


def test_one_goes_on_where_the_other_was_broken_off(
    ray: Any, own: cs.Network, photos: Path, make: Make, tmp_path: Path
) -> None:
    make("plain")
    part = cs.index(own, photos, tmp_path / "mixed", shard=5, batch_size=2, top=3, workers=0)
    for progress in part:
        if progress.done >= 11:
            break
    rest = list(cs.index(own, photos, tmp_path / "mixed", engine="ray", actors=1))
    assert rest[0].done == 10
    assert same(tmp_path / "plain", tmp_path / "mixed")


def test_an_actor_that_is_killed_loses_nothing(
    ray: Any, make: Make, own: cs.Network, photos: Path, tmp_path: Path
) -> None:
    make("plain", shard=2)
    killed: list[int] = []
    indexing = cs.index(
        own, photos, tmp_path / "hurt", shard=2, batch_size=2, top=3, engine="ray", actors=1
    )
    for progress in indexing:
        if progress.done >= 2 and len(killed) < 2:
            for pid in [pid for pid in actors() if pid not in killed][:1]:
                killed.append(pid)
                os.kill(pid, signal.SIGKILL)
    assert killed
    assert same(tmp_path / "plain", tmp_path / "hurt")


def actors() -> list[int]:
    """The processes of the actors, by the name that Ray gives them."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "cmdline").read_bytes().startswith(b"ray::MapWorker"):
                found.append(int(folder.name))
    return found


def test_more_processors_than_there_are(ray: Any, make: Make, tmp_path: Path) -> None:
    with pytest.raises(cs.ConvscopeError, match=r"no machine of the Ray cluster has 3 processors"):
        make(engine="ray", threads=3)
    make(engine="plain", threads=3)
    with pytest.raises(cs.ConvscopeError, match=r"1 processors and 1 GPUs"):
        engine._room(ray, 1, 1)


def test_without_ray(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(cs.ConvscopeError, match=r"pip install 'convscope\[ray\]'"):
        make(engine="ray")


def test_no_cluster_at_an_address(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def refuse(**_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(cs.ConvscopeError, match=r"no Ray cluster at 127\.0\.0\.1:1; start one"):
        make(engine="ray", address="127.0.0.1:1")
