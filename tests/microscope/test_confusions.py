"""Confusions: counted by hand, and the gap between two scores taken apart in float64."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import convscope as cs
from convscope.collection import Index
from convscope.microscope import Microscope
from tests.helpers.collections import paint
from tests.helpers.networks import own_network


def test_each_mistake_is_in_one_pair(labeled: cs.Network, lab: Microscope) -> None:
    index = lab.index
    wrong: Counter[tuple[str, str]] = Counter()
    for row, label in enumerate(index.folders):
        said = labeled.predict(index.photo(row), top=1)[0].label
        if label and said != label:
            wrong[label, said] += 1
    found = lab.confusions()
    assert {(one.label, one.prediction): len(one.rows) for one in found} == wrong
    sizes = [len(one.rows) for one in found]
    assert sizes == sorted(sizes, reverse=True)


def test_the_units_of_the_embedding_make_the_gap(labeled: cs.Network, lab: Microscope) -> None:
    weight, bias = labeled.parameter("head"), labeled.parameter("head", "bias")
    for one in lab.confusions():
        assert one.numbers is not None
        right, taken = one.numbers
        assert (labeled.label(right), labeled.label(taken)) == (one.label, one.prediction)
        photos = [lab.index.photo(row) for row in one.rows]
        logits = torch.cat([labeled.logits(photo) for photo in photos])
        gap = float((logits[:, taken] - logits[:, right]).mean())
        assert one.gap == pytest.approx(gap, rel=1e-2, abs=1e-3)  # embeddings are float16
        assert one.gap is not None
        assert one.gap > 0
        assert len(one.change) == 12
        rest = float(bias[taken] - bias[right])
        assert sum(unit.value for unit in one.change) + rest == pytest.approx(one.gap, abs=1e-9)
        means = torch.stack(
            [labeled.read(photo, {"doubled"})["doubled"][0].mean((1, 2)) for photo in photos]
        ).mean(0)
        for unit in one.change:
            expected = float((weight[taken] - weight[right])[unit.channel] * means[unit.channel])
            assert unit.value == pytest.approx(expected, rel=1e-2, abs=1e-3)


def test_labels_that_are_no_classes_do_not_count(labeled: cs.Network, tmp_path: Path) -> None:
    """Two of three folders are classes: the network decides, and the third one is left out."""
    for seed in range(9):
        folder = tmp_path / "photos" / ("class 0", "class 1", "nowhere")[seed % 3]
        paint(folder / f"{seed}.png", seed)
    index = cs.index(labeled, tmp_path / "photos", tmp_path / "index", workers=0).result()
    wrong: Counter[tuple[str, str]] = Counter()
    for row, label in enumerate(index.folders):
        said = labeled.predict(index.photo(row), top=1)[0].label
        if label and label != "nowhere" and said != label:
            wrong[label, said] += 1
    assert wrong
    found = Microscope(labeled, index.path).confusions()
    assert {(one.label, one.prediction): len(one.rows) for one in found} == wrong
    assert all(one.numbers for one in found)


def test_without_classes_the_nearest_mean_decides(own: cs.Network, scope: Microscope) -> None:
    """The folders' names are no classes of a network without labels."""
    assert not own.labels
    for one in scope.confusions():
        assert (one.numbers, one.change, one.gap) == (None, (), None)


def test_one_label_is_not_enough(index_of: object) -> None:
    net = own_network()
    index: Index = index_of(net)  # type: ignore[operator]
    with pytest.raises(cs.ConvscopeError, match="has 0 labels; put the images"):
        Microscope(net, index.path).confusions()


def test_a_head_that_is_not_linear_says_nothing_of_units(index_of: object) -> None:
    """Two dense layers with a ReLU between are not one matrix."""
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    module = nn.Sequential(body, nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    net = cs.Network(module, mean=[0.5] * 3, std=[0.25] * 3, input_size=16, labels=["a", "b"])
    index: Index = index_of(net, "0.0")  # type: ignore[operator]
    scope = Microscope(net, index.path)
    layer = scope.layer("0.0")
    assert (layer.pushed == -1).all()
    assert np.isnan(layer.push).all()
