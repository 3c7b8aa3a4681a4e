"""A report on an index: its mistakes, or all photographs of a class, with maps."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.resources import files

from convscope.collection import (
    Classification,
    Index,
    Labeled,
    by_network,
    labeled_images,
    open_index,
)
from convscope.errors import ConvscopeError
from convscope.network import Network, arguments, load, runs_code
from convscope.reports.case import Case, Group, groups
from convscope.reports.document import Document, filled
from convscope.reports.facts import about
from convscope.reports.making import Maker
from convscope.reports.numbers import matrix, worst_first

PREVIEW = 20  # photographs in a notebook

NAMED = 5  # names that are written out


def report(
    index: Index | str | os.PathLike[str],
    net: Network | None = None,
    *,
    label: str | None = None,
    technique: str = "gradcam",
    limit: int = 200,
    similar: int = 3,
) -> Report:
    """Show all mistakes of an index on a page: each photograph with its maps.

        cs.report("photos-index").save("report.html")

    Each photograph stands with its label, its prediction with scores, the map of the prediction
    beside that of the label, and the most similar photographs of both classes that were classified
    correctly. On top are the matrix of confusions and the precision and recall of each class.

    Args:
        index: the index, or where it lies. The folders of its photographs are the labels.
        net: the network that made it; if it is not given, it is loaded as it was then.
        label: show all photographs with this label, also those that were classified correctly.
        technique: the attribution whose maps are shown, "gradcam" or "occlusion" for instance.
        limit: maximum number of photographs.
        similar: number of similar photographs of each class.

    Raises:
        ConvscopeError: there is no index, another network made it, it has no labels or none that is
            a class of the network, or the technique is no attribution.
    """
    opened = index if isinstance(index, Index) else open_index(index)
    net = network_of(opened, "report(index, net)") if net is None else net
    opened.check(net)
    if limit < 1 or similar < 0:
        raise ConvscopeError("limit must be at least 1, and similar at least 0")
    labeled = labeled_images(net.output, opened, 1)
    results = by_network(net.output, opened, labeled.labels)
    if not results:
        raise ConvscopeError(_no_class(net, labeled))
    chosen = groups(opened, labeled, results, label, limit)
    return Report(
        opened, net, results, chosen, Maker(opened, net, results, technique, similar), label
    )


def network_of(index: Index, call: str) -> Network:
    """The network that made an index, loaded again; code that an index names is not run.

    Args:
        index: the index.
        call: how a network of one's own is given.

    Raises:
        ConvscopeError: the index does not say how its network is loaded.
    """
    source = index.identity.get("source")
    if not source or runs_code(source["name"]):
        raise ConvscopeError(
            f"{index.path} was made by a module of your own: give the network too, {call}"
        )
    return load(**arguments(source))


def _no_class(net: Network, labeled: Labeled) -> str:
    folders = _some(labeled.names)
    classes = _some(net.labels) if net.labels else "without names"
    return (
        f"no folder of the index is named after a class of {net.name} (folders: {folders}; classes:"
        f" {classes}); give the names of the classes with --labels FILE, in Python with labels="
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")


class Report(Document[Case]):
    """The photographs of a report, one after another.

    Attributes:
        index, net: what it is about.
        groups: the photographs by label and prediction, the most frequent confusion first.
    """

    def __init__(
        self,
        index: Index,
        net: Network,
        results: Sequence[Classification],
        chosen: Sequence[Group],
        maker: Maker,
        label: str | None,
    ) -> None:
        self.index, self.net, self.groups = index, net, chosen
        self._results, self._maker, self._label = results, maker, label

    def __len__(self) -> int:
        return len(self.cases)

    def __repr__(self) -> str:
        return f"<Report on {len(self)} photographs of {self.index.path}: iterate, or save it>"

    @property
    def cases(self) -> list[Case]:
        """All photographs on the page, in order."""
        return [case for group in self.groups for case in group.cases]

    def __iter__(self) -> Iterator[Case]:
        for case in self.cases:
            if case.photo is None:
                self._maker.make(case)
            yield case

    def page(self) -> str:
        return self._page(len(self))

    @property
    def _previewed(self) -> int:
        return min(PREVIEW, len(self))

    def _preview(self) -> str:
        return self._page(self._previewed)

    def _page(self, limit: int) -> str:
        """The page with the photographs that are made, at most `limit` of them."""
        made = {id(case) for case in self.cases[:limit] if case.photo is not None}
        groups = [
            replace(group, cases=[case for case in group.cases if id(case) in made])
            for group in self.groups
        ]
        groups = [group for group in groups if group.cases]
        count, right = len(self._results), sum(one.right for one in self._results)
        return filled(
            "report.html",
            title=self._title,
            script=files("convscope.reports").joinpath("report.js").read_text(encoding="utf-8"),
            facts=[*about(self.net), *self._facts()],
            notes=self._notes([case for group in groups for case in group.cases]),
            technique=self._maker.technique,
            matrix=matrix(self._results),
            classes=worst_first(self._results),
            groups=groups,
            links={(group.label, group.prediction): group.anchor for group in groups},
            accuracy=(
                f"{right:,} of {count:,} photographs ({right / count:.1%}) are classified"
                " correctly."
            ),
        )

    @property
    def _title(self) -> str:
        what = "The mistakes" if self._label is None else f"All photographs of {self._label}"
        folder = self.index.folder.name
        if self._label is None:
            return f"{what} of {self.net.name} on {folder}"
        return f"{what} in {folder}, seen by {self.net.name}"

    def _facts(self) -> list[tuple[str, str]]:
        labels = len({one.label for one in self._results})
        return [
            ("photographs", f"{len(self._results):,} in {self.index.folder.name}"),
            ("labels", f"{labels:,}, the names of the folders"),
        ]

    def _notes(self, made: Sequence[Case]) -> list[str]:
        """What the page does not show, and why."""
        total = sum(group.count for group in self.groups)
        what = "mistakes" if self._label is None else f"photographs of {self._label}"
        notes = []
        if not total:
            notes.append("There are no mistakes.")
        if self.net.output.kind == "multilabel":
            notes.append(
                "Each class is right or wrong by itself in this network. Here the likeliest class"
                " counts as its prediction."
            )
        if len(made) < len(self):
            notes.append(f"This page has the first {len(made)} of {len(self)} photographs.")
        if len(self) < total:
            notes.append(
                f"{len(self):,} of {total:,} {what} are shown, the most confident of each"
                f" confusion; {total - len(self):,} are left out. --limit {total} shows all."
            )
        return [*notes, *self._left_out(), *_problems(made)]

    def _left_out(self) -> Iterator[str]:
        index, counted = self.index, {one.row for one in self._results}
        labels = enumerate(index.folders)
        others = sorted({label or "no folder" for row, label in labels if row not in counted})
        if others:
            yield (
                f"{len(index) - len(counted):,} photographs are not counted, because their folder"
                f" is no class of the network: {_some(others)}."
            )
        if index.unreadable:
            names = _some([one.path for one in index.unreadable])
            yield f"{len(index.unreadable):,} files could not be read: {names}."


def _problems(made: Sequence[Case]) -> Iterator[str]:
    gone = [case.path for case in made if case.problem]
    if gone:
        yield f"{len(gone):,} photographs have no maps, as each says: {_some(gone)}."
