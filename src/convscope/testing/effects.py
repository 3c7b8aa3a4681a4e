"""Checks of what a technique leaves as it was: photograph, module, random numbers, settings."""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np
import torch
from torch import nn

from convscope.network import Network
from convscope.testing.cases import (
    Case,
    Own,
    digest,
    small_network,
    small_photograph,
)


def check_photograph_is_unchanged(case: Case) -> None:
    """The photograph stays as it was, and so does its gradient."""
    photo = small_photograph()
    before, version = photo.clone(), photo._version
    case.run(small_network(), photo).result().picture.load()
    assert torch.equal(photo, before)
    assert photo._version == version
    assert not photo.requires_grad
    photo.requires_grad_()
    result = case.run(small_network(), photo).result()
    assert photo.grad is None
    assert digest(result) == case.pixels


def check_module_is_unchanged(case: Case) -> None:
    """The user's module keeps its weights, gradients, mode and hooks."""
    module = Own().train()
    for parameter in module.parameters():
        parameter.grad = torch.full_like(parameter, 7.0)
    before = copy.deepcopy(module).state_dict()
    case.run(Network(module, mean=[0.5] * 3, std=[0.5] * 3, input_size=32)).result()
    for name, now in module.state_dict().items():
        assert torch.equal(now, before[name]), name
    for parameter in module.parameters():
        assert parameter.requires_grad
        assert parameter.grad is not None
        assert (parameter.grad == 7).all()
    assert all(part.training and not _hooks(part) for part in module.modules())
    assert module.relu.inplace


def _hooks(module: nn.Module) -> list[Any]:
    """All hooks of one module."""
    kinds = [name for name in vars(module) if name.endswith("_hooks")]
    assert "_forward_hooks" in kinds
    return [hook for kind in kinds for hook in getattr(module, kind).values()]


def check_random_numbers_are_unchanged(case: Case) -> None:
    """The global generators of torch, NumPy and Python stay as they were."""
    net = small_network()
    states: Any = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # type: ignore[index]
    case.run(net).result().picture.load()
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])  # type: ignore[index]
    assert random.getstate() == states[2]


def check_grad_mode(case: Case) -> None:
    """Whether torch records gradients changes nothing, and is not changed."""
    for enabled in (True, False):
        with torch.set_grad_enabled(enabled):
            for result in case.run(small_network()):
                assert torch.is_grad_enabled() is enabled
                last = result
        assert digest(last) == case.pixels
