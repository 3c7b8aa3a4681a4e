"""What the samples of a TIFF file mean: black, white, inks, palettes, brightness and alpha."""

from __future__ import annotations

import numpy as np
from PIL import Image

from convscope.files.decoding import tiff_tags as tags
from convscope.files.decoding.limits import Refusal
from convscope.files.decoding.raster import Raster, in_range
from convscope.files.decoding.tiff_samples import Samples
from convscope.files.decoding.tiff_tags import Tags, number, numbers
from convscope.types import Array

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, INKS, YCBCR = 0, 1, 2, 3, 5, 6

# How many channels each kind of color has.
CHANNELS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, INKS: 4, YCBCR: 3}
NAMES = {4: "a mask", 8: "CIE L*a*b*", 9: "ICC L*a*b*", 10: "ITU L*a*b*", 32844: "LogL"}
SENSOR = (32803, 34892)  # a raw photograph's

PREMULTIPLIED, STRAIGHT = 1, 2  # kinds of alpha
LUMA = 0.299, 0.587, 0.114
FULL_RANGE = 0, 255, 128, 255, 128, 255


def colors_of(page: Tags) -> int:
    """The kind of color of a page.

    Raises:
        Refusal: it is none that becomes RGB.
    """
    kind = int(number(page, tags.PHOTOMETRIC))
    if kind in SENSOR:
        raise tags.raw_photograph()
    if kind not in CHANNELS or (kind == INKS and number(page, tags.INK_SET, 1) != 1):
        name = NAMES.get(kind, f"colors of kind {kind}")
        raise Refusal(f"holds {name}, which is not read here; save it as RGB")
    return kind


def raster_of(values: Array, samples: Samples, kind: int, page: Tags) -> Raster:
    """A raster of the samples (H, W, C) of a page; `values` are changed."""
    base = CHANNELS[kind]
    if values.shape[2] < base:
        raise Refusal(f"is damaged (it has {values.shape[2]} channels)")
    if samples.floating:
        in_range(values[..., :base])
    extra = numbers(page, tags.EXTRA)[: values.shape[2] - base]
    which = next((i for i, use in enumerate(extra) if use in (PREMULTIPLIED, STRAIGHT)), None)
    alpha = None if which is None else values[..., base + which, None]
    premultiplied = which is not None and extra[which] == PREMULTIPLIED
    pixels, white = _colors(values[..., :base], alpha, premultiplied, samples, kind, page)
    return Raster(
        pixels,
        white,
        premultiplied=premultiplied,
        orientation=int(number(page, tags.ORIENTATION, 1)),
        profile=tags.data(page, tags.PROFILE),
    )


def _colors(
    colors: Array, alpha: Array | None, premultiplied: bool, samples: Samples, kind: int, page: Tags
) -> tuple[Array | Image.Image, float]:
    """What a raster holds, with alpha if there is some, and its largest value."""
    white = samples.white
    if kind == INKS:
        if alpha is not None:
            raise Refusal("has inks and alpha, which are not read here together; save it as RGB")
        inks = np.rint(colors * np.float32(255 / white)).astype(np.uint8)
        return Image.fromarray(inks, "CMYK"), 255
    if kind == WHITE_IS_ZERO:
        # As zero is white, a color that is multiplied by alpha is alpha where it is black.
        brightest = np.asarray(white, colors.dtype)
        if alpha is not None and premultiplied:
            brightest = alpha
        colors = brightest - np.minimum(colors, brightest)
    elif kind == PALETTE:
        alpha = None if alpha is None else np.rint(alpha * (65535 / white)).astype(np.uint16)
        colors, white = _looked_up(colors, page, samples), 65535
    elif kind == YCBCR:
        colors = _rgb(colors, page)
    return (colors if alpha is None else np.concatenate([colors, alpha], -1)), white


def _looked_up(indices: Array, page: Tags, samples: Samples) -> Array:
    """Colors (H, W, 3) from the page's table, which has numbers of 16 bits."""
    count = 2**samples.bits
    table = np.array(numbers(page, tags.PALETTE), np.uint16)
    if samples.floating or samples.bits > 16 or len(table) < 3 * count:
        raise Refusal("is damaged (its table of colors is too short)")
    if 0 < table.max() < 256:
        raise Refusal("has a table of colors of 8 bits where 16 are due; save it as RGB")
    return table[: 3 * count].reshape(3, count).T[indices[..., 0]]


def _rgb(values: Array, page: Tags) -> Array:
    """RGB in 8 bits from brightness and color differences, as TIFF 6.0 defines them."""
    red, green, blue = (numbers(page, tags.LUMA) or LUMA)[:3]
    levels = np.array((numbers(page, tags.REFERENCE) or FULL_RANGE)[:6], np.float32)
    if len(levels) < 6 or not green or values.dtype != np.uint8:
        raise Refusal("is damaged (its colors are stored in an impossible way)")
    black, width = levels[::2], levels[1::2] - levels[::2]
    if not width.all():
        raise Refusal("is damaged (its colors have no range)")
    result = np.empty(values.shape, np.uint8)
    for top in range(0, len(values), 256):
        part = values[top : top + 256].astype(np.float32) - black
        part *= np.array([255, 127, 127], np.float32) / width
        y, cb, cr = part[..., 0], part[..., 1], part[..., 2]
        r = cr * (2 - 2 * red) + y
        b = cb * (2 - 2 * blue) + y
        g = (y - blue * b - red * r) / green
        result[top : top + 256] = np.stack([r, g, b], -1).round().clip(0, 255)
    return result
