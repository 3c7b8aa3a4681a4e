"""Modules as users write them: every way to build, wrap, normalize and return that we know of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.utils.checkpoint import checkpoint

from tests.helpers import toys


def _whole(output: Any) -> Any:
    return output


@dataclass(frozen=True)
class Own:
    """A module, and what is true of it.

    Attributes:
        make: builds it.
        size, channels: of its input.
        scores: the scores (N, classes) in its output; None if it has none.
        inner: the part of it that gives the scores, before a softmax for instance.
        lines: for techniques that cannot work with it, what each says.
        digits: how precisely it computes.
    """

    make: Callable[[], nn.Module]
    size: int | tuple[int, int] = 32
    channels: int = 3
    scores: Callable[[Any], Tensor] | None = _whole
    inner: Callable[[Any], nn.Module] = _whole
    lines: Mapping[str, str] = field(default_factory=dict)
    digits: float = 1e-3


class Does(nn.Module):
    """Any function as a forward pass, with the parts that it needs."""

    def __init__(self, function: Callable[[Any, Tensor], Any], **parts: nn.Module | Tensor) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            if isinstance(part, nn.Module):
                self.add_module(name, part)
            else:
                self.register_buffer(name, part)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def trunk(channels: int = 3, act: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, 2, 1),
        nn.BatchNorm2d(8),
        act(),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        act(),
    )


def head(classes: int = 5, channels: int = 16) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def small(classes: int = 5, channels: int = 3, act: Callable[[], nn.Module] = nn.ReLU) -> nn.Module:
    return nn.Sequential(trunk(channels, act), head(classes))


def returning(output: Callable[[Tensor], Any], classes: int = 5) -> Callable[[], nn.Module]:
    """A module that makes something else of its scores."""
    return lambda: Does(lambda s, x: output(s.body(x)), body=small(classes))


@dataclass
class Output:
    """What a library's model returns."""

    logits: Tensor
    loss: None = None


class Lenet(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 6, 5, padding=2),
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(16 * 100, 10),
        )


class Tutorial(nn.Module):
    """PyTorch's tutorial for CIFAR-10: one pooling for all, functions for activations."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.pool, self.fc = nn.MaxPool2d(2, 2), nn.Linear(16 * 25, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        out: Tensor = self.fc(torch.flatten(x, 1))
        return out


def tokens(mixer: nn.Module, first: bool = True) -> nn.Module:
    """Patches as tokens, images first or tokens first."""

    def forward(s: Any, x: Tensor) -> Any:
        patches = s.patches(x).flatten(2)
        mixed = s.mixer(patches.transpose(1, 2) if first else patches.permute(2, 0, 1))
        return s.fc(mixed.mean(1 if first else 0))

    return Does(forward, patches=nn.Conv2d(3, 16, 8, 8), mixer=mixer, fc=nn.Linear(16, 5))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.heads(x, x, x)[0]
        return x + mixed


class Masked(nn.Module):
    """Attention to the tokens before, by a mask that holds minus infinity."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.MultiheadAttention(16, 2, batch_first=True)
        self.register_buffer("mask", torch.full((16, 16), -torch.inf).triu(1))

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.heads(x, x, x, attn_mask=self.mask)[0]
        return x + mixed


class Recurrent(nn.LSTM):
    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        out: Tensor = super().forward(x)[0]
        return out


def unet() -> nn.Module:
    def forward(s: Any, x: Tensor) -> Any:
        above = s.down(x)
        below = s.up(s.middle(F.max_pool2d(above, 2)))
        return s.classes(torch.cat([above, below], 1))

    return Does(
        forward,
        down=nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(True)),
        middle=nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(True)),
        up=nn.ConvTranspose2d(16, 8, 2, 2),
        classes=nn.Conv2d(16, 4, 1),
    )


def autoencoder() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 4, 2, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 3, 4, 2, 1),
        nn.Sigmoid(),
    )


def checkpointed(reentrant: bool) -> nn.Module:
    def forward(s: Any, x: Tensor) -> Any:
        return s.head(checkpoint(s.trunk, x, use_reentrant=reentrant))

    return Does(forward, trunk=trunk(), head=head())


def mixed_precision() -> nn.Module:
    def forward(s: Any, x: Tensor) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return s.body(x)

    return Does(forward, body=small())


def without_gradient(context: Callable[[], Any]) -> nn.Module:
    def forward(s: Any, x: Tensor) -> Any:
        with context():
            features = s.trunk(x)
        return s.head(features.clone())

    return Does(forward, trunk=trunk(), head=head())


def own_function() -> nn.Module:
    class Relu(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = toys.OwnRelu.apply(x)
            return result

    return small(act=Relu)


def changes_input() -> nn.Module:
    return Does(lambda s, x: s.body(x.sub_(0.1).mul_(2.0)), body=small())


def siamese(other: Tensor) -> nn.Module:
    """How near an image is to another one, which the network holds."""

    def forward(s: Any, x: Tensor) -> Any:
        a, b = (s.trunk(image).mean((2, 3)) for image in (x, s.other))
        return -(a - b).norm(dim=1, keepdim=True)

    return Does(forward, trunk=trunk(), other=other)


def conv3d() -> nn.Module:
    return nn.Sequential(
        nn.Conv3d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )


def normalized_by(norm: Callable[[int], nn.Module]) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), norm(8), nn.ReLU(), nn.Conv2d(8, 16, 3), norm(16), nn.ReLU(), head()
    )


ACTIVATIONS = (
    nn.ELU,
    nn.SiLU,
    nn.GELU,
    nn.Mish,
    nn.Hardswish,
    nn.Softplus,
    nn.SELU,
    nn.Softsign,
    nn.Tanhshrink,
)


def every_activation() -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, 8, 1)]
    for activation in ACTIVATIONS:
        layers += [nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), activation()]
    return nn.Sequential(*layers, head(channels=8))


def shared_in_place() -> nn.Module:
    def forward(s: Any, x: Tensor) -> Any:
        x = s.relu(s.first(x))
        x = s.relu(s.second(x) + x)
        return s.fc(x.mean((2, 3)))

    return Does(
        forward,
        first=nn.Conv2d(3, 8, 3),
        second=nn.Conv2d(8, 8, 3, padding=1),
        relu=nn.ReLU(inplace=True),
        fc=nn.Linear(8, 5),
    )


def pruned() -> nn.Module:
    conv = nn.Conv2d(3, 8, 3)
    prune.l1_unstructured(conv, "weight", 0.5)
    return nn.Sequential(conv, nn.ReLU(), head(channels=8))


def reparametrized(by: Callable[[nn.Conv2d], nn.Module]) -> nn.Module:
    return nn.Sequential(by(nn.Conv2d(3, 8, 3)), nn.ReLU(), head(channels=8))


def hooked() -> nn.Module:
    module = trunk()
    seen: list[Tensor] = []
    module[2].register_forward_hook(lambda _m, _i, output: seen.append(output))
    return nn.Sequential(module, head())


def branching() -> nn.Module:
    def forward(s: Any, x: Tensor) -> Any:
        y = s.bright(x) if x.mean() > 0 else s.dark(x)
        return s.head(F.relu(y))

    return Does(forward, bright=nn.Conv2d(3, 16, 3), dark=nn.Conv2d(3, 16, 5), head=head())


def exported(dynamic: bool) -> nn.Module:
    count = 2 if dynamic else 1
    shapes = ({0: torch.export.Dim("n", min=1, max=512)},) if dynamic else None
    example = (torch.rand(count, 3, 32, 32),)
    return torch.export.export(small().eval(), example, dynamic_shapes=shapes).module()
