"""Making an index: nothing is lost, half done or mixed up, whatever happens meanwhile."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.collection import store
from convscope.collection.reading import Index
from convscope.collection.receipts import MERGED
from convscope.files import atomic, images
from tests.helpers.collections import Make, paint, same
from tests.helpers.networks import Own, own_network


class Killed(BaseException):
    pass


def test_the_same_again_does_nothing(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.glob("index/**/*.*")}
    monkeypatch.setattr(nn.Module, "__call__", None)
    make()
    assert stamps == {p: p.stat().st_mtime_ns for p in tmp_path.glob("index/**/*.*")}


def test_options_not_given_are_those_of_the_index(
    own: cs.Network, photos: Path, make: Make, tmp_path: Path
) -> None:
    made = make(thumbnail=17, layers=["stem"])
    again = cs.index(own, photos, tmp_path / "index", workers=0).result()
    assert again.settings == made.settings


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_do_not_matter(make: Make, tmp_path: Path, workers: int) -> None:
    make("alone", workers=0)
    make("helped", workers=workers)
    assert same(tmp_path / "alone", tmp_path / "helped")


def write_calls(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
    """Call `act(n)` before the n-th file is put in its place."""
    count = 0
    replace = Path.replace

    def counted(self: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        act(count)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", counted)


def _index(photos: Path, output: Path, workers: int = 0) -> None:
    cs.index(own_network(), photos, output, shard=5, batch_size=2, top=3, workers=workers).result()


def _killed_at(photos: Path, output: Path, step: int, ready: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        write_calls(patch, lambda n: os.kill(os.getpid(), signal.SIGKILL) if n == step else None)
        _index(photos, output)


def killed(target: Callable[..., None], *arguments: Any, after: float | None = None) -> None:
    """A process that kills itself, or is killed so many seconds after it began to write."""
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=target, args=(*arguments, ready))
    process.start()
    assert process.pid is not None
    if after is not None:
        ready.wait(60)
        time.sleep(after)
        os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL)


def test_killed_before_each_file_is_in_place(make: Make, photos: Path, tmp_path: Path) -> None:
    make("whole")
    files = sum(1 for p in (tmp_path / "whole").rglob("*") if p.suffix)
    for step in range(1, files + 1):
        broken = tmp_path / f"broken {step}"
        killed(_killed_at, photos, broken, step)
        assert not (broken / "done.json").exists()
        with pytest.raises(cs.ConvscopeError, match=r"not finished|no index"):
            cs.open_index(broken)
        _index(photos, broken)
        assert same(tmp_path / "whole", broken), step
        shutil.rmtree(broken)


def _slowly(photos: Path, output: Path, workers: int, ready: Any) -> None:
    indexing = cs.index(
        own_network(), photos, output, shard=5, batch_size=2, top=3, workers=workers
    )
    for _ in indexing:
        ready.set()


# With decoding processes a round takes seconds, most of them for these to start.
@pytest.mark.parametrize(
    ("workers", "rounds"), [(0, 12), (1, 3), pytest.param(1, 12, marks=pytest.mark.slow)]
)
def test_killed_at_any_time(
    make: Make, photos: Path, tmp_path: Path, workers: int, rounds: int
) -> None:
    make("whole")
    begun = time.monotonic()
    _index(photos, tmp_path / "timed", workers)
    took = time.monotonic() - begun
    chance = random.Random(workers)
    for n in range(rounds):
        broken = tmp_path / f"broken {n}"
        for _ in range(2):  # killed again while it goes on
            killed(_slowly, photos, broken, workers, after=chance.uniform(0, took))
        _index(photos, broken)
        assert same(tmp_path / "whole", broken)


def test_broken_off_and_gone_on_with(
    own: cs.Network, make: Make, photos: Path, tmp_path: Path
) -> None:
    make("whole")
    indexing = cs.index(own, photos, tmp_path / "part", shard=5, batch_size=2, top=3, workers=0)
    for progress in indexing:
        if progress.done >= 11:
            break
    again = list(cs.index(own, photos, tmp_path / "part", workers=0))
    assert again[0].done == 10, "two shards of five were whole"
    assert (again[-1].done, again[-1].total) == (23, 23)
    assert same(tmp_path / "whole", tmp_path / "part")


@pytest.mark.parametrize("step", range(1, 8))
def test_no_space_left(
    make: Make, tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("whole")
    with monkeypatch.context() as patch:

        def full(_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        write_calls(patch, lambda n: full(n) if n == step else None)
        with pytest.raises(cs.ConvscopeError, match=r"cannot write .*No space left on device"):
            make("part")
        assert not list((tmp_path / "part").rglob(f"{atomic.TEMPORARY}*"))
    make("part")
    assert same(tmp_path / "whole", tmp_path / "part")


def test_what_another_run_has_made_is_refused(make: Make, photos: Path, tmp_path: Path) -> None:
    make()
    other = Own()
    with torch.no_grad():
        other.head.bias.add_(1)
    weights = cs.Network(other, mean=[0.5] * 3, std=[0.25] * 3, input_size=32)
    smaller = cs.Network(Own(), mean=[0.5] * 3, std=[0.25] * 3, input_size=24)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(photos, elsewhere)
    for options, message in (
        ({"net": weights}, "was made by Own with other weights; use the same, or another output"),
        ({"net": smaller}, "was made with input_size 32, 32, not 24, 24"),
        ({"net": own_network(channels=1)}, r"was made with mean 0.5, 0.5, 0.5, not 0.5;"),
        ({"layers": ["stem"]}, "was made with layers norm, doubled, not stem"),
        ({"top": 5}, "was made with top 3, not 5"),
        ({"shard": 4}, "was made with shard 5, not 4"),
        ({"thumbnail": 20}, "was made with thumbnail 96, not 20"),
        ({"folder": elsewhere}, "was made with folder"),
        ({"follow_links": True}, "was made with follow_links False, not True"),
    ):
        with pytest.raises(cs.ConvscopeError, match=message):
            make(**options)
    weights.name = "Other"
    with pytest.raises(cs.ConvscopeError, match="was made by Own, not Other"):
        make(net=weights)
    with pytest.raises(cs.ConvscopeError, match="was made by Own, not Other"):
        cs.open_index(tmp_path / "index").check(weights)


def test_what_is_no_index_is_not_written_into(make: Make, tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "thesis.tex").touch()
    with pytest.raises(cs.ConvscopeError, match="is not an index, and not empty"):
        make()
    (tmp_path / "file").touch()
    with pytest.raises(cs.ConvscopeError, match="is not an index, and not empty"):
        make("file")
    assert [p.name for p in (tmp_path / "index").iterdir()] == ["thesis.tex"]


# --------------------------------------------------------------------------------- updates


def contents(index: Index) -> dict[str, Any]:
    """All that is in an index, by the images' paths instead of their numbers."""
    paths = index.images["path"].to_pylist()
    tops: dict[tuple[str, str], Any] = {}
    for layer, found in index.channels.items():
        for name in ("top", "bottom"):
            end = getattr(found, name)
            rows = [[paths[r] for r in row] for row in end.rows]
            tops[layer, name] = rows, end.values.tolist(), end.positions.tolist()
        total = np.round(found.total, 6).tolist()
        counts = found.positive.tolist(), found.histogram.tolist(), found.images
        tops[layer, "numbers"] = counts, total
    embeddings = {
        path: embedding.tolist() for path, embedding in zip(paths, index.embeddings, strict=True)
    }
    return {
        "tops": tops,
        "embeddings": embeddings,
        "unreadable": sorted(map(str, index.unreadable)),
    }


def test_an_update_gives_what_a_new_index_would(
    own: cs.Network, make: Make, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    paint(photos / "00 new.png", 100)
    paint(photos / "class 2" / "new.png", 101)
    (photos / "class 0" / "01.png").unlink()
    paint(photos / "21.png", 102)
    with pytest.raises(cs.ConvscopeError, match=r"\(2 new, 1 gone, 1 changed\); update"):
        make()
    opened: list[str] = []
    real = images.open_image

    def noted(path: Path) -> Tensor:
        opened.append(path.name)
        return real(path)

    monkeypatch.setattr(images, "open_image", noted)
    indexing = cs.index(own, photos, tmp_path / "index", workers=0, update=True)
    assert not any(progress.damaged for progress in indexing)
    updated = indexing.result()
    # In order of paths: 20, 21, 22; then 01, 03, ... A shard of what went, one of what changed.
    assert sorted(opened) == ["00 new.png", "03.png", "20.png", "21.png", "22.png", "new.png"]
    monkeypatch.undo()
    assert contents(updated) == contents(make("anew"))
    assert same(updated.path, updated.path)
    opened.clear()
    make(update=True)
    assert not opened


def test_an_update_that_leaves_whole_shards_empty(make: Make, photos: Path) -> None:
    make()
    shutil.rmtree(photos / "class 0")
    updated = make(update=True)
    assert len(updated) == 13
    assert contents(updated) == contents(make("anew"))
    numbers = {p.name[:6] for p in (updated.path / "shards").iterdir()}
    assert "000001" not in numbers, "what is of no shard any more is deleted"


def test_an_update_may_be_killed_too(make: Make, photos: Path, tmp_path: Path) -> None:
    make()
    before = cs.open_index(tmp_path / "index")
    paint(photos / "new.png", 100)
    (photos / "22.png").unlink()
    for step in (1, 2, 4, 6):
        with pytest.MonkeyPatch.context() as patch:

            def die(n: int, step: int = step) -> None:
                if n == step:
                    raise Killed

            write_calls(patch, die)
            with pytest.raises(Killed):
                make(update=True)
    assert contents(make(update=True)) == contents(make("anew"))
    assert len(before) == 23


# --------------------------------------------------------------------------------- damage


@pytest.mark.parametrize(
    "part", ["000002-images.parquet", "000002-channels.parquet", "000002.json"]
)
@pytest.mark.parametrize("how", ["flipped", "cut", "gone"])
def test_a_damaged_shard_is_named_and_made_anew_alone(
    make: Make, own: cs.Network, photos: Path, tmp_path: Path, part: str, how: str
) -> None:
    make("whole")
    make()
    file = tmp_path / "index" / "shards" / part
    damage(file, how)
    steps = list(cs.index(own, photos, tmp_path / "index", workers=0))
    assert steps[0].done == 18
    if how != "gone" or part.endswith("parquet"):
        assert [Path(name).name for name in steps[0].damaged] == ["000002-*.parquet"]
    assert same(tmp_path / "whole", tmp_path / "index")


def damage(file: Path, how: str) -> None:
    whole = bytearray(file.read_bytes())
    if how == "gone":
        file.unlink()
        return
    if how == "cut":
        del whole[len(whole) // 2 :]
    else:
        whole[len(whole) // 2] ^= 0xFF
    file.write_bytes(whole)


@pytest.mark.parametrize("name", MERGED)
def test_what_was_brought_together_is_mended(make: Make, tmp_path: Path, name: str) -> None:
    make("whole")
    make()
    damage(tmp_path / "index" / name, "cut")
    with pytest.raises(
        cs.ConvscopeError, match=rf"{name} in .* is damaged; convscope index .* repairs"
    ):
        cs.open_index(tmp_path / "index")
    make()
    assert same(tmp_path / "whole", tmp_path / "index")


def test_an_index_of_another_version(make: Make, tmp_path: Path) -> None:
    """Older ones have neither checksums in their JSON files nor a receipt of the manifest."""
    make()
    index = tmp_path / "index"
    values = json.loads((index / "index.json").read_text())
    (index / "manifest.json").unlink()
    for version, told in ((2, "format 2"), (99, "format 99"), (10**99, r"format 1e\+99")):
        (index / "index.json").write_text(json.dumps({**values, "format": version}))
        for open_ in (make, lambda: cs.open_index(index)):
            with pytest.raises(cs.ConvscopeError, match=rf"another version of convscope \({told},"):
                open_()


def test_an_index_that_is_damaged_at_its_root(make: Make, tmp_path: Path) -> None:
    make()
    index = tmp_path / "index"
    for name in ("index.json", "manifest.json"):
        (index / name).write_text("{")
    for open_ in (make, lambda: cs.open_index(index)):
        with pytest.raises(cs.ConvscopeError, match=r"index\.json is damaged; delete"):
            open_()


def test_no_index(tmp_path: Path) -> None:
    with pytest.raises(cs.ConvscopeError, match=r"no index at .*; convscope index FOLDER"):
        cs.open_index(tmp_path)


# ------------------------------------------------------------------------------ one writer


def _hold(output: Path, held: Any, release: Any) -> None:
    with store.Store(output).writing():
        held.set()
        release.wait(60)


def test_two_processes_do_not_write_to_one_index(make: Make, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path / "index", held, release))
    other.start()
    held.wait(60)
    with pytest.raises(cs.ConvscopeError, match="another process is writing to"):
        make()
    other.kill()
    other.join(60)
    assert len(make()) == 23, "the lock dies with its process"


def test_where_files_cannot_be_locked(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(cs.ConvscopeError, match="can be written on Linux and macOS only"):
        make()


def test_nor_do_two_threads(make: Make, own: cs.Network, photos: Path, tmp_path: Path) -> None:
    first = iter(cs.index(own, photos, tmp_path / "index", shard=5, batch_size=2, top=3, workers=0))
    next(first)
    with pytest.raises(cs.ConvscopeError, match="another process is writing to"):
        make()
    for _ in first:
        pass
    make()


def test_reading_needs_no_right_to_write(make: Make) -> None:
    index = make()
    before = {p: p.stat().st_mtime_ns for p in index.path.rglob("*")}
    found = cs.open_index(index.path)
    assert (len(found.images), len(found.channels), found.embeddings.shape) == (23, 2, (23, 12))
    assert before == {p: p.stat().st_mtime_ns for p in index.path.rglob("*")}


def room_for(limit: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let there be memory for `limit` images; the list fills with the sizes of all batches."""
    sizes: list[int] = []
    real = cs.Network.activations

    def short(self: cs.Network, image: Tensor, *names: Any, **options: Any) -> Any:
        if len(image) > limit:
            raise MemoryError
        sizes.append(len(image))
        return real(self, image, *names, **options)

    monkeypatch.setattr(cs.Network, "activations", short)
    return sizes


@pytest.mark.parametrize(
    ("batch_size", "limit", "size"),
    [(2, 2, 2), (4, 4, 4), (16, 16, 5), (4, 3, 2), (5, 4, 2), (4, 1, 1)],
)
def test_all_batches_have_one_size(
    make: Make,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    batch_size: int,
    limit: int,
    size: int,
) -> None:
    """The last bits of the answers depend on it. A batch ends with its shard, here of 5."""
    sizes = room_for(limit, monkeypatch)
    (photos / "bad.png").touch()
    make(batch_size=batch_size)
    paint(photos / "00 new.png", 100)
    (photos / "22.png").unlink()
    make(batch_size=batch_size, update=True)
    assert set(sizes) == {size}


def test_memory_runs_short(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make("whole", batch_size=4)
    room_for(1, monkeypatch)
    make("short", batch_size=4)
    one, other = (cs.open_index(tmp_path / name) for name in ("whole", "short"))
    np.testing.assert_allclose(one.embeddings, other.embeddings, atol=1e-2)
    np.testing.assert_array_equal(
        one.channels["doubled"].top.rows, other.channels["doubled"].top.rows
    )
