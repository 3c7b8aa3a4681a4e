"""ICC profiles become sRGB, and what was done is said."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

import convscope as cs
from convscope.files import images

Array = np.ndarray[Any, np.dtype[Any]]

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

# Primaries of Display P3 and the white of sRGB, adapted to D50: what its profile holds.
P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))


def tag(kind: bytes, *numbers: int) -> bytes:
    return kind + bytes(4) + b"".join(struct.pack(">i", number) for number in numbers)


def profile(
    colors: tuple[tuple[float, float, float], ...] = P3,
    gamma: float = 2.2,
    name: str = "Display P3",
    space: bytes = b"RGB ",
) -> bytes:
    """An ICC profile, version 2, by hand: three colors, or gray, and a gamma."""
    text = name.encode() + b"\0"
    description = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    white = tag(b"XYZ ", *(round(v * 65536) for v in (0.9642, 1, 0.8249)))
    tags = [(b"desc", description), (b"wtpt", white), (b"cprt", b"text" + bytes(8))]
    if space == b"GRAY":
        tags.append((b"kTRC", curve))
    else:
        for letter, color in zip("rgb", colors, strict=True):
            tags.append((f"{letter}XYZ".encode(), tag(b"XYZ ", *(round(v * 65536) for v in color))))
            tags.append((f"{letter}TRC".encode(), curve))
    table, data, at = b"", b"", 128 + 4 + 12 * len(tags)
    for key, value in tags:
        value += bytes(-len(value) % 4)
        table += key + struct.pack(">II", at + len(data), len(value))
        data += value
    body = struct.pack(">I", len(tags)) + table + data
    head = struct.pack(">I4sI4s4s4s", 128 + len(body), b"test", 0x02100000, b"mntr", space, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061) + bytes(48)
    assert len(head) == 128
    return head + body


def by_hand(rgb: Array, colors: Any = P3, gamma: float = 2.2) -> Array:
    """RGB in [0, 1] of a profile as sRGB: to XYZ, to linear sRGB, and IEC 61966-2-1's curve."""
    xyz = (rgb**gamma) @ np.array(colors)
    to_srgb = np.linalg.inv(
        np.array(
            [[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.7141]]
        )
    )
    linear = (xyz @ to_srgb).clip(0, 1)
    curved: Array = np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055
    )
    return curved


def saved(path: Path, image: Image.Image, icc: bytes, **options: Any) -> tuple[Array, Any]:
    image.save(path, icc_profile=icc, **options)
    opened = cs.open_image(path)
    source = images.source(opened)
    assert source is not None
    return opened[0].permute(1, 2, 0).numpy(), source.get("profile")


COLORS = np.array(
    [[[200, 30, 60], [10, 250, 90], [128, 128, 128], [255, 255, 255], [0, 0, 0]]], np.uint8
)


OPTIONS: dict[str, dict[str, Any]] = {
    "webp": {"lossless": True},
    "jpg": {"quality": 100, "subsampling": 0},
    "avif": {"quality": 100, "subsampling": "4:4:4"},
}


@pytest.mark.parametrize("ending", ["png", "tif", "webp", "jpg", "avif"])
def test_a_wide_gamut_becomes_srgb(tmp_path: Path, ending: str) -> None:
    options = OPTIONS.get(ending, {})
    large = Image.fromarray(COLORS.repeat(16, 0).repeat(16, 1))
    found, said = saved(tmp_path / f"a.{ending}", large, profile(), **options)
    assert said == "Display P3"
    np.testing.assert_allclose(found[8, 8::16], by_hand(COLORS[0] / 255), atol=0.02)


def test_alpha_is_kept(tmp_path: Path) -> None:
    image = Image.fromarray(np.dstack([COLORS, np.full((1, 5), 51, np.uint8)]))
    found, _ = saved(tmp_path / "a.png", image, profile())
    np.testing.assert_allclose(found[0], by_hand(COLORS[0] / 255) * 0.2 + 0.8, atol=0.01)


def test_sixteen_bits(tmp_path: Path) -> None:
    import tifffile

    tags = [(34675, 7, len(profile()), profile(), True)]
    values = COLORS.astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extratags=tags)
    found = cs.open_image(tmp_path / "a.tif")[0].permute(1, 2, 0)
    np.testing.assert_allclose(found[0], by_hand(COLORS[0] / 255), atol=0.01)


def test_gray(tmp_path: Path) -> None:
    gray = profile(gamma=1.0, name="Linear", space=b"GRAY")
    image = Image.fromarray(np.array([[0, 55, 128, 255]], np.uint8))
    found, said = saved(tmp_path / "a.png", image, gray)
    assert said == "Linear"
    linear = np.array([0, 55, 128, 255]) / 255
    expected = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(found[0, :, 1], expected, atol=0.01)


def test_gray_with_alpha(tmp_path: Path) -> None:
    gray = profile(gamma=1.0, name="Linear", space=b"GRAY")
    image = Image.new("LA", (2, 2), (55, 51))
    found, _ = saved(tmp_path / "a.png", image, gray)
    np.testing.assert_allclose(found[0, 0], 0.2 * 0.5 + 0.8, atol=0.01)


def test_srgb_changes_nothing_and_is_not_said(tmp_path: Path) -> None:
    found, said = saved(tmp_path / "a.png", Image.fromarray(COLORS), SRGB)
    assert said is None
    np.testing.assert_array_equal(found, COLORS.astype(np.float32) / 255)


@pytest.mark.parametrize(
    ("icc", "message"),
    [
        (b"nonsense", "damaged, not applied"),
        (profile()[:200], "damaged, not applied"),
        (profile(space=b"GRAY", name="Gray"), "Gray (GRAY in a RGB image, not applied)"),
    ],
)
def test_what_cannot_be_applied_is_said(tmp_path: Path, icc: bytes, message: str) -> None:
    found, said = saved(tmp_path / "a.png", Image.fromarray(COLORS), icc)
    assert said == message
    np.testing.assert_array_equal(found, COLORS.astype(np.float32) / 255)


def test_a_damaged_chunk_is_said(tmp_path: Path) -> None:
    Image.fromarray(COLORS).save(tmp_path / "a.png", icc_profile=profile())
    data = (tmp_path / "a.png").read_bytes()
    from zlib import crc32

    at = data.index(b"iCCP")
    (length,) = struct.unpack_from(">I", data, at - 4)
    body = b"iCCP" + b"ICC Profile\0\0" + b"x" * (length - 13)
    (tmp_path / "a.png").write_bytes(
        data[:at] + body + struct.pack(">I", crc32(body)) + data[at + 8 + length :]
    )
    source = images.source(cs.open_image(tmp_path / "a.png"))
    assert source is not None
    assert source["profile"] == "damaged, not applied"


def test_it_is_in_the_provenance_of_a_picture(tmp_path: Path, net: cs.Network) -> None:
    Image.fromarray(COLORS.repeat(40, 0).repeat(8, 1)).save(
        tmp_path / "a.png", icc_profile=profile()
    )
    run = cs.saliency(net, cs.open_image(tmp_path / "a.png"))
    image = run.provenance["image"]
    assert isinstance(image, dict)
    assert image["profile"] == "Display P3"
