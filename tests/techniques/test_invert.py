from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from tests.helpers import toys
from tests.helpers.networks import own_photograph

MIX = torch.tensor([[0.8, 0.3, -0.2], [-0.4, 0.9, 0.1], [0.2, -0.5, 0.7]])


class Mixed(nn.Module):
    """Colors mixed, which can be undone exactly; their means, which cannot; and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.relu = nn.Conv2d(3, 3, 1, bias=False), nn.ReLU()
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(3, 5)
        with torch.no_grad():
            self.mix.weight.copy_(MIX[..., None, None])

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.pool(self.relu(self.mix(x))).flatten(1))
        return out


@pytest.fixture
def mixed() -> cs.Network:
    return toys.plain_network(Mixed(), 32)


@pytest.fixture
def photo() -> Tensor:
    return own_photograph(32, 32)


def images(result: cs.Result) -> np.ndarray[Any, Any]:
    assert result.image is not None
    return np.asarray(result.image.transpose(0, 3, 1, 2), np.float64)


def summary(result: cs.Result) -> dict[str, Any]:
    return dict(result.summary)


def embedding(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(np.einsum("rc,chw->rhw", MIX.double().numpy(), image))


@pytest.mark.parametrize("prior", ["fourier", "pixels"])
def test_what_can_be_undone_is_undone(mixed: cs.Network, photo: Tensor, prior: Any) -> None:
    result = cs.invert(mixed, photo, layer="mix", prior=prior, steps=100).result()
    assert np.abs(images(result)[0] - photo[0].double().numpy()).max() < 0.03
    assert summary(result)["root_errors"][0][0] < 0.01
    assert summary(result)["correlations"][0][0] > 0.999


def test_numbers_are_those_of_the_image_that_is_drawn(mixed: cs.Network, photo: Tensor) -> None:
    result = cs.invert(mixed, photo, layer="mix", steps=1, count=2).result()
    wanted, seen = embedding(photo[0].double().numpy()), photo.double().numpy().ravel()
    for i, image in enumerate(images(result)):
        error = ((embedding(image) - wanted) ** 2).sum() / (wanted**2).sum()
        assert error > 1e-4
        assert summary(result)["errors"][0][i] == pytest.approx(error, rel=1e-4)
        assert summary(result)["root_errors"][0][i] == pytest.approx(error**0.5, rel=1e-4)
        correlation = np.corrcoef(image.ravel(), seen)[0, 1]
        assert summary(result)["correlations"][0][i] == pytest.approx(correlation, abs=1e-5)


def test_a_caricature_is_the_dot_product_times_the_cosine(mixed: cs.Network, photo: Tensor) -> None:
    run = cs.invert(mixed, photo, layer="mix", goal="caricature", steps=30)
    last = run.result()
    wanted, found = (embedding(one).ravel() for one in (photo[0].double().numpy(), images(last)[0]))
    share = found @ wanted / (wanted @ wanted)
    cosine = found @ wanted / np.linalg.norm(found) / np.linalg.norm(wanted)
    assert summary(last)["caricatures"][0][0] == pytest.approx(share * cosine, rel=1e-4)
    gray = embedding(np.full((3, 32, 32), 0.5)).ravel()
    assert share * cosine > 0.1 + (gray @ wanted) ** 2 / (wanted @ wanted) ** 1.5 / np.linalg.norm(
        gray
    )
    assert summary(last)["errors"] == []


def test_seeds_agree_on_what_the_embedding_says_and_differ_in_what_it_leaves_free(
    net: cs.Network,
) -> None:
    photo = cs.open_image("sample:chelsea")
    run = cs.invert(net, photo, layer=("blocks.0", "global_pool"), count=2, steps=40, size=64)
    shallow, other, deep, another = (image.ravel() for image in images(run.result()))
    assert np.corrcoef(shallow, other)[0, 1] > 0.99
    assert np.corrcoef(deep, another)[0, 1] < 0.5


def test_the_strip_grows_layer_by_layer(mixed: cs.Network, photo: Tensor) -> None:
    frames = list(cs.invert(mixed, photo, layer=("mix", "pool"), steps=20))
    # L-BFGS evaluates 20 times a step, and 4 times as often for a stride of 1; Adam once.
    assert [len(summary(r)["layers"]) for r in frames] == [0] * 3 + [1] * 20 + [2]
    assert [bool((images(r)[1] == 0.5).all()) for r in frames] == [True] * 4 + [False] * 20
    assert all((images(r)[0] == images(frames[3])[0]).all() for r in frames[3:])


def test_every_stage_and_the_last_embedding_without_a_layer() -> None:
    net = toys.plain_network(toys.randomized(toys.Residual()), 16)
    run = cs.invert(net, own_photograph(16, 16), steps=1)
    assert summary(run.result())["layers"] == ["stem.pre", "layer1.pre", "layer2.pre"]
    mixed = toys.plain_network(Mixed(), 32)
    run = cs.invert(mixed, own_photograph(16, 16), steps=1)
    assert summary(run.result())["layers"] == ["relu.pre", "pool"]


def test_of_the_default_network(net: cs.Network) -> None:
    photo = cs.open_image("sample:chelsea")
    result = cs.invert(net, photo, steps=1, size=32).result()
    assert summary(result)["layers"] == [
        "blocks.0", "blocks.1", "blocks.2", "blocks.4", "bn2.pre", "global_pool",
    ]  # fmt: skip


@pytest.mark.slow
def test_errors_rise_and_correlations_fall_with_depth(net: cs.Network) -> None:
    photo = cs.open_image("sample:chelsea")
    layers = ("blocks.0", "blocks.1", "blocks.2", "bn2.pre")
    result = cs.invert(net, photo, layer=layers, steps=60, size=96).result()
    errors, correlations = (
        [row[0] for row in summary(result)[name]] for name in ("root_errors", "correlations")
    )
    assert errors == sorted(errors)
    assert errors[0] < 0.05
    assert correlations == sorted(correlations, reverse=True)


def test_smoothness(mixed: cs.Network) -> None:
    def roughness(smoothness: float) -> float:
        run = cs.invert(mixed, rough, layer="mix", steps=40, smoothness=smoothness)
        return float(np.diff(images(run.result()), axis=3).std())

    rough = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(4))
    assert roughness(1e5) < 0.5 * roughness(0)


def test_what_the_network_saw_is_inverted(mixed: cs.Network) -> None:
    photo = own_photograph(40, 64)
    result = cs.invert(mixed, photo, layer="mix", steps=60).result()
    assert np.abs(images(result) - mixed.preprocess(photo).double().numpy()).max() < 0.05
    small = cs.invert(mixed, photo, layer="mix", steps=1, size=24).result()
    assert images(small).shape == (1, 3, 24, 24)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": ("mix", "mixx")}, r"unknown .*'mixx'.*did you mean 'mix'"),
        ({"layer": "mix:1"}, "mix:1 is not a whole layer"),
        ({"layer": ()}, "needs a layer"),
    ],
)
def test_a_wrong_layer_is_refused_at_once(
    mixed: cs.Network, photo: Tensor, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(cs.ConvscopeError, match=message):
        next(iter(cs.invert(mixed, photo, **options)))


def test_a_silent_layer_is_refused(mixed: cs.Network) -> None:
    with pytest.raises(cs.ConvscopeError, match=r"layer 'mix' is zero everywhere"):
        cs.invert(mixed, torch.zeros(1, 3, 32, 32), layer="mix").result()


def test_several_photographs_are_refused(mixed: cs.Network, photo: Tensor) -> None:
    with pytest.raises(cs.ConvscopeError, match="invert takes one image at a time, not 2"):
        cs.invert(mixed, torch.cat([photo, photo])).result()


def test_layers_may_be_called_by_numbers_as_classes_are() -> None:
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(1800, 4)
    )
    net = toys.network(module, 32)
    photo = torch.rand(1, 3, 32, 32)
    result = cs.invert(net, photo, layer="1", steps=1).result()
    assert result.summary["layers"] == ["1"]
