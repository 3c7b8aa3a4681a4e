"""Panels on axes of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

import convscope as cs
from convscope.runs.result import Result
from convscope.types.frames import Frame
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

PHOTO = torch.rand(3, 40, 60, generator=torch.Generator().manual_seed(0))
VALUES = torch.linspace(-1, 3, 35).view(5, 7)
KINDS: dict[str, Panel] = {
    "picture": Picture(PHOTO, "a photograph", Box(0, 10, 40, 40)),
    "signed picture": SignedPicture(PHOTO - 0.5, "a gradient"),
    "heatmap": HeatMap(VALUES, "score", "a map", PHOTO, Box(0, 10, 40, 40), signed=True),
    "bare heatmap": HeatMap(VALUES, "score", "a bare map"),
    "grid": Grid(PHOTO[None].repeat(5, 1, 1, 1), "tiles"),
    "sheet": Sheet((HeatMap(VALUES, "score"),) * 3, "maps"),
    "mosaic": Mosaic(torch.rand(4, 3, 9, 9), torch.rand(4, 2) * 3 + 0.5, (4, 4), "a mosaic"),
    "bars": Bars(("cat", "$a$b$"), (0.9, 0.1), "probability", "bars"),
    "histogram": Histogram(VALUES, "activation", "a histogram", (0.5,)),
    "curves": Curves((0, 1, 2), {"one": (0, 1, 4), "two": (1, 1, 1)}, "step", "score", "curves"),
    "four channels": Picture(torch.rand(4, 8, 8), "four"),
    "two channels": Picture(torch.rand(2, 8, 8), "two"),
}


def result(*panels: Panel) -> Result:
    return Result(Frame(panels=panels), {"technique": "anything"})


def subplots(*shape: int) -> tuple[Figure, Any]:
    figure = Figure((6, 4), dpi=100)
    FigureCanvasAgg(figure)
    return figure, figure.subplots(*shape)


def drawn(figure: Figure) -> np.ndarray[Any, Any]:
    figure.canvas.draw()
    assert isinstance(figure.canvas, FigureCanvasAgg)
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_panel_is_drawn(kind: str) -> None:
    figure, axes = subplots()
    before = set(axes.get_children())
    added = result(KINDS[kind]).draw(axes)
    assert added
    assert not before & set(added)
    assert axes.get_title().startswith(KINDS[kind].caption)
    assert len(np.unique(drawn(figure))) > 2


def test_a_heatmap_is_in_pixels_of_its_photograph() -> None:
    """A value of 3 on the right of the box is the strongest red, whatever the photograph."""
    values = torch.zeros(1, 4)
    values[0, 3] = 3
    photo = torch.full((3, 40, 60), 0.5)
    _, axes = subplots()
    result(HeatMap(values, "score", "", photo, Box(0, 10, 40, 40), signed=True)).draw(axes)
    (image,) = axes.images
    assert image.get_extent() == [-0.5, 59.5, 39.5, -0.5]
    rgb = np.asarray(image.get_array())
    assert rgb.shape == (40, 60, 3)
    red, green, blue = rgb[20, 49].tolist()
    assert red > 180 > 100 > max(green, blue)
    assert rgb[20, 55].tolist() == [rgb[20, 55, 0]] * 3  # outside of the box
    assert rgb[20, 55, 0] < rgb[20, 12, 0] // 2


def test_values_without_a_photograph_stay_values() -> None:
    _, axes = subplots()
    result(KINDS["bare heatmap"]).draw(axes)
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), VALUES)
    assert (image.norm.vmin, image.norm.vmax) == (-1, 3)


def test_the_color_bar_has_the_colors_and_the_unit() -> None:
    _, axes = subplots()
    result(KINDS["heatmap"]).draw(axes)
    (bar,) = axes.child_axes
    assert bar.get_ylabel() == "score"
    assert bar.get_ylim() == (-3, 3)
    _, axes = subplots()
    result(KINDS["heatmap"]).draw(axes, colorbar=False)
    assert axes.child_axes == []


def test_which_panels_go_where() -> None:
    panels = KINDS["picture"], KINDS["heatmap"], KINDS["bars"]
    many = result(*panels)

    def titles(axes: Any, **options: Any) -> list[str]:
        many.draw(axes, **options)
        return [one.get_title() for one in np.ravel(axes)]

    assert titles(subplots()[1]) == ["a map"]
    assert titles(subplots()[1], panel=0) == ["a photograph"]
    assert titles(subplots()[1], panel=-1) == ["bars"]
    assert titles(subplots()[1], panel="Photo") == ["a photograph"]
    _, axes = subplots(2, 2)
    assert titles(axes) == ["a photograph", "a map", "bars", ""]
    assert not axes[1, 1].axison
    assert titles(list(subplots(1, 3)[1])) == ["a photograph", "a map", "bars"]


@pytest.mark.parametrize(
    ("axes", "panel", "words"),
    [
        (2, None, "3 panels .* and 2 axes"),
        (1, "dog", "unknown panel 'dog'.*'a map'"),
        (1, "a", "unknown panel"),
        (1, 3, "no panel 3; there are 3"),
    ],
)
def test_what_cannot_be_drawn(axes: int, panel: int | str | None, words: str) -> None:
    many = result(KINDS["picture"], KINDS["heatmap"], KINDS["bars"])
    with pytest.raises(cs.ConvscopeError, match=words):
        many.draw(subplots(1, axes)[1], panel=panel)


def test_bars_have_their_names() -> None:
    figure, axes = subplots()
    result(KINDS["bars"]).draw(axes)
    drawn(figure)
    assert [one.get_text() for one in axes.get_yticklabels()] == ["cat", "$a$b$"]
    assert [round(bar.get_width(), 3) for bar in axes.patches] == [0.9, 0.1]


def test_curves_have_a_legend() -> None:
    _, axes = subplots()
    result(KINDS["curves"]).draw(axes)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["one", "two"]
    assert len({to_rgb(line.get_color()) for line in axes.lines}) == 2
