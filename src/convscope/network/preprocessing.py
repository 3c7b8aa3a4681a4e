"""How a photograph becomes the input of a network: resizing, cropping, normalization."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.errors import ConvscopeError, short
from convscope.types import Box

# In pixels. A strip two pixels high would otherwise grow to gigabytes before it is cropped.
LARGEST_RESIZED = 64_000_000
_LUMINANCE = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Preprocessing:
    """Resizing and cropping: the shorter side becomes `size / crop`, and the middle is kept.

    This is a plain value, so that other processes can use it without the network.

    Attributes:
        name: the network's name, for messages.
        channels: the number of channels that the network takes.
        size: rows and columns of the result.
        crop: fraction of the resized shorter side that is kept, in (0, 1].
        interpolation: "bicubic" or "bilinear".
    """

    name: str
    channels: int
    size: tuple[int, int]
    crop: float
    interpolation: str

    def __post_init__(self) -> None:
        if len(self.size) != 2 or min(self.size) < 1:
            raise ConvscopeError(f"input_size must be (rows, columns) in pixels, not {self.size}")
        if not 0 < self.crop <= 1:
            raise ConvscopeError(f"crop must be above 0 and at most 1, not {self.crop}")
        if self.interpolation not in ("bicubic", "bilinear"):
            raise ConvscopeError(
                f"interpolation must be 'bicubic' or 'bilinear', not {self.interpolation!r}"
            )

    def __call__(self, image: Tensor) -> Tensor:
        """(N, C, H, W) of any size becomes (N, C, *size); an image of that size is unchanged."""
        image = self.in_channels(image)
        return image if image.shape[-2:] == self.size else self.resampled(image).clamp(0, 1)

    def resampled(self, values: Tensor) -> Tensor:
        """Values (N, C, H, W) resized and cropped to (N, C, *size): linear, so not clipped."""
        values = self.in_channels(values)
        if values.shape[-2:] == self.size:
            return values
        size, _ = self.resized(values)
        values = F.interpolate(
            values, size, mode=self.interpolation, antialias=True, align_corners=False
        )
        (height, width), (top, left) = self.size, self._corner(size)
        return values[..., top : top + height, left : left + width]

    def box(self, image: Tensor) -> Box:
        """The part of an image, in its own pixels, that is kept."""
        if image.shape[-2:] == self.size:
            return Box(0.0, 0.0, *map(float, self.size))
        size, (down, across) = self.resized(image)
        (height, width), (top, left) = self.size, self._corner(size)
        return Box(top / down, left / across, height / down, width / across)

    def resized(self, image: Tensor) -> tuple[tuple[int, int], tuple[float, float]]:
        """The size before the crop, and how much larger than the image it is, down and across."""
        height, width = image.shape[-2:]
        # A crop is often a quotient such as 224 / 232, and 224 / (224 / 232) may be below 232.
        rows, columns = (int(s / self.crop + 1e-6) for s in self.size)
        scale = max(rows / height, columns / width)
        size = (
            max(rows, int(height * scale)),
            max(columns, int(width * scale)),
        )
        if size[0] * size[1] > LARGEST_RESIZED:
            raise ConvscopeError(
                f"an image of {height} x {width} pixels is too narrow to be resized to"
                f" {rows} x {columns}; crop it first"
            )
        return size, (size[0] / height, size[1] / width)

    def _corner(self, size: tuple[int, int]) -> tuple[int, int]:
        return round((size[0] - self.size[0]) / 2), round((size[1] - self.size[1]) / 2)

    def in_channels(self, image: Tensor) -> Tensor:
        """Convert an image to the network's channels, without resizing it.

        Raises:
            ConvscopeError: the image is no float tensor (N, 3, H, W), or has other channels.
        """
        check_shape(image)
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


LARGEST = 8192  # pixels a side of the input


def as_size(size: Any) -> tuple[int, int]:
    """Rows and columns, from one number for a square or from two, of any type.

    Raises:
        ConvscopeError: it is neither, or no whole number of pixels from 1 to 8192.
    """
    values = _numbers(size)
    sides = values if len(values) == 2 else values * 2
    if len(sides) != 2 or not all(1 <= side <= LARGEST and side == int(side) for side in sides):
        raise ConvscopeError(
            f"input_size must be (rows, columns) in pixels, or one number for a square, and at most"
            f" {LARGEST}, not {short(size)}"
        )
    return int(sides[0]), int(sides[1])


def _numbers(values: Any) -> list[float]:
    """Numbers in a list, a tensor or an array, or a single number; none if they are something else.

    NaN and infinity are none.
    """
    try:
        found = torch.as_tensor(values, dtype=torch.float64).flatten().tolist()
    except (TypeError, ValueError, RuntimeError):
        return []
    return found if all(map(math.isfinite, found)) else []


# Above these, mean and std are those of pixels from 0 to 255. Those of pixels in [-1, 1] are below.
LARGEST_MEAN, LARGEST_STD = 2.0, 10.0


class Normalization:
    """(image - mean) / std, in one pass over the pixels.

    Args:
        mean, std: mean and standard deviation of each channel, for images in [0, 1]: a sequence, a
            tensor or an array of numbers; a single number is that of all the other's channels.

    Raises:
        ConvscopeError: not one number a channel, a standard deviation that is not positive, or
            numbers for pixels from 0 to 255.
    """

    def __init__(self, mean: Any, std: Any) -> None:
        centers, spreads = _numbers(mean), _numbers(std)
        channels = max(len(centers), len(spreads))
        centers, spreads = (v * channels if len(v) == 1 else v for v in (centers, spreads))
        if channels == 1 and all(isinstance(v, int | float) for v in (mean, std)):
            raise ConvscopeError(
                f"mean and std must have one number for each channel: mean=({centers[0]:g},) * 3"
                " for RGB"
            )
        if not centers or len(centers) != len(spreads) or min(spreads) <= 0:
            raise ConvscopeError(
                "mean and std must be finite, with one number for each channel, and std must be"
                " positive"
            )
        if max(map(abs, centers)) > LARGEST_MEAN or max(spreads) > LARGEST_STD:
            raise ConvscopeError(
                f"mean {centers[0]:g} and std {spreads[0]:g} are for pixels from 0 to 255; here"
                " pixels run from 0 to 1: divide both by 255"
            )
        self.mean, self.std = tuple(centers), tuple(spreads)
        center, spread = (
            torch.tensor(v, dtype=torch.float64).view(1, -1, 1, 1) for v in (self.mean, self.std)
        )
        self._scale, self._shift = 1 / spread, -center / spread

    def to(self, device: torch.device, dtype: torch.dtype) -> Normalization:
        """The same for images on a device, in a precision; it is float64 on the CPU at first."""
        moved = Normalization(self.mean, self.std)
        moved._scale, moved._shift = (t.to(device, dtype) for t in (self._scale, self._shift))
        return moved

    def __call__(self, image: Tensor) -> Tensor:
        return torch.addcmul(self._shift, image, self._scale)


def check_shape(image: object) -> None:
    """Raise an error if this is no float tensor of four dimensions, as images are."""
    if isinstance(image, list | tuple):
        raise ConvscopeError(
            "pass several images as one tensor, all of the same size:"
            " torch.cat([net.preprocess(image) for image in images])"
        )
    if not isinstance(image, Tensor) or image.dim() != 4 or not image.is_floating_point():
        what = f"{image.dtype} {tuple(image.shape)}" if isinstance(image, Tensor) else type(image)
        raise ConvscopeError(
            "images must be float tensors (N, 3, H, W) in [0, 1], as open_image returns them, not"
            f" {what}"
        )
