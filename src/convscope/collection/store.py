"""An index on disk: shards with receipts, and what is brought together from all of them.

INDEX/index.json                   what it is an index of
INDEX/manifest.parquet             all files and their shards
INDEX/shards/000000-images.parquet     a row a file
INDEX/shards/000000-channels.parquet   a row a channel, of these images alone
INDEX/shards/000000.json               the receipt, written last
INDEX/channels.parquet             a row a channel, of all images
INDEX/embeddings.npy, pixels.npy        what neighbors are looked for in
INDEX/done.json                    written last of all
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from convscope.collection import channels
from convscope.collection.channels import Channels
from convscope.collection.decoding import PIXELS
from convscope.collection.extract import Answers
from convscope.collection.manifest import Manifest, Shard
from convscope.errors import ConvscopeError
from convscope.files import TEMPORARY, digest, read_json, write_file, write_json

FORMAT = 1


TABLES = ("images", "channels")


PLAIN = ("embedding", "thumbnail", "pixels")


DERIVED = ("channels.parquet", "embeddings.npy", "pixels.npy")

_held: set[Path] = set()


class Store:
    """The files of one index; nothing is read or written before it is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    # --------------------------------------------------------------------- what it is of

    def identity(self) -> dict[str, Any] | None:
        """What it is an index of; None where there is none yet.

        Raises:
            ConvscopeError: it is damaged, or of another version.
        """
        file = self.path / "index.json"
        if not file.exists():
            return None
        found = read_json(file)
        if found is None:
            raise ConvscopeError(f"{file} is damaged; delete {self.path} and make it anew")
        if found.get("format") != FORMAT:
            raise ConvscopeError(
                f"{self.path} was written by another version of convscope (format"
                f" {found.get('format')}, here {FORMAT}); make it anew, elsewhere"
            )
        return found

    def foreign(self) -> bool:
        """Whether anything lies here that is not of an index that has just been begun."""
        if not self.path.exists():
            return False
        if not self.path.is_dir():
            return True
        return any(
            not (path.name in ("lock", "shards") or path.name.startswith(TEMPORARY))
            for path in (*self.path.iterdir(), *self.path.glob("shards/*"))
        )

    def write_identity(self, values: Mapping[str, object]) -> None:
        self._write_json("index.json", {"format": FORMAT, **values})

    def manifest(self) -> Manifest | None:
        file = self.path / "manifest.parquet"
        try:
            return Manifest.from_table(pq.read_table(file)) if file.exists() else None
        except (pa.ArrowException, OSError, KeyError, TypeError) as error:
            raise ConvscopeError(
                f"{file} is damaged; delete {self.path} and make it anew"
            ) from error

    def write_manifest(self, manifest: Manifest) -> None:
        self._write_table("manifest.parquet", manifest.to_table())

    # ---------------------------------------------------------------------------- shards

    def part(self, shard: Shard, table: str) -> Path:
        """Where a table of a shard lies."""
        return self.path / "shards" / f"{shard.number:06}-{table}.parquet"

    def receipt(self, shard: Shard) -> dict[str, Any] | None:
        return read_json(self._receipt(shard))

    def _receipt(self, shard: Shard) -> Path:
        return self.path / "shards" / f"{shard.number:06}.json"

    def state(self, shard: Shard, run: str) -> str:
        """Whether a shard is "done", "missing" (or of other files), or "damaged"."""
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
        """Keep the answers to a shard: whole, or not at all.

        Raises:
            ConvscopeError: no space is left, say.
        """
        self._receipt(shard).unlink(missing_ok=True)
        tables = {"images": answers.images, "channels": answers.channels}
        sums = {}
        for table, values in tables.items():
            file = self.part(shard, table)
            write_file(file, partial(_write_parquet, values))
            sums[table] = digest(file)
        unreadable = len(answers.images) - answers.images["reason"].null_count
        good = len(answers.images) - unreadable
        self._write_json(
            f"shards/{shard.number:06}.json",
            {"key": shard.key(run), "images": good, "unreadable": unreadable, "sha256": sums},
        )

    # ---------------------------------------------------------------------- all together

    def done(self) -> dict[str, Any] | None:
        return read_json(self.path / "done.json")

    def finish(self, manifest: Manifest, top: int, width: int) -> None:
        """Bring all shards together, one in memory at a time, unless that was done already."""
        receipts = [self.receipt(shard) or {} for shard in manifest.shards]
        parts = hashlib.sha256(json.dumps(receipts, sort_keys=True).encode()).hexdigest()
        done = self.done()
        if done and done["parts"] == parts and self.damage(done) is None:
            return
        (self.path / "done.json").unlink(missing_ok=True)
        self._forget(manifest)
        counts = [receipt["images"] for receipt in receipts]
        tables = self._numbered(manifest, counts)
        self._write_table("channels.parquet", channels.to_table(channels.merged(tables, top)))
        shapes: dict[str, tuple[int, Any]] = {
            "embedding": (width, np.float16),
            "pixels": (3 * PIXELS**2, np.uint8),
        }
        for (column, (across, kind)), name in zip(shapes.items(), DERIVED[1:], strict=True):
            write_file(
                self.path / name,
                self._matrix_writer(manifest, column, (sum(counts), across), kind),
            )
        sums = {name: digest(self.path / name) for name in DERIVED}
        sizes = {name: (self.path / name).stat().st_size for name in DERIVED}
        self._write_json(
            "done.json", {"parts": parts, "images": counts, "sha256": sums, "sizes": sizes}
        )

    def damage(self, done: Mapping[str, Any], thorough: bool = True) -> str | None:
        """The first of the files brought together that is not as it was written."""
        for name in DERIVED:
            file = self.path / name
            if not file.is_file() or file.stat().st_size != done["sizes"][name]:
                return name
            if thorough and digest(file) != done["sha256"][name]:
                return name
        return None

    def _numbered(self, manifest: Manifest, counts: list[int]) -> Iterator[dict[str, Channels]]:
        """The channels of each shard, its images numbered on from those of the shards before."""
        before = 0
        for shard, count in zip(manifest.shards, counts, strict=True):
            found = channels.from_table(pq.read_table(self.part(shard, "channels")))
            yield {layer: one.moved(before) for layer, one in found.items()}
            before += count

    def _matrix_writer(
        self, manifest: Manifest, column: str, shape: tuple[int, int], kind: Any
    ) -> Callable[[Path], None]:
        def write(temporary: Path) -> None:
            with temporary.open("wb") as file:
                header = {"descr": np.dtype(kind).str, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                for shard in manifest.shards:
                    self._copy(shard, column, file)

        return write

    def _copy(self, shard: Shard, column: str, file: IO[bytes]) -> None:
        values = self.rows(shard, [column])[column].combine_chunks()
        if pa.types.is_fixed_size_binary(values.type):
            file.write(b"".join(values.to_pylist()))
        else:
            file.write(values.flatten().to_numpy(zero_copy_only=False).tobytes())

    def rows(self, shard: Shard, columns: list[str], good: bool = True) -> pa.Table:
        """Some columns of the images of a shard: those that could be read, or those that not."""
        needed = list(dict.fromkeys([*columns, "reason"]))
        found = pq.read_table(self.part(shard, "images"), columns=needed)
        wanted = found["reason"].is_null() if good else found["reason"].is_valid()
        return found.filter(wanted).select(columns)

    def _forget(self, manifest: Manifest) -> None:
        """Delete what is of no shard any more."""
        kept = {f"{shard.number:06}" for shard in manifest.shards}
        for file in (self.path / "shards").iterdir():
            if file.name[:6] not in kept:
                file.unlink()

    # -------------------------------------------------------------------------- writing

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only one who writes here, and begin with what a crash has left cleared away.

        Raises:
            ConvscopeError: another process is at it, or the folder cannot be written.
        """
        try:
            import fcntl
        except ImportError as error:
            raise ConvscopeError("indexes are written on Linux and macOS only") from error
        try:
            (self.path / "shards").mkdir(parents=True, exist_ok=True)
            # This kind of lock dies with its process, and processes that decode do not inherit it.
            lock = (self.path / "lock").open("w")
        except OSError as error:
            raise ConvscopeError(f"cannot write {self.path} ({error.strerror})") from error
        real = self.path.resolve()
        with lock:
            try:
                if real in _held:
                    raise BlockingIOError
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ConvscopeError(
                    f"another process is writing to {self.path}; wait for it, or write elsewhere"
                ) from error
            _held.add(real)
            try:
                for folder in (self.path, self.path / "shards"):
                    for file in folder.glob(f"{TEMPORARY}*"):
                        file.unlink()
                yield
            finally:
                _held.discard(real)

    def _write_json(self, name: str, values: Mapping[str, object]) -> None:
        write_json(self.path / name, values)

    def _write_table(self, name: str, table: pa.Table) -> None:
        write_file(self.path / name, partial(_write_parquet, table))


def _write_parquet(table: pa.Table, file: Path) -> None:
    try:
        # Pictures and embeddings do not get smaller, and no two are the same.
        packed = {name: "none" if name in PLAIN else "zstd" for name in table.column_names}
        words = [name for name in table.column_names if name not in PLAIN]
        pq.write_table(table, file, compression=packed or "none", use_dictionary=words)
    except pa.ArrowException as error:
        raise OSError(str(error)) from error
