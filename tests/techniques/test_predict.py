from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.runs import registry
from convscope.types.panels import Bars, Grid, Picture
from tests.helpers.networks import Own


def test_probabilities_are_the_softmax_of_the_users_own_module(
    own: cs.Network, own_photo: Tensor
) -> None:
    with torch.no_grad():
        logits = Own().eval()((own.preprocess(own_photo) - 0.5) / 0.25)[0].double().numpy()
    expected = np.exp(logits) / np.exp(logits).sum()
    result = cs.predict(own, own_photo).result()
    predictions: Any = result.summary["predictions"]
    assert [p["index"] for p in predictions] == list(np.argsort(-expected))
    for p in predictions:
        assert p["probability"] == pytest.approx(expected[p["index"]], rel=1e-4)
        assert p["label"] == f"class {p['index']}"
        assert p["logit"] == pytest.approx(logits[p["index"]], rel=1e-4, abs=1e-5)
    np.testing.assert_allclose(result.arrays["logits"][0], logits, rtol=1e-4, atol=1e-5)
    assert result.score == pytest.approx(logits.max(), rel=1e-4)


def test_panels_show_what_was_seen_and_said(own: cs.Network, own_photo: Tensor) -> None:
    (frame,) = registry.get("predict").run(own, own_photo, top=2).frames()
    picture, bars = frame.panels
    assert isinstance(picture, Picture)
    assert isinstance(bars, Bars)
    assert torch.equal(picture.rgb, own_photo[0])
    # 40 x 48 becomes 32 x 38, of which 3 columns are cut on either side.
    assert picture.box == pytest.approx((0, 3 * 48 / 38, 40, 32 * 48 / 38))
    assert len(bars.names) == 2
    assert bars.values[0] > bars.values[1]


def test_several_photographs(own: cs.Network, own_photo: Tensor) -> None:
    batch = torch.cat([own_photo, 1 - own_photo])
    both: Any = cs.predict(own, batch).result().summary["predictions"]
    for i in range(2):
        alone: Any = cs.predict(own, batch[i : i + 1]).result().summary["predictions"]
        assert [p["index"] for p in both[i]] == [p["index"] for p in alone]
        for p, q in zip(both[i], alone, strict=True):
            assert p["probability"] == pytest.approx(q["probability"], rel=1e-4)


def test_a_cat_is_a_cat(net: cs.Network, photo: Tensor) -> None:
    predictions: Any = cs.predict(net, photo).result().summary["predictions"]
    assert {p["label"] for p in predictions[:3]} & {"tabby", "tiger cat", "Egyptian cat"}
    assert len(predictions) == 5


def test_a_map_shows_where_each_class_is_predicted() -> None:
    """Left of the middle the image is red and right of it blue; a third class is nowhere."""
    module = nn.Conv2d(3, 3, 1, bias=False)
    with torch.no_grad():
        module.weight.copy_(torch.eye(3).view(3, 3, 1, 1))
    net = cs.Network(
        module, mean=(0.0,) * 3, std=(1.0,) * 3, input_size=16, labels=["red", "green", "blue"]
    )
    image = torch.zeros(1, 3, 16, 16)
    image[:, 0, :, :4], image[:, 2, :, 4:] = 1, 1
    (frame,) = registry.get("predict").run(net, image).frames()
    summary: Any = frame.summary
    assert {p["label"]: p["probability"] for p in summary["predictions"]} == {
        "blue": 0.75,
        "red": 0.25,
        "green": 0.0,
    }
    grid = frame.panels[-1]
    assert isinstance(grid, Grid)
    assert grid.captions == ("blue", "red")
    assert torch.equal(grid.tiles[0][2, :, 4:], torch.ones(16, 12))
    assert torch.equal(grid.tiles[0][0, :, :4], torch.full((16, 4), 0.25))
