"""The files of an index: shards with receipts, and what is merged from all of them.

INDEX/index.json                       what it is an index of
INDEX/manifest.parquet                 all files and their shards
INDEX/manifest.json                    the receipt of the manifest, with a copy of index.json
INDEX/shards/000000-images.parquet     a row for each file of a shard
INDEX/shards/000000-channels.parquet   a row for each channel, over the images of the shard
INDEX/shards/000000-peaks.parquet      a row for each channel: its peak in each image of the shard
INDEX/shards/000000.json               the receipt of the shard, written last
INDEX/images.parquet                   a row for each file, with the small columns
INDEX/channels.parquet                 a row for each channel, over all images
INDEX/embeddings.npy, pixels.npy       matrices with a row for each image
INDEX/peaks.npy, places.npy            matrices with a row for each channel, a column for each image
INDEX/done.json                        the receipt of all of it, written last of all

A receipt has the checksums of other files, and every JSON file has its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from convscope.collection import image_table, manifest
from convscope.collection.extract import Answers
from convscope.collection.manifest import Manifest, Shard
from convscope.collection.names import in_json, named, stored
from convscope.collection.receipts import (
    MERGED,
    PEAKS,
    Done,
    Planned,
    Receipt,
    Sums,
    as_receipt,
    is_identity,
)
from convscope.collection.sealed import (
    read_sealed,
    read_unsealed,
    read_with_seal,
    seal,
    write_sealed,
)
from convscope.collection.tables import read_table
from convscope.errors import ConvscopeError, reason
from convscope.files import LOCK, TEMPORARY, anything, digest, locked, write_file

FORMAT = 3

_DENSE = (*image_table.HEAVY, "peak")  # columns that cannot be packed

_OF_A_SHARD = re.compile(r"(\d{6,})(\.json|-(images|channels|peaks)\.parquet)")


class Store:
    """The files of one index; nothing is read or written before a method is called."""

    def __init__(self, path: Path) -> None:
        self.path = path

    # -------------------------------------------------------------------------- identity

    def identity(self) -> dict[str, Any] | None:
        """What it is an index of; None if there is no index yet.

        Where index.json is damaged, or is that of another index, its copy in manifest.json counts.

        Raises:
            ConvscopeError: both are damaged, or it is an index of another version.
        """
        own, copy = self.own_identity(), self._copied_identity()
        if own is not None and copy is not None and own != copy:
            done = self.done()
            sums = {self.seal(one): one for one in (own, copy)}
            own = copy = None if done is None else sums.get(done.index)
        found = own or copy
        if found is None:
            self._explain()
        return found

    def own_identity(self) -> dict[str, Any] | None:
        """What index.json holds; None if there is none, or it is damaged."""
        return _identity(read_sealed(self.path / "index.json"))

    def finished(self) -> tuple[dict[str, Any], Done] | None:
        """What a finished index is of, and the receipt of what is merged.

        None unless index.json and done.json are as they were written and belong together.
        """
        found, done = read_with_seal(self.path / "index.json"), self.done()
        if found is None or done is None or done.index != found[1]:
            return None
        identity = _identity(found[0])
        return None if identity is None else (identity, done)

    def _copied_identity(self) -> dict[str, Any] | None:
        planned = self.planned()
        return None if planned is None else _identity(planned.index)

    def _explain(self) -> None:
        """Fail if there are files of an index, but not what it is an index of."""
        file = self.path / "index.json"
        if not file.exists() and not (self.path / "manifest.json").exists():
            return
        version = read_unsealed(file).get("format")
        if isinstance(version, int) and version != FORMAT:
            raise ConvscopeError(
                f"{self.path} was written by another version of convscope (format"
                f" {version:.12g}, not {FORMAT}); make a new index elsewhere"
            )
        raise ConvscopeError(f"{file} is damaged; delete {self.path} and make the index again")

    def write_identity(self, values: Mapping[str, object]) -> None:
        write_sealed(self.path / "index.json", in_json({"format": FORMAT, **values}, stored))

    def seal(self, identity: Mapping[str, Any]) -> str:
        """The checksum of what index.json holds."""
        return seal(in_json(identity, stored))

    def foreign(self) -> bool:
        """Whether anything lies here that does not belong to an index that was just begun."""
        if not self.path.exists():
            return False
        if not self.path.is_dir():
            return True
        return any(
            not (path.name in (LOCK, "shards") or path.name.startswith(TEMPORARY))
            for path in (*self.path.iterdir(), *self.path.glob("shards/*"))
        )

    # -------------------------------------------------------------------------- manifest

    def planned(self) -> Planned | None:
        """The receipt of the manifest; None if there is none, or it is damaged."""
        return as_receipt(Planned, read_sealed(self.path / "manifest.json"))

    def manifest(self) -> Manifest | None:
        """The files and their shards; None if they are not written yet, or damaged."""
        file, planned, done = self.path / "manifest.parquet", self.planned(), self.done()
        known = [*(planned.sha256 if planned else ()), *([done.manifest] if done else ())]
        if self._digest(file) not in known:
            return None
        try:
            return Manifest.from_table(read_table(file, manifest.SCHEMA))
        except ValueError:
            return None

    def write_manifest(self, plan: Manifest, identity: Mapping[str, Any]) -> None:
        """Write the manifest and its receipt, so that the two fit at any time."""
        file, table = self.path / "manifest.parquet", plan.to_table()
        index = in_json(identity, stored)
        receipt, before = self.path / "manifest.json", self._digest(file)

        def receive(temporary: Path) -> None:
            write_parquet([table], table.schema, temporary)
            sums = [digest(temporary), *([before] if before else [])]
            write_sealed(receipt, {"index": index, "sha256": sums})

        write_file(file, receive, ours=anything)
        write_sealed(receipt, {"index": index, "sha256": [digest(file)]})

    def is_settled(self, identity: Mapping[str, Any]) -> bool:
        """Whether the receipt of the manifest is that of this very manifest and no other."""
        found = self.planned()
        sums = [self._digest(self.path / "manifest.parquet")]
        return (
            found is not None and found.index == in_json(identity, stored) and found.sha256 == sums
        )

    def damaged_manifest(self, identity: Mapping[str, Any]) -> list[str]:
        """The manifest or its receipt, if it was there and is not as it was written."""
        file, receipt = self.path / "manifest.parquet", self.path / "manifest.json"
        if self.manifest() is None:
            return [os.fspath(file)] if file.exists() or self.done() is not None else []
        found = self.planned()
        fits = (
            found is not None
            and found.index == in_json(identity, stored)
            and self._digest(file) in found.sha256
        )
        return [] if fits else [os.fspath(receipt)]

    # ---------------------------------------------------------------------------- shards

    def part(self, shard: int, table: str) -> Path:
        """The file of a table of a shard."""
        return self.path / "shards" / f"{shard:06}-{table}.parquet"

    def receipt_file(self, shard: int) -> Path:
        return self.path / "shards" / f"{shard:06}.json"

    def receipt(self, shard: Shard, run: str) -> Receipt | None:
        """The receipt of a shard; None if there is none, or it is damaged or of another shard."""
        found = as_receipt(Receipt, read_sealed(self.receipt_file(shard.number)))
        if found is None or found.key != shard.key(run):
            return None
        return found if found.images + found.unreadable == len(shard.files) else None

    def is_whole(self, shard: Shard, receipt: Receipt) -> bool:
        """Whether the tables of a shard are as they were written."""
        sums = receipt.sha256.tables().items()
        whole = all(self._digest(self.part(shard.number, table)) == sha for table, sha in sums)
        return whole and self._count(shard) == receipt.images

    def _count(self, shard: Shard) -> int | None:
        try:
            return len(self.rows(shard.number, len(shard.files), ["path"]))
        except ValueError:
            return None

    def write(self, shard: Shard, run: str, answers: Answers) -> None:
        """Write the answers to a shard: all of them, or none.

        Raises:
            ConvscopeError: they cannot be written.
        """
        _delete(self.receipt_file(shard.number))
        sums = {}
        for table, values in vars(answers).items():
            file = self.part(shard.number, table)
            write_file(file, partial(write_parquet, [values], values.schema), ours=anything)
            sums[table] = digest(file)
        unreadable = len(answers.images) - answers.images["reason"].null_count
        readable = len(answers.images) - unreadable
        receipt = Receipt(
            key=shard.key(run), images=readable, unreadable=unreadable, sha256=Sums(**sums)
        )
        write_sealed(self.receipt_file(shard.number), receipt.model_dump())

    def rows(
        self, shard: int, count: int | None, columns: list[str], readable: bool = True
    ) -> pa.Table:
        """Some columns of a shard's images: of those that could be read, or of the others.

        Raises:
            ValueError: the shard has another number of files than `count`, or is damaged.
        """
        needed = list(dict.fromkeys([*columns, "reason"]))
        found = read_table(self.part(shard, "images"), image_table.SCHEMA, needed, count)
        wanted = found["reason"].is_null() if readable else found["reason"].is_valid()
        return found.filter(wanted).select(columns)

    def forget(self, name: str) -> None:
        """Delete a merged file that the index no longer has."""
        _delete(self.path / name)

    def drop(self, shards: Collection[Shard]) -> None:
        """Forget the answers to some shards, and with them that the index was finished."""
        _delete(self.path / "done.json")
        for shard in shards:
            _delete(self.receipt_file(shard.number))

    def delete_others(self, plan: Manifest) -> None:
        """Delete the files of shards that are no longer in the manifest."""
        kept = {f"{shard.number:06}" for shard in plan.shards}
        for file in (self.path / "shards").iterdir():
            ours = _OF_A_SHARD.fullmatch(file.name)
            if ours and ours[1] not in kept:
                _delete(file)

    # ---------------------------------------------------------------------------- merged

    def done(self) -> Done | None:
        """The receipt of what is merged; None if the index is not finished, or it is damaged."""
        return as_receipt(Done, read_sealed(self.path / "done.json"))

    def write_done(self, values: Mapping[str, object]) -> None:
        """Write the receipt of what is merged, with the checksums of the merged files."""
        names = [name for name in (*MERGED, *PEAKS) if (self.path / name).exists()]
        sums = {name: digest(self.path / name) for name in names}
        sizes = {name: (self.path / name).stat().st_size for name in names}
        found = Done.model_validate({**values, "sha256": sums, "sizes": sizes})
        write_sealed(self.path / "done.json", found.model_dump())

    def matches(self, name: str, sha256: str) -> bool:
        """Whether a file has this checksum."""
        return self._digest(self.path / name) == sha256

    # --------------------------------------------------------------------------- writing

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only process that writes here, and first delete what a crash has left.

        Raises:
            ConvscopeError: another process is writing, or the folder cannot be written.
        """
        shards = self.path / "shards"
        with locked(self.path):
            if shards.is_symlink() or (shards.exists() and not shards.is_dir()):
                raise ConvscopeError(f"{shards} is not a folder of its own; delete it")
            shards.mkdir(exist_ok=True)
            for folder in (self.path, shards):
                for file in folder.glob(f"{TEMPORARY}*"):
                    file.unlink()
            yield

    def write_table(self, name: str, table: pa.Table) -> None:
        write_file(self.path / name, partial(write_parquet, [table], table.schema), ours=anything)

    def _digest(self, file: Path) -> str | None:
        """The checksum of a file; None if there is no such file."""
        try:
            return digest(file) if file.is_file() else None
        except ConvscopeError:
            return None


def _identity(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What an index is of, if values say it in the format of today."""
    if values is None or values.get("format") != FORMAT or not is_identity(values):
        return None
    found: dict[str, Any] = in_json(values, named)
    return found


def _delete(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise ConvscopeError(f"cannot delete {file} ({reason(error)})") from error


def write_parquet(tables: Iterable[pa.Table], schema: pa.Schema, file: Path) -> None:
    """Write tables of one schema to a file, one after another."""
    try:
        packed = {n: "none" if n in _DENSE else "zstd" for n in schema.names}
        repetitive = [name for name in schema.names if name not in _DENSE]
        with pq.ParquetWriter(
            file, schema, compression=packed, use_dictionary=repetitive
        ) as writer:
            for table in tables:
                writer.write_table(table)
    except pa.ArrowException as error:
        raise OSError(str(error)) from error
