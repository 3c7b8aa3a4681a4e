"""An index of a collection of images: making one, and reading it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from convscope import __version__, _defaults, images
from convscope.dataset import channels, engines, manifest
from convscope.dataset.channels import Channels
from convscope.dataset.engines import EngineName
from convscope.dataset.extract import Settings
from convscope.dataset.manifest import Manifest, Shard
from convscope.dataset.store import Store
from convscope.errors import ConvscopeError
from convscope.network import PRE, Network

Array = np.ndarray[Any, np.dtype[Any]]
LIGHT = ["path", "size", "sha256", "label", "height", "width", "classes", "probabilities"]


class Progress(NamedTuple):
    """How many files of how many are done; `mended` names what was found damaged."""

    done: int
    total: int
    mended: tuple[str, ...] = ()


class Indexing:
    """An index in the making: iterate to follow it, or ask for the result.

    It can be broken off at any time, or be killed: the same call goes on from there, to the same
    index. What is there already is checked and kept.
    """

    def __init__(
        self,
        net: Network,
        folder: Path,
        output: Path,
        settings: Settings,
        engine: engines.Engine,
        update: bool,
        follow: bool,
    ) -> None:
        self.net, self.folder, self.output = net, folder.resolve(), output
        self.settings, self.engine = settings, engine
        self.update, self.follow = update, follow
        self._index: Index | None = None

    def __iter__(self) -> Iterator[Progress]:
        store = Store(self.output)
        before = store.identity()
        if before is None and store.foreign():
            raise ConvscopeError(f"{self.output} is no index, and not empty; write elsewhere")
        files = manifest.listing(self.folder, (self.output,), self.follow)
        with store.writing():
            run = self._identify(store, before)
            plan = self._plan(store, files)
            states = {shard: store.state(shard, run) for shard in plan.shards}
            mended = tuple(
                os.fspath(store.part(shard, "*")) for shard in states if states[shard] == "damaged"
            )
            pending = {shard.number: shard for shard in states if states[shard] != "done"}
            total = len(files)
            done = total - sum(len(shard.files) for shard in pending.values())
            yield Progress(done, total, mended)
            if pending:
                work = list(pending.values())
                for step in self.engine(self.net, self.settings, self.folder, work):
                    if step.answers is not None:
                        store.write(pending[step.shard], run, step.answers)
                    done += step.files
                    yield Progress(done, total, mended)
            store.finish(plan, self.settings.top, _width(self.net, self.settings.code))
        self._index = Index(self.output)

    def result(self) -> Index:
        """The index; goes on to the end if it has not yet."""
        if self._index is None:
            for _ in self:
                pass
        assert self._index is not None
        return self._index

    def _identify(self, store: Store, before: Mapping[str, Any] | None) -> str:
        """The digest of what is collected of what; it must be that of the index that is there."""
        now: dict[str, Any] = {
            "folder": os.fspath(self.folder),
            "links": self.follow,
            "preprocessing": {
                "mean": list(self.net.mean),
                "std": list(self.net.std),
                "input_size": list(self.net.input_size),
                "crop": self.net.crop,
                "interpolation": self.net.interpolation,
            },
            "network": {"name": self.net.name, "digest": self.net.digest},
            "settings": self.settings.to_json(),
        }
        if before is None:
            labels = list(self.net.labels)
            source = dict(self.net.source) if self.net.source else None
            store.write_identity(
                {**now, "convscope": __version__, "labels": labels, "source": source}
            )
        else:
            _refuse_others(self.output, before, now)
        return hashlib.sha256(json.dumps(now, sort_keys=True).encode()).hexdigest()

    def _plan(self, store: Store, files: Sequence[manifest.File]) -> Manifest:
        known = store.manifest()
        changes = "" if known is None else known.changes(files)
        if known is not None and not changes:
            return known
        if changes and not self.update:
            raise ConvscopeError(
                f"{self.folder} is not as it was when {self.output} was begun ({changes}); update"
                " (--update) takes that in"
            )
        plan = (known or Manifest(())).updated(files, self.settings.shard)
        store.write_manifest(plan)
        return plan


def index(
    net: Network,
    folder: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    layers: Sequence[str] | None = None,
    top: int | None = None,
    batch: int | None = None,
    threads: int | None = None,
    shard: int | None = None,
    thumbnail: int | None = None,
    update: bool = False,
    follow_links: bool = False,
    engine: EngineName = "plain",
    workers: int | None = None,
    actors: int | None = None,
    address: str | None = None,
) -> Indexing:
    """Collect in one pass what a network answers to the images in a folder and the folders in it.

    Of every image: its code, the likeliest classes, a thumbnail. Of every channel: the images that
    excite it most and least, and how its values are distributed. Nothing is read before the result
    is iterated over or asked for.

    What is not given is as in the index that is there already, or else as said here.

    Args:
        layers: of whose channels; by default the last layer at each resolution, before its
            activation, and the code.
        top: images kept at either end of a channel (9).
        batch: images that the network takes at once (16).
        threads: that it runs in (torch's own number); on Ray, of each actor.
        shard: files that are worked on together: what a crash loses at most (512).
        thumbnail: longer side of the small pictures kept, in pixels (96).
        update: take in what is new in the folder, and leave out what is gone.
        follow_links: also links that lead out of the folder, and folders behind links.
        engine: "plain" in this process, "ray" on Ray Data.
        workers: processes that decode images (for each actor); as many as half the processors, on
            Ray none.
        actors, address: of Ray; as many as there is room for, of a cluster on this machine.

    Raises:
        ConvscopeError: a layer that does not exist or has neither maps nor a code, numbers out of
            bounds, an index of something else. Later also no image, no space left.
    """
    given: dict[str, Any] = {
        "layers": None if layers is None else tuple(dict.fromkeys(layers)),
        "threads": threads,
        "top": top,
        "batch": batch,
        "shard": shard,
        "thumbnail": thumbnail,
    }
    for name, low, high in (
        ("top", 1, 1000),
        ("batch", 1, 4096),
        ("threads", 1, 1024),
        ("shard", 1, 100_000),
        ("thumbnail", 8, 1024),
    ):
        if given[name] is not None and not low <= given[name] <= high:
            raise ConvscopeError(f"index: {name} is {low} to {high}, not {given[name]}")
    for name in given["layers"] or ():
        if len(net.shape(name)) not in (1, 3):
            raise ConvscopeError(f"layer {name!r} has neither maps nor a code")
    known = Store(Path(output)).identity()
    if known is None:
        usual = Settings(default_layers(net), _defaults.code(net), torch.get_num_threads())
    else:
        usual = Settings.from_json(known["settings"])
    settings = replace(usual, **{name: value for name, value in given.items() if value is not None})
    made = engines.make(engine, workers, actors, address, net.device.type)
    return Indexing(net, Path(folder), Path(output), settings, made, update, follow_links)


def default_layers(net: Network) -> tuple[str, ...]:
    """The last layer of each stage, and the code. Before the activation where there is one: after
    it, many images may tie for the first place, or for the last."""
    code = _defaults.code(net)
    stages = [layer.name + (PRE if layer.activation else "") for layer in net.stages]
    flat = [code] if len(net.shape(code)) in (1, 3) else []
    return tuple(dict.fromkeys([*stages, *flat]))


def _width(net: Network, code: str) -> int:
    """How many numbers a code has: of tokens, as many as one of them."""
    shape = net.shape(code)
    return shape[-1] if len(shape) == 2 else shape[0]


def _refuse_others(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for part, value in now.items():
        was: Any = before.get(part)
        if was == value:
            continue
        if part == "network":
            told = f"{was['name']}, not {value['name']}"
            if was["name"] == value["name"]:
                told = f"{value['name']} with other weights"
        elif isinstance(value, dict):
            key = next(k for k in value if was.get(k) != value[k])
            told = f"{key} {_told(was.get(key))}, not {_told(value[key])}"
        else:
            told = f"{part} {_told(was)}, not {_told(value)}"
        raise ConvscopeError(f"{path} is of {told}; give the same, or write elsewhere")


def _told(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@dataclass(frozen=True)
class Refused:
    """A file that could not be taken in, and why."""

    path: str
    reason: str


class Index:
    """What a network answers to a collection of images.

    Images have numbers, from 0, in the order of `images`; `codes` and the channels' extremes mean
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
        """Columns of all images, "code" and "thumbnail" (JPEG) among those that there are."""
        return pa.concat_tables(self.parts(columns))

    def parts(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The same shard by shard: only one is in memory."""
        for shard in self._shards:
            yield self._store.rows(shard, list(columns))

    def records(self) -> Iterator[pa.RecordBatch]:
        """What filters may speak of, in the order of the images: path, label, said, probability,
        height, width, size."""
        for part in self.parts(LIGHT):
            best = [classes[0] if classes else None for classes in part["classes"].to_pylist()]
            sure = [
                chances[0] if chances else None for chances in part["probabilities"].to_pylist()
            ]
            columns = {name: part[name] for name in ("path", "label", "height", "width", "size")}
            columns["said"] = pa.array([self._named(one) for one in best], pa.string())
            columns["probability"] = pa.array(sure, pa.float32())
            yield from pa.table(columns).combine_chunks().to_batches()

    @cached_property
    def refused(self) -> tuple[Refused, ...]:
        """The files that could not be taken in."""
        parts = (
            self._store.rows(s, ["path", "reason"], good=False)
            for s, count in zip(self._shards, self._counts, strict=True)
            if count < len(s.files)
        )
        return tuple(Refused(**row) for part in parts for row in part.to_pylist())

    @cached_property
    def codes(self) -> Array:
        """(N, D) float16, in the file and not in memory."""
        return self._matrix("codes.npy")

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

    def said(self, row: int) -> str:
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
