"""`fool`: any class from any photograph, in 8 bits."""

from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.testing.cases import small_network, small_photograph


def test_the_saved_file_fools_the_network(tmp_path: Path) -> None:
    net = cs.load()
    cat = cs.open_image("sample:chelsea")
    run = cs.fool(net, cat, target="beacon", confidence=0.8, steps=24, alone=True)
    summary = run.result().summary
    assert summary["success"]
    opened = cs.open_image(run.save(tmp_path / "fooled.png"))
    assert opened.shape == cat.shape
    (top,) = net.predict(opened, 1)
    assert top.label == "beacon"
    assert top.probability == pytest.approx(summary["fooled"]["probability"], rel=1e-3)
    assert top.probability >= 0.8
    change = opened - cat
    assert summary["l2"] == pytest.approx(float(change.norm()), rel=1e-4)
    assert summary["linf"] == pytest.approx(float(change.abs().max()), rel=1e-4)
    assert 255 * summary["rms"] < 2
    assert summary["ssim"] > 0.98
    assert summary["random"]["prediction"] == summary["photograph"]["prediction"]
    assert summary["random"]["target"] < 0.01
    assert summary["jpeg"]["target"] < summary["fooled"]["target"]
    _, left, _, width = net.box(cat)
    reach = 4  # pixels of the interpolation
    assert not change[..., : int(left) - reach].any()
    assert not change[..., int(left + width) + reach :].any()


def test_it_begins_with_noise_or_a_color() -> None:
    net = small_network()
    starts: tuple[tuple[Literal["noise", "gray", "white"], float], ...]
    starts = (("noise", 0.05), ("gray", 0.0), ("white", 0.0))
    for start, spread in starts:
        first = cs.fool(net, start=start, steps=1).result()
        assert first.image.std() == pytest.approx(spread, abs=0.01)
        result = cs.fool(net, start=start, steps=12, confidence=0.6).result()
        assert result.image.shape == (1, 32, 32, 3)
        assert result.summary["fooled"]["target"] > result.summary["photograph"]["target"]


def test_the_least_probable_class_is_the_target_if_none_is_named() -> None:
    net, photograph = small_network(), small_photograph()
    rounded = (photograph * 255).round() / 255
    least = int(net.logits(rounded)[0].argmin())
    assert cs.fool(net, photograph, steps=1).result().summary["target"] == f"class {least}"


def test_failure_gives_the_surest_attempt() -> None:
    net, photograph = small_network(), small_photograph()
    run = cs.fool(net, photograph, confidence=0.999999, steps=3)
    results = list(run)
    last = results[-1].summary
    assert not last["success"]
    assert last["l2"] > 0
    assert results[-1].score == pytest.approx(max(float(one.score) for one in results))


def test_what_makes_no_sense_is_refused() -> None:
    net, photograph = small_network(), small_photograph()
    top = int(net.logits(photograph)[0].argmax())
    with pytest.raises(cs.ConvscopeError, match="already says"):
        cs.fool(net, photograph, target=top).result()
    with pytest.raises(cs.ConvscopeError, match="leave one out"):
        cs.fool(net, photograph, start="gray").result()
    with pytest.raises(cs.ConvscopeError, match="unknown class"):
        cs.fool(net, photograph, target="tabby").result()
    with pytest.raises(cs.ConvscopeError, match="confidence"):
        cs.fool(net, photograph, confidence=1.0)


class _Strange(nn.Module):
    """Three classes; what its scores go through last is told."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 1 if kind == "one output" else 3))

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "rounded":
            x = x + (x.round() - x) * 1.0
            x = x.round()
        scores: Tensor = self.net(x)
        if self.kind == "constant":
            return scores * 0 + torch.arange(3.0)
        if self.kind == "random":
            return scores + torch.randn(scores.shape)
        return scores.softmax(1) if self.kind == "probabilities" else scores


def strange(kind: str) -> cs.Network:
    torch.manual_seed(0)
    output = "classes" if kind != "one output" else None
    return cs.Network(_Strange(kind), mean=[0.0] * 3, std=[1.0] * 3, input_size=8, output=output)  # type: ignore[arg-type]


def test_networks_whose_gradient_tells_nothing_are_told() -> None:
    photograph = small_photograph(8, 8)
    with pytest.raises(cs.ConvscopeError, match="zero everywhere"):
        cs.fool(strange("constant"), photograph).result()
    with pytest.raises(cs.ConvscopeError, match="gives no class scores"):
        cs.fool(strange("one output"), photograph).result()
    (note,) = cs.fool(strange("random"), photograph, steps=2).result().summary["notes"]
    assert "same image" in note


def test_probabilities_are_as_good_as_logits() -> None:
    photograph = small_photograph(8, 8)
    results = [
        cs.fool(strange(kind), photograph, steps=8, confidence=0.9).result()
        for kind in ("logits", "probabilities")
    ]
    for name in ("fooled", "photograph"):
        one, other = (result.summary[name] for result in results)
        assert one["target"] == pytest.approx(other["target"], rel=1e-3)
