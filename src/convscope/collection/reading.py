"""Reading an index: its images, embeddings, pixels and channels."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from torch import Tensor

from convscope import notebook
from convscope.collection import channel_table, image_table
from convscope.collection.channels import Channels
from convscope.collection.identity import output
from convscope.collection.inspecting import damage
from convscope.collection.names import leads_out, named
from convscope.collection.peaks import FILES, Peaks
from convscope.collection.settings import Settings
from convscope.collection.store import Store
from convscope.collection.tables import read_table
from convscope.errors import ConvscopeError
from convscope.files import images
from convscope.network import PRE, Network, Output
from convscope.types import Array

# Columns that are small enough to be kept in memory for all images.
LIGHT = [name for name in image_table.LIGHT.names if name != "reason"]

BATCH = 4096  # rows of a batch of records

NAMED = 5  # damaged files that a message names


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
        found = self._store.finished()
        if found is None:
            raise self._not_finished()
        identity, done = found
        self.identity: Mapping[str, Any] = identity
        self.folder = Path(identity["folder"])
        for name, size in done.sizes.items():
            file = self.path / name
            if not file.is_file() or file.stat().st_size != size:
                raise self._damaged(name)
        self._done, self._checked = done, set[str]()
        self.settings = Settings.from_json(identity["settings"])
        self.output = output(identity)
        self.labels: tuple[str, ...] = self.output.labels if self.output else ()
        self.digest: str = done.parts

    def _not_finished(self) -> ConvscopeError:
        """Why there is no finished index."""
        identity = self._store.identity()
        if identity is None:
            return ConvscopeError(
                f"no index at {self.path}; convscope index FOLDER -o INDEX makes one"
            )
        self.folder = Path(identity["folder"])
        if self._store.own_identity() != identity:
            return self._damaged("index.json")
        if (self.path / "done.json").exists():
            return self._damaged("done.json")
        return ConvscopeError(f"{self.path} is not finished; {self._command} finishes it")

    @property
    def _command(self) -> str:
        return shlex.join(["convscope", "index", str(self.folder), "-o", str(self.path)])

    def _damaged(self, name: str) -> ConvscopeError:
        return ConvscopeError(f"{name} in {self.path} is damaged; {self._command} repairs it")

    def _impossible(self, name: str) -> ConvscopeError:
        """An error for a file that has the right checksum and is wrong all the same."""
        return ConvscopeError(
            f"{name} in {self.path} holds what no index holds; delete {self.path} and make the"
            " index again"
        )

    def check_files(self) -> None:
        """Compare all files with their checksums. Otherwise a file is compared when it is used.

        Raises:
            ConvscopeError: some are not as they were written, and which.
        """
        names = [os.path.relpath(name, self.path) for name in damage(self._store, self.identity)]
        if names:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            raise self._damaged(", ".join(names[:NAMED]) + more)

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
        return sum(self._done.images)

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

    def output_of(self, net: Network | None) -> Output | None:
        """The classes of the images' predictions, by the network's own names if there is one."""
        if net is None:
            return self.output
        return net.output if net.num_classes else None

    def _whole(self, name: str, sha256: str) -> Path:
        """A file of the index. When it is first used, it is compared with its checksum."""
        if name not in self._checked and not self._store.matches(name, sha256):
            raise self._damaged(name)
        self._checked.add(name)
        return self.path / name

    def _merged(self, name: str) -> Path:
        return self._whole(name, self._done.sha256[name])

    @cached_property
    def _files(self) -> pa.Table:
        """The small columns of all files, readable or not."""
        try:
            found = read_table(self._merged("images.parquet"), image_table.LIGHT)
        except ValueError as error:
            raise self._impossible("images.parquet") from error
        if any(leads_out(named(path)) for path in found["path"].to_pylist()):
            raise self._impossible("images.parquet")
        return found

    @cached_property
    def images(self) -> pa.Table:
        """A row for each image: path, size in bytes, sha256, label (the folder that it lies in),
        height, width, the likeliest classes and their probabilities.

        `paths` and `folders` have the names of files and folders as Python has them. They differ
        from the columns "path" and "label" only where a name is not UTF-8.
        """
        found = self._files.filter(self._files["reason"].is_null()).select(LIGHT)
        if len(found) != len(self) or not self._are_classes(found):
            raise self._impossible("images.parquet")
        return found

    def _are_classes(self, found: pa.Table) -> bool:
        count = self.output.num_classes if self.output else None
        return image_table.are_classes(found, count or 0)

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The path of each image in the folder."""
        return tuple(map(named, self.images["path"].to_pylist()))

    @cached_property
    def folders(self) -> tuple[str | None, ...]:
        """The label of each image: the name of the folder that it lies in, if there is one."""
        return tuple(name and named(name) for name in self.images["label"].to_pylist())

    def table(self, columns: Sequence[str]) -> pa.Table:
        """Columns of all images: those of `images`, "embedding", "thumbnail" (JPEG), "pixels"."""
        return pa.concat_tables(self.tables(columns))

    def tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The same shard by shard, so that only one shard is in memory."""
        for place in range(len(self._done.shards)):
            yield self._shard(place, list(columns))

    def _shard(self, place: int, columns: list[str]) -> pa.Table:
        """Columns of the images of a shard, by its place in the order of shards."""
        shard = self._done.shards[place]
        name = self._store.part(shard, "images").relative_to(self.path).as_posix()
        self._whole(name, self._done.tables[place])
        try:
            found = self._store.rows(shard, None, columns)
        except ValueError as error:
            raise self._impossible(name) from error
        if len(found) != self._done.images[place]:
            raise self._impossible(name)
        return found

    def records(self) -> Iterator[pa.RecordBatch]:
        """The columns that a filter can use, for all images in order: path, label, height, width,
        size, prediction and probability."""
        for batch in self.images.to_batches(BATCH):
            table = pa.table(batch)
            best, probability = (
                [values[0] if values else None for values in table[name].to_pylist()]
                for name in ("classes", "probabilities")
            )
            columns = {name: table[name] for name in ("path", "label", "height", "width", "size")}
            columns["prediction"] = pa.array(self._named(best, probability), pa.string())
            columns["probability"] = pa.array(probability, pa.float32())
            yield from pa.table(columns).combine_chunks().to_batches()

    def _named(self, classes: list[Any], probabilities: list[Any]) -> list[str]:
        pairs = zip(classes, probabilities, strict=True)
        known = self.output
        return [known.named(n, p) if known and n is not None else "" for n, p in pairs]

    @cached_property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """The files that could not be read, with their reasons."""
        found = self._files.filter(self._files["reason"].is_valid()).select(["path", "reason"])
        return tuple(Unreadable(*map(named, row.values())) for row in found.to_pylist())

    @cached_property
    def embeddings(self) -> Array:
        """(N, D) float16, a memory-mapped file."""
        return self._matrix("embeddings.npy", np.float16, (len(self), None))

    @cached_property
    def pixels(self) -> Array:
        """(N, 3 * 32 * 32) uint8, the network's inputs at 32 x 32 pixels; a memory-mapped file."""
        return self._matrix("pixels.npy", np.uint8, (len(self), None))

    @property
    def has_peaks(self) -> bool:
        """Whether it holds the peak of each channel in each image; older indexes do not."""
        return FILES.keys() <= self._done.sizes.keys()

    @property
    def missing(self) -> str:
        """In one line, what an older index does not have and how to add it; "" for a new one."""
        line = f"{self.path} has no peaks; {self._command} --update adds them"
        return "" if self.has_peaks else line

    @cached_property
    def peaks(self) -> Peaks:
        """The highest value of each channel in each image, and where it is.

        Raises:
            ConvscopeError: the index is too old to have them.
        """
        if not self.has_peaks:
            raise ConvscopeError(self.missing)
        sizes = {name: len(one.high) for name, one in self.channels.items()}
        shape = sum(sizes.values()), len(self)
        values, places = (self._matrix(name, kind, shape) for name, (_, kind) in FILES.items())
        return Peaks(values, places, sizes)

    def _matrix(
        self, name: str, kind: type[np.generic], shape: tuple[int | None, int | None]
    ) -> Array:
        """A memory-mapped matrix of that type and shape, where None stands for any number."""
        try:
            mode: Literal["r"] | None = "r" if len(self) else None
            array: Array = np.load(self._merged(name), mmap_mode=mode, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise self._impossible(name) from error
        known = zip(shape, array.shape, strict=False)
        fits = array.ndim == 2 and all(want in (None, found) for want, found in known)
        if array.dtype != kind or not fits:
            raise self._impossible(name)
        return array

    @cached_property
    def channels(self) -> Mapping[str, Channels]:
        """What the channels of each layer do."""
        name = "channels.parquet"
        try:
            table = read_table(self._merged(name), channel_table.SCHEMA)
            found = channel_table.from_table(table)
        except ValueError as error:
            raise self._impossible(name) from error
        if any(one.images != len(self) for one in found.values()):
            raise self._impossible(name)
        return found

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
        ends = np.cumsum(self._done.images)
        places = np.searchsorted(ends, rows, side="right")
        found: dict[int, bytes] = {}
        for place in np.unique(places).tolist():
            kept = self._shard(place, ["thumbnail"])["thumbnail"]
            first = ends[place] - self._done.images[place]
            for row in np.asarray(rows)[places == place]:
                found[int(row)] = kept[int(row - first)].as_py()
        return [found[int(row)] for row in rows]

    def photo(self, row: int) -> Tensor:
        """An image itself, as `open_image` gives it.

        Raises:
            ConvscopeError: the file is gone or has changed.
        """
        path, sha256 = self.paths[int(row)], self.images["sha256"][int(row)].as_py()
        if not os.path.lexists(self.folder / path):
            raise ConvscopeError(f"{path} is no longer in {self.folder}; update the index")
        photo = images.open_image(self.folder / path)
        source = images.source(photo)
        if source is None or source["sha256"] != sha256:
            raise ConvscopeError(f"{path} in {self.folder} has changed; update the index")
        return photo

    def prediction(self, row: int) -> str:
        """The name of an image's likeliest class; "" if the network has no classes."""
        best, sure = (self.images[n][int(row)].as_py() for n in ("classes", "probabilities"))
        return self.output.named(best[0], sure[0]) if best and self.output else ""


def index_of(net: Network | None, path: str | os.PathLike[str]) -> Index:
    """Open an index that this network has made; without a network, any. It may be open already.

    Raises:
        ConvscopeError: there is no index, another network made it, or it has no images.
    """
    found = path if isinstance(path, Index) else Index(path)
    if net is not None:
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
