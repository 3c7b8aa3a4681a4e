"""Opening anything."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import convscope as cs
from convscope.files import images

Array = np.ndarray[Any, np.dtype[Any]]


def opened(path: Path) -> Array:
    """What `open_image` makes of a file, as (H, W, 3)."""
    image = cs.open_image(path)
    assert image.dtype == torch.float32
    assert image.shape[:2] == (1, 3)
    assert 0 <= image.min() <= image.max() <= 1
    return image[0].permute(1, 2, 0).numpy()


def random_bytes(*shape: int) -> Array:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


# ------------------------------------------------------------------------ what is refused


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims to be of this size and holds one row at most."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 100)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(cs.ConvscopeError, match=r"no image at .*nothing\.png"):
        cs.open_image(tmp_path / "nothing.png")


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(cs.ConvscopeError, match="not a file"):
        cs.open_image(tmp_path)
    with pytest.raises(cs.ConvscopeError, match="not a file"):
        cs.open_image("")


def test_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(cs.ConvscopeError, match="is empty"):
        cs.open_image(tmp_path / "a.png")


@pytest.mark.parametrize(
    "data", [b"hello, I am a text", b"\0" * 999, b"%PDF-1.4 ...", b"<svg xmlns='x'/>"]
)
def test_what_is_no_image_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(cs.ConvscopeError, match="not an image"):
        cs.open_image(tmp_path / "a.png")


def test_postscript_is_never_run(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.eps")
    with pytest.raises(cs.ConvscopeError, match="not an image"):
        cs.open_image(tmp_path / "a.eps")


@pytest.mark.parametrize("name", ["zero\0byte.png", "long" * 999])
def test_impossible_names_are_refused(name: str) -> None:
    with pytest.raises(cs.ConvscopeError, match="cannot be read"):
        cs.open_image(name)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_truncated_file_is_refused(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "a"
    Image.fromarray(random_bytes(40, 40, 3)).save(file, kind)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(cs.ConvscopeError, match=r"damaged|not an image"):
        cs.open_image(file)


@pytest.mark.parametrize("size", [(9000, 9000), (40_000, 2000), (60_000, 60_000)])
def test_enormous_image_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    def load(*_: object) -> None:
        raise AssertionError("decoded")

    (tmp_path / "a.png").write_bytes(png_header(*size))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(cs.ConvscopeError, match="larger than 64 megapixels"):
        cs.open_image(tmp_path / "a.png")


def test_limit_is_inclusive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 12)
    Image.new("RGB", (4, 3)).save(tmp_path / "a.png")
    Image.new("RGB", (13, 1)).save(tmp_path / "b.png")
    assert opened(tmp_path / "a.png").shape == (3, 4, 3)
    with pytest.raises(cs.ConvscopeError, match="larger than"):
        cs.open_image(tmp_path / "b.png")


def test_pillows_warning_of_a_bomb_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # it warns from here, and refuses from 20
    Image.new("RGB", (5, 3)).save(tmp_path / "a.png")
    with pytest.raises(cs.ConvscopeError, match="larger than"):
        cs.open_image(tmp_path / "a.png")


def small(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(random_bytes(9, 7, 3)).save(buffer, kind)
    return buffer.getvalue()


KINDS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000", "PPM", "TGA", "ICO")
_SMALL = {kind: small(kind) for kind in KINDS}


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    kind=st.sampled_from(KINDS),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
    keep=st.floats(0.2, 1),
)
def test_damage_gives_an_image_or_one_clear_error(
    tmp_path: Path, kind: str, changes: list[tuple[float, int]], keep: float
) -> None:
    data = bytearray(_SMALL[kind])
    for where, value in changes:
        data[int(where * (len(data) - 1))] = value
    file = tmp_path / "a"
    file.write_bytes(data[: max(1, int(keep * len(data)))])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            image = cs.open_image(file)
        except cs.ConvscopeError as error:
            assert str(file) in str(error)
        else:
            assert image.isfinite().all()


# ----------------------------------------------------------------------- what is understood


def test_bytes_become_fractions_of_255(tmp_path: Path) -> None:
    array = random_bytes(5, 7, 3)
    Image.fromarray(array).save(tmp_path / "a.png")
    np.testing.assert_array_equal(opened(tmp_path / "a.png"), array.astype(np.float32) / 255)


def test_one_pixel(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (255, 0, 51)).save(tmp_path / "a.png")
    np.testing.assert_allclose(opened(tmp_path / "a.png"), [[[1, 0, 0.2]]])


@pytest.mark.parametrize("mode", ["1", "L"])
def test_gray_is_repeated(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(np.array([[0, 255, 255]], np.uint8)).convert(mode)
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(opened(tmp_path / "a.png"), [[[0] * 3, [1] * 3, [1] * 3]])


@pytest.mark.parametrize(("mode", "pixel"), [("LA", (51,)), ("RGBA", (51, 102, 153))])
@pytest.mark.parametrize("alpha", [0, 64, 255])
def test_transparency_lies_on_white(
    tmp_path: Path, mode: str, pixel: tuple[int, ...], alpha: int
) -> None:
    Image.new(mode, (2, 2), (*pixel, alpha)).save(tmp_path / "a.png")
    color = np.array(pixel * (3 // len(pixel))) / 255
    expected = color * alpha / 255 + (255 - alpha) / 255
    np.testing.assert_allclose(opened(tmp_path / "a.png")[1, 1], expected, atol=1e-6)


def test_palette(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[2, 0, 1]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(opened(tmp_path / "a.png"), [[[0, 0, 1], [1, 0, 0], [0, 1, 0]]])


@pytest.mark.parametrize("kind", ["png", "gif"])
def test_transparent_color_of_a_palette_lies_on_white(tmp_path: Path, kind: str) -> None:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.save(tmp_path / f"a.{kind}", transparency=1)
    expected = [[[1, 0, 0], [1, 1, 1], [0, 0, 1]]]
    np.testing.assert_array_equal(opened(tmp_path / f"a.{kind}"), expected)


def test_cmyk_subtracts_its_inks(tmp_path: Path) -> None:
    inks = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 255, 255, 0], [0, 0, 0, 255]]], np.uint8)
    Image.fromarray(inks, "CMYK").save(tmp_path / "a.tif")
    expected = [[[1, 1, 1], [0, 1, 1], [1, 0, 0], [0, 0, 0]]]
    np.testing.assert_array_equal(opened(tmp_path / "a.tif"), expected)


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_sixteen_bits_keep_their_precision(tmp_path: Path, kind: str) -> None:
    gray = np.array([[0, 1, 257, 40_000, 65_535]], np.uint16)
    Image.fromarray(gray).save(tmp_path / f"a.{kind}")
    found = opened(tmp_path / f"a.{kind}")
    np.testing.assert_allclose(found[..., 1], gray / 65_535, rtol=1e-6)
    np.testing.assert_array_equal(found[..., 0], found[..., 2])


def test_big_endian_sixteen_bits(tmp_path: Path) -> None:
    data = np.array([0, 256, 65_535], ">u2").tobytes()
    Image.frombytes("I;16B", (3, 1), data).save(tmp_path / "a.tif")
    np.testing.assert_allclose(opened(tmp_path / "a.tif")[0, :, 0], [0, 256 / 65_535, 1], rtol=1e-6)


# How each EXIF orientation is stored, from the standard's own words: row 0 of the file is the
# visual (top, top, bottom, bottom, left, right, right, left) side, column 0 the other one named.
AS_STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", AS_STORED)
def test_every_exif_orientation_comes_upright(tmp_path: Path, orientation: int) -> None:
    upright = random_bytes(3, 5, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(AS_STORED[orientation](upright))
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(opened(tmp_path / "a.png"), upright.astype(np.float32) / 255)


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_of_an_animation_the_first_frame_counts(tmp_path: Path, kind: str) -> None:
    frames = [Image.new("RGB", (4, 4), c) for c in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    more: dict[str, Any] = {"lossless": True} if kind == "webp" else {}
    frames[0].save(tmp_path / f"a.{kind}", save_all=True, append_images=frames[1:], **more)
    with Image.open(tmp_path / f"a.{kind}") as check:
        assert getattr(check, "n_frames", 1) == 3
    np.testing.assert_array_equal(opened(tmp_path / f"a.{kind}")[2, 2], [1, 0, 0])


@pytest.mark.parametrize(
    "name", ["a b", "größe 猫 🐈", "-o", "100%", "quo'te\"s", "new\nline", "[red]"]
)
def test_odd_names(tmp_path: Path, name: str) -> None:
    file = tmp_path / f"{name}.png"
    Image.new("RGB", (2, 1), (255, 255, 255)).save(file)
    assert opened(file).min() == 1
    source = images.source(cs.open_image(str(file)))
    assert source is not None
    assert source["path"] == str(file)


def test_a_name_may_be_bytes_that_are_no_text(tmp_path: Path) -> None:
    file = os.fsencode(tmp_path) + b"/\xff.png"
    Image.new("RGB", (2, 1)).save(tmp_path / "a.png")
    shutil.copy(os.fsencode(tmp_path / "a.png"), file)
    assert cs.open_image(file).shape == (1, 3, 1, 2)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------ its source


def test_source_names_the_file_and_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (2, 2)).save("a.png")
    digest = hashlib.sha256(Path("a.png").read_bytes()).hexdigest()
    expected = {"path": str(tmp_path / "a.png"), "sha256": digest}
    assert images.source(cs.open_image("a.png")) == expected
    assert images.source(cs.open_image(Path("./a.png"))) == expected


def test_what_was_made_of_an_image_has_no_source(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    image = cs.open_image(tmp_path / "a.png")
    assert images.source(image) is not None
    assert images.source(image * 0.5) is None
    assert images.source(image[:, :, :1]) is None
    image[..., 0] = 1.0  # the file no longer tells what this tensor holds
    assert images.source(image) is None


@pytest.mark.parametrize("name", images.SAMPLES)
def test_samples(name: str) -> None:
    image = cs.open_image(f"sample:{name}")
    assert image.shape[:2] == (1, 3)
    assert image.std() > 0.1
    source = images.source(image)
    assert source is not None
    assert source["path"] == f"sample:{name}"


def test_unknown_sample_names_the_nearest() -> None:
    with pytest.raises(
        cs.ConvscopeError, match=r"unknown sample 'chelsee'; did you mean 'chelsea'"
    ):
        cs.open_image("sample:chelsee")


def test_endings_are_those_of_formats_that_are_read(tmp_path: Path) -> None:
    endings = images.endings()
    assert {".png", ".jpg", ".jpeg", ".webp", ".gif", ".tif", ".bmp", ".jp2"} <= endings
    # Pillow knows these too, by handing them to another program or as something else.
    assert not endings & {".eps", ".ps", ".pdf", ".mpg", ".mpeg", ".hdf", ".psd", ".svg"}
    for ending in endings & set(Image.registered_extensions()) - {".avifs"}:
        kind = Image.registered_extensions()[ending]
        if kind in Image.SAVE:
            file = tmp_path / f"a{ending}"
            Image.new("F" if ending == ".pfm" else "RGB", (16, 16)).save(file)
            assert cs.open_image(file).shape == (1, 3, 16, 16)
