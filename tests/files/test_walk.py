"""The one walker: which photographs a folder holds."""

from __future__ import annotations

from pathlib import Path

import pytest

import convscope as cs
from convscope.files import photographs


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder named from the working folder, with what does not count in it too."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b/c.PNG", "d.png", ".hidden/e.png", "b/.f.png", "b/notes.txt"):
        Path("photos", name).parent.mkdir(parents=True, exist_ok=True)
        Path("photos", name).touch()
    Path("photos/round").symlink_to(tmp_path / "photos")
    Path("photos/link.png").symlink_to("a.png")
    return Path("photos")


def test_photographs_of_a_folder(folder: Path, tmp_path: Path) -> None:
    names = ["a.png", "b/c.PNG", "d.png", "link.png"]
    assert photographs(folder) == tuple(folder / name for name in names)
    assert photographs(tmp_path / folder) == tuple(tmp_path / folder / name for name in names)
    for left_out in ("photos/b", tmp_path / "photos" / "b", Path("photos/../photos/b")):
        assert photographs(folder, [left_out]) == tuple(
            folder / name for name in ("a.png", "d.png", "link.png")
        )


def test_links_are_followed_once_and_not_in_circles(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "deep").mkdir(parents=True)
    (tmp_path / "out" / "deep" / "g.png").touch()
    (tmp_path / "out" / "up").symlink_to(tmp_path / "out")
    for name in ("one", "two"):
        (folder / name).symlink_to(tmp_path / "out")
    assert len(photographs(folder)) == 4
    found = [path.relative_to(folder).as_posix() for path in photographs(folder, follow_links=True)]
    assert [name for name in found if name.endswith("g.png")] in (
        ["one/deep/g.png"], ["two/deep/g.png"],
    )  # fmt: skip
    assert len(found) == 5


def test_no_photographs(folder: Path) -> None:
    Path("empty").mkdir()
    with pytest.raises(cs.ConvscopeError, match="no photograph in empty"):
        photographs(Path("empty"))
    for name in ("nowhere", "photos/a.png"):
        with pytest.raises(cs.ConvscopeError, match=f"cannot read {name}"):
            photographs(Path(name))
