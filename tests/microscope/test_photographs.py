"""What a microscope says of photographs, against plain PyTorch and NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import convscope as cs
from convscope.microscope import Microscope
from convscope.microscope.weights import connections_of
from tests.helpers.aged import without_peaks


def wrong_rows(lab: Microscope) -> list[int]:
    folders = lab.index.folders
    said = [lab.index.prediction(row) for row in range(len(lab.index))]
    return [row for row, label in enumerate(folders) if label and said[row] != label]


def test_parts_add_up_to_the_score_where_that_is_exact(
    labeled: cs.Network, lab: Microscope
) -> None:
    """Behind `doubled` there is only a mean and a dense layer."""
    weight, bias = labeled.parameter("head"), labeled.parameter("head", "bias")
    for row in (0, 7, 22):
        found = lab.photograph(row)
        best = found.predictions[0].index
        photo = lab.index.photo(row)
        means = labeled.read(photo, {"doubled"})["doubled"].mean((2, 3))[0]
        logit = float(labeled.logits(photo)[0, best])
        last = next(one for one in found.decided if one.layer == "doubled")
        assert last.exact
        assert last.score == pytest.approx(logit, abs=1e-10)
        assert last.total + last.constant == pytest.approx(logit, abs=1e-10)
        assert last.constant == pytest.approx(float(bias[best]), abs=1e-10)
        expected = (weight[best] * means).tolist()
        assert {one.channel: one.value for one in last.units} == pytest.approx(
            dict(enumerate(expected)), abs=1e-10
        )
        values = [abs(one.value) for one in last.units]
        assert values == sorted(values, reverse=True)


def test_parts_are_gradient_times_activation_elsewhere(
    labeled: cs.Network, lab: Microscope
) -> None:
    found = lab.photograph(3)
    first = next(one for one in found.decided if one.layer == "norm")
    assert not first.exact
    image = labeled.preprocess(lab.index.photo(3))
    values = labeled.activations(image, ["norm", ""], leaves=True)
    (gradient,) = torch.autograd.grad(values[""][0, found.predictions[0].index], values["norm"])
    expected = (gradient * values["norm"].detach()).sum((0, 2, 3))
    assert first.total == pytest.approx(float(expected.sum()), abs=1e-10)
    for one in first.units:
        assert one.value == pytest.approx(float(expected[one.channel]), abs=1e-10)


def test_a_mistake_is_a_gap_between_two_classes(labeled: cs.Network, lab: Microscope) -> None:
    rows = wrong_rows(lab)
    assert rows
    for row in rows[:4]:
        found = lab.photograph(row)
        mistake = found.mistake
        assert mistake is not None
        assert mistake.label.label == found.label == lab.index.folders[row]
        assert mistake.prediction.label == found.predictions[0].label
        logits = labeled.logits(lab.index.photo(row))[0]
        gap = float(logits[mistake.prediction.number] - logits[mistake.label.number])
        assert mistake.prediction.value - mistake.label.value == pytest.approx(gap, abs=1e-10)
        last = next(one for one in mistake.decided if one.layer == "doubled")
        assert last.exact
        assert last.total + last.constant == pytest.approx(gap, abs=1e-10)
        assert {lab.index.folders[one.row] for one in mistake.nearest} == {found.label}
        assert row not in {one.row for one in mistake.nearest}


def test_a_right_photograph_has_no_mistake(lab: Microscope) -> None:
    wrong = {*wrong_rows(lab)}
    right = [row for row in range(20) if row not in wrong and lab.index.folders[row]]
    assert all(lab.photograph(row).mistake is None for row in right[:2])
    loose = lab.index.folders.index(None)
    assert lab.photograph(loose).mistake is None


def test_the_strongest_units_reach_most_of_their_own_highest(
    labeled: cs.Network, lab: Microscope
) -> None:
    found = lab.photograph(5)
    photo = lab.index.photo(5)
    for layer, strongest in found.strongest.items():
        values = labeled.read(photo, {layer})[layer][0].flatten(1).max(1).values.numpy()
        fractions = values / lab.index.channels[layer].high
        best = np.sort(fractions[lab.index.channels[layer].high > 0])[::-1][: len(strongest)]
        np.testing.assert_allclose([one.relative for one in strongest], best, atol=1e-6)
        for one in strongest:
            assert one.patch.row == 5
            assert one.patch.value == pytest.approx(float(values[one.patch.channel]), abs=1e-9)
            assert one.patch.position is not None
    responding = lab.responding(photo)
    same = lab.strongest(photo, 3)
    for layer, strongest in same.items():
        for one in strongest:
            assert responding[layer][one.patch.channel] == pytest.approx(one.relative)
            assert one.patch.row == -1


def test_its_own_strongest_photograph_is_all_of_it(lab: Microscope) -> None:
    unit = lab.unit("norm", 0)
    found = lab.responding(lab.index.photo(unit.top[0].row))
    assert found["norm"][0] == pytest.approx(1, abs=1e-5)


def test_neighbors_by_brute_force(lab: Microscope) -> None:
    found = lab.photograph(4)
    embeddings = lab.index.embeddings.astype(np.float64)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    cosine = np.sort(np.delete(1 - unit @ unit[4], 4))[: len(found.by_embedding)]
    np.testing.assert_allclose([one.distance for one in found.by_embedding], cosine, atol=1e-6)
    pixels = lab.index.pixels.astype(np.float64)
    distances = np.sort(np.delete(np.linalg.norm(pixels - pixels[4], axis=1), 4))
    got = [one.distance for one in found.by_pixels]
    np.testing.assert_allclose(got, distances[: len(got)], rtol=1e-6)


def test_a_class_map_is_grad_cam(labeled: cs.Network, lab: Microscope) -> None:
    photo = lab.index.photo(2)
    expected: Tensor = cs.gradcam(labeled, photo, target=1).result().arrays["doubled"][0]
    found = lab.class_map(2, 1)
    np.testing.assert_allclose(found.values, expected, atol=1e-10)
    assert found.box == labeled.box(photo)


def test_no_such_row(lab: Microscope) -> None:
    with pytest.raises(cs.ConvscopeError, match="has rows 0 to 22, and no 23"):
        lab.photograph(23)


def test_a_photograph_that_is_gone(
    lab: Microscope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab.index, "folder", tmp_path)
    with pytest.raises(cs.ConvscopeError, match="is no longer in"):
        lab.photograph(0)


def test_connections_are_kept(
    labeled: cs.Network, lab: Microscope, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = lab.connections("norm", 2)
    assert made == connections_of(labeled, lab.index, "norm", 2)
    assert made.feeds
    assert {one.layer for one in made.feeds} == {"doubled"}
    monkeypatch.setattr(cs.Network, "activations", None)
    assert Microscope(labeled, lab.index.path).connections("norm", 2) == made


def test_damaged_connections_are_made_again(labeled: cs.Network, lab: Microscope) -> None:
    made = lab.connections("norm", 2)
    (file,) = lab.index.path.glob("microscope/connections/*/*.json")
    file.write_bytes(file.read_bytes()[:-40])
    assert Microscope(labeled, lab.index.path).connections("norm", 2) == made
    assert file.read_bytes().endswith(b"}\n")


def test_a_layer_knows_what_its_units_push(labeled: cs.Network, lab: Microscope) -> None:
    before = lab.layer("norm")
    assert (before.pushed == -1).all()
    assert np.isnan(before.push).all()
    up = lab.connections("norm", 1).up
    after = lab.layer("norm")
    assert after.pushed[1] == (up[0].number if up else -1)
    assert (after.pushed[[0, 2, 3]] == -1).all()
    last = lab.layer(lab.index.settings.embedding)
    weight = labeled.parameter("head")
    np.testing.assert_array_equal(last.pushed, weight.argmax(0))
    np.testing.assert_allclose(last.push, weight.max(0).values, atol=1e-10)


def test_the_units_that_push_a_class(labeled: cs.Network, lab: Microscope) -> None:
    weight = labeled.parameter("head")
    for number in range(len(weight)):
        found = lab.pushing(number)
        values = {one.channel: one.value for one in found}
        assert values == pytest.approx(dict(enumerate(weight[number].tolist())), abs=1e-10)
        assert list(values.values()) == sorted(values.values(), reverse=True)
        assert {one.layer for one in found} == {lab.index.settings.embedding}
    with pytest.raises(cs.ConvscopeError, match=f"and no {len(weight)}$"):
        lab.pushing(len(weight))


def test_an_index_that_cannot_be_written(
    labeled: cs.Network, lab: Microscope, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise PermissionError("read only")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert lab.connections("norm", 2).feeds
    with pytest.raises(cs.ConvscopeError, match="no folder"):
        lab.write_note("norm", 2, "a note")


def test_an_older_index_has_photographs(labeled: cs.Network, lab: Microscope) -> None:
    path = without_peaks(lab.index.path)
    assert Microscope(labeled, path).photograph(0).strongest
