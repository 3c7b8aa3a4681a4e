"""Targets and layers by name, and the errors for names that do not exist."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

import convscope as cs
from convscope.errors import ConvscopeError
from convscope.types.targets import Target
from tests.helpers import toys


def test_targets(net: cs.Network) -> None:
    tabby = Target("", 281, label="tabby")
    for words in ("tabby", "TABBY", " tabby ", "tabby cat", "tabby_cat", "281", " 281 ", 281):
        assert net.target(words) == tabby
    for number in (np.int64(281), torch.tensor(281), np.array(281)):
        assert net.target(number) == tabby
    assert net.target("blocks.4") == Target("blocks.4")
    assert net.target("blocks.4:12") == Target("blocks.4", 12)
    assert net.target("blocks.4:12@7,3") == Target("blocks.4", 12, (7, 3))
    assert net.target("bn1.pre:3@0,111") == Target("bn1.pre", 3, (0, 111))
    assert net.target("classifier:5") == Target("classifier", 5)
    for target in ("blocks.4:12@7,3", "blocks.4:12", "blocks.4", "bn1.pre:3", "tabby"):
        assert str(net.target(target)) == target
        assert net.target(net.target(target)) == net.target(target)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("taby", "unknown class or layer 'taby'; did you mean 'tabby'"),
        ("tabbi cat", "did you mean 'tabby cat'"),
        ("block.4", "did you mean 'blocks.4'"),
        ("blocks.44", "did you mean 'blocks.4"),
        ("block.4:12", "unknown class or layer 'block.4'"),
        ("zzzz qqqq", "unknown class or layer 'zzzz qqqq'"),
        ("", "unknown class or layer ''"),
        ("blocks.4:x", "unknown class or layer 'blocks.4:x'"),
        ("crane", "several classes are called 'crane': give one of the numbers 134, 517"),
        (1000, "no class 1000: efficientnet_lite0 has classes 0 to 999"),
        ("1000", "no class 1000"),
        (-1, "no class -1"),
        ("-1", "unknown class or layer '-1'"),
        ("²", "unknown class or layer '²'"),
        ("blocks.4:112", "no channel 112: 'blocks.4' has channels 0 to 111"),
        ("blocks.4:1@14,0", "no position 14,0: the feature maps of 'blocks.4' are 14 x 14"),
        ("blocks.4:1@0,14", "no position 0,14"),
        ("blocks.4@3,3", "'blocks.4@3,3': a position needs a channel of a layer with feature maps"),
        ("classifier:3@0,0", "a position needs a channel of a layer with feature maps"),
        ("classifier:1000", "no channel 1000: 'classifier' has channels 0 to 999"),
        ("blocks.4.0.conv_pw.pre", "does not end in an activation"),
        ("blocks.4.pre.pre", "unknown layer 'blocks.4.pre'"),
        (Target("nope", 3), "unknown layer 'nope'"),
        (Target("blocks.4", 500), "no channel 500"),
        (Target("blocks.4", -1), "no channel -1"),
        (Target("blocks.4", 1, (3, -2)), "no position 3,-2"),
        (Target("", 1000), "no channel 1000"),
        (3.5, "a target is a class, a layer or a channel, not float"),
        (None, "a target is a class, a layer or a channel, not NoneType"),
    ],
)
def test_near_misses(net: cs.Network, words: Any, message: str) -> None:
    with pytest.raises(ConvscopeError, match=re.escape(message)):
        net.target(words)


def test_a_targets_spec_names_it_again(net: cs.Network) -> None:
    """A class is given by its number: two classes are called crane, and two maillot."""
    for words in ("tabby", 134, 517, "blocks.4", "blocks.4:12", "blocks.4:12@7,7", "bn1.pre:3"):
        target = net.target(words)
        assert net.target(target.spec) == target
    assert net.target(134).label == net.target(517).label == "crane"


def test_a_class_goes_before_its_synonyms_and_a_layer_after_both() -> None:
    labels = ["stem", "b, a", "a, b", "c, x", "d, x"]
    net = cs.Network(
        toys.Residual(), mean=toys.MEAN, std=toys.STD, input_size=16, labels=labels, name="own"
    )
    assert net.target("a").channel == 2
    assert net.target("b").channel == 1
    assert net.target("stem") == Target("", 0, label="stem")
    assert net.target("stem.0") == Target("stem.0")
    with pytest.raises(ConvscopeError, match=r"several classes are called 'x': .* 3, 4"):
        net.target("x")
    unnamed = toys.network(toys.Residual())
    assert unnamed.target(2) == Target("", 2, label="class 2")
    assert unnamed.target("stem") == Target("stem")
