"""Files that `torch.save` wrote before torch 1.6: pickles, and raw numbers behind them."""

from __future__ import annotations

import mmap
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from convscope.network.checkpoints.pickles import read_pickle
from convscope.network.checkpoints.stored import Damaged, Opened, Storage

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


def open_old(path: Path) -> Opened:
    """What such a file holds.

    Raises:
        Damaged: it is another pickle, or damaged.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if read_pickle(data) != _MAGIC or read_pickle(data) != _PROTOCOL:
            raise Damaged(
                "it is a pickle, but not one of torch.save: in Python,"
                " value = pickle.load(open(FILE, 'rb')); torch.save(value, NEW)"
            )
        system = read_pickle(data)
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise Damaged("it was written on a machine that puts the high bytes first")
        storages: dict[str, Storage] = {}
        values, keys = read_pickle(data, storages), read_pickle(data)
        return Opened(values, _Reader(path, _places(data, keys, storages)))


def _places(
    data: mmap.mmap, keys: object, storages: Mapping[str, Storage]
) -> Mapping[Storage, int]:
    """Where the numbers of each storage begin; each lies behind its number of elements."""
    found, place = {}, data.tell()
    for key in keys if isinstance(keys, list) else ():
        storage = storages.get(str(key))
        if storage is None:
            raise Damaged("it has numbers of no tensor")
        width = 1 if storage.dtype is None else storage.dtype.itemsize
        if int.from_bytes(data[place : place + 8], "little") * width != storage.size:
            raise Damaged("the numbers of a tensor are missing, or not all are there")
        found[storage] = place + 8
        place += 8 + storage.size
    if place > len(data) or len(found) < len(storages):
        raise Damaged("it was not written to the end")
    return found


@dataclass(frozen=True)
class _Reader:
    path: Path
    places: Mapping[Storage, int]

    def __call__(self, storages: Collection[Storage]) -> Iterator[tuple[Storage, torch.Tensor]]:
        with self.path.open("rb") as file:
            for storage in storages:
                file.seek(self.places[storage])
                data = torch.empty(storage.size, dtype=torch.uint8)
                if file.readinto(data.numpy().data) != storage.size:
                    raise Damaged("it was not written to the end")
                yield storage, data
