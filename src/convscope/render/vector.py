"""A page for papers: text and lines stay vectors, and images keep all their pixels."""

from __future__ import annotations

import io
from typing import Any, Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backend_bases import RendererBase
from matplotlib.transforms import Affine2D

from convscope.render.page import Page, pixels
from convscope.types import Array

VectorFormat = Literal["pdf", "svg"]

POINTS = 72.0  # an inch, in which both formats measure

ALL = 2**20  # more pixels a side than any image has

# TrueType letters are embedded in a PDF, as publishers ask; those of an SVG are outlines, which
# look the same wherever it is opened. Identifiers in an SVG are the same each time.
STYLE: dict[Any, Any] = {"pdf.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "convscope"}


class VectorPage(Page):
    """A page that is written as PDF or SVG."""

    dpi = POINTS

    def __init__(self, width: float, height: float) -> None:
        super().__init__(width, height)
        self._points_down = height * POINTS
        self._inches = Affine2D().scale(POINTS, -POINTS).translate(0, self._points_down)

    def pixels(self, inches: float) -> int:  # noqa: ARG002 - all of them, whatever the length
        return ALL

    def picture(self, rgb: Array, left: float, top: float, width: float, height: float) -> None:
        # Viewers may blur an image that they enlarge, so squares are made of many pixels.
        times = -(-pixels(width) // rgb.shape[1])
        if times >= 3:
            rgb = rgb.repeat(times, 0).repeat(times, 1)
        bottom = self._points_down - (top + height) * POINTS
        size = width * POINTS, height * POINTS
        self.figure.add_artist(_Placed(rgb, left * POINTS, bottom, size))

    def content(self, kind: VectorFormat, provenance: str) -> bytes:
        """The page as a file of a format.

        Args:
            kind: the format.
            provenance: a text, which becomes the keywords of a PDF or the description of an SVG.
        """
        metadata: dict[str, Any] = {"Creator": "convscope"}
        if kind == "pdf":
            metadata |= {"Keywords": provenance, "CreationDate": None}
        else:
            metadata |= {"Description": provenance, "Date": None}
        file = io.BytesIO()
        self.figure.savefig(file, format=kind, metadata=metadata)
        return file.getvalue()


class _Placed(Artist):
    """An image with all its pixels at a place, all in points."""

    def __init__(self, rgb: Array, left: float, bottom: float, size: tuple[float, float]) -> None:
        super().__init__()
        opaque = np.full((*rgb.shape[:2], 1), 255, np.uint8)
        self._rgba = np.concatenate([rgb, opaque], 2)[..., :4]  # a cutout has its own alpha
        self._left, self._bottom, self._size = left, bottom, size

    def draw(self, renderer: RendererBase) -> None:
        graphics = renderer.new_gc()
        placed = Affine2D().scale(*self._size)
        renderer.draw_image(graphics, self._left, self._bottom, self._rgba[::-1], placed)
        graphics.restore()
