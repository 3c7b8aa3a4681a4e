"""Files that `torch.save` writes since torch 1.6: zip archives with a pickle and raw numbers."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import torch

from convscope.network.checkpoints.pickles import read_pickle
from convscope.network.checkpoints.stored import Damaged, Opened, Storage

_END, _LOCATOR = 22, 20  # bytes of the last records of an archive
_CHUNK = 1 << 20
LARGEST_DIRECTORY = 8 << 20  # bytes, of which `zipfile` makes six times as many; 100,000 tensors


def open_zip(path: Path) -> Opened:
    """What a zip archive of `torch.save` holds.

    Raises:
        Damaged: it is another archive, or damaged.
    """
    if _directory_size(path) > LARGEST_DIRECTORY:
        raise Damaged("it holds far more than weights")
    with _damaged("it is damaged, or was not written to the end"), zipfile.ZipFile(path) as archive:
        folder = _folder(archive.namelist())
        entries = _checked(archive, path.stat().st_size)
        with archive.open(entries[f"{folder}/data.pkl"]) as file:
            pickled = file.read()
    return Opened(read_pickle(io.BytesIO(pickled)), _ZipReader(path, folder, entries))


def check_archive(path: Path) -> None:
    """Fail if an archive of `torch.save` would inflate, or if its sums do not match.

    Raises:
        Damaged: it is so.
    """
    message = "it is damaged, or was not written to the end"
    with _damaged(message), zipfile.ZipFile(path) as archive:
        _checked(archive, path.stat().st_size)
        if archive.testzip() is not None:
            raise Damaged(message)


def _directory_size(path: Path) -> int:
    """The bytes of the list of entries, as the last record and that of 64 bits before it say."""
    with path.open("rb") as file:
        end = file.seek(0, io.SEEK_END)
        file.seek(max(0, end - _END - _LOCATOR))
        locator, record = file.read(_LOCATOR), file.read(_END)
        if not record.startswith(b"PK\5\6"):
            raise Damaged("it is damaged, or was not written to the end")
        if not locator.startswith(b"PK\6\7"):
            return int.from_bytes(record[12:16], "little")
        file.seek(min(end, int.from_bytes(locator[8:16], "little")))
        return int.from_bytes(file.read(56)[40:48], "little")


@contextmanager
def _damaged(message: str) -> Iterator[None]:
    """Turn the many errors of `zipfile` into one."""
    try:
        yield
    except (Damaged, MemoryError):
        raise
    except Exception as error:
        raise Damaged(message) from error


def _checked(archive: zipfile.ZipFile, size: int) -> Mapping[str, zipfile.ZipInfo]:
    """The entries by name, if they are as `torch.save` writes them: not compressed."""
    entries = {entry.filename: entry for entry in archive.infolist()}
    if not any(entry.CRC for entry in entries.values()):  # torch can be told to leave them out
        for entry in entries.values():
            del entry.CRC  # then zipfile compares nothing
    if len(entries) < len(archive.infolist()):
        raise Damaged("it holds two entries of one name")
    if any(e.compress_type != zipfile.ZIP_STORED or e.flag_bits & 1 for e in entries.values()):
        raise Damaged("its tensors are compressed, as torch.save never does")
    if sum(entry.file_size for entry in entries.values()) > size:
        raise Damaged("it says that it holds more than it does")
    return entries


def _folder(entries: Collection[str]) -> str:
    """The folder in the archive that all its entries are in."""
    tails = {name.partition("/")[2] for name in entries}
    if tails & {"constants.pkl", "bytecode.pkl"}:
        raise Damaged(
            "it is TorchScript, which hides the layers; load the weights of the module it was made"
            " from (torch.jit.load(FILE).state_dict() has them: torch.save that)"
        )
    if "archive_format" in tails or "serialized_exported_program.json" in entries:
        raise Damaged("it is an exported program: give it as the network, with --model")
    found = [name.removesuffix("/data.pkl") for name in entries if name.endswith("/data.pkl")]
    if len(found) != 1 or "/" in found[0]:
        raise Damaged("it is a zip archive, but not one of torch.save")
    return found[0]


@dataclass(frozen=True)
class _ZipReader:
    """Reads storages, and checks the sums (CRC-32) that `torch.load` does not check."""

    path: Path
    folder: str
    entries: Mapping[str, zipfile.ZipInfo]

    def __call__(self, storages: Collection[Storage]) -> Iterator[tuple[Storage, torch.Tensor]]:
        order = self.entries.get(f"{self.folder}/byteorder")
        message = "its sums do not match: it is damaged; copy it again"
        with _damaged(message), zipfile.ZipFile(self.path) as archive:
            if order and archive.read(order) != b"little":
                raise Damaged("it was written on a machine that puts the high bytes first")
            for storage in storages:
                yield storage, self._read(archive, storage)

    def _read(self, archive: zipfile.ZipFile, storage: Storage) -> torch.Tensor:
        entry = self.entries.get(f"{self.folder}/data/{storage.key}")
        if entry is None or entry.file_size != storage.size:
            raise Damaged("the numbers of a tensor are missing, or not all are there")
        data = torch.empty(storage.size, dtype=torch.uint8)
        with archive.open(entry) as file:
            _read_into(file, data)
        return data


def _read_into(file: IO[bytes], data: torch.Tensor) -> None:
    view, done = data.numpy(), 0
    while piece := file.read(_CHUNK):
        view[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
        done += len(piece)
