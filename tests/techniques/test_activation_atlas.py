"""Atlases: what their cells say, how the picture grows, and that a stopped one goes on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import convscope as cs
from convscope.ascent import resume_files
from convscope.types.panels import Mosaic
from tests.helpers.collections import Make

OPTIONS: dict[str, Any] = {
    "method": "pca",
    "grid": 5,
    "each": 6,
    "least": 2,
    "steps": 2,
    "size": 32,
}


def panel(result: cs.Result) -> Mosaic:
    (found,) = result.panels
    assert isinstance(found, Mosaic)
    return found


def test_cells_are_the_means_of_what_lies_in_them(own: cs.Network, make: Make) -> None:
    """By plain PyTorch: the directions without whitening are those of the mean activations."""
    index = make()
    result = cs.activation_atlas(own, index=index, by="mean", **OPTIONS).result()
    rows, positions, cells = (result.arrays[name] for name in ("rows", "positions", "cells"))
    values = []
    with torch.no_grad():
        for row, position in zip(rows, positions, strict=True):
            maps = own.read(index.photo(row), {"doubled"})["doubled"][0].flatten(1)
            values.append(maps[:, int(position)].double().numpy())
    activations = np.stack(values)
    cell_rows = result.summary["cells"]
    assert len(cell_rows) == cells.max() + 1 > 3
    for number, cell in enumerate(cell_rows):
        items = cells == number
        assert cell["activations"] == items.sum() >= 2
        mean = activations[items].mean(0) - activations.mean(0)
        direction = result.arrays["directions"][number]
        cosine = mean @ direction / np.linalg.norm(mean) / np.linalg.norm(direction)
        assert cosine > 1 - 1e-4
        labels = Counter(index.folders[row] for row in set(rows[items].tolist()))
        assert Counter(cell["labels"]) == Counter({k: v for k, v in labels.items() if k})
        paths = {index.paths[row] for row in rows[items].tolist()}
        assert set(cell["photographs"]) <= paths
        assert len(cell["photographs"]) == min(3, len(paths))


def test_the_name_is_the_class_that_is_pushed_up_most(own: cs.Network, make: Make) -> None:
    """By hand: behind this layer there are only a mean over positions and a linear layer."""
    result = cs.activation_atlas(own, index=make(), by="mean", **OPTIONS).result()
    weights = own.parameter("head").double().numpy()
    names = panel(result).names
    for number, cell in enumerate(result.summary["cells"]):
        direction = result.arrays["directions"][number].astype(np.float64)
        pushes = cell["pushes"]
        assert pushes == sorted(pushes, reverse=True)
        order = np.argsort(-(weights @ direction))
        assert cell["classes"] == [own.label(int(i)) for i in order]
        assert names[number] == cell["classes"][0]


def test_tiles_lie_in_their_cells_and_the_others_stay_empty(own: cs.Network, make: Make) -> None:
    result = cs.activation_atlas(own, index=make(), **OPTIONS).result()
    shown, cells = panel(result), result.summary["cells"]
    assert shown.size == (5.0, 5.0)
    assert shown.places.tolist() == [[one["column"] + 0.5, one["row"] + 0.5] for one in cells]
    assert result.image is not None
    assert result.image.shape == (len(cells), 32, 32, 3)
    assert len(result.table) == len(cells)


def test_each_tile_knows_the_photographs_behind_it(own: cs.Network, make: Make) -> None:
    index = make()
    result = cs.activation_atlas(own, index=index, **OPTIONS).result()
    shown, cells = panel(result), result.summary["cells"]
    assert shown.index == index.digest
    rows, where = result.arrays["rows"], result.arrays["cells"]
    for number, (cell, behind) in enumerate(zip(cells, shown.photographs, strict=True)):
        assert sorted(behind) == sorted(set(rows[where == number].tolist()))
        assert [index.paths[row] for row in behind[:3]] == cell["photographs"]


def test_the_picture_grows(own: cs.Network, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Photographs while they are read; then blocks of cells, then cells, batch by batch."""
    monkeypatch.setattr("convscope.collection.sampling.BLOCK", 10)
    results = list(cs.activation_atlas(own, index=make(), **OPTIONS))
    counts = [len(panel(one).tiles) for one in results]
    assert counts[:3] == [10, 20, 23]
    (rough,), fine = counts[3:4], counts[4:]
    assert panel(results[3]).size == (3, 3) and panel(results[3]).names == ()
    assert rough <= 9
    assert fine[:2] == [16, 16]
    assert fine == sorted(fine)
    assert fine[-1] == len(results[-1].summary["cells"]) > 16
    assert [one.step for one in results] == list(range(1, len(results) + 1))
    assert results[-1].steps == len(results)


def test_images_go_in_the_direction_of_their_cells(own: cs.Network, make: Make) -> None:
    index, scores = make(), []
    for steps in (1, 20):
        options = {**OPTIONS, "steps": steps, "grid": 2, "cosine": 0}
        result = cs.activation_atlas(own, index=index, **options).result()
        assert result.image is not None
        images = torch.from_numpy(result.image).permute(0, 3, 1, 2)
        with torch.no_grad():
            means = own.activations(images, {"doubled"})["doubled"].mean((2, 3))
        along = (means * torch.from_numpy(result.arrays["directions"])).sum(1)
        torch.testing.assert_close(torch.as_tensor(result.score), along)
        scores.append(along)
    assert (scores[1] > scores[0]).all()


def test_a_stopped_atlas_goes_on(own: cs.Network, make: Make, tmp_path: Path) -> None:
    index, place = make(), tmp_path / "atlas.png.resume"
    run = cs.activation_atlas(own, index=index, **OPTIONS)
    whole = run.result()
    with resume_files.resumable(place, {}, resume=True):
        for frame in run.frames():
            if frame.step == 4:
                break  # in the second batch of images; what is begun is closed
    with resume_files.resumable(place, {}, resume=True):
        again = list(run.frames())
    assert len(again) < whole.steps
    assert torch.equal(again[-1].image, torch.from_numpy(whole.image).permute(0, 3, 1, 2))  # type: ignore[arg-type]


def test_a_network_without_classes_has_the_labels_of_its_photographs(make: Make) -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3, padding=1), torch.nn.ReLU())
    net = cs.Network(module, mean=[0.5] * 3, std=[0.5] * 3, input_size=32)
    index = make(net=net, layers=["0"])
    result = cs.activation_atlas(net, index=index, layer="0", **OPTIONS).result()
    assert not any(cell["classes"] for cell in result.summary["cells"])
    assert set(panel(result).names) <= {"class 0", "class 1", ""}
    assert {"class 0", "class 1"} & set(panel(result).names)


def test_what_is_refused(own: cs.Network, make: Make) -> None:
    index = make()
    with pytest.raises(cs.ConvscopeError, match="no cell holds 50 of the"):
        cs.activation_atlas(own, index=index, **{**OPTIONS, "least": 50}).result()
    with pytest.raises(cs.ConvscopeError, match="is not a whole layer"):
        cs.activation_atlas(own, index=index, layer="blocks.0:3", **OPTIONS).result()
