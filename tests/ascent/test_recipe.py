"""Recipes composed in Python are checked as those in files are: a mistake is one line."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import convscope as cs
from convscope.ascent.recipe import Recipe
from convscope.errors import ConvscopeError
from convscope.types.targets import Target
from convscope.vocabulary.objectives import logit, tv
from convscope.vocabulary.optimizers import adam, lbfgs
from convscope.vocabulary.priors import Prior, blur, crop, gaussian_noise, jitter, random_affine
from convscope.vocabulary.starts import noise


def recipe(**parts: Any) -> Recipe:
    return Recipe(**{"start": noise(), "objective": tv()} | parts)


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        (
            {"objective": "volcano"},
            "recipe: objective: volcano is a target: write objectives.logit('volcano') for a"
            " class, objectives.activation('volcano') for a layer",
        ),
        (
            {"objective": 281},
            "recipe: objective: 281 is a target: write objectives.logit(281)",
        ),
        (
            {"objective": "blocks.4:12"},
            "recipe: objective: blocks.4:12 is a target: write"
            " objectives.activation('blocks.4:12')",
        ),
        (
            {"objective": Target("", 281, label="tabby")},
            "recipe: objective: tabby is a target: write objectives.logit(281)",
        ),
        (
            {"objective": "logit"},
            "recipe: objective: logit is only a name: write objectives.logit(...)",
        ),
        (
            {"objective": [tv(), tv()]},
            "recipe: objective: input should be an instance of Objective, not"
            " (tv(beta=2.0), tv(beta=2.0))",
        ),
        (
            {"objective": noise()},
            "recipe: objective: input should be an instance of Objective, not"
            " noise(sigma=0.05, count=1, size=None)",
        ),
        ({"start": "noise"}, "recipe: start: noise is only a name: write starts.noise()"),
        ({"start": noise}, "recipe: start: noise is only a name: write starts.noise()"),
        (
            {"start": torch.zeros(1, 3, 4, 4)},
            "recipe: start: a tensor is not a start: write starts.photo(image)",
        ),
        (
            {"optimizer": "adam"},
            "recipe: optimizer: adam is only a name: write optimizers.adam()",
        ),
        ({"optimizer": adam}, "recipe: optimizer: adam is only a name: write optimizers.adam()"),
        (
            {"optimizer": "adm"},
            "recipe: optimizer: input should be an instance of Optimizer, not 'adm'",
        ),
        ({"priors": jitter()}, "recipe: priors: write a list of priors: [jitter(shift=16)]"),
        ({"priors": [jitter]}, "recipe: priors: jitter is only a name: write priors.jitter()"),
        ({"priors": "jitter"}, "recipe: priors: jitter is only a name: write priors.jitter()"),
        (
            {"priors": [jitter(), 3]},
            "recipe: priors: input should be an instance of Prior, not 3",
        ),
        (
            {"steps": 10**30},
            f"recipe: steps: input should be less than or equal to 1000000, not {10**30}",
        ),
        ({"steps": 0}, "recipe: steps: input should be greater than or equal to 1, not 0"),
        ({"steps": 2.5}, "recipe: steps: input should be a valid integer, not 2.5"),
        ({"tile": 0}, "recipe: tile: input should be greater than or equal to 1, not 0"),
        ({"rule": "guidde"}, "unknown rule 'guidde'; did you mean 'guided'?"),
        (
            {"rule": 3},
            "recipe: rule: input should be a valid string or an instance of Rule, not 3",
        ),
    ],
)
def test_a_wrong_part_is_one_line(parts: dict[str, Any], line: str) -> None:
    with pytest.raises(ConvscopeError) as caught:
        recipe(**parts)
    assert str(caught.value) == line


def test_a_list_of_priors_is_as_good_as_a_tuple() -> None:
    listed = recipe(priors=[jitter(), blur()])
    assert listed == recipe(priors=(jitter(), blur()))
    assert listed.priors == (jitter(), blur())
    assert hash(listed) == hash(recipe(priors=(jitter(), blur())))


def test_a_sum_is_an_objective() -> None:
    found = recipe(objective=sum([logit("ant"), logit("bee")]) / 2)
    assert found.objective == 0.5 * logit("ant") + 0.5 * logit("bee")


@pytest.mark.parametrize("prior", [jitter(), random_affine(), crop(), gaussian_noise()])
def test_lbfgs_refuses_a_random_view(prior: Prior) -> None:
    with pytest.raises(ConvscopeError) as caught:
        recipe(priors=[blur(), prior], optimizer=lbfgs())
    assert str(caught.value) == (
        "recipe: lbfgs needs a score that is a fixed function of the image, and"
        f" {prior} changes it at random; leave the prior out, or take adam()"
    )
    recipe(priors=[blur()], optimizer=lbfgs())
    recipe(priors=[prior], optimizer=adam())


def test_random_views_are_marked() -> None:
    """A prior draws from the generator exactly if it says that its view is random."""
    image = torch.rand(1, 3, 6, 6)
    for prior in (jitter(), random_affine(), crop(), gaussian_noise(), blur(), cs.priors.clamp()):
        generator = torch.Generator().manual_seed(0)
        before = generator.get_state()
        prior.view(image, generator)
        assert prior.random_view is not torch.equal(generator.get_state(), before)
