"""Copies of modules that hold locks, files, caches and hooks, and of modules inside wrappers."""

from __future__ import annotations

import functools
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from tests.helpers import toys

LOGITS_SEEN: list[Tensor] = []


class Holding(nn.Module):
    """A residual network that holds something."""

    body: Any
    cache: Any
    random: Any
    kept: Any

    def __init__(self, **held: Any) -> None:
        super().__init__()
        self.body = toys.randomized(toys.Residual()).eval()
        vars(self).update(held)

    def forward(self, x: Tensor) -> Any:
        return self.body(x)


def expected(module: nn.Module) -> Tensor:
    with torch.no_grad():
        out: Tensor = module(toys.normalized(toys.images()))
    return out


def computed() -> Tensor:
    return nn.Parameter(torch.ones(2)) * 2


def numbers() -> Any:
    yield from range(100)


@pytest.mark.parametrize(
    "held",
    [
        {"lock": threading.RLock(), "locks": {"a": [threading.Lock()]}},
        {"event": threading.Event(), "condition": threading.Condition()},
        {"cache": {"k": [computed(), {"inner": computed()}]}, "feature": computed()},
        {"random": torch.Generator().manual_seed(3), "function": lambda x: x},
        {"numbers": numbers()},
    ],
)
def test_what_deepcopy_refuses(held: dict[str, Any]) -> None:
    module = Holding(**held)
    net = toys.network(module)
    assert toys.relative(net.logits(toys.images()), expected(module)) < 1e-6
    with toys.recording(module) as own, torch.no_grad():
        module(toys.normalized(toys.images()))
    convolved = net.read(toys.images(), {"body.stem.0"})["body.stem.0"]
    assert toys.relative(convolved, own["body.stem.0"]) < 1e-6


def test_what_cannot_be_copied_is_shared_and_said(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log:
        net = toys.network(Holding(log={"files": [log]}))
    assert net.notes == ("shared with your module, as it cannot be copied: log",)


def test_other_copies_of_a_network() -> None:
    net = toys.network(Holding(lock=threading.Lock(), cache=[computed()]))
    assert not torch.equal(net.randomized().logits(toys.images()), net.logits(toys.images()))
    with pytest.raises(cs.ConvscopeError, match=r"Holding cannot be pickled.*workers=0"):
        pickle.dumps(net)


def test_a_cache_of_our_own_passes_is_not_the_users() -> None:
    class Caches(Holding):
        def forward(self, x: Tensor) -> Any:
            self.cache.setdefault("seen", []).append(x)
            self.drawn = torch.rand(1, generator=self.random)
            return self.body(x)

    module = Caches(cache={"old": computed()}, random=torch.Generator().manual_seed(3))
    net = toys.network(module)
    cs.saliency(net, toys.images(1), target=1).result()
    assert set(module.cache) == {"old"}
    assert torch.equal(module.random.get_state(), torch.Generator().manual_seed(3).get_state())


# ------------------------------------------------------------------------------ users' hooks


def test_hooks_that_only_look_do_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    class Extractor:
        def __init__(self) -> None:
            self.seen: list[Tensor] = []

        def hook(self, _m: nn.Module, _a: Any, out: Tensor) -> None:
            self.seen.append(out)

    def append(to: list[Tensor], _m: nn.Module, _a: Any, out: Tensor) -> None:
        to.append(out)

    module, seen, extractor = toys.Residual(), list[Tensor](), Extractor()
    layer: Any = module.layer1.conv1
    layer.register_forward_hook(lambda _m, _a, out: seen.append(out))
    layer.register_forward_hook(lambda _m, _a, out: LOGITS_SEEN.append(out))
    layer.register_forward_hook(lambda _m, _a, _k, out: seen.append(out), with_kwargs=True)
    layer.register_forward_hook(functools.partial(append, seen))
    layer.register_forward_hook(extractor.hook)
    layer.register_forward_pre_hook(lambda *_: print("runs"))
    layer.register_full_backward_hook(lambda *_: seen.append(torch.ones(1)))
    net = toys.network(module)
    cs.saliency(net, toys.images(1), target=1).result()
    assert not seen and not LOGITS_SEEN and not extractor.seen
    assert capsys.readouterr().out == ""
    assert net.notes == ()
    assert len(net._prepared.pairs) == 7


def in_place(_m: nn.Module, _a: Any, out: Tensor) -> None:
    out.mul_(3)


def times(number: int, _m: nn.Module, _a: Any, out: Tensor) -> Tensor:
    return number * out


@pytest.mark.parametrize(
    "hook", [lambda _m, _a, out: 2 * out, in_place, functools.partial(times, 3)]
)
def test_hooks_that_change_values_run(hook: Callable[..., Any]) -> None:
    module = toys.randomized(toys.Residual()).eval()
    module.layer1.relu.register_forward_hook(hook)  # type: ignore
    module.layer2.relu.register_forward_pre_hook(lambda _m, args: (args[0] + 1,))  # type: ignore
    net = toys.network(module)
    layers = "on 'layer1.relu', 'layer2.relu'"
    assert net.notes == (f"your hooks that change values run here too: {layers}",)
    assert toys.relative(net.logits(toys.images()), expected(module)) < 1e-6
    cs.saliency(net, toys.images(1), target=1).result()


def test_a_hook_that_the_module_relies_on() -> None:
    class Relies(Holding):
        def __init__(self) -> None:
            super().__init__()
            self.body.layer1.register_forward_hook(self.keep)
            self.body.layer2.register_forward_hook(lambda _m, _a, out: setattr(self, "also", out))

        def forward(self, x: Tensor) -> Any:
            self.body(x)
            return self.kept.mean((2, 3))[:, :4] + self.also.mean((2, 3))[:, :4]  # type: ignore

        def keep(self, _m: nn.Module, _a: Any, out: Tensor) -> None:
            self.kept = out

    module = Relies()
    net = toys.network(module)
    image = toys.images(1)
    ours = torch.as_tensor(cs.saliency(net, image, target=1).result().gradient)
    assert not hasattr(module, "kept")
    leaf = image.clone().requires_grad_()
    (theirs,) = torch.autograd.grad(module(toys.normalized(leaf))[0, 1], leaf)
    assert toys.relative(ours.view_as(theirs), theirs) < 1e-5


# ------------------------------------------------------------------------------- other kinds


def compiled(module: nn.Module) -> Any:
    return torch.compile(module, backend="eager")


def compiled_in_place(module: nn.Module) -> nn.Module:
    module.compile(backend="eager")
    return module


class Fabric(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._forward_module = module

    def forward(self, *args: Any) -> Any:
        return self._forward_module(*args)


Fabric.__name__ = "_FabricModule"


@pytest.mark.parametrize(
    "wrap",
    [
        compiled,
        compiled_in_place,
        nn.DataParallel,
        Fabric,
        torch.optim.swa_utils.AveragedModel,
        lambda module: nn.DataParallel(compiled(module)),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_wrappers_are_unwrapped(wrap: Callable[[nn.Module], nn.Module], inside: bool) -> None:
    module = Holding()
    right = expected(module)
    if inside:
        module.body = wrap(module.body)
    net = toys.network(module if inside else wrap(module))
    assert net.name == "Holding"
    assert [layer.name for layer in net.layers][:2] == ["body.stem.0", "body.stem.1"]
    assert toys.relative(net.logits(toys.images()), right) < 1e-6
    assert len(net._prepared.pairs) == 7


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_kinds_that_are_refused_in_one_line() -> None:
    small = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()

    class Two(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return a - b

    refused: dict[str, Any] = {
        "TorchScript.*pass the nn.Module": torch.jit.script(small),
        "is TorchScript": torch.jit.trace(small, torch.rand(1, 3, 16, 16)),
        "'0.weight' has no shape yet.*run your module": nn.Sequential(nn.LazyConv2d(8, 3)),
        "'weight' is on the device 'meta'": nn.Conv2d(3, 8, 3, device="meta"),
        "pass its .module": torch.export.export(small, (torch.rand(1, 3, 16, 16),)),
        "takes clips or volumes.*unsqueeze": nn.Conv3d(3, 8, 3),
        "wrap it in a module whose forward takes": Two(),
        "wraps a torch.nn.Module, not int": 3,
    }
    for line, module in refused.items():
        with pytest.raises(cs.ConvscopeError, match=line) as error:
            toys.network(module)
        assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_a_part_that_is_torchscript() -> None:
    module = Holding()
    right = expected(module)
    module.body = torch.jit.script(module.body)
    net = toys.network(module)
    assert "'body' is TorchScript: its layers cannot be read" in net.notes
    assert toys.relative(net.logits(toys.images()), right) < 1e-6
