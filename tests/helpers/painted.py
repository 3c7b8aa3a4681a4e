"""Pictures of one color in labeled folders, and a network that tells their colors."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

import convscope as cs

LABELS = ["red", "green", "blue"]

# Folder, name and color of each picture. Three of them are more green than what their folder says.
PICTURES = [
    ("red", "a", (200, 10, 0)),
    ("red", "b", (220, 0, 10)),
    ("red", "wrong", (10, 210, 0)),
    ("green", "a", (0, 250, 10)),
    ("green", "b", (20, 190, 0)),
    ("blue", "a", (0, 10, 230)),
    ("blue", "wrong", (90, 200, 10)),
    ("blue", "surely wrong", (0, 255, 0)),
]


class Colors(nn.Module):
    """Scores are the mean of each color; so is the embedding. Its feature maps are the colors."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv2d(3, 3, 1, bias=False)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flat = nn.Flatten()
        self.head = nn.Linear(3, 3, bias=False)
        with torch.no_grad():
            self.maps.weight.copy_(torch.eye(3)[..., None, None])
            self.head.weight.copy_(torch.eye(3))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(self.flat(self.pool(self.maps(x))))
        return result


def color_network(labels: list[str] | None = None) -> cs.Network:
    """The network of these pictures."""
    return cs.Network(
        Colors(), mean=[0.0] * 3, std=[1.0] * 3, input_size=16, labels=labels or LABELS
    )


def paint_colors(folder: Path) -> Path:
    """Paint the pictures into a folder."""
    for label, name, color in PICTURES:
        (folder / label).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), color).save(folder / label / f"{name}.png")
    return folder
