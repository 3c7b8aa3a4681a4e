"""The network against its formulas, written out in NumPy and float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from convscope import ConvscopeError
from convscope.stylization import ConditionalNorm, StyleNetwork


@pytest.fixture
def net() -> StyleNetwork:
    torch.manual_seed(0)
    return StyleNetwork(["sea", "fire", "stone"], 4, 1).eval()


def test_conditional_norm_against_the_formula() -> None:
    torch.manual_seed(0)
    norm = ConditionalNorm(3, 5)
    torch.nn.init.normal_(norm.beta)
    values, weights = torch.randn(2, 5, 6, 7), torch.tensor([[0.2, 0.3, 0.5], [0.0, 1.0, 0.0]])
    x, w = values.numpy().astype(np.float64), weights.numpy().astype(np.float64)
    gamma, beta = w @ norm.gamma.detach().numpy(), w @ norm.beta.detach().numpy()
    mean, variance = x.mean((2, 3), keepdims=True), x.var((2, 3), keepdims=True)
    wanted = (x - mean) / np.sqrt(variance + 1e-5)
    wanted = wanted * gamma[:, :, None, None] + beta[:, :, None, None]
    np.testing.assert_allclose(norm(values, weights).detach().numpy(), wanted, rtol=1e-4, atol=1e-5)


def test_a_blend_of_one_style_is_that_style_exactly(net: StyleNetwork) -> None:
    image = torch.rand(1, 3, 20, 24)
    for number, name in enumerate(net.styles):
        alone = StyleNetwork([name], 4, 1)
        state = {
            key: value[number : number + 1] if key.endswith(("gamma", "beta")) else value
            for key, value in net.state_dict().items()
        }
        alone.load_state_dict(state)
        wanted = alone(image, torch.ones(1, 1))
        assert torch.equal(net(image, net.weights(name)), wanted)
        assert torch.equal(net(image, net.weights({name: 1.0})), wanted)


def test_blends_are_weighted_sums(net: StyleNetwork) -> None:
    shares = net.weights({"stone": 0.25, "sea": 0.75})
    assert shares.tolist() == [[0.75, 0.0, 0.25]]
    mixed = StyleNetwork(["blend"], 4, 1)
    state = {
        key: (shares @ value) if key.endswith(("gamma", "beta")) else value
        for key, value in net.state_dict().items()
    }
    mixed.load_state_dict(state)
    image = torch.rand(1, 3, 20, 24)
    torch.testing.assert_close(net(image, shares), mixed(image, torch.ones(1, 1)))


def test_every_image_of_a_batch_has_its_own_style(net: StyleNetwork) -> None:
    images = torch.rand(3, 3, 16, 20)
    together = net(images, torch.eye(3))
    for number in range(3):
        alone = net(images[number : number + 1], torch.eye(3)[number : number + 1])
        torch.testing.assert_close(together[number : number + 1], alone)


@pytest.mark.parametrize("size", [(16, 16), (17, 30), (35, 22)])
def test_pictures_have_the_size_of_the_photograph(net: StyleNetwork, size: tuple[int, int]) -> None:
    found = net(torch.rand(1, 3, *size), net.weights("sea"))
    assert found.shape == (1, 3, *size)
    assert 0 <= found.min() <= found.max() <= 1


def test_unknown_styles(net: StyleNetwork) -> None:
    with pytest.raises(ConvscopeError, match="unknown style 'fyre'; did you mean 'fire'"):
        net.weights("fyre")
    with pytest.raises(ConvscopeError, match="at least one style"):
        net.weights({})
