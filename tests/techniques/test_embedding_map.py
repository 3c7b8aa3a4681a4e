"""Maps: the places of a layout, as tiles; kept in the index. (Layouts: tests/collection.)"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import convscope as cs
from convscope.collection.layout import cached
from convscope.collection.layout.layouts import layout
from convscope.types.panels import Mosaic
from tests.helpers.collections import Make


def panel(result: cs.Result) -> Mosaic:
    (found,) = result.frame.panels
    assert isinstance(found, Mosaic)
    return found


@pytest.mark.parametrize("method", ["pca", "tsne", "isomap"])
def test_places_are_those_of_the_layout(own: cs.Network, make: Make, method: Any) -> None:
    index = make()
    result = cs.embedding_map(own, index=str(index.path), method=method).result()
    direct = layout(index.embeddings, method)
    np.testing.assert_array_equal(result.arrays["places"], direct.places)
    assert result.summary["trustworthiness"] == direct.trustworthiness
    assert result.summary["recall"] == direct.recall
    assert f"trustworthiness {direct.trustworthiness:.2f}" in panel(result).caption
    assert len(panel(result).tiles) == 23


def test_images_move_on_the_way(own: cs.Network, make: Make) -> None:
    seen = [*cs.embedding_map(own, index=str(make().path), limit=9)]
    assert [one.step for one in seen] == [*range(25, 751, 25), 751]
    assert {one.steps for one in seen} == {751}
    assert panel(seen[0]).caption == "t-SNE of 23 images, step 25 of 751"
    assert all(len(panel(one).tiles) == 9 for one in seen)
    assert not torch.equal(panel(seen[0]).places, panel(seen[-2]).places)


def test_a_grid_has_each_image_once(own: cs.Network, make: Make) -> None:
    index = make()
    shown = panel(cs.embedding_map(own, index=str(index.path), show="grid").result())
    assert shown.size == (5.0, 5.0)
    assert len(torch.unique(shown.places, dim=0)) == 23
    assert len(torch.unique(shown.tiles.flatten(1), dim=0)) == 23


def test_the_nearest_grid_is_full(own: cs.Network, make: Make) -> None:
    index = make()
    shown = panel(cs.embedding_map(own, index=str(index.path), show="nearest", side=6).result())
    assert (shown.size, len(shown.tiles)) == ((6.0, 6.0), 36)


def test_at_most_so_many_are_drawn(own: cs.Network, make: Make) -> None:
    index = make()
    result = cs.embedding_map(own, index=str(index.path), limit=7).result()
    assert len(panel(result).tiles) == 7
    assert "7 of 23 images drawn" in panel(result).caption
    assert result.arrays["places"].shape == (23, 2)


def test_a_map_is_worked_out_once(
    own: cs.Network, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = make()
    first = cached.cached_layout(index, "pca")
    monkeypatch.setattr(cached, "laying_out", None)
    again = cached.cached_layout(index, "pca")
    np.testing.assert_array_equal(first.places, again.places)
    assert {**vars(first), "places": 0} == {**vars(again), "places": 0}
    with pytest.raises(TypeError):
        cached.cached_layout(index, "pca", seed=1)
    monkeypatch.undo()
    for kind in ("npy", "json"):
        (file,) = index.path.glob(f"layouts/*.{kind}")
        file.write_bytes(b"damaged")
        np.testing.assert_array_equal(cached.cached_layout(index, "pca").places, first.places)


def test_where_the_index_cannot_be_written(
    own: cs.Network, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> Path:
        raise cs.ConvscopeError("cannot write")

    monkeypatch.setattr(cached, "write_file", refuse)
    index = make()
    assert cached.cached_layout(index, "pca").places.shape == (23, 2)
    assert not list(index.path.glob("layouts/*"))
