from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import convscope as cs

QUICK: dict[str, Any] = {"size": 32, "steps": 12}


def roughness(result: cs.Result) -> float:
    """Mean squared difference of neighbouring pixels."""
    assert result.image is not None
    image = result.image[0]
    return float((np.diff(image, axis=0) ** 2).mean() + (np.diff(image, axis=1) ** 2).mean())


@pytest.mark.parametrize("target", [0, 1, 2, "blocks", "blocks:3", "blocks:3@8,8"])
def test_the_score_climbs(own: cs.Network, target: str | int) -> None:
    run = list(cs.class_image(own, target=target, steps=40, size=32, smoothness=0))
    early = np.mean([r.figures["score"] for r in run[:8]])
    late = np.mean([r.figures["score"] for r in run[-8:]])
    assert late > early + 0.1 * abs(early)
    assert run[0].figures["target"] == (f"class {target}" if isinstance(target, int) else target)


def test_the_default_network_knows_what_it_drew(net: cs.Network) -> None:
    result = cs.class_image(net, target="volcano", steps=32, size=96).result()
    assert result.image is not None
    image = torch.from_numpy(result.image).permute(0, 3, 1, 2)
    assert "volcano" in [p.label for p in net.predict(image, 5)]


def test_smoothness_makes_smooth(own: cs.Network) -> None:
    rough, smooth = (
        cs.class_image(own, target=1, smoothness=s, **QUICK).result() for s in (0, 1e5)
    )
    assert roughness(smooth) < 0.5 * roughness(rough)


def test_size(own: cs.Network) -> None:
    sizes = {None: 32, 17: 17, 40: 40}  # its own, an odd one, a larger one
    for size, pixels in sizes.items():
        result = cs.class_image(own, target="blocks:3", steps=1, size=size).result()
        assert result.image is not None
        assert result.image.shape == (1, pixels, pixels, 3)
        assert result.picture.size == (pixels, pixels)


def test_rules_differ_where_units_are_silent(own: cs.Network) -> None:
    redirected, plain = (
        cs.class_image(own, target=1, rule=r, **QUICK).result().image
        for r in ("redirected", "plain")
    )
    assert redirected is not None
    assert plain is not None
    assert np.abs(redirected - plain).max() > 1e-3


def test_an_unknown_target_costs_no_step(own: cs.Network) -> None:
    with pytest.raises(cs.ConvscopeError, match="no class 3: Own has 0 to 2"):
        cs.class_image(own, target=3)
