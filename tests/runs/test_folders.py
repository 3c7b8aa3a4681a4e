"""A folder of photographs: what is read, where it goes, what is not done twice, how it fails."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NoReturn

import numpy as np
import pytest
from PIL import Image
from pydantic import Field
from rich.console import Console
from torch import Tensor

import convscope as cs
from convscope import progress, replay
from convscope.cli import main, terminal
from convscope.files import images, pictures, read_provenance
from convscope.network import zoo
from convscope.runs import catalog, folders, registry
from convscope.types.frames import Frame
from convscope.types.panels import Picture
from tests.helpers.networks import own_network
from tests.helpers.shell import Shell


class Darkroom:
    """A technique that multiplies a photograph by a number, and remembers whom it served."""

    def __init__(self) -> None:
        self.served: list[int] = []
        self.loads = 0
        self.before: Callable[[int], None] = lambda brightness: None

    def load(self, *_: object, **__: object) -> cs.Network:
        self.loads += 1
        return own_network()


@pytest.fixture
def darkroom(monkeypatch: pytest.MonkeyPatch) -> Darkroom:
    room = Darkroom()
    for name in registry.names():
        registry.get(name)  # or it would be registered for the time of this test only
    monkeypatch.setattr("convscope.network.load", room.load)
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    monkeypatch.setattr(catalog, "_added", dict(catalog._added))

    @cs.technique(title="Darken", paper="Nobody 2024", url="https://example.org/darken")
    def darken(
        net: cs.Network,
        image: Tensor,
        *,
        by: Annotated[float, Field(gt=0, le=1, description="how much is left")] = 0.5,
        pair: Annotated[tuple[int, int], Field(description="a tuple, which JSON has not")] = (1, 2),
        layer: Annotated[str | None, Field(description="a layer")] = None,
        target: cs.TargetName = None,
    ) -> Iterator[Frame]:
        """The photograph, darker."""
        if layer is not None:
            net.layer(layer)
        if image.shape[3] < 4:
            raise cs.ConvscopeError(f"the photo is only {image.shape[3]} wide")
        brightness = round(float(image[0, 0, 0, 0] * 255))
        room.before(brightness)
        room.served.append(brightness)
        yield Frame(panels=(Picture(image[0] * by),), summary={"brightness": brightness})

    return room


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three photographs, of brightness 40, 80 and 120 in the order of their paths."""
    monkeypatch.chdir(tmp_path)
    for name, brightness in {"a.png": 40, "b/c.png": 80, "d.png": 120}.items():
        take(Path("photos", name), brightness)
    return Path("photos")


def take(file: Path, brightness: int, width: int = 10) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, 6), (brightness,) * 3).save(file)
    return file


def files(folder: str | Path) -> dict[str, int]:
    """All files in a folder with the brightness of each picture."""
    found = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {str(p.relative_to(folder)): np.asarray(Image.open(p))[0, 0, 0] for p in found}


ALL = {"a.png.png": 20, "b/c.png.png": 40, "d.png.png": 60}


# --------------------------------------------------------------------------- what goes where


def test_every_photograph_gets_its_picture(photos: Path, darkroom: Darkroom, shell: Shell) -> None:
    assert shell("darken", "photos", "-o", "new/out") == (0, "new/out\n", "pictures: 3 made\n")
    assert files("new/out") == ALL
    assert files("photos") == {"a.png": 40, "b/c.png": 80, "d.png": 120}
    assert darkroom.loads == 1
    assert darkroom.served == [40, 80, 120]


@pytest.mark.parametrize(
    ("inside", "word", "out"),
    [
        (".", "photos", "photos-darken"),
        (".", "photos/", "photos-darken"),
        (".", "photos/b/..", "photos-darken"),
        ("photos", ".", "photos-darken"),
        ("photos/b", "..", "photos-darken"),
        ("photos", "b", "b-darken"),
    ],
)
def test_the_usual_place(
    photos: Path,
    darkroom: Darkroom,
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
    inside: str,
    word: str,
    out: str,
) -> None:
    monkeypatch.chdir(inside)
    code, told, _ = shell("darken", word)
    assert (code, told) == (0, f"{out}\n")
    assert files(out) == ({"c.png.png": 40} if word == "b" else ALL)


def test_the_root_of_a_disk_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert folders._usual_output(Path("/"), "darken") == Path("darken")


def test_what_is_a_photograph(photos: Path, darkroom: Darkroom, shell: Shell) -> None:
    ordered = ["B.JPG", "B/x.webp", "a.jpg", "a.png", "a.png.png", "a.tiff", "b-1.ppm", "b/c.png"]
    for i, name in enumerate(ordered):
        take(photos / name, 10 * i + 10)
    for name in (".hidden.png", "._a.png", ".git/a.png", "b/.thumbs/a.png"):
        take(photos / name, 1)
    for name in ("notes.txt", "a.eps", "a.pdf", "png", "a.png~", "b/a.html", "a.png.json"):
        (photos / name).write_text("no photograph")
    code, out, err = shell("darken", "photos", "--json")
    passed_over = "1 picture not opened: a.eps; convert to JPEG or PNG\n"
    assert (code, err) == (0, f"pictures: 9 made\n{passed_over}")
    read = [json.loads(line)["image"] for line in out.splitlines()]
    # Folder by folder: "b/c.png" stands where "b" does, before "b-1.ppm".
    order = ["B/x.webp", "B.JPG", "a.jpg", "a.png", "a.png.png", "a.tiff", "b/c.png", "b-1.ppm"]
    assert read == [f"photos/{name}" for name in (*order, "d.png")]
    found = files("photos-darken")
    assert set(found) == {f"{name}.png" for name in (*ordered, "d.png")}
    for name, brightness in found.items():
        source = np.asarray(Image.open(photos / name.removesuffix(".png")).convert("RGB"))
        assert brightness == pytest.approx(source[0, 0, 0] / 2, abs=0.51)


def test_links(photos: Path, darkroom: Darkroom, shell: Shell, tmp_path: Path) -> None:
    take(Path("elsewhere/e.png"), 200)
    Path("photos/link.png").symlink_to(tmp_path / "elsewhere" / "e.png")
    Path("photos/round").symlink_to(tmp_path / "photos")
    Path("photos/b/up").symlink_to("..")
    Path("photos/all").symlink_to("/")
    Path("photos/elsewhere").symlink_to(tmp_path / "elsewhere")
    Path("album").symlink_to("photos")
    assert shell("darken", "album")[0] == 0
    assert files("album-darken") == ALL | {"link.png.png": 100}


def test_links_that_lead_nowhere(photos: Path, darkroom: Darkroom, shell: Shell) -> None:
    Path("photos/gone.png").symlink_to("nowhere.png")
    Path("photos/self.png").symlink_to("self.png")
    code, _, err = shell("darken", "photos")
    gone, loop, count = err.splitlines()
    assert code == 1
    assert gone == "no image at photos/gone.png"
    assert "photos/self.png" in loop
    assert count == "pictures: 3 made, 2 failed"


def test_pictures_in_the_folder_are_not_its_photographs(
    photos: Path, darkroom: Darkroom, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        assert shell("darken", "photos", "-o", "photos/b/out", "--by", "0.25")[0] == 0
        assert len(files("photos")) == 6
    monkeypatch.chdir("photos/b/out")
    assert shell("darken", "../..", "-o", "../out")[2] == "pictures: 3 made again\n"


def test_what_another_technique_made_by_the_way_is_no_photograph(
    photos: Path, darkroom: Darkroom, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("photos")
    assert shell("darken", ".")[2] == "pictures: 3 made\n"
    take(Path("photos-saliency/a.png.png"), 9)
    take(Path("b/photos-saliency/a.png.png"), 90)  # of that name, but not where it would be made
    assert shell("darken", ".", "-o", "out")[2] == "pictures: 4 made\n"
    assert files("out") == ALL | {"b/photos-saliency/a.png.png.png": 45}


def test_odd_names(photos: Path, darkroom: Darkroom, shell: Shell) -> None:
    names = ["[bold] [/].png", "two\nlines.png", "-o.png", "%s{}.png", os.fsdecode(b"\xff\xfe.png")]
    for name in names:
        take(photos / name, 30)
    code, out, err = shell("darken", "photos", "--json")
    assert (code, err) == (0, "pictures: 8 made\n")
    assert {json.loads(line)["image"] for line in out.splitlines()} >= {
        f"photos/{name}" for name in names
    }
    for name in names[:-1]:
        (photos / name).write_bytes(b"no image")
    code, out, err = shell("darken", "photos")
    assert (code, out) == (1, "photos-darken\n")
    assert len(err.splitlines()) == 5
    assert "photos/[bold] [/].png is not an image" in err
    assert "photos/two lines.png is not an image" in err


# ------------------------------------------------------------------- as for one photograph


def test_the_picture_is_that_of_a_single_photograph(
    photos: Path, darkroom: Darkroom, shell: Shell
) -> None:
    Image.effect_mandelbrot((60, 50), (-2, -1, 1, 1), 30).save("photos/a.png")
    words = ["--target", "1"]
    assert shell("saliency", "photos", *words, "--json", "-o", "out")[0] == 0
    single = json.loads(shell("saliency", "photos/a.png", *words, "--json", "-o", "a.png")[1])
    row = json.loads(shell("saliency", "photos", *words, "--json", "-o", "again")[1].split("\n")[0])
    assert Path("out/a.png.png").read_bytes() == Path("a.png").read_bytes()
    assert row == {"image": "photos/a.png", **single, "picture": "again/a.png.png"}
    run = cs.saliency(own_network(), cs.open_image("photos/a.png"), target="1")
    assert Image.open("out/a.png.png").tobytes() == run.result().picture.tobytes()
    assert read_provenance("out/a.png.png") == run.provenance


def test_a_picture_of_a_folder_can_be_replayed(
    photos: Path, net: cs.Network, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (zoo, replay):
        monkeypatch.setattr(module, "load", cache(lambda *_, **__: net))
    assert shell("predict", "photos/b", "--top", "2")[0] == 0
    assert shell("replay", "b-predict/c.png.png", "--trust", "-o", "again.png")[0] == 0
    assert Path("again.png").read_bytes() == Path("b-predict/c.png.png").read_bytes()


def test_the_last_frame_counts(photos: Path, darkroom: Darkroom, shell: Shell) -> None:
    words = ["--octaves", "1", "--steps", "3", "--layer", "blocks.0"]
    Image.effect_mandelbrot((48, 40), (-2, -1, 1, 1), 30).save("photos/large.png")
    code, _, err = shell("deepdream", "photos", *words)
    assert code == 1
    assert err.count("is too small for 1 octaves") == 3
    shell("deepdream", "photos/large.png", *words, "-o", "one.png")
    assert Path("photos-deepdream/large.png.png").read_bytes() == Path("one.png").read_bytes()


def test_one_photograph_is_in_memory_at_a_time(
    photos: Path, darkroom: Darkroom, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(photos / "b" / "thin.png", 9, width=2)
    opened: list[weakref.ref[Tensor]] = []
    open_image = images.open_image

    def watch(path: Any) -> Tensor:
        assert [photo() for photo in opened] == [None] * len(opened)
        image = open_image(path)
        opened.append(weakref.ref(image))
        return image

    monkeypatch.setattr(images, "open_image", watch)
    assert shell("darken", "photos")[2].splitlines()[-1] == "pictures: 3 made, 1 failed"
    assert len(opened) == 4


# -------------------------------------------------------------------------- not done twice


def test_nothing_is_done_twice(
    photos: Path, darkroom: Darkroom, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell("darken", "photos")
    before = {path: path.stat().st_mtime_ns for path in Path("photos-darken").rglob("*")}
    take(photos / "e.png", 200)
    assert shell("darken", "photos")[2] == "pictures: 1 made, 3 already there\n"
    assert darkroom.served == [40, 80, 120, 200]

    def refuse(*_: object) -> NoReturn:
        raise AssertionError("opened a photograph")

    monkeypatch.setattr(images, "open_image", refuse)
    code, out, err = shell("darken", "photos", "--json")
    assert (code, err) == (0, "pictures: 4 already there\n")
    assert json.loads(out.splitlines()[0]) == {
        "image": "photos/a.png", "picture": "photos-darken/a.png.png", "kept": True,
    }  # fmt: skip
    assert {p: p.stat().st_mtime_ns for p in before if p.is_file()} == {
        p: time for p, time in before.items() if p.is_file()
    }


def test_other_options_make_all_anew(
    photos: Path, darkroom: Darkroom, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell("darken", "photos")
    take(photos / "e.png", 200)

    def refuse(*_: object) -> NoReturn:
        raise AssertionError("hashed a photograph for nothing")

    with monkeypatch.context() as patch:
        patch.setattr(images, "digest", refuse)
        words = ["darken", "photos", "--by", "0.25"]
        assert shell(*words)[2] == "pictures: 1 made, 3 made again\n"
    assert files("photos-darken") == {
        "a.png.png": 10, "b/c.png.png": 20, "d.png.png": 30, "e.png.png": 50,
    }  # fmt: skip
    # What is the default, said or not, is the same.
    assert "4 made again" in shell("darken", "photos", "--by", "0.5")[2]
    assert "4 already there" in shell("darken", "photos")[2]


def test_another_photograph_of_the_same_name_is_drawn(
    photos: Path, darkroom: Darkroom, shell: Shell
) -> None:
    shell("darken", "photos")
    take(photos / "d.png", 140)
    assert shell("darken", "photos")[2] == "pictures: 1 made again, 2 already there\n"
    assert files("photos-darken") == ALL | {"d.png.png": 70}


def test_a_folder_that_has_moved_is_known_by_its_photographs(
    photos: Path, darkroom: Darkroom, shell: Shell
) -> None:
    shell("darken", "photos", "-o", "out")
    photos.rename("album")
    assert shell("darken", "album", "-o", "out")[2] == "pictures: 3 already there\n"


SAME: dict[str, Any] = {
    "convscope": "0.0.1", "torch": "1.0", "device": "cuda",
    "parameters": {"target": None, "layer": None, "pair": [1, 2], "by": 0.5},  # in another order
}  # fmt: skip


@pytest.mark.parametrize("part", SAME)
def test_what_may_differ(photos: Path, darkroom: Darkroom, shell: Shell, part: str) -> None:
    shell("darken", "photos")
    rewrite(Path("photos-darken/a.png.png"), {part: SAME[part]})
    assert shell("darken", "photos")[2] == "pictures: 3 already there\n"


OTHER: dict[str, dict[str, Any]] = {
    "technique": {"technique": "lighten"},
    "an option": {"parameters": {"by": 0.5, "pair": [1, 3], "layer": None, "target": None}},
    "an option more": {"parameters": {"by": 0.5, "pair": [1, 2], "layer": None, "target": None,
                                      "and": 1}},
    "network": {"network": {"name": "other", "own": True}},
    "weights": {"network": {"name": "Own", "own": True, "checkpoint": "/other.pt"}},
    "photograph": {"image": {"path": "photos/a.png", "sha256": "0" * 64}},
    "no photograph": {"image": None},
    "no hash": {"image": {"path": "photos/a.png"}},
    "nonsense": {"image": "photos/a.png"},
    "nothing": {"parameters": None, "network": None},
    "what is not known": {"and": "then turned upside down"},
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER)
def test_what_may_not_differ(photos: Path, darkroom: Darkroom, shell: Shell, name: str) -> None:
    shell("darken", "photos")
    rewrite(Path("photos-darken/a.png.png"), OTHER[name])
    assert shell("darken", "photos")[2] == "pictures: 1 made again, 2 already there\n"
    assert shell("darken", "photos")[2] == "pictures: 3 already there\n"


def rewrite(picture: Path, changes: dict[str, Any]) -> None:
    with Image.open(picture) as opened:
        pictures.save_pictures(picture, [opened.copy()], read_provenance(picture) | changes)


def test_an_empty_file_is_filled(photos: Path, darkroom: Darkroom, shell: Shell) -> None:
    shell("darken", "photos")
    picture = Path("photos-darken/b/c.png.png")
    before = picture.read_bytes()
    picture.write_bytes(b"")
    told = "pictures: 1 made again, 2 already there\n"
    assert shell("darken", "photos") == (0, "photos-darken\n", told)
    assert picture.read_bytes() == before


@pytest.mark.parametrize("content", ["no image", "plain", "half"])
def test_a_file_of_somebody_else_stays_and_the_others_are_made(
    photos: Path, darkroom: Darkroom, shell: Shell, content: str
) -> None:
    shell("darken", "photos")
    picture = Path("photos-darken/b/c.png.png")
    if content == "plain":
        take(picture, 1)
    else:
        picture.write_bytes(picture.read_bytes()[:60] if content == "half" else content.encode())
    Path("photos-darken/d.png.png").unlink()
    before = picture.read_bytes()
    assert shell("darken", "photos") == (
        1,
        "photos-darken\n",
        "photos/b/c.png: photos-darken/b/c.png.png exists and was not made by convscope; choose"
        " another name or delete it first\npictures: 1 made, 1 already there, 1 failed\n",
    )
    assert picture.read_bytes() == before
    assert darkroom.served == [40, 80, 120, 120]


def test_a_photograph_that_is_gone_bad_is_not_taken_for_done(
    photos: Path, darkroom: Darkroom, shell: Shell
) -> None:
    shell("darken", "photos")
    (photos / "a.png").unlink()
    (photos / "a.png").symlink_to("nowhere")
    code, _, err = shell("darken", "photos")
    assert code == 1
    assert err == "no image at photos/a.png\npictures: 2 already there, 1 failed\n"


def test_digest_is_that_of_the_source(photos: Path, tmp_path: Path) -> None:
    file = photos / "a.png"
    expected = hashlib.sha256(file.read_bytes()).hexdigest()
    source = images.source(cs.open_image(file))
    assert source is not None
    assert images.digest(file) == expected == source["sha256"]
    with pytest.raises(cs.ConvscopeError, match=r"'photos/z\.png' cannot be read"):
        images.digest("photos/z.png")


# ---------------------------------------------------------------------------- what goes wrong


def test_one_bad_photograph_does_not_stop_the_others(
    photos: Path, darkroom: Darkroom, shell: Shell
) -> None:
    (photos / "a bad.png").write_text("no image")
    (photos / "b" / "empty.jpg").touch()
    take(photos / "b" / "thin.png", 9, width=3)
    words = ["darken", "photos"]
    code, out, err = shell(*words)
    assert (code, out) == (1, "photos-darken\n")
    assert err.splitlines() == [
        "photos/a bad.png is not an image that can be read",
        "photos/b/empty.jpg is empty",
        "photos/b/thin.png: the photo is only 3 wide",
        "pictures: 3 made, 3 failed",
    ]
    assert files("photos-darken") == ALL
    code, out, err = shell(*words, "--json")
    assert (code, err.splitlines()[-1]) == (1, "pictures: 3 already there, 3 failed")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["image"] for row in rows if "error" in row] == [
        "photos/a bad.png", "photos/b/empty.jpg", "photos/b/thin.png",
    ]  # fmt: skip
    assert rows[4] == {
        "image": "photos/b/thin.png",
        "error": "photos/b/thin.png: the photo is only 3 wide",
    }


@pytest.mark.parametrize("first", [40, 80])
@pytest.mark.parametrize(
    "error", [MemoryError("no room\nat all"), cs.ConvscopeError("no"), OSError]
)
def test_whatever_it_is_that_one_photograph_meets(
    photos: Path, darkroom: Darkroom, shell: Shell, first: int, error: Any
) -> None:
    def fail(brightness: int) -> None:
        if brightness == first:
            raise error

    darkroom.before = fail
    code, _, err = shell("darken", "photos")
    assert code == 1
    name = {40: "photos/a.png", 80: "photos/b/c.png"}[first]
    said = {MemoryError: "MemoryError: no room at all", cs.ConvscopeError: "no"}
    assert err.startswith(f"{name}: {said.get(type(error), 'OSError: ')}\n")
    assert err.endswith("pictures: 2 made, 1 failed\n")


def test_a_folder_of_bad_photographs(photos: Path, darkroom: Darkroom, shell: Shell) -> None:
    for path in list(photos.rglob("*.png")):
        path.write_text("no image")
    code, out, err = shell("darken", "photos")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == "pictures: 3 failed"
    assert not Path("photos-darken").exists()


BAD_WORDS = [
    (["--target", "9"], r"no class 9"),
    (["--target", "blocks.9"], r"unknown .*blocks\.9"),
    (["--by", "2"], r"by: .*less than or equal to 1, not 2"),
    (["--by", "many"], r"many"),
    (["--layer", "stemm"], r"unknown layer 'stemm'.*'stem'"),
    (["-o", "file"], r"file is a file; .* to a folder"),
    (["-o", "file/out"], r"cannot make pictures in file/out"),
    (["-o", "out.png"], r"photos is a folder, .* not the file out\.png"),
    (["-o", "out.JPG"], r"not the file out\.JPG"),
    (["-o", "new/out.gif"], r"not the file out\.gif"),
    (["-o", "photos"], r"photos holds the photographs"),
    (["-o", "."], r"\. holds the photographs"),
    (["-o", "photos/b/.."], r"holds the photographs"),
]


@pytest.mark.parametrize(("words", "message"), BAD_WORDS, ids=lambda v: " ".join(v)[:30])
def test_what_is_wrong_for_all_is_said_once(
    photos: Path, darkroom: Darkroom, shell: Shell, words: list[str], message: str
) -> None:
    Path("file").touch()
    assert re.search(message, shell.fails("darken", "photos", *words))
    assert darkroom.served == []
    assert darkroom.loads == (words[0] in ("--target", "--layer")), "no work before an error"
    assert set(os.listdir()) == {"file", "photos"}, "nothing half-written"


def test_a_folder_may_be_called_as_a_picture(
    photos: Path, darkroom: Darkroom, shell: Shell
) -> None:
    Path("out.png").mkdir()
    assert shell("darken", "photos", "-o", "out.png")[0] == 0
    assert files("out.png") == ALL


def test_a_place_that_cannot_be_written_to(
    photos: Path, darkroom: Darkroom, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(os, "access", lambda path, mode: asked.append((str(path), mode)))
    assert "cannot be written to" in shell.fails("darken", "photos", "-o", "new/out")
    assert asked == [(str(Path.cwd()), os.W_OK)]
    assert darkroom.loads == 0


@pytest.mark.parametrize("wrong", ["a technique", "a drawing", "a bug"])
def test_a_technique_that_refuses_any_photograph_says_so_once(
    photos: Path,
    darkroom: Darkroom,
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
    wrong: str,
) -> None:
    (photos / "a bad.png").write_text("no image")
    take(photos / "a thin.png", 9, width=2)
    opened: list[Path] = []
    open_image = images.open_image

    def watch(path: Path) -> Tensor:
        opened.append(path)
        return open_image(path)

    monkeypatch.setattr(images, "open_image", watch)

    def fail(*_: object) -> NoReturn:
        raise {"a bug": ZeroDivisionError("by zero")}.get(wrong, cs.ConvscopeError("not with me"))

    if wrong == "a drawing":
        monkeypatch.setattr("convscope.runs.result.draw", fail)
    else:
        darkroom.before = fail
    message = shell.fails("darken", "photos")
    expected = "ZeroDivisionError: by zero (--debug shows the traceback)"
    assert message == (expected if wrong == "a bug" else "not with me")
    assert [path.name for path in opened] == ["a bad.png", "a thin.png", "a.png"]
    assert not Path("photos-darken").exists()


@pytest.mark.parametrize("worked", ["made", "already there"])
def test_what_has_worked_once_is_not_wrong_for_all(
    photos: Path, darkroom: Darkroom, shell: Shell, worked: str
) -> None:
    if worked == "already there":
        take(Path("one/a.png"), 40)
        shell("darken", "one", "-o", "photos-darken")

    def fail(brightness: int) -> None:
        if brightness != 40:
            raise cs.ConvscopeError("not that one")

    darkroom.before = fail
    code, _, err = shell("darken", "photos")
    assert code == 1
    assert err.splitlines() == [
        "photos/b/c.png: not that one",
        "photos/d.png: not that one",
        f"pictures: 1 {worked}, 2 failed",
    ]


def test_a_folder_without_photographs(photos: Path, darkroom: Darkroom, shell: Shell) -> None:
    Path("empty/deep").mkdir(parents=True)
    Path("empty/notes.txt").write_text("none here")
    assert shell.fails("darken", "empty") == "no photograph in empty"
    take(Path("empty/.hidden/a.png"), 3)
    assert shell.fails("darken", "empty") == "no photograph in empty"
    assert darkroom.loads == 0
    assert not Path("empty-darken").exists()


def test_a_folder_that_cannot_be_read(
    photos: Path, darkroom: Darkroom, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refuse(path: str) -> Any:
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert shell.fails("darken", "photos") == "cannot read photos/b (Permission denied)"


def test_a_full_disk_ends_the_run(
    photos: Path, darkroom: Darkroom, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next picture would not fit on the disk either: its work would be for nothing."""
    save = Image.Image.save

    def full(picture: Image.Image, *words: Any, **options: Any) -> None:
        if darkroom.served == [40, 80]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(picture, *words, **options)

    monkeypatch.setattr(Image.Image, "save", full)
    code, out, err = shell("darken", "photos")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "pictures: 1 made; 2 left, run the same command again to continue",
        "convscope: cannot write photos-darken/b/c.png.png (No space left on device)",
    ]
    assert files("photos-darken") == {"a.png.png": 20}


def file_as_folder(photos: Path) -> str:
    Path("photos-darken/b").touch()
    return "cannot make photos-darken/b/c.png.png: photos-darken/b is not a folder"


def folder_as_picture(photos: Path) -> str:
    Path("photos-darken/b/c.png.png").mkdir(parents=True)
    return "cannot write photos-darken/b/c.png.png: it is a folder"


def link_as_picture(photos: Path) -> str:
    Path("photos-darken/b").mkdir()
    Path("photos-darken/b/c.png.png").symlink_to("/nowhere")
    return "photos-darken/b/c.png.png is a link"


def link_as_folder(photos: Path) -> str:
    Path("photos-darken/b").symlink_to("b")
    return "photos-darken/b"


def photograph_that_leads_to_itself(photos: Path) -> str:
    (photos / "b/c.png").unlink()
    (photos / "b/c.png").symlink_to("c.png")
    return "cannot be read (Symlink loop"


def photograph_that_leads_nowhere(photos: Path) -> str:
    (photos / "b/c.png").unlink()
    (photos / "b/c.png").symlink_to("d.png")
    return "no image at photos/b/c.png"


def photograph_that_is_a_pipe(photos: Path) -> str:
    (photos / "b/c.png").unlink()
    os.mkfifo(photos / "b/c.png")
    return "photos/b/c.png is not a file"


@pytest.mark.parametrize(
    "spoil",
    [
        file_as_folder, folder_as_picture, link_as_picture, link_as_folder,
        photograph_that_leads_to_itself, photograph_that_leads_nowhere, photograph_that_is_a_pipe,
    ],
)  # fmt: skip
def test_what_is_in_the_way_of_one_picture_spares_the_others(
    photos: Path, darkroom: Darkroom, shell: Shell, spoil: Callable[[Path], str]
) -> None:
    Path("photos-darken").mkdir()
    message = spoil(photos)
    code, _, err = shell("darken", "photos")
    assert code == 1
    told, counted = err.splitlines()
    assert message in told
    assert "photos/b/c.png" in told
    assert counted == "pictures: 2 made, 1 failed"
    assert darkroom.served == [40, 120], "known before the work"


def test_a_photograph_that_vanishes_meanwhile(
    photos: Path, darkroom: Darkroom, shell: Shell
) -> None:
    darkroom.before = lambda _: (photos / "b/c.png").unlink(missing_ok=True)
    assert shell("darken", "photos") == (
        1, "photos-darken\n", "no image at photos/b/c.png\npictures: 2 made, 1 failed\n",
    )  # fmt: skip


@pytest.mark.parametrize("letter", ["a", "\u732b", "\udcff"])
def test_names_as_long_as_they_can_be(
    photos: Path, darkroom: Darkroom, shell: Shell, letter: str
) -> None:
    """A picture has a name longer than its photograph's, so it is shortened, the same each time."""
    longest = letter * (251 // len(os.fsencode(letter)))
    alike = longest[:-1] + "b"
    for name, brightness in ((longest, 200), (alike, 100)):
        take(photos / f"{name}.png", brightness)
    code, _, err = shell("darken", "photos")
    assert (code, err) == (0, "pictures: 5 made\n")
    found = files("photos-darken")
    assert sorted(found.values()) == [20, 40, 50, 60, 100]
    names = {name for name in found if name not in ALL}
    assert all(len(os.fsencode(name)) <= 255 and name.endswith(".png") for name in names)
    assert shell("darken", "photos")[2] == "pictures: 5 already there\n"


def test_names_of_one_file(photos: Path, darkroom: Darkroom, shell: Shell) -> None:
    """As `a.png` and `A.png` are where the case of letters does not count."""
    shell("darken", "photos")
    Path("photos-darken/d.png.png").unlink()
    os.link("photos-darken/a.png.png", "photos-darken/d.png.png")
    code, _, err = shell("darken", "photos")
    assert code == 1
    assert err.splitlines() == [
        "photos/d.png: photos-darken/d.png.png is the picture of photos/a.png already",
        "pictures: 2 already there, 1 failed",
    ]
    assert files("photos-darken")["a.png.png"] == 20


# ------------------------------------------------------------------------------- two at a time


def test_two_runs_do_not_write_to_one_folder(
    photos: Path, darkroom: Darkroom, shell: Shell
) -> None:
    """The lock of a process that was killed is free."""
    hold = (
        "import sys, time; from pathlib import Path; from convscope.files import locked\n"
        "with locked(Path('photos-darken')):\n    print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", hold]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        message = shell.fails("darken", "photos")
        assert message == (
            "another process is writing to photos-darken; wait for it, or give another output"
        )
        other.kill()
    assert darkroom.served == []
    assert Path("photos-darken/.convscope.lock").exists()
    assert shell("darken", "photos")[2] == "pictures: 3 made\n"
    assert files("photos-darken") == ALL


@pytest.mark.parametrize("word", ["", "sample:photos", "a\0b"])
def test_what_only_looks_like_a_folder(
    photos: Path, darkroom: Darkroom, shell: Shell, word: str
) -> None:
    Path("sample:photos").mkdir()
    take(Path("sample:photos/a.png"), 4)
    shell.fails("darken", word)
    assert darkroom.served == []


def test_a_tour_is_of_one_photograph(photos: Path, shell: Shell) -> None:
    assert shell.fails("tour", "photos") == "photos is not a file"


# ------------------------------------------------------------------------------------ Ctrl-C


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("when", "done"), [(40, 0), (80, 1), (120, 2)])
def test_ctrl_c_keeps_what_is_done(
    photos: Path, darkroom: Darkroom, shell: Shell, when: int, done: int, number: signal.Signals
) -> None:
    def press(brightness: int) -> None:
        if brightness == when:
            signal.raise_signal(number)

    darkroom.before = press
    code, out, err = shell("darken", "photos")
    assert code == 128 + number
    told = f"{done} made" if done else "none made"
    assert err == f"pictures: {told}; {3 - done} left, run the same command again to continue\n"
    assert out == ("photos-darken\n" if done else "")
    assert files("photos-darken") == dict(list(ALL.items())[:done])
    darkroom.before = lambda brightness: None
    code, _, err = shell("darken", "photos")
    assert code == 0
    kept = f", {done} already there" if done else ""
    assert err == f"pictures: {3 - done} made{kept}\n"
    assert files("photos-darken") == ALL


def test_ctrl_c_while_a_picture_is_written_leaves_no_half(
    photos: Path, darkroom: Darkroom, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Image.Image.save

    def press(picture: Image.Image, file: Any, *words: Any, **options: Any) -> None:
        save(picture, file, *words, **options)
        if len(darkroom.served) == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Image.Image, "save", press)
    assert shell("darken", "photos")[0] == 130
    assert files("photos-darken") == {"a.png.png": 20}


def test_failures_before_ctrl_c_are_told(photos: Path, darkroom: Darkroom, shell: Shell) -> None:
    (photos / "a bad.png").touch()

    def press(brightness: int) -> None:
        if brightness == 80:
            raise KeyboardInterrupt

    darkroom.before = press
    code, _, err = shell("darken", "photos")
    assert code == 130
    assert err.splitlines() == [
        "photos/a bad.png is empty",
        "pictures: 1 made, 1 failed; 2 left, run the same command again to continue",
    ]


# ------------------------------------------------------------------------ on the terminal


class Screen(io.StringIO):
    """A standard output that knows what had been flushed."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal, self.flushed = terminal, ""

    def isatty(self) -> bool:
        return self.terminal

    def flush(self) -> None:
        self.flushed = self.getvalue()


def watched(
    monkeypatch: pytest.MonkeyPatch,
    darkroom: Darkroom,
    stdout: Screen,
    is_terminal: bool,
    *words: str,
) -> tuple[str, list[str]]:
    """What a run showed on the terminal, and what it had printed before each photograph."""
    shown = Screen(is_terminal)
    before: list[str] = []

    def note(brightness: int) -> None:
        before.append(stdout.flushed)
        if bar := getattr(terminal.errors, "_live_stack", None):
            bar[-1].refresh()

    darkroom.before = note
    monkeypatch.setattr(progress, "LATE", 0)
    monkeypatch.setattr(
        terminal, "errors", Console(file=shown, force_terminal=is_terminal, width=99)
    )
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(sys, "stdout", stdout)
        main.main(["darken", "photos", *words])
    return shown.getvalue(), before


def test_a_bar_on_a_terminal(
    photos: Path, darkroom: Darkroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(photos / "b" / "[bold].png", 60)
    shown, _ = watched(monkeypatch, darkroom, Screen(True), True)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    lines = [" ".join(line.split()) for line in re.split(r"[\r\n]+", text)]
    for i, name in enumerate(["a.png", "[bold].png", "c.png", "d.png"]):
        now = [line for line in lines if line.startswith("darken") and line.endswith(f" {name}")]
        assert any(f" {i}/4 " in line for line in now), f"{name} is named while it is worked on"
        assert all(re.search(r" (-|\d+):(--|\d\d):(--|\d\d) ", line) for line in now), "time left"
    assert lines[-2:] == ["pictures: 4 made", ""]


def test_no_bar_elsewhere(
    photos: Path, darkroom: Darkroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdout = Screen(True)
    shown, _ = watched(monkeypatch, darkroom, stdout, False)
    assert (shown, stdout.getvalue()) == ("pictures: 3 made\n", "photos-darken\n")


@pytest.mark.parametrize("piped", [True, False])
def test_lines_of_json_go_out_one_by_one(
    photos: Path, darkroom: Darkroom, monkeypatch: pytest.MonkeyPatch, piped: bool
) -> None:
    """Also beside a bar, which is not drawn between them where both are on the same terminal."""
    stdout = Screen(not piped)
    shown, before = watched(monkeypatch, darkroom, stdout, True, "--json")
    assert [json.loads(line) for line in stdout.getvalue().splitlines()] == [
        {"image": f"photos/{name}", "picture": f"photos-darken/{name}.png", "brightness": light}
        for name, light in [("a.png", 40), ("b/c.png", 80), ("d.png", 120)]
    ]
    assert [text.count("\n") for text in before] == [0, 1, 2]
    assert ("darken" in shown) is piped


def test_help_says_that_a_folder_may_be_given(shell: Shell) -> None:
    text = " ".join(shell("saliency", "--help")[1].replace("│", " ").split())
    assert "path of a photograph or of a folder of photographs, or sample:chelsea" in text
    assert "folder of them" not in shell("tour", "--help")[1]
