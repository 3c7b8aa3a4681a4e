"""A photograph in a report, and which photographs a report has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from convscope.collection import Classification, Index, Labeled, confused_pairs
from convscope.errors import unknown
from convscope.reports.page_picture import PagePicture


@dataclass
class Case:
    """A photograph of a report: what it is, what the network made of it, and why.

    Attributes:
        path: its path in the folder of the index.
        label, prediction: the names of its class and of the likeliest one.
        scores: names and probabilities of the likeliest classes, and those of the label.
        photo: the photograph, or its thumbnail where the file is gone; None before it is made.
        maps: what each map shows, and the map.
        similar: what each row of similar photographs shows, and these.
        problem: why there are no maps; "" if there are.
    """

    result: Classification
    path: str
    label: str
    prediction: str
    scores: list[tuple[str, float]] = field(default_factory=list)
    photo: PagePicture | None = None
    maps: list[tuple[str, PagePicture]] = field(default_factory=list)
    similar: list[tuple[str, list[PagePicture]]] = field(default_factory=list)
    problem: str = ""

    @property
    def row(self) -> int:
        """Its number in the index."""
        return self.result.row

    @property
    def right(self) -> bool:
        """Whether the prediction is the label."""
        return self.result.right


@dataclass(frozen=True)
class Group:
    """The photographs with one label and one prediction.

    `cases` are those on the page, `count` is how many there are. `anchor` is the group's address on
    the page.
    """

    anchor: str
    label: str
    prediction: str
    cases: list[Case]
    count: int

    @property
    def right(self) -> bool:
        """Whether the prediction is the label."""
        return self.label == self.prediction


def groups(
    index: Index,
    labeled: Labeled,
    results: Sequence[Classification],
    label: str | None,
    limit: int,
) -> list[Group]:
    """All mistakes, or all photographs of one label, at most `limit` of them.

    The most frequent confusions are first, and in each the most confident predictions; photographs
    that were classified correctly are last. Where there are too many, every confusion keeps some.

    Raises:
        ConvscopeError: there is no such label.
    """
    if label is not None and label not in labeled.names:
        raise unknown("label", label, labeled.names)
    by_row = {one.row: one for one in results}
    pairs = [pair for pair in confused_pairs(results) if label in (None, pair[0])]
    if label is not None:
        right = [one for one in results if one.right and one.label == label]
        right.sort(key=lambda one: (-one.confidence, one.row))
        pairs += [(label, label, [one.row for one in right])] if right else []
    shown = _allotted([len(rows) for *_, rows in pairs], limit)
    return [
        Group(
            f"group-{number}",
            name,
            prediction,
            [Case(by_row[row], index.paths[row], name, prediction) for row in rows[:count]],
            len(rows),
        )
        for number, ((name, prediction, rows), count) in enumerate(zip(pairs, shown, strict=True))
    ]


def _allotted(counts: Sequence[int], limit: int) -> list[int]:
    """How many of each group are shown: one of each in turn, until the limit is reached."""
    shown = [0] * len(counts)
    limit = min(limit, sum(counts))
    while sum(shown) < limit:
        for number in [n for n, count in enumerate(counts) if shown[n] < count]:
            shown[number] += sum(shown) < limit
    return shown
