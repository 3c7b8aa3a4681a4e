"""A film of a run, drawn from the frames that its folder holds.

The frames of a run are kept as they were sent: numbers, and pictures as small files. So a film
needs no second run, and a long run no room for its tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.files import opened_frame
from convscope.render import draw
from convscope.types import (
    Bars,
    Box,
    Curves,
    Grid,
    HeatMap,
    Histogram,
    Matrix,
    Panel,
    Picture,
    Sheet,
)
from convscope.web.frames import Frames
from convscope.web.models import FrameInfo
from convscope.web.panel_models import (
    BarsPanel,
    CurvesPanel,
    GridPanel,
    HeatmapPanel,
    HistogramPanel,
    MatrixPanel,
    MosaicPanel,
    PanelInfo,
    PicturePanel,
    SheetPanel,
)

MOST = 60  # frames of a GIF or WebP

Blob = Callable[[int], bytes]


def film(folder: Path, *, whole: bool) -> list[Image.Image]:
    """The pictures of a film of the run in a folder.

    Args:
        folder: of the run.
        whole: every frame; if not, at most 60 from the first to the last.

    Raises:
        ConvscopeError: the run has no frames.
    """
    frames = Frames(folder)
    if not len(frames):
        raise ConvscopeError("the run has no frames yet")
    every = 1 if whole else math.ceil(max(1, len(frames) - 1) / (MOST - 1))
    chosen = [i for i in range(len(frames)) if (len(frames) - 1 - i) % every == 0 or i == 0]
    return [draw([*_panels(frames, number)]) for number in chosen]


def _panels(frames: Frames, number: int) -> Iterator[Panel]:
    (line,) = frames.lines(number, number + 1)

    def blob(one: int) -> bytes:
        found = frames.blob(number, one)
        return b"" if found is None else found[1]

    for info in FrameInfo.model_validate_json(line).panels:
        yield panel_of(info, blob)


def panel_of(info: PanelInfo, blob: Blob) -> Panel:
    """The panel that was sent as `info`.

    Args:
        info: its numbers.
        blob: gives the bytes of a picture or of values by its number.
    """
    match info:
        case PicturePanel():
            rgb = opened_frame(blob(info.blob))[0]
            return Picture(rgb, info.caption, _box(info.box, rgb), enlarge=info.enlarge)
        case HeatmapPanel():
            return _heatmap(info, blob)
        case MosaicPanel():
            return Picture(opened_frame(blob(info.blob))[0], info.caption)
        case GridPanel():
            return _grid(info, blob)
        case SheetPanel():
            maps = tuple(_heatmap(one, blob) for one in info.maps)
            return Sheet(maps, info.caption, info.columns, tuple(info.rows))
        case BarsPanel():
            return Bars(tuple(info.names), tuple(info.values), info.label, info.caption)
        case HistogramPanel():
            edges = torch.tensor(info.edges)
            middles = ((edges[1:] + edges[:-1]) / 2).repeat_interleave(torch.tensor(info.counts))
            return Histogram(middles, info.label, info.caption, tuple(info.marks))
        case CurvesPanel():
            lines = {name: tuple(map(_or_nan, line)) for name, line in info.lines.items()}
            axes = (info.x_label, info.y_label)
            return Curves(tuple(info.x), lines, *axes, info.caption, frozenset(info.faint))
        case MatrixPanel():
            labels = (tuple(info.rows), tuple(info.columns), info.row_label, info.column_label)
            return Matrix(torch.tensor(info.values), *labels, frozenset(), info.caption)


def _heatmap(info: HeatmapPanel, blob: Blob) -> HeatMap:
    values = np.frombuffer(blob(info.values), "<f4").reshape(info.shape).copy()
    photo = None if info.photo is None else opened_frame(blob(info.photo))[0]
    return HeatMap(
        torch.from_numpy(values),
        info.label,
        info.caption,
        photo,
        None if photo is None else _box(info.box, photo),
        info.signed,
        top=info.high if info.signed or info.low == 0 else None,
    )


def _grid(info: GridPanel, blob: Blob) -> Grid:
    height, width = info.tile
    sheet = opened_frame(blob(info.blob))[0]
    tiles = sheet.unfold(1, height, height).unfold(2, width, width)
    return Grid(
        tiles.permute(1, 2, 0, 3, 4).flatten(0, 1)[: info.count],
        info.caption,
        info.columns,
        tuple(info.captions),
        tuple(info.rows),
        frozenset(info.marked),
        low=0,
        high=1,
    )


def _box(fractions: tuple[float, float, float, float] | None, rgb: Tensor) -> Box | None:
    if fractions is None:
        return None
    left, top, right, bottom = fractions
    height, width = rgb.shape[-2:]
    return Box(top * height, left * width, (bottom - top) * height, (right - left) * width)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
