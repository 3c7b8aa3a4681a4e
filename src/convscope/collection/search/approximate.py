"""What the approximate searches share: a folder that can be built again, and a measured recall.

`Faiss` and `Lance` find candidates quickly. The distances of these are then measured on the
embeddings themselves, so that they are as exact as those of `exact`, and only neighbors may be
missing. Building chooses the least effort that finds enough neighbors.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from math import ceil
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from convscope.collection.sealed import read_sealed, write_sealed
from convscope.collection.search.exact import among, exact
from convscope.collection.search.neighbors import Metric, Neighbors, check
from convscope.errors import ConvscopeError, reason
from convscope.files import digest, write_folder
from convscope.types import Array

# The recall to reach; a recall of 0.95 is promised, and this one is measured on a sample.
AIM = 0.97

NEIGHBORS = 10  # that the recall is measured with

SAMPLE = 200  # queries that the recall is measured with

CANDIDATES = (10, 50, 250)  # for every neighbor asked for

GAIN = 0.002  # if twice the cells gain less recall than this, more candidates are tried

# Comparing all of so few embeddings is faster than an index.
FEW = 10_000

FORMAT = 2

ABOUT = "about.json"

FILES = {"index.faiss", "embeddings.lance"}  # that a search consists of


@dataclass(frozen=True)
class Effort:
    """How much is searched: cells, and candidates for every neighbor asked for."""

    cells: int
    candidates: int


class Approximate(ABC):
    """An approximate search over embeddings, in its own folder.

    `recall` is the mean fraction of the true ten nearest that it finds. It is measured on a random
    sample of the embeddings, none of which is its own neighbor. `seconds` is the time that building
    took.
    """

    name: ClassVar[str]
    package: ClassVar[str]

    def __init__(self, embeddings: Array, home: Path, about: Mapping[str, Any]) -> None:
        """Open the index in `home`; any error means that it is damaged."""
        self.embeddings, self.home = embeddings, home
        self.metric: Metric = about["metric"]
        self.cells = int(about["cells"])
        self.effort = Effort(**about["effort"])
        self.recall, self.seconds = float(about["recall"]), float(about["seconds"])

    @classmethod
    def _open_or_build(
        cls, embeddings: Array, folder: Path, metric: Metric, key: str, **parts: Any
    ) -> Self:
        try:
            import_module(cls.package)
        except ImportError as error:
            raise ConvscopeError(
                f"{cls.package} is not installed: pip install 'convscope[{cls.name}]'"
            ) from error
        if not len(embeddings):
            raise ConvscopeError("there are no embeddings to search")
        check(embeddings, np.zeros((1, embeddings.shape[1])), 1, metric)
        home = folder / cls.name
        same = {
            "format": FORMAT,
            "key": key,
            "metric": metric,
            "embeddings": [*embeddings.shape, embeddings.dtype.name],
        }
        for place in (folder, home):
            if place.is_symlink():
                raise ConvscopeError(f"{place} is a link; delete it")
        with suppress(Exception):  # damaged files fail in many ways
            about = _read_about(home)
            if all(about[part] == value for part, value in same.items()):
                return cls(embeddings, home, about)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConvscopeError(f"cannot write to {folder} ({reason(error)})") from error
        write_folder(home, partial(cls._write, embeddings, metric, same, parts), ours=_is_search)
        return cls(embeddings, home, _read_about(home))

    @classmethod
    def _write(
        cls,
        embeddings: Array,
        metric: Metric,
        same: Mapping[str, Any],
        parts: Mapping[str, Any],
        home: Path,
    ) -> None:
        """Build an index in `home`, measure it, and write what `__init__` and a later call read."""
        begun = time.perf_counter()
        about = {**same, "cells": cls._build(embeddings, home, metric, **parts)}
        about |= {"recall": 0, "seconds": 0, "effort": asdict(Effort(1, 1))}
        built = cls(embeddings, home, about)
        built._calibrate()
        about |= {"recall": built.recall, "effort": asdict(built.effort)}
        about |= {"seconds": time.perf_counter() - begun, "files": _sums(home)}
        write_sealed(home / ABOUT, about)

    @classmethod
    @abstractmethod
    def _build(cls, embeddings: Array, home: Path, metric: Metric, **parts: Any) -> int:
        """Write an index to `home`; the number of cells that it divides the embeddings into."""

    @abstractmethod
    def _candidates(
        self, queries: Array, count: int, cells: int, where: str | None
    ) -> Sequence[Array] | Array:
        """About `count` rows for each query, from the nearest `cells`; -1 is no row."""

    def search(self, queries: Array, count: int) -> Neighbors:
        """The nearest embeddings of each query (Q, D), as `exact` gives them, but for a few.

        Raises:
            ConvscopeError: the shapes do not fit.
        """
        queries = check(self.embeddings, queries, count, self.metric)
        return self._search(queries, min(count, len(self.embeddings)))

    def _search(
        self, queries: Array, count: int, where: str | None = None, fraction: float = 1
    ) -> Neighbors:
        """Search more cells if only a `fraction` of the embeddings meets the condition `where`."""
        wanted = min(count * self.effort.candidates, len(self.embeddings))
        cells = max(self.effort.cells, self._least(wanted)) / fraction
        candidates = self._candidates(queries, wanted, min(self.cells, ceil(cells)), where)
        if any((rows >= len(self.embeddings)).any() for rows in candidates):
            raise ConvscopeError(f"{self.home} is damaged; delete it, so that it is built again")
        found = among(self.embeddings, queries, candidates, count, self.metric)
        again = found.rows[:, -1] < 0
        if self.metric == "cosine":
            again |= ~queries.any(1)  # all rows are equally near to zeros, which no index knows
        if again.any():
            without = self._excluded(where)
            rest = exact(self.embeddings, queries[again], count, self.metric, without=without)
            found.rows[again], found.distances[again] = rest
        return found

    def _least(self, wanted: int) -> int:
        """The number of cells that hold twice as many embeddings as are wanted."""
        return min(self.cells, ceil(2 * wanted / len(self.embeddings) * self.cells))

    def _excluded(self, where: str | None) -> Array | None:
        """The rows that do not meet the condition."""
        return None

    def _calibrate(self) -> None:
        """Choose the least effort that reaches the recall to aim at, and set `recall`."""
        total = len(self.embeddings)
        chosen = np.random.default_rng(0).choice(total, min(SAMPLE, total), replace=False)
        chosen.sort()
        queries = self.embeddings[chosen].astype(np.float32)
        truth = exact(self.embeddings, queries, NEIGHBORS + 1, self.metric).besides(chosen)
        best, self.recall = self.effort, -1.0
        for candidates in CANDIDATES:
            before = -1.0
            least = self._least((NEIGHBORS + 1) * candidates)
            for cells in _doubling(least, self.cells):
                self.effort = Effort(cells, candidates)
                found = recall(self.search(queries, NEIGHBORS + 1).besides(chosen), truth)
                if found > self.recall:
                    best, self.recall = self.effort, found
                if found >= AIM or found < before + GAIN:
                    break
                before = found
            if self.recall >= AIM:
                break
        self.effort = best


def _doubling(cells: int, limit: int) -> Iterator[int]:
    while cells < limit:
        yield cells
        cells *= 2
    yield limit


def recall(found: Neighbors, truth: Neighbors) -> float:
    """The fraction of the true neighbors that were found; others that are equally near count."""
    if not truth.rows.size:
        return 1.0
    near = found.distances <= truth.distances[:, -1:]
    return float(near.sum(1).clip(max=truth.rows.shape[1]).mean() / truth.rows.shape[1])


def _is_search(home: Path) -> bool:
    """Whether a folder is that of an approximate search, which may be damaged."""
    return (home / ABOUT).is_file() or {path.name for path in home.iterdir()} <= FILES


def _read_about(home: Path) -> dict[str, Any]:
    about = read_sealed(home / ABOUT)
    if about is None or _sums(home) != about["files"]:
        raise ValueError("damaged")
    return about


def _sums(home: Path) -> dict[str, str]:
    """All files of an index and their checksums."""
    files = sorted(path for path in home.rglob("*") if path.is_file() and path.name != ABOUT)
    return {path.relative_to(home).as_posix(): digest(path) for path in files}
