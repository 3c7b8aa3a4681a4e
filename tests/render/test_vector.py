"""Figures for papers: text is text, images have all their pixels, and all is where pictures have
it."""

from __future__ import annotations

import base64
import io
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image

import convscope as cs
from convscope.render import draw, draw_vector
from convscope.types import Bars, Grid, HeatMap, Panel, Picture

RGB = torch.rand(3, 500, 720, generator=torch.Generator().manual_seed(1))
PANELS: tuple[Panel, ...] = (
    Picture(RGB, "a photograph (720 x 500)"),
    Bars(("tabby", "Größe"), (0.25, 0.75), "probability", "prediction"),
    Grid(torch.eye(8)[None, None].repeat(2, 1, 1, 1), "tiles", captions=("one", "two")),
    HeatMap(torch.eye(7), "score", "map"),
)
BYTES = (RGB.permute(1, 2, 0).double().numpy() * 255).round()


def images(content: bytes) -> Iterator[Image.Image]:
    """The images in an SVG or a PDF."""
    if content.startswith(b"<?xml"):
        for data in re.findall(rb"data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)", content):
            image = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
            yield image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)  # their transform flips them
        return
    for found in re.finditer(rb"<<([^>]*/Subtype /Image.*?)>>\s*stream\r?\n", content, re.DOTALL):
        size = (int(re.search(rb"/Width (\d+)", found[1])[1]),  # type: ignore[index]
                int(re.search(rb"/Height (\d+)", found[1])[1]))  # type: ignore[index]  # fmt: skip
        if b"/Predictor 10" in found[1] and b"/Colors 3" in found[1]:
            yield png(size, zlib.decompressobj().decompress(content[found.end() :]))


def png(size: tuple[int, int], rows: bytes) -> Image.Image:
    """The image whose filtered rows are these: PDF's predictor 10 is that of PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return Image.open(io.BytesIO(b"\x89PNG\r\n\x1a\n" + parts))


@pytest.mark.parametrize("kind", ["pdf", "svg"])
def test_images_have_all_their_pixels(kind: Literal["pdf", "svg"]) -> None:
    content = draw_vector(PANELS, kind, "{}")
    (photo,) = (one for one in images(content) if one.size == (720, 500))
    assert np.abs(np.asarray(photo, float) - BYTES).max() <= 1
    assert draw_vector(PANELS, kind, "{}") == content, "the same bytes each time"


def test_a_pdf_has_its_letters_with_it() -> None:
    content = draw_vector(PANELS, "pdf", "{}")
    fonts = set(re.findall(rb"/BaseFont /(\S+)", content))
    assert fonts
    assert content.count(b"/FontFile2") >= 1, "TrueType, embedded"
    assert b"/Type3" not in content
    streams = b""
    for found in re.finditer(rb"stream\r?\n", content):
        try:
            streams += zlib.decompressobj().decompress(content[found.end() :])
        except zlib.error:
            continue
    assert streams.count(b"TJ") + streams.count(b"Tj") >= 8, "text is shown as text"


@pytest.mark.parametrize("kind", ["pdf", "svg"])
def test_a_cutout_stays_transparent(kind: Literal["pdf", "svg"]) -> None:
    alpha = (torch.arange(40) % 2).expand(1, 30, 40).float()
    cutout = torch.cat([torch.rand(3, 30, 40).round(decimals=1), alpha])
    content = draw_vector((Picture(cutout, transparent=True),), kind, "{}")
    if kind == "pdf":
        assert b"/SMask" in content
        return
    (data,) = re.findall(rb"data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)", content)
    shown = Image.open(io.BytesIO(base64.b64decode(data)))
    assert shown.mode == "RGBA"
    assert shown.getchannel("A").getextrema() == (0, 255)


def test_nothing_to_show() -> None:
    with pytest.raises(cs.ConvscopeError, match="nothing to show"):
        draw_vector((), "pdf", "")


def test_a_figure_looks_as_the_picture_does(browser: Any) -> None:
    picture = draw(PANELS)
    content = base64.b64encode(draw_vector(PANELS, "svg", "{}")).decode()
    page = browser.new_page(viewport={"width": picture.width, "height": picture.height})
    size = f'width="{picture.width}" height="{picture.height}"'
    image = f'<img style="display:block" {size} src="data:image/svg+xml;base64,{content}">'
    page.set_content(f'<body style="margin:0">{image}')
    page.wait_for_function("document.images[0].complete")
    shown = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    page.close()
    assert shown.size == picture.size
    # Coarse, because a browser and matplotlib smooth edges differently.
    few = (picture.width // 12, picture.height // 12)
    coarse = [np.asarray(one.resize(few, Image.Resampling.BOX), float) for one in (shown, picture)]
    assert np.abs(coarse[0] - coarse[1]).mean() < 2
