"""A picture on a page: WebP in the page itself."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass

from PIL import Image

from convscope.files import webp


@dataclass(frozen=True)
class PagePicture:
    """A picture that a template writes as an element `img`.

    Attributes:
        data: a WebP file in base64.
        width, height: its size in pixels.
        alt: what it shows, in words.
    """

    data: str
    width: int
    height: int
    alt: str

    @property
    def wide(self) -> bool:
        """Whether the picture needs to scroll on a narrow screen."""
        return self.width > 1.6 * self.height

    def within(self, width: int | None) -> PagePicture:
        """The picture with at most this width in pixels; None sets no limit."""
        if width is None or self.width <= width:
            return self
        with Image.open(io.BytesIO(base64.b64decode(self.data)), formats=("WEBP",)) as opened:
            return page_picture(opened, self.alt, width, quality=75)

    def __html__(self) -> str:
        return (
            f'<img src="data:image/webp;base64,{self.data}" width="{self.width}"'
            f' height="{self.height}" alt="{html.escape(self.alt)}" decoding="async">'
        )


def page_picture(picture: Image.Image, alt: str, width: int, *, quality: int = 88) -> PagePicture:
    """A picture for a page.

    Args:
        picture: RGB.
        alt: what it shows.
        width: the largest width in pixels, a quarter of the largest height.
        quality: from 0 to 100, as WebP has it.
    """
    shown = picture.copy()
    shown.thumbnail((width, 4 * width))
    return PagePicture(base64.b64encode(webp(shown, quality)).decode(), *shown.size, alt)
