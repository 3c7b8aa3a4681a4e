"""What a file may ask for, and how it is refused."""

from __future__ import annotations

from dataclasses import dataclass


class Refusal(Exception):
    """Why a file is not decoded: what follows its name in the message."""


@dataclass(frozen=True)
class Limits:
    """How large an image may be.

    Args:
        pixels: the largest number of pixels.
        side: the largest width and height.
        memory: bytes that decoding may take, with the float32 image that comes out.
    """

    pixels: int
    side: int
    memory: int

    def too_many(self) -> str:
        """That an image has more pixels than it may have."""
        millions = self.pixels // 1_000_000
        largest = f"{millions} megapixels" if millions else f"{self.pixels} pixels"
        return f"is larger than {largest}; make it smaller first"

    def check(self, width: int, height: int, bytes_a_pixel: float) -> None:
        """Refuse an image before it is decoded.

        Args:
            width, height: its size.
            bytes_a_pixel: how much memory decoding takes at most.

        Raises:
            Refusal: it has no pixels, too many, or takes too much memory.
        """
        pixels = width * height
        if width < 1 or height < 1:
            raise Refusal("is damaged (it has no pixels)")
        if pixels > self.pixels:
            raise Refusal(self.too_many())
        if max(width, height) > self.side:
            raise Refusal(
                f"has {width} x {height} pixels, and a side may have at most {self.side}; crop it"
                " first"
            )
        if pixels * bytes_a_pixel > self.memory:
            most = int(self.memory / bytes_a_pixel / 1_000_000)
            raise Refusal(
                f"would take too much memory: {most} megapixels are the most for an image like"
                " this; make it smaller first"
            )
