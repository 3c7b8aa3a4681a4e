"""The files of an index: shards with receipts, and what is merged from all of them.

INDEX/index.json                       what it is an index of
INDEX/manifest.parquet                 all files and their shards
INDEX/shards/000000-images.parquet     a row for each file of a shard
INDEX/shards/000000-channels.parquet   a row for each channel, over the images of the shard
INDEX/shards/000000.json               the receipt of the shard, written last
INDEX/channels.parquet                 a row for each channel, over all images
INDEX/embeddings.npy, pixels.npy       matrices with a row for each image
INDEX/done.json                        the receipt of what is merged, written last of all
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from convscope.collection.extract import Answers
from convscope.collection.manifest import Manifest, Shard
from convscope.errors import ConvscopeError
from convscope.files import (
    LOCK,
    TEMPORARY,
    anything,
    digest,
    locked,
    read_json,
    write_file,
    write_json,
)

FORMAT = 2

TABLES = ("images", "channels")

# Columns that do not get smaller by compression.
INCOMPRESSIBLE = ("embedding", "thumbnail", "pixels")

MERGED = ("channels.parquet", "embeddings.npy", "pixels.npy")


class Store:
    """The files of one index; nothing is read or written before a method is called."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def identity(self) -> dict[str, Any] | None:
        """What it is an index of; None if there is no index yet.

        Raises:
            ConvscopeError: it is damaged, or of another version.
        """
        file = self.path / "index.json"
        if not file.exists():
            return None
        found = read_json(file)
        if found is None:
            raise _beyond_repair(file, self.path)
        if found.get("format") != FORMAT:
            raise ConvscopeError(
                f"{self.path} was written by another version of convscope (format"
                f" {found.get('format')}, not {FORMAT}); make a new index elsewhere"
            )
        return found

    def write_identity(self, values: Mapping[str, object]) -> None:
        self.write_json("index.json", {"format": FORMAT, **values})

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

    def manifest(self) -> Manifest | None:
        """The files and their shards; None if they are not written yet.

        Raises:
            ConvscopeError: the manifest is damaged.
        """
        file = self.path / "manifest.parquet"
        try:
            return Manifest.from_table(pq.read_table(file)) if file.exists() else None
        except (pa.ArrowException, OSError, KeyError, TypeError) as error:
            raise _beyond_repair(file, self.path) from error

    def write_manifest(self, manifest: Manifest) -> None:
        self.write_table("manifest.parquet", manifest.to_table())

    # ---------------------------------------------------------------------------- shards

    def part(self, shard: Shard, table: str) -> Path:
        """The file of a table of a shard."""
        return self.path / "shards" / f"{shard.number:06}-{table}.parquet"

    def receipt(self, shard: Shard) -> dict[str, Any] | None:
        return read_json(self._receipt(shard))

    def _receipt(self, shard: Shard) -> Path:
        return self.path / "shards" / f"{shard.number:06}.json"

    def state(self, shard: Shard, run: str) -> str:
        """Whether a shard is "done", "missing" (or of other files or another run) or "damaged"."""
        receipt = self.receipt(shard)
        if receipt is None:
            return "damaged" if self._receipt(shard).exists() else "missing"
        if receipt.get("key") != shard.key(run):
            return "missing"
        for table in TABLES:
            file = self.part(shard, table)
            if not file.is_file() or digest(file) != receipt["sha256"][table]:
                return "damaged"
        return "done"

    def write(self, shard: Shard, run: str, answers: Answers) -> None:
        """Write the answers to a shard: all of them, or none.

        Raises:
            ConvscopeError: they cannot be written.
        """
        self._receipt(shard).unlink(missing_ok=True)
        tables = {"images": answers.images, "channels": answers.channels}
        sums = {}
        for table, values in tables.items():
            file = self.part(shard, table)
            write_file(file, partial(_write_parquet, values), ours=anything)
            sums[table] = digest(file)
        unreadable = len(answers.images) - answers.images["reason"].null_count
        readable = len(answers.images) - unreadable
        self.write_json(
            f"shards/{shard.number:06}.json",
            {"key": shard.key(run), "images": readable, "unreadable": unreadable, "sha256": sums},
        )

    def rows(self, shard: Shard, columns: list[str], readable: bool = True) -> pa.Table:
        """Some columns of a shard's images: of those that could be read, or of the others."""
        needed = list(dict.fromkeys([*columns, "reason"]))
        found = pq.read_table(self.part(shard, "images"), columns=needed)
        wanted = found["reason"].is_null() if readable else found["reason"].is_valid()
        return found.filter(wanted).select(columns)

    def delete_others(self, manifest: Manifest) -> None:
        """Delete the files of shards that are no longer in the manifest."""
        kept = {f"{shard.number:06}" for shard in manifest.shards}
        for file in (self.path / "shards").iterdir():
            if file.name[:6] not in kept:
                file.unlink()

    # ---------------------------------------------------------------------------- merged

    def done(self) -> dict[str, Any] | None:
        """The receipt of what is merged; None if the index is not finished."""
        return read_json(self.path / "done.json")

    def damaged(self, done: Mapping[str, Any], thorough: bool = True) -> str | None:
        """The first of the merged files that is not as it was written.

        Args:
            done: the receipt.
            thorough: compare the content as well as the size.
        """
        for name in MERGED:
            file = self.path / name
            if not file.is_file() or file.stat().st_size != done["sizes"][name]:
                return name
            if thorough and digest(file) != done["sha256"][name]:
                return name
        return None

    # --------------------------------------------------------------------------- writing

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only process that writes here, and first delete what a crash has left.

        Raises:
            ConvscopeError: another process is writing, or the folder cannot be written.
        """
        shards = self.path / "shards"
        with locked(self.path):
            shards.mkdir(exist_ok=True)
            for folder in (self.path, shards):
                for file in folder.glob(f"{TEMPORARY}*"):
                    file.unlink()
            yield

    def write_json(self, name: str, values: Mapping[str, object]) -> None:
        write_json(self.path / name, values, ours=anything)

    def write_table(self, name: str, table: pa.Table) -> None:
        write_file(self.path / name, partial(_write_parquet, table), ours=anything)


def _beyond_repair(file: Path, index: Path) -> ConvscopeError:
    return ConvscopeError(f"{file} is damaged; delete {index} and make the index again")


def _write_parquet(table: pa.Table, file: Path) -> None:
    try:
        packed = {name: "none" if name in INCOMPRESSIBLE else "zstd" for name in table.column_names}
        repetitive = [name for name in table.column_names if name not in INCOMPRESSIBLE]
        pq.write_table(table, file, compression=packed or "none", use_dictionary=repetitive)
    except pa.ArrowException as error:
        raise OSError(str(error)) from error
