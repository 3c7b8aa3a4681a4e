from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import convscope as cs
from convscope import system
from convscope.network import default_layers
from convscope.types.panels import Grid, Picture
from convscope.vocabulary.objectives import diversity
from tests.helpers import toys
from tests.helpers.collections import Make
from tests.helpers.networks import own_network


def residual() -> tuple[cs.Network, torch.nn.Module]:
    module = toys.randomized(toys.Residual()).eval()
    return toys.network(module, 24), module


def images(result: cs.Result) -> Tensor:
    """(N, C, H, W)."""
    assert result.image is not None
    return torch.from_numpy(result.image).permute(0, 3, 1, 2)


def activations(result: cs.Result) -> list[float]:
    found = result.summary["activation"]
    assert isinstance(found, list)
    return found


def grid(result: cs.Result) -> Grid:
    (panel,) = result.frame.panels
    assert isinstance(panel, Grid)
    return panel


@pytest.mark.parametrize("extreme", ["positive", "negative", "both"])
def test_the_numbers_are_those_of_the_users_own_module(extreme: Any) -> None:
    net, module = residual()
    # A convolution, a block that ends in a ReLU (of which stem.1 is what goes in), a neuron.
    target = ("layer1.conv1:2", "stem:4", "layer1.bn2:1@3,4")
    result = cs.neuron_image(net, target=target, extreme=extreme, steps=3).result()
    signs = {"positive": (1,), "negative": (-1,), "both": (1, -1)}[extreme]
    with toys.recording(module) as layers, torch.no_grad():
        module(toys.normalized(images(result)))
    names = ["layer1.conv1:2", "stem.pre:4", "layer1.bn2:1@3,4"]
    assert result.summary["target"] == [name for name in names for _ in signs]
    expected = []
    for i in range(len(signs) * 3):
        unit = i // len(signs)
        expected.append(
            [
                layers["layer1.conv1"][i, 2].mean(),
                layers["stem.1"][i, 4].mean(),
                layers["layer1.bn2"][i, 1, 3, 4],
            ][unit].item()
        )
    assert activations(result) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    # The score is what was climbed.
    assert isinstance(result.score, np.ndarray)
    signed = [a * signs[i % len(signs)] for i, a in enumerate(expected)]
    assert result.score.tolist() == pytest.approx(signed, rel=1e-4, abs=1e-5)
    assert grid(result).captions == tuple(
        f"{name}: {value:.2f}"
        for name, value in zip(
            [name for name in names for _ in signs], activations(result), strict=True
        )
    )
    assert torch.equal(grid(result).tiles, images(result))
    assert grid(result).columns == (2 if extreme == "both" else None)


def test_one_extreme_excites_and_the_other_silences() -> None:
    net, module = residual()
    target = tuple(f"layer1:{c}" for c in range(8))
    run = list(cs.neuron_image(net, target=target, extreme="both", steps=30))

    def means(result: cs.Result) -> Tensor:
        with toys.recording(module) as layers, torch.no_grad():
            module(toys.normalized(images(result)))
        before = layers["layer1.bn2"] + layers["layer1.down"]  # the sum that the ReLU gets
        return torch.stack([before[i, i // 2].mean() for i in range(16)]).view(8, 2)

    first, last = means(run[0]), means(run[-1])
    assert (last[:, 0] > first[:, 0]).all()
    assert (last[:, 1] < first[:, 1]).all()


def test_what_is_silent_is_woken() -> None:
    module = toys.randomized(toys.Residual()).eval()
    with torch.no_grad():
        module.stem[1].bias.fill_(-5)  # type: ignore[index, union-attr]
        module.layer1.conv1.weight.mul_(1000)  # type: ignore[union-attr, operator]
    net = toys.network(module, 24)
    run = list(cs.neuron_image(net, target="layer1.conv1:2", steps=40))
    # What it reads is silent but for a trace at the border; the gradient passes all the same.
    assert abs(activations(run[0])[0]) < 0.01
    assert activations(run[-1])[0] > 10


@pytest.mark.parametrize("extreme", ["positive", "both"])
def test_dead_units_are_crossed_out(extreme: Any) -> None:
    module = toys.randomized(toys.Residual()).eval()
    with torch.no_grad():
        module.layer1.conv1.weight[2] = 0  # type: ignore[union-attr, operator]
    net = toys.network(module, 24)
    options: dict[str, Any] = {"extreme": extreme, "steps": 2}
    result = cs.neuron_image(net, target="layer1.conv1", limit=4, **options).result()
    times = 2 if extreme == "both" else 1
    assert result.summary["dead"] == ["layer1.conv1:2"] * times
    assert grid(result).marked == set(range(2 * times, 3 * times))
    with pytest.raises(
        cs.ConvscopeError, match=r"layer1\.conv1:2 is dead: it gives every image the same value"
    ):
        cs.neuron_image(net, target="layer1.conv1:2", **options).result()


# ---------------------------------------------------------------------------------- which units


def test_a_layer_means_its_first_channels() -> None:
    net, _ = residual()
    for most, count in ((3, 3), (99, 8)):
        result = cs.neuron_image(net, target="layer1", limit=most, steps=1).result()
        assert result.summary["target"] == [f"layer1.pre:{c}" for c in range(count)]
        assert images(result).shape[0] == count
    result = cs.neuron_image(net, target=("layer1.pre", "stem.0"), limit=2, steps=1).result()
    names = ["layer1.pre:0", "layer1.pre:1", "stem.0:0", "stem.0:1"]
    assert result.summary["target"] == names


def test_by_default_a_deep_layer() -> None:
    net, _ = residual()
    result = cs.neuron_image(net, limit=2, steps=1).result()
    name = default_layers.deep(net).name
    assert result.summary["target"] == [f"{name}.pre:{c}" for c in range(2)]


def test_one_unit_is_a_picture(own: cs.Network) -> None:
    result = cs.neuron_image(own, target="blocks:3", steps=1).result()
    (panel,) = result.frame.panels
    assert isinstance(panel, Picture)
    assert panel.caption == "blocks:3"
    assert torch.equal(panel.rgb, images(result)[0])


def test_sizes(own: cs.Network) -> None:
    sizes: list[tuple[dict[str, Any], int]] = [
        ({"target": "blocks:3"}, 16),  # half of its own
        ({"target": "blocks:3", "size": 41}, 41),
        ({"target": "blocks:3@1,2"}, 32),
        ({"target": ("blocks:3", "blocks:3@1,2")}, 32),
    ]
    for options, size in sizes:
        result = cs.neuron_image(own, steps=1, **options).result()
        assert images(result).shape[2:] == (size, size)
    gray = cs.neuron_image(own_network(1), target="blocks:3", steps=2).result()
    assert images(gray).shape == (1, 1, 16, 16)


def test_more_than_a_batch(own: cs.Network) -> None:
    run = list(cs.neuron_image(own, target=("blocks", "stem"), limit=16, steps=2))
    assert run[-1].steps == 2 * 2  # 12 channels and 8
    assert (images(run[1])[system.BATCH :] == 0.5).all()
    assert grid(run[1]).captions[system.BATCH] == "stem:4: nan"
    assert (images(run[-1])[system.BATCH :] != 0.5).any()


# ------------------------------------------------------------------------ several images a unit


def test_the_images_of_a_unit_are_pushed_apart() -> None:
    net, _ = residual()

    def distances(weight: float) -> list[float]:
        options: dict[str, Any] = {"target": ("stem.0:1", "layer1:2"), "count": 3, "steps": 25}
        result = cs.neuron_image(net, diversity=weight, **options).result()
        assert result.summary["target"] == ["stem.0:1"] * 3 + ["layer1.pre:2"] * 3
        assert grid(result).columns == 3
        found = []
        for layer, part in (("stem.0", images(result)[:3]), ("layer1.pre", images(result)[3:])):
            for i in range(3):
                assert (part[i] - part[i - 1]).abs().mean() > 1e-4
            bound = diversity(layer).bind(net)
            found.append(1 + float(bound.score(net.read(part, {layer}), part).mean()))
        return found

    together, apart = distances(0), distances(100)
    assert all(far > 100 * near for near, far in zip(together, apart, strict=True))


def test_each_unit_is_on_its_own() -> None:
    net, _ = residual()
    units = ("stem.0:1", "layer1:2")
    options: dict[str, Any] = {"count": 2, "diversity": 100, "steps": 10}
    together = images(cs.neuron_image(net, target=units, **options).result())
    for seed, unit in enumerate(units):  # each batch has a seed of its own
        alone = images(cs.neuron_image(net, target=unit, seed=seed, **options).result())
        assert torch.equal(together[2 * seed : 2 * seed + 2], alone)


def test_count_with_both_extremes() -> None:
    net, _ = residual()
    options: dict[str, Any] = {"target": "layer1.conv1:2", "extreme": "both", "count": 2}
    result = cs.neuron_image(net, steps=30, **options).result()
    high, low = np.split(np.array(activations(result)), 2)
    assert high.min() > low.max()
    assert grid(result).columns == 4


# ------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "1"}, "class 1 is a class; class_image draws classes"),
        ({"target": ("blocks:1", "0")}, "class 0 is a class; class_image"),
        ({"target": "block:1"}, "unknown class or layer 'block'.*'blocks'"),
        ({"target": "blocks:12"}, "no channel 12"),
        ({"target": "blocks:1@99,0"}, "no position 99,0"),
        ({"target": "blocks:1@1,1", "size": 32}, "input size; leave size out"),
        ({"target": ("blocks:0", "blocks:1@1,1"), "size": 20}, "input size; leave size out"),
        ({"target": "blocks", "count": 17}, "count: .*less than or equal to 16"),
        ({"target": "blocks", "size": 8}, "size: .*greater than or equal to 16"),
    ],
)
def test_refusals(own: cs.Network, options: dict[str, Any], message: str) -> None:
    with pytest.raises(cs.ConvscopeError, match=message):
        cs.neuron_image(own, steps=1, **options).result()


def test_layers_may_be_called_by_numbers_as_classes_are() -> None:
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(1800, 4)
    )
    net = toys.network(module, 32)
    result = cs.neuron_image(net, target="1", steps=1).result()
    assert result.summary["target"] == ["1.pre:0", "1.pre:1"]


@pytest.mark.parametrize("extreme", ["positive", "negative", "both"])
def test_activations_are_multiples_of_the_strongest_photograph_s(
    own: cs.Network, make: Make, extreme: Any
) -> None:
    index = make()
    target = ("doubled:2", "norm:1@3,4", "norm:5")
    result = cs.neuron_image(
        own, target=target, extreme=extreme, steps=2, index=index.path
    ).result()
    signs = {"positive": (1,), "negative": (-1,), "both": (1, -1)}[extreme]
    expected = []
    for i, name in enumerate(result.summary["target"]):
        layer = index.collected(str(name).split(":")[0])
        channel = int(str(name).split(":")[1].split("@")[0])
        sign = signs[i % len(signs)]
        with torch.no_grad():
            values = sign * own.activations(images(result), {layer})[layer][i, channel]
            every = [
                float((sign * own.read(index.photo(row), {layer})[layer][0, channel]).max())
                for row in range(len(index))
            ]
        value = float(values[3, 4] if "@" in str(name) else values.max())
        expected.append(value / max(every) if max(every) > 0 else None)
    multiple: Any = result.summary["multiple"]
    assert multiple == [one if one is None else pytest.approx(one, rel=1e-4) for one in expected]
    captions = grid(result).captions
    for caption, one in zip(captions, expected, strict=True):
        assert caption.endswith(f" x{one:.2g}") if one is not None else " x" not in caption


def test_one_unit_s_caption_says_its_multiple(own: cs.Network, make: Make) -> None:
    result = cs.neuron_image(own, target="norm:5", steps=2, index=make().path).result()
    (panel,) = result.frame.panels
    assert isinstance(panel, Picture)
    assert panel.caption.startswith("norm")
    assert " x" in panel.caption


def test_an_index_without_the_layer(own: cs.Network, make: Make) -> None:
    index = make(layers=["doubled"])
    with pytest.raises(cs.ConvscopeError, match="has no layer 'norm"):
        cs.neuron_image(own, target="norm:5", steps=2, index=index.path).result()
