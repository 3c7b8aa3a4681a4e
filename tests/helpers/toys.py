"""Small networks whose answers can be worked out by hand or checked in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convscope as cs

Activation = Callable[[Tensor], Tensor]


class Toy(nn.Module):
    """Convolution of ones, ReLU, dense layer of signs, ReLU: the one whose tables are known."""

    def __init__(self, first: Activation | None = None, second: Activation | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.fc = nn.Linear(8, 4)
        self.first = first or nn.ReLU()
        self.second = second or nn.ReLU()
        with torch.no_grad():
            self.conv.weight.fill_(1)
            self.conv.bias.copy_(torch.tensor([-50.0, -75.0]))  # type: ignore[union-attr]
            self.fc.weight.copy_(torch.tensor([1.0] * 5 + [-1.0] * 3).expand(4, 8))
            self.fc.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(self.conv(x))
        return self.second(self.fc(hidden.flatten(1)))


def same_relu() -> Toy:
    """The toy with one ReLU used twice."""
    relu = nn.ReLU()
    return Toy(relu, relu)


TOYS: dict[str, Callable[[], Toy]] = {
    "nn.ReLU": Toy,
    "nn.ReLU(inplace)": lambda: Toy(nn.ReLU(inplace=True), nn.ReLU(inplace=True)),
    "F.relu": lambda: Toy(F.relu, F.relu),
    "F.relu(inplace)": lambda: Toy(lambda x: F.relu(x, inplace=True), F.relu),
    "torch.relu_": lambda: Toy(torch.relu_, torch.relu_),
    "Tensor.clamp": lambda: Toy(lambda x: x.clamp(min=0), lambda x: x.clamp(min=0)),
    "Tensor.clamp_": lambda: Toy(lambda x: x.clamp_(min=0), lambda x: x.clamp_(min=0)),
    "one nn.ReLU": same_relu,
}
TOY_IMAGE = torch.arange(16.0).view(1, 1, 4, 4)
PLAIN = torch.tensor([[0, 1, 1, 1]] * 3 + [[0, 0, 0, 0]]).float()
GUIDED = torch.tensor([[0, 1, 1, 1], [1, 3, 3, 2], [1, 3, 3, 2], [1, 2, 2, 1]]).float()
DECONV = torch.tensor([[2, 3, 3, 1], [3, 5, 5, 2], [3, 5, 5, 2], [1, 2, 2, 1]]).float()


class Lambda(nn.Module):
    """A function as a module."""

    def __init__(self, function: Activation) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Block(nn.Module):
    """A residual block as torchvision writes it: its sum is taken in place, its ReLU reused."""

    def __init__(self, channels: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.down = nn.Sequential(nn.Conv2d(channels, out, 1, stride), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.down(x)
        final: Tensor = self.relu(out)
        return final


class Residual(nn.Module):
    """Two residual blocks and a classifier of five."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 1, 1), nn.BatchNorm2d(6), nn.ReLU())
        self.pool = nn.MaxPool2d(2)
        self.layer1 = Block(6, 8)
        self.layer2 = Block(8, 10, stride=2)
        self.fc = nn.Linear(10, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(self.pool(self.stem(x))))
        out: Tensor = self.fc(x.mean((2, 3)))
        return out


class Dense(nn.Module):
    """Pre-activation, concatenation, normalization of concatenated maps: as in a DenseNet."""

    def __init__(self) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(3, 6, 3, padding=1)
        self.norm1, self.conv1 = nn.BatchNorm2d(6), nn.Conv2d(6, 4, 3, padding=1)
        self.norm2, self.conv2 = nn.BatchNorm2d(10), nn.Conv2d(10, 4, 3, padding=1)
        self.norm3 = nn.BatchNorm2d(14)
        self.relu = nn.ReLU(inplace=True)
        self.classifier = nn.Linear(14, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv0(x)
        x = torch.cat([x, self.conv1(self.relu(self.norm1(x)))], 1)
        x = torch.cat([x, self.conv2(self.relu(self.norm2(x)))], 1)
        x = F.adaptive_avg_pool2d(F.relu(self.norm3(x), inplace=True), 1)
        out: Tensor = self.classifier(torch.flatten(x, 1))
        return out


class Reused(nn.Module):
    """One convolution and one normalization, both called three times; functional activations."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.act = nn.ReLU()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu_(self.stem(x), 0.2)
        for _ in range(3):
            x = self.act(self.bn(self.conv(x)))
        x = (x + 0.1).clamp_(0, 6)
        out: Tensor = self.fc(x.mean((2, 3)))
        return out


class Linear(nn.Module):
    """Two scores, each a weighted sum of the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3 * 25, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(x.flatten(1))
        return out


def randomized(module: nn.Module, seed: int = 0) -> nn.Module:
    """Random weights, and normalizations whose statistics and scales are far from one and zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            fan = parameter[0].numel() if parameter.dim() > 1 else 1
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan**0.5)
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d) and part.running_mean is not None:
                assert part.running_var is not None
                shape = part.running_mean.shape
                part.weight.copy_(0.5 + torch.rand(shape, generator=generator))
                part.bias.copy_(0.3 * torch.randn(shape, generator=generator))
                part.running_mean.copy_(0.3 * torch.randn(shape, generator=generator))
                part.running_var.copy_(0.3 + torch.rand(shape, generator=generator))
    return module


MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def network(module: nn.Module, size: int = 16) -> cs.Network:
    """The module as a Network with statistics of its own."""
    return cs.Network(module, mean=MEAN, std=STD, input_size=size)


def plain_network(module: nn.Module, size: int, channels: int = 3) -> cs.Network:
    """The module as a Network that does not normalize."""
    return cs.Network(module, mean=(0.0,) * channels, std=(1.0,) * channels, input_size=size)


def linear() -> tuple[cs.Network, Tensor]:
    """The network in float64 and the weights (1, 3, 5, 5) of its score 1."""
    module = randomized(Linear()).double()
    weight = module.fc.weight.detach()[1].view(1, 3, 5, 5)  # type: ignore
    return plain_network(module, 5), weight


def normalized(images: Tensor) -> Tensor:
    """What `network` feeds its module."""
    mean, std = (torch.tensor(v, dtype=images.dtype).view(1, -1, 1, 1) for v in (MEAN, STD))
    return (images - mean) / std


def images(count: int = 2, size: int = 16, seed: int = 1) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


@contextmanager
def recording(module: nn.Module) -> Iterator[dict[str, Tensor]]:
    """What the user's own module gives at every layer, copied as it returns (the last call's)."""
    found: dict[str, Tensor] = {}

    def hook(name: str) -> Callable[..., None]:
        def note(_: nn.Module, __: object, output: object) -> None:
            if isinstance(output, Tensor):
                found[name] = output.detach().clone()

        return note

    handles = [m.register_forward_hook(hook(name)) for name, m in module.named_modules()]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def relative(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference over the largest value."""
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp_min(1e-30))


def fingerprint(module: nn.Module) -> dict[str, object]:
    """All of a module that a careless library could change."""
    seen: dict[str, object] = {}
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        grad = tensor.grad
        seen[name] = (
            id(tensor),
            tensor.detach().numpy().tobytes(),
            tensor.stride(),
            tensor.dtype,
            tensor.requires_grad,
            tensor._version,
            None if grad is None else (id(grad), grad.numpy().tobytes()),
        )
    for name, part in module.named_modules():
        hooks = {key: list(value) for key, value in vars(part).items() if key.endswith("_hooks")}
        seen[f"{name} ({type(part).__name__})"] = (
            part.training,
            getattr(part, "inplace", None),
            hooks,
            sorted(vars(part)),
        )
    return seen


class Tokens(nn.Module):
    """A transformer in little: 4 x 4 patches and a class token, which alone is classified."""

    def __init__(self, size: int = 16, extra: int = 1) -> None:
        super().__init__()
        self.extra = extra
        self.patches = nn.Conv2d(3, 6, 4, stride=4)
        self.token = nn.Parameter(torch.zeros(1, extra, 6))
        self.one, self.two = Attention(), Attention()
        self.norm = nn.LayerNorm(6)
        self.head = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), patches], 1)
        x = self.norm(self.two(self.one(x)))
        out: Tensor = self.head(x[:, 0])
        return out


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(6, 18)

    def forward(self, x: Tensor) -> Tensor:
        queries, keys, values = self.qkv(x).chunk(3, 2)
        mixed: Tensor = (queries @ keys.transpose(1, 2)).softmax(2) @ values
        return x + mixed


class Last(nn.Module):
    """Maps with their channels last, as in a Swin."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 4, stride=4)
        self.norm = nn.LayerNorm(6)
        self.head = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x).permute(0, 2, 3, 1))
        out: Tensor = self.head(x.relu().mean((1, 2)))
        return out


class OwnRelu(torch.autograd.Function):
    """A ReLU that is made of a clamp, which has no gradient inside of it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, gradient, 0.0)
