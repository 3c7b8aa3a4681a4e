"""Confusions on a labeled collection, against counts by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

import convscope as cs
from convscope.types.panels import Bars, Grid
from tests.helpers.collections import Make
from tests.helpers.painted import LABELS, PICTURES, Colors, color_network, paint_colors


def told(result: cs.Result) -> Any:
    """The summary, of whatever types they are."""
    return result.summary


@pytest.fixture
def colors() -> cs.Network:
    return color_network()


@pytest.fixture
def painted(tmp_path: Path) -> Path:
    return paint_colors(tmp_path / "painted")


def test_by_the_networks_own_answers(colors: cs.Network, painted: Path, make: Make) -> None:
    index = make(net=colors, folder=painted)
    result = cs.confusions(colors, index=str(index.path)).result()
    summary = result.summary
    assert summary["by"] == "network"
    assert summary["accuracy"] == 5 / 8
    assert summary["top5_accuracy"] == 1.0
    assert summary["class_accuracy"] == {"blue": 1 / 3, "green": 1.0, "red": 2 / 3}
    assert summary["confused"] == [
        {"label": "blue", "prediction": "green", "images": 2},
        {"label": "red", "prediction": "green", "images": 1},
    ]
    means = {label: [] for label in sorted(LABELS)}  # type: dict[str, list[np.ndarray]]
    for label, _, color in PICTURES:
        means[label].append(np.array(color) / 255)
    expected = [np.mean(values, 0) for values in means.values()]
    np.testing.assert_allclose(result.arrays["means"], expected, atol=1e-3)
    assert result.arrays["images"].tolist() == [3, 2, 3]
    grid, bars = result._frame.panels
    assert isinstance(grid, Grid)
    assert isinstance(bars, Bars)
    assert grid.rows == ("blue as green (2)", "red as green (1)")
    assert grid.columns == 2 + 1 + 4
    # The surest mistake comes first, and right of the gap what is typical of green.
    first, second = grid.tiles[0], grid.tiles[1]
    assert first[0].mean() < 0.05 < 0.2 < second[0].mean()
    assert (grid.tiles[2] == 1).all()
    assert (grid.tiles[3][1] > 0.7).all()
    assert bars.names == ("blue", "red", "green")


@pytest.mark.parametrize("folders", [("0", "1", "2"), ("RED", "Green", "blue")])
def test_labels_may_be_numbers_and_names_in_any_case(
    colors: cs.Network, painted: Path, make: Make, folders: tuple[str, ...]
) -> None:
    for label, name in zip(LABELS, folders, strict=True):
        (painted / label).rename(painted / f"{name} ")
        (painted / f"{name} ").rename(painted / name)
    index = make(net=colors, folder=painted)
    summary = cs.confusions(colors, index=str(index.path)).result().summary
    assert (summary["by"], summary["accuracy"]) == ("network", 5 / 8)


def test_two_names_of_one_class_are_one_label(painted: Path, make: Make) -> None:
    """Its images lie in folders of either name, and count as one class however it is asked."""
    labels = ["red, crimson, n01", "green", "blue"]
    net = cs.Network(Colors(), mean=[0.0] * 3, std=[1.0] * 3, input_size=16, labels=labels)
    for number, folder in enumerate(("n01", "Crimson", "0")):
        (painted / folder).mkdir()
        Image.new("RGB", (16, 16), (190 + number, 20, 0)).save(painted / folder / "x.png")
    index = make(net=net, folder=painted)
    summary = cs.confusions(net, index=str(index.path)).result().summary
    assert (summary["by"], summary["labels"], summary["images"]) == ("network", 3, 11)
    assert summary["accuracy"] == 8 / 11
    assert summary["class_accuracy"] == {"blue": 1 / 3, "green": 1.0, "red": 5 / 6}
    assert {pair["label"] for pair in summary["confused"]} == {"red", "blue"}
    means = cs.confusions(net, index=str(index.path), by="embeddings").result()
    assert means.summary["labels"] == 3
    assert sorted(means.arrays["images"].tolist()) == [2, 3, 6]


def test_a_lone_class_may_be_improbable(painted: Path, make: Make) -> None:
    """The logit is the mean red minus 0.5: only two of the three red pictures are red."""

    class Red(Colors):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x)[:, :1] - 0.5

    net = cs.Network(Red(), mean=[0.0] * 3, std=[1.0] * 3, input_size=16, labels=["red"])
    index = make(net=net, folder=painted)
    summary = cs.confusions(net, index=str(index.path), by="network").result().summary
    assert summary["accuracy"] == 2 / 3
    assert summary["confused"] == [{"label": "red", "prediction": "not red", "images": 1}]
    assert summary["top5_accuracy"] == 2 / 3


def test_by_the_nearest_mean(own: cs.Network, make: Make) -> None:
    """Of classes that the network does not have, each image left out of its own class's mean."""
    index = make()
    result = cs.confusions(own, index=str(index.path)).result()
    labels = index.images["label"].to_pylist()
    embeddings = np.asarray(index.embeddings, np.float64)
    confused: Counter[tuple[str, str]] = Counter()
    labeled = [i for i, label in enumerate(labels) if label]
    for i in labeled:
        likeness = {}
        for label in ("class 0", "class 1"):
            mean = embeddings[[j for j in labeled if labels[j] == label and j != i]].mean(0)
            likeness[label] = (
                embeddings[i] @ mean / np.linalg.norm(embeddings[i]) / np.linalg.norm(mean)
            )
        confused[labels[i], max(likeness, key=lambda name: likeness[name])] += 1
    assert told(result)["by"] == "embeddings"
    assert told(result)["images"] == len(labeled) == 20
    assert {(c["label"], c["prediction"]): c["images"] for c in told(result)["confused"]} == {
        pair: n for pair, n in confused.items() if pair[0] != pair[1]
    }
    right = sum(n for pair, n in confused.items() if pair[0] == pair[1])
    assert told(result)["accuracy"] == right / 20


def test_precision_of_neighbors_beside_pixels_and_chance(
    colors: cs.Network, painted: Path, make: Make
) -> None:
    index = make(net=colors, folder=painted)
    found = told(cs.confusions(colors, index=str(index.path)).result())["precision_at_5"]
    assert set(found) == {"embeddings", "pixels", "chance"}
    same = {"red": 2, "green": 1, "blue": 2}
    chance = np.mean([same[label] / 7 for label, *_ in PICTURES])
    assert found["chance"] == pytest.approx(chance)


def test_nothing_confused(colors: cs.Network, painted: Path, make: Make) -> None:
    for name in ("red/wrong", "blue/wrong", "blue/surely wrong"):
        (painted / f"{name}.png").unlink()
    index = make(net=colors, folder=painted)
    result = cs.confusions(colors, index=str(index.path)).result()
    assert (told(result)["accuracy"], told(result)["confused"]) == (1.0, [])
    grid = result._frame.panels[0]
    assert isinstance(grid, Grid)
    assert grid.rows == ("blue", "green", "red")
    assert min(result.picture.size) > 100


def test_what_is_refused(colors: cs.Network, own: cs.Network, make: Make, tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    loose.mkdir()
    Image.new("RGB", (16, 16)).save(loose / "a.png")
    index = make(net=colors, folder=loose)
    with pytest.raises(cs.ConvscopeError, match="has 0 labels; put the images of each class into"):
        cs.confusions(colors, index=str(index.path)).result()
    index = make("other")
    with pytest.raises(cs.ConvscopeError, match="none of the labels is a class of Own"):
        cs.confusions(own, index=str(index.path), by="network").result()


def test_folders_called_by_wordnet_ids(net: cs.Network) -> None:
    assert net.target("n02123045").channel == net.target("tabby").channel == 281
