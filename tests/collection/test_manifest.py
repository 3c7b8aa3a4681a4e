"""Which files belong to a collection, and which shards they are in."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convscope as cs
from convscope.collection.manifest import File, Manifest, listing
from convscope.collection.names import named, stored
from tests.helpers.collections import paint


def names(folder: Path, **options: object) -> list[str]:
    return [file.path for file in listing(folder, **options)]  # type: ignore[arg-type]


def test_listing_is_sorted_and_knows_what_is_an_image(tmp_path: Path) -> None:
    for name in ("b/z.PNG", "b/a.jpg", "a.png", "c.tiff", ".hidden.png", ".trash/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * 7)
    (tmp_path / "notes.txt").touch()
    assert names(tmp_path) == ["a.png", "b/a.jpg", "b/z.PNG", "c.tiff"]
    assert names(tmp_path, left_out=(tmp_path / "b",)) == ["a.png", "c.tiff"]
    found = listing(tmp_path)[0]
    status = (tmp_path / "a.png").stat()
    assert found == File("a.png", 7, status.st_mtime_ns)


@pytest.mark.parametrize(
    "name",
    ["a b.png", "-o.png", "é漢字🙂.png", "new\nline.png", "quote'\".png", "a%20%.png", "*.png"],
)
def test_odd_names_are_as_good_as_others(tmp_path: Path, name: str) -> None:
    paint(tmp_path / name, 0)
    assert names(tmp_path) == [name]
    assert not listing(tmp_path)[0].reason


@pytest.mark.parametrize(
    "raw",
    [b"caf\xe9.png", b"\xff\xfe.png", b"\xed\xb3\xa9.png", "\uef80\ue000 \uefff.png".encode()],
)
def test_names_of_any_bytes(tmp_path: Path, raw: bytes) -> None:
    """The manifest and the key of a shard hold the very bytes of the name."""
    with open(os.path.join(os.fsencode(tmp_path), raw), "wb"):
        pass
    (found,) = listing(tmp_path)
    assert os.fsencode(found.path) == raw
    assert not found.reason
    plan = Manifest(()).updated([found], 5)
    assert Manifest.from_table(plan.to_table()) == plan
    plan.to_table()["path"][0].as_py().encode()  # is UTF-8
    other = replace(found, path="caf.png")
    assert plan.shards[0].key("") != Manifest(()).updated([other], 5).shards[0].key("")


@given(st.binary(min_size=1).filter(lambda raw: b"\0" not in raw))
def test_what_is_stored_comes_back(raw: bytes) -> None:
    name = os.fsdecode(raw)
    stored(name).encode()
    assert os.fsencode(named(stored(name))) == raw


def test_links(tmp_path: Path) -> None:
    folder, outside = tmp_path / "in", tmp_path / "out"
    paint(folder / "a.png", 0)
    paint(outside / "secret.png", 1)
    (folder / "inside.png").symlink_to(folder / "a.png")
    (folder / "leads-out.png").symlink_to(outside / "secret.png")
    (folder / "nowhere.png").symlink_to(tmp_path / "gone.png")
    (folder / "more").symlink_to(outside)
    (folder / "round").symlink_to(folder)
    found = {file.path: file.reason for file in listing(folder)}
    out = "the link leads out of the folder and is not followed"
    assert found == {"a.png": "", "inside.png": "", "leads-out.png": out, "nowhere.png": out}
    followed = {file.path: file.reason for file in listing(folder, follow_links=True)}
    assert followed == {
        "a.png": "",
        "inside.png": "",
        "leads-out.png": "",
        "more/secret.png": "",
        "nowhere.png": "No such file or directory",
    }


def test_a_folder_that_only_ends_like_an_image(tmp_path: Path) -> None:
    paint(tmp_path / "album.png" / "a.png", 0)
    os.mkfifo(tmp_path / "pipe.png")
    found = {file.path: file.reason for file in listing(tmp_path)}
    assert found == {"album.png/a.png": "", "pipe.png": "not a file"}


def test_nothing_to_list(tmp_path: Path) -> None:
    with pytest.raises(cs.ConvscopeError, match="no photograph in"):
        listing(tmp_path)
    with pytest.raises(cs.ConvscopeError, match="no folder"):
        listing(tmp_path / "none")


def files(paths: list[int], modified: int = 0) -> list[File]:
    return [File(f"{path:03}", 1, modified) for path in sorted(paths)]


SETS = st.sets(st.integers(0, 30))


@settings(deadline=None)
@given(SETS, SETS, SETS, st.integers(1, 7))
def test_shards_through_updates(
    first: set[int], second: set[int], touched: set[int], size: int
) -> None:
    before = Manifest(()).updated(files(list(first)), size)
    now = files(list(second - touched)) + files(list(second & touched), modified=1)
    after = before.updated(now, size)
    assert sorted(after.files, key=lambda f: f.path) == sorted(now, key=lambda f: f.path)
    assert all(0 < len(shard.files) <= size for shard in after.shards)
    numbers = [shard.number for shard in after.shards]
    assert numbers == sorted(set(numbers))
    homes = {file.path: s.number for s in before.shards for file in s.files}
    for shard in after.shards:
        for file in shard.files:
            assert homes.get(file.path, shard.number) == shard.number
    # Nothing is done again where nothing went or changed.
    keys = {shard.number: shard.key("run") for shard in before.shards}
    for shard in before.shards:
        paths = {int(file.path) for file in shard.files}
        if paths <= second - touched:
            (again,) = (s for s in after.shards if s.number == shard.number)
            assert again.key("run") == keys[shard.number]
    assert Manifest.from_table(after.to_table()) == after


def test_keys_tell_shards_apart() -> None:
    (shard,) = Manifest(()).updated(files([1, 2]), 5).shards
    (touched,) = Manifest(()).updated(files([1, 2], modified=1), 5).shards
    (fewer,) = Manifest(()).updated(files([1]), 5).shards
    keys = {shard.key("run"), touched.key("run"), fewer.key("run"), shard.key("another")}
    assert len(keys) == 4


def test_changes_in_words() -> None:
    plan = Manifest(()).updated(files([1, 2, 3]), 2)
    assert plan.changes(files([1, 2, 3])) == ""
    assert plan.changes(files([2], modified=1) + files([3, 4, 5])) == "2 new, 1 gone, 1 changed"
