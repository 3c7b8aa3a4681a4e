"""How layers lie: whatever a network does to the dimensions, values come back to their places.

The oracle is an image whose channels hold the number of the row and of the column of each pixel.
A module that only moves values about must give these maps back, reduced as it reduces them.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convscope as cs
from tests.helpers import toys

SIZE = 16
Move = Callable[[Tensor], Tensor]


def coordinates(count: int = 2, size: int = SIZE) -> Tensor:
    """Images whose channels are the row, the column and the number of the image."""
    rows = torch.arange(float(size)).view(1, 1, size, 1).expand(count, 1, size, size)
    numbers = torch.arange(float(count)).view(count, 1, 1, 1).expand(count, 1, size, size)
    return torch.cat([rows, rows.transpose(2, 3), numbers], 1)


class Moved(nn.Module):
    """A layer `moved` that only moves values about, and scores that depend on it."""

    def __init__(self, move: Move) -> None:
        super().__init__()
        self.moved = toys.Lambda(move)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = 0 * self.moved(x).sum() + x.flatten(1)[:, :5]
        return out


def network(move: Move, size: int | tuple[int, int] = SIZE) -> cs.Network:
    return cs.Network(Moved(move), mean=[0] * 3, std=[1] * 3, input_size=size)


def windows(x: Tensor, side: int = 4) -> Tensor:
    """(N, C, H, W) as in a Swin: windows in the first dimension, their pixels in the second."""
    n, c, h, w = x.shape
    x = x.permute(0, 2, 3, 1).reshape(n, h // side, side, w // side, side, c)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, side * side, c)


def grid_windows(x: Tensor, side: int = 4) -> Tensor:
    """As in a MaxViT: a window holds every fourth pixel."""
    n, c, h, w = x.shape
    x = x.view(n, c, side, h // side, side, w // side)
    return x.permute(0, 3, 5, 2, 4, 1).reshape(-1, side * side, c)


def tiles(x: Tensor, side: int = 8) -> Tensor:
    x = x.unfold(2, side, side).unfold(3, side, side)
    return x.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, side, side)


def with_class_token(x: Tensor) -> Tensor:
    tokens = x.flatten(2).transpose(1, 2)
    return torch.cat([tokens.new_zeros(len(x), 1, 3), tokens], 1)


MOVES: dict[str, Move] = {
    "nothing": lambda x: x * 1,
    "channels last": lambda x: x.permute(0, 2, 3, 1) * 1,
    "columns before rows": lambda x: x.transpose(2, 3) * 1,
    "columns first": lambda x: x.permute(0, 3, 2, 1) * 1,
    "tokens": lambda x: x.flatten(2).transpose(1, 2) * 1,
    "tokens by columns": lambda x: x.transpose(2, 3).flatten(2).transpose(1, 2) * 1,
    "channels before tokens": lambda x: x.flatten(2) * 1,
    "class token": with_class_token,
    "registers behind": lambda x: F.pad(x.flatten(2).transpose(1, 2), (0, 0, 0, 4)),
    "no class token": lambda x: torch.cat([x.flatten(2)[..., :0], x.flatten(2)], 2),
    "tokens first": lambda x: x.flatten(2).permute(2, 0, 1) * 1,
    "windows": windows,
    "windows of a grid": grid_windows,
    "shifted windows": lambda x: windows(x.roll((-2, -2), (2, 3))),
    "tiles": tiles,
    "mirrored": lambda x: x.flip(-1),
    "turned": lambda x: x.flip((2, 3)).permute(0, 2, 3, 1),
    "mirrored tokens": lambda x: x.flatten(2).flip(2),
    "rows in the batch": lambda x: x.permute(0, 2, 3, 1).reshape(-1, SIZE, 3),
    "two heads": lambda x: torch.stack([x, x], 1).flatten(1, 2)[:, :3],
    "cut and joined": lambda x: torch.cat([x[:, :, :6], x[:, :, 6:]], 2),
    "split and joined": lambda x: torch.cat(x.split(4, 3), 3),
    "padded and cut": lambda x: F.pad(x, (2, 1, 3, 4))[:, :, 3:-4, 2:-1],
    "through a buffer of windows": lambda x: windows(x).view(-1, 16, 3) + 0,
    "unfolded patches of one pixel": lambda x: F.unfold(x, 1),
    "chosen channels": lambda x: x[:, torch.tensor([0, 1, 2])],
    "einsum": lambda x: torch.einsum("nchw,cd->nhwd", x, torch.eye(3)),
    "dense layer": lambda x: F.linear(x.permute(0, 2, 3, 1), torch.eye(3)),
    "matrix product": lambda x: x.flatten(2).transpose(1, 2) @ torch.eye(3),
    "residual around what mixes tokens": lambda x: (
        x.flatten(2) + 0 * x.flatten(2).mean(2)[..., None]
    ),
}


@pytest.mark.parametrize("name", MOVES)
def test_values_come_back_to_their_places(name: str) -> None:
    net, images = network(MOVES[name]), coordinates()
    assert net.channel_shape("moved") == (3, SIZE, SIZE)
    raw = net.activations(images, {"moved"})["moved"]
    assert raw.shape == MOVES[name](images).shape
    assert torch.equal(net.by_channel("moved", raw), images)
    assert torch.equal(net.feature_maps("moved", raw), images)


@pytest.mark.parametrize("name", MOVES)
def test_gradients_come_back_to_their_places(name: str) -> None:
    """The gradient of a sum over places, weighed, is these weights, in the places."""
    net, images = network(MOVES[name]), coordinates().requires_grad_()
    weights = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    raw = net.activations(images, {"moved"}, leaves=True)["moved"]
    (gradient,) = torch.autograd.grad((net.by_channel("moved", raw) * weights).sum(), raw)
    assert torch.equal(net.by_channel("moved", gradient), weights)


REDUCED: dict[str, tuple[Move, Move]] = {
    "pixels to channels": (lambda x: F.pixel_unshuffle(x, 2)[:, ::4], lambda x: x[..., ::2, ::2]),
    "pixels to channels and back": (
        lambda x: F.pixel_shuffle(F.pixel_unshuffle(x, 4), 4),
        lambda x: x,
    ),
    "patches merged": (
        lambda x: F.linear(
            torch.cat([x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)], 1).permute(0, 2, 3, 1),
            torch.eye(3).repeat(1, 4) / 4,
        ),
        lambda x: F.avg_pool2d(x, 2),
    ),
    "means of windows": (lambda x: windows(x).mean(1), lambda x: F.avg_pool2d(x, 4)),
    "means of tiles": (lambda x: tiles(x).mean((2, 3)), lambda x: F.avg_pool2d(x, 8)),
    "pooled inside tiles": (lambda x: F.avg_pool2d(tiles(x), 2), lambda x: F.avg_pool2d(x, 2)),
    "a strided patch embedding": (
        lambda x: F.conv2d(x, torch.eye(3)[..., None, None], stride=4).flatten(2).transpose(1, 2),
        lambda x: x[..., ::4, ::4],
    ),
    "unequal strides": (
        lambda x: F.max_pool2d(x, (1, 4)).permute(0, 2, 3, 1),
        lambda x: F.max_pool2d(x, (1, 4)),
    ),
    "pooled while padded to windows": (
        lambda x: F.max_pool2d(F.pad(x, (0, 24, 0, 24)), 2)[..., :8, :8],
        lambda x: F.max_pool2d(x, 2),
    ),
    "patches by unfold": (
        lambda x: F.unfold(x, 4, stride=4).view(len(x), 3, 16, 16).mean(2),
        lambda x: F.avg_pool2d(x, 4),
    ),
}


@pytest.mark.parametrize("name", REDUCED)
def test_reduced_maps_lie_as_they_should(name: str) -> None:
    move, expected = REDUCED[name]
    net, images = network(move), coordinates()
    values = net.feature_maps("moved", net.activations(images, {"moved"})["moved"])
    torch.testing.assert_close(values, expected(images))


@pytest.mark.parametrize("name", ["tokens", "class token", "columns first", "mirrored tokens"])
def test_other_sizes_have_their_own_grid(name: str) -> None:
    """32 tokens of an image half as high are 4 by 8, not a square."""
    net, images = network(MOVES[name]), coordinates()[:, :, 4:12]
    values = net.by_channel("moved", net.activations(images, {"moved"})["moved"])
    assert torch.equal(values, images)


UNKNOWN: dict[str, tuple[Move, str]] = {
    "channels below each other": (
        lambda x: torch.cat(x.unbind(1), 1),
        "order of its values is not known",
    ),
    "sorted": (lambda x: x.flatten(2).sort(2).values, "positions are not known"),
    "a spectrum": (lambda x: torch.fft.fft2(x).real, "behind _fft_c2c"),
    "warped": (
        lambda x: F.grid_sample(x, torch.zeros(len(x), 16, 16, 2), align_corners=False),
        "behind grid_sampler_2d",
    ),
    "pairs of places": (lambda x: x.flatten(2).transpose(1, 2) @ x.flatten(2), "single positions"),
    "images mixed": (lambda x: x.flatten(0, 1).view(3, -1, SIZE, SIZE), "which image"),
    "two halves added": (lambda x: x[..., :8] + x[..., 8:], "positions are not known"),
    "mirror image added": (lambda x: x + x.flip(-1), "positions are not known"),
    "one half": (lambda x: x[..., :8] * 1, "only a part"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_is_refused(name: str) -> None:
    move, reason = UNKNOWN[name]
    net, images = network(move), coordinates()
    with pytest.raises(cs.ConvscopeError, match=reason):
        net.feature_maps("moved", net.activations(images, {"moved"})["moved"])


def test_windows_of_two_sizes_are_not_mixed_up() -> None:
    """16 windows are one image of 16 x 16, or two of 8 x 16."""
    net, images = network(windows), coordinates()
    for _ in range(2):
        with pytest.raises(cs.ConvscopeError, match="'moved' cannot be read for images of 8x16"):
            net.activations(images[:, :, 4:12], {"moved"})
        # The own size is read as if the other had never been asked for.
        raw = net.activations(images, {"moved"})["moved"]
        assert torch.equal(net.by_channel("moved", raw), images)


def test_windows_belong_to_their_own_image() -> None:
    net, images = network(windows), torch.cat([coordinates(), 1 - coordinates()])
    raw = net.activations(images, {"moved"})["moved"]
    parts = net.layouts.split("moved", raw, len(images))
    assert len(parts) == len(images)
    for part, one in zip(parts, images.split(1), strict=True):
        assert torch.equal(net.by_channel("moved", part), one)
    outside = network(lambda x: windows(x).unflatten(0, (len(x), -1)).transpose(0, 1).flatten(0, 1))
    raw = outside.activations(images, {"moved"})["moved"]
    with pytest.raises(cs.ConvscopeError, match="do not lie image by image"):
        outside.layouts.split("moved", raw, len(images))


@pytest.mark.parametrize("name", ["tokens first", "windows", "tokens", "rows in the batch"])
def test_images_come_apart(name: str) -> None:
    net, images = network(MOVES[name]), coordinates()
    raw = net.activations(images, {"moved"})["moved"]
    for number, one in enumerate(net.layouts.split("moved", raw, 2)):
        assert torch.equal(net.by_channel("moved", one), images[number : number + 1])
    whole = net.layouts.by_image("moved", raw)
    assert torch.equal(whole.flatten(1).sort(1).values, images.flatten(1).sort(1).values)


def test_a_layer_that_does_not_see_the_image_has_no_maps() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias, self.conv = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
            self.register_buffer("fixed", torch.rand(1, 3, 8, 8))

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.conv(x).mean((2, 3)) + self.bias(self.fixed).mean((2, 3))
            return out

    net = cs.Network(Constant(), mean=[0] * 3, std=[1] * 3, input_size=8)
    assert net.layer("bias").maps is None
    with pytest.raises(cs.ConvscopeError, match="does not depend on the image"):
        net.by_channel("bias", torch.rand(1, 4, 8, 8))
    assert cs.gradcam(net, torch.rand(1, 3, 8, 8), target=0).result().summary["layer"] == "conv"
