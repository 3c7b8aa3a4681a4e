"""The one loop, against iterates that can be written down."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.ascent.loop import climb
from convscope.ascent.recipe import Recipe
from convscope.errors import ConvscopeError
from convscope.types.frames import Ascent
from convscope.types.targets import Target
from convscope.vocabulary import optimizers, priors, starts
from convscope.vocabulary.objectives import activation, energy, l2, logit, peak, tv
from convscope.vocabulary.optimizers import Optimizer, adam, sgd
from convscope.vocabulary.priors import Prior
from tests.helpers import toys


def image(count: int = 1) -> Tensor:
    return toys.images(count, 5).double()


def climbed(net: cs.Network, start: starts.Start, seed: int = 0, **words: object) -> list[Ascent]:
    settings: dict[str, object] = {"objective": logit(1), "optimizer": sgd(0.1), "steps": 4}
    recipe = Recipe(start=start, **{**settings, **words})  # type: ignore[arg-type]
    return list(climb(net, recipe, seed))


# -------------------------------------------------------------------- known iterates


def test_sgd_goes_straight_up_a_linear_score() -> None:
    net, weight = toys.linear()
    frames = climbed(net, starts.photo(image()))
    first = net.logits(image())[:, 1]
    for k, frame in enumerate(frames, start=1):
        assert (frame.step, frame.steps) == (k, 4)
        assert torch.allclose(frame.image, image() + 0.1 * k * weight, rtol=1e-12)
        assert torch.allclose(frame.gradient, weight, rtol=1e-12)
        # The score is of the image before the step.
        gained = 0.1 * (k - 1) * weight.square().sum()
        assert torch.allclose(frame.score, first + gained, rtol=1e-12)


def test_momentum() -> None:
    net, weight = toys.linear()
    frames = climbed(net, starts.photo(image()), optimizer=sgd(0.1, momentum=0.9))
    velocity = moved = 0.0
    for frame in frames:
        velocity = 0.9 * velocity + 1
        moved += 0.1 * velocity
        assert torch.allclose(frame.image, image() + moved * weight, rtol=1e-12)


def test_adam_on_a_constant_gradient_is_the_sign() -> None:
    # Both its averages are then exact: every step moves each pixel by the rate.
    net, weight = toys.linear()
    frames = climbed(net, starts.photo(image()), optimizer=adam(0.03))
    for k, frame in enumerate(frames, start=1):
        step = 0.03 * weight / (weight.abs() + 1e-8)
        assert torch.allclose(frame.image, image() + k * step, rtol=1e-6)


def test_a_quadratic_shrinks_by_a_constant_factor() -> None:
    net, _ = toys.linear()
    count = 3 * 25
    frames = climbed(net, starts.photo(image()), objective=-l2(), optimizer=sgd(0.25 * count))
    for k, frame in enumerate(frames, start=1):
        assert torch.allclose(frame.image - 0.5, 0.75**k * (image() - 0.5), rtol=1e-10)
    (last,) = climbed(net, starts.photo(image()), objective=-l2(), optimizer=sgd(count), steps=1)
    assert torch.allclose(last.image, torch.full_like(last.image, 0.5))


def test_the_optimum_of_a_weighed_sum() -> None:
    # w.x - lambda |x - 1/2|^2 / 2n is highest at x = 1/2 + n w / lambda.
    net, weight = toys.linear()
    objective = logit(1) - 1000 * l2()
    frames = climbed(net, starts.noise(0.2), objective=objective, optimizer=sgd(0.02), steps=120)
    assert torch.allclose(frames[-1].image, 0.5 + 75 * weight / 1000, atol=1e-9)
    assert all(a.score < b.score for a, b in pairwise(frames[:50]))


@dataclass(frozen=True)
class sign(Prior):
    def gradient(self, gradient: Tensor) -> Tensor:
        return gradient.sign()


def test_a_signed_step_gains_epsilon_times_the_l1_norm() -> None:
    net, weight = toys.linear()
    frames = climbed(
        net, starts.photo(image()), priors=(sign(),), optimizer=sgd(0.007), objective=-logit(1)
    )
    before = frames[0].score
    after = -net.read(frames[0].image, {""})[""][:, 1]
    assert torch.allclose(after - before, 0.007 * weight.abs().sum(), rtol=1e-10)


@dataclass(frozen=True)
class lbfgs(Optimizer):
    """Evaluates several times a step."""

    def build(self, parameters: Tensor) -> torch.optim.Optimizer:
        return torch.optim.LBFGS([parameters], max_iter=5, line_search_fn="strong_wolfe")


@pytest.mark.parametrize("start", [starts.photo(image()), starts.fourier(image=image())])
def test_an_optimizer_that_evaluates_several_times(start: starts.Start) -> None:
    net, _ = toys.linear()
    frames = climbed(net, start, objective=-1000 * l2() + 0 * tv(), optimizer=lbfgs(), steps=5)
    first = -500 * (image() - 0.5).square().mean()
    assert frames[0].score.item() == pytest.approx(first.item(), rel=1e-9)
    for before, after in pairwise(frames):
        score = -500 * (before.image - 0.5).square().mean()
        assert after.score.item() == pytest.approx(score.item(), rel=1e-9, abs=1e-20)
    if isinstance(start, starts.photo):
        assert torch.allclose(frames[-1].image, torch.full_like(frames[-1].image, 0.5), atol=1e-6)
    else:
        assert frames[-1].score > frames[0].score / 2


def test_a_step_in_fourier_coefficients() -> None:
    net, weight = toys.linear()
    start = starts.fourier(sigma=0.4)
    canvas = start.canvas(net, torch.Generator().manual_seed(3))
    assert canvas.decode is not None
    frames = climbed(net, start, seed=3, optimizer=sgd(2.0), steps=3)
    parameters = canvas.parameters
    for frame in frames:
        leaf = parameters.clone().requires_grad_()
        (gradient,) = torch.autograd.grad((canvas.decode(leaf) * weight).sum(), leaf)
        parameters = parameters + 2.0 * gradient
        assert torch.allclose(frame.image, canvas.decode(parameters), rtol=1e-12)
        assert not frame.image.requires_grad


def test_every_image_climbs_on_its_own() -> None:
    net = toys.network(toys.randomized(toys.Residual()).double())
    both = toys.images(2).double()
    recipe: dict[str, Any] = {
        "priors": (priors.unit_gradient(), priors.decay(0.01), priors.clamp())
    }
    together = climbed(net, starts.photo(both), **recipe)[-1]
    for i in range(2):
        alone = climbed(net, starts.photo(both[i : i + 1]), **recipe)[-1]
        assert torch.allclose(together.image[i], alone.image[0], rtol=1e-9, atol=1e-12)


def test_climbing_is_not_descending_the_negative() -> None:
    # The rules are not odd: the loop must differentiate +score.
    net = toys.plain_network(toys.Toy(), 4, channels=1)
    (frame,) = climb(
        net,
        Recipe(
            start=starts.photo(toys.TOY_IMAGE),
            objective=logit(0),
            rule="guided",
            optimizer=sgd(0.5),
        ),
    )
    assert torch.equal(frame.image[0, 0], toys.TOY_IMAGE[0, 0] + 0.5 * toys.GUIDED)


# ------------------------------------------------------------------------------ priors


def test_priors_act_in_their_order() -> None:
    net, weight = toys.linear()
    frames = climbed(
        net,
        starts.photo(image()),
        priors=(sign(), priors.decay(0.1), priors.clamp(0.3, 0.7), priors.decay(0.5)),
        steps=3,
    )
    expected = image()
    for frame in frames:
        expected = expected + 0.1 * weight.sign()
        expected = (0.5 + 0.9 * (expected - 0.5)).clamp(0.3, 0.7)
        expected = 0.5 + 0.5 * (expected - 0.5)
        assert torch.allclose(frame.image, expected, rtol=1e-12)


def test_the_pixel_priors_know_their_step() -> None:
    given: list[int] = []

    class steps(Prior):
        def pixels(self, image: Tensor, step: int) -> Tensor:
            given.append(step)
            return image

    net, _ = toys.linear()
    climbed(net, starts.photo(image()), priors=(steps(),))
    assert given == [1, 2, 3, 4]


def test_a_view_changes_what_the_network_sees_and_not_the_image() -> None:
    net, weight = toys.linear()
    frames = climbed(net, starts.photo(image()), priors=(priors.jitter(3),), seed=5)
    chance = torch.Generator().manual_seed(5)
    expected = image()
    bias = float(net.parameter("fc", "bias")[1])
    for frame in frames:
        shift = torch.randint(-3, 4, (2,), generator=chance).tolist()
        rolled = weight.roll([-s for s in shift], (2, 3))
        assert torch.allclose(frame.gradient, rolled, rtol=1e-12)
        score = (rolled * expected).sum().item() + bias
        assert frame.score.item() == pytest.approx(score, rel=1e-9)
        expected = expected + 0.1 * rolled
        assert torch.allclose(frame.image, expected, rtol=1e-12)


def test_the_image_itself_is_scored_without_a_view() -> None:
    net, _ = toys.linear()
    for seed in range(3):
        (frame,) = climbed(
            net,
            starts.photo(image()),
            objective=-tv(),
            priors=(priors.jitter(2),),
            seed=seed,
            steps=1,
        )
        across, down = (torch.diff(image(), dim=d).square().sum() for d in (-1, -2))
        assert frame.score.item() == pytest.approx(-float(across + down) / 75, rel=1e-9)


@pytest.mark.parametrize("prior", [priors.decay(), priors.blur(), priors.clamp()])
def test_pixel_priors_need_pixels(prior: Prior) -> None:
    net, _ = toys.linear()
    with pytest.raises(ConvscopeError, match="works on pixels, and fourier has none"):
        climbed(net, starts.fourier(), priors=(priors.jitter(2), prior))
    climbed(net, starts.fourier(), priors=(priors.jitter(2), priors.unit_gradient()))


# ------------------------------------------------------------------- without an optimizer


def test_without_an_optimizer_the_image_stays() -> None:
    net, weight = toys.linear()
    frames = climbed(
        net, starts.photo(image()), optimizer=None, priors=(priors.jitter(2),), steps=5
    )
    assert [frame.step for frame in frames] == [1, 2, 3, 4, 5]
    for frame in frames:
        assert torch.equal(frame.image, image())
    gradients = {tuple(frame.gradient.flatten().tolist()) for frame in frames}
    assert len(gradients) > 1  # each step has a view of its own
    (still,) = climbed(net, starts.photo(image()), optimizer=None, steps=1)
    assert torch.allclose(still.gradient, weight, rtol=1e-12)
    assert torch.equal(still.activations[""], net.logits(image()))


def test_without_an_optimizer_fourier_gives_the_gradient_of_the_image() -> None:
    net, weight = toys.linear()
    start = starts.fourier(sigma=0.4)
    (frame,) = climbed(net, start, optimizer=None, steps=1)
    canvas = start.canvas(net, torch.Generator().manual_seed(0))
    assert canvas.decode is not None
    assert torch.allclose(frame.image, canvas.decode(canvas.parameters))
    assert torch.allclose(frame.gradient, weight, rtol=1e-12)


# ----------------------------------------------------------------------- chance and sharing

RANDOM = {"priors": (priors.jitter(2), priors.random_affine(), priors.unit_gradient())}


@pytest.mark.parametrize("start", [starts.noise(0.1), starts.fourier(sigma=0.1)])
def test_same_seed_same_frames(start: starts.Start) -> None:
    net = toys.network(toys.randomized(toys.Residual()))
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one = climbed(net, start, seed=4, **RANDOM)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    same, other = climbed(net, start, seed=4, **RANDOM), climbed(net, start, seed=5, **RANDOM)
    for a, b, c in zip(one, same, other, strict=True):
        assert torch.equal(a.image, b.image)
        assert torch.equal(a.gradient, b.gradient)
        assert torch.equal(a.score, b.score)
        assert not torch.equal(a.image, c.image)


@pytest.mark.parametrize("optimizer", [None, sgd(0.1), adam()])
@pytest.mark.parametrize(
    "start", [starts.photo(image()), starts.noise(), starts.fourier(sigma=0.1)]
)
def test_frames_share_nothing(start: starts.Start, optimizer: Optimizer | None) -> None:
    net, _ = toys.linear()
    untouched = climbed(net, start, optimizer=optimizer)
    before = start.image.clone() if isinstance(start, starts.photo) else None

    def vandalized() -> Iterator[Ascent]:
        recipe = Recipe(start=start, objective=logit(1), optimizer=optimizer, steps=4)
        for frame in climb(net, recipe):
            yield frame
            for tensor in (frame.image, frame.gradient, frame.score, *frame.activations.values()):
                tensor.fill_(7.0)

    for a, b in zip(untouched, vandalized(), strict=True):
        assert torch.equal(a.image, b.image)
        assert torch.equal(a.score, b.score)
    if before is not None and isinstance(start, starts.photo):
        assert torch.equal(start.image, before)
    assert len({frame.image.data_ptr() for frame in untouched}) == 4


def test_also_where_gradients_are_off() -> None:
    net, weight = toys.linear()
    with torch.no_grad():
        frames = climbed(net, starts.photo(image()))
        fourier = climbed(net, starts.fourier())
    assert torch.allclose(frames[-1].image, image() + 0.4 * weight, rtol=1e-12)
    assert torch.equal(fourier[-1].image, climbed(net, starts.fourier())[-1].image)


# ------------------------------------------------------------------------------ errors


class Dead(nn.Module):
    """A ReLU that no image in [0, 1] wakes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 2, 3), nn.ReLU()
        with torch.no_grad():
            self.conv.weight.fill_(0.01)
            self.conv.bias.fill_(-1)  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.relu(self.conv(x)).mean((2, 3))
        return out


def test_a_gradient_of_zero_is_refused() -> None:
    net = toys.plain_network(Dead(), 5)
    with pytest.raises(ConvscopeError, match=r"zero everywhere.*never fires.*'redirected'"):
        climbed(net, starts.noise())
    frames = climbed(net, starts.noise(), rule="redirected", optimizer=sgd(2000.0), steps=8)
    assert frames[0].score == 0
    assert frames[-1].score > 0


class Logarithm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.log(1.05 - x.mean((1, 2, 3)))[:, None]


def test_a_nan_is_named_with_its_step() -> None:
    mean, step, count = 0.5, 1, 75
    while mean < 1.05:
        mean += 0.1 / (1.05 - mean)
        step += 1
    assert step > 2
    net = toys.plain_network(nn.Sequential(nn.Identity(), Logarithm()), 5)
    with pytest.raises(ConvscopeError, match=rf"not finite at step {step}; the first.*'1'"):
        climbed(
            net,
            starts.noise(0),
            objective=-activation(0),
            optimizer=sgd(0.1 * count),
            steps=50,
        )


def test_a_gradient_that_is_not_finite_is_named() -> None:
    class Root(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sum((1, 2, 3))[:, None].sqrt().expand(-1, 2)

    net = toys.plain_network(Root(), 5)
    black = torch.zeros(1, 3, 5, 5)
    for optimizer in (None, sgd()):
        with pytest.raises(ConvscopeError, match="the gradient is not finite at step 1"):
            climbed(net, starts.photo(black), objective=logit(0), optimizer=optimizer)


@pytest.mark.parametrize("cut", [Tensor.detach, Tensor.round, lambda x: x * 0 + 1.0])
def test_a_cut_is_named(cut: object) -> None:
    class Cut(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x = cut(x)  # type: ignore[operator]
            return x.mean((2, 3))

    net = toys.plain_network(Cut(), 5)
    if cut in (Tensor.detach, Tensor.round):
        with pytest.raises(ConvscopeError, match="no gradient reaches the image"):
            climbed(net, starts.photo(image()), optimizer=None)
    else:
        with pytest.raises(ConvscopeError, match="the gradient is zero everywhere"):
            climbed(net, starts.photo(image()))


def test_names_are_checked_before_any_work() -> None:
    net, _ = toys.linear()
    for words in ({"objective": energy("nope")}, {"rule": "nope"}):
        with pytest.raises(ConvscopeError, match=r"unknown .*'nope'"):
            climbed(net, starts.photo(image()), **words)


def test_sign_steps_by_its_rate() -> None:
    start = torch.tensor([[[[0.5, 0.5, 0.5]]]])
    optimizer = optimizers.sign(0.1).build(start)
    start.grad = torch.tensor([[[[3.0, -1e-9, 0.0]]]])
    optimizer.step()
    assert torch.allclose(start, torch.tensor([[[[0.4, 0.6, 0.5]]]]))


def test_optimizers_are_torchs() -> None:
    parameters = torch.zeros(3)
    momentum = sgd(0.3, 0.5).build(parameters).param_groups[0]
    assert (momentum["lr"], momentum["momentum"]) == (0.3, 0.5)
    assert isinstance(adam(0.2).build(parameters), torch.optim.Adam)
    assert adam(0.2).build(parameters).param_groups[0]["lr"] == 0.2
    nadam = optimizers.nadam(0.2).build(parameters)
    assert isinstance(nadam, torch.optim.NAdam)
    assert nadam.param_groups[0]["lr"] == 0.2
    assert optimizers.sgd() == sgd(1.0)
    assert math.isclose(adam().lr, 0.05)


# ------------------------------------------------------------------------ scores and tiles


def test_a_frame_has_the_scores_of_all_steps() -> None:
    net, _ = toys.linear()
    frames = climbed(net, starts.photo(image(2)), priors=(priors.jitter(2),))
    for k, frame in enumerate(frames, start=1):
        assert frame.scores is not None
        assert frame.scores.shape == (k, 2)
        assert torch.equal(frame.scores, torch.stack([f.score for f in frames[:k]]))
    assert len({float(f.score[0]) for f in frames}) == 4
    (looked,) = climbed(net, starts.photo(image()), optimizer=None, steps=1)
    assert looked.scores is None


class Points(nn.Module):
    """Every pixel on its own, and two means over all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.act, self.two = nn.Conv2d(3, 6, 1), nn.ReLU(), nn.Conv2d(6, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.two(self.act(self.one(x))).mean((2, 3))
        return out


def points() -> cs.Network:
    return toys.plain_network(toys.randomized(Points()).double(), 8)


@pytest.mark.parametrize("tile", [1, 2, 4, 6, 12])
@pytest.mark.parametrize("rule", ["plain", "guided"])
def test_tiles_of_points_are_the_whole(tile: int, rule: str) -> None:
    photo = torch.rand(2, 3, 6, 13, generator=torch.Generator().manual_seed(1)).double()
    words: dict[str, Any] = {
        "objective": logit(1) - 0.5 * energy("act:2") - 3 * l2(),
        "rule": rule,
        "priors": (priors.jitter(5), priors.unit_gradient(), priors.clamp()),
        "optimizer": optimizers.sgd(0.05, momentum=0.9),
    }
    for start in (starts.photo(photo), starts.fourier(sigma=0.5, size=13)):
        if isinstance(start, starts.fourier):
            words["priors"] = words["priors"][:2]
        whole = climbed(points(), start, **words)
        parts = climbed(points(), start, tile=tile, **words)
        for one, other in zip(parts, whole, strict=True):
            assert one.activations == {}
            assert other.activations
            torch.testing.assert_close(one.score, other.score, rtol=1e-11, atol=1e-14)
            torch.testing.assert_close(one.gradient, other.gradient, rtol=1e-11, atol=1e-14)
            torch.testing.assert_close(one.image, other.image, rtol=1e-10, atol=1e-12)


def test_a_tiles_weight_is_its_area() -> None:
    # Of five rows the first two are a tile, and the last three.
    module = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False))
    module[0].weight.data.fill_(2)  # type: ignore[operator]
    net = toys.plain_network(module, 3, channels=1)
    photo = torch.tensor([0.1, 0.5, 0.2, 0.9, 0.3]).view(1, 1, 5, 1).expand(1, 1, 5, 2)
    highest = peak(Target("0"))
    (frame,) = climbed(net, starts.photo(photo), objective=highest, optimizer=None, steps=1, tile=3)
    assert frame.score.item() == pytest.approx(0.4 * 1.0 + 0.6 * 1.8)
    # The two columns of the highest row share its gradient.
    rows = frame.gradient[0, 0].sum(1).tolist()
    assert rows == pytest.approx([0, 0.4 * 2, 0, 0.6 * 2, 0])


@pytest.mark.parametrize(
    ("height", "width", "tile"), [(8, 8, 8), (9, 8, 8), (20, 31, 8), (3, 9, 4)]
)
def test_no_tile_is_larger_than_asked(
    monkeypatch: pytest.MonkeyPatch, height: int, width: int, tile: int
) -> None:
    net = points()
    shapes: list[tuple[int, ...]] = []
    activations = net.activations

    def note(view: Tensor, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        shapes.append(tuple(view.shape))
        return activations(view, *args, **kwargs)

    monkeypatch.setattr(net, "activations", note)
    photo = torch.rand(2, 3, height, width).double()
    (frame,) = climbed(net, starts.photo(photo), optimizer=None, steps=1, tile=tile)
    assert bool(frame.activations) is (max(height, width) <= tile)  # what fits is not cut
    down, across = math.ceil(height / tile), math.ceil(width / tile)
    assert len(shapes) == down * across
    assert all(n == 2 and max(sides) <= tile for n, _, *sides in shapes)
    # As alike as they can be, for a narrow strip would tell the network little.
    for axis, length, count in ((2, height, down), (3, width, across)):
        assert {shape[axis] for shape in shapes} <= {length // count, math.ceil(length / count)}
    assert sum(rows * columns for *_, rows, columns in shapes) == height * width


def test_a_rule_is_refused_in_tiles_too() -> None:
    smooth = toys.plain_network(nn.Sequential(nn.Conv2d(3, 2, 1), nn.SiLU()), 4)
    mean = activation(Target("1"))
    with pytest.raises(ConvscopeError, match="would change nothing"):
        climbed(smooth, starts.noise(size=9), objective=mean, rule="guided", tile=4)
