"""Confusions on a labeled collection, against counts by hand."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import convscope as cs
from convscope.types.panels import Grid, Matrix
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
    assert [one["recall"] for one in summary["classes"]] == [1 / 3, 1.0, 2 / 3]
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
    matrix, grid = result.frame.panels
    assert isinstance(matrix, Matrix)
    assert isinstance(grid, Grid)
    assert grid.rows == ("blue as green (2)", "red as green (1)")
    assert grid.columns == 2 + 1 + 4
    # The surest mistake comes first, and right of the gap what is typical of green.
    first, second = grid.tiles[0], grid.tiles[1]
    assert first[0].mean() < 0.05 < 0.2 < second[0].mean()
    assert (grid.tiles[2] == 1).all()
    assert (grid.tiles[3][1] > 0.7).all()
    names = ["wrong.png", "wrong.png", "surely wrong.png"]
    assert sorted(c for c in grid.captions[:2] + grid.captions[7:8]) == sorted(names)
    assert matrix.rows == matrix.columns == ("blue", "green", "red")
    assert matrix.counts.tolist() == [[1, 2, 0], [0, 2, 0], [0, 1, 2]]
    assert result.arrays["matrix"].tolist() == [[1, 2, 0, 0], [0, 2, 0, 0], [0, 1, 2, 0]]
    assert "accuracy 62.5% (30.6% to 86.3%) on 8 images" in matrix.caption


def test_every_mistake_is_named(colors: cs.Network, painted: Path, make: Make) -> None:
    index = make(net=colors, folder=painted)
    summary = cs.confusions(colors, index=str(index.path)).result().summary
    told = {one["path"]: one for one in summary["mistakes"]}
    assert told.keys() == {"red/wrong.png", "blue/wrong.png", "blue/surely wrong.png"}
    one = told["blue/wrong.png"]
    assert index.paths[one["image"]] == "blue/wrong.png"
    assert (one["label"], one["prediction"], one["label_rank"]) == ("blue", "green", 3)
    chances = torch.tensor([90, 200, 10]).div(255).softmax(0)
    assert one["confidence"] == pytest.approx(float(chances[1]), abs=1e-4)
    assert one["label_confidence"] == pytest.approx(float(chances[2]), abs=1e-4)
    blue, green, red = summary["classes"]
    assert (blue["precision"], blue["recall"], blue["f1"]) == (1, 1 / 3, 1 / 2)
    assert (green["precision"], green["recall"], green["f1"]) == (2 / 5, 1, 4 / 7)
    assert (red["images"], red["right"], red["precision"]) == (3, 2, 1)
    assert summary["unmatched"] == []


def test_a_table_of_all_images(
    colors: cs.Network, painted: Path, make: Make, tmp_path: Path
) -> None:
    index = make(net=colors, folder=painted)
    result = cs.confusions(colors, index=str(index.path)).result()
    result.save(tmp_path / "all.csv")
    with (tmp_path / "all.csv").open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["path"] for row in rows] == [f"{la}/{name}.png" for la, name, _ in sorted(PICTURES)]
    wrong = {row["path"] for row in rows if row["label"] != row["prediction"]}
    assert wrong == {one["path"] for one in result.summary["mistakes"]}
    (tmp_path / "mine.csv").write_text("mine")
    with pytest.raises(cs.ConvscopeError, match="exists and was not made by convscope"):
        result.save(tmp_path / "mine.csv")
    with pytest.raises(cs.ConvscopeError, match="saliency gives no table"):
        cs.saliency(colors, torch.rand(1, 3, 16, 16)).result().save(tmp_path / "no.csv")


def test_what_an_index_knows_needs_no_network(
    colors: cs.Network, painted: Path, make: Make
) -> None:
    index = make(net=colors, folder=painted)
    photo = cs.open_image(painted / "red" / "a.png")
    made: list[Any] = [
        lambda net: cs.confusions(net, index=index),
        lambda net: cs.embedding_map(net, index=index, method="pca"),
    ]
    for run in made:
        with_it, without = run(colors).result(), run(None).result()
        assert told(without) == told(with_it)
        assert without.provenance["network"] is None
    near = [told(cs.neighbors(n, photo, index=index).result()) for n in (colors, None)]
    for space, digits in (("embedding", 3), ("pixels", 6)):  # embeddings are kept in half precision
        one, other = ([(x["path"], round(x["distance"], digits)) for x in n[space]] for n in near)
        assert one == other
    assert told(cs.confusions(index=index).result())["by"] == "network"
    with pytest.raises(
        cs.ConvscopeError, match=r"the photograph is not in .*; to compare it, give"
    ):
        cs.neighbors(None, torch.rand(1, 3, 16, 16), index=index).result()
    with pytest.raises(cs.ConvscopeError, match="patches needs a Network first"):
        cs.patches(None, index=index)  # type: ignore[arg-type]


def test_labels_that_are_no_class_are_told(colors: cs.Network, painted: Path, make: Make) -> None:
    (painted / "blue").rename(painted / "azure")
    index = make(net=colors, folder=painted)
    summary = cs.confusions(index=index, by="network").result().summary
    assert (summary["unmatched"], summary["images"], summary["labels"]) == (["azure"], 5, 3)
    result = cs.confusions(index=index).result()
    assert (told(result)["by"], told(result)["unmatched"]) == ("embeddings", ["azure"])
    caption = result.frame.panels[0].caption
    assert caption.endswith("by the nearest mean embedding; no class of the network: azure")


def test_the_network_may_be_given_with_labels_of_its_own(painted: Path, make: Make) -> None:
    bare = cs.Network(Colors(), mean=[0.0] * 3, std=[1.0] * 3, input_size=16)
    index = make(net=bare, folder=painted)
    assert told(cs.confusions(bare, index=index).result())["by"] == "embeddings"
    named = cs.Network(Colors(), mean=[0.0] * 3, std=[1.0] * 3, input_size=16, labels=LABELS)
    assert told(cs.confusions(named, index=index).result())["accuracy"] == 5 / 8


def test_the_most_confused_part_of_many_classes(tmp_path: Path, make: Make) -> None:
    """Sixty classes; only classes 7 and 31 are confused, each image of one with the other."""
    names = [f"c{i:02}" for i in range(60)]

    class Red(nn.Module):
        """The class whose number is the amount of red."""

        def __init__(self) -> None:
            super().__init__()
            self.pool, self.flat = nn.AdaptiveAvgPool2d(1), nn.Flatten()
            self.head = nn.Linear(3, 60)
            with torch.no_grad():
                at = torch.arange(60) * 4 / 255
                self.head.weight.copy_(torch.stack([2 * at, 0 * at, 0 * at], 1) * 1000)
                self.head.bias.copy_(-(at**2) * 1000)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.head(self.flat(self.pool(x)))
            return result

    net = cs.Network(Red(), mean=[0.0] * 3, std=[1.0] * 3, input_size=16, labels=names)
    for number, name in enumerate(names):
        (tmp_path / "many" / name).mkdir(parents=True)
        red = 4 * {7: 31, 31: 7}.get(number, number)
        Image.new("RGB", (16, 16), (red, 0, 0)).save(tmp_path / "many" / name / "x.png")
    result = cs.confusions(index=make(net=net, folder=tmp_path / "many")).result()
    matrix = result.frame.panels[0]
    assert isinstance(matrix, Matrix)
    assert len(matrix.rows) == 25
    assert {"c07", "c31"} <= set(matrix.rows)
    assert matrix.counts[matrix.rows.index("c07"), matrix.rows.index("c31")] == 1
    assert "the 25 of 60 classes with most mistakes" in matrix.caption


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
    assert [one["recall"] for one in summary["classes"]] == [1 / 3, 1.0, 5 / 6]
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
    grid = result.frame.panels[1]
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
