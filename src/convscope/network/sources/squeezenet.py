"""SqueezeNet 1.1, whose weights are in this package.

Forrest N. Iandola and others, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters", 2016.
The modules have the names of torchvision's `squeezenet1_1`. Importing torchvision and timm for it
would take most of the time that loading takes.
"""

from __future__ import annotations

from importlib.resources import as_file, files

import torch
from torch import Tensor, nn

from convscope.errors import ConvscopeError
from convscope.network.checkpoints.loading import Checkpoint
from convscope.network.sources.plugin_networks import Built

NAME = "squeezenet1_1"
_BYTES = 255  # the network takes pixels of 0..255 less the mean
_MEAN = (123, 117, 104)


class Fire(nn.Module):
    """Few 1x1 convolutions, and as many 1x1 as 3x3 ones on what they leave."""

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        one, three = self.expand1x1(x), self.expand3x3(x)
        return torch.cat([self.expand1x1_activation(one), self.expand3x3_activation(three)], 1)


class SqueezeNet(nn.Module):
    """The network, with random weights.

    Args:
        num_classes: the number of classes.
    """

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 3, stride=2),
            nn.ReLU(inplace=True),
            _pool(),
            Fire(64, 16, 64),
            Fire(128, 16, 64),
            _pool(),
            Fire(128, 32, 128),
            Fire(256, 32, 128),
            _pool(),
            Fire(256, 48, 192),
            Fire(384, 48, 192),
            Fire(384, 64, 256),
            Fire(512, 64, 256),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Conv2d(512, num_classes, 1),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
        )
        self.apply(_start)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x))
        return logits.flatten(1)


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


def _start(module: nn.Module) -> None:
    """Random weights that keep the size of the activations from layer to layer."""
    if isinstance(module, nn.Conv2d) and module.bias is not None:
        nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)


def squeezenet(pretrained: bool, num_classes: int | None = None) -> Built:
    """SqueezeNet 1.1 and its settings.

    Raises:
        ConvscopeError: the file of weights is damaged.
    """
    module = SqueezeNet(num_classes or 1000)
    settings = {
        "mean": tuple(value / _BYTES for value in _MEAN),
        "std": (1 / _BYTES,) * 3,
        "input_size": (227, 227),
        "crop": 0.875,
        "interpolation": "bilinear",
    }
    with as_file(files("convscope.network.sources").joinpath(f"{NAME}.safetensors")) as file:
        try:
            weights = Checkpoint(file)
            if pretrained:
                weights.load(module)
            labels = None if num_classes else weights.labels["__metadata__.labels"]
        except (ConvscopeError, KeyError) as error:
            raise ConvscopeError(
                f"{NAME}: its weights in the package are damaged; install convscope again"
            ) from error
    return module, {**settings, "labels": labels}
