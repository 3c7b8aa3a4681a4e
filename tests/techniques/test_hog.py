"""The glyphs of HOG against those of scikit-image; twins; and other techniques on HOG."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from skimage.feature import hog as reference
from torch import Tensor, nn

import convscope as cs
from convscope.runs import registry
from convscope.techniques.hog import glyphs
from tests.helpers.rows import ROWS, indexed


@pytest.fixture(scope="module")
def cat() -> Tensor:
    return cs.open_image("sample:chelsea")


def test_the_descriptor_is_that_of_scikit_image(cat: Tensor) -> None:
    result = cs.hog(cat, pixels_per_cell=16, cells_per_block=2).result()
    pixels = cat[0].permute(1, 2, 0).numpy()
    wanted = reference(pixels, 9, (16, 16), (2, 2), channel_axis=-1)
    np.testing.assert_allclose(result.arrays["descriptor"], wanted, rtol=1e-4, atol=1e-6)
    assert result.summary == {"values": len(wanted), "cells": [18, 28], "blocks": [17, 27]}


def test_the_stars_are_those_of_scikit_image(cat: Tensor) -> None:
    """The same lines but for their width: the drawings correlate, and turned ones do not."""
    photo = cat[..., 60:188, 90:218]
    _, drawing = reference(
        photo[0].permute(1, 2, 0).numpy(), 9, (16, 16), (1, 1), visualize=True, channel_axis=-1
    )
    white = np.quantile(drawing, 0.97)  # as the stars are cut off
    cells = torch.from_numpy(cs.hog(photo, pixels_per_cell=16).result().arrays["cells"])[None]

    def correlation(stars: Tensor) -> float:
        return float(np.corrcoef(stars.flatten().numpy(), drawing.clip(0, white).ravel())[0, 1])

    assert correlation(glyphs(cells)) > 0.8
    assert correlation(glyphs(cells.flip(1))) < 0.6
    assert correlation(glyphs(cells.roll(4, 1))) < 0.5


def test_a_ray_lies_along_the_edge() -> None:
    """An edge from top to bottom has a gradient along the rows, and its ray is vertical."""
    cells = torch.zeros(1, 2, 1, 1)
    cells[0, 0] = 1  # angles from 0 to 90 degrees, so 45: a gradient down and right
    (star,) = glyphs(cells, 9)[0]
    assert star[2, 6] > 0.9  # the ray rises to the right
    assert star[2, 2] == star[6, 6] == 0
    assert star.flip(0, 1).allclose(star)


def test_twins_differ_in_pixels_and_hardly_in_hog(cat: Tensor) -> None:
    """HOG of scikit-image and NumPy's correlation judge the picture."""
    wanted, begun, found, correlations, summary = judged(cat, 48, steps=250)
    distance = np.linalg.norm(found - wanted) / np.linalg.norm(begun - wanted)
    assert summary["distance"] == pytest.approx(distance, rel=1e-3)
    assert summary["root_error"] == pytest.approx(
        np.linalg.norm(found - wanted) / np.linalg.norm(wanted), rel=1e-3
    )
    assert summary["correlation"] == pytest.approx(correlations[0], abs=1e-4)
    assert summary["other_correlation"] == pytest.approx(correlations[1], abs=1e-4)
    assert distance < 0.12
    assert abs(correlations[0]) < 0.2 < correlations[1]


@pytest.mark.slow
def test_twins_of_the_default_size_are_nearer_than_a_twentieth(cat: Tensor) -> None:
    wanted, begun, found, correlations, _ = judged(cat, 128, steps=800)
    assert np.linalg.norm(found - wanted) < 0.05 * np.linalg.norm(begun - wanted)
    assert abs(correlations[0]) < 0.2 < correlations[1]


def test_a_twin_begins_nearer_than_a_gray_picture(cat: Tensor) -> None:
    """The HOG of gray is zero, so its distance is the length of the descriptor."""
    wanted, _, found, *_ = judged(cat, 48, steps=1)
    assert np.linalg.norm(found - wanted) < np.linalg.norm(wanted)


def judged(cat: Tensor, size: int, steps: int) -> tuple[Any, Any, Any, list[float], Any]:
    """HOG of the photograph, of the other one and of the twin, by scikit-image; the correlations
    of the pixels of the twin with the two, by NumPy; and the summary."""
    result = cs.hog_twins(cat, size=size, steps=steps).result()
    net = cs.load("hog", input_size=size)
    one, other = (net.preprocess(x)[0] for x in (cat, cs.open_image("sample:coffee")))
    pictures = [*(x.permute(1, 2, 0).numpy() for x in (one, other)), result.image[0]]
    wanted, begun, found = (reference(x, channel_axis=-1) for x in pictures)
    correlations = [np.corrcoef(x.ravel(), pictures[2].ravel())[0, 1] for x in pictures[:2]]
    return wanted, begun, found, correlations, result.summary


def test_twins_refuse_what_has_no_twin(cat: Tensor) -> None:
    with pytest.raises(cs.ConvscopeError, match=r"^hog_twins: the other photograph has the same"):
        cs.hog_twins(cat, other="sample:chelsea", size=32).result()
    with pytest.raises(cs.ConvscopeError, match=r"^hog_twins: .*40 x 40 pixels. is too plain"):
        cs.hog_twins(torch.full((1, 3, 40, 40), 0.5), size=32).result()
    with pytest.raises(cs.ConvscopeError, match="one block, not 24 x 24"):
        cs.hog_twins(cat, size=24, pixels_per_cell=16).result()


def test_inversion_of_hog_comes_close(cat: Tensor) -> None:
    net = cs.load("hog", input_size=64)
    result = cs.invert(net, cat, layer="blocks", steps=120).result()
    photo = net.preprocess(cat)[0].permute(1, 2, 0).numpy()
    wanted, found = (reference(x, channel_axis=-1) for x in (photo, result.image[0]))
    error = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
    assert result.summary["root_errors"] == [[pytest.approx(error, rel=1e-3)]]
    assert error < 0.3


def test_neighbors_by_hog_have_its_histograms_by_scikit_image(cat: Tensor) -> None:
    """The embedding is the mean of the blocks over all places."""

    def mean(photo: Tensor) -> Any:
        pixels = net.preprocess(photo)[0].permute(1, 2, 0).numpy()
        return reference(pixels, channel_axis=-1).reshape(-1, 81).mean(0)

    net = cs.load("hog", input_size=32)
    index = cs.open_index(indexed(net))
    pictures = [index.path.parent / "pictures" / path for path in index.paths]
    wanted = np.stack([mean(cs.open_image(path)) for path in pictures])
    np.testing.assert_allclose(index.embeddings, wanted, rtol=1e-3, atol=1e-5)
    found: Any = cs.neighbors(net, cat, index=str(index.path), count=2, metric="l2").result()
    far = np.linalg.norm(wanted - mean(cat), axis=1)
    first = found.summary["embedding"][0]
    assert far[first["image"]] == far.min() == pytest.approx(first["distance"], rel=1e-3)


def test_class_images_of_a_linear_classifier_are_its_weights() -> None:
    linear = nn.Linear(16 * 16, 3)
    net = cs.Network(
        nn.Sequential(nn.Flatten(), linear), mean=[0], std=[1], input_size=16, labels=list("abc")
    )
    for target in (0, 2):
        for photo in (torch.rand(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)):
            gradient = cs.saliency(net, photo, target=target).result().gradient
            weights = linear.weight[target].detach().numpy().reshape(1, 16, 16)
            np.testing.assert_allclose(gradient, weights, rtol=1e-5)
    recipe = cs.Recipe(
        start=cs.starts.noise(0), objective=cs.logit(1), optimizer=cs.optimizers.sgd(0.1), steps=2
    )
    *_, last = cs.climb(net, recipe)
    change = (last.image - 0.5).flatten()
    torch.testing.assert_close(change, 0.2 * linear.weight[1].detach(), rtol=1e-4, atol=1e-6)


def classifier_on_pixels() -> cs.Network:
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 3))
    return cs.Network(module, mean=[0] * 3, std=[1] * 3, input_size=32)


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("kind", ["hog", "pixels"])
def test_every_technique_is_right_or_refuses_in_one_line(
    name: str, kind: str, own_photo: Tensor
) -> None:
    """HOG has no classes and no weights, a linear classifier no feature maps."""
    technique = registry.get(name)
    net = cs.load("hog", input_size=32) if kind == "hog" else classifier_on_pixels()
    row = dict(ROWS[name])
    row.pop("layer", None)
    if "index" in row:
        row["index"] = indexed(net)
    try:
        result = technique.run(**technique.inputs(net, own_photo), **row).result()
    except cs.ConvscopeError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 260, str(error)
    else:
        assert min(result.picture.size) > 0
        for array in (result.image, result.gradient, result.heatmap):
            assert array is None or np.isfinite(array).all()
        assert not any(isinstance(x, float) and math.isnan(x) for x in result.summary.values())
