"""Nothing of the user's is replaced: only what convscope provably wrote, and never an input."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import convscope as cs
from convscope.files import atomic, check_writable, digest, pictures, provenance, read_provenance
from convscope.files.replacing import check_replaceable

PROVENANCE = {"technique": "saliency", "parameters": {}}
PICTURE = Image.new("RGB", (8, 6), (200, 30, 60))
FORMATS = ("png", "jpg", "webp", "gif", "mp4")


def ours(path: Path) -> Path:
    return pictures.save_pictures(path, [PICTURE], PROVENANCE)


def content(folder: Path) -> dict[str, object]:
    """What lies in a folder: of files what they hold, of links where they lead."""
    return {
        str(path.relative_to(folder)): os.readlink(path)
        if path.is_symlink()
        else path.is_dir() or path.read_bytes()
        for path in folder.rglob("*")
    }


def refused(path: Path, message: str, **words: object) -> None:
    """A picture is refused in one line, before the work and after it, and nothing is changed."""
    before = content(path.parent)
    for write in (
        lambda: check_writable(path, **words),  # type: ignore[arg-type]
        lambda: ours(path),
    ):
        with pytest.raises(cs.ConvscopeError, match=message) as caught:
            write()
        assert "\n" not in str(caught.value)
    assert content(path.parent) == before


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_command_twice(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"a.{kind}"
    for _ in range(3):
        check_writable(file)
        ours(file)
    assert len(list(tmp_path.iterdir())) == (1 if kind == "png" else 2)


@pytest.mark.parametrize("kind", FORMATS)
def test_an_empty_file_holds_nothing(tmp_path: Path, kind: str) -> None:
    """As `mktemp` makes one. As an input, or behind a link, it stays."""
    file = tmp_path / f"a.{kind}"
    file.touch()
    check_writable(file)
    ours(file)
    assert file.stat().st_size
    empty, link = tmp_path / f"empty.{kind}", tmp_path / f"link.{kind}"
    empty.touch()
    link.symlink_to(empty)
    refused(link, "is a link")
    with pytest.raises(cs.ConvscopeError, match="one of the files to read"):
        check_writable(empty, read=[link])
    with pytest.raises(cs.ConvscopeError, match="was not made by convscope"):
        atomic.check_folder(empty, ours=bool)


FOREIGN: dict[str, Callable[[Path], object]] = {
    "text": lambda file: file.write_text("precious"),
    "picture": lambda file: PICTURE.save(file, "JPEG"),
    "png": lambda file: PICTURE.save(file, "PNG"),
    "cut": lambda file: file.write_bytes(ours(file).read_bytes()[:40]),
    "pipe": lambda file: os.mkfifo(file),
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("put", FOREIGN)
def test_a_file_of_somebody_else(tmp_path: Path, kind: str, put: str) -> None:
    file = tmp_path / f"a.{kind}"
    FOREIGN[put](file)
    if put == "pipe":
        with pytest.raises(cs.ConvscopeError, match="was not made by convscope"):
            ours(file)
    else:
        refused(file, r"a\.\w+ exists and was not made by convscope; choose another name")


@pytest.mark.parametrize("kind", FORMATS[1:])
def test_a_picture_that_was_changed_since(tmp_path: Path, kind: str) -> None:
    """Its owner has put work into it, or another picture into its place."""
    file = ours(tmp_path / f"a.{kind}")
    file.write_bytes(file.read_bytes() + b"more")
    refused(file, "was not made by convscope")


@pytest.mark.parametrize("kind", FORMATS[1:])
@pytest.mark.parametrize(
    "text", ["precious", "[]", '{"labels": [1]}', '{"technique": "mine"}', "[" * 100_000]
)
def test_a_foreign_sidecar(tmp_path: Path, kind: str, text: str) -> None:
    (tmp_path / f"a.{kind}.json").write_text(text)
    refused(tmp_path / f"a.{kind}", r"a\.\w+\.json exists and was not made by convscope")


def test_a_sidecar_whose_picture_is_gone(tmp_path: Path) -> None:
    ours(tmp_path / "a.jpg").unlink()
    ours(tmp_path / "a.jpg")


def test_pictures_that_were_renamed_with_their_sidecars(tmp_path: Path) -> None:
    ours(tmp_path / "a.jpg").rename(tmp_path / "b.jpg")
    shutil.move(tmp_path / "a.jpg.json", tmp_path / "b.jpg.json")
    ours(tmp_path / "b.jpg")


def test_a_sidecar_has_the_digest_that_nobody_else_sees(tmp_path: Path) -> None:
    file = ours(tmp_path / "a.jpg")
    assert json.loads((tmp_path / "a.jpg.json").read_text())["sha256"] == digest(file)
    assert read_provenance(file) == PROVENANCE


# ------------------------------------------------------------------------------ inputs and links


def test_an_input_is_never_replaced_under_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even one that convscope made: a picture of ours may be the photograph of another one."""
    monkeypatch.chdir(tmp_path)
    photo = ours(tmp_path / "photo.png")
    (tmp_path / "inner").mkdir()
    (tmp_path / "link.png").symlink_to("photo.png")
    (tmp_path / "folder").symlink_to(tmp_path)
    os.link(photo, tmp_path / "hard.png")
    for name in ("photo.png", "./photo.png", "inner/../photo.png", "folder/photo.png"):
        for other in (*("link.png", "hard.png", "photo.png"), str(photo)):
            with pytest.raises(cs.ConvscopeError, match="is one of the files to read; write to"):
                check_writable(name, read=["sample:chelsea", "a\0b", "missing", other])
    for name in ("link.png", "hard.png", "folder/hard.png"):
        with pytest.raises(cs.ConvscopeError, match="is one of the files to read; write to"):
            check_writable(name, read=["photo.png"])
    check_writable("other.png", read=["photo.png"])


def test_an_input_in_the_place_of_a_sidecar(tmp_path: Path) -> None:
    ours(tmp_path / "a.jpg")
    with pytest.raises(cs.ConvscopeError, match=r"a\.jpg\.json is one of the files to read"):
        check_writable(tmp_path / "a.jpg", read=[tmp_path / "a.jpg.json"])


def test_names_that_differ_in_case_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system where they are names of one file, as Windows and macOS have it."""
    photo = ours(tmp_path / "photo.png")
    lstat, same = Path.lstat, os.path.samefile
    monkeypatch.setattr(Path, "lstat", lambda self: lstat(Path(str(self).lower())))
    monkeypatch.setattr(os.path, "samefile", lambda a, b: same(str(a).lower(), str(b).lower()))
    with pytest.raises(cs.ConvscopeError, match=r"PHOTO\.PNG is one of the files to read"):
        check_writable(tmp_path / "PHOTO.PNG", read=[photo])


@pytest.mark.parametrize("leads_to", ["ours.png", "theirs.png", "nowhere.png", "a.png"])
def test_a_link_is_not_replaced_and_not_written_through(tmp_path: Path, leads_to: str) -> None:
    ours(tmp_path / "ours.png")
    PICTURE.save(tmp_path / "theirs.png")
    (tmp_path / "a.png").symlink_to(tmp_path / leads_to)
    refused(tmp_path / "a.png", r"a\.png is a link; write to another name, or delete the link")


def test_the_photograph_of_a_result_is_not_replaced_by_it(tmp_path: Path, own: cs.Network) -> None:
    photo = ours(tmp_path / "photo.png")
    before = photo.read_bytes()
    run = cs.saliency(own, cs.open_image(photo), target=0)
    for save in (run.save, run.result().save):
        with pytest.raises(cs.ConvscopeError, match=r"photo\.png is one of the files to read"):
            save(photo)
    assert photo.read_bytes() == before


def test_a_run_is_refused_before_it_computes(tmp_path: Path, own: cs.Network) -> None:
    (tmp_path / "a.png").write_text("precious")
    run = cs.filters(own)
    run.frames = lambda: pytest.fail("it ran")
    with pytest.raises(cs.ConvscopeError, match="was not made by convscope"):
        run.save(tmp_path / "a.png")


# ----------------------------------------------------------------- between the check and the end


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_comes_meanwhile(tmp_path: Path, kind: str) -> None:
    def write(temporary: Path) -> None:
        temporary.write_bytes(b"new")
        (tmp_path / f"a.{kind}").write_text("precious")

    with pytest.raises(cs.ConvscopeError, match="was not made by convscope"):
        atomic.write_file(tmp_path / f"a.{kind}", write, ours=provenance.is_ours)
    assert content(tmp_path) == {f"a.{kind}": b"precious"}


def test_a_file_that_comes_in_the_last_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last check: the move itself replaces nothing that was not there."""
    check = check_replaceable

    def late(target: Path, ours: Callable[[Path], bool]) -> None:
        check(target, ours)
        if not target.exists():
            target.write_text("precious")

    monkeypatch.setattr("convscope.files.atomic.check_replaceable", late)
    with pytest.raises(cs.ConvscopeError, match="was not made by convscope"):
        atomic.write_text(tmp_path / "a.txt", "new", ours=lambda _: False)
    assert content(tmp_path) == {"a.txt": b"precious"}


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    for _ in range(2):
        ours(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_text("precious")
    refused(tmp_path / "b.jpg", "was not made by convscope")


def fill(folder: Path) -> None:
    (folder / "new").touch()


def test_folders(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    atomic.write_folder(folder, fill, ours=lambda _: False)  # an empty one holds nothing
    with pytest.raises(cs.ConvscopeError, match="out exists and was not made by convscope"):
        atomic.write_folder(folder, fill, ours=lambda _: False)
    atomic.write_folder(folder, fill, ours=lambda path: (path / "new").exists())
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "file").write_text("precious")
    for name in ("link", "file"):
        with pytest.raises(cs.ConvscopeError, match=r"is a link|was not made by convscope"):
            atomic.write_folder(tmp_path / name, fill, ours=lambda path: (path / "new").exists())
    assert content(tmp_path) == {
        "out": True, "out/new": b"", "link": str(folder), "file": b"precious",
    }  # fmt: skip


def test_what_comes_into_a_folder_meanwhile_is_not_deleted_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    atomic.write_folder(folder, fill, ours=lambda _: False)

    def write(new: Path) -> None:
        fill(new)
        (folder / "precious").touch()

    def only_new(path: Path) -> bool:
        return [inner.name for inner in path.iterdir()] == ["new"]

    with pytest.raises(cs.ConvscopeError, match="out has changed meanwhile"):
        atomic.write_folder(folder, write, ours=only_new)
    assert content(tmp_path) == {"out": True, "out/new": b"", "out/precious": b""}


def test_a_name_that_is_too_long_is_one_line(tmp_path: Path) -> None:
    for name in ("a" * 300 + ".png", "a" * 250 + ".jpg"):
        with pytest.raises(cs.ConvscopeError, match="File name too long") as caught:
            check_writable(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(cs.ConvscopeError, match="cannot write"):
        check_replaceable(Path("a\0b"), lambda _: True)


def test_a_spectrum(tmp_path: Path) -> None:
    from convscope.vocabulary import spectra

    spectrum = spectra.load()
    for _ in range(2):
        check_writable(spectra.save(tmp_path / "a.npz", spectrum), ours=spectra.is_spectrum)
    assert (spectra.load(tmp_path / "a.npz") == spectrum).all()
    np.savez(tmp_path / "b.npz", magnitude=np.ones((3, 4, 3)))
    with pytest.raises(cs.ConvscopeError, match="was not made by convscope"):
        spectra.save(tmp_path / "b.npz", spectrum)
