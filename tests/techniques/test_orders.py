"""Techniques on layers whose dimensions have another order, with values computed by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

import convscope as cs
from tests.helpers import toys

SIZE = 32


class Last(nn.Module):
    """As in a ConvNeXt: an activation whose channels come last."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.act = nn.Conv2d(3, 12, 4, 4), nn.LayerNorm(12), nn.GELU()
        self.fc = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norm(self.conv(x).permute(0, 2, 3, 1)))
        out: Tensor = self.fc(x.mean((1, 2)))
        return out


class Tokens(nn.Module):
    """As in a ViT: a class token before the patches, which alone counts at the end."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.first = nn.Conv2d(3, 12, 4, 4), nn.Parameter(torch.rand(1, 1, 12))
        self.attention = nn.MultiheadAttention(12, 2, batch_first=True)
        self.act, self.fc = nn.GELU(), nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = self.act(torch.cat([self.first.expand(len(x), -1, -1), x], 1))
        out: Tensor = self.fc((x + self.attention(x, x, x)[0])[:, 0])
        return out


class Tiles(nn.Module):
    """Four quarters of the image through one encoder."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder, self.fc = (
            nn.Sequential(nn.Conv2d(3, 12, 3, 2, 1), nn.GELU()),
            nn.Linear(12, 5),
        )

    def forward(self, x: Tensor) -> Tensor:
        tiles = (
            x.unfold(2, 16, 16).unfold(3, 16, 16).permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, 16, 16)
        )
        out: Tensor = self.fc(self.encoder(tiles).mean((2, 3))).view(len(x), 4, 5).mean(1)
        return out


def usual(module: nn.Module, images: Tensor) -> Tensor:
    """The layer's activations (N, C, rows, columns), by hand."""
    x, found = toys.normalized(images), torch.empty(0)
    if isinstance(module, Last):
        found = module.act(module.norm(module.conv(x).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
    elif isinstance(module, Tokens):
        found = module.act(module.embed(x))
    elif isinstance(module, Tiles):
        sides = slice(0, 16), slice(16, 32)
        tiles = [[module.encoder(x[..., r, c]) for c in sides] for r in sides]
        found = torch.cat([torch.cat(row, 3) for row in tiles], 2)
    return found


def scores(module: nn.Module, values: Tensor) -> Tensor:
    """The class scores (N, classes) of these activations, by hand."""
    found = torch.empty(0)
    if isinstance(module, Last | Tiles):
        found = module.fc(values.mean((2, 3)))
    elif isinstance(module, Tokens):
        patches = values.flatten(2).transpose(1, 2)
        x = torch.cat([module.act(module.first).expand(len(values), -1, -1), patches], 1)
        found = module.fc((x + module.attention(x, x, x)[0])[:, 0])
    return found


KINDS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "channels last": (Last, "act"),
    "tokens": (Tokens, "act"),
    "tiles": (Tiles, "encoder"),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple[nn.Module, cs.Network, str, Tensor]:
    make, layer = KINDS[request.param]
    module = make().eval()
    return module, toys.network(module, SIZE), layer, toys.images(2, SIZE)


Kind = tuple[nn.Module, cs.Network, str, Tensor]


def test_a_channel_is_a_channel(kind: Kind) -> None:
    module, net, layer, images = kind
    with torch.no_grad():
        values = usual(module, images)
    found = cs.saliency(net, images, target=f"{layer}:3").result()
    np.testing.assert_allclose(found.score, values[:, 3].amax((1, 2)), rtol=1e-4)
    rows, columns = values.shape[-2:]
    found = cs.saliency(net, images, target=f"{layer}:11@{rows - 1},{columns - 2}").result()
    np.testing.assert_allclose(found.score, values[:, 11, -1, -2], rtol=1e-4)
    with pytest.raises(cs.ConvscopeError, match="has channels 0 to 11"):
        net.target(f"{layer}:12")


def test_the_gradient_of_a_channel(kind: Kind) -> None:
    module, net, layer, images = kind
    leaf = images[:1].clone().requires_grad_()
    (expected,) = torch.autograd.grad(usual(module, leaf)[0, 3].max(), leaf)
    found = cs.saliency(net, images[:1], target=f"{layer}:3").result().heatmap
    assert toys.relative(torch.from_numpy(found), expected[0].abs().amax(0)) < 1e-4


def test_activations_and_neuron_images(kind: Kind) -> None:
    module, net, layer, images = kind
    with torch.no_grad():
        values = usual(module, images[:1])[0]
    result = cs.activations(net, images[:1], layer=layer).result()
    assert result.summary["channels"] == 12
    np.testing.assert_allclose(result.arrays["activations"], values, atol=1e-5)
    drawn = cs.neuron_image(net, target=f"{layer}:3", steps=4, size=SIZE).result()
    image = torch.from_numpy(drawn.image).permute(0, 3, 1, 2)
    before = net.layer(layer).activation is not None
    with torch.no_grad():
        mean = usual(module, image)[0, 3].mean() if not before else None
    if mean is not None:
        np.testing.assert_allclose(drawn.score, mean, rtol=1e-3)
    assert len(drawn.summary["target"]) == 1


def test_gradcam(kind: Kind) -> None:
    module, net, layer, images = kind
    values = usual(module, images).detach().requires_grad_()
    logits = scores(module, values)
    assert toys.relative(net.logits(images), logits.detach()) < 1e-4
    (slope,) = torch.autograd.grad(logits[:, 1].sum(), values)
    expected = (slope.mean((2, 3), keepdim=True) * values.detach()).sum(1)
    found = cs.gradcam(net, images, target=1, layer=layer, signed=True).result().arrays[layer]
    assert toys.relative(torch.from_numpy(found), expected) < 1e-4


def test_maps_with_unequal_sides() -> None:
    """64 x 32 maps of 64 channels: no dimension is taken for another because of its size."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d((2, 4)),
        nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d((2, 4)),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5),
    ).eval()  # fmt: skip
    net = cs.Network(module, mean=[0], std=[1], input_size=32)
    image = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        maps = {"4": module[:5](image), "5": module[:6](image)}
    for layer, shape in (("4", (1, 16, 8)), ("5", (1, 8, 2))):
        found = cs.gradcam(net, image, target=1, layer=layer).result().arrays[layer]
        assert found.shape == shape
        if layer == "5":  # the mean over positions is what the classifier weighs
            weights = net.parameter("8")[1].view(1, -1, 1, 1) / maps[layer][0, 0].numel()
            expected = (weights * maps[layer]).sum(1).relu()
            assert toys.relative(torch.from_numpy(found), expected.detach()) < 1e-4


def test_an_index_of_channels_last(tmp_path: Path) -> None:
    module = Last().eval()
    net = toys.network(module, SIZE)
    photos = tmp_path / "photos"
    photos.mkdir()
    pictures = (toys.images(5, SIZE) * 255).round().to(torch.uint8)
    for number, one in enumerate(pictures):
        Image.fromarray(one.permute(1, 2, 0).numpy()).save(photos / f"{number}.png")
    index = cs.index(net, photos, tmp_path / "index", layers=("act",), workers=0).result()
    with torch.no_grad():
        values = usual(module, pictures / 255)
    top = index.channels["act"].top
    assert top.values.shape[0] == 12
    flat = values.permute(1, 0, 2, 3).flatten(1)
    np.testing.assert_allclose(top.values[:, 0], flat.amax(1), rtol=1e-2)
    places = values[0, 0].numel()
    best = flat.argmax(1)
    assert top.rows[:, 0].tolist() == (best // places).tolist()
    assert top.positions[:, 0].tolist() == (best % places).tolist()
    np.testing.assert_allclose(index.embeddings, values.mean((2, 3)), atol=2e-3)


def test_a_mixer_of_tokens_has_default_layers() -> None:
    class Mixer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.embed, self.mix = nn.Conv2d(3, 8, 4, 4), nn.Linear(64, 64)
            self.mlp, self.norm, self.fc = nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 5)

        def forward(self, x: Tensor) -> Tensor:
            x = self.embed(x).flatten(2).transpose(1, 2)
            x = x + self.mix(x.transpose(1, 2)).transpose(1, 2)
            x = self.norm(x + F.gelu(self.mlp(x)))
            out: Tensor = self.fc(x.mean(1))
            return out

    net, images = toys.network(Mixer().eval(), SIZE), toys.images(1, SIZE)
    assert net.layer("norm").maps == (8, 8, 8)
    assert cs.gradcam(net, images, target=1).result().summary["layer"] == "norm"
    assert cs.neuron_image(net, steps=2, limit=1).result().image.shape[-1] == 3
    assert cs.deepdream(net, images, steps=1, octaves=1).result().image.shape == (1, SIZE, SIZE, 3)
    assert cs.activations(net, images).result().summary["channels"] == 8
