"""Images that cannot be read at the moment, and folders with anything in them."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import convscope as cs
from convscope.files import images
from tests.helpers.collections import Make, paint, same


def away(monkeypatch: pytest.MonkeyPatch, name: str, error: Exception | None = None) -> None:
    """While an index is made, an image is not there, or reading it fails."""
    real = images.open_image

    def missing(path: Any) -> Any:
        if Path(path).name != name:
            return real(path)
        if error is not None:
            raise error
        Path(path).rename(Path(path).parents[2] / "aside")
        try:
            return real(path)
        finally:
            (Path(path).parents[2] / "aside").rename(path)

    monkeypatch.setattr(images, "open_image", missing)


@pytest.mark.parametrize("update", [False, True])
@pytest.mark.parametrize("error", [None, OSError(5, "Input/output error"), MemoryError()])
def test_an_image_that_is_not_there_for_a_moment(
    make: Make,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    update: bool,
    error: Exception | None,
) -> None:
    make("whole")
    with monkeypatch.context() as patch:
        away(patch, "05.png", error)
        index = make()
    assert [one.path for one in index.unreadable] == ["class 0/05.png"]
    assert len(make(update=update)) == 23
    assert same(tmp_path / "whole", tmp_path / "index")


def test_an_image_that_is_put_back_later(make: Make, photos: Path, tmp_path: Path) -> None:
    make("whole")
    file, aside = photos / "class 0" / "07.png", tmp_path / "aside"
    status = file.stat()
    file.rename(aside)
    file.symlink_to(tmp_path / "nowhere.png")  # the folder is listed, the image is not there
    index = make()
    assert [one.path for one in index.unreadable] == ["class 0/07.png"]
    file.unlink()
    aside.rename(file)
    assert file.stat().st_mtime_ns == status.st_mtime_ns
    assert len(make()) == 23, "no update is needed for what could not be looked at"
    assert same(tmp_path / "whole", tmp_path / "index")


def test_a_broken_image_is_not_opened_again(
    make: Make, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "text.png").write_text("no picture")
    (photos / "empty.png").touch()
    make()
    with monkeypatch.context() as patch:
        patch.setattr(images, "open_image", None)
        patch.setattr(nn.Module, "__call__", None)
        assert len(make().unreadable) == 2
        assert len(make(update=True).unreadable) == 2
    paint(photos / "text.png", 50)
    with pytest.raises(cs.ConvscopeError, match="1 changed"):
        make()
    assert [one.path for one in make(update=True).unreadable] == ["empty.png"]


def test_an_image_that_changes_while_it_is_read(
    make: Make, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another picture lies there for a moment: its embedding is not kept under this name."""
    make("whole")
    real = images.open_image

    def other(path: Any) -> Any:
        if Path(path).name != "05.png":
            return real(path)
        Path(path).rename(tmp_path / "aside")
        paint(Path(path), 99)
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(images, "open_image", other)
        index = make()
    assert [one.reason for one in index.unreadable] == ["class 0/05.png changed while it was read"]
    (tmp_path / "aside").rename(photos / "class 0" / "05.png")
    make()
    assert same(tmp_path / "whole", tmp_path / "index")


def test_anything_may_lie_in_a_folder(
    make: Make, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    Path("loop.jpg").symlink_to("loop.jpg")
    Path("one.jpg").symlink_to("two.jpg")
    Path("two.jpg").symlink_to("one.jpg")
    os.mkfifo("pipe.jpg")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind("socket.jpg")
    Path("zero.jpg").symlink_to("/dev/zero")
    Path("folder.jpg").mkdir()
    shutil.copy("20.png", "a" * 251 + ".png")
    shutil.copy("20.png", "new\nline\x1b[31m.png")
    raw = os.path.join(os.fsencode(photos), b"caf\xe9")
    os.mkdir(raw)
    shutil.copy(b"20.png", os.path.join(raw, b"\xff.png"))
    with open(b"broken \xfe.png", "wb") as broken:
        broken.write(b"no picture")
    index = make()
    assert len(index) == 26
    told = {one.path: one.reason for one in index.unreadable}
    assert told.keys() == {
        "loop.jpg", "one.jpg", "two.jpg", "pipe.jpg", "socket.jpg", "zero.jpg",
        os.fsdecode(b"broken \xfe.png"),
    }  # fmt: skip
    assert all("\n" not in reason for reason in told.values())
    row = [os.fsencode(path) for path in index.paths].index(b"caf\xe9/\xff.png")
    assert os.fsencode(index.folders[row] or "") == b"caf\xe9"
    assert index.photo(row).shape == index.photo(index.paths.index("20.png")).shape
    make()
    shutil.copytree(tmp_path / "index", tmp_path / "copy")
    assert same(make("again").path, tmp_path / "copy")
