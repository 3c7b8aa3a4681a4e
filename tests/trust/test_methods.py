"""Attributions by name, and how alike two maps are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import rankdata
from torch import Tensor

import convscope as cs
from convscope.runs import registry
from convscope.trust import methods
from convscope.types.frames import Frame
from convscope.types.panels import HeatMap, Picture
from convscope.types.targets import Box

Array = np.ndarray[Any, np.dtype[Any]]


def spearman(a: Array, b: Array) -> float:
    """Pearson's correlation of the ranks."""
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def test_names_are_the_attributions() -> None:
    assert methods.names() == [n for n in registry.names() if registry.get(n).attribution]
    assert {"saliency", "guided_backprop", "gradcam", "occlusion"} <= set(methods.names())
    assert not {"predict", "deepdream", "compare", "segment"} & set(methods.names())


@pytest.mark.parametrize("name", methods.names())
def test_every_attribution_has_a_map(own: cs.Network, own_photo: Tensor, name: str) -> None:
    quick: dict[str, dict[str, Any]] = {
        "occlusion": {"patch": 16, "stride": 16},
        "random_occlusion": {"count": 4},
    }
    frame = methods.attribute(own, own_photo, name, 1, **quick.get(name, {}))
    assert frame.step == frame.steps
    assert frame.heatmap is not None
    assert frame.heatmap.shape == (1, 32, 32)
    run = registry.get(name).run(own, own_photo, target=1, **quick.get(name, {}))
    direct: Any = run.result()
    if direct.heatmap is None:
        np.testing.assert_array_equal(frame.heatmap[0], np.abs(direct.gradient).max(0))
    else:
        np.testing.assert_array_equal(frame.heatmap[0], direct.heatmap)


def test_targets_of_several_images(own: cs.Network, own_photo: Tensor) -> None:
    both = torch.cat([own_photo, own_photo.flip(3)])
    frame = methods.attribute(own, both, "saliency", [0, 2])
    expected = cs.saliency(own, both, target=(0, 2)).result()
    np.testing.assert_array_equal(frame.heatmap, expected.heatmap)
    free = methods.attribute(own, both, "saliency", None)
    assert free.summary["target"] == cs.saliency(own, both).result().summary["target"]


def test_refusals(own: cs.Network, own_photo: Tensor) -> None:
    with pytest.raises(cs.ConvscopeError, match="predict is no attribution; use one of cam, dec"):
        methods.attribute(own, own_photo, "predict", 1)
    with pytest.raises(cs.ConvscopeError, match="unknown technique 'salience'; did you mean 'sali"):
        methods.attribute(own, own_photo, "salience", 1)
    with pytest.raises(cs.ConvscopeError, match="unknown option of saliency 'color'; did you mean"):
        methods.attribute(own, own_photo, "saliency", 1, color="max")
    with pytest.raises(cs.ConvscopeError, match="neither a map nor a gradient"):
        methods.with_map(Frame())


# ------------------------------------------------------------------------------- similarity


def test_similarity_worked_out_by_hand() -> None:
    """Spearman's 1 - 6 sum d^2 / (n (n^2 - 1)) of ranks without ties."""
    a = torch.tensor([[1.0, 2, 3], [4, 5, 6]])
    swapped = torch.tensor([[2.0, 1, 3], [4, 6, 5]])  # four places are off by one: 1 - 24 / 210
    assert methods.similarity(a, swapped) == pytest.approx(1 - 24 / 210)
    assert methods.similarity(a, 7 - a) == pytest.approx(-1)


def test_similarity_is_of_ranks_of_sizes(generator: torch.Generator) -> None:
    """Neither scale, nor sign, nor anything that keeps the order matters."""
    a = torch.randn(20, 20, generator=generator)
    b = a + 0.5 * torch.randn(20, 20, generator=generator)
    expected = spearman(a.abs().numpy().ravel(), b.abs().numpy().ravel())
    assert methods.similarity(a, b) == pytest.approx(expected)
    assert methods.similarity(b, a) == pytest.approx(expected)
    assert methods.similarity(a, -3 * b) == pytest.approx(expected)
    assert methods.similarity(a, b.abs() ** 3) == pytest.approx(expected)
    assert methods.similarity(a, a) == pytest.approx(1)


def test_similarity_of_large_maps_is_that_of_means_over_places(generator: torch.Generator) -> None:
    a, b = (torch.randn(56, 84, generator=generator) for _ in range(2))
    coarse = [m.abs().numpy().reshape(28, 2, 28, 3).mean((1, 3)).ravel() for m in (a, b)]
    assert methods.similarity(a, b) == pytest.approx(spearman(*coarse))
    coarse = [m.abs().numpy().reshape(7, 8, 7, 12).mean((1, 3)).ravel() for m in (a, b)]
    assert methods.similarity(a, b, cells=7) == pytest.approx(spearman(*coarse))
    # Of different sizes, too: a pixel of one lies over four of the other.
    doubled = torch.from_numpy(np.kron(a.numpy(), np.ones((2, 2))))
    assert methods.similarity(a, doubled) == pytest.approx(1)


def test_a_map_that_is_the_same_everywhere_agrees_with_none() -> None:
    flat, other = torch.full((8, 8), 0.3), torch.rand(8, 8)
    assert methods.similarity(flat, other) == 0
    assert methods.similarity(other, 0 * flat) == 0
    assert methods.similarity(flat, flat) == 0


# ------------------------------------------------------------------------------ over the photo


def test_the_map_over_the_photo_is_the_techniques_own(own: cs.Network, own_photo: Tensor) -> None:
    box = own.box(own_photo)
    frame = methods.attribute(own, own_photo, "saliency", 1)
    alone, over = frame.panels
    assert isinstance(over, HeatMap)
    drawn = methods.over_photo(frame, own_photo[0], box, "its caption")
    assert torch.equal(drawn.values, over.values)
    assert torch.equal(drawn.photo, over.photo)  # type: ignore[arg-type]
    assert drawn.caption == "its caption"
    for name in ("label", "box", "signed", "clip", "top"):
        assert getattr(drawn, name) == getattr(over, name)
    assert isinstance(alone, HeatMap)
    assert alone.photo is None


def test_of_several_layers_it_is_the_last_ones_map_in_its_own_style(
    own: cs.Network, own_photo: Tensor
) -> None:
    """Nothing in the panels of such a frame is a heat map by itself: its style is the frame's."""
    box, layers = own.box(own_photo), ("stem", "blocks")
    frame = methods.attribute(own, own_photo, "gradcam", 1, layer=layers, signed=True)
    (alone,) = methods.attribute(
        own, own_photo, "gradcam", 1, layer=("blocks",), signed=True
    ).panels
    assert not any(isinstance(panel, HeatMap) for panel in frame.panels)
    assert isinstance(alone, HeatMap)
    drawn = methods.over_photo(frame, own_photo[0], box)
    torch.testing.assert_close(drawn.values, alone.values)
    assert (drawn.label, drawn.signed, drawn.clip) == (alone.label, alone.signed, alone.clip)


def test_of_a_gradient_it_is_smoothed(own: cs.Network, own_photo: Tensor) -> None:
    frame = methods.attribute(own, own_photo, "guided_backprop", 1)
    assert not any(isinstance(panel, HeatMap) for panel in frame.panels)
    panel = methods.over_photo(frame, own_photo[0], Box(0, 1, 2, 3))
    assert panel.box == Box(0, 1, 2, 3)
    assert torch.equal(panel.photo, own_photo[0])  # type: ignore[arg-type]
    assert panel.values.shape == (32, 32)
    assert frame.heatmap is not None
    assert panel.values.mean() == pytest.approx(float(frame.heatmap.mean()), rel=0.2)
    assert panel.values.max() < frame.heatmap.max()
    assert isinstance(frame.panels[0], Picture)
