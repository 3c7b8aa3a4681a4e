"""TODO."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from convscope import __version__
from convscope.collection import manifest
from convscope.collection.engines import engine, make
from convscope.collection.engines.engine import EngineName
from convscope.collection.extract import Settings
from convscope.collection.manifest import Manifest
from convscope.collection.reading import Index
from convscope.collection.store import Store
from convscope.errors import ConvscopeError
from convscope.network import PRE, Network, default_layers


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
        engine: engine.Engine,
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
        files = manifest.listing(self.folder, (self.output,), follow_links=self.follow)
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
            store.finish(plan, self.settings.top, _width(self.net, self.settings.embedding))
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
    batch_size: int | None = None,
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

    Of every image: its embedding, the likeliest classes, a thumbnail. Of every channel: the images that
    excite it most and least, and how its values are distributed. Nothing is read before the result
    is iterated over or asked for.

    What is not given is as in the index that is there already, or else as said here.

    Args:
        layers: of whose channels; by default the last layer at each resolution, before its
            activation, and the embedding.
        top: images kept at either end of a channel (9).
        batch_size: images that the network takes at once (16).
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
        ConvscopeError: a layer that does not exist or has neither maps nor a embedding, numbers out of
            bounds, an index of something else. Later also no image, no space left.
    """
    given: dict[str, Any] = {
        "layers": None if layers is None else tuple(dict.fromkeys(layers)),
        "threads": threads,
        "top": top,
        "batch_size": batch_size,
        "shard": shard,
        "thumbnail": thumbnail,
    }
    for name, low, high in (
        ("top", 1, 1000),
        ("batch_size", 1, 4096),
        ("threads", 1, 1024),
        ("shard", 1, 100_000),
        ("thumbnail", 8, 1024),
    ):
        if given[name] is not None and not low <= given[name] <= high:
            raise ConvscopeError(f"index: {name} is {low} to {high}, not {given[name]}")
    for name in given["layers"] or ():
        if len(net.shape(name)) not in (1, 3):
            raise ConvscopeError(f"layer {name!r} has neither maps nor a embedding")
    known = Store(Path(output)).identity()
    if known is None:
        usual = Settings(
            layers_to_index(net), default_layers.embedding(net), torch.get_num_threads()
        )
    else:
        usual = Settings.from_json(known["settings"])
    settings = replace(usual, **{name: value for name, value in given.items() if value is not None})
    made = make.make(engine, workers, actors, address, net.device.type)
    return Indexing(net, Path(folder), Path(output), settings, made, update, follow_links)


def layers_to_index(net: Network) -> tuple[str, ...]:
    """The last layer of each stage, and the embedding. Before the activation where there is one: after
    it, many images may tie for the first place, or for the last."""
    embedding = default_layers.embedding(net)
    stages = [layer.name + (PRE if layer.activation else "") for layer in net.stages]
    flat = [embedding] if len(net.shape(embedding)) in (1, 3) else []
    return tuple(dict.fromkeys([*stages, *flat]))


def _width(net: Network, embedding: str) -> int:
    """How many numbers a embedding has: of tokens, as many as one of them."""
    shape = net.shape(embedding)
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
