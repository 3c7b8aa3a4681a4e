"""From a file to what the network sees of it, and what is kept to show: the work of the processes
that decode."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from convscope import tensors
from convscope.collection.manifest import File, Shard
from convscope.errors import ConvscopeError
from convscope.files import images
from convscope.network import Preprocessing
from convscope.system import keep_pages

# Pixel space is that of the lecture's comparison, 32 x 32 as in CIFAR-10.
PIXELS = 32


@dataclass(frozen=True)
class Decoded:
    """What one image is kept as; `reason` says why there is nothing else."""

    file: File
    sha256: str = ""
    height: int = 0
    width: int = 0
    thumbnail: bytes = b""
    pixels: bytes = b""
    reason: str = ""


@dataclass(frozen=True)
class Batch:
    """Images of a shard: what they are, and those that could be read, as the network sees them
    (N, C, H, W)."""

    shard: int
    looks: tuple[Decoded, ...]
    seen: Tensor
    last: bool


@dataclass(frozen=True)
class Decoder:
    """Opens images of `folder` for a network; a plain value, so that any process can do it."""

    folder: Path
    preprocess: Preprocessing
    dtype: torch.dtype
    thumbnail: int

    def batch(self, shard: Shard, begin: int, size: int) -> Batch:
        """The images of a shard from `begin` on, at most `size`."""
        looks, seen = [], []
        for file in shard.files[begin : begin + size]:
            look, pixels = self._look(file)
            looks.append(look)
            if pixels is not None:
                seen.append(pixels)
        nothing = torch.empty(0, self.preprocess.channels, *self.preprocess.size, dtype=self.dtype)
        last = begin + size >= len(shard.files)
        return Batch(shard.number, tuple(looks), torch.cat(seen) if seen else nothing, last)

    def _look(self, file: File) -> tuple[Decoded, Tensor | None]:
        if file.reason:
            return Decoded(file, reason=file.reason), None
        path = self.folder / file.path
        try:
            photo = images.open_image(path)
            source = images.source(photo)
            assert source is not None
            seen = self.preprocess(photo.to(self.dtype))
            shown = seen.float().expand(-1, 3, -1, -1)
            height, width = photo.shape[-2:]
            return Decoded(
                file,
                source["sha256"],
                height,
                width,
                _jpeg(shown, self.thumbnail),
                shrunk(shown, (PIXELS, PIXELS)).tobytes(),
            ), seen
        except Exception as error:  # whatever one image comes to grief by spares the others
            message = str(error) if isinstance(error, ConvscopeError) else repr(error)[:300]
            return Decoded(file, reason=message.replace(str(path.resolve()), file.path)), None


def shrunk(image: Tensor, size: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    small = tensors.resize(image, size)[0].clamp(0, 1) * 255
    array: np.ndarray[Any, np.dtype[np.uint8]] = small.round().byte().permute(1, 2, 0).numpy()
    return array


def _jpeg(image: Tensor, longest: int) -> bytes:
    scale = longest / max(image.shape[-2:])
    height, width = (max(1, round(side * scale)) for side in image.shape[-2:])
    file = io.BytesIO()
    Image.fromarray(shrunk(image, (height, width))).save(file, "JPEG", quality=85)
    return file.getvalue()


class _Batches(Dataset[Batch]):
    def __init__(self, decoder: Decoder, shards: Sequence[Shard], size: int) -> None:
        self.decoder, self.size = decoder, size
        self.places = [(s, begin) for s in shards for begin in range(0, len(s.files), size)]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, number: int) -> Batch:
        return self.decoder.batch(*self.places[number], self.size)


def batches(decoder: Decoder, shards: Sequence[Shard], size: int, workers: int) -> Iterator[Batch]:
    """All images of some shards, in order, in batches that end with their shard.

    What is in a batch does not depend on the number of processes that decode.
    """
    loader = DataLoader(
        _Batches(decoder, shards, size),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=2 if workers else None,
        worker_init_fn=partial(_begin, os.getpid()),
        generator=torch.Generator(),  # or it would draw from the random numbers of the world
    )
    yield from loader


def _begin(parent: int, _: int) -> None:
    keep_pages()
    # A worker ends when its parent does, unless that died while the worker was still starting.
    if os.getppid() != parent:
        os._exit(1)
