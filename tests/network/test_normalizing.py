"""Gradients of normalizations with fixed statistics, against float64 and against their formula."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convscope as cs
from convscope.network.prepared.normalizing import ScaleAndShift
from tests.helpers import toys

MEAN, VARIANCE, WEIGHT, BIAS = (
    0.2 + torch.rand(4, 6, generator=torch.Generator().manual_seed(3))
).double()
NORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "F.batch_norm": lambda x: F.batch_norm(x, MEAN.to(x), VARIANCE.to(x), WEIGHT.to(x), BIAS.to(x)),
    "by name": lambda x: F.batch_norm(
        x, running_mean=MEAN.to(x), running_var=VARIANCE.to(x), bias=BIAS.to(x), weight=WEIGHT.to(x)
    ),
    "torch.batch_norm": lambda x: torch.batch_norm(
        x, WEIGHT.to(x), BIAS.to(x), MEAN.to(x), VARIANCE.to(x), False, 0.1, 1e-5, True
    ),
    "exported": lambda x: torch.ops.aten.batch_norm.default(
        x, WEIGHT.to(x), BIAS.to(x), MEAN.to(x), VARIANCE.to(x), False, 0.1, 1e-5, True
    ),
    "native": lambda x: torch.ops.aten._native_batch_norm_legit_no_training.default(
        x, WEIGHT.to(x), BIAS.to(x), MEAN.to(x), VARIANCE.to(x), 0.1, 1e-5
    )[0],
    "F.instance_norm": lambda x: F.instance_norm(
        x, MEAN.to(x), VARIANCE.to(x), WEIGHT.to(x), BIAS.to(x), use_input_stats=False
    ),
}


@pytest.mark.parametrize("shape", [(1, 6, 5), (1, 6, 7, 7), (1, 6, 3, 4, 5), (2, 6, 7, 7)])
@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_the_gradient_is_the_scale(
    norm: Callable[[Tensor], Tensor], shape: tuple[int, ...]
) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(shape, generator=generator).requires_grad_()
    incoming = torch.randn(shape[0], *shape[2:], 6, generator=generator)
    with ScaleAndShift() as mode:
        y = norm(x)
    assert mode.count == 1
    (ours,) = torch.autograd.grad((y.movedim(1, -1) * incoming).sum(), x)

    columns = (1, 6) + (1,) * (len(shape) - 2)
    scale = (WEIGHT / (VARIANCE + 1e-5).sqrt()).view(columns)
    assert toys.relative(ours.double(), incoming.double().movedim(-1, 1) * scale) < 1e-6
    expected = (x.double() - MEAN.view(columns)) * scale + BIAS.view(columns)
    assert toys.relative(y.double().detach(), expected.detach()) < 1e-6


def test_statistics_of_the_batch_are_left_alone() -> None:
    x = torch.rand(2, 3, 4, 4, requires_grad=True)
    with ScaleAndShift() as mode:
        F.batch_norm(x, None, None, training=True)
        F.instance_norm(x)
        nn.BatchNorm2d(3)(x)
    assert mode.count == 0


class Transposed(nn.Module):
    """A normalization of tokens' maps: its incoming gradient is transposed."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(3, 6, 4, 4), norm, nn.Linear(6, 8)
        self.head = nn.Linear(8 * 16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(F.relu(self.conv(x)).contiguous())
        out: Tensor = self.head(torch.tanh(self.fc(x.flatten(2).transpose(1, 2))).flatten(1))
        return out


class WithActivation(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).tanh()


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.BatchNorm2d(6),
        lambda: nn.SyncBatchNorm(6),
        lambda: WithActivation(6),
        lambda: nn.BatchNorm2d(6, affine=False),
        lambda: nn.InstanceNorm2d(6, affine=True, track_running_stats=True),
        lambda: toys.Lambda(NORMS["F.batch_norm"]),
        lambda: nn.Sequential(nn.Flatten(2), nn.BatchNorm1d(6), nn.Unflatten(2, (4, 4))),
        lambda: nn.Sequential(nn.Unflatten(2, (1, 4)), nn.BatchNorm3d(6), nn.Flatten(2, 3)),
    ],
)
@pytest.mark.parametrize("layer", [None, "norm"])
def test_saliency_is_that_of_float64(make: Callable[[], nn.Module], layer: str | None) -> None:
    module = Transposed(make()).eval()
    for part in module.modules():
        if isinstance(getattr(part, "running_var", None), Tensor):
            part.running_var.uniform_(0.5, 2)  # type: ignore
    net = toys.network(module)
    names = {""} if layer is None else {"", layer}
    image = toys.images(1).requires_grad_()
    values = net.activations(image, names)
    start = image if layer is None else values[layer]
    (ours,) = torch.autograd.grad(values[""][0, 2], start)

    module.double()
    leaf = toys.images(1).double().requires_grad_()
    with toys.recording(module) as own:
        score = module(toys.normalized(leaf))[0, 2]
    if layer is None:
        (theirs,) = torch.autograd.grad(score, leaf)
    else:
        maps = own["norm"].requires_grad_()
        tokens = module.fc(maps.flatten(2).transpose(1, 2))
        score = module.head(torch.tanh(tokens).flatten(1))[0, 2]
        (theirs,) = torch.autograd.grad(score, maps)
    assert toys.relative(ours.double(), theirs) < 1e-4


def test_a_folded_normalization_read_by_name() -> None:
    """It runs as the user's module does, and its gradient is right."""
    module = toys.randomized(toys.Residual()).eval()
    net = toys.network(module)
    image = toys.images(1)
    gradients = {}
    for name in ("layer1.conv1", "layer1.bn1"):
        values = net.activations(image, {name, ""}, leaves=True)
        (gradients[name],) = torch.autograd.grad(values[""][0, 1], values[name])
    norm = module.layer1.bn1  # type: ignore[union-attr]
    scale = (norm.weight / (norm.running_var + norm.eps).sqrt()).view(1, -1, 1, 1)  # type: ignore
    assert (
        toys.relative(gradients["layer1.conv1"], (gradients["layer1.bn1"] * scale).detach()) < 1e-5
    )


def test_a_normalization_met_by_some_images_only() -> None:
    class Forks(Transposed):
        def forward(self, x: Tensor) -> Tensor:
            if x.mean() > 2:
                return super().forward(x)
            out: Tensor = self.fc.bias[:5] + x.mean((1, 2, 3))[:, None]
            return out

    norm = nn.BatchNorm2d(6)
    norm.running_var.uniform_(0.5, 2)  # type: ignore
    module = Forks(norm).eval()
    net = cs.Network(module, mean=(0.0,) * 3, std=(0.1,) * 3, input_size=16)
    image = toys.images(1)
    ours = torch.as_tensor(cs.saliency(net, image, target=1).result().gradient)
    module.double()
    leaf = image.double().requires_grad_()
    (theirs,) = torch.autograd.grad(module(leaf / 0.1)[0, 1], leaf)
    assert toys.relative(ours.double().view_as(theirs), theirs) < 1e-4
