"""What of an index is as it was written, and what has to be made again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convscope.collection import identity
from convscope.collection.manifest import Manifest, Shard
from convscope.collection.names import named
from convscope.collection.receipts import Receipt
from convscope.collection.sealed import seal
from convscope.collection.store import Store
from convscope.errors import ConvscopeError
from convscope.files import digest


@dataclass(frozen=True)
class Found:
    """What was found of an index.

    Args:
        receipts: the shards that are as they were written, each with its receipt.
        damaged: names of files that are not.
        merged: whether what is merged from the shards is as it was written.
    """

    receipts: Mapping[Shard, Receipt]
    damaged: tuple[str, ...]
    merged: bool


def inspect(store: Store, about: Mapping[str, Any], plan: Manifest, run: str) -> Found:
    """Compare all files with their checksums.

    Args:
        store: the files.
        about: what it is an index of.
        plan: its shards.
        run: the digest of the run.
    """
    receipts: dict[Shard, Receipt] = {}
    damaged: list[str] = []
    done, done_file = store.done(), store.path / "done.json"
    for shard in plan.shards:
        receipt = store.receipt(shard, run)
        if receipt is not None and store.is_whole(shard, receipt):
            receipts[shard] = receipt
        elif done is not None or store.receipt_file(shard.number).exists():
            damaged.append(os.fspath(store.part(shard.number, "*")))
    if done is None:
        damaged += [os.fspath(done_file)] if done_file.exists() else []
        return Found(receipts, tuple(damaged), merged=False)
    bad = [store.path / name for name, sum_ in done.sha256.items() if not store.matches(name, sum_)]
    if len(receipts) == len(plan.shards):
        expected = parts(store, about, plan, receipts)
        if expected != done.model_dump(include=set(expected)):
            bad.append(done_file)
    return Found(receipts, (*damaged, *map(os.fspath, bad)), merged=not (damaged or bad))


def parts(
    store: Store, about: Mapping[str, Any], plan: Manifest, receipts: Mapping[Shard, Receipt]
) -> dict[str, Any]:
    """What done.json says of everything that is not merged."""
    ordered = [receipts[shard] for shard in plan.shards]
    return {
        "index": store.seal(about),
        "manifest": digest(store.path / "manifest.parquet"),
        "parts": seal({"receipts": [receipt.model_dump(exclude_none=True) for receipt in ordered]}),
        "shards": [shard.number for shard in plan.shards],
        "images": [receipt.images for receipt in ordered],
        "tables": [receipt.sha256.images for receipt in ordered],
    }


def readable_now(store: Store, found: Found, folder: Path) -> list[Shard]:
    """The shards with images that could not be read when their turn came, and can be read now.

    Beside an image whose content cannot be read is its checksum; such an image is not tried again.
    """
    return [
        shard
        for shard, receipt in found.receipts.items()
        if receipt.unreadable and any(map(_is_readable, _missed(store, shard, folder)))
    ]


def _missed(store: Store, shard: Shard, folder: Path) -> Iterator[Path]:
    """The files of a shard whose content was not there to be read."""
    known_as_bad = {file.path for file in shard.files if file.reason}
    missed = store.rows(shard.number, len(shard.files), ["path", "sha256"], readable=False)
    for row in missed.filter(missed["sha256"].is_null()).to_pylist():
        path = named(row["path"])
        if path not in known_as_bad:
            yield folder / path


def _is_readable(path: Path) -> bool:
    try:
        digest(path)
    except ConvscopeError:
        return False
    return True


def damage(store: Store, about: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the files of a finished index that are not as they were written."""
    plan, manifest = store.manifest(), store.damaged_manifest(about)
    found = () if plan is None else inspect(store, about, plan, identity.digest(about)).damaged
    return (*manifest, *found)
