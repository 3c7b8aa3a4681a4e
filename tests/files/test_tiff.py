"""TIFF files written by hand, by tifffile and by OpenCV: samples mean what the tags say."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

import convscope as cs

Array = np.ndarray[Any, np.dtype[Any]]

Tag = int | Sequence[int] | bytes


def opened(path: Path) -> Array:
    """What `open_image` makes of a file, as (H, W, 3)."""
    image = cs.open_image(path)
    assert 0 <= image.min() <= image.max() <= 1
    return image[0].permute(1, 2, 0).numpy()


def write(path: Path, tags: dict[int, Tag], strips: Sequence[bytes], order: str = "<") -> Path:
    """Write a TIFF file of one page; all numbers in tags have 32 bits."""
    usual: dict[int, Tag] = {259: 1, 277: 1, 262: 1, 278: 2**32 - 1}
    tags = usual | tags
    tags[279] = [len(strip) for strip in strips]
    tags[273] = [0] * len(strips)
    extra = b""
    begin = 8 + 2 + 12 * len(tags) + 4
    begin_strips = begin + sum(_size(value) for value in tags.values())
    places = [begin_strips + sum(map(len, strips[:i])) for i in range(len(strips))]
    tags[273] = places
    table = struct.pack(order + "H", len(tags))
    for tag, value in sorted(tags.items()):
        if isinstance(value, bytes):
            kind, count, data = 7, len(value), value
        else:
            numbers = [value] if isinstance(value, int) else list(value)
            kind, count, data = 4, len(numbers), struct.pack(f"{order}{len(numbers)}I", *numbers)
        if len(data) > 4:
            place = begin + len(extra)
            extra += data
            data = struct.pack(order + "I", place)
        table += struct.pack(order + "HHI", tag, kind, count) + data.ljust(4, b"\0")
    mark = b"II*\0" if order == "<" else b"MM\0*"
    whole = mark + struct.pack(order + "I", 8) + table + b"\0" * 4 + extra + b"".join(strips)
    path.write_bytes(whole)
    return path


def _size(value: Tag) -> int:
    size = len(value) if isinstance(value, bytes) else 4 * len([*np.atleast_1d(value)])
    return size if size > 4 else 0


def packed(rows: Sequence[Sequence[int]], bits: int) -> bytes:
    """Numbers of some bits, the highest bit first; each row begins with a new byte."""
    found = b""
    for row in rows:
        digits = "".join(f"{value:0{bits}b}" for value in row)
        digits += "0" * (-len(digits) % 8)
        found += int(digits, 2).to_bytes(len(digits) // 8, "big")
    return found


# ---------------------------------------------------------------- scale and sign


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 24, 32])
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_gray_of_any_depth_runs_from_black_to_white(
    tmp_path: Path, bits: int, white_is_zero: bool
) -> None:
    white = 2**bits - 1
    rows = [[0, white, white // 2, white // 3, 1], [white, 0, 0, 1, white]]
    tags: dict[int, Tag] = {256: 5, 257: 2, 258: bits, 262: 0 if white_is_zero else 1}
    found = opened(write(tmp_path / "a.tif", tags, [packed(rows, bits)], ">"))
    expected = np.array(rows) / white
    expected = 1 - expected if white_is_zero else expected
    np.testing.assert_allclose(found, expected[..., None].repeat(3, 2), atol=1e-6)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_colors_of_odd_depths(tmp_path: Path, bits: int) -> None:
    white = 2**bits - 1
    rows = [[0, white, 5, white, 0, 1, 3, 2, 1]]
    tags: dict[int, Tag] = {256: 3, 257: 1, 258: [bits] * 3, 262: 2, 277: 3}
    found = opened(write(tmp_path / "a.tif", tags, [packed(rows, bits)]))
    np.testing.assert_allclose(found, np.reshape(rows, (1, 3, 3)) / white, atol=1e-6)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("size", [2, 4])
def test_both_orders_of_bytes(tmp_path: Path, order: str, size: int) -> None:
    white = 2 ** (8 * size) - 1
    values: list[int] = [0, 1, white // 2, white - 1, white]
    data = b"".join(value.to_bytes(size, "big" if order == ">" else "little") for value in values)
    tags: dict[int, Tag] = {256: 5, 257: 1, 258: 8 * size}
    found = opened(write(tmp_path / "a.tif", tags, [data], order))
    np.testing.assert_allclose(found[0, :, 0], np.array(values) / white, rtol=1e-6)


def test_bits_may_be_stored_from_the_lowest_on(tmp_path: Path) -> None:
    tags: dict[int, Tag] = {256: 8, 257: 1, 258: 1, 266: 2}
    found = opened(write(tmp_path / "a.tif", tags, [bytes([0b0000_1101])]))
    np.testing.assert_array_equal(found[0, :, 0], [1, 0, 1, 1, 0, 0, 0, 0])


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floats_run_from_zero_to_one(tmp_path: Path, kind: type) -> None:
    values: Array = np.array([[0, 0.25, 1, -0.01, 1.02]], kind)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack")
    np.testing.assert_allclose(opened(tmp_path / "a.tif")[0, :, 1], [0, 0.25, 1, 0, 1], atol=1e-3)


@pytest.mark.parametrize("values", [[0, 1, 4], [-1, 0, 0.5], [0, 200, 255], [0, np.nan, 1]])
def test_floats_that_do_not_say_which_is_white_are_refused(
    tmp_path: Path, values: list[float]
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.array([values], np.float32), photometric="minisblack")
    with pytest.raises(cs.ConvscopeError, match=r"^\S*a.tif has numbers .*$"):
        cs.open_image(tmp_path / "a.tif")


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32])
def test_signed_numbers_are_refused(tmp_path: Path, kind: type) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 5, 100]], kind), photometric="minisblack")
    with pytest.raises(cs.ConvscopeError, match="signed numbers"):
        cs.open_image(tmp_path / "a.tif")


# ------------------------------------------------------------------------ colors and alpha


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("tile", [None, (16, 32)])
def test_layouts_of_channels(
    tmp_path: Path, kind: type, planar: str, tile: tuple[int, int] | None
) -> None:
    white = np.iinfo(kind).max
    image = np.random.default_rng(0).integers(0, white + 1, (37, 41, 3), kind)
    stored = image.transpose(2, 0, 1) if planar == "separate" else image
    options: dict[str, Any] = {"tile": tile} if tile else {"rowsperstrip": 5}
    tifffile.imwrite(
        tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar, byteorder=">", **options
    )
    np.testing.assert_allclose(opened(tmp_path / "a.tif"), image / white, rtol=1e-6)


@pytest.mark.parametrize("white_is_zero", [False, True])
@pytest.mark.parametrize(("kind", "what"), [(0, "unknown"), (1, "multiplied"), (2, "straight")])
def test_the_fourth_channel_is_what_its_tag_says(
    tmp_path: Path, kind: int, what: str, white_is_zero: bool
) -> None:
    if white_is_zero:
        tags: dict[int, Tag] = {256: 1, 257: 1, 258: [8, 8], 262: 0, 277: 2, 338: kind}
        # Zero is white: 100 of 255 is 155 of brightness; multiplied by alpha, 28 of 128.
        expected = {"unknown": 155, "straight": 155 * 128 / 255 + 127, "multiplied": 28 + 127}
        found = opened(write(tmp_path / "a.tif", tags, [bytes([100, 128])]))
        np.testing.assert_allclose(found[0, 0] * 255, [expected[what]] * 3, atol=1e-4)
        return
    tags = {256: 1, 257: 1, 258: [8] * 4, 262: 2, 277: 4, 338: kind}
    found = opened(write(tmp_path / "a.tif", tags, [bytes([100, 50, 0, 128])]))
    color = np.array([100, 50, 0])
    expected_color = {
        "unknown": color,
        "straight": color * 128 / 255 + 127,
        "multiplied": color + 127,
    }
    np.testing.assert_allclose(found[0, 0] * 255, expected_color[what], atol=1e-4)


def test_alpha_may_be_the_last_of_several_channels(tmp_path: Path) -> None:
    tags: dict[int, Tag] = {256: 1, 257: 1, 258: [8] * 5, 262: 2, 277: 5, 338: [0, 2]}
    found = opened(write(tmp_path / "a.tif", tags, [bytes([255, 0, 0, 77, 51])]))
    np.testing.assert_allclose(found[0, 0], [1, 0.8, 0.8], atol=1e-6)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_palettes_hold_sixteen_bits(tmp_path: Path, bits: int) -> None:
    colors = np.zeros((3, 2**bits), int)
    colors[:, 0], colors[:, -1] = (65535, 0, 300), (257, 1000, 65535)
    rows = [[0, 2**bits - 1]]
    tags: dict[int, Tag] = {256: 2, 257: 1, 258: bits, 262: 3, 320: colors.flatten().tolist()}
    found = opened(write(tmp_path / "a.tif", tags, [packed(rows, bits)], ">"))
    np.testing.assert_allclose(found[0] * 65535, colors[:, [0, -1]].T, atol=0.01)


@pytest.mark.parametrize("bits", [8, 16])
def test_inks_are_subtracted(tmp_path: Path, bits: int) -> None:
    white = 2**bits - 1
    inks = np.array([[[0, 0, 0, 0], [white, 0, 0, 0], [0, white, 0, white // 5]]])
    kind = {8: np.uint8, 16: np.uint16}[bits]
    tifffile.imwrite(tmp_path / "a.tif", inks.astype(kind), photometric="separated")
    expected = np.array([[[1, 1, 1], [0, 1, 1], [0.8, 0, 0.8]]])
    np.testing.assert_allclose(opened(tmp_path / "a.tif"), expected, atol=0.003)


def test_brightness_and_color_differences(tmp_path: Path) -> None:
    # Two by two pixels share one Cb and Cr. 81, 90, 240 is red in ITU-R BT.601, as in a video.
    studio = struct.pack("<12I", 16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1)
    block = bytes([81, 81, 235, 16, 90, 240])
    gray = bytes([16, 235, 126, 126, 128, 128])
    tags: dict[int, Tag] = {256: 3, 257: 2, 258: [8] * 3, 262: 6, 277: 3, 530: [2, 2]}
    path = write(tmp_path / "a.tif", tags | {532: studio}, [block + gray])
    data = bytearray(path.read_bytes())
    at = data.index(struct.pack("<HHI", 532, 7, 48))
    data[at + 2 : at + 8] = struct.pack("<HI", 5, 6)  # rational numbers
    path.write_bytes(data)
    found = opened(path)
    np.testing.assert_allclose(found[0, 0], [1, 0, 0], atol=0.01)
    np.testing.assert_allclose(found[0, 1], [1, 0, 0], atol=0.01)
    np.testing.assert_allclose(found[:, 2, 1], [0, 110 / 219], atol=0.005)


def test_color_differences_of_jpeg(tmp_path: Path) -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    image[:, :8], image[:, 8:] = (200, 30, 60), (10, 90, 250)
    Image.fromarray(image).save(tmp_path / "a.tif", compression="jpeg", quality=95)
    found = opened(tmp_path / "a.tif")
    np.testing.assert_allclose(found[:, 3], image[:, 3] / 255, atol=0.03)
    np.testing.assert_allclose(found[:, 12], image[:, 12] / 255, atol=0.03)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(tmp_path: Path, orientation: int) -> None:
    image = np.arange(6, dtype=np.uint8).reshape(2, 3) * 50
    tifffile.imwrite(tmp_path / "a.tif", image, extratags=[(274, 3, 1, orientation, True)])
    upright = {
        1: image,
        2: image[:, ::-1],
        3: image[::-1, ::-1],
        4: image[::-1],
        5: image.T,
        6: np.rot90(image, -1),
        7: image[::-1, ::-1].T,
        8: np.rot90(image),
    }
    expected = upright[orientation] / 255
    np.testing.assert_allclose(opened(tmp_path / "a.tif")[..., 0], expected, atol=1e-6)


# ------------------------------------------------------------------------------ compression


def pattern(kind: type, channels: int) -> Array:
    white = np.iinfo(kind).max
    image = np.random.default_rng(1).integers(0, 12, (50, 61, channels)) * (white // 12)
    image[:20] = np.arange(61)[None, :, None] * (white // 61)
    return image.astype(kind)


@pytest.mark.parametrize(
    "compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "tiff_deflate", "lzma"]
)
@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("rows", [7, 50])
def test_compressions(tmp_path: Path, compression: str, predictor: int, rows: int) -> None:
    image = pattern(np.uint8, 3)
    info = {278: rows} | ({317: predictor} if compression not in ("packbits",) else {})
    Image.fromarray(image).save(tmp_path / "a.tif", compression=compression, tiffinfo=info)
    np.testing.assert_array_equal(opened(tmp_path / "a.tif"), image.astype(np.float32) / 255)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [1, 5, 8, 32773, 32946])
def test_what_opencv_writes(tmp_path: Path, kind: type, compression: int) -> None:
    image = pattern(kind, 3)
    options = [cv2.IMWRITE_TIFF_COMPRESSION, compression]
    assert cv2.imwrite(str(tmp_path / "a.tif"), image[..., ::-1], options)
    np.testing.assert_allclose(opened(tmp_path / "a.tif"), image / np.iinfo(kind).max, rtol=1e-6)


def test_lzw_of_all_lengths(tmp_path: Path) -> None:
    """From a few codes to several full tables."""
    random = np.random.default_rng(2)
    for size in (1, 2, 250, 255, 256, 300, 1000, 5000, 20_000):
        image = random.integers(0, 256, (1, size), np.uint8)
        Image.fromarray(image).save(tmp_path / "a.tif", compression="tiff_lzw")
        np.testing.assert_array_equal(opened(tmp_path / "a.tif")[..., 0] * 255, image)


@pytest.mark.parametrize("order", ["<", ">"])
def test_differences_of_floats(tmp_path: Path, order: str) -> None:
    """By hand: Adobe Photoshop TIFF Technical Note 3."""
    values = np.random.default_rng(3).random((4, 5, 3)).astype(np.float32)
    strip = b""
    for row in values:
        numbers = row.reshape(-1).astype(">f4").view(np.uint8).reshape(-1, 4)
        planes = numbers.T.reshape(-1).astype(int)
        differences = planes.copy()
        differences[3:] -= planes[:-3]
        strip += (differences % 256).astype(np.uint8).tobytes()
    tags: dict[int, Tag] = {256: 5, 257: 4, 258: [32] * 3, 262: 2, 277: 3, 317: 3, 339: [3] * 3}
    write(tmp_path / "a.tif", tags | {259: 8}, [zlib.compress(strip)], order)
    np.testing.assert_array_equal(opened(tmp_path / "a.tif"), values)


def test_big_tiff(tmp_path: Path) -> None:
    image = pattern(np.uint16, 3)
    tifffile.imwrite(tmp_path / "a.tif", image, bigtiff=True, photometric="rgb", rowsperstrip=9)
    np.testing.assert_allclose(opened(tmp_path / "a.tif"), image / 65535, rtol=1e-6)


def test_the_photograph_is_the_first_page_that_is_no_preview(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(np.zeros((2, 2), np.uint8), subfiletype=1)
        file.write(np.full((4, 4), 255, np.uint8))
    assert opened(tmp_path / "a.tif").shape == (4, 4, 3)


# ------------------------------------------------------------------------------- refusals

GRAY: dict[int, Tag] = {256: 4, 257: 4, 258: 8}


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({262: 8, 277: 3, 258: [8] * 3}, r"holds CIE L\*a\*b\*"),
        ({262: 32803}, "raw photograph"),
        ({50706: b"\1\4\0\0\0\0"}, "raw photograph"),
        ({254: 1, 330: [8, 16]}, "raw photograph"),
        ({259: 4}, "CCITT fax"),
        ({259: 12345}, "method 12345"),
        ({317: 9}, "predictor"),
        ({258: [8, 16, 8], 277: 3, 262: 2}, "channels of different kinds"),
        ({277: 400}, "400 channels"),
        ({256: 0}, "no pixels"),
        ({257: 60_000, 256: 60_000}, "larger than 64 megapixels"),
        ({257: 2**31}, "larger than 64 megapixels"),
        ({257: 5}, "missing"),
        ({278: 1}, "parts"),
        ({258: 8, 262: 3, 320: list(range(768))[:20]}, "table of colors is too short"),
        ({258: 8, 262: 3, 320: [i % 256 for i in range(768)]}, "table of colors of 8 bits"),
        ({259: 5}, "damaged"),
        ({259: 7}, "damaged"),
        ({259: 8}, "damaged"),
        ({259: 32773}, "damaged"),
        ({259: 34925}, "damaged"),
        ({259: 50000}, "Zstandard"),
        ({325: [16], 324: [0], 322: 10_000, 323: 10_000}, "impossible size"),
    ],
)
def test_refusals(
    tmp_path: Path, tags: dict[int, Tag], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.tif", GRAY | tags, [bytes(range(16))])
    with pytest.raises(cs.ConvscopeError, match=message) as error:
        cs.open_image(path)
    assert "\n" not in str(error.value)
    assert not any(capfd.readouterr())


def test_a_page_that_follows_itself_ends(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", GRAY | {254: 1}, [bytes(range(16))])
    data = bytearray(path.read_bytes())
    (count,) = struct.unpack_from("<H", data, 8)
    struct.pack_into("<I", data, 10 + 12 * count, 8)
    path.write_bytes(data)
    assert opened(path).shape == (4, 4, 3)


def test_damaged_data_write_nothing_to_standard_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "lzma"):
        Image.fromarray(pattern(np.uint8, 3)).save(tmp_path / "a.tif", compression=compression)
        whole = (tmp_path / "a.tif").read_bytes()
        for at in range(8, len(whole), len(whole) // 17):
            (tmp_path / "a.tif").write_bytes(whole[:at] + b"\xff\x80\0" + whole[at + 3 :])
            try:
                cs.open_image(tmp_path / "a.tif")
            except cs.ConvscopeError as error:
                assert "\n" not in str(error)
    assert not any(capfd.readouterr())
