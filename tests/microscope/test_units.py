"""What a microscope says of layers and units, against the network run on every photograph."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import convscope as cs
from convscope.collection import Index
from convscope.microscope import Microscope
from convscope.types import Array
from tests.helpers.aged import without_peaks


def all_maps(net: cs.Network, index: Index, layer: str) -> Array:
    """What a layer answers to every photograph: (N, C, places) float64."""
    maps = []
    for row in range(len(index)):
        read = net.read(index.photo(row), {layer})[layer]
        maps.append(net.by_channel(layer, read).flatten(2) if read.dim() > 2 else read[..., None])
    found: Tensor = torch.cat(maps).double()
    return found.numpy()


def test_layers_are_those_of_the_index(scope: Microscope, index: Index) -> None:
    assert [one.name for one in scope.layers] == list(index.channels)
    for one in scope.layers:
        assert index.channels[one.name].places == one.size[0] * one.size[1]
        assert len(index.channels[one.name].high) == one.channels


def test_a_layer_is_what_its_values_say(own: cs.Network, scope: Microscope, index: Index) -> None:
    for one in scope.layers:
        values, found = all_maps(own, index, one.name), scope.layer(one.name)
        np.testing.assert_allclose(found.high, values.max((0, 2)), atol=1e-5)
        np.testing.assert_allclose(found.low, values.min((0, 2)), atol=1e-5)
        np.testing.assert_allclose(found.mean, values.mean((0, 2)), atol=1e-5)
        np.testing.assert_allclose(found.sparsity, (values <= 0).mean((0, 2)), atol=1e-3)
        strongest = values.max(2).argmax(0)
        np.testing.assert_allclose(
            values.max(2)[found.strongest, range(one.channels)],
            values.max(2)[strongest, range(one.channels)],
            atol=1e-5,
        )


def test_a_unit_s_patches_are_its_extremes(
    own: cs.Network, scope: Microscope, index: Index
) -> None:
    name, channels, size = scope.layers[0]
    peaks = all_maps(own, index, name)
    for channel in range(channels):
        unit = scope.unit(name, channel)
        highest = np.sort(peaks[:, channel].max(1))[::-1][: len(unit.top)]
        lowest = np.sort(peaks[:, channel].min(1))[: len(unit.bottom)]
        np.testing.assert_allclose([one.value for one in unit.top], highest, atol=1e-5)
        np.testing.assert_allclose([one.value for one in unit.bottom], lowest, atol=1e-5)
        for one in (*unit.top, *unit.bottom):
            assert one.position is not None
            place = one.position[0] * size[1] + one.position[1]
            assert peaks[one.row, channel, place] == pytest.approx(one.value, abs=1e-5)
        assert unit.counts.sum() == peaks[:, channel].size
        assert len(unit.edges) == len(unit.counts) + 1


def test_pictures_of_patches(scope: Microscope) -> None:
    unit = scope.unit(scope.layers[0].name, 1)
    for show in ("field", "mask", "whole"):
        drawn = scope.pictures((*unit.top, *unit.bottom), show)
        assert {one.dtype.name for one in drawn} == {"uint8"}
        assert all(one.ndim == 3 and one.shape[2] == 3 for one in drawn)


def test_masks_are_the_connected_part_above_the_level(
    own: cs.Network, scope: Microscope, index: Index
) -> None:
    """Against a flood that is filled one step at a time."""
    name = "doubled"
    found = [p for c in range(3) for p in (*scope.unit(name, c).top, *scope.unit(name, c).bottom)]
    for patch, mask in zip(found, scope.masks(found), strict=True):
        values = own.read(index.photo(patch.row), {name})[name][0, patch.channel].numpy()
        values = values if patch.highest else -values
        assert patch.position is not None
        active = values >= (values.mean() + values[patch.position]) / 2
        flood = np.zeros_like(active)
        flood[patch.position] = True
        for _ in range(active.size):
            wide = np.pad(flood, 1)
            near = [
                wide[i : i + len(flood), j : j + len(flood)] for i in range(3) for j in range(3)
            ]
            flood = active & np.logical_or.reduce(near)
        np.testing.assert_array_equal(mask, flood)


def test_a_name_without_pre_will_do(scope: Microscope) -> None:
    name = scope.layers[0].name
    assert scope.unit(name.removesuffix(".pre"), 0).name == f"{name}:0"


def test_no_such_layer_or_channel(scope: Microscope) -> None:
    name, channels, _ = scope.layers[0]
    with pytest.raises(cs.ConvscopeError, match="has no layer 'nowhere'"):
        scope.layer("nowhere")
    with pytest.raises(cs.ConvscopeError, match=f"0 to {channels - 1}, and no {channels}"):
        scope.unit(name, channels)


def test_another_network_s_index(squeezenet: cs.Network, index: Index) -> None:
    with pytest.raises(cs.ConvscopeError, match="was made by"):
        Microscope(squeezenet, index.path)


def test_photographs_across_the_range(own: cs.Network, scope: Microscope, index: Index) -> None:
    for name, channels, size in scope.layers:
        maps = all_maps(own, index, name)
        for channel in range(channels):
            found = scope.unit(name, channel).across
            values = [one.value for one in found]
            assert values == sorted(values)
            assert values[-1] == pytest.approx(maps[:, channel].max(), rel=1e-3)
            assert values[0] == pytest.approx(maps[:, channel].max(1).min(), rel=1e-3, abs=1e-6)
            for one in found:
                place = one.position[0] * size[1] + one.position[1] if one.position else 0
                assert maps[one.row, channel, place] == pytest.approx(one.value, rel=1e-3, abs=1e-6)


def test_similar_units(own: cs.Network, scope: Microscope, index: Index) -> None:
    peaks = np.concatenate([all_maps(own, index, one.name).max(2).T for one in scope.layers])
    expected = np.corrcoef(peaks)
    first = scope.layers[0]
    found = scope.unit(first.name, 0).similar
    best = np.sort(np.delete(expected[0], 0))[::-1][: len(found)]
    np.testing.assert_allclose([one.value for one in found], best, atol=2e-3)


def test_an_older_index_says_what_it_lacks(own: cs.Network, index: Index) -> None:
    unit = Microscope(own, without_peaks(index.path)).unit("norm", 0)
    assert unit.top
    assert (unit.across, unit.similar) == ((), ())
    assert "has no peaks; convscope index" in unit.missing
    assert unit.missing.endswith("--update adds them")


def test_a_note_is_kept_and_deleted(own: cs.Network, scope: Microscope, index: Index) -> None:
    name = scope.layers[0].name
    assert scope.note(name, 1) == ""
    scope.write_note(name, 1, "eyes, mostly 👀\nof cats")
    scope.write_note(name, 2, "fur")
    assert Microscope(own, index.path).unit(name, 1).note == "eyes, mostly 👀\nof cats"
    scope.write_note(name, 1, "ears")
    assert (scope.note(name, 1), scope.note(name, 2)) == ("ears", "fur")
    scope.write_note(name, 1, "")
    scope.write_note(name, 1, "")
    assert (scope.note(name, 1), scope.note(name, 2)) == ("", "fur")
    with pytest.raises(cs.ConvscopeError, match="at most 10,000 characters"):
        scope.write_note(name, 1, "x" * 10_001)


def test_a_damaged_note_is_no_note(scope: Microscope, index: Index) -> None:
    name = scope.layers[0].name
    scope.write_note(name, 0, "sky")
    (file,) = index.path.glob("microscope/notes/*.json")
    file.write_bytes(file.read_bytes().replace(b"sky", b"sea"))
    assert scope.note(name, 0) == ""
