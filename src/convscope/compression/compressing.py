"""A compression from the first stage to the last: pruned, shared, coded, and trained between."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from convscope.compression.compensating import Compensation, compensations
from convscope.compression.distilling import Free, Learned, Levels, Student, Teaching, distill
from convscope.compression.fitting import clustered, fewest_different, fitted
from convscope.compression.judging import Judge, Score
from convscope.compression.sensitivity import (
    Sensitivity,
    Spacing,
    pruned,
    sensitivities,
    threshold,
    thresholds,
)
from convscope.compression.sharing import Start
from convscope.compression.stages import Stages, check_room
from convscope.compression.weights import fractional, merge_statistics, weight_names
from convscope.network import Shared, WrittenAs, coding

STARTS: tuple[Start, ...] = ("linear", "density", "random")

COMPARED = 16  # clusters with which the starts are compared

SLACK = 0.998  # of the bytes that a file may have, where it was a little too large


@dataclass(frozen=True)
class Plan:
    """What a compression aims at.

    Attributes:
        sparsity: the fraction of weights to prune.
        ratio: how many times smaller the file is than that in float32.
        clusters: the number of levels in each layer; None for as many as the ratio allows.
        start: where k-means begins, for `clusters`.
        sparsities: those at which layers are measured.
        seed: of random starts.
    """

    sparsity: float
    ratio: float
    clusters: int | None
    start: Start
    sparsities: tuple[float, ...]
    seed: int


class Point(NamedTuple):
    """The whole network pruned, every layer alike or by its sensitivity."""

    sparsity: float
    alike: Score
    by_sensitivity: Score


class StartResult(NamedTuple):
    """What k-means gives from one start.

    Attributes:
        start: where it begins.
        error: the squared error of the weights, as a fraction of their squares.
        bits: bits a weight, entropy-coded.
        score: of the network.
    """

    start: Start
    error: float
    bits: float
    score: Score


@dataclass
class Compression:
    """A compression; `steps` does it, and says now and then what it does.

    Attributes:
        module: a copy of the network's module.
        names: the weights that are compressed.
        plan: what it aims at.
        probes: measures layers, on photographs for calibration.
        known: what the module gets for photographs for calibration, (N, C, H, W).
        stages: writes and measures the stages.
        teaching: how the network learns between stages; None if it does not.
        sensitivities: of the layers so far.
        points: the curve of sparsity so far.
        starts: of k-means, compared.
        losses: of the training so far.
        shared: the weights at the end.
        compensations: how the weights of layers make up for each other's errors.
    """

    module: nn.Module
    plan: Plan
    probes: Judge
    known: Tensor
    stages: Stages
    teaching: Teaching | None
    names: list[str] = field(default_factory=list)
    sensitivities: list[Sensitivity] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    starts: list[StartResult] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    shared: dict[str, Shared] = field(default_factory=dict)
    compensations: dict[str, Compensation] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.module = copy.deepcopy(self.module)
        self.names = weight_names(self.module)

    @property
    def steps(self) -> int:
        """How often `run` yields."""
        trained = 0 if self.teaching is None else 2 * (self.teaching.steps + 1)
        return len(self.names) + len(self.plan.sparsities) + len(STARTS) + 5 + trained

    def run(self) -> Iterator[None]:
        """Do it. Each step is a layer measured, a point of a curve, a stage or a training step."""
        plan, stages = self.plan, self.stages
        whole = self.weights()
        forms: tuple[WrittenAs, ...] = ("float32", "float16")
        for form in forms:
            stages.add(form, self.module, whole, form)
            yield
        merge_statistics(self.module)
        self.compensations = compensations(self.module, self.names, self.known)
        for one in sensitivities(
            self.module, self.names, plan.sparsities, self.probes, self.compensations
        ):
            self.sensitivities.append(one)
            yield
        yield from self._curve(whole)
        yield from self._compare_starts(whole)
        zeros = pruned_all(whole, thresholds(whole, self.costs("pruned"), plan.sparsity))
        self._load(zeros)
        stages.add("pruned", self.module, zeros, "sparse")
        yield
        masks = {name: value != 0 for name, value in zeros.items()}
        free = {name: Free(value, masks[name]) for name, value in zeros.items()}
        for _ in self._trained("pruned and trained", free):
            yield
        self.shared = self._shared(self.weights())
        stages.add("shared", self.module, self.shared, "packed")
        yield
        for _ in self._trained(
            "shared and trained", {n: Levels(v) for n, v in self.shared.items()}
        ):
            yield
        stages.add("coded", self.module, self.shared, "coded")
        yield

    def weights(self) -> dict[str, Tensor]:
        """Copies of the weights that are compressed, as they are now."""
        parameters = dict(self.module.named_parameters())
        return {name: parameters[name].detach().clone() for name in self.names}

    def costs(self, kind: str) -> dict[str, float]:
        """How much a squared change of a layer costs, where weights are "pruned" or "rounded"."""
        return {one.name: getattr(one, kind) for one in self.sensitivities}

    def _curve(self, whole: Mapping[str, Tensor]) -> Iterator[None]:
        for sparsity in self.plan.sparsities:
            alike = {name: threshold(value, sparsity) for name, value in whole.items()}
            by_layer = thresholds(whole, self.costs("pruned"), sparsity)
            scores = [self._judged(pruned_all(whole, one)) for one in (alike, by_layer)]
            self.points.append(Point(sparsity, *scores))
            yield
        self._load(whole)

    def _compare_starts(self, whole: Mapping[str, Tensor]) -> Iterator[None]:
        """k-means from each start, with the same number of clusters in each layer."""
        squares = sum(float(value.square().sum()) for value in whole.values())
        count = sum(value.numel() for value in whole.values())
        clusters = self.plan.clusters or min(COMPARED, fewest_different(whole))
        for start in STARTS:
            made = clustered(whole, clusters, start, self.plan.seed)
            error = sum(float((whole[n] - v.decoded).square().sum()) for n, v in made.items())
            bits = sum(coding.entropy(np.bincount(v.indices.flatten())) for v in made.values())
            score = self._judged({name: value.decoded for name, value in made.items()})
            self.starts.append(StartResult(start, error / squares, bits / count, score))
            yield
        self._load(whole)

    def _judged(self, weights: Mapping[str, Tensor]) -> Score:
        self._load(weights)
        return self.stages.judge(self.module)

    def _shared(self, weights: Mapping[str, Tensor]) -> dict[str, Shared]:
        """The weights with few levels: so many, or as many as the file has room for."""
        plan = self.plan
        if plan.clusters is not None:
            return clustered(weights, plan.clusters, plan.start, plan.seed)
        target = self.stages.done[0].size / plan.ratio
        file = self.stages.folder / "trial.safetensors"
        spacing = Spacing(self.costs("rounded"))
        room = target
        others = 0
        while True:
            # The first trial only tells the bytes of everything else.
            made_up = self.compensations if others else {}
            made = fitted(weights, spacing, max(room - others, 1), made_up)
            sizes = self.stages.write(file, self.module, made, "coded")
            if others and sizes.total <= target:
                file.unlink()
                return made
            check_room(plan.ratio, self.stages.done[0].size, sizes.others + sizes.header)
            if others:
                room *= SLACK * target / sizes.total
            others = sizes.others + sizes.header

    def _trained(self, name: str, weights: Mapping[str, Learned]) -> Iterator[None]:
        """Train the weights and all other parameters, and add the stage."""
        if self.teaching is None:
            return
        others = {
            other: Free(value.detach())
            for other, value in self.module.named_parameters()
            if other not in weights and value.is_floating_point()
        }
        student = Student(self.module, {**weights, **others})
        for _, loss in distill(student, self.teaching):
            self.losses.append(loss)
            yield
        self._keep(name, student.kept())
        yield

    def _keep(self, name: str, kept: Mapping[str, Tensor | Shared]) -> None:
        """Put what was trained into the module, with the numbers that a file holds."""
        shared = {key: value for key, value in kept.items() if isinstance(value, Shared)}
        plain = {key: value for key, value in kept.items() if isinstance(value, Tensor)}
        self.shared.update(shared)
        self._load({**plain, **{key: value.decoded for key, value in shared.items()}})
        form: WrittenAs = "packed" if shared else "sparse"
        made = self.stages.add(name, self.module, shared or self.weights(), form)
        self._load(fractional(made))

    @torch.no_grad()
    def _load(self, tensors: Mapping[str, Tensor]) -> None:
        self.module.load_state_dict(tensors, strict=False)


def pruned_all(weights: Mapping[str, Tensor], least: Mapping[str, float]) -> dict[str, Tensor]:
    """Every layer pruned at its threshold."""
    return {name: pruned(value, least[name]) for name, value in weights.items()}
