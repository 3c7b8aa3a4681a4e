"""Panels on matplotlib axes of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.artist import Artist as Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.text import Text

from convscope.errors import ConvscopeError, unknown
from convscope.render import colors, pictures, plots
from convscope.render.channels import in_colors
from convscope.render.figure import draw
from convscope.render.page import wrap
from convscope.tensors import around_gray
from convscope.types import (
    Bars,
    Curves,
    HeatMap,
    Histogram,
    Panel,
    Picture,
    SignedPicture,
)

# One Axes, or many as `plt.subplots` gives them.
SomeAxes = Any


def draw_on(
    some: SomeAxes, panels: Sequence[Panel], panel: int | str | None, colorbar: bool
) -> list[Artist]:
    """Draw panels on matplotlib axes, each with its caption as title.

    Args:
        some: one Axes, or many (an array or a list): one for each panel.
        panels: what there is to draw.
        panel: the only one to draw, by its number or by words of its caption; on one Axes by
            default the first heatmap, or else the first panel.
        colorbar: whether a heatmap gets a color bar beside its axes.

    Returns:
        The artists that were added.

    Raises:
        ConvscopeError: there is no such panel, or there are fewer axes than panels.
    """
    axes = list(np.ravel(np.asarray(some, dtype=object)))
    if panel is not None:
        panels = [_chosen(panels, panel)]
    elif len(axes) == 1:
        panels = sorted(panels, key=lambda one: not isinstance(one, HeatMap))[:1]
    if not panels or len(axes) < len(panels):
        raise ConvscopeError(
            f"there are {len(panels)} panels ({_names(panels)}) and {len(axes)} axes; give more"
            " axes, or choose a panel"
        )
    for one in axes[len(panels) :]:
        one.set_axis_off()
    drawn = zip(axes, panels, strict=False)
    return [artist for one, p in drawn for artist in _draw(one, p, colorbar)]


def _chosen(panels: Sequence[Panel], panel: int | str) -> Panel:
    if isinstance(panel, str):
        found = [one for one in panels if panel.lower() in one.caption.lower()]
        if len(found) != 1:
            raise unknown("panel", panel, [one.caption for one in panels])
        return found[0]
    if not -len(panels) <= panel < len(panels):
        raise ConvscopeError(f"no panel {panel}; there are {len(panels)}: {_names(panels)}")
    return panels[panel]


def _names(panels: Sequence[Panel]) -> str:
    return ", ".join(repr(one.caption) for one in panels)


def _draw(axes: Axes, panel: Panel, colorbar: bool) -> list[Artist]:
    before = set(axes.get_children())
    first, *others = in_colors([panel])
    kind = _KINDS.get(type(first))
    if kind is None or others:
        _show(axes, np.asarray(draw([replace(panel, caption="")])))
    else:
        kind(axes, first)
    if colorbar and isinstance(first, HeatMap):
        _put_bar(axes, first)
    _put_title(axes, panel.caption if others else first.caption)
    for text in axes.findobj(Text):
        text.set_parse_math(False)
    return [artist for artist in axes.get_children() if artist not in before]


def _put_title(axes: Axes, caption: str) -> None:
    """Put a caption above axes, in lines that are no wider."""
    across, _ = _inches(axes)
    axes.set_title("\n".join(wrap(caption, across, float(axes.title.get_fontsize()))))


def _show(axes: Axes, rgb: Any, **options: Any) -> None:
    axes.imshow(rgb, **options)
    axes.set_axis_off()


def _picture(axes: Axes, panel: Picture) -> None:
    _show(axes, pictures.dimmed(panel.rgb, panel.box))


def _signed_picture(axes: Axes, panel: SignedPicture) -> None:
    _show(axes, colors.to_bytes(around_gray(panel.values)))


def _heatmap(axes: Axes, panel: HeatMap) -> None:
    """Over a photograph in its colors, in pixels of the photograph; else the values themselves."""
    scale = pictures.scale_of(panel)
    if panel.photo is None:
        values = panel.values.detach().cpu().float().numpy()
        options = {"cmap": _colors(panel), "norm": Normalize(*scale[:2])}
        _show(axes, values, interpolation="nearest", **options)
    else:
        _show(axes, pictures.painted(panel, scale, max(panel.photo.shape)))


def _put_bar(axes: Axes, panel: HeatMap) -> None:
    low, high, _ = pictures.scale_of(panel)
    values = panel.values.float()
    above, below = bool((values > high).any()), bool((values < low).any())
    extend = {(True, True): "both", (True, False): "max", (False, True): "min"}
    figure = axes.get_figure()
    assert figure is not None
    figure.colorbar(
        ScalarMappable(Normalize(low, high), _colors(panel)),
        cax=axes.inset_axes((1.03, 0, 0.04, 1)),  # as high as the image
        label=panel.label,
        extend=extend.get((above, below), "neither"),
    )


def _colors(panel: HeatMap) -> ListedColormap:
    ramp = colors.ramp(panel.signed, panel.photo is not None)
    return ListedColormap(ramp[::-1, 0] / 255)


def _bars(axes: Axes, panel: Bars) -> None:
    across, down = _inches(axes)
    plots.BarsPanel(panel, across, down / max(1, len(panel.names))).on(axes)


def _histogram(axes: Axes, panel: Histogram) -> None:
    plots.HistogramPanel(panel, *_inches(axes)).on(axes)


def _curves(axes: Axes, panel: Curves) -> None:
    curves = plots.CurvesPanel(panel, *_inches(axes))
    curves.on(axes)
    axes.set_ylabel(panel.y_label)
    axes.legend()


def _inches(axes: Axes) -> tuple[float, float]:
    figure = axes.get_figure()
    assert figure is not None
    extent = axes.get_window_extent()
    return extent.width / figure.dpi, extent.height / figure.dpi


_KINDS: dict[type, Callable[[Axes, Any], None]] = {
    Picture: _picture,
    SignedPicture: _signed_picture,
    HeatMap: _heatmap,
    Bars: _bars,
    Histogram: _histogram,
    Curves: _curves,
}
