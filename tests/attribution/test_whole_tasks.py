"""Targets for whole tasks: the similarity to another image, and the boxes of a detector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

import convscope as cs
from convscope.errors import ConvscopeError
from convscope.types import Target
from tests.helpers import toys


class Embeds(nn.Module):
    """An embedding of unit length, as face networks and CLIP give."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 6, 3), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(self.fc(self.conv(x).relu().mean((2, 3))))


def embeds(module: nn.Module | None = None) -> tuple[cs.Network, nn.Module]:
    module = toys.randomized(module or Embeds()).eval()
    return toys.network(module), module


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """An image of the network's own size."""
    pixels = (toys.images(1, seed=5)[0] * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(tmp_path / "other.png")
    return tmp_path / "other.png"


def test_similarity_to_another_image(other: Path) -> None:
    """The score is the cosine of the two embeddings, and the map its gradient."""
    net, module = embeds()
    image = toys.images(1).requires_grad_()
    with torch.no_grad():
        wanted = module(toys.normalized(cs.open_image(other)))
    cosine = F.cosine_similarity(module(toys.normalized(image)), wanted)
    (gradient,) = torch.autograd.grad(cosine.sum(), image)
    target = f"like:{other}"
    result = cs.saliency(net, image.detach(), target=target).result()
    assert result.score == pytest.approx(cosine.item(), rel=1e-5)
    expected = gradient[0].abs().amax(0)
    assert torch.allclose(torch.as_tensor(result.heatmap), expected, rtol=1e-4, atol=1e-7)
    assert result.summary["target"] == "like:other.png"
    hidden = cs.occlusion(net, image.detach(), target=target, patch=8, stride=8).result()
    assert hidden.score == pytest.approx(cosine.item(), rel=1e-5)
    assert cs.gradcam(net, image.detach(), target=target).result().summary["layer"] == "conv"
    few, many = (cs.class_image(net, target=target, steps=n).result().score for n in (1, 40))
    assert many > few


def test_the_image_itself_is_the_most_similar(other: Path) -> None:
    net, _ = embeds()
    same = cs.saliency(net, cs.open_image(other), target=f"like:{other}").result()
    assert same.score == pytest.approx(1)
    checked = cs.check(cs.gradcam(net, cs.open_image(other), target=f"like:{other}")).result()
    found: Any = checked.summary["check"]
    assert found["other_target"] == {}
    assert found["findings"]["another target"].startswith("there is no other target")


def test_a_classifier_compares_what_it_classifies(other: Path) -> None:
    net, module = embeds(toys.Residual())
    with toys.recording(module) as one, torch.no_grad():
        module(toys.normalized(toys.images(1)))
    with toys.recording(module) as two, torch.no_grad():
        module(toys.normalized(cs.open_image(other)))
    mean, wanted = (found["layer2"].mean((2, 3)) for found in (one, two))
    result = cs.saliency(net, toys.images(1), target=f"like:{other}").result()
    assert result.score == pytest.approx(float(F.cosine_similarity(mean, wanted)), rel=1e-5)


def test_the_other_image_must_stay_the_same(other: Path, tmp_path: Path) -> None:
    net, _ = embeds()
    result = cs.saliency(net, toys.images(1), target=f"like:{other}").result()
    provenance: Any = result.provenance
    written = str(provenance["parameters"]["target"])
    path, _, digits = written.partition("#")
    assert path == f"like:{other}"
    assert len(digits) == 16
    other.rename(tmp_path / "moved.png")
    Image.new("RGB", (16, 16)).save(other)
    with pytest.raises(ConvscopeError, match="no longer the image that the target names"):
        cs.saliency(net, toys.images(1), target=f"{path}#{'0' * 16}").result()
    with pytest.raises(ConvscopeError, match="nothing"):
        cs.saliency(net, toys.images(1), target=f"like:{tmp_path}/nothing.png").result()
    with pytest.raises(ConvscopeError, match="only classes have a probability"):
        cs.random_occlusion(net, toys.images(1), target=f"like:{other}", count=4).result()


def test_a_layer_may_be_called_like() -> None:
    class Likes(toys.Residual):
        def __init__(self) -> None:
            super().__init__()
            self.like = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.like(super().forward(x))
            return result

    net, _ = embeds(Likes())
    assert net.target("like:3") == Target("like", 3)
