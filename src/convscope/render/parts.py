"""The parts of a panel for a page that puts them together itself: pictures without words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from convscope.render import colors, tiles
from convscope.render.channels import in_colors
from convscope.render.colors import Scale
from convscope.render.figure import draw_mosaic
from convscope.render.pictures import scale_of
from convscope.types import Array, Grid, HeatMap, Mosaic, Panel

SHADES = 32  # colors of a bar


class Layered(NamedTuple):
    """A heatmap as a page lays it over its photograph.

    Attributes:
        picture: the map in colors, at its own size. Over a photograph, weak values let it through.
        scale: the values of the first and the last color.
        shades: the colors from low to high, "#rrggbb".
    """

    picture: Image.Image
    scale: Scale
    shades: list[str]


class Tiled(NamedTuple):
    """Tiles without gaps in one picture, row by row, and the number of columns."""

    picture: Image.Image
    columns: int


def drawable(panels: Sequence[Panel]) -> list[Panel]:
    """The panels with images of one or three channels, or four where one is transparent."""
    return in_colors(panels)


def rgb_picture(rgb: Tensor) -> Image.Image:
    """An image (C, H, W) in [0, 1] with 1, 3 or 4 channels."""
    return Image.fromarray(colors.to_bytes(rgb))


def mosaic_picture(panel: Mosaic) -> Image.Image:
    """All tiles where they belong, with their names."""
    return draw_mosaic(panel)


def layered(panel: HeatMap) -> Layered:
    """The parts of a heatmap."""
    scale, over = scale_of(panel), panel.photo is not None
    values = panel.values.detach().cpu()
    painted = colors.veil(values, scale) if over else colors.paint(values, scale)
    ramp = colors.ramp(scale.signed, over)[:, 0]
    chosen = ramp[np.linspace(len(ramp) - 1, 0, SHADES).round().astype(int)]
    shades = ["#" + bytes(color).hex() for color in chosen]
    return Layered(Image.fromarray(painted), scale, shades)


def veiled(values: Tensor, high: float) -> Image.Image:
    """A heatmap (H, W) to lay over a photograph: transparent at 0, opaque at `high`."""
    return Image.fromarray(colors.veil(values, Scale(0.0, max(high, 1e-12), signed=False)))


def gray_sheet(maps: Tensor, columns: int) -> Image.Image:
    """Maps (K, h, w) in gray on one scale, row by row, without gaps."""
    low, high = (float(end) for end in maps.aminmax())
    shades = ((maps - low) * (255 / max(high - low, 1e-12))).byte().numpy()
    return _sheet(shades, columns)


def tiled(panel: Grid) -> Tiled:
    """All tiles of a grid in one picture. Places behind the last tile are black."""
    columns = _columns(panel)
    return Tiled(_sheet(np.stack([*tiles.in_bytes(panel)]), columns), columns)


def _sheet(cells: Array, columns: int) -> Image.Image:
    """Bytes (K, h, w) or (K, h, w, colors) row by row, without gaps."""
    count, height, width, *colored = cells.shape
    rows = math.ceil(count / columns)
    canvas = np.zeros((rows * columns, height, width, *colored), np.uint8)
    canvas[:count] = cells
    sheet = canvas.reshape(rows, columns, height, width, *colored).swapaxes(1, 2)
    return Image.fromarray(sheet.reshape(rows * height, columns * width, *colored))


def _columns(panel: Grid) -> int:
    count, _, height, width = panel.tiles.shape
    if panel.columns is not None:
        return min(panel.columns, count)
    if panel.rows:
        return math.ceil(count / len(panel.rows))
    wide = math.sqrt(count * tiles.ASPECT * height / width)
    groups = max(1, round(wide / panel.together))
    return min(count, panel.together * groups)


def numbers(values: Tensor) -> bytes:
    """Values as float32 in little endian, row by row."""
    return values.detach().to("cpu", torch.float32).contiguous().numpy().astype("<f4").tobytes()
