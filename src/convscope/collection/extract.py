"""The pass over a shard: what the network answers to its images. All engines use this class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from convscope.collection import channel_table, image_table, peaks
from convscope.collection.accumulator import Accumulator
from convscope.collection.channels import Channels
from convscope.collection.decoding import Batch, Decoded, Decoder
from convscope.collection.settings import Settings
from convscope.network import Network, Output, reading_by
from convscope.system import batched, in_threads
from convscope.types import Array

CLASSES = 5  # kept of each prediction, with their probabilities

NOT_FINITE = "the network gives NaN or infinity"


@dataclass(frozen=True)
class Answers:
    """What is known of one shard: a row for each file, and one for each channel of each layer."""

    images: pa.Table
    channels: pa.Table
    peaks: pa.Table


class Step(NamedTuple):
    """Progress: this many files of a shard are done. The last step of a shard has its answers."""

    shard: int
    files: int
    answers: Answers | None


class Extract:
    """Reads all that `settings` name from a network, in one pass over the images.

    Attributes:
        names: the layers and the outputs that it reads.
    """

    def __init__(self, net: Network, settings: Settings) -> None:
        self.net, self.settings = reading_by(net, settings.reader), settings
        self._output = net.output if net.num_classes else None
        output = [self._output.name] if self._output else []
        self.names = list(dict.fromkeys([*settings.layers, settings.embedding, *output]))

    def decoder(self, folder: Path) -> Decoder:
        """What opens images for this network."""
        return Decoder(folder, self.net.preprocessing, self.net.dtype, self.settings.thumbnail)

    def __call__(self, batches: Iterable[Batch]) -> Iterator[Step]:
        """A step for each batch, shard by shard.

        While the network reads one batch, another thread adds up its answers to the one before.
        """
        with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as aside:
            shard, adding = _Shard(self.settings, self._output), None
            for batch in batches:
                read = self._read(batch)
                if adding:
                    adding.result()
                adding = aside.submit(shard.add, batch.images, read)
                answers = None
                if batch.last:
                    adding.result()
                    answers = shard.answers()
                    shard, adding = _Shard(self.settings, self._output), None
                yield Step(batch.shard, len(batch.images), answers)

    def _read(self, batch: Batch) -> list[dict[str, Tensor]]:
        """The network's answers to the images that could be read, in parts that fit into memory.

        The network gets the same number of images each time, so that an update of an index gives
        the same answers, to the last bit, as a new index.
        """

        def read(part: slice) -> dict[str, Tensor]:
            images = batch.inputs[part]
            full = _padded(images, part.stop - part.start)
            with torch.no_grad(), in_threads(self.settings.threads):
                answers = self.net.activations(full, self.names)
            found = {name: answer[: len(images)] for name, answer in answers.items()}
            return {n: self.net.by_channel(n, one) if n else one for n, one in found.items()}

        limit = min(self.settings.batch_size, self.settings.shard)  # a batch ends with its shard
        parts = batched(len(batch.inputs), limit, read, full=True)
        return [answers for done in parts for _, answers in done]


def _padded(images: Tensor, count: int) -> Tensor:
    """`images` (N, C, H, W), followed by copies of the last one until there are `count`."""
    if len(images) == count:
        return images
    return torch.cat([images, images[-1:].expand(count - len(images), -1, -1, -1)])


class _Shard:
    """What is known so far of the images of a shard."""

    def __init__(self, settings: Settings, output: Output | None) -> None:
        self.settings, self.output = settings, output
        self.images: list[Decoded] = []
        self.embeddings: list[Array] = []
        self.classes: list[Array] = []
        self.probabilities: list[Array] = []
        self.layers = {layer: Accumulator() for layer in settings.layers}

    def add(self, images: Sequence[Decoded], read: Sequence[Mapping[str, Tensor]]) -> None:
        """Add some images, and the answers to those that could be read."""
        finite = iter([fine for answers in read for fine in self._add(answers)])
        for image in images:
            if not image.reason and not next(finite):
                image = Decoded(image.file, image.sha256, reason=NOT_FINITE)
            self.images.append(image)

    def _add(self, answers: Mapping[str, Tensor]) -> list[bool]:
        """Add the answers to some images; which of them are finite."""
        values = {name: by_place(answer) for name, answer in answers.items()}
        each = {name: layer.each(values[name]) for name, layer in self.layers.items()}
        embedding = values[self.settings.embedding].float().mean(1)
        scores = answers[self.output.name] if self.output else None
        finite = embedding.isfinite().all(1)
        for high, _, low, _, _ in each.values():
            finite &= high.isfinite().all(1) & low.isfinite().all(1)
        if scores is not None:
            finite &= scores.flatten(1).isfinite().all(1)
        if not finite.any():
            return finite.tolist()
        if not finite.all():
            values = {name: value[finite] for name, value in values.items()}
            each = {n: tuple(one[finite] for one in found) for n, found in each.items()}
        for name, layer in self.layers.items():
            width = answers[name].shape[-1] if answers[name].dim() > 2 else 1
            layer.add(values[name], each[name], width)
        limit = torch.finfo(torch.float16).max
        self.embeddings.append(embedding[finite].clamp(-limit, limit).half().cpu().numpy())
        if self.output and scores is not None:
            ranking = self.output.ranking(scores[finite].float())
            best = ranking.topk(min(CLASSES, ranking.shape[1]))
            self.classes.append(best.indices.int().cpu().numpy())
            self.probabilities.append(best.values.cpu().numpy())
        return finite.tolist()

    def answers(self) -> Answers:
        """All that is known of the shard."""
        good = [image for image in self.images if not image.reason]
        contents = np.array([content(image.sha256) for image in good], np.uint64)
        found: dict[str, Channels] = {}
        highest: dict[str, tuple[Array, Array]] = {}
        if good:
            top = self.settings.top
            found = {name: one.channels(contents, top) for name, one in self.layers.items()}
            highest = {name: one.peaks() for name, one in self.layers.items()}
        images = image_table.to_table(
            self.images, self.embeddings, self.classes, self.probabilities
        )
        return Answers(images, channel_table.to_table(found), peaks.to_table(highest))


def content(sha256: str) -> int:
    """The number that stands for an image's content among the extremes of a channel."""
    return int(sha256[:16], 16)


def by_place(values: Tensor) -> Tensor:
    """Values by channel (N, C, ...) as (N, positions, C)."""
    return values.movedim(1, -1).reshape(len(values), -1, values.shape[1])
