"""From an image file to the network's input, a thumbnail and pixels, in worker processes."""

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

from convscope import tensors
from convscope.collection.manifest import File, Shard
from convscope.collection.processes import in_processes
from convscope.errors import ConvscopeError
from convscope.files import images
from convscope.network import Preprocessing

# Neighbors by pixels are compared at 32 x 32, the size of the images of CIFAR-10.
PIXELS = 32


@dataclass(frozen=True)
class Decoded:
    """What an index keeps of one image file, apart from what the network answers.

    Args:
        file: the file.
        sha256: digest of its content, in hexadecimal.
        height, width: size of the image in pixels.
        thumbnail: a JPEG file of the network's input.
        pixels: the network's input at 32 x 32, RGB bytes.
        reason: why the image cannot be read. All but the file is then empty, and its digest if its
            content is the reason.
    """

    file: File
    sha256: str = ""
    height: int = 0
    width: int = 0
    thumbnail: bytes = b""
    pixels: bytes = b""
    reason: str = ""


@dataclass(frozen=True)
class Batch:
    """Images of one shard that are decoded together and go through the network together.

    Args:
        shard: number of the shard.
        images: all files of the batch, in order.
        inputs: (N, C, H, W), the network's inputs for those that could be read.
        last: whether the batch ends its shard.
    """

    shard: int
    images: tuple[Decoded, ...]
    inputs: Tensor
    last: bool


@dataclass(frozen=True)
class Decoder:
    """Opens images for a network; a plain value, so that it can be sent to any process.

    Args:
        folder: the folder of the collection.
        preprocess: turns an image into the network's input.
        dtype: that of the inputs.
        thumbnail: longer side of the thumbnails in pixels.
    """

    folder: Path
    preprocess: Preprocessing
    dtype: torch.dtype
    thumbnail: int

    def batch(self, shard: Shard, begin: int, size: int) -> Batch:
        """The images of a shard from number `begin` on, at most `size`."""
        decoded, inputs = [], []
        for file in shard.files[begin : begin + size]:
            image, pixels = self._decode(file)
            decoded.append(image)
            if pixels is not None:
                inputs.append(pixels)
        nothing = torch.empty(0, self.preprocess.channels, *self.preprocess.size, dtype=self.dtype)
        last = begin + size >= len(shard.files)
        stacked = torch.cat(inputs) if inputs else nothing
        return Batch(shard.number, tuple(decoded), stacked, last)

    def _decode(self, file: File) -> tuple[Decoded, Tensor | None]:
        """What is kept of a file, and the network's input (1, C, H, W) if it can be read."""
        if file.reason:
            return Decoded(file, reason=file.reason), None
        path = self.folder / file.path
        try:
            return self._opened(file, path)
        except Exception as error:  # one bad image must not end the pass
            message = str(error) if isinstance(error, ConvscopeError) else repr(error)[:300]
            message = message.replace(os.path.realpath(path), file.path)
            return Decoded(file, _bad_content(path, file, error), reason=message), None

    def _opened(self, file: File, path: Path) -> tuple[Decoded, Tensor]:
        photo = images.open_image(path)
        source = images.source(photo)
        assert source is not None
        if not _is_as_listed(path, file):
            raise ConvscopeError(f"{file.path} changed while it was read")
        pixels = self.preprocess(photo.to(self.dtype))
        shown = pixels.float().expand(-1, 3, -1, -1)
        height, width = photo.shape[-2:]
        return Decoded(
            file,
            source["sha256"],
            height,
            width,
            _jpeg(shown, self.thumbnail),
            shrunk(shown, (PIXELS, PIXELS)).tobytes(),
        ), pixels


def _is_as_listed(path: Path, file: File) -> bool:
    """Whether a file has the size and the time that it had when the folder was listed."""
    found = path.stat()
    return (found.st_size, found.st_mtime_ns) == (file.size, file.modified)


def _bad_content(path: Path, file: File, error: BaseException | None) -> str:
    """The checksum of a file whose content cannot be read.

    It is empty if the reason may be gone at the next time: the file was not there or changed, the
    disk failed, there was no memory.
    """
    while error is not None:
        passing = isinstance(error, MemoryError | FileNotFoundError)
        if passing or getattr(error, "errno", None) is not None:
            return ""
        error = error.__cause__
    try:
        found = images.digest(path)
        return found if _is_as_listed(path, file) else ""
    except (OSError, ConvscopeError):
        return ""


def shrunk(image: Tensor, size: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """An image (1, 3, H, W) in [0, 1], resized to `size`, as bytes (height, width, 3)."""
    small = tensors.resize(image, size)[0].clamp(0, 1) * 255
    array: np.ndarray[Any, np.dtype[np.uint8]] = small.round().byte().permute(1, 2, 0).numpy()
    return array


def _jpeg(image: Tensor, longest: int) -> bytes:
    scale = longest / max(image.shape[-2:])
    height, width = (max(1, round(side * scale)) for side in image.shape[-2:])
    file = io.BytesIO()
    Image.fromarray(shrunk(image, (height, width))).save(file, "JPEG", quality=85)
    return file.getvalue()


def batches(decoder: Decoder, shards: Sequence[Shard], size: int, workers: int) -> Iterator[Batch]:
    """All images of some shards, in order, in batches that end with their shard.

    The batches do not depend on the number of worker processes.
    """
    begins = [(s, begin) for s in shards for begin in range(0, len(s.files), size)]
    return in_processes(partial(_batch, decoder, size), begins, workers)


def _batch(decoder: Decoder, size: int, begin: tuple[Shard, int]) -> Batch:
    return decoder.batch(*begin, size)
