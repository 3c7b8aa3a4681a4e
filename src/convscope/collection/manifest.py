"""Which images a collection has, and the shards that they are worked on in."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from convscope.collection.names import leads_out, named, stored
from convscope.errors import ConvscopeError, reason
from convscope.files import reason_for, survey

SCHEMA = pa.schema(
    {
        "path": pa.string(),
        "size": pa.int64(),
        "modified": pa.int64(),
        "reason": pa.string(),
        "shard": pa.int64(),
    }
)


@dataclass(frozen=True)
class File:
    """A file of a collection.

    Args:
        path: path relative to the folder of the collection.
        size: in bytes.
        modified: time of the last change, in nanoseconds.
        reason: why the file cannot be read; "" if nothing is known against it.
    """

    path: str
    size: int
    modified: int
    reason: str = ""


@dataclass(frozen=True)
class Shard:
    """Files that are worked on together, in this order. The number of a shard never changes."""

    number: int
    files: tuple[File, ...]

    def key(self, run: str) -> str:
        """A digest that tells its results from those of other files or another run."""
        found = hashlib.sha256(run.encode())
        for file in self.files:
            text = f"\n{file.path}\0{file.size}\0{file.modified}\0{file.reason}"
            found.update(stored(text).encode())
        return found.hexdigest()


@dataclass(frozen=True)
class Manifest:
    """All files of a collection, in their shards."""

    shards: tuple[Shard, ...]

    @property
    def files(self) -> Iterator[File]:
        return (file for shard in self.shards for file in shard.files)

    def updated(self, files: Sequence[File], size: int) -> Manifest:
        """The manifest of what the folder holds now.

        Known files stay in their shards; new files get new shards of at most `size` files.
        """
        now = {file.path: file for file in files}
        kept = []
        for shard in self.shards:
            still = tuple(now.pop(file.path) for file in shard.files if file.path in now)
            if still:
                kept.append(Shard(shard.number, still))
        new = list(now.values())
        number = max((shard.number for shard in self.shards), default=-1) + 1
        for i, begin in enumerate(range(0, len(new), size)):
            kept.append(Shard(number + i, tuple(new[begin : begin + size])))
        return Manifest(tuple(kept))

    def refreshed(self, files: Sequence[File]) -> Manifest:
        """The manifest with what is known now of the files that could not be read before."""
        now = {file.path: file for file in files}
        return Manifest(
            tuple(
                Shard(
                    shard.number, tuple(now.get(f.path, f) if f.reason else f for f in shard.files)
                )
                for shard in self.shards
            )
        )

    def changes(self, files: Sequence[File]) -> str:
        """How what the folder holds now differs, such as "2 new, 1 gone"; "" if it does not."""
        before = {file.path: file for file in self.files}
        now = {file.path: file for file in files}
        counts = {
            "new": len(now.keys() - before.keys()),
            "gone": len(before.keys() - now.keys()),
            "changed": sum(before[path] != now[path] for path in before.keys() & now.keys()),
        }
        return ", ".join(f"{count} {word}" for word, count in counts.items() if count)

    def to_table(self) -> pa.Table:
        return pa.table(
            {
                "path": [stored(file.path) for file in self.files],
                "size": [file.size for file in self.files],
                "modified": [file.modified for file in self.files],
                "reason": [stored(file.reason) for file in self.files],
                "shard": [shard.number for shard in self.shards for _ in shard.files],
            },
            schema=SCHEMA,
        )

    @classmethod
    def from_table(cls, table: pa.Table) -> Manifest:
        """The manifest in a table.

        Raises:
            ValueError: a path leads out of the folder, or a value is missing.
        """
        if any(column.null_count for column in table.columns):
            raise ValueError("missing values")
        shards: dict[int, list[File]] = {}
        for row in table.to_pylist():
            texts = {name: named(row[name]) for name in ("path", "reason")}
            file = File(size=row["size"], modified=row["modified"], **texts)
            if leads_out(file.path) or row["shard"] < 0:
                raise ValueError("paths that lead out of the folder")
            shards.setdefault(row["shard"], []).append(file)
        return cls(tuple(Shard(number, tuple(files)) for number, files in shards.items()))


def listing(
    folder: Path, left_out: Collection[Path] = (), *, follow_links: bool = False
) -> list[File]:
    """The images in a folder and the folders in it, sorted by path, without hidden ones.

    A link that leads out of the folder is listed with that reason, unless `follow_links` is true.
    What is not a file, or cannot be looked at, is listed with its reason too.

    Args:
        folder: the folder of the collection.
        left_out: folders that are not entered, such as the index itself.
        follow_links: follow links that lead out of the folder, and enter links to folders.

    Raises:
        ConvscopeError: no image, or a folder that cannot be read.
    """
    root = folder.resolve()
    if not root.is_dir():
        raise ConvscopeError(f"no folder {folder}")
    found = survey(root, left_out, follow_links=follow_links)
    paths = found.photographs + found.others
    return sorted((_file(path, root, follow_links) for path in paths), key=lambda file: file.path)


def _file(path: Path, root: Path, follow_links: bool) -> File:
    name = path.relative_to(root).as_posix()
    try:
        inside = not path.is_symlink() or path.resolve().is_relative_to(root)
        if not follow_links and not inside:
            return File(name, 0, 0, "the link leads out of the folder and is not followed")
        found = path.stat()
    except OSError as error:
        return File(name, 0, 0, reason(error))
    except RuntimeError:  # of `resolve`
        return File(name, 0, 0, "the link leads in a circle")
    if not stat.S_ISREG(found.st_mode):
        return File(name, 0, 0, "not a file")
    return File(name, found.st_size, found.st_mtime_ns, reason_for(path))
