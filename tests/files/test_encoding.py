"""Pictures as few bytes."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from convscope.files import encoded, preview


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    shape = (height, width, len(mode))
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8), mode)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_a_small_picture_keeps_its_pixels() -> None:
    picture = noise(100, 50)
    kind, data = encoded(picture)
    assert kind == "image/png"
    assert opened(data).tobytes() == picture.tobytes()


@pytest.mark.parametrize("limit", [1_000, 20_000, 220_000])
@pytest.mark.parametrize("size", [(900, 600), (3000, 20), (1, 5000)])
def test_what_is_large_is_brought_below_the_limit(limit: int, size: tuple[int, int]) -> None:
    found = encoded(noise(*size), limit)
    assert len(found.data) <= limit
    assert f"image/{str(opened(found.data).format).lower()}" == found.media_type
    width, height = opened(found.data).size
    assert abs(width / height - size[0] / size[1]) <= max(1, size[0] / size[1])


def test_what_shows_through_becomes_white() -> None:
    picture = noise(400, 400, "RGBA")
    picture.putalpha(0)
    found = encoded(picture, 3_000)
    assert np.asarray(opened(found.data).convert("RGB")).min() == 255


def test_a_picture_in_a_page() -> None:
    found = preview(noise(200, 100), 50)
    assert opened(found.data).size == (50, 25)
    head, _, text = found.uri.partition(",")
    assert head == "data:image/jpeg;base64"
    assert base64.b64decode(text) == found.data
