"""Pictures with their provenance: written whole or not at all, and read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import convscope as cs
from convscope.files import anything, pictures, read_provenance

PROVENANCE = {
    "technique": "saliency", "parameters": {"target": "Größe, \u732b", "seed": 3}, "x": None,
}  # fmt: skip


def gradient(width: int = 16, height: int = 9) -> Image.Image:
    ramp = np.linspace(0, 255, width, dtype=np.uint8)
    return Image.fromarray(np.repeat(np.tile(ramp, (height, 1))[..., None], 3, 2))


@pytest.mark.parametrize("suffix", ["png", "PNG", "jpg", "jpeg", "webp", "gif"])
def test_provenance_comes_back(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"a.{suffix}"
    assert pictures.save_pictures(target, [gradient()], PROVENANCE) == target
    assert read_provenance(target) == PROVENANCE
    beside = {"a.png", "a.PNG"} if suffix.lower() == "png" else {target.name, f"{target.name}.json"}
    assert {p.name for p in tmp_path.iterdir()} <= beside
    with Image.open(target) as picture:
        assert picture.size == (16, 9)
        difference = np.abs(np.asarray(picture.convert("RGB"), int) - np.asarray(gradient(), int))
    assert difference.mean() < (4 if suffix.lower() != "png" else 1e-9)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_several_pictures_are_an_animation(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (8, 8), (value, 0, 0)) for value in (0, 120, 250)]
    pictures.save_pictures(tmp_path / f"a.{suffix}", frames, PROVENANCE, milliseconds=70)
    assert read_provenance(tmp_path / f"a.{suffix}") == PROVENANCE
    with Image.open(tmp_path / f"a.{suffix}") as picture:
        for i, value in enumerate((0, 120, 250)):
            picture.seek(i)
            assert abs(int(np.asarray(picture.convert("RGB"))[4, 4, 0]) - value) < 4
        picture.load()
        assert picture.info["duration"] == 1500  # the last one stays
        assert picture.info["loop"] == 0


def film(path: Path) -> tuple[Any, list[np.ndarray[Any, Any]]]:
    """A film's stream and its frames as RGB."""
    import av

    with av.open(str(path)) as opened:
        stream = opened.streams.video[0]
        return stream, [frame.to_ndarray(format="rgb24") for frame in opened.decode(stream)]


def test_a_film_plays_everywhere(tmp_path: Path) -> None:
    colors = [(200, 30, 60), (20, 180, 90), (250, 250, 250)]
    frames = [Image.new("RGB", (31, 45), color) for color in colors]
    pictures.save_pictures(tmp_path / "a.mp4", frames, PROVENANCE)
    assert read_provenance(tmp_path / "a.mp4") == PROVENANCE
    stream, shown = film(tmp_path / "a.mp4")
    context = stream.codec_context
    assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
    assert (stream.width % 2, stream.height % 2) == (0, 0)
    assert abs(stream.width - 31) == abs(stream.height - 45) == 1
    assert stream.average_rate == 25
    assert len(shown) == 3 + 25  # the last one stays for a second
    for picture, color in zip(shown, [*colors, *colors[2:] * 25], strict=True):
        assert np.abs(picture[20, 15].astype(int) - color).max() <= 4
    # Index first, so that it plays while it loads.
    content = (tmp_path / "a.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_the_brightness_in_a_film_is_that_of_the_standard_it_names(tmp_path: Path) -> None:
    import av

    pictures.save_pictures(
        tmp_path / "a.mp4", [Image.new("RGB", (32, 32), (200, 30, 60))], PROVENANCE
    )
    with av.open(str(tmp_path / "a.mp4")) as opened:
        first = next(opened.decode(video=0))
        assert opened.streams.video[0].codec_context.colorspace == 1
    # ITU-R BT.709: 16 to 235 for 0.2126 R + 0.7152 G + 0.0722 B; by BT.601 it would be 88.
    expected = 16 + 219 * (0.2126 * 200 + 0.7152 * 30 + 0.0722 * 60) / 255
    assert abs(int(first.to_ndarray(format="yuv420p")[8, 8]) - expected) <= 1.5


def test_a_film_is_no_larger_than_players_take(tmp_path: Path) -> None:
    pictures.save_pictures(tmp_path / "a.mp4", [Image.new("RGB", (3000, 2001))], PROVENANCE)
    stream, _ = film(tmp_path / "a.mp4")
    assert (stream.width, stream.height) == (1920, 1280)


@pytest.mark.parametrize("kind", ["gif", "mp4"])
def test_frames_of_several_sizes_get_that_of_the_last(tmp_path: Path, kind: str) -> None:
    half = Image.new("RGB", (16, 12), "white")
    half.paste((255, 0, 0), (0, 0, 8, 12))
    pictures.save_pictures(tmp_path / f"a.{kind}", [half, Image.new("RGB", (32, 24))], PROVENANCE)
    if kind == "mp4":
        first = film(tmp_path / "a.mp4")[1][0]
    else:
        with Image.open(tmp_path / "a.gif") as picture:
            first = np.asarray(picture.convert("RGB"))
    assert first.shape == (24, 32, 3)
    assert np.abs(first[12, 6].astype(int) - (255, 0, 0)).max() <= 6
    assert np.abs(first[12, 26].astype(int) - 255).max() <= 6


def test_without_pyav_a_film_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convscope.files.films.find_spec", lambda name: None)
    with pytest.raises(cs.ConvscopeError, match=r"need PyAV; pip install 'convscope\[video\]'"):
        pictures.check_writable(tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_sidecar_does_not_hide_the_provenance_in_a_png(tmp_path: Path) -> None:
    pictures.save_pictures(tmp_path / "a.png", [gradient()], PROVENANCE)
    (tmp_path / "a.png.json").write_text('{"labels": []}')
    assert read_provenance(tmp_path / "a.png") == PROVENANCE


def test_files_get_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    pictures.save_pictures(tmp_path / "a.jpg", [gradient()], PROVENANCE)
    usual = (tmp_path / "usual").stat().st_mode
    assert (tmp_path / "a.jpg").stat().st_mode == usual
    assert (tmp_path / "a.jpg.json").stat().st_mode == usual


def fail(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("broken", ["PIL.Image.Image.save", "pathlib.Path.write_text"])
def test_failure_in_the_middle_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    target = tmp_path / "a.jpg"
    pictures.save_pictures(target, [gradient()], PROVENANCE)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    monkeypatch.setattr(broken, fail)
    with pytest.raises(cs.ConvscopeError, match=r"cannot write .*No space left"):
        pictures.save_pictures(target, [gradient(30, 30)], {"technique": "other"})
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_who_reads_the_old_file_reads_it_to_its_end(tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    pictures.save_pictures(target, [gradient()], PROVENANCE)
    before = target.read_bytes()
    with target.open("rb") as reader:
        pictures.save_pictures(target, [gradient(300, 300)], PROVENANCE)
        assert reader.read() == before
    assert target.read_bytes() != before


@pytest.mark.parametrize("name", ["a.xyz", "a", "a.pdf", ".png", "a.html"])
def test_unknown_format_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(cs.ConvscopeError, match=r"end it in \.png, \.jpg, \.webp, \.gif or \.mp4"):
        pictures.save_pictures(tmp_path / name, [gradient()], PROVENANCE)
    assert list(tmp_path.iterdir()) == []


def test_a_size_that_the_format_has_not(tmp_path: Path) -> None:
    with pytest.raises(cs.ConvscopeError, match="WebP limit"):
        pictures.save_pictures(tmp_path / "a.webp", [Image.new("RGB", (17_000, 2))], PROVENANCE)
    assert list(tmp_path.iterdir()) == []


def missing_folder(folder: Path) -> Path:
    return folder / "missing" / "a.png"


def file_in_place_of_a_folder(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file" / "a.png"


def folder_of_that_name(folder: Path) -> Path:
    (folder / "a.png").mkdir()
    return folder / "a.png"


@pytest.mark.parametrize("make", [missing_folder, file_in_place_of_a_folder, folder_of_that_name])
def test_a_place_that_cannot_be_written_is_known_before_the_work(tmp_path: Path, make: Any) -> None:
    target = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for check in (
        lambda: pictures.check_writable(target),
        lambda: pictures.save_pictures(target, [gradient()], PROVENANCE),
    ):
        with pytest.raises(cs.ConvscopeError) as raised:
            check()
        assert "a.png" in str(raised.value)
        assert ".convscope-" not in str(raised.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mkstemp(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", mkstemp)
    with pytest.raises(cs.ConvscopeError, match=r"cannot write .*a\.png \(Permission denied\)"):
        pictures.check_writable(tmp_path / "a.png")


def test_checking_leaves_nothing_behind(tmp_path: Path) -> None:
    before = pictures.save_pictures(tmp_path / "old.png", [gradient()], PROVENANCE).read_bytes()
    for name in ("old.png", "new.png", "new.gif"):
        pictures.check_writable(tmp_path / name)
    pictures.check_writable(tmp_path / "new.html", ours=anything)
    with pytest.raises(cs.ConvscopeError, match=r"cannot write new\.html: end it in"):
        pictures.check_writable(tmp_path / "new.html")
    assert [p.name for p in tmp_path.iterdir()] == ["old.png"]
    assert (tmp_path / "old.png").read_bytes() == before


# -------------------------------------------------------------------------- reading provenance


def test_a_picture_without_provenance(tmp_path: Path) -> None:
    gradient().save(tmp_path / "a.png")
    gradient().save(tmp_path / "a.jpg")
    (tmp_path / "a.txt").write_text("no picture at all")
    for name in ("a.png", "a.jpg", "a.txt"):
        with pytest.raises(cs.ConvscopeError, match="carries no provenance"):
            read_provenance(tmp_path / name)
    with pytest.raises(cs.ConvscopeError, match="no picture at"):
        read_provenance(tmp_path / "b.png")


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\xff", "1e999999]"])
def test_damaged_provenance(tmp_path: Path, text: str) -> None:
    gradient().save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(cs.ConvscopeError, match=r"provenance of a\.jpg cannot be read"):
        read_provenance(tmp_path / "a.jpg")


@pytest.mark.parametrize("value", [[], 3, "saliency", None, {"name": "x"}])
def test_json_that_is_no_provenance(tmp_path: Path, value: object) -> None:
    gradient().save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg.json").write_text(json.dumps(value))
    with pytest.raises(cs.ConvscopeError, match="carries no provenance"):
        read_provenance(tmp_path / "a.jpg")
