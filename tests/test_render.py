"""From numbers to colours and figures."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import convscope as cs
from convscope.render import _colours, draw, overlay, paint, to_bytes
from convscope.types import Bars, Box, Grid, HeatMap, Histogram, Panel, Picture

Array = np.ndarray[Any, np.dtype[Any]]

MAGMA, RED_BLUE = mpl.colormaps["magma"], mpl.colormaps["RdBu_r"]


def colour(name: mpl.colors.Colormap, fraction: float) -> list[int]:
    """A colour map's entry, by hand: 256 entries over [0, 1]."""
    red, green, blue, _ = name(min(255, int(fraction * 256)))
    return [int(c * 255 + 0.5) for c in (red, green, blue)]


def close(found: Array, expected: Any, within: int = 1) -> bool:
    return bool(np.abs(found.astype(int) - np.asarray(expected, int)).max() <= within)


# ----------------------------------------------------------------------------------- bytes


def test_bytes_are_rounded_and_bounded() -> None:
    rgb = torch.tensor([[[-1.0, 0.0]], [[0.5, 0.499]], [[1.0, 2.0]]])
    np.testing.assert_array_equal(to_bytes(rgb), [[[0, 128, 255], [0, 127, 255]]])
    np.testing.assert_array_equal(to_bytes(torch.tensor([[[0.2]]])), [[[51, 51, 51]]])


# ---------------------------------------------------------------------------------- colours


def test_a_map_goes_from_its_least_to_its_largest() -> None:
    found = paint(torch.tensor([[5.0, 7.5], [6.25, 10.0]]))
    expected = [[colour(MAGMA, 0), colour(MAGMA, 0.5)], [colour(MAGMA, 0.25), colour(MAGMA, 1)]]
    assert close(found, expected)


def test_a_map_that_begins_near_zero_begins_at_zero() -> None:
    assert close(paint(torch.tensor([[1.0, 10.0]]))[0, 0], colour(MAGMA, 0.1))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_signed_map_is_centred_on_zero(scale: float) -> None:
    found = paint(scale * torch.tensor([[-1.0, 0.0, 2.0, 4.0]]), signed=True)
    expected = [colour(RED_BLUE, f) for f in (0.375, 0.5, 0.75, 1)]
    assert close(found, [expected])
    assert found[0, 0, 2] > found[0, 0, 0], "negative is blue"
    assert found[0, 3, 0] > found[0, 3, 2], "positive is red"


def test_clip_saturates_from_its_quantile_on() -> None:
    values = torch.arange(101.0).view(1, -1)
    found = paint(values, clip=0.5)
    assert close(found[0, 25], colour(MAGMA, 0.5))
    assert close(found[0, 50:], colour(MAGMA, 1))


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("value", [0.0, 3.0, -3.0])
def test_a_map_of_one_value_has_one_colour(signed: bool, value: float) -> None:
    assert len(np.unique(paint(torch.full((3, 3), value), signed).reshape(-1, 3), axis=0)) == 1


# ------------------------------------------------------------------------------- placing


def test_a_map_lies_in_its_box_and_says_nothing_outside() -> None:
    placed = _colours.place(torch.ones(2, 2), (10, 12), Box(2.0, 3.0, 4.0, 6.0))
    inside = torch.zeros(10, 12, dtype=torch.bool)
    inside[2:6, 3:9] = True
    assert torch.equal(placed.isfinite(), inside)
    assert (placed[inside] == 1).all()


def test_a_box_between_pixels_is_rounded() -> None:
    placed = _colours.place(torch.ones(1, 1), (10, 10), Box(1.4, 2.6, 5.2, 5.2))
    rows, columns = placed.isfinite().any(1), placed.isfinite().any(0)
    assert rows.nonzero().flatten().tolist() == list(range(1, 7))  # 1.4 to 6.6
    assert columns.nonzero().flatten().tolist() == list(range(3, 8))  # 2.6 to 7.8


def test_a_box_beyond_the_photograph_is_cut() -> None:
    placed = _colours.place(torch.ones(1, 1), (4, 4), Box(-1.0, -1.0, 6.0, 6.0))
    assert placed.isfinite().all()
    thin = _colours.place(torch.ones(1, 1), (4, 4), Box(1.2, 1.2, 0.1, 0.1))
    assert thin.isfinite().sum() == 1


def test_quarters_of_a_map_go_to_quarters_of_the_box() -> None:
    values = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    placed = _colours.place(values, (40, 40), None)
    corners = placed[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.tolist() == [0, 1, 2, 3]


# ------------------------------------------------------------------------------- overlays


def test_an_overlay_dims_what_the_network_did_not_see() -> None:
    photo = torch.full((3, 8, 8), 0.6)
    found = overlay(torch.eye(2), photo, Box(0, 2, 8, 4))
    ground = 0.15 + 0.7 * 0.6
    assert close(found[:, [0, 1, 6, 7]], round(0.3 * ground * 255))
    assert (found[:, 2:6].max((0, 1)) > 0.3 * ground * 255 + 30).any()


def test_an_overlay_covers_by_strength() -> None:
    photo = torch.full((3, 4, 4), 1.0)
    values = torch.tensor([[0.0, 1.0]])
    found = overlay(values.expand(2, 2), photo, None)
    assert close(found[0, 0], round(0.85 * 255)), "nothing there: the lightened photo alone"
    strong = [0.1 * 0.85 * 255 + 0.9 * c for c in colour(MAGMA, 1)]
    assert close(found[0, -1], np.round(strong))


def test_zero_of_a_signed_overlay_is_the_photo() -> None:
    photo = torch.rand(3, 6, 6, generator=torch.Generator().manual_seed(0))
    values = torch.zeros(6, 6)
    values[0, 0], values[5, 5] = -2.0, 2.0
    found = overlay(values, photo, None, signed=True)
    grey = (photo * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0)
    assert close(found[2, 3], round(float(0.15 + 0.7 * grey[2, 3]) * 255))
    assert found[0, 0, 2] > found[0, 0, 0]
    assert found[5, 5, 0] > found[5, 5, 2]


# -------------------------------------------------------------------------------- figures


def test_a_lone_picture_is_given_pixel_for_pixel() -> None:
    rgb = torch.rand(3, 13, 17)
    np.testing.assert_array_equal(np.asarray(draw((Picture(rgb, "caption"),))), to_bytes(rgb))


def test_nothing_to_show() -> None:
    with pytest.raises(cs.ConvscopeError, match="nothing to show"):
        draw(())


def blocks(picture: Image.Image, wanted: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """First and last row and column of the pixels of a colour."""
    mask = np.abs(np.asarray(picture, int) - wanted).max(2) <= 2
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    assert len(rows), f"no pixel of {wanted}"
    return rows[0], rows[-1], columns[0], columns[-1]


COLOURS = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (0, 250, 250)]


def test_tiles_lie_in_rows_in_their_order() -> None:
    tiles = torch.tensor(COLOURS).view(5, 3, 1, 1).expand(-1, -1, 20, 20) / 255
    picture = draw((Grid(tiles, columns=2, low=0.0, high=1.0),))
    found = [blocks(picture, c) for c in COLOURS]
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


def test_negative_bars_are_seen() -> None:
    picture = draw((Bars(("a", "b"), (-1.0, -0.5), "activation"),))
    mask = np.abs(np.asarray(picture, int) - (0x3B, 0x6E, 0xA5)).max(2) <= 2
    lengths = mask.sum(1)
    assert lengths.max() / lengths[lengths > 3].min() == pytest.approx(2, rel=0.05)


def test_the_bar_beside_a_map_has_its_colours() -> None:
    values = torch.linspace(0, 1, 100).view(10, 10)
    picture = np.asarray(draw((HeatMap(values, "units"),)), int)
    for fraction in (0.25, 0.5, 0.75):
        assert (np.abs(picture - colour(MAGMA, fraction)).max(2) <= 4).any()


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
    )
    for panel in panels:
        assert min(draw((panel, panel)).size) > 50


def test_letters_that_the_font_has_not_are_no_reason_for_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw((Bars(("猫", "🐈"), (0.5, 0.2), "probability"),))


_MAP = torch.randn(9, 7, generator=torch.Generator().manual_seed(0))
_RGB = torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(0))
PURE: list[tuple[Callable[..., object], tuple[Any, ...]]] = [
    (to_bytes, (_RGB * 3 - 1,)),
    (paint, (_MAP, True, 0.9)),
    (overlay, (_MAP, _RGB, Box(0, 5, 20, 20))),
    (_colours.place, (_MAP, (20, 30), Box(0, 5, 20, 20))),
    (lambda v: draw((Grid(v, marked=frozenset({0})),)), (_RGB[:, None] * 9,)),
    (lambda v: draw((HeatMap(v, "x", photo=_RGB, signed=True),)), (_MAP,)),
    (lambda v: draw((Histogram(v, "x"), Picture(v))), (_RGB * 3 - 1,)),
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


@pytest.mark.parametrize("make", [lambda v: paint(v), lambda v: overlay(v, _RGB, None)])
def test_a_map_with_holes_or_only_holes(make: Callable[[Tensor], Array]) -> None:
    for values in (_MAP.where(_MAP > 0, torch.nan), torch.full((4, 4), torch.nan)):
        assert make(values).dtype == np.uint8
