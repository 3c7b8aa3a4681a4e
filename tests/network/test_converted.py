"""Reading layers by OpenVINO, compared with torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.network import (
    ReaderName,
    converted,
    fastest,
    for_passes,
    judged,
    judging,
    passes,
    programs,
    reading_by,
)
from tests.helpers.toys import (
    Dense,
    Residual,
    Reused,
    images,
    network,
    normalized,
    randomized,
    recording,
    relative,
)

installed = pytest.mark.skipif(
    find_spec("openvino") is None, reason="openvino is not installed (convscope[openvino])"
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Toys are so small that either may be faster."""
    monkeypatch.setattr(judging, "_ratio", lambda ours, theirs: 0.5)


class Attending(nn.Module):
    """Patches, attention over them, and a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = tokens + self.attention(tokens, tokens, tokens, need_weights=False)[0]
        scores: Tensor = self.head(tokens.mean(1))
        return scores


@installed
@pytest.mark.parametrize("make", [Dense, Residual, Reused, Attending])
def test_values_are_those_of_the_users_module(make: Callable[[], nn.Module]) -> None:
    module = randomized(make()).eval()
    net = network(module)
    batch = images(7)  # two parts of four, of which the last is filled up
    names = [layer.name for layer in net.layers]
    with torch.no_grad(), recording(module) as wanted:
        output = module(normalized(batch))
        ours = reading_by(net, "openvino").activations(batch, [*names, ""])
    assert relative(ours[""], output) < 1e-4
    for name in names:
        assert relative(ours[name], wanted[name]) < 1e-4, name


@installed
def test_what_goes_into_an_activation_is_read_too() -> None:
    net, batch = network(randomized(Residual()).eval()), images(4)
    with torch.no_grad():
        names = ["stem.2.pre", "layer1.pre", "layer2.relu.pre"]
        ours = reading_by(net, "openvino").activations(batch, names)
        theirs = net.activations(batch, names)
    assert all(relative(ours[name], theirs[name]) < 1e-4 for name in names)


@installed
def test_an_image_has_the_same_values_in_every_batch() -> None:
    net, batch = reading_by(network(randomized(Residual()).eval()), "openvino"), images(9)
    with torch.no_grad():
        whole = net.activations(batch, {""})[""]
        parts = [net.activations(batch[i : i + 2], {""})[""] for i in range(0, 9, 2)]
    assert torch.equal(torch.cat(parts), whole)


@installed
def test_gradients_are_those_of_torch() -> None:
    net, batch = network(randomized(Residual()).eval()), images(4).requires_grad_()
    ours, theirs = (
        torch.autograd.grad(one.activations(batch, {""})[""].sum(), batch)[0]
        for one in (reading_by(net, "openvino"), net)
    )
    assert torch.equal(ours, theirs)


@installed
def test_a_long_run_is_read_by_openvino_and_a_short_one_by_torch() -> None:
    net = network(randomized(Residual()).eval())
    fewest = passes.FEWEST["openvino"]
    assert "openvino" not in programs(net, fewest - 1)
    assert programs(net, fewest)[0] == "openvino"
    assert for_passes(net, min(passes.FEWEST.values()) - 1) is net
    assert fastest(net, images(4), [""], fewest) == "openvino"


@installed
def test_what_was_converted_to_be_timed_is_not_converted_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, convert = [], converted.Converted.__init__

    def counted(self: converted.Converted, *args: Any) -> None:
        made.append(self)
        convert(self, *args)

    monkeypatch.setattr(converted.Converted, "__init__", counted)
    net = network(randomized(Residual()).eval())
    assert fastest(net, images(9), [""], 1000) == "openvino"
    with torch.no_grad():
        reading_by(net, "openvino").activations(images(9), {""})
        for_passes(net, 1000).activations(images(9), {""})
    assert len(made) == 1


def _slower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "_ratio", lambda ours, theirs: 1.2)


def _wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    run = converted.Converted.__call__
    monkeypatch.setattr(
        converted.Converted,
        "__call__",
        lambda self, x: {n: 1.01 * v for n, v in run(self, x).items()},
    )


def _unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("no conversion rule for aten::bessel_j0")

    monkeypatch.setattr(converted, "_model", fail)


@installed
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (_slower, "1.20 of torch's time"),
        (_wrong, "apart by 1e-02"),
        (_unknown, "aten::bessel_j0"),
    ],
)
def test_torch_reads_what_openvino_cannot_or_not_faster(
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[pytest.MonkeyPatch], None],
    words: str,
) -> None:
    fault(monkeypatch)
    net, batch = network(randomized(Dense()).eval()), images(4)  # nothing to fuse
    with torch.no_grad():
        theirs = net.activations(batch, {""})[""]
        assert torch.equal(for_passes(net, 1000).activations(batch, {""})[""], theirs)
    found = judged(net, batch, [""], "openvino")
    assert found.program is None
    assert words in found.words
    assert fastest(net, batch, [""], 1000) == "torch"


class Deciding(nn.Module):
    """Looks at a value to decide how it goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.scale = nn.Buffer(torch.tensor(2.0))

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.conv(x) * (2 if self.scale.item() > 1 else 1)
        return maps.mean((2, 3))


@installed
def test_a_pass_that_looks_at_values_is_left_to_torch() -> None:
    names: tuple[ReaderName, ...] = ("fused", "openvino")
    for name in names:
        found = judged(network(Deciding().eval()), images(4), [""], name)
        assert found.program is None
        assert "may depend on the image" in found.words


@installed
def test_a_reader_that_is_asked_for_is_refused_where_its_values_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _wrong(monkeypatch)
    net = reading_by(network(randomized(Residual()).eval()), "openvino")
    with (
        torch.no_grad(),
        pytest.raises(
            cs.ConvscopeError, match=r"'openvino' cannot read Residual \(values apart by 1e-02"
        ),
    ):
        net.activations(images(4), {""})


def test_it_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "find_spec", lambda name: None)
    net = network(randomized(Residual()).eval())
    assert "openvino" not in programs(net, 1000)
    assert fastest(net, images(4), [""], 1000) != "openvino"
    with pytest.raises(cs.ConvscopeError, match="pip install"):
        reading_by(net, "openvino")


@installed
def test_networks_in_double_precision_are_read_by_torch() -> None:
    net = network(Residual().double().eval())
    assert for_passes(net, 1000) is net
    with pytest.raises(cs.ConvscopeError, match="only float32"):
        reading_by(net, "openvino")


@installed
def test_nothing_is_reported_to_its_makers() -> None:
    """OpenVINO's own package for that, which sends events, is not imported."""
    code = """
import sys, torch, convscope as cs
from convscope.network import reading_by
net = cs.Network(torch.nn.Conv2d(3, 4, 3), mean=(0, 0, 0), std=(1, 1, 1), input_size=8)
with torch.no_grad():
    reading_by(net, "openvino").activations(torch.rand(4, 3, 8, 8), {""})
print("openvino" in sys.modules, "openvino_telemetry" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


@installed
def test_signals_are_handled_after_its_networks_are_gone() -> None:
    """Whichever goes first, and whichever thread lets go of it."""
    code = """
import gc, signal, threading, torch, convscope as cs
from convscope.network import reading_by

def read():
    net = cs.Network(torch.nn.Conv2d(3, 4, 3), mean=(0, 0, 0), std=(1, 1, 1), input_size=8)
    with torch.no_grad():
        reading_by(net, "openvino").activations(torch.rand(4, 3, 8, 8), {""})
    return net

def forget(nets):
    while nets:
        nets.pop(0)
        gc.collect()

signal.signal(signal.SIGINT, lambda *_: print("handled"))
forget([read(), read()])
signal.raise_signal(signal.SIGINT)
thread = threading.Thread(target=forget, args=([read()],))
thread.start()
thread.join()
signal.raise_signal(signal.SIGINT)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, ["handled", "handled"])
