"""Exported programs have the layers of the module that they were made from."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from tests.helpers import toys

pytestmark = pytest.mark.filterwarnings("ignore")


class Twice(nn.Module):
    """Calls a block twice, and a ReLU that is no module."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Hardtanh())
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU())
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block(self.block(self.stem(x)))
        out: Tensor = self.fc(x.relu().mean((2, 3)))
        return out


def exported(module: nn.Module, dynamic: bool) -> nn.Module:
    example = (toys.normalized(toys.images(2 if dynamic else 1)),)
    batch = torch.export.Dim("batch", min=1, max=64)
    shapes = ({0: batch},) if dynamic else None
    program: nn.Module = torch.export.export(module, example, dynamic_shapes=shapes).module()
    return program


@pytest.mark.parametrize(
    ("make", "dynamic"),
    [(toys.Residual, True), (toys.Dense, False), (toys.Tokens, False), (Twice, True)],
)
def test_layers_and_their_values(make: type[nn.Module], dynamic: bool) -> None:
    module = toys.randomized(make()).eval()
    ours, theirs = toys.network(exported(module, dynamic)), toys.network(module)
    assert [(one.name, one.type) for one in ours.layers] == [
        (one.name, one.type) for one in theirs.layers
    ]
    images = toys.images()
    names = [layer.name for layer in theirs.layers if "#" not in layer.name]
    right = theirs.read(images, names)
    for name, value in ours.read(images, names).items():
        assert toys.relative(value, right[name]) < 1e-5, name
    assert ours.activation_names == theirs.activation_names


@pytest.mark.parametrize("technique", [cs.saliency, cs.gradcam, cs.guided_backprop])
def test_techniques(technique: Any) -> None:
    module = toys.randomized(Twice()).eval()
    image = toys.images(1)
    ours, theirs = (
        technique(toys.network(m), image, target=1).result()
        for m in (exported(module, True), module)
    )
    kind = "heatmap" if technique is cs.gradcam else "gradient"
    mine, right = (torch.as_tensor(getattr(result, kind)) for result in (ours, theirs))
    assert toys.relative(mine, right) < 1e-4


def test_a_copy_has_the_same_layers() -> None:
    net = toys.network(exported(toys.randomized(Twice()).eval(), True))
    layers = [(layer.name, layer.type) for layer in net.layers]
    other = net.randomized(0.5)
    assert [(layer.name, layer.type) for layer in other.layers] == layers
    with pytest.raises(cs.ConvscopeError, match="GraphModule cannot be pickled"):
        pickle.dumps(net)
