"""The caller's torch settings change no number, and stay as they are."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.system import ForkSafeLock, usual_torch
from tests.helpers import toys


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def default_device() -> Iterator[None]:
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


SETTINGS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "meta": lambda: torch.device("meta"),
    "meta for all": default_device,
    "inference": torch.inference_mode,
    "no_grad": torch.no_grad,
    "deterministic": deterministic,
}
TECHNIQUES: dict[str, tuple[Any, dict[str, Any]]] = {
    "saliency": (cs.saliency, {"target": 1}),
    "gradcam": (cs.gradcam, {"target": 1}),
    "guided_backprop": (cs.guided_backprop, {"target": 1}),
    "occlusion": (cs.occlusion, {"target": 1, "patch": 8, "stride": 8}),
    "activations": (cs.activations, {}),
}


class Constants(toys.Residual):
    """It makes tensors in its forward pass."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x * torch.full((1, 3, 1, 1), 0.7)) + torch.zeros(5)


def module() -> nn.Module:
    return toys.randomized(Constants())


@pytest.fixture(scope="module")
def right() -> dict[str, Any]:
    net = toys.network(module())
    found = {name: run(net, toys.images(1)) for name, run in RUNS.items()}
    return {**found, "logits": net.logits(toys.images())}


def numbers(result: Any) -> dict[str, Any]:
    """All arrays of a result."""
    named = {name: getattr(result, name, None) for name in ("image", "gradient", "heatmap")}
    return {**result.arrays, **{k: np.asarray(v) for k, v in named.items() if v is not None}}


def runner(technique: Any, options: dict[str, Any]) -> Callable[[cs.Network, Tensor], Any]:
    def run(net: cs.Network, image: Tensor) -> Any:
        return numbers(technique(net, image, **options).result())

    return run


RUNS = {name: runner(*made) for name, made in TECHNIQUES.items()}
RUNS["invert"] = lambda net, image: numbers(
    cs.invert(net, image, layer=net.layers[0].name, steps=2).result()
)
RUNS["class_image"] = lambda net, _: numbers(cs.class_image(net, target=1, steps=2).result())


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("built_inside", [False, True])
def test_same_numbers(
    setting: Callable[[], Any], built_inside: bool, right: dict[str, Any]
) -> None:
    made, images = module(), toys.images()
    net = toys.network(made)
    with setting():
        if built_inside:
            net = toys.network(made)
        image = images[:1].clone()
        logits = net.logits(images)
        found = {name: run(net, image) for name, run in RUNS.items()}
        read = net.read(images, {"layer1"})["layer1"]
    assert torch.equal(logits, right["logits"])
    for name, arrays in found.items():
        assert arrays.keys() == right[name].keys()
        for key, array in arrays.items():
            assert np.array_equal(array, right[name][key]), (name, key)
    assert read.dtype == torch.float32


def test_an_image_and_a_module_made_in_inference_mode() -> None:
    with torch.inference_mode():
        image, made = toys.images(1), module()
    net = toys.network(made)
    ours = torch.as_tensor(cs.saliency(net, image, target=1).result().gradient)
    theirs = torch.as_tensor(
        cs.saliency(toys.network(module()), toys.images(1), target=1).result().gradient
    )
    assert torch.equal(ours, theirs)
    assert net.logits(net.preprocess(image)).isfinite().all()


def test_settings_are_left_as_they_were_between_frames() -> None:
    net = toys.network(module())
    with default_dtype(torch.float64), torch.inference_mode():
        for _ in cs.class_image(net, target=1, steps=2):
            assert torch.get_default_dtype() == torch.float64
            assert torch.is_inference_mode_enabled()


def test_usual_settings() -> None:
    with torch.inference_mode(), usual_torch(gradients=None):
        assert not torch.is_grad_enabled()
        assert not torch.empty(1).is_inference()
    with torch.no_grad(), usual_torch(gradients=True):
        assert torch.is_grad_enabled()


# -------------------------------------------------------------------- numbers in half precision


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.fc = nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            out: Tensor = self.fc(self.act(self.conv(x)).mean((2, 3)))
            return out


def test_outputs_in_half_precision() -> None:
    made = toys.randomized(Mixed()).eval()
    net, image = toys.network(made), toys.images(1)
    with torch.no_grad():
        right = made(toys.normalized(image))
    assert right.dtype == torch.bfloat16
    assert torch.equal(net.logits(image), right.float())
    assert {v.dtype for v in net.read(image, {"conv", "act.pre", "fc"}).values()} == {torch.float32}
    for technique, options in TECHNIQUES.values():
        assert numbers(technique(net, image, **options).result())
    assert cs.predict(net, image).result().arrays

    values = net.activations(image, {"act", ""}, leaves=True)
    (ours,) = torch.autograd.grad(values[""][0, 1], values["act"])
    expected = made.fc.weight[1].view(1, 8, 1, 1).expand(1, 8, 14, 14) / 196  # type: ignore
    assert toys.relative(ours, expected.detach()) < 0.01


# ------------------------------------------------------------------------------------- forks


def _child(net: cs.Network, right: Tensor, answer: Any) -> None:
    torch.set_num_threads(1)
    answer.put(bool(torch.equal(net.logits(toys.images()), right)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_fork_while_another_thread_reads() -> None:
    inside, go_on = threading.Event(), threading.Event()

    class Waits(toys.Residual):
        wait = False

        def forward(self, x: Tensor) -> Tensor:
            if Waits.wait and threading.current_thread() is reader:
                inside.set()
                go_on.wait(0.3)
            return super().forward(x)

    reader = threading.current_thread()
    net = toys.network(toys.randomized(Waits()))
    right = net.logits(toys.images())
    Waits.wait = True
    reader = threading.Thread(target=lambda: net.read(toys.images(), {"layer1", "fc"}))
    reader.start()
    assert inside.wait(10)
    context: Any = multiprocessing.get_context("fork")
    answer = context.Queue()
    child = context.Process(target=_child, args=(net, right, answer))
    child.start()
    assert answer.get(timeout=30)
    child.join(10)
    reader.join(10)


def test_a_lock_is_free_after_a_fork() -> None:
    lock = ForkSafeLock()
    with lock, lock:
        pass
    assert lock.acquire(1)
    lock.__exit__()
