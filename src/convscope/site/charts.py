"""What is drawn as SVG: the histogram of a unit, and what lies over photographs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from convscope.files import quick_png
from convscope.microscope import ClassMap
from convscope.site.formatting import short
from convscope.types import Array, Box

WIDTH, HEIGHT, BELOW = 480, 110, 18  # BELOW: what the numbers take

NARROW = 2.0**-6  # bins narrower than this fraction of the largest value are drawn as one

LABELED = 7  # most numbers below the bars

SEAM = 1  # pixel of a photograph by which what is dark overlaps, or a bright line is seen

VEIL = 158  # opacity, of 255, where a photograph does not speak for a class


def histogram(edges: Array, counts: Array) -> str:
    """Counts of values as SVG.

    Bins become narrower toward zero, and here all are equally wide.

    Args:
        edges: (B + 1,) ascending, infinite at both ends.
        counts: (B,).
    """
    edges, counts = _joined(edges, counts)
    total = max(1, int(counts.sum()))
    wide = WIDTH / len(counts)
    bars = [
        f'<rect x="{i * wide + 0.5:.2f}" y="{HEIGHT - high:.2f}" width="{wide - 1:.2f}"'
        f' height="{high:.2f}"><title>{_range(edges, i)}: {count / total:.1%}</title></rect>'
        for i, count in enumerate(counts.tolist())
        if (high := HEIGHT * count / max(1, int(counts.max())))
    ]
    labels = [
        f'<text x="{place * wide:.2f}" y="{HEIGHT + 13}" text-anchor="middle">{short(value)}</text>'
        for place, value in _labels(edges)
    ]
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT + BELOW}" role="img"'
        ' aria-label="Histogram of its values; bins become narrower toward zero">'
        f'<line x1="0" x2="{WIDTH}" y1="{HEIGHT}" y2="{HEIGHT}"/>{"".join(bars + labels)}</svg>'
    )


def _joined(edges: Array, counts: Array) -> tuple[Array, Array]:
    """The bins from the first to the last that is not empty, with all that are narrow as one."""
    filled = np.flatnonzero(counts)
    if not len(filled):
        return edges[:2], counts[:1]
    first, last = int(filled[0]), int(filled[-1])
    edges, counts = edges[first : last + 2], counts[first : last + 1]
    inner = np.abs(edges[np.isfinite(edges)])
    least = NARROW * (inner.max() if len(inner) else 1.0)
    narrow = (np.abs(edges[:-1]) <= least) & (np.abs(edges[1:]) <= least)
    if narrow.sum() < 2:
        return edges, counts
    begin, end = (int(np.flatnonzero(narrow)[i]) for i in (0, -1))
    return (
        np.concatenate([edges[: begin + 1], edges[end + 1 :]]),
        np.concatenate([counts[:begin], [counts[begin : end + 1].sum()], counts[end + 1 :]]),
    )


def _labels(edges: Array) -> Iterator[tuple[float, float]]:
    """Where numbers stand, in bins from the left: zero in the middle of its bin, and some edges."""
    zero = int(np.searchsorted(edges, 0.0, side="right")) - 1
    middle = zero + (0.5 if edges[zero] else 0.0)
    yield from [(middle, 0.0)] if 0 <= middle < len(edges) - 1 else []
    every = -(-(len(edges) - 2) // LABELED) or 1
    right = range(max(1, zero + every), len(edges) - 1, every)
    left = range(min(len(edges) - 2, zero + 1 - every), 0, -every)
    yield from ((i, float(edges[i])) for i in (*left, *right))


def _range(edges: Array, i: int) -> str:
    return f"{short(float(edges[i]))} to {short(float(edges[i + 1]))}"


def overlay(found: ClassMap, size: tuple[int, int]) -> str:
    """A map of a class over its photograph, as elements of its SVG: light where it speaks.

    Args:
        found: the map.
        size: height and width of the photograph.
    """
    values = found.values / (found.values.max() or 1.0)
    rgba = np.empty((*values.shape, 4), np.uint8)
    rgba[..., :3] = 0
    rgba[..., 3] = (VEIL * (1 - values)).round()
    file = quick_png(Image.fromarray(rgba))
    return veil(found.box, size) + _laid(found.box, file.uri)


def shade(address: str, box: Box, size: tuple[int, int]) -> str:
    """What darkens a photograph where a unit is not active, as elements of its SVG.

    Args:
        address: the picture of a mask, as `mask_address` gives it.
        box: the part of the photograph that it covers.
        size: height and width of the photograph.
    """
    top, left, height, width = box
    inner = Box(top + SEAM, left + SEAM, height - 2 * SEAM, width - 2 * SEAM)
    return f'<g class="shade">{_around(inner, size)}{_laid(box, address)}</g>'


def mask_address(mask: Array) -> str:
    """A mask (h, w) as the address of a picture: clear where it is true, else black."""
    picture = Image.fromarray(mask)
    picture.info["transparency"] = 1  # of the two values
    return quick_png(picture).uri


def veil(box: Box, size: tuple[int, int]) -> str:
    """What darkens a photograph beyond a box."""
    return _around(box, size, ' class="veil"')


def _around(box: Box, size: tuple[int, int], more: str = "") -> str:
    top, left, height, width = box
    hole = f"M{left:.1f} {top:.1f}h{width:.1f}v{height:.1f}h{-width:.1f}z"
    return f'<path{more} fill-rule="evenodd" d="M0 0h{size[1]}v{size[0]}H0z{hole}"/>'


def _laid(box: Box, address: str) -> str:
    top, left, height, width = box
    return (
        f'<image href="{address}" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}"'
        f' height="{height:.1f}" preserveAspectRatio="none"/>'
    )
