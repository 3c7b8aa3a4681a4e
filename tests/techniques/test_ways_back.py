"""What techniques say and refuse where a rule changes a part only, or no gradient comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convscope as cs
from convscope import objectives, optimizers, starts
from convscope.types.panels import Grid, SignedPicture
from tests.helpers import toys

HALF = "; the rule changed 50 % of the activations"


def body(first: type[nn.Module] = nn.SiLU) -> nn.Sequential:
    made = nn.Sequential(nn.Conv2d(3, 6, 3), first(), nn.Conv2d(6, 8, 3), nn.ReLU())
    made.add_module("last", nn.Conv2d(8, 8, 3))
    made.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)])
    toys.randomized(made)
    return made


@pytest.fixture(scope="module")
def half() -> cs.Network:
    return toys.network(body(), 16)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("technique", [cs.guided_backprop, cs.deconvnet, cs.guided_gradcam])
def test_a_fraction_is_in_the_caption_and_in_the_summary(
    half: cs.Network, technique: Callable[..., cs.Run], samples: int
) -> None:
    result = technique(half, toys.images(1), target=1, samples=samples).result()
    panel = result.panels[-1]
    assert isinstance(panel, SignedPicture)
    assert panel.caption.endswith(HALF)
    if technique is not cs.guided_gradcam:
        assert result.summary["changed"] == pytest.approx(0.5)
        both = technique(half, toys.images(2), target=1, samples=samples).result()
        assert both.summary["changed"] == pytest.approx([0.5, 0.5])


def test_a_fraction_of_a_whole_layer(half: cs.Network) -> None:
    result = cs.guided_backprop(half, toys.images(1), target="last").result()
    grid = result.panels[-1]
    assert isinstance(grid, Grid)
    assert grid.caption.endswith(HALF)
    assert result.summary["changed"] == pytest.approx(0.5)


def test_a_recipe_of_ones_own_tells_the_fraction(half: cs.Network) -> None:
    recipe = cs.Recipe(
        start=starts.photo(toys.images(2)), objective=objectives.logit(1), rule="guided"
    )
    assert cs.ascend(half, recipe).result().summary["changed"] == pytest.approx(0.5)
    plain = cs.Recipe(start=recipe.start, objective=recipe.objective)
    assert "changed" not in cs.ascend(half, plain).result().summary


def test_nothing_is_said_where_all_was_changed() -> None:
    net = toys.network(body(nn.ReLU), 16)
    result = cs.guided_backprop(net, toys.images(2), target=1).result()
    assert "changed" not in result.summary
    for panel in result.panels:
        assert isinstance(panel, SignedPicture)
        assert panel.caption == "guided gradient of class 1"


def test_rows_of_units_tell_the_fraction_of_each_rule(half: cs.Network) -> None:
    result = cs.intermediate(half, toys.images(1), target="last", limit=2, samples=1).result()
    assert result.summary["rules"] == ["plain", "deconv", "guided"]
    assert result.summary["changed"] == pytest.approx({"deconv": 0.5, "guided": 0.5})


class Cut(nn.Module):
    """A network whose layers all lie behind a cut."""

    def __init__(self, cut: Callable[[nn.Module, Tensor], Any]) -> None:
        super().__init__()
        self.body, self.cut = body(nn.ReLU), cut

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.cut(self.body, x)
        return out


@torch.no_grad()
def without_gradients(module: nn.Module, x: Tensor) -> Any:
    return module(x)


def in_inference_mode(module: nn.Module, x: Tensor) -> Any:
    assert isinstance(module, nn.Sequential)
    with torch.inference_mode():
        early = module[:5](x)
    return module[5:](early.clone())


CUTS: dict[str, Callable[[nn.Module, Tensor], Any]] = {
    "no_grad": without_gradients,
    "inference mode": in_inference_mode,
    "detach": lambda module, x: module(x.detach()),
    "rounding": lambda module, x: module((8 * x).round() / 8),
    "a leaf of its own": lambda module, x: module(x.detach().requires_grad_()),
    "a comparison": lambda module, x: module((x > 0).to(x)),
    "numpy": lambda module, x: module(torch.from_numpy(x.detach().numpy())),
}


RUNS: dict[str, Callable[[cs.Network], Any]] = {
    "saliency": lambda net: cs.saliency(net, toys.images(1), target=0),
    "smoothgrad": lambda net: cs.smoothgrad(net, toys.images(1), target=0, samples=2),
    "guided_backprop": lambda net: cs.guided_backprop(net, toys.images(1), target=0),
    "deconvnet": lambda net: cs.deconvnet(net, toys.images(1), target=0),
    "class_image": lambda net: cs.class_image(net, target=0, steps=2),
    "neuron_image": lambda net: cs.neuron_image(net, target="body.2:0", steps=2),
    "deepdream": lambda net: cs.deepdream(
        net, toys.images(1, 48), layer="body.2", steps=2, octaves=1
    ),
    "invert": lambda net: cs.invert(net, toys.images(1), layer="body.2", steps=2),
    "filters": lambda net: cs.filters(net, layer="body.2", show="effective"),
    "ascend": lambda net: cs.ascend(
        net,
        cs.Recipe(
            start=starts.noise(),
            objective=objectives.logit(0) - objectives.tv(),
            optimizer=optimizers.adam(),
            steps=2,
        ),
    ),
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", RUNS)
def test_a_cut_way_back_is_refused_whatever_the_priors_do(name: str, cut: str) -> None:
    net = toys.network(Cut(CUTS[cut]), 48)
    message = "no gradient reaches the image from"
    if cut in ("numpy", "inference mode"):  # which hide how a layer lies as well
        message += "|the order of its values is not known|its receptive field is the whole image"
    with pytest.raises(cs.ConvscopeError, match=message) as raised:
        RUNS[name](net).result()
    assert "\n" not in str(raised.value)


def test_one_cut_layer_of_several_is_named() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.second(F.relu(self.first(x)).detach()).mean((2, 3))
            return out

    net = toys.network(Half(), 16)
    objective = objectives.activation("first:0") + objectives.activation("second:0")
    recipe = cs.Recipe(start=starts.noise(), objective=objective, optimizer=optimizers.adam())
    with pytest.raises(cs.ConvscopeError, match="from 'second': something between them cuts it"):
        cs.ascend(net, recipe).result()


def test_an_objective_that_reads_no_layer_needs_no_way_back() -> None:
    net = toys.network(Cut(without_gradients), 16)
    recipe = cs.Recipe(
        start=starts.noise(), objective=-objectives.tv(), optimizer=optimizers.adam(), steps=3
    )
    first, *_, last = cs.ascend(net, recipe)
    assert last.score > first.score


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["saliency", "guided_backprop", "deconvnet", "class_image"])
def test_a_quantized_head_is_refused(name: str) -> None:
    module = torch.ao.quantization.quantize_dynamic(body(nn.ReLU).eval(), {nn.Linear})
    net = toys.network(module, 16)
    with pytest.raises(cs.ConvscopeError, match="no gradient reaches the image from the output"):
        RUNS[name](net).result()


def test_a_straight_through_estimator_is_no_cut() -> None:
    net = toys.network(Cut(lambda module, x: module(x + ((8 * x).round() / 8 - x).detach())), 16)
    assert cs.saliency(net, toys.images(1), target=0).result().heatmap.any()
