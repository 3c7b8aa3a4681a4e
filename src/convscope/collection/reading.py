"""An index of a collection of images: making one, and reading it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor

from convscope.collection import channels
from convscope.collection.channels import Channels
from convscope.collection.extract import Settings
from convscope.collection.manifest import Shard
from convscope.collection.store import Store
from convscope.errors import ConvscopeError
from convscope.files import images
from convscope.network import PRE, Network
from convscope.types import Array

LIGHT = ["path", "size", "sha256", "label", "height", "width", "classes", "probabilities"]


@dataclass(frozen=True)
class Unreadable:
    """A file that could not be taken in, and why."""

    path: str
    reason: str


class Index:
    """What a network answers to a collection of images.

    Images have numbers, from 0, in the order of `images`; `embeddings` and the channels' extremes mean
    them by these.

    Raises:
        ConvscopeError: no index there, an unfinished or a damaged one.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._store = Store(self.path)
        identity, plan, done = self._store.identity(), None, None
        if identity is not None:
            plan, done = self._store.manifest(), self._store.done()
        if identity is None:
            raise ConvscopeError(f"no index at {path}; convscope index FOLDER -o INDEX makes one")
        if plan is None or done is None:
            raise ConvscopeError(
                f"{path} is not finished; convscope index {identity['folder']} -o {path} goes on"
            )
        damaged = self._store.damage(done, thorough=False)
        if damaged:
            raise ConvscopeError(
                f"{damaged} in {path} is damaged; convscope index {identity['folder']} -o {path}"
                " mends it"
            )
        self.identity: Mapping[str, Any] = identity
        self.settings = Settings.from_json(identity["settings"])
        self.folder = Path(identity["folder"])
        self.labels: tuple[str, ...] = tuple(identity["labels"])
        self.digest: str = done["parts"]
        self._shards: tuple[Shard, ...] = plan.shards
        self._counts: Sequence[int] = done["images"]

    def __repr__(self) -> str:
        return (
            f"<Index of {len(self)} images in {self.folder} by {self.identity['network']['name']}>"
        )

    def __len__(self) -> int:
        return sum(self._counts)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def check(self, net: Network) -> None:
        """Fail where another network made this index."""
        was = self.identity["network"]
        if was["digest"] != net.digest:
            same = was["name"] == net.name
            other = "with other weights or another preprocessing" if same else f"not {net.name}"
            raise ConvscopeError(f"{self.path} was made by {was['name']}, {other}")

    @cached_property
    def images(self) -> pa.Table:
        """A row an image: path, size in bytes, sha256, label (the folder that it lies in), height,
        width, the likeliest classes and their probabilities."""
        return self.table(LIGHT)

    def table(self, columns: Sequence[str]) -> pa.Table:
        """Columns of all images, "embedding" and "thumbnail" (JPEG) among those that there are."""
        return pa.concat_tables(self.parts(columns))

    def parts(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The same shard by shard: only one is in memory."""
        for shard in self._shards:
            yield self._store.rows(shard, list(columns))

    def records(self) -> Iterator[pa.RecordBatch]:
        """What filters may speak of, in the order of the images: path, label, prediction, probability,
        height, width, size."""
        for part in self.parts(LIGHT):
            best = [classes[0] if classes else None for classes in part["classes"].to_pylist()]
            sure = [
                chances[0] if chances else None for chances in part["probabilities"].to_pylist()
            ]
            columns = {name: part[name] for name in ("path", "label", "height", "width", "size")}
            columns["prediction"] = pa.array([self._named(one) for one in best], pa.string())
            columns["probability"] = pa.array(sure, pa.float32())
            yield from pa.table(columns).combine_chunks().to_batches()

    @cached_property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """The files that could not be taken in."""
        parts = (
            self._store.rows(s, ["path", "reason"], good=False)
            for s, count in zip(self._shards, self._counts, strict=True)
            if count < len(s.files)
        )
        return tuple(Unreadable(**row) for part in parts for row in part.to_pylist())

    @cached_property
    def embeddings(self) -> Array:
        """(N, D) float16, in the file and not in memory."""
        return self._matrix("embeddings.npy")

    @cached_property
    def pixels(self) -> Array:
        """(N, 3 * 32 * 32) uint8: what the network saw, shrunk; in the file and not in memory."""
        return self._matrix("pixels.npy")

    def _matrix(self, name: str) -> Array:
        array: Array = np.load(self.path / name, mmap_mode="r" if len(self) else None)
        return array

    @cached_property
    def channels(self) -> Mapping[str, Channels]:
        """What the channels of each layer did."""
        return channels.from_table(pq.read_table(self.path / "channels.parquet"))

    def collected(self, layer: str) -> str:
        """The name under which a layer was collected: itself, before or behind its activation.

        Raises:
            ConvscopeError: it was not.
        """
        for name in (layer, layer + PRE, layer.removesuffix(PRE)):
            if name in self.channels:
                return name
        raise ConvscopeError(
            f"{self.path} has nothing of {layer!r}, but of {', '.join(self.channels)}; another"
            f" index may have it (convscope index FOLDER -o INDEX --layers {layer})"
        )

    def thumbnails(self, rows: Sequence[int]) -> list[bytes]:
        """The small pictures (JPEG) of some images."""
        ends = np.cumsum(self._counts)
        shards = np.searchsorted(ends, rows, side="right")
        found: dict[int, bytes] = {}
        for number in np.unique(shards):
            kept = self._store.rows(self._shards[number], ["thumbnail"])["thumbnail"]
            first = ends[number] - self._counts[number]
            for row in np.asarray(rows)[shards == number]:
                found[int(row)] = kept[int(row - first)].as_py()
        return [found[int(row)] for row in rows]

    def photo(self, row: int) -> Tensor:
        """An image itself, as `open_image` gives it.

        Raises:
            ConvscopeError: it is not there any more, or another.
        """
        path, sha256 = (self.images[name][int(row)].as_py() for name in ("path", "sha256"))
        if not (self.folder / path).exists():
            raise ConvscopeError(f"{path} is no longer in {self.folder}; update the index")
        photo = images.open_image(self.folder / path)
        source = images.source(photo)
        if source is None or source["sha256"] != sha256:
            raise ConvscopeError(f"{path} in {self.folder} has changed; update the index")
        return photo

    def prediction(self, row: int) -> str:
        """The likeliest class of an image, in words; "" where the network has no classes."""
        best = self.images["classes"][int(row)].as_py()
        return self._named(best[0]) if best else ""

    def _named(self, number: int | None) -> str:
        if number is None:
            return ""
        return self.labels[number] if self.labels else f"class {number}"


def index_of(net: Network, path: str | os.PathLike[str]) -> Index:
    """An index that this network has made.

    Raises:
        ConvscopeError: none there, another network's, or one without images.
    """
    found = Index(path)
    found.check(net)
    if not len(found):
        raise ConvscopeError(f"{path} has no images: none of {found.folder} could be read")
    return found


def open_index(path: str | os.PathLike[str]) -> Index:
    """An index that `index` has made.

    Raises:
        ConvscopeError: no index there, an unfinished or a damaged one.
    """
    return Index(path)
