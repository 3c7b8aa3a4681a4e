"""The folder of a site: complete after any kill, and nothing of anybody else's is touched."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

import convscope as cs
from convscope.files import atomic
from convscope.site.folder import SiteFolder

ABOUT = {"index": "a" * 64, "network": "b" * 64, "layers": ["blocks"], "method": "tsne"}

FILES = {"one.html": b"<p>1", "units/x/2.html": b"<p>2", "units/x/2.webp": b"\0\1"}


def written(path: Path, files: dict[str, bytes] = FILES, key: str = "k") -> SiteFolder:
    folder = SiteFolder(path)
    with folder.writing(ABOUT):
        if not folder.has("part", key):
            folder.write("part", key, files)
    return folder


def content(path: Path) -> dict[str, bytes]:
    files = (file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


def test_what_is_written(tmp_path: Path) -> None:
    folder = written(tmp_path / "site")
    found = content(tmp_path / "site")
    assert {name: found[name] for name in FILES} == FILES
    assert found.keys() - FILES.keys() == {"site.json", "receipts/part.json"}
    assert json.loads(found["site.json"]) == {"made_by": "convscope", **ABOUT}
    assert folder.has("part", "k")
    assert not folder.has("part", "other")
    assert not folder.has("another", "k")


def test_files_that_are_gone_are_written_again(tmp_path: Path) -> None:
    written(tmp_path / "site")
    before = content(tmp_path / "site")
    (tmp_path / "site" / "one.html").unlink()
    assert not SiteFolder(tmp_path / "site").has("part", "k")
    written(tmp_path / "site")
    assert content(tmp_path / "site") == before


def test_a_part_that_changed_replaces_its_own_files(tmp_path: Path) -> None:
    written(tmp_path / "site")
    changed = {"one.html": b"<p>new", "three.html": b"<p>3"}
    written(tmp_path / "site", changed, "new key")
    found = content(tmp_path / "site")
    assert {name: found[name] for name in changed} == changed
    assert found.keys() == {*changed, "site.json", "receipts/part.json"}
    written(tmp_path / "other", changed, "new key")
    assert found == content(tmp_path / "other")


def test_what_somebody_changed_is_kept(tmp_path: Path) -> None:
    written(tmp_path / "site")
    for name in ("one.html", "units/x/2.webp"):
        file = tmp_path / "site" / name
        before = file.read_bytes()
        file.write_bytes(b"mine")
        with pytest.raises(cs.ConvscopeError, match="is not as convscope wrote it; move it away"):
            written(tmp_path / "site")
        with pytest.raises(cs.ConvscopeError, match="is not as convscope wrote it"):
            written(tmp_path / "site", key="another")
        assert file.read_bytes() == b"mine"
        file.write_bytes(before)


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_what_was_there_first_is_kept(tmp_path: Path, kind: str) -> None:
    written(tmp_path / "site", {})
    target = tmp_path / "site" / "one.html"
    if kind == "file":
        target.write_bytes(b"mine")
    elif kind == "link":
        target.symlink_to(tmp_path / "elsewhere")
    else:
        target.mkdir()
    with pytest.raises(cs.ConvscopeError, match=r"one\.html is not as convscope wrote it"):
        written(tmp_path / "site", key="another")
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "site" / "units").exists()


def test_other_folders_are_refused(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("precious")
    with pytest.raises(cs.ConvscopeError, match="is not empty, and not a site of convscope"):
        written(mine)
    (mine / "site.json").write_text('{"title": "a site of somebody else"}')
    with pytest.raises(cs.ConvscopeError, match="is not empty, and not a site of convscope"):
        written(mine)
    assert content(mine).keys() == {"notes.txt", "site.json"}
    with pytest.raises(cs.ConvscopeError, match=r"notes\.txt is no folder of its own"):
        written(mine / "notes.txt")
    (tmp_path / "link").symlink_to(mine)
    with pytest.raises(cs.ConvscopeError, match="link is no folder of its own"):
        written(tmp_path / "link")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("index", "of another index, or of this one before it was updated"),
        ("network", "of another network"),
        ("layers", "of other layers"),
        ("method", "with another map"),
    ],
)
def test_a_site_of_something_else_is_refused(tmp_path: Path, name: str, told: str) -> None:
    written(tmp_path / "site")
    before = content(tmp_path / "site")
    with pytest.raises(cs.ConvscopeError, match=f"is a site {told}; give another output"):
        SiteFolder(tmp_path / "site").check({**ABOUT, name: "other"})
    assert content(tmp_path / "site") == before


def test_an_empty_folder_and_one_that_a_crash_left_are_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    written(tmp_path / "empty")
    (tmp_path / "empty" / "units" / ".convscope-abc.html").write_text("half")
    written(tmp_path / "empty")
    written(tmp_path / "fresh")
    assert content(tmp_path / "empty") == content(tmp_path / "fresh")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("changed", [False, True])
def test_killed_at_any_file(tmp_path: Path, changed: bool) -> None:
    """A process is killed before or after its n-th file; the next one ends in the same bytes."""
    files, key = FILES, "k"
    if changed:
        files, key = {"one.html": b"<p>new", "units/x/2.html": b"<p>2", "4.html": b""}, "new"
    written(tmp_path / "whole", files, key)
    for moment in range(40):
        path = tmp_path / f"killed{moment}"
        if changed:
            written(path)
        child = os.fork()
        if not child:
            _killed(path, files, key, moment)
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        written(path, files, key)
        assert content(path) == content(tmp_path / "whole"), moment
        if not killed:
            break
    assert 2 * len(FILES) <= moment < 40


def _killed(path: Path, files: dict[str, bytes], key: str, moment: int) -> None:
    """Write, and die at a moment: before a file is moved to its place, or after that."""
    real, count = atomic._move, 0

    def moved(*given: object) -> None:
        nonlocal count
        for step in (None, real):
            if step:
                step(*given)  # type: ignore[arg-type]
            if count == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1

    atomic._move = moved  # type: ignore[assignment]
    try:
        written(path, files, key)
    finally:
        os._exit(0)
