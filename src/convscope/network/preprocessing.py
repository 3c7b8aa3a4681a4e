"""How a photograph becomes what a network sees of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.types import Box

# Pixels: a strip two pixels high would otherwise grow to gigabytes before it is cropped.
LARGEST_RESIZED = 64_000_000


_LUMINANCE = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Preprocessing:
    """Resizing and cropping for the network called `name`: a plain value, for any process.

    The shorter side is brought to `size` / `crop`, and the middle of it is kept.
    """

    name: str
    channels: int
    size: tuple[int, int]
    crop: float
    interpolation: str

    def __call__(self, image: Tensor) -> Tensor:
        """(N, C, H, W) of any size becomes (N, C, *size); what has that size is left alone."""
        image = self.in_channels(image)
        if image.shape[-2:] == self.size:
            return image
        size, _ = self.resized(image)
        image = F.interpolate(
            image, size, mode=self.interpolation, antialias=True, align_corners=False
        ).clamp(0, 1)
        (height, width), (top, left) = self.size, self._corner(size)
        return image[..., top : top + height, left : left + width]

    def box(self, image: Tensor) -> Box:
        """The part of the image, in its own pixels, that is kept."""
        if image.shape[-2:] == self.size:
            return Box(0.0, 0.0, *map(float, self.size))
        size, (down, across) = self.resized(image)
        (height, width), (top, left) = self.size, self._corner(size)
        return Box(top / down, left / across, height / down, width / across)

    def resized(self, image: Tensor) -> tuple[tuple[int, int], tuple[float, float]]:
        """The size before the crop, and how much larger than the image that is."""
        height, width = image.shape[-2:]
        # A crop is often a quotient such as 224 / 232, whose own quotient may fall short of 232.
        rows, columns = (int(s / self.crop + 1e-6) for s in self.size)
        scale = max(rows / height, columns / width)
        size = (
            max(rows, int(height * scale)),
            max(columns, int(width * scale)),
        )
        if size[0] * size[1] > LARGEST_RESIZED:
            raise ConvscopeError(
                f"an image of {height} x {width} is too narrow to fit {rows} x {columns}; crop it"
            )
        return size, (size[0] / height, size[1] / width)

    def _corner(self, size: tuple[int, int]) -> tuple[int, int]:
        return round((size[0] - self.size[0]) / 2), round((size[1] - self.size[1]) / 2)

    def in_channels(self, image: Tensor) -> Tensor:
        """The image in the network's channels, at its own size.

        Raises:
            ConvscopeError: not a float tensor (N, 3, H, W), or channels that do not fit.
        """
        if isinstance(image, list | tuple):
            raise ConvscopeError(
                "several images go in one tensor, all of one size:"
                " torch.cat([net.preprocess(image) for image in images])"
            )
        if not isinstance(image, Tensor) or image.dim() != 4 or not image.is_floating_point():
            what = (
                f"{image.dtype} {tuple(image.shape)}" if isinstance(image, Tensor) else type(image)
            )
            raise ConvscopeError(
                f"images are float tensors (N, 3, H, W) in [0, 1], as open_image makes, not {what}"
            )
        if image.shape[1] == 3 and self.channels == 1:
            weights = image.new_tensor(_LUMINANCE).view(1, 3, 1, 1)
            return (image * weights).sum(1, keepdim=True)
        if image.shape[1] == 1 and self.channels == 3:
            return image.expand(-1, 3, -1, -1)
        if image.shape[1] != self.channels:
            raise ConvscopeError(
                f"{self.name} takes {self.channels} channels, not {image.shape[1]}"
            )
        return image
