"""Pictures in formats that are not opened are counted and named, with what opens them."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image

import convscope as cs
from convscope.files import others
from convscope.files.walk import survey
from tests.helpers.shell import Shell

Array = np.ndarray[Any, np.dtype[Any]]


@pytest.fixture
def without_heic(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if pillow-heif were not installed."""
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr("convscope.files.others.find_spec", lambda name: None)


def heic(upright: Array, path: Path, **options: object) -> Path:
    pillow_heif.from_pillow(Image.fromarray(upright)).save(path, quality=-1, **options)
    return path


def quarters() -> Array:
    image = np.zeros((64, 96, 3), np.uint8)
    image[:32, :48], image[:32, 48:], image[32:, :48] = (220, 40, 30), (30, 200, 60), (20, 60, 240)
    return image


def test_heic_opens(tmp_path: Path) -> None:
    found = cs.open_image(heic(quarters(), tmp_path / "a.heic"))
    np.testing.assert_allclose(found[0].permute(1, 2, 0), quarters() / 255, atol=0.02)


def test_heic_is_turned_upright_once(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(quarters())).save(buffer, quality=-1, exif=exif)
    (tmp_path / "a.heic").write_bytes(buffer.getvalue())
    by_library = np.asarray(pillow_heif.open_heif(tmp_path / "a.heic").to_pillow())
    found = cs.open_image(tmp_path / "a.heic")[0].permute(1, 2, 0)
    np.testing.assert_allclose(found, by_library / 255, atol=1e-6)


def test_heic_without_its_package_is_one_line(tmp_path: Path, without_heic: None) -> None:
    heic(quarters(), tmp_path / "a.heic")
    with pytest.raises(
        cs.ConvscopeError, match=r"a\.heic is HEIC; pip install 'convscope\[heic\]' opens it$"
    ):
        cs.open_image(tmp_path / "a.heic")


def test_a_folder_names_what_is_not_opened(tmp_path: Path, without_heic: None) -> None:
    (tmp_path / "inner").mkdir()
    for name in ("a.jpg", "b.HEIC", "inner/c.svg", "d.dng", "e.txt", ".f.heic", "g.jxl"):
        (tmp_path / name).write_bytes(b"x")
    found = survey(tmp_path)
    assert [path.name for path in found.photographs] == ["a.jpg"]
    assert [path.name for path in found.others] == ["b.HEIC", "d.dng", "g.jxl", "c.svg"]
    assert others.told(found.others) == (
        "4 pictures not opened: b.HEIC, d.dng, g.jxl and 1 more; pip install 'convscope[heic]'"
        " opens HEIC; convert the others to JPEG or PNG"
    )


def test_one_of_them_alone(tmp_path: Path, without_heic: None) -> None:
    assert others.told([Path("a/b.psd")]) == ("1 picture not opened: b.psd; convert to JPEG or PNG")
    (tmp_path / "a.heif").touch()
    with pytest.raises(cs.ConvscopeError, match=r"no photograph in .*, but 1 picture not opened"):
        survey(tmp_path)


def test_with_the_package_heic_is_a_photograph(tmp_path: Path) -> None:
    (tmp_path / "a.heic").touch()
    assert [path.name for path in survey(tmp_path).photographs] == ["a.heic"]
    assert survey(tmp_path).others == ()


@pytest.mark.parametrize("ending", [".nef", ".CR2", ".dng", ".arw"])
def test_raw_photographs_are_not_opened_as_their_previews(tmp_path: Path, ending: str) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.tif")
    raw = (tmp_path / "a.tif").rename(tmp_path / f"a{ending}")
    with pytest.raises(cs.ConvscopeError, match="raw photograph, which is not opened here"):
        cs.open_image(raw)


@pytest.mark.parametrize("name", ["a.svg", "a.psd", "a.jxl"])
def test_other_formats_say_what_they_are(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    with pytest.raises(cs.ConvscopeError, match=r"not opened here; convert it to JPEG or PNG$"):
        cs.open_image(tmp_path / name)


def test_a_photograph_by_another_name_opens(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.jpg")
    assert cs.open_image((tmp_path / "a.jpg").rename(tmp_path / "a.svg")).shape == (1, 3, 4, 4)


@pytest.mark.parametrize("command", ["saliency", "index"])
def test_the_command_line_counts_them(
    tmp_path: Path,
    command: str,
    without_heic: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (40, 30), (200, 30, 40)).save(tmp_path / "photos" / "a.png")
    (tmp_path / "photos" / "b.heic").write_bytes(b"x")
    code, _, told = Shell(capsys)(command, "photos", "--device", "cpu")
    assert code == 0
    assert "b.heic" in told
    assert "pip install 'convscope[heic]'" in told


def test_an_index_counts_them(tmp_path: Path, net: cs.Network, without_heic: None) -> None:
    Image.new("RGB", (40, 30), (200, 30, 40)).save(tmp_path / "a.png")
    (tmp_path / "b.svg").write_bytes(b"x")
    made = cs.index(net, tmp_path, tmp_path / "index").result()
    assert [(one.path, one.reason) for one in made.unreadable] == [
        ("b.svg", "it is SVG, which is not opened here; convert it to JPEG or PNG")
    ]
