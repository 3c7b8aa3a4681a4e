"""What objectives mean, in numbers, and their gradients by finite differences in float64."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.ascent.loop import climb
from convscope.ascent.recipe import Recipe
from convscope.errors import ConvscopeError
from convscope.types.targets import Target
from convscope.vocabulary import objectives, starts
from convscope.vocabulary.objectives import (
    Objective,
    StatisticName,
    activation,
    caricature,
    direction,
    diversity,
    each,
    energy,
    l2,
    log_probability,
    logit,
    margin,
    match,
    matching,
    peak,
    power,
    probability,
    resemble,
    similarity,
    tv,
    weighted,
)
from convscope.vocabulary.rules import guided, plain
from tests.helpers import toys


class Smooth(nn.Module):
    """Tanh only, so that finite differences meet no kink."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)
        self.act, self.fc = nn.Tanh(), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.conv2(torch.tanh(self.conv1(x))))
        out: Tensor = self.fc(x.mean((2, 3)))
        return out


@cache
def smooth() -> tuple[cs.Network, nn.Module]:
    module = toys.randomized(Smooth()).eval().double()
    labels = ["ant, emmet", "bee", "wasp"]
    return cs.Network(module, mean=toys.MEAN, std=toys.STD, input_size=7, labels=labels), module


def image(count: int = 2) -> Tensor:
    return toys.images(count, 7).double()


def score(objective: Objective, images: Tensor | None = None) -> Tensor:
    net, _ = smooth()
    images = image() if images is None else images
    return next(climb(net, Recipe(start=starts.photo(images), objective=objective))).score


def own() -> dict[str, Tensor]:
    """What the user's module gives at its layers."""
    _, module = smooth()
    with toys.recording(module) as found, torch.no_grad():
        module(toys.normalized(image()))
    return found


def close(ours: Tensor, theirs: Tensor) -> None:
    assert ours.shape == theirs.shape == (2,)
    assert torch.allclose(ours, theirs, rtol=1e-11, atol=1e-13)


def test_what_each_is() -> None:
    layers = own()
    maps, logits = layers["act"], layers[""]
    for name in ("bee", 1, "1", Target("", 1)):
        close(score(logit(name)), logits[:, 1])
    close(score(activation("act:2@1,0")), maps[:, 2, 1, 0])
    close(score(activation("act:2")), maps[:, 2].mean((1, 2)))
    close(score(activation("act")), maps.mean((1, 2, 3)))
    close(score(activation("act.pre:2")), layers["conv2"][:, 2].mean((1, 2)))
    close(score(activation("bee")), logits[:, 1])
    close(score(peak("act:2")), maps[:, 2].amax((1, 2)))
    close(score(peak("")), logits.amax(1))
    close(score(energy("act:2")), 0.5 * maps[:, 2].square().mean((1, 2)))
    close(score(energy("act")), 0.5 * maps.square().mean((1, 2, 3)))
    leaky = torch.where(maps > 0, maps, 0.2 * maps)
    close(score(energy("act", leak=0.2)), 0.5 * leaky.square().mean((1, 2, 3)))
    close(score(l2()), 0.5 * (image() - 0.5).square().mean((1, 2, 3)))
    close(score(tv()), tv_by_hand())
    close(score(power(6)), (image() - 0.5).pow(6).mean((1, 2, 3)))
    close(score(probability("bee")), logits.softmax(1)[:, 1])
    close(score(log_probability("bee")), logits.softmax(1)[:, 1].log())
    close(score(margin("bee")), logits[:, 1] - (logits[:, 0] + logits[:, 2]) / 2)
    close(score(margin("bee", 1)), logits[:, 1] - torch.maximum(logits[:, 0], logits[:, 2]))
    vector = torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0], dtype=torch.float64)
    means = maps.mean((2, 3))
    close(score(direction("act", vector)), means @ vector)
    cosines = (means @ vector) / (means.norm(dim=1) * vector.norm())
    wanted = (means @ vector) * cosines.clamp_min(0.1) ** 2
    close(score(direction("act", vector, cosine=2)), wanted)


def test_match_and_diversity_by_hand() -> None:
    maps = own()["act"].numpy()
    other = image()[1:]  # so the second image matches itself
    flat = maps.reshape(2, 5, -1)
    grams = np.einsum("ncp,ndp->ncd", flat, flat) / flat.shape[2]
    moments = np.concatenate([flat.mean(2), np.sqrt(flat.var(2) + 1e-8)], 1)

    def away(values: np.ndarray[Any, Any]) -> Tensor:
        values = values.reshape(2, -1)
        distance = ((values - values[1]) ** 2).sum(1) / (values[1] ** 2).sum()
        return torch.from_numpy(-distance)

    close(score(match("act", other)), away(maps))
    close(score(match("act", other, "gram")), away(grams))
    close(score(match("act", other, "moments")), away(moments))
    one, two = flat.reshape(2, -1)
    cosine = one @ two / np.linalg.norm(one) / np.linalg.norm(two)
    close(score(match("act", other, "cosine")), torch.tensor([cosine - 1, 0], dtype=torch.float64))
    first, second = grams.reshape(2, -1)
    alike = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    close(score(diversity("act")), torch.tensor([-alike, -alike], dtype=torch.float64))
    assert score(diversity("act"), image(1)).abs() < 1e-12


def test_caricature_by_hand() -> None:
    other = image()[1:]  # so the second image is its own caricature
    one, two = own()["act"].numpy().reshape(2, -1)
    share, cosine = one @ two / (two @ two), one @ two / np.linalg.norm(one) / np.linalg.norm(two)
    for power_ in (0, 1, 2.5):
        wanted = torch.tensor([share * max(cosine, 0.1) ** power_, 1], dtype=torch.float64)
        close(score(caricature("act", other, power_)), wanted)


def test_resemble_by_hand() -> None:
    maps = own()["act"].numpy().reshape(2, 5, -1)
    other = image()[1:]  # so every place of the second image finds itself
    there = maps[1] / np.linalg.norm(maps[1], axis=0)
    products = np.einsum("ncp,cq->npq", maps, there).max(2)
    cosines = products / np.linalg.norm(maps, axis=1)
    np.testing.assert_allclose(cosines[1], 1, rtol=1e-12)
    close(score(resemble("act", other, cosine=0)), torch.from_numpy(products.mean(1)))
    wanted = products * cosines.clip(0.1) ** 4
    close(score(resemble("act", other)), torch.from_numpy(wanted.mean(1)))


def test_resemble_takes_directions_and_not_the_strongest_place() -> None:
    module = nn.Sequential(nn.Conv2d(2, 2, 1, bias=False))
    module[0].weight.data = torch.eye(2)[:, :, None, None]  # a layer that is the image
    net = toys.plain_network(module, 3, channels=2)
    guide = torch.tensor([[3.0, 0, 4], [0, 10, 3]]).view(1, 2, 1, 3)
    # Its directions are (1, 0), (0, 1) and (0.8, 0.6). (5, 1) goes furthest along the first, though
    # its product with (4, 3) is 23 and that with (3, 0) 15; (4, 3.5) along the last, by 3.2 + 2.1,
    # though its product with (0, 10) is 35 and that with (4, 3) 26.5.
    here = torch.tensor([[5.0, 4.0], [1.0, 3.5]]).view(1, 2, 1, 2)
    layer = Target("0")
    along = resemble(layer, guide, cosine=0).bind(net).score({"0": here}, here)
    assert along.item() == pytest.approx((5 + 5.3) / 2)
    squared = resemble(layer, guide, cosine=2).bind(net).score({"0": here}, here)
    assert squared.item() == pytest.approx((5 * 25 / 26 + 5.3 * 5.3**2 / 28.25) / 2)


def test_resemble_is_the_same_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = score(resemble("act", image()[:1].flip(3)))
    monkeypatch.setattr(matching, "_PRODUCTS", 20)  # two of nine places at a time
    assert torch.equal(score(resemble("act", image()[:1].flip(3))), whole)


def test_gram_and_moments_do_not_ask_for_size() -> None:
    larger = toys.images(1, 11).double()
    for way in WAYS[2:]:
        assert score(match("act", larger, way)).isfinite().all()
    with pytest.raises(ConvscopeError, match="give both the same size"):
        score(match("act", larger))


def test_each_image_has_its_own() -> None:
    first, second = logit("bee"), energy("act:2") - 0.1 * tv(1.5)
    both = score(each((first, second)))
    assert torch.equal(both, torch.stack([score(first)[0], score(second)[1]]))
    assert torch.equal(score(2 * each((first, second)) + l2()), 2 * both + score(l2()))
    swapped = score(each((second, first)))
    assert torch.equal(swapped, torch.stack([score(second)[0], score(first)[1]]))
    bound = each((first, second)).bind(smooth()[0])
    assert bound.layers == {"", "act"}
    for count in (1, 3):
        with pytest.raises(ConvscopeError, match=f"2 objectives for {count} images"):
            score(each((first, second)), image(count))
    with pytest.raises(ConvscopeError, match="unknown class or layer 'wasps'"):
        each((first, logit("wasps"))).bind(smooth()[0])


def test_each_is_as_many_runs_of_one_image() -> None:
    net, _ = smooth()
    images = toys.images(3, 7).double()
    # Two read the same layer, one reads two, one none.
    own = (energy("act") - logit("ant"), activation("act:1"), -tv(1.5))

    def evaluate(objective: Objective, photos: Tensor) -> Any:
        return next(climb(net, Recipe(start=starts.photo(photos), objective=objective)))

    together = evaluate(each(own), images)
    for i, one in enumerate(own):
        alone = evaluate(one, images[i : i + 1])
        torch.testing.assert_close(together.gradient[i], alone.gradient[0], rtol=1e-11, atol=1e-14)
        torch.testing.assert_close(together.score[i], alone.score[0], rtol=1e-11, atol=1e-14)


def tv_by_hand() -> Tensor:
    pixels = image()
    across = (pixels[..., 1:] - pixels[..., :-1]).square().sum((1, 2, 3))
    down = (pixels[..., 1:, :] - pixels[..., :-1, :]).square().sum((1, 2, 3))
    return (across + down) / (3 * 7 * 7)


def test_the_gradient_of_energy_at_its_layer_is_the_activation() -> None:
    # Mordvintsev: climbing half the squared norm is setting the layer's gradient to its value.
    values = image().requires_grad_()
    bound = energy("act").bind(smooth()[0])
    maps = torch.randn(2, 5, 3, 3, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(bound.score({"act": maps}, values).sum(), maps)
    assert torch.allclose(gradient, maps / maps[0].numel())


WAYS: tuple[Literal["l2", "cosine", StatisticName], ...] = (
    "l2", "cosine", "gram", "centered", "moments", "sliced",
)  # fmt: skip
ALL: list[Objective] = [
    logit("bee"),
    activation("act:2@1,0"),
    activation("act:2"),
    activation("act"),
    activation("act.pre"),
    activation("conv1"),
    peak("act:1"),
    peak(""),
    energy("act"),
    energy("conv2:3"),
    energy("act.pre", leak=0.1),
    l2(),
    tv(1),
    tv(1.5),
    tv(2),
    tv(3),
    probability("bee"),
    log_probability("bee"),
    margin("bee", strongest=1),
    margin("bee"),
    direction("act", torch.arange(5.0) - 1),
    similarity(image(1)),
    similarity(toys.images(1, 9).double(), layer="conv2"),
    direction("conv2", torch.arange(5.0) - 1, cosine=2),
    diversity("act"),
    *(match("act", toys.images(1, 7).double().flip(3), by) for by in WAYS),
    *(match("act", toys.images(1, 7).double().flip(3), by, toys.images(1, 9)) for by in WAYS),
    resemble("act", toys.images(1, 7).double().flip(3)),
    resemble("conv1", toys.images(1, 7).double().flip(3), cosine=0),
    caricature("act", toys.images(1, 7).double().flip(3), cosine=2),
    power(6),
    logit("bee") - 0.5 * tv(1.5) + 2 * energy("act") - activation("conv1:0") * 0.3,
    each((energy("act:2") - 0.1 * tv(1.5), peak("conv1:1"))),
]


def test_no_objective_is_left_out() -> None:
    found = {one for one in vars(objectives).values() if isinstance(one, type)}
    kinds = {one for one in found if issubclass(one, Objective)} - {Objective}
    assert kinds == {type(objective) for objective in ALL}


@pytest.mark.parametrize("objective", ALL, ids=repr)
def test_gradients_by_differences(objective: Objective) -> None:
    net, _ = smooth()
    images = image()
    frame = next(climb(net, Recipe(start=starts.photo(images), objective=objective)))
    step = 1e-6
    generator = torch.Generator().manual_seed(5)
    for _ in range(8):
        direction = torch.randn(images.shape, generator=generator, dtype=torch.float64)
        ahead, behind = (score(objective, images + s * step * direction) for s in (1, -1))
        measured = ((ahead - behind) / (2 * step)).sum().item()
        predicted = (frame.gradient * direction).sum().item()
        assert predicted == pytest.approx(measured, rel=1e-6, abs=1e-9)
    assert frame.gradient.abs().max() > 1e-4


def added(objectives: Any) -> Objective:
    """Their sum, which type checkers take for a number too."""
    total: Any = sum(objectives)
    assert isinstance(total, Objective)
    return total


def test_arithmetic_in_numbers() -> None:
    a, b, c = logit("ant"), energy("act"), tv()
    na, nb, nc = (score(one) for one in (a, b, c))
    close(score(a + b), na + nb)
    close(score(a - b), na - nb)
    close(score(3 * a), 3 * na)
    close(score(a * 3), 3 * na)
    close(score(-a), -na)
    close(score(a - 0.1 * b + 2 * c), na - 0.1 * nb + 2 * nc)
    close(score(a - (b - c)), na - nb + nc)
    close(score(2 * (a + b) * 0.5 - c), na + nb - nc)
    close(score(-(a - b) - (c + a)), -na + nb - nc - na)
    close(score(a + a), 2 * na)
    close(score(0 * a + c), nc)
    close(score(a / 2), na / 2)
    close(score((a - 3 * b) / -1.5), (na - 3 * nb) / -1.5)
    close(score(added([a, b, 2 * c])), na + nb + 2 * nc)
    close(score(added([a])), na)
    quarter: Any = np.float32(4)
    close(score(a / quarter + b * quarter), na / 4 + 4 * nb)


def test_operands_are_unchanged() -> None:
    a, b = logit("ant"), energy("act")
    total = a + b
    before = (repr(a), repr(b), repr(total))
    results = [total + a, total - b, total * 2, 3 * total, -total, a + total, b - total, -a]
    results += [total / 2, a / 2, added([total, a])]
    assert (repr(a), repr(b), repr(total)) == before
    assert all(result is not total and isinstance(result, weighted) for result in results)
    assert total == weighted(((1.0, a), (1.0, b)))
    assert total - b == weighted(((1.0, a), (1.0, b), (-1.0, b)))
    assert {a: 1}[logit("ant")] == 1  # equal by meaning


HINT = (
    "objectives add to and subtract from objectives, and numbers multiply and divide them, as in"
    " logit('tabby') - 0.1 * tv()"
)


@pytest.mark.parametrize(
    ("operation", "shown"),
    [
        (lambda a: a + 3, "{} + 3"),
        (lambda a: a + 0, "{} + 0"),
        (lambda a: 3 + a, "3 + {}"),
        (lambda a: 0.0 + a, "0.0 + {}"),
        (lambda a: False + a, "False + {}"),
        (lambda a: sum([a], 1), "1 + {}"),
        (lambda a: a - 3, "{} - 3"),
        (lambda a: 3 - a, "3 - {}"),
        (lambda a: a * a, "{0} * {0}"),
        (lambda a: a * "3", "{} * '3'"),
        (lambda a: True * a, "{} * True"),
        (lambda a: a / 0, "{} / 0"),
        (lambda a: a / a, "{0} / {0}"),
        (lambda a: 1 / a, "1 / {}"),
    ],
)
def test_other_arithmetic_is_one_line(operation: Callable[[Any], object], shown: str) -> None:
    a = logit("tabby")
    with pytest.raises(ConvscopeError) as caught:
        operation(a)
    assert str(caught.value) == f"cannot compute {shown.format(repr(a))}: {HINT}"


@pytest.mark.parametrize("weight", [float("inf"), float("nan")])
def test_weights_are_finite(weight: float) -> None:
    with pytest.raises(ConvscopeError, match=r"^weighted: terms: .* a finite number, not "):
        weight * logit("ant")


def test_reads_only_what_it_needs() -> None:
    net, _ = smooth()
    assert logit("bee").bind(net).layers == {""}
    assert tv().bind(net).layers == set()
    assert (energy("act") + activation("conv1:2") - l2()).bind(net).layers == {"act", "conv1"}


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (logit("act:2"), "logit takes a class, and act:2 is not one"),
        (logit(Target("")), "logit takes a class, and output is not one"),
        (logit("be"), "did you mean 'bee'"),
        (logit(3), "no class 3"),
        (activation("acts"), "did you mean 'act'"),
        (activation(Target("acts")), "unknown layer 'acts'"),
        (activation(Target("act", 5)), "no channel 5"),
        (peak("act:9"), "no channel 9"),
        (energy("fc.pre"), "does not end in an activation"),
        (margin("act:2"), "act:2 is not a class"),
        (log_probability("act"), "act is not a class"),
        (direction("act:2", torch.ones(5)), "act:2 is not a whole layer"),
        (direction("act", torch.ones(4)), r"has 5 channels, and the vector has shape \(4,\)"),
        (diversity("act:1@0,0"), "not a whole layer"),
        (resemble("act:2", toys.images(1, 7).double()), "act:2 is not a whole layer"),
        (resemble("act", toys.images(2, 7).double()), "takes one other image, not 2"),
        (caricature("act:1", toys.images(1, 7).double()), "act:1 is not a whole layer"),
        (tv() + 2 * energy("nope"), "unknown class or layer 'nope'"),
    ],
)
def test_unknown_names_raise_when_bound(objective: Objective, message: str) -> None:
    with pytest.raises(ConvscopeError, match=message):
        objective.bind(smooth()[0])


def test_one_score_an_image() -> None:
    apart = torch.cat([score(objectives.energy("act"), image()[i : i + 1]) for i in range(2)])
    assert torch.allclose(score(objectives.energy("act")), apart, rtol=1e-12)


def test_a_layer_called_by_a_number_is_meant_where_a_class_cannot_be() -> None:
    net = toys.network(
        nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 4)), 8
    )
    assert net.target("1").layer == ""  # of four classes, the second
    assert objectives.as_layer(net, "1") == Target("1")
    assert objectives.match("0", torch.rand(1, 3, 8, 8)).bind(net).layers == {"0"}


def test_a_bound_objective_reads_further_layers_in_the_same_pass() -> None:
    """And a view of the image in its place: the prior's, while the score is that of the image."""
    net, images = toys.network(toys.randomized(toys.Residual())), toys.images(2)
    bound = peak("layer1.conv1:2").bind(net)
    activations, score = bound.read(net, images, ["layer1.conv1", ""], view=images.flip(3))
    expected = net.read(images.flip(3), {"layer1.conv1", ""})
    assert activations.keys() == expected.keys()
    for name, values in expected.items():
        torch.testing.assert_close(activations[name], values)
    torch.testing.assert_close(score, expected["layer1.conv1"][:, 2].flatten(1).amax(1))
    nothing, variation = tv().bind(net).read(net, images, view=images.flip(3))
    assert nothing == {}
    torch.testing.assert_close(variation, tv().bind(net).score({}, images))


def test_a_bound_objective_is_read_under_a_rule() -> None:
    net, images = toys.network(toys.randomized(toys.Residual())), toys.images(1)
    bound = logit(1).bind(net)
    found = {}
    for rule in (plain(), guided()):
        leaf = images.clone().requires_grad_()
        _, score = bound.read(net, leaf, mode=rule.mode())
        (found[rule.name],) = torch.autograd.grad(score.sum(), leaf)
        (frame,) = climb(net, Recipe(start=starts.photo(images), objective=logit(1), rule=rule))
        torch.testing.assert_close(found[rule.name], frame.gradient)
    assert not torch.allclose(found["plain"], found["guided"])
