"""Merging the shards of an index: the channels over all images, and matrices to search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from convscope.collection import channel_table, channels, identity, image_table, peaks
from convscope.collection.channels import Channels
from convscope.collection.decoding import PIXELS
from convscope.collection.inspecting import parts
from convscope.collection.manifest import Manifest, Shard
from convscope.collection.receipts import Receipt
from convscope.collection.store import Store, write_parquet
from convscope.collection.tables import read_table
from convscope.errors import ConvscopeError
from convscope.files import anything, write_file


def merge(store: Store, about: Mapping[str, Any], plan: Manifest, top: int, width: int) -> None:
    """Merge all shards, with one of them in memory at a time.

    Args:
        store: the files of the index; all shards of the manifest are done.
        about: what it is an index of.
        plan: the shards.
        top: number of images kept at either end of a channel.
        width: numbers in an embedding.

    Raises:
        ConvscopeError: a shard was damaged meanwhile, or the files cannot be written.
    """
    run = identity.digest(about)
    receipts = {shard: store.receipt(shard, run) for shard in plan.shards}
    whole = {shard: receipt for shard, receipt in receipts.items() if receipt is not None}
    store.drop(())
    store.delete_others(plan)
    try:
        values = parts(store, about, plan, whole)
        _merge(store, plan, values["images"], top, width)
        _merge_peaks(store, plan, values["images"], whole)
    except (ValueError, KeyError) as error:
        raise ConvscopeError(
            f"{store.path} was damaged while it was merged; run the same command again"
        ) from error
    store.write_done(values)


def _merge(store: Store, plan: Manifest, counts: list[int], top: int, width: int) -> None:
    def write_light(file: Path) -> None:
        write_parquet(_light(store, plan), image_table.LIGHT, file)

    write_file(store.path / "images.parquet", write_light, ours=anything)
    found = channels.merged(_numbered(store, plan, counts), top)
    store.write_table("channels.parquet", channel_table.to_table(found))
    for name, column, across, kind in (
        ("embeddings.npy", "embedding", width, np.float16),
        ("pixels.npy", "pixels", 3 * PIXELS**2, np.uint8),
    ):
        shape = sum(counts), across
        write = partial(_write_matrix, store, plan, column, shape, kind)
        write_file(store.path / name, write, ours=anything)


def _merge_peaks(
    store: Store, plan: Manifest, counts: list[int], receipts: Mapping[Shard, Receipt]
) -> None:
    """Merge the peaks if all shards have them: those of an older index do not."""
    known = all(receipts[shard].sha256.peaks for shard in plan.shards)
    parts = [store.part(shard.number, "peaks") for shard in plan.shards]
    for name in peaks.FILES:
        if known:
            write = partial(peaks.merge, parts, counts, name)
            write_file(store.path / name, write, ours=anything)
        else:
            store.forget(name)


def _light(store: Store, plan: Manifest) -> Iterator[pa.Table]:
    """The small columns of each shard, also of files that could not be read."""
    for shard in plan.shards:
        file, names = store.part(shard.number, "images"), image_table.LIGHT.names
        yield read_table(file, image_table.SCHEMA, names, len(shard.files))


def _numbered(store: Store, plan: Manifest, counts: list[int]) -> Iterator[dict[str, Channels]]:
    """The channels of each shard, with its images numbered after those of the shards before."""
    before = 0
    for shard, count in zip(plan.shards, counts, strict=True):
        table = read_table(store.part(shard.number, "channels"), channel_table.SCHEMA)
        found = channel_table.from_table(table)
        yield {layer: one.moved(before) for layer, one in found.items()}
        before += count


def _write_matrix(
    store: Store, plan: Manifest, column: str, shape: tuple[int, int], kind: Any, file: Path
) -> None:
    """Write a column of all images as a .npy file."""
    with file.open("wb") as opened:
        header = {"descr": np.dtype(kind).str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(opened, header)
        begin = opened.tell()
        for shard in plan.shards:
            _copy(store, shard, column, opened)
        if opened.tell() - begin != shape[0] * shape[1] * np.dtype(kind).itemsize:
            raise ValueError("several widths")


def _copy(store: Store, shard: Shard, column: str, file: IO[bytes]) -> None:
    rows = store.rows(shard.number, len(shard.files), [column])
    values = rows[column].combine_chunks()
    if pa.types.is_fixed_size_binary(values.type):
        file.write(b"".join(values.to_pylist()))
    else:
        file.write(values.flatten().to_numpy(zero_copy_only=False).tobytes())
