"""Scale, sign and alpha of formats other than TIFF, from bytes written by hand where it matters."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

import convscope as cs
from convscope.files import images

Array = np.ndarray[Any, np.dtype[Any]]


def opened(path: Path) -> Array:
    """What `open_image` makes of a file, as (H, W, 3)."""
    image = cs.open_image(path)
    assert 0 <= image.min() <= image.max() <= 1
    return image[0].permute(1, 2, 0).numpy()


def written(path: Path, data: bytes) -> Array:
    path.write_bytes(data)
    return opened(path)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, bits: int, color: int, row: bytes, *chunks: bytes) -> bytes:
    """A PNG of one row."""
    head = struct.pack(">IIBBBBB", width, 1, bits, color, 0, 0, 0)
    rows = chunk(b"IDAT", zlib.compress(b"\0" + row))
    parts = chunk(b"IHDR", head), *chunks, rows, chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


# ---------------------------------------------------------------------------------- PNG


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_gray_png_and_its_transparent_color(tmp_path: Path, bits: int) -> None:
    white = 2**bits - 1
    values = [0, white, white // 3, 0]
    digits = "".join(f"{value:0{bits}b}" for value in values)
    row = int(digits.ljust(-(-len(digits) // 8) * 8, "0"), 2).to_bytes(-(-len(digits) // 8), "big")
    plain = written(tmp_path / "a.png", png(4, bits, 0, row))
    np.testing.assert_allclose(plain[0, :, 1], np.array(values) / white, atol=1e-6)
    key = chunk(b"tRNS", struct.pack(">H", values[2]))
    keyed = written(tmp_path / "b.png", png(4, bits, 0, row, key))
    shown = np.where(np.equal(values, values[2]), 1, np.array(values) / white)
    np.testing.assert_allclose(keyed[0, :, 1], shown, atol=1e-6)


@pytest.mark.parametrize("bits", [8, 16])
def test_transparent_color_of_rgb(tmp_path: Path, bits: int) -> None:
    scale = 257 if bits == 16 else 1
    colors = np.array([[7, 7, 7], [7, 7, 8], [200, 100, 50]]) * scale
    near = colors + np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0]])  # not the same, even in 16 bits
    kind = ">u2" if bits == 16 else "u1"
    key = chunk(b"tRNS", colors[0].astype(">u2").tobytes())
    found = written(tmp_path / "a.png", png(3, bits, 2, near.astype(kind).tobytes(), key))
    expected = near / (2**bits - 1)
    expected[0] = 1
    np.testing.assert_allclose(found[0], expected, atol=1e-6)


@pytest.mark.parametrize("color", [0, 2, 4, 6])
@pytest.mark.parametrize("interlaced", [False, True])
def test_sixteen_bits_of_png_keep_their_precision(
    tmp_path: Path, color: int, interlaced: bool
) -> None:
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[color]
    image = np.random.default_rng(0).integers(0, 65536, (19, 23, channels), np.uint16)
    head = struct.pack(">IIBBBBB", 23, 19, 16, color, 0, 0, int(interlaced))
    adam7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
    passes = [*adam7, (1, 0, 2, 1)] if interlaced else [(0, 0, 1, 1)]
    data = b""
    for top, left, down, across in passes:
        for row in image[top::down, left::across]:
            big = row.astype(">u2").tobytes()
            before = bytes(2 * channels) + big
            data += b"\1" + bytes((a - b) % 256 for a, b in zip(big, before, strict=False))
    whole = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    found = written(tmp_path / "a.png", b"\x89PNG\r\n\x1a\n" + whole)
    fractions = image / 65535
    alpha = fractions[..., -1:] if color in (4, 6) else np.ones((19, 23, 1))
    colors = fractions[..., : 1 if color in (0, 4) else 3]
    np.testing.assert_allclose(
        found, np.broadcast_to(colors * alpha + 1 - alpha, found.shape), atol=1e-6
    )


def test_palette_with_alpha(tmp_path: Path) -> None:
    palette = chunk(b"PLTE", bytes([255, 0, 0, 0, 255, 0, 0, 0, 255]))
    alpha = chunk(b"tRNS", bytes([51, 255]))
    found = written(tmp_path / "a.png", png(3, 8, 3, bytes([0, 1, 2]), palette, alpha))
    expected = np.array([[1, 0.8, 0.8], [0, 1, 0], [0, 0, 1]])
    np.testing.assert_allclose(found[0], expected, atol=1e-6)


@pytest.mark.parametrize("frames", [0, 1, 2**31 - 1])
def test_odd_animations_show_their_image_without_a_warning(
    tmp_path: Path, frames: int, recwarn: pytest.WarningsRecorder
) -> None:
    control = chunk(b"acTL", struct.pack(">II", frames, 0))
    found = written(tmp_path / "a.png", png(1, 8, 0, b"\x33", control, control))
    np.testing.assert_allclose(found, 0.2)
    assert not recwarn.list


# ---------------------------------------------------------------------------- TGA and BMP


def tga(depth: int, flags: int, data: bytes, kind: int = 2) -> bytes:
    return bytes([0, 0, kind]) + bytes(9) + struct.pack("<HHBB", 1, 1, depth, flags) + data


@pytest.mark.parametrize("kind", [2, 10])
@pytest.mark.parametrize(("flags", "alpha"), [(0, 1), (8, 0.2)])
def test_alpha_of_targa_is_what_its_header_says(
    tmp_path: Path, kind: int, flags: int, alpha: float
) -> None:
    pixel = (b"\0" if kind == 10 else b"") + bytes([30, 60, 200, 51])
    found = written(tmp_path / "a.tga", tga(32, flags, pixel, kind))
    expected = np.array([200, 60, 30]) / 255 * alpha + 1 - alpha
    np.testing.assert_allclose(found[0, 0], expected, atol=1e-6)


@pytest.mark.parametrize(("flags", "expected"), [(0, [1, 0, 8 / 31]), (1, [1, 1, 1])])
def test_sixteen_bits_of_targa(tmp_path: Path, flags: int, expected: list[float]) -> None:
    pixel = struct.pack("<H", 1 << 15 | 31 << 10 | 8)  # the highest bit: transparent
    np.testing.assert_allclose(
        written(tmp_path / "a.tga", tga(16, flags, pixel))[0, 0], expected, atol=0.005
    )


@pytest.mark.parametrize(
    ("said", "expected"), [(0, 100), (2, 100), (3, 100 * 0.2 + 204), (4, 100 + 204)]
)
def test_the_second_version_of_targa_says_what_alpha_is(
    tmp_path: Path, said: int, expected: float
) -> None:
    head = tga(32, 8, bytes([100, 100, 100, 51]))
    extension = struct.pack("<H", 495) + bytes(492) + bytes([said])
    footer = struct.pack("<II", len(head), 0) + b"TRUEVISION-XFILE.\0"
    found = written(tmp_path / "a.tga", head + extension + footer)
    np.testing.assert_allclose(found[0, 0] * 255, [min(255, expected)] * 3, atol=1e-4)


def bmp(bits: int, compression: int, masks: bytes, data: bytes) -> bytes:
    """A bitmap of one pixel."""
    size = 40 + len(masks) if len(masks) > 12 else 40
    info = struct.pack("<IiiHHIIiiII", size, 1, 1, 1, bits, compression, len(data), 0, 0, 0, 0)
    begin = 14 + len(info) + len(masks)
    return b"BM" + struct.pack("<IHHI", begin + len(data), 0, 0, begin) + info + masks + data


RGB_MASKS = struct.pack("<3I", 0xFF0000, 0xFF00, 0xFF)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (bmp(32, 0, b"", bytes([30, 60, 200, 51])), [200, 60, 30]),
        (bmp(32, 3, RGB_MASKS, bytes([30, 60, 200, 51])), [200, 60, 30]),
        (
            bmp(32, 3, RGB_MASKS + struct.pack("<I", 0xFF000000), bytes([0, 100, 200, 51])),
            [244, 224, 204],
        ),
        (bmp(16, 0, b"", struct.pack("<Hxx", 31 << 10 | 16 << 5)), [255, 132, 0]),
        (
            bmp(16, 3, struct.pack("<3I", 0xF800, 0x7E0, 0x1F), struct.pack("<Hxx", 63 << 5)),
            [0, 255, 0],
        ),
        (bmp(24, 0, b"", bytes([1, 2, 3, 0])), [3, 2, 1]),
    ],
)
def test_bitmaps(tmp_path: Path, data: bytes, expected: list[float]) -> None:
    np.testing.assert_allclose(written(tmp_path / "a.bmp", data)[0, 0] * 255, expected, atol=1)


# ---------------------------------------------------------------------- PBM, PGM, PPM, PFM


@pytest.mark.parametrize("white", [1, 100, 255, 256, 1023, 4095, 65535])
@pytest.mark.parametrize("kind", ["P2", "P5", "P3", "P6"])
def test_samples_up_to_any_number(tmp_path: Path, kind: str, white: int) -> None:
    channels = 3 if kind in ("P3", "P6") else 1
    values = np.random.default_rng(0).integers(0, white + 1, (3, 5, channels))
    head = f"{kind} # with a comment\n5 3\n# another one\n{white}\n".encode()
    if kind in ("P2", "P3"):
        data = b" \n".join(str(value).encode() for value in values.flatten())
    else:
        data = values.astype("u1" if white < 256 else ">u2").tobytes()
    found = written(tmp_path / "a.pnm", head + data)
    np.testing.assert_allclose(found, np.broadcast_to(values / white, found.shape), atol=1e-6)


@pytest.mark.parametrize(
    "data", [b"P1\n9 2\n111000110 0 1 0 1 0 1 0 1 1", b"P4\n9 2\n\xe3\x00\x55\x80"]
)
def test_one_is_black(tmp_path: Path, data: bytes) -> None:
    found = written(tmp_path / "a.pbm", data)
    expected = np.array([[0, 0, 0, 1, 1, 1, 0, 0, 1], [1, 0, 1, 0, 1, 0, 1, 0, 0]])
    np.testing.assert_array_equal(found[..., 0], expected)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["Pf", "PF"])
def test_floats_of_pfm_are_stored_upward(tmp_path: Path, kind: str, order: str) -> None:
    shape = (2, 3, 3) if kind == "PF" else (2, 3, 1)
    values = np.random.default_rng(0).random(shape)
    head = f"{kind}\n3 2\n{'-' if order == '<' else ''}2.5\n".encode()
    found = written(tmp_path / "a.pfm", head + values[::-1].astype(f"{order}f4").tobytes())
    np.testing.assert_allclose(found, np.broadcast_to(values, found.shape), atol=1e-6)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"P5 2 2 100\n\xff\0\0\0", "above its largest, 100"),
        (b"P5 2 2 255\n\xff", "missing"),
        (b"P2 2 2 255\n1 2 x 4", "no numbers"),
        (b"P5 2 2 0\n1234", "largest value is 0"),
        (b"Pf 1 1 -1\n" + struct.pack("<f", 40), "does not say which is white"),
        (b"P5 what", "no header"),
    ],
)
def test_refusals_of_netpbm(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a.pgm").write_bytes(data)
    with pytest.raises(cs.ConvscopeError, match=message):
        cs.open_image(tmp_path / "a.pgm")


# ------------------------------------------------------------------------------- others


@pytest.mark.parametrize("adobe", [True, False])
def test_inks_of_jpeg_are_inverted_where_adobe_wrote_them(tmp_path: Path, adobe: bool) -> None:
    inks = Image.new("CMYK", (16, 16), (200, 20, 100, 30))
    inks.save(tmp_path / "a.jpg", quality=100)
    data = (tmp_path / "a.jpg").read_bytes()
    at = data.index(b"Adobe") - 4
    assert data[at : at + 2] == b"\xff\xee"
    if not adobe:
        data = data[:at] + data[at + 16 :]
        inks = Image.new("CMYK", (16, 16), (55, 235, 155, 225))
    light = 255 - np.asarray(inks)[0, 0].astype(int)
    expected = light[:3] * light[3] / 255**2
    np.testing.assert_allclose(written(tmp_path / "a.jpg", data)[3, 3], expected, atol=0.02)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_2000_of_opencv(tmp_path: Path, kind: type, channels: int) -> None:
    white = np.iinfo(kind).max
    ramp: Array = np.linspace(0, white, 32).round().astype(kind)
    image = np.broadcast_to(ramp[None, :, None], (32, 32, channels))
    options = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000]
    assert cv2.imwrite(str(tmp_path / "a.jp2"), np.ascontiguousarray(image), options)
    if kind is np.uint16 and channels == 3:
        with pytest.raises(cs.ConvscopeError, match="colors of 16 bits, which are not read here"):
            cs.open_image(tmp_path / "a.jp2")
        return
    np.testing.assert_allclose(opened(tmp_path / "a.jp2")[0, :, 0], ramp / white, atol=0.005)


@pytest.mark.parametrize("bits", [4, 12])
def test_odd_depths_of_jpeg_2000(tmp_path: Path, bits: int) -> None:
    """Numbers of 8 or 16 bits, of which only the lower ones are used, and the header says so."""
    kind = np.uint8 if bits < 8 else np.uint16
    ramp = np.arange(0, 2**bits, 2**bits // 16).astype(kind)[:16]
    ramp[-1] = 2**bits - 1
    image = Image.fromarray(np.ascontiguousarray(np.broadcast_to(ramp, (16, 16))))
    image.save(tmp_path / "a.j2k", num_resolutions=1)
    data = bytearray((tmp_path / "a.j2k").read_bytes())
    at = data.index(b"\xff\x51") + 40
    middle = 2 ** (data[at] & 127)  # the decoder adds half of the range
    data[at] = bits - 1
    (tmp_path / "a.j2k").write_bytes(data)
    shifted = ramp.astype(int) - middle + 2 ** (bits - 1)
    expected = shifted.clip(0, 2**bits - 1) / (2**bits - 1)
    np.testing.assert_allclose(opened(tmp_path / "a.j2k")[0, :, 0], expected, atol=0.01)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "JPEG", "AVIF"])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_orientation_in_every_format_that_has_one(
    tmp_path: Path, kind: str, orientation: int
) -> None:
    image = np.zeros((32, 48, 3), np.uint8)
    image[:16, :24] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).save(tmp_path / "a", kind, exif=exif)
    upright = np.rot90(image, {3: 2, 6: -1, 8: 1}[orientation]) / 255
    found = opened(tmp_path / "a")
    assert found.shape == upright.shape
    assert np.abs(found - upright).mean() < 0.05


def test_an_icon_shows_its_largest_image(tmp_path: Path) -> None:
    for form in ("png", "bmp"):
        image = Image.new("RGBA", (64, 64), (255, 0, 0, 255))
        image.paste((0, 0, 255, 51), (0, 0, 32, 64))
        image.save(tmp_path / "a.ico", sizes=[(16, 16), (64, 64)], bitmap_format=form)
        found = opened(tmp_path / "a.ico")
        assert found.shape == (64, 64, 3)
        expected = np.array([[0.8, 0.8, 1], [1, 0, 0]])
        np.testing.assert_allclose(found[5, [5, 60]], expected, atol=1e-6)


# ------------------------------------------------------------------------------ thumbnails


def encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"


@pytest.mark.parametrize("kind", ["EPS", "TIFF", "GIF", "WEBP", "BMP", "TGA", "PPM", "ICO", "text"])
def test_thumbnails_are_of_two_formats_only(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gs = tmp_path / "gs"
    gs.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-run\n")
    gs.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    data = {"EPS": EPS, "text": b"hello"}.get(kind) or encoded(Image.new("RGB", (8, 8)), kind)
    with pytest.raises(
        cs.ConvscopeError, match="again: one of its thumbnails is neither a JPEG nor a"
    ):
        images.decoded([data])
    with pytest.raises(cs.ConvscopeError, match="one of its thumbnails"):
        images.thumbnail(data)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("size", [(1025, 8), (8, 1025), (4000, 4000)])
def test_thumbnails_are_small(size: tuple[int, int]) -> None:
    data = encoded(Image.new("RGB", size), "JPEG")
    with pytest.raises(cs.ConvscopeError, match="one of its thumbnails"):
        images.decoded([data])


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_thumbnails(kind: str) -> None:
    data = encoded(Image.new("RGB", (12, 8), (0, 102, 255)), kind)
    (image,) = images.decoded([data])
    assert image.shape == (3, 8, 12)
    np.testing.assert_allclose(image[:, 4, 4], [0, 0.4, 1], atol=0.01)
    assert images.thumbnail(data).size == (12, 8)
    with pytest.raises(cs.ConvscopeError, match="damaged"):
        images.decoded([data[: len(data) // 2]])
