"""The gradient of a score at a layer, against plain PyTorch."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.attribution import ask, layer_gradient
from convscope.network import zoo
from tests.helpers.networks import Own


def plain(module: nn.Module, layer: str, inputs: Tensor, target: int) -> tuple[Tensor, Tensor]:
    """What a module gives at a layer, and the gradient of the target's logits there."""
    held: list[Tensor] = []
    inner = module.get_submodule(layer)
    handle = inner.register_forward_hook(lambda _, __, output: held.append(output))
    logits = module(inputs)
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[:, target].sum(), held)
    return held[0].detach(), gradient


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_a_toy(own: cs.Network, own_photo: Tensor, batch_size: int) -> None:
    photos = torch.cat([own_photo, 1 - own_photo, own_photo.flip(3)])
    question = ask(own, photos, 2)
    found = layer_gradient(question, "blocks.0", batch_size=batch_size)
    inputs = (own.preprocess(photos) - 0.5) / 0.25
    # The output of the convolution itself, before the ReLU that follows in place.
    module = Own().eval()
    module.relu.inplace = False
    activations, gradients = plain(module, "blocks.0", inputs, 2)
    torch.testing.assert_close(found.activations, activations, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.gradients, gradients, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.frame.score, module(inputs)[:, 2], rtol=1e-4, atol=1e-5)
    assert torch.equal(found.frame.image, own.preprocess(photos))


def test_a_real_network_in_double_precision(photo: Tensor) -> None:
    module, settings = zoo.build("efficientnet_lite0")
    net = cs.Network(module.double(), **settings)
    found = layer_gradient(ask(net, photo.double(), 282), "blocks.5")
    inputs = net.preprocess(photo.double())
    mean, std = (torch.tensor(v).double().view(1, 3, 1, 1) for v in (net.mean, net.std))
    activations, gradients = plain(module.eval(), "blocks.5", (inputs - mean) / std, 282)
    assert found.activations.dtype == torch.float64
    torch.testing.assert_close(found.activations, activations, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(found.gradients, gradients, rtol=1e-9, atol=1e-12)


def test_tokens_become_maps() -> None:
    class Tokens(nn.Module):
        """A patch embedding, a class token, a linear layer and a head on the mean of all tokens."""

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.embed = nn.Conv2d(3, 6, 8, stride=8)
            self.start = nn.Parameter(torch.randn(1, 1, 6))
            self.mix = nn.Linear(6, 6)
            self.head = nn.Linear(6, 4)

        def forward(self, x: Tensor) -> Tensor:
            tokens = self.embed(x).flatten(2).transpose(1, 2)
            tokens = torch.cat([self.start.expand(len(x), -1, -1), tokens], 1)
            found: Tensor = self.head(self.mix(tokens).tanh().mean(1))
            return found

    module = Tokens().eval()
    net = cs.Network(module, mean=[0.0] * 3, std=[1.0] * 3, input_size=32)
    image = torch.rand(1, 3, 32, 32)
    found = layer_gradient(ask(net, image, 3), "mix", tokens=(4, 4))
    activations, gradients = plain(module, "mix", net.preprocess(image), 3)
    for ours, theirs in ((found.activations, activations), (found.gradients, gradients)):
        grid = theirs[:, 1:].transpose(1, 2).reshape(1, 6, 4, 4)
        torch.testing.assert_close(ours, grid, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "target", "message"),
    [
        ("blocs", 1, "unknown layer 'blocs'; did you mean 'blocks'"),
        ("head", 1, "head"),
        ("blocks", "stem:2", "the target does not depend on layer 'blocks'"),
    ],
)
def test_what_has_no_gradient_there(
    own: cs.Network, own_photo: Tensor, layer: str, target: str | int, message: str
) -> None:
    with pytest.raises(cs.ConvscopeError, match=re.escape(message)):
        layer_gradient(ask(own, own_photo, target), layer)
