"""Reading an index: its images, embeddings, pixels and channels."""

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

from convscope import notebook
from convscope.collection import channel_table
from convscope.collection.channels import Channels
from convscope.collection.manifest import Shard
from convscope.collection.settings import Settings
from convscope.collection.store import Store
from convscope.errors import ConvscopeError
from convscope.files import images
from convscope.network import PRE, Network
from convscope.types import Array

# Columns that are small enough to be kept in memory for all images.
LIGHT = ["path", "size", "sha256", "label", "height", "width", "classes", "probabilities"]


@dataclass(frozen=True)
class Unreadable:
    """A file that could not be read, and the reason."""

    path: str
    reason: str


class Index:
    """What a network answers to a collection of images.

    Images are numbered from 0 in the order of `images`. These numbers are the rows of `embeddings`
    and `pixels`, and the `rows` in the extremes of the channels.

    Raises:
        ConvscopeError: there is no index, or it is unfinished or damaged.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._store = Store(self.path)
        identity = self._store.identity()
        if identity is None:
            raise ConvscopeError(f"no index at {path}; convscope index FOLDER -o INDEX makes one")
        plan, done = self._store.manifest(), self._store.done()
        command = f"convscope index {identity['folder']} -o {path}"
        if plan is None or done is None:
            raise ConvscopeError(f"{path} is not finished; {command} finishes it")
        damaged = self._store.damaged(done, thorough=False)
        if damaged:
            raise ConvscopeError(f"{damaged} in {path} is damaged; {command} repairs it")
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

    def _repr_html_(self) -> str:
        facts = [
            ("images", len(self)),
            ("could not be read", len(self.unreadable)),
            ("folder", self.folder),
            ("made by", self.identity["network"]["name"]),
            ("layers", ", ".join(self.channels)),
        ]
        return notebook.table(facts)

    def __len__(self) -> int:
        return sum(self._counts)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def check(self, net: Network) -> None:
        """Fail if another network made this index.

        Raises:
            ConvscopeError: the network differs in its name, weights or preprocessing.
        """
        made_by = self.identity["network"]
        if made_by["digest"] != net.digest:
            same = made_by["name"] == net.name
            other = "with other weights or another preprocessing" if same else f"not {net.name}"
            raise ConvscopeError(f"{self.path} was made by {made_by['name']}, {other}")

    @cached_property
    def images(self) -> pa.Table:
        """A row for each image: path, size in bytes, sha256, label (the folder that it lies in),
        height, width, the likeliest classes and their probabilities."""
        return self.table(LIGHT)

    def table(self, columns: Sequence[str]) -> pa.Table:
        """Columns of all images: those of `images`, "embedding", "thumbnail" (JPEG), "pixels"."""
        return pa.concat_tables(self.tables(columns))

    def tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The same shard by shard, so that only one shard is in memory."""
        for shard in self._shards:
            yield self._store.rows(shard, list(columns))

    def records(self) -> Iterator[pa.RecordBatch]:
        """The columns that a filter can use, for all images in order: path, label, height, width,
        size, prediction and probability."""
        for table in self.tables(LIGHT):
            best, probability = (
                [values[0] if values else None for values in table[name].to_pylist()]
                for name in ("classes", "probabilities")
            )
            columns = {name: table[name] for name in ("path", "label", "height", "width", "size")}
            columns["prediction"] = pa.array([self._class_name(one) for one in best], pa.string())
            columns["probability"] = pa.array(probability, pa.float32())
            yield from pa.table(columns).combine_chunks().to_batches()

    @cached_property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """The files that could not be read, with their reasons."""
        tables = (
            self._store.rows(shard, ["path", "reason"], readable=False)
            for shard, count in zip(self._shards, self._counts, strict=True)
            if count < len(shard.files)
        )
        return tuple(Unreadable(**row) for table in tables for row in table.to_pylist())

    @cached_property
    def embeddings(self) -> Array:
        """(N, D) float16, a memory-mapped file."""
        return self._matrix("embeddings.npy")

    @cached_property
    def pixels(self) -> Array:
        """(N, 3 * 32 * 32) uint8, the network's inputs at 32 x 32 pixels; a memory-mapped file."""
        return self._matrix("pixels.npy")

    def _matrix(self, name: str) -> Array:
        array: Array = np.load(self.path / name, mmap_mode="r" if len(self) else None)
        return array

    @cached_property
    def channels(self) -> Mapping[str, Channels]:
        """What the channels of each layer do."""
        return channel_table.from_table(pq.read_table(self.path / "channels.parquet"))

    def collected(self, layer: str) -> str:
        """The name under which a layer was collected: its own, with or without `.pre`.

        Raises:
            ConvscopeError: the layer was not collected.
        """
        for name in (layer, layer + PRE, layer.removesuffix(PRE)):
            if name in self.channels:
                return name
        raise ConvscopeError(
            f"{self.path} has no layer {layer!r}, but {', '.join(self.channels)}; another index can"
            f" have it (convscope index FOLDER -o INDEX --layers {layer})"
        )

    def thumbnails(self, rows: Sequence[int]) -> list[bytes]:
        """The thumbnails (JPEG files) of some images."""
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
            ConvscopeError: the file is gone or has changed.
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
        """The name of an image's likeliest class; "" if the network has no classes."""
        best = self.images["classes"][int(row)].as_py()
        return self._class_name(best[0]) if best else ""

    def _class_name(self, number: int | None) -> str:
        if number is None:
            return ""
        return self.labels[number] if self.labels else f"class {number}"


def index_of(net: Network, path: str | os.PathLike[str]) -> Index:
    """Open an index that this network has made.

    Raises:
        ConvscopeError: there is no index, another network made it, or it has no images.
    """
    found = Index(path)
    found.check(net)
    if not len(found):
        raise ConvscopeError(f"{path} has no images: none of {found.folder} could be read")
    return found


def open_index(path: str | os.PathLike[str]) -> Index:
    """Open an index that `index` has made.

    Raises:
        ConvscopeError: there is no index, or it is unfinished or damaged.
    """
    return Index(path)
