"""Photographs of any size in a blend of styles, in bounded memory and without seams.

Instance normalization looks at the whole photograph, so no part of it can be drawn alone. A large
one goes through the network in bands of rows, one stage after the other, so that the mean and
variance of every stage are still those of the whole photograph. Only the narrowest stages, with a
sixteenth of the positions, are kept whole. The wide ones before and after them are computed again
for each stage that follows, so this takes about one and a half times as long.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.stylization.convolving import convolution
from convscope.stylization.network import STRIDE, Residual, Stage, StyleNetwork, mixed
from convscope.system import free_memory

WHOLE = 2**21  # pixels of a photograph that is drawn at once, in half a gigabyte

BAND = 2**20  # pixels of a band

HALO = 2  # rows of the narrowest stage that a band has above and below, for the convolutions

SMALLEST = 16  # pixels a side

EPSILON = 1e-5  # added to variances, as in the network

# Values of one position of the narrowest stage: three times its channels. Of a pixel: the
# photograph, the picture, and what a band needs is counted apart.
BUFFERS, COLORS, BYTES = 3, 6, 4


def draw(net: StyleNetwork, image: Tensor, weights: Tensor, whole: int = WHOLE) -> Tensor:
    """Draw a photograph.

    Args:
        net: the network.
        image: (1, 3, H, W), RGB in [0, 1].
        weights: (1, styles), the share of each style.
        whole: the number of pixels above which the photograph is drawn in bands.

    Returns:
        (1, 3, H, W), RGB in [0, 1].

    Raises:
        ConvscopeError: the photograph is too small for the network, or too large for the memory.
    """
    height, width = image.shape[-2:]
    if min(height, width) < SMALLEST:
        raise ConvscopeError(
            f"a photograph of {height} x {width} pixels is too small for a style; it needs"
            f" {SMALLEST} each way"
        )
    if banded := height * width > whole:
        check_memory(net, height, width)
    with torch.inference_mode():
        padded = F.pad(image, (0, -width % STRIDE, 0, -height % STRIDE), mode="reflect")
        layers = _layers(net, weights)
        drawn = _in_bands(layers, padded) if banded else _whole(layers, padded)
    return drawn[..., :height, :width].clone()  # no tensor of inference mode


def check_memory(net: StyleNetwork, height: int, width: int) -> None:
    """Refuse a photograph that does not fit into the memory, and say which size does.

    Raises:
        ConvscopeError: it does not fit.
    """
    free = free_memory()
    a_pixel = BYTES * (COLORS + BUFFERS * 4 * net.channels / STRIDE**2)
    for_bands = BYTES * BAND * 8 * net.channels
    if free is None or a_pixel * height * width + for_bands <= free:
        return
    fits = math.sqrt(max(0, free - for_bands) / (a_pixel * height * width)) * max(height, width)
    raise ConvscopeError(
        f"{height} x {width} pixels in a style take"
        f" {(a_pixel * height * width + for_bands) / 1e9:.1f} GB of memory, and"
        f" {free / 1e9:.1f} GB are free; give a size of at most {int(fits)}"
    )


class _Layer:
    """A stage in a blend of styles."""

    def __init__(self, stage: Stage, weights: Tensor) -> None:
        self.convolve = convolution(stage)
        self.channels = stage.conv.out_channels
        self._relu, self._gamma = stage.relu, mixed(stage.norm.gamma, weights)
        self._beta = mixed(stage.norm.beta, weights)
        self._scale = self._shift = self._gamma

    def __call__(self, values: Tensor) -> Tensor:
        """The stage of a whole photograph."""
        convolved = self.convolve(values)
        self.take(*_moments(convolved))
        return self.finish(convolved)

    def take(self, mean: Tensor, variance: Tensor) -> None:
        """Keep the mean and variance of each channel of the whole photograph, in float64."""
        scale = self._gamma / (variance + EPSILON).sqrt()
        self._scale = scale.to(self._gamma)
        self._shift = (self._beta - mean * scale).to(self._beta)

    def finish(self, convolved: Tensor) -> Tensor:
        """Normalize in place, and rectify if the stage does."""
        convolved.mul_(self._scale).add_(self._shift)
        return convolved.relu_() if self._relu else convolved


@dataclass(frozen=True)
class _Layers:
    """The stages before the residual blocks, in these blocks, and after them."""

    before: list[_Layer]
    blocks: list[tuple[_Layer, _Layer]]
    after: list[_Layer]


def _layers(net: StyleNetwork, weights: Tensor) -> _Layers:
    found = _Layers([], [], [])
    for stage in net.stages:
        if isinstance(stage, Residual):
            found.blocks.append((_Layer(stage.first, weights), _Layer(stage.second, weights)))
        else:
            assert isinstance(stage, Stage)
            around = found.after if stage.enlarge > 1 or found.after else found.before
            around.append(_Layer(stage, weights))
    return found


def _moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and variance of each channel, in float64.

    Ten times as fast as `torch.var_mean`.
    """
    mean = values.mean((2, 3), keepdim=True)
    # Row by row: a sum of very many squares at once would be rounded too often.
    lengths = torch.linalg.vector_norm(values - mean, dim=3, keepdim=True).double()
    return mean.double(), lengths.square().mean(2, keepdim=True) / values.shape[3]


def _whole(layers: _Layers, image: Tensor) -> Tensor:
    values = image
    for layer in layers.before:
        values = layer(values)
    for first, second in layers.blocks:
        values += second(first(values))
    for layer in layers.after:
        values = layer(values)
    return values.sigmoid_()


def _in_bands(layers: _Layers, image: Tensor) -> Tensor:
    before, after = layers.before, layers.after
    rows, columns = (side // STRIDE for side in image.shape[-2:])
    channels = before[-1].channels
    kept, one, two = (image.new_empty(1, channels, rows, columns) for _ in range(BUFFERS))
    for number in range(1, len(before) + 1):
        _measure(before[:number], image, STRIDE, kept if number == len(before) else None)
    before[-1].finish(kept)
    for first, second in layers.blocks:
        _measure([first], kept, 1, one)
        _measure([second], first.finish(one), 1, two)
        kept += second.finish(two)
    drawn = torch.empty_like(image)
    for number in range(1, len(after) + 1):
        _measure(after[:number], kept, 1, drawn if number == len(after) else None)
    return after[-1].finish(drawn).sigmoid_()


def _measure(layers: Sequence[_Layer], source: Tensor, unit: int, into: Tensor | None) -> None:
    """Give the last of these layers its moments; all others have theirs.

    Args:
        layers: stages that follow each other.
        source: what the first of them gets, whole.
        unit: how many of its rows lie on one of the narrowest stage.
        into: gets the convolution of the last one.
    """
    count, mean, squares = 0, torch.zeros(()), torch.zeros(())
    for rows, convolved in _bands(layers, source, unit):
        if into is not None:
            into[:, :, rows] = convolved
        middle, variance = _moments(convolved)
        more = convolved.numel() // convolved.shape[1]
        # Chan, Golub and LeVeque 1979: the squares themselves would cancel.
        change, total = middle - mean, count + more
        squares = squares + variance * more + change.square() * (count * more / total)
        mean, count = mean + change * (more / total), total
    layers[-1].take(mean, squares / count)


def _bands(layers: Sequence[_Layer], source: Tensor, unit: int) -> Iterator[tuple[slice, Tensor]]:
    """The convolution of the last layer, band by band, and which of its rows a band is."""
    rows, pixels = source.shape[2] // unit, source.shape[3] * STRIDE**2 // unit
    step = max(2 * HALO, BAND // pixels)
    for begin in range(0, rows, step):
        end = min(begin + step, rows)
        low, high = max(0, begin - HALO), min(rows, end + HALO)
        values = source[:, :, low * unit : high * unit]
        for layer in layers[:-1]:
            values = layer.finish(layer.convolve(values))
        convolved = layers[-1].convolve(values)
        scale = convolved.shape[2] // (high - low)
        part = slice((begin - low) * scale, (end - low) * scale)
        yield slice(begin * scale, end * scale), convolved[:, :, part]
