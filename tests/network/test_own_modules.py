"""Users' own modules: each works, with the numbers of plain PyTorch, or is refused in one line."""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.testing.cases import numbers
from tests.helpers.own.building import Own
from tests.helpers.own.table import MODULES, REFUSED


class Case:
    """A module, its network, and an image for both."""

    def __init__(self, own: Own) -> None:
        torch.manual_seed(0)
        self.own, module = own, own.make()
        half = [0.5] * own.channels
        self.net = cs.Network(module, mean=half, std=half, input_size=own.size)
        image = torch.rand(1, own.channels, *self.net.input_size)
        self.image = image.to(self.net.dtype)
        self.photo = torch.rand(1, own.channels, 64, 80)
        self.plain = _evaluated(module)

    def scores(self, image: Tensor) -> Tensor:
        """What plain PyTorch gives, (1, classes)."""
        assert self.own.scores is not None
        return self.own.scores(self.own.inner(self.plain)((image - 0.5) / 0.5))

    def agrees(self, ours: Any, theirs: Tensor) -> None:
        difference = (torch.as_tensor(ours).reshape(theirs.shape) - theirs).abs().max()
        assert difference <= self.own.digits * theirs.abs().max()


def _evaluated(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode, at least in float32."""
    try:
        plain = copy.deepcopy(module)
    except RuntimeError:  # it holds computed tensors
        plain = module
    with contextlib.suppress(NotImplementedError):  # exported programs have no modes
        plain.eval()
    half = any(p.dtype in (torch.float16, torch.bfloat16) for p in plain.parameters())
    return plain.float() if half else plain


@pytest.fixture(params=MODULES)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(MODULES[request.param])


def test_scores(case: Case) -> None:
    if case.own.scores is not None:
        with torch.no_grad():
            theirs = case.scores(case.image)
        if "predict" in case.own.lines:
            case.agrees(case.net.read(case.image, {""})[""], theirs)
        else:
            case.agrees(case.net.logits(case.image), theirs)


def test_gradient(case: Case) -> None:
    if case.own.scores is None or "saliency" in case.own.lines:
        return
    leaf = case.image.clone().requires_grad_()
    case.scores(leaf)[0, 0].backward()
    assert leaf.grad is not None
    case.agrees(cs.saliency(case.net, case.image, target=0).result().gradient, leaf.grad)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, line = REFUSED[name]
    with pytest.raises(cs.ConvscopeError, match=line) as refusal:
        cs.Network(make(), mean=[0.5] * 3, std=[0.5] * 3, input_size=32)
    assert "\n" not in str(refusal.value)


def _with_image(technique: Callable[..., cs.Run], **options: Any) -> Callable[[Case], cs.Run]:
    return lambda case: technique(case.net, case.image, **options)


def _without_image(technique: Callable[..., cs.Run], **options: Any) -> Callable[[Case], cs.Run]:
    return lambda case: technique(case.net, **options)


TECHNIQUES: dict[str, Callable[[Case], cs.Run]] = {
    "predict": _with_image(cs.predict),
    "saliency": _with_image(cs.saliency),
    "guided_backprop": _with_image(cs.guided_backprop),
    "gradcam": _with_image(cs.gradcam),
    "occlusion": _with_image(cs.occlusion, patch=16, stride=16, baseline="gray"),
    "activations": _with_image(cs.activations, limit=2),
    "filters": _without_image(cs.filters, limit=2),
    "class_image": _without_image(cs.class_image, target=0, steps=2),
    "neuron_image": _without_image(cs.neuron_image, steps=2, limit=2),
    "deepdream": lambda case: cs.deepdream(case.net, case.photo, steps=1, octaves=1),
    "invert": _with_image(cs.invert, steps=1),
}


@pytest.mark.slow
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_technique(case: Case, technique: str) -> None:
    line = case.own.lines.get(technique)
    if line is not None:
        with pytest.raises(cs.ConvscopeError, match=re.escape(line)) as refusal:
            TECHNIQUES[technique](case).result()
        assert "\n" not in str(refusal.value)
        return
    result = TECHNIQUES[technique](case).result()
    assert min(result.picture.size) > 0
    assert all(np.isfinite(array).all() for array in numbers(result).values())
