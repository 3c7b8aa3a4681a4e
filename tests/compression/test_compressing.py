"""Sensitivity, pruning, training and stages, on networks small enough to work them out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import convscope as cs
from convscope.compression import (
    Free,
    Judge,
    Levels,
    Spacing,
    Student,
    Teaching,
    distill,
    fitted,
    k_means,
    merge_statistics,
    near_zero,
    pruned,
    sensitivities,
    shared,
    threshold,
    thresholds,
    weight_names,
)
from convscope.network import save_compressed
from convscope.stylization import Crops
from tests.helpers.collections import paint


def classifier(classes: int = 5) -> nn.Sequential:
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, classes),
    )
    made.eval()
    return made


def network(module: nn.Module | None = None) -> cs.Network:
    labels = ["zero", "one", "two", "three", "four"]
    made = classifier() if module is None else module
    return cs.Network(made, mean=[0.5] * 3, std=[0.5] * 3, input_size=32, labels=labels)


def zeros_of(net: cs.Network) -> float:
    """The fraction of the weights of filters and matrices that are zero."""
    weights = [value for value in net.module.parameters() if value.dim() > 1]
    return sum(int((v == 0).sum()) for v in weights) / sum(v.numel() for v in weights)


@pytest.fixture
def loose(tmp_path: Path) -> Path:
    for seed in range(8):
        paint(tmp_path / "loose" / f"{seed}.png", seed)
    return tmp_path / "loose"


# ------------------------------------------------------------------------------ weights


def test_weights_are_matrices_and_filters() -> None:
    assert weight_names(classifier()) == ["0.weight", "3.weight", "7.weight"]
    assert not weight_names(cs.load("hog", device="cpu").module)


def test_near_zero_is_counted() -> None:
    weights = torch.tensor([1.0, -0.049, 0.049, 0.051, -0.5])
    assert near_zero(weights) == pytest.approx(2 / 5)


def test_merged_statistics_change_no_output() -> None:
    module = classifier()
    with torch.no_grad():
        for value in module.get_submodule("1").state_dict().values():
            if value.is_floating_point():
                value.uniform_(0.3, 2)
    inputs = torch.randn(2, 3, 32, 32)
    wanted = module.double()(inputs.double())
    merge_statistics(module)
    assert torch.allclose(module(inputs.double()), wanted, rtol=1e-12)
    assert not module.get_buffer("1.running_mean").any()


# ------------------------------------------------------------------------------ pruning


def test_sparsity_counted_by_numpy() -> None:
    weights = torch.randn(40, 25)
    found = pruned(weights, threshold(weights, 0.3))
    assert np.count_nonzero(found.numpy() == 0) == 300
    kept = np.abs(weights.numpy())[found.numpy() != 0]
    assert kept.min() > np.sort(np.abs(weights.numpy()).ravel())[299]
    assert torch.equal(pruned(weights, threshold(weights, 0)), weights)


def test_a_layer_four_times_as_sensitive_has_half_the_threshold() -> None:
    weights = {"a": torch.randn(1000), "b": torch.randn(1000)}
    found = thresholds(weights, {"a": 4.0, "b": 1.0}, 0.4)
    assert found["b"] == pytest.approx(2 * found["a"])
    zeros = sum(int((pruned(weights[n], found[n]) == 0).sum()) for n in weights)
    assert zeros == 800


def test_sensitivity_is_the_divergence_of_a_layer_pruned_alone() -> None:
    module, inputs = classifier(), torch.randn(3, 3, 32, 32)
    judge = Judge(module, inputs, [0, 1, 2])
    before = {name: value.clone() for name, value in module.state_dict().items()}
    found = next(sensitivities(module, ["3.weight"], (0.5,), judge, {}))
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    other = classifier()
    weights = other.get_parameter("3.weight").data.numpy()
    weights[np.abs(weights) <= np.sort(np.abs(weights).ravel())[weights.size // 2 - 1]] = 0
    with torch.no_grad():
        p, q = module(inputs).double().softmax(1), other(inputs).double().softmax(1)
    wanted = float((p * (p / q).log()).sum(1).mean())
    assert found.scores[0].divergence == pytest.approx(wanted, rel=1e-3)
    squares = float((other.get_parameter("3.weight").detach() - before["3.weight"]).square().sum())
    assert found.pruned == pytest.approx(wanted / squares, rel=1e-3)


def test_levels_are_as_many_as_the_bytes_allow() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = {
        "a": torch.randn(64, 64, generator=generator),
        "b": torch.randn(64, 64, generator=generator),
    }
    for room in (2000, 4000):
        found = fitted(weights, Spacing({"a": 16.0, "b": 1.0}), room, {})
        assert len(found["a"].levels) > 2 * len(found["b"].levels)
    bits = 4000 * 8 / (2 * 64 * 64)
    error = sum(float((weights[n] - v.decoded).square().mean()) for n, v in found.items()) / 2
    assert error < 4 ** -(bits - 1.6)  # nearly what evenly spaced levels reach
    with pytest.raises(cs.ConvscopeError, match="give a lower ratio"):
        fitted(weights, Spacing({"a": 1.0, "b": 1.0}), 10, {})


def test_levels_are_multiples_of_one_distance_and_small_weights_become_zero() -> None:
    weights = {"a": torch.randn(40, 40, generator=torch.Generator().manual_seed(0)) + 0.3}
    spacing = Spacing({"a": 4.0})
    levels = spacing.levels("a", np.array([-0.6, 0.2, 1.1]), 0.5)  # 0.5 / sqrt(4) apart
    assert levels.tolist() == [-0.5, -0.25, 0, 0.25, 0.5, 0.75, 1]
    found = fitted(weights, spacing, 500, {})["a"]
    step = float(found.levels[found.levels > 0].min())
    rounded = (weights["a"] / step).round() * step
    assert float((found.decoded - rounded).abs().max()) < 3e-3
    assert int((found.decoded == 0).sum()) == int((rounded == 0).sum()) > 0


# ----------------------------------------------------------------------------- training


def test_gradient_of_a_level_is_the_sum_over_its_weights() -> None:
    module, inputs = classifier(), torch.randn(2, 3, 32, 32)
    values = module.get_parameter("3.weight").detach()
    weights = shared(values, k_means(values.numpy().ravel(), np.linspace(-0.1, 0.1, 5)))
    student = Student(module, {"3.weight": Levels(weights)})
    student(inputs).square().sum().backward()
    module.get_parameter("3.weight").data = weights.decoded
    module(inputs).square().sum().backward()
    gradient = module.get_parameter("3.weight").grad
    assert gradient is not None
    scale = 10 * float(weights.levels.square().mean().sqrt())
    sums = [float(gradient[weights.indices == level].sum()) for level in range(5)]
    assert student.moved.grad is not None
    assert student.moved.grad.tolist() == pytest.approx([scale * one for one in sums], rel=1e-4)


def test_training_keeps_zeros_and_indices(loose: Path) -> None:
    net = network()
    module = classifier()
    zeros = pruned(module.get_parameter("3.weight").detach(), 0.05)
    levels = shared(module.get_parameter("7.weight"), np.linspace(-0.2, 0.2, 4))
    student = Student(module, {"3.weight": Free(zeros, zeros != 0), "7.weight": Levels(levels)})
    crops = Crops(sorted(loose.iterdir()), 32, 0)
    losses = [loss for _, loss in distill(student, Teaching(net, crops, 30, 4, 0.02))]
    assert len(losses) == 30
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    kept = student.kept()
    weights, table = kept["3.weight"], kept["7.weight"]
    assert isinstance(weights, torch.Tensor)
    assert not isinstance(table, torch.Tensor)
    assert torch.equal(weights == 0, zeros == 0)
    assert torch.equal(table.indices, levels.indices)
    assert torch.equal(table.levels, table.levels.half().float())


# --------------------------------------------------------------------------- everything

QUICK: dict[str, Any] = {"steps": 2, "batch_size": 2, "probes": 2, "sparsities": (0.5,)}


def test_the_file_holds_the_network_that_was_measured(
    tmp_path: Path, squeezenet: cs.Network
) -> None:
    for seed, name in enumerate(("tench", "goldfish", "n01484850", "tench", "281", "hen")):
        paint(tmp_path / "photos" / name / f"{seed}.png", seed, (300, 240))
    file, stages = tmp_path / "small.safetensors", tmp_path / "stages"
    stages.mkdir()
    run = cs.compress(
        squeezenet,
        folder=tmp_path / "photos",
        file=file,
        stages=stages,
        steps=0,
        probes=1,
        sparsities=(0.5,),
        sparsity=0.3,
    )
    result = run.result()
    rows = {one["stage"]: one for one in result.summary["stages"]}
    files = sorted(stages.glob("*.safetensors"))
    assert [one["bytes"] for one in rows.values()] == [one.stat().st_size for one in files]
    assert file.stat().st_size == rows["coded"]["bytes"]
    assert rows["coded"]["bytes"] * 8 <= rows["float32"]["bytes"]
    assert rows["coded"]["ratio"] == rows["float32"]["bytes"] / file.stat().st_size
    assert sum(result.summary["parts"].values()) == 2 * file.stat().st_size  # and their total
    small = cs.load(str(file), device="cpu")
    last = cs.load(str(files[-2]), device="cpu")  # shared, not coded
    assert small.digest == last.digest
    assert zeros_of(cs.load(str(files[2]), device="cpu")) == pytest.approx(0.3, abs=0.001)
    assert zeros_of(small) >= 0.299  # those nearest to the level zero join them
    measured = sorted((tmp_path / "photos").rglob("*.png"))[1::2]
    classes = {"tench": 0, "goldfish": 1, "n01484850": 2, "281": 281, "hen": 8}
    right = [
        small.predict(cs.open_image(one), 1)[0].index == classes[one.parent.name]
        for one in measured
    ]
    assert rows["coded"]["accuracy"] == pytest.approx(np.mean(right))


def test_a_network_of_own_code_is_given_with_its_file(tmp_path: Path, loose: Path) -> None:
    net, file = network(), tmp_path / "small.safetensors"
    result = cs.compress(net, folder=loose, file=file, clusters=6, **QUICK).result()
    assert not result.summary["labeled"]
    assert result.summary["stages"][-1]["accuracy"] is None
    assert [one["stage"] for one in result.summary["stages"]] == [
        "float32", "float16", "pruned", "pruned and trained", "shared", "shared and trained",
        "coded",
    ]  # fmt: skip
    assert all(one["levels"] <= 7 for one in result.summary["layers"])
    with pytest.raises(cs.ConvscopeError, match="give that code as the network"):
        cs.load(str(file))


def test_what_is_refused(tmp_path: Path, loose: Path) -> None:
    net = network()
    for name in ("zero", "five"):
        paint(tmp_path / "photos" / name / "0.png", 0)
    refusals: list[tuple[dict[str, Any], str]] = [
        ({"folder": loose, "sparsity": 1.0}, "sparsity"),
        ({"folder": loose, "clusters": 200, **QUICK}, "more than the .* different weights"),
        ({"folder": loose, "ratio": 60.0, **QUICK}, "lower ratio"),
        ({"folder": tmp_path / "photos"}, "folders whose names are no classes of .*five"),
        ({"folder": tmp_path / "photos" / "five"}, "at least 2 photographs"),
        ({"folder": tmp_path / "none"}, "no folder"),
        ({"folder": loose, "stages": tmp_path / "none"}, "no folder"),
        ({"folder": loose, "file": loose / "0.png"}, "0.png"),
    ]
    for options, message in refusals:
        with pytest.raises(cs.ConvscopeError, match=message) as caught:
            cs.compress(net, **options).result()
        assert "\n" not in str(caught.value)
    with pytest.raises(cs.ConvscopeError, match="hog has no weights"):
        cs.compress(cs.load("hog", device="cpu"), folder=loose).result()
    ends = network(nn.Sequential(*classifier(), nn.Softmax(1)))
    with pytest.raises(cs.ConvscopeError, match="softmax"):
        cs.compress(ends, folder=loose).result()


def test_a_stopped_training_goes_on(tmp_path: Path, loose: Path) -> None:
    options: dict[str, Any] = {"folder": loose, "clusters": 6, **QUICK, "steps": 6}
    whole = cs.compress(network(), **options).result()
    from convscope.ascent import resume_files

    run = cs.compress(network(), **options)
    with resume_files.resumable(tmp_path / "state", run.identity, resume=True):
        results = iter(run)
        for one in results:
            if one.summary["training_steps"] == 3:
                break
        results.close()  # type: ignore[attr-defined]
    again = cs.compress(network(), **options)
    with resume_files.resumable(tmp_path / "state", again.identity, resume=True):
        last = again.result()
    assert last.summary == whole.summary


def test_other_files_are_not_replaced(tmp_path: Path, loose: Path) -> None:
    file = tmp_path / "mine.safetensors"
    file.write_bytes(b"mine")
    with pytest.raises(cs.ConvscopeError):
        cs.compress(network(), folder=loose, file=file).result()
    assert file.read_bytes() == b"mine"
    file.unlink()
    save_compressed(file, {"w": (torch.randn(3), "float16")}, None, {})
    cs.compress(network(), folder=loose, file=file, clusters=4, **QUICK).result()
    assert file.stat().st_size > 1000
