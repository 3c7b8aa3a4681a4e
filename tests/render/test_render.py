"""From numbers to colors and figures."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import convscope as cs
from convscope.render import colors, draw, plots
from convscope.render.colors import Scale, limits, overlay, paint, ramp, to_bytes
from convscope.render.page import Page, ticks, width_of, wrap
from convscope.types.panels import (
    Bars,
    Curves,
    Grid,
    HeatMap,
    Histogram,
    Mosaic,
    Panel,
    Picture,
    Sheet,
    SignedPicture,
)
from convscope.types.targets import Box

Array = np.ndarray[Any, np.dtype[Any]]

RED, BLUE = (220, 58, 52), (43, 123, 214)
MAGMA, RED_BLUE = mpl.colormaps["magma"], mpl.colormaps["RdBu_r"]

LONG = "a caption of sixty letters, which goes on until it is so long"
_MAP = torch.randn(9, 7, generator=torch.Generator().manual_seed(0))
_RGB = torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(0))


def color(name: mpl.colors.Colormap, fraction: float) -> tuple[int, int, int]:
    """A color map's entry, by hand: 256 entries over [0, 1]."""
    red, green, blue, _ = name(min(255, int(fraction * 256)))
    return int(red * 255 + 0.5), int(green * 255 + 0.5), int(blue * 255 + 0.5)


def close(found: Array, expected: Any, within: int = 1) -> bool:
    return bool(np.abs(found.astype(int) - np.asarray(expected, int)).max() <= within)


def inky(pixels: Array) -> Array:
    """Where (H, W) a picture is not white."""
    mask: Array = pixels.min(2) < 200
    return mask


# ----------------------------------------------------------------------------------- bytes


def test_bytes_are_rounded_and_bounded() -> None:
    rgb = torch.tensor([[[-1.0, 0.0]], [[0.5, 0.499]], [[1.0, 2.0]]])
    np.testing.assert_array_equal(to_bytes(rgb), [[[0, 128, 255], [0, 127, 255]]])
    np.testing.assert_array_equal(to_bytes(torch.tensor([[[0.2]]])), [[[51, 51, 51]]])


# ---------------------------------------------------------------------------------- colors


def painted(values: Tensor, **options: Any) -> Array:
    return paint(values, limits(values, **options))


def test_a_map_goes_from_its_least_to_its_largest() -> None:
    found = painted(torch.tensor([[5.0, 7.5], [6.25, 10.0]]))
    expected = [[color(MAGMA, 0), color(MAGMA, 0.5)], [color(MAGMA, 0.25), color(MAGMA, 1)]]
    assert close(found, expected)


def test_a_map_that_begins_near_zero_begins_at_zero() -> None:
    assert close(painted(torch.tensor([[1.0, 10.0]]))[0, 0], color(MAGMA, 0.1))


@pytest.mark.parametrize("scale", [1e-40, 1e-6, 1.0, 1e6])
def test_a_signed_map_is_centered_on_zero(scale: float) -> None:
    found = painted(scale * torch.tensor([[-1.0, 0.0, 2.0, 4.0]]), signed=True)
    expected = [color(RED_BLUE, f) for f in (0.375, 0.5, 0.75, 1)]
    assert close(found, [expected])
    assert found[0, 0, 2] > found[0, 0, 0], "negative is blue"
    assert found[0, 3, 0] > found[0, 3, 2], "positive is red"


def test_clip_saturates_from_its_quantile_on() -> None:
    values = torch.arange(101.0).view(1, -1)
    found = painted(values, clip=0.5)
    assert close(found[0, 25], color(MAGMA, 0.5))
    assert close(found[0, 50:], color(MAGMA, 1))


def test_top_is_where_colors_saturate_whatever_clip_says() -> None:
    values = torch.tensor([[-3.0, 1.0, 2.0, 4.0, 9.0]])
    found = painted(values, top=4.0, clip=0.1)
    assert close(found[0], [color(MAGMA, f) for f in (0, 0.25, 0.5, 1, 1)])
    found = painted(values, signed=True, top=4.0, clip=0.1)
    assert close(found[0], [color(RED_BLUE, f) for f in (0.125, 0.625, 0.75, 1, 1)])


@pytest.mark.parametrize("signed", [False, True])
def test_the_top_of_maps_that_are_all_zero_is_one(signed: bool) -> None:
    assert limits(torch.zeros(2, 2), signed, top=0.0) == (-1 if signed else 0, 1, signed)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("value", [0.0, 3.0, -3.0])
def test_a_map_of_one_value_has_one_color(signed: bool, value: float) -> None:
    found = painted(torch.full((3, 3), value), signed=signed)
    assert len(np.unique(found.reshape(-1, 3), axis=0)) == 1


# ------------------------------------------------------------------------------- placing


def test_a_map_lies_in_its_box_and_says_nothing_outside() -> None:
    placed = colors.place(torch.ones(2, 2), (10, 12), Box(2.0, 3.0, 4.0, 6.0))
    inside = torch.zeros(10, 12, dtype=torch.bool)
    inside[2:6, 3:9] = True
    assert torch.equal(placed.isfinite(), inside)
    assert (placed[inside] == 1).all()


def test_a_box_between_pixels_is_rounded() -> None:
    placed = colors.place(torch.ones(1, 1), (10, 10), Box(1.4, 2.6, 5.2, 5.2))
    rows, columns = placed.isfinite().any(1), placed.isfinite().any(0)
    assert rows.nonzero().flatten().tolist() == list(range(1, 7))  # 1.4 to 6.6
    assert columns.nonzero().flatten().tolist() == list(range(3, 8))  # 2.6 to 7.8


def test_a_box_beyond_the_photograph_is_cut() -> None:
    placed = colors.place(torch.ones(1, 1), (4, 4), Box(-1.0, -1.0, 6.0, 6.0))
    assert placed.isfinite().all()
    thin = colors.place(torch.ones(1, 1), (4, 4), Box(1.2, 1.2, 0.1, 0.1))
    assert thin.isfinite().sum() == 1


def test_quarters_of_a_map_go_to_quarters_of_the_box() -> None:
    values = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    placed = colors.place(values, (40, 40), None)
    corners = placed[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.tolist() == [0, 1, 2, 3]


# ------------------------------------------------------------------------------- overlays


def covered(values: Tensor, photo: Tensor, box: Box | None = None, **options: Any) -> Array:
    return overlay(values, photo, box, limits(values, **options))


def test_an_overlay_dims_what_the_network_did_not_see() -> None:
    photo = torch.full((3, 8, 8), 0.6)
    found = covered(torch.eye(2), photo, Box(0, 2, 8, 4))
    ground = 0.15 + 0.7 * 0.6
    assert close(found[:, [0, 1, 6, 7]], round(0.3 * ground * 255))
    assert (found[:, 2:6].max((0, 1)) > 0.3 * ground * 255 + 30).any()


def test_an_overlay_covers_by_strength() -> None:
    photo = torch.full((3, 4, 4), 1.0)
    found = covered(torch.tensor([0.0, 0.5, 0.5, 1.0]).expand(4, 4), photo)
    assert close(found[0, 0], round(0.85 * 255)), "nothing there: the lightened photo alone"
    strong = [0.15 * 0.85 * 255 + 0.85 * c for c in color(MAGMA, 1)]
    assert close(found[0, -1], np.round(strong))
    half = [0.575 * 0.85 * 255 + 0.425 * c for c in color(MAGMA, 0.5)]
    assert close(found[0, 1], np.round(half))


def test_a_signed_overlay_is_as_opaque_as_its_value() -> None:
    photo = torch.rand(3, 1, 5, generator=torch.Generator().manual_seed(0))
    values = torch.tensor([[-2.0, -1.0, 0.0, 1.0, 5.0]])
    found = covered(values, photo, signed=True, top=2.0)[0]
    ground = 255 * (0.15 + 0.7 * (0.299 * photo[0] + 0.587 * photo[1] + 0.114 * photo[2])[0])
    for i, (opacity, hue) in enumerate(
        [(0.85, BLUE), (0.425, BLUE), (0.0, BLUE), (0.425, RED), (0.85, RED)]
    ):
        expected = [(1 - opacity) * float(ground[i]) + opacity * c for c in hue]
        assert close(found[i], np.round(expected))


@pytest.mark.parametrize("signed", [False, True])
def test_a_map_of_zeros_leaves_the_photo_as_it_is(signed: bool) -> None:
    photo = torch.rand(1, 6, 6, generator=torch.Generator().manual_seed(0)).expand(3, -1, -1)
    found = covered(torch.zeros(3, 3), photo, signed=signed)
    expected = np.round(255 * (0.15 + 0.7 * photo[0].numpy()))
    assert close(found, expected[..., None])


def test_the_colors_beside_an_overlay_are_those_that_it_has_on_middle_gray() -> None:
    gray = 255 * (0.15 + 0.7 * 0.5)
    signed = ramp(signed=True, over_photo=True)[:, 0]
    assert close(signed[0], np.round([0.15 * 127.5 + 0.85 * c for c in RED]))
    assert close(signed[-1], np.round([0.15 * 127.5 + 0.85 * c for c in BLUE]))
    assert close(signed[[127, 128]], round(127.5), within=3)
    unsigned = ramp(signed=False, over_photo=True)[:, 0]
    assert close(unsigned[-1], round(gray), within=1)
    assert close(unsigned[0], np.round([0.15 * 127.5 + 0.85 * c for c in color(MAGMA, 1)]))


# -------------------------------------------------------------------------------- figures


def test_a_lone_picture_is_given_pixel_for_pixel() -> None:
    rgb = torch.rand(3, 13, 17)
    np.testing.assert_array_equal(np.asarray(draw((Picture(rgb, "caption"),))), to_bytes(rgb))


def test_nothing_to_show() -> None:
    with pytest.raises(cs.ConvscopeError, match="nothing to show"):
        draw(())


def blocks(picture: Image.Image, wanted: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """First and last row and column of the pixels of a color."""
    mask = np.abs(np.asarray(picture, int) - wanted).max(2) <= 2
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    assert len(rows), f"no pixel of {wanted}"
    return rows[0], rows[-1], columns[0], columns[-1]


COLORS = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (0, 250, 250)]


def test_tiles_lie_in_rows_in_their_order() -> None:
    tiles = torch.tensor(COLORS).view(5, 3, 1, 1).expand(-1, -1, 20, 20) / 255
    picture = draw((Grid(tiles, columns=2, low=0.0, high=1.0),))
    found = [blocks(picture, c) for c in COLORS]
    for i, (top, bottom, left, right) in enumerate(found):
        assert abs((bottom - top) - (right - left)) <= 2, "a square stays one"
        if i % 2:
            assert abs(top - found[i - 1][0]) <= 1, "beside the one before"
            assert left > found[i - 1][3]
        elif i:
            assert top > found[i - 2][1], "below the row before"
            assert abs(left - found[i - 2][2]) <= 1
    rest = np.asarray(picture)[found[4][0] : found[4][1], found[1][2] : found[1][3]]
    assert (rest == 255).all(), "no sixth tile"


def test_tiles_are_stretched_each_by_itself_or_all_alike() -> None:
    tiles = torch.stack([torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 2.0]])])[:, None]
    tiles = tiles.repeat_interleave(40, 2).repeat_interleave(20, 3)

    def right_halves(**scale: Any) -> list[int]:
        picture = np.asarray(draw((Grid(tiles, columns=2, **scale),)).convert("L"))
        dark = picture[picture.shape[0] // 2] < 30
        starts, ends = (np.flatnonzero(np.diff(dark.astype(int)) == d) for d in (1, -1))
        middle = picture[picture.shape[0] // 2]
        return [int(middle[e + (e - s) // 2]) for s, e in zip(starts, ends, strict=True)]

    # Both are black and white by themselves; on one scale the first is only half as bright.
    assert min(right_halves()) > 250
    first, second = right_halves(low=0.0, high=2.0)
    assert abs(first - 127) < 5
    assert second > 250


def test_marked_tiles_are_crossed_out() -> None:
    tiles = torch.zeros(2, 3, 30, 30)
    plain = np.asarray(draw((Grid(tiles, columns=2, low=0.0, high=1.0),)), int)
    marked = draw((Grid(tiles, columns=2, low=0.0, high=1.0, marked=frozenset({1})),))
    changed = np.abs(np.asarray(marked, int) - plain).max(2) > 30
    columns = np.nonzero(changed.any(0))[0]
    assert columns.size
    assert columns.min() > plain.shape[1] // 2, "the first tile is not crossed"
    rows = np.nonzero(changed.any(1))[0]
    for row in (rows[0] + 5, rows[-1] - 5):  # near the corners, both lines
        assert np.ptp(np.flatnonzero(changed[row])) > 0.8 * np.ptp(columns)


def test_a_box_on_a_picture_dims_what_is_outside() -> None:
    rgb = torch.zeros(3, 40, 40)
    rgb[0] = 0.9
    picture = draw((Picture(rgb, box=Box(0, 10, 40, 20)),))
    bright, dim = blocks(picture, (230, 0, 0)), blocks(picture, (69, 0, 0))
    width = dim[3] - dim[2] + 1
    assert abs((bright[3] - bright[2] + 1) / width - 0.5) < 0.03
    assert abs((bright[2] - dim[2]) / width - 0.25) < 0.03


def test_bars_are_as_long_as_their_values() -> None:
    picture = draw((Bars(("a", "b"), (1.0, 0.25), "probability"),))
    mask = np.abs(np.asarray(picture, int) - (0x3B, 0x6E, 0xA5)).max(2) <= 2
    lengths = mask.sum(1)
    lengths = lengths[lengths > 3]
    assert lengths.max() / lengths.min() == pytest.approx(4, rel=0.05)
    assert np.argmax(lengths) < np.argmin(lengths), "the first is on top"


@pytest.mark.parametrize("box", [None, Box(0, 400, 300, 400)])
def test_a_large_photo_is_drawn_smaller_and_its_box_with_it(box: Box | None) -> None:
    photo = torch.full((3, 300, 1600), 0.8)
    for panel in (Picture(photo, box=box), constant(0.0, photo=photo, box=box)):
        picture = np.asarray(draw((panel, panel)), int)[30]
        bright = (picture.min(1) > 100) & (picture.max(1) < 230)
        ends = np.flatnonzero(np.diff(np.concatenate([[0], bright, [0]])))
        share = 0.25 if box else 1
        assert (ends[1] - ends[0]) == pytest.approx(900 * share, abs=3)
        assert ends[0] == pytest.approx(18 + (225 if box else 0), abs=2)


def test_a_caption_is_above_its_picture_and_the_rest_around_it() -> None:
    black = Picture(torch.zeros(3, 40, 40), box=Box(0, 0, 40, 40))
    assert draw((black,)).size == (486, 486)  # 3 inches, and a margin of 0.12 around
    assert draw((black, black)).size == (973, 486)
    # Three and two, for four and one would leave three of eight places empty.
    assert draw((black,) * 5).size == (3 * 450 + 2 * 37 + 37, 973)
    for caption, lines in (("a", 1), (LONG * 2, 3)):
        above = np.asarray(draw((replace(black, caption=caption),)), int)
        assert above.shape[0] == pytest.approx(486 + 150 * (0.07 + 9.5 * 1.25 / 72 * lines), abs=2)
        picture = np.flatnonzero(above.max(2).sum(1) < 255 * 100)
        assert above.shape[0] - picture[-1] == pytest.approx(18, abs=2)
        words = np.flatnonzero(inky(above[: picture[0]]).any(1))
        assert words.size
        assert picture[0] - words[-1] > 5


def test_tiles_have_room() -> None:
    def size(count: int, ratio: float, **options: Any) -> tuple[int, int]:
        shape = 100, round(100 * ratio)
        return draw((Sheet((constant(0.0, *shape),) * count, **options),)).size

    wide, tall = 240 * math.sqrt(2), 240 / math.sqrt(2)
    assert size(1, 2) == pytest.approx((wide + 36, tall + 36), abs=2)
    assert size(4, 2, columns=2) == pytest.approx((2 * wide + 9 + 36, 2 * tall + 9 + 36), abs=2)
    assert size(4, 1, tile_inches=1.0, columns=4) == pytest.approx((627 + 36, 150 + 36), abs=2)
    assert size(20, 1, columns=20)[0] == pytest.approx(14 * 150 + 36, abs=2), "as wide as may be"
    assert size(60, 1)[0] == pytest.approx(8.5 * 150 + 36, abs=2)
    # As many columns as make 1.6 times as wide as high: sqrt(20 * 1.6 / 2) = 4, and 5 rows.
    assert size(20, 2, tile_inches=0.5) == pytest.approx(
        (4 * 75 * math.sqrt(2) + 27 + 36, 5 * 75 / math.sqrt(2) + 36 + 36), abs=3
    )


def test_tiles_are_shown_between_low_and_high() -> None:
    tiles = 1e-9 * torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1, 1).expand(-1, -1, 20, 20)
    picture = draw((Grid(tiles, low=1e-9, high=5e-9),))
    for value in (0, 64, 128):
        blocks(picture, (value, value, value))


def test_negative_bars_are_seen() -> None:
    picture = draw((Bars(("a", "b"), (-1.0, -0.5), "activation"),))
    mask = np.abs(np.asarray(picture, int) - (0x3B, 0x6E, 0xA5)).max(2) <= 2
    lengths = mask.sum(1)
    assert lengths.max() / lengths[lengths > 3].min() == pytest.approx(2, rel=0.05)


# ------------------------------------------------------------------------------ color bars


def bar_of(picture: Image.Image) -> Array:
    """The pixels of the color bar: the first thing right of a map that is wide and not white."""
    pixels = np.asarray(picture, int)
    inked = inky(pixels).sum(0) > pixels.shape[0] / 2
    starts, ends = (np.flatnonzero(np.diff(inked.astype(int)) == d) + 1 for d in (1, -1))
    return pixels[:, starts[1] : ends[1]]


def test_the_bar_beside_a_map_has_its_colors() -> None:
    bar = bar_of(draw((HeatMap(torch.linspace(0, 1, 100).view(10, 10), "units"),)))
    inked = np.flatnonzero(inky(bar).all(1))
    for fraction in (0.25, 0.5, 0.75):
        row = round(inked[-1] + (inked[0] - inked[-1]) * fraction)
        assert np.abs(bar[row] - color(MAGMA, fraction)).max() <= 6


@pytest.mark.parametrize(
    ("values", "options", "above", "below"),
    [
        ([-1.0, 1.0], {"signed": True}, False, False),
        ([-1.0, 3.0], {"signed": True, "top": 2.0}, True, False),
        ([-3.0, 1.0], {"signed": True, "top": 2.0}, False, True),
        ([-3.0, 3.0], {"signed": True, "top": 2.0}, True, True),
        ([0.0, 1.0], {"top": 1.0}, False, False),
        ([0.0, 1.1], {"top": 1.0}, True, False),
        ([-0.1, 0.5], {"top": 1.0}, False, True),
        ([0.0, 1.0, 2.0], {"clip": 0.5}, True, False),
        ([0.0, 1.0, 2.0], {}, False, False),
    ],
)
def test_an_arrow_tells_that_values_go_beyond_the_bar(
    values: list[float], options: dict[str, Any], above: bool, below: bool
) -> None:
    square = torch.tensor(values, dtype=torch.float64).expand(len(values), -1)
    bar = bar_of(draw((HeatMap(square, "units", **options),)))
    mask = inky(bar)
    for row in np.flatnonzero(mask.any(1)):
        assert np.flatnonzero(mask[row]).mean() == pytest.approx((bar.shape[1] - 1) / 2, abs=1)
    widths = mask.sum(1)
    widths = widths[widths > 0]
    assert (widths[1] < widths.max() / 2) == above
    assert (widths[-2] < widths.max() / 2) == below


def test_marks_of_the_bar_are_at_their_values() -> None:
    picture = np.asarray(draw((HeatMap(torch.tensor([[-4.0, 4.0]]), "units", signed=True),)), int)
    bar = bar_of(Image.fromarray(picture.astype(np.uint8)))
    inked = np.flatnonzero(inky(bar).any(1))
    right = next(
        x
        for x in range(picture.shape[1] - bar.shape[1])
        if np.array_equal(picture[:, x : x + bar.shape[1]], bar)
    )
    right += bar.shape[1]
    marks = np.flatnonzero((picture[:, right + 2] < 220).any(1))
    centers = [group.mean() for group in np.split(marks, np.flatnonzero(np.diff(marks) > 1) + 1)]
    expected = [inked[0] + (inked[-1] - inked[0]) * f for f in (0, 0.25, 0.5, 0.75, 1)]  # 4 to -4
    assert centers == pytest.approx(expected, abs=2)


@pytest.mark.parametrize(
    ("low", "high", "most", "labels", "power"),
    [
        (0, 1, 5, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"], ""),
        (-4, 4, 5, ["\N{MINUS SIGN}4", "\N{MINUS SIGN}2", "0", "2", "4"], ""),
        (0, 0.031, 5, ["0.00", "0.01", "0.02", "0.03"], ""),
        (0, 12345, 5, ["0", "2500", "5000", "7500", "10000"], ""),
        (-0.0032, 0.0032, 4, ["\N{MINUS SIGN}2", "0", "2"], " (\N{MULTIPLICATION SIGN}10⁻³)"),
        (0, 2.3e-9, 5, ["0.0", "0.5", "1.0", "1.5", "2.0"], " (\N{MULTIPLICATION SIGN}10⁻⁹)"),
        (0, 1.01e-3, 3, ["0.0", "0.5", "1.0"], " (\N{MULTIPLICATION SIGN}10⁻³)"),
        (0, 5e12, 5, ["0", "1", "2", "3", "4", "5"], " (\N{MULTIPLICATION SIGN}10¹²)"),
        (5000, 5001, 2, ["5000.0", "5000.5", "5001.0"], ""),
    ],
)  # fmt: skip
def test_ticks_are_round(low: float, high: float, most: int, labels: list[str], power: str) -> None:
    values, found, left_out = ticks(low, high, most)
    assert (found, left_out) == (labels, power)
    digits = power.translate(
        str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789", " (\N{MULTIPLICATION SIGN})")
    )
    factor = 10.0 ** int(digits[2:] or 0)
    assert [
        float(label.replace("\N{MINUS SIGN}", "-")) * factor for label in found
    ] == pytest.approx(values)


# ------------------------------------------------------------------------------------ words


def test_words_are_as_wide_as_they_are_drawn() -> None:
    for words, points in (("German short-haired pointer", 7.0), ("WWWWiiii", 9.5)):
        page = Page(4, 1)
        page.text((1, 0.5), words, points)
        columns = np.flatnonzero((np.asarray(page.image()) < 200).any((0, 2)))
        assert columns[0] == pytest.approx(150, abs=2)
        assert (columns[-1] - columns[0] + 1) / 150 == pytest.approx(
            width_of(words, points), abs=0.03
        )


def test_lines_break_between_words_and_within_what_is_too_long() -> None:
    def room(words: str) -> float:
        return width_of(words, 7) + 0.001

    assert wrap("", 1, 7) == []
    assert wrap("  German short-haired\npointer ", room("German short-haired"), 7) == [
        "German short-haired",
        "pointer",
    ]
    assert wrap("of blocks.3.0.conv_dw", room("blocks.3.0.conv_"), 7) == [
        "of blocks.3.0.",
        "conv_dw",
    ]
    assert wrap("WWWWWW a", room("WWWW"), 7) == ["WWWW", "WW a"]
    assert wrap("WW", 0.001, 7) == ["W", "W"]


# ----------------------------------------------------------------------------------- sheets


def constant(value: float, height: int = 20, width: int = 20, **options: Any) -> HeatMap:
    return HeatMap(torch.full((height, width), value), "units", **options)


def test_maps_of_a_sheet_lie_in_rows_and_share_a_scale_by_their_top() -> None:
    values = (0.2, 0.4, 0.6, 0.8, 1.0)
    picture = draw((Sheet(tuple(constant(v, top=1.0) for v in values), columns=2),))
    found = [blocks(picture, color(MAGMA, v)) for v in values]
    for i, (top, bottom, left, right) in enumerate(found):
        assert abs((bottom - top) - (right - left)) <= 2
        column = found[i % 2]
        assert abs(left - column[2]) <= 1
        assert top > found[i - 2][1] if i > 1 else abs(top - found[0][0]) <= 1
    assert found[1][2] > found[0][3]


def test_a_sheet_draws_a_map_on_its_photo_within_its_box() -> None:
    photo = torch.full((3, 40, 80), 0.6)
    panel = constant(1.0, photo=photo, box=Box(0, 20, 40, 40), signed=True, top=2.0)
    picture = draw((Sheet((panel,)),))
    ground = 255 * (0.15 + 0.7 * 0.6)
    tint = [round(0.575 * ground + 0.425 * c) for c in RED]
    top, bottom, left, right = blocks(picture, (tint[0], tint[1], tint[2]))
    dim = round(0.3 * ground)
    outer = blocks(picture, (dim, dim, dim))
    assert (outer[0], outer[1]) == (top, bottom)
    assert (right - left + 1) / (outer[3] - outer[2] + 1) == pytest.approx(0.5, abs=0.02)
    assert (bottom - top + 1) / (outer[3] - outer[2] + 1) == pytest.approx(0.5, abs=0.02)


def test_photographs_decide_the_shape_of_a_tile_and_no_map_is_stretched() -> None:
    white = torch.full((3, 50, 100), 1.0)
    wide = constant(0.0, photo=white, top=1.0)
    maps = (wide, constant(0.5, 30, 30, top=1.0), constant(0.75, 30, 10, top=1.0))
    picture = draw((Sheet(maps, columns=3),))
    shade = round(255 * 0.85)
    a, b, c = (
        blocks(picture, (shade, shade, shade)),
        blocks(picture, color(MAGMA, 0.5)),
        blocks(picture, color(MAGMA, 0.75)),
    )
    for (top, bottom, left, right), ratio in ((a, 2), (b, 1), (c, 1 / 3)):
        assert (right - left + 1) / (bottom - top + 1) == pytest.approx(ratio, abs=0.03)
    assert abs((b[1] - b[0]) - (a[1] - a[0])) < 30, "as high as the room, but for whole factors"
    for other in (b, c):
        assert (other[0] + other[1]) / 2 == pytest.approx((a[0] + a[1]) / 2, abs=2)
    pitch = (c[2] + c[3]) / 2 - (b[2] + b[3]) / 2
    assert (b[2] + b[3]) / 2 - (a[2] + a[3]) / 2 == pytest.approx(pitch, abs=2)
    assert pitch > a[3] - a[2]


def test_small_maps_are_enlarged_by_whole_factors() -> None:
    board = torch.tensor([[0.0, 1.0] * 4, [1.0, 0.0] * 4] * 4)[:7, :7]
    for panel in (Sheet((HeatMap(board, "units"),)), Grid(board[None, None].expand(3, -1, -1, -1))):
        line = np.asarray(draw((panel,)).convert("L"), int)[60]
        edges = np.flatnonzero(np.abs(np.diff(line)) > 100)
        assert len(set(np.diff(edges)[:5])) == 1


def test_captions_of_a_sheet_are_broken_and_leave_a_gap() -> None:
    maps = tuple(constant(0.0, 200, 200, caption=LONG) for _ in range(3))
    picture = np.asarray(draw((Sheet(maps, columns=3, tile_inches=1.0),)), int)
    dark: Array = picture.max(2) < 10
    tile_rows = np.flatnonzero(dark.sum(1) > 300)
    below = inky(picture[tile_rows[-1] + 2 :])
    assert below.any(1).sum() > 30, "several lines"
    edges = np.flatnonzero(np.diff(dark[tile_rows[50]].astype(int)))
    for left, right in ((edges[1], edges[2]), (edges[3], edges[4])):
        assert not below[:, left:right].any()
        assert below[:, :left].any()
        assert below[:, right:].any()


@pytest.mark.parametrize("kind", [Grid, Sheet])
def test_long_captions_of_rows_are_turned_and_short_ones_are_not(kind: type) -> None:
    def beside(word: str) -> tuple[int, int]:
        rows = (word, word)
        if kind is Grid:
            panel: Panel = Grid(torch.zeros(2, 1, 40, 40), columns=1, rows=rows, low=0, high=1)
        else:
            panel = Sheet((constant(0.0, 40, 40),) * 2, columns=1, rows=rows)
        picture = np.asarray(draw((panel,)), int)
        dark: Array = picture.max(2) < 10
        left = np.flatnonzero(dark.sum(0) > 200)[0]
        first = inky(picture[: picture.shape[0] // 2, :left])
        rows_, columns = np.flatnonzero(first.any(1)), np.flatnonzero(first.any(0))
        assert columns[0] > 10, "nothing is cut off"
        tile = np.flatnonzero(dark[:, left + 5])
        assert rows_[0] > tile[0] - 9
        assert rows_[-1] < tile[0] + tile.size / 2 + 9
        return int(np.ptp(rows_)), int(np.ptp(columns))

    beside(LONG)
    high, wide = beside("Egyptian cat")
    assert high > 4 * wide
    high, wide = beside("12")
    assert wide > high


# --------------------------------------------------------------------------------- mosaics

PALE = (241, 241, 241)


def mosaic(places: list[tuple[float, float]], size: tuple[float, float], side: int = 40) -> Array:
    tiles = torch.tensor(COLORS[: len(places)]).view(-1, 3, 1, 1) / 255
    panel = Mosaic(tiles.expand(-1, -1, side, side), torch.tensor(places), size)
    return np.asarray(draw((panel,)), int)


def test_tiles_of_a_mosaic_lie_where_they_belong_the_later_ones_on_top() -> None:
    picture = mosaic([(1.0, 1.0), (1.5, 1.25), (4.0, 3.0)], (5, 4))
    (top, _, left, _), second, third = (
        blocks(Image.fromarray(picture.astype(np.uint8)), c) for c in COLORS[:3]
    )
    assert (top, left) == pytest.approx((59, 59), abs=1), "a margin, half a tile, a white rim"
    assert second == (top + 20, top + 20 + 77, left + 40, left + 40 + 77), "whole: 80 less 2"
    assert third == (top + 160, top + 160 + 77, left + 240, left + 240 + 77)
    assert (picture[top + 40, left + 38] == COLORS[0]).all()
    assert (picture[top + 40, left + 39] == 255).all(), "the rim of the upper tile"
    assert (picture[top + 200, left] == PALE).all()
    assert picture.shape == (4 * 80 + 36, 5 * 80 + 36, 3)


def test_a_mosaic_is_large_but_its_tiles_are_enlarged_only_twice() -> None:
    assert mosaic([(0.5, 0.5)], (1, 1)).shape == (80 + 36, 80 + 36, 3)
    assert mosaic([(0.5, 0.5)], (100, 50)).shape == (50 * 20 + 36, 100 * 20 + 36, 3)
    many = mosaic([(0.5, 0.5), (4999.5, 1.5)], (5000, 2))
    assert many.shape[1] == 5000 + 36, "a pixel a tile is the least"


def test_what_of_a_mosaic_is_beyond_its_canvas_is_cut_off() -> None:
    corners = [(0.0, 0.0), (2.0, 0.0), (0.0, 2.0), (2.0, 2.0), (-9.0, 1.0)]
    picture = Image.fromarray(mosaic(corners, (2, 2)).astype(np.uint8))
    for (x, y), c in zip(corners[:4], COLORS[:4], strict=True):
        top, bottom, left, right = blocks(picture, c)
        assert (bottom - top, right - left) == (38, 38)
        assert (left < 20, top < 20) == (x == 0, y == 0)
    assert (np.asarray(picture)[18:-18, 18:-18] != COLORS[4]).any(2).all()


def test_names_are_written_on_large_tiles_alone() -> None:
    """White letters with dark edges at the foot of a gray tile; none where they have no room."""

    def drawn(side: int, *names: str) -> Array:
        tiles, places = torch.full((2, 3, side, side), 0.5), torch.tensor([[0.5, 0.5], [1.5, 0.5]])
        return np.asarray(draw((Mosaic(tiles, places, (2, 1), "", names),)), int)

    plain, named = drawn(100), drawn(100, "tabby", "")
    changed = (plain != named).any(2)
    rows, columns = changed.nonzero()
    side = (plain.shape[1]) // 2
    assert rows.min() > 0.8 * side and columns.max() < 1.1 * side, "at the foot of the first tile"
    assert named[changed].max() > 240 and named[changed].min() < 60
    assert (drawn(20) == drawn(20, "tabby", "")).all()


def test_tiles_of_a_mosaic_are_shrunk_smoothly() -> None:
    board = (torch.arange(60)[:, None] + torch.arange(60)) % 2
    tiles = board.float().expand(1, 3, -1, -1)
    picture = np.asarray(draw((Mosaic(tiles, torch.tensor([[5.0, 5.0]]), (100, 100)),)), int)
    inner = picture[18 + 94 : 18 + 106, 18 + 94 : 18 + 106]
    assert np.abs(inner - 127).max() < 30, "gray, for a pixel is several squares"


# ----------------------------------------------------------------------------------- curves


def inked(picture: Array, wanted: Any, within: int = 2) -> Array:
    mask: Array = np.abs(picture - np.asarray(wanted, int)).max(2) <= within
    return mask


ACCENT, FAINT = (0x3B, 0x6E, 0xA5), (0x8A, 0x8A, 0x8A)


def curves(**options: Any) -> Array:
    given: dict[str, Any] = {"x": (0.0, 1.0), "x_label": "", "y_label": "", **options}
    return np.asarray(draw((Curves(**given),)), int)


def floor_of(picture: Array) -> tuple[int, int, int]:
    """Row, and first and last column, of the line below a plot."""
    gray = inked(picture, FAINT, 40)
    row = int(np.argmax(gray.sum(1)))
    columns = np.flatnonzero(gray[row])
    line = max(np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1), key=len)
    return row, line[0], line[-1]


def test_a_curve_goes_through_its_values_from_zero() -> None:
    picture = curves(x=(0.0, 1.0, 2.0, 4.0), lines={"a": (2.0, 2.0, 8.0, 8.0)})
    floor, left, right = floor_of(picture)
    line = inked(picture, ACCENT, 12)

    def height(x: float) -> float:
        return float(floor - np.flatnonzero(line[:, round(left + (right - left) * x / 4)]).mean())

    assert height(3) / height(0.5) == pytest.approx(4, rel=0.03)
    assert height(1.5) / height(0.5) == pytest.approx(2.5, rel=0.05)


def test_values_below_zero_are_seen_and_zero_is_a_line() -> None:
    picture = curves(lines={"a": (-3.0, -3.0), "b": (1.0, 1.0)})
    gray = inked(picture, FAINT, 40).sum(1)
    rows = [np.flatnonzero(inked(picture, c).sum(1) > 300).mean() for c in (ACCENT, VERMILION)]
    zero = np.flatnonzero(gray > 300)
    zero = zero[(zero > rows[1]) & (zero < rows[0])].mean()
    assert (rows[0] - zero) / (zero - rows[1]) == pytest.approx(3, rel=0.03)


def test_only_a_lone_curve_is_filled() -> None:
    tint = [round(255 - 0.12 * (255 - c)) for c in ACCENT]
    alone = curves(lines={"a": (1.0, 1.0), "chance": (0.5, 0.5)}, faint=frozenset({"chance"}))
    floor, left, right = floor_of(alone)
    filled = inked(alone, tint)
    assert filled[floor - 20, left + 20 : right - 20].all()
    rows = np.flatnonzero(inked(alone, ACCENT).sum(1) > 300)
    assert not filled[: rows[0] - 2, left:right].any(), "below the line alone"
    for lines in ({"a": (1.0, 1.0), "b": (0.5, 0.5)}, {"a": (1.0, -1.0)}):
        assert inked(curves(lines=lines), tint).sum() < 1000


def test_nan_leaves_a_gap_and_a_lone_value_is_a_dot() -> None:
    nan = float("nan")
    x = tuple(map(float, range(7)))
    picture = curves(x=x, lines={"a": (1.0, 1.0, nan, 1.0, nan, 1.0, 1.0)})
    _, left, right = floor_of(picture)
    line: Array = np.asarray(inked(picture, ACCENT, 40).any(0))

    def seen(start: float, stop: float) -> Array:
        first, last = (round(left + (right - left) * x / 6) for x in (start, stop))
        return line[first:last]

    assert seen(0.1, 0.9).all()
    assert seen(5.1, 5.9).all()
    assert not seen(1.1, 2.9).any()
    assert not seen(3.1, 4.9).any()
    assert seen(2.97, 3.03).all()


def test_what_is_faint_is_gray_and_dashed() -> None:
    lines = {"a": (1.0, 1.0), "chance": (0.5, 0.5)}

    def strokes(wanted: tuple[int, int, int], **options: Any) -> int:
        picture = curves(lines=lines, **options)
        floor, left, right = floor_of(picture)
        mask = inked(picture[: floor - 5, left:right], wanted, 30)
        row = mask[np.argmax(mask.sum(1))]
        return int((np.diff(row.astype(int)) == 1).sum())

    assert strokes(FAINT, faint=frozenset({"chance"})) > 10
    assert strokes(VERMILION) <= 1
    picture = curves(lines=lines, faint=frozenset({"chance"}))
    assert not inked(picture, VERMILION, 30).any()


VERMILION = (0xD5, 0x5E, 0x00)


def test_names_stand_beside_the_ends_in_their_colors() -> None:
    picture = curves(lines={"first": (0.0, 1.0), "second": (1.0, 0.2)})
    floor, _, right = floor_of(picture)
    beside = picture[: floor - 10, right + 8 :]
    first, second = (np.flatnonzero(inked(beside, c, 60).any(1)) for c in (ACCENT, VERMILION))
    line = inked(picture[:floor, right - 4 : right], ACCENT, 60)
    top = np.flatnonzero(line.any(1)).mean()
    assert np.flatnonzero(inky(beside).sum(0) > 3)[0] == pytest.approx(29, abs=5)
    assert first.mean() == pytest.approx(top, abs=8)
    assert second.mean() == pytest.approx(floor - 0.2 * (floor - top), abs=8)


def test_words_of_a_plot_are_beside_it_and_below() -> None:
    picture = curves(lines={"a": (1.0, 1.0)}, x_label=LONG * 2, y_label="of what")
    floor, left, right = floor_of(picture)
    top = np.flatnonzero(inked(picture[:, left:right], ACCENT).any(1))[0]
    numbers = np.flatnonzero(~inky(picture[:, :left]).any(0))
    label = np.flatnonzero(inky(picture[:, : numbers[numbers > 30][0]]).any(1))
    assert label.mean() == pytest.approx((top + floor) / 2, abs=15)
    lines = np.flatnonzero(inky(picture[floor + 10 :]).any(1))
    assert (np.diff(lines) > 1).sum() >= 1, "numbers and words"
    assert np.ptp(lines) > 45, "two lines of them"


def test_the_value_zero_does_not_lie_on_the_rim_of_a_plot_with_negative_ones() -> None:
    picture = curves(lines={"a": (-1.0, -1.0), "b": (1.0, 1.0)})
    rows = [np.flatnonzero(inked(picture, c).sum(1) > 300).mean() for c in (ACCENT, VERMILION)]
    floor, _, _ = floor_of(picture[round(rows[0]) + 3 :])
    assert floor + 3 > 0.03 * (rows[0] - rows[1])
    assert rows[1] > 20, "all is seen"


def test_names_are_moved_apart_no_further_than_they_must() -> None:
    assert plots._apart([1.0, 2.0], [0.2, 0.2], 3.0) == [1.0, 2.0]
    assert plots._apart([1.0, 1.1, 1.2], [0.2, 0.4, 0.2], 9.0) == pytest.approx([1.0, 1.3, 1.6])
    assert plots._apart([2.9, 2.9], [0.2, 0.2], 3.0) == pytest.approx([2.7, 2.9])
    assert plots._apart([1.0, 2.9, 2.9], [0.2, 0.2, 0.2], 3.0) == pytest.approx([1.0, 2.7, 2.9])


def test_no_two_curves_look_alike() -> None:
    names = [f"line {i}" for i in range(20)]
    faint = frozenset(names[:3])
    styles = plots._styles(Curves((), dict.fromkeys(names, ()), "", "", faint=faint))
    assert len({tuple(look.values()) for look in styles.values()}) == 20
    assert {look["color"] for name, look in styles.items() if name in faint} == {"#8a8a8a"}


@pytest.mark.parametrize(
    ("x", "lines"),
    [
        ((), {}),
        ((1.0,), {"one": (3.0,)}),
        ((0.0, 1.0), {"zero": (0.0, 0.0)}),
        ((0.0, 1.0), {"nothing": (float("nan"),) * 2}),
        ((0.0, 1.0), {f"line {i}": (0.0, 1e-9 * i) for i in range(14)}),
    ],
)
def test_curves_with_little_in_them(
    x: tuple[float, ...], lines: dict[str, tuple[float, ...]]
) -> None:
    assert min(draw((Curves(x, lines, "x", "y"),)).size) > 50


# --------------------------------------------------------------------------- nothing is cut off

_WIDE, _TALL = torch.rand(3, 7, 300), torch.rand(3, 300, 7)
FRAMED: list[tuple[Panel, ...]] = [
    (HeatMap(_MAP, LONG, LONG, photo=_WIDE), Picture(_WIDE, LONG)),
    (HeatMap(_MAP * 1e-30, LONG, LONG, photo=_TALL, signed=True, clip=0.5), Picture(_TALL, LONG)),
    (SignedPicture(_TALL, LONG), Bars((LONG, "b"), (1.0, 2.0), LONG, LONG)),
    (Histogram(_MAP, LONG, LONG), Grid(torch.rand(9, 1, 3, 3), LONG, rows=("W" * 20, LONG))),
    (Curves((0.0, 1.0), {LONG: (0.0, 1e6), "b": (1e6, 0.0)}, LONG, LONG, LONG),),
    (Sheet((HeatMap(_MAP, "", LONG, photo=_WIDE),) * 4, LONG, 2, (LONG, "b")),),
    (Sheet((HeatMap(_MAP, "", LONG, photo=_TALL),) * 3, LONG, rows=("Egyptian cat",)),),
    (Sheet((HeatMap(_MAP, "", "one"),), rows=(LONG,)),),
    (Sheet((HeatMap(_MAP, "", LONG),) * 30, LONG, rows=(LONG,) * 4),),
    (Sheet((HeatMap(_MAP, "", "blocks.10.0.conv_dw"),) * 30, columns=30),),
    (Mosaic(torch.zeros(2, 3, 9, 9), torch.tensor([[0.5, 0.5], [99.0, 60]]), (99.5, 60.5), LONG),),
]


@pytest.mark.parametrize("panels", FRAMED, ids=range(len(FRAMED)))
def test_the_rim_of_a_figure_is_white(panels: tuple[Panel, ...]) -> None:
    picture = np.asarray(draw((*panels, Picture(torch.zeros(3, 30, 30)))), int)
    rim, most = 6, 30
    rows, columns = (np.flatnonzero(inky(picture).any(axis)) for axis in (1, 0))
    assert (picture[:rim] == 255).all()
    assert (picture[:, :rim] == 255).all()
    assert rim < rows[0] < most
    assert rim < columns[0] < most
    assert rim < picture.shape[0] - rows[-1] < most
    assert rim < picture.shape[1] - columns[-1] < most
    assert max(picture.shape) < 2400


# A word of many kinds of letter, mathematics, control characters, and nothing.
ODD = ["$x", "$a$ and $b", r"\frac{1}{2}", "$\\bad{$", "猫 🐈 Größe", "a\nb", "%s {} {0}", "_^", ""]


@pytest.mark.parametrize("word", ODD)
@pytest.mark.filterwarnings("ignore:Glyph")
def test_odd_captions_do_not_matter(word: str) -> None:
    flat = torch.rand(3, 8, 8)
    panels: tuple[Panel, ...] = (
        Picture(flat, word),
        HeatMap(flat[0], word, word),
        Grid(flat[None], word, captions=(word,), rows=(word,)),
        Bars((word, f"{word}2"), (0.5, 0.2), word, word),
        Histogram(flat, word, word),
        Sheet((HeatMap(flat[0], word, word),), word, rows=(word,)),
        Mosaic(flat[None], torch.ones(1, 2), (2, 2), word),
        Curves((0.0, 1.0), {word: (0.5, 0.2)}, word, word, word),
    )
    for panel in panels:
        assert min(draw((panel, panel)).size) > 50


def test_letters_that_the_font_has_not_are_no_reason_for_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw((Bars(("猫", "🐈"), (0.5, 0.2), "probability"),))


PURE: list[tuple[Callable[..., object], tuple[Any, ...]]] = [
    (to_bytes, (_RGB * 3 - 1,)),
    (paint, (_MAP, Scale(-1.0, 1.0, True))),
    (overlay, (_MAP, _RGB, Box(0, 5, 20, 20), Scale(0.0, 1.0, False))),
    (colors.place, (_MAP, (20, 30), Box(0, 5, 20, 20))),
    (lambda v: draw((Grid(v, marked=frozenset({0})),)), (_RGB[:, None] * 9,)),
    (lambda v: draw((HeatMap(v, "x", photo=_RGB, signed=True),)), (_MAP,)),
    (lambda v: draw((Histogram(v, "x"), Picture(v))), (_RGB * 3 - 1,)),
    (lambda v: draw((Mosaic(v, torch.ones(7, 2), (3, 2)),)), (torch.rand(7, 3, 5, 5) * 3 - 1,)),
    (lambda v: draw((Sheet((HeatMap(v, "x", photo=_RGB), HeatMap(v, "x"))),)), (_MAP,)),
]


@pytest.mark.parametrize(("function", "arguments"), PURE)
def test_raw_values_stay_raw(function: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    kept = [a.clone() if isinstance(a, Tensor) else a for a in arguments]
    first, again = function(*arguments), function(*arguments)
    for argument, before in zip(arguments, kept, strict=True):
        assert torch.equal(argument, before) if isinstance(argument, Tensor) else True
    assert _bytes(first) == _bytes(again)


def _bytes(value: Any) -> bytes:
    return bytes(value.tobytes() if hasattr(value, "tobytes") else value.numpy().tobytes())


@pytest.mark.parametrize("make", [painted, lambda v: covered(v, _RGB)])
def test_a_map_with_holes_or_only_holes(make: Callable[[Tensor], Array]) -> None:
    for values in (_MAP.where(_MAP > 0, torch.nan), torch.full((4, 4), torch.nan)):
        assert make(values).dtype == np.uint8
