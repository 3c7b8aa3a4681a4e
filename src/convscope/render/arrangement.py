"""Panels find their places on a page: which shape each has, and which stand in one row."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise, product
from math import log, prod
from typing import Protocol

from convscope.render.page import LINE, Page, widest, wrap

WIDEST, GAP = 15.0, 0.25  # inches


NARROWEST, TITLE = 1.25, 9.5  # least width of a caption in inches, and its size in points


TRIED = 2000  # arrangements at most


# What else counts, as a fraction of the page: a further row, and a page that is higher than wide.
NEW_ROW, HIGH = 0.12, 0.3


class DrawnPanel(Protocol):
    """A panel in one of its shapes: its size in inches, and how to put itself on a page.

    `filled` is the fraction of its area that it uses. `cost` says how far its shape departs from
    the usual one, in the same unit: a fraction of the page.
    """

    width: float
    height: float
    filled: float = 1.0
    cost: float = 0.0

    @abstractmethod
    def put(self, page: Page, left: float, top: float) -> None: ...


class Titled:
    """A panel and the lines of its caption, which stand above it."""

    def __init__(self, drawn: DrawnPanel, caption: str) -> None:
        self.drawn = drawn
        self.title = wrap(caption, max(NARROWEST, drawn.width), TITLE)
        self.above = TITLE * LINE * len(self.title) + 0.07 if self.title else 0.0
        self.width = max(drawn.width, widest(self.title, TITLE))
        self.area = self.above * self.width + drawn.filled * drawn.width * drawn.height


Row = Sequence[Titled]


def across(row: Row) -> float:
    """Width of a row in inches."""
    return sum(one.width for one in row) + GAP * (len(row) - 1)


def arranged(choices: Sequence[Sequence[Titled]]) -> list[Row]:
    """The panels in rows, in their order, each in the shape that leaves least of the page empty.

    Args:
        choices: for each panel its shapes, the usual one first.
    """
    # Panels of one kind have the same shape.
    kinds = [(type(one[0].drawn), len(one)) for one in choices]
    breaks = list(_breaks(len(choices), _period(kinds)))
    most = max(map(len, choices))
    while most > 1 and prod(min(count, most) for _, count in set(kinds)) * len(breaks) > TRIED:
        most -= 1
    shapes = product(*(range(min(count, most)) for _, count in dict.fromkeys(kinds)))
    chosen = (dict(zip(dict.fromkeys(kinds), shape, strict=True)) for shape in shapes)
    pages = (
        _rows([one[shape[kind]] for one, kind in zip(choices, kinds, strict=True)], ends)
        for shape in chosen
        for ends in breaks
    )
    return min(pages, key=_cost)


def _period(kinds: Sequence[object]) -> int:
    """After how many panels their kinds repeat: 2 where many images have a picture and bars."""
    count = len(kinds)
    parts = (part for part in range(1, count + 1) if count % part == 0)
    return next(part for part in parts if list(kinds) == list(kinds[:part]) * (count // part))


def _breaks(count: int, period: int) -> Iterator[tuple[int, ...]]:
    """The numbers of panels at which rows end: all ways of few panels, equal rows of many.

    What repeats is not torn apart, unless nothing else is there. The first rows are the fullest.
    """
    period = 1 if period == count else period
    places = range(count - period, 0, -period)
    if len(places) < 6:
        for inner in range(len(places) + 1):
            for ends in combinations(places, inner):
                yield (*reversed(ends), count)
    else:
        for size in range(count, 0, -period):
            yield (*range(size, count, size), count)


def _rows(panels: Row, ends: Sequence[int]) -> list[Row]:
    return [panels[start:end] for start, end in pairwise((0, *ends))]


def _cost(rows: Sequence[Row]) -> tuple[float, float]:
    """How much wider than the widest page these rows are, and how much of the page they waste."""
    width = max(map(across, rows))
    height = sum(
        max(one.above for one in row) + max(one.drawn.height for one in row) for row in rows
    )
    used = sum(one.area for row in rows for one in row)
    costs = sum(one.drawn.cost for row in rows for one in row)
    empty = 1 - used / (width * height)
    high = HIGH * max(0.0, log(height / width))
    return max(0.0, width - WIDEST), empty + costs + NEW_ROW * (len(rows) - 1) + high
