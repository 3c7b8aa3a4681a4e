"""Merging the shards of an index: the channels over all images, and matrices to search."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from convscope.collection import channel_table, channels
from convscope.collection.channels import Channels
from convscope.collection.decoding import PIXELS
from convscope.collection.manifest import Manifest, Shard
from convscope.collection.store import MERGED, Store
from convscope.files import anything, digest, write_file


def merge(store: Store, manifest: Manifest, top: int, width: int) -> None:
    """Merge all shards, with one of them in memory at a time, unless that is done already.

    Args:
        store: the files of the index; all shards of the manifest are done.
        manifest: the shards.
        top: number of images kept at either end of a channel.
        width: numbers in an embedding.
    """
    receipts = [store.receipt(shard) or {} for shard in manifest.shards]
    parts = hashlib.sha256(json.dumps(receipts, sort_keys=True).encode()).hexdigest()
    done = store.done()
    if done and done["parts"] == parts and store.damaged(done) is None:
        return
    (store.path / "done.json").unlink(missing_ok=True)
    store.delete_others(manifest)
    counts = [receipt["images"] for receipt in receipts]
    found = channels.merged(_numbered(store, manifest, counts), top)
    store.write_table("channels.parquet", channel_table.to_table(found))
    for name, column, across, kind in (
        ("embeddings.npy", "embedding", width, np.float16),
        ("pixels.npy", "pixels", 3 * PIXELS**2, np.uint8),
    ):
        shape = sum(counts), across
        write_file(
            store.path / name,
            partial(_write_matrix, store, manifest, column, shape, kind),
            ours=anything,
        )
    sums = {name: digest(store.path / name) for name in MERGED}
    sizes = {name: (store.path / name).stat().st_size for name in MERGED}
    store.write_json(
        "done.json", {"parts": parts, "images": counts, "sha256": sums, "sizes": sizes}
    )


def _numbered(store: Store, manifest: Manifest, counts: list[int]) -> Iterator[dict[str, Channels]]:
    """The channels of each shard, with its images numbered after those of the shards before."""
    before = 0
    for shard, count in zip(manifest.shards, counts, strict=True):
        found = channel_table.from_table(pq.read_table(store.part(shard, "channels")))
        yield {layer: one.moved(before) for layer, one in found.items()}
        before += count


def _write_matrix(
    store: Store, manifest: Manifest, column: str, shape: tuple[int, int], kind: Any, file: Path
) -> None:
    """Write a column of all images as a .npy file."""
    with file.open("wb") as opened:
        header = {"descr": np.dtype(kind).str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(opened, header)
        for shard in manifest.shards:
            _copy(store, shard, column, opened)


def _copy(store: Store, shard: Shard, column: str, file: IO[bytes]) -> None:
    values = store.rows(shard, [column])[column].combine_chunks()
    if pa.types.is_fixed_size_binary(values.type):
        file.write(b"".join(values.to_pylist()))
    else:
        file.write(values.flatten().to_numpy(zero_copy_only=False).tobytes())
