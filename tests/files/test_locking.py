"""One writer at a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import convscope as cs
from convscope.files import LOCK, locked


def test_nothing_is_left(tmp_path: Path) -> None:
    with locked(tmp_path / "new" / "folder"):
        pass
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / "new" / "folder"):
        (tmp_path / "new" / "folder" / "a").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "folder", "a"]


def test_it_is_held_once(tmp_path: Path) -> None:
    with locked(tmp_path):
        with (
            pytest.raises(cs.ConvscopeError, match="another process is writing to"),
            locked(tmp_path),
        ):
            raise AssertionError("both")
        assert (tmp_path / LOCK).exists()
    with locked(tmp_path):
        pass


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_a_file_of_that_name_is_not_changed(tmp_path: Path, kind: str) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    folder = tmp_path / "folder"
    folder.mkdir()
    if kind == "file":
        os.link(precious, folder / LOCK)
        with locked(folder):
            pass
    else:
        (folder / LOCK).symlink_to(precious) if kind == "link" else (folder / LOCK).mkdir()
        with pytest.raises(cs.ConvscopeError, match=r"cannot write .*folder"), locked(folder):
            raise AssertionError("locked")
    assert precious.read_text() == "precious"
    assert os.path.lexists(folder / LOCK)


def test_a_file_that_another_deletes_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of a file that is gone would keep nobody out."""
    import fcntl

    lockf, calls = fcntl.lockf, []

    def late(handle: int, how: int) -> None:
        calls.append(handle)
        if len(calls) == 1:
            (tmp_path / LOCK).unlink()
        if len(calls) == 2:
            (tmp_path / LOCK).unlink()
            (tmp_path / LOCK).touch()
        lockf(handle, how)

    monkeypatch.setattr(fcntl, "lockf", late)
    with locked(tmp_path):
        assert len(calls) == 3
        assert (tmp_path / LOCK).exists()
    assert list(tmp_path.iterdir()) == []
