"""A network's answers to the images of one shard: the same class in every engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from convscope.collection.channels import Channels, Watch, to_table
from convscope.collection.decoding import PIXELS, Batch, Decoded, Decoder
from convscope.network import Network
from convscope.system import batched, in_threads
from convscope.types import Array

CLASSES = 5  # that are kept of each prediction, with their probabilities


NOT_FINITE = "the network gives NaN or infinity"


@dataclass(frozen=True)
class Settings:
    """What is collected, and how: whatever differs here gives another index.

    Args:
        layers: of whose channels the extremes are kept.
        embedding: the layer whose answer (its mean over places) is an image's embedding.
        top: how many images are kept at either end of a channel.
        batch_size, threads: images that the network takes at once, and threads that it runs in: the
            last bits of what it answers depend on both.
        shard: files of a shard at most, all of which are done again after a crash.
        thumbnail: pixels of its longer side.
    """

    layers: tuple[str, ...]
    embedding: str
    threads: int
    top: int = 9
    batch_size: int = 16
    shard: int = 512
    thumbnail: int = 96

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"layers": list(self.layers)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Settings:
        return cls(**{**values, "layers": tuple(values["layers"])})


@dataclass(frozen=True)
class Answers:
    """What is known of one shard: a row for each file, and one for each channel of each layer."""

    images: pa.Table
    channels: pa.Table


class Step(NamedTuple):
    """So many files of a shard are done; with its last ones come its answers."""

    shard: int
    files: int
    answers: Answers | None


class Extract:
    """Reads everything that `settings` name off a network, in one pass over the images."""

    def __init__(self, net: Network, settings: Settings) -> None:
        self.net, self.settings = net, settings
        output = [""] if net.num_classes else []
        self._names = list(dict.fromkeys([*settings.layers, settings.embedding, *output]))

    def decoder(self, folder: Path) -> Decoder:
        """What opens images for this network."""
        return Decoder(folder, self.net.preprocessing, self.net.dtype, self.settings.thumbnail)

    def __call__(self, batches: Iterable[Batch]) -> Iterator[Step]:
        """A step for each batch, shard by shard.

        While the network reads one batch, another thread counts what it said of the one before.
        """
        with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as aside:
            part, counting = _Part(self.settings), None
            for batch in batches:
                read = self._read(batch)
                if counting:
                    counting.result()
                counting = aside.submit(part.add, batch.looks, read)
                answers = None
                if batch.last:
                    counting.result()
                    answers = part.answers()
                    part, counting = _Part(self.settings), None
                yield Step(batch.shard, len(batch.looks), answers)

    def _read(self, batch: Batch) -> list[dict[str, Tensor]]:
        """What the network answers to the images that could be read, in parts that fit into
        memory."""

        def read(part: slice) -> dict[str, Tensor]:
            images = batch.seen[part]
            full = _padded(images, part.stop - part.start)
            with torch.no_grad(), in_threads(self.settings.threads):
                answers = self.net.activations(full, self._names)
            return {name: answer[: len(images)] for name, answer in answers.items()}

        limit = min(self.settings.batch_size, self.settings.shard)  # a batch ends with its shard
        parts = batched(len(batch.seen), limit, read, full=True)
        return [answers for done in parts for _, answers in done]


def _padded(images: Tensor, count: int) -> Tensor:
    """`images` (N, C, H, W), followed by copies of the last one until there are `count`."""
    if len(images) == count:
        return images
    return torch.cat([images, images[-1:].expand(count - len(images), -1, -1, -1)])


class _Part:
    """What is kept of the images of a shard so far."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.looks: list[Decoded] = []
        self.embeddings: list[Array] = []
        self.classes: list[Array] = []
        self.probabilities: list[Array] = []
        self.watches = {layer: Watch() for layer in settings.layers}

    def add(self, looks: Sequence[Decoded], read: Sequence[Mapping[str, Tensor]]) -> None:
        """Take in some images and the answers to those that could be read."""
        finite = iter([fine for answers in read for fine in self._count(answers)])
        for look in looks:
            if not look.reason and not next(finite):
                look = Decoded(look.file, look.sha256, reason=NOT_FINITE)
            self.looks.append(look)

    def _count(self, answers: Mapping[str, Tensor]) -> list[bool]:
        """Take in the answers to some images; which of them are finite."""
        values = {name: by_place(answer) for name, answer in answers.items()}
        extremes = {name: watch.extremes(values[name]) for name, watch in self.watches.items()}
        embedding = values[self.settings.embedding].float().mean(1)
        logits = answers.get("")
        finite = embedding.isfinite().all(1)
        for high, _, low, _ in extremes.values():
            finite &= high.isfinite().all(1) & low.isfinite().all(1)
        if logits is not None:
            finite &= logits.isfinite().all(1)
        if not finite.any():
            return finite.tolist()
        if not finite.all():
            values = {name: value[finite] for name, value in values.items()}
            extremes = {n: tuple(e[finite] for e in found) for n, found in extremes.items()}
        for name, watch in self.watches.items():
            watch.add(values[name], extremes[name], answers[name].shape[-1])
        limit = torch.finfo(torch.float16).max
        self.embeddings.append(embedding[finite].clamp(-limit, limit).half().cpu().numpy())
        if logits is not None:
            best = logits[finite].float().softmax(1).topk(min(CLASSES, logits.shape[1]))
            self.classes.append(best.indices.int().cpu().numpy())
            self.probabilities.append(best.values.cpu().numpy())
        return finite.tolist()

    def answers(self) -> Answers:
        good = [look for look in self.looks if not look.reason]
        contents = np.array([content(look.sha256) for look in good], np.uint64)
        found: dict[str, Channels] = {}
        if good:
            found = {n: w.channels(contents, self.settings.top) for n, w in self.watches.items()}
        return Answers(_image_table(self), to_table(found))


def content(sha256: str) -> int:
    """What stands for an image's content among the extremes of a channel."""
    return int(sha256[:16], 16)


def label(path: str) -> str | None:
    """An image's label, the name of the folder that it lies in, where there is one."""
    return PurePosixPath(path).parent.name or None


def by_place(values: Tensor) -> Tensor:
    """Maps (N, C, H, W), tokens (N, P, C) or embeddings (N, C) as (N, P, C)."""
    if values.dim() == 4:
        return values.permute(0, 2, 3, 1).flatten(1, 2)
    return values if values.dim() == 3 else values[:, None]


def _image_table(part: _Part) -> pa.Table:
    looks = part.looks
    reasons = [look.reason or None for look in looks]

    def lists(parts: Sequence[Array], kind: pa.DataType) -> pa.Array:
        """One list a good image, and none for the others."""
        if not parts:
            return pa.nulls(len(looks), pa.list_(kind))
        values = np.concatenate(parts)
        lengths = [values.shape[1] if reason is None else 0 for reason in reasons]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        missing = pa.array([reason is not None for reason in reasons])
        flat = pa.array(values.reshape(-1), kind)
        return pa.ListArray.from_arrays(pa.array(offsets), flat, mask=missing)

    def known(values: Iterable[Any], kind: pa.DataType) -> pa.Array:
        pairs = zip(values, reasons, strict=True)
        return pa.array([value if reason is None else None for value, reason in pairs], kind)

    return pa.table(
        {
            "path": pa.array([look.file.path for look in looks], pa.string()),
            "size": pa.array([look.file.size for look in looks], pa.int64()),
            "sha256": pa.array([look.sha256 or None for look in looks], pa.string()),
            "label": pa.array([label(look.file.path) for look in looks], pa.string()),
            "reason": pa.array(reasons, pa.string()),
            "height": known((look.height for look in looks), pa.int32()),
            "width": known((look.width for look in looks), pa.int32()),
            "classes": lists(part.classes, pa.int32()),
            "probabilities": lists(part.probabilities, pa.float32()),
            "embedding": lists(part.embeddings, pa.float16()),
            "thumbnail": known((look.thumbnail for look in looks), pa.binary()),
            "pixels": known((look.pixels for look in looks), pa.binary(3 * PIXELS**2)),
        }
    )
