"""Which image of each goal is kept, by scores made up by hand; and a real climb."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.ascent import unit_images
from convscope.ascent.loop import climb
from convscope.ascent.recipe import Recipe
from convscope.ascent.unit_images import Goal
from convscope.types.frames import Ascent, Frame
from convscope.types.panels import Picture
from convscope.types.targets import Target
from convscope.vocabulary import optimizers, starts
from convscope.vocabulary.objectives import Objective, activation, each, logit, tv
from tests.helpers import toys

STEPS = 3


class Colors(nn.Module):
    """Its three scores are an image's mean colors."""

    def __init__(self) -> None:
        super().__init__()
        self.same = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.same(x).mean((2, 3))
        return out


def colors() -> cs.Network:
    return toys.plain_network(Colors(), 4)


def goals(*classes: int) -> list[Goal]:
    return [Goal(Target("", c, label=f"color {c}"), logit(c)) for c in classes]


def recipe(objective: Objective, part: Sequence[Goal]) -> Recipe:
    return Recipe(
        start=starts.noise(0.1, count=len(part)),
        objective=objective,
        optimizer=optimizers.sgd(0.1),
        steps=STEPS,
    )


Climbs = Callable[[Callable[[int, int], float]], list[tuple[Recipe, int]]]


def shade(job: int, step: int) -> float:
    """The gray of an image of `by_hand`."""
    return (10 * job + step) / 1000


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> Climbs:
    """Climbs whose images are flat grays, a shade of its own for each job and step, and whose
    scores are made up; gives the recipes and seeds that were climbed."""

    def install(score: Callable[[int, int], float]) -> list[tuple[Recipe, int]]:
        begun: list[tuple[Recipe, int]] = []
        jobs = 0

        def fake(net: cs.Network, plan: Recipe, seed: int) -> Iterator[Ascent]:
            nonlocal jobs
            begun.append((plan, seed))
            assert isinstance(plan.start, starts.noise)
            numbers = range(jobs, jobs + plan.start.count)
            jobs = numbers.stop
            rows: list[Tensor] = []
            for step in range(1, plan.steps + 1):
                rows.append(torch.tensor([float(score(job, step)) for job in numbers]))
                grays = torch.tensor([shade(job, step) for job in numbers])
                image = grays.view(-1, 1, 1, 1).expand(-1, 3, 4, 4).clone()
                yield Ascent(
                    image=image,
                    gradient=image,
                    score=rows[-1],
                    scores=torch.stack(rows),
                    step=step,
                    steps=plan.steps,
                )

        monkeypatch.setattr(unit_images, "climb", fake)
        return begun

    return install


def grays(frame: Frame) -> list[float]:
    assert frame.image is not None
    assert (frame.image == frame.image[:, :1, :1, :1]).all()
    return [round(v, 6) for v in frame.image[:, 0, 0, 0].tolist()]


def test_goals_in_order_in_batches(by_hand: Climbs) -> None:
    begun = by_hand(lambda job, step: 100 * job + step)
    wanted = goals(2, 0, 1, 2, 0)
    frames = list(unit_images.climb_goals(colors(), wanted, recipe, batch_size=2, seed=7))
    objectives = [plan.objective for plan, _ in begun]
    assert objectives == [
        each((logit(2), logit(0))), each((logit(1), logit(2))), each((logit(0),)),
    ]  # fmt: skip
    assert [seed for _, seed in begun] == [7, 8, 9]
    assert [(f.step, f.steps) for f in frames] == [(i, 9) for i in range(1, 10)]
    for frame in frames:
        batch, step = divmod(frame.step - 1, STEPS)
        done, now = 2 * batch, min(2 * batch + 2, 5)
        expected = [shade(job, STEPS) for job in range(done)]
        expected += [shade(job, step + 1) for job in range(done, now)]
        assert grays(frame) == pytest.approx(expected + [0.5] * (5 - now))
        assert frame.score is not None
        if frame.step < 9:
            # The mean over the steps so far; none of what is not begun.
            means = [100.0 * job + 2 for job in range(done)]
            means += [100 * job + (step + 2) / 2 for job in range(done, now)]
            assert frame.score[:now].tolist() == pytest.approx(means)
            assert frame.score[now:].isnan().all()
        assert [panel.caption for panel in frame.panels if isinstance(panel, Picture)] == [
            "color 2", "color 0", "color 1", "color 2", "color 0",
        ]  # fmt: skip
        for i, panel in enumerate(frame.panels):
            assert isinstance(panel, Picture)
            assert torch.equal(panel.rgb, frame.image[i])
    # At the end it is what the network gives the images as they are.
    assert frames[-1].score is not None
    assert frames[-1].score.tolist() == pytest.approx([shade(job, STEPS) for job in range(5)])


def test_the_best_try_is_kept(by_hand: Climbs) -> None:
    # Three tries each of three goals, in batches of four, that part the tries of a goal.
    given = [3.0, 5.0, 4.0, -2.0, -3.0, -1.0, 0.5, 0.2, 0.9]
    begun = by_hand(lambda job, step: given[job] * step)
    frames = list(unit_images.climb_goals(colors(), goals(0, 1, 2), recipe, tries=3, batch_size=4))
    climbed = [plan.objective for plan, _ in begun]
    assert [tuple(one.target for one in batch.objectives) for batch in climbed] == [  # type: ignore[attr-defined]
        (0, 0, 0, 1), (1, 1, 2, 2), (2,),
    ]  # fmt: skip
    table = 2 * torch.tensor(given).view(3, 3)  # the mean of steps 1 to 3
    assert torch.allclose(frames[-1].arrays["tries"], table)
    kept = [grays(frames[step - 1]) for step in (3, 6, 9)]
    best = [shade(job, STEPS) for job in (1, 3, 5, 8)]
    assert kept[0] == pytest.approx([best[0], best[1], 0.5])
    assert kept[1] == pytest.approx([best[0], best[2], shade(6, STEPS)])
    assert kept[2] == pytest.approx([best[0], best[2], best[3]])
    first = frames[2].arrays["tries"]
    assert torch.allclose(first.flatten()[:4], table.flatten()[:4])
    assert first.flatten()[4:].isnan().all()
    assert frames[2].score is not None
    assert frames[2].score[:2].tolist() == [10, -4]


def test_the_last_sixteen_steps_count(by_hand: Climbs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.ascent.test_unit_images.STEPS", 20)
    # The first try shines for four steps, the second is better ever after; the third at the end.
    given = [
        lambda step: 1e6 if step <= 4 else 1.0,
        lambda step: 2.0,
        lambda step: 9.0 * (step == 20),
    ]
    by_hand(lambda job, step: given[job](step))
    frames = list(unit_images.climb_goals(colors(), goals(0), recipe, tries=3))
    assert frames[-1].arrays["tries"].tolist() == [[1.0, 2.0, 9 / 16]]
    assert grays(frames[-1]) == pytest.approx([shade(1, 20)])
    assert grays(frames[3]) == pytest.approx([shade(0, 4)])


@pytest.mark.parametrize(
    ("count", "tries", "sizes"), [(7, 5, [16, 16, 3]), (16, 1, [16]), (1, 17, [16, 1])]
)
def test_batches_are_filled(by_hand: Climbs, count: int, tries: int, sizes: list[int]) -> None:
    begun = by_hand(lambda job, step: float(job % 5))
    last = list(unit_images.climb_goals(colors(), goals(*[0] * count), recipe, tries=tries))[-1]
    counts = [plan.start.count for plan, _ in begun]  # type: ignore[attr-defined]
    assert counts == sizes
    # The highest score is 4: that of every fifth, and of equals the first is kept.
    best = {5: [5 * i + 4 for i in range(count)], 1: list(range(count)), 17: [4]}[tries]
    assert grays(last) == pytest.approx([shade(job, STEPS) for job in best])
    assert last.steps == STEPS * len(sizes)


# ------------------------------------------------------------------------------- a real climb


def residual() -> tuple[cs.Network, nn.Module]:
    module = toys.randomized(toys.Residual()).eval()
    return toys.network(module, 12), module


def test_one_image_is_the_climb() -> None:
    net, module = residual()
    goal = Goal(Target("", 1), logit(1) - 5 * tv())

    def noisy(objective: Objective, part: Sequence[Goal]) -> Recipe:
        return Recipe(
            start=starts.fourier(sigma=0.3, count=len(part)),
            objective=objective,
            optimizer=optimizers.adam(),
            steps=4,
        )

    found = list(unit_images.climb_goals(net, [goal], noisy, seed=5))
    expected = list(climb(net, noisy(each((goal.objective,)), [goal]), 5))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.image is not None
        assert torch.equal(ours.image, theirs.image)
    last = found[-1]
    assert last.image is not None
    assert last.score is not None
    with torch.no_grad():
        logits = module(toys.normalized(last.image))
    across, down = (torch.diff(last.image, dim=d).square().sum() for d in (-1, -2))
    by_hand = logits[0, 1] - 5 * (across + down) / last.image.numel()
    assert last.score.item() == pytest.approx(by_hand.item(), rel=1e-4)


def test_the_score_of_many_is_read_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    net, module = residual()
    images = toys.images(37, 12)
    wanted = [
        Goal(Target("", i % 5), logit(i % 5) if i % 2 else activation("layer1.conv1:3"))
        for i in range(37)
    ]
    counts: list[int] = []
    activations = net.activations

    def note(seen: Tensor, *args: Any, **kwargs: Any) -> Any:
        counts.append(len(seen))
        assert not torch.is_grad_enabled()
        return activations(seen, *args, **kwargs)

    monkeypatch.setattr(net, "activations", note)
    found = unit_images.score(net, wanted, images)
    assert counts == [16, 16, 5]
    with toys.recording(module) as layers, torch.no_grad():
        module(toys.normalized(images))
    for i in range(37):
        mean = layers["layer1.conv1"][i, 3].mean()
        expected = layers[""][i, i % 5] if i % 2 else mean
        assert found[i].item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-5)
