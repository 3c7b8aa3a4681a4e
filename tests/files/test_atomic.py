"""The one writer: files and folders, whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

import convscope as cs
from convscope.files import anything, atomic


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    def write(file: Path) -> None:
        file.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic.write_file(tmp_path / "a.html", write, ours=anything)
    assert list(tmp_path.iterdir()) == []


def test_json_and_back(tmp_path: Path) -> None:
    values = {"b": [1, 2.5, None], "a": "\u732b"}
    written = atomic.write_json(tmp_path / "a.json", values, ours=anything)
    assert atomic.read_json(written) == values
    for text in ("{", "[1]", ""):
        written.write_text(text)
        assert atomic.read_json(written) is None
    assert atomic.read_json(tmp_path / "none.json") is None


def test_what_is_written_is_on_the_disk_before_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash of the machine may lose the new file, but never the old one as well."""
    file = tmp_path / "a.txt"
    file.write_text("old")
    synced: list[tuple[int, str]] = []
    monkeypatch.setattr(
        os, "fsync", lambda handle: synced.append((os.fstat(handle).st_ino, file.read_text()))
    )
    atomic.write_text(file, "new", ours=anything)
    assert synced == [(file.stat().st_ino, "old"), (tmp_path.stat().st_ino, "new")]


def test_several_files_or_none(tmp_path: Path) -> None:
    def fail(file: Path) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "a").write_text("old")
    files = {tmp_path / "a": lambda file: file.write_text("new"), tmp_path / "b": fail}
    with pytest.raises(cs.ConvscopeError, match=r"cannot write .*b \(No space left on device\)"):
        atomic.write_files(files, ours=anything)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def foreign(_: Path) -> bool:
    return False


def fill(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "file").write_text("new")


def half(folder: Path) -> None:
    fill(folder)
    raise KeyboardInterrupt


def test_a_folder_takes_its_place_or_vanishes(tmp_path: Path) -> None:
    target = tmp_path / "out [1]"
    with pytest.raises(KeyboardInterrupt):
        atomic.write_folder(target, half, ours=foreign)
    assert list(tmp_path.iterdir()) == []
    assert atomic.write_folder(target, fill, ours=foreign) == target
    assert [p.name for p in tmp_path.iterdir()] == ["out [1]"]
    assert (target / "inner" / "file").read_text() == "new"
    usual = tmp_path / "usual"
    usual.mkdir()
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)


def test_a_folder_replaces_another_only_if_it_may(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(cs.ConvscopeError, match="was not made by convscope; choose another name"):
        atomic.write_folder(target, fill, ours=foreign)
    with pytest.raises(KeyboardInterrupt):
        atomic.write_folder(target, half, ours=anything)
    assert [p.name for p in target.iterdir()] == ["old"]
    atomic.write_folder(target, fill, ours=anything)
    assert [p.name for p in target.iterdir()] == ["inner"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_folders_that_killed_processes_left_go_after_a_day(tmp_path: Path) -> None:
    for name in ("out-old", "out-new", "other-old"):
        (tmp_path / f"{atomic.TEMPORARY}{name}").mkdir()
        if name.endswith("old"):
            os.utime(tmp_path / f"{atomic.TEMPORARY}{name}", (0, 0))
    atomic.write_folder(tmp_path / "out", fill, ours=foreign)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        ".convscope-other-old", ".convscope-out-new", "out",
    ]  # fmt: skip


def test_a_folder_in_no_folder(tmp_path: Path) -> None:
    with pytest.raises(cs.ConvscopeError, match=r"no folder .*missing to write out to"):
        atomic.write_folder(tmp_path / "missing" / "out", fill, ours=foreign)


def test_a_link_of_a_temporary_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / f"{atomic.TEMPORARY}out-link").symlink_to("nowhere")
    atomic.write_folder(tmp_path / "out", fill, ours=foreign)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".convscope-out-link", "out"]
