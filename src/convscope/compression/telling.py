"""What is shown and told of a compression: panels, numbers, and rows of tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from typing_extensions import TypedDict

from convscope.collection import wilson
from convscope.compression.compressing import Compression
from convscope.compression.judging import Score
from convscope.compression.photographs import Photographs
from convscope.compression.sensitivity import Sensitivity
from convscope.compression.stages import Stage
from convscope.compression.weights import near_zero
from convscope.network import coding
from convscope.types import Bars, Curves, Frame, Histogram, Panel

SHOWN = 4  # most and least sensitive layers in the picture

SAMPLE = 100_000  # weights in the histogram, at most

WIDE = 4.0  # standard deviations that it shows on each side


class StageRow(TypedDict):
    """A stage: its bytes on disk, and how the network answers that comes out of the file.

    `ratio` says how many times smaller the file is than that in float32. `accuracy` is None for
    photographs without labels. `agreement` is the fraction of photographs with the same top class
    as before the compression, `divergence` the mean Kullback-Leibler divergence in nats.
    """

    stage: str
    bytes: int
    ratio: float
    accuracy: float | None
    agreement: float
    divergence: float


class LayerRow(TypedDict):
    """A layer: its weights, how many are near zero or pruned, and its bits a weight at the end.

    `cost` is its sensitivity: the divergence for each squared change of its weights.
    """

    layer: str
    weights: int
    near_zero: float
    pruned: float
    levels: int
    bits: float
    huffman_bits: float
    cost: float


class StartRow(TypedDict):
    """What k-means gives from one start: relative squared error, bits a weight, agreement."""

    start: str
    error: float
    bits: float
    agreement: float


class CompressSummary(TypedDict):
    """The stages, the layers, the parts of the last file, and what was measured.

    `clusters_compared` is the number of clusters of each of the `starts`. `parts` are the bytes of
    the parts of the last file. `accuracy_interval` is the 95 % confidence interval of the accuracy
    at the end (Wilson); None without labels.
    """

    stages: list[StageRow]
    layers: list[LayerRow]
    starts: list[StartRow]
    parts: dict[str, int]
    photographs: int
    calibration: int
    labeled: bool
    accuracy_interval: list[float] | None
    near_zero: float
    training_steps: int
    file: str | None


class Telling:
    """What is shown of a compression as far as it is."""

    def __init__(self, work: Compression, measured: Photographs, known: Photographs) -> None:
        self.work, self.measured, self.known = work, measured, known
        whole = work.weights()
        self.near = {name: near_zero(value) for name, value in whole.items()}
        self.sizes = {name: value.numel() for name, value in whole.items()}
        self.histogram = weights_histogram(whole, self._near_zero())

    def frame(self, step: int, file: Any) -> Frame[CompressSummary]:
        work = self.work
        stages, layers = work.stages.done, self._layers()
        sizes = stages[-1].sizes
        score = stages[-1].score
        summary: CompressSummary = {
            "stages": [self._row(one) for one in stages],
            "layers": layers,
            "starts": [
                {"start": s.start, "error": s.error, "bits": s.bits, "agreement": s.score.agreement}
                for s in work.starts
            ],
            "parts": {**vars(sizes), "total": sizes.total},
            "photographs": len(self.measured.files),
            "calibration": len(self.known.files),
            "labeled": self.measured.classes is not None,
            "accuracy_interval": self._interval(score),
            "near_zero": self._near_zero(),
            "training_steps": len(work.losses),
            "file": file if step == work.steps else None,
        }
        return Frame(
            panels=tuple(self._panels(summary)),
            step=step,
            steps=work.steps,
            summary=summary,
            table=[*summary["stages"]],
            arrays={
                "sensitivity": torch.tensor(
                    [[one.divergence for one in s.scores] for s in work.sensitivities]
                ),
                "losses": torch.tensor(work.losses),
            },
        )

    def _row(self, stage: Stage) -> StageRow:
        whole = self.work.stages.done[0].size
        return {
            "stage": stage.name,
            "bytes": stage.size,
            "ratio": whole / stage.size,
            "accuracy": stage.score.accuracy,
            "agreement": stage.score.agreement,
            "divergence": stage.score.divergence,
        }

    def _layers(self) -> list[LayerRow]:
        costs = self.work.costs("rounded")
        rows: list[LayerRow] = []
        for name, shared in self.work.shared.items():
            counts = np.bincount(shared.indices.flatten())
            zero = shared.decoded == 0
            rows.append({
                "layer": _layer(name),
                "weights": self.sizes[name],
                "near_zero": self.near[name],
                "pruned": float(zero.float().mean()),
                "levels": len(shared.levels),
                "bits": coding.entropy(counts) / self.sizes[name],
                "huffman_bits": coding.huffman_bits(counts) / self.sizes[name],
                "cost": costs[name],
            })  # fmt: skip
        return rows

    def _near_zero(self) -> float:
        total = sum(self.sizes.values())
        return sum(self.near[name] * size for name, size in self.sizes.items()) / total

    def _interval(self, score: Score) -> list[float] | None:
        total = len(self.measured.files)
        if score.accuracy is None:
            return None
        return list(wilson(round(score.accuracy * total), total))

    # ------------------------------------------------------------------------------ panels

    def _panels(self, summary: CompressSummary) -> Iterator[Panel]:
        yield self.histogram
        if self.work.sensitivities:
            yield self._sensitivity()
        if self.work.points:
            yield self._curve()
        if summary["layers"]:
            yield _by_layer(summary["layers"])
        names = tuple(one["stage"] for one in summary["stages"])
        sizes = tuple(one["bytes"] / 1000 for one in summary["stages"])
        ratio = summary["stages"][-1]["ratio"]
        yield Bars(
            names, sizes, "kB on disk", f"files; the last is {ratio:.1f} times smaller", ",.0f"
        )
        yield Bars(names, tuple(map(_of, self.work.stages.done)), *self._what(), ".1%")

    def _what(self) -> tuple[str, str]:
        count = len(self.measured.files)
        if self.measured.classes is None:
            return "same top class", f"agreement on {count} photographs without labels"
        return "top-1 accuracy", f"accuracy on {count} photographs"

    def _sensitivity(self) -> Curves:
        """The layers that mind pruning most, and those that mind it least."""
        found = sorted(self.work.sensitivities, key=lambda one: one.scores[-1].divergence)
        shown = found if len(found) <= 2 * SHOWN else [*found[:SHOWN], *found[-SHOWN:]]
        return Curves(
            (0.0, *self.work.plan.sparsities),
            {_layer(one.name): _agreements(one) for one in reversed(shown)},
            "sparsity of one layer",
            "same top class",
            f"one layer pruned alone: the most and the least sensitive of {len(found)}",
        )

    def _curve(self) -> Curves:
        points = self.work.points
        return Curves(
            (0.0, *(one.sparsity for one in points)),
            {
                "by sensitivity": (self._whole, *(_best(one.by_sensitivity) for one in points)),
                "every layer alike": (self._whole, *(_best(one.alike) for one in points)),
            },
            "sparsity of the network",
            self._what()[0],
            "all layers pruned, without training",
        )

    @property
    def _whole(self) -> float:
        return _best(self.work.stages.done[0].score)


def weights_histogram(weights: Mapping[str, Tensor], near: float) -> Histogram:
    """How the weights of all layers are distributed, and which fraction is near zero."""
    pooled = torch.cat([(value / value.std()).flatten() for value in weights.values()])
    sample = pooled[:: max(1, len(pooled) // SAMPLE)]
    return Histogram(
        sample[sample.abs() < WIDE].cpu(),
        "standard deviations of the layer",
        f"weights; {near:.0%} are below 5% of the largest of their layer",
    )


def _layer(weights: str) -> str:
    """The layer that weights belong to."""
    return weights.removesuffix(".weight")


def _agreements(layer: Sensitivity) -> tuple[float, ...]:
    return (1.0, *(score.agreement for score in layer.scores))


def _of(stage: Stage) -> float:
    return _best(stage.score)


def _best(score: Score) -> float:
    """The accuracy, or without labels the agreement."""
    return score.agreement if score.accuracy is None else score.accuracy


def _by_layer(layers: list[LayerRow]) -> Curves:
    return Curves(
        tuple(float(number) for number in range(1, len(layers) + 1)),
        {
            "code": tuple(one["bits"] for one in layers),
            "Huffman code": tuple(one["huffman_bits"] for one in layers),
        },
        "layer",
        "bits a weight",
        "length of the codes, layer by layer",
    )
