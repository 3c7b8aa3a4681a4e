from __future__ import annotations

from itertools import combinations
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

import convscope as cs
from convscope.ascent.recipe import Recipe
from convscope.techniques import class_image as module
from convscope.types.panels import Grid, Picture
from convscope.vocabulary import optimizers, priors, starts
from convscope.vocabulary.objectives import logit, weighted
from tests.helpers.networks import own_network

PRESETS = get_args(module.Preset)


def images(result: cs.Result) -> Tensor:
    """(N, C, H, W)."""
    assert result.image is not None
    return torch.from_numpy(result.image).permute(0, 3, 1, 2)


# ------------------------------------------------------------------------------ class images


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_score_climbs(preset: Any, channels: int) -> None:
    own = own_network(channels)
    run = list(cs.class_image(own, target=(0, 1, 2), preset=preset, steps=30))
    first, last = (own.logits(images(run[i])).diagonal() for i in (0, -1))
    assert (last - first).mean() > 0.05
    # The quoted score is that of the image as it is.
    assert run[-1].summary["score"] == pytest.approx(last.tolist(), rel=1e-5)
    assert list(run[-1].summary["target"]) == ["class 0", "class 1", "class 2"]
    assert run[-1].summary["preset"] == preset
    assert [panel.caption for panel in run[-1].frame.panels if isinstance(panel, Picture)] == [
        "class 0", "class 1", "class 2",
    ]  # fmt: skip


def test_the_default_network_knows_what_it_drew(net: cs.Network) -> None:
    result = cs.class_image(net, target="volcano", steps=32, size=96).result()
    assert "volcano" in [p.label for p in net.predict(images(result), 5)]
    assert result.summary["target"] == "volcano"


# What each preset says of itself: start, priors, optimizer, rule, and what it pulls against.
SAID: dict[str, tuple[type, list[type], type, str, set[str]]] = {
    "simonyan": (starts.zeros, [], optimizers.sgd, "plain", {"l2"}),
    "cs231n": (starts.noise, [priors.jitter, priors.blur], optimizers.sgd, "plain", {"l2"}),
    "yosinski": (starts.noise, [priors.decay, priors.blur], optimizers.sgd, "plain", set()),
    "lucid": (starts.fourier, [priors.random_affine], optimizers.adam, "redirected", {"tv"}),
    "maco": (
        starts.maco,
        [priors.random_affine, priors.gaussian_noise],
        optimizers.adam,
        "redirected",
        set(),
    ),
}


@pytest.mark.parametrize("preset", PRESETS)
def test_each_preset_is_what_it_says(preset: str) -> None:
    start, kinds, optimizer, rule, against = SAID[preset]
    recipe: Recipe = module._PRESETS[preset](logit(1), 3, 20)
    assert isinstance(recipe.start, start)
    assert (recipe.start.count, recipe.start.size) == (3, 20)  # type: ignore[attr-defined]
    acting = [
        one for one in recipe.priors if not isinstance(one, priors.unit_gradient | priors.clamp)
    ]
    assert [type(one) for one in acting] == kinds
    assert isinstance(recipe.optimizer, optimizer)
    assert getattr(recipe.rule, "name", recipe.rule) == rule
    terms = recipe.objective.terms if isinstance(recipe.objective, weighted) else ((1.0, logit(1)),)
    assert terms[0] == (1.0, logit(1))
    assert {type(one).__name__ for _, one in terms[1:]} == against
    assert all(weight < 0 for weight, _ in terms[1:])
    blurs = [one for one in recipe.priors if isinstance(one, priors.blur)]
    assert [one.every for one in blurs] == {"cs231n": [10], "yosinski": [4]}.get(preset, [])
    if preset in ("cs231n", "yosinski"):
        assert blurs[0].sigma == {"cs231n": 0.5, "yosinski": 1.0}[preset]  # faint, and strong


def test_presets_make_other_pictures(own: cs.Network) -> None:
    run = {p: cs.class_image(own, target=1, preset=p, steps=12).result() for p in PRESETS}
    for one, other in combinations(PRESETS, 2):
        assert (images(run[one]) - images(run[other])).abs().mean() > 0.01
    lucid = cs.class_image(own, target=1, steps=12).result()
    assert torch.equal(images(lucid), images(run["lucid"]))


@pytest.mark.parametrize("preset", PRESETS)
def test_steps_are_those_of_the_preset_unless_told(own: cs.Network, preset: Any) -> None:
    steps = module._PRESETS[preset](logit(1), 1, None).steps
    assert steps >= 100
    assert next(iter(cs.class_image(own, target=1, preset=preset))).steps == steps
    assert next(iter(cs.class_image(own, target=1, preset=preset, steps=7))).steps == 7


@pytest.mark.parametrize(("preset", "usual"), [("lucid", "redirected"), ("simonyan", "plain")])
def test_the_rule_is_that_of_the_preset_unless_told(
    own: cs.Network, preset: Any, usual: str
) -> None:
    by_rule = {
        rule: images(cs.class_image(own, target=1, preset=preset, rule=rule, steps=12).result())
        for rule in (None, "redirected", "plain")
    }
    assert torch.equal(by_rule[None], by_rule[usual])
    assert (by_rule["redirected"] - by_rule["plain"]).abs().max() > 1e-3


@pytest.mark.parametrize("preset", PRESETS)
def test_size(own: cs.Network, preset: Any) -> None:
    for size, pixels in {None: 32, 17: 17, 40: 40}.items():  # its own, an odd one, a larger one
        result = cs.class_image(own, target=2, preset=preset, steps=1, size=size).result()
        assert images(result).shape == (1, 3, pixels, pixels)
        if size is None:  # enlarged by a whole factor, in a margin of 18 pixels
            assert result.picture.width == 450 // pixels * pixels + 36
        else:
            assert result.picture.size == (pixels, pixels)


def test_the_best_of_several_tries(own: cs.Network) -> None:
    run = list(cs.class_image(own, target=(2, 0), tries=3, steps=20))
    tries = run[-1].arrays["tries"]
    assert tries.shape == (2, 3)
    assert len(np.unique(tries)) == 6
    # What is kept is what its climb gave alone: the six go side by side with one seed.
    alone = list(cs.class_image(own, target=(2, 2, 2, 0, 0, 0), steps=20))
    best = [i * 3 + int(row.argmax()) for i, row in enumerate(tries)]
    assert torch.equal(images(run[-1]), images(alone[-1])[best])
    assert alone[-1].arrays["tries"].ravel().tolist() == tries.ravel().tolist()
    scores = alone[-1].summary["score"]
    assert isinstance(scores, list)
    assert run[-1].summary["score"] == pytest.approx([scores[i] for i in best], rel=1e-4)


def test_several_classes_go_their_own_ways(own: cs.Network) -> None:
    result = cs.class_image(own, target=(1, "1", 0), preset="simonyan", steps=5).result()
    one, same, other = images(result)
    assert torch.allclose(one, same, atol=1e-5)  # from one gray to one class
    assert not torch.allclose(one, other, atol=1e-2)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (3, "no class 3: Own has classes 0 to 2"),
        ((1, 3), "no class 3: Own has classes 0 to 2"),
        ("blocks:3", "blocks:3 is not a class; neuron_image draws layers, channels and neurons"),
        ("blocks", "blocks is not a class; neuron_image"),
        ((0, "blocks:1@2,2"), "blocks:1@2,2 is not a class; neuron_image"),
        ((), "names no target"),
    ],
)
def test_what_is_no_class_is_refused(own: cs.Network, target: Any, message: str) -> None:
    with pytest.raises(cs.ConvscopeError, match=message):
        cs.class_image(own, target=target, steps=1).result()


def test_an_unknown_target_costs_no_step(own: cs.Network) -> None:
    with pytest.raises(cs.ConvscopeError, match="no class 3: Own has classes 0 to 2"):
        cs.class_image(own, target=3)


# ------------------------------------------------------------------------------------ ladder


def grid(result: cs.Result) -> Grid:
    (panel,) = result.frame.panels
    assert isinstance(panel, Grid)
    return panel


def test_the_ladder_is_every_preset_in_order(own: cs.Network) -> None:
    run = list(cs.ladder(own, target=1, steps=3, seed=4))
    assert [(r.step, r.steps) for r in run] == [(i, 15) for i in range(1, 16)]
    last = run[-1]
    scores = last.summary["score"]
    assert isinstance(scores, dict)
    assert list(scores) == list(PRESETS)
    for i, preset in enumerate(PRESETS):
        alone = cs.class_image(own, target=1, preset=preset, steps=3, seed=4).result()
        assert torch.equal(images(last)[i], images(alone)[0])
        assert scores[preset] == alone.summary["score"]
        assert grid(last).captions[i] == f"{preset}: {scores[preset]:.1f}"
        # Those to come are gray, and without a score.
        at = run[3 * i]
        assert grid(at).captions[i + 1 :] == PRESETS[i + 1 :]
        assert (images(at)[i + 1 :] == 0.5).all()
        assert torch.equal(images(at)[:i], images(last)[:i])
    assert torch.equal(grid(last).tiles, images(last))
    assert grid(last).columns == len(PRESETS)
    assert "class 1" in grid(last).caption


def test_the_ladder_takes_the_steps_of_each_preset() -> None:
    steps = [make(logit(1), 1, None).steps for make in module._PRESETS.values()]
    assert next(iter(cs.ladder(own_network(), target=1))).steps == sum(steps)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_ladders_size(channels: int) -> None:
    result = cs.ladder(own_network(channels), target=1, steps=1, size=20).result()
    assert images(result).shape == (5, channels, 20, 20)


def test_the_ladder_refuses_what_is_no_class(own: cs.Network) -> None:
    with pytest.raises(cs.ConvscopeError, match="neuron_image draws layers"):
        cs.ladder(own, target="blocks:1").result()
