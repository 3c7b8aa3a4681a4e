"""Making an index: one pass of a network over the images of a folder."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from convscope import __version__
from convscope.collection import identity, manifest
from convscope.collection.choosing import choose_reader
from convscope.collection.engines.engine import Engine, EngineName, make_engine
from convscope.collection.inspecting import inspect, readable_now
from convscope.collection.manifest import Manifest, Shard
from convscope.collection.merging import merge
from convscope.collection.reading import Index
from convscope.collection.receipts import Receipt
from convscope.collection.settings import Settings
from convscope.collection.store import Store
from convscope.errors import ConvscopeError
from convscope.network import Network, ReaderName, default_layers
from convscope.notebook import in_notebook, show, show_error, show_line
from convscope.progress import bar

if TYPE_CHECKING:
    from convscope.progress import Console


class Progress(NamedTuple):
    """How many of the files are done, and the files of the index that were found damaged."""

    done: int
    total: int
    damaged: tuple[str, ...] = ()


class Indexing:
    """An index that is being made: iterate over it to follow the progress, or ask for the result.

    It may be interrupted or killed at any time: the same call then goes on, and ends in the same
    index. What is there already is checked and kept.
    """

    def __init__(
        self,
        net: Network,
        folder: Path,
        output: Path,
        settings: Settings,
        engine: Engine,
        update: bool,
        follow_links: bool,
        choose: bool,
    ) -> None:
        self.net, self.folder, self.output = net, Path(os.path.realpath(folder)), output
        self.settings, self.engine = settings, engine
        self.update, self.follow_links, self.choose = update, follow_links, choose
        self._index: Index | None = None

    def __iter__(self) -> Iterator[Progress]:
        store = Store(self.output)
        before = store.identity()
        if before is None and store.foreign():
            raise ConvscopeError(
                f"{self.output} is not an index, and not empty; give another output"
            )
        files = manifest.listing(self.folder, (self.output,), follow_links=self.follow_links)
        with store.writing():
            if before is None and self.choose:
                reader = choose_reader(self.net, self.settings, self.folder, files)
                self.settings = self.settings.changed(reader=reader)
            about, damaged = self._identify(store, before)
            plan, also = self._plan(store, about, files)
            run = identity.digest(about)
            found = inspect(store, about, plan, run)
            again = readable_now(store, found, self.folder)
            old = self._without_peaks(found.receipts)
            pending = [s for s in plan.shards if s not in found.receipts or s in (*again, *old)]
            if old:
                store.drop(())
            yield from self._work(store, plan, pending, run, (*damaged, *also, *found.damaged))
            if pending or not found.merged:
                width = _embedding_width(self.net, self.settings.embedding)
                merge(store, about, plan, self.settings.top, width)
        self._index = Index(self.output)

    def result(self, *, progress: bool = False) -> Index:
        """The index; does the rest of the work first.

        Args:
            progress: show a progress bar, on a terminal or below the cell of a notebook.
        """
        if self._index is None:
            for _ in with_bar(self, "index", shown=progress):
                pass
        assert self._index is not None
        return self._index

    def _ipython_display_(self) -> None:
        """Do the work with a progress bar below the cell of a notebook, and show the index."""
        if not in_notebook():
            raise NotImplementedError  # a terminal shows the repr
        try:
            show(self.result(progress=True))
        except KeyboardInterrupt:
            show_line(f"stopped; {self.output} keeps what is done, run the cell again to continue")
        except Exception:
            show_error()

    def _identify(
        self, store: Store, before: dict[str, Any] | None
    ) -> tuple[dict[str, Any], list[str]]:
        """Write what the index is of, or compare it with what is written; what was damaged."""
        now = identity.identity(self.net, self.folder, self.settings, self.follow_links)
        if before is None:
            source = dict(self.net.source) if self.net.source else None
            known = {"classes": identity.classes(self.net), "source": source}
            store.write_identity({**now, "convscope": __version__, **known})
            return store.identity() or {}, []
        identity.check_same(self.output, before, now)
        identity.check_labels(self.output, before["classes"], identity.classes(self.net))
        if store.own_identity() == before:
            return before, []
        store.write_identity(before)
        return before, [os.fspath(self.output / "index.json")]

    def _plan(
        self, store: Store, about: Mapping[str, Any], files: Sequence[manifest.File]
    ) -> tuple[Manifest, list[str]]:
        """The shards, as they were begun or with what has changed in the folder; what was damaged.

        Images that could not be looked at before are no change where that is possible now.
        """
        known = store.manifest()
        damaged = store.damaged_manifest(about)
        before = (known or Manifest(())).refreshed(files)
        changes = before.changes(files)
        if known is not None and changes and not self.update:
            raise ConvscopeError(
                f"{self.folder} has changed since {self.output} was begun ({changes}); update"
                " the index (--update, or update=True)"
            )
        plan = before.updated(files, self.settings.shard) if changes else before
        if known is not None and plan != known:
            store.drop(set(known.shards) - set(plan.shards))
        if plan != known or not store.is_settled(about):
            store.write_manifest(plan, about)
        return plan, damaged

    def _without_peaks(self, receipts: Mapping[Shard, Receipt]) -> list[Shard]:
        """The shards of an older index, which an update makes again to add their peaks."""
        if not self.update:
            return []
        return [shard for shard, receipt in receipts.items() if receipt.sha256.peaks is None]

    def _work(
        self, store: Store, plan: Manifest, pending: list[Shard], run: str, damaged: Sequence[str]
    ) -> Iterator[Progress]:
        """Do the shards that are missing or damaged."""
        total = sum(len(shard.files) for shard in plan.shards)
        done = total - sum(len(shard.files) for shard in pending)
        yield Progress(done, total, tuple(damaged))
        if not pending:
            return
        numbered = {shard.number: shard for shard in pending}
        for step in self.engine(self.net, self.settings, self.folder, pending):
            if step.answers is not None:
                store.write(numbered[step.shard], run, step.answers)
            done += step.files
            yield Progress(done, total, tuple(damaged))


def with_bar(
    indexing: Indexing, title: str, *, shown: bool = True, console: Console | None = None
) -> Iterator[Progress]:
    """Make an index with a progress bar, where somebody can see it.

    Args:
        indexing: what is made.
        title: what stands before the bar.
        shown: whether there is a bar at all.
        console: the terminal; that of stderr if not given.
    """
    begun, before = time.monotonic(), None
    with bar(title, shown=shown, console=console) as images:
        for progress in indexing:
            before = progress.done if before is None else before
            speed = (progress.done - before) / max(1e-3, time.monotonic() - begun)
            now = f"{speed:.0f} images/s" if speed else ""
            images.update(progress.done, progress.total, now)
            yield progress


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
    reader: ReaderName | None = None,
    update: bool = False,
    follow_links: bool = False,
    engine: EngineName = "plain",
    workers: int | None = None,
    actors: int | None = None,
    address: str | None = None,
) -> Indexing:
    """Collect what a network answers to all images in a folder and its subfolders, in one pass.

    The index holds the embedding, the likeliest classes and a thumbnail of each image, and the
    images with the extreme values and the distribution of all values of each channel. The work is
    done when the result is iterated over or asked for. Options that are not given are those of the
    index that is already there, or else the defaults below.

    Args:
        layers: layers whose channels are collected; by default the last layer at each resolution,
            before its activation, and the embedding.
        top: number of images kept at either end of each channel; 9 by default.
        batch_size: number of images the network takes at once; 16 by default.
        threads: number of threads the network runs in; torch's own number by default.
        shard: number of files in a shard, the most that a crash loses; 512 by default.
        thumbnail: longer side of the thumbnails in pixels; 96 by default.
        reader: "torch", "fused" (torch's fused convolutions) or "openvino". By default OpenVINO
            where it is installed, gives the same values for the first images and takes less time,
            for collections of 256 or more; else fused convolutions for 192 or more.
        update: take in new and changed files, leave out those that are gone, and add what an index
            of an earlier version does not have.
        follow_links: follow links that lead out of the folder, and enter links to folders.
        engine: "plain" works in this process, "ray" on Ray Data.
        workers: number of processes that decode images; by default one for every two processors, up
            to eight. With Ray, the number for each actor; none by default.
        actors: number of Ray actors; by default as many as the cluster has room for.
        address: address of a Ray cluster; by default one is started on this machine.

    Raises:
        ConvscopeError: a layer does not exist or has neither maps nor an embedding, a number is out
            of bounds, or the output holds another index. Raised later: no image, no space left.
    """
    settings = _settings(net, Path(output)).changed(
        layers=_with_channels(net, layers or ()) or None,
        top=top,
        batch_size=batch_size,
        threads=threads,
        shard=shard,
        thumbnail=thumbnail,
        reader=reader,
    )
    made = make_engine(engine, workers, actors, address, net.device.type)
    choose = reader is None
    return Indexing(net, Path(folder), Path(output), settings, made, update, follow_links, choose)


def _settings(net: Network, output: Path) -> Settings:
    """The settings of the index that is already there, or else the defaults for a network."""
    known = Store(output).identity()
    if known is not None:
        return Settings.from_json(known["settings"])
    return Settings(layers_to_index(net), default_layers.embedding(net), torch.get_num_threads())


def _with_channels(net: Network, layers: Sequence[str]) -> tuple[str, ...]:
    """The layers, each once, if all of them have maps or an embedding."""
    for name in layers:
        net.channel_shape(name)  # refuses what cannot be read channel by channel
    return tuple(dict.fromkeys(layers))


def layers_to_index(net: Network) -> tuple[str, ...]:
    """The last layer of each stage, before its activation, and the embedding.

    After an activation, many images may tie for the first or the last place.
    """
    embedding = default_layers.embedding(net)
    stages = [default_layers.before_activation(layer) for layer in net.stages]
    return tuple(dict.fromkeys([*stages, embedding]))


def _embedding_width(net: Network, layer: str) -> int:
    """How many numbers an embedding has: as many as the layer has channels."""
    return net.channel_shape(layer)[0]
