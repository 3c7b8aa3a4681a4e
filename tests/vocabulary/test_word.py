"""Words check their arguments when they are made: a wrong one is a line that says what is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from convscope.errors import ConvscopeError
from convscope.vocabulary import objectives, optimizers, priors, rules, starts
from convscope.vocabulary.word import Word, arguments
from convscope.vocabulary.words import WORDS

IMAGE = torch.zeros(1, 3, 2, 2)
# Wrong arguments, which a type checker would refuse too.
o: Any = objectives
p: Any = priors
s: Any = starts


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: optimizers.adam(-1), "adam: lr: input should be greater than 0, not -1"),
        (
            lambda: optimizers.adam(float("nan")),
            "adam: lr: input should be a finite number, not nan",
        ),
        (
            lambda: optimizers.adam(lr_decay=1.5),
            "adam: lr_decay: input should be less than or equal to 1, not 1.5",
        ),
        (
            lambda: optimizers.sgd(momentum=1),
            "sgd: momentum: input should be less than 1, not 1",
        ),
        (
            lambda: optimizers.lbfgs(max_evals=0),
            "lbfgs: max_evals: input should be greater than or equal to 1, not 0",
        ),
        (
            lambda: starts.noise(size=100_000),
            "noise: size: a side has from 1 to 4096 pixels, not 100000",
        ),
        (
            lambda: starts.noise(count=0),
            "noise: count: input should be greater than or equal to 1, not 0",
        ),
        (lambda: s.noise("a"), "noise: sigma: input should be a valid number, not 'a'"),
        (lambda: s.noise(count=True), "noise: count: input should be a valid integer, not True"),
        (
            lambda: s.noise(size=1.5),
            "noise: size: input should be a valid integer or a valid tuple, not 1.5",
        ),
        (
            lambda: s.photo("cat.jpg"),
            "photo: image: input should be an instance of Tensor, not 'cat.jpg'",
        ),
        (
            lambda: priors.random_affine(scale=(0, 0)),
            "random_affine: scale: input should be greater than or equal to 0.01, not 0",
        ),
        (
            lambda: priors.random_affine(scale=(2, 1)),
            "random_affine: scale: the first number should be at most the second, not (2, 1)",
        ),
        (
            lambda: priors.crop((0.5, 1.5)),
            "crop: fractions: input should be less than or equal to 1, not 1.5",
        ),
        (
            lambda: priors.jitter(-1),
            "jitter: shift: input should be greater than or equal to 0, not -1",
        ),
        (lambda: priors.clamp(1, 0), "clamp: low (1) should be at most high (0)"),
        (
            lambda: priors.project_to_ball(IMAGE, 0),
            "project_to_ball: radius: input should be greater than 0, not 0",
        ),
        (
            lambda: p.project_to_ball(IMAGE, 1, "no_norm"),
            "project_to_ball: norm: input should be 'l2' or 'inf', not 'no_norm'",
        ),
        (
            lambda: priors.smooth_gradient(()),
            "smooth_gradient: sigmas: tuple should have at least 1 item, not ()",
        ),
        (
            lambda: rules.redirected(2),
            "redirected: leak: input should be less than or equal to 1, not 2",
        ),
        (
            lambda: o.logit(2.5),
            "logit: target: input should be a valid string or a valid integer or"
            " an instance of Target, not 2.5",
        ),
        (
            lambda: o.match("conv", IMAGE, "l3"),
            "match: by: input should be 'l2', 'cosine', 'gram', 'centered', 'moments' or 'sliced',"
            " not 'l3'",
        ),
        (
            lambda: o.each(objectives.tv()),
            "each: objectives: input should be a valid tuple, not tv(beta=2.0)",
        ),
        (
            lambda: o.each((objectives.tv(), 2)),
            "each: objectives: input should be an instance of Objective, not 2",
        ),
        (
            lambda: objectives.margin("bee", 0),
            "margin: strongest: input should be greater than or equal to 1, not 0",
        ),
    ],
)
def test_a_wrong_argument_is_one_line(make: Callable[[], Word], line: str) -> None:
    with pytest.raises(ConvscopeError) as caught:
        make()
    assert str(caught.value) == line


def test_arguments_are_plain_values() -> None:
    size: Any = np.int64(8)
    scale: Any = [1, 2]
    assert repr(starts.noise(1, size=size)) == "noise(sigma=1.0, count=1, size=8)"
    assert priors.random_affine(scale=scale).scale == (1.0, 2.0)
    assert hash(priors.random_affine(scale=scale)) == hash(priors.random_affine(scale=(1, 2)))
    start = starts.photo(IMAGE)
    assert start.image is IMAGE


@pytest.mark.parametrize("name", WORDS.own)
def test_every_argument_has_a_description(name: str) -> None:
    """A full phrase that stands alone: it begins in lower case and does not end in a period."""
    for argument, field in arguments(WORDS[name]).items():
        assert field.description, argument
        assert field.description[0].islower() or field.description[0] == '"'
        assert not field.description.endswith(".")


@pytest.mark.parametrize("name", WORDS.own)
def test_every_number_has_bounds(name: str) -> None:
    """All but the values of pixels, which may be anything, and weights."""
    for argument, field in arguments(WORDS[name]).items():
        if field.annotation in (int, float) and (name, argument) not in FREE:
            assert field.metadata, argument


FREE = {("clamp", "low"), ("clamp", "high")}
