"""Panels as the browser gets them, against numbers that are worked out by hand."""

from __future__ import annotations

import io
import math
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from convscope.types import (
    Bars,
    Box,
    Curves,
    Grid,
    HeatMap,
    Histogram,
    Matrix,
    Mosaic,
    Panel,
    Picture,
    Sheet,
    SignedPicture,
)
from convscope.web import panel_models as models
from convscope.web.panel_models import GridPanel, HeatmapPanel, PanelInfo, PicturePanel
from convscope.web.panels import Encoder

RAMP = torch.linspace(0, 1, 64 * 48).view(1, 48, 64).expand(3, -1, -1)


def encoded(*panels: Panel, exact: bool = True) -> tuple[list[PanelInfo], list[tuple[str, bytes]]]:
    encoder = Encoder()
    return encoder.encode(panels, exact=exact), encoder.blobs


def pixels(blob: tuple[str, bytes]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(io.BytesIO(blob[1])) as picture:
        assert picture.get_format_mimetype() == blob[0]
        return np.asarray(picture)


def test_an_exact_picture_has_every_byte() -> None:
    (panel,), blobs = encoded(Picture(RAMP, "a ramp", Box(12, 16, 24, 32)))
    assert panel == PicturePanel(
        caption="a ramp", blob=0, width=64, height=48, box=(0.25, 0.25, 0.75, 0.75)
    )
    expected = np.rint(RAMP.permute(1, 2, 0).numpy() * 255)
    assert np.array_equal(pixels(blobs[0]), expected)


def test_pictures_in_between_are_small() -> None:
    noise = torch.rand(3, 200, 200, generator=torch.Generator().manual_seed(0))
    _, exact = encoded(Picture(noise))
    _, quick = encoded(Picture(noise), exact=False)
    assert (exact[0][0], quick[0][0]) == ("image/png", "image/jpeg")
    assert len(quick[0][1]) < len(exact[0][1]) / 2


def test_a_heatmap_has_its_values_in_little_endian() -> None:
    values = torch.tensor([[0.0, 0.5, 1.0], [2.0, 3.0, 4.0]])
    panel = HeatMap(values, "score", "a map", RAMP, Box(0, 0, 24, 64))
    (found,), blobs = encoded(panel)
    assert isinstance(found, HeatmapPanel)
    assert blobs[found.values][1] == struct.pack("<6f", 0, 0.5, 1, 2, 3, 4)
    assert (found.shape, found.width, found.height) == ((2, 3), 64, 48)
    assert (found.low, found.high, found.label) == (0.0, 4.0, "score")
    assert found.box == (0.0, 0.0, 1.0, 0.5)
    assert (len(found.colors), found.colors[0][0], len(found.colors[0])) == (32, "#", 7)


def test_over_a_photograph_weak_values_are_transparent() -> None:
    values = torch.tensor([[0.0, 0.5], [0.25, 1.0]])
    (found,), blobs = encoded(HeatMap(values, "", photo=RAMP))
    assert isinstance(found, HeatmapPanel)
    assert pixels(blobs[found.overlay])[..., 3].tolist() == [[0, 128], [64, 255]]
    (found,), blobs = encoded(
        HeatMap(torch.tensor([[-1.0, 0.0, 0.5]]), "", photo=RAMP, signed=True)
    )
    assert isinstance(found, HeatmapPanel)
    shown = pixels(blobs[found.overlay])
    assert shown[..., 3].tolist() == [[255, 0, 128]]
    assert shown[0, 0, 2] > shown[0, 0, 0]  # blue
    assert shown[0, 2, 0] > shown[0, 2, 2]  # red


def test_a_map_alone_is_opaque() -> None:
    (found,), blobs = encoded(HeatMap(torch.eye(4), ""))
    assert isinstance(found, HeatmapPanel)
    assert found.photo is None
    assert pixels(blobs[found.overlay]).shape == (4, 4, 3)


def test_a_photograph_below_several_maps_is_sent_once() -> None:
    maps = tuple(HeatMap(torch.rand(2, 2), "", str(i), RAMP) for i in range(3))
    (sheet,), blobs = encoded(Sheet(maps, "maps", 3, ("a row",)))
    assert isinstance(sheet, models.SheetPanel)
    assert {one.photo for one in sheet.maps} == {0}
    assert len(blobs) == 1 + 2 * 3


def test_a_photograph_that_is_changed_in_place_is_sent_anew() -> None:
    encoder, canvas = Encoder(), np.zeros((3, 8, 8), np.float32)
    encoder.encode([Picture(torch.from_numpy(canvas))], exact=True)
    canvas[:] = 1
    encoder.encode([Picture(torch.from_numpy(canvas))], exact=True)
    assert pixels(encoder.blobs[0]).min() == 255


def test_a_grid_lies_row_by_row() -> None:
    tiles = torch.arange(5.0).view(5, 1, 1, 1).expand(-1, -1, 2, 3)
    grid = Grid(tiles, "five", 3, marked=frozenset({4, 1}), low=0, high=4)
    (found,), blobs = encoded(grid)
    assert isinstance(found, GridPanel)
    assert (found.columns, found.count, found.tile, found.marked) == (3, 5, (2, 3), [1, 4])
    assert pixels(blobs[0])[::2, ::3, 0].tolist() == [[0, 64, 128], [191, 255, 0]]
    assert (found.targets, found.cells) == ([], None)


def test_tiles_of_units_name_them() -> None:
    grid = Grid(torch.rand(2, 1, 7, 5), units=("a:3", "a:1"), places=True)
    (found,), _ = encoded(grid, exact=False)
    assert isinstance(found, GridPanel)
    assert (found.targets, found.cells) == (["a:3", "a:1"], (7, 5))


def test_small_tiles_are_never_blurred() -> None:
    _, blobs = encoded(Grid(torch.rand(2, 1, 7, 5)), exact=False)
    assert blobs[0][0] == "image/png"


@pytest.mark.parametrize(
    ("panel", "columns"),
    [
        (Grid(torch.rand(6, 3, 8, 8), rows=("a", "b")), 3),
        (Grid(torch.rand(4, 3, 8, 8), columns=9), 4),
        (Grid(torch.rand(40, 3, 8, 8)), 8),
        (Grid(torch.rand(6, 3, 8, 8), together=2), 4),
    ],
)
def test_columns(panel: Grid, columns: int) -> None:
    (found,), _ = encoded(panel)
    assert isinstance(found, GridPanel)
    assert found.columns == columns


def test_numbers_alone() -> None:
    nan = math.nan
    panels = encoded(
        Bars(("a", "?", "b"), (1.0, nan, 2.0), "score", "bars"),
        Curves((0.0, 1.0), {"one": (nan, 2.0)}, "x", "y", "curves", frozenset({"one"})),
        Histogram(torch.tensor([0.0, 1.0, 1.0, nan]), "value", marks=(0.5,)),
        Matrix(torch.tensor([[1, 2]]), ("r",), ("a", "b"), "is", "said", frozenset({(0, 1)})),
    )[0]
    bars, curves, histogram, matrix = panels
    assert bars == models.BarsPanel(caption="bars", names=["a", "b"], values=[1, 2], label="score")
    assert isinstance(curves, models.CurvesPanel)
    assert (curves.lines, curves.faint) == ({"one": [None, 2.0]}, ["one"])
    assert isinstance(histogram, models.HistogramPanel)
    assert (histogram.counts[0], histogram.counts[-1], sum(histogram.counts)) == (1, 2, 3)
    assert isinstance(matrix, models.MatrixPanel)
    assert matrix.values == [[1, 2]]
    assert matrix.right == [(0, 1)]


def test_signed_colors_are_a_picture() -> None:
    (found,), blobs = encoded(SignedPicture(torch.zeros(3, 8, 8), "gradient"))
    assert found.kind == "picture"
    assert np.unique(pixels(blobs[0])).tolist() == [128]


def test_a_mosaic_says_which_photographs_are_behind_each_tile() -> None:
    """Two tiles of 40 pixels, enlarged twice, on the left and on the right of a canvas of 4 x 2."""
    tiles = torch.stack([torch.zeros(3, 40, 40), torch.ones(3, 40, 40)])
    places = torch.tensor([[0.5, 0.5], [3.5, 1.5]])
    behind = ((3, 1), (7,))
    mosaic = Mosaic(tiles, places, (4, 2), "an atlas", ("a", "b"), behind, "digest")
    (found,), blobs = encoded(mosaic)
    assert isinstance(found, models.MosaicPanel)
    assert (found.width, found.height, found.index) == (320, 160, "digest")
    one, other = found.tiles
    assert (one.name, one.box, one.photographs) == ("a", (0, 0, 0.25, 0.5), [3, 1])
    assert (other.name, other.box, other.photographs) == ("b", (0.75, 0.5, 1, 1), [7])
    shown = pixels(blobs[0])
    assert shown.shape == (160, 320, 3)
    assert (shown[2:40, 2:78] == 0).all(), "no margin and no caption"
    assert (shown[82:120, 242:318] == 255).all()


def test_a_mosaic_without_photographs_has_no_tiles_to_press() -> None:
    (found,), _ = encoded(Mosaic(torch.rand(1, 3, 4, 4), torch.ones(1, 2), (2, 2), "layout"))
    assert isinstance(found, models.MosaicPanel)
    assert (found.caption, found.tiles, found.index) == ("layout", [], "")


def test_two_channels_become_two_pictures() -> None:
    found, _ = encoded(Picture(torch.rand(2, 8, 8), "image"))
    assert [one.caption for one in found] == ["image (channel 0)", "image (channel 1)"]
